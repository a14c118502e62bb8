"""The keeper of switches without any device: whom it knows, and what it takes over."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

from daemon.flavour import wait_for
from short import compiled

from ferrule.reconcile.logs import Log
from ferrule.reconcile.switch_status import SwitchState
from ferrule.reconcile.switches import Settings, Switches

SPEC = """
Switch tor-a: {addresses: [10.1.0.1/24]}
BGPPeer tor: {peerAddress: 10.1.0.1}
IPAddressPool public: {addresses: [192.0.2.0/25]}
BGPAdvertisement all: {}
Node n1: {ips: [10.1.0.11]}
"""
OTHER = SPEC.replace("Switch tor-a", "Switch tor-b")
SAID = {
    "accepts": [
        {
            "name": "FERRULE_ferrule_public_ipv4_32",
            "pool": "public",
            "family": "ipv4",
            "length": 32,
            "prefixes": ["192.0.2.0/25"],
        }
    ],
    "rows": "aa",
    "intent": "bb",
}
Told = list[tuple[str, SwitchState | None]]


@contextmanager
def keeper(*leading: bool) -> Iterator[tuple[Switches, Told]]:
    told: Told = []
    made = Switches(
        "one",
        lambda: all(leading),
        lambda name, state: told.append((name, state)),
        Log("none", io.StringIO()),
        Settings(quiet_s=0.05),
    )
    made.start()
    try:
        yield made, told
    finally:
        made.stop()
        assert not made.is_alive()


def test_a_switch_that_nobody_says_how_to_reach_is_said_to_be_so() -> None:
    with keeper() as (made, told):
        made.intend(compiled(SPEC), {"tor-a": SAID})
        wait_for(lambda: told, 5, "a state")
    name, state = told[0]
    assert name == "tor-a"
    assert state
    assert state.unreachable
    assert state.unreachable.reason == "NoAccess"
    assert "management" in state.unreachable.text
    assert state.accepted  # it may well run on, as it was last seen
    assert state.accepted.sets[0].key == ("public", "ipv4", 32)
    assert (state.rows, state.intent) == ("aa", "bb")


def test_a_switch_that_is_none_of_ours_any_more_is_forgotten() -> None:
    with keeper() as (made, told):
        made.intend(compiled(SPEC))
        wait_for(lambda: told, 5, "a state")
        made.intend(compiled(OTHER))
        wait_for(lambda: len(told) > 2, 5, "another")
        assert made.states.keys() == {"tor-b"}
    assert ("tor-a", None) in told


def test_only_what_was_last_intended_counts() -> None:
    with keeper() as (made, told):
        for spec in (SPEC, OTHER, SPEC, OTHER):
            made.intend(compiled(spec))
        wait_for(lambda: told, 5, "a state")
    assert {name for name, _ in told} == {"tor-b"}


def test_without_the_lead_nothing_is_looked_at() -> None:
    with keeper(False) as (made, told):  # noqa: FBT003
        made.intend(compiled(SPEC))
        made.join(5)
        assert not made.is_alive()
    assert told == []
