"""What a socket's program lets through: at least what is owned, in ranges; at best no more.

A change among thousands costs little: what is covered already changes nothing, a single address
widens what is there, and what is given up is let through for a while (whoever reads the frames
asks for the exact address again).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from ferrule.announce.filter import MOST_RANGES, Range, merged, ranges

_FEW = 16


@dataclass
class Cover:
    """The ranges, how many values in them are nobody's any more, and how many ranges have room."""

    ranges: tuple[Range, ...] = ()
    stale: int = 0
    most: int = MOST_RANGES

    def include(self, values: Collection[int], every: Iterable[int]) -> bool:
        """Let these through too; `every` are all that are to be. Whether ranges changed."""
        missing = [one for one in values if not covered(self.ranges, one)]
        if not missing:
            return False
        if len(missing) > _FEW:
            self._anew(every)
        for one in missing:
            self.ranges = widened(self.ranges, one, self.most)
        return True

    def leave(self, values: Collection[int], every: Iterable[int]) -> bool:
        """These may be kept out; `every` are all that may not. Whether ranges changed."""
        self.stale += len(values)
        kept = list(every)
        if kept and self.stale <= len(kept) + _FEW:
            return False
        self._anew(kept)
        return True

    def merge(self, most: int) -> None:
        """Be of no more ranges than so many, from now on."""
        self.most, self.ranges = most, merged(self.ranges, most)

    def _anew(self, every: Iterable[int]) -> None:
        self.ranges, self.stale = ranges(every, self.most), 0


def word(address: bytes) -> int:
    """What programs compare: the address, of IPv6 the low 32 bits."""
    return int.from_bytes(address[-4:])


def covered(known: tuple[Range, ...], value: int) -> bool:
    """Whether a range has it."""
    at = bisect_right(known, (value, 1 << 32)) - 1
    return at >= 0 and value <= known[at][1]


def widened(known: tuple[Range, ...], value: int, most: int = MOST_RANGES) -> tuple[Range, ...]:
    """The ranges with one value more: joined to its neighbors, or the narrowest gap filled."""
    if covered(known, value):
        return known
    at = bisect_left(known, (value, value))
    every = [*known[:at], (value, value), *known[at:]]
    for left in (at, at - 1):
        if 0 <= left < len(every) - 1 and every[left][1] + 1 == every[left + 1][0]:
            every[left : left + 2] = [(every[left][0], every[left + 1][1])]
    if len(every) > most:
        left = min(range(len(every) - 1), key=lambda one: every[one + 1][0] - every[one][1])
        every[left : left + 2] = [(every[left][0], every[left + 1][1])]
    return tuple(every)
