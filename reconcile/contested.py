"""All addresses that are answered for on layer 2, from the Services' contests, by address.

Two Services may share an address; one node answers for it then, chosen among the candidates that
they have in common. A node none of whose interfaces is one of the named ones is no candidate; what
interfaces the others have, they say themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

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

    groups: dict[tuple[int, int], tuple[_Question, Scores, list[Message]]] = field(
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
        self._have: dict[str, Names] = {}  # the interfaces of nodes that said so
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
        """Which interfaces nodes have; the addresses for which that may matter."""
        if have == self._have:
            return set()
        self._have = dict(have)
        return {
            address
            for one in self._contests.values()
            if any(one.interfaces.values())
            for address in one.addresses
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
        key = (id(question.scores), id(question.interfaces))  # no other's while the draft has it
        if key not in draft.groups:
            scores = self._fit(question)
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

    def _fit(self, question: _Question) -> dict[str, int]:
        """The candidates that have one of the interfaces they are to announce on."""
        return {
            name: score
            for name, score in question.scores.items()
            if self._is_equipped(name, question.interfaces.get(name, ()))
        }

    def _is_equipped(self, node: str, wanted: Collection[str]) -> bool:
        """Who has not said anything is believed to have what it needs."""
        have = self._have.get(node)
        return not wanted or have is None or not have.isdisjoint(wanted)
