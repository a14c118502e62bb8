"""Services: what each of those that are ours wants, and what it holds already.

Everything in a Service is a tenant's: what is kept of it is compared, never printed into a
configuration.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Literal

from pydantic import Field
from pydantic_core import PydanticCustomError

from ferrule.compiler.errors import Diagnostic, listed, warning
from ferrule.compiler.kube import Lenient, Object, read_each
from ferrule.compiler.network import Address, Family, family_of
from ferrule.compiler.source import Document, Origin
from ferrule.compiler.spec.types import Many, parse_address

PREFIXES = ("ferrule.dev", "metallb.io", "metallb.universe.tf")  # the first one wins
FAMILY_OF: dict[str, Family] = {"IPv4": "ipv4", "IPv6": "ipv6"}

DualStack = Literal["single", "prefer", "require"]


@dataclass(frozen=True, slots=True)
class Demand:
    """A Service of type LoadBalancer that is ours to serve.

    `families` are those it can have, the preferred one first; `requested` is None where it asks
    for no address; `complaint` says what is wrong with the request itself.
    """

    namespace: str
    name: str
    labels: Mapping[str, str]
    families: tuple[Family, ...]
    dual_stack: DualStack
    ports: frozenset[tuple[str, int]]
    sharing_key: str | None  # None: there is no such annotation, not even an empty one
    backend: str
    local: bool
    requested_pool: str
    requested: tuple[Address, ...] | None
    complaint: str | None
    held: tuple[Address, ...]
    created: str
    origin: Origin = field(compare=False, repr=False)
    port_names: Mapping[int, str] = field(default_factory=dict, compare=False)

    @property
    def key(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"


class _Port(Lenient):
    name: str = ""
    port: int = Field(ge=1, le=65535)
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"


class _ServiceSpec(Lenient):
    type: Literal["", "ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] = ""
    cluster_ip: str = Field("", alias="clusterIP")
    cluster_ips: Many[str] = Field((), alias="clusterIPs")
    ip_families: Many[Literal["IPv4", "IPv6"]] = Field((), alias="ipFamilies")
    ip_family_policy: Literal["", "SingleStack", "PreferDualStack", "RequireDualStack"] = Field(
        "", alias="ipFamilyPolicy"
    )
    lb_ip: str = Field("", alias="loadBalancerIP")
    lb_class: str | None = Field(None, alias="loadBalancerClass")
    traffic_policy: Literal["", "Cluster", "Local"] = Field("", alias="externalTrafficPolicy")
    ports: Many[_Port] = ()
    selector: dict[str, str] = Field(default_factory=dict)


class _Ingress(Lenient):
    ip: str = ""


class _LoadBalancer(Lenient):
    ingress: Many[_Ingress] = ()


class _ServiceStatus(Lenient):
    load_balancer: _LoadBalancer = Field(_LoadBalancer(), alias="loadBalancer")


class _Service(Object):
    spec: _ServiceSpec = _ServiceSpec()
    status: _ServiceStatus = _ServiceStatus()


def read_services(
    documents: Iterable[Document], lb_class: str
) -> tuple[tuple[Demand, ...], list[Diagnostic]]:
    """The Services that are ours, by namespace/name.

    Ours are type LoadBalancer and, as with MetalLB's --lb-class, of exactly this class; an empty
    `lb_class` means Services without any.
    """
    found: list[Diagnostic] = []
    demands = []
    for _, service, document in read_each(_Service, documents, found):
        spec = service.spec
        if spec.type == "LoadBalancer" and (spec.lb_class or "") == lb_class:
            demands.append(_demand(service, document, found))
    return tuple(sorted(demands, key=lambda one: (one.namespace, one.name))), found


def _demand(service: _Service, document: Document, found: list[Diagnostic]) -> Demand:
    meta, spec = service.metadata, service.spec
    notes = _Annotations(meta.annotations, document)
    requested, complaint = _requested(notes.get("loadBalancerIPs") or "", spec.lb_ip)
    families, dual_stack = _families(spec)
    local = spec.traffic_policy == "Local"
    selector = ",".join(f"{key}={value}" for key, value in sorted(spec.selector.items()))
    demand = Demand(
        meta.namespace,
        meta.name,
        meta.labels,
        families,
        dual_stack,
        frozenset((one.protocol, one.port) for one in spec.ports),
        notes.get("allow-shared-ip"),
        selector if local else "",
        local,
        notes.get("address-pool") or "",
        requested,
        complaint,
        _held(service.status.load_balancer.ingress),
        meta.created,
        document.at(),
        {one.port: one.name for one in spec.ports if one.name},
    )
    found += notes.found
    return demand


class _Annotations:
    """Annotations by their suffix, whoever's prefix they carry."""

    def __init__(self, values: Mapping[str, str], document: Document) -> None:
        self.values, self.document = values, document
        self.found: list[Diagnostic] = []

    def get(self, suffix: str) -> str | None:
        """The value that wins, and be it empty; None where there is none."""
        written = [
            (name, self.values[name])
            for name in (f"{prefix}/{suffix}" for prefix in PREFIXES)
            if name in self.values
        ]
        if len({value for _, value in written}) > 1:
            names = listed(name for name, _ in written)
            message = f"the annotations {names} disagree; {written[0][0]} is taken"
            places = [self.document.place(("metadata", "annotations", n)) for n, _ in written]
            self.found.append(warning("annotations-disagree", message, *places))
        return written[0][1] if written else None


