"""What a switch becomes in rows."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

import pytest
from backends.sonic_networks import (
    AGGREGATE_4,
    DUAL_STACK,
    DYNAMIC,
    EXAMPLES,
    PUBLIC_4,
    PUBLIC_6,
    STATIC,
    TIMERS_AND_BFD,
    VRFS,
    accept,
    dynamic_group,
    network,
    prefix_set,
    static_group,
    switch,
)
from hypothesis import example as always
from hypothesis import given, settings
from hypothesis import strategies as st

from ferrule.compiler.backends.sonic import lower
from ferrule.compiler.backends.sonic.lower import group_name, set_name
from ferrule.compiler.backends.sonic.model import OURS, Row, Value, check
from ferrule.compiler.network import (
    MAX_LENGTH,
    Accept,
    Prefix,
    PrefixSet,
    Switch,
    Timers,
)
from ferrule.compiler.source import Document, Origin

Fields = Mapping[str, Value]


def rows_of(one: Switch, cluster: str = "prod") -> tuple[Row, ...]:
    return lower(one, network(one, cluster=cluster)).rows


def table(one: Switch, name: str) -> dict[str, Fields]:
    return {row.name: row.fields for row in rows_of(one) if row.table == name}


# Exactly the announced length.


def admits(rows: Iterable[Row], name: str, prefix: Prefix) -> bool:
    """FRR's answer: the first entry by number that matches decides, and none is a no."""
    entries = sorted(
        (int(row.key[1]), row) for row in rows if row.table == "PREFIX" and row.key[0] == name
    )
    for _, row in entries:
        block, lengths = ip_network(row.key[2]), row.key[3]
        low, _, high = lengths.partition("..")
        shortest, longest = (
            (block.prefixlen, block.prefixlen) if lengths == "exact" else (int(low), int(high))
        )
        inside = int(block[0]) <= int(prefix[0]) and int(prefix[-1]) <= int(block[-1])
        if inside and shortest <= prefix.prefixlen <= longest:
            return row.fields["action"] == "permit"
    return False


def wanted(prefix_set: PrefixSet, prefix: Prefix) -> bool:
    """A prefix of the length, in a CIDR of the pool or around a part of it."""
    return prefix.prefixlen == prefix_set.length and any(
        prefix[0] in cidr or cidr[0] in prefix for cidr in prefix_set.cidrs
    )


def around(prefix_set: PrefixSet) -> set[Prefix]:
    """Prefixes of all lengths at both ends of every CIDR and just outside."""
    most = MAX_LENGTH[prefix_set.family]
    bases = {
        base
        for cidr in prefix_set.cidrs
        for first, last in [(int(cidr[0]), int(cidr[-1]))]
        for base in (
            first,
            last,
            (first + last) // 2,
            max(first - 1, 0),
            min(last + 1, 2**most - 1),
        )
    }
    kind = type(prefix_set.cidrs[0])
    return {kind((base, length), strict=False) for base in bases for length in range(most + 1)}


@st.composite
def prefix_sets(draw: st.DrawFn) -> PrefixSet:
    """Sets of one to five disjoint CIDRs, longer and shorter than the length."""
    kind, most = draw(st.sampled_from(((IPv4Network, 32), (IPv6Network, 128))))
    bases, lengths = st.integers(0, 2**most - 1), st.integers(1, most)
    drawn = draw(st.lists(st.tuples(bases, lengths), min_size=1, max_size=5))
    cidrs = collapse_addresses([kind(one, strict=False) for one in drawn])  # type: ignore[type-var]
    return prefix_set("pool", draw(lengths), *map(str, cidrs))


def alone(one: PrefixSet) -> Switch:
    peer = "10.1.0.11" if one.family == "ipv4" else "2001:db8:a::11"
    return switch(static_group("tor-a", [accept(one)], [peer]))


@given(prefix_sets())
@always(AGGREGATE_4)
@always(prefix_set("pool", 65, "2001:db8:1::/64", "2001:db8:2::/65", "2001:db8:3:0:8000::/66"))
@settings(deadline=None)
def test_a_set_admits_exactly_its_length(one: PrefixSet) -> None:
    rows = rows_of(alone(one))
    assert check(rows) == []
    name = set_name("prod", one.key)
    for prefix in around(one):
        assert admits(rows, name, prefix) == wanted(one, prefix), prefix


