"""One prefix at a time: the commands are those that a comparison of the whole node finds."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest
from demands import addresses
from held import demands, endpoints, worlds
from hypothesis import given, settings
from hypothesis import strategies as st
from short import compiled

from ferrule.compiler.backends import frr
from ferrule.compiler.backends.base import Command
from ferrule.compiler.backends.frr import Lines
from ferrule.compiler.inputs import Inputs
from ferrule.compiler.kube import Endpoints
from ferrule.compiler.network import Advertisement, Network, Node
from ferrule.compiler.pipeline import compile_network
from ferrule.compiler.seen import Seen
from ferrule.compiler.slice import Slice


def compared(network: Network, before: Node, after: Node) -> tuple[Command, ...]:
    """What the whole comparison sends."""
    old, new = (frr.lower(one, replace(network, nodes=(one,))) for one in (before, after))
    return frr.diff(frr.intend(old, network.cluster), new).commands


def follow(data: st.DataObject, steps: int) -> None:
    world = data.draw(worlds())
    names = [one.name for one in world.inputs.nodes]
    if not names or not world.services:
        return
    part = Slice(data.draw(st.sampled_from(names)), world.inputs)
    network = replace(compile_network(world.inputs).network, services=())
    keys = st.lists(st.sampled_from([*world.services]), max_size=4, unique=True)
    for _ in range(steps):
        before = part.node
        told = {one.prefix: one for one in before.advertisements}
        drawn = {key: data.draw(demands(world.services[key])) for key in data.draw(keys)}
        changed = part.update(
            {key: Seen.of(one) if one else None for key, one in drawn.items()},
            {key: data.draw(endpoints(names)) for key in data.draw(keys)},
        )
        changes = {key: (told.get(key), one) for key, one in changed.advertisements.items()}
        found = Lines(before, network).commands(changes)
        new = {one.route_class for _, one in changes.values() if one} - {*before.classes}
        assert (found is None) == bool(new)
        if not changed.classes:
            assert found == compared(network, before, part.node)


@given(st.data())
def test_they_are_those_of_the_whole_comparison(data: st.DataObject) -> None:
    follow(data, 4)


@pytest.mark.soak
@settings(max_examples=2000)
@given(st.data())
def test_they_are_those_of_the_whole_comparison_for_long(data: st.DataObject) -> None:
    follow(data, 12)


NET = """
BGPPeer tor: {peerAddress: 10.1.0.1}
BGPPeer blue: {peerAddress: 10.2.0.1, vrf: blue}
BGPPeer red: {peerAddress: 10.3.0.1, vrf: red, peerASN: 65001}
Node n1: {ips: [10.1.0.11]}
IPAddressPool public: {addresses: [192.0.2.0/24]}
BGPAdvertisement hosts: {peers: [tor, red]}
BGPAdvertisement gold: {serviceSelectors: [{matchLabels: {tier: gold}}], communities: ["65000:1"]}
"""
THEIRS = """router bgp 64512
 address-family ipv4 unicast
  network 192.0.2.1/32
 exit-address-family
exit
"""
HERE = Endpoints(healthy=True)
PLAIN = "ferrule-ferrule_public_ipv4_32_"


def inputs() -> Inputs:
    return compiled(NET).inputs


def said(labels: dict[str, str], address: str) -> tuple[Node, Advertisement]:
    part = Slice("n1", inputs())
    part.update({"a/web": Seen(labels, addresses(address), None, local=False)}, {"a/web": HERE})
    (one,) = part.node.advertisements
    return part.node, one


def test_a_prefix_is_stated_in_every_vrf_that_hears_it_and_withdrawn_after_that() -> None:
    node, one = said({}, "192.0.2.1")
    _, other = said({}, "192.0.2.2")
    lines = Lines(node, compiled(NET).network)
    commands = lines.commands({other.prefix: (other, None), one.prefix: (None, one)})
    assert commands is not None
    assert [(each.within[0], each.op, each.phase) for each in commands] == [
        ("router bgp 64512", "add", "announce"),
        ("router bgp 64512 vrf red", "add", "announce"),
        ("router bgp 64512", "remove", "withdraw"),
        ("router bgp 64512 vrf red", "remove", "withdraw"),
    ]
    assert commands[0].text.startswith(f"network 192.0.2.1/32 route-map {PLAIN}")
    assert commands[2].text == "no network 192.0.2.2/32"


def test_instances_of_several_asns_come_in_the_order_of_the_comparison() -> None:
    net = NET.replace("vrf: red,", "vrf: red, myASN: 64000,")
    compilation = compiled(net)
    part = Slice("n1", compilation.inputs)
    before, seen = part.node, Seen({}, addresses("192.0.2.1"), None, local=False)
    found = part.update({"a/web": seen}, {"a/web": HERE}).advertisements
    lines = Lines(before, compilation.network)
    commands = lines.commands({prefix: (None, one) for prefix, one in found.items()})
    assert commands == compared(compilation.network, before, part.node)
    assert commands
    assert commands[0].within[0] == "router bgp 64000 vrf red"


def test_a_class_that_the_node_has_not_is_for_the_whole_comparison() -> None:
    plain, _ = said({}, "192.0.2.1")
    golden, one = said({"tier": "gold"}, "192.0.2.1")
    network = compiled(NET).network
    assert Lines(plain, network).commands({one.prefix: (None, one)}) is None
    assert Lines(golden, network).commands({one.prefix: (None, one)})


def test_so_is_a_prefix_that_somebody_else_announces() -> None:
    node, one = said({}, "192.0.2.1")
    running = frr.parse(THEIRS, "ferrule")
    network = compiled(NET).network
    assert Lines(node, network, running).commands({one.prefix: (None, one)}) is None
    other = ip_network("192.0.2.2/32")
    assert Lines(node, network, running).commands({other: (None, replace(one, prefix=other))})
