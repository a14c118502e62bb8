from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

import pytest
from backends.frr_networks import (
    ADVERTISEMENTS,
    ALL4,
    ALL6,
    BOTH4,
    CLASSES,
    ONLY_A4,
    PASSWORD,
    PLAIN,
    PRIVATE,
    PUBLIC4,
    RICH,
    SUMMARY,
    advertise,
    end,
    network,
    node,
    prefix_set,
    route_class,
    session,
    term,
)
from hypothesis import given
from hypothesis import strategies as st

from ferrule.compiler.backends.frr import lower, shared
from ferrule.compiler.backends.frr.model import Instance, Model, Neighbor, RouteMap
from ferrule.compiler.network import (
    Attributes,
    Network,
    Node,
    RouteClass,
    Secret,
    Session,
    Term,
    Timers,
)

TOR_A = session("tor-a", end("10.1.0.1"))
TOR_B = session("tor-b", end("10.1.0.2"))
TOR_A6 = session("tor-a", end("2001:db8:a::1"))


def lowered(*sessions: Session, classes: tuple[RouteClass, ...] = CLASSES) -> Model:
    table = tuple(one for one in ADVERTISEMENTS if one.route_class in classes)
    device = node(*sessions, classes=classes, advertisements=table)
    return lower(device, network(device))


def maps(model: Model, infix: str = "") -> dict[str, RouteMap]:
    return {one.name: one for one in model.route_maps if infix in one.name}


def class_map(model: Model, prefix: str) -> RouteMap:
    """The map on the first network line for `prefix`."""
    lines = (line for family in families(model) for line in family)
    return maps(model)[dict(lines)[prefix]]


def families(model: Model, vrf: str = "") -> Iterator[list[tuple[str, str]]]:
    """Per address family the network lines as (prefix, route-map)."""
    for family in instance(model, vrf).families:
        yield [(str(line.prefix), line.route_map) for line in family.networks.lines]


def instance(model: Model, vrf: str = "") -> Instance:
    return next(one for one in model.instances if one.vrf == vrf)


def only_neighbor(**fields: object) -> Neighbor:
    address = str(fields.pop("address", "10.1.0.1"))
    return instance(lowered(session("tor-a", end(address, **fields)))).neighbors[0]


# Classes and their numbers.


def test_a_class_map_sets_a_high_tag_and_ends_in_it() -> None:
    one = class_map(lowered(TOR_A), "192.0.2.9/32")
    tag = one.entries[0].tag
    assert tag is not None
    assert 2**31 <= tag < 2**32
    assert one.name == f"ferrule-prod_public_ipv4_32_{tag:08x}"


def test_a_class_map_does_not_depend_on_other_classes() -> None:
    alone = lowered(TOR_A, classes=(ALL4,))
    assert class_map(alone, "192.0.2.9/32") == class_map(lowered(TOR_A), "192.0.2.9/32")


def test_a_class_map_is_named_by_all_that_the_class_holds() -> None:
    others = (
        ALL4,
        PLAIN,
        ONLY_A4,
        BOTH4,
        SUMMARY,
        PRIVATE,
        route_class(PUBLIC4, term(local_pref=201, communities="65000:1 65535:65281")),
        route_class(PUBLIC4, term("tor-a", communities="65000:1 65000:2 large:65000:1:2")),
        route_class(PUBLIC4, term("tor-a"), term("tor-b")),
        route_class(PUBLIC4, term("tor-a", "tor-b")),
    )
    assert len(maps(lowered(TOR_A, classes=others), "prod_public_ipv4_32_")) == 8


def test_two_classes_that_fall_on_one_tag_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "LAST_TAG", shared.FIRST_TAG + 1)
    model = lowered(TOR_A, classes=(ALL4, PRIVATE))
    found = [one.entries[0].tag for one in maps(model).values() if one.entries[0].tag]
    assert sorted(found) == [shared.FIRST_TAG, shared.LAST_TAG]


def test_a_new_peer_leaves_lists_classes_and_networks_as_they_are() -> None:
    before, after = lowered(TOR_A), lowered(TOR_A, TOR_B)
    added = maps(after).keys() - maps(before).keys()
    assert added == {"ferrule-prod_out_tor-b_ipv4"}
    assert after.prefix_lists == before.prefix_lists
    assert {name: one for name, one in maps(after).items() if name not in added} == maps(before)
    assert [*families(after)] == [*families(before)]


# Prefix-lists.


def test_a_prefix_list_permits_the_announced_length_inside_each_block() -> None:
    model = lowered(TOR_A, classes=(ALL4, SUMMARY))
    assert {
        one.name: {(str(entry.prefix), entry.length) for entry in one.entries}
        for one in model.prefix_lists
    } == {
        "ferrule-prod_public_ipv4_24": {("192.0.2.0/24", None), ("198.51.100.0/24", None)},
        "ferrule-prod_public_ipv4_32": {("192.0.2.0/24", 32), ("198.51.100.7/32", None)},
    }