def _requested(annotation: str, field_value: str) -> tuple[tuple[Address, ...] | None, str | None]:
    """The addresses asked for, or what is wrong with the request."""
    if not annotation and not field_value:
        return None, None
    if annotation and field_value:
        return None, "both spec.loadBalancerIP and the annotation loadBalancerIPs are set"
    texts = [text.strip() for text in annotation.split(",")] if annotation else [field_value]
    try:
        addresses = tuple(parse_address(text) for text in texts)
    except PydanticCustomError as bad:
        return None, bad.message()
    if len(addresses) > len({family_of(one) for one in addresses}):
        return None, f"{listed(addresses)}: at most one address of each family"
    return _ordered(addresses), None


def _ordered(addresses: Iterable[Address]) -> tuple[Address, ...]:
    """IPv4 before IPv6, as MetalLB gives them out."""
    return tuple(sorted(addresses, key=lambda one: (one.version, int(one))))


def _held(ingress: Iterable[_Ingress]) -> tuple[Address, ...]:
    """In the order of the status: MetalLB elects the owner on layer 2 by the first one."""
    addresses = []
    for one in ingress:
        try:
            addresses.append(parse_address(one.ip))
        except PydanticCustomError:  # a host name, or another controller's idea
            continue
    return tuple(dict.fromkeys(addresses))


def _families(spec: _ServiceSpec) -> tuple[tuple[Family, ...], DualStack]:
    """What it can have, by clusterIPs; before it has any, by what it asks for."""
    policy = spec.ip_family_policy
    wanted = list(dict.fromkeys(FAMILY_OF[name] for name in spec.ip_families))
    cluster = [text for text in spec.cluster_ips or (spec.cluster_ip,) if text]
    dual: DualStack = "single"
    if policy == "RequireDualStack" or (not policy and len(wanted) > 1):
        dual = "require"
    elif policy == "PreferDualStack":
        dual = "prefer"
    if not cluster:
        if dual != "single" and len(wanted) < 2:
            wanted += [one for one in ("ipv4", "ipv6") if one not in wanted]
        return tuple((wanted or ["ipv4"])[: 1 if dual == "single" else 2]), dual
    try:
        given = {family_of(ip_address(text)) for text in cluster}
    except ValueError:  # "None": headless, nothing to balance
        return (), dual
    order: tuple[Family, Family] = ("ipv6", "ipv4") if wanted[:1] == ["ipv6"] else ("ipv4", "ipv6")
    if dual == "single" and len(given) > 1:
        dual = "require"  # two cluster IPs, no policy shown
    return tuple(one for one in order if one in given), dual
