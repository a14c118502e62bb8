"""All of it: a controller, agents on two nodes, a switch; from a Service to an ECMP route on it.

The switch is real sshd, redis and bgpd with the stand-ins for SONiC's tools. It begins empty: what
it accepts, the controller has brought to it.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from daemon.cluster_world import SOON_S
from daemon.flavour import wait_for
from daemon.kube import Plane, start
from daemon.kube_world import thing
from daemon.test_cluster import OWN_LOCKS
from fabric.fabric import Fabric
from fabric.runs import spec
from short import documents

from ferrule.apply.claim import DIRECTORY

pytestmark = pytest.mark.daemon

SPEC = """
Switch tor-a: {addresses: [198.51.100.1/24]}
BGPPeer tor: {peerAddress: 198.51.100.1, holdTime: 9s, connectTime: 1s}
IPAddressPool public: {addresses: [192.0.2.0/25]}
BGPAdvertisement all: {}
"""
NODES = "Node node-1: {ips: [198.51.100.11]}\nNode node-2: {ips: [198.51.100.12]}\n"
NAMES = ("node-1", "node-2")
SWITCH_S = 90.0
MANY = 70  # more than the 64 that a switch takes of a node before it is told of more


@dataclass
class Whole:
    """A fabric with a cluster on the workstation's network."""

    fabric: Fabric
    plane: Plane
    folder: Path
    stack: ExitStack

    def process(self, name: str, *argv: str) -> subprocess.Popen[bytes]:
        """A command line of ours on that network, ended with the test."""
        command = self.fabric.workstation.command(*argv)
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.fabric.workstation.environment,
            )
        self.stack.callback(process.wait, 60)
        self.stack.callback(process.send_signal, signal.SIGTERM)
        return process

    def ferrule(self, *words: str) -> tuple[str, ...]:
        given = ("--kubeconfig", str(self.plane.kubeconfig), "--namespace", "shop")
        quiet = ("--health-port", "0", "--metrics-port", "0")
        argv = self.fabric.workstation.ferrule_command(*words, *given, *quiet)
        return tuple(argv[len(self.fabric.workstation.command()) :])

    def controller(self) -> None:
        self.process("controller", *self.ferrule("reconcile", *self.spec, "--interval", "5"))

    def agent(self, node: str) -> None:
        router = self.fabric.nodes[node].frr
        vtysh = router.flavour.command_in(router.name, "vtysh", "-N", router.name)
        locks = self.folder / f"locks-{node}"
        locks.mkdir()
        argv = self.ferrule(
            *("agent", *self.spec, "--node-name", node, "--accept-wait", "600"),
            *("--frr-dir", str(router.flavour.directories(router.name)[1])),
            *("--vtysh", " ".join(f"'{one}'" for one in vtysh)),
        )
        self.process(
            f"agent-{node}",
            "unshare",
            "-m",
            "sh",
            "-c",
            OWN_LOCKS,
            "sh",
            str(locks),
            DIRECTORY,
            *argv,
        )

    @property
    def spec(self) -> tuple[str, ...]:
        return (str(self.folder / "spec"),)

    def write(self, text: str) -> None:
        """The directory that all of them read: it is replaced, file by file."""
        folder = self.folder / "spec"
        folder.mkdir(exist_ok=True)
        made = self.fabric.reachable(documents(text))
        for file in made.iterdir():
            file.rename(folder / file.name)

    def service(self, name: str, notes: Mapping[str, str] | None = None) -> None:
        given = {"type": "LoadBalancer", "ports": [{"port": 80}]}
        one = thing("Service", name, {**given, "allocateLoadBalancerNodePorts": False}, "v1")
        one["metadata"]["annotations"] = dict(notes or {})
        self.plane.apply(one)
        ends = thing("EndpointSlice", name, api="discovery.k8s.io/v1")
        ends["metadata"]["labels"] = {"kubernetes.io/service-name": name}
        each = [
            {"addresses": [f"10.244.0.{n}"], "nodeName": node, "conditions": {"ready": True}}
            for n, node in enumerate(NAMES, start=1)
        ]
        ports = [{"port": 80}]
        self.plane.apply({**ends, "addressType": "IPv4", "ports": ports, "endpoints": each})

    def routes(self) -> dict[str, int]:
        """What the switch has of nodes: prefixes, each with how many next hops are used."""
        shown = (
            self.fabric.switches["tor-a"].frr.show_json("show bgp ipv4 unicast").get("routes", {})
        )
        return {
            prefix: sum(bool(one.get("multipath") or one.get("bestpath")) for one in paths)
            for prefix, paths in shown.items()
        }

    def waits_for(self, prefixes: set[str], width: int = 2) -> None:
        expected = dict.fromkeys(prefixes, width)
        what = f"{len(prefixes)} routes over {width} nodes"
        wait_for(lambda: self.routes() == expected, SWITCH_S, what)

    def said(self) -> dict[str, Any]:
        """What is said of the switch: it comes from a directory."""
        path = "/api/v1/namespaces/shop/configmaps/ferrule-switch-tor-a"
        try:
            return dict(json.loads(self.plane.ask("GET", path)["data"]["status"]))
        except RuntimeError:
            return {}

    def lost(self) -> int:
        neighbors = self.fabric.switches["tor-a"].frr.show_json("show bgp neighbors")
        return sum(one["connectionsDropped"] for one in neighbors.values())


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Whole]:
    there = Path(DIRECTORY).exists()
    Path(DIRECTORY).mkdir(exist_ok=True)
    with ExitStack() as stack:
        if not there:
            stack.callback(Path(DIRECTORY).rmdir)
        fabric = stack.enter_context(Fabric(spec(tmp_path, SPEC + NODES), node="8", switch="10"))
        stack.enter_context(fabric.inside())
        plane = start(tmp_path / "kube")
        stack.callback(plane.stop)
        plane.apply(thing("Namespace", "shop", api="v1"))
        for node in documents(NODES):
            plane.apply({key: node[key] for key in node if key != "status"})
            plane.apply(node, "status")
        inner = stack.enter_context(ExitStack())
        made = Whole(fabric, plane, tmp_path, inner)
        made.write(SPEC)
        yield made
        inner.close()
        for log in sorted(tmp_path.glob("*.log")):
            print(log.name, log.read_text()[-3000:], sep="\n")  # noqa: T201


