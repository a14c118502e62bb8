"""CONFIG_DB rows as values, and what SONiC demands of the rows that we write.

The tables below are SONiC's YANG models (202511 to master) narrowed to what Ferrule writes: a field
that the models know but that is lost at boot, or read differently then, is unknown here, and a
range is refused unless FRR gets the same line live and at boot. So `check` refuses every row that
the models refuse, and some that they let through. It knows only the rows it is given: what an
operator has to provide (a VRF's own row) is taken to be there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address, ip_network

from ferrule.compiler.backends.base import LONGEST_NAME, Change, Op
from ferrule.compiler.errors import Place
from ferrule.compiler.source import Origin

OURS = "FERRULE_"
HIDDEN = "***"

Value = str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One row: `PREFIX_SET|FERRULE_prod_public_ipv4_32` and its fields, a tuple being a list."""

    table: str
    key: tuple[str, ...]
    fields: Mapping[str, Value] = field(default_factory=dict, hash=False, repr=False)
    origin: Origin | None = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        """The key as CONFIG_DB writes it."""
        return "|".join(self.key)

    @property
    def id(self) -> tuple[str, str]:
        """What tells it from all other rows."""
        return self.table, self.name

    @property
    def text(self) -> str:
        """The fields on one line: `admin_status=up route_map_in=FERRULE_prod_in`."""
        return " ".join(f"{name}={shown(name, of)}" for name, of in sorted(self.fields.items()))

    @property
    def places(self) -> tuple[Place, ...]:
        """Where the spec says what caused it."""
        return () if self.origin is None else (self.origin.place(),)

    def __str__(self) -> str:
        return f"{self.table}|{self.name}"


def spelled(value: Value) -> str:
    """A value as redis holds it."""
    return value if isinstance(value, str) else ",".join(value)


def shown(name: str, value: Value) -> str:
    """A field's value for people; we write no password, but others may into a row of ours."""
    return HIDDEN if "password" in name else spelled(value)


def row_change(op: Op, row: Row, old: Row | None, new: Row | None) -> Change:
    """A whole row that comes, goes, or goes and comes back."""
    before, after = (None if one is None else one.text for one in (old, new))
    return Change(op, (row.table, row.name), before, after, row.origin)


def field_change(row: Row, name: str, old: Value | None, new: Value | None) -> Change:
    """One field of a row that stays."""
    op: Op = "add" if old is None else "remove" if new is None else "change"
    before, after = (None if one is None else shown(name, one) for one in (old, new))
    return Change(op, (row.table, row.name, name), before, after, row.origin)


@dataclass(frozen=True, slots=True)
class Model:
    """All rows for one switch, sorted by table and name, character by character."""

    switch: str
    rows: tuple[Row, ...]


# What a string may be.


@dataclass(frozen=True, slots=True)
class Kind:
    """A set of strings, and what to call one of them in a sentence."""

    says: str
    holds: Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Name:
    """The name of another row of ours; `listed`: CONFIG_DB wants it as a list of exactly one.

    Where the other table's key starts with a VRF, the row must be in the same one.
    """

    table: str
    listed: bool = False


def _number(low: int, high: int) -> Kind:
    def holds(text: str) -> bool:
        return re.fullmatch("0|[1-9][0-9]{,9}", text) is not None and low <= int(text) <= high

    return Kind(f"a number from {low} to {high}", holds)


def _word(*words: str) -> Kind:
    return Kind(" or ".join(words), frozenset(words).__contains__)


def _parsed(says: str, parse: Callable[[str], object]) -> Kind:
    """What `parse` accepts and would print the same way."""

    def holds(text: str) -> bool:
        try:
            return str(parse(text)) == text
        except ValueError:
            return False

    return Kind(says, holds)


