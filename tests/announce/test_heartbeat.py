"""Beats: signed, for one receiver, never taken twice."""

import hmac
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrule.announce.heartbeat import (
    Beat,
    BeatError,
    Down,
    State,
    decode,
    derived_key,
    encode,
)
from ferrule.announce.members import Members, Timing

KEY, OTHER = derived_key(b"secret", "prod"), derived_key(b"secret", "lab")
names = st.text(st.characters(codec="ascii"), min_size=1, max_size=60)
numbers = st.integers(0, 2**64 - 1)
beats = st.builds(
    Beat, names, names, numbers, numbers, numbers, st.sampled_from(State),
    st.binary(min_size=8, max_size=8),
    st.lists(st.binary(min_size=6, max_size=6), max_size=4).map(tuple),
    st.lists(names, max_size=4).map(tuple),
    st.lists(st.builds(Down, numbers, names), max_size=4).map(tuple),
)  # fmt: skip
ONE = Beat("node-2", "node-1", 7, 1, 5, State.READY, macs=(b"\2\0\0\0\0\1",))


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
    whole = good[:38] + data
    if signed:
        whole += hmac.digest(KEY, whole, "sha256")[:16]
    with suppress(BeatError):
        assert isinstance(decode(whole, [KEY]), Beat)


def test_another_cluster_s_key_is_another() -> None:
    with pytest.raises(BeatError, match="signature"):
        decode(encode(ONE, OTHER), [KEY])


def member() -> Members:
    members = Members("node-1", 5, Timing(), 0.0)
    members.roster(["node-1", "node-2"], 0.0, fresh=True)
    members.equip(0.0, able=True)
    return members


def told(**changes: object) -> Beat:
    fields = {
        "sender": "node-2", "receiver": "node-1", "epoch": 7, "sequence": 1, "echo": 5,
        "state": State.READY,
    }  # fmt: skip
    return Beat(**(fields | changes))  # type: ignore[arg-type]


def test_a_beat_counts_once() -> None:
    members = member()
    assert members.hear(told(), 0.0)
    assert not members.hear(told(), 0.1)
    assert members.hear(told(sequence=2), 0.1)
    assert not members.hear(told(epoch=6, sequence=9), 0.1)
    assert members.refused == 2


@pytest.mark.parametrize("change", [{"receiver": "node-3"}, {"sender": "node-1"}])
def test_beats_for_others_count_for_nothing(change: dict[str, object]) -> None:
    members = member()
    assert not members.hear(told(**change), 0.0)
    assert members.heard(0.0) == frozenset()


def test_what_was_recorded_before_a_restart_counts_for_nothing() -> None:
    """It names an epoch of ours that is over: its sender is not heard by it."""
    members = member()
    members.hear(told(echo=4), 0.0)
    assert members.heard(0.0) == frozenset()
    (answer,) = [one for one in members.beats(0.0, bytes(8), ()) if one.receiver == "node-2"]
    assert answer.echo == 7
    members.hear(told(sequence=2), 0.0)
    assert members.heard(0.0) == {"node-2"}
