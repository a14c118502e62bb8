"""What a node holds back until its switches accept it."""

from __future__ import annotations

from dataclasses import replace

from short import compiled

from ferrule.compiler.network import Node
from ferrule.reconcile.gate import Gate, Held, SetKey, without

BOTH = """
Switch tor-a: {addresses: [10.1.0.1/24]}
Switch tor-b: {addresses: [10.1.0.2/24]}
BGPPeer a: {peerAddress: 10.1.0.1}
BGPPeer b: {peerAddress: 10.1.0.2}
IPAddressPool public: {}
BGPAdvertisement all: {}
Node n1: {ips: [10.1.0.11]}
Service shop/web: {}
"""
FOREIGN = BOTH.replace("Switch tor-b: {addresses: [10.1.0.2/24]}\n", "")
ALONE = FOREIGN.replace("BGPPeer b: {peerAddress: 10.1.0.2}\n", "")
KEY: SetKey = ("public", "ipv4", 32)
WAIT_S = 30.0


def node(text: str = BOTH) -> Node:
    compilation = compiled(text)
    assert compilation.ok, compilation.diagnostics
    return compilation.network.nodes[0]


def test_a_set_waits_for_every_switch_that_would_hear_it() -> None:
    gate, one = Gate(WAIT_S), node()
    assert gate.closed(one, 0) == {KEY}
    gate.accepted({"tor-a": {KEY}})
    assert gate.closed(one, 1) == {KEY}
    gate.accepted({"tor-a": {KEY}, "tor-b": {KEY}})
    assert gate.closed(one, 2) == frozenset()


def test_it_does_not_wait_for_ever() -> None:
    gate, one = Gate(WAIT_S), node()
    gate.accepted({"tor-a": {KEY}})
    assert gate.closed(one, 5) == {KEY}
    assert gate.waits
    assert gate.closed(one, 34.9) == {KEY}
    assert gate.closed(one, 35) == frozenset()
    assert gate.overdue == {Held(KEY, "tor-b")}
    assert not gate.waits


def test_it_is_said_as_long_as_it_is_announced_unaccepted() -> None:
    gate, one = Gate(0), node()
    gate.accepted({"tor-a": {KEY}})
    for now in range(3):
        assert gate.closed(one, now) == frozenset()
        assert gate.overdue == {Held(KEY, "tor-b")}
    gate.accepted({"tor-b": {KEY}})
    gate.closed(one, 3)
    assert not gate.overdue


def test_a_switch_that_says_nothing_any_more_has_refused_nothing() -> None:
    gate, one = Gate(WAIT_S), node()
    gate.accepted({"tor-a": {KEY}, "tor-b": {KEY}})
    gate.closed(one, 0)
    gate.accepted({})
    assert gate.closed(one, 1) == frozenset()


def test_a_set_that_a_switch_takes_no_longer_whole_waits_again() -> None:
    """Its pool has grown, say."""
    gate, one = Gate(WAIT_S), node()
    gate.accepted({"tor-a": {KEY}, "tor-b": {KEY}})
    assert gate.closed(one, 0) == frozenset()
    gate.accepted({"tor-a": {KEY}, "tor-b": set()})
    assert gate.closed(one, 100) == {KEY}
    assert gate.closed(one, 129.9) == {KEY}
    assert gate.closed(one, 130) == frozenset()
    gate.accepted({"tor-a": {KEY}, "tor-b": {KEY}})
    assert gate.closed(one, 131) == frozenset()
    gate.accepted({"tor-a": set(), "tor-b": {KEY}})
    assert gate.closed(one, 132) == {KEY}


def test_another_switch_of_the_node_is_waited_for() -> None:
    gate, one = Gate(WAIT_S), node(ALONE)
    gate.accepted({"tor-a": {KEY}})
    assert gate.closed(one, 0) == frozenset()
    assert gate.closed(node(), 1) == {KEY}
    gate.accepted({"tor-b": {KEY}})
    assert gate.closed(node(), 2) == frozenset()


def test_of_a_set_that_waits_again_what_is_announced_stays() -> None:
    gate, one = Gate(WAIT_S), node(BOTH + "Service shop/more: {}\n")
    gate.accepted({"tor-a": {KEY}, "tor-b": {KEY}})
    assert gate.closed(one, 0) == frozenset()
    gate.accepted({"tor-a": set()})
    told, later = one.advertisements
    assert without(one, gate.closed(one, 1), {told.prefix}).advertisements == (told,)
    assert later.prefix != told.prefix


def test_a_foreign_end_is_told_at_once() -> None:
    assert Gate(WAIT_S).closed(node(FOREIGN), 0) == frozenset()


def test_another_length_of_the_pool_is_another_set() -> None:
    gate, one = Gate(WAIT_S), node()
    gate.accepted({"tor-a": {("public", "ipv4", 24)}, "tor-b": {KEY}})
    assert gate.closed(one, 0) == {KEY}


def test_nothing_of_a_closed_set_is_told() -> None:
    one = node()
    assert without(one, {KEY}) == replace(one, advertisements=())
    assert without(one, {("public", "ipv4", 24)}).advertisements == one.advertisements


def test_what_is_announced_is_not_withdrawn_because_its_pool_has_another_name() -> None:
    """The switch takes the prefix as one of the old set, until nobody sends it any more."""
    gate = Gate(WAIT_S)
    old, new = node(), node(BOTH.replace("public", "renamed"))
    gate.accepted({"tor-a": {KEY}, "tor-b": {KEY}})
    assert gate.closed(old, 0) == frozenset()
    closed = gate.closed(new, 1)
    assert closed == {("renamed", "ipv4", 32)}
    sent = {one.prefix for one in old.advertisements}
    assert without(new, closed, sent).advertisements == new.advertisements
    assert without(new, closed).advertisements == ()
