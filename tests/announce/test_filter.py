"""The programs that the kernel runs: what they let through, and that they fit."""

import socket
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from announce.bpf import run
from ferrule.announce import arp, filter, ndp  # noqa: A004  # its name says what it is

OURS, ASKER = bytes.fromhex("020000000001"), bytes.fromhex("0200000000aa")
PACKET_TYPE, INTERFACE, VLAN, VLAN_PRESENT = 4, 8, 44, 48
SEEN = {INTERFACE: 7}

words = st.integers(0, 0xFFFFFFFF)
owned_words = st.lists(
    words | st.integers(0, 40) | st.integers(0xFFFFFFF0, 0xFFFFFFFF), max_size=400
)


def question(target: int, sender: int = 0, operation: int = arp.REQUEST) -> bytes:
    return arp.encode(
        arp.Arp(OURS, ASKER, operation, ASKER, IPv4Address(sender), bytes(6), IPv4Address(target))
    )


def solicitation(target: int) -> bytes:
    address = IPv6Address(target)
    here = IPv6Address("2001:db8::1")
    return ndp.encode(ndp.Ndp(OURS, ASKER, here, address, ndp.SOLICITATION, 0, address, ASKER))


def within(word: int, ranges: tuple[filter.Range, ...]) -> bool:
    return any(low <= word <= high for low, high in ranges)


@given(owned_words, st.integers(1, 300))
def test_ranges_cover_all_and_are_few(values: list[int], most: int) -> None:
    found = filter.ranges(values, most)
    assert all(within(value, found) for value in values)
    assert len(found) <= most
    assert list(found) == sorted(found)
    exact = filter.ranges(values, len(values) + 1)
    assert sum(high - low + 1 for low, high in exact) == len(set(values))


@given(owned_words, st.integers(1, 300), st.integers(1, 300))
def test_merging_ranges_is_as_making_fewer(values: list[int], first: int, then: int) -> None:
    few = min(first, then)
    assert filter.merged(filter.ranges(values, first), then) == filter.ranges(values, few)


def test_the_narrowest_gaps_are_filled() -> None:
    assert filter.ranges([1, 2, 3, 5, 100, 101, 1000], 3) == ((1, 5), (100, 101), (1000, 1000))
    assert filter.ranges([1, 2, 3, 5, 100, 101, 1000], 2) == ((1, 101), (1000, 1000))
    assert filter.ranges([]) == ()


@given(owned_words, words, words)
def test_exactly_the_ranges_pass(values: list[int], target: int, sender: int) -> None:
    owned = filter.ranges(values)
    program = filter.arp_program(7, owned)
    edges = [edge + step for low, high in owned for edge in (low, high) for step in (-1, 0, 1)]
    for word in [target, *edges]:
        word %= 1 << 32
        assert bool(run(program, question(word, sender), SEEN)) == (
            within(word, owned) or within(sender, owned)
        )
        reply = question(word, sender, arp.REPLY)
        assert bool(run(program, reply, SEEN)) == within(sender, owned)
        six = filter.ndp_program(7, owned)
        assert bool(run(six, solicitation((0x20010DB8 << 96) + word), SEEN)) == within(word, owned)


@pytest.mark.parametrize(
    ("seen", "passes"),
    [
        pytest.param({}, True, id="to us"),
        pytest.param({PACKET_TYPE: 1}, True, id="to all"),
        pytest.param({PACKET_TYPE: 2}, True, id="to a group"),
        pytest.param({PACKET_TYPE: 3}, False, id="to another host"),
        pytest.param({PACKET_TYPE: 4}, False, id="sent by us"),
        pytest.param({INTERFACE: 8}, False, id="in through another interface"),
        pytest.param({VLAN_PRESENT: 1, VLAN: 100}, False, id="VLAN 100"),
        pytest.param({VLAN_PRESENT: 1, VLAN: 0xE000}, True, id="priority tag"),
        pytest.param({VLAN_PRESENT: 0, VLAN: 100}, True, id="a tag that was taken out"),
    ],
)
def test_the_kernel_s_own_knowledge_counts(seen: dict[int, int], passes: bool) -> None:  # noqa: FBT001
    programs = (
        (filter.arp_program(7, [(10, 20)]), question(15)),
        (filter.ndp_program(7, [(10, 20)]), solicitation(15)),
    )
    for program, frame in programs:
        assert bool(run(program, frame, SEEN | seen)) == passes


@pytest.mark.parametrize(
    ("at", "value"),
    [(12, b"\x08\0"), (14, b"\0\6"), (16, b"\x86\xdd"), (18, b"\x08"), (20, b"\0\3")],
)
def test_what_is_no_arp_for_ipv4_stays_out(at: int, value: bytes) -> None:
    frame = question(15)
    frame = frame[:at] + value + frame[at + len(value) :]
    assert not run(filter.arp_program(7, [(10, 20)]), frame, SEEN)


@pytest.mark.parametrize(
    ("at", "value"), [(12, b"\x08\0"), (20, b"\6"), (21, b"\x40"), (54, b"\x85")]
)
def test_what_is_no_solicitation_stays_out(at: int, value: bytes) -> None:
    frame = solicitation(15)
    frame = frame[:at] + value + frame[at + len(value) :]
    assert not run(filter.ndp_program(7, [(10, 20)]), frame, SEEN)


@pytest.mark.parametrize("length", range(0, 42, 6))
def test_short_frames_stay_out(length: int) -> None:
    assert not run(filter.arp_program(7, [(0, 0xFFFFFFFF)]), question(15)[:length], SEEN)


def test_nothing_owned_is_nothing_heard() -> None:
    for program in (filter.arp_program(7, ()), filter.ndp_program(7, ())):
        assert run(program, question(15), SEEN) == 0


def test_256_ranges_are_no_longer_than_a_program_may_be() -> None:
    owned = filter.ranges(range(0, 4096, 8))
    assert len(owned) == 256
    assert len(filter.arp_program(7, owned)) // 8 <= 4096  # BPF_MAXINSNS


def test_the_kernel_takes_them() -> None:
    """Any socket checks a program; only packets sockets need a privilege."""
    owned = filter.ranges(range(0, 4096, 8))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for program in (
            filter.arp_program(7, owned),
            filter.ndp_program(7, owned),
            filter.arp_program(7, ()),
        ):
            filter.attach(sock, program)
