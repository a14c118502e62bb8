"""Who leads, as one replica may know it: told of the Lease and of the time, it asks nobody itself.

    the holder   a lead is valid for `renew_s` from before the last request was SENT that renewed it
    the others   wait `lease_s` from after they SAW the last change of the Lease

Whatever the network delays, and however long a process stood still, the second ends after the
first: between two clocks nothing is compared but durations, so they may differ in speed by almost
`lease_s / renew_s`. A request that renews carries the version that was read, so of two one wins.

What no check before a request can rule out is a process that stands still between the check and
the request, for longer than the others wait: the version in the request is the guard against that.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

TRIES = 3
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Timing:
    """How long others wait, how long a lead lasts, how often it is renewed or looked for."""

    lease_s: int = 15
    renew_s: float = 10.0
    retry_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Record:
    """What the Lease says. No holder: it was let go. No version: it is not there.

    `meta` is what others wrote on the object.
    """

    holder: str
    lease_s: int
    transitions: int
    version: str = ""
    acquired: str = ""
    meta: Mapping[str, object] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Ask:
    """A request: read the Lease, or write this one over the version that it holds."""

    write: Record | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of it: `done`, with what is there now; `stale`: another was first; `lost`."""

    outcome: Literal["done", "stale", "lost"]
    record: Record | None = None


class Lead:
    """One lead, from when it was won until it is over for good.

    Whoever writes asks `valid` before each request, and gives no request longer than `left_s`.
    """

    def __init__(self, term: int, until: float, clock: Clock, *, contested: bool) -> None:
        self._term, self._contested, self._clock = term, contested, clock
        self._until = until
        self._is_clean = not contested

    def __repr__(self) -> str:
        return f"Lead(term={self._term}, left_s={self.left_s:.1f})"

    @property
    def term(self) -> int:
        """Which one it is; higher than all before."""
        return self._term

    @property
    def contested(self) -> bool:
        """Whether the one before ended without a word: requests of its may still be on the way."""
        return self._contested

    def valid(self) -> bool:
        """Whether nobody else leads, at this moment."""
        return self._clock() < self._until

    @property
    def left_s(self) -> float:
        """How long it is valid if it is not renewed any more."""
        return max(0.0, self._until - self._clock())

    def renew(self, until: float) -> bool:
        """Whether it goes on: one that was over stays over."""
        if not self.valid():
            return False
        self._until = until
        return True

    def contest(self) -> None:
        """Whoever led before, under whatever name, may still be in the middle of something."""
        self._contested, self._is_clean = True, False

    @property
    def is_clean(self) -> bool:
        """Whether no write of it, or of whoever led before, can be on its way at its end."""
        return self._is_clean

    def vouch(self, *, clean: bool) -> None:
        """Say so, or that nobody knows."""
        self._is_clean = clean

    def end(self) -> None:
        """From now on it is not valid."""
        self._until = float("-inf")


class Candidate:
    """One replica; its name must be no other's, nor that of an earlier life of its own."""

    def __init__(self, name: str, timing: Timing, clock: Clock) -> None:
        self.name, self.timing, self._clock = name, timing, clock
        self._seen: Record | None = None
        self._changed_at = 0.0
        self._lead: Lead | None = None

    @property
    def lead(self) -> Lead | None:
        """The lead it has."""
        return self._lead if self._lead and self._lead.valid() else None

    @property
    def holder(self) -> str:
        """Who held the Lease when it was last seen."""
        return self._seen.holder if self._seen else ""

    def attempt(self) -> Generator[Ask, Reply, None]:
        """Renew the lead, or look whether there is one to win."""
        if not self.lead and not (yield from self._look()):
            return
        for _ in range(TRIES):
            sent = self._clock()
            wanted = self._wanted(sent)
            if wanted is None:
                self._lost()
                return
            reply = yield Ask(wanted)
            if reply.outcome == "done" and reply.record:
                self._won(reply.record, sent)
                return
            if reply.outcome == "lost" or not (yield from self._look()):
                return

    def _lost(self) -> None:
        """Somebody else holds the Lease: it was deleted, or taken by hand, while it was ours."""
        if self._lead is not None:
            self._lead.end()

    def release(self) -> Generator[Ask, Reply, None]:
        """Let the Lease go, so that the next one need not wait; the lead is over before that.

        One that is not clean is kept until it runs out: so the next one waits, and is contested.
        """
        if self._lead is None:
            return
        self._lead.end()
        if not self._lead.is_clean:
            return
        for _ in range(TRIES):
            if self._seen is None or self._seen.holder != self.name:
                return
            reply = yield Ask(replace(self._seen, holder="", lease_s=1))
            if reply.outcome != "stale" or not (yield from self._look()):
                return

    def pause_s(self) -> float:
        """When to try again: a lease that runs out is taken at that moment."""
        if self.lead or self._seen is None or not self._seen.holder:
            return self.timing.retry_s
        left_s = self._changed_at + self._lasts_s(self._seen) - self._clock()
        return min(self.timing.retry_s, max(left_s, 0.0)) or self.timing.retry_s

    def _look(self) -> Generator[Ask, Reply, bool]:
        reply = yield Ask()
        if reply.outcome != "done":
            return False
        found = reply.record
        if found is None and self._seen:  # somebody took it away; who held it may lead all the same
            found = replace(self._seen, version="")
        if found != self._seen:
            self._seen, self._changed_at = found, self._clock()
        return True

    def _wanted(self, now: float) -> Record | None:
        """What the Lease should say; None: somebody else leads."""
        seen = self._seen
        if seen is None:
            return Record(self.name, self.timing.lease_s, 1)
        if self.lead and seen.holder == self.name:
            return replace(seen, lease_s=self.timing.lease_s)
        if seen.holder in ("", self.name) or now >= self._changed_at + self._lasts_s(seen):
            terms = seen.transitions + 1
            return Record(self.name, self.timing.lease_s, terms, seen.version, meta=seen.meta)
        return None

    def _lasts_s(self, seen: Record) -> float:
        """By whichever of the two has more patience: it may be of another release."""
        return max(seen.lease_s, self.timing.lease_s)

    def _won(self, record: Record, sent: float) -> None:
        before, self._seen, self._changed_at = self._seen, record, self._clock()
        until = sent + self.timing.renew_s
        if self._lead and self._lead.term == record.transitions:
            if not self._lead.renew(until):
                self._lead = None  # it came too late; the next attempt begins another
            return
        contested = bool(before and before.holder)
        self._lead = Lead(record.transitions, until, self._clock, contested=contested)
