"""Neighbor discovery: RFC 4861's rules, scapy's opinion of the frames, and what is answered."""

from dataclasses import replace
from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr
from scapy.layers.inet6 import IPv6 as Six
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from ferrule.announce import ndp
from ferrule.announce.wire import BROADCAST, NOBODY, Claim, Drop, RefusedError

OURS = bytes.fromhex("020000000001")
ASKER = bytes.fromhex("0200000000aa")
VIP = IPv6Address("2001:db8::a:b")
CLIENT = IPv6Address("2001:db8::c8")
GROUP = IPv6Address("ff02::1:ff0a:b")
GROUP_MAC = bytes.fromhex("3333ff0a000b")
NOWHERE = IPv6Address("::")
OWNED, MACS = {VIP.packed}, {OURS}

ASKED = ndp.Ndp(GROUP_MAC, ASKER, CLIENT, GROUP, ndp.SOLICITATION, 0, VIP, ASKER)
SAID = ndp.Ndp(ASKER, OURS, VIP, CLIENT, ndp.ADVERTISEMENT, 0x60, VIP, OURS)
TO_ALL = replace(
    SAID,
    destination_mac=bytes.fromhex("333300000001"),
    destination=IPv6Address("ff02::1"),
    flags=0x20,
)
CLAIM = replace(SAID, source_mac=ASKER, destination_mac=OURS, mac=ASKER)


def answer(frame: bytes) -> object:
    return ndp.answer(frame, OURS, OWNED, MACS)


def shown(verdict: object) -> object:
    return ndp.decode(verdict) if isinstance(verdict, bytes) else verdict


@pytest.mark.parametrize(
    ("asked", "verdict"),
    [
        pytest.param(ASKED, SAID, id="multicast solicitation"),
        pytest.param(
            replace(ASKED, destination_mac=OURS, destination=VIP), SAID, id="unicast probe"
        ),
        pytest.param(
            replace(ASKED, destination_mac=OURS, destination=VIP, mac=None),
            SAID,
            id="unicast probe without its MAC",
        ),
        pytest.param(
            replace(ASKED, source=NOWHERE, mac=None), TO_ALL, id="duplicate address detection"
        ),
        pytest.param(
            replace(ASKED, source=NOWHERE), Drop.MALFORMED, id="detection that names a MAC"
        ),
        pytest.param(
            replace(ASKED, destination_mac=ASKER, destination=VIP),
            Drop.FOREIGN_DESTINATION,
            id="unicast to another card",
        ),
        pytest.param(
            replace(ASKED, destination=IPv6Address("ff02::1:ff00:9")),
            Drop.FOREIGN_DESTINATION,
            id="in another group",
        ),
        pytest.param(replace(ASKED, target=CLIENT), Drop.NOT_OURS, id="not our address"),
        pytest.param(replace(ASKED, mac=BROADCAST), Drop.BAD_SENDER, id="sender is broadcast"),
        pytest.param(replace(ASKED, mac=NOBODY), Drop.BAD_SENDER, id="sender is zero"),
        pytest.param(replace(ASKED, mac=OURS), Drop.ECHO, id="names our MAC"),
        pytest.param(replace(ASKED, source_mac=OURS), Drop.ECHO, id="our own question"),
        pytest.param(
            replace(ASKED, source=IPv6Address("ff02::5")), Drop.BAD_SENDER, id="a group asks"
        ),
        pytest.param(
            replace(ASKED, target=IPv6Address("ff02::1")), Drop.MALFORMED, id="asks for a group"
        ),
        pytest.param(CLAIM, Claim(VIP.packed, ASKER), id="somebody advertises our address"),
        pytest.param(
            replace(CLAIM, mac=None), Claim(VIP.packed, ASKER), id="the same without the option"
        ),
        pytest.param(replace(CLAIM, mac=OURS), Drop.ECHO, id="our own advertisement"),
        pytest.param(replace(CLAIM, mac=BROADCAST), Drop.BAD_SENDER, id="claim by broadcast"),
        pytest.param(TO_ALL, Drop.ECHO, id="our own announcement"),
        pytest.param(
            replace(TO_ALL, flags=0x60, source_mac=ASKER, mac=ASKER),
            Drop.MALFORMED,
            id="solicited and to all",
        ),
    ],
)
def test_what_is_answered(asked: ndp.Ndp, verdict: object) -> None:
    assert shown(answer(ndp.encode(asked))) == verdict


FRAME = ndp.encode(ASKED)


def changed(at: int, value: bytes, *, valid: bool = True) -> bytes:
    """The solicitation with other bytes somewhere, its checksum right or as it was."""
    frame = FRAME[:at] + value + FRAME[at + len(value) :]
    if not valid:
        return frame
    message = frame[54:56] + b"\0\0" + frame[58:]
    right = ndp.checksum(frame[22:38], frame[38:54], message)
    return frame[:56] + right.to_bytes(2) + frame[58:]


