"""A namespace of a real API server with a controller of ours in it, and what is written into it."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from daemon.flavour import wait_for
from daemon.kube import Plane
from ferrule.observe.cluster_api import connect
from ferrule.reconcile.logs import Log
from ferrule.reconcile.replica import Reign, Settings

OURS = "ferrule.dev/v1alpha1"
GROUP = f"/apis/{OURS}"
SLICES = "discovery.k8s.io/v1"
SOON_S = 30.0
POOL = "metallb.io/ip-allocated-from-pool"
Json = dict[str, Any]
numbers = count()


@dataclass
class Crown:
    """A lead that holds until it is taken away."""

    term: int = 1
    contested: bool = False
    held: bool = True

    clean: bool = True

    def valid(self) -> bool:
        return self.held

    def vouch(self, *, clean: bool) -> None:
        self.clean = clean


@dataclass
class World:
    """A namespace of its own, with Services of a class of their own."""

    plane: Plane
    name: str = ""
    log: io.StringIO = field(default_factory=io.StringIO)

    def __post_init__(self) -> None:
        self.name = self.name or f"world-{next(numbers)}"
        meta = {"name": self.name, "labels": {"world": self.name}}
        self.plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})

    def end(self) -> None:
        """Its Nodes go too: they have no namespace, and every controller sees all of them."""
        self.plane.ask("DELETE", f"/api/v1/nodes?labelSelector=world%3D{self.name}")
        self.plane.ask("DELETE", f"/api/v1/namespaces/{self.name}")

    @property
    def lb_class(self) -> str:
        return f"example.net/{self.name}"

    # Writing.

    def thing(self, kind: str, name: str, spec: object, api: str = OURS) -> Json:
        meta = {"name": name, "namespace": self.name}
        return {"apiVersion": api, "kind": kind, "metadata": meta, "spec": spec}

    def apply(self, kind: str, name: str, **spec: object) -> None:
        """One of our kinds."""
        self.plane.apply(self.thing(kind, name, spec))

    def pool(self, name: str, *addresses: str, **spec: object) -> None:
        self.apply("IPAddressPool", name, addresses=[*addresses], **spec)

    def service(self, name: str, notes: Mapping[str, str] | None = None, **spec: object) -> None:
        ports = [{"name": "http", "port": 80, "targetPort": 8080}]
        given: Json = {"type": "LoadBalancer", "loadBalancerClass": self.lb_class, "ports": ports}
        given |= {"allocateLoadBalancerNodePorts": False}
        one = self.thing("Service", name, {**given, **spec}, "v1")
        one["metadata"]["annotations"] = dict(notes or {})
        self.plane.apply(one)

    def endpoints(self, service: str, *nodes: str, ready: bool = True) -> None:
        """Where a Service without a selector has its endpoints."""
        one = self.thing("EndpointSlice", service, None, SLICES)
        del one["spec"]
        one["metadata"]["labels"] = {"kubernetes.io/service-name": service}
        each = [
            {"addresses": [f"10.244.0.{n}"], "nodeName": node, "conditions": {"ready": ready}}
            for n, node in enumerate(nodes, start=1)
        ]
        ports = [{"name": "http", "port": 8080}]
        self.plane.apply({**one, "addressType": "IPv4", "endpoints": each, "ports": ports})

    def node(self, name: str, *addresses: str, **labels: str) -> str:
        """A Node of this world alone; its name there."""
        full = f"{self.name}-{name}"
        meta = {"name": full, "labels": {"world": self.name, **labels}}
        self.plane.apply({"apiVersion": "v1", "kind": "Node", "metadata": meta})
        status = {"addresses": [{"type": "InternalIP", "address": one} for one in addresses]}
        one = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": full}, "status": status}
        self.plane.apply(one, "status")
        return full

    # Reading.

    def path(self, kind: str = "services", name: str = "", root: str = "/api/v1") -> str:
        return f"{root}/namespaces/{self.name}/{kind}" + (f"/{name}" if name else "")

    def get(self, name: str, kind: str = "services", root: str = "/api/v1") -> Json:
        return dict(self.plane.ask("GET", self.path(kind, name, root)))

    def items(self, kind: str, root: str = "/api/v1") -> list[Json]:
        return list(self.plane.ask("GET", self.path(kind, root=root))["items"])

    def delete(self, kind: str, name: str, root: str = "/api/v1") -> None:
        self.plane.ask("DELETE", self.path(kind, name, root))

    def merge(self, patch: object, path: str) -> None:
        self.plane.ask("PATCH", path, patch, "merge-patch+json")

    def addresses(self, name: str) -> list[str]:
        status = self.get(name)["status"].get("loadBalancer", {})
        return [one["ip"] for one in status.get("ingress", ())]

    def noted(self, name: str) -> str | None:
        notes = self.get(name)["metadata"].get("annotations", {})
        return str(notes[POOL]) if POOL in notes else None

    def has(self, name: str, *addresses: str) -> None:
        what = f"{name} has {addresses}"
        wait_for(lambda: self.addresses(name) == [*addresses], SOON_S, what)

    def served(self, *names: str) -> dict[str, list[str]]:
        """The addresses of Services, once all of them have some."""
        wait_for(lambda: all(map(self.addresses, names)), SOON_S, f"{names} have addresses")
        return {name: self.addresses(name) for name in names}

    def reasons(self, name: str) -> set[str]:
        found = self.plane.ask("GET", self.path("events"))["items"]
        return {one["reason"] for one in found if one["involvedObject"]["name"] == name}

    def conditions(self, name: str, kind: str) -> dict[str, str]:
        status = self.get(name, kind, GROUP).get("status", {})
        return {one["type"]: one["status"] for one in status.get("conditions", ())}

    # A controller.

    def reigning(self, crown: Crown) -> Callable[[], None]:
        """Start a leader; what ends it."""
        settings = Settings(self.name, lb_class=self.lb_class, identity="test")
        stopping = threading.Event()
        api = connect(str(self.plane.kubeconfig))
        log = Log("debug", self.log)

        def lead() -> None:
            with Reign(api, settings, log, crown) as reign:
                reign.last(stopping)

        thread = threading.Thread(target=lead)
        thread.start()

        def end() -> None:
            stopping.set()
            thread.join(20)
            assert not thread.is_alive()

        return end
