"""What the controller says of the spec in the cluster: per object, as a whole, and of the pools.

An object of `ferrule.dev` has a condition `Valid`. Those of `metallb.io` have no place for one:
MetalLB's ConfigurationState, where it is installed, tells of all of them, and an event of each that
is wrong. Counters of pools are MetalLB's (`IPAddressPool.status`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ferrule.compiler.allocation import Allocator
from ferrule.compiler.errors import Diagnostic, ObjectRef
from ferrule.compiler.network import FAMILIES, Family
from ferrule.compiler.source import Document
from ferrule.observe.cluster_lists import Resource
from ferrule.reconcile.events import About, Event
from ferrule.reconcile.feeds import newest
from ferrule.reconcile.intent import Reading, mistakes_of
from ferrule.reconcile.publish import Post, condition, summary

STATE = Resource("metallb.io/v1beta1", "ConfigurationState", "configurationstates")
COMPONENT, OF_NODE = "metallb.io/component-type", "metallb.io/node-name"
MOST_FREE = 2**63 - 1  # int64: MetalLB says no more of a family with 62 host bits or over
FIELDS: Mapping[Family, str] = {"ipv4": "IPv4", "ipv6": "IPv6"}
GROUP = "ferrule.dev"
COUNTING = "ferrule-counters"


def conditions(documents: Iterable[Document], found: Iterable[Diagnostic]) -> Iterator[Post]:
    """The condition `Valid` of every object of ours."""
    mistakes = mistakes_of(found)
    resources = {(one.api_version.partition("/")[0], one.kind): one for one in newest()}
    for document in documents:
        group = document.api_version.partition("/")[0]
        if group != GROUP or document.ref is None:
            continue
        wrong = mistakes.get(document.ref, [])
        made = condition(
            document,
            "Valid",
            "False" if wrong else "True",
            "Invalid" if wrong else "Accepted",
            summary(wrong) or "it is understood, and in force with the rest of the spec",
        )
        resource, ref = resources[group, document.kind], document.ref
        yield Post(resource, ref.namespace, ref.name, {"conditions": [made]})


def events(documents: Iterable[Document], found: Iterable[Diagnostic]) -> Iterator[Event]:
    """What is wrong with single objects, whoever's they are."""
    mistakes = mistakes_of(found)
    for document in documents:
        for one in mistakes.get(document.ref or ObjectRef("", ""), []):
            yield Event(_about(document), "ConfigurationError", f"{one.code}: {one.message}"[:900])


def _about(document: Document) -> About:
    ref, meta = document.ref, document.data.get("metadata")
    assert ref is not None
    uid = meta.get("uid") if isinstance(meta, dict) else ""
    return About(document.api_version, ref.kind, ref.name, ref.namespace, str(uid or ""))


def said(documents: Iterable[Document]) -> Mapping[Resource, Mapping[str, object]]:
    """What objects of the spec, all of one namespace, say in their statuses: by kind and name."""
    resources = {(one.api_version.partition("/")[0], one.kind): one for one in newest()}
    found: dict[Resource, dict[str, object]] = {}
    for document in documents:
        resource = resources.get((document.api_version.partition("/")[0], document.kind))
        if resource is not None and document.ref is not None:
            names = found.setdefault(resource, {})
            names[document.ref.name] = document.data.get("status")
    return found


def configuration_state(
    namespace: str, name: str, kind: str, errors: Iterable[Diagnostic], *, node: str = ""
) -> Post:
    """MetalLB's ConfigurationState of one component; `kind` is the type of its condition."""
    wrong = [*errors]
    text = summary(wrong)
    made = condition(
        None,
        kind,
        "False" if wrong else "True",
        "ConfigurationError" if wrong else "Reconciled",
        text,
    )
    labels = {COMPONENT: name.partition("-")[0], **({OF_NODE: node} if node else {})}
    status = {
        "result": "Invalid" if wrong else "Valid",
        "errorSummary": text,
        "conditions": [made],
    }
    return Post(STATE, namespace, name, status, labels=labels)


@dataclass(frozen=True, slots=True)
class Fill:
    """How full a family of a pool is."""

    total: int
    used: int


def fills(allocator: Allocator) -> Mapping[str, Mapping[Family, Fill]]:
    """Every pool by name; a family without addresses has none of both."""
    found: dict[str, Mapping[Family, Fill]] = {}
    for name, pool in allocator.pools.items():
        spaces = pool.spaces
        found[name] = {
            family: Fill(spaces[family].size, len(spaces[family].uses))
            if family in spaces
            else Fill(0, 0)
            for family in FAMILIES
        }
    return found


def counters(reading: Reading, full: Mapping[str, Mapping[Family, Fill]]) -> Iterator[Post]:
    """The status of every IPAddressPool that the cluster has."""
    resources = {one.api_version.partition("/")[0]: one for one in newest() if "Pool" in one.kind}
    for pool in reading.inputs.spec.pools:
        document, each = pool.origin.document, full.get(pool.name)
        if document.source is not None or document.ref is None or each is None:
            continue
        status: dict[str, int] = {}
        for family, fill in each.items():
            status[f"assigned{FIELDS[family]}"] = fill.used
            status[f"available{FIELDS[family]}"] = min(fill.total - fill.used, MOST_FREE)
        resource = resources[document.api_version.partition("/")[0]]
        ref = document.ref
        yield Post(resource, ref.namespace, ref.name, status, manager=COUNTING)
