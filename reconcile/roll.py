"""Who of the cluster's agents is there, by their Leases: each renews its own and sees the others'.

A Lease is over when it was not seen to change for as long as it says, by our clock alone: no two
clocks are compared. But only while our own writes get through; an API server that is away makes
nobody disappear, and when it is back everybody has time to renew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ferrule.observe.cluster_lists import Resource

LEASES = Resource("coordination.k8s.io/v1", "Lease", "leases")
INTERFACES = "ferrule.dev/interfaces"
LONGEST_NAME = 253
FRESH = 2  # so many periods after a write its writer may still judge others
MANY = 200


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a Lease is renewed, and how long it lasts, in seconds."""

    renew_s: float = 2.0
    lasts_s: int = 8


QUICK, SLOW = Pace(), Pace(10.0, 40)  # of few nodes, and of many: each write is told to all


@dataclass(frozen=True, slots=True)
class Member:
    """One node's Lease; every version of it is a sign of life."""

    node: str
    lasts_s: int
    version: str
    interfaces: frozenset[str] | None


def member(raw: dict[str, Any]) -> Member | None:
    """What is kept of a Lease; None for one that nobody holds."""
    spec, meta = raw.get("spec") or {}, raw["metadata"]
    node = spec.get("holderIdentity")
    if not node:
        return None
    said = (meta.get("annotations") or {}).get(INTERFACES)
    names = None if said is None else frozenset(map(str, json.loads(said)))
    return Member(str(node), int(spec["leaseDurationSeconds"]), meta["resourceVersion"], names)


def lease_of(node: str) -> str:
    """The name of a node's Lease."""
    return f"ferrule-node-{node}"[:LONGEST_NAME].rstrip("-.")


class Roll:
    """The members, for node `me`. Times are seconds of one clock that goes on in sleep."""

    def __init__(self, me: str) -> None:
        self._me = me
        self._members: dict[str, Member] = {}  # by the key of the Lease
        self._seen: dict[str, float] = {}
        self._written = float("-inf")

    def hear(self, changes: Mapping[str, Member | None], now: float) -> None:
        """Leases that changed or went."""
        for key, one in changes.items():
            if one is None:
                self._members.pop(key, None)
                self._seen.pop(key, None)
            else:
                self._members[key], self._seen[key] = one, now

    def wrote(self, now: float) -> None:
        """Our own Lease was renewed."""
        if not self.fresh(now):
            self._seen = dict.fromkeys(self._seen, now)
        self._written = now

    @property
    def pace(self) -> Pace:
        """Of our own Lease."""
        return SLOW if len(self._members) > MANY else QUICK

    @property
    def includes_us(self) -> bool:
        """Whether our own Lease was seen: then so were those that were there before."""
        return any(one.node == self._me for one in self._members.values())

    def fresh(self, now: float) -> bool:
        """Whether our own Lease was written lately."""
        return now - self._written <= FRESH * self.pace.renew_s

    def present(self, now: float) -> dict[str, Member]:
        """Whose Lease is valid, by node; all that were, while our own is not fresh."""
        fresh = self.fresh(now)
        return {
            one.node: one
            for key, one in self._members.items()
            if one.node != self._me and (not fresh or now - self._seen[key] <= one.lasts_s)
        }

    def interfaces(self) -> dict[str, frozenset[str]]:
        """Of the nodes that say which they have, while they are known at all."""
        each = self._members.values()
        return {one.node: one.interfaces for one in each if one.interfaces is not None}