@pytest.mark.parametrize(
    ("length", "cidr", "expected"),
    [
        (32, "192.0.2.0/24", {("24..31", "deny"), ("24..32", "permit")}),
        (128, "2001:db8::/64", {("64..127", "deny"), ("64..128", "permit")}),
        (32, "192.0.2.7/32", {("exact", "permit")}),
        (25, "192.0.2.0/24", {("24..24", "deny"), ("24..25", "permit")}),
        (24, "192.0.2.128/25", {("exact", "permit")}),
    ],
    ids=[
        "IPv4 hosts out of a block",
        "IPv6 hosts out of a block",
        "a block that is one host",
        "one bit below the block",
        "an aggregate around the block",
    ],
)
def test_ranges_start_at_the_length_of_the_block(
    length: int, cidr: str, expected: set[tuple[str, str]]
) -> None:
    rows = table(alone(prefix_set("pool", length, cidr)), "PREFIX")
    assert {(key.split("|")[3], fields["action"]) for key, fields in rows.items()} == expected


def test_an_aggregate_of_two_cidrs_is_written_once() -> None:
    rows = table(alone(AGGREGATE_4), "PREFIX")
    assert sum("192.0.2.0/24|exact" in key for key in rows) == 1


@given(prefix_sets(), st.integers(0, 4))
def test_another_cidr_moves_no_row(one: PrefixSet, left_out: int) -> None:
    fewer = tuple(cidr for index, cidr in enumerate(one.cidrs) if index != left_out)
    if fewer:
        kept = set(rows_of(alone(replace(one, cidrs=fewer))))
        assert {row for row in kept if row.table == "PREFIX"} <= set(rows_of(alone(one)))


# Names.


def test_a_set_is_named_by_pool_family_and_length() -> None:
    assert table(DUAL_STACK, "PREFIX_SET") == {
        "FERRULE_prod_public_ipv4_32": {"mode": "IPv4"},
        "FERRULE_prod_public_ipv6_128": {"mode": "IPv6"},
    }


def test_two_clusters_share_no_name_but_the_globals() -> None:
    one, other = (
        {(row.table, row.name) for row in rows_of(DYNAMIC, cluster)} for cluster in ("one", "other")
    )
    assert {name for name, _ in one & other} == {
        "BGP_GLOBALS",
        "BGP_GLOBALS_AF",
        "BGP_GLOBALS_LISTEN_PREFIX",  # known by the group that it names
    }


def test_route_maps_of_two_vrfs_differ_where_groups_are_called_alike() -> None:
    groups, maps = table(VRFS, "BGP_PEER_GROUP"), table(VRFS, "ROUTE_MAP_SET")
    assert {"default|FERRULE_prod_tor-a_65001_ipv4", "Vrf_blue|FERRULE_prod_tor-a_65001_ipv4"} <= (
        groups.keys()
    )
    assert {
        "FERRULE_prod_in_tor-a_65001_ipv4_ipv4",
        "FERRULE_prod_in_tor-a_65001_ipv4_ipv4_Vrf_blue",
    } <= maps.keys()


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_rows_pass_our_own_check(example: Switch) -> None:
    assert check(rows_of(example)) == []


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_nothing_is_written_that_nothing_refers_to(example: Switch) -> None:
    rows = rows_of(example)
    used = {
        row.fields[field][0]
        for row in rows
        for field in ("route_map_in", "route_map_out")
        if field in row.fields
    } | {row.fields.get("match_prefix_set") for row in rows}
    written = table(example, "PREFIX_SET").keys() | table(example, "ROUTE_MAP_SET").keys()
    assert written <= used


# Policy.


def statements(one: Switch, name: str) -> dict[str, Fields]:
    maps = table(one, "ROUTE_MAP")
    return {key.split("|")[1]: maps[key] for key in maps if key.startswith(f"{name}|")}


