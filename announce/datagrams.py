"""The socket that beats come and go by; what a router handled is no neighbor's (255 hops)."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

from ferrule.announce.heartbeat import LARGEST

BATCH = 64
_ONE_HOP = 255
_IP_RECVTTL = 12  # linux/in.h


class Datagrams:
    """Bound to this node's own address."""

    def __init__(self, bind: str, port: int) -> None:
        six = ":" in bind
        self.port, self.far = port, 0
        self.sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.settimeout(0)
        if six:
            self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, _ONE_HOP)
            self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        else:
            self.sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, _ONE_HOP)
            self.sock.setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)
        self.sock.bind((bind, port))

    def heard(self) -> Iterator[bytes]:
        """What waits, up to a batch; from `far` away is only counted."""
        for _ in range(BATCH):
            try:
                data, about, _, _ = self.sock.recvmsg(LARGEST, 64)
            except OSError:
                return
            if _from_next_door(about):
                yield data
            else:
                self.far += 1

    def send(self, data: bytes, where: str) -> None:
        """To a node's address."""
        with suppress(OSError):  # no route while a link is down
            self.sock.sendto(data, (where, self.port))

    def close(self) -> None:
        """Deaf and mute from now on."""
        self.sock.close()


def _from_next_door(about: list[tuple[int, int, bytes]]) -> bool:
    """Whether no router handled it: 255 hops are left."""
    return any(
        len(value) == 4 and struct.unpack("=i", value)[0] == _ONE_HOP for _, _, value in about
    )
