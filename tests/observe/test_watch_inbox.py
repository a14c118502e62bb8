"""What a reader gets of what many threads put in: the last word on everything, once."""

import threading
import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watching import FEED, SERVICES

from ferrule.observe.watch_feed import Feed
from ferrule.observe.watch_inbox import Inbox

OTHER = Feed(SERVICES, FEED.keep, namespace="other")


@pytest.fixture
def inbox() -> Inbox:
    return Inbox([FEED, OTHER])


def test_nothing_new(inbox: Inbox) -> None:
    assert inbox.take(0) is None


def test_the_last_value_counts(inbox: Inbox) -> None:
    inbox.change(FEED, {"a": 1, "b": 1}, {}, 2)
    inbox.change(FEED, {"a": 2}, {}, 1)
    inbox.change(FEED, {"b": None}, {}, 1)

    batch = inbox.take(0)

    assert batch is not None
    assert batch.of(FEED) == {"a": 2, "b": None}
    assert batch.of(OTHER) == {}
    assert inbox.take(0) is None


def test_what_came_and_went_without_being_held_is_nothing(inbox: Inbox) -> None:
    inbox.change(FEED, {"a": None}, {}, 1)

    assert inbox.take(0) is None


def test_a_batch_is_complete_with_all_that_was_listed(inbox: Inbox) -> None:
    """What is decided by a batch is decided by what it holds, not by what came behind it."""
    inbox.replace(FEED, {"a": 1}, {})
    first = inbox.take(0)
    inbox.replace(OTHER, {"b": 1}, {})
    second = inbox.take(0)

    assert first is not None
    assert not first.complete
    assert second is not None
    assert second.complete
    assert second.of(OTHER) == {"b": 1}


def test_an_empty_list_that_is_the_last_is_told(inbox: Inbox) -> None:
    inbox.replace(FEED, {}, {})
    assert inbox.take(0) is None
    inbox.replace(OTHER, {}, {})

    batch = inbox.take(0)
    assert batch is not None
    assert batch.complete
    inbox.replace(OTHER, {}, {})
    assert inbox.take(0) is None


def test_a_new_list_takes_away_what_it_has_not(inbox: Inbox) -> None:
    inbox.replace(FEED, {"a": 1, "b": 1, "c": 1}, {})
    inbox.take(0)
    inbox.replace(FEED, {"a": 1}, {"b": "unreadable"})

    batch = inbox.take(0)
    assert batch is not None
    assert batch.of(FEED) == {"a": 1, "c": None}
    assert batch.refused[FEED] == {"b": "unreadable"}


def test_a_reader_waits_and_is_woken(inbox: Inbox) -> None:
    timer = threading.Timer(0.05, inbox.change, (FEED, {"a": 1}, {}, 1))
    timer.start()
    began = time.monotonic()

    assert inbox.take(20) is not None
    assert time.monotonic() - began < 10
    timer.join()


EVENTS = st.lists(
    st.one_of(
        st.dictionaries(st.sampled_from("abc"), st.none() | st.integers(0, 3)),
        st.frozensets(st.sampled_from("abc")).map(lambda keys: ("list", keys)),
        st.just("take"),
    ),
    max_size=30,
)


@given(EVENTS)
def test_a_slow_reader_ends_with_what_a_fast_one_has(events: list[object]) -> None:
    """Whenever batches are taken: put together they are what there is."""
    inbox = Inbox([FEED])
    world: dict[str, object] = {}
    seen: dict[str, object] = {}

    def take() -> None:
        batch = inbox.take(0)
        for key, value in (batch.of(FEED) if batch else {}).items():
            seen.pop(key, None)
            if value is not None:
                seen[key] = value

    for event in events:
        if isinstance(event, Mapping):
            inbox.change(FEED, event, {}, 1)
            world.update(event)
        elif isinstance(event, tuple):
            world = dict.fromkeys(event[1], 9)
            inbox.replace(FEED, world, {})
        else:
            take()
    take()

    assert seen == {key: value for key, value in world.items() if value is not None}
    assert inbox.conditions()[FEED].objects == len(seen)
