"""Services, pools, nodes and advertisements in one line each, for the tests of the passes.

Addresses are written as text, several with commas; a Service is `namespace/name`.
"""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any, TypeVar

from ferrule.compiler.allocate import Held
from ferrule.compiler.kube import KubeNode
from ferrule.compiler.network import Address, Family, Service
from ferrule.compiler.service import Demand, DualStack
from ferrule.compiler.source import Document, Origin
from ferrule.compiler.spec import Declared, kinds

Kind = TypeVar("Kind", kinds.IPAddressPool, kinds.L2Advertisement)

V4: tuple[Family, ...] = ("ipv4",)
V6: tuple[Family, ...] = ("ipv6",)
BOTH: tuple[Family, ...] = ("ipv4", "ipv6")
SIX_FIRST: tuple[Family, ...] = ("ipv6", "ipv4")


def addresses(text: str) -> tuple[Address, ...]:
    return tuple(ip_address(one.strip()) for one in text.split(",") if one)


def origin(kind: str, name: str, namespace: str = "") -> Origin:
    meta = {"name": name, "namespace": namespace}
    return Origin(Document({"kind": kind, "metadata": meta}))


def demand(
    key: str,
    families: tuple[Family, ...] = V4,
    dual_stack: DualStack = "single",
    *,
    ports: Iterable[int | tuple[str, int]] = (80,),
    sharing: str = "",
    backend: str = "",
    local: bool = False,
    labels: Mapping[str, str] | None = None,
    pool: str = "",
    requested: str = "",
    complaint: str | None = None,
    held: str = "",
    created: str = "",
) -> Demand:
    namespace, name = key.split("/")
    return Demand(
        namespace=namespace,
        name=name,
        labels=labels or {},
        families=families,
        dual_stack=dual_stack,
        ports=frozenset(("TCP", port) if isinstance(port, int) else port for port in ports),
        sharing_key=sharing or None,
        backend=backend,
        local=local or bool(backend),
        requested_pool=pool,
        requested=addresses(requested) or None,
        complaint=complaint,
        held=addresses(held),
        created=created,
        origin=origin("Service", name, namespace),
    )


def declared(
    kind: str, name: str, spec: Kind, labels: Mapping[str, str] | None = None
) -> Declared[Kind]:
    place = origin(kind, name)
    return Declared(kind, name, "", labels or {}, ours=False, spec=spec, origin=place)


def pool(
    name: str, ranges: str, labels: Mapping[str, str] | None = None, **spec: Any
) -> Declared[kinds.IPAddressPool]:
    """A pool of these ranges; the rest of its spec as in YAML."""
    read = kinds.IPAddressPool.model_validate({"addresses": ranges.split(","), **spec})
    return declared("IPAddressPool", name, read, labels)


def pinned(name: str, ranges: str, **allocation: Any) -> Declared[kinds.IPAddressPool]:
    """A pool with a serviceAllocation."""
    return pool(name, ranges, serviceAllocation=allocation)


def where(**labels: str) -> dict[str, Any]:
    """A label selector."""
    return {"matchLabels": labels}


def l2(name: str, **spec: Any) -> Declared[kinds.L2Advertisement]:
    return declared("L2Advertisement", name, kinds.L2Advertisement.model_validate(spec))


def node(
    name: str, *, excluded: bool = False, unavailable: bool = False, **labels: str
) -> KubeNode:
    return KubeNode(name, labels, (), (), excluded, unavailable, origin("Node", name))


def lock(text: str) -> Held:
    return Held(addresses(text), origin("AddressLock", "addresses"))


def given(services: Iterable[Service]) -> dict[str, str]:
    """By Service its addresses, or the code of why it has none."""
    return {
        one.key: one.pending.code if one.pending else ",".join(map(str, one.addresses))
        for one in services
    }
