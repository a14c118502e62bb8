"""All of it, with a switch that is gone for a while, or that is changed by those who mean harm."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from daemon.cluster_world import SOON_S
from daemon.flavour import wait_for
from daemon.hostile import MARK, NOTES, TEXTS
from fabric.switch import FabricSwitch
from fabric.whole import NAMES, SWITCH_S, Whole, standing

pytestmark = pytest.mark.daemon

SPEC = """
Switch tor-a: {addresses: [198.51.100.1/24]}
Switch tor-b: {addresses: [203.0.113.1/24], asn: 65001, routerID: 10.255.0.2}
BGPPeer tor-a: {peerAddress: 198.51.100.1, holdTime: 9s, connectTime: 1s}
BGPPeer tor-b: {peerAddress: 203.0.113.1, peerASN: 65001, holdTime: 9s, connectTime: 1s}
IPAddressPool public: {addresses: [192.0.2.0/25]}
BGPAdvertisement all: {}
"""
NODES = """
Node node-1: {ips: [198.51.100.11, 203.0.113.11]}
Node node-2: {ips: [198.51.100.12, 203.0.113.12]}
"""
SECOND = "IPAddressPool second: {addresses: [192.0.2.128/26], autoAssign: false}\n"
SWITCHES = ("tor-a", "tor-b")
EVERY = {"192.0.2.0/32", "192.0.2.128/32"}
ACCEPT_WAIT_S = 5
MOST = 40
Fault = Callable[[FabricSwitch], AbstractContextManager[object]]


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Whole]:
    """Two nodes, each with two switches."""
    with standing(tmp_path, SPEC, NODES, ACCEPT_WAIT_S) as made:
        made.controller()
        for node in NAMES:
            made.agent(node)
        made.service("web")
        for switch in SWITCHES:
            made.waits_for({"192.0.2.0/32"}, switch=switch)
            wait_for(lambda it=switch: pools(made, it) == {"public"}, SWITCH_S, "it is said")  # type: ignore[misc]
        yield made


def pools(whole: Whole, switch: str) -> set[str]:
    """What a switch takes, as is said."""
    return {one["pool"] for one in whole.said(switch).get("accepts", ())}


def condition(whole: Whole, switch: str, kind: str) -> str:
    each = whole.said(switch).get("conditions", ())
    return next((str(one["status"]) for one in each if one["type"] == kind), "")


def addresses(whole: Whole) -> set[str]:
    """Of all Services, as prefixes; each has one."""

    def given() -> list[str]:
        items = whole.plane.ask("GET", "/api/v1/namespaces/shop/services")["items"]
        each = [one["status"]["loadBalancer"].get("ingress", [{}])[0].get("ip") for one in items]
        return [f"{one}/32" for one in each if one] if all(each) else []

    wait_for(given, SOON_S, "every Service has an address")
    return set(given())


def asked(whole: Whole) -> None:
    """Something that switches have to be told of, and a Service that needs it."""
    whole.write(SPEC + SECOND)
    whole.service("second", {"metallb.io/address-pool": "second"})


@contextmanager
def cut(switch: FabricSwitch) -> Iterator[None]:
    """Its cables are pulled, all of them."""
    for segment in switch.lab.ports:
        switch.lab.plug(segment, in_=False)
    try:
        yield
    finally:
        for segment in switch.lab.ports:
            switch.lab.plug(segment, in_=True)


def gone(whole: Whole, fault: Fault, for_s: float) -> None:
    """The other switch is served meanwhile; that one, when it is back."""
    tor_b = whole.fabric.switches["tor-b"]
    lost = whole.lost()
    with fault(tor_b):
        begun = time.monotonic()
        asked(whole)
        wait_for(lambda: pools(whole, "tor-a") == {"public", "second"}, SWITCH_S, "tor-a is told")
        whole.waits_for(EVERY)
        served_s = time.monotonic() - begun
        wait_for(lambda: condition(whole, "tor-b", "Reachable") == "False", SWITCH_S, "it is said")
        assert pools(whole, "tor-b") == {"public"}  # it runs on with what it had
        number = 0
        while time.monotonic() - begun < for_s:  # no more than it has room for by its last word
            if number >= MOST:
                whole.plane.ask("DELETE", f"/api/v1/namespaces/shop/services/more-{number - MOST}")
            whole.service(f"more-{number}")
            number += 1
            whole.waits_for(addresses(whole))
    back = time.monotonic()
    whole.waits_for(addresses(whole), switch="tor-b")
    wait_for(lambda: pools(whole, "tor-b") == {"public", "second"}, SWITCH_S, "tor-b is told")
    wait_for(lambda: condition(whole, "tor-b", "InSync") == "True", SWITCH_S, "it is in sync")
    back_s = time.monotonic() - back
    for switch in whole.fabric.switches.values():
        assert switch.saved_rows() == switch.rows()
    assert whole.lost() == lost
    print(f"the other one had all after {served_s:.1f} s, {number} Services came meanwhile, ")  # noqa: T201
    print(f"back in sync {back_s:.1f} s after its return")  # noqa: T201


def test_a_switch_whose_sshd_is_gone(whole: Whole) -> None:
    """Its sessions stay: what it takes already goes on, and is not withdrawn."""
    lost = whole.lost("tor-b")
    gone(whole, lambda switch: switch.refusing(), 0)
    assert whole.lost("tor-b") == lost


@pytest.mark.soak
@pytest.mark.parametrize("minutes", [3])
def test_a_switch_that_is_gone_for_minutes(whole: Whole, minutes: int) -> None:
    gone(whole, cut, 60 * minutes)


def test_tenants_who_mean_harm_reach_no_switch(whole: Whole) -> None:
    tor = whole.fabric.switches["tor-a"]
    before, running = tor.rows(), tor.frr.running_config()
    for number, text in enumerate(TEXTS):
        for place, note in enumerate(NOTES):
            whole.service(f"evil-{number}-{place}", {note: text})
    whole.service("last")
    services = "/api/v1/namespaces/shop/services/last"

    def address() -> str:
        status = whole.plane.ask("GET", services)["status"]["loadBalancer"]
        return next((str(one["ip"]) for one in status.get("ingress", ())), "")

    wait_for(address, SOON_S, "whoever comes last has an address")
    wait_for(lambda: f"{address()}/32" in whole.routes(), SWITCH_S, "and a route")
    wait_for(lambda: condition(whole, "tor-a", "InSync") == "True", SWITCH_S, "in sync")
    after = tor.rows()
    assert without_limits(after) == without_limits(before)
    assert MARK not in json.dumps(after)
    assert MARK not in tor.frr.running_config()
    assert MARK not in running
    for node in whole.fabric.nodes.values():
        assert MARK not in node.frr.running_config()


def without_limits(rows: Any) -> object:
    """More Services may need more room: the limits of neighbors follow them."""
    return {
        table: {
            name: {key: text for key, text in fields.items() if "max_prefix" not in key}
            for name, fields in each.items()
        }
        for table, each in rows.items()
    }
