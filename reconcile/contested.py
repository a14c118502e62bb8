"""All addresses that are answered for on layer 2, from the Services' contests, by address.

Two Services may share an address; one node answers for it then, chosen among the candidates that
they have in common. A node that cannot announce an address, because it has none of the named
interfaces or no IPv6 there, is no candidate; what they can, nodes say themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ferrule.announce.offers import NOWHERE, can
from ferrule.compiler.contests import Contest
from ferrule.compiler.network import Address

MOST = 512  # addresses in one message: what reads it has frames to answer in between
MUCH = 1 << 17  # bytes after which none is added: a line that is longer than 1 MiB is not read
Message = dict[str, object]
Scores = Mapping[str, int]
Names = frozenset[str]


@dataclass(frozen=True, slots=True)
class _Question:
    """What one address is decided by; contests that ask the same share their candidates."""

    elected_by: Address
    scores: Scores
    interfaces: Mapping[str, tuple[str, ...]]


@dataclass
class _Draft:
    """A message that grows. `size` is about its bytes: candidates are most of them."""

    groups: dict[tuple[int, int, int], tuple[_Question, Scores, list[Message]]] = field(
        default_factory=dict
    )
    gone: list[str] = field(default_factory=list)
    size: int = 0
    count: int = 0

    @property
    def is_full(self) -> bool:
        """Whether nothing more should go in."""
        return self.count >= MOST or self.size >= MUCH

    @property
    def message(self) -> Message:
        """As it is sent."""
        each = self.groups.values()
        made = [{"scores": scores, "addresses": entries} for _, scores, entries in each]
        return {"groups": made, "gone": self.gone}


class Contested:
    """The addresses, for node `me`. Whoever reads in another thread reads `version` first."""

    def __init__(self, me: str) -> None:
        self._me = me
        self._contests: dict[str, Contest] = {}
        self._services: dict[Address, set[str]] = defaultdict(set)
        self._have: dict[str, Names] = {}  # what nodes said that they can announce
        self.version = 0  # counts what changed

    def __len__(self) -> int:
        return len(self._services)

    def __iter__(self) -> Iterator[Address]:
        return iter(list(self._services))

    def replace(self, contests: Mapping[str, Contest]) -> set[Address]:
        """These are all; the addresses for which something may be different."""
        gone = dict.fromkeys(self._contests.keys() - contests.keys())
        return self.update({**gone, **contests})

    def update(self, changes: Mapping[str, Contest | None]) -> set[Address]:
        """Some Services are contested differently, or not any more (None)."""
        touched: set[Address] = set()
        for service, now in changes.items():
            before = self._contests.get(service)
            if now is not None:
                self._contests[service] = now
            else:
                self._contests.pop(service, None)
            if before == now:
                continue
            old, new = (set(one.addresses) if one else set() for one in (before, now))
            for address in old - new:
                self._services[address].discard(service)
                if not self._services[address]:
                    del self._services[address]
            for address in new:
                self._services[address].add(service)
            touched |= old | new
        self.version += bool(changes)
        return touched

    def equipped(self, have: Mapping[str, Names]) -> set[Address]:
        """What nodes can announce; the addresses for which that makes a difference."""
        if have == self._have:
            return set()
        before, self._have = self._have, dict(have)
        new = [name for name in before.keys() | have.keys() if before.get(name) != have.get(name)]
        differ: dict[tuple[int, int], set[str]] = {}

        def concerned(one: Contest, version: int) -> set[str]:
            key = id(one.interfaces), version
            if key not in differ:
                differ[key] = {
                    name
                    for name in new
                    if self._fits(name, before, one.interfaces, version)
                    != self._fits(name, have, one.interfaces, version)
                }
            return differ[key]

        return {
            address
            for one in self._contests.values()
            for address in one.addresses
            if not concerned(one, address.version).isdisjoint(one.scores)
        }

    def services(self, address: Address) -> list[str]:
        """Who has an address, by name."""
        return sorted(self._services.get(address, ()))

    def interfaces(self, service: str) -> tuple[str, ...]:
        """Where this node is to announce a Service; empty is everywhere."""
        one = self._contests.get(service)
        return one.interfaces.get(self._me, ()) if one else ()

    def messages(self, addresses: Iterable[Address]) -> Iterator[Message]:
        """These addresses as they are now, as the announcer is told."""
        draft = _Draft()
        for address in sorted(addresses, key=lambda one: (one.version, int(one))):
            self._add(address, draft)
            if draft.is_full:
                yield draft.message
                draft = _Draft()
        if draft.count:
            yield draft.message

    def _add(self, address: Address, draft: _Draft) -> None:
        draft.count += 1
        question = self._question(address)
        if question is None:
            draft.gone.append(str(address))
            return
        # No other's while the draft has the question.
        key = (id(question.scores), id(question.interfaces), address.version)
        if key not in draft.groups:
            scores = self._fit(question, address.version)
            draft.groups[key] = (question, scores, [])
            draft.size += sum(len(name) + 8 for name in scores)
        entry: Message = {"address": str(address)}
        if question.elected_by != address:
            entry["electedBy"] = str(question.elected_by)
        if names := question.interfaces.get(self._me):
            entry["interfaces"] = list(names)
            draft.size += sum(len(name) + 8 for name in names)
        draft.groups[key][2].append(entry)

    def _question(self, address: Address) -> _Question | None:
        contests = [self._contests[one] for one in self.services(address)]
        if not contests:
            return None
        first, *others = contests
        scores, common = first.scores, set(first.scores)
        for one in others:
            common &= one.scores.keys()
        if common and len(common) < len(scores):
            scores = {name: scores[name] for name in sorted(common)}
        return _Question(first.addresses[0], scores, first.interfaces)

    def _fit(self, question: _Question, version: int) -> Scores:
        """The candidates that can announce it."""
        return {
            name: score
            for name, score in question.scores.items()
            if self._fits(name, self._have, question.interfaces, version)
        }

    def _fits(
        self,
        node: str,
        have: Mapping[str, Names],
        asked: Mapping[str, Collection[str]],
        version: int,
    ) -> bool:
        """Our own announcer knows what it cannot before we do, and has to say what stands in the
        way; but where it is used by name only, it has to see that nobody counts on it unnamed."""
        names, offered = asked.get(node, ()), have.get(node, frozenset())
        if node == self._me and (names or NOWHERE not in offered):
            return True
        return can(have.get(node), names, version)
