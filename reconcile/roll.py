"""Who of the cluster's agents is there, by their Leases: each renews its own and sees the others'.

A Lease is over when it was not seen to change for as long as it says, by our clock alone: no two
clocks are compared, but for a hint (`idle`). And only while our own renewals get through and are
seen to come back: a write says nothing of the watch, which may be silent for a minute before
anybody notices. Otherwise time stands still: whoever was there stays, whoever was gone stays gone,
and when it goes on everybody has time to renew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ferrule.observe.cluster_lists import Resource
from ferrule.observe.watch_feed import RefusedError

LEASES = Resource("coordination.k8s.io/v1", "Lease", "leases")
INTERFACES = "ferrule.dev/interfaces"
LONGEST_NAME = 253
FRESH = 2  # so many periods after a renewal, and after it was seen, others may be judged
MANY = 200
OLD = 3  # so many times as long as it lasts


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
    renewed: float = 0.0  # by its node's clock


def member(raw: dict[str, Any]) -> Member | None:
    """What is kept of a Lease; None for one that nobody holds, refused if it is no node's."""
    spec, meta = raw.get("spec") or {}, raw["metadata"]
    node = spec.get("holderIdentity")
    if not node:
        return None
    if len(node.encode()) > LONGEST_NAME or meta["name"] != lease_of(node):
        raise RefusedError("it has not the name of its holder's Lease")
    said = (meta.get("annotations") or {}).get(INTERFACES)
    names = None if said is None else frozenset(map(str, json.loads(said)))
    lasts_s = int(spec["leaseDurationSeconds"])
    renewed = datetime.fromisoformat(spec["renewTime"]).timestamp()
    return Member(node, lasts_s, meta["resourceVersion"], names, renewed)


def lease_of(node: str) -> str:
    """The name of a node's Lease."""
    return f"ferrule-node-{node}"[:LONGEST_NAME].rstrip("-.")


class Roll:
    """The members, for node `me`. Times are seconds of one clock that goes on in sleep."""

    def __init__(self, me: str) -> None:
        self._me = me
        self._members: dict[str, Member] = {}  # by the key of the Lease
        self._seen: dict[str, float] = {}  # when it changed
        self._still: set[str] = set()  # those that never did
        self._written = self._echoed = self._judged = float("-inf")

    def hear(self, changes: Mapping[str, Member | None], now: float) -> None:
        """Leases that changed or went; a list names also those that are as they were."""
        stood = self._clock(now)
        for key, one in changes.items():
            before = self._members.pop(key, None)
            if one is None:
                self._seen.pop(key, None)
                self._still.discard(key)
                continue
            self._members[key] = one
            if before is not None and one.version == before.version:
                continue
            self._seen[key] = now
            (self._still.add if before is None else self._still.discard)(key)
            if one.node == self._me:
                self._echoed = now
        self._go_on(stood, now)

    def wrote(self, now: float) -> None:
        """Our own Lease was renewed."""
        stood, self._written = self._clock(now), now
        self._go_on(stood, now)

    def _clock(self, now: float) -> float:
        """The time that Leases are judged by: it stands still when ours is not fresh."""
        return min(now, self._judged)

    def _go_on(self, stood: float, now: float) -> None:
        """Where time had stood still and goes on, it is as if those there had renewed just now."""
        until = min(self._written, self._echoed) + FRESH * self.pace.renew_s
        self._judged = max(self._judged, until)
        if stood < now and self.fresh(now):
            for key in [key for key in self._members if self._holds(key, stood)]:
                self._seen[key] = now

    def _holds(self, key: str, at: float) -> bool:
        return at - self._seen[key] <= self._members[key].lasts_s

    @property
    def pace(self) -> Pace:
        """Of our own Lease."""
        return SLOW if len(self._members) > MANY else QUICK

    @property
    def includes_us(self) -> bool:
        """Whether our own Lease was seen: then so were those that were there before."""
        return any(one.node == self._me for one in self._members.values())

    def fresh(self, now: float) -> bool:
        """Whether our own Lease was written lately, and seen to be."""
        return now <= self._judged

    def present(self, now: float) -> dict[str, Member]:
        """Whose Lease is valid, by node."""
        at = self._clock(now)
        return {
            one.node: one
            for key, one in self._members.items()
            if one.node != self._me and self._holds(key, at)
        }

    def idle(self, now: float) -> list[str]:
        """Of those present, who has not begun to announce, by name; and who seems to be long dead.

        A Lease that was much older than others when it was first seen is nobody's until it changes.
        """
        newest = max((one.renewed for one in self._members.values()), default=0.0)
        old = {
            one.node
            for key in self._still
            if newest - (one := self._members[key]).renewed > OLD * one.lasts_s
        }
        there = self.present(now).items()
        return sorted(name for name, one in there if one.interfaces is None or name in old)

    def interfaces(self) -> dict[str, frozenset[str]]:
        """Of the nodes that say which they have, while they are known at all."""
        each = self._members.values()
        return {one.node: one.interfaces for one in each if one.interfaces is not None}
