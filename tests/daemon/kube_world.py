"""Objects in an API server, and what kubelets would say of them: one small cluster for tests."""

import json
from typing import Any

from daemon.flavour import wait_for
from daemon.kube import Plane
from ferrule.compiler import views
from ferrule.compiler.pipeline import Compilation
from ferrule.compiler.source import read
from ferrule.compiler.spec.schema import crds

OURS = "ferrule.dev/v1alpha1"
KINDS = (
    ("v1", "Service"),
    ("v1", "Node"),
    ("v1", "Namespace"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
    *((OURS, kind) for kind in ("IPAddressPool", "BGPPeer", "BGPAdvertisement", "Switch")),
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


def with_our_kinds(plane: Plane) -> None:
    """Its API server knows the kinds of the language."""
    kinds = [one.data for one in read(crds().encode(), "crds.yaml")]
    for one in kinds:
        plane.apply(one)
    wait_for(lambda: served(plane) >= len(kinds), 20, "our kinds are served")


def served(plane: Plane) -> int:
    """How many of our kinds the API server answers for."""
    try:
        resources = plane.ask("GET", f"/apis/{OURS}")["resources"]
    except RuntimeError:
        return 0
    return sum("/" not in one["name"] for one in resources)


def populate(plane: Plane) -> None:
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


def with_endpoints(plane: Plane) -> set[str]:
    """The Services that some slice has an endpoint for."""
    slices = plane.items("discovery.k8s.io/v1", "EndpointSlice")
    named = [(one["metadata"]["labels"], one.get("endpoints")) for one in slices]
    return {labels.get("kubernetes.io/service-name", "") for labels, some in named if some}


def dumped(plane: Plane, *more: tuple[str, str]) -> str:
    """The cluster as `kubectl get -A -o json` prints it."""
    items = [one for kind in (*KINDS, *more) for one in plane.items(*kind)]
    return json.dumps({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items})


def shown(compilation: Compilation) -> dict[str, Any]:
    """The Network, without the places of what there is to say about it."""
    network: dict[str, Any] = views.network_json(compilation)
    return {key: value for key, value in network.items() if key != "diagnostics"}
