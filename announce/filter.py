"""Which frames the kernel lets through: classic BPF programs for the addresses we answer for.

A big segment is full of requests for others; what the kernel drops costs this process nothing.
The addresses become at most 256 ranges, searched as a binary tree. Above that, or where the kernel
has no room for so many (`ports.py`), the narrowest gaps between ranges are filled, which lets some
foreign requests through: whoever reads the frames asks for the exact address again. So does the
IPv6 program, which looks at the target's low 32 bits.

A program has to be on the socket before it is bound, or frames that came in between are queued
(`ports.py`). Replacing it is atomic and needs no privilege.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ferrule.announce import ndp

MOST_RANGES = 256  # two trees of them have to stay below the kernel's 4096 instructions
_SPAN = 100  # comparisons that share their exits: a jump reaches 255 instructions
_SO_ATTACH_FILTER = 26
_WHOLE = 0xFFFF

# linux/bpf_common.h
_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE, _RETURN, _GO = 0x20, 0x28, 0x30, 0x06, 0x05
_EQUAL, _AT_LEAST, _ANY_BIT = 0x15, 0x35, 0x45
# linux/filter.h: what the kernel knows of a frame, at negative offsets
_PACKET_TYPE, _INTERFACE, _VLAN, _VLAN_PRESENT = (0xFFFFF000 + at for at in (4, 8, 44, 48))
_OTHER_HOST = 3  # linux/if_packet.h; below it: to us, to all, to a group

Range = tuple[int, int]  # first and last


@dataclass(frozen=True, slots=True)
class _Step:
    """One instruction; `yes` and `no` are labels, empty for the next instruction."""

    code: int
    value: int = 0
    yes: str = ""
    no: str = ""


_Item = _Step | str  # a string is a label: the place of the next step


def ranges(values: Iterable[int], most: int = MOST_RANGES) -> tuple[Range, ...]:
    """The values as at most so many ranges: neighbors joined, then the narrowest gaps filled."""
    return merged([(one, one) for one in sorted(set(values))], most)


def merged(known: Sequence[Range], most: int) -> tuple[Range, ...]:
    """At most so many ranges with all that these have: the narrowest gaps filled."""
    gaps = sorted(
        (left[1] - right[0], index) for index, (left, right) in enumerate(pairwise(known))
    )
    kept = sorted(index for gap, index in gaps[: most - 1] if gap < -1)
    starts = [0, *(index + 1 for index in kept)]
    ends = [*kept, len(known) - 1]
    return tuple((known[a][0], known[b][1]) for a, b in zip(starts, ends, strict=True) if known)


def arp_program(interface: int, owned: Sequence[Range]) -> bytes:
    """Requests for owned addresses, and whatever is said in their name, on that interface alone."""
    if not owned:
        return _assemble(_nothing())
    return _assemble(_arp(interface, owned))


def ndp_program(interface: int, owned: Sequence[Range]) -> bytes:
    """Solicitations and advertisements of targets whose low 32 bits are owned."""
    if not owned:
        return _assemble(_nothing())
    return _assemble(_ndp(interface, owned))


def attach(sock: socket.socket, program: bytes) -> None:
    """Give a socket a program, in place of the one it has."""
    steps = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HP", len(program) // 8, ctypes.addressof(steps))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, head)


def _nothing() -> Iterator[_Item]:
    yield _Step(_RETURN, 0)


def _arp(interface: int, owned: Sequence[Range]) -> Iterator[_Item]:
    yield from _for_us(interface)
    yield _Step(_LOAD_HALF, 12)
    yield from _must(_EQUAL, 0x0806)
    yield _Step(_LOAD_WORD, 14)
    yield from _must(_EQUAL, 0x00010800)
    yield _Step(_LOAD_HALF, 18)
    yield from _must(_EQUAL, 0x0604)
    yield _Step(_LOAD_HALF, 20)
    yield _Step(_EQUAL, 1, yes="target")
    yield from _must(_EQUAL, 2)
    yield _Step(_GO, yes="sender")
    yield "target"
    yield _Step(_LOAD_WORD, 38)
    yield from _search("target", owned)
    yield "sender"
    yield _Step(_LOAD_WORD, 28)
    yield from _search("sender", owned)
    yield _Step(_RETURN, 0)


def _ndp(interface: int, owned: Sequence[Range]) -> Iterator[_Item]:
    yield from _for_us(interface)
    yield _Step(_LOAD_HALF, 12)
    yield from _must(_EQUAL, 0x86DD)
    yield _Step(_LOAD_HALF, 20)
    yield from _must(_EQUAL, 0x3AFF)  # ICMPv6, hop limit 255
    yield _Step(_LOAD_BYTE, 54)
    yield _Step(_EQUAL, ndp.SOLICITATION, yes="target")
    yield from _must(_EQUAL, ndp.ADVERTISEMENT)
    yield "target"
    yield _Step(_LOAD_WORD, 74)
    yield from _search("target", owned)
    yield _Step(_RETURN, 0)


def _for_us(interface: int) -> Iterator[_Item]:
    """To this host, to all or to a group, in no VLAN, and in through this very interface.

    A socket on eth0 also gets what went to eth0.100, or came through eth0 as a port of a bond.
    """
    yield _Step(_LOAD_WORD, _PACKET_TYPE)
    yield from _must(_AT_LEAST, _OTHER_HOST, wanted=False)
    yield _Step(_LOAD_WORD, _INTERFACE)
    yield from _must(_EQUAL, interface)
    yield _Step(_LOAD_WORD, _VLAN_PRESENT)
    yield _Step(_EQUAL, 0, yes="untagged")
    yield _Step(_LOAD_WORD, _VLAN)  # without a tag some kernels hold an old one here
    yield from _must(_ANY_BIT, 0xFFF, wanted=False)
    yield "untagged"


def _must(code: int, value: int, *, wanted: bool = True) -> Iterator[_Item]:
    yield _Step(code, value, *(("+1", "") if wanted else ("", "+1")))
    yield _Step(_RETURN, 0)


def _search(name: str, owned: Sequence[Range]) -> Iterator[_Item]:
    """Returns the frame when the loaded word is in a range, else runs off the end.

    The bounds are where inside and outside change: before an odd one is inside.
    """
    bounds = [bound for low, high in owned for bound in (low, high + 1) if bound <= 0xFFFFFFFF]
    yield from _halve(name, bounds, 0, len(bounds))
    yield f"{name}-missed"


def _halve(name: str, bounds: Sequence[int], low: int, high: int) -> Iterator[_Item]:
    """Far halves are jumped to, near ones share two exits."""
    if high - low <= _SPAN:
        here = f"{name}-{low}"
        yield from _compare(here, bounds, low, high)
        yield f"{here}-in"
        yield _Step(_RETURN, _WHOLE)
        yield f"{here}-out"
        yield _Step(_GO, yes=f"{name}-missed")
        return
    middle = (low + high) // 2
    yield _Step(_AT_LEAST, bounds[middle], no="+1")
    yield _Step(_GO, yes=f"{name}-from-{middle}")
    yield from _halve(name, bounds, low, middle)
    yield f"{name}-from-{middle}"
    yield from _halve(name, bounds, middle + 1, high)


def _compare(here: str, bounds: Sequence[int], low: int, high: int) -> Iterator[_Item]:
    if low == high:
        return
    middle = (low + high) // 2
    halves = ((middle + 1, high), (low, middle))
    above, below = (_place(here, *half) for half in halves)
    yield _Step(_AT_LEAST, bounds[middle], above, below)
    for half in halves:
        if half[0] < half[1]:
            yield _place(here, *half)
            yield from _compare(here, bounds, *half)


def _place(here: str, low: int, high: int) -> str:
    if low == high:
        return f"{here}-in" if low % 2 else f"{here}-out"
    return f"{here}-{low}-{high}"


def _assemble(items: Iterable[_Item]) -> bytes:
    """Labels become distances; all jumps of BPF go forwards."""
    steps: list[_Step] = []
    places = {}
    for item in items:
        if isinstance(item, str):
            places[item] = len(steps)
        else:
            steps.append(item)

    def distance(label: str, at: int) -> int:
        if label in ("", "+1"):
            return len(label) // 2
        return places[label] - at - 1

    def packed(at: int, step: _Step) -> bytes:
        yes, no = distance(step.yes, at), distance(step.no, at)
        if step.code == _GO:
            return struct.pack("=HBBI", _GO, 0, 0, yes)
        return struct.pack("=HBBI", step.code, yes, no, step.value)

    return b"".join(packed(at, step) for at, step in enumerate(steps))
