"""When each switch is looked at next."""

from __future__ import annotations

from ferrule.reconcile.switch_lanes import Lanes, Outcome, Pace

PACE = Pace(interval_s=60, soon_s=5, least_backoff_s=5, most_backoff_s=300)


def lanes(*names: str) -> Lanes:
    made = Lanes(PACE)
    made.keep(names, 0.0)
    return made


def test_a_new_switch_is_due_at_once_and_then_now_and_then() -> None:
    one = lanes("a")
    assert one.take(0.0) == "a"
    assert one.take(0.0) is None
    one.done("a", 1.0, Outcome.WELL)
    assert one.take(60.9) is None
    assert one.wait_s(60.0) == 1.0
    assert one.take(61.0) == "a"


def test_failures_are_tried_ever_later_and_at_least_every_five_minutes() -> None:
    one, now, waits = lanes("a"), 0.0, []
    for _ in range(9):
        assert one.take(now) == "a"
        one.done("a", now, Outcome.FAILED)
        waits.append(one.wait_s(now))
        now += waits[-1] or 0
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    one.take(now)
    one.done("a", now, Outcome.WELL)
    assert one.take(now + 60) == "a"
    one.done("a", now, Outcome.FAILED)
    assert one.wait_s(now) == 5


def test_a_change_is_looked_at_at_once_but_where_it_fails() -> None:
    one = lanes("a", "b")
    for name in (one.take(0.0), one.take(0.0)):
        assert name
        one.done(name, 0.0, Outcome.FAILED if name == "a" else Outcome.WELL)
    one.poke("a", 1.0)
    one.poke("b", 1.0)
    assert one.take(1.0) == "b"
    assert one.take(1.0) is None
    assert one.take(5.0) == "a"


def test_a_change_during_a_look_is_looked_at_after_it() -> None:
    one = lanes("a")
    one.take(0.0)
    one.poke("a", 1.0)
    assert one.take(1.0) is None
    one.done("a", 2.0, Outcome.WELL)
    assert one.take(2.0) == "a"


def test_those_that_fail_come_last() -> None:
    one = lanes("a", "b")
    one.take(0.0)
    one.done("a", 0.0, Outcome.FAILED)
    one.take(0.0)
    one.done("b", 0.0, Outcome.SOON)
    assert [one.take(9.0), one.take(9.0)] == ["b", "a"]


def test_what_may_not_be_before_a_moment_is_not() -> None:
    one = lanes("a")
    one.take(0.0)
    one.done("a", 0.0, Outcome.SOON, not_before=10.0)
    assert one.wait_s(0.0) == 10.0


def test_a_switch_that_is_gone_is_forgotten_also_while_it_is_looked_at() -> None:
    one = lanes("a", "b")
    assert one.take(0.0) == "a"
    one.keep(["b"], 1.0)
    one.done("a", 1.0, Outcome.WELL)
    assert one.busy == 0
    assert one.take(1.0) == "b"
    assert one.take(99.0) is None


def test_a_switch_that_comes_back_waits_for_the_look_at_it() -> None:
    one = lanes("a")
    assert one.take(0.0) == "a"
    one.keep([], 1.0)
    one.keep(["a"], 2.0)
    one.poke("a", 2.0)
    assert one.take(2.0) is None
    one.done("a", 3.0, Outcome.WELL)
    assert one.take(3.0) == "a"
