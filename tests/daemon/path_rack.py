"""A rack with a cluster in it, as a data centre has it, and a client beyond its switch.

Two nodes with FRR, our agent and kube-proxy; a switch of the fabric; on a third host the API server
and our controller, which run as the ServiceAccounts that are shipped. What a user does, kubectl
does. The client knows nothing of all that: it asks an address and is answered by a haproxy.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from itertools import count
from pathlib import Path
from typing import Any

from charts import NAMESPACE
from fabric.cables import WORKSTATION, cables
from fabric.fabric import Fabric
from fabric.runs import spec
from short import documents

from daemon.flavour import wait_for
from daemon.kube import Plane, start
from daemon.kube_world import with_our_kinds
from daemon.need import refuse
from daemon.path_cables import BRIDGE, CLIENT, bare, ip, lay
from daemon.path_kubelets import Kubelets
from daemon.path_pods import NAME, certificate
from daemon.path_processes import PROXY, Processes
from daemon.roles import give_roles

TOR = "tor-a"
CLASS = "example.com/ours"
PROGRAMS = ("kubectl", "haproxy", "curl", "nft", "openssl")
SETTLED_S = 60.0
KNOCKS_S = 2.0  # a SYN is sent again after one second, and then after two more
PORTS = 3000  # for one who asks all the time; curl has the ephemeral ones
URL, ONCE = f"http://{NAME}/[1-20]", f"http://{NAME}"
ASKING = Path(__file__).with_name("path_client.py")
CONTROLLERS = (
    "endpointslice-controller",
    "namespace-controller",
    "garbage-collector-controller",
    "deployment-controller",
    "replicaset-controller",
)
SPEC = """
Switch tor-a: {addresses: [198.51.100.1/24, "2001:db8:a::1/64"]}
ferrule BGPPeer tor: {peerAddress: 198.51.100.1, connectTime: 1s}
ferrule BGPPeer tor-v6: {peerAddress: "2001:db8:a::1", connectTime: 1s}
ferrule IPAddressPool public: {addresses: [192.0.2.0/26]}
ferrule IPAddressPool edge: {addresses: [192.0.2.64/26, "2001:db8:e::/120"], autoAssign: false}
ferrule IPAddressPool traefik: {addresses: [203.0.113.0/28], autoAssign: false}
ferrule BGPAdvertisement all: {}
"""
NODES = """
Node node-1: {ips: [198.51.100.11, "2001:db8:a::11"]}
Node node-2: {ips: [198.51.100.12, "2001:db8:a::12"]}
"""
Routes = Mapping[str, Collection[str]]  # prefix: nodes
Json = dict[str, Any]


@dataclass
class Asked:
    """What became of requests: the Pods that answered, and what they took for the client.

    Of those without an answer, how many had no connection, and how many lost theirs; and why.
    """

    pods: set[str] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    answered: int = 0
    failed: int = 0
    cut: int = 0
    why: set[str] = field(default_factory=set)
    slowest_s: float = 0.0

    def lossless(self, changes: int) -> bool:
        """Whether every request was answered, and soon, while a route changed so often.

        A connection that is open at such a moment may be cut, as on a switch without resilient
        hashing; whoever asks has one at a time. One that begins then may have to knock twice.
        """
        good = self.answered > 0 and not self.failed and self.cut <= changes
        return good and self.slowest_s < KNOCKS_S


@dataclass
class Rack:
    """All of it, running."""

    fabric: Fabric
    plane: Plane
    client: str  # its namespace
    folder: Path
    pem: Path
    _ports: Iterator[int] = field(default_factory=lambda: count(PORTS, PORTS))

    # A user.

    def kubectl(self, *words: str, given: object = None, timeout_s: float = 60) -> str:
        """What kubectl prints; `given` is its input, as JSON."""
        done = subprocess.run(  # noqa: S603
            ["kubectl", "--kubeconfig", str(self.plane.kubeconfig), *words],  # noqa: S607
            input=json.dumps(given) if given is not None else "",
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
        )
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
        return done.stdout

    def apply(self, objects: Sequence[Mapping[str, Any]], namespace: str = NAMESPACE) -> None:
        """`kubectl apply -f -`."""
        given = {"apiVersion": "v1", "kind": "List", "items": [*objects]}
        self.kubectl("-n", namespace, "apply", "-f", "-", given=given)

    def patch(self, kind: str, name: str, patch: object, namespace: str = NAMESPACE) -> None:
        """`kubectl patch --type merge`."""
        words = ("-n", namespace, "patch", kind, name, "--type", "merge", "-p", json.dumps(patch))
        self.kubectl(*words)

    def get(self, kind: str, name: str, namespace: str = NAMESPACE) -> Json:
        """An object."""
        return dict(json.loads(self.kubectl("-n", namespace, "get", kind, name, "-o", "json")))

    def addresses(self, namespace: str, service: str) -> list[str]:
        """What the Service's status has, IPv4 first; waited for."""

        def given() -> list[str]:
            status = self.get("service", service, namespace)["status"]
            return [one["ip"] for one in status.get("loadBalancer", {}).get("ingress", ())]

        wait_for(given, SETTLED_S, f"{namespace}/{service} has an address")
        return sorted(given(), key=lambda one: ":" in one)

    # The switch.

    def routes(self) -> dict[str, frozenset[str]]:
        """What the kernel of the switch forwards to nodes: prefixes, each with its nodes."""
        tor, owner = self.fabric.lab.devices[TOR].frr.name, self._owner
        found = {}
        for family in ("-4", "-6"):
            for one in json.loads(ip("-n", tor, family, "-j", "route", "show", "proto", "bgp")):
                hops = [one, *one.get("nexthops", ())]
                nodes = {owner[hop["gateway"]] for hop in hops if "gateway" in hop}
                found[str(ip_network(one["dst"]))] = frozenset(nodes)
        return found

    @property
    def _owner(self) -> dict[str, str]:
        """The node that has an address on the rack, link-local ones too."""
        each = {}
        for name in self.fabric.nodes:
            shown = ip("-n", self.namespace(name), "-j", "address", "show", "dev", "eth0")
            for one in json.loads(shown)[0]["addr_info"]:
                each[one["local"]] = name
        return each

    def namespace(self, node: str) -> str:
        """The network of a node."""
        return self.fabric.lab.devices[node].frr.name

    def own(self, node: str) -> set[str]:
        """Every address of a node."""
        shown = json.loads(ip("-n", self.namespace(node), "-j", "address", "show"))
        return {
            info["local"]
            for one in shown
            if one["ifname"] in {"eth0", BRIDGE}
            for info in one["addr_info"]
        }

    def waits_for(self, routes: Routes) -> None:
        """Until the switch forwards this and nothing else; keys are addresses."""
        wanted = {str(ip_network(one)): frozenset(nodes) for one, nodes in routes.items()}
        try:
            wait_for(lambda: self.routes() == wanted, SETTLED_S, "routes")
        except TimeoutError:
            raise AssertionError(f"{self.routes()} and not {wanted}") from None

    def lives(self) -> dict[str, tuple[str, int]]:
        """The sessions of the switch: their state, and how often each was lost."""
        shown = self.fabric.switches[TOR].frr.show_json("show bgp neighbors")
        return {
            name: (one["bgpState"], one["connectionsDropped"])
            for name, one in shown.items()
            if isinstance(one, dict)
        }

    def condition(self, kind: str) -> tuple[str, str]:
        """What the Switch's status says, and why."""
        found = self.get("switch", TOR).get("status", {}).get("conditions", ())
        return next(((o["status"], o["reason"]) for o in found if o["type"] == kind), ("", ""))

    # The client.

    def curl(self, address: str, url: str = URL, *, seconds: float = 5.0) -> Asked:
        """Ask; a range in the URL asks as often, each time by a connection of its own."""
        there = f"[{address}]" if ":" in address else address
        argv = ["curl", "--silent", "--max-time", str(seconds), "--cacert", str(self.pem)]
        argv += ["--connect-to", f"::{there}:", "--write-out", "\\n= %{http_code} %{time_total}\\n"]
        return _counted(self._from_client(*argv, url).communicate()[0])

    def answers(
        self,
        address: str,
        url: str = URL,
        *,
        pods: int = 1,
        sources: Collection[str] | None = None,
    ) -> None:
        """Until all is answered, by so many Pods, and they have seen nobody but `sources`.

        Without `sources` that is the client. kube-proxy takes a second for what is new.
        """
        seen = {*(sources or (bare(CLIENT[":" in address]),))}
        last = Asked()

        def right() -> bool:
            nonlocal last
            last = self.curl(address, url)
            return not last.failed and len(last.pods) == pods and last.sources == seen

        try:
            wait_for(right, SETTLED_S, url)
        except TimeoutError:
            what = f"{pods} Pods that see {seen}"
            raise AssertionError(f"{address} {url}: {last} and not {what}") from None

    @contextmanager
    def asking(self, address: str) -> Iterator[Asked]:
        """Ask all the time, by HTTP; what came of it is known at the end."""
        asked, port = Asked(), str(next(self._ports))
        process = self._from_client(sys.executable, str(ASKING), "keep", address, "100", port)
        try:
            yield asked
        finally:
            process.terminate()
            vars(asked).update(vars(_counted(process.communicate()[0])))

    def udp(self, address: str, port: int) -> tuple[str, str]:
        """What is answered to a datagram: the client as it was seen, and the Pod."""
        process = self._from_client(sys.executable, str(ASKING), "ask", address, str(port))
        source, pod = process.communicate()[0].split()
        return source, pod

    def _from_client(self, *argv: str) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603
            ["ip", "netns", "exec", self.client, *argv],  # noqa: S607
            stdout=subprocess.PIPE,
            text=True,
        )


