"""A node's slice follows changes and is the node that a whole compilation makes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from typing import TypeVar

import pytest
from demands import addresses, demand
from held import demands, endpoints, worlds
from hypothesis import given, settings
from hypothesis import strategies as st
from lines_run import lines_run
from short import compiled

from ferrule.compiler.contests import Contest
from ferrule.compiler.elect import announcements, owner
from ferrule.compiler.inputs import Inputs
from ferrule.compiler.kube import Endpoints
from ferrule.compiler.network import Advertisement, Node, Prefix
from ferrule.compiler.pipeline import compile_network
from ferrule.compiler.seen import Seen
from ferrule.compiler.service import Demand
from ferrule.compiler.slice import Changed, Slice

K = TypeVar("K")
V = TypeVar("V")


@dataclass
class Beside:
    """A slice of one node, what it said of its changes, and all that there is."""

    name: str
    inputs: Inputs  # without Services
    services: dict[str, Demand] = field(default_factory=dict)
    endpoints: dict[str, Endpoints] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.slice = Slice(self.name, self.inputs)
        self.follow(self.slice.node)

    def follow(self, node: Node) -> None:
        self.told: dict[Prefix, Advertisement] = {one.prefix: one for one in node.advertisements}
        self.contests: dict[str, Contest] = dict(self.slice.contests)
        self.classes = node.classes

    def update(
        self, services: Mapping[str, Demand | None], endpoints: Mapping[str, Endpoints | None]
    ) -> None:
        store(self.services, services)
        store(self.endpoints, endpoints)
        seen = {key: Seen.of(one) if one else None for key, one in services.items()}
        self.believe(self.slice.update(seen, endpoints))
        self.compare()

    def move(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self.slice = self.slice.moved_to(inputs)
        self.follow(self.slice.node)
        self.compare()

    def believe(self, changed: Changed) -> None:
        store(self.told, changed.advertisements)
        store(self.contests, changed.contests)
        assert changed.classes == (self.slice.node.classes != self.classes)
        self.classes = self.slice.node.classes

    def compare(self) -> None:
        now = replace(self.inputs, services=tuple(self.services.values()), endpoints=self.endpoints)
        network = compile_network(now).network
        for one in network.services:
            assert set(one.addresses) == set(self.services[one.key].held)
        (node,) = [one for one in network.nodes if one.name == self.name]
        assert self.slice.node == node
        assert self.told == {one.prefix: one for one in node.advertisements}
        assert self.contests == self.slice.contests


def store(known: dict[K, V], changes: Mapping[K, V | None]) -> None:
    for key, one in changes.items():
        if one is None:
            known.pop(key, None)
        else:
            known[key] = one


def follow(data: st.DataObject, steps: int) -> None:
    world = data.draw(worlds())
    names = [one.name for one in world.inputs.nodes]
    if not names or not world.services:
        return
    beside = Beside(data.draw(st.sampled_from(names)), world.inputs)
    keys = st.lists(st.sampled_from([*world.services]), max_size=4, unique=True)
    for _ in range(data.draw(st.integers(1, steps))):
        if data.draw(st.sampled_from([False] * 6 + [True])):
            number = data.draw(st.integers(0, len(names) - 1))
            nodes = list(beside.inputs.nodes)
            nodes[number] = replace(nodes[number], excluded=not nodes[number].excluded)
            beside.move(replace(beside.inputs, nodes=tuple(nodes)))
            continue
        beside.update(
            {key: data.draw(demands(world.services[key])) for key in data.draw(keys)},
            {key: data.draw(endpoints(names)) for key in data.draw(keys)},
        )


@given(st.data())
def test_a_slice_is_the_node_of_a_whole_compilation(data: st.DataObject) -> None:
    follow(data, 6)


@pytest.mark.soak
@settings(max_examples=3000)
@given(st.data())
def test_a_slice_is_the_node_of_a_whole_compilation_for_long(data: st.DataObject) -> None:
    follow(data, 15)


@given(st.data())
def test_who_owns_what_among_the_nodes_that_live(data: st.DataObject) -> None:
    world = data.draw(worlds())
    names = [one.name for one in world.inputs.nodes]
    if not names or not world.services:
        return
    where = {key: one for key in world.services if (one := data.draw(endpoints(names)))}
    part = Slice(data.draw(st.sampled_from(names)), world.inputs)
    part.update({key: Seen.of(one) for key, one in world.services.items()}, where)
    network = compile_network(replace(world.inputs, services=tuple(world.services.values())))
    live = data.draw(st.lists(st.sampled_from(names), unique=True))
    wanted = announcements(
        network.network.services,
        world.services,
        world.inputs.spec.l2_advertisements,
        world.inputs.spec.pools,
        [one for one in world.inputs.nodes if one.name in live],
        where,
    )
    found = {
        name: {
            (address, each.interfaces[name], service)
            for service, each in part.contests.items()
            if owner([one for one in each.scores if one in live], each.scores, each.addresses[0])
            == name
            for address in each.addresses
        }
        for name in live
    }
    assert found == {
        name: {(one.address, one.interfaces, one.service) for one in each}
        for name, each in wanted.items()
    }


NET = """
Switch tor: {addresses: [10.1.0.1/24]}
BGPPeer tor: {peerAddress: 10.1.0.1}
Node n1: {ips: [10.1.0.11]}
Node n2: {ips: [10.1.0.12]}
BGPAdvertisement hosts: {}
L2Advertisement all: {}
IPAddressPool public: {addresses: [10.64.0.0/15, "2001:db8::/64"]}
IPAddressPool other: {addresses: [198.51.100.0/24]}
"""
SOMEWHERE = Endpoints(healthy=True, nodes=frozenset({"n1"}), l2_healthy=True)


def alone() -> Slice:
    """A slice of the one node there is, so that it answers for everything."""
    inputs = compiled(NET).inputs
    return Slice("n1", replace(inputs, nodes=inputs.nodes[:1]))


def seen(text: str) -> Seen:
    return Seen({}, addresses(text), None, local=False)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("10.64.0.1", ["10.64.0.1/32"], id="what-the-status-says-is-announced"),
        pytest.param("", [], id="without-a-status-nothing-is"),
        pytest.param("203.0.113.1", [], id="nor-is-what-is-in-no-pool"),
        pytest.param("10.64.0.1,2001:db8:1::1", [], id="nor-half-of-it"),
        pytest.param("198.51.100.1,2001:db8::1", [], id="nor-what-is-in-two-pools"),
    ],
)
def test_only_the_status_counts(text: str, told: list[str]) -> None:
    part = alone()
    changed = part.update({"a/web": seen(text)}, {"a/web": SOMEWHERE})
    prefixes = [ip_network(one) for one in told]
    assert [*changed.advertisements] == prefixes
    assert [one.prefix for one in part.node.advertisements] == prefixes
    assert len(part.node.announcements) == len(told)


SUMMED = """
BGPPeer tor: {peerAddress: 10.1.0.1}
Node n1: {ips: [10.1.0.11]}
Node n2: {ips: [10.1.0.12]}
IPAddressPool a: {addresses: [192.0.2.0-192.0.2.20]}
IPAddressPool b: {addresses: [192.0.2.24-192.0.2.60]}
BGPAdvertisement all: {aggregationLength: 28, communities: ["65000:1"], ipAddressPools: [a]}
BGPAdvertisement more: {aggregationLength: 28, communities: ["65000:2"], ipAddressPools: [b]}
"""
GOLDEN = """
BGPPeer tor: {peerAddress: 10.1.0.1}
Node n1: {ips: [10.1.0.11]}
Node n2: {ips: [10.1.0.12]}
IPAddressPool p: {addresses: [192.0.2.0/28]}
BGPAdvertisement all: {serviceSelectors: [{matchLabels: {tier: silver}}]}
BGPAdvertisement gold: {serviceSelectors: [{matchLabels: {tier: gold}}], communities: ["65000:1"]}
"""


def held(key: str, address: str, *, local: bool = False, **labels: str) -> Demand:
    made = demand(key, sharing="k", ports=[len(key)], labels=labels, held=address)
    return replace(made, local=local)


@pytest.mark.parametrize(
    ("net", "services", "classes"),
    [
        pytest.param(
            SUMMED,
            [held("a/one", "192.0.2.17"), held("a/three", "192.0.2.25")],
            {("a", 2)},
            id="an-aggregate-of-two-pools-says-what-both-say",
        ),
        pytest.param(
            SUMMED,
            [held("a/one", "192.0.2.17"), held("a/three", "192.0.2.25", local=True)],
            {("a", 2)},
            id="so-does-one-with-local-endpoints",
        ),
        pytest.param(
            GOLDEN,
            [
                held("a/one", "192.0.2.1", tier="silver"),
                held("a/three", "192.0.2.1", tier="gold", local=True),
            ],
            {("p", 2)},
            id="an-address-that-two-share-says-what-both-say",
        ),
    ],
)
def test_services_of_one_prefix(
    net: str, services: list[Demand], classes: set[tuple[str, int]]
) -> None:
    inputs = replace(compiled(net).inputs, endpoints={})
    for name in ("n1", "n2"):
        beside = Beside(name, inputs)
        for one in services:
            beside.update({one.key: one}, {one.key: SOMEWHERE})
        told = {(one.route_class.pool, len(one.route_class.terms)) for one in beside.told.values()}
        local = any(one.local for one in services)
        assert (told == classes) == (name == "n1" or not local)
        for one in services:
            beside.update({one.key: None}, {})
        assert not beside.told


def test_another_address_takes_the_place_of_the_first() -> None:
    part = alone()
    part.update({"a/web": seen("10.64.0.1")}, {"a/web": SOMEWHERE})
    changed = part.update({"a/web": seen("10.64.0.2")})
    first, second = ip_network("10.64.0.1/32"), ip_network("10.64.0.2/32")
    assert changed.advertisements[first] is None
    assert changed.advertisements[second] == part.node.advertisements[0]
    assert not changed.classes  # the spec alone says them
    contest = changed.contests["a/web"]
    assert contest is not None
    assert contest.addresses == addresses("10.64.0.2")
    assert contest.owner == "n1"


def test_the_node_has_them_by_prefix_whichever_came_first() -> None:
    part, there = alone(), set[int]()
    for number in (5, 1, 3, 5, 2, 4, 3, 1, 6):
        there ^= {number}  # one that is there already goes
        one = seen(f"10.64.0.{number}") if number in there else None
        part.update({f"a/s-{number}": one}, {f"a/s-{number}": SOMEWHERE})
        told = [str(one.prefix) for one in part.node.advertisements]
        assert told == [f"10.64.0.{number}/32" for number in sorted(there)]


def test_without_endpoints_it_is_withdrawn() -> None:
    part = alone()
    part.update({"a/web": seen("10.64.0.1")}, {"a/web": SOMEWHERE})
    changed = part.update({}, {"a/web": None})
    assert changed.advertisements == {ip_network("10.64.0.1/32"): None}
    assert changed.contests == {"a/web": None}
    assert part.node.advertisements == ()
    assert part.node.announcements == ()


# What it costs.


def fill(part: Slice, start: int, count: int) -> None:
    for number in range(start, start + count):
        key, address = f"ns-{number % 50}/svc-{number}", f"10.64.{number // 250}.{number % 250}"
        one = Seen({"app": f"svc-{number}"}, addresses(address), None, local=False)
        part.update({key: one}, {key: SOMEWHERE})


def test_one_service_more_costs_the_same_whoever_else_there_is() -> None:
    part = alone()
    fill(part, 0, 10)
    early = lines_run(lambda: fill(part, 10, 20))
    fill(part, 30, 2_000)
    late = lines_run(lambda: fill(part, 2_030, 20))
    assert abs(late - early) < early / 10  # a bisection takes more steps in a longer list


def test_ten_thousand_services_take_little_memory() -> None:
    part = alone()
    tracemalloc.start()
    fill(part, 0, 1_000)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(part.node.advertisements) == 1_000
    assert size / 1_000 < 3_000  # 1,800 bytes each measured, with BGP and layer 2
