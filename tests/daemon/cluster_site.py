"""A cluster of processes: controllers, an agent per node with real FRR, and a router beyond them.

They run as the ServiceAccounts that are shipped, with their roles and no other rights.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.cluster_world import SOON_S, World
from daemon.ear import Ears
from daemon.flavour import Flavour, wait_for
from daemon.kube import Plane
from daemon.lab import Device, Lab
from daemon.roles import give_roles, kubeconfig_of_account, take_roles
from ferrule.apply.claim import DIRECTORY

TAKEOVER_S = 60.0  # the Lease lasts 15 s; the rest is for a machine that is busy
OWN_LOCKS = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
ADDRESSES = {"node-1": "198.51.100.11", "node-2": "198.51.100.12"}
TOR = "198.51.100.1"


@dataclass
class Cluster:
    """A world with its processes, `nodes` with FRR by the names of the lab, and a router."""

    world: World
    nodes: Mapping[str, Device]
    tor: Device
    folder: Path
    stack: ExitStack
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _begun: dict[str, int] = field(default_factory=dict)  # where in its log each one began
    _ears: Ears | None = None

    def full(self, node: str = "node-1") -> str:
        """A node as Kubernetes calls it."""
        return f"{self.world.name}-{node}"

    @property
    def name(self) -> str:
        """The first node."""
        return self.full()

    @property
    def node(self) -> Device:
        return self.nodes["node-1"]

    # Processes.

    def start(self, name: str, *options: str, server: str = "") -> None:
        """A controller, or the agent of the node with that number, by what its name begins with.

        `server` is where it finds the API server, if not where that is.
        """
        account = "agent" if name.startswith("agent") else "controller"
        config = kubeconfig_of_account(self.world.plane, account, self.world.name)
        if server:
            there = json.loads(config.read_text())
            there["clusters"][0]["cluster"]["server"] = server
            config = self.folder / f"{name}.config"
            config.write_text(json.dumps(there))
        self.run(name, [*self.command(name), "--kubeconfig", str(config), *options])

    def command(self, name: str) -> list[str]:
        """Its command line, but for who it is to the API server."""
        command, _, number = name.partition("-")
        argv = [sys.executable, "-m", "ferrule.cli", command, "--namespace", self.world.name]
        argv += ["--lb-class", self.world.lb_class, "--health-port", "0", "--metrics-port", "0"]
        return argv + (self._beside(f"node-{number}") if command == "agent" else [])

    def _beside(self, node: str) -> list[str]:
        """The options by which an agent finds the FRR of its node."""
        router = self.nodes[node].frr
        vtysh = router.flavour.command_in(router.name, "vtysh", "-N", router.name)
        frr = router.flavour.directories(router.name)[1]
        words = " ".join(map(_word, vtysh))
        return ["--node-name", self.full(node), "--frr-dir", str(frr), "--vtysh", words]

    def run(self, name: str, argv: Sequence[str]) -> None:
        """A process that ends with the test, if not before; an agent's locks are its own."""
        if name.startswith("agent"):
            locks = self.folder / f"locks-{name}"
            locks.mkdir(exist_ok=True)
            argv = ["unshare", "-m", "sh", "-c", OWN_LOCKS, "sh", str(locks), DIRECTORY, *argv]
        with (self.folder / f"{name}.log").open("ab") as log:
            self._begun[name] = log.tell()
            process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL)  # noqa: S603
        self.processes[name] = process
        self.stack.callback(self.end, name, signal.SIGKILL)

    def end(self, name: str, how: signal.Signals) -> None:
        """Send a signal that ends it, and wait for that."""
        process = self.processes.pop(name, None)
        if process is not None:
            process.send_signal(how)
            process.wait(30)

    def alive(self) -> None:
        """Nobody has ended by itself."""
        ended = {name: one.poll() for name, one in self.processes.items()}
        assert not any(code is not None for code in ended.values()), ended

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
        """What a process has logged since it began; whole lines."""
        with (self.folder / f"{name}.log").open("rb") as log:
            log.seek(self._begun[name])
            lines = log.read().split(b"\n")[:-1]
        return [json.loads(one) for one in lines if one.startswith(b"{")]

    # Services.

    def service(self, name: str, *nodes: str, **spec: object) -> None:
        """With an endpoint on all nodes, or on these."""
        self.world.service(name, None, **spec)
        self.world.endpoints(name, *(nodes or map(self.full, self.nodes)))

    def routes(self) -> dict[str, int]:
        """What the router hears: prefixes, each with from how many nodes."""
        shown = self.tor.frr.show_json("show bgp ipv4 unicast").get("routes", {})
        return {prefix: len(paths) for prefix, paths in shown.items()}

    def heard(self) -> set[str]:
        return set(self.routes())

    def wanted(self) -> set[str]:
        """A route for each Service with an address."""
        each = (one["status"].get("loadBalancer", {}) for one in self.world.items("services"))
        return {f"{one['ip']}/32" for status in each for one in status.get("ingress", ())}

    def settles(self, count: int, within_s: float = SOON_S) -> None:
        """So many Services have an address of their own, and the router hears exactly these, each
        from all nodes.
        """

        def settled() -> bool:
            wanted = self.wanted()
            expected = dict.fromkeys(wanted, len(self.nodes))
            return len(wanted) == count and self.routes() == expected

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
        """How often the router has lost a session; all of them are up."""
        neighbors = self.tor.frr.show_json("show bgp neighbors")
        each = [neighbors[ADDRESSES[node]] for node in self.nodes]
        assert {one["bgpState"] for one in each} == {"Established"}
        return sum(int(one["connectionsDropped"]) for one in each)

    def mark(self) -> None:
        """What the router is told from now on is looked at."""
        if self._ears is None:
            self._ears = Ears({"tor": self.tor})
        self._ears.forget()

    def untouched(self, prefix: str) -> bool:
        """Whether it was neither withdrawn nor changed since then; what is said once more, as it
        was, does not count.
        """
        assert self._ears
        told = self._ears.so_far("tor")
        return prefix in self.heard() and prefix not in (*told.announced, *told.withdrawn)


