"""Our end and the far device's neighbor that is to meet it.

FRR looks for a neighbor by address first and for a listen range after that; VRFs are looked through
one by one, because a neighbor in the wrong one is not a missing one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ferrule.compiler.errors import Place
from ferrule.compiler.lint.device import Device, Instance, Neighbor, Range, Setting
from ferrule.compiler.lint.doors import Doors
from ferrule.compiler.lint.ours import End
from ferrule.compiler.network import Address, Family

NO_TTL = 1  # what eBGP sends where nobody says anything


@dataclass(frozen=True, slots=True)
class Meeting:
    """Both ends of a session; `neighbor` is a range's group where the far end only waits."""

    end: End
    device: Device
    instance: Instance
    neighbor: Neighbor
    address: Address  # ours, by which it is known there
    range: Range | None = None

    def get(self, name: str, family: Family | None = None) -> Setting | None:
        """A setting of the far end."""
        return self.neighbor.get(name, family)

    @property
    def bfd(self) -> Setting | None:
        """Any of the ways to turn BFD on."""
        return self.neighbor.first("bfd", "bfd profile", "bfd check-control-plane-failure")

    @property
    def multihop(self) -> Setting | None:
        """`ebgp-multihop`, where it is more than what holds without."""
        found = self.get("ebgp-multihop")
        return None if found and found.number == NO_TTL else found

    def at(self, *settings: Setting | None) -> Place:
        """The place of the first of these that is there, else of the group, or of the neighbor."""
        found = next((one for one in settings if one), None)
        where = self.neighbor.group or self.neighbor
        return (found or where).spot.place()

    @property
    def group(self) -> str:
        """The name by which all that are configured alike are configured."""
        return (self.neighbor.group or self.neighbor).name


def meet(doors: Doors, end: End) -> Meeting | None:
    """The neighbor that our end comes upon, in the VRF that it should be in, else in any."""

    def elsewhere(meeting: Meeting) -> tuple[bool, str]:
        return meeting.instance.vrf != (end.far_vrf or ""), meeting.instance.vrf

    for kind in (_by_address, _by_range):
        if found := min(kind(doors, end), key=elsewhere, default=None):
            return found
    return None


def _by_address(doors: Doors, end: End) -> Iterator[Meeting]:
    for address in end.addresses:
        for instance, neighbor in doors.neighbors(address):
            yield Meeting(end, doors.device, instance, neighbor, address)


def _by_range(doors: Doors, end: End) -> Iterator[Meeting]:
    for address in end.addresses:
        for instance, range_ in doors.ranges(address):
            group = instance.groups.get(range_.group) or Neighbor(range_.group, range_.spot)
            yield Meeting(end, doors.device, instance, group, address, range_)
