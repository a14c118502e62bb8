"""When each switch is looked at next: soon after a change, else now and then; later when it fails.

Every switch has a lane of its own, so that one that does not answer holds up nobody. Times are
given, never asked for.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

DOUBLINGS = 20  # after which nobody waits for more


class Outcome(Enum):
    """How a look at a switch ended."""

    WELL = "well"  # until something changes, or the next time it is due
    SOON = "soon"  # it waits for something that comes without us
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: between two looks, between two changes, and after failures, doubling."""

    interval_s: float = 60.0
    soon_s: float = 5.0
    change_s: float = 10.0
    least_backoff_s: float = 5.0
    most_backoff_s: float = 300.0


@dataclass(slots=True)
class _Lane:
    due: float
    failures: int = 0
    busy: bool = False
    poked: bool = False  # while it was busy
    gone: bool = False  # while it was busy


class Lanes:
    """All lanes. Who fails comes after those that do not."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._lanes: dict[str, _Lane] = {}

    def keep(self, names: Collection[str], now: float) -> None:
        """These and no others; a new one is due at once."""
        for name in [*self._lanes]:
            self._lanes[name].gone = name not in names
            if not (name in names or self._lanes[name].busy):
                del self._lanes[name]
        for name in names:
            self._lanes.setdefault(name, _Lane(now))

    def poke(self, name: str, now: float) -> None:
        """What it is to be has changed. One that fails is tried when it would be anyway."""
        lane = self._lanes[name]
        lane.poked = True
        if not lane.failures:
            lane.due = min(lane.due, now)

    def take(self, now: float) -> str | None:
        """One that is due; it is busy from now on."""
        due = [(o.failures > 0, o.due, n) for n, o in self._lanes.items() if _is_due(o, now)]
        if not due:
            return None
        *_, name = min(due)
        lane = self._lanes[name]
        lane.busy, lane.poked = True, False
        return name

    def done(self, name: str, now: float, outcome: Outcome, not_before: float = 0.0) -> None:
        """It is no longer busy. What may not be before a moment is not."""
        lane = self._lanes[name]
        if lane.gone:
            del self._lanes[name]
            return
        lane.busy = False
        lane.failures = lane.failures + 1 if outcome is Outcome.FAILED else 0
        lane.due = max(now + self._wait_s(outcome, lane), not_before)
        if lane.poked and not lane.failures:
            lane.due = now

    def wait_s(self, now: float) -> float | None:
        """How long until the next is due; None where none is."""
        due = [one.due for one in self._lanes.values() if not one.busy]
        return max(0.0, min(due) - now) if due else None

    @property
    def busy(self) -> int:
        """How many are looked at."""
        return sum(one.busy for one in self._lanes.values())

    def _wait_s(self, outcome: Outcome, lane: _Lane) -> float:
        pace = self._pace
        if outcome is Outcome.WELL:
            return pace.interval_s
        if outcome is Outcome.SOON:
            return pace.soon_s
        doubled = pace.least_backoff_s * 2.0 ** min(lane.failures - 1, DOUBLINGS)
        return min(doubled, pace.most_backoff_s)


def _is_due(lane: _Lane, now: float) -> bool:
    return not lane.busy and lane.due <= now
