"""One kind of objects, listed and watched for as long as it is wanted.

    list, page by page -> the inbox, as a whole -> watch from the list's version
      the server ends it: go on from the last version
      410 Gone, a line that is none: list again; what is missing then was deleted meanwhile
      anything else: wait, longer each time, and go on

Absence is believed the second time it is seen, and where it would take something away, after a
moment: an empty list, a kind that is not installed, as the API server itself has to say
(`watch_absence`). The latter is asked for again now and then.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from random import SystemRandom
from time import monotonic

from ferrule.compiler.errors import Diagnostic, printable
from ferrule.observe.cluster_api import Answer
from ferrule.observe.cluster_config import ClusterError, Login
from ferrule.observe.cluster_lists import MOST_STARTS
from ferrule.observe.watch_absence import lacks, may_lack
from ferrule.observe.watch_feed import Event, Page, Raw, RefusedError, event, key_of
from ferrule.observe.watch_inbox import AnyFeed, Inbox
from ferrule.observe.watch_wire import BrokenError, Wire

# A watch that is longer is no better: the server brings its bookmark 1.4 s before the end of 60 s
# (kube-apiserver 1.34), and a connection that died in silence is noticed when that is overdue.
WATCH_S = 60
READ_S = WATCH_S + 5.0
ABSENT_S = 30.0  # between two looks for a kind that is not installed
DOUBT_S = 1.0  # between two looks, where the second would take something away
FIRST_S, LONGEST_S = 0.2, 30.0
SHORT_S, STEADY_S = 0.2, 2.0  # a watch that ends so soon was none; one that lasted so long was well
NOT_FOUND = Answer(HTTPStatus.NOT_FOUND)
SHORT = Answer(0, code="cluster-unreadable", problem="the watch ended at once")


class ExpiredError(Exception):
    """The server cannot tell what came after our version, or we cannot read what it tells."""


@dataclass(slots=True)
class Backoff:
    """How long to wait after one failure more: doubling, and not all at once."""

    next_s: float = FIRST_S

    def pause_s(self) -> float:
        """Half of it at least."""
        now_s, self.next_s = self.next_s, min(2 * self.next_s, LONGEST_S)
        return now_s * SystemRandom().uniform(0.5, 1)

    def reset(self) -> None:
        """All is well."""
        self.next_s = FIRST_S


@dataclass(slots=True)
class _Found:
    """What is kept of objects, and what cannot be."""

    version: str = ""
    values: dict[str, object] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def take(self, feed: AnyFeed, raw: Raw) -> None:
        """One object; the last that can be read counts."""
        key = key_of(raw)
        try:
            self.values[key] = feed.kept(raw)
            self.refused.pop(key, None)
        except RefusedError as bad:  # what it was before still holds
            self.refused[key] = printable(str(bad))

    def drop(self, raw: Raw) -> None:
        """One that was deleted."""
        key = key_of(raw)
        self.refused.pop(key, None)
        self.values[key] = None

    @property
    def is_empty(self) -> bool:
        """Whether the server has none of it."""
        return not self.values and not self.refused


class Watcher:
    """One feed, for as long as it is wanted."""

    def __init__(self, wire: Wire, feed: AnyFeed, inbox: Inbox, page: int) -> None:
        self.wire, self.feed, self.inbox, self.page = wire, feed, inbox, page
        self.stopping = threading.Event()
        self.version = ""  # none: list first
        self.is_first = True
        self.backoff = Backoff()

    def run(self, delay_s: float) -> None:
        """Until `stop`."""
        self.stopping.wait(delay_s)
        while not self.stopping.is_set():
            problem = self.round()
            if problem and not self.stopping.is_set():
                self.inbox.failed(self.feed, problem)
                self.stopping.wait(self.backoff.pause_s())
        self.wire.close()

    def stop(self) -> None:
        """End it, whatever it waits for."""
        self.stopping.set()
        self.wire.cut()

    def round(self) -> str:
        """A list where there is none, then one watch; what went wrong."""
        login = self.wire.login
        try:
            if not self.version:
                self._list()
            self._watch()
        except ExpiredError as bad:
            self.version = ""
            return str(bad)
        except ClusterError as bad:
            return self._doubted(login, bad.diagnostic)
        except BrokenError as bad:
            if bad.answer.status in (HTTPStatus.GONE, HTTPStatus.NOT_FOUND):
                self.version = ""
            return self._doubted(login, self.wire.refusal(bad.answer, str(self.feed)))
        return ""

    def _doubted(self, login: Login, refusal: Diagnostic) -> str:
        """Whom we do not trust and who does not trust us may both have something new to show."""
        if refusal.code in ("cluster-tls", "cluster-unauthorized"):
            self.wire.renew(login)
        return refusal.message

    # List

    def _list(self) -> None:
        found = self._all()
        if found.is_empty:
            self.stopping.wait(DOUBT_S if self.inbox.holds(self.feed) else 0)
            found = self._all()
        if not found.version:
            self._must_lack()
        if self.stopping.is_set():
            return
        self.inbox.replace(self.feed, found.values, found.refused)
        self.version, self.is_first = found.version, True

    def _must_lack(self) -> None:
        if not lacks(self.wire, self.feed.resource):
            raise BrokenError(NOT_FOUND)
        self.inbox.heard(self.feed)

    def _all(self) -> _Found:
        """All pages; begun anew when the server has forgotten their moment."""
        for _ in range(MOST_STARTS):
            found = _Found()
            if self._pages(found):
                return found
        raise ExpiredError("the list was forgotten before its last page")

    def _pages(self, found: _Found) -> bool:
        more = ""
        while True:
            query = self.feed.query(limit=self.page, **({"continue": more} if more else {}))
            answer = self.wire.send("GET", self.feed.path, query=query)
            if answer.status == HTTPStatus.NOT_FOUND and not more and may_lack(self.feed.resource):
                return True  # no version: it is asked whether that is so
            if answer.status == HTTPStatus.GONE and more:
                return False
            page = self.wire.read(Page, answer, str(self.feed))
            self.inbox.heard(self.feed)
            with _readable("an object without a name"):
                for raw in page.items or ():
                    found.take(self.feed, raw)
            found.version, more = page.metadata.version, page.metadata.more
            if not more:
                return True

    # Watch

    def _watch(self) -> None:
        """From our version until the server ends it."""
        if not self.version:  # not installed, or stopped
            self.inbox.well(self.feed)
            self.stopping.wait(ABSENT_S)
            return
        if not self.is_first:
            self._is_known()
        self.is_first = False
        began = monotonic()
        try:
            for lines in self.wire.lines(self.feed.path, self._query()):
                self.inbox.heard(self.feed)
                self.inbox.well(self.feed)
                if lines:
                    self._take(lines)
                    self.backoff.reset()
        finally:
            lasted_s = monotonic() - began
            if lasted_s > STEADY_S:
                self.backoff.reset()
        if lasted_s < SHORT_S:
            raise BrokenError(SHORT)

    def _query(self) -> dict[str, str | int]:
        return self.feed.query(
            watch=1,
            resourceVersion=self.version,
            allowWatchBookmarks="true",
            timeoutSeconds=WATCH_S,
        )

    def _is_known(self) -> None:
        """A watch from a version that the server has not reached yet, after its state was restored
        from an older one, is silent for ever: a list of that version is refused (504).
        """
        query = self.feed.query(
            limit=1, resourceVersion=self.version, resourceVersionMatch="NotOlderThan"
        )
        answer = self.wire.send("GET", self.feed.path, query=query)
        if answer.status in (HTTPStatus.GATEWAY_TIMEOUT, HTTPStatus.GONE, HTTPStatus.NOT_FOUND):
            raise ExpiredError(self.wire.refusal(answer, str(self.feed)).message)
        self.wire.read(Page, answer, str(self.feed))

    def _take(self, lines: Sequence[bytes]) -> None:
        found = _Found()
        with _readable("a line that is no event"):
            events = [event(line) for line in lines]
            for one in events:
                self._apply(one, found)
        self.inbox.change(self.feed, found.values, found.refused, len(events))
        self.version = found.version

    def _apply(self, one: Event, found: _Found) -> None:
        if one.type == "ERROR":
            if one.expired:
                raise ExpiredError(one.said)
            raise BrokenError(Answer(0, code="cluster-unreadable", problem=one.said))
        if one.type == "DELETED":
            found.drop(one.object)
        elif one.type != "BOOKMARK":
            found.take(self.feed, one.object)
        found.version = one.version


@contextmanager
def _readable(what: str) -> Iterator[None]:
    try:
        yield
    except ValueError as bad:
        raise ExpiredError(f"the API server sent {what}") from bad
