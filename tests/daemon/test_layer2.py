"""Layer 2 in a cluster: agents of three nodes as processes with the shipped roles, one segment.

The API server stands on the segment too. No FRR runs: nothing of layer 2 waits for it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from daemon.cluster_world import SOON_S, Crown, World
from daemon.flavour import execute, wait_for
from daemon.kube import Plane, start
from daemon.kube_world import with_our_kinds
from daemon.l2 import inside, ip, mac_of, neighbor, poke, require_segment
from daemon.lab import Lab
from daemon.roles import give_roles, kubeconfig_of_account, take_roles
from daemon.test_metallb_kinds import GROUP, MODULES, defined
from ferrule.announce.wire import mac_text
from ferrule.compiler.elect import owner
from ferrule.reconcile.roll import lease_of

pytestmark = pytest.mark.daemon

NAMES = ("node-1", "node-2", "node-3")
WHERE = {name: f"192.0.2.{number}" for number, name in enumerate(NAMES, 1)}
SERVER, CLIENT = "192.0.2.250", "192.0.2.200"
SIX = {name: f"2001:db8::{number}" for number, name in enumerate(NAMES, 1)}
POOL = ("192.0.2.101-192.0.2.120", "2001:db8::100-2001:db8::1ff")
LEASES = "/apis/coordination.k8s.io/v1"
GROUP_OF_OURS = "/apis/ferrule.dev/v1alpha1"


@dataclass
class Segment:
    """The nodes' networks, a client's, and the API server's, in which the test's thread is."""

    lab: Lab
    plane: Plane
    nodes: dict[str, str]
    ports: dict[str, str]
    client: str
    server: str


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
            server,
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

    def kill(self, name: str) -> None:
        """The agent, and its announcer before it can hand over."""
        process = self.processes[name]
        threads = Path(f"/proc/{process.pid}/task").iterdir()
        announcers = [
            int(one) for each in threads for one in (each / "children").read_text().split()
        ]
        assert announcers
        for pid in (process.pid, *announcers):
            os.kill(pid, signal.SIGKILL)
        self.processes.pop(name).wait(30)

    def frozen(self, name: str) -> bool:
        """Whether the node knows that it does not reach the API server, since it last did."""
        rolls = [one["fresh"] for one in self.said(name) if one["event"] == "members"]
        return not rolls[-1]

    def reachable(self) -> bool:
        try:
            self.leases()
            self.statuses()
        except (OSError, RuntimeError):
            return False
        return True

    def events(self, name: str, event: str) -> list[dict[str, Any]]:
        return [one for one in self.said(name) if one["event"] == event]

    def idle(self, name: str) -> bool:
        """Whether another one's agent ever read that the node has not begun to announce."""
        rolls = [one for other in NAMES if other != name for one in self.events(other, "members")]
        return any(self.names[name] in one["idle"] for one in rolls)

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
        return macs.get(self.told(address), "")

    def told(self, address: str) -> str:
        """The MAC that the client is told."""
        ip(self.segment.client, "neigh", "flush", "to", address)
        poke(self.segment.client, address)
        found = ""

        def is_told() -> bool:
            nonlocal found
            found = neighbor(self.segment.client, address)
            return bool(found)

        with suppress(TimeoutError):
            wait_for(is_told, 1.5, f"{address} is answered for")
        return found

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

    def tells(self, told: Counter[tuple[str, str]], within_s: float = SOON_S) -> None:
        """The statuses come to say this, and nothing else."""
        with suppress(TimeoutError):
            wait_for(lambda: self.statuses() == told, within_s, "statuses say who answers")
        assert self.statuses() == told

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


def begin(site: Site, *options: str) -> list[str]:
    """Agents on all nodes and some Services; their names, once all is as it should be."""
    for name in NAMES:
        site.agent(name, *options)
    names = [f"web-{number}" for number in range(6)]
    for name in names:
        site.service(name)
    site.world.served(*names)
    site.settles(NAMES)
    return names


def test_addresses_are_answered_for_and_follow_who_is_there(site: Site) -> None:
    names = begin(site)
    each = {name: site.elected(site.addresses()[name][0]) for name in names}
    told = Counter((name, site.names[node]) for name, node in each.items())
    site.tells(told)
    assert site.leases() >= {site.names[name] for name in NAMES}
    wait_for(lambda: "nodeAssigned" in site.world.reasons("web-0"), SOON_S, "an event tells")

    now = explained(site, f"{site.world.name}/web-0")
    everybody = ", ".join(site.names[name] for name in NAMES)
    assert now[f"agents: of {everybody}, so {site.names[each['web-0']]} answers"] is True

    # One is told to end: it hands over, and is nobody any more.
    gone = each["web-0"]
    others = tuple(name for name in NAMES if name != gone)
    site.end(gone, signal.SIGTERM)
    site.settles(others)
    wait_for(lambda: site.names[gone] not in site.leases(), SOON_S, "its Lease is given back")
    told = Counter((n, site.names[site.elected(a[0], others)]) for n, a in site.addresses().items())
    site.tells(told)

    # It is back, waits for a while, and takes over what is its own again.
    site.agent(gone)
    site.settles(NAMES, 60)

    # One is killed, agent and announcer.
    site.kill(gone)
    site.settles(others)
    site.tells(told)


