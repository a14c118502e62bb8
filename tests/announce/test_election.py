"""Owners found step by step are the owners that MetalLB's order gives; what passes on lingers."""

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from ferrule.announce.election import LINGER_S, Entry, Group, Holdings
from ferrule.announce.members import View
from ferrule.compiler.elect import owner

NODES = tuple(f"node-{number}" for number in range(1, 7))
ADDRESSES = tuple(IPv4Address("192.0.2.10") + number for number in range(8))
NOBODY = frozenset[str]()
sets = st.frozensets(st.sampled_from(NODES))


def holdings(scores: dict[str, int], me: str = "node-1") -> Holdings:
    group = Group(scores)
    one = Holdings(me)
    one.learn(Entry(address, address, group) for address in ADDRESSES)
    return one


@given(
    st.dictionaries(st.sampled_from(NODES), st.integers(0, 2)),
    st.lists(st.tuples(sets, sets), max_size=8),
)
def test_step_by_step_is_as_from_the_start(
    scores: dict[str, int], views: list[tuple[frozenset[str], frozenset[str]]]
) -> None:
    one = holdings(scores)
    for ready, rest in views:
        one.decide(View(ready, rest, may_take=True), 0.0)
        pool = (ready & scores.keys()) or (rest & scores.keys())
        for address in ADDRESSES:
            assert one.owners[address] == owner(pool, scores, address)
            assert (address in one.mine) == (one.owners[address] == "node-1")


def test_what_passes_on_is_answered_until_the_new_owner_is_heard() -> None:
    one = holdings(dict.fromkeys(NODES[:2], 0))
    one.decide(View(frozenset({"node-1"}), NOBODY, may_take=True), 0.0)
    moved = one.decide(View(frozenset({"node-2"}), NOBODY, may_take=True), 1.0)
    assert moved.passed == set(ADDRESSES)
    assert one.mine == set()
    assert len(one.answered()) == len(ADDRESSES)
    assert not one.claimed(ADDRESSES[0], 1.1)
    assert ADDRESSES[0].packed not in one.answered()
    one.expire(1.0 + LINGER_S)
    assert one.answered() == {}


def test_what_nobody_may_own_is_let_go_at_once() -> None:
    one = holdings({"node-1": 0})
    one.decide(View(frozenset({"node-1"}), NOBODY, may_take=True), 0.0)
    one.decide(View(NOBODY, NOBODY, may_take=True), 1.0)
    assert one.answered() == {}


def test_nothing_is_taken_by_who_may_not_and_nothing_is_lost() -> None:
    one = holdings({"node-1": 0})
    alone = frozenset({"node-1"})
    assert not one.decide(View(alone, NOBODY, may_take=False), 0.0).taken
    one.decide(View(alone, NOBODY, may_take=True), 1.0)
    one.decide(View(alone, NOBODY, may_take=False), 2.0)
    assert one.mine == set(ADDRESSES)


def test_a_member_that_announces_what_is_ours_is_answered_once_a_second() -> None:
    one = holdings({"node-1": 0})
    one.decide(View(frozenset({"node-1"}), NOBODY, may_take=True), 0.0)
    told = [one.claimed(ADDRESSES[0], now) for now in (0.0, 0.5, 1.0, 1.5)]
    assert told == [True, False, True, False]
