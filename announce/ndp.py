"""Neighbor discovery (RFC 4861) for addresses of ours: frames, and what is answered.

A solicitation that passes RFC 4861 §7.1.1 is answered with the override flag, so that a cache
that holds another node's address is corrected: without it Linux marks the entry stale and keeps
it. The source is the address asked for, as the kernel does for its own; `ndisc6` takes no other.

    Ethernet 0 destination  6 source  12 0x86dd
    IPv6    14 0x6…  18 payload length  20 next header 58  21 hop limit  22 source  38 destination
    ICMPv6  54 type  55 code  56 checksum  58 flags  62 target  78 options
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from ipaddress import IPv6Address

from ferrule.announce.wire import (
    TAG,
    Claim,
    Drop,
    Mac,
    RefusedError,
    Verdict,
    is_station,
    untagged,
)

SOLICITATION, ADVERTISEMENT = 135, 136
SOURCE_MAC, TARGET_MAC = 1, 2  # options, RFC 4861 §4.6.1
ROUTER, SOLICITED, OVERRIDE = 0x80, 0x40, 0x20
LENGTH = 78  # up to the end of the target
_TYPE = b"\x86\xdd"
_IPV6_HEAD = bytes.fromhex("86dd60000000")
_ICMPV6, _HOP_LIMIT = 58, 255
_UNSPECIFIED = bytes(16)
_ALL_NODES = IPv6Address("ff02::1").packed
_ALL_NODES_MAC: Mac = bytes.fromhex("333300000001")
_SOLICITED_NODE = IPv6Address("ff02::1:ff00:0").packed[:13]
_ADVERTISED = bytes.fromhex("00203aff")  # payload length 32, ICMPv6, hop limit 255


@dataclass(frozen=True, slots=True)
class Ndp:
    """A solicitation or an advertisement, with its Ethernet and IPv6 ends.

    `flags` are the advertisement's; `mac` is the option that goes with the kind (source in a
    solicitation, target in an advertisement), None where it is missing.
    """

    destination_mac: Mac
    source_mac: Mac
    source: IPv6Address
    destination: IPv6Address
    kind: int
    flags: int
    target: IPv6Address
    mac: Mac | None


def solicited_node(address: bytes) -> bytes:
    """The multicast group in which an address is asked for (RFC 4291 §2.7.1)."""
    return _SOLICITED_NODE + address[13:]


def checksum(source: bytes, destination: bytes, message: bytes) -> int:
    """ICMPv6's over the pseudo header of RFC 8200 §8.1; over a whole valid message it is 0.

    The one's complement sum of 16-bit words is the big number modulo 65535.
    """
    padded = message + b"\0" if len(message) % 2 else message
    total = int.from_bytes(source + destination + padded) + len(message) + _ICMPV6
    return 0xFFFF - (total % 0xFFFF or 0xFFFF)


def encode(frame: Ndp) -> bytes:
    """The whole frame."""
    option = SOURCE_MAC if frame.kind == SOLICITATION else TARGET_MAC
    options = b"" if frame.mac is None else bytes((option, 1)) + frame.mac
    body = bytes((frame.flags, 0, 0, 0)) + frame.target.packed + options
    head = bytes((frame.kind, 0))
    source, destination = frame.source.packed, frame.destination.packed
    total = checksum(source, destination, head + b"\0\0" + body)
    return b"".join(
        (
            frame.destination_mac,
            frame.source_mac,
            _IPV6_HEAD,
            (len(body) + 4).to_bytes(2),
            bytes((_ICMPV6, _HOP_LIMIT)),
            source,
            destination,
            head,
            total.to_bytes(2),
            body,
        )
    )


def decode(frame: bytes) -> Ndp:
    """Reads one that RFC 4861 §7.1 calls valid; raises `RefusedError` and nothing else."""
    frame = untagged(frame)
    end = _check(frame)
    kind = frame[54]
    mac = _option(frame, end, SOURCE_MAC if kind == SOLICITATION else TARGET_MAC)
    found = Ndp(
        frame[:6],
        frame[6:12],
        IPv6Address(frame[22:38]),
        IPv6Address(frame[38:54]),
        kind,
        frame[58] & (ROUTER | SOLICITED | OVERRIDE) if kind == ADVERTISEMENT else 0,
        IPv6Address(frame[62:78]),
        mac,
    )
    if not _sound(found):
        raise RefusedError(Drop.MALFORMED)
    return found


def announcement(address: bytes, mac: Mac) -> bytes:
    """An unsolicited advertisement to all nodes (RFC 4861 §7.2.6)."""
    return _advertisement(address, mac, _ALL_NODES, _ALL_NODES_MAC, OVERRIDE)


def answer(frame: bytes, mac: Mac, owned: Container[bytes], macs: Container[Mac]) -> Verdict:
    """The verdict on one frame heard on the interface with address `mac`.

    `owned` are the packed addresses answered for there, `macs` all our hardware addresses.
    """
    try:
        if frame[12:14] == TAG:
            frame = untagged(frame)
        end = _check(frame)
        target = frame[62:78]
        if target not in owned:
            return Drop.NOT_OURS
        if frame[54] == SOLICITATION:
            return _solicited(frame, end, mac, macs)
        return _advertised(frame, end, macs)
    except RefusedError as error:
        return error.reason


def _solicited(frame: bytes, end: int, mac: Mac, macs: Container[Mac]) -> Verdict:
    target, source, destination = frame[62:78], frame[22:38], frame[38:54]
    if destination not in (target, solicited_node(target)):
        return Drop.FOREIGN_DESTINATION
    if not frame[0] & 1 and frame[:6] != mac:
        return Drop.FOREIGN_DESTINATION
    named = _option(frame, end, SOURCE_MAC)
    if frame[6:12] in macs or named in macs:
        return Drop.ECHO
    if source == _UNSPECIFIED:  # duplicate address detection: all must hear that it is taken
        if named is not None or destination == target:
            return Drop.MALFORMED
        return announcement(target, mac)
    asker = named or frame[6:12]
    if source[0] == 0xFF or not is_station(asker):
        return Drop.BAD_SENDER
    return _advertisement(target, mac, source, asker, SOLICITED | OVERRIDE)


def _advertised(frame: bytes, end: int, macs: Container[Mac]) -> Verdict:
    """Somebody else advertises an address of ours."""
    if frame[38] == 0xFF and frame[58] & SOLICITED:
        return Drop.MALFORMED
    named = _option(frame, end, TARGET_MAC) or frame[6:12]
    if named in macs or frame[6:12] in macs:
        return Drop.ECHO
    return Claim(frame[62:78], named) if is_station(named) else Drop.BAD_SENDER


def _advertisement(
    target: bytes, mac: Mac, destination: bytes, destination_mac: Mac, flags: int
) -> bytes:
    body = bytes((flags, 0, 0, 0)) + target + b"\x02\x01" + mac
    total = checksum(target, destination, b"\x88\0\0\0" + body)
    return b"".join(
        (
            destination_mac,
            mac,
            _IPV6_HEAD,
            _ADVERTISED,
            target,
            destination,
            b"\x88\0",
            total.to_bytes(2),
            body,
        )
    )


def _check(frame: bytes) -> int:
    """Where the message ends; what RFC 4861 §7.1 asks of any message, or `RefusedError`.

    Extension headers are not looked through: RFC 6980 §5 forbids them where they would matter.
    """
    if len(frame) < LENGTH:
        raise RefusedError(Drop.SHORT)
    if frame[12:14] != _TYPE or frame[14] >> 4 != 6 or frame[20] != _ICMPV6:
        raise RefusedError(Drop.OTHER_PROTOCOL)
    if frame[54] not in (SOLICITATION, ADVERTISEMENT):
        raise RefusedError(Drop.NOT_A_REQUEST)
    if frame[21] != _HOP_LIMIT:
        raise RefusedError(Drop.HOP_LIMIT)
    end = 54 + int.from_bytes(frame[18:20])
    if end < LENGTH or len(frame) < end:
        raise RefusedError(Drop.SHORT)
    if checksum(frame[22:38], frame[38:54], frame[54:end]):
        raise RefusedError(Drop.CHECKSUM)
    if frame[55] or frame[62] == 0xFF:
        raise RefusedError(Drop.MALFORMED)
    return end


def _option(frame: bytes, end: int, kind: int) -> Mac | None:
    """The first option of that kind; an option of length 0 makes the whole message invalid."""
    at, found = LENGTH, None
    while at < end:
        length = 8 * frame[at + 1] if at + 1 < end else 0
        if not length or at + length > end:
            raise RefusedError(Drop.MALFORMED)
        if frame[at] == kind and found is None:
            found = frame[at + 2 : at + 8]
        at += length
    return found


def _sound(frame: Ndp) -> bool:
    """What RFC 4861 says about source and destination: §7.1.1 and §7.1.2."""
    if frame.kind == ADVERTISEMENT:
        return not (frame.destination.is_multicast and frame.flags & SOLICITED)
    if not frame.source.is_unspecified:
        return True
    return frame.mac is None and frame.destination.packed == solicited_node(frame.target.packed)