def test_a_group_hears_its_sets_and_nothing_else() -> None:
    inbound = statements(STATIC, "FERRULE_prod_in_tor-a_65001_ipv4_ipv4")
    assert inbound.pop("65535") == {"route_operation": "deny"}
    assert {fields["match_prefix_set"] for fields in inbound.values()} == {
        "FERRULE_prod_public_ipv4_32",
        "FERRULE_prod_public_ipv4_24",
    }
    assert {fields["route_operation"] for fields in inbound.values()} == {"permit"}


def test_nodes_hear_nothing() -> None:
    assert statements(STATIC, "FERRULE_prod_out") == {"10": {"route_operation": "deny"}}
    for fields in table(STATIC, "BGP_PEER_GROUP_AF").values():
        assert fields["route_map_out"] == ("FERRULE_prod_out",)


def test_ipv6_routes_use_the_global_next_hop_and_ipv4_routes_do_not() -> None:
    said = {
        (key.split("|")[0], fields.get("set_ipv6_next_hop_prefer_global"))
        for key, fields in table(DUAL_STACK, "ROUTE_MAP").items()
        if "match_prefix_set" in fields
    }
    assert said == {
        ("FERRULE_prod_in_tor-a_65001_ipv4_ipv4", None),
        ("FERRULE_prod_in_tor-a_65001_ipv4_ipv6", "true"),
        ("FERRULE_prod_in_tor-a_65001_ipv6_ipv6", "true"),
    }


def test_another_set_moves_no_statement() -> None:
    name = "FERRULE_prod_in_tor-a_65001_ipv4_ipv4"
    fewer = statements(alone(PUBLIC_4), name)
    assert fewer.items() <= statements(STATIC, name).items()


def test_a_group_that_may_hear_nothing_hears_nothing() -> None:
    one = switch(static_group("tor-a", [Accept("ipv4", (), 0)], ["10.1.0.11"]))
    assert statements(one, "FERRULE_prod_in_tor-a_65001_ipv4_ipv4") == {
        "65535": {"route_operation": "deny"}
    }
    assert check(rows_of(one)) == []  # FRR refuses `maximum-prefix 0`


# Peer groups and neighbors.


def test_an_address_family_says_all_that_a_session_needs() -> None:
    assert table(DUAL_STACK, "BGP_PEER_GROUP_AF") == {
        f"default|FERRULE_prod_tor-a_65001_{transport}|{family}_unicast": {
            "admin_status": "up",
            "max_prefix_limit": limit,
            "max_prefix_restart_interval": "5",
            "route_map_in": (f"FERRULE_prod_in_tor-a_65001_{transport}_{family}",),
            "route_map_out": ("FERRULE_prod_out",),
        }
        for transport, family, limit in (
            ("ipv4", "ipv4", "64"),
            ("ipv4", "ipv6", "128"),
            ("ipv6", "ipv6", "64"),
        )
    }


def test_a_neighbor_is_a_member_and_nothing_more() -> None:
    assert table(STATIC, "BGP_NEIGHBOR") == {
        f"default|10.1.0.{host}": {"peer_group_name": "FERRULE_prod_tor-a_65001_ipv4"}
        for host in (11, 12)
    }


def test_a_dynamic_group_listens_and_names_no_neighbor() -> None:
    assert table(DYNAMIC, "BGP_GLOBALS_LISTEN_PREFIX") == {
        "default|10.1.0.0/24": {"peer_group": "FERRULE_prod_range_10.1.0.0_24"},
        "default|2001:db8:a::/64": {"peer_group": "FERRULE_prod_range_2001-db8-a--_64"},
    }
    assert table(DYNAMIC, "BGP_NEIGHBOR") == {}


def group_fields(one: Switch) -> Fields:
    (fields,) = table(one, "BGP_PEER_GROUP").values()
    return fields


def test_a_plain_group_has_only_its_asn() -> None:
    assert group_fields(STATIC) == {"asn": "65001"}


def test_a_group_with_everything() -> None:
    assert group_fields(TIMERS_AND_BFD) == {
        "asn": "65001",
        "bfd": "true",
        "conn_retry": "5",
        "ebgp_multihop": "true",
        "ebgp_multihop_ttl": "255",
        "holdtime": "9",
        "keepalive": "3",
    }


