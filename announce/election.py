"""Which addresses this node answers for, given who is there; and how one node follows another.

The owner of an address is the first of MetalLB's order (`compiler.elect.owner`, which also writes
announcements.json) among its candidates that are ready; where none is, among the rest. The same
everywhere, without agreement: nodes that see the same members choose the same owner.

What passes to another is answered for a little longer (`LINGER_S`), until the new owner is heard to
announce it, so that nobody asks in vain meanwhile; what a returning member owns too, only for one
beat, so that two owners are one at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from ferrule.announce.members import View
from ferrule.announce.wire import Address
from ferrule.compiler.elect import owner

LINGER_S = 0.5
DOUBLE_S = 0.1  # of what two own
CONTEST_S = 1.0  # between two answers to a member that announces what is ours


@dataclass(frozen=True, eq=False)
class Group:
    """Nodes that may announce, by name, and MetalLB's score of each."""

    scores: Mapping[str, int]


@dataclass(frozen=True)
class Entry:
    """An address: who may own it, by which address of its Service that is decided, and where."""

    address: Address
    elected_by: Address
    group: Group
    interfaces: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Moved:
    """What a decision changed here."""

    taken: frozenset[Address] = frozenset()
    passed: frozenset[Address] = frozenset()


@dataclass
class Holdings:
    """The addresses of this node. `owners` are those of all addresses, as it sees them."""

    me: str
    entries: Mapping[Address, Entry] = field(default_factory=dict)
    owners: dict[Address, str | None] = field(default_factory=dict)
    mine: set[Address] = field(default_factory=set)
    lingering: dict[Address, float] = field(default_factory=dict)
    _pools: dict[Address, frozenset[str]] = field(default_factory=dict)
    _contested: dict[Address, float] = field(default_factory=dict)

    def learn(self, entries: Iterable[Entry]) -> None:
        """All addresses there are; the next decision is about them. What is gone is gone at once.

        An entry that equals the one before keeps its owner: nothing is elected twice.
        """
        before = self.entries
        self.entries = {one.address: one for one in entries}
        for address, one in self.entries.items():
            old = before.get(address)
            if old is None or (old.elected_by, old.group.scores) != (
                one.elected_by,
                one.group.scores,
            ):
                self._pools.pop(address, None)
                self.owners.pop(address, None)
        for address in before.keys() - self.entries.keys():
            self._pools.pop(address, None)
            self.owners.pop(address, None)
            self._contested.pop(address, None)
            self.mine.discard(address)
            self.lingering.pop(address, None)

    def decide(self, view: View, now: float, returned: Collection[str] = ()) -> Moved:
        """Take what is ours and may be taken, let go of what is another's.

        `returned` are members that were not there at the last decision and may own what we do.
        """
        pools: dict[Group, frozenset[str]] = {}
        taken, passed = set(), set()
        for address, entry in self.entries.items():
            if entry.group not in pools:
                pools[entry.group] = _pool(entry.group, view)
            winner = self._owner(entry, pools[entry.group])
            if winner == self.me:
                if address not in self.mine and view.may_take:
                    taken.add(address)
            elif address in self.mine:
                passed.add(address)
                if winner is not None:
                    self.lingering[address] = now + (DOUBLE_S if winner in returned else LINGER_S)
        self.mine |= taken
        self.mine -= passed
        for address in passed:
            self._contested.pop(address, None)
        for address in taken:
            self.lingering.pop(address, None)
        return Moved(frozenset(taken), frozenset(passed))

    def claimed(self, address: Address, now: float) -> bool:
        """A member announces it. Whether to announce it once more, because it is ours.

        Two that start at one moment own it both until the first beats arrive; the last one that
        announced would have the clients, whoever stays the owner.
        """
        self.lingering.pop(address, None)
        if address not in self.mine or now < self._contested.get(address, now):
            return False
        self._contested[address] = now + CONTEST_S
        return True

    def expire(self, now: float) -> bool:
        """Whether some were answered for long enough."""
        over = [one for one, until in self.lingering.items() if until <= now]
        for address in over:
            del self.lingering[address]
        return bool(over)

    def answered(self) -> dict[bytes, frozenset[str]]:
        """What is answered for now, packed, with its interfaces."""
        each = (*self.mine, *self.lingering)
        return {one.packed: self.entries[one].interfaces for one in each}

    def next_at(self) -> float | None:
        """When `expire` has something to do."""
        return min(self.lingering.values(), default=None)

    def _owner(self, entry: Entry, pool: frozenset[str]) -> str | None:
        """The first of the pool. Who was first of another one has only newcomers to fear."""
        address = entry.address
        before = self._pools.get(address)
        if before == pool:
            return self.owners[address]
        last = self.owners.get(address)
        compared = {last, *(pool - before)} if before and last in pool else pool
        names = [name for name in compared if name is not None]
        winner = owner(names, entry.group.scores, entry.elected_by) if names else None
        self._pools[address], self.owners[address] = pool, winner
        return winner


def _pool(group: Group, view: View) -> frozenset[str]:
    ready = view.ready & group.scores.keys()
    return ready or view.rest & group.scores.keys()
