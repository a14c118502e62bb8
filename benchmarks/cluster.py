"""What a cluster costs: Services that get addresses, and routes, on a real API server and real FRR.

    benchmarks/cluster.py [SIZE ...]          1000 and 10000

Each size: so many Services cold, until all have a status, beside the bare cost of the same writes
by the same client, and the API requests that it takes; one more Service to its status and to its
route at the neighbor's bgpd, p50 and p99, alone and while others change; resident memory, and CPU
while nothing changes: until the events of the load are told, and then for a minute. Needs what
tests/daemon needs, and root.
"""

from __future__ import annotations

import json
import os
import queue
import re
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests")]

from daemon.cluster_site import Cluster  # noqa: E402
from daemon.cluster_world import World  # noqa: E402
from daemon.flavour import discover  # noqa: E402
from daemon.kube import Plane, start  # noqa: E402
from daemon.kube_world import with_our_kinds  # noqa: E402
from daemon.lab import Lab  # noqa: E402
from daemon.roles import give_roles  # noqa: E402
from daemon.test_agent import TOR  # noqa: E402

from ferrule.apply.claim import DIRECTORY  # noqa: E402
from ferrule.observe.cluster_api import Api, connect  # noqa: E402
from ferrule.observe.watch_wire import BrokenError, Wire  # noqa: E402

SIZES = (1_000, 10_000)
WRITERS = 8
SAMPLES = 60
QUIET_S = 60
TELLING_S = 5  # no event more for so long: all are told
WAIT_S = 600


class Watch(threading.Thread):
    """Which Services have a status, and since when; by its own watch, from the beginning."""

    def __init__(self, api: Api, world: World) -> None:
        super().__init__(daemon=True)
        self._wire = Wire(api.login, read_s=WAIT_S)
        self._path = f"/api/v1/namespaces/{world.name}/services"
        self.at: dict[str, float] = {}
        self.news: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.start()

    def run(self) -> None:
        """Until the server ends it."""
        with suppress(BrokenError):
            self._follow()

    def _follow(self) -> None:
        for lines in self._wire.lines(self._path, {"watch": 1, "timeoutSeconds": 3600}):
            now = time.perf_counter()
            for line in lines:
                one = json.loads(line)["object"]
                name = one["metadata"]["name"]
                if name not in self.at and one["status"]["loadBalancer"].get("ingress"):
                    self.at[name] = now
                    self.news.put(name)

    def wait(self, count: int) -> None:
        """Until so many have one."""
        while len(self.at) < count:
            self.news.get(timeout=WAIT_S)

    def when(self, name: str) -> float:
        """Once this one has."""
        while name not in self.at:
            self.news.get(timeout=WAIT_S)
        return self.at[name]


def service(world: World, name: str) -> dict[str, Any]:
    """A Service of the world's class; without a selector, or Kubernetes adds slices for hours."""
    spec = {
        "type": "LoadBalancer",
        "loadBalancerClass": world.lb_class,
        "allocateLoadBalancerNodePorts": False,
        "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
    }
    return {**world.thing("Service", name, spec, "v1")}


def endpoints(world: World, name: str, node: str) -> dict[str, Any]:
    """Its EndpointSlice, on one node."""
    meta = {"name": name, "namespace": world.name, "labels": {"kubernetes.io/service-name": name}}
    each = {"addresses": ["10.244.0.1"], "nodeName": node, "conditions": {"ready": True}}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": meta,
        "addressType": "IPv4",
        "endpoints": [each],
        "ports": [{"name": "http", "port": 8080}],
    }


def many(api: Api, requests: Sequence[tuple[str, str, object, str]]) -> float:
    """Send requests over several connections; seconds."""
    begun = time.perf_counter()

    def send(one: tuple[str, str, object, str]) -> None:
        method, path, body, form = one
        answer = api.send(method, path, body=body, form=form)
        assert answer.ok, answer.said

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(send, requests))
    return time.perf_counter() - begun


