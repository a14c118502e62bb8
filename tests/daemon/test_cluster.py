"""Controllers and an agent as processes, with the roles that are shipped and real FRR: faults.

Whatever is killed, stopped or away for a while: addresses stay unique, routes are what is intended,
and no session is lost.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from daemon.cluster_world import SOON_S, World
from daemon.flavour import Flavour, wait_for
from daemon.kube import Plane
from daemon.lab import Device, Lab
from daemon.roles import give_roles, kubeconfig_of_account, take_roles
from daemon.test_agent import TOR
from ferrule.apply.claim import DIRECTORY

pytestmark = pytest.mark.daemon

TAKEOVER_S = 60.0  # the Lease lasts 15 s; the rest is for a machine that is busy
OWN_LOCKS = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'


@dataclass
class Cluster:
    """A world with its processes, one node with FRR, and a router beyond it."""

    world: World
    node: Device
    tor: Device
    name: str
    folder: Path
    stack: ExitStack
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *options: str) -> None:
        """A controller or the agent, by what its name begins with."""
        command = name.partition("-")[0]
        account = "agent" if command == "agent" else "controller"
        kubeconfig = kubeconfig_of_account(self.world.plane, account, self.world.name)
        given = ["--kubeconfig", str(kubeconfig), "--namespace", self.world.name]
        given += ["--lb-class", self.world.lb_class, "--health-port", "0", "--metrics-port", "0"]
        if command == "agent":
            router = self.node.frr
            vtysh = router.flavour.command_in(router.name, "vtysh", "-N", router.name)
            frr = router.flavour.directories(router.name)[1]
            given += ["--node-name", self.name, "--frr-dir", str(frr)]
            given += ["--vtysh", " ".join(map(_word, vtysh))]
        log = (self.folder / f"{name}.log").open("ab")
        argv = [sys.executable, "-m", "ferrule.cli", command, *given, *options]
        if command == "agent":  # its locks are this test's own
            locks = self.folder / "locks"
            locks.mkdir(exist_ok=True)
            argv = ["unshare", "-m", "sh", "-c", OWN_LOCKS, "sh", str(locks), DIRECTORY, *argv]
        process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL)  # noqa: S603
        log.close()
        self.processes[name] = process
        self.stack.callback(self.end, name, signal.SIGKILL)

    def end(self, name: str, how: signal.Signals) -> None:
        """Send a signal that ends it, and wait for that."""
        process = self.processes.pop(name, None)
        if process is not None:
            process.send_signal(how)
            process.wait(30)

    def leader(self) -> str:
        """The replica that leads by its own log."""
        for name in self.processes:
            if name.startswith("reconcile"):
                said = [one["event"] for one in self.said(name)]
                led = [one for one in said if one in ("leading", "following")]
                if led and led[-1] == "leading":
                    return name
        return ""

    def said(self, name: str) -> list[dict[str, Any]]:
        lines = (self.folder / f"{name}.log").read_text().splitlines()
        return [json.loads(one) for one in lines if one.startswith("{")]

    def service(self, name: str, *nodes: str, **spec: object) -> None:
        self.world.service(name, None, **spec)
        self.world.endpoints(name, *(nodes or (self.name,)))

    def heard(self) -> set[str]:
        return set(self.tor.frr.show_json("show bgp ipv4 unicast")["routes"])

    def wanted(self) -> set[str]:
        """A route for each Service with an address."""
        each = (one["status"].get("loadBalancer", {}) for one in self.world.items("services"))
        return {f"{one['ip']}/32" for status in each for one in status.get("ingress", ())}

    def settles(self, count: int, within_s: float = SOON_S) -> None:
        """So many Services have an address of their own, and the router hears exactly these."""

        def settled() -> bool:
            wanted = self.wanted()
            return len(wanted) == count and self.heard() == wanted

        wait_for(settled, within_s, f"{count} Services are served and heard")
        self.unique()

    def unique(self) -> None:
        """No address is two Services'."""
        given: Counter[str] = Counter()
        for one in self.world.items("services"):
            ingress = one["status"].get("loadBalancer", {}).get("ingress", ())
            given.update(each["ip"] for each in ingress)
        assert [one for one, times in given.items() if times > 1] == []

    def lost(self) -> int:
        """How often the router has lost the session."""
        neighbor = self.tor.frr.show_json("show bgp neighbors")["198.51.100.11"]
        assert neighbor["bgpState"] == "Established"
        return int(neighbor["connectionsDropped"])