def test_prefix_lists_are_those_the_classes_need_once_each() -> None:
    names = [one.name for one in lowered(TOR_A, classes=(ALL4, ONLY_A4, ALL6)).prefix_lists]
    assert names == ["ferrule-prod_public_ipv4_32", "ferrule-prod_public_ipv6_128"]


def test_a_new_block_leaves_the_numbers_of_the_others() -> None:
    device = node(TOR_A)
    wider = prefix_set("public", 32, "192.0.2.0/24", "198.51.100.7/32", "203.0.113.128/25")
    before = lower(device, network(device)).prefix_lists
    after = lower(device, network(device, sets=[wider])).prefix_lists
    (more,) = (b for a, b in zip(before, after, strict=True) if a != b)
    (less,) = (a for a, b in zip(before, after, strict=True) if a != b)
    assert {*less.entries} < {*more.entries}


# Outbound maps.

A, B = "ferrule-prod_out_tor-a_ipv4", "ferrule-prod_out_tor-b_ipv4"


def heard(model: Model, name: str) -> set[str]:
    """The prefixes of the class maps whose tag an outbound map lets through."""
    tags = {one.match.tag for one in maps(model)[name].entries if one.match}
    return {
        prefix
        for lines in families(model)
        for prefix, class_name in lines
        if maps(model)[class_name].entries[0].tag in tags
    }


def test_a_peer_hears_its_classes_and_no_others() -> None:
    model = lowered(TOR_A, TOR_B, TOR_A6)
    assert heard(model, B) == {
        *("192.0.2.0/24", "192.0.2.9/32", "192.0.2.100/32", "198.51.100.7/32", "203.0.113.1/32")
    }
    assert heard(model, A) == heard(model, B) | {"192.0.2.10/32"}
    assert heard(model, "ferrule-prod_out_tor-a_ipv6") == {
        *("2001:db8:1::9/128", "2001:db8:1::10/128")
    }


def test_an_outbound_entry_matches_the_tag_and_the_pool() -> None:
    model = lowered(TOR_A)
    tags = {one.entries[0].tag: name for name, one in maps(model).items() if one.entries[0].tag}
    for entry in maps(model)[A].entries[:-1]:
        assert entry.match
        assert tags[entry.match.tag].startswith(f"{entry.match.prefix_list}_")


@pytest.mark.parametrize(
    ("peer", "communities"),
    [
        pytest.param("tor-a", ("65000:2", "65000:11"), id="what several terms say is united"),
        pytest.param("tor-b", ("65000:11",), id="by peer"),
    ],
)
def test_communities(peer: str, communities: tuple[str, ...]) -> None:
    model = lowered(session(peer, end("10.1.0.1")), classes=(BOTH4,))
    entry, _ = maps(model)[f"ferrule-prod_out_{peer}_ipv4"].entries
    assert entry.communities == communities


def test_well_known_communities_are_spelt_as_frr_does() -> None:
    entry, _ = maps(lowered(TOR_A, classes=(ALL4,)))[A].entries
    assert entry.communities == ("65000:1", "no-export")
    assert entry.local_preference == 200


def test_an_outbound_map_ends_in_a_deny_even_when_nothing_is_heard() -> None:
    (deny,) = maps(lowered(TOR_B, classes=(ONLY_A4,)))[B].entries
    assert (deny.seq, deny.action, deny.match) == (65535, "deny", None)


def test_an_entry_keeps_its_number_whoever_else_is_heard() -> None:
    alone = maps(lowered(TOR_A, classes=(ALL4,)))[A].entries
    assert {*alone} < {*maps(lowered(TOR_A))[A].entries}


def test_sessions_of_one_peer_share_their_map() -> None:
    other = session("tor-a", end("10.1.0.9"))
    model = lowered(TOR_A, other)
    assert {*maps(model, "_out_")} == {A}
    (family,) = instance(model).families
    assert {one.outbound for one in family.neighbors} == {A}


# Instances, families and network lines.


def test_every_neighbor_accepts_nothing() -> None:
    model = lower(RICH, network(RICH))
    (deny,) = maps(model)["ferrule-prod_in"].entries
    assert (deny.action, deny.match) == ("deny", None)
    activations = [
        one for each in model.instances for family in each.families for one in family.neighbors
    ]
    assert len(activations) == 10
    assert {one.inbound for one in activations} == {"ferrule-prod_in"}


def test_neighbors_are_in_frrs_order_interfaces_first() -> None:
    names = [str(one.name) for one in instance(lower(RICH, network(RICH))).neighbors]
    assert names == ["eth2", "eth10", "10.1.0.1", "10.1.0.3", "10.9.0.1", "2001:db8:a::1"]


