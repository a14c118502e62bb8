"""Sessions of a switch, and what its rows for each are in four rounds: every way to change them.

As `node_cases`: between two rounds lies a change, or none, and each session has names of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from daemon.campaign import Row
from daemon.sessions import Link
from ferrule.compiler.backends.base import Change, Op
from ferrule.compiler.backends.sonic.impact import IMPACTS

Tables = dict[str, dict[str, dict[str, object]]]
Part = dict[str, dict[str, object] | None]  # rows that are not the usual; None: not there

ROUNDS = 4
MARK = "FERRULE_prod_{n}"
GROUP, OTHER = f"BGP_PEER_GROUP|default|{MARK}", f"BGP_PEER_GROUP|default|{MARK}_b"
FAMILY = f"BGP_PEER_GROUP_AF|default|{MARK}|ipv4_unicast"
FAMILY6 = f"BGP_PEER_GROUP_AF|default|{MARK}|ipv6_unicast"
NEIGHBOR, RANGE = "BGP_NEIGHBOR|default|{far}", "BGP_GLOBALS_LISTEN_PREFIX|default|{range}"
SET, SET_B = f"PREFIX_SET|{MARK}", f"PREFIX_SET|{MARK}_b"
ENTRY = f"PREFIX|{MARK}|2|203.0.113.0/24|24..32"
MORE = f"PREFIX|{MARK}|4|192.0.2.0/28|28..32"
EXCEPTION = f"PREFIX|{MARK}|%d|203.0.113.2/32|exact"
PERMITTED: dict[str, object] = {"action": "permit"}
STATEMENT, SECOND = "ROUTE_MAP|FERRULE_prod_in_{n}|10", "ROUTE_MAP|FERRULE_prod_in_{n}|20"
ACTIVE: dict[str, object] = {
    "admin_status": "up",
    "max_prefix_limit": "1000",
    "max_prefix_restart_interval": "5",
    "route_map_in": ["FERRULE_prod_in_{n}"],
    "route_map_out": ["FERRULE_prod_out"],
}
PEERS: dict[str, object] = {"asn": "65001", "conn_retry": "1"}
PERMIT: dict[str, object] = {"match_prefix_set": MARK, "route_operation": "permit"}
USUAL: Part = {
    SET: {"mode": "IPv4"},
    ENTRY: {"action": "permit"},
    "ROUTE_MAP_SET|FERRULE_prod_in_{n}": {},
    STATEMENT: PERMIT,
    "ROUTE_MAP|FERRULE_prod_in_{n}|65535": {"route_operation": "deny"},
    GROUP: PEERS,
    FAMILY: ACTIVE,
    NEIGHBOR: {"peer_group_name": MARK},
}


@dataclass(frozen=True, eq=False)
class Case:
    """A session: the rows for it by round, and what the far end is told after a round.

    The last round lasts. `over` are the rounds in which the far end says more than it may from
    then on, and after which the session stays down.
    """

    name: str
    rounds: tuple[Part | None, ...]
    far: Mapping[int, str] = field(default_factory=dict)
    switch: str = "switch"
    over: int | None = None

    def part(self, round_: int) -> Part | None:
        return self.rounds[min(round_, len(self.rounds) - 1)]


def group(**fields: object) -> Part:
    return {GROUP: {**PEERS, **fields}}


def family(**fields: object) -> Part:
    """The family with other fields; None takes one away."""
    every = {**ACTIVE, **fields}
    return {FAMILY: {name: value for name, value in every.items() if value is not None}}


def family6(**fields: object) -> Part:
    return {FAMILY6: {**ACTIVE, **fields}}


def statement(**fields: object) -> Part:
    """A second statement."""
    return {SECOND: {"route_operation": "permit", **fields}}


PLAIN: Part = {}
BFD, NO_BFD = " neighbor {near} bfd\n", " no neighbor {near} bfd\n"
LISTENS: Part = {NEIGHBOR: None, RANGE: {"peer_group": MARK}}
BOTH_GROUPS: Part = {OTHER: PEERS, FAMILY.replace(MARK, f"{MARK}_b"): ACTIVE}
OF_OTHER = f"{MARK}_b"
UNUSED_SET: Part = {SET_B: {"mode": "IPv4"}}
SIX: Part = {
    SET_B: {"mode": "IPv6"},
    f"PREFIX|{MARK}_b|2|2001:db8::/64|64..128": {"action": "permit"},
    SECOND: {"route_operation": "permit", "match_prefix_set": f"{MARK}_b"},
}
FOUR: Part = {
    **SIX,
    SET_B: {"mode": "IPv4"},
    f"PREFIX|{MARK}_b|2|2001:db8::/64|64..128": None,
    f"PREFIX|{MARK}_b|2|192.0.2.0/28|28..32": {"action": "permit"},
}

CASES = (
    Case("nothing", (PLAIN,)),
    # Neighbors and ranges.
    Case("a neighbor", (PLAIN, {NEIGHBOR: None}, PLAIN)),
    Case("a neighbor and all of it", (PLAIN, None, PLAIN)),
    Case("a field of a neighbor", ({NEIGHBOR: {"peer_group_name": MARK, "name": "mine"}}, PLAIN)),
    Case(
        "a neighbor of another group",
        (BOTH_GROUPS, {**BOTH_GROUPS, NEIGHBOR: {"peer_group_name": OF_OTHER}}),
    ),
    Case(
        "a range",
        (LISTENS, {NEIGHBOR: None}, LISTENS),
    ),
    Case(
        "a range of another group",
        ({**BOTH_GROUPS, **LISTENS}, {**BOTH_GROUPS, **LISTENS, RANGE: {"peer_group": OF_OTHER}}),
    ),
    Case(
        "a range that another takes over",
        (
            LISTENS,
            {NEIGHBOR: None, "BGP_GLOBALS_LISTEN_PREFIX|default|{far}/32": {"peer_group": MARK}},
        ),
    ),
    Case("a node that dialled in is named", (LISTENS, PLAIN)),
    # Groups.
    Case("a group", (PLAIN, BOTH_GROUPS, PLAIN)),
    Case(
        "another asn",
        (PLAIN, group(asn="65009")),
        {1: " neighbor {near} local-as 65009 no-prepend replace-as\n"},
    ),
    Case("multihop", (PLAIN, group(ebgp_multihop="true", ebgp_multihop_ttl="255"), PLAIN)),
    Case(
        "another ttl",
        (
            group(ebgp_multihop="true", ebgp_multihop_ttl="5"),
            group(ebgp_multihop="true", ebgp_multihop_ttl="255"),
        ),
    ),
    Case(
        "bfd",
        (PLAIN, group(bfd="true"), group(bfd="false"), group(bfd="true")),
        {1: BFD, 2: NO_BFD},
    ),
    Case("bfd goes", (group(bfd="true"), PLAIN), {0: BFD, 1: NO_BFD}),
    Case(
        "conn_retry",
        ({GROUP: {"asn": "65001"}}, PLAIN, group(conn_retry="2"), {GROUP: {"asn": "65001"}}),
    ),
    Case(
        "keepalive and holdtime",
        (PLAIN, group(keepalive="10", holdtime="30"), group(keepalive="20", holdtime="60"), PLAIN),
    ),
    # Families.
    Case("a family", (PLAIN, family6(), PLAIN)),
    Case("a family that was shut", (family6(admin_status="down"), family6())),
    Case(
        "a family that says nothing",
        ({FAMILY6: {key: of for key, of in ACTIVE.items() if key != "admin_status"}}, family6()),
    ),
    Case("no route_map_in", (family(route_map_in=None), PLAIN)),
    Case(
        "another route_map_in",
        (family(route_map_in=["FERRULE_prod_any"]), PLAIN),
    ),
    Case("weight", (family(weight="5"), PLAIN)),
    Case("a limit", (family(max_prefix_limit=None, max_prefix_restart_interval=None), PLAIN)),
    Case(
        "a limit that is passed at once",
        (
            family(max_prefix_limit=None, max_prefix_restart_interval=None),
            family(max_prefix_limit="10"),
        ),
        over=1,
    ),
    Case(
        "a limit that rises, falls below and rises",
        (
            PLAIN,
            family(max_prefix_limit="2000"),
            family(max_prefix_limit="10"),
            family(max_prefix_limit="2000"),
        ),
        over=2,
    ),
    Case("a limit that falls to what is said", (PLAIN, family(max_prefix_limit="50"))),
    Case(
        "the restart interval",
        (family(max_prefix_restart_interval=None), PLAIN, family(max_prefix_restart_interval="6")),
    ),
    # Sets and maps.
    Case(
        "an entry",
        (PLAIN, {MORE: {"action": "permit"}}, {MORE: {"action": "deny"}}, PLAIN),
    ),
    Case("an entry without action", ({MORE: {}}, {MORE: {"action": "permit"}})),
    Case("a set", (PLAIN, UNUSED_SET, PLAIN)),
    # What is taken all the same, or not: as `accepts` has it.
    Case("a set without entries", ({ENTRY: None}, PLAIN)),
    Case("an exception", ({EXCEPTION % 1: {"action": "deny"}}, PLAIN)),
    Case("an exception that comes too late", ({EXCEPTION % 3: {"action": "deny"}}, PLAIN)),
    Case("shorter lengths", ({ENTRY: None, ENTRY.replace("24..32", "24..31"): PERMITTED}, PLAIN)),
    Case("longer lengths", ({ENTRY: None, ENTRY.replace("24..32", "32..32"): PERMITTED}, PLAIN)),
    Case("a length alone", ({ENTRY: None, ENTRY.replace("24..32", "exact"): PERMITTED}, PLAIN)),
    Case("one prefix", ({ENTRY: None, EXCEPTION % 2: PERMITTED}, PLAIN)),
    Case("a set of the other family", (SIX, FOUR)),
    Case("a set of no family", ({**FOUR, SET_B: {}}, FOUR)),
    Case(
        "a statement",
        (
            PLAIN,
            statement(),
            statement(route_operation="deny"),
            PLAIN,
        ),
    ),
    Case(
        "fields of a statement",
        (
            statement(),
            statement(set_ipv6_next_hop_prefer_global="true"),
            statement(),
            statement(match_prefix_set=MARK),
        ),
    ),
    Case("a map", (PLAIN, {"ROUTE_MAP_SET|FERRULE_prod_{n}_b": {}}, PLAIN)),
    # Globals, each on a switch of its own.
    Case("nothing of the globals", (PLAIN,), switch="flags"),
    Case("router_id", (PLAIN,), switch="ids"),
    Case("another router_id", (PLAIN,), switch="ids"),
)


@dataclass(frozen=True, eq=False)
class Place:
    """A case with its number, and from that its link and its names."""

    number: int
    case: Case

    @property
    def name(self) -> str:
        return self.case.name

    @property
    def device(self) -> str:
        return self.case.switch

    @property
    def link(self) -> Link:
        return Link.number(self.number)

    @property
    def words(self) -> dict[str, str]:
        link = self.link
        return {"near": link.near, "far": link.far, "range": f"{link.near}/31", "n": self.mark}

    @property
    def mark(self) -> str:
        return f"m{self.number:02}"

    def rows(self, round_: int) -> Tables:
        """All rows for it."""
        part = self.case.part(round_)
        tables: Tables = {}
        if part is not None:
            for name, fields in {**USUAL, **part}.items():
                table, _, key = name.format(**self.words).partition("|")
                if fields is not None:
                    tables.setdefault(table, {})[key] = {
                        field_: self._spelt(value) for field_, value in fields.items()
                    }
        return tables

    def _spelt(self, value: object) -> object:
        if isinstance(value, list):
            return [one.format(**self.words) for one in value]
        return str(value).format(**self.words)

    def told(self, round_: int) -> str:
        """What the far end is told."""
        return self.case.far.get(round_, "").format(**self.words)

    def is_about(self, change: Change) -> bool:
        """Whether a change is about it and nobody else."""
        words = {word for text in change.path for word in text.split("|")}
        own = {self.words["far"], self.words["range"], f"{self.link.far}/32"}
        return bool(words & own) or any(self.mark in word for word in words)

    def is_over(self, round_: int) -> bool:
        return self.case.over == round_


PLACES = tuple(Place(number, case) for number, case in enumerate(CASES))
SWITCHES = tuple(dict.fromkeys(case.switch for case in CASES))

# The globals of each switch by round.

BARE: dict[str, object] = {"local_asn": "65000", "router_id": "198.51.100.0"}
FULL: dict[str, object] = {
    **BARE,
    "default_ipv4_unicast": "false",
    "load_balance_mp_relax": "true",
    "log_nbr_state_changes": "true",
}
PATHS: dict[str, object] = {"max_ebgp_paths": "8", "max_ibgp_paths": "8"}
MORE_PATHS: dict[str, object] = {"max_ebgp_paths": "64", "max_ibgp_paths": "64"}
RED: Tables = {"BGP_GLOBALS": {"default": FULL, "Vrf_red": {"local_asn": "65000"}}}


def of(fields: dict[str, object], **paths: dict[str, object]) -> Tables:
    """Rows of the default VRF."""
    rows = {f"default|{name}_unicast": each for name, each in paths.items()}
    return {"BGP_GLOBALS": {"default": fields}, "BGP_GLOBALS_AF": rows}


GLOBALS: Mapping[str, tuple[Tables, ...]] = {
    "switch": (of(FULL),) * ROUNDS,
    "flags": (
        of({**BARE, "default_ipv4_unicast": "true"}, ipv4={"max_ebgp_paths": "8"}),
        of(FULL, ipv4=PATHS, ipv6=PATHS),
        of({**FULL, "load_balance_mp_relax": "false"}, ipv4=MORE_PATHS, ipv6=PATHS),
        {**of(FULL, ipv4=MORE_PATHS, ipv6=PATHS), **RED},
    ),
    "ids": (
        of({"local_asn": "65000"}),
        of(BARE),
        of({**BARE, "router_id": "198.51.100.99"}),
        of({**BARE, "router_id": "198.51.100.99"}),
    ),
}
SHARED: Tables = {
    "VRF": {"Vrf_red": {}},  # the operator's
    "ROUTE_MAP_SET": {"FERRULE_prod_out": {}, "FERRULE_prod_any": {}},
    "ROUTE_MAP": {
        "FERRULE_prod_out|10": {"route_operation": "deny"},
        "FERRULE_prod_any|10": {"route_operation": "permit"},
    },
}
PREFIXES = tuple(f"203.0.113.{n}/32" for n in range(50))
ROUTES = "".join(f"  network {one}\n" for one in PREFIXES)


def tables(switch: str, round_: int) -> Tables:
    """All of a switch's CONFIG_DB in a round."""
    every: Tables = {}
    mine = [one.rows(round_) for one in PLACES if one.case.switch == switch]
    for each in (GLOBALS[switch][round_], SHARED, *mine):
        for table, rows in each.items():
            every.setdefault(table, {}).update(rows)
    return {table: rows for table, rows in every.items() if rows}


