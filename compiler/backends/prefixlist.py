"""What a prefix-list lets through, as FRR judges it (`prefix_list_apply`, lib/plist.c).

Of the entries whose block holds the prefix and whose lengths hold its length, the first by number
decides; where none fits, the prefix is refused. A list that lost its last entry and is still there,
because it has a description, permits everything (8.4 and 10.3); one that is not there matches
nothing, which is for the caller to know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address

BITS = {4: 32, 6: 128}

Bits = tuple[int, int, int]  # version, address, length: `prefix_key` of a prefix


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry: prefixes inside `block` of a length from `low` to `high`."""

    seq: int
    permit: bool
    block: Bits
    low: int
    high: int


Tables = Mapping[tuple[int, int], Mapping[int, tuple[Rule, ...]]]  # by version and block length


@dataclass(frozen=True, slots=True)
class PrefixList:
    """Entries in any order; every prefix is judged once, however often it is asked for."""

    rules: tuple[Rule, ...]
    _tables: Tables = field(init=False, compare=False, repr=False)
    _judged: dict[str, bool] = field(
        init=False, compare=False, repr=False, default_factory=dict[str, bool]
    )

    def __post_init__(self) -> None:
        tables: dict[tuple[int, int], dict[int, tuple[Rule, ...]]] = {}
        for rule in self.rules:
            version, address, length = rule.block
            table = tables.setdefault((version, length), {})
            start = address >> (BITS[version] - length)
            table[start] = (*table.get(start, ()), rule)
        object.__setattr__(self, "_tables", tables)

    def permits(self, prefix: str) -> bool:
        """Whether a prefix, given as FRR prints it, passes."""
        known = self._judged.get(prefix)
        if known is None:
            known = self._judged[prefix] = self._judge(bits(prefix))
        return known

    def _judge(self, prefix: Bits) -> bool:
        version, address, length = prefix
        fits = [
            rule
            for (of, block), table in self._tables.items()
            if of == version and block <= length
            for rule in table.get(address >> (BITS[version] - block), ())
            if rule.low <= length <= rule.high
        ]
        return min(fits, key=lambda rule: rule.seq).permit if fits else not self.rules


def bits(prefix: str) -> Bits:
    """A prefix as numbers, several times faster than `ipaddress`; host bits stay."""
    address, _, length = prefix.partition("/")
    if ":" in address:
        return 6, int(IPv6Address(address)), int(length)
    a, b, c, d = map(int, address.split("."))
    return 4, (a << 24) + (b << 16) + (c << 8) + d, int(length)


def masked(prefix: str) -> Bits:
    """The block that a prefix names, without host bits."""
    version, address, length = bits(prefix)
    rest = BITS[version] - length
    return version, address >> rest << rest, length
