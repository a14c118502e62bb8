"""Doubts about Services as ingress controllers ship them: legal, and rarely what was meant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network

from ferrule.compiler.errors import Diagnostic, listed, quoted, warning
from ferrule.compiler.kube import Endpoints
from ferrule.compiler.network import Address, Service
from ferrule.compiler.service import Demand

# RFC 1918, RFC 6598, RFC 4193: whoever reaches these is inside already.
INSIDE = tuple(
    map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"))
)
# What charts call the ports that are not for the public: statistics, pprof, metrics, dashboards.
PRIVATE_PORTS = {"stat", "stats", "admin", "metrics", "prometheus", "dashboard", "pprof", "traefik"}


def check_services(
    demands: Sequence[Demand],
    services: Sequence[Service],
    endpoints: Mapping[str, Endpoints] | None,
) -> Iterator[Diagnostic]:
    """Every lint over every Service of ours."""
    given = {service.key: service for service in services}
    for demand in demands:
        yield from _private_ports(demand, given[demand.key].addresses)
        if endpoints is not None:
            yield from _single_node(demand, endpoints.get(demand.key, Endpoints()))
    yield from _never_shared(demands)


def _private_ports(demand: Demand, addresses: Sequence[Address]) -> Iterator[Diagnostic]:
    """A chart's statistics or admin port next to its public ones."""
    named = {port: name.lower() for port, name in demand.port_names.items()}
    ports = [port for port, name in named.items() if name in PRIVATE_PORTS]
    outside = [
        one
        for one in addresses
        if not any(one.version == net.version and one in net for net in INSIDE)
    ]
    if ports and outside and len(demand.ports) > len(ports):
        what = listed(f"{quoted(named[port])} ({port})" for port in sorted(ports))
        message = f"Service {quoted(demand.key)} offers {what} on the public {listed(outside)}"
        help = "switch these ports off in the chart, or give them a Service of their own"
        yield warning("private-port", message, demand.origin.place("spec", "ports"), help=help)


def _single_node(demand: Demand, where: Endpoints) -> Iterator[Diagnostic]:
    if demand.local and where.healthy and len(where.nodes) == 1:
        (node,) = where.nodes
        message = (
            f"Service {quoted(demand.key)} has externalTrafficPolicy Local and endpoints on one"
            f" node only, {quoted(node)}: its address goes away with that node"
        )
        place = demand.origin.place("spec", "externalTrafficPolicy")
        help = "run a second replica on another node, or use Cluster"
        yield warning("single-node-local", message, place, help=help)


def _never_shared(demands: Sequence[Demand]) -> Iterator[Diagnostic]:
    """One sharing key, but backends that may not share (MetalLB's `sharingOK`)."""
    by_key: dict[str, dict[str, Demand]] = defaultdict(dict)
    for demand in demands:
        if demand.sharing_key:
            by_key[demand.sharing_key].setdefault(demand.backend, demand)
    for key, backends in by_key.items():
        one, *others = backends.values()
        for other in others:
            message = (
                f"Services {quoted(one.key)} and {quoted(other.key)} have the sharing key"
                f" {quoted(key)} but will never share an address: one is Local, and their selectors"
                " differ"
            )
            places = other.origin.place("spec", "selector"), one.origin.place("spec", "selector")
            help = "use externalTrafficPolicy Cluster on both, or the same selector"
            yield warning("never-shared", message, *places, help=help)