_BOOLEAN = _word("true", "false")
_ASN = _number(1, 2**32 - 1)
_FAMILY = _word("ipv4_unicast", "ipv6_unicast")
_ACTION = _word("permit", "deny")
_ADDRESS = _parsed("an IP address in its shortest spelling", ip_address)
_PREFIX = _parsed("a prefix without host bits", ip_network)
_OUR_NAME = Kind(
    f"a name that starts with {OURS}, of at most {LONGEST_NAME} characters",
    re.compile(rf"(?=.{{,{LONGEST_NAME}}}\Z){OURS}[A-Za-z0-9_.-]+").fullmatch,
)
_VRF = Kind(
    '"default", or a VRF name: Vrf..., at most 15 characters',
    re.compile(r"default|Vrf[A-Za-z0-9_-]{1,12}").fullmatch,
)


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its key, its fields, those without which frrcfgd does nothing.

    `parent` must have a row that is named by the first parts of the key.
    """

    key: Mapping[str, Kind]
    fields: Mapping[str, Kind | Name] = field(default_factory=dict)
    needed: tuple[str, ...] = ()
    parent: str | None = None


TABLES: Mapping[str, Table] = {
    "BGP_GLOBALS": Table(
        key={"vrf_name": _VRF},
        fields={
            "default_ipv4_unicast": _BOOLEAN,
            "load_balance_mp_relax": _BOOLEAN,
            "local_asn": _ASN,
            "log_nbr_state_changes": _BOOLEAN,
            "max_dynamic_neighbors": _number(1, 5000),
            "router_id": _parsed("an IPv4 address", IPv4Address),
        },
        needed=("local_asn",),
    ),
    "BGP_GLOBALS_AF": Table(
        key={"vrf_name": _VRF, "afi_safi": _FAMILY},
        fields={"max_ebgp_paths": _number(1, 256), "max_ibgp_paths": _number(1, 256)},
        parent="BGP_GLOBALS",
    ),
    "BGP_GLOBALS_LISTEN_PREFIX": Table(
        key={"vrf_name": _VRF, "ip_prefix": _PREFIX},
        fields={"peer_group": Name("BGP_PEER_GROUP")},
        needed=("peer_group",),
        parent="BGP_GLOBALS",
    ),
    "BGP_NEIGHBOR": Table(
        key={"vrf_name": _VRF, "neighbor": _ADDRESS},
        fields={"peer_group_name": Name("BGP_PEER_GROUP")},
        needed=("peer_group_name",),
        parent="BGP_GLOBALS",
    ),
    "BGP_PEER_GROUP": Table(
        key={"vrf_name": _VRF, "peer_group_name": _OUR_NAME},
        fields={
            "asn": _ASN,
            "bfd": _BOOLEAN,
            "conn_retry": _number(1, 65535),
            "ebgp_multihop": _BOOLEAN,
            "ebgp_multihop_ttl": _number(1, 255),
            "holdtime": _number(0, 65535),
            "keepalive": _number(0, 65535),
        },
        needed=("asn",),
        parent="BGP_GLOBALS",
    ),
    "BGP_PEER_GROUP_AF": Table(
        key={"vrf_name": _VRF, "peer_group_name": _OUR_NAME, "afi_safi": _FAMILY},
        fields={
            "admin_status": _word("up", "down"),
            "max_prefix_limit": _number(1, 2**32 - 1),
            "max_prefix_restart_interval": _number(1, 65535),
            "route_map_in": Name("ROUTE_MAP_SET", listed=True),
            "route_map_out": Name("ROUTE_MAP_SET", listed=True),
        },
        needed=("admin_status", "route_map_in", "route_map_out"),
        parent="BGP_PEER_GROUP",
    ),
    "PREFIX": Table(
        key={
            "name": _OUR_NAME,
            "sequence_number": _number(1, 2**32 - 1),
            "ip_prefix": _PREFIX,
            "masklength_range": Kind(
                '"exact" or a range of lengths such as 24..32',
                re.compile(r"exact|[0-9]{1,3}\.\.[0-9]{1,3}").fullmatch,
            ),
        },
        fields={"action": _ACTION},
        needed=("action",),
        parent="PREFIX_SET",
    ),
    "PREFIX_SET": Table(
        key={"name": _OUR_NAME}, fields={"mode": _word("IPv4", "IPv6")}, needed=("mode",)
    ),
    "ROUTE_MAP": Table(
        key={"name": _OUR_NAME, "stmt_name": _number(1, 65535)},
        fields={
            "match_prefix_set": Name("PREFIX_SET"),
            "route_operation": _ACTION,
            "set_ipv6_next_hop_prefer_global": _BOOLEAN,
        },
        needed=("route_operation",),
        parent="ROUTE_MAP_SET",
    ),
    "ROUTE_MAP_SET": Table(key={"name": _OUR_NAME}),
}

# Each is half a command of frrcfgd's, and nothing without the other.
_PAIRS = {
    "BGP_PEER_GROUP": (("keepalive", "holdtime"), ("ebgp_multihop", "ebgp_multihop_ttl")),
    "BGP_PEER_GROUP_AF": (("max_prefix_limit", "max_prefix_restart_interval"),),
}


def check(rows: Iterable[Row]) -> list[str]:
    """What is wrong with the rows, each problem with its row's name first."""
    rows = tuple(rows)
    known = {(row.table, row.key): row for row in rows}
    seen = Counter((row.table, row.key) for row in rows)
    problems = [f"{known[one]}: written {count} times" for one, count in seen.items() if count > 1]
    for row in rows:
        problems += [f"{row}: {problem}" for problem in _row_problems(row, known)]
    return problems + list(_numbered_twice(rows))


