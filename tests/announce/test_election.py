"""Owners found step by step are the owners that MetalLB's order gives; what passes on lingers."""

from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from ferrule.announce.election import LINGER_S, Entry, Group, Holdings, digest
from ferrule.announce.peers import View
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
            assert one.owners.get(address) == owner(pool, scores, address)
            assert (address in one.mine) == (one.owners.get(address) == "node-1")


def test_what_passes_on_is_answered_until_the_new_owner_is_heard() -> None:
    one = holdings(dict.fromkeys(NODES[:2], 0))
    one.decide(View(frozenset({"node-1"}), NOBODY, may_take=True), 0.0)
    moved = one.decide(View(frozenset({"node-2"}), NOBODY, may_take=True), 1.0)
    assert moved.passed == dict.fromkeys(ADDRESSES, "node-2")
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


def test_a_member_that_goes_on_announcing_what_is_ours_is_answered_ever_less() -> None:
    one = holdings({"node-1": 0})
    one.decide(View(frozenset({"node-1"}), NOBODY, may_take=True), 0.0)
    times = [half / 2 for half in range(18)]
    assert [now for now in times if one.claimed(ADDRESSES[0], now)] == [0.0, 1.0, 3.0, 7.0]


deltas = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(ADDRESSES), st.integers(0, 3)),  # which group it is set to
        st.sets(st.sampled_from(ADDRESSES)),  # what goes first
        sets,  # who is ready
        st.booleans(),  # whether we may take
    ),
    max_size=8,
)


@given(
    st.lists(st.dictionaries(st.sampled_from(NODES), st.integers(0, 2)), min_size=4, max_size=4),
    deltas,
)
def test_what_is_learned_bit_by_bit_is_as_if_it_had_been_all(
    groups: list[dict[str, int]],
    story: list[tuple[dict[IPv4Address, int], set[IPv4Address], frozenset[str], bool]],
) -> None:
    one, known, answered = Holdings("node-1"), dict[IPv4Address, int](), dict[bytes, object]()
    for set_, gone, ready, may_take in story:
        one.learn((Entry(each, each, Group(groups[at])) for each, at in set_.items()), gone)
        known = {each: at for each, at in known.items() if each not in gone} | set_
        moved = one.decide(View(ready, NOBODY, may_take=may_take), 0.0)
        one.expire(9.0)
        owners = {
            each: owner(ready & groups[at].keys(), groups[at], each) for each, at in known.items()
        }
        assert {each: name for each, name in one.owners.items() if name} == {
            each: name for each, name in owners.items() if name
        }
        ours = {each for each, name in owners.items() if name == "node-1"}
        assert one.mine <= ours
        assert not may_take or one.mine == ours
        assert moved.taken.keys() <= one.mine
        assert one.digest == digest(one.mine)
        for name in NODES:
            assert one.digest_of(name) == digest(e for e, who in owners.items() if who == name)
        answered |= one.changes()
        assert {each for each, names in answered.items() if names is not None} == {
            each.packed for each in one.mine
        }


def test_an_entry_that_names_none_of_our_interfaces_is_another_s() -> None:
    address = ADDRESSES[0]
    scores = {"node-1": 1, "node-2": 0}
    one = Holdings("node-1")
    one.equip(frozenset({"eth0"}))
    one.learn([Entry(address, address, Group(scores), frozenset({"eth1"}))])
    both = View(frozenset(scores), NOBODY, may_take=True)
    assert one.decide(both, 0.0).taken == {}
    assert one.owners[address] == "node-2"
    one.equip(frozenset({"eth0", "eth1"}))
    assert one.decide(both, 0.0).taken == {address: "node-2"}
    assert one.changes() == {address.packed: frozenset({"eth1"})}


def test_ipv6_is_another_s_where_there_is_none_and_what_names_none_where_all_are_excluded() -> None:
    four, six, named = ADDRESSES[0], IPv6Address("2001:db8::10"), ADDRESSES[1]
    group, one = Group({"node-1": 1, "node-2": 0}), Holdings("node-1")
    one.learn([Entry(four, four, group), Entry(six, four, group)])
    one.learn([Entry(named, named, group, frozenset({"eth0"}))])
    both = View(frozenset(NODES[:2]), NOBODY, may_take=True)
    for offered, mine in (
        ({"eth0", "/6", "eth0/6"}, {four, named}),
        ({"eth0"}, {four, six, named}),
        ({"eth0", "/4", "/6"}, {named}),
    ):
        one.equip(frozenset(offered))
        one.decide(both, 0.0)
        assert one.mine == mine
        assert {each for each, name in one.owners.items() if name == "node-1"} == mine


def test_the_only_address_of_its_candidates_changes_its_interfaces_and_goes() -> None:
    address, one = ADDRESSES[0], Holdings("node-1")
    for names in ({"eth0"}, {"eth0", "eth1"}):  # each read from a line: an equal group, another one
        one.learn([Entry(address, address, Group({"node-1": 0}), frozenset(names))])
    one.learn((), [address])
    assert one.entries == {}


def test_what_is_yielded_comes_back_with_better_knowledge_or_without_the_other() -> None:
    one = holdings(dict.fromkeys(NODES[:2], 0))
    both, alone = frozenset(NODES[:2]), frozenset(NODES[:1])
    one.decide(View(both, NOBODY, may_take=True), 0.0)
    address = min(one.mine)
    one.yield_to("node-2", address)
    assert one.decide(View(both, NOBODY, may_take=True), 0.0).passed == {address: "node-2"}
    assert one.decide(View(both, NOBODY, may_take=True), 1.0).taken == {}
    one.reconsider()
    assert one.decide(View(both, NOBODY, may_take=True), 2.0).taken == {address: "node-2"}
    one.yield_to("node-2", address)
    one.decide(View(both, NOBODY, may_take=True), 3.0)
    assert address in one.decide(View(alone, NOBODY, may_take=True), 4.0).taken


def test_changes_come_in_parts_and_the_last_word_counts() -> None:
    one = holdings({"node-1": 0})
    one.decide(View(frozenset({"node-1"}), NOBODY, may_take=True), 0.0)
    some = one.changes(3)
    assert (len(some), one.pending) == (3, True)
    one.learn((), ADDRESSES)
    rest = one.changes()
    assert rest == dict.fromkeys(each.packed for each in ADDRESSES)
    assert not one.pending
