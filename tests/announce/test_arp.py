"""ARP: frames that RFC 826 and 5227 describe, scapy's opinion of them, and what is answered."""

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.l2 import ARP, Ether

from ferrule.announce import arp
from ferrule.announce.wire import BROADCAST, NOBODY, Claim, Drop, RefusedError

OURS = bytes.fromhex("020000000001")
ASKER = bytes.fromhex("0200000000aa")
VIP, OTHER_VIP, NOT_OURS = (IPv4Address(f"192.0.2.{n}").packed for n in (10, 11, 99))
CLIENT = IPv4Address("192.0.2.200").packed
OWNED, MACS = {VIP, OTHER_VIP}, {OURS}

REQUEST = bytes.fromhex(
    "ffffffffffff 0200000000aa 0806 0001 0800 06 04 00010200000000aa c00002c8 000000000000 c000020a"
)
REPLY = bytes.fromhex(
    "0200000000aa 020000000001 0806 0001 0800 06 04 0002020000000001 c000020a 0200000000aa c00002c8"
)

macs = st.binary(min_size=6, max_size=6)
frames = st.builds(
    arp.Arp, macs, macs, st.integers(0, 65535), macs, st.ip_addresses(v=4), macs,
    st.ip_addresses(v=4),
)  # fmt: skip


def changed(at: int, value: bytes) -> bytes:
    return REQUEST[:at] + value + REQUEST[at + len(value) :]


def answer(frame: bytes) -> object:
    return arp.answer(frame, OURS, OWNED, MACS)


def test_a_request_is_answered_to_who_asked() -> None:
    assert answer(REQUEST) == REPLY


@pytest.mark.parametrize(
    ("frame", "verdict"),
    [
        pytest.param(changed(0, OURS), REPLY, id="unicast probe to our card"),
        pytest.param(REQUEST + bytes(18), REPLY, id="padded to 60 bytes"),
        pytest.param(
            changed(28, bytes(4)), REPLY[:-4] + bytes(4), id="RFC 5227 probe, sender 0.0.0.0"
        ),
        pytest.param(REQUEST[:12] + b"\x81\0\xe0\0" + REQUEST[12:], REPLY, id="priority tag"),
        pytest.param(
            REQUEST[:12] + b"\x81\0\0\x64" + REQUEST[12:], Drop.TAGGED, id="tagged for VLAN 100"
        ),
        pytest.param(
            REQUEST[:12] + b"\x81\0\0\0\x81\0\0\0" + REQUEST[12:],
            Drop.OTHER_PROTOCOL,
            id="two tags",
        ),
        pytest.param(changed(0, ASKER), Drop.FOREIGN_DESTINATION, id="unicast to another card"),
        pytest.param(
            changed(0, b"\x01\0\x5e\0\0\1"), Drop.FOREIGN_DESTINATION, id="to a multicast group"
        ),
        pytest.param(changed(22, BROADCAST), Drop.BAD_SENDER, id="sender is broadcast"),
        pytest.param(changed(22, NOBODY), Drop.BAD_SENDER, id="sender is zero"),
        pytest.param(changed(22, OURS), Drop.ECHO, id="our own question"),
        pytest.param(changed(38, NOT_OURS), Drop.NOT_OURS, id="not our address"),
        pytest.param(REQUEST[:41], Drop.SHORT, id="one byte short"),
        pytest.param(b"", Drop.SHORT, id="nothing"),
        pytest.param(changed(12, b"\x08\0"), Drop.OTHER_PROTOCOL, id="not ARP"),
        pytest.param(changed(14, b"\0\6"), Drop.MALFORMED, id="another hardware"),
        pytest.param(changed(18, b"\x08"), Drop.MALFORMED, id="another address length"),
        pytest.param(changed(20, b"\0\3"), Drop.NOT_A_REQUEST, id="RARP"),
        pytest.param(changed(20, b"\0\2"), Drop.NOT_A_REQUEST, id="a reply to somebody"),
        pytest.param(changed(28, VIP), Claim(VIP, ASKER), id="gratuitous, for our address"),
        pytest.param(
            changed(28, OTHER_VIP), Claim(OTHER_VIP, ASKER), id="asks with our address as sender"
        ),
        pytest.param(
            changed(20, b"\0\2" + ASKER + VIP), Claim(VIP, ASKER), id="replies for our address"
        ),
        pytest.param(changed(20, b"\0\2" + OURS + VIP), Drop.ECHO, id="our own reply"),
        pytest.param(
            changed(20, b"\0\2" + BROADCAST + VIP), Drop.BAD_SENDER, id="claim by broadcast"
        ),
    ],
)
def test_what_is_answered(frame: bytes, verdict: object) -> None:
    assert answer(frame) == verdict


def test_announcements_are_rfc_5227_and_rfc_5944() -> None:
    request = Ether(arp.announcement(VIP, OURS, operation=arp.REQUEST))
    reply = Ether(arp.announcement(VIP, OURS, operation=arp.REPLY))
    for frame, op, target in ((request, 1, "00:00:00:00:00:00"), (reply, 2, "02:00:00:00:00:01")):
        assert frame.dst == "ff:ff:ff:ff:ff:ff"
        assert frame.src == frame[ARP].hwsrc == "02:00:00:00:00:01"
        assert (frame[ARP].op, frame[ARP].hwdst) == (op, target)
        assert frame[ARP].psrc == frame[ARP].pdst == "192.0.2.10"


@given(frames)
def test_a_frame_survives_its_encoding(frame: arp.Arp) -> None:
    assert arp.decode(arp.encode(frame)) == frame


@given(frames)
def test_scapy_writes_the_same_bytes(frame: arp.Arp) -> None:
    theirs = Ether(dst=frame.destination.hex(":"), src=frame.source.hex(":"), type=0x0806) / ARP(
        hwlen=6, plen=4, op=frame.operation,
        hwsrc=frame.sender_mac.hex(":"), psrc=str(frame.sender),
        hwdst=frame.target_mac.hex(":"), pdst=str(frame.target),
    )  # fmt: skip
    assert bytes(theirs) == arp.encode(frame)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A request with a few bytes replaced, cut or padded; or anything at all."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=80))
    frame = bytearray(REQUEST)
    for at, value in draw(st.lists(st.tuples(st.integers(0, 41), st.integers(0, 255)), max_size=4)):
        frame[at] = value
    return bytes(frame[: draw(st.integers(0, 42))]) + draw(st.binary(max_size=20))


@given(damaged())
def test_whatever_comes_is_read_or_refused(frame: bytes) -> None:
    verdict = answer(frame)
    try:
        asked = arp.decode(frame)
    except RefusedError:
        assert isinstance(verdict, Drop)
        return
    if isinstance(verdict, bytes):
        said = arp.decode(verdict)
        assert (said.sender, said.sender_mac) == (asked.target, OURS)
        assert said.destination == said.target_mac == asked.sender_mac
        assert asked.target.packed in OWNED
    elif isinstance(verdict, Claim):
        assert (verdict.address, verdict.mac) == (asked.sender.packed, asked.sender_mac)
