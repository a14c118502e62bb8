"""What ARP and NDP share on an Ethernet: hardware addresses, tags, refusals.

A frame is bytes as a packet socket hands them over, without the frame check sequence. The kernel
takes VLAN tags out before that; a frame that carries one all the same is treated as the kernel
treats it: priority tags (VLAN 0) are looked through, all others are somebody else's network.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address
Mac = bytes  # always six

BROADCAST: Mac = b"\xff" * 6
NOBODY: Mac = bytes(6)
HEADER = 14  # destination, source, EtherType
TAG = b"\x81\x00"


class Drop(StrEnum):
    """Why a frame is not answered; the names are those of the counters."""

    SHORT = "short"
    OTHER_PROTOCOL = "other-protocol"
    TAGGED = "tagged"
    MALFORMED = "malformed"
    CHECKSUM = "checksum"
    HOP_LIMIT = "hop-limit"
    NOT_A_REQUEST = "not-a-request"
    NOT_OURS = "not-ours"
    FOREIGN_DESTINATION = "foreign-destination"
    BAD_SENDER = "bad-sender"
    ECHO = "echo"  # our own frame, back over a loop
    REQUESTER_LIMIT = "requester-limit"
    GLOBAL_LIMIT = "global-limit"
    SEND_FAILED = "send-failed"


class RefusedError(ValueError):
    """Bytes that are no frame of the kind asked for."""

    def __init__(self, reason: Drop) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody says that an address of ours is at its own hardware address."""

    address: bytes
    mac: Mac


Verdict = bytes | Claim | Drop  # a reply to send, a conflict to report, or nothing


def is_station(mac: Mac) -> bool:
    """Whether it can be one card's own address: neither a group's nor all zero."""
    return not mac[0] & 1 and mac != NOBODY


def mac_text(mac: Mac) -> str:
    """As people write it: `02:00:00:00:00:01`."""
    return mac.hex(":")


def untagged(frame: bytes) -> bytes:
    """The frame without its priority tag; `RefusedError` where it is tagged for a VLAN."""
    if frame[12:14] != TAG:
        return frame
    if len(frame) < HEADER + 4:
        raise RefusedError(Drop.SHORT)
    if int.from_bytes(frame[14:16]) & 0xFFF:
        raise RefusedError(Drop.TAGGED)
    return frame[:12] + frame[16:]
