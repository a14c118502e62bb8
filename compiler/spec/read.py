"""From documents to a `Spec`: every object of the language, checked one by one.

An object that cannot be read is left out, but its name stays known, so that one
mistake is not reported again by everything that refers to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Generic, TypeVar, cast

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from ferrule.compiler.errors import (
    Diagnostic,
    Place,
    error,
    listed,
    quoted,
    shown,
    suggestion,
    warning,
)
from ferrule.compiler.source import Document, Origin
from ferrule.compiler.spec import kinds
from ferrule.compiler.spec.translate import dotted, translated, wrong_type
from ferrule.compiler.spec.types import DNS_LABEL, Model, check_name, refuse
from ferrule.compiler.yamltext import Path

S = TypeVar("S", bound=Model)

DEFAULT_CLUSTER = "ferrule"
LONGEST_CLUSTER = 20
NO_SETTINGS = kinds.Cluster()
TOP_LEVEL = {"apiVersion", "kind", "metadata", "spec", "status"}
CORE = {("v1", kind) for kind in ("Service", "Node", "Namespace", "Secret")}


@dataclass(frozen=True, slots=True)
class Declared(Generic[S]):
    """One object of the language, and where it stands."""

    kind: str
    name: str
    namespace: str
    labels: Mapping[str, str]
    ours: bool  # of group ferrule.dev, whose references must resolve
    spec: S
    origin: Origin = field(compare=False, repr=False)

    def __hash__(self) -> int:
        return hash((self.kind, self.namespace, self.name))

    def place(self, *path: str | int, key: bool = False) -> Place:
        """The place of a field of its spec; without a path, of its name."""
        if not path:
            return self.origin.place("metadata", "name")
        return self.origin.place("spec", *path, key=key)


@dataclass(frozen=True, slots=True)
class Spec:
    """Everything that was declared; each kind sorted by name."""

    cluster: str = DEFAULT_CLUSTER
    settings: kinds.Cluster = NO_SETTINGS
    pools: tuple[Declared[kinds.IPAddressPool], ...] = ()
    peers: tuple[Declared[kinds.BGPPeer], ...] = ()
    bgp_advertisements: tuple[Declared[kinds.BGPAdvertisement], ...] = ()
    l2_advertisements: tuple[Declared[kinds.L2Advertisement], ...] = ()
    bfd_profiles: tuple[Declared[kinds.BFDProfile], ...] = ()
    communities: tuple[Declared[kinds.Community], ...] = ()
    switches: tuple[Declared[kinds.Switch], ...] = ()
    accesses: tuple[Declared[kinds.Access], ...] = ()
    locks: tuple[Declared[kinds.AddressLock], ...] = ()
    unreadable: frozenset[tuple[str, str]] = frozenset()  # (kind, name) of objects with mistakes


@dataclass(frozen=True, slots=True)
class Sorted:
    """All documents by what reads them; `skipped` counts those that nobody reads."""

    spec: tuple[Document, ...]
    core: Mapping[str, tuple[Document, ...]]
    skipped: int


def sort_documents(documents: Iterable[Document]) -> tuple[Sorted, list[Diagnostic]]:
    """Tell our kinds and Kubernetes' from what only passes by."""
    spec: list[Document] = []
    core: dict[str, list[Document]] = {}
    found: list[Diagnostic] = []
    skipped = 0
    for document in documents:
        group = document.api_version.rpartition("/")[0]
        if document.instead:
            message = f"this is {document.instead}, not an object of Kubernetes"
            found.append(error("not-an-object", message, document.place()))
        elif not document.api_version or not document.kind:
            found += _without_kind(document)
        elif group in kinds.GROUPS and not (
            group == "metallb.io" and document.kind in kinds.STATUS_ONLY
        ):
            spec.append(document)
            found += _flaws(document)
        elif (document.api_version, document.kind) in CORE or (
            group == "discovery.k8s.io" and document.kind == "EndpointSlice"
        ):
            core.setdefault(document.kind, []).append(document)
            found += _flaws(document)
        else:
            skipped += 1
            found += _lookalike(document)
    by_kind = {kind: tuple(each) for kind, each in core.items()}
    return Sorted(tuple(spec), by_kind, skipped), found