def created(
    world: World, names: Sequence[str], node: str
) -> Iterator[tuple[str, str, object, str]]:
    """The requests that make Services."""
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{world.name}/endpointslices"
    for name in names:
        yield "POST", world.path(), service(world, name), "json"
        yield "POST", slices, endpoints(world, name, node), "json"


def bare(api: Api, world: World, size: int) -> tuple[float, float]:
    """The same status writes by the same client, on Services of nobody's class: seconds, and those
    of CPU that the client takes for it.
    """
    names = [f"bare-{n}" for n in range(size)]
    made = []
    for name in names:
        one = service(world, name)
        one["spec"]["loadBalancerClass"] = "example.net/nobody"
        made.append(("POST", world.path(), one, "json"))
    many(api, made)
    patch = {
        "metadata": {"annotations": {"metallb.io/ip-allocated-from-pool": "public"}},
        "status": {"loadBalancer": {"ingress": [{"ip": "198.18.0.1"}]}},
    }
    before = cpu_s(os.getpid())
    took = many(
        api, [("PATCH", f"{world.path(name=name)}/status", patch, "merge") for name in names]
    )
    own_s = cpu_s(os.getpid()) - before
    many(api, [("DELETE", world.path(name=name), None, "json") for name in names])
    return took, own_s


def resident_mb(pid: int) -> float:
    """Of a process."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024


def cpu_s(pid: int) -> float:
    """Of a process, since it began."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def one_more(
    api: Api, cluster: Cluster, watch: Watch, prefix: str, others: Callable[[], object]
) -> tuple[list[float], list[float]]:
    """One Service after another: seconds to its status, and to its route at the neighbor."""
    to_status, to_route = [], []
    for number in range(SAMPLES):
        others()
        name = f"{prefix}-{number}"
        _, slice_ = created(cluster.world, [name], cluster.name)
        many(api, [slice_])
        begun = time.perf_counter()
        many(api, [("POST", cluster.world.path(), service(cluster.world, name), "json")])
        to_status.append(watch.when(name) - begun)
        address = cluster.world.addresses(name)[0]
        while not cluster.tor.frr.show_json(f"show bgp ipv4 unicast {address}/32").get("paths"):
            assert time.perf_counter() - begun < WAIT_S
        to_route.append(time.perf_counter() - begun)
    return to_status, to_route


def requests(api: Api) -> Counter[str]:
    """What the API server has been asked, whoever asked: by verb and resource."""
    text = api.send("GET", "/metrics").content.decode()
    found: Counter[str] = Counter()
    for line in text.splitlines():
        name, _, rest = line.partition("{")
        if name == "apiserver_request_total":
            labels, _, number = rest.rpartition("} ")
            said = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            part = f"/{said['subresource']}" if said["subresource"] else ""
            found[f"{said['verb']} {said['resource']}{part}"] += int(float(number))
    return found


def told(api: Api, world: World) -> int:
    """How many events there are."""
    path = world.path("events")
    listed = json.loads(api.send("GET", path, query={"limit": 1}).content)
    return len(listed["items"]) + int(listed["metadata"].get("remainingItemCount", 0))


def at_rest(api: Api, cluster: Cluster) -> None:
    """Memory and CPU while nothing changes: until the last event of the load is told, and then."""
    pids = {one: cluster.processes[one].pid for one in ("reconcile-1", "agent-1")}
    begun, before = time.perf_counter(), {one: cpu_s(pid) for one, pid in pids.items()}
    known = -1
    while (count := told(api, cluster.world)) != known:
        known = count
        time.sleep(TELLING_S)
    telling_s = time.perf_counter() - begun
    used(f"until {known} events are told, {telling_s:.0f} s more", pids, before, telling_s)
    before = {one: cpu_s(pid) for one, pid in pids.items()}
    time.sleep(QUIET_S)
    used(f"and then, in {QUIET_S} s", pids, before, QUIET_S)


