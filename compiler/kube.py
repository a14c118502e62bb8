"""What Kubernetes says beside its Services: Nodes, Namespaces, EndpointSlices and Secrets.

Dicts in (a file's or an API server's, alike), frozen values out. Unknown fields and nulls are
passed over. How any object of Kubernetes is read, Services included, is here too.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from ferrule.compiler.errors import Diagnostic, error, quoted
from ferrule.compiler.network import Address, Secret
from ferrule.compiler.source import Document, Origin
from ferrule.compiler.spec.read import name_mistakes
from ferrule.compiler.spec.translate import translated
from ferrule.compiler.spec.types import Many, parse_address, without_nulls
from ferrule.compiler.yamltext import Path

EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
SERVICE_LABEL = "kubernetes.io/service-name"
ADDRESSES = "ferrule.dev/addresses"
WITHOUT_NAMESPACE = {"Node", "Namespace"}


class Lenient(BaseModel):
    """Strict about types, blind to unknown fields, null is absent."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    _without_nulls = model_validator(mode="before")(without_nulls)


class Meta(Lenient):
    """What is read of every object's metadata."""

    name: str
    in_namespace: str = Field("", alias="namespace")
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    created: str = Field("", alias="creationTimestamp")

    @property
    def namespace(self) -> str:
        """Where the object lives, if its kind lives in a namespace."""
        return self.in_namespace or "default"


class Object(Lenient):
    """An object of Kubernetes."""

    metadata: Meta


M = TypeVar("M", bound=Object)


def read_each(
    model: type[M], documents: Iterable[Document], found: list[Diagnostic]
) -> Iterator[tuple[str, M, Document]]:
    """The objects that can be read, by name or `namespace/name`; each once.

    What cannot be read, or is there twice, is reported with its place.
    """
    seen: dict[str, Document] = {}
    for document in documents:
        try:
            one = model.model_validate(document.data)
        except ValidationError as mistakes:
            found += translated(mistakes, document, ())
            continue
        mistakes_in_name = list(name_mistakes(document))
        if not one.metadata.name:
            place = document.place(("metadata", "name"))
            mistakes_in_name.append(error("missing-field", "metadata.name is required", place))
        found += mistakes_in_name
        if mistakes_in_name:
            continue
        meta = one.metadata
        key = meta.name
        if document.kind not in WITHOUT_NAMESPACE:
            key = f"{meta.namespace}/{meta.name}"
        if key in seen:
            first, here = (each.place(("metadata", "name")) for each in (seen[key], document))
            message = f"{document.kind} {quoted(key)} is in the input twice"
            found.append(error("duplicate-name", message, here, first))
            continue
        seen[key] = document
        yield key, one, document


# Nodes


@dataclass(frozen=True, slots=True)
class KubeNode:
    """A Kubernetes Node, as far as routing goes. `announced` is the ferrule.dev annotation."""

    name: str
    labels: Mapping[str, str]
    internal: tuple[Address, ...]
    announced: tuple[Address, ...]
    excluded: bool
    network_unavailable: bool
    origin: Origin = field(compare=False, repr=False)


class _NodeAddress(Lenient):
    type: str = ""
    address: str = ""


class _Condition(Lenient):
    type: str = ""
    status: str = ""


class _NodeStatus(Lenient):
    addresses: Many[_NodeAddress] = ()
    conditions: Many[_Condition] = ()


class _Node(Object):
    status: _NodeStatus = _NodeStatus()


def read_nodes(documents: Iterable[Document]) -> tuple[tuple[KubeNode, ...], list[Diagnostic]]:
    """Every Node, by name."""
    found: list[Diagnostic] = []
    nodes = [
        _node(name, one, document, found)
        for name, one, document in read_each(_Node, documents, found)
    ]
    return tuple(sorted(nodes, key=lambda one: one.name)), found


def _node(name: str, one: _Node, document: Document, found: list[Diagnostic]) -> KubeNode:
    meta, status = one.metadata, one.status
    internal: list[tuple[str, Path]] = [
        (each.address, ("status", "addresses", number, "address"))
        for number, each in enumerate(status.addresses)
        if each.type == "InternalIP"
    ]
    announced: list[tuple[str, Path]] = [
        (text, ("metadata", "annotations", ADDRESSES))
        for text in meta.annotations.get(ADDRESSES, "").split(",")
        if text.strip()
    ]
    return KubeNode(
        name,
        meta.labels,
        _addresses(name, internal, document, found),
        _addresses(name, announced, document, found),
        EXCLUDE_LABEL in meta.labels,
        any(
            each.type == "NetworkUnavailable" and each.status == "True"
            for each in status.conditions
        ),
        document.at(),
    )