_Known = Mapping[tuple[str, tuple[str, ...]], Row]


def _row_problems(row: Row, known: _Known) -> Iterator[str]:
    table = TABLES.get(row.table)
    if table is None:
        yield "an unknown table"
        return
    if len(row.key) != len(table.key):
        yield f"the key must be {'|'.join(table.key)}"
        return
    for (name, kind), part in zip(table.key.items(), row.key, strict=True):
        if not kind.holds(part):
            yield f"{name} {part!r} is not {kind.says}"
    if table.parent:
        parent = (table.parent, row.key[: len(TABLES[table.parent].key)])
        if parent not in known:
            yield f"there is no {'|'.join((parent[0], *parent[1]))}"
    for name, value in row.fields.items():
        wanted = table.fields.get(name)
        if wanted is None:
            yield f"unknown field {name}"
        else:
            yield from (
                f"{name} {problem}" for problem in _value_problems(row, wanted, value, known)
            )
    yield from (f"{name} is missing" for name in table.needed if name not in row.fields)
    for pair in _PAIRS.get(row.table, ()):
        if len(pair & row.fields.keys()) == 1:
            yield f"{pair[0]} and {pair[1]} only come together"
    if row.table == "PREFIX":
        yield from _range_problems(row, known)


def _value_problems(row: Row, wanted: Kind | Name, value: object, known: _Known) -> Iterator[str]:
    if isinstance(wanted, Name) and wanted.listed:
        if not (isinstance(value, tuple) and len(value) == 1):
            yield f"{value!r} is not a list of one name"
            return
        (value,) = value
    if not isinstance(value, str):
        yield f"{value!r} is not a string"
    elif isinstance(wanted, Kind):
        if not wanted.holds(value):
            yield f"{value!r} is not {wanted.says}"
    else:
        in_vrf = "vrf_name" in TABLES[wanted.table].key
        key = (row.key[0], value) if in_vrf else (value,)
        if (wanted.table, key) not in known:
            yield f"names {'|'.join((wanted.table, *key))}, which is not there"


def _range_problems(row: Row, known: _Known) -> Iterator[str]:
    """A range must start at the prefix's own length.

    Of any other the boot template compares the lengths as text ("9" > "24") and writes another
    line than frrcfgd does live, sometimes a wider one (`bgpd.conf.db.pref_list.j2`).
    """
    try:
        prefix = ip_network(row.key[2])
    except ValueError:
        return
    parent = known.get(("PREFIX_SET", row.key[:1]))
    if parent and parent.fields.get("mode") != f"IPv{prefix.version}":
        yield f"{prefix} in a set of mode {parent.fields.get('mode')}"
    if (low_high := row.key[3].split(".."))[1:]:
        low, high = (int(part) if part.isdecimal() else -1 for part in low_high)
        if not (low == prefix.prefixlen <= high <= prefix.max_prefixlen):
            yield f"{row.key[3]} is not a range from {prefix.prefixlen} to {prefix.max_prefixlen}"


def _numbered_twice(rows: Iterable[Row]) -> Iterator[str]:
    numbers = Counter(row.key[:2] for row in rows if row.table == "PREFIX")
    for key, count in numbers.items():
        if count > 1:
            yield f"PREFIX|{'|'.join(key)}: {count} rows with this number"