@pytest.mark.parametrize(
    ("frame", "verdict"),
    [
        (changed(21, b"\xfe"), Drop.HOP_LIMIT),
        (changed(60, b"\1", valid=False), Drop.CHECKSUM),
        (changed(55, b"\1"), Drop.MALFORMED),
        (changed(79, b"\0"), Drop.MALFORMED),
        (changed(79, b"\2"), Drop.MALFORMED),
        (changed(20, b"\0"), Drop.OTHER_PROTOCOL),
        (changed(54, b"\x80"), Drop.NOT_A_REQUEST),
        (changed(12, b"\x08\0"), Drop.OTHER_PROTOCOL),
        (changed(14, b"\x40"), Drop.OTHER_PROTOCOL),
        (changed(18, b"\0\x10"), Drop.SHORT),
        (changed(18, b"\0\x40"), Drop.SHORT),
        (FRAME[:77], Drop.SHORT),
        (FRAME[:12] + b"\x81\0\0\x64" + FRAME[12:], Drop.TAGGED),
    ],
)
def test_what_rfc_4861_calls_invalid_is_silent(frame: bytes, verdict: Drop) -> None:
    assert answer(frame) == verdict
    with pytest.raises(RefusedError) as refusal:
        ndp.decode(frame)
    assert refusal.value.reason == verdict


def test_a_priority_tag_is_looked_through() -> None:
    tagged = FRAME[:12] + b"\x81\0\xe0\0" + FRAME[12:]
    assert shown(answer(tagged)) == SAID


def test_padding_belongs_to_the_link() -> None:
    assert shown(answer(FRAME + b"\1\2\3")) == SAID


def test_the_checksum_is_rfc_1071_s() -> None:
    """Its example, words 0001 f203 f4f5 f6f7, sums to ddf2; the pseudo header adds 8 and 58."""
    assert ndp.checksum(bytes(16), bytes(16), bytes.fromhex("0001f203f4f5f6f7")) == (
        0xFFFF - 0xDDF2 - 8 - 58
    )


def test_groups_are_rfc_4291_s() -> None:
    asked = IPv6Address("4037::01:800:200e:8c6c").packed
    assert IPv6Address(ndp.solicited_node(asked)) == IPv6Address("ff02::1:ff0e:8c6c")


def test_the_announcement_corrects_all_caches() -> None:
    assert ndp.decode(ndp.announcement(VIP.packed, OURS)) == TO_ALL


macs = st.binary(min_size=6, max_size=6)
hosts = st.ip_addresses(v=6).filter(lambda one: not (one.is_multicast or one.is_unspecified))
asked = st.builds(
    ndp.Ndp, macs, macs, hosts, hosts, st.just(ndp.SOLICITATION), st.just(0), hosts,
    macs | st.none(),
)  # fmt: skip
said = st.builds(
    ndp.Ndp, macs, macs, hosts, hosts, st.just(ndp.ADVERTISEMENT),
    st.sampled_from([0, 0x20, 0x40, 0x60, 0x80, 0xE0]), hosts, macs | st.none(),
)  # fmt: skip


@given(asked | said)
def test_a_frame_survives_its_encoding(frame: ndp.Ndp) -> None:
    assert ndp.decode(ndp.encode(frame)) == frame


@given(asked | said)
def test_scapy_writes_the_same_bytes(frame: ndp.Ndp) -> None:
    message: Packet
    option: Packet | None = None
    if frame.kind == ndp.SOLICITATION:
        message = ICMPv6ND_NS(tgt=str(frame.target))
        if frame.mac is not None:
            option = ICMPv6NDOptSrcLLAddr(lladdr=frame.mac.hex(":"))
    else:
        message = ICMPv6ND_NA(
            tgt=str(frame.target),
            R=frame.flags >> 7,
            S=frame.flags >> 6 & 1,
            O=frame.flags >> 5 & 1,
        )
        if frame.mac is not None:
            option = ICMPv6NDOptDstLLAddr(lladdr=frame.mac.hex(":"))
    theirs = (
        Ether(dst=frame.destination_mac.hex(":"), src=frame.source_mac.hex(":"), type=0x86DD)
        / Six(src=str(frame.source), dst=str(frame.destination), hlim=255)
        / message
    )
    if option is not None:
        theirs /= option
    # 0 and ffff are the same sum; which of them a checksum of zero is written as is free.
    assert bytes(theirs).replace(b"\xff\xff", b"\0\0") == ndp.encode(frame).replace(
        b"\xff\xff", b"\0\0"
    )


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A solicitation with a few bytes replaced (checksum often right), cut or padded; or junk."""
    if draw(st.integers(0, 3)) == 0:
        return draw(st.binary(max_size=140))
    frame = FRAME
    for at, value in draw(st.lists(st.tuples(st.integers(0, 85), st.integers(0, 255)), max_size=3)):
        frame = frame[:at] + bytes((value,)) + frame[at + 1 :]
    if draw(st.booleans()):
        total = ndp.checksum(frame[22:38], frame[38:54], frame[54:56] + b"\0\0" + frame[58:])
        frame = frame[:56] + total.to_bytes(2) + frame[58:]
    if draw(st.booleans()):
        frame = frame[: draw(st.integers(0, len(frame)))]
    return frame + draw(st.binary(max_size=20))


@given(damaged())
def test_whatever_comes_is_read_or_refused(frame: bytes) -> None:
    verdict = answer(frame)
    try:
        question = ndp.decode(frame)
    except RefusedError:
        assert isinstance(verdict, Drop)
        return
    if isinstance(verdict, bytes):
        reply = ndp.decode(verdict)
        assert reply.target == reply.source == question.target == VIP
        assert (reply.mac, reply.source_mac) == (OURS, OURS)
        assert verdict[:6] in {question.mac, question.source_mac, TO_ALL.destination_mac}
    elif isinstance(verdict, Claim):
        assert verdict.mac in {question.mac, question.source_mac}