def far_text() -> str:
    """The nodes, in one router: fifty prefixes to everybody."""
    neighbors, ipv4, ipv6 = "", ROUTES, ""
    for one in PLACES:
        near = one.link.near
        neighbors += f" neighbor {near} remote-as 65000\n neighbor {near} timers connect 1\n"
        neighbors += one.told(0)
        ipv4 += f"  neighbor {near} activate\n"
        ipv6 += f"  neighbor {near} activate\n"
    return (
        "bgp route-map delay-timer 1\n"
        "router bgp 65001\n bgp router-id 198.51.100.1\n no bgp default ipv4-unicast\n"
        " no bgp network import-check\n no bgp ebgp-requires-policy\n coalesce-time 50\n"
        f"{neighbors} address-family ipv4 unicast\n{ipv4} exit-address-family\n"
        f" address-family ipv6 unicast\n{ipv6} exit-address-family\nexit\n"
    )


# What no diff yields: a field that our rows always have is not taken out, one that SONiC's models
# do not know is not there, and nothing of the globals is ever removed.
NEVER: set[tuple[Row, Op]] = {
    *((row, "remove") for row in IMPACTS if row[0] in ("BGP_GLOBALS", "BGP_GLOBALS_AF")),
    *(
        ((table, ""), "change")
        for table in dict.fromkeys(table for table, _ in IMPACTS)
        if table not in ("PREFIX", "ROUTE_MAP")
    ),
    (("BGP_GLOBALS_LISTEN_PREFIX", "*"), "add"),
    (("BGP_GLOBALS_LISTEN_PREFIX", "*"), "remove"),
    (("BGP_NEIGHBOR", "*"), "add"),
    (("BGP_PEER_GROUP_AF", "admin_status"), "remove"),
    (("BGP_PEER_GROUP_AF", "max_prefix_limit"), "remove"),
    (("BGP_PEER_GROUP_AF", "max_prefix_restart_interval"), "remove"),
    (("PREFIX", "*"), "remove"),
    (("PREFIX_SET", "*"), "remove"),
    (("ROUTE_MAP_SET", "*"), "add"),
    (("ROUTE_MAP_SET", "*"), "change"),
    (("ROUTE_MAP_SET", "*"), "remove"),
}
