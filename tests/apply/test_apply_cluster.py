"""Apply from a live cluster: statuses first, then the devices; the API server is a real one.

It runs on the workstation's side of the fabric: processes of this thread are on its network.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from daemon.flavour import wait_for
from daemon.kube import Plane, start
from daemon.kube_world import thing
from fabric.fabric import Fabric
from fabric.machine import Done
from fabric.runs import Runs, spec
from fabric.terminal import sitting
from short import documents

pytestmark = pytest.mark.daemon

POOL = "metallb.io/ip-allocated-from-pool"
SPEC = """
Switch tor-a: {addresses: [198.51.100.1/24]}
BGPPeer tor: {peerAddress: 198.51.100.1, holdTime: 9s, connectTime: 1s}
IPAddressPool public: {addresses: [192.0.2.0/27]}
BGPAdvertisement all: {ipAddressPools: [public]}
IPAddressPool local: {addresses: [192.0.2.64/27], autoAssign: false}
L2Advertisement local: {ipAddressPools: [local]}
"""
NODES = "Node node-1: {ips: [198.51.100.11]}\nNode node-2: {ips: [198.51.100.12]}\n"
LEASE = "ferrule-ferrule"


class Shop:
    """A cluster with two Nodes, and the spec beside it."""

    def __init__(self, fabric: Fabric, plane: Plane) -> None:
        self.fabric, self.plane, self.runs = fabric, plane, Runs(fabric)
        self.spec = self.runs.spec(SPEC)
        self.cluster = ("--kubeconfig", str(plane.kubeconfig))
        plane.apply(thing("Namespace", "shop", api="v1"))
        for node in documents(NODES):
            plane.apply({key: node[key] for key in node if key != "status"})
            plane.apply(node, "status")

    def service(self, name: str, pool: str = "public") -> None:
        """A Service with an endpoint on each node."""
        one = thing("Service", name, {"type": "LoadBalancer", "ports": [{"port": 80}]}, "v1")
        one["metadata"]["annotations"] = {"metallb.io/address-pool": pool}
        self.plane.apply(one)
        ends = thing("EndpointSlice", name, api="discovery.k8s.io/v1")
        ends["metadata"]["labels"] = {"kubernetes.io/service-name": name}
        each = [
            {"addresses": [f"10.244.0.{n}"], "nodeName": f"node-{n}", "conditions": {"ready": True}}
            for n in (1, 2)
        ]
        self.plane.apply(
            {**ends, "addressType": "IPv4", "ports": [{"port": 80}], "endpoints": each}
        )

    def stored(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.plane.ask("GET", f"/api/v1/namespaces/shop/services/{name}")
        return found

    def address(self, name: str) -> str:
        ingress = self.stored(name)["status"]["loadBalancer"].get("ingress", [])
        return ingress[0]["ip"] if ingress else ""

    def lease(self, who: str) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        held = {"holderIdentity": who, "leaseDurationSeconds": 15, "renewTime": now}
        self.plane.apply(thing("Lease", LEASE, held, "coordination.k8s.io/v1"))

    def apply(self, *words: str) -> Done:
        return self.runs.apply(self.spec, *self.cluster, *words)

    def forget(self, *names: str) -> None:
        for name in names:
            self.plane.ask("DELETE", f"/api/v1/namespaces/shop/services/{name}")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    with Fabric(spec(folder, SPEC + NODES), node="8", switch="10") as fabric, fabric.inside():
        fabric.boot()
        fabric.wait_established()
        plane = start(folder / "kube", users=("reader",))
        try:
            yield Shop(fabric, plane)
        finally:
            plane.stop()


@pytest.fixture
def shop(world: Shop) -> Iterator[Shop]:
    """No Service and no leader, when a test begins."""
    yield world
    world.lease("")
    names = [one["metadata"]["name"] for one in world.plane.items("v1", "Service")]
    world.forget(*(one for one in names if one != "kubernetes"))
    done = world.apply()
    assert done.returncode == 0, done.stderr


def test_a_status_comes_first_and_then_the_route(shop: Shop) -> None:
    shop.service("web")
    done = shop.apply("--output", "json")
    assert done.returncode == 0, done.stderr
    address = shop.address("web")
    assert shop.stored("web")["metadata"]["annotations"][POOL] == "public"
    said = json.loads(done.stdout)
    assert said["statuses"] == [{"service": "shop/web", "addresses": [address]}]
    written, changed = done.stderr.index("status written"), done.stderr.index("locking")
    assert written < changed
    wait_for(lambda: f"{address}/32" in shop.runs.routes(), 10, "the route at the switch")
    again = shop.apply()
    assert again.stderr.splitlines()[-1].startswith("no changes")


def test_a_service_of_layer_2_alone_has_its_status_written(shop: Shop) -> None:
    shop.service("printer", "local")
    done = shop.apply("--output", "json")
    assert done.returncode == 0, done.stderr
    assert shop.address("printer") == "192.0.2.64"
    said = json.loads(done.stdout)
    assert (said["done"], said["name"], len(said["statuses"])) == (True, None, 1)


def test_a_controller_that_leads_is_left_to_it(shop: Shop) -> None:
    shop.service("web")
    shop.lease("ferrule-7c9f")
    record = shop.runs.fabric.workstation.folder / "record.jsonl"
    done = shop.apply("--record", str(record))
    assert done.returncode == 1
    assert '"ferrule-7c9f" (Lease shop/ferrule-ferrule) leads' in done.stderr
    assert shop.address("web") == ""
    assert not record.exists()  # no device was told anything
    assert not shop.runs.routes()


def test_a_leader_is_no_reason_where_no_status_waits(shop: Shop) -> None:
    shop.lease("ferrule-7c9f")
    done = shop.apply()
    assert done.returncode == 0, done.stderr


def test_whoever_may_not_write_statuses_is_told_before_anything_is_done(shop: Shop) -> None:
    """One Service of two may be written: then neither is."""
    shop.service("api")
    shop.service("web")
    everything = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}]
    only = {"apiGroups": [""], "resources": ["services/status"], "verbs": ["patch"]}
    shop.plane.allow("reader", [*everything, {**only, "resourceNames": ["api"]}])
    kubeconfig = str(shop.plane.kubeconfig_of("reader"))
    done = shop.runs.apply(shop.spec, "--kubeconfig", kubeconfig)
    assert done.returncode == 1
    assert 'cannot patch resource "services/status"' in done.stderr
    assert [shop.address(one) for one in ("api", "web")] == ["", ""]
    assert not shop.runs.routes()


def test_a_service_that_changes_before_the_answer_ends_it(shop: Shop) -> None:
    shop.service("web")
    with sitting(shop.fabric.workstation, "apply", shop.spec, *shop.cluster) as terminal:
        terminal.wait_question()
        shop.service("web", "local")
        code, said = terminal.type("y\n")
    assert code == 1, said
    assert "nothing was done on devices: the status of Service shop/web was not written" in said
    assert shop.address("web") == ""
    assert not shop.runs.routes()
    assert shop.apply().returncode == 0  # it plans anew
    assert shop.address("web") == "192.0.2.64"


def test_a_controller_that_leads_before_the_answer_ends_it(shop: Shop) -> None:
    shop.service("web")
    with sitting(shop.fabric.workstation, "apply", shop.spec, *shop.cluster) as terminal:
        terminal.wait_question()
        shop.lease("ferrule-7c9f")
        code, said = terminal.type("y\n")
    assert code == 1, said
    assert "leads: the status of Service shop/web is the controller's" in said
    assert shop.address("web") == ""


def test_what_a_file_says_is_warned_of_and_the_rest_written(shop: Shop) -> None:
    shop.service("web")
    beside = shop.fabric.workstation.folder / "filed.json"
    beside.write_text(json.dumps(documents("Service shop/filed: {ip: 192.0.2.9}\n")[0]))
    done = shop.runs.apply(shop.spec, str(beside), *shop.cluster)
    assert done.returncode == 0, done.stderr
    assert "so nothing forwards to it: shop/filed" in done.stderr
    assert shop.address("web")