def test_from_a_service_to_a_route_over_both_nodes(whole: Whole) -> None:
    whole.controller()
    for node in NAMES:
        whole.agent(node)
    whole.service("web")
    whole.waits_for({"192.0.2.0/32"})
    wait_for(
        lambda: [one["pool"] for one in whole.said().get("accepts", ())] == ["public"],
        SOON_S,
        "it is said what the switch accepts",
    )
    lost = whole.lost()

    # More than the switch takes of one node: agents wait until it has been told of more.
    for number in range(MANY):
        whole.service(f"many-{number}")
    whole.waits_for({f"192.0.2.{number}/32" for number in range(MANY + 1)})
    assert whole.lost() == lost

    # One node drains: its next hop goes, and nothing else.
    node = "/api/v1/nodes/node-2"
    label = "node.kubernetes.io/exclude-from-external-load-balancers"
    patch = {"metadata": {"labels": {label: ""}}}
    whole.plane.ask("PATCH", node, patch, "merge-patch+json")
    whole.waits_for({f"192.0.2.{number}/32" for number in range(MANY + 1)}, width=1)
    whole.plane.ask("PATCH", node, {"metadata": {"labels": {label: None}}}, "merge-patch+json")
    whole.waits_for({f"192.0.2.{number}/32" for number in range(MANY + 1)})
    assert whole.lost() == lost

    # Another pool, and a Service in it: the switch takes it before a node announces it.
    second = "IPAddressPool second: {addresses: [203.0.113.0/28], autoAssign: false}\n"
    whole.write(SPEC + second)
    whole.service("second", {"metallb.io/address-pool": "second"})
    every = {f"192.0.2.{number}/32" for number in range(MANY + 1)}
    whole.waits_for({*every, "203.0.113.0/32"})
    assert {one["pool"] for one in whole.said()["accepts"]} == {"public", "second"}
    assert whole.lost() == lost

    # The pool has another name: the switch takes up the new set, and no route goes meanwhile.
    whole.write(SPEC.replace("IPAddressPool public", "IPAddressPool renamed") + second)

    def is_renamed() -> bool:
        assert whole.routes().keys() >= every
        return {one["pool"] for one in whole.said()["accepts"]} == {"renamed", "second"}

    wait_for(is_renamed, SWITCH_S, "the switch takes the renamed set, and the old one no more")
    whole.waits_for({*every, "203.0.113.0/32"})
    assert whole.lost() == lost
