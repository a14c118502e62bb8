"""The controller on a real API server: Services get addresses, and keep them."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from daemon.flavour import wait_for
from daemon.kube import Plane
from ferrule.observe.cluster_api import connect
from ferrule.reconcile.logs import Log
from ferrule.reconcile.replica import Settings, reign

pytestmark = pytest.mark.daemon

OURS = "ferrule.dev/v1alpha1"
SOON_S = 20.0
POOL = "metallb.io/ip-allocated-from-pool"
numbers = count()
Json = dict[str, Any]


@dataclass
class Crown:
    """A lead that holds until it is taken away."""

    term: int = 1
    contested: bool = False
    held: bool = True

    def valid(self) -> bool:
        return self.held


@dataclass
class World:
    """A namespace of its own with Services of a class of their own."""

    plane: Plane
    name: str
    log: io.StringIO = field(default_factory=io.StringIO)

    @property
    def lb_class(self) -> str:
        return f"example.net/{self.name}"

    def thing(self, kind: str, name: str, spec: object, api: str = OURS) -> Json:
        meta = {"name": name, "namespace": self.name}
        return {"apiVersion": api, "kind": kind, "metadata": meta, "spec": spec}

    def pool(self, name: str, *addresses: str, **spec: object) -> None:
        self.plane.apply(self.thing("IPAddressPool", name, {"addresses": [*addresses], **spec}))

    def service(self, name: str, notes: Mapping[str, str] | None = None, **spec: object) -> None:
        ports = [{"name": "http", "port": 80, "targetPort": 8080}]
        given = {"type": "LoadBalancer", "loadBalancerClass": self.lb_class, "ports": ports}
        given |= {"selector": {"app": name}, "allocateLoadBalancerNodePorts": False}
        one = self.thing("Service", name, {**given, **spec}, "v1")
        one["metadata"]["annotations"] = dict(notes or {})
        self.plane.apply(one)

    def path(self, kind: str = "services", name: str = "", root: str = "/api/v1") -> str:
        return f"{root}/namespaces/{self.name}/{kind}" + (f"/{name}" if name else "")

    def get(self, name: str, kind: str = "services", root: str = "/api/v1") -> Json:
        return dict(self.plane.ask("GET", self.path(kind, name, root)))

    def addresses(self, name: str) -> list[str]:
        status = self.get(name)["status"].get("loadBalancer", {})
        return [one["ip"] for one in status.get("ingress", ())]

    def noted(self, name: str) -> str | None:
        notes = self.get(name)["metadata"].get("annotations", {})
        return notes.get(POOL)

    def delete(self, kind: str, name: str, root: str = "/api/v1") -> None:
        self.plane.ask("DELETE", self.path(kind, name, root))

    def has(self, name: str, *addresses: str) -> None:
        wait_for(lambda: self.addresses(name) == [*addresses], SOON_S, f"{name} has {addresses}")

    def reasons(self, name: str) -> set[str]:
        found = self.plane.ask("GET", self.path("events"))["items"]
        return {one["reason"] for one in found if one["involvedObject"]["name"] == name}

    def reigning(self, crown: Crown) -> Callable[[], None]:
        """Start a leader; what ends it."""
        settings = Settings(self.name, lb_class=self.lb_class, identity="test")
        stopping = threading.Event()
        api = connect(str(self.plane.kubeconfig))
        thread = threading.Thread(
            target=reign, args=(api, settings, Log("debug", self.log), crown, stopping)
        )
        thread.start()

        def end() -> None:
            stopping.set()
            thread.join(10)
            assert not thread.is_alive()

        return end


@pytest.fixture
def world(plane: Plane) -> Iterator[World]:
    name = f"reign-{next(numbers)}"
    plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield World(plane, name)
    plane.ask("DELETE", f"/api/v1/namespaces/{name}")


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
    led.delete("ipaddresspools", "old", f"/apis/{OURS}")
    led.has("web", "198.51.100.8")
    assert led.noted("web") == "new"
    wait_for(lambda: "ClearAssignment" in led.reasons("web"), SOON_S, "the event")


def test_a_service_that_is_no_load_balancer_any_more(led: World) -> None:
    led.pool("public", "192.0.2.0/24")
    led.service("web")
    led.has("web", "192.0.2.0")
    led.plane.ask(
        "PATCH",
        led.path(name="web"),
        {"spec": {"type": "ClusterIP", "loadBalancerClass": None}},
        "merge-patch+json",
    )
    wait_for(lambda: led.noted("web") is None, SOON_S, "its annotation is gone")
    led.service("next")
    led.has("next", "192.0.2.0")


def test_a_new_leader_moves_nothing(world: World) -> None:
    world.pool("public", "192.0.2.0/28")
    end = world.reigning(Crown())
    for name in ("a", "b", "c"):
        world.service(name)
    for name in "abc":
        wait_for(lambda name=name: world.addresses(name) != [], SOON_S, name)  # type: ignore[misc]
    before = {name: world.addresses(name) for name in "abc"}
    world.delete("services", "a")
    end()
    end = world.reigning(Crown(term=2, contested=True))
    world.service("d")
    wait_for(lambda: world.addresses("d") != [], SOON_S, "d")
    assert {name: world.addresses(name) for name in "bc"} == {k: before[k] for k in "bc"}
    assert world.get("d")["metadata"].get("annotations", {}).get("ferrule.dev/term") in (
        None,
        "test/2",
    )
    end()


def test_a_broken_spec_leaves_the_last_good_one_in_force(led: World) -> None:
    led.pool("public", "192.0.2.0/28")
    led.service("web")
    led.has("web", "192.0.2.0")
    led.pool("broken", "192.0.2.0/24")
    valid = f"/apis/{OURS}"

    def condition(name: str) -> str:
        status = led.get(name, "ipaddresspools", valid).get("status", {})
        return "".join(one["status"] for one in status.get("conditions", ()))

    wait_for(lambda: condition("broken") == "False", SOON_S, "it is said of the broken one")
    led.service("more")
    led.has("more", "192.0.2.1")
    led.delete("ipaddresspools", "broken", valid)
    wait_for(lambda: condition("public") == "True", SOON_S, "and it is well again")


def test_counters_of_a_pool(led: World) -> None:
    led.pool("public", "192.0.2.0/28", "2001:db8::/126", avoidBuggyIPs=True)
    led.service("web")
    led.has("web", "192.0.2.1")

    def status() -> Json:
        found = led.get("public", "ipaddresspools", f"/apis/{OURS}").get("status", {})
        return {key: one for key, one in found.items() if key != "conditions"}

    expected = {"assignedIPv4": 1, "availableIPv4": 14, "assignedIPv6": 0, "availableIPv6": 4}
    wait_for(lambda: status() == expected, SOON_S, "the counters")