def _counted(said: str) -> Asked:
    asked = Asked()
    for line in filter(None, said.splitlines()):
        mark, *words = line.split()
        if mark == "!":
            asked.why.add(" ".join(words))
        elif mark != "=":
            asked.sources.add(mark)
            asked.pods.add(words[0])
        elif words[0] == "200":
            asked.answered += 1
            asked.slowest_s = max(asked.slowest_s, float(words[1]))
        elif words[0] == "cut":
            asked.cut += 1
        else:
            asked.failed += 1
    return asked


@contextmanager
def running(folder: Path) -> Iterator[Rack]:
    """The rack, its cluster begun, without a Service; what runs there is ended at the end."""
    if missing := [one for one in PROGRAMS if shutil.which(one) is None]:
        refuse(f"no {', '.join(missing)}")
    with ExitStack() as stack:
        fabric = stack.enter_context(Fabric(spec(folder, SPEC + NODES), node="8", switch="10"))
        client, nets = lay(fabric, TOR)
        stack.enter_context(fabric.inside())
        plane = _plane(fabric, folder, stack)
        rack = Rack(fabric, plane, client, folder, certificate(folder))
        _say(rack)
        stack.enter_context(Processes(fabric, plane, CLASS, folder))
        stack.enter_context(Kubelets(plane, nets, folder, rack.pem))
        yield rack


def _plane(fabric: Fabric, folder: Path, stack: ExitStack) -> Plane:
    """An API server that nodes reach."""
    on_rack = cables(fabric.compilation)[WORKSTATION][f"rack-{TOR}"]
    address = next(bare(one) for one in on_rack if ":" not in one)
    plane = start(folder / "kube", [PROXY], address=address, controllers=CONTROLLERS)
    stack.callback(plane.stop)
    with_our_kinds(plane)
    return plane


def _say(rack: Rack) -> None:
    """Nodes as their kubelets report them, and the spec as a user applies it."""
    for node in documents(NODES):
        name = node["metadata"]["name"]
        node["metadata"]["labels"] = {"kubernetes.io/hostname": name}
        rack.plane.apply({key: node[key] for key in node if key != "status"})
        said = {"status": node["status"]}  # two of one type are one to an apply
        rack.plane.ask("PATCH", f"/api/v1/nodes/{name}/status", said, "merge-patch+json")
    rack.kubectl("create", "namespace", NAMESPACE)
    give_roles(rack.plane)
    made = rack.fabric.reachable(documents(SPEC))
    each = [json.loads(one.read_text()) for one in sorted(made.iterdir())]
    rack.apply([one for one in each if one["kind"] != "Access"])
