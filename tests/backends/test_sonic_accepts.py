"""What a switch takes, worked out of its rows: what its nodes send, and nothing beside it."""

import copy
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from backends.sonic_networks import (
    AGGREGATE_4,
    PUBLIC_4,
    PUBLIC_6,
    accept,
    dynamic_group,
    network,
    static_group,
    switch,
)
from backends.sonic_strategies import CLUSTER, Tables, switches, tables_of
from hypothesis import given
from short import compiled
from strategies import Data, networks

from ferrule.compiler.backends import sonic
from ferrule.compiler.network import PeerGroup, Prefix, PrefixSet, Switch, family_of


def accepting(tables: Tables) -> sonic.Accepting:
    return sonic.accepts(sonic.parse(tables, CLUSTER))


def rows(one: Switch) -> Tables:
    return tables_of(sonic.lower(one, network(one)))


def members(group: PeerGroup) -> list[str]:
    return [str(group.listen_range)] if group.listen_range else [*map(str, group.neighbors)]


def around(one: PrefixSet) -> set[Prefix]:
    """Prefixes in, at the edges of and beyond the blocks, of the length and of others."""
    found: set[Prefix] = {ip_network("0.0.0.0/0"), ip_network("::/0"), ip_network("10.200.0.0/32")}
    for block in one.blocks:
        for address in (block[0], block[-1], block[0] - 1, block[-1] + 1):
            for length in {one.length, one.length - 1, one.length + 1, block.prefixlen}:
                if length <= block.max_prefixlen:
                    found.add(ip_network((address, length), strict=False))
    return found


def is_in(prefix: Prefix, sets: tuple[PrefixSet, ...]) -> bool:
    return any(
        prefix.prefixlen == one.length
        and prefix.version == block.version
        and prefix.subnet_of(block)  # type: ignore[arg-type]
        for one in sets
        for block in one.blocks
    )


@given(switches())
def test_a_group_takes_its_sets_at_their_lengths_and_nothing_else(one: Switch) -> None:
    found = accepting(rows(one))
    assert found.keys() == {(each.vrf, name) for each in one.groups for name in members(each)}
    probes = {prefix for each in network(one).sets.values() for prefix in around(each)}
    for group in one.groups:
        for name in members(group):
            accepts = found[group.vrf, name]
            assert accepts.asn == group.asn
            limits = {family: each.limit for family, each in accepts.families.items()}
            assert limits == {each.family: max(1, each.limit) for each in group.accepts}
            for probe in probes:
                sets = tuple(
                    each
                    for accept in group.accepts
                    if accept.family == family_of(probe)
                    for each in accept.sets
                )
                assert accepts.admits(probe) == is_in(probe, sets), probe
                assert accepts.admits(str(probe)) == accepts.admits(probe)


@given(networks())
def test_every_session_is_taken_as_its_node_speaks(documents: list[Data]) -> None:
    whole = compiled(documents).network
    nodes = {one.name: one for one in whole.nodes}
    devices = {one.name: one for one in whole.switches}
    found = {
        one.name: sonic.accepts(sonic.parse(tables_of(sonic.lower(one, whole)), whole.cluster))
        for one in whole.switches
    }
    for session in whole.sessions:
        end = session.switch_end
        if end is None:
            continue
        accepts = sonic.find(found[end.switch], end.vrf, end.neighbor)
        assert accepts is not None
        assert accepts.asn == session.node_end.far_asn
        assert {*accepts.families} == {*session.node_end.families}
        (group,) = (
            one for one in devices[end.switch].groups if (one.vrf, one.name) == (end.vrf, end.group)
        )
        sets = tuple(one for each in group.accepts for one in each.sets)
        for one in nodes[session.node].advertisements:
            if family_of(one.prefix) not in accepts.families:
                assert not accepts.admits(one.prefix)
            elif one.route_class.attributes(session.peer) is not None:
                assert accepts.admits(one.prefix)
                probes = [one.prefix.supernet(), *one.prefix.subnets()]
                for probe in (each for each in probes if each != one.prefix):
                    assert accepts.admits(probe) == is_in(probe, sets)


