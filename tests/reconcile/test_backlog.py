"""The newest word about each object, and nobody waits for another."""

from __future__ import annotations

import threading

from ferrule.reconcile.backlog import FIRST_S, Backlog


class Clock:
    """Set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_newest_word_in_the_order_of_the_first() -> None:
    backlog: Backlog[str, int] = Backlog()
    backlog.put("a", 1)
    backlog.put("b", 2)
    backlog.put("a", 3)
    assert len(backlog) == 2
    assert [backlog.take(), backlog.take()] == [("a", 3), ("b", 2)]


def test_what_failed_comes_later_and_holds_up_nobody() -> None:
    clock = Clock()
    backlog: Backlog[str, int] = Backlog(clock)
    backlog.put("bad", 1)
    backlog.put("good", 2)
    assert backlog.take() == ("bad", 1)
    backlog.again("bad", 1)
    assert backlog.take() == ("good", 2)
    backlog.done("good")
    clock.now += FIRST_S
    assert backlog.take() == ("bad", 1)
    backlog.again("bad", 1)
    clock.now += FIRST_S  # the second pause is longer
    backlog.put("other", 3)
    assert backlog.take() == ("other", 3)
    clock.now += FIRST_S
    assert backlog.take() == ("bad", 1)


def test_what_comes_again_later_is_no_work_until_then() -> None:
    clock = Clock()
    backlog: Backlog[str, int] = Backlog(clock)
    seen = [backlog.is_busy]
    backlog.put("bad", 1)
    seen.append(backlog.is_busy)
    backlog.take()
    seen.append(backlog.is_busy)  # it is being written
    backlog.again("bad", 1)
    backlog.stop()
    backlog.take()
    assert [*seen, backlog.is_busy] == [False, True, True, False]
    assert len(backlog) == 1


def test_a_newer_word_needs_no_patience() -> None:
    backlog: Backlog[str, int] = Backlog(Clock())
    backlog.put("a", 1)
    backlog.take()
    backlog.again("a", 1)
    backlog.put("a", 2)
    assert backlog.take() == ("a", 2)
    backlog.put("a", 3)
    backlog.again("a", 2)
    assert backlog.take() == ("a", 3)
    assert len(backlog) == 1  # the one that was taken


def test_whoever_waits_is_told_of_the_end() -> None:
    backlog: Backlog[str, int] = Backlog()
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(backlog.take()))
    thread.start()
    backlog.stop()
    thread.join(5)
    assert found == [None]