def explained(site: Site, what: str) -> dict[str, bool | None]:
    kubeconfig = str(site.segment.plane.kubeconfig)
    options = ["--kubeconfig", kubeconfig, "--lb-class", site.world.lb_class, "--output", "json"]
    said = execute([sys.executable, "-m", "ferrule.cli", "explain", what, *options])
    hops = json.loads(said.stdout[said.stdout.index("{") :])["hops"]
    return {f"{one['what']}: {one['found']}": one["ok"] for one in hops}


def test_the_api_server_is_gone(site: Site) -> None:
    names = begin(site)
    plane = site.segment.plane
    owners = {name: site.answering(site.addresses()[name][0]) for name in names}
    addresses = site.addresses()
    command = plane.kill_api_server()
    try:
        for name in NAMES:
            wait_for(partial(site.frozen, name), SOON_S, f"{name} knows that it is not heard")
        for name, one in addresses.items():
            assert site.answering(one[0]) == owners[name]

        # Now a node is lost, too.
        lost = owners["web-0"]
        others = tuple(name for name in NAMES if name != lost)
        site.kill(lost)
        for name, one in addresses.items():
            expected = site.elected(one[0], others)
            wait_for(lambda a=one[0], e=expected: site.answering(a) == e, SOON_S, f"{name} moves")  # type: ignore[misc]
    finally:
        plane.start_api_server(command)
    wait_for(lambda: site.reachable(), 60, "it is back")
    site.settles(others)
    told = Counter((name, site.names[site.elected(a[0], others)]) for name, a in addresses.items())
    site.tells(told, 60)


def test_candidates_follow_endpoints_nodes_and_the_spec(site: Site) -> None:
    begin(site)
    site.service("local", "node-2", externalTrafficPolicy="Local")
    (address,) = site.world.served("local")["local"]
    wait_for(lambda: site.answering(address) == "node-2", SOON_S, "it is where its Pod is")
    site.world.endpoints("local", site.names["node-3"])
    wait_for(lambda: site.answering(address) == "node-3", SOON_S, "it moves with its Pod")

    label = "node.kubernetes.io/exclude-from-external-load-balancers"
    node = f"/api/v1/nodes/{site.names['node-1']}"
    site.world.merge({"metadata": {"labels": {label: ""}}}, node)
    site.world.delete("services", "local")
    site.settles(("node-2", "node-3"))
    site.world.merge({"metadata": {"labels": {label: None}}}, node)
    site.settles(NAMES, 60)

    # Only one has the interface that is named.
    ip(site.segment.nodes["node-2"], "link", "add", "lan1", "link", "eth0", "type", "macvlan")
    ip(site.segment.nodes["node-2"], "link", "set", "lan1", "up")
    site.world.apply("L2Advertisement", "all", interfaces=["lan1"])
    only = mac_text(mac_of(site.segment.nodes["node-2"], "lan1"))
    for one, *_ in site.addresses().values():
        wait_for(lambda a=one: site.told(a) == only, SOON_S, "it is announced there")  # type: ignore[misc]

    # Without an advertisement nobody answers, and nobody has a Lease.
    site.world.delete("l2advertisements", "all", GROUP_OF_OURS)
    for one, *_ in site.addresses().values():
        wait_for(lambda a=one: site.told(a) == "", SOON_S, "nobody answers")  # type: ignore[misc]
    wait_for(lambda: not site.leases(), SOON_S, "there are no Leases")
    wait_for(lambda: not site.statuses(), SOON_S, "nor statuses")


