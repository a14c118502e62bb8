"""Nothing that a node announces is taken back because a set has to wait, or because FRR failed."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import cast

import pytest
from short import compiled

from ferrule.apply.speaker import Speaker, Synced
from ferrule.apply.target import Trouble
from ferrule.apply.vty_lines import Lines, lines_of
from ferrule.compiler.backends import frr
from ferrule.compiler.network import Network, Node
from ferrule.reconcile.announcing import Announcing
from ferrule.reconcile.gate import Gate, SetKey
from ferrule.reconcile.local import Local
from ferrule.reconcile.logs import Log

SPEC = """
Switch tor-a: {addresses: [10.1.0.1/24]}
BGPPeer a: {peerAddress: 10.1.0.1}
IPAddressPool public: {}
BGPAdvertisement all: {}
Node n1: {ips: [10.1.0.11]}
Service shop/web: {ip: 192.0.2.1}
"""
MORE = SPEC + "Service shop/more: {ip: 192.0.2.2}\n"
WEB, OTHER = "192.0.2.1/32", "192.0.2.2/32"
KEY: SetKey = ("public", "ipv4", 32)


@dataclass
class World:
    """A node as it should be, and an FRR that does what it is told, or only half of that."""

    told: set[str] = field(default_factory=set)
    fails: bool = False

    def __post_init__(self) -> None:
        self.gate = Gate(30.0)
        speaker, local = cast("Speaker", self), cast("Local", self)
        self.announcing = Announcing(
            lambda *_: speaker, local, self.gate, Log("debug", io.StringIO())
        )

    def wants(self, text: str) -> None:
        self._network = compiled(text).network
        (self.node,) = self._network.nodes

    def turn(self) -> set[str]:
        self.announcing.again()
        self.announcing._retry.succeeded()  # noqa: SLF001  # no time passes here
        self.announcing.turn({})
        return self.told

    def network(self, _: Node) -> Network:
        return self._network

    # FRR.

    def announced(self) -> set[str]:
        return self.told

    def sync(self, intended: frr.Running) -> Synced:
        lines = {prefix for _, _, prefix in lines_of(intended)}
        self.told = lines
        if self.fails:
            raise Trouble("command-failed", "n1", "it has done it and does not say so")
        return Synced()

    def change(self, lines: Lines) -> Synced:
        self.told = (self.told | {one[2] for one, value in lines.items() if value}) - {
            one[2] for one, value in lines.items() if value is None
        }
        if self.fails:
            raise Trouble("command-failed", "n1", "it has done it and does not say so")
        return Synced()

    def check(self) -> Synced:
        return Synced()

    def close(self) -> None:
        pass


def test_a_set_that_waits_again_keeps_what_it_has() -> None:
    world = World()
    world.gate.accepted({"tor-a": {KEY}})
    world.wants(SPEC)
    assert world.turn() == {WEB}
    world.gate.accepted({"tor-a": set()})
    world.wants(MORE)
    assert world.turn() == {WEB}
    world.gate.accepted({"tor-a": {KEY}})
    assert world.turn() == {WEB, OTHER}


def test_what_is_there_at_the_beginning_stays_and_the_rest_of_its_set_waits() -> None:
    world = World(told={WEB})
    world.wants(MORE)
    assert world.turn() == {WEB}


@pytest.mark.parametrize("whole", [True, False], ids=["all of it", "a few lines"])
def test_what_may_have_been_taken_before_a_failure_stays(*, whole: bool) -> None:
    world = World()
    world.gate.accepted({"tor-a": {KEY}})
    world.wants(SPEC)
    assert world.turn() == {WEB}
    world.wants(MORE)
    world.fails = True
    if whole:
        world.turn()
    else:
        more = {one.prefix: one for one in world.node.advertisements if str(one.prefix) == OTHER}
        world.announcing.turn(more)
    assert world.told == {WEB, OTHER}
    world.fails = False
    world.gate.accepted({"tor-a": set()})
    assert world.turn() == {WEB, OTHER}
