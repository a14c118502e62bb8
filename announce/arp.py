"""ARP over Ethernet for IPv4 (RFC 826, RFC 5227): frames, and what is answered.

`answer` works on bytes, because it runs for every request; `decode` and `encode` are the same
knowledge in a form to read and to test against.

    Ethernet 0 destination  6 source  12 0x0806
    ARP     14 hardware 1  16 protocol 0x0800  18 lengths 6, 4  20 operation
            22 sender MAC  28 sender  32 target MAC  38 target
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from ipaddress import IPv4Address

from ferrule.announce.wire import (
    BROADCAST,
    NOBODY,
    TAG,
    Claim,
    Drop,
    Mac,
    RefusedError,
    Verdict,
    is_station,
    untagged,
)

LENGTH = 42
REQUEST, REPLY = 1, 2
_TYPE = b"\x08\x06"
_ETHERNET_IPV4 = b"\x00\x01\x08\x00\x06\x04"
_REQUEST = _TYPE + _ETHERNET_IPV4 + b"\x00\x01"
_REPLY = _TYPE + _ETHERNET_IPV4 + b"\x00\x02"


@dataclass(frozen=True, slots=True)
class Arp:
    """One frame, with its Ethernet ends."""

    destination: Mac
    source: Mac
    operation: int
    sender_mac: Mac
    sender: IPv4Address
    target_mac: Mac
    target: IPv4Address


def encode(frame: Arp) -> bytes:
    """42 bytes; the card or its driver pads them to Ethernet's 60."""
    return b"".join(
        (
            frame.destination,
            frame.source,
            _TYPE,
            _ETHERNET_IPV4,
            frame.operation.to_bytes(2),
            frame.sender_mac,
            frame.sender.packed,
            frame.target_mac,
            frame.target.packed,
        )
    )


def decode(frame: bytes) -> Arp:
    """Reads one, whatever pads it; raises `RefusedError` and nothing else."""
    frame = untagged(frame)
    if len(frame) < LENGTH:
        raise RefusedError(Drop.SHORT)
    if frame[12:14] != _TYPE:
        raise RefusedError(Drop.OTHER_PROTOCOL)
    if frame[14:20] != _ETHERNET_IPV4:
        raise RefusedError(Drop.MALFORMED)
    return Arp(
        frame[:6],
        frame[6:12],
        int.from_bytes(frame[20:22]),
        frame[22:28],
        IPv4Address(frame[28:32]),
        frame[32:38],
        IPv4Address(frame[38:42]),
    )


def announcement(address: bytes, mac: Mac, *, operation: int) -> bytes:
    """A gratuitous request (RFC 5227 §3) or reply (RFC 5944 §4.6) for an address of ours.

    A reply names our own MAC as target: with the broadcast address there, as MetalLB sends it,
    Linux 6.18 does not see that it is gratuitous and ignores it for a second after any update.
    """
    head, target_mac = (_REQUEST, NOBODY) if operation == REQUEST else (_REPLY, mac)
    return b"".join((BROADCAST, mac, head, mac, address, target_mac, address))


def answer(frame: bytes, mac: Mac, owned: Container[bytes], macs: Container[Mac]) -> Verdict:
    """The verdict on one frame heard on the interface with address `mac`.

    `owned` are the packed addresses answered for there, `macs` all our hardware addresses.
    """
    if len(frame) < LENGTH:
        return Drop.SHORT
    if frame[12:22] != _REQUEST:
        return _other(frame, mac, owned, macs)
    target, sender = frame[38:42], frame[28:32]
    sender_mac = frame[22:28]
    if sender in owned:
        return _claim(sender, sender_mac, macs)
    if target not in owned:
        return Drop.NOT_OURS
    if frame[:6] not in (BROADCAST, mac):
        return Drop.FOREIGN_DESTINATION
    if sender_mac in macs:
        return Drop.ECHO
    if not is_station(sender_mac):
        return Drop.BAD_SENDER
    return b"".join((sender_mac, mac, _REPLY, mac, target, sender_mac, sender))


def _other(frame: bytes, mac: Mac, owned: Container[bytes], macs: Container[Mac]) -> Verdict:
    """What is no untagged request: a claim, a priority tag, or nothing to us."""
    if frame[12:14] == TAG:
        try:
            inner = untagged(frame)
        except RefusedError as error:
            return error.reason
        if inner[12:14] != TAG:
            return answer(inner, mac, owned, macs)
    if frame[12:14] != _TYPE:
        return Drop.OTHER_PROTOCOL
    if frame[14:20] != _ETHERNET_IPV4:
        return Drop.MALFORMED
    if frame[20:22] == REPLY.to_bytes(2) and frame[28:32] in owned:
        return _claim(frame[28:32], frame[22:28], macs)
    return Drop.NOT_A_REQUEST


def _claim(address: bytes, mac: Mac, macs: Container[Mac]) -> Claim | Drop:
    """Who speaks as an address of ours (RFC 5227 §2.4)."""
    if mac in macs:
        return Drop.ECHO
    return Claim(address, mac) if is_station(mac) else Drop.BAD_SENDER
