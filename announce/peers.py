"""What one node knows of another, what it concludes of all, and whom it watches."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256

from ferrule.announce.heartbeat import NOTHING_OWNED, Down, State
from ferrule.announce.wire import Mac

NEVER = float("-inf")
FEW = 16  # up to so many nodes everybody watches everybody
RING = 2  # above it, so many on either side


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds; all nodes of a cluster have the same."""

    interval_s: float = 0.1
    misses: int = 3
    hold_down_s: float = 10.0
    recall_s: float = 1.0  # between reminders that somebody is down; believed three times as long
    lease_s: float = 5.0  # a pause that is shorter ends no Lease

    @property
    def silence_s(self) -> float:
        """So long without a beat is suspicious."""
        return self.interval_s * self.misses


@dataclass(frozen=True, slots=True)
class View:
    """Who may own: those that are ready come before the rest. `may_take`: whether we may add."""

    ready: frozenset[str]
    rest: frozenset[str]
    may_take: bool


@dataclass(slots=True)
class Peer:
    """What another node's beats said; nothing else of it is believed. Never heard, it is ready.

    `challenge` is what another run of it has to echo, `echo` what it wants to have echoed.
    """

    challenge: int
    echo: int = 0
    answered_at: float = NEVER
    epoch: int = 0
    sequence: int = 0
    heard_at: float = NEVER
    began_at: float = NEVER  # when it was last heard to listen only
    down: bool = False
    suspected: bool = False
    state: State = State.READY
    fresh: bool = True
    owned: bytes = NOTHING_OWNED
    macs: tuple[Mac, ...] = ()
    suspects: frozenset[str] = frozenset()
    told_down: dict[Down, float] = field(default_factory=dict)  # until when it is believed


@dataclass(frozen=True, slots=True)
class News:
    """Something to tell people: `suspected`, `down`, `back`, `paused`, `accused`, `left`."""

    what: str
    name: str


def near(me: str, names: frozenset[str]) -> frozenset[str]:
    """Whose beats we expect, and who expects ours: all, or the nearest in a ring of hashes."""
    if len(names) <= FEW:
        return names - {me}
    ring = sorted(names, key=lambda name: sha256(name.encode()).digest())
    at = ring.index(me)
    return frozenset(ring[(at + step) % len(ring)] for step in range(-RING, RING + 1)) - {me}
