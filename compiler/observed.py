"""What a device was found to run: its configuration as a value, and how its sessions do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ferrule.compiler.backends import frr, sonic
from ferrule.compiler.bgpstate import BgpState
from ferrule.compiler.network import Address, Family

Kind = Literal["node", "switch"]
Key = tuple[Kind, str]  # a node and a switch may share a name


@dataclass(frozen=True, slots=True)
class Observed:
    """One device, read once.

    `state` is None where only a file was read. `warnings` are worth knowing before a change:
    somebody else's lines that are not saved, and the like. `addresses` are the device's own, where
    it was asked. `bgpd` is what bgpd on a switch runs, which CONFIG_DB alone does not say; it may
    hold passwords.
    """

    device: str
    kind: Kind
    version: str
    running: frr.Running | sonic.Running = field(repr=False)
    state: BgpState | None = None
    warnings: tuple[str, ...] = ()
    addresses: frozenset[Address] = frozenset()
    bgpd: str = field(default="", repr=False)
    open_run: str = ""

    def established(self, vrf: str, neighbor: str) -> bool | None:
        """Whether a session is up; None where that is not known."""
        if self.state is None:
            return None
        session = self.state.session(vrf, neighbor)
        return session is not None and session.established

    def accepted(self, vrf: str, neighbor: str, family: Family) -> int | None:
        """How many prefixes of a neighbor are taken now; None where that is not known."""
        session = self.state.session(vrf, neighbor) if self.state else None
        return session.accepted.get(family) if session else None
