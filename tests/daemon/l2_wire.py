"""What goes over the segment: announcements with their times, beats."""

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address

from daemon.l2 import inside

_SO_TIMESTAMPNS = 35  # asm-generic/socket.h
_SO_RCVBUFFORCE = 33
_ETH_P_ALL = 0x0003
_BIG = 32 << 20


@dataclass(frozen=True)
class Announcement:
    """A gratuitous ARP frame, or an unsolicited advertisement."""

    at: float  # wall clock, as the kernel saw it
    address: str
    mac: str


class Ear:
    """All frames that one interface sees."""

    def __init__(self, namespace: str, interface: str) -> None:
        with inside(namespace):
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        self.sock.setblocking(False)  # noqa: FBT003  # has no keyword
        self.sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BIG)
        self.sock.bind((interface, _ETH_P_ALL))

    def frames(self) -> Iterator[tuple[float, bytes]]:
        """What waits."""
        with suppress(BlockingIOError):
            while True:
                data, about, _, _ = self.sock.recvmsg(2048, 64)
                seconds, nanoseconds = struct.unpack("=qq", about[0][2])
                yield seconds + nanoseconds / 1e9, data

    def announcements(self) -> list[Announcement]:
        return [
            Announcement(at, str(ip_address(address)), mac.hex(":"))
            for at, frame in self.frames()
            for address, mac in _announced(frame)
        ]

    def beats(self, port: int, seconds: float) -> list[bytes]:
        """Datagrams to a port, of so long."""
        found, until = [], time.monotonic() + seconds
        while time.monotonic() < until:
            found += [
                frame[42:]
                for _, frame in self.frames()
                if frame[12:14] == b"\x08\x00" and frame[23] == 17
                and frame[36:38] == port.to_bytes(2)
            ]  # fmt: skip
        return found

    def inject(self, frame: bytes) -> None:
        """Send it as it is; what no interface takes (too short) is not sent."""
        with suppress(OSError):
            self.sock.send(frame)

    def close(self) -> None:
        self.sock.close()


def _announced(frame: bytes) -> Iterator[tuple[bytes, bytes]]:
    if frame[12:14] == b"\x08\x06" and frame[28:32] == frame[38:42]:
        yield frame[28:32], frame[22:28]
    if frame[12:14] == b"\x86\xdd" and frame[20] == 58 and frame[54] == 136 and frame[38] == 0xFF:
        yield frame[62:78], frame[6:12]


@contextmanager
def ear(namespace: str, interface: str) -> Iterator[Ear]:
    one = Ear(namespace, interface)
    try:
        yield one
    finally:
        one.close()


def send(namespace: str, where: tuple[str, int], data: list[bytes], hops: int = 255) -> None:
    """Datagrams from a node that is no member."""
    with inside(namespace), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, hops)
        for one in data:
            sock.sendto(one, where)
