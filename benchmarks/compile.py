"""How long a compilation takes, phase by phase, and what it takes in memory.

    python benchmarks/compile.py            all cases, each in a process of its own
    python benchmarks/compile.py 100 16 10000

Nodes stand in racks of four switches; each node peers with the four of its rack. Half of the
Services have externalTrafficPolicy Local and endpoints on three nodes. The last lines say how time
grows with the number of Services: 1.0 is linear.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from ipaddress import ip_address

from ferrule.compiler.pipeline import artifacts, compile_network, read_inputs
from ferrule.compiler.source import Document, read

CASES = ((1000, 64, 1000), (100, 16, 10000))
GROWTH = ((100, 16, 1000), (100, 16, 3000), (100, 16, 10000))
PER_RACK = 4


def fabric(nodes: int, switches: int, services: int) -> Iterator[dict[str, object]]:
    """The whole input, as a dump would hold it."""
    racks = max(1, switches // PER_RACK)
    ours = "ferrule.dev/v1alpha1"
    pools = ["10.64.0.0/14", "2001:db8:64::/64"]
    yield _object(ours, "Cluster", "bench", {})
    yield _object("metallb.io/v1beta1", "IPAddressPool", "public", {"addresses": pools})
    yield _object("metallb.io/v1beta1", "BGPAdvertisement", "public", {"communities": ["64512:1"]})
    for number in range(switches):
        rack = number // PER_RACK % racks
        address = f"172.16.{rack}.{number % PER_RACK + 1}"
        selectors = [{"matchLabels": {"rack": str(rack)}}]
        end = {"asn": 65000, "routerID": address, "addresses": [f"{address}/24"]}
        yield _object(ours, "Switch", f"tor-{number}", {**end, "nodeSelectors": selectors})
        peer = {"myASN": 64512, "peerASN": 65000, "peerAddress": address}
        yield _object(
            "metallb.io/v1beta2", "BGPPeer", f"tor-{number}", {**peer, "nodeSelectors": selectors}
        )
    for number in range(nodes):
        rack = number % racks
        address = f"172.16.{rack}.{number // racks + 10}"
        yield {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": f"node-{number}", "labels": {"rack": str(rack)}},
            "status": {"addresses": [{"type": "InternalIP", "address": address}]},
        }
    for number in range(services):
        yield from _service(number, nodes)


def _service(number: int, nodes: int) -> Iterator[dict[str, object]]:
    local = number % 2 == 0
    meta = {"name": f"web-{number}", "namespace": f"team-{number % 50}"}
    policy = {"externalTrafficPolicy": "Local" if local else "Cluster"}
    cluster_ip = str(ip_address("10.96.0.1") + number)
    ports = [{"port": 443, "protocol": "TCP"}]
    spec = {"type": "LoadBalancer", "clusterIPs": [cluster_ip], "ports": ports, **policy}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
    on = [f"node-{(number * 7 + step * 13) % nodes}" for step in range(3)]
    yield {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**meta, "labels": {"kubernetes.io/service-name": meta["name"]}},
        "endpoints": [{"addresses": ["10.244.0.1"], "nodeName": node} for node in on],
    }


def _object(version: str, kind: str, name: str, spec: dict[str, object]) -> dict[str, object]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def measure(nodes: int, switches: int, services: int) -> dict[str, float]:
    """Seconds by phase, and the peak of the process in MB."""
    dump = json.dumps(
        {"kind": "List", "apiVersion": "v1", "items": [*fabric(nodes, switches, services)]}
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds: dict[str, float] = {}

    def lap(phase: str, since: float) -> float:
        now = time.perf_counter()
        seconds[phase] = now - since
        return now

    at = start = time.perf_counter()
    documents: tuple[Document, ...] = read(dump, "dump.json")
    at = lap("parse", at)
    inputs = read_inputs(documents)
    at = lap("read", at)
    compilation = compile_network(inputs)
    assert compilation.ok, compilation.diagnostics[:3]
    at = lap("passes", at)
    size = files = 0
    for one in artifacts(compilation.network):
        size, files = size + len(one.text), files + 1
    lap("render", at)
    seconds["total"] = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        **seconds,
        "peak_mb": peak,
        "dump_mb": before / 1024,
        "text_mb": size / 1e6,
        "files": files,
    }


def _apart(case: tuple[int, int, int]) -> dict[str, float]:
    """One case in a process of its own, so that peaks do not mix."""
    command = [sys.executable, __file__, *map(str, case), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _line(case: tuple[int, int, int], one: dict[str, float]) -> str:
    phases = " ".join(f"{name} {one[name]:.2f}" for name in ("parse", "read", "passes", "render"))
    name = "{:>5} nodes x {:>2} switches x {:>5} Services".format(*case)
    return (
        f"{name}: {one['total']:6.2f} s ({phases}), peak {one['peak_mb']:.0f} MB,"
        f" {one['files']:.0f} files, {one['text_mb']:.0f} MB of text"
    )


def main() -> None:
    """Run what the command line asks for."""
    arguments = [one for one in sys.argv[1:] if one != "--json"]
    if arguments:
        nodes, switches, services = map(int, arguments)
        result = measure(nodes, switches, services)
        print(
            json.dumps(result)
            if "--json" in sys.argv
            else _line((nodes, switches, services), result)
        )
        return
    for case in CASES:
        print(_line(case, _apart(case)), flush=True)
    grown = {case: _apart(case) for case in GROWTH}
    small, *larger = GROWTH
    for case in larger:
        ratio = grown[case]["total"] / grown[small]["total"] / (case[2] / small[2])
        print(f"{case[2]:>6} Services against {small[2]}: {ratio:.2f} of linear growth")
    command = [sys.executable, "-m", "ferrule.cli", "--version"]
    times = []
    for _ in range(5):
        since = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
        times.append(time.perf_counter() - since)
    bare = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    bare = time.perf_counter() - bare
    print(f"ferrule --version: {min(times):.2f} s, of which Python itself {bare:.2f} s")


if __name__ == "__main__":
    main()