def _addresses(
    node: str, texts: Iterable[tuple[str, Path]], document: Document, found: list[Diagnostic]
) -> tuple[Address, ...]:
    addresses = []
    for text, path in texts:
        try:
            addresses.append(parse_address(text.strip()))
        except PydanticCustomError as bad:
            message = f"node {quoted(node)}: {bad.message()}"
            help = "write addresses, with a comma between two" if ADDRESSES in path else None
            place = document.place(path)
            found.append(error("invalid-node-address", message, place, help=help, node=node))
    return tuple(dict.fromkeys(addresses))


# Namespaces


def read_namespaces(
    documents: Iterable[Document],
) -> tuple[Mapping[str, Mapping[str, str]], list[Diagnostic]]:
    """Labels by namespace."""
    found: list[Diagnostic] = []
    read = {name: one.metadata.labels for name, one, _ in read_each(Object, documents, found)}
    return read, found


# Endpoints


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a Service has healthy endpoints; layer 2 counts also those without an address."""

    healthy: bool = False
    nodes: frozenset[str] = frozenset()
    l2_healthy: bool = False
    l2_nodes: frozenset[str] = frozenset()


class _EndpointConditions(Lenient):
    ready: bool | None = None
    serving: bool | None = None


class _Endpoint(Lenient):
    addresses: Many[str] = ()
    conditions: _EndpointConditions = _EndpointConditions()
    node: str = Field("", alias="nodeName")


class _EndpointSlice(Object):
    endpoints: Many[_Endpoint] = ()


def read_endpoints(
    documents: Iterable[Document],
) -> tuple[Mapping[str, Endpoints] | None, list[Diagnostic]]:
    """Healthy endpoints by `namespace/name` of the Service; None where there is no slice at all.

    Healthy is what MetalLB takes for it: ready, not said to be unready, or still serving.
    """
    found: list[Diagnostic] = []
    gathered: dict[str, Endpoints] = {}
    slices = 0
    for _, part, _ in read_each(_EndpointSlice, documents, found):
        slices += 1
        service = part.metadata.labels.get(SERVICE_LABEL)
        if not service:
            continue
        key = f"{part.metadata.namespace}/{service}"
        known = gathered.get(key, Endpoints())
        healthy = [
            one
            for one in part.endpoints
            if one.conditions.ready is not False or one.conditions.serving
        ]
        addressed = [one for one in healthy if one.addresses]
        gathered[key] = Endpoints(
            known.healthy or bool(addressed),
            known.nodes | {one.node for one in addressed if one.node},
            known.l2_healthy or bool(healthy),
            known.l2_nodes | {one.node for one in healthy if one.node},
        )
    return gathered if slices else None, found


# Secrets


@dataclass(frozen=True, slots=True)
class KubeSecret:
    """A Secret: its type and its password, where it holds one."""

    type: str
    password: str | None = field(repr=False)
    origin: Origin = field(compare=False, repr=False)

    def resolved(self, placeholder: str) -> Secret:
        """What a session carries."""
        return Secret(placeholder, self.password)


class _Secret(Object):
    type: str = "Opaque"
    data: dict[str, str] = {}
    string_data: dict[str, str] = Field({}, alias="stringData")


def read_secrets(
    documents: Iterable[Document],
) -> tuple[Mapping[str, KubeSecret], list[Diagnostic]]:
    """Secrets by `namespace/name`; nothing but `password` is kept of them.

    Bytes that are no text stay in it as surrogates: most Secrets are no business of ours, and
    whoever uses one as a password finds it unusable.
    """
    found: list[Diagnostic] = []
    secrets = {}
    for key, one, document in read_each(_Secret, documents, found):
        password = one.string_data.get("password")
        if password is None and "password" in one.data:
            password = one.data["password"]
            try:
                raw = base64.b64decode(password, validate=True)
                password = raw.decode(errors="surrogateescape")
            except (binascii.Error, ValueError):
                place = document.place(("data", "password"))
                message = f"data.password of Secret {quoted(key)} is not base64"
                help = "write the password itself under stringData"
                found.append(error("secret-unusable", message, place, help=help))
        secrets[key] = KubeSecret(one.type, password, document.at())
    return secrets, found