def test_the_path_is_longer_by_the_as_that_the_node_shows() -> None:
    longer = replace(BOTH4, terms=(Term((), Attributes(prepend=2)),))
    shown = replace(TOR_B, node_end=replace(TOR_B.node_end, local_asn=65009))
    table = (advertise("192.0.2.9/32", longer),)
    device = node(TOR_A, shown, classes=(longer,), advertisements=table)

    paths = {
        route_map.name: route_map.entries[0].as_path
        for route_map in lower(device, network(device)).route_maps
        if "_out_" in route_map.name and len(route_map.entries) > 1
    }

    assert paths == {
        "ferrule-prod_out_tor-a_ipv4": (65001, 65001),
        "ferrule-prod_out_tor-b_ipv4": (65009, 65009),
    }


def test_a_vrf_originates_what_its_own_sessions_may_hear() -> None:
    red = session("tor-a", end("10.1.0.1", vrf="red"))
    model = lowered(red, TOR_B)
    (in_red,), (in_default,) = families(model, "red"), families(model)
    assert {prefix for prefix, _ in in_red} - {prefix for prefix, _ in in_default} == {
        "192.0.2.10/32"
    }


def test_what_nobody_on_the_node_hears_is_not_originated() -> None:
    (lines,) = families(lowered(TOR_B, classes=(ONLY_A4,)))
    assert lines == []


def test_a_family_that_no_session_carries_has_no_block() -> None:
    assert [one.family for one in instance(lowered(TOR_A)).families] == ["ipv4"]
    assert [one.family for one in instance(lowered(TOR_A6)).families] == ["ipv6"]


def test_a_session_of_both_families_is_activated_in_both() -> None:
    both = session("tor-a", end("10.1.0.1", families=("ipv4", "ipv6")))
    model = lowered(both)
    assert [
        (family.family, one.neighbor, one.outbound)
        for family in instance(model).families
        for one in family.neighbors
    ] == [
        ("ipv4", ip_address("10.1.0.1"), A),
        ("ipv6", ip_address("10.1.0.1"), "ferrule-prod_out_tor-a_ipv6"),
    ]


def test_a_node_without_sessions_has_nothing() -> None:
    assert lowered() == Model()


# Neighbors: what FRR would refuse or forget is left out.


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, {}, id="an IPv4 neighbor is plain"),
        pytest.param({"multihop": True}, {"ebgp_multihop": True}, id="eBGP may be multihop"),
        pytest.param(
            {"multihop": True, "remote_as": 65001}, {"remote_as": 65001}, id="iBGP by number is not"
        ),
        pytest.param(
            {"multihop": True, "remote_as": "internal"},
            {"remote_as": "internal"},
            id="iBGP by word is not",
        ),
        pytest.param(
            {"address": "2001:db8::1"},
            {"name": ip_address("2001:db8::1"), "disable_connected_check": True},
            id="an eBGP neighbor on IPv6 need not be connected",
        ),
        pytest.param(
            {"address": "2001:db8::1", "remote_as": "internal"},
            {"name": ip_address("2001:db8::1"), "remote_as": "internal"},
            id="an iBGP neighbor on IPv6 never had to",
        ),
        pytest.param(
            {"address": "2001:db8::1", "multihop": True},
            {"name": ip_address("2001:db8::1"), "ebgp_multihop": True},
            id="nor one that is multihop",
        ),
        pytest.param(
            {"address": "eth1", "multihop": True, "source_address": ip_address("10.1.0.10")},
            {"name": "eth1"},
            id="an interface has neither multihop nor a source",
        ),
        pytest.param({"local_asn": 65009}, {"local_as": 65009}, id="another AS is shown"),
        pytest.param({"local_asn": 65001}, {}, id="the AS of the instance is no other"),
        pytest.param({"port": 1790}, {"port": 1790}, id="a port is named unless it is 179"),
        pytest.param(
            {"timers": Timers(3, 9)}, {"keepalive_s": 3, "hold_s": 9}, id="timers come in pairs"
        ),
        pytest.param(
            {"timers": Timers(20, 31)},
            {"keepalive_s": 10, "hold_s": 31},
            id="a keepalive is at most a third of the hold time",
        ),
        pytest.param({"timers": Timers(None, 9)}, {}, id="one timer alone says nothing"),
        pytest.param(
            {"timers": Timers(0, 0, 7)},
            {"keepalive_s": 0, "hold_s": 0, "connect_s": 7},
            id="timers may be zero",
        ),
    ],
)
def test_a_neighbor(fields: dict[str, object], expected: dict[str, object]) -> None:
    plain = only_neighbor()
    assert plain == Neighbor(
        ip_address("10.1.0.1"),
        65000,
        local_as=None,
        description="tor-a",
        bfd_profile=None,
        password=None,
        port=None,
        ebgp_multihop=False,
        disable_connected_check=False,
        update_source=None,
        keepalive_s=None,
        hold_s=None,
        connect_s=None,
        graceful_restart=False,
    )
    assert only_neighbor(**fields) == replace(plain, **expected)  # type: ignore[arg-type]


