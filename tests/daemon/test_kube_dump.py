"""What a real API server prints is an input: its defaults, its nulls, its other kinds."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon import kube
from daemon.flavour import execute, wait_for
from ferrule.compiler import views
from ferrule.compiler.pipeline import Compilation, compile_network, read_inputs
from ferrule.compiler.source import read
from ferrule.compiler.spec.schema import crds

EXAMPLES = Path(__file__).parents[2] / "examples"
OURS = "ferrule.dev/v1alpha1"
KINDS = (
    ("v1", "Service"),
    ("v1", "Node"),
    ("v1", "Namespace"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
    *((OURS, kind) for kind in ("IPAddressPool", "BGPPeer", "BGPAdvertisement", "Switch")),
)
NAMES = (
    "services,nodes,namespaces,endpointslices,ipaddresspools.ferrule.dev,bgppeers.ferrule.dev,"
    "bgpadvertisements.ferrule.dev,switches.ferrule.dev"
)
ON_NODE = {"anywhere": "node-1", "local": "node-2"}  # where the Pod of a Service is ready


def thing(kind: str, name: str, spec: object = None, api: str = OURS) -> dict[str, Any]:
    """An object as a user writes it."""
    namespace = {} if kind in {"Node", "Namespace"} else {"namespace": "shop"}
    one = {"apiVersion": api, "kind": kind, "metadata": {"name": name, **namespace}}
    return one if spec is None else {**one, "spec": spec}


def service(name: str, **spec: object) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    given = {"type": "LoadBalancer", "ports": ports, "selector": {"app": name}}
    return thing("Service", name, {**given, **spec}, "v1")


WRITTEN = (
    thing("Namespace", "shop", api="v1"),
    *(thing("Node", f"node-{n}", {}, "v1") for n in (1, 2)),
    thing("IPAddressPool", "public", {"addresses": ["192.0.2.0/24", "2001:db8:1::/120"]}),
    thing("Switch", "tor", {"asn": 65000, "routerID": "10.1.0.1", "addresses": ["10.1.0.1"]}),
    thing("BGPPeer", "tor", {"myASN": 64512, "peerASN": 65000, "peerAddress": "10.1.0.1"}),
    thing("BGPAdvertisement", "public"),
    service("anywhere"),
    service("local", externalTrafficPolicy="Local"),
    service("nowhere"),
    service("both", ipFamilyPolicy="RequireDualStack", ipFamilies=["IPv6", "IPv4"]),
    service("other", loadBalancerClass="example.net/other"),
    service("inside", type="ClusterIP"),
    thing("Service", "outside", {"type": "ExternalName", "externalName": "example.net"}, "v1"),
    service("headless", type="ClusterIP", clusterIP="None"),
)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kube.Plane]:
    """A control plane that knows our kinds."""
    plane = kube.start(tmp_path_factory.mktemp("kube"))
    try:
        kinds = [one.data for one in read(crds().encode(), "crds.yaml")]
        for one in kinds:
            plane.apply(one)
        wait_for(lambda: served(plane) >= len(kinds), 20, "our kinds are served")
        yield plane
    finally:
        plane.stop()


def served(plane: kube.Plane) -> int:
    """How many of our kinds the API server answers for."""
    try:
        resources = plane.ask("GET", f"/apis/{OURS}")["resources"]
    except RuntimeError:
        return 0
    return sum("/" not in one["name"] for one in resources)


@pytest.fixture(scope="module")
def cluster(plane: kube.Plane) -> kube.Plane:
    """WRITTEN, with Nodes that have addresses and a ready Pod where ON_NODE says."""
    for one in WRITTEN:
        plane.apply(one)
    for n in (1, 2):
        addresses = [{"type": "InternalIP", "address": f"10.1.0.1{n}"}]
        plane.apply(
            {**thing("Node", f"node-{n}", api="v1"), "status": {"addresses": addresses}}, "status"
        )
    for n, (name, node) in enumerate(ON_NODE.items(), start=1):
        pod = thing(
            "Pod", name, {"nodeName": node, "containers": [{"name": "c", "image": "i"}]}, "v1"
        )
        pod["metadata"]["labels"] = {"app": name}
        plane.apply(pod)
        status = {
            "phase": "Running",
            "podIP": f"10.244.0.{n}",
            "podIPs": [{"ip": f"10.244.0.{n}"}],
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        plane.apply({**thing("Pod", name, api="v1"), "status": status}, "status")
    wait_for(lambda: with_endpoints(plane) >= set(ON_NODE), 20, "the Pods are in EndpointSlices")
    return plane


def with_endpoints(plane: kube.Plane) -> set[str]:
    """The Services that some slice has an endpoint for."""
    slices = plane.items("discovery.k8s.io/v1", "EndpointSlice")
    named = [(one["metadata"]["labels"], one.get("endpoints")) for one in slices]
    return {labels.get("kubernetes.io/service-name", "") for labels, some in named if some}


def dumped(plane: kube.Plane, *more: tuple[str, str]) -> str:
    """The cluster as `kubectl get -A -o json` prints it."""
    items = [one for kind in (*KINDS, *more) for one in plane.items(*kind)]
    return json.dumps({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items})


def compiled(text: str, file: str = "dump.json") -> Compilation:
    return compile_network(read_inputs(read(text.encode(), file)))


def shown(compilation: Compilation) -> dict[str, Any]:
    """The Network, without the places of what there is to say about it."""
    network: dict[str, Any] = views.network_json(compilation)
    return {key: value for key, value in network.items() if key != "diagnostics"}


@pytest.mark.daemon
def test_our_kinds_take_every_example(plane: kube.Plane) -> None:
    examples: list[dict[str, Any]] = [
        dict(one.data)
        for file in sorted(EXAMPLES.rglob("*.yaml"))
        for one in read(file.read_bytes(), str(file))
        if one.api_version == OURS
    ]
    assert examples
    for one in examples:
        meta = {**one["metadata"], "namespace": "default"}
        plane.apply({**one, "metadata": meta}, dry_run=True)


@pytest.mark.daemon
def test_a_dump_compiles_to_what_was_meant(cluster: kube.Plane) -> None:
    compilation = compiled(dumped(cluster))
    assert compilation.ok, compilation.diagnostics
    network = shown(compilation)
    addresses = {name: one["addresses"] for name, one in network["services"].items()}
    assert set(addresses) == {"shop/anywhere", "shop/local", "shop/nowhere", "shop/both"}
    assert all(addresses.values())
    assert len(addresses["shop/both"]) == 2
    told = {
        node: {name for entry in one["advertisements"] for name in entry["services"]}
        for node, one in network["nodes"].items()
    }
    assert told == {
        "node-1": {"shop/anywhere"},
        "node-2": {"shop/anywhere", "shop/local"},
    }


@pytest.mark.daemon
def test_other_kinds_only_pass_by(cluster: kube.Plane) -> None:
    others = (("v1", "ConfigMap"), ("v1", "Pod"), ("rbac.authorization.k8s.io/v1", "ClusterRole"))
    few, many = compiled(dumped(cluster)), compiled(dumped(cluster, *others))
    assert shown(few) == shown(many)
    count = sum(len(cluster.items(*kind)) for kind in others)
    assert many.inputs.skipped == few.inputs.skipped + count


@pytest.mark.daemon
@pytest.mark.parametrize("form", ["json", "yaml"])
def test_kubectl_prints_the_same(cluster: kube.Plane, form: str) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl: its own output is not tested")
    kubectl = ["kubectl", "--kubeconfig", str(cluster.kubeconfig), "get", NAMES, "-A", "-o", form]
    printed = execute(kubectl)
    assert printed.returncode == 0, printed.stdout
    assert shown(compiled(printed.stdout, f"dump.{form}")) == shown(compiled(dumped(cluster)))