@pytest.mark.parametrize(
    "timers", [Timers(keepalive_s=3), Timers(hold_s=9)], ids=["keepalive alone", "hold alone"]
)
def test_half_a_pair_of_timers_is_not_written(timers: Timers) -> None:
    one = switch(static_group("tor-a", [accept(PUBLIC_4)], ["10.1.0.11"], timers=timers))
    assert group_fields(one) == {"asn": "65001"}


def test_an_internal_peer_needs_no_multihop() -> None:
    one = switch(static_group("tor-a", [accept(PUBLIC_4)], ["10.1.0.11"], asn=65000, multihop=True))
    assert group_fields(one) == {"asn": "65000"}


# Globals.


def test_globals_of_each_vrf_hold_what_its_sessions_need() -> None:
    needed = {
        "default_ipv4_unicast": "false",
        "load_balance_mp_relax": "true",
        "local_asn": "65000",
        "log_nbr_state_changes": "true",
        "router_id": "10.255.0.1",
    }
    assert table(VRFS, "BGP_GLOBALS") == {
        "default": needed,
        "Vrf_blue": {**needed, "max_dynamic_neighbors": "100"},  # only here somebody dials in
    }


@pytest.mark.parametrize(
    ("example", "families"),
    [(STATIC, {"ipv4"}), (alone(PUBLIC_6), {"ipv6"}), (DUAL_STACK, {"ipv4", "ipv6"})],
    ids=["IPv4 alone", "IPv6 alone", "both"],
)
def test_only_families_in_use_get_their_paths(example: Switch, families: set[str]) -> None:
    assert table(example, "BGP_GLOBALS_AF") == {
        f"default|{family}_unicast": {"max_ebgp_paths": "64", "max_ibgp_paths": "64"}
        for family in families
    }


# The whole.


@pytest.mark.parametrize(
    "one",
    [switch(), switch(absent=True), replace(STATIC, absent=True)],
    ids=["nobody peers with it", "absent", "absent, groups left over"],
)
def test_a_switch_without_use_gets_no_rows(one: Switch) -> None:
    assert rows_of(one) == ()


@given(st.permutations(VRFS.groups))
def test_the_order_of_groups_does_not_matter(groups: list[object]) -> None:
    shuffled = replace(VRFS, groups=tuple(groups), vrfs=VRFS.vrfs[::-1])  # type: ignore[arg-type]
    assert rows_of(shuffled) == rows_of(VRFS)


def test_every_row_leads_back_to_what_caused_it() -> None:
    pool, peer, tor = (Origin(Document({"kind": kind})) for kind in ("Pool", "Peer", "Switch"))
    public = replace(PUBLIC_4, origin=pool)
    group = static_group("tor-a", [accept(public)], ["10.1.0.11"], origin=peer)
    caused = {
        (row.table, row.key[-1] if row.table == "ROUTE_MAP" else ""): row.origin
        for row in rows_of(switch(group, origin=tor))
        if not row.name.startswith(f"{OURS}prod_out")
    }
    (number,) = (key for name, key in caused if name == "ROUTE_MAP" and key != "65535")
    assert caused == {
        ("BGP_GLOBALS", ""): tor,
        ("BGP_GLOBALS_AF", ""): tor,
        ("BGP_NEIGHBOR", ""): peer,
        ("BGP_PEER_GROUP", ""): peer,
        ("BGP_PEER_GROUP_AF", ""): peer,
        ("PREFIX", ""): pool,
        ("PREFIX_SET", ""): pool,
        ("ROUTE_MAP", number): pool,
        ("ROUTE_MAP", "65535"): peer,
        ("ROUTE_MAP_SET", ""): peer,
    }


def test_the_name_of_a_group_is_the_one_in_its_rows() -> None:
    group = dynamic_group("2001:db8::/64", [accept(PUBLIC_6)])
    assert group_name("prod", group) == "FERRULE_prod_range_2001-db8--_64"
    assert f"default|{group_name('prod', group)}" in table(switch(group), "BGP_PEER_GROUP")
