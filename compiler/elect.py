"""Pass: which node answers for which address on layer 2.

MetalLB's election (`speaker/layer2_controller.go`), so that a migration moves no address: among
the nodes that a matching L2Advertisement selects, the highest preference wins, then the smallest
`sha256(node#address)`. What depends only on a set of advertisements is worked out once per set.

MetalLB drops an advertisement that equals another one of the pool, unless it carries preferences.
That needs no code here: without preferences a repetition changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from ferrule.compiler.kube import Endpoints, KubeNode
from ferrule.compiler.network import Address, Announcement, Service
from ferrule.compiler.service import Demand
from ferrule.compiler.spec import Declared, kinds
from ferrule.compiler.spec.types import any_matches

EVERYWHERE = Endpoints(l2_healthy=True)


def owner(candidates: Iterable[str], scores: Mapping[str, int], address: Address) -> str | None:
    """Who of the candidates (names of nodes) answers for an address; None where there is none."""
    names = list(candidates)
    best = max((scores.get(name, 0) for name in names), default=0)
    suffix = f"#{go_text(address)}".encode()
    return min(
        (name for name in names if scores.get(name, 0) == best),
        key=lambda name: sha256(name.encode() + suffix).digest(),
        default=None,
    )


def go_text(address: Address) -> str:
    """An address as Go's `net.IP.String` writes it: IPv4 mapped into IPv6 is IPv4 again."""
    mapped = address.ipv4_mapped if address.version == 6 else None
    return str(mapped or address)


@dataclass(frozen=True, eq=False)
class Reach:
    """What one set of advertisements comes to on the nodes that may announce at all."""

    advertisements: tuple[kinds.L2Advertisement, ...]
    nodes: Mapping[str, KubeNode]

    @cached_property
    def by_node(self) -> Mapping[str, tuple[kinds.L2Advertisement, ...]]:
        """The advertisements that select each node; the keys are the candidates."""
        selecting = {
            name: tuple(
                one for one in self.advertisements if any_matches(one.node_selectors, node.labels)
            )
            for name, node in self.nodes.items()
        }
        return {name: each for name, each in selecting.items() if each}

    @cached_property
    def scores(self) -> Mapping[str, int]:
        """The weights of all preferences that speak for a node, summed."""
        return {
            name: sum(
                wish.weight
                for one in each
                for wish in one.preferred_node_selectors
                if wish.preference.matches(self.nodes[name].labels)
            )
            for name, each in self.by_node.items()
        }

    @cached_property
    def interfaces(self) -> Mapping[str, tuple[str, ...]]:
        """The interfaces to announce on, by node; none named is all of them."""
        return {
            name: tuple(sorted({name for one in each for name in one.interfaces}))
            if all(one.interfaces for one in each)
            else ()
            for name, each in self.by_node.items()
        }


class Election:
    """The advertisements by pool, and what was worked out for sets of them."""

    def __init__(
        self,
        advertisements: Sequence[Declared[kinds.L2Advertisement]],
        pools: Sequence[Declared[kinds.IPAddressPool]],
        nodes: Mapping[str, KubeNode],
    ) -> None:
        self.nodes = nodes
        self.by_pool = {
            pool.name: [one.spec for one in advertisements if _about(one.spec, pool)]
            for pool in pools
        }
        self.reaches: dict[tuple[str, tuple[int, ...]], Reach] = {}
        self.owners: dict[tuple[Address, Reach, frozenset[str] | None], str | None] = {}

    def reach(self, pool: str, labels: Mapping[str, str], sharing_key: str | None) -> Reach | None:
        """What the advertisements that match a Service come to; None where they exclude it."""
        each = self.by_pool.get(pool, [])
        matching = tuple(
            number for number, one in enumerate(each) if any_matches(one.service_selectors, labels)
        )
        if sharing_key is not None and any(each[number].service_selectors for number in matching):
            return None  # who shares an address must not be told apart by its labels
        if (pool, matching) not in self.reaches:
            chosen = tuple(each[number] for number in matching)
            self.reaches[pool, matching] = Reach(chosen, self.nodes)
        return self.reaches[pool, matching]

    def winner(self, address: Address, reach: Reach, local: frozenset[str] | None) -> str | None:
        """The owner of an address; `local` are the nodes it is confined to."""
        ask = (address, reach, local)
        if ask not in self.owners:
            names = reach.by_node if local is None else [n for n in reach.by_node if n in local]
            self.owners[ask] = owner(names, reach.scores, address)
        return self.owners[ask]


def _elected_by(service: Service, demand: Demand) -> Address:
    """The first of `status.loadBalancer.ingress`, whatever its family; else the first we give."""
    kept = set(demand.held) == set(service.addresses)
    return demand.held[0] if kept else service.addresses[0]


def announcements(
    services: Sequence[Service],
    demands: Mapping[str, Demand],
    advertisements: Sequence[Declared[kinds.L2Advertisement]],
    pools: Sequence[Declared[kinds.IPAddressPool]],
    nodes: Sequence[KubeNode],
    endpoints: Mapping[str, Endpoints] | None,
    *,
    ignore_exclude_label: bool = False,
) -> Mapping[str, tuple[Announcement, ...]]:
    """What each node announces, by its name, sorted by address, then Service.

    Every node has an entry. Without `endpoints` each Service is taken to have a ready one on every
    node. Both addresses of a Service are on one node, the one that wins its first address.
    """
    able = able_nodes(nodes, ignore_exclude_label=ignore_exclude_label)
    election = Election(advertisements, pools, able)
    given: dict[str, list[Announcement]] = {node.name: [] for node in nodes}
    for service in services:
        if not service.addresses or service.pool is None:
            continue
        demand = demands[service.key]
        ready = EVERYWHERE if endpoints is None else endpoints.get(service.key, Endpoints())
        if not ready.l2_healthy:
            continue
        reach = election.reach(service.pool, demand.labels, demand.sharing_key)
        if reach is None:
            continue
        local = ready.l2_nodes if demand.local and endpoints is not None else None
        winner = election.winner(_elected_by(service, demand), reach, local)
        if winner is not None:
            given[winner] += (
                Announcement(address, reach.interfaces[winner], service.key)
                for address in service.addresses
            )
    return {name: tuple(sorted(each, key=order)) for name, each in given.items()}


def able_nodes(
    nodes: Iterable[KubeNode], *, ignore_exclude_label: bool = False
) -> dict[str, KubeNode]:
    """The nodes that may announce anything at all, by name."""
    return {
        node.name: node
        for node in nodes
        if not node.network_unavailable and (ignore_exclude_label or not node.excluded)
    }


def order(one: Announcement) -> tuple[int, int, str]:
    """Announcements sort by address, then Service."""
    return (one.address.version, int(one.address), one.service)


def _about(advertisement: kinds.L2Advertisement, pool: Declared[kinds.IPAddressPool]) -> bool:
    """Whether it names or selects the pool; one that does neither means every pool."""
    names, selectors = advertisement.ip_address_pools, advertisement.ip_address_pool_selectors
    if not names and not selectors:
        return True
    return pool.name in names or any(one.matches(pool.labels) for one in selectors)