# What somebody did by hand.

TOR = switch(
    static_group("tor-a", [accept(PUBLIC_4, AGGREGATE_4), accept(PUBLIC_6)], ["10.1.0.11"]),
    static_group("inside", [accept(PUBLIC_4)], ["10.1.0.12"], asn=65000),
    dynamic_group("10.2.0.0/24", [accept(PUBLIC_4)]),
)
GROUP = "FERRULE_prod_tor-a_65001_ipv4"
IN = "FERRULE_prod_in_tor-a_65001_ipv4_ipv4"
SET = "FERRULE_prod_public_ipv4_32"
AF = ("BGP_PEER_GROUP_AF", f"default|{GROUP}|ipv4_unicast")
GOOD, OTHER, SIX = "192.0.2.9/32", "198.51.100.7/32", "2001:db8:0:1::9/128"


def by_hand(*path: str, value: Any = None, of: str = "10.1.0.11") -> sonic.Accepts:
    """The rows with a table, row or field set to something else, or taken away."""
    tables: Any = copy.deepcopy(rows(TOR))
    *above, last = path
    inner = tables
    for step in above:
        inner = inner[step]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return accepting(tables)["default", of]


def statement() -> str:
    """The statement of the /32s."""
    (found,) = (
        key
        for key, fields in rows(TOR)["ROUTE_MAP"].items()
        if key.startswith(f"{IN}|") and fields.get("match_prefix_set") == SET
    )
    return found


def exact() -> str:
    (found,) = (key for key in rows(TOR)["PREFIX"] if key.endswith(f"|{OTHER}|exact"))
    return found


def test_the_rows_as_they_should_be() -> None:
    plain = by_hand("DEVICE_METADATA", value={})
    assert [plain.admits(one) for one in (GOOD, OTHER, SIX, "192.0.2.0/24")] == [True] * 4
    assert not plain.admits("192.0.2.0/25")
    assert plain.families["ipv4"].limit == 64


@pytest.mark.parametrize(
    ("path", "value", "taken"),
    [
        pytest.param((*AF, "admin_status"), "down", (False, False, True), id="inactive"),
        pytest.param((*AF, "admin_status"), None, (False, False, True), id="never-activated"),
        pytest.param(AF, None, (False, False, True), id="no-family"),
        pytest.param((*AF, "route_map_in"), None, (False, False, True), id="no-map"),
        pytest.param((*AF, "route_map_in"), ["nobody"], (False, False, True), id="nobodys-map"),
        pytest.param((*AF, "route_map_in"), [], (False, False, True), id="an-empty-list-of-maps"),
        pytest.param(
            ("ROUTE_MAP", statement(), "route_operation"),
            "deny",
            (False, False, True),
            id="a-statement-that-denies",
        ),
        pytest.param(
            ("ROUTE_MAP", statement(), "route_operation"),
            None,
            (False, False, True),
            id="a-statement-that-says-nothing",
        ),
        pytest.param(
            ("ROUTE_MAP", statement(), "match_prefix_set"),
            None,
            (True, True, True),
            id="a-statement-for-everything",
        ),
        pytest.param(
            ("ROUTE_MAP", statement(), "match_prefix_set"),
            "nobody",
            (False, False, True),
            id="a-statement-for-nobodys-set",
        ),
        pytest.param(
            ("ROUTE_MAP", statement(), "match_community"),
            "some",
            (False, False, True),
            id="one-more-condition",
        ),
        pytest.param(
            ("ROUTE_MAP", statement(), "match_ipv6_prefix_set"),
            "nobody",
            (True, True, True),
            id="one-that-frrcfgd-ignores",
        ),
        pytest.param(
            ("ROUTE_MAP", f"{IN}|1"),
            {"route_operation": "deny"},
            (False, False, True),
            id="a-deny-that-comes-first",
        ),
        pytest.param(("PREFIX", exact()), None, (True, False, True), id="an-entry-less"),
        pytest.param(
            ("PREFIX", exact(), "action"), "deny", (True, False, True), id="an-entry-that-denies"
        ),
        pytest.param(
            ("PREFIX", exact(), "action"), None, (True, False, True), id="an-entry-without-action"
        ),
        pytest.param(
            ("PREFIX", f"{SET}|1|192.0.2.0/25|25..32"),
            {"action": "deny"},
            (False, True, True),
            id="a-narrower-set",
        ),
        pytest.param(
            ("PREFIX", f"{SET}|1|192.0.2.0/25|24..32"),
            {"action": "deny"},
            (False, True, True),
            id="a-range-that-starts-too-short",
        ),
        pytest.param(
            ("PREFIX", f"{SET}|1|nonsense|25..32"),
            {"action": "deny"},
            (True, True, True),
            id="a-row-that-is-no-entry",
        ),
        pytest.param(
            ("PREFIX_SET", SET, "mode"), "IPv6", (False, False, True), id="a-set-of-another-mode"
        ),
        pytest.param(("PREFIX_SET", SET), None, (False, False, True), id="a-set-without-its-row"),
        pytest.param(
            ("BGP_PEER_GROUP", f"default|{GROUP}", "admin_status"),
            "down",
            (False, False, False),
            id="a-group-that-is-shut",
        ),
        pytest.param(
            ("BGP_NEIGHBOR", "default|10.1.0.11", "admin_status"),
            "down",
            (False, False, False),
            id="a-neighbor-that-is-shut",
        ),
    ],
)
def test_what_somebody_changed(
    path: tuple[str, ...], value: Any, taken: tuple[bool, bool, bool]
) -> None:
    found = by_hand(*path, value=value)
    assert tuple(map(found.admits, (GOOD, OTHER, SIX))) == taken