def _word(text: str) -> str:
    return f"'{text}'" if set(text) & set(' "$&') else text


@pytest.fixture
def cluster(crowd: Plane, flavours: dict[str, Flavour], tmp_path: Path) -> Iterator[Cluster]:
    world = World(crowd)
    give_roles(crowd, world.name)
    there = Path(DIRECTORY).exists()
    Path(DIRECTORY).mkdir(exist_ok=True)
    with ExitStack() as stack:
        if not there:
            stack.callback(Path(DIRECTORY).rmdir)
        stack.callback(take_roles, crowd)
        stack.callback(world.end)
        lab = stack.enter_context(Lab(flavours))
        node = lab.device("node-1", "10", {"rack": ["198.51.100.11/24"]})
        tor = lab.device("tor", "8", {"rack": ["198.51.100.1/24"]}, TOR)
        name = world.node("node-1", "198.51.100.11")
        world.pool("public", "192.0.2.0/24")
        meta = {"apiVersion": "ferrule.dev/v1alpha1", "kind": "Cluster"}
        crowd.apply({**meta, "metadata": {"name": world.name, "namespace": world.name}})
        chosen = [{"matchLabels": {"world": world.name}}]
        peer = {"myASN": 64512, "peerASN": 65000, "peerAddress": "198.51.100.1"}
        world.apply("BGPPeer", "tor", connectTime="1s", nodeSelectors=chosen, **peer)
        world.apply("BGPAdvertisement", "public")
        inner = stack.enter_context(ExitStack())
        made = Cluster(world, node, tor, name, tmp_path, inner)
        yield made
        inner.close()
        for log in sorted(tmp_path.glob("*.log")):
            print(log.name, log.read_text()[-3000:], sep="\n")  # noqa: T201


def test_from_a_service_to_its_route_and_back(cluster: Cluster) -> None:
    cluster.start("reconcile-1")
    cluster.start("agent-1")
    cluster.service("web")
    cluster.service("api")
    cluster.settles(2)
    lost = cluster.lost()

    cluster.world.endpoints("api", "elsewhere")
    cluster.settles(2)  # Cluster: any endpoint will do
    cluster.world.service("api", externalTrafficPolicy="Local")
    wait_for(lambda: len(cluster.heard()) == 1, SOON_S, "a Local one without an endpoint goes")
    cluster.world.endpoints("api", cluster.name)
    cluster.settles(2)

    cluster.world.delete("services", "web")
    cluster.settles(1)
    cluster.world.pool("public", "203.0.113.0/24")  # another range: the Service moves
    wait_for(lambda: cluster.heard() == {"203.0.113.0/32"}, SOON_S, "it has moved")
    assert cluster.lost() == lost


def test_an_api_server_that_is_away_takes_nothing_along(cluster: Cluster) -> None:
    cluster.start("reconcile-1")
    cluster.start("agent-1")
    for name in ("a", "b", "c"):
        cluster.service(name)
    cluster.settles(3)
    before, lost = cluster.heard(), cluster.lost()
    command = cluster.world.plane.kill_api_server()
    cluster.end("agent-1", signal.SIGKILL)
    until = time.monotonic() + 3
    while time.monotonic() < until:
        assert cluster.heard() == before
    cluster.world.plane.start_api_server(command)
    wait_for(lambda: _answers(cluster.world), TAKEOVER_S, "the API server is back")
    cluster.start("agent-1")
    cluster.service("d")
    cluster.world.delete("services", "a")
    cluster.settles(3, TAKEOVER_S)
    assert cluster.lost() == lost


