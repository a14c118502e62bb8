"""One node's part of the network, kept up to date by an agent that sees no other.

Addresses are what `status.loadBalancer` says and nothing else: only the controller gives them out.
A Service without one is not announced, nor is one with an address that lies in no pool. While every
Service holds what its status says, the result is the node that `compile_network` makes of the same
inputs. Services and endpoints cost what they change; for other Nodes or another spec there is
another slice (`moved_to`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from ferrule.compiler.contests import Contest, Contests
from ferrule.compiler.elect import Election, able_nodes
from ferrule.compiler.inputs import Inputs
from ferrule.compiler.kube import Endpoints
from ferrule.compiler.ledger import Ledger
from ferrule.compiler.network import Address, Advertisement, Node, Prefix
from ferrule.compiler.policy import Key
from ferrule.compiler.routes import Part, Routes
from ferrule.compiler.seen import Seen
from ferrule.compiler.speech import Speech
from ferrule.compiler.topology import connect

NOWHERE = Endpoints()


@dataclass(frozen=True, slots=True)
class Changed:
    """What is different on the node: prefixes with their advertisement, or None where it is gone.

    With other `classes` the network lines are not enough: all of the node has to be compared.
    `contests` are those of layer 2, by Service, or None where nobody answers any more.
    """

    advertisements: Mapping[Prefix, Advertisement | None] = field(default_factory=dict)
    classes: bool = False
    contests: Mapping[str, Contest | None] = field(default_factory=dict)


class Slice:
    """A node by its name, among the nodes, the spec and the secrets of `inputs`.

    Services and endpoints are taken from `update` alone.
    """

    def __init__(self, name: str, inputs: Inputs) -> None:
        self.name = name
        self.services: dict[str, Seen] = {}
        self.endpoints: dict[str, Endpoints] = {}
        spec, ignore = inputs.spec, inputs.ignore_exclude_label
        self._kube = next(one for one in inputs.nodes if one.name == name)
        topology = connect(spec, inputs.nodes, inputs.secrets)
        self.diagnostics = topology.diagnostics
        self._sessions = topology.sessions.get(name, ())
        self._router_id = topology.router_ids.get(name)
        able = able_nodes(inputs.nodes, ignore_exclude_label=ignore)
        self._ledger = Ledger(spec.pools, {})
        self._routes = Routes(Speech(spec), self._kube, self._sessions, silent=name not in able)
        election = Election(spec.l2_advertisements, spec.pools, able)
        self._contests = Contests(name, election)

    @property
    def node(self) -> Node:
        """The node, complete."""
        return Node(
            self.name,
            self._router_id,
            self._sessions,
            self._routes.classes,
            self._routes.advertisements,
            self._contests.announcements,
            self._kube.origin,
        )

    def update(
        self,
        services: Mapping[str, Seen | None],
        endpoints: Mapping[str, Endpoints | None] | None = None,
    ) -> Changed:
        """Services and endpoints that came, changed or went (None), both by `namespace/name`."""
        _store(self.services, services)
        _store(self.endpoints, endpoints or {})
        touched: set[Key] = set()
        contests: dict[str, Contest | None] = {}
        for key in {*services, *(endpoints or {})}:
            keys, contested = self._put(key)
            touched |= keys
            if contested:
                contests[key] = self._contests.by_service.get(key)
        advertisements, classes = self._routes.settle(touched)
        return Changed(advertisements, classes, contests)

    def _put(self, key: str) -> tuple[set[Key], bool]:
        """Bring one Service up to date."""
        seen, where = self.services.get(key), self.endpoints.get(key, NOWHERE)
        pool = self._pool(seen.addresses) if seen else None
        if seen is None or pool is None:
            return self._routes.put(key, ()), self._contests.drop(key)
        parts: tuple[Part, ...] = ()
        if where.healthy and (not seen.local or self.name in where.nodes):
            parts = self._routes.parts(pool, seen)
        return self._routes.put(key, parts), self._contests.put(key, pool, seen, where)

    def _pool(self, addresses: Iterable[Address]) -> str | None:
        """The one pool that all of these lie in."""
        found = [self._ledger.place_of(one) for one in addresses]
        names = {place[0].name if place else None for place in found}
        return names.pop() if len(names) == 1 else None

    @property
    def contests(self) -> Mapping[str, Contest]:
        """All contests of layer 2, by Service."""
        return self._contests.by_service

    def moved_to(self, inputs: Inputs) -> Slice:
        """The same Services on this node under another spec, or among other Nodes."""
        other = Slice(self.name, inputs)
        other.update(self.services, self.endpoints)
        return other


T = TypeVar("T")


def _store(known: dict[str, T], changes: Mapping[str, T | None]) -> None:
    for key, one in changes.items():
        if one is None:
            known.pop(key, None)
        else:
            known[key] = one
