"""When to announce unasked: at once, again within 5 s, then now and then. A schedule, no clock.

The first packet of every address on an interface goes out before the second of any: a thousand
addresses that move are all somewhere else within 600 ms. Repeats follow because packets get lost
(a client without the first one is blind for up to 25 s), and because some gear forwards only one
gratuitous packet a second. The refresh keeps switches that forget addresses after 300 s from
flooding what routers remember for longer.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import NamedTuple

from ferrule.announce.limits import Bucket

TIMES_S = (0.0, 0.1, 0.5, 1.1, 2.2, 4.4)
REFRESH_S = 60.0
JITTER = 0.1  # of the refresh, either way
# Together less than 2000 packets in any second: what came back during it, and the depth before. The
# depth is what a busy node may catch up: 54 ms without a turn.
RATE, DEPTH = 1850.0, 100.0
_HANDFUL = 8  # packets worth waking up for

Form = int  # 1: a request (ARP) or an advertisement (NDP), 2: a reply (ARP)


class Target(NamedTuple):
    """An address on an interface, by index."""

    interface: int
    address: bytes


class Packet(NamedTuple):
    """One announcement to send."""

    target: Target
    form: Form


class _Due(NamedTuple):
    """Sorts as it is sent: first packets, then by time."""

    repeat: bool
    at: float
    order: int
    target: Target
    generation: int
    step: int


@dataclass
class _Queue:
    """What one interface has to send, and how fast it may."""

    pace: Bucket
    waiting: list[_Due] = field(default_factory=list)


class Bursts:
    """The schedule of all interfaces; `jitter` gives a number from -1 to 1."""

    def __init__(self, jitter: Callable[[], float], refresh_s: float = REFRESH_S) -> None:
        self._jitter = jitter
        self._refresh_s = refresh_s
        self._queues: dict[int, _Queue] = {}
        self._generations: dict[Target, int] = {}
        self._numbers = count()

    def begin(self, target: Target, now: float) -> None:
        """Announce it from the start, whatever was still to come of an earlier burst."""
        self._generations[target] = generation = next(self._numbers)
        first = _Due(False, now, generation, target, generation, 0)  # noqa: FBT003
        heapq.heappush(self._queue(target.interface, now).waiting, first)

    def once(self, target: Target) -> Iterator[Packet]:
        """Both forms, outside the schedule: a defense."""
        forms = (1, 2) if len(target.address) == 4 else (1,)
        return (Packet(target, form) for form in forms)

    def stop(self, target: Target) -> None:
        """Nothing more of it."""
        self._generations.pop(target, None)

    def due(self, now: float) -> Iterator[Packet]:
        """What is to be sent now; what exceeds the pace stays."""
        for queue in self._queues.values():
            while self._head(queue, now) is not None and queue.pace.take(now):
                entry = heapq.heappop(queue.waiting)
                self._continue(queue, entry, now)
                yield Packet(entry.target, _steps(entry.target)[entry.step].form)

    def next_at(self, now: float) -> float | None:
        """When `due` has something again."""
        times = []
        for queue in self._queues.values():
            self._forget(queue)
            if queue.waiting:
                handful = min(_HANDFUL, len(queue.waiting))
                times.append(max(queue.waiting[0].at, now + queue.pace.full_in(now, handful)))
        return min(times, default=None)

    def _queue(self, interface: int, now: float) -> _Queue:
        if interface not in self._queues:
            self._queues[interface] = _Queue(Bucket(RATE, DEPTH, DEPTH, now))
        return self._queues[interface]

    def _forget(self, queue: _Queue) -> None:
        """Drop entries of bursts that were stopped or begun anew."""
        waiting = queue.waiting
        while waiting and self._generations.get(waiting[0].target) != waiting[0].generation:
            heapq.heappop(waiting)

    def _head(self, queue: _Queue, now: float) -> _Due | None:
        self._forget(queue)
        return queue.waiting[0] if queue.waiting and queue.waiting[0].at <= now else None

    def _continue(self, queue: _Queue, entry: _Due, now: float) -> None:
        steps = _steps(entry.target)
        step = entry.step + 1
        if step < len(steps):
            at = now + steps[step].after_s
        elif self._refresh_s:
            # The last time's packets once more: a request and a reply, or an advertisement.
            step -= 2 if len(entry.target.address) == 4 else 1
            at = now + self._refresh_s * (1 + JITTER * self._jitter())
        else:
            self._generations.pop(entry.target)
            return
        heapq.heappush(
            queue.waiting,
            entry._replace(repeat=True, at=at, order=next(self._numbers), step=step),
        )


class _Step(NamedTuple):
    form: Form
    after_s: float  # the step before


_GAPS_S = (0.0, *(round(later - earlier, 3) for earlier, later in pairwise(TIMES_S)))
_STEPS_6 = tuple(_Step(1, gap) for gap in _GAPS_S)
_STEPS_4 = tuple(step for gap in _GAPS_S for step in (_Step(1, gap), _Step(2, 0.0)))


def _steps(target: Target) -> tuple[_Step, ...]:
    return _STEPS_4 if len(target.address) == 4 else _STEPS_6
