"""Why: what a code means, and how far a Service gets on its way to the switches.

The codes are data, `codes.toml`. A chain is read off a compilation, hop by hop, up to the first
that is broken; nothing is asked of a device.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ferrule.compiler.errors import listed, printable, quoted, suggestion
from ferrule.compiler.network import Route, Service, family_of
from ferrule.compiler.pipeline import Compilation
from ferrule.compiler.reach import both_kinds, pools_of
from ferrule.compiler.service import Demand
from ferrule.compiler.spec import Declared, kinds
from ferrule.compiler.spec.types import any_matches
from ferrule.compiler.speech import Speech


@dataclass(frozen=True, slots=True)
class Code:
    """One entry of the catalogue; `example` is YAML that brings the code about."""

    name: str
    title: str
    why: str
    example: str
    fix: str

    def __str__(self) -> str:
        parts = [f"{self.name}: {self.title}", self.why.strip()]
        if self.example.strip():
            body = "\n".join(f"    {line}".rstrip() for line in self.example.strip().splitlines())
            parts.append(f"For example:\n\n{body}")
        parts.append(f"To fix it: {self.fix.strip()}")
        return "\n\n".join(parts)

    def to_json(self) -> dict[str, str]:
        """For programs."""
        return {
            "code": self.name,
            "title": self.title,
            "why": self.why.strip(),
            "example": self.example.strip(),
            "fix": self.fix.strip(),
        }


@cache
def catalogue() -> dict[str, Code]:
    """Every code, by name: diagnostics and reasons for a Service to be pending."""
    text = Path(__file__).with_name("codes.toml").read_text(encoding="utf-8")
    return {
        name: Code(name, one["title"], one["why"], one.get("example", ""), one["fix"])
        for name, one in tomllib.loads(text).items()
    }


def code(name: str) -> Code | None:
    """One code; None where there is no such."""
    return catalogue().get(name)


def unknown(name: str) -> str:
    """What to say then."""
    if "/" in name or "." in name or ":" in name:
        return f"{quoted(name)} is no code; to explain a Service or an address, add PATH..."
    return f"no code {quoted(name)}; {suggestion(name, catalogue(), 'codes')}"


@dataclass(frozen=True, slots=True)
class Hop:
    """One step on the way; where it is not `ok` the way ends. None is not known."""

    what: str
    found: str
    ok: bool | None = True


MARKS = {True: "ok ", False: "NO ", None: "?  "}


@dataclass(frozen=True, slots=True)
class Chain:
    """The way of a Service, up to its first broken hop."""

    service: str
    hops: tuple[Hop, ...]

    @property
    def whole(self) -> bool:
        """Whether it arrives, for all that is known."""
        return all(hop.ok is not False for hop in self.hops)

    def __str__(self) -> str:
        hops = (f"  {MARKS[hop.ok]} {hop.what}: {printable(hop.found)}" for hop in self.hops)
        return "\n".join([printable(self.service), *hops])

    def to_json(self) -> dict[str, object]:
        """For programs."""
        hops = [{"what": hop.what, "ok": hop.ok, "found": hop.found} for hop in self.hops]
        return {"service": self.service, "whole": self.whole, "hops": hops}


def chain(compilation: Compilation, what: str) -> Chain:
    """The way of a Service, named by `namespace/name` or by one of its addresses."""
    if not compilation.ok:
        return Chain(what, (Hop("spec", "it has errors: run ferrule validate", ok=False),))
    services = [
        one
        for one in compilation.network.services
        if one.key == what or what in map(str, one.addresses)
    ]
    if not services:
        known = suggestion(what, [one.key for one in compilation.network.services], "Services")
        found = f"no Service of ours is called so or has that address; {known}"
        return Chain(what, (Hop("Service", found, ok=False),))
    return Chain(services[0].key, up_to_the_break(_hops(compilation, services[0])))


def up_to_the_break(hops: Iterator[Hop]) -> tuple[Hop, ...]:
    """The hops, as far as the first that is broken."""
    found = []
    for hop in hops:
        found.append(hop)
        if hop.ok is False:
            break
    return tuple(found)


def _hops(compilation: Compilation, service: Service) -> Iterator[Hop]:
    network, inputs = compilation.network, compilation.inputs
    demand = next(one for one in inputs.services if one.key == service.key)
    policy = "Local" if demand.local else "Cluster"
    yield Hop("Service", f"ports {listed(sorted(port for _, port in demand.ports))}, {policy}")
    if service.pending:
        yield Hop("address", f"{service.pending.message} [{service.pending.code}]", ok=False)
        return
    yield Hop("address", f"{listed(service.addresses)} from pool {service.pool}")
    if inputs.endpoints is None:
        yield Hop("endpoints", "no EndpointSlice in the input: taken to be ready everywhere")
    else:
        where = inputs.endpoints.get(service.key)
        if where and (where.healthy or where.l2_healthy):
            yield Hop("endpoints", f"on nodes {listed(sorted(where.nodes | where.l2_nodes))}")
        else:
            yield Hop("endpoints", "none is ready", ok=False)
    owners = [
        node.name
        for node in network.nodes
        if any(one.service == service.key for one in node.announcements)
    ]
    yield from _advertised(compilation, service, demand, on_layer_2=bool(owners))
    if owners:
        yield Hop("layer 2", f"answered for by {listed(owners)}")


def _advertised(
    compilation: Compilation, service: Service, demand: Demand, *, on_layer_2: bool
) -> Iterator[Hop]:
    network = compilation.network
    speech = Speech(compilation.inputs.spec)
    about = [speech.said[number].declared for number in speech.about(service, demand)]
    if not about:
        if not on_layer_2:
            yield Hop("advertisements", _unheard(compilation, service), ok=False)
        return
    yield Hop("advertisements", listed(one.name for one in about))
    nodes = [
        node
        for node in network.nodes
        if any(service.key in one.services for one in node.advertisements)
    ]
    if not nodes:
        yield Hop("nodes", _silence(compilation, about), ok=on_layer_2)
        return
    yield Hop("nodes", f"announced by {listed(node.name for node in nodes)}")
    for switch in network.switches:
        mine = [str(route.prefix) for route in network.routes(switch.name) if _in(service, route)]
        if mine:
            yield Hop(f"switch {switch.name}", f"accepts {listed(mine)}")
    peers = sorted(
        {
            session.peer
            for node in nodes
            for session in node.sessions
            if session.switch_end is None
            for one in node.advertisements
            if service.key in one.services
            and family_of(one.prefix) in session.node_end.families
            and one.route_class.attributes(session.peer) is not None
        }
    )
    if peers:
        yield Hop("foreign ends", f"told to {listed(peers)}; what these accept is not known")


def _in(service: Service, route: Route) -> bool:
    """Whether a route leads to one of the Service's addresses."""
    prefix = route.prefix
    return any(one.version == prefix.version and one in prefix for one in service.addresses)


def _unheard(compilation: Compilation, service: Service) -> str:
    """Why nobody advertises or announces an address."""
    spec = compilation.inputs.spec
    if any(
        service.pool in {pool.name for pool in pools_of(one, spec.pools)}
        for one in both_kinds(spec)
    ):
        return f"those of pool {service.pool} select other Services, or on layer 2 no node"
    return f"none mentions pool {service.pool}"


def _silence(compilation: Compilation, about: Sequence[Declared[kinds.BGPAdvertisement]]) -> str:
    """Why no node advertises what has an address, endpoints and an advertisement."""
    inputs = compilation.inputs
    if not inputs.nodes:
        return "there is no Node in the input"
    selected = [
        node
        for node in inputs.nodes
        if any(any_matches(one.spec.node_selectors, node.labels) for one in about)
    ]
    if not selected:
        return "the advertisements select no node"
    if all(node.excluded or node.network_unavailable for node in selected):
        return "every selected node is excluded from load balancing or has no network"
    names = listed(node.name for node in selected)
    return f"{names}: selected, but none has a session that hears it, or (Local) an endpoint"