def _word(text: str) -> str:
    return f"'{text}'" if set(text) & set(' "$&') else text


def _tor(addresses: Sequence[str]) -> str:
    """The router beyond the nodes."""
    lines = ["router bgp 65000", f" bgp router-id {TOR}", " no bgp ebgp-requires-policy"]
    lines += [f" neighbor {one} remote-as 64512" for one in addresses]
    return "\n".join((*lines, "exit", ""))


@contextmanager
def site(
    plane: Plane, flavours: Mapping[str, Flavour], folder: Path, nodes: Sequence[str] = ("node-1",)
) -> Iterator[Cluster]:
    """All there is before the first process of ours; their logs are printed in the end."""
    world = World(plane)
    give_roles(plane, world.name)
    there = Path(DIRECTORY).exists()
    Path(DIRECTORY).mkdir(exist_ok=True)
    with ExitStack() as stack:
        if not there:
            stack.callback(Path(DIRECTORY).rmdir)
        stack.callback(take_roles, plane)
        stack.callback(world.end)
        lab = stack.enter_context(Lab(flavours))
        made = {one: lab.device(one, "10", {"rack": [f"{ADDRESSES[one]}/24"]}) for one in nodes}
        addresses = [ADDRESSES[one] for one in nodes]
        tor = lab.device("tor", "8", {"rack": [f"{TOR}/24"]}, _tor(addresses))
        for one in nodes:
            world.node(one, ADDRESSES[one])
        write_spec(world)
        inner = stack.enter_context(ExitStack())
        yield Cluster(world, made, tor, folder, inner)
        inner.close()
        for log in sorted(folder.glob("*.log")):
            print(log.name, log.read_text()[-3000:], sep="\n")  # noqa: T201


def write_spec(world: World) -> None:
    """A pool, and that all of it is advertised to the router."""
    world.pool("public", "192.0.2.0/24")
    meta = {"name": world.name, "namespace": world.name}
    world.plane.apply({"apiVersion": "ferrule.dev/v1alpha1", "kind": "Cluster", "metadata": meta})
    chosen = [{"matchLabels": {"world": world.name}}]
    peer = {"myASN": 64512, "peerASN": 65000, "peerAddress": TOR}
    world.apply("BGPPeer", "tor", connectTime="1s", nodeSelectors=chosen, **peer)
    world.apply("BGPAdvertisement", "public")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])