def _answers(world: World) -> bool:
    try:
        world.items("services")
    except (OSError, RuntimeError):
        return False
    return True


def test_a_leader_that_is_stopped_for_too_long(cluster: Cluster) -> None:
    """It wakes up in the middle of what it did; by then another one leads."""
    for name in ("reconcile-1", "reconcile-2"):
        cluster.start(name)
    cluster.start("agent-1")
    cluster.service("first")
    cluster.settles(1)
    leader = cluster.leader()
    stopped = cluster.processes[leader]
    for number in range(10):
        cluster.service(f"before-{number}")
    stopped.send_signal(signal.SIGSTOP)
    try:
        for number in range(10):
            cluster.service(f"after-{number}")
        cluster.settles(21, TAKEOVER_S)
        assert cluster.leader()
    finally:
        stopped.send_signal(signal.SIGCONT)
    other = next(one for one in ("reconcile-1", "reconcile-2") if one != leader)
    wait_for(lambda: cluster.leader() == other, SOON_S, "the old one knows that it is over")
    cluster.service("last")
    cluster.settles(22, TAKEOVER_S)


def killed(cluster: Cluster, times: int, seed: int) -> None:
    """Kill the leader or the agent at random moments while Services come and go."""
    chance = random.Random(seed)  # noqa: S311
    for name in ("reconcile-1", "reconcile-2", "agent-1"):
        cluster.start(name)
    cluster.service("stays")
    cluster.settles(1, TAKEOVER_S)
    stays, lost = cluster.wanted(), cluster.lost()
    names: set[str] = set()
    for number in range(times):
        name = f"n-{number}"
        cluster.service(name)
        names.add(name)
        if len(names) > 5:
            gone = chance.choice(sorted(names))
            cluster.world.delete("services", gone)
            names.discard(gone)
        time.sleep(chance.random() * 0.4)
        which = chance.choice(["agent-1", cluster.leader() or "reconcile-1"])
        how = chance.choice([signal.SIGKILL, signal.SIGTERM])
        cluster.end(which, how)
        assert stays <= cluster.heard()
        cluster.start(which)
        if number % 10 == 9:
            cluster.settles(1 + len(names), TAKEOVER_S)
    cluster.settles(1 + len(names), TAKEOVER_S)
    assert cluster.lost() == lost


def test_processes_that_are_killed(cluster: Cluster) -> None:
    killed(cluster, 3, seed=7)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2])
def test_processes_that_are_killed_fifty_times(cluster: Cluster, seed: int) -> None:
    killed(cluster, 50, seed)


@pytest.mark.soak
def test_a_thousand_services_at_once(cluster: Cluster) -> None:
    cluster.world.pool("public", "198.18.0.0/16")
    cluster.start("reconcile-1")
    cluster.start("agent-1")
    for number in range(1000):
        cluster.service(f"s-{number}")
    cluster.settles(1000, 300)


def test_an_agent_that_takes_everything_along(cluster: Cluster) -> None:
    cluster.start("reconcile-1")
    cluster.start("agent-1", "--withdraw-on-exit", "--withdraw-on-cordon")
    cluster.service("web")
    cluster.settles(1)
    node = f"/api/v1/nodes/{cluster.name}"
    cluster.world.merge({"spec": {"unschedulable": True}}, node)
    wait_for(lambda: not cluster.heard(), SOON_S, "a cordoned node announces nothing")
    cluster.world.merge({"spec": {"unschedulable": None}}, node)
    cluster.settles(1)
    cluster.end("agent-1", signal.SIGTERM)
    wait_for(lambda: not cluster.heard(), SOON_S, "it is withdrawn")
    assert cluster.lost() == 0


@pytest.mark.soak
def test_bgpd_that_starts_again_is_told_everything_again(cluster: Cluster) -> None:
    cluster.start("reconcile-1")
    cluster.start("agent-1")
    cluster.service("web")
    cluster.settles(1)
    cluster.node.frr.stop("bgpd", hard=True)
    cluster.node.frr.start("bgpd")
    cluster.settles(1, 90)
