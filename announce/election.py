"""Which addresses this node answers for, given who is there; and how one node follows another.

The owner of an address is the first of MetalLB's order (`compiler.elect.owner`, which also writes
announcements.json) among its candidates that are ready; where none is, among the rest. The same
everywhere, without agreement: nodes that see the same members choose the same owner.

What passes to another is answered for a little longer (`LINGER_S`), until the new owner is heard to
announce it, so that nobody asks in vain meanwhile; what a returning member owns too, only for one
beat, so that two owners are one at once.

Cost follows the change: an entry that is learned is elected alone, and a node that comes or goes
is asked about where it is a candidate.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

from ferrule.announce.offers import Ask, can
from ferrule.announce.peers import View
from ferrule.announce.wire import Address
from ferrule.compiler.elect import owner

LINGER_S = 0.5
DOUBLE_S = 0.1  # of what two own
CONTEST_S = 1.0  # between two answers to a member that announces what is ours, at first
MOST_CHANGES = 128  # in a turn
LONGEST_CONTEST_S = 64.0  # doubled each time: two that disagree do not shout for ever

Names = frozenset[str]


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
    interfaces: Names = frozenset()


@dataclass(frozen=True, slots=True)
class Moved:
    """What a decision changed here: what was taken, from whom; what was passed on, to whom."""

    taken: Mapping[Address, str | None] = field(default_factory=dict)
    passed: Mapping[Address, str | None] = field(default_factory=dict)


@dataclass(slots=True)
class _Contest:
    """A member announced what is ours: not answered before `until`, then after `wait_s` again."""

    until: float
    wait_s: float


_Class = tuple[Group, Ask]  # what has the same candidates here


@dataclass
class Holdings:
    """The addresses of this node. `owners` are those of all addresses, as it sees them."""

    me: str
    entries: dict[Address, Entry] = field(default_factory=dict)
    owners: dict[Address, str | None] = field(default_factory=dict)
    mine: set[Address] = field(default_factory=set)
    lingering: dict[Address, float] = field(default_factory=dict)
    offered: Names = frozenset()  # what we can announce, and what not
    digest: int = 0  # of what is mine
    _digests: dict[str | None, int] = field(default_factory=dict)
    _groups: dict[frozenset[tuple[str, int]], Group] = field(default_factory=dict)
    _classes: dict[_Class, set[Address]] = field(default_factory=dict)
    _left: set[Group] = field(default_factory=set)  # by an address, perhaps the last one
    _pools: dict[_Class, Names] = field(default_factory=dict)
    _able: dict[Ask, bool] = field(default_factory=dict)
    _new: set[Address] = field(default_factory=set)  # to be elected
    _elected: dict[Address, Names] = field(default_factory=dict)  # among whom, the last time
    _returned: set[str] = field(default_factory=set)
    _due: dict[Address, str | None] = field(default_factory=dict)  # won, not taken yet; from whom
    _lost: dict[Address, str | None] = field(default_factory=dict)
    _yielded: set[Address] = field(default_factory=set)
    _changed: set[Address] = field(default_factory=set)
    _contests: dict[Address, _Contest] = field(default_factory=dict)

    # What there is.

    def learn(self, entries: Iterable[Entry], gone: Iterable[Address] = ()) -> None:
        """Set these, drop those; the next decision is about them. What is gone is gone at once.

        An entry that equals the one before keeps its owner: nothing is elected twice.
        """
        for address in gone:
            if address in self.entries:
                self._forget(address)
        known: dict[Group, Group] = {}
        for one in entries:
            if one.group not in known:
                key = frozenset(one.group.scores.items())
                known[one.group] = self._groups.setdefault(key, one.group)
            group = known[one.group]
            self._set(one if group is one.group else replace(one, group=group))
        self._sweep()

    def _set(self, entry: Entry) -> None:
        old = self.entries.get(entry.address)
        if old == entry:
            return
        self._elected.pop(entry.address, None)
        if old is not None:
            self._leave_class(old)
            if old.interfaces != entry.interfaces:
                self._changed.add(entry.address)
        self.entries[entry.address] = entry
        self._classes.setdefault(_class_of(entry), set()).add(entry.address)
        self._new.add(entry.address)

    def _forget(self, address: Address) -> None:
        self._leave_class(self.entries.pop(address))
        self._owned_by(address, self.owners.pop(address, None), None)
        self._let_go(address)
        self._new.discard(address)
        self._elected.pop(address, None)
        self._due.pop(address, None)
        self.lingering.pop(address, None)
        self._changed.add(address)

    def _leave_class(self, entry: Entry) -> None:
        key = _class_of(entry)
        self._classes[key].discard(entry.address)
        if not self._classes[key]:
            del self._classes[key]
            self._pools.pop(key, None)
            self._left.add(entry.group)

    def _sweep(self) -> None:
        """Forget groups without addresses, once all is learned: one may be used again before."""
        if self._left:
            for group in self._left - {group for group, _ in self._classes}:
                del self._groups[frozenset(group.scores.items())]
            self._left.clear()

    def equip(self, offered: Names) -> None:
        """What we can announce; the next decision is about that too."""
        if offered != self.offered:
            self.offered = offered
            self._able.clear()

    # Who owns.

    def decide(
        self, view: View, now: float, returned: Collection[str] = (), most: int | None = None
    ) -> Moved:
        """Take what is ours and may be taken, let go of what is another's; of `most` addresses.

        `returned` are members that were not there at the last decision and may own what we do. The
        rest is `pending`, for the next decisions.
        """
        for key, addresses in self._classes.items():
            pool = self._pool(*key, view)
            if pool != self._pools.get(key):
                self._pools[key] = pool
                self._new |= addresses
        self._returned |= set(returned)
        for _ in range(len(self._new) if most is None else min(most, len(self._new))):
            self._elect(self._new.pop())
        moved = Moved(self._take() if view.may_take else {}, self._pass(now))
        if not self._new:
            self._returned.clear()
        return moved

    def _pool(self, group: Group, ask: Ask, view: View) -> Names:
        """The candidates that count; this node is none for what it could not announce."""
        candidates = set(group.scores)
        if not self._can(ask):
            candidates.discard(self.me)
        return view.ready & candidates or view.rest & candidates

    def _elect(self, address: Address) -> None:
        """The first of the pool. Who was first of another one has only newcomers to fear."""
        entry, last = self.entries[address], self.owners.get(address)
        pool = self._pools[_class_of(entry)]
        before = self._elected.get(address, frozenset())
        self._elected[address] = pool
        newcomers = pool - before
        kept = last is not None and last in pool and last in before
        if kept and not newcomers:
            return
        compared = {last, *newcomers} if kept else pool
        names = [one for one in compared if one is not None]
        winner = owner(names, entry.group.scores, entry.elected_by)
        self._owned_by(address, last, winner)

    def _owned_by(self, address: Address, last: str | None, winner: str | None) -> None:
        if winner == last:
            return
        if address in self.entries:
            self.owners[address] = winner
        mark = _mark(address)
        for name in (last, winner):
            self._digests[name] = self._digests.get(name, 0) ^ mark
        if winner == self.me:
            self._lost.pop(address, None)
            if address not in self.mine:
                self._due[address] = last
        else:
            self._due.pop(address, None)
            if address in self.mine:
                self._lost[address] = winner

    def _take(self) -> dict[Address, str | None]:
        taken, self._due = self._due, {}
        for address in taken:
            self.mine.add(address)
            self.digest ^= _mark(address)
            self.lingering.pop(address, None)
        self._changed.update(taken)
        return taken

    def _pass(self, now: float) -> dict[Address, str | None]:
        lost, self._lost = self._lost, {}
        passed = {address: to for address, to in lost.items() if self._let_go(address)}
        for address, to in passed.items():
            if to is not None:
                self.lingering[address] = now + (DOUBLE_S if to in self._returned else LINGER_S)
        self._changed.update(passed)
        return passed

    def _let_go(self, address: Address) -> bool:
        """Whether it was ours."""
        self._contests.pop(address, None)
        if address not in self.mine:
            return False
        self.mine.remove(address)
        self.digest ^= _mark(address)
        return True

    def asked(self) -> set[Ask]:
        """What entries ask for, all together."""
        return {ask for _, ask in self._classes}

    def asked_of_us(self) -> set[Ask]:
        """What we are a candidate for, whether we can or not."""
        return {ask for group, ask in self._classes if self.me in group.scores}

    def beyond(self) -> dict[Ask, set[Address]]:
        """What we would be a candidate for if we could."""
        found: dict[Ask, set[Address]] = {}
        for (group, ask), addresses in self._classes.items():
            if self.me in group.scores and not self._can(ask):
                found.setdefault(ask, set()).update(addresses)
        return found

    def _can(self, ask: Ask) -> bool:
        if ask not in self._able:
            self._able[ask] = can(self.offered, *ask)
        return self._able[ask]

    def yield_to(self, name: str, address: Address) -> None:
        """A member that knows better says it is its own: so it is, until we know better."""
        if address in self.mine and address not in self._new:
            self._owned_by(address, self.me, name)
            self._yielded.add(address)

    def reconsider(self) -> None:
        """We know better now: what was yielded is elected again."""
        for address in self._yielded & self.entries.keys():
            self._new.add(address)
            self._elected.pop(address, None)
        self._yielded.clear()

    def digest_of(self, name: str) -> int:
        """Of what another node should own."""
        return self._digests.get(name, 0)

    # What is answered for.

    def claimed(self, address: Address, now: float) -> bool:
        """A member announces it. Whether to announce it once more, because it is ours.

        Two that start at one moment own it both until the first beats arrive; the last one that
        announced would have the clients, whoever stays the owner.
        """
        if self.lingering.pop(address, None) is not None:
            self._changed.add(address)
        if address not in self.mine:
            return False
        last = self._contests.get(address)
        if last is not None and now < last.until:
            return False
        fresh = last is None or now >= last.until + LONGEST_CONTEST_S
        wait_s = CONTEST_S if last is None or fresh else min(2 * last.wait_s, LONGEST_CONTEST_S)
        self._contests[address] = _Contest(now + wait_s, wait_s)
        return True

    def expire(self, now: float) -> None:
        """Stop what was answered for long enough."""
        for address in [one for one, until in self.lingering.items() if until <= now]:
            del self.lingering[address]
            self._changed.add(address)

    def changes(self, most: int = MOST_CHANGES) -> dict[bytes, Names | None]:
        """Some of what is answered otherwise than told before, packed: where, or None for no more.

        Not all at once: ten thousand groups to join are half a second.
        """
        some = [self._changed.pop() for _ in range(min(most, len(self._changed)))]
        return {one.packed: self._where(one) for one in some}

    @property
    def pending(self) -> bool:
        """Whether `decide` or `changes` has more."""
        return bool(self._changed or self._new)

    def _where(self, address: Address) -> Names | None:
        held = address in self.mine or address in self.lingering
        return self.entries[address].interfaces if held else None

    def answered(self) -> dict[bytes, Names]:
        """What is answered for now, packed, with its interfaces."""
        each = (*self.mine, *self.lingering)
        return {one.packed: self.entries[one].interfaces for one in each}

    def next_at(self) -> float | None:
        """When `expire` has something to do."""
        return min(self.lingering.values(), default=None)


def _class_of(entry: Entry) -> _Class:
    return entry.group, (entry.interfaces, entry.address.version)


def digest(addresses: Iterable[Address]) -> int:
    """What a node owns, in eight bytes, to compare."""
    total = 0
    for one in addresses:
        total ^= _mark(one)
    return total


def _mark(address: Address) -> int:
    """What an address adds to a digest; adding it again takes it away."""
    return int.from_bytes(sha256(address.packed).digest()[:8])
