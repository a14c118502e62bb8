"""The controller on a real API server: Services get addresses, and keep them."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from daemon.cluster_world import GROUP, SOON_S, Crown, Json, World
from daemon.flavour import wait_for
from daemon.kube import Plane
from ferrule.observe.cluster_api import connect
from ferrule.reconcile import passwords
from ferrule.reconcile.events import About, Event, Events

pytestmark = pytest.mark.daemon


@pytest.fixture
def world(crowd: Plane) -> Iterator[World]:
    world = World(crowd)
    yield world
    world.end()


@pytest.fixture
def led(world: World) -> Iterator[World]:
    end = world.reigning(Crown())
    yield world
    end()


def test_a_service_gets_an_address_and_says_where_from(led: World) -> None:
    led.pool("public", "192.0.2.0/24")
    led.service("web")
    led.has("web", "192.0.2.0")
    assert led.noted("web") == "public"
    wait_for(lambda: "IPAllocated" in led.reasons("web"), SOON_S, "the event")


def test_what_cannot_be_served_waits_and_says_why(led: World) -> None:
    led.pool("public", "192.0.2.4/32")
    led.service("first")
    led.has("first", "192.0.2.4")
    led.service("second")
    wait_for(lambda: "AllocationFailed" in led.reasons("second"), SOON_S, "the event")
    assert led.addresses("second") == []
    led.delete("services", "first")
    led.has("second", "192.0.2.4")


def test_a_pool_that_goes_takes_its_addresses_along(led: World) -> None:
    led.pool("old", "192.0.2.8/30")
    led.service("web")
    led.has("web", "192.0.2.8")
    led.pool("new", "198.51.100.8/30")
    led.delete("ipaddresspools", "old", GROUP)
    led.has("web", "198.51.100.8")
    assert led.noted("web") == "new"
    wait_for(lambda: "ClearAssignment" in led.reasons("web"), SOON_S, "the event")


def test_a_service_that_is_no_load_balancer_any_more(led: World) -> None:
    led.pool("public", "192.0.2.0/24")
    led.service("web")
    led.has("web", "192.0.2.0")
    led.merge({"spec": {"type": "ClusterIP", "loadBalancerClass": None}}, led.path(name="web"))
    wait_for(lambda: led.noted("web") is None, SOON_S, "its annotation is gone")
    led.service("next")
    led.has("next", "192.0.2.0")


def test_a_new_leader_moves_nothing(world: World) -> None:
    world.pool("public", "192.0.2.0/28")
    end = world.reigning(Crown())
    for name in ("a", "b", "c"):
        world.service(name)
    before = world.served("a", "b", "c")
    world.delete("services", "a")
    end()
    end = world.reigning(Crown(term=2, contested=True))
    world.service("d")
    world.served("d")
    del before["a"]
    assert world.served("b", "c") == before
    end()


def test_a_broken_spec_leaves_the_last_good_one_in_force(led: World) -> None:
    led.pool("public", "192.0.2.0/28")
    led.service("web")
    led.has("web", "192.0.2.0")
    led.pool("broken", "192.0.2.0/24")
    kind = "ipaddresspools"
    wait_for(lambda: led.conditions("broken", kind) == {"Valid": "False"}, SOON_S, "it is said")
    led.service("more")
    led.has("more", "192.0.2.1")
    led.delete(kind, "broken", GROUP)
    wait_for(lambda: led.conditions("public", kind) == {"Valid": "True"}, SOON_S, "all is well")


def test_counters_of_a_pool(led: World) -> None:
    led.pool("public", "192.0.2.0/28", "2001:db8::/126", avoidBuggyIPs=True)
    led.service("web")
    led.has("web", "192.0.2.1")

    def status() -> Json:
        found = led.get("public", "ipaddresspools", GROUP).get("status", {})
        return {key: one for key, one in found.items() if key != "conditions"}

    expected = {"assignedIPv4": 1, "availableIPv4": 14, "assignedIPv6": 0, "availableIPv6": 4}
    wait_for(lambda: status() == expected, SOON_S, "the counters")


def test_what_a_tenant_writes_stays_in_its_quotes(led: World) -> None:
    led.pool("public", "192.0.2.0/28")
    led.service("evil", {"metallb.io/loadBalancerIPs": "192.0.2.1\n!\x1b[31m router bgp 1"})
    led.service("shared", {"metallb.io/allow-shared-ip": '"}\n{"level": "none'})
    led.has("shared", "192.0.2.0")
    wait_for(lambda: "LoadBalancerFailed" in led.reasons("evil"), SOON_S, "the event")
    assert led.addresses("evil") == []
    lines = led.log.getvalue().splitlines()
    assert all(json.loads(one)["level"] in ("debug", "info", "warn", "error") for one in lines)
    (event,) = (
        one
        for one in led.items("events")
        if one["reason"] == "LoadBalancerFailed" and one["involvedObject"]["name"] == "evil"
    )
    assert event["message"].isprintable()


def test_the_password_of_a_switch_is_read_when_it_is_there(
    led: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "AGAIN_S", 0.2)
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]

    def reachable() -> str:
        status = led.get("tor", "switches", GROUP).get("status", {})
        found = {one["type"]: one for one in status.get("conditions", ())}
        return str(found.get("Reachable", {}).get("message", ""))

    led.apply("IPAddressPool", "public", addresses=["192.0.2.0/24"])
    led.apply(
        "Switch",
        "tor",
        asn=65001,
        routerID="198.51.100.1",
        addresses=["198.51.100.1/24"],
        management={
            "host": "127.0.0.1",
            "port": port,
            "username": "ops",
            "passwordSecret": {"name": "tor"},
        },
    )
    wait_for(lambda: "is not in the input" in reachable(), SOON_S, "it is missed")
    secret = led.thing("Secret", "tor", None, "v1")
    del secret["spec"]
    led.plane.apply({**secret, "data": {"password": base64.b64encode(b"hunter2").decode()}})
    wait_for(lambda: f"127.0.0.1:{port}" in reachable(), SOON_S, "it is tried with the password")
    assert "hunter2" not in led.log.getvalue() + reachable()


def test_events_of_what_has_no_namespace_are_taken(world: World) -> None:
    name = world.node("node-1", "198.51.100.11")
    events = Events(connect(str(world.plane.kubeconfig)), "test", namespace=world.name)
    events.tell(Event(About("v1", "Node", name), "NoInterface", "there is none", "Warning"))
    events.tell(Event(About("v1", "ConfigMap", "of-a-file"), "Reason", "said"))
    events.stop()
    assert events.refused == 0
    assert world.reasons("of-a-file") == {"Reason"}
    told = world.plane.ask("GET", "/api/v1/namespaces/default/events")["items"]
    (mine,) = [one for one in told if one["involvedObject"]["name"] == name]
    assert mine["reason"] == "NoInterface"
    world.plane.ask("DELETE", f"/api/v1/namespaces/default/events/{mine['metadata']['name']}")
