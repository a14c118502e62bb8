"""What is watched, by whom, and what of it is kept.

The controller and the agents watch the same kinds, each as little of them as it needs: selectors
leave the rest at the API server.
"""

from __future__ import annotations

from collections.abc import Callable

from ferrule.compiler.source import Document
from ferrule.compiler.spec.kinds import GROUPS, STATUS_ONLY
from ferrule.compiler.spec.schema import plural
from ferrule.observe.cluster_lists import Resource
from ferrule.observe.watch_feed import Feed
from ferrule.reconcile import kept

SERVICES = Resource("v1", "Service", "services")
NODES = Resource("v1", "Node", "nodes", namespaced=False)
NAMESPACES = Resource("v1", "Namespace", "namespaces", namespaced=False)
SLICES = Resource("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
SECRETS = Resource("v1", "Secret", "secrets")
CONFIG_MAPS = Resource("v1", "ConfigMap", "configmaps")
SERVICE_LABEL = "kubernetes.io/service-name"
PASSWORDS = "type=kubernetes.io/basic-auth"  # a selector


def newest() -> tuple[Resource, ...]:
    """The kinds of the spec, each in the newest version that we know."""
    found: dict[tuple[str, str], Resource] = {}
    for group, table in GROUPS.items():
        for version, kind in sorted(table):
            if kind not in STATUS_ONLY:
                found[group, kind] = Resource(f"{group}/{version}", kind, plural(kind))
    return tuple(found.values())


def spec(namespace: str) -> tuple[Feed[Document], ...]:
    """The custom resources, MetalLB's and ours, of one namespace."""
    return tuple(Feed(one, Document, namespace) for one in newest())


def services(lb_class: str) -> Feed[kept.Watched]:
    """Services of type LoadBalancer; one that ceases to be of it is gone."""

    def keep(raw: kept.Raw) -> kept.Watched | None:
        return kept.service(raw, lb_class)

    return Feed(SERVICES, keep, fields="spec.type=LoadBalancer")


def nodes() -> Feed[Document]:
    """All Nodes."""
    return Feed(NODES, kept.node)


def namespaces() -> Feed[Document]:
    """All Namespaces."""
    return Feed(NAMESPACES, kept.namespace)


def slices() -> Feed[kept.Slice]:
    """EndpointSlices of Services."""
    return Feed(SLICES, kept.endpoint_slice, labels=SERVICE_LABEL)


def secrets(namespace: str) -> Feed[Document]:
    """The Secrets that a BGPPeer may name."""
    return Feed(SECRETS, Document, namespace, fields=PASSWORDS)


def config_maps(namespace: str, label: str, keep: Callable[[kept.Raw], Document]) -> Feed[Document]:
    """ConfigMaps that carry a label."""
    return Feed(CONFIG_MAPS, keep, namespace, labels=label)
