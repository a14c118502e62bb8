"""No more is announced than a switch takes."""

from __future__ import annotations

from short import compiled

from ferrule.compiler.network import Advertisement, Node, Prefix
from ferrule.reconcile.room import Room, Slot

TEXT = """
Switch tor-a: {addresses: [10.1.0.1/24]}
BGPPeer a: {peerAddress: 10.1.0.1}
BGPPeer foreign: {peerAddress: 10.1.0.99}
IPAddressPool public: {}
BGPAdvertisement all: {}
Node n1: {ips: [10.1.0.11]}
"""
COUNT = 10
SLOT: Slot = ("tor-a", "ipv4")


def node() -> Node:
    services = "".join(f"Service shop/s{number}: {{}}\n" for number in range(COUNT))
    compilation = compiled(TEXT + services)
    assert compilation.ok, compilation.diagnostics
    return compilation.network.nodes[0]


def by_prefix(one: Node) -> dict[Prefix, Advertisement]:
    return {each.prefix: each for each in one.advertisements}


def test_what_does_not_fit_waits() -> None:
    one, room = node(), Room()
    room.limits({SLOT: 4})
    fitting = room.whole(one, ())
    assert fitting == one.advertisements[:4]
    assert room.waiting == {each.prefix for each in one.advertisements[4:]}
    free = [room.is_free]
    room.limits({SLOT: 6})
    assert [*free, room.is_free] == [False, True]
    assert room.whole(one, {each.prefix for each in fitting}) == one.advertisements[:6]


def test_what_is_announced_stays_whatever_the_limit() -> None:
    one, room = node(), Room()
    last = one.advertisements[-3:]
    room.limits({SLOT: 1})
    assert room.whole(one, {each.prefix for each in last}) == last


def test_a_switch_that_says_nothing_has_no_limit() -> None:
    one, room = node(), Room()
    room.limits({("tor-b", "ipv4"): 1, ("tor-a", "ipv6"): 1})
    assert room.whole(one, ()) == one.advertisements
    assert room.waiting == frozenset()


def test_one_that_goes_makes_room_for_one_that_comes() -> None:
    one, room = node(), Room()
    each = by_prefix(one)
    first, *_, last = each
    room.limits({SLOT: COUNT - 1})
    sent = {key: value for key, value in each.items() if key != last}
    assert len(room.whole(one, sent)) == COUNT - 1
    assert room.some({last: each[last]}, sent) == {}
    assert room.waiting == {last}
    room.limits({SLOT: COUNT})
    assert room.is_free
    room.limits({SLOT: COUNT - 1})
    assert room.some({last: each[last], first: None}, sent) == {first: None, last: each[last]}
    assert room.waiting == frozenset()


def test_a_changed_one_needs_no_more_room() -> None:
    one, room = node(), Room()
    each = by_prefix(one)
    room.limits({SLOT: COUNT})
    room.whole(one, each)
    first = next(iter(each))
    assert room.some({first: each[first]}, each) == {first: each[first]}


def test_one_that_waited_and_goes_is_forgotten() -> None:
    one, room = node(), Room()
    room.limits({SLOT: COUNT - 1})
    room.whole(one, ())
    (waiting,) = room.waiting
    assert room.some({waiting: None}, {}) == {waiting: None}
    assert room.waiting == frozenset()
