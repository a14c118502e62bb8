"""What is kept of each object that a cluster shows, and nothing else of it.

Ten thousand Services as the API server sends them are tens of megabytes; what is decided from is a
small part of that. Every function here takes an object as it came and gives the frozen value that
stands for it from then on. Two objects that make no difference give equal values, so that a
heartbeat in a Node's status is no change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ferrule.compiler.kube import Endpoints, read_endpoints
from ferrule.compiler.network import Address
from ferrule.compiler.service import PREFIXES, Demand, read_services
from ferrule.compiler.source import Document

Raw = dict[str, Any]
POOL = "metallb.io/ip-allocated-from-pool"
OLD_PREFIX = PREFIXES[-1]
NODE_PARTS = ("name", "uid", "labels", "annotations")


@dataclass(frozen=True, slots=True)
class Watched:
    """A Service of ours as it was last seen.

    `ingress` are the addresses of its status as they are written there, junk included; `pool` is
    the annotation that says where they are from. `version` and `uid` are those of the object, and
    make no difference.
    """

    demand: Demand
    ingress: tuple[str, ...]
    pool: str | None
    deprecated: tuple[str, ...] = ()
    version: str = field(default="", compare=False)
    uid: str = field(default="", compare=False)

    def shows(self, addresses: Iterable[Address], pool: str | None) -> bool:
        """Whether its status says exactly this, in any order."""
        return sorted(self.ingress) == sorted(map(str, addresses)) and self.pool == pool


def service(raw: Raw, lb_class: str = "") -> Watched | None:
    """A Service; None where it is not ours to serve."""
    meta = raw["metadata"]
    demands, _ = read_services([Document({**raw, "kind": "Service"})], lb_class)
    if not demands:
        return None
    notes = meta.get("annotations") or {}
    kept = {name: meta[name] for name in ("name", "namespace", "resourceVersion", "uid")}
    small = Document({"apiVersion": "v1", "kind": "Service", "metadata": kept})
    status = (raw.get("status") or {}).get("loadBalancer") or {}
    ingress = (one.get("ip") or one.get("hostname") or "" for one in status.get("ingress") or ())
    return Watched(
        replace(demands[0], origin=small.at()),
        tuple(ingress),
        notes.get(POOL),
        tuple(sorted(name for name in notes if name.startswith(f"{OLD_PREFIX}/"))),
        kept["resourceVersion"],
        kept["uid"],
    )


def node(raw: Raw) -> Document:
    """A Node: what routing goes by."""
    status = raw.get("status") or {}
    conditions = [
        {"type": one["type"], "status": one.get("status")}
        for one in status.get("conditions") or ()
        if one.get("type") == "NetworkUnavailable"
    ]
    small = {
        "metadata": _parts(raw, NODE_PARTS),
        "spec": {"unschedulable": bool((raw.get("spec") or {}).get("unschedulable"))},
        "status": {"addresses": status.get("addresses") or [], "conditions": conditions},
    }
    return Document({"apiVersion": "v1", "kind": "Node", **small})


def namespace(raw: Raw) -> Document:
    """A Namespace: its labels."""
    small = {"metadata": _parts(raw, ("name", "labels"))}
    return Document({"apiVersion": "v1", "kind": "Namespace", **small})


def _parts(raw: Raw, names: Iterable[str]) -> Mapping[str, object]:
    meta = raw["metadata"]
    return {name: meta[name] for name in names if meta.get(name)}


@dataclass(frozen=True, slots=True)
class Slice:
    """One EndpointSlice: whose it is, and where that has healthy endpoints."""

    service: str
    endpoints: Endpoints


def endpoint_slice(raw: Raw) -> Slice | None:
    """An EndpointSlice; None where it is no Service's."""
    document = Document({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", **raw})
    found, _ = read_endpoints([document])
    return next((Slice(name, one) for name, one in (found or {}).items()), None)


def united(slices: Iterable[Slice]) -> Endpoints:
    """What several slices of one Service come to."""
    each = [one.endpoints for one in slices]
    return Endpoints(
        any(one.healthy for one in each),
        frozenset().union(*(one.nodes for one in each)),
        any(one.l2_healthy for one in each),
        frozenset().union(*(one.l2_nodes for one in each)),
    )
