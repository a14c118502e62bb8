"""The lists by which FRR tells routes apart, each judged as FRR judges it, with the deciding line.

A list that is named but not there is for the caller to know: it depends on who names it. Every
judgement costs steps; what a hostile file could make too long ends in `ExhaustedError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ferrule.compiler.backends.frr.shared import WELL_KNOWN
from ferrule.compiler.lint.patterns import PatternError, compiled
from ferrule.compiler.lint.said import Spot

BITS = {4: 32, 6: 128}
NUMBERS = {name.lower(): number for number, name in WELL_KNOWN.items()}
INTERNET = "internet"  # everything for 8.4, nothing for 10.3 (measured)

Bits = tuple[int, int, int]  # version, address, length


class ExhaustedError(Exception):
    """There is more to be compared than anybody would have written."""


class Budget:
    """How many comparisons are left."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def spend(self, steps: int = 1) -> None:
        """Take so many; raise when there are none left."""
        self.steps -= steps
        if self.steps < 0:
            raise ExhaustedError


@dataclass(frozen=True, slots=True)
class Judgement:
    """Permitted or not, and by which line; None is the end of the list, or that there is none."""

    permit: bool
    spot: Spot | None = None


@dataclass(frozen=True, slots=True)
class PrefixRule:
    """One entry of a prefix-list: prefixes inside `block` of a length from `low` to `high`."""

    seq: int
    permit: bool
    block: Bits
    low: int
    high: int
    spot: Spot = field(compare=False)


@dataclass(frozen=True, slots=True)
class PrefixList:
    """Entries by number (`prefix_list_apply`, lib/plist.c).

    The table holds, for every block, the first rule of each range of lengths: no other can count.
    """

    rules: tuple[PrefixRule, ...]
    _table: Mapping[tuple[int, int], Mapping[int, Mapping[tuple[int, int], PrefixRule]]] = field(
        init=False, compare=False, repr=False
    )

    def __post_init__(self) -> None:
        table: dict[tuple[int, int], dict[int, dict[tuple[int, int], PrefixRule]]] = {}
        for rule in sorted(self.rules, key=lambda one: one.seq):
            version, address, length = rule.block
            start = address >> (BITS[version] - length)
            ranges = table.setdefault((version, length), {}).setdefault(start, {})
            ranges.setdefault((rule.low, rule.high), rule)
        object.__setattr__(self, "_table", table)

    def judge(self, prefix: Bits, budget: Budget) -> Judgement:
        """The first entry that fits; one with entries ends in a deny, one without permits."""
        version, address, length = prefix
        best: PrefixRule | None = None
        for (of, own), starts in self._table.items():
            if of != version or own > length:
                continue
            ranges = starts.get(address >> (BITS[version] - own), {})
            budget.spend(1 + len(ranges))
            for (low, high), rule in ranges.items():
                if low <= length <= high and (best is None or rule.seq < best.seq):
                    best = rule
        if best is not None:
            return Judgement(best.permit, best.spot)
        return Judgement(not self.rules)


@dataclass(frozen=True, slots=True)
class AccessRule:
    """One entry of an access-list.

    With `wildcard` it compares addresses, whatever the length; else blocks, or exactly one.
    `mask` is the second half of an extended entry: base and wildcard of the netmask.
    """

    seq: int
    permit: bool
    block: Bits
    exact: bool
    wildcard: int | None
    mask: tuple[int, int] | None
    spot: Spot = field(compare=False)

    def fits(self, prefix: Bits) -> bool:
        """`filter_match_zebra` and `filter_match_cisco`, lib/filter.c."""
        version, address, length = prefix
        of, base, own = self.block
        if of != version:
            return False
        if self.wildcard is None:
            rest = BITS[version] - own
            return (
                own <= length
                and address >> rest == base >> rest
                and (not self.exact or own == length)
            )
        netmask = (1 << 32) - (1 << (32 - length))
        masked = self.mask is None or netmask & ~self.mask[1] == self.mask[0] & ~self.mask[1]
        return masked and address & ~self.wildcard == base & ~self.wildcard


@dataclass(frozen=True, slots=True)
class AccessList:
    """Entries by number; the end is a deny."""

    rules: tuple[AccessRule, ...]

    def judge(self, prefix: Bits, budget: Budget) -> Judgement:
        """The first entry that fits."""
        for rule in self.rules:
            budget.spend()
            if rule.fits(prefix):
                return Judgement(rule.permit, rule.spot)
        return Judgement(permit=False)


@dataclass(frozen=True, slots=True)
class WordRule:
    """One entry of a community-list, large or not, or of an as-path access-list.

    `words` are compared one by one, unless `pattern` is given.
    """

    seq: int
    permit: bool
    words: frozenset[str]
    pattern: str | None
    spot: Spot = field(compare=False)


@dataclass(frozen=True, slots=True)
class WordList:
    """Entries by number; the end is a deny."""

    rules: tuple[WordRule, ...]

    def judge(
        self, words: tuple[str, ...], budget: Budget, *, exact: bool = False, any_: bool = False
    ) -> Judgement:
        """The first entry that fits: with all of its words among these, or with what is asked.

        Raises `PatternError` where an entry cannot be read.
        """
        for rule in self.rules:
            budget.spend(1 + len(words))
            if self._fits(rule, words, budget, exact=exact, any_=any_):
                return Judgement(rule.permit, rule.spot)
        return Judgement(permit=False)

    def kept(self, words: tuple[str, ...], budget: Budget) -> tuple[str, ...]:
        """What `set comm-list NAME delete` leaves: each word is judged by itself, and as a part."""
        return tuple(one for one in words if not self._deletes(one, budget))

    def _deletes(self, word: str, budget: Budget) -> bool:
        for rule in self.rules:
            budget.spend()
            if INTERNET in rule.words:
                raise PatternError(INTERNET)
            if rule.pattern is None:
                fits = word in rule.words
            else:
                fits = compiled(rule.pattern).found_in(word)
            if fits:
                return rule.permit
        return False

    @staticmethod
    def _fits(
        rule: WordRule, words: tuple[str, ...], budget: Budget, *, exact: bool, any_: bool
    ) -> bool:
        if rule.pattern is not None:
            text = " ".join(words)
            budget.spend(len(text) * 10)
            return compiled(rule.pattern).found_in(text)
        if INTERNET in rule.words:
            raise PatternError(INTERNET)
        if exact:
            return rule.words == set(words)
        return bool(rule.words & set(words)) if any_ else rule.words <= set(words)


def community(word: str) -> str:
    """A community as two numbers, however it is spelt."""
    return NUMBERS.get(word.lower(), word)
