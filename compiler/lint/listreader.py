"""The lists among the statements: prefix-lists, access-lists, community-lists, as-path lists."""

from __future__ import annotations

import re
from collections import defaultdict
from ipaddress import IPv4Address, ip_network

from ferrule.compiler.lint.lists import (
    AccessList,
    AccessRule,
    Bits,
    PrefixList,
    PrefixRule,
    WordList,
    WordRule,
    community,
)
from ferrule.compiler.lint.said import Said

PREFIX = re.compile(
    r"(ip|ipv6) prefix-list (\S+) (?:seq (\d{1,10}) )?(permit|deny) (\S+)((?: [gl]e \d{1,3})*)"
)
EMPTY_PREFIX = re.compile(r"(ip|ipv6) prefix-list (\S+) description .*")
ACCESS = re.compile(r"(ipv6 )?access-list (\S+) (?:seq (\d{1,10}) )?(permit|deny) (.+)")
WORDS = re.compile(
    r"(?:bgp|ip) (community|large-community|extcommunity)-list (?:(standard|expanded) )?(\S+)"
    r" (?:seq (\d{1,10}) )?(permit|deny) (.+)"
)
AS_PATH = re.compile(r"(?:bgp|ip) as-path access-list (\S+) (?:seq (\d{1,10}) )?(permit|deny) (.+)")
FIRST_EXPANDED = {"community": 100, "large-community": 100, "extcommunity": 100}
STANDARD_ACCESS = (*range(1, 100), *range(1300, 2000))
EXTENDED_ACCESS = (*range(100, 200), *range(2000, 2700))
FAMILY = {"ip": "ipv4", "ipv6": "ipv6"}
LENGTHS = {"ipv4": 32, "ipv6": 128}
STEP = 5

Name = tuple[str, str]  # kind, or family, and name


class ListReader:
    """Takes the statements that are entries of lists; the lists are there when all is read."""

    def __init__(self) -> None:
        self._prefixes: dict[Name, dict[int, PrefixRule]] = defaultdict(dict)
        self._accesses: dict[Name, dict[int, AccessRule]] = defaultdict(dict)
        self._words: dict[Name, dict[int, WordRule]] = defaultdict(dict)
        self._last: dict[tuple[str, Name], int] = {}

    def take(self, said: Said) -> bool:
        """Whether it was one; an entry that cannot be read is one without an effect."""
        text = said.text
        if "list" not in text:
            return False
        if found := PREFIX.fullmatch(text):
            self._prefix(found, said)
        elif found := EMPTY_PREFIX.fullmatch(text):
            _ = self._prefixes[FAMILY[found[1]], found[2]]  # there, and without entries
        elif found := ACCESS.fullmatch(text):
            self._access(found, said)
        elif found := WORDS.fullmatch(text):
            self._word(found, said)
        elif found := AS_PATH.fullmatch(text):
            name = ("as-path", found[1])
            rule = WordRule(
                self._number(name, found[2]), found[3] == "permit", frozenset(), found[4], said.spot
            )
            self._words[name][rule.seq] = rule
        else:
            return False
        return True

    @property
    def prefix_lists(self) -> dict[Name, PrefixList]:
        """By family and name."""
        return {name: PrefixList(tuple(each.values())) for name, each in self._prefixes.items()}

    @property
    def access_lists(self) -> dict[Name, AccessList]:
        """By family and name."""
        return {
            name: AccessList(tuple(each[seq] for seq in sorted(each)))
            for name, each in self._accesses.items()
        }

    @property
    def word_lists(self) -> dict[Name, WordList]:
        """By kind (`community`, `as-path`, ...) and name."""
        return {
            name: WordList(tuple(each[seq] for seq in sorted(each)))
            for name, each in self._words.items()
        }

    def _number(self, name: Name, said: str | None, kind: str = "") -> int:
        """An entry without a number gets the next one that five divides."""
        last = self._last.get((kind, name), 0)
        number = int(said) if said else last // STEP * STEP + STEP
        self._last[kind, name] = max(last, number)
        return number

    def _prefix(self, found: re.Match[str], said: Said) -> None:
        family, name = FAMILY[found[1]], found[2]
        block = _block(found[5], family)
        bounds = dict(zip(found[6].split()[::2], map(int, found[6].split()[1::2]), strict=True))
        rules = self._prefixes[family, name]
        if block is None:
            return
        own, longest = block[2], LENGTHS[family]
        low = bounds.get("ge", own)
        high = bounds.get("le", longest if "ge" in bounds or found[5] == "any" else own)
        seq = self._number((family, name), found[3], "prefix")
        rules[seq] = PrefixRule(seq, found[4] == "permit", block, low, high, said.spot)

    def _access(self, found: re.Match[str], said: Said) -> None:
        family, name = "ipv6" if found[1] else "ipv4", found[2]
        rules = self._accesses[family, name]
        target = _target(found[5].split(), family, name)
        if target is None:
            return
        seq = self._number((family, name), found[3], "access")
        block, exact, wildcard, mask = target
        permit = found[4] == "permit"
        rules[seq] = AccessRule(seq, permit, block, exact, wildcard, mask, said.spot)

    def _word(self, found: re.Match[str], said: Said) -> None:
        kind, style, name = found[1], found[2], found[3]
        if style is None:  # the numbered ones say it by their number
            style = "expanded" if name.isdecimal() and int(name[:9]) >= 100 else "standard"
        key = (kind, name)
        seq = self._number(key, found[4], "words")
        pattern = found[6] if style == "expanded" else None
        words = frozenset() if pattern else frozenset(map(community, found[6].split()))
        self._words[key][seq] = WordRule(seq, found[5] == "permit", words, pattern, said.spot)


def _block(text: str, family: str) -> Bits | None:
    """A prefix, or `any`."""
    if text == "any":
        return (4 if family == "ipv4" else 6, 0, 0)
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    if network.version != (4 if family == "ipv4" else 6):
        return None
    return (network.version, int(network.network_address), network.prefixlen)


Target = tuple[Bits, bool, int | None, tuple[int, int] | None]


def _target(words: list[str], family: str, name: str) -> Target | None:
    """What an entry is about: a prefix; an address with its wildcard; or source and netmask."""
    number = int(name) if name.isdecimal() and len(name) < 5 else 0
    if words[0] == "ip" and number in EXTENDED_ACCESS:
        source, rest = _wild(words[1:])
        mask, _ = _wild(rest)
        if source is None or mask is None:
            return None
        return (4, source[0], 32), False, source[1], mask
    if family == "ipv4" and number in STANDARD_ACCESS:
        source, _ = _wild(words)
        return None if source is None else ((4, source[0], 32), False, source[1], None)
    block = _block(words[0], family)
    return None if block is None else (block, "exact-match" in words[1:], None, None)


def _wild(words: list[str]) -> tuple[tuple[int, int] | None, list[str]]:
    """`any`, `host A`, `A` or `A WILDCARD` at the head: base and wildcard, and the rest."""
    if not words:
        return None, []
    if words[0] == "any":
        return (0, 2**32 - 1), words[1:]
    if words[0] == "host":
        words = words[1:]
        if not words:
            return None, []
        words = [words[0], "0.0.0.0", *words[1:]]  # noqa: S104
    try:
        base = int(IPv4Address(words[0]))
        wildcard = int(IPv4Address(words[1])) if len(words) > 1 else 0
    except ValueError:
        return None, []
    return (base, wildcard), words[2:]
