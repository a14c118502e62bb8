"""The schedule of announcements: forms, times, pace, and who goes first."""

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrule.announce.bursts import Bursts, Packet, Target

FOUR, SIX = bytes.fromhex("c000020a"), bytes.fromhex("20010db8000000000000000000000001")


def calm() -> float:
    return 0.0


def sent(bursts: Bursts, until: float, start: float = 0.0) -> list[tuple[float, Packet]]:
    """Everything up to a time, by a loop that wakes exactly when it is told to."""
    now, found = start, []
    while now <= until:
        found += [(now, packet) for packet in bursts.due(now)]
        following = bursts.next_at(now)
        if following is None:
            break
        assert following > now or not list(bursts.due(now))
        now = max(following, now + 1e-6)
    return found


def test_forms_and_times_of_an_ipv4_address() -> None:
    bursts = Bursts(calm)
    bursts.begin(Target(2, FOUR), 0.0)
    found = [(round(now, 2), packet.form) for now, packet in sent(bursts, 130.0)]
    times = (0.0, 0.1, 0.5, 1.1, 2.2, 4.4, 64.4, 124.4)
    assert found == [(time, form) for time in times for form in (1, 2)]


def test_forms_and_times_of_an_ipv6_address() -> None:
    bursts = Bursts(calm)
    bursts.begin(Target(2, SIX), 0.0)
    found = [(round(now, 2), packet.form) for now, packet in sent(bursts, 70.0)]
    assert found == [(time, 1) for time in (0.0, 0.1, 0.5, 1.1, 2.2, 4.4, 64.4)]


@pytest.mark.parametrize("jitter", [-1.0, 0.5, 1.0])
def test_the_refresh_is_jittered(jitter: float) -> None:
    bursts = Bursts(lambda: jitter)
    bursts.begin(Target(2, SIX), 0.0)
    times = [now for now, _ in sent(bursts, 75.0)]
    assert times[6] - times[5] == pytest.approx(60 + 6 * jitter)


def test_no_refresh_where_it_is_off() -> None:
    bursts = Bursts(calm, refresh_s=0)
    bursts.begin(Target(2, FOUR), 0.0)
    assert len(sent(bursts, 1000.0)) == 12
    assert bursts.next_at(1000.0) is None


def test_a_thousand_addresses_are_first_told_once_each_within_600_ms() -> None:
    bursts = Bursts(calm)
    targets = [Target(2, number.to_bytes(4)) for number in range(1000)]
    for target in targets:
        bursts.begin(target, 0.0)
    found = sent(bursts, 12.0)
    assert [packet for _, packet in found[:1000]] == [Packet(target, 1) for target in targets]
    assert found[999][0] <= 0.6
    assert len(found) == 12_000
    times = [now for now, _ in found]
    busiest = max(bisect_left(times, now + 1.0) - at for at, now in enumerate(times))
    assert busiest <= 2000


def test_a_newcomer_goes_before_the_repeats_of_others() -> None:
    bursts = Bursts(calm)
    for number in range(1000):
        bursts.begin(Target(2, number.to_bytes(4)), 0.0)
    sent(bursts, 1.0)
    bursts.begin(Target(2, FOUR), 1.0)
    assert sent(bursts, 1.01, 1.001)[0][1] == Packet(Target(2, FOUR), 1)


def test_interfaces_do_not_wait_for_each_other() -> None:
    bursts = Bursts(calm)
    for number in range(1000):
        bursts.begin(Target(2, number.to_bytes(4)), 0.0)
    bursts.begin(Target(3, FOUR), 0.0)
    assert Packet(Target(3, FOUR), 1) in list(bursts.due(0.0))


def test_what_is_stopped_is_silent_and_what_is_begun_again_starts_anew() -> None:
    bursts = Bursts(calm, refresh_s=0)
    stopped, again = Target(2, FOUR), Target(2, SIX)
    bursts.begin(stopped, 0.0)
    bursts.begin(again, 0.0)
    sent(bursts, 0.2)
    bursts.stop(stopped)
    bursts.begin(again, 0.3)
    found = sent(bursts, 20.0, 0.3)
    assert {packet.target for _, packet in found} == {again}
    assert [round(now - 0.3, 2) for now, _ in found] == [0.0, 0.1, 0.5, 1.1, 2.2, 4.4]


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(0, 5)), max_size=30))
def test_every_address_ends_with_a_whole_burst(begun: list[tuple[float, int]]) -> None:
    """Whenever bursts begin anew, the last of each address is complete."""
    bursts = Bursts(calm, refresh_s=0)
    last: dict[int, float] = {}
    found: list[tuple[float, Packet]] = []
    clock = 0.0
    for now, number in sorted(begun):
        found += sent(bursts, now, clock)
        clock = now
        bursts.begin(Target(2, number.to_bytes(4)), now)
        last[number] = now
    found += sent(bursts, 30.0, clock)
    for number, start in last.items():
        mine = [p.form for now, p in found if int.from_bytes(p.target.address) == number
                and now >= start]  # fmt: skip
        assert mine[-12:] == [1, 2] * 6
