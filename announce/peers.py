"""What one node knows of another, what it concludes of all, and whom it awaits."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from ferrule.announce.heartbeat import NOTHING_OWNED, Down, State
from ferrule.announce.wire import Mac

NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds; all nodes of a cluster have the same."""

    interval_s: float = 0.1
    misses: int = 3
    hold_down_s: float = 10.0
    recall_s: float = 1.0  # between reminders that somebody is down; believed three times as long
    remind_s: float = 10.0  # in which each is told once how we are, also who does not watch us
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
    """What another node's beats said; nothing else of it is believed.

    `challenge` is what another run of it has to echo, `echo` what it wants to have echoed. Its
    silence says something only while its next beat is `expected`.
    """

    challenge: int
    echo: int = 0
    answered_at: float = NEVER
    epoch: int = 0
    sequence: int = 0
    heard_at: float = NEVER
    began_at: float = NEVER  # when it was last heard to listen only
    expected: bool = False
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


class Awaited:
    """Members that were never heard: they hold a Lease, and may not answer yet.

    So they own only what none that is ready can: while their agents say that they are idle, and
    then for `lasts_s`. By then they announce, whether we hear them or not.
    """

    def __init__(self, lasts_s: float) -> None:
        self._lasts_s = lasts_s
        self._since: dict[str, float | None] = {}  # None: it is idle

    def __contains__(self, name: str) -> bool:
        return name in self._since

    def members(
        self, unheard: Iterable[str], new: Collection[str], idle: Collection[str], now: float
    ) -> None:
        """Who they are, which of them are new, and which have not begun."""
        before, self._since = self._since, {}
        for name in unheard:
            if name in idle:
                self._since[name] = None
            elif name in new:
                self._since[name] = now
            elif name in before:
                since = before[name]
                self._since[name] = now if since is None else since

    def heard(self, name: str) -> None:
        """It says itself what it is."""
        self._since.pop(name, None)

    def tick(self, now: float) -> bool:
        """Whether some were awaited for long enough."""
        each = self._since.items()
        over = [name for name, at in each if at is not None and now - at >= self._lasts_s]
        for name in over:
            del self._since[name]
        return bool(over)
