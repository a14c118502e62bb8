"""What has changed in a cluster since somebody last looked.

Watches put in, each from its own thread; one reader takes out, as slowly as it likes: of one
object only the last value waits. A value that is None is gone, and nothing is gone because it was
not seen: a list that fails takes nothing away, neither does an object that cannot be read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from ferrule.observe.watch_feed import Feed

V = TypeVar("V")
AnyFeed = Feed[Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes by feed and key (`namespace/name`, or a name alone).

    `refused` are objects that cannot be read, and why; the last value of such a one, if there was
    any, still holds. `complete` tells whether everything was listed once, with all of that being
    in this batch and those before.
    """

    changes: Mapping[AnyFeed, Mapping[str, object]]
    refused: Mapping[AnyFeed, Mapping[str, str]]
    complete: bool

    def of(self, feed: Feed[V]) -> Mapping[str, V | None]:
        """What has changed in a feed."""
        return cast("Mapping[str, V | None]", self.changes.get(feed, {}))


@dataclass(frozen=True, slots=True)
class Condition:
    """How the watch of a feed is doing; `problem` is what it last met, empty when it is well."""

    complete: bool
    stale_s: float
    objects: int
    lists: int
    events: int
    restarts: int
    problem: str
    refused: Mapping[str, str]


@dataclass(slots=True)
class _Track:
    heard_at: float
    complete: bool = False
    held: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    lists: int = 0
    events: int = 0
    restarts: int = 0
    problem: str = ""


class Inbox:
    """Filled by any number of threads, emptied by one."""

    def __init__(
        self, feeds: Iterable[AnyFeed], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._tracks = {feed: _Track(clock()) for feed in feeds}
        self._changes: dict[AnyFeed, dict[str, object]] = {}
        self._refused: dict[AnyFeed, dict[str, str]] = {}
        self._news = threading.Condition()
        self._is_news = False

    # The reader

    def take(self, timeout_s: float) -> Batch | None:
        """Everything since the last time, as soon as there is something; None: there is nothing.

        There is a batch also when the last list came and had nothing in it.
        """
        with self._news:
            if not self._news.wait_for(lambda: self._is_news, timeout_s):
                return None
            batch = Batch(self._changes, self._refused, self.complete)
            self._changes, self._refused, self._is_news = {}, {}, False
            return batch

    @property
    def complete(self) -> bool:
        """Whether everything was listed once. Decide by the one of the batch: it comes later."""
        return all(track.complete for track in self._tracks.values())

    @property
    def stale_s(self) -> float:
        """How long ago the feed that is the furthest behind last heard of the API server.

        With all well that is up to a minute: so long a watch may be silent.
        """
        now = self._clock()
        return max((now - track.heard_at for track in self._tracks.values()), default=0.0)

    def conditions(self) -> dict[AnyFeed, Condition]:
        """How each feed is doing."""
        now = self._clock()
        with self._news:
            return {
                feed: Condition(
                    one.complete,
                    now - one.heard_at,
                    len(one.held),
                    one.lists,
                    one.events,
                    one.restarts,
                    one.problem,
                    dict(one.refused),
                )
                for feed, one in self._tracks.items()
            }

    # The watches

    def holds(self, feed: AnyFeed) -> bool:
        """Whether there is any object of it."""
        return bool(self._tracks[feed].held)

    def heard(self, feed: AnyFeed) -> None:
        """The API server has answered."""
        self._tracks[feed].heard_at = self._clock()

    def failed(self, feed: AnyFeed, problem: str) -> None:
        """It has not, or what it said is of no use."""
        with self._news:
            self._tracks[feed].restarts += 1
            self._tracks[feed].problem = problem

    def well(self, feed: AnyFeed) -> None:
        """It does what it should again."""
        self._tracks[feed].problem = ""

    def replace(
        self, feed: AnyFeed, values: Mapping[str, object], refused: Mapping[str, str]
    ) -> None:
        """All objects there are, as of one moment; what is not among them is gone."""
        with self._news:
            track = self._tracks[feed]
            gone = (track.held | track.refused.keys()) - values.keys() - refused.keys()
            was_complete, track.complete = self.complete, True
            track.lists += 1
            self._change(feed, {**dict.fromkeys(gone), **values}, refused)
            if not was_complete and self.complete:
                self._tell()

    def change(
        self, feed: AnyFeed, values: Mapping[str, object], refused: Mapping[str, str], events: int
    ) -> None:
        """Some objects have changed, by so many events."""
        with self._news:
            self._tracks[feed].events += events
            self._change(feed, values, refused)

    def _change(
        self, feed: AnyFeed, values: Mapping[str, object], refused: Mapping[str, str]
    ) -> None:
        track = self._tracks[feed]
        changes = self._changes.setdefault(feed, {})
        doubts = self._refused.setdefault(feed, {})
        for key, value in values.items():
            was_held = key in track.held
            if value is None:
                track.held.discard(key)
            else:
                track.held.add(key)
            if was_held or value is not None:
                changes[key] = value
                self._is_news = True
            track.refused.pop(key, None)
            doubts.pop(key, None)
        for key, why in refused.items():
            if track.refused.get(key) != why:
                track.refused[key] = doubts[key] = why
                self._is_news = True
        if self._is_news:
            self._tell()

    def _tell(self) -> None:
        self._is_news = True
        self._news.notify_all()
