"""The kernel's own word on interfaces: a dump at the start, events from then on. No privilege."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import replace

from ferrule.announce.links import Links, messages

_GET_LINK, _GET_ADDRESS = 18, 22
_REQUEST_DUMP = 0x301
_ERROR, _DONE = 2, 3
_INTERRUPTED = 0x10  # NLM_F_DUMP_INTR: something changed meanwhile
_GROUPS = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, _IPV4_IFADDR, _IPV6_IFADDR
_LARGEST = 1 << 16
_MOST_TRIES = 5


class Monitor:
    """`links` as they are now; `hear` when `fileno` is readable."""

    def __init__(self) -> None:
        self._sock = _open(_GROUPS, socket.SOCK_NONBLOCK)
        self.links = dump()

    def fileno(self) -> int:
        """For a selector."""
        return self._sock.fileno()

    def hear(self) -> frozenset[int]:
        """Take in all events that wait; returns the interfaces that changed."""
        changed: frozenset[int] = frozenset()
        whole = True
        while True:
            try:
                data = self._sock.recv(_LARGEST)
            except BlockingIOError:
                return changed if whole else changed | self._again()
            except OSError:  # ENOBUFS: more events than fit, the later ones are lost
                whole = False
            else:
                changed |= self.links.hear(data)

    def close(self) -> None:
        """No more events."""
        self._sock.close()

    def _again(self) -> frozenset[int]:
        """Ask anew, after what waited: that is older. What was lost may have been falls."""
        before, fresh = self.links.by_index, dump().by_index
        self.links.by_index = {
            index: replace(link, falls=before[index].falls + 1) if index in before else link
            for index, link in fresh.items()
        }
        touched = before.keys() | self.links.by_index.keys()
        return frozenset(one for one in touched if before.get(one) != self.links.by_index.get(one))


def dump() -> Links:
    """All interfaces and their addresses."""
    links = Links()
    with _open(groups=0) as sock:
        for kind in (_GET_LINK, _GET_ADDRESS):
            for data in _answers(sock, kind):
                links.hear(data)
    return links


def _answers(sock: socket.socket, kind: int) -> Iterator[bytes]:
    for _ in range(_MOST_TRIES):
        sock.send(struct.pack("=IHHIIBxxx", 20, kind, _REQUEST_DUMP, 1, 0, socket.AF_UNSPEC))
        whole = True
        while True:
            data = sock.recv(_LARGEST)
            whole = whole and not struct.unpack_from("=H", data, 6)[0] & _INTERRUPTED
            yield data
            if any(one in (_ERROR, _DONE) for one, _ in messages(data)):
                break
        if whole:
            return


def _open(groups: int, flags: int = 0) -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | flags, socket.NETLINK_ROUTE)
    sock.bind((0, groups))
    return sock
