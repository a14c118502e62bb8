"""Which addresses one node answers for on layer 2, kept up to date as nodes come and go.

The election is that of the pass (`elect`) among the nodes that live. Who loses nothing keeps what
it has: a node that goes away frees its own addresses alone, and one that comes is compared with
the owners only, because the best of all stays the best of fewer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ferrule.compiler.elect import Election, Reach, order, owner
from ferrule.compiler.kube import Endpoints
from ferrule.compiler.network import Address, Announcement
from ferrule.compiler.seen import Seen

Answers = tuple[Announcement, ...]


@dataclass(slots=True)
class Claim:
    """One Service's addresses: who may own them, and who does. The first one decides it."""

    addresses: tuple[Address, ...]
    reach: Reach
    local: frozenset[str] | None  # the nodes it is confined to
    owner: str | None = None

    def elect(self, among: Iterable[str], live: frozenset[str]) -> None:
        """Choose the owner anew."""
        able = self.reach.by_node
        names = [
            name
            for name in among
            if name in live and name in able and (self.local is None or name in self.local)
        ]
        self.owner = owner(names, self.reach.scores, self.addresses[0])


class Ownership:
    """What node `name` answers for, while `live` are the nodes that take part."""

    def __init__(self, name: str, election: Election, live: Iterable[str]) -> None:
        self._name, self._election = name, election
        self._live = frozenset(live)
        self._claims: dict[str, Claim] = {}

    @property
    def announcements(self) -> Answers:
        """All, by address."""
        return tuple(sorted((one for key in self._claims for one in self._answers(key)), key=order))

    def put(self, key: str, pool: str, seen: Seen, where: Endpoints) -> tuple[Answers, Answers]:
        """Replace a Service; what this node answered for, and what it answers for now."""
        before, _ = self.drop(key)
        reach = None
        if where.l2_healthy:
            reach = self._election.reach(pool, seen.labels, seen.sharing_key)
        if reach is not None and reach.by_node:
            claim = Claim(seen.addresses, reach, where.l2_nodes if seen.local else None)
            claim.elect(reach.by_node, self._live)
            self._claims[key] = claim
        return before, self._answers(key)

    def drop(self, key: str) -> tuple[Answers, Answers]:
        """A Service that is not announced."""
        before = self._answers(key)
        self._claims.pop(key, None)
        return before, ()

    def live(self, names: Iterable[str]) -> tuple[Answers, Answers]:
        """Other nodes take part; what this one loses, and what it wins."""
        now = frozenset(names)
        gone, come = self._live - now, now - self._live
        self._live = now
        lost: list[Announcement] = []
        won: list[Announcement] = []
        for key, claim in self._claims.items():
            before, owned = claim.owner, self._answers(key)
            if before in gone:
                claim.elect(claim.reach.by_node, now)
            elif come:
                claim.elect(come if before is None else (before, *come), now)
            if claim.owner != before:
                lost += owned
                won += self._answers(key)
        return tuple(lost), tuple(won)

    def _answers(self, service: str) -> Answers:
        claim = self._claims.get(service)
        if claim is None or claim.owner != self._name:
            return ()
        interfaces = claim.reach.interfaces[self._name]
        return tuple(Announcement(one, interfaces, service) for one in claim.addresses)
