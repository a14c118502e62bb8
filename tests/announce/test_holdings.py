"""Whatever the agent says, in whatever order: holdings are those of one that was told the end."""

from collections.abc import Mapping
from ipaddress import ip_address

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ferrule.announce.election import Entry, Group, Holdings
from ferrule.announce.peers import View
from ferrule.announce.wire import Address

ME, NODES = "node-1", ("node-1", "node-2", "node-3")
ADDRESSES = [ip_address(one) for one in ("192.0.2.10", "192.0.2.11", "2001:db8::10")]
NOBODY = frozenset[str]()

links = st.frozensets(st.sampled_from(["eth0", "eth1"]))
offers = st.frozensets(st.sampled_from(["eth0", "eth1", "eth0/6", "/4", "/6"]))
scores = st.dictionaries(st.sampled_from(NODES), st.integers(0, 1))
addresses = st.sampled_from(ADDRESSES)
nodes = st.frozensets(st.sampled_from(NODES))
told = st.tuples(addresses, addresses, scores, links)  # and by which it is elected


class Told(RuleBasedStateMachine):
    """One node's holdings, and what they were told last of each address."""

    def __init__(self) -> None:
        super().__init__()
        self.holdings = Holdings(ME)
        self.known: dict[Address, Entry] = {}
        self.offered = self.ready = self.rest = NOBODY
        self.where: dict[bytes, frozenset[str]] = {}
        self.now = 0.0

    @rule(new=st.lists(told, max_size=4), gone=st.lists(addresses, max_size=2))
    def own(
        self,
        new: list[tuple[Address, Address, dict[str, int], frozenset[str]]],
        gone: list[Address],
    ) -> None:
        entries = [Entry(one, by, Group(scores), names) for one, by, scores, names in new]
        self._learn(entries, gone)

    @rule(new=st.lists(told, min_size=2, max_size=4), at=st.integers(0, 3))
    def own_as_one_group(
        self, new: list[tuple[Address, Address, dict[str, int], frozenset[str]]], at: int
    ) -> None:
        """As in a message: entries share the very object, others come in between."""
        shared = Group(new[0][2])
        entries = [
            Entry(one, by, Group(scores) if number == at else shared, names)
            for number, (one, by, scores, names) in enumerate(new)
        ]
        self._learn(entries, [])

    @rule(address=addresses, names=links)
    def edit_interfaces(self, address: Address, names: frozenset[str]) -> None:
        if old := self.known.get(address):
            again = Group(dict(old.group.scores))  # as it is read from a line
            self._learn([Entry(address, old.elected_by, again, names)], [])

    def _learn(self, entries: list[Entry], gone: list[Address]) -> None:
        self.holdings.learn(entries, gone)
        for one in gone:
            self.known.pop(one, None)
        self.known |= {one.address: one for one in entries}

    @rule(offered=offers)
    def equip(self, offered: frozenset[str]) -> None:
        self.offered = offered

    @rule(ready=nodes, rest=nodes)
    def see(self, ready: frozenset[str], rest: frozenset[str]) -> None:
        self.ready, self.rest = ready, rest

    def _decided(self, one: Holdings) -> Holdings:
        one.equip(self.offered)
        one.decide(View(self.ready, self.rest, may_take=True), self.now)
        one.expire(self.now + 9)
        return one

    @invariant()
    def as_told_at_once(self) -> None:
        self.now += 10
        step_by_step, at_once = self._decided(self.holdings), Holdings(ME)
        at_once.learn(self.known.values())
        self._decided(at_once)
        assert seen(step_by_step) == seen(at_once)
        for address, names in step_by_step.changes().items():
            self.where.pop(address, None)
            if names is not None:
                self.where[address] = names
        assert self.where == at_once.answered()


def seen(one: Holdings) -> Mapping[str, object]:
    return {
        "owners": {address: name for address, name in one.owners.items() if name is not None},
        "mine": one.mine,
        "answered": one.answered(),
        "digests": [one.digest, *map(one.digest_of, NODES)],
        "asked": one.asked(),
        "asked of us": one.asked_of_us(),
        "beyond": one.beyond(),
        "groups": one._groups.keys(),  # noqa: SLF001  # those of no address are kept by nobody
    }


test_whatever_was_told_is_as_if_told_at_once = Told.TestCase
