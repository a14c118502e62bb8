"""A live cluster as documents, the same that files give.

What cannot be read is said and named in `missing`, for absence must not look like deletion. An
empty list, and a group that is not installed, count only when they are so a second time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ferrule.compiler.errors import Diagnostic, ObjectRef, Severity, warning
from ferrule.compiler.source import Document
from ferrule.compiler.spec.kinds import GROUPS
from ferrule.observe.cluster_api import Api, connect
from ferrule.observe.cluster_config import ClusterError
from ferrule.observe.cluster_lists import PAGE, Resource, listed, served
from ferrule.observe.cluster_secrets import named, secret

CORE = (
    Resource("v1", "Service", "services"),
    Resource("v1", "Node", "nodes", namespaced=False),
    Resource("v1", "Namespace", "namespaces", namespaced=False),
    Resource("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
)
CUSTOM = {group: frozenset(kind for _, kind in known) for group, known in GROUPS.items()}
KINDS = frozenset({"Secret", *(one.kind for one in CORE)}).union(*CUSTOM.values())

WITHOUT = {
    "Service": "there is nothing to announce",
    "Node": "nothing is compiled for nodes",
    "Namespace": "namespaceSelectors match nothing",
    "EndpointSlice": "every Service is taken to have a ready endpoint on every node",
}
FATAL = {"cluster-unreachable", "cluster-tls", "cluster-unauthorized"}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was read of a cluster, and what is to be said of it.

    `missing` are the kinds of which something could not be read: nothing may be withdrawn because
    an object of these is not among the documents. `empty` are kinds that every cluster has, and
    that this one, asked twice, has not.
    """

    documents: tuple[Document, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    missing: frozenset[str] = frozenset()
    empty: frozenset[str] = frozenset()


def load(
    kubeconfig: str | None = None,
    context: str | None = None,
    *,
    beside: Iterable[Document] = (),
    namespace: str | None = None,
    page: int = PAGE,
) -> Snapshot:
    """Read the cluster of a context of a kubeconfig; raises on account of neither."""
    try:
        api = connect(kubeconfig, context)
    except ClusterError as bad:
        return Snapshot((), (bad.diagnostic,), KINDS)
    return read(api, beside=beside, namespace=namespace, page=page)


def read(
    api: Api,
    *,
    beside: Iterable[Document] = (),
    namespace: str | None = None,
    page: int = PAGE,
) -> Snapshot:
    """Read a cluster, as far as it can be.

    Custom resources are read in `namespace` alone, where one is given. `beside` are documents
    from elsewhere: they too may name Secrets, and those that they hold are not asked for.
    """
    reading = _Reading(api, namespace, page)
    try:
        for resource in CORE:
            reading.take(resource)
        for group in GROUPS:
            reading.take_group(group)
        reading.take_secrets(tuple(beside))
    except ClusterError as bad:
        reading.found.append(bad.diagnostic)
        reading.missing |= KINDS
    return Snapshot(
        tuple(reading.documents),
        tuple(reading.found),
        frozenset(reading.missing),
        frozenset(reading.empty),
    )


class _Reading:
    """One reading of a cluster, kind by kind."""

    def __init__(self, api: Api, namespace: str | None, page: int) -> None:
        self.api, self.namespace, self.page = api, namespace, page
        self.documents: list[Document] = []
        self.found: list[Diagnostic] = []
        self.missing: set[str] = set()
        self.empty: set[str] = set()
        self.broken = False

    def take(self, resource: Resource) -> None:
        """All objects of a kind that every cluster has."""
        with self._partly({resource.kind}, "warning"):
            if not self._taken(resource):
                self.empty.add(resource.kind)
                message = f"the cluster has no {resource.kind}: {WITHOUT[resource.kind]}"
                self.found.append(warning("cluster-empty", message, self.api.place))

    def take_group(self, group: str) -> None:
        """All custom resources of a group. Half a spec is none: what is missing is an error."""
        resources: tuple[Resource, ...] = ()
        with self._partly(CUSTOM[group], "error"):
            resources = served(self.api, group)
        for resource in resources:
            with self._partly({resource.kind}, "error"):
                self._taken(resource, self.namespace)

    def take_secrets(self, beside: tuple[Document, ...]) -> None:
        """The Secrets that are named. Of one that is not there the compiler speaks."""
        given = {one.ref for one in beside if one.kind == "Secret"}
        for namespace, name in named((*self.documents, *beside)):
            if ObjectRef("Secret", name, namespace) not in given:
                with self._partly({"Secret"}, "warning"):
                    found = secret(self.api, namespace, name)
                    self.documents += [found] if found else []

    def _taken(self, resource: Resource, namespace: str | None = None) -> bool:
        """Whether there was anything, also when asked twice."""
        for _ in range(2):
            if items := listed(self.api, resource, namespace, self.page):
                self.documents += [resource.document(one) for one in items]
                return True
        return False

    @contextmanager
    def _partly(self, kinds: Iterable[str], severity: Severity) -> Iterator[None]:
        """Go on without some kinds; not with a server that fails twice in a row."""
        try:
            yield
        except ClusterError as bad:
            code = bad.diagnostic.code
            if code in FATAL or (code == "cluster-unreadable" and self.broken):
                raise
            self.broken = code == "cluster-unreadable"
            self.missing.update(kinds)
            self.found.append(replace(bad.diagnostic, severity=severity))
        else:
            self.broken = False