def _without_kind(document: Document) -> Iterator[Diagnostic]:
    """An object must say what it is, in text."""
    absent = [name for name in ("apiVersion", "kind") if document.data.get(name) in (None, "")]
    if absent:
        message = f"this object has no {' and no '.join(absent)}"
        yield error("missing-kind", message, document.place())
    for name in ("apiVersion", "kind"):
        value = document.data.get(name)
        if name not in absent and not isinstance(value, str):
            message = f"{name} must be a string, not {shown(value)}"
            yield error("missing-kind", message, document.place((name,)))


def _lookalike(document: Document) -> Iterator[Diagnostic]:
    """Whatever nobody reads is skipped without a word; unless its group looks like a slip."""
    group, _, version = document.api_version.rpartition("/")
    meant = get_close_matches(group[:100], kinds.GROUPS, n=1, cutoff=0.8)
    if meant and any(kind == document.kind for _, kind in kinds.GROUPS[meant[0]]):
        message = f"nobody reads apiVersion {quoted(document.api_version)}: this is skipped"
        help = f"did you mean {quoted(f'{meant[0]}/{version}')}?"
        yield warning("unknown-group", message, document.place(("apiVersion",)), help=help)


def _flaws(document: Document) -> Iterator[Diagnostic]:
    source = document.source
    for flaw in document.flaws:
        assert source is not None
        marks = [flaw.mark, flaw.first] if flaw.first else [flaw.mark]
        places = (
            Place(source.position(mark.line, mark.column, mark.width), document.ref)
            for mark in marks
        )
        yield error(flaw.code, flaw.message, *places)


def _unknown_kind(document: Document, group: str, version: str) -> Diagnostic:
    known = kinds.GROUPS[group]
    versions = sorted(v for v, kind in known if kind == document.kind)
    if versions:
        message = f"{group} has no {document.kind} of version {quoted(version)}"
        place = document.place(("apiVersion",))
        return error("unknown-kind", message, place, help=f"known versions: {listed(versions)}")
    if document.kind == "AddressPool":
        help = "MetalLB dropped it in 0.14.2; write an IPAddressPool and advertisements"
    else:
        help = suggestion(document.kind, {kind for _, kind in known}, "kinds")
    message = f"{group} has no kind {quoted(document.kind)}"
    return error("unknown-kind", message, document.place(("kind",)), help=help)


NAME: Path = ("metadata", "name")


def read_spec(documents: Iterable[Document]) -> tuple[Spec, list[Diagnostic]]:
    """Every object of the language; all mistakes of all objects at once."""
    found: list[Diagnostic] = []
    read: dict[str, dict[str, Declared[Model]]] = {}
    first: dict[tuple[str, str], Document] = {}
    unreadable: set[tuple[str, str]] = set()
    for document in documents:
        name = document.ref.name if document.ref else ""
        group, _, version = document.api_version.rpartition("/")
        if (version, document.kind) not in kinds.GROUPS[group]:
            found.append(_unknown_kind(document, group, version))
            unreadable |= {(kind, name) for _, kind in kinds.GROUPS[group]}  # whatever was meant
            continue
        declared, mistakes = read_object(document)
        found += mistakes
        if name and (document.kind, name) in first:
            message = f"{document.kind} {quoted(name)} is defined twice"
            both = (one.place(NAME) for one in (document, first[document.kind, name]))
            found.append(error("duplicate-name", message, *both))
            continue
        first[document.kind, name] = document
        if declared is None:
            unreadable.add((document.kind, name))
        else:
            read.setdefault(document.kind, {})[declared.name] = declared

    def of(kind: str, _: type[S]) -> tuple[Declared[S], ...]:
        each = sorted(read.get(kind, {}).values(), key=lambda one: one.name)
        return cast(tuple[Declared[S], ...], tuple(each))

    clusters = of("Cluster", kinds.Cluster)
    for extra in clusters[1:]:
        message = f"a second Cluster, {quoted(extra.name)}: there is one for the whole input"
        found.append(error("several-clusters", message, extra.place(), clusters[0].place()))
    return Spec(
        clusters[0].name if clusters else DEFAULT_CLUSTER,
        clusters[0].spec if clusters else NO_SETTINGS,
        of("IPAddressPool", kinds.IPAddressPool),
        of("BGPPeer", kinds.BGPPeer),
        of("BGPAdvertisement", kinds.BGPAdvertisement),
        of("L2Advertisement", kinds.L2Advertisement),
        of("BFDProfile", kinds.BFDProfile),
        of("Community", kinds.Community),
        of("Switch", kinds.Switch),
        of("Access", kinds.Access),
        of("AddressLock", kinds.AddressLock),
        frozenset((kind, name) for kind, name in unreadable if name),
    ), found


