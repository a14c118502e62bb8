"""The limits of switches follow the Services, and are those of a whole compilation."""

from __future__ import annotations

from dataclasses import replace

import pytest
from held import worlds
from hypothesis import given
from hypothesis import strategies as st
from lines_run import lines_run
from short import compiled, documents

from ferrule.compiler import rooms
from ferrule.compiler.network import Service, Switch
from ferrule.compiler.pipeline import compile_network
from ferrule.compiler.rooms import Limits, Rooms


@given(st.data())
def test_the_switches_are_those_of_a_whole_compilation(data: st.DataObject) -> None:
    """With a limit that the first Service already moves."""
    world = data.draw(worlds())
    inputs = world.inputs
    some = (
        st.lists(st.sampled_from([*world.services]), unique=True) if world.services else st.just([])
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rooms, "LEAST_LIMIT", 1)
        network = compile_network(inputs).network
        limits = Limits(network.switches, network.sets, network.services)
        known: dict[str, Service] = {}
        for _ in range(data.draw(st.integers(1, 4))):
            present = tuple(world.services[key] for key in sorted(data.draw(some)))
            after = compile_network(replace(inputs, services=present)).network
            now = {one.key: one for one in after.services}
            before = dict(limits.switches)
            changed = limits.update({key: now.get(key) for key in {*known, *now}})
            assert tuple(limits.switches.values()) == after.switches
            assert changed == {name for name, one in before.items() if limits.switches[name] != one}
            known = now


FABRIC = """
Switch tor: {addresses: [10.1.0.1/24]}
BGPPeer tor: {peerAddress: 10.1.0.1}
Node n1: {ips: [10.1.0.11]}
BGPAdvertisement hosts: {}
IPAddressPool public: {addresses: [192.0.2.0/24]}
"""


def limit_of(switch: Switch) -> int:
    return switch.groups[0].accepts[0].limit


def test_one_service_more_says_whether_a_switch_changes() -> None:
    network = compiled(documents(FABRIC)).network
    limits = Limits(network.switches, network.sets, ())
    found = {}
    for number in range(1, 129):
        key = f"a/{number}"
        address = network.sets["public", "ipv4", 32].cidrs[0][number]
        origin = network.switches[0].origin
        if limits.update({key: Service(key, "public", (address,), None, origin)}):
            found[number] = limit_of(limits.switches["tor"])
    assert found == {33: 128, 65: 256}
    assert limits.update({f"a/{number}": None for number in range(34, 129)}) == {"tor"}
    assert limit_of(limits.switches["tor"]) == 128
    assert limits.update({"a/33": None}) == {"tor"}
    assert limit_of(limits.switches["tor"]) == 64


def test_what_lies_in_one_aggregate_counts_once() -> None:
    summed = FABRIC.replace("hosts: {}", "hosts: {aggregationLength: 28}")
    network = compiled(documents(summed)).network
    counted = Rooms(network.sets)
    (key,) = network.sets
    block, origin = network.sets[key].cidrs[0], network.switches[0].origin

    def put(number: int, *, gone: bool = False) -> bool:
        name = f"a/{number}"
        one = Service(name, "public", (block[number],), None, origin)
        return counted.update({name: None if gone else one}) == {key}

    assert put(1)
    assert not put(2)
    assert put(17)
    assert not put(1, gone=True)
    assert put(2, gone=True)


def test_it_costs_the_same_whoever_else_there_is() -> None:
    network = compiled(documents(FABRIC.replace("192.0.2.0/24", "10.64.0.0/16"))).network
    limits = Limits(network.switches, network.sets, ())
    block, origin = network.sets["public", "ipv4", 32].cidrs[0], network.switches[0].origin

    def add(numbers: range) -> None:
        for number in numbers:
            key = f"a/{number}"
            limits.update({key: Service(key, "public", (block[number],), None, origin)})

    add(range(1, 10))
    early = lines_run(lambda: add(range(200, 300)))
    add(range(300, 3000))
    late = lines_run(lambda: add(range(3000, 3100)))
    assert abs(late - early) < early / 10  # a garbage collection may run lines of its own