def used(label: str, pids: Mapping[str, int], before: Mapping[str, float], seconds: float) -> None:
    """A line for each process."""
    print(f"  at rest, {label}")
    for one, pid in pids.items():
        percent = (cpu_s(pid) - before[one]) / seconds * 100
        print(f"    {one:14} {resident_mb(pid):8.0f} MB resident, {percent:.2f} % of a core")


def said(label: str, seconds: Sequence[float]) -> None:
    """One line of the report."""
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    first = seconds[0] * 1000
    half = statistics.median(ordered) * 1000
    print(f"  {label:44} p50 {half:8.1f} ms   p99 {p99 * 1000:8.1f} ms   first {first:8.1f} ms")


def measure(plane: Plane, size: int) -> None:
    """One size."""
    world, api = World(plane), connect(str(plane.kubeconfig))
    give_roles(plane, world.name)
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        stack.callback(world.end)
        lab = stack.enter_context(Lab(discover()))
        node = lab.device("node-1", "10", {"rack": ["198.51.100.11/24"]})
        tor = lab.device("tor", "8", {"rack": ["198.51.100.1/24"]}, TOR)
        name = world.node("node-1", "198.51.100.11")
        world.pool("public", "198.18.0.0/15")
        peer = {"myASN": 64512, "peerASN": 65000, "peerAddress": "198.51.100.1"}
        chosen = [{"matchLabels": {"world": world.name}}]
        world.apply("BGPPeer", "tor", connectTime="1s", nodeSelectors=chosen, **peer)
        world.apply("BGPAdvertisement", "public")
        inner = stack.enter_context(ExitStack())
        Path(DIRECTORY).mkdir(exist_ok=True)
        cluster = Cluster(world, {"node-1": node}, tor, Path(folder), inner)
        print(f"{size} Services")
        alone, own_s = bare(api, world, size)
        many(api, [*created(world, [f"s-{n}" for n in range(size)], name)])
        watch = Watch(api, world)
        cluster.start("agent-1")
        asked, begun = requests(api), time.perf_counter()
        cluster.start("reconcile-1", "--log-level", "warn")
        watch.wait(1)
        first = time.perf_counter() - begun
        watch.wait(size)
        cold = time.perf_counter() - begun
        both = [cpu_s(cluster.processes[one].pid) for one in ("reconcile-1", "agent-1")]
        print(
            f"  cold, until all have a status {cold:27.2f} s, the bare writes {alone:.2f} s:"
            f" {cold / alone:.2f} times"
        )
        print(f"    the first of them {first:39.2f} s: the start of a process, and lists")
        print(
            "    CPU of controller and agent, each from its start, and of the bare client:",
            ", ".join(f"{one:.2f} s" for one in (*both, own_s)),
        )
        while len(cluster.heard()) < size:
            time.sleep(0.2)
        print(f"  cold, until all routes are heard {time.perf_counter() - begun:24.2f} s")
        each = (requests(api) - asked).most_common()
        often = [f"{what} {n / size:.2f}" for what, n in each if n >= size / 20]
        rest = sum(n for _, n in each if n < size / 20)
        print(f"    API requests by then: {', '.join(often)} for each Service, and {rest} others")
        status, route = one_more(api, cluster, watch, "more", lambda: None)
        said("one more, to its status", status)
        said("one more, to its route at the neighbor", route)
        labels = iter(range(10**9))

        def churn() -> None:
            number = next(labels)
            patch = {"metadata": {"labels": {"turn": str(number)}}}
            names = [f"s-{(number * 100 + n) % size}" for n in range(100)]
            many(api, [("PATCH", world.path(name=one), patch, "merge") for one in names])

        status, route = one_more(api, cluster, watch, "busy", churn)
        said("the same right after 100 others changed", route)
        at_rest(api, cluster)


def main() -> None:
    """Every size."""
    sizes = [int(one) for one in sys.argv[1:]] or SIZES
    with tempfile.TemporaryDirectory() as folder:
        plane = start(Path(folder))
        try:
            with_our_kinds(plane)
            for size in sizes:
                measure(plane, size)
        finally:
            plane.stop()


if __name__ == "__main__":
    main()
