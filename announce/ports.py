"""The sockets of one interface: one for ARP, one for neighbor discovery, and its groups.

Needs CAP_NET_RAW to open; afterwards programs are replaced and frames sent without it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from ferrule.announce import arp, filter, ndp  # noqa: A004  # its name says what it is
from ferrule.announce.groups import Groups
from ferrule.announce.links import Link
from ferrule.announce.wire import Mac, Verdict

_ETH_P_ARP, _ETH_P_IPV6 = 0x0806, 0x86DD
_LARGEST = 2048
BATCH = 64  # frames at a time, so that no interface keeps the others waiting
Answer = Callable[[bytes, Mac, Collection[bytes], Collection[Mac]], Verdict]


@dataclass(slots=True)
class Tally:
    """What happened about one address on one interface since it was taken over."""

    requests: int = 0
    replies: int = 0
    announcements: int = 0


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
    """An interface that addresses are announced on. `owned` are those answered for, packed."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.owned: Mapping[bytes, Tally] = {}
        self.groups = Groups(link.index)
        self.ears: tuple[Ear, Ear] = (
            Ear(_open(link, _ETH_P_ARP), arp.answer, slice(28, 32)),
            Ear(_open(link, _ETH_P_IPV6), ndp.answer, slice(62, 78)),
        )

    def own(self, owned: Mapping[bytes, Tally]) -> bool:
        """Answer for these; False where groups could not be joined, to be tried again."""
        if owned.keys() != self.owned.keys():
            index = self.link.index
            four = (int.from_bytes(one) for one in owned if len(one) == 4)
            six = (int.from_bytes(one[12:]) for one in owned if len(one) == 16)
            filter.attach(self.ears[0].sock, filter.arp_program(index, filter.ranges(four)))
            filter.attach(self.ears[1].sock, filter.ndp_program(index, filter.ranges(six)))
        self.owned = owned
        return self.groups.want({ndp.solicited_node(one) for one in owned if len(one) == 16})

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
        filter.attach(sock, filter.arp_program(link.index, ()))
        sock.bind((link.name, protocol))
    except OSError:
        sock.close()
        raise
    return sock