def test_as_which_as() -> None:
    group = ("BGP_PEER_GROUP", f"default|{GROUP}", "asn")
    assert by_hand(*group).asn is None
    assert by_hand(*group, value="65009").asn == 65009
    assert by_hand("BGP_NEIGHBOR", "default|10.1.0.11", "asn", value="65008").asn == 65008


def test_without_a_limit() -> None:
    assert by_hand(*AF, "max_prefix_limit").families["ipv4"].limit is None


def test_ibgp_needs_no_map() -> None:
    inside = ("BGP_PEER_GROUP_AF", "default|FERRULE_prod_inside_65000_ipv4|ipv4_unicast")
    assert by_hand(*inside, "route_map_in", of="10.1.0.12").admits("198.18.0.0/15")
    assert not by_hand(*inside, "weight", value="5", of="10.1.0.12").admits("198.18.0.0/15")


def test_who_dials_in_is_found_by_the_range() -> None:
    found = accepting(rows(TOR))
    assert sonic.find(found, "default", ip_address("10.2.0.7")) is not None
    own = sonic.find(found, "default", ip_address("10.1.0.12"))
    assert own is not None
    assert own.asn == 65000
    assert sonic.find(found, "default", ip_address("10.3.0.7")) is None
    assert sonic.find(found, "Vrf_red", ip_address("10.2.0.7")) is None


def test_an_address_may_be_spelt_in_any_way() -> None:
    tables = rows(switch(static_group("tor-a", [accept(PUBLIC_6)], ["2001:db8:a::11"])))
    (fields,) = tables["BGP_NEIGHBOR"].values()
    tables["BGP_NEIGHBOR"] = {"default|2001:DB8:A:0::11": fields, "default|Ethernet4": fields}
    assert accepting(tables).keys() == {("default", "2001:db8:a::11"), ("default", "Ethernet4")}


def test_equal_rows_take_the_same() -> None:
    first, second = accepting(rows(TOR)), accepting(rows(TOR))
    assert first["default", "10.1.0.11"].admits(GOOD)
    assert first == second
    assert first["default", "10.1.0.11"] != by_hand("PREFIX", exact())
