"""What the kernel lets through covers what is owned, whatever came and went."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ferrule.announce.cover import Cover, covered, widened
from ferrule.announce.filter import MOST_RANGES, ranges

words = st.integers(0, 60) | st.integers(0, 2**32 - 1)


@given(st.sets(words, max_size=30), words, st.integers(1, 8))
def test_a_widened_range_has_all_that_it_had_and_one_more(
    values: set[int], value: int, most: int
) -> None:
    wide = widened(ranges(values, most), value, most)
    assert all(covered(wide, one) for one in values | {value})
    assert len(wide) <= most
    assert list(wide) == sorted(wide)
    assert all(low <= high for low, high in wide)
    assert all(one[1] + 1 < other[0] for one, other in pairwise(wide))


@given(st.sets(words, max_size=30), words)
def test_with_room_for_all_it_is_exact(values: set[int], value: int) -> None:
    assert widened(ranges(values), value) == ranges(values | {value})


@given(st.lists(st.tuples(st.booleans(), st.sets(words, max_size=40)), max_size=10))
def test_what_is_owned_gets_through(story: list[tuple[bool, set[int]]]) -> None:
    cover, owned = Cover(), set[int]()
    for coming, values in story:
        before = cover.ranges
        if coming:
            owned |= values
            changed = cover.include(values, owned)
        else:
            values &= owned
            owned -= values
            changed = cover.leave(values, owned)
        assert changed or cover.ranges == before
        assert all(covered(cover.ranges, one) for one in owned)
        if not owned and values and not coming:
            assert cover.ranges == ()


@given(st.sets(words, max_size=40), st.integers(1, 8), st.sets(words, max_size=40))
def test_with_less_room_it_has_all_and_stays_small(
    owned: set[int], most: int, more: set[int]
) -> None:
    cover = Cover()
    cover.include(owned, owned)
    cover.merge(most)
    assert all(covered(cover.ranges, one) for one in owned)
    cover.include(more, owned | more)
    assert all(covered(cover.ranges, one) for one in owned | more)
    cover.leave(owned, more)
    assert len(cover.ranges) <= most


def test_what_is_given_up_is_let_through_for_a_while_only() -> None:
    cover, owned = Cover(), set(range(0, 400, 2))
    cover.include(owned, owned)
    for value in range(0, 300, 2):
        owned.discard(value)
        cover.leave([value], owned)
    assert not covered(cover.ranges, 0)


def test_thousands_of_lone_addresses_stay_within_a_program() -> None:
    cover, owned = Cover(), set[int]()
    for value in range(0, 300_000, 100):
        owned.add(value)
        cover.include([value], owned)
    assert len(cover.ranges) == MOST_RANGES
    assert all(covered(cover.ranges, one) for one in owned)
