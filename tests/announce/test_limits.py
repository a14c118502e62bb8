"""How much is answered, and how often an address is defended."""

from hypothesis import given
from hypothesis import strategies as st

from ferrule.announce.conflicts import Conflicts
from ferrule.announce.limits import MOST_REQUESTERS, Limits, Rates
from ferrule.announce.wire import Claim, Drop

ONE, OTHER = bytes(5) + b"\2", bytes(5) + b"\4"


def test_a_flood_of_one_does_not_keep_others_waiting() -> None:
    limits = Limits(Rates(each=10, each_depth=20, total=100), 0.0)
    answered = [limits.refuse(ONE, 0.0) for _ in range(50)]
    assert answered == [None] * 20 + [Drop.REQUESTER_LIMIT] * 30
    assert limits.refuse(OTHER, 0.0) is None


def test_all_together_have_a_limit_and_it_comes_back() -> None:
    limits = Limits(Rates(each=10, each_depth=20, total=100), 0.0)
    floods = [limits.refuse(number.to_bytes(6), 0.0) for number in range(150)]
    assert floods == [None] * 100 + [Drop.GLOBAL_LIMIT] * 50
    assert limits.refuse(ONE, 0.02) is None
    assert limits.refuse(ONE, 0.02) is None
    assert limits.refuse(ONE, 0.02) is Drop.GLOBAL_LIMIT


def test_invented_requesters_take_no_memory() -> None:
    limits = Limits(Rates(), 0.0)
    for number in range(MOST_REQUESTERS * 2):
        limits.refuse(number.to_bytes(6), 0.0)
    assert len(limits) == MOST_REQUESTERS


@given(st.lists(st.floats(0, 10), max_size=300))
def test_no_second_sees_more_than_depth_and_rate(times: list[float]) -> None:
    limits = Limits(Rates(each=5, each_depth=10, total=1000), 0.0)
    taken = [now for now in sorted(times) if limits.refuse(ONE, now) is None]
    assert all(sum(start <= now <= start + 1 for now in taken) <= 16 for start in taken)


def test_a_clock_that_steps_back_brings_no_tokens() -> None:
    limits = Limits(Rates(each=10, each_depth=1, total=100), 10.0)
    assert limits.refuse(ONE, 10.0) is None
    assert limits.refuse(ONE, 9.0) is Drop.REQUESTER_LIMIT


def test_a_defense_every_ten_seconds_for_each_address() -> None:
    conflicts = Conflicts()
    ours, too = Claim(b"\xc0\0\2\1", ONE), Claim(b"\xc0\0\2\2", ONE)
    told = [conflicts.defend(ours, now) for now in (0.0, 0.1, 9.9, 10.0, 10.1)]
    assert told == [True, False, False, True, False]
    assert conflicts.defend(too, 10.1)
    assert conflicts.count == 6
    conflicts.forget(ours.address)
    assert conflicts.defend(ours, 10.2)