def read_object(document: Document) -> tuple[Declared[Model] | None, list[Diagnostic]]:
    """One object of the language; None where anything in it is wrong."""
    group, _, version = document.api_version.rpartition("/")
    model = kinds.GROUPS[group][version, document.kind]
    found = list(_metadata(document))
    body: object
    prefix: Path
    if model is kinds.AddressLock:  # the one kind without a spec
        allowed, prefix = TOP_LEVEL - {"spec"} | {"services"}, ()
        body = {"services": document.data.get("services", {})}
    else:
        allowed, prefix = TOP_LEVEL, ("spec",)
        spec = document.data.get("spec")
        body = {} if spec is None else spec
    found += _beside_spec(document, allowed)
    try:
        read = model.model_validate(body)
    except ValidationError as mistakes:
        found += translated(mistakes, document, prefix, model)
        return None, found
    if found:
        return None, found
    if isinstance(read, kinds.OldBGPPeer):
        read = read.upgraded()
    meta = cast(dict[str, object], document.data["metadata"])
    labels = cast(dict[str, str], meta.get("labels") or {})
    ref = document.ref
    assert ref is not None
    ours = group == "ferrule.dev"
    return Declared(ref.kind, ref.name, ref.namespace, labels, ours, read, document.at()), found


def _beside_spec(document: Document, allowed: Iterable[str]) -> Iterator[Diagnostic]:
    flawed = {(one.mark.line, one.mark.column) for one in document.flaws}
    for key in document.data.keys() - allowed:
        place = document.place((key,), key=True)
        if place.position and (place.position.line, place.position.column) in flawed:
            continue
        message = f"{quoted(key)} is not a field of {document.kind}"
        yield error("unknown-field", message, place, help=suggestion(key, allowed, "fields"))


def _metadata(document: Document) -> Iterator[Diagnostic]:
    """Only name, namespace and labels are read; the rest of metadata is the API server's."""
    meta = document.data.get("metadata")
    if meta is not None and not isinstance(meta, dict):
        yield wrong_type("metadata", "a mapping", meta, document.place(("metadata",)))
        return
    if meta is None or meta.get("name") in (None, ""):
        yield error("missing-field", "metadata.name is required", document.place(("metadata",)))
        return
    for field_name in ("name", "namespace"):
        value = meta.get(field_name)
        if value is not None and not isinstance(value, str):
            place = document.place(("metadata", field_name))
            yield wrong_type(f"metadata.{field_name}", "a string", value, place)
    yield from name_mistakes(document)
    yield from string_map(document, ("metadata", "labels"), meta.get("labels"))


def name_mistakes(document: Document) -> Iterator[Diagnostic]:
    """Names that an API server would not have let in."""
    meta = document.data.get("metadata")
    if not isinstance(meta, dict):
        return
    for field_name in ("name", "namespace"):
        value = meta.get(field_name)
        if not isinstance(value, str) or not value:
            continue
        try:
            if document.kind == "Cluster" and field_name == "name":
                _check_cluster_name(value)
            else:
                check_name(value)
        except PydanticCustomError as bad:
            context, place = bad.context or {}, document.place(("metadata", field_name))
            message = f"metadata.{field_name}: {bad.message()}"
            yield error("invalid-name", message, place, help=context["help"])


def _check_cluster_name(name: str) -> None:
    """Refuse what could not be part of every name on every device."""
    if len(name) > LONGEST_CLUSTER or not DNS_LABEL.fullmatch(name):
        help = f"at most {LONGEST_CLUSTER} lower-case letters, digits and '-'"
        refuse("invalid-name", f"{quoted(name)} cannot be the name of a cluster", help)


def string_map(document: Document, path: Path, value: object) -> Iterator[Diagnostic]:
    """Refuse anything but null or a mapping from strings to strings."""
    if value is None:
        return
    if not isinstance(value, dict):
        yield wrong_type(dotted(path), "a mapping", value, document.place(path))
        return
    for key, one in value.items():
        if not isinstance(one, str):
            place = document.place((*path, key))
            yield wrong_type(dotted((*path, key)), "a string", one, place)
