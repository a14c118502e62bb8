"""Beats: signed, for one receiver, never taken twice."""

import hmac
from contextlib import suppress
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrule.announce.heartbeat import (
    MOST_NAMES,
    Beat,
    BeatError,
    Down,
    State,
    decode,
    derived_key,
    encode,
)
from ferrule.announce.members import Members
from ferrule.announce.peers import Timing

KEY, OTHER = derived_key(b"secret", "prod"), derived_key(b"secret", "lab")
names = st.text(st.characters(codec="ascii"), min_size=1, max_size=60)
numbers = st.integers(0, 2**64 - 1)
beats = st.builds(
    Beat, names, names, numbers, numbers, numbers, numbers, st.sampled_from(State),
    st.booleans(),
    st.binary(min_size=8, max_size=8),
    st.lists(st.binary(min_size=6, max_size=6), max_size=4).map(tuple),
    st.lists(names, max_size=4).map(tuple),
    st.lists(st.builds(Down, numbers, names), max_size=4).map(tuple),
    st.booleans(),
)  # fmt: skip
ONE = Beat("node-2", "node-1", 7, 1, 9, 5, State.READY, macs=(b"\2\0\0\0\0\1",))


@given(beats)
def test_a_beat_survives_its_encoding(beat: Beat) -> None:
    assert decode(encode(beat, KEY), [OTHER, KEY]) == beat


@given(beats, st.integers(0), st.integers(1, 255))
def test_a_changed_byte_is_refused(beat: Beat, at: int, change: int) -> None:
    data = bytearray(encode(beat, KEY))
    data[at % len(data)] ^= change
    with pytest.raises(BeatError, match="signature"):
        decode(bytes(data), [KEY])


@given(st.binary(max_size=200), st.booleans())
def test_whatever_comes_is_read_or_refused(data: bytes, signed: bool) -> None:  # noqa: FBT001
    """Also what a holder of the key signed without sense."""
    good = encode(ONE, KEY)
    whole = good[:47] + data
    if signed:
        whole += hmac.digest(KEY, whole, "sha256")[:16]
    with suppress(BeatError):
        assert isinstance(decode(whole, [KEY]), Beat)


def test_lists_have_an_end() -> None:
    """Also those of who holds the key; what is sent is cut to it."""
    many = tuple(f"node-{number}" for number in range(3 * MOST_NAMES))
    data = encode(replace(ONE, suspects=many), KEY)
    assert decode(data, [KEY]).suspects == many[:MOST_NAMES]
    at = data.index(bytes((MOST_NAMES,)) + b"\6node-0")
    longer = data[:at] + bytes((MOST_NAMES + 1,)) + b"\6node-0" + data[at + 1 : -16]
    with pytest.raises(BeatError, match="malformed"):
        decode(longer + hmac.digest(KEY, longer, "sha256")[:16], [KEY])


def test_another_cluster_s_key_is_another() -> None:
    with pytest.raises(BeatError, match="signature"):
        decode(encode(ONE, OTHER), [KEY])


def member() -> Members:
    """Its epoch is 5; its challenges are 6 and so on."""
    members = Members("node-1", count(5), Timing(), 0.0)
    members.roster(["node-1", "node-2"], 0.0, fresh=True)
    members.equip(0.0, able=True)
    members.beats(0.0, bytes(8), ())
    return members


def told(**changes: object) -> Beat:
    fields = {
        "sender": "node-2", "receiver": "node-1", "epoch": 7, "sequence": 1, "challenge": 99,
        "echo": 6, "state": State.READY,
    }  # fmt: skip
    return Beat(**(fields | changes))  # type: ignore[arg-type]


def answer(members: Members, now: float) -> Beat:
    (one,) = [beat for beat in members.beats(now, bytes(8), ()) if beat.receiver == "node-2"]
    return one


def test_a_beat_counts_once() -> None:
    members = member()
    assert members.hear(told(), 0.0)
    assert not members.hear(told(), 0.1)
    assert members.hear(told(sequence=2), 0.1)
    assert members.refused == 1


@pytest.mark.parametrize("change", [{"receiver": "node-3"}, {"sender": "node-1"}])
def test_beats_for_others_count_for_nothing(change: dict[str, object]) -> None:
    members = member()
    assert not members.hear(told(**change), 0.0)
    assert members.heard(0.0) == frozenset()


def test_what_was_recorded_before_a_restart_counts_for_nothing() -> None:
    """It echoes a challenge of ours that is over: whoever sent it did not hear this run of us."""
    members = member()
    members.hear(told(echo=4), 0.0)
    assert members.heard(0.0) == frozenset()
    assert (answer(members, 0.05).challenge, answer(members, 0.2).echo) == (6, 99)
    members.hear(told(sequence=2), 0.2)
    assert members.heard(0.2) == {"node-2"}


@pytest.mark.parametrize("epoch", [3, 8])
def test_a_node_whose_clock_went_back_is_believed_and_what_it_said_before_is_not(
    epoch: int,
) -> None:
    members = member()
    recorded = [told(sequence=number) for number in range(1, 5)]
    assert all(members.hear(one, 0.0) for one in recorded)
    members.beats(0.0, bytes(8), ())
    again = told(epoch=epoch, challenge=55)
    assert not members.hear(again, 1.0)
    challenge = answer(members, 1.01).challenge
    assert challenge not in (5, 6)
    assert members.hear(replace(again, sequence=2, echo=challenge), 1.02)
    assert members.heard(1.02) == {"node-2"}
    assert not any(members.hear(one, 1.03) for one in recorded)
    assert members.hear(replace(again, sequence=3, echo=challenge), 1.04)


def test_what_was_kept_back_of_an_earlier_run_does_not_displace_the_present_one() -> None:
    """The best that who can hold packets back can do: it is believed until the next beat."""
    members = member()
    kept = told(epoch=1, sequence=8)
    assert members.hear(told(), 0.0)
    assert not members.hear(kept, 0.1)
    members.hear(told(sequence=2), 0.2)
    assert members.heard(0.2) == {"node-2"}


def test_replays_of_a_run_that_is_not_known_are_answered_at_a_bounded_rate() -> None:
    members = member()
    sent = 0
    for number in range(1000):
        members.hear(told(echo=1), number / 1000)
        sent += len(members.beats(number / 1000, bytes(8), ()))
    assert sent <= 10 + 3 + 50
    assert members.strange == 1000


def test_listening_begins_when_it_is_known_whom_to_listen_for() -> None:
    """The agent may need its time to read who is there: that is not time spent listening."""
    members, states = Members("node-1", count(5), Timing(), 0.0), dict[float, str]()
    members.equip(0.0, able=True)
    for step in range(60):
        now = step / 10
        if now == 5.0:
            members.roster(["node-1", "node-2"], now, fresh=True)
        if now >= 5.0:
            members.beats(now, bytes(8), ())
            members.hear(told(sequence=step), now)
        members.tick(now)
        states[now] = members.state.name
    assert {states[now] for now in (4.9, 5.0, 5.1, 5.2)} == {"STARTING"}
    assert states[5.4] != "STARTING"
