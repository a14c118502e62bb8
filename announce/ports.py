"""The sockets of one interface: one for ARP, one for neighbor discovery, and its groups.

Needs CAP_NET_RAW to open; afterwards programs are replaced and frames sent without it.

A socket has net.core.optmem_max bytes for its program as the kernel translated it, and while one is
replaced, for the old and the new one. 256 ranges from 128.0.0.0 on are 22 KB (measured); kernels
before 6.8 allow 20 KB. So where a program is refused, one with half as many ranges is tried, down
to a single one.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ferrule.announce import arp, filter, ndp  # noqa: A004  # its name says what it is
from ferrule.announce.cover import Cover, word
from ferrule.announce.filter import Range
from ferrule.announce.groups import Groups
from ferrule.announce.links import Link
from ferrule.announce.wire import Mac, Verdict

_ETH_P_ARP, _ETH_P_IPV6 = 0x0806, 0x86DD
_LARGEST = 2048
_MUCH = 1 << 20  # as much as rmem_max allows: routers that start ask for all addresses at once
BATCH = 64  # frames at a time, so that no interface keeps the others waiting
Answer = Callable[[bytes, Mac, Collection[bytes], Collection[Mac]], Verdict]
Change = Callable[[Cover, Collection[int], Iterable[int]], bool]
Program = Callable[[int, Sequence[Range]], bytes]


@dataclass(slots=True)
class Tally:
    """What happened about one address on one interface since it was taken over."""

    requests: int = 0
    replies: int = 0
    announcements: int = 0

    @property
    def numbers(self) -> tuple[int, int, int]:
        """As they are reported."""
        return self.requests, self.replies, self.announcements


@dataclass(frozen=True, slots=True)
class Ear:
    """One socket, the function that gives the verdict on what it hears, and where a reply says
    which address it is about."""

    sock: socket.socket
    answer: Answer
    target: slice

    def send(self, frame: bytes) -> bool:
        """Whether the interface took it."""
        try:
            self.sock.send(frame)
        except OSError:  # down, gone, or its queue is full
            return False
        return True

    def frames(self) -> Iterator[bytes]:
        """What waits, up to a batch; the error of a link that went down is taken as silence."""
        for _ in range(BATCH):
            try:
                yield self.sock.recv(_LARGEST)
            except OSError:  # EAGAIN; once ENETDOWN, ENODEV
                return


class Port:
    """An interface that addresses are announced on. `owned` are those answered for, packed.

    One that `is_deaf` hears not all that it has to, and is of no use any more.
    """

    def __init__(self, link: Link) -> None:
        self.link = link
        self.owned: dict[bytes, Tally] = {}
        self.groups = Groups(link.index)
        self.is_deaf = False
        self._covers = {4: Cover(), 16: Cover()}
        self.ears: tuple[Ear, Ear] = (
            Ear(_open(link, _ETH_P_ARP), arp.answer, slice(28, 32)),
            Ear(_open(link, _ETH_P_IPV6), ndp.answer, slice(62, 78)),
        )

    def join(self, addresses: Iterable[bytes]) -> bool:
        """Answer for these too; False where groups could not be joined, to be tried again."""
        new = [one for one in addresses if one not in self.owned]
        self.owned.update((one, Tally()) for one in new)
        self.is_deaf |= not self._filter(new, Cover.include)
        return self.groups.join(ndp.solicited_node(one) for one in new if len(one) == 16)

    def part(self, addresses: Iterable[bytes]) -> dict[bytes, Tally]:
        """Answer for these no more; returns what happened about them."""
        old = {one: self.owned.pop(one) for one in addresses}
        self._filter(old, Cover.leave)
        self.groups.leave(ndp.solicited_node(one) for one in old if len(one) == 16)
        return old

    def _filter(self, changed: Collection[bytes], change: Change) -> bool:
        """Whether the kernel knows; if not, its programs are those that it had."""
        programs = ((4, self.ears[0], filter.arp_program), (16, self.ears[1], filter.ndp_program))
        taken = True
        for length, ear, program in programs:
            values = [word(one) for one in changed if len(one) == length]
            if not values:
                continue
            every = (word(one) for one in self.owned if len(one) == length)
            cover = replace(self._covers[length])
            if change(cover, values, every) and not self._attach(ear, program, cover):
                taken = False
            else:
                self._covers[length] = cover
        return taken

    def _attach(self, ear: Ear, program: Program, cover: Cover) -> bool:
        """Whether the kernel took it, if need be with fewer and wider ranges, as is remembered.

        It is never without any: who sends to another VLAN, or by another interface, is told from
        who asks here by the program alone.
        """
        while True:
            try:
                filter.attach(ear.sock, program(self.link.index, cover.ranges))
            except OSError:  # ENOMEM
                if len(cover.ranges) < 2:
                    return False
                cover.merge(len(cover.ranges) // 2)
            else:
                return True

    def announce(self, address: bytes, form: int) -> bool:
        """Send one unasked; whether the interface took it."""
        mac = self.link.mac
        if len(address) == 4:
            return self.ears[0].send(arp.announcement(address, mac, operation=form))
        return self.ears[1].send(ndp.announcement(address, mac))

    def close(self) -> None:
        """Deaf and mute from now on."""
        self.groups.close()
        for ear in self.ears:
            ear.sock.close()


def _open(link: Link, protocol: int) -> socket.socket:
    """Deaf until it owns something: protocol 0 hears nothing, then the program lets nothing in."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _MUCH)
        filter.attach(sock, filter.arp_program(link.index, ()))
        sock.bind((link.name, protocol))
    except OSError:
        sock.close()
        raise
    return sock