def test_one_neighbor_with_graceful_restart_preserves_the_forwarding_state_of_its_instance() -> (
    None
):
    model = lower(RICH, network(RICH))
    assert instance(model).preserve_fw_state
    assert not instance(model, "red").preserve_fw_state


# The order of the input has no effect; equal nodes share their blocks.


@given(data=st.data())
def test_the_order_of_the_input_has_no_effect(data: st.DataObject) -> None:
    device = replace(
        RICH,
        sessions=tuple(data.draw(st.permutations(RICH.sessions))),
        classes=tuple(data.draw(st.permutations(RICH.classes))),
    )
    assert lower(device, network(device)) == lower(RICH, network(RICH))


def test_the_order_of_terms_has_no_effect() -> None:
    other = replace(BOTH4, terms=BOTH4.terms[::-1])
    assert shared.content(other) == shared.content(BOTH4)


def test_nodes_with_one_table_share_every_block() -> None:
    one = node(TOR_A, name="node-1")
    two = node(session("tor-a", end("10.2.0.1")), name="node-2")
    both = network(one, two)
    run = shared.Shared(both)
    models = lower(one, both, run), lower(two, both, run)
    blocks = [
        [
            *model.prefix_lists,
            *maps(model, "_public_").values(),
            *maps(model, "_out_").values(),
            *(family.networks for family in instance(model).families),
        ]
        for model in models
    ]
    assert [*map(id, blocks[0])] == [*map(id, blocks[1])]
    assert models[0] == lower(one, network(one))


# Nothing from outside becomes more than one word of a line.


def with_profile(name: str) -> Session:
    bfd = RICH.sessions[0].node_end.bfd
    assert bfd is not None
    return session("tor-a", end("10.1.0.1", bfd=replace(bfd, name=name)))


@pytest.mark.parametrize("bad", ["a b", "a\nrouter bgp 1", "a!\n", "", "\u00e4", "-a"])
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda bad: session(bad or " ", end("10.1.0.1")), id="peer"),
        pytest.param(lambda bad: with_profile(bad + "\n"), id="BFD profile"),
        pytest.param(lambda bad: session("tor-a", end(bad or "\t")), id="interface"),
        pytest.param(lambda bad: session("tor-a", end("10.1.0.1", vrf=bad or "\n")), id="VRF"),
        pytest.param(
            lambda bad: session("tor-a", end("10.1.0.1", password=Secret("<x>", f"{bad} "))),
            id="password",
        ),
    ],
)
def test_what_cannot_be_a_word_is_refused(bad: str, make: object) -> None:
    assert callable(make)
    device = node(make(bad))
    with pytest.raises(ValueError, match=r"cannot stand in frr\.conf"):
        lower(device, network(device))


def test_a_refused_password_is_not_shown() -> None:
    device = node(session("tor-a", end("10.1.0.1", password=Secret("<x>", "a|hunter2"))))
    with pytest.raises(ValueError, match="<x>") as refused:
        lower(device, network(device))
    assert "hunter2" not in str(refused.value)


def refused_networks() -> Iterator[object]:
    two_asns = node(TOR_A, session("tor-b", end("10.1.0.2", asn=65002)))
    yield pytest.param(two_asns, network(two_asns), "not one AS", id="two ASNs in one VRF")
    no_id = replace(node(TOR_A), router_id=None)
    yield pytest.param(no_id, network(no_id), "router ID", id="no router ID")
    halves = [prefix_set(name, 24, f"192.0.2.{at}/25") for name, at in (("low", 0), ("up", 128))]
    twice = node(
        TOR_A,
        classes=tuple(map(route_class, halves)),
        advertisements=tuple(advertise("192.0.2.0/24", route_class(half)) for half in halves),
    )
    yield pytest.param(
        twice,
        network(twice, sets=halves),
        "192.0.2.0/24 is in two classes",
        id="one prefix out of two pools",
    )


@pytest.mark.parametrize(("device", "whole", "message"), [*refused_networks()])
def test_a_network_that_makes_no_sense_is_refused(
    device: Node, whole: Network, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        lower(device, whole)


def test_passwords_stay_references() -> None:
    assert only_neighbor(password=PASSWORD).password is PASSWORD
    assert PASSWORD.value not in (repr(only_neighbor(password=PASSWORD)), None)