def test_somebody_else_answers_and_what_is_counted(site: Site) -> None:
    begin(site)
    (address,) = site.addresses()["web-0"]
    client = site.segment.client
    ip(client, "address", "add", f"{address}/32", "dev", "eth0")
    said = execute(["ip", "netns", "exec", client, "arping", "-c1", "-A", "-I", "eth0", address])
    assert said.returncode == 0, said.stdout
    ip(client, "address", "del", f"{address}/32", "dev", "eth0")
    wait_for(lambda: "AddressConflict" in site.world.reasons("web-0"), SOON_S, "an event tells")
    node = site.segment.nodes[site.elected(address)]

    def counted() -> dict[str, float]:
        got = execute(["ip", "netns", "exec", node, "curl", "-s", "http://127.0.0.1:9120/metrics"])
        lines = (one.rpartition(" ") for one in got.stdout.splitlines() if not one.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    mine = f'{{ip="{address}"}}'
    wait_for(lambda: counted()[f"metallb_layer2_responses_sent{mine}"] > 0, SOON_S, "it answered")
    found = counted()
    assert found[f"metallb_layer2_requests_received{mine}"] > 0
    assert found[f"metallb_layer2_gratuitous_sent{mine}"] > 0
    assert found["ferrule_layer2_conflicts_total"] >= 1
    assert found["ferrule_layer2_members_leased"] == found["ferrule_layer2_members_heard"] == 2
    where = f'node="{site.names[site.elected(address)]}",protocol="layer2"'
    labels = f'ip="{address}",{where},service="{site.world.name}/web-0"'
    assert found[f"metallb_speaker_announced{{{labels}}}"] == 1


def test_a_node_whose_announcer_does_not_run_has_no_lease(site: Site) -> None:
    begin(site)
    lost = site.elected(site.addresses()["web-0"][0])
    others = tuple(name for name in NAMES if name != lost)
    site.end(lost, signal.SIGTERM)
    site.settles(others)
    with inside(site.segment.nodes[lost]), socket.socket(type=socket.SOCK_DGRAM) as thief:
        thief.bind((WHERE[lost], 7947))
        with inside(site.segment.server):
            site.agent(lost)
            wait_for(partial(site.idle, lost), SOON_S, "it is known that it has not begun")
            site.settles(others)
            wait_for(partial(site.events, lost, "leaseLetGo"), SOON_S, "it takes no part")
            wait_for(lambda: site.names[lost] not in site.leases(), SOON_S, "it has no Lease")
            site.settles(others)
    wait_for(lambda: site.names[lost] in site.leases(), 60, "as soon as it can it has one")


@contextmanager
def silent(namespace: str) -> Iterator[None]:
    """What is connected to the API server now hears nothing any more; what connects anew does."""
    where = ("ip", "netns", "exec", namespace)
    said = execute([*where, "ss", "-Htn", "state", "established", "dst", SERVER]).stdout
    ports = [line.split()[2].rpartition(":")[2] for line in said.splitlines()]
    assert ports
    rule = f"ip saddr {SERVER} tcp dport {{ {', '.join(ports)} }} drop"
    chain = f"chain in {{ type filter hook input priority 0; {rule}; }}"
    done = execute([*where, "nft", f"table inet silence {{ {chain}; }}"])
    assert done.returncode == 0, done.stdout
    try:
        yield
    finally:
        execute([*where, "nft", "delete", "table", "inet", "silence"])


def test_a_watch_that_is_silent_ends_nobody(site: Site) -> None:
    """A load balancer forgot the connection; what is written gets through by another one."""
    begin(site)
    name = "node-1"
    path = site.world.path("leases", lease_of(site.names[name]), LEASES)

    def renewed() -> datetime:
        return datetime.fromisoformat(site.segment.plane.ask("GET", path)["spec"]["renewTime"])

    owners = {vip: site.answering(vip) for vip, *_ in site.addresses().values()}
    before = len(site.events(name, "members"))
    with silent(site.segment.nodes[name]):
        wait_for(partial(site.frozen, name), SOON_S, "it knows that it hears nothing")
        start = renewed()
        wait_for(lambda: renewed() - start > timedelta(seconds=14), 60, "its Lease is renewed")
        assert site.frozen(name)
        rolls = site.events(name, "members")[before:]
        assert {len(one["nodes"]) for one in rolls} == {len(NAMES)}
        assert {vip: site.answering(vip) for vip in owners} == owners
    wait_for(lambda: not site.frozen(name), 90, "it hears again")
    site.settles(NAMES)


def test_without_a_key_who_has_not_begun_takes_nothing_away(site: Site) -> None:
    """Members are those with Leases, and a Lease comes before the announcer."""
    (site.folder / "key").unlink()
    begin(site)
    assert site.events("node-1", "noHeartbeats")
    gone = site.elected(site.addresses()["web-0"][0])
    others = tuple(name for name in NAMES if name != gone)
    site.end(gone, signal.SIGTERM)
    site.settles(others)
    begun = {name: len(site.said(name)) for name in others}
    site.agent(gone)
    site.settles(NAMES)
    passed = 0
    for name in others:
        since = site.said(name)[begun[name] :]
        rolls = [at for at, one in enumerate(since) if site.names[gone] in one.get("nodes", ())]
        idle = [at for at in rolls if site.names[gone] in since[at]["idle"]]
        begins = rolls[len(idle)]
        assert idle == rolls[: len(idle)] != []
        assert not any(one["event"] == "passed" for one in since[:begins])
        passed += sum(one["event"] == "passed" for one in since[begins:])
    assert passed
