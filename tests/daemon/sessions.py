"""Many sessions between some routers and a far one, and what each of them notices of a change.

Every session has an address pair of its own, so that many changes, each of one session, are
measured in the same seconds, and every session is a control of all others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from daemon.flavour import wait_for
from daemon.lab import Device, Lab

T = TypeVar("T")

QUIET_S = 1.5  # without any news; BFD and `bgp route-map delay-timer 1` take less
UP_S = 60.0


@dataclass(frozen=True)
class Link:
    """The two names of a session: what the near router calls it, and the far one."""

    near: str  # the near router's address
    far: str

    @classmethod
    def number(cls, place: int) -> Link:
        return cls(f"198.51.100.{2 * place}", f"198.51.100.{2 * place + 1}")


UNNUMBERED = Link("eth1", "eth1")


@dataclass(frozen=True)
class End:
    """What a router has counted of a session, and how it knows the other end."""

    up: bool
    established: int
    dropped: int
    updates: int
    heard: int
    facts: tuple[object, ...]
    bfd: str | None = None  # how that does, where the router has it for the neighbor


@dataclass(frozen=True)
class Seen:
    """Both ends; None where the neighbor is not configured."""

    near: End | None
    far: End | None

    @property
    def up(self) -> bool:
        return bool(self.near and self.near.up and self.far and self.far.up)

    @property
    def waits_for_bfd(self) -> bool:
        """Whether both ends have BFD, and it has not come up yet: it comes after the session."""
        each = [one.bfd for one in (self.near, self.far) if one]
        return None not in each and {*each} != {"Up"}

    def is_after(self, before: Seen) -> bool:
        """Whether it is up and another session than before."""
        assert self.near
        assert before.near
        return self.up and self.near.established > before.near.established

    def differs_from(self, before: Seen) -> bool:
        """Whether the far end knows something else of the session."""
        assert self.far
        assert before.far
        return self.far.facts != before.far.facts


def ends(device: Device) -> dict[str, End]:
    """Every session of a router by the name of its neighbor."""
    known: Mapping[str, Any] = device.frr.show_json("show bgp neighbors")
    return {name: _end(one) for name, one in known.items() if "bgpState" in one}


def _end(one: Mapping[str, Any]) -> End:
    stats = one["messageStats"]
    return End(
        one["bgpState"] == "Established",
        one["connectionsEstablished"],
        one["connectionsDropped"],
        stats["updatesSent"] + stats["updatesRecv"],
        sum(each.get("acceptedPrefixCounter", 0) for each in one["addressFamilyInfo"].values()),
        (
            one["remoteAs"],
            one.get("bgpTimerHoldTimeMsecs"),
            one.get("gracefulRestartInfo", {}).get("remoteGrMode"),
        ),
        one.get("peerBfdInfo", {}).get("status") if "peerBfdInfo" in one else None,
    )


def noticed(before: Seen, after: Seen) -> str:
    """In the words of the tables; a session that comes up is nobody's loss."""
    if before.near and not after.near:
        return "session"
    pairs = [(before.near, after.near), (before.far, after.far)]
    counted = [(old, new) for old, new in pairs if old and new]
    if any(new.dropped > old.dropped or (old.up and not new.up) for old, new in counted):
        return "reset"
    if not before.up:
        return "none"
    moved = any((new.updates, new.heard) != (old.updates, old.heard) for old, new in counted)
    return "routes" if moved else "none"


class Bench:
    """Near routers and a far one, a session each for every link."""

    def __init__(
        self, lab: Lab, flavour: str, links: Mapping[str, Sequence[Link]], far: str
    ) -> None:
        """`links` by near router; `far` is the far router's configuration."""
        self.links = links
        every = [link for each in links.values() for link in each]
        self.far = lab.device("far", flavour, _plugs([link.far for link in every]), far)
        self.near = {
            name: lab.device(name, flavour, _plugs([link.near for link in each]), "")
            for name, each in links.items()
        }

    def read(self) -> dict[Link, Seen]:
        far = ends(self.far)
        seen: dict[Link, Seen] = {}
        for name, links in self.links.items():
            near = ends(self.near[name])
            seen |= {link: Seen(near.get(link.far), far.get(link.near)) for link in links}
        return seen

    def clear(self, links: Collection[Link]) -> None:
        """End these sessions, so that they start anew."""
        for name, mine in self.links.items():
            for link in mine:
                if link in links:
                    self.near[name].frr.show(f"clear bgp {link.far}")

    def settled(self) -> dict[Link, Seen]:
        """What is seen once there is nothing new any more."""
        return settled(self.read)


def _plugs(names: Sequence[str]) -> dict[str, list[str]]:
    numbered = [f"{name}/31" for name in names if name != UNNUMBERED.near]
    return {"rack": numbered} | ({"wire": []} if UNNUMBERED.near in names else {})


def settled(read: Callable[[], T], quiet_s: float = QUIET_S, most_s: float = UP_S) -> T:
    """What is read once it has stayed the same for a while."""
    last, since = read(), time.monotonic()

    def quiet() -> bool:
        nonlocal last, since
        if (now := read()) != last:
            last, since = now, time.monotonic()
        return time.monotonic() - since > quiet_s

    wait_for(quiet, most_s, "nothing changes any more")
    return last
