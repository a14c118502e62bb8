"""Layer 2 in a cluster: agents of three nodes as processes with the shipped roles, one segment.

The API server stands on the segment too. No FRR runs: nothing of layer 2 waits for it.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from daemon.cluster_world import SOON_S, Crown, World
from daemon.flavour import wait_for
from daemon.kube import Plane, start
from daemon.kube_world import with_our_kinds
from daemon.l2 import inside, ip, mac_of, neighbor, poke, require_segment
from daemon.lab import Lab
from daemon.roles import give_roles, kubeconfig_of_account, take_roles
from daemon.test_metallb_kinds import GROUP, MODULES, defined
from ferrule.announce.wire import mac_text
from ferrule.compiler.elect import owner

pytestmark = pytest.mark.daemon

NAMES = ("node-1", "node-2", "node-3")
WHERE = {name: f"192.0.2.{number}" for number, name in enumerate(NAMES, 1)}
SERVER, CLIENT = "192.0.2.250", "192.0.2.200"
SIX = {name: f"2001:db8::{number}" for number, name in enumerate(NAMES, 1)}
POOL = ("192.0.2.101-192.0.2.120", "2001:db8::100-2001:db8::1ff")
LEASES = "/apis/coordination.k8s.io/v1"


@dataclass
class Segment:
    """The nodes' networks, a client's, and the API server's, in which the test's thread is."""

    lab: Lab
    plane: Plane
    nodes: dict[str, str]
    ports: dict[str, str]
    client: str


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Segment]:
    require_segment()
    with Lab({}) as lab, ExitStack() as stack:
        made = {
            name: lab.host(name, {"lan": [f"{WHERE[name]}/24", f"{SIX[name]}/64"]})
            for name in NAMES
        }
        client, _ = lab.host("client", {"lan": [f"{CLIENT}/24", "2001:db8::c/64"]})
        server, _ = lab.host("server", {"lan": [f"{SERVER}/24"]})
        stack.enter_context(inside(server))
        plane = start(tmp_path_factory.mktemp("plane"), address=SERVER)
        stack.callback(plane.stop)
        with_our_kinds(plane)
        for one in defined(MODULES["metallb.io/v1beta1"]):
            if one["spec"]["names"]["kind"] == "ServiceL2Status":
                plane.apply(one)
        yield Segment(
            lab,
            plane,
            {name: namespace for name, (namespace, _) in made.items()},
            {name: ports["lan"] for name, (_, ports) in made.items()},
            client,
        )


@dataclass
class Site:
    """A world on the segment, with an agent on each node."""

    segment: Segment
    world: World
    folder: Path
    stack: ExitStack
    names: dict[str, str] = field(default_factory=dict)  # of Nodes, by the segment's
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def agent(self, name: str, *options: str) -> None:
        """Start one."""
        kubeconfig = kubeconfig_of_account(self.segment.plane, "agent", self.world.name)
        given = ["--kubeconfig", str(kubeconfig), "--namespace", self.world.name]
        given += ["--lb-class", self.world.lb_class, "--health-port", "0", "--metrics-port", "9120"]
        given += ["--node-name", self.names[name], "--frr-dir", "/nonexistent", "--vtysh", "false"]
        given += ["--l2-interface", "eth0", "--heartbeat-key", str(self.folder / "key"), *options]
        argv = ["ip", "netns", "exec", self.segment.nodes[name]]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(  # noqa: S603
                [*argv, sys.executable, "-m", "ferrule.cli", "agent", *given],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.stack.callback(self.end, name, signal.SIGTERM)

    def end(self, name: str, how: signal.Signals) -> None:
        process = self.processes.pop(name, None)
        if process is not None:
            process.send_signal(how)
            process.wait(30)

    def said(self, name: str) -> list[dict[str, Any]]:
        lines = (self.folder / f"{name}.log").read_text().splitlines()
        return [json.loads(one) for one in lines if one.startswith("{")]

    def service(self, name: str, *nodes: str, **spec: object) -> None:
        self.world.service(name, None, **spec)
        self.world.endpoints(name, *(self.names[one] for one in nodes or NAMES))

    def addresses(self) -> dict[str, list[str]]:
        """Of all Services that have some."""
        each = self.world.items("services")
        found = {
            one["metadata"]["name"]: [
                each["ip"] for each in one["status"].get("loadBalancer", {}).get("ingress", ())
            ]
            for one in each
        }
        return {name: addresses for name, addresses in found.items() if addresses}

    def answering(self, address: str) -> str:
        """Which node a client that knows nothing is told of; the empty string: none."""
        macs = {mac_text(mac_of(self.segment.nodes[name])): name for name in NAMES}
        ip(self.segment.client, "neigh", "flush", "to", address)
        poke(self.segment.client, address)
        found = ""

        def told() -> bool:
            nonlocal found
            found = neighbor(self.segment.client, address)
            return bool(found)

        try:
            wait_for(told, 1.5, f"{address} is answered for")
        except TimeoutError:
            return ""
        return macs[found]

    def elected(self, address: str, among: tuple[str, ...] = NAMES) -> str:
        names = {self.names[one]: one for one in among}
        return names[owner(names, {}, ip_address(address)) or ""]

    def settles(self, among: tuple[str, ...], within_s: float = SOON_S) -> None:
        """All addresses are answered for by whom MetalLB would elect among these."""
        for first, *others in self.addresses().values():
            node = self.elected(first, among)
            for one in (first, *others):
                answered = partial(self.answering, one)
                wait_for(lambda a=answered, n=node: a() == n, within_s, f"{one} is {node}'s")  # type: ignore[misc]

    def statuses(self) -> Counter[tuple[str, str]]:
        """Who says that it answers for which Service."""
        found = self.world.items("servicel2statuses", GROUP)
        return Counter(
            (one["status"]["serviceName"], one["status"]["node"])
            for one in found
            if "status" in one
        )

    def leases(self) -> set[str]:
        found = self.world.items("leases", LEASES)
        return {one["spec"].get("holderIdentity", "") for one in found}


@pytest.fixture
def site(segment: Segment, tmp_path: Path) -> Iterator[Site]:
    world = World(segment.plane)
    with ExitStack() as stack:
        stack.callback(world.end)
        give_roles(segment.plane, world.name)
        stack.callback(take_roles, segment.plane)
        made = Site(segment, world, tmp_path, ExitStack())
        (tmp_path / "key").write_text("a key of the tests\n")
        for name in NAMES:
            made.names[name] = world.node(name, WHERE[name])
        world.pool("lan", *POOL)
        world.apply("L2Advertisement", "all")
        stack.enter_context(made.stack)
        stack.callback(world.reigning(Crown()))
        yield made
        made.stack.close()
        for log in sorted(tmp_path.glob("*.log")):
            print(log.name, log.read_text()[-3000:], sep="\n")  # noqa: T201


def test_addresses_are_answered_for_and_follow_who_is_there(site: Site) -> None:
    for name in NAMES:
        site.agent(name)
    names = [f"web-{number}" for number in range(6)]
    for name in names:
        site.service(name)
    site.world.served(*names)
    site.settles(NAMES)
    each = {name: site.elected(site.addresses()[name][0]) for name in names}
    told = Counter((name, site.names[node]) for name, node in each.items())
    wait_for(lambda: site.statuses() == told, SOON_S, "statuses say who answers")
    assert site.leases() >= {site.names[name] for name in NAMES}
    wait_for(lambda: "nodeAssigned" in site.world.reasons("web-0"), SOON_S, "an event tells")
