"""The datagram by which nodes know of each other: fixed fields, names, HMAC-SHA256 over all.

A beat is for one receiver. Its epoch is one run of a process; within it the sequence number rises.
It carries a challenge for the receiver and, as its echo, the last one that the receiver sent. A run
that is not known yet is believed when it echoes the present challenge, which is another one from
then on: so whoever counts as heard also hears, nothing recorded of an earlier run can be replayed,
and no clock has to be right.

    2 magic  1 version  1 state  1 flags  8 epoch  8 sequence  8 challenge  8 echo
    8 digest of what it owns
    sender, receiver: 1 length, text    1 count, MACs    1 count, suspects    1 count, (epoch, name)
    16 signature
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from ferrule.announce.wire import Mac

_HEAD = struct.Struct("!2sBBBQQQQ8s")
_MAGIC, _VERSION = b"Fb", 2
_FRESH, _PASSING = 1, 2  # flags: it reads the API; its next beat is not to be waited for
_SIGNATURE = 16
MOST_NAMES = 16  # of each list; who suspects more than that is alone itself
MOST_MACS = 16
LONGEST_NAME = 253  # of a node
LARGEST = 16 * 1024
NOTHING_OWNED = bytes(8)


class State(IntEnum):
    """What a node says of itself."""

    STARTING = 0  # listens, owns nothing
    SETTLING = 1  # owns what none that is ready can
    READY = 2
    LEAVING = 3
    UNABLE = 4  # no interface to announce on


class BeatError(ValueError):
    """A datagram that counts for nothing; the text is the counter's name."""


@dataclass(frozen=True, slots=True)
class Down:
    """Confirmed: this run of that node is gone."""

    epoch: int
    name: str


@dataclass(frozen=True, slots=True)
class Beat:
    """One datagram."""

    sender: str
    receiver: str
    epoch: int
    sequence: int
    challenge: int
    echo: int
    state: State
    fresh: bool = True
    owned: bytes = NOTHING_OWNED
    macs: tuple[Mac, ...] = ()
    suspects: tuple[str, ...] = ()
    downs: tuple[Down, ...] = ()
    passing: bool = False


def derived_key(secret: bytes, cluster: str) -> bytes:
    """The key of one cluster's beats, of no other use of the secret."""
    return hmac.digest(secret, b"ferrule heartbeat\0" + cluster.encode(), "sha256")


def encode(beat: Beat, key: bytes) -> bytes:
    """The signed datagram; lists are cut at what a receiver takes."""
    downs = beat.downs[:MOST_NAMES]
    flags = _FRESH * beat.fresh | _PASSING * beat.passing
    numbers = (beat.epoch, beat.sequence, beat.challenge, beat.echo)
    data = b"".join(
        (
            _HEAD.pack(_MAGIC, _VERSION, beat.state, flags, *numbers, beat.owned),
            _text(beat.sender),
            _text(beat.receiver),
            _many(beat.macs[:MOST_MACS]),
            _many([_text(one) for one in beat.suspects[:MOST_NAMES]]),
            _many([one.epoch.to_bytes(8) + _text(one.name) for one in downs]),
        )
    )
    return data + _sign(data, key)


def decode(data: bytes, keys: Sequence[bytes]) -> Beat:
    """Reads what one of the keys signed; raises `BeatError` and nothing else."""
    if not _HEAD.size + _SIGNATURE < len(data) <= LARGEST:
        raise BeatError("length")
    signed, signature = data[:-_SIGNATURE], data[-_SIGNATURE:]
    if not any(hmac.compare_digest(_sign(signed, key), signature) for key in keys):
        raise BeatError("signature")
    try:
        return _read(signed)
    except (IndexError, ValueError) as error:  # signed, so by another version
        raise BeatError("malformed") from error


def _read(signed: bytes) -> Beat:
    magic, version, state, flags, epoch, sequence, challenge, echo, owned = _HEAD.unpack_from(
        signed
    )
    if (magic, version) != (_MAGIC, _VERSION):
        raise ValueError("version")
    rest = _Reader(signed, _HEAD.size)
    beat = Beat(
        rest.text(),
        rest.text(),
        epoch,
        sequence,
        challenge,
        echo,
        State(state),
        bool(flags & _FRESH),
        owned,
        tuple(rest.take(6) for _ in range(rest.count(MOST_MACS))),
        tuple(rest.text() for _ in range(rest.count(MOST_NAMES))),
        tuple(
            Down(int.from_bytes(rest.take(8)), rest.text()) for _ in range(rest.count(MOST_NAMES))
        ),
        bool(flags & _PASSING),
    )
    if rest.at != len(signed):
        raise ValueError("more than it says")
    return beat


class _Reader:
    """Goes through bytes; `IndexError` at their end."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self.at = data, at

    def take(self, length: int) -> bytes:
        found = self._data[self.at : self.at + length]
        if len(found) < length:
            raise IndexError("cut short")
        self.at += length
        return found

    def count(self, most: int) -> int:
        (number,) = self.take(1)
        if number > most:
            raise ValueError("too many")
        return number

    def text(self) -> str:
        (length,) = self.take(1)
        return self.take(length).decode()


def _text(value: str) -> bytes:
    data = value.encode()
    return bytes((len(data),)) + data  # `LONGEST_NAME` at most


def _many(items: Sequence[bytes]) -> bytes:
    return bytes((len(items),)) + b"".join(items)


def _sign(data: bytes, key: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")[:_SIGNATURE]
