"""Front end: documents in, everything a compilation needs out, and all that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ferrule.compiler.allocate import Held
from ferrule.compiler.errors import Diagnostic, warning
from ferrule.compiler.kube import (
    Endpoints,
    KubeNode,
    KubeSecret,
    read_endpoints,
    read_namespaces,
    read_nodes,
    read_secrets,
)
from ferrule.compiler.network import Address
from ferrule.compiler.rules import check_spec
from ferrule.compiler.service import Demand, read_services
from ferrule.compiler.source import Document
from ferrule.compiler.spec import Spec, read_spec, sort_documents
from ferrule.compiler.spec.checks import check_objects, lock_entries


@dataclass(frozen=True, slots=True)
class Inputs:
    """A whole input, read. `endpoints` is None where there was no EndpointSlice at all.

    `locks` are the addresses that belong to Services; `skipped` counts documents nobody reads.
    """

    spec: Spec
    services: tuple[Demand, ...] = ()
    nodes: tuple[KubeNode, ...] = ()
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    endpoints: Mapping[str, Endpoints] | None = None
    secrets: Mapping[str, KubeSecret] = field(default_factory=dict)
    locks: Mapping[str, Held] = field(default_factory=dict)
    skipped: int = 0
    ignore_exclude_label: bool = False
    diagnostics: tuple[Diagnostic, ...] = ()


def read_inputs(
    documents: Iterable[Document],
    previous: Iterable[Document] = (),
    *,
    unreadable: Iterable[Diagnostic] = (),
    lb_class: str = "",
    ignore_exclude_label: bool = False,
) -> Inputs:
    """Read all documents; `previous` is the lock of the last run, which any other lock beats.

    `unreadable` are the mistakes of whoever brought the documents.
    """
    sorted_, found = sort_documents(documents)
    spec, mistakes = read_spec(sorted_.spec)
    core = sorted_.core
    services, about_services = read_services(core.get("Service", ()), lb_class)
    nodes, about_nodes = read_nodes(core.get("Node", ()))
    namespaces, about_namespaces = read_namespaces(core.get("Namespace", ()))
    endpoints, about_endpoints = read_endpoints(core.get("EndpointSlice", ()))
    secrets, about_secrets = read_secrets(core.get("Secret", ()))
    locks, about_locks = _locks(spec, previous, services)
    found += [
        *unreadable,
        *mistakes,
        *about_services,
        *about_nodes,
        *about_namespaces,
        *about_endpoints,
        *about_secrets,
        *about_locks,
    ]
    about_spec = [*check_objects(spec), *check_spec(spec, nodes), *_partial(spec, core)]
    silent = _not_missing(found)
    if any(one.code == "unknown-pool" for one in about_spec):
        silent.add("pool-not-advertised")  # it is, by a misspelt name
    found += [one for one in about_spec if one.code not in silent]
    return Inputs(
        spec,
        services,
        nodes,
        namespaces,
        endpoints,
        secrets,
        locks,
        sorted_.skipped,
        ignore_exclude_label,
        tuple(found),
    )


DOUBTS = {"no-namespaces", "no-nodes", "pool-not-advertised", "selects-nothing"}
REFERENCES = {"unknown-bfd-profile", "unknown-community", "unknown-peer", "unknown-pool"}


def _not_missing(found: Iterable[Diagnostic]) -> set[str]:
    """What must not be said: what seems to be missing may stand in what could not be read.

    References to objects whose names are known are sound whatever else is wrong with these.
    """
    errors = [one for one in found if one.severity == "error"]
    nameless = any(
        one.code in ("invalid-name", "missing-kind") or not any(place.ref for place in one.places)
        for one in errors
    )
    return DOUBTS | REFERENCES if nameless else set(DOUBTS) if errors else set()


def _locks(
    spec: Spec, previous: Iterable[Document], services: Iterable[Demand]
) -> tuple[dict[str, Held], list[Diagnostic]]:
    """Reservations by Service.

    Of the last run's lock only what its Service still goes by: it is there, and neither asks for
    other addresses nor holds other ones. So a second run finds what the first one left.
    """
    entries, found = lock_entries(spec.locks)
    held = {
        name: Held(entry.addresses, lock.origin.document.at("services", name))
        for name, (lock, entry) in entries.items()
    }
    sorted_, unsorted = sort_documents(previous)
    last, mistakes = read_spec(sorted_.spec)
    present = {one.key: one for one in services}
    for lock in last.locks:
        for name, entry in lock.spec.services.items():
            if name in present and _goes_by(present[name], entry.addresses):
                origin = lock.origin.document.at("services", name)
                held.setdefault(name, Held(entry.addresses, origin))
    return held, [*found, *unsorted, *mistakes]


def _goes_by(service: Demand, locked: tuple[Address, ...]) -> bool:
    preferred = service.requested or service.held
    return not preferred or set(preferred) == set(locked)


def _partial(spec: Spec, core: Mapping[str, object]) -> Iterable[Diagnostic]:
    """Doubts about what is not in the input."""
    if not core.get("Node") and (spec.peers or spec.l2_advertisements):
        message = "there is no Node in the input: nothing is compiled for nodes, and what depends"
        yield warning("no-nodes", f"{message} on them is not checked")
    selecting = [
        pool
        for pool in spec.pools
        if pool.spec.service_allocation and pool.spec.service_allocation.namespace_selectors
    ]
    if selecting and not core.get("Namespace"):
        message = "there is no Namespace in the input: namespaceSelectors match nothing"
        place = selecting[0].place("serviceAllocation", "namespaceSelectors")
        yield warning("no-namespaces", message, place)
