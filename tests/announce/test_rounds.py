"""Whom a node tells how it is: who watches it always, and each of all others now and then."""

from collections import Counter

import pytest

from ferrule.announce.peers import Timing
from ferrule.announce.rounds import FEW, RING, WIDE, Rounds

TIMING = Timing()
BEATS = round(TIMING.remind_s / TIMING.interval_s)


def names(size: int) -> frozenset[str]:
    return frozenset(f"node-{number}" for number in range(size))


def told(one: Rounds, beats: int, *, recalling: bool = False) -> list[frozenset[str]]:
    """Each as soon as it is due."""
    return [one.receivers(one.next_at(0.0), recalling=recalling) for _ in range(beats)]


def steady(size: int, me: str = "node-0") -> Rounds:
    """What all must know at the beginning is told."""
    one = Rounds(me, TIMING, 0.0)
    one.members(names(size), 0.0)
    assert told(one, WIDE) == WIDE * [names(size) - {me}]
    return one


@pytest.mark.parametrize("size", [2, FEW])
def test_few_tell_everybody_always(size: int) -> None:
    one = steady(size)
    assert one.watched == names(size) - {"node-0"}
    assert set(told(one, 20)) == {one.watched}


@pytest.mark.parametrize("size", [FEW + 1, 100, 250, 1000])
def test_of_many_each_is_told_in_time_and_never_many_at_once(size: int) -> None:
    one = steady(size)
    assert len(one.watched) == 2 * RING
    rounds = told(one, BEATS)
    assert all(one.watched <= each for each in rounds)
    counts = Counter(name for each in rounds for name in each - one.watched)
    assert counts.keys() == names(size) - one.watched - {"node-0"}
    most = max(len(each) for each in rounds) - len(one.watched)
    assert most <= size / BEATS + 1


def test_no_two_nodes_tell_the_same_one_first() -> None:
    each = {name: steady(100, name) for name in sorted(names(100))}
    first = [frozenset(told(one, 1)[0] - one.watched) for one in each.values()]
    assert len(set(first)) == 100


@pytest.mark.parametrize("size", [2, 100])
def test_who_watches_whom_is_mutual(size: int) -> None:
    each = {name: steady(size, name) for name in names(size)}
    assert all(name in each[other].watched for name, one in each.items() for other in one.watched)


def test_who_need_not_watch_us_any_more_is_told_for_a_while() -> None:
    one = steady(FEW)
    one.members(names(100), 1.0)
    parting = names(FEW) - one.watched - {"node-0"}
    rounds = told(one, 30)
    assert parting <= rounds[0]
    assert parting <= rounds[9]
    assert not parting <= rounds[11]
    one.members(names(FEW), 5.0)
    one.members(names(50) - parting, 5.0)
    assert not parting & told(one, 1)[0]


def test_while_somebody_is_down_all_are_told_each_second() -> None:
    one = steady(100)
    rounds = told(one, 50, recalling=True)
    assert sum(len(each) == 99 for each in rounds) in (4, 5)  # times are not exact


def test_who_waits_for_an_answer_has_one_at_once() -> None:
    one = steady(100)
    now = one.next_at(0.0)
    one.receivers(now, recalling=False)
    one.answer("node-9")
    assert one.next_at(now + 0.01) == now + 0.01
    assert one.receivers(now + 0.01, recalling=False) == {"node-9"}
    assert one.next_at(now + 0.02) > now + 0.02
