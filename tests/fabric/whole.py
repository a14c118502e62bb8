"""All of it: a controller, agents on two nodes, switches, and a Kubernetes API server.

The processes run on the workstation's network. A switch is real sshd, redis and bgpd with the
stand-ins for SONiC's tools; it begins empty.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.cluster_site import OWN_LOCKS
from daemon.flavour import wait_for
from daemon.kube import Plane, start
from daemon.kube_world import thing
from short import documents

from fabric.fabric import Fabric
from fabric.runs import spec
from ferrule.apply.claim import DIRECTORY

NAMES = ("node-1", "node-2")
TOR = "tor-a"
SWITCH_S = 90.0


@dataclass
class Whole:
    """A fabric with a cluster on the workstation's network."""

    fabric: Fabric
    plane: Plane
    folder: Path
    stack: ExitStack
    accept_wait_s: int = 600

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
            *("agent", *self.spec, "--node-name", node),
            *("--accept-wait", str(self.accept_wait_s)),
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

    def routes(self, switch: str = TOR) -> dict[str, int]:
        """What a switch has of nodes: prefixes, each with how many next hops are used."""
        frr = self.fabric.switches[switch].frr
        shown = frr.show_json("show bgp ipv4 unicast").get("routes", {})
        return {
            prefix: sum(bool(one.get("multipath") or one.get("bestpath")) for one in paths)
            for prefix, paths in shown.items()
        }

    def waits_for(self, prefixes: set[str], width: int = 2, switch: str = TOR) -> None:
        expected = dict.fromkeys(prefixes, width)
        what = f"{len(prefixes)} routes over {width} nodes on {switch}"
        wait_for(lambda: self.routes(switch) == expected, SWITCH_S, what)

    def said(self, switch: str = TOR) -> dict[str, Any]:
        """What is said of a switch: it comes from a directory."""
        path = f"/api/v1/namespaces/shop/configmaps/ferrule-switch-{switch}"
        try:
            return dict(json.loads(self.plane.ask("GET", path)["data"]["status"]))
        except RuntimeError:
            return {}

    def lost(self, switch: str = TOR) -> int:
        neighbors = self.fabric.switches[switch].frr.show_json("show bgp neighbors")
        return sum(one["connectionsDropped"] for one in neighbors.values())


@contextmanager
def standing(folder: Path, text: str, nodes: str, accept_wait_s: int = 600) -> Iterator[Whole]:
    """All there is before the first process of ours; their logs are printed in the end."""
    there = Path(DIRECTORY).exists()
    Path(DIRECTORY).mkdir(exist_ok=True)
    with ExitStack() as stack:
        if not there:
            stack.callback(Path(DIRECTORY).rmdir)
        fabric = stack.enter_context(Fabric(spec(folder, text + nodes), node="8", switch="10"))
        stack.enter_context(fabric.inside())
        plane = start(folder / "kube")
        stack.callback(plane.stop)
        plane.apply(thing("Namespace", "shop", api="v1"))
        for node in documents(nodes):
            plane.apply({key: node[key] for key in node if key != "status"})
            path = f"/api/v1/nodes/{node['metadata']['name']}/status"
            plane.ask("PATCH", path, {"status": node["status"]}, "merge-patch+json")
        inner = stack.enter_context(ExitStack())
        made = Whole(fabric, plane, folder, inner, accept_wait_s)
        made.write(text)
        yield made
        inner.close()
        for log in sorted(folder.glob("*.log")):
            print(log.name, log.read_text()[-3000:], sep="\n")  # noqa: T201
