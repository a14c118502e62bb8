"""Whom a node tells how it is, and when: those who watch it always, all others now and then.

Up to `FEW` nodes everybody watches everybody; above it each those that are nearest in a ring of
hashes. What all must know is told to all, some times over; it may get lost all the same, so those
that are far are told in turn, each once in `remind_s`.
"""

from __future__ import annotations

from hashlib import sha256
from math import ceil

from ferrule.announce.peers import Timing

FEW = 16  # up to so many nodes everybody watches everybody
RING = 2  # above it, so many on either side
WIDE = 3  # how often what all must know is told to all


class Rounds:
    """Of one node. Whom it tells always it also watches: the ring is the same for all."""

    def __init__(self, me: str, timing: Timing, now: float) -> None:
        self._me, self._timing = me, timing
        self.watched = frozenset[str]()
        self._all = frozenset[str]()
        self._far: list[str] = []
        self._parting: dict[str, float] = {}  # need not watch us any more, and may not know it yet
        self._answer: set[str] = set()
        self._wide = WIDE
        self._beat_at = self._recall_at = now

    def members(self, names: frozenset[str], now: float) -> None:
        """These are all; this node is one of them."""
        before, after = self.watched, _after(self._me, names)
        few = len(names) <= FEW
        self._all = frozenset(after)
        self.watched = self._all if few else frozenset(after[:RING] + after[-RING:])
        self._far = [] if few else after[RING:-RING]
        until = now + self._timing.recall_s
        self._parting |= dict.fromkeys(before - self.watched, until)
        self.urge(now)

    def answer(self, name: str) -> None:
        """It waits for a beat of ours."""
        self._answer.add(name)

    def tell_all(self, now: float) -> None:
        """What is so now; soon, and some times over."""
        self._wide = WIDE
        self.urge(now)

    def urge(self, now: float) -> None:
        """The next beat is due."""
        self._beat_at = now

    def next_at(self, now: float) -> float:
        """When somebody is to be told."""
        return now if self._answer else self._beat_at

    def receivers(self, now: float, *, recalling: bool) -> frozenset[str]:
        """Who is to be told now. While somebody is down, all are told so again and again."""
        told, self._answer = frozenset(self._answer), set()
        if now < self._beat_at:
            return told
        self._beat_at = now + self._timing.interval_s
        if recalling and now >= self._recall_at:
            self._wide = max(self._wide, 1)
        if not self._wide:
            return told | self.watched | self._part(now) | self._remind()
        self._wide -= 1
        self._recall_at = now + self._timing.recall_s
        return told | self._all

    def _part(self, now: float) -> frozenset[str]:
        self._parting = {
            name: until
            for name, until in self._parting.items()
            if until > now and name in self._all
        }
        return frozenset(self._parting)

    def _remind(self) -> frozenset[str]:
        """The next ones; no two nodes begin with the same."""
        each_time = ceil(len(self._far) * self._timing.interval_s / self._timing.remind_s)
        some, self._far = self._far[:each_time], self._far[each_time:] + self._far[:each_time]
        return frozenset(some)


def _after(me: str, names: frozenset[str]) -> list[str]:
    """The others, in the ring from us on."""
    ring = sorted(names, key=lambda name: sha256(name.encode()).digest())
    at = ring.index(me)
    return ring[at + 1 :] + ring[:at]
