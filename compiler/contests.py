"""Who may answer for which Service's addresses on layer 2, kept up to date for one node.

MetalLB's election (`elect`) has two parts. Who is a candidate follows from the spec, the Nodes and
the endpoints, and is here; who of them is there at the moment is not the compiler's to know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ferrule.compiler.elect import Election, Reach, order, owner
from ferrule.compiler.kube import Endpoints
from ferrule.compiler.network import Address, Announcement
from ferrule.compiler.seen import Seen


@dataclass(frozen=True, slots=True)
class Contest:
    """One Service's addresses, of which the first decides; the candidates with their scores.

    `interfaces` are those to announce on, by candidate; none named is all of them.
    """

    addresses: tuple[Address, ...]
    scores: Mapping[str, int]
    interfaces: Mapping[str, tuple[str, ...]]

    @property
    def owner(self) -> str | None:
        """The one that wins while all of them are there."""
        return owner(self.scores, self.scores, self.addresses[0])


class Contests:
    """All contests, as node `name` sees them."""

    def __init__(self, name: str, election: Election) -> None:
        self._name, self._election = name, election
        self._scores: dict[tuple[Reach, frozenset[str]], Mapping[str, int]] = {}
        self.by_service: dict[str, Contest] = {}

    @property
    def announcements(self) -> tuple[Announcement, ...]:
        """What this node answers for while all nodes are there, by address."""
        mine = (
            Announcement(address, one.interfaces[self._name], service)
            for service, one in self.by_service.items()
            if one.owner == self._name
            for address in one.addresses
        )
        return tuple(sorted(mine, key=order))

    def put(self, key: str, pool: str, seen: Seen, where: Endpoints) -> bool:
        """Replace a Service; whether that changed anything."""
        reach = None
        if where.l2_healthy:
            reach = self._election.reach(pool, seen.labels, seen.sharing_key)
        scores = self._candidates(reach, where.l2_nodes if seen.local else None) if reach else {}
        if reach is None or not scores:
            return self.drop(key)
        now = Contest(seen.addresses, scores, reach.interfaces)
        before, self.by_service[key] = self.by_service.get(key), now
        return before != now

    def drop(self, key: str) -> bool:
        """A Service that is not announced; whether it was."""
        return self.by_service.pop(key, None) is not None

    def _candidates(self, reach: Reach, local: frozenset[str] | None) -> Mapping[str, int]:
        """The same object for the same question, so that comparing contests costs nothing."""
        if local is None:
            return reach.scores
        ask = (reach, local)
        if ask not in self._scores:
            self._scores[ask] = {name: each for name, each in reach.scores.items() if name in local}
        return self._scores[ask]
