"""What the peer groups of a switch take, worked out of the rows that it runs.

The rows are read as frrcfgd gives them to FRR (`bgpd` has the lines): the first statement of the
inbound map whose prefix set permits a prefix decides, and the end of every map is a refusal. What
is not known here, a condition that somebody put into a statement, is taken to refuse.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from ferrule.compiler.backends.prefixlist import PrefixList, Rule, masked
from ferrule.compiler.backends.sonic.parse import Fields, Running, Tables
from ferrule.compiler.network import FAMILIES, Address, Family, Prefix

Key = tuple[str, str]  # VRF, and a neighbor's address or a listen range
UP = ("up", "true")  # frrcfgd takes both
ACTIONS = ("permit", "deny")
MEMBERS = ("BGP_NEIGHBOR", "BGP_GLOBALS_LISTEN_PREFIX")
GUESSED = ("match_", "call_")
JUDGED = ("match_prefix_set", "match_ipv6_prefix_set")  # the second becomes no line at all
VERSIONS = {"IPv4": 4, "IPv6": 6}
ROW_PARTS = 3  # after the name; without a number FRR gives an entry its place


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of a map: what it does with the prefixes that its set permits."""

    permit: bool
    prefixes: PrefixList | None  # None: with all


@dataclass(frozen=True, slots=True)
class Inbound:
    """What is taken in one family: `rules` in their order, and how many prefixes at most."""

    rules: tuple[Statement, ...]
    limit: int | None

    def admits(self, prefix: str) -> bool:
        """Whether a prefix is let in."""
        for one in self.rules:
            if one.prefixes is None or one.prefixes.permits(prefix):
                return one.permit
        return False


@dataclass(frozen=True, slots=True)
class Accepts:
    """What a neighbor, or who dials in from a range, may say: as which AS, and which prefixes.

    A family that is not active is not there; all are missing where the neighbor is shut.
    """

    asn: int | None
    families: Mapping[Family, Inbound]

    def admits(self, prefix: Prefix | str) -> bool:
        """Whether a prefix is let in."""
        text = str(prefix)
        family = self.families.get("ipv6" if ":" in text else "ipv4")
        return family is not None and family.admits(text)


Accepting = Mapping[Key, Accepts]


def accepts(running: Running) -> Accepting:
    """What every neighbor and range of ours may say."""
    reader = _Reader(running.tables)
    return {
        _key(name): reader.accepts(name.partition("|")[0], row.fields)
        for (table, name), row in running.ours.items()
        if table in MEMBERS
    }


def find(accepting: Accepting, vrf: str, neighbor: Address) -> Accepts | None:
    """What an address may say: by its own row, or else by the range it dials in from."""
    own = accepting.get((vrf, str(neighbor)))
    if own is not None:
        return own
    ranges = (
        one
        for (of, text), one in accepting.items()
        if of == vrf and "/" in text and neighbor in ip_network(text)
    )
    return next(ranges, None)


class _Reader:
    """One CONFIG_DB; groups and maps are worked out once."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._groups: dict[tuple[str, str], Mapping[Family, Inbound]] = {}
        self._statements: dict[str, list[tuple[int, Fields]]] = defaultdict(list)
        self._lists = dict(_lists(tables))
        for key, fields in tables.get("ROUTE_MAP", {}).items():
            name, _, number = key.rpartition("|")
            if number.isdecimal() and fields.get("route_operation") in ACTIONS:
                self._statements[name].append((int(number), fields))

    def accepts(self, vrf: str, member: Mapping[str, object]) -> Accepts:
        """What a neighbor or a range with these fields may say."""
        name = str(member.get("peer_group_name") or member.get("peer_group"))
        group = self._row("BGP_PEER_GROUP", f"{vrf}|{name}")
        asn = member.get("asn", group.get("asn"))
        number = int(asn) if isinstance(asn, str) and asn.isdecimal() else None
        if {"down", "false"} & {member.get("admin_status"), group.get("admin_status")}:
            return Accepts(number, {})
        if (vrf, name) not in self._groups:
            internal = asn == self._row("BGP_GLOBALS", vrf).get("local_asn")
            families = self._families(vrf, name, open_=internal)
            self._groups[vrf, name] = dict(families)
        return Accepts(number, self._groups[vrf, name])

    def _families(self, vrf: str, group: str, *, open_: bool) -> Iterator[tuple[Family, Inbound]]:
        for family in FAMILIES:
            fields = self._row("BGP_PEER_GROUP_AF", f"{vrf}|{group}|{family}_unicast")
            if fields.get("admin_status") in UP:
                limit = str(fields.get("max_prefix_limit"))
                rules = self._rules(fields.get("route_map_in"), open_=open_)
                yield family, Inbound(rules, int(limit) if limit.isdecimal() else None)

    def _rules(self, names: object, *, open_: bool) -> tuple[Statement, ...]:
        """Without a map an eBGP neighbor may say nothing, RFC 8212, and an iBGP one everything."""
        if not names:
            return (Statement(permit=True, prefixes=None),) if open_ else ()
        name = names[0] if isinstance(names, list) else str(names)
        ordered = sorted(self._statements.get(name, ()), key=lambda one: one[0])
        return tuple(one for _, fields in ordered for one in self._statement(fields))

    def _statement(self, fields: Fields) -> Iterator[Statement]:
        permit = fields["route_operation"] == "permit"
        if permit and any(key.startswith(GUESSED) and key not in JUDGED for key in fields):
            return
        wanted = fields.get("match_prefix_set")
        if wanted is None:
            yield Statement(permit, None)
        elif isinstance(wanted, str) and wanted in self._lists:
            yield Statement(permit, self._lists[wanted])

    def _row(self, table: str, name: str) -> Fields:
        return self._tables.get(table, {}).get(name, {})


def _key(name: str) -> Key:
    vrf, _, member = name.partition("|")
    try:
        return vrf, str(ip_network(member) if "/" in member else ip_address(member))
    except ValueError:  # an interface
        return vrf, member


def _lists(tables: Tables) -> Iterator[tuple[str, PrefixList]]:
    """The prefix sets; without a row in PREFIX a set is nothing to FRR."""
    rules: dict[str, list[Rule]] = defaultdict(list)
    for key, fields in tables.get("PREFIX", {}).items():
        name, *rest = key.split("|")
        if len(rest) == ROW_PARTS and fields.get("action") in ACTIONS:
            try:
                rules[name].append(_rule(*rest, permit=fields["action"] == "permit"))
            except ValueError:  # frrcfgd makes no line of it
                continue
    for name, said in rules.items():
        version = VERSIONS.get(str(tables.get("PREFIX_SET", {}).get(name, {}).get("mode")))
        if fit := tuple(rule for rule in said if rule.block[0] == version):
            yield name, PrefixList(fit)


def _rule(number: str, prefix: str, lengths: str, *, permit: bool) -> Rule:
    """A range that starts below the prefix's own length starts there (frrcfgd, MatchPrefix)."""
    block = masked(prefix)
    own = block[2]
    low, high = (own, own) if lengths == "exact" else map(int, lengths.split(".."))
    return Rule(int(number), permit, block, max(low, own), high)
