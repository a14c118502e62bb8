"""How much is answered: so much to one requester, so much to all. Time is an argument.

Requesters are told apart by hardware address. An attacker can invent those, so only the latest
are remembered, and the limit on all of them together is what protects the segment.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from ferrule.announce.wire import Drop, Mac

MOST_REQUESTERS = 4096


@dataclass(slots=True)
class Bucket:
    """Tokens that come back at a rate, up to a depth."""

    rate: float
    depth: float
    tokens: float
    at: float

    def take(self, now: float) -> bool:
        """One token, if there is one."""
        self.fill(now)
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def fill(self, now: float) -> None:
        """As many as came back since; a clock that steps back brings none."""
        self.tokens = min(self.depth, self.tokens + max(0.0, now - self.at) * self.rate)
        self.at = now

    def full_in(self, now: float, wanted: float = 1.0) -> float:
        """Seconds until so many are there."""
        self.fill(now)
        return max(0.0, (wanted - self.tokens) / self.rate)


@dataclass(frozen=True, slots=True)
class Rates:
    """Replies per second. A router that starts asks for every address at once, hence the depth."""

    each: float = 1000.0
    each_depth: float = 4000.0
    total: float = 20_000.0


class Limits:
    """What was answered lately, by requester."""

    def __init__(self, rates: Rates, now: float) -> None:
        self._rates = rates
        self._total = Bucket(rates.total, rates.total, rates.total, now)
        self._each: OrderedDict[Mac, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._each)

    def refuse(self, requester: Mac, now: float) -> Drop | None:
        """Why this one gets no reply now; None where it gets one."""
        bucket = self._each.get(requester)
        if bucket is None:
            bucket = self._newcomer(requester, now)
        else:
            self._each.move_to_end(requester)
        if not bucket.take(now):
            return Drop.REQUESTER_LIMIT
        return None if self._total.take(now) else Drop.GLOBAL_LIMIT

    def _newcomer(self, requester: Mac, now: float) -> Bucket:
        depth = self._rates.each_depth
        bucket = self._each[requester] = Bucket(self._rates.each, depth, depth, now)
        if len(self._each) > MOST_REQUESTERS:
            self._each.popitem(last=False)
        return bucket
