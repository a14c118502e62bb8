"""Frames and datagrams that are almost right, from a seed."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from random import Random

from ferrule.announce import arp, ndp
from ferrule.announce.wire import BROADCAST

FOUR, SIX = IPv4Address("192.0.2.10"), IPv6Address("2001:db8::a:b")
OURS, ASKER = bytes.fromhex("020000000001"), bytes.fromhex("0200000000c8")
OWNED = frozenset({FOUR.packed, SIX.packed})
_TAGS = (b"\x81\x00\x00\x64", b"\x81\x00\x00\x00", b"\x88\xa8\x00\x01")


def questions() -> list[bytes]:
    """Good ones, and announcements of addresses of ours."""
    client, far = IPv4Address("192.0.2.200"), IPv6Address("2001:db8::c8")
    group = IPv6Address(ndp.solicited_node(SIX.packed))
    to = b"\x33\x33" + group.packed[12:]
    nobody = IPv6Address("::")
    return [
        arp.encode(arp.Arp(BROADCAST, ASKER, arp.REQUEST, ASKER, client, bytes(6), FOUR)),
        arp.encode(arp.Arp(OURS, ASKER, arp.REQUEST, ASKER, client, bytes(6), FOUR)),
        arp.announcement(FOUR.packed, ASKER, operation=arp.REQUEST),
        arp.announcement(FOUR.packed, ASKER, operation=arp.REPLY),
        ndp.encode(ndp.Ndp(to, ASKER, far, group, ndp.SOLICITATION, 0, SIX, ASKER)),
        ndp.encode(ndp.Ndp(OURS, ASKER, far, SIX, ndp.SOLICITATION, 0, SIX, ASKER)),
        ndp.encode(ndp.Ndp(to, ASKER, nobody, group, ndp.SOLICITATION, 0, SIX, None)),
        ndp.announcement(SIX.packed, ASKER),
    ]


def mutated(good: bytes, random: Random) -> bytes:
    """Bits, bytes, lengths and tags that are not as they should be; now and then nothing is."""
    frame = bytearray(good)
    for _ in range(random.randrange(4)):
        at = random.randrange(len(frame) or 1)
        match random.randrange(6):
            case 0 if frame:
                frame[at % len(frame)] ^= 1 << random.randrange(8)
            case 1 if frame:
                frame[at % len(frame)] = random.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                del frame[at:]
            case 3:
                frame[12:12] = random.choice(_TAGS)
            case 4:
                frame += random.randbytes(random.randrange(64))
            case _:
                frame[at : at + 4] = random.randbytes(4)
    return bytes(frame)


def frames(seed: int, number: int) -> Iterator[bytes]:
    random, good = Random(seed), questions()  # noqa: S311  # has to come again
    for _ in range(number):
        frame = mutated(random.choice(good), random)
        yield _summed(frame) if random.random() < 0.5 else frame


def _summed(frame: bytes) -> bytes:
    """With a checksum that is right, so that what lies behind it is reached."""
    if len(frame) < 62 or frame[12:14] != b"\x86\xdd":
        return frame
    end = 54 + int.from_bytes(frame[18:20])
    body = frame[54:56] + b"\0\0" + frame[58:end]
    total = ndp.checksum(frame[22:38], frame[38:54], body)
    return frame[:56] + total.to_bytes(2) + frame[58:]
