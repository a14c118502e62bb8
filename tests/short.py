"""Networks in a few lines: `Kind name: {what of its spec differs from the usual}`.

    Switch tor-a: {addresses: [10.1.0.1/24]}
    BGPPeer tor: {peerAddress: 10.1.0.1}
    Node n1: {ips: [10.1.0.11], labels: {rack: a}}
    Service shop/web: {local: true}
    Endpoints shop/web: [n1]

What is written becomes whole documents, and these a text that is read as any file is; so
everything has a line. Of the usual, null takes a field away; `ferrule BGPPeer` is the kind of our
own group. `labels` are the object's, wherever they stand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ruamel.yaml import YAML

from ferrule.compiler.errors import Diagnostic
from ferrule.compiler.network import Node, Service, Switch
from ferrule.compiler.pipeline import Compilation, compile_network, read_inputs
from ferrule.compiler.source import read

Data = dict[str, Any]

OURS = {"Cluster", "Switch", "Access", "AddressLock"}
USUAL: dict[str, Data] = {
    "Switch": {"asn": 65000, "routerID": "10.255.0.1"},
    "BGPPeer": {"myASN": 64512, "peerASN": 65000},
    "IPAddressPool": {"addresses": ["192.0.2.0/24"]},
}
FAMILIES = {"v4": ["IPv4"], "v6": ["IPv6"], "both": ["IPv4", "IPv6"]}


def documents(text: str) -> list[Data]:
    """The whole documents that a short text stands for."""
    short = YAML(typ="safe", pure=True).load(text) or {}
    return [_document(key, value or {}) for key, value in short.items()]


def compiled(what: str | Iterable[Mapping[str, Any]], **settings: Any) -> Compilation:
    """Compile a short text, or whole documents."""
    each = documents(what) if isinstance(what, str) else what
    items = {"apiVersion": "v1", "kind": "List", "items": [*each]}
    return compile_network(read_inputs(read(json.dumps(items, indent=1), "net.json"), **settings))


def errors(compilation: Compilation) -> list[str]:
    """The codes of what is wrong, each once."""
    return _codes(compilation, "error")


def warnings(compilation: Compilation) -> list[str]:
    """The codes of what is doubtful, each once."""
    return _codes(compilation, "warning")


def found(compilation: Compilation, code: str) -> Diagnostic:
    """The one diagnostic of a code."""
    (one,) = (each for each in compilation.diagnostics if each.code == code)
    return one


def node(compilation: Compilation, name: str = "n1") -> Node:
    (one,) = (each for each in compilation.network.nodes if each.name == name)
    return one


def switch(compilation: Compilation, name: str = "tor-a") -> Switch:
    (one,) = (each for each in compilation.network.switches if each.name == name)
    return one


def service(compilation: Compilation, key: str) -> Service:
    (one,) = (each for each in compilation.network.services if each.key == key)
    return one


def told(compilation: Compilation, name: str = "n1") -> list[str]:
    """What a node announces, as text."""
    return [str(one.prefix) for one in node(compilation, name).advertisements]


def _codes(compilation: Compilation, severity: str) -> list[str]:
    return sorted({one.code for one in compilation.diagnostics if one.severity == severity})


def _document(key: str, value: Any) -> Data:
    group, kind, full_name = ("", *key.split(" "))[-3:]
    namespace, _, name = full_name.rpartition("/")
    meta: Data = {"name": name} | ({"namespace": namespace} if namespace else {})
    if isinstance(value, dict) and "labels" in value:
        meta["labels"] = value.pop("labels")
    if kind == "Node":
        return _node(meta, value)
    if kind == "Service":
        return _service(meta, value)
    if kind == "Endpoints":
        return _endpoints(meta, value)
    if kind == "Secret":
        return {"apiVersion": "v1", "kind": kind, "metadata": meta, **value}
    if kind == "AddressLock":
        return {"apiVersion": _version(kind, group), "kind": kind, "metadata": meta, **value}
    spec = {**USUAL.get(kind, {}), **value}
    if "switchSelectors" in spec:
        spec.pop("peerASN")
    spec = {key: each for key, each in spec.items() if each is not None}
    return {"apiVersion": _version(kind, group), "kind": kind, "metadata": meta, "spec": spec}


def _version(kind: str, group: str) -> str:
    if kind in OURS or group == "ferrule":
        return "ferrule.dev/v1alpha1"
    return "metallb.io/v1beta2" if kind == "BGPPeer" else "metallb.io/v1beta1"


def _node(meta: Data, value: Data) -> Data:
    if "announced" in value:
        meta["annotations"] = {"ferrule.dev/addresses": value["announced"]}
    addresses = [{"type": "InternalIP", "address": one} for one in value.get("ips", ())]
    status: Data = {"addresses": addresses}
    if value.get("unavailable"):
        status["conditions"] = [{"type": "NetworkUnavailable", "status": "True"}]
    return {"apiVersion": "v1", "kind": "Node", "metadata": meta, "status": status}


def _service(meta: Data, value: Data) -> Data:
    families = FAMILIES[value.get("families", "v4")]
    spec: Data = {
        "type": "LoadBalancer",
        "ipFamilies": families,
        "ipFamilyPolicy": "RequireDualStack" if len(families) > 1 else "SingleStack",
        "ports": [{"port": value.get("port", 80)}],
    }
    if value.get("local"):
        spec["externalTrafficPolicy"] = "Local"
    annotations = {
        "metallb.io/address-pool": value.get("pool"),
        "metallb.io/loadBalancerIPs": value.get("ip"),
        "metallb.io/allow-shared-ip": value.get("shared"),
    }
    meta["annotations"] = {key: each for key, each in annotations.items() if each}
    ingress = [{"ip": one} for one in value.get("held", ())]
    status = {"status": {"loadBalancer": {"ingress": ingress}}} if ingress else {}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec, **status}


def _endpoints(meta: Data, nodes: list[str]) -> Data:
    labels = {"kubernetes.io/service-name": meta["name"]}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**meta, "labels": labels},
        "endpoints": [{"addresses": ["10.244.0.1"], "nodeName": one} for one in nodes],
    }
