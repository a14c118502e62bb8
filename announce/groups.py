"""Solicited-node groups: joined, so that cards and snooping switches let solicitations through.

A socket holds as many memberships as its options' memory allows: 2340 with today's 128 KB, 365
with the 20 KB of older kernels (measured). So they are spread over as many sockets as it takes.
All a socket does here is to be a member; frames come in elsewhere. Joining needs no privilege.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress

_FULL = (errno.ENOMEM, errno.ENOBUFS)


class Groups:
    """The memberships of one interface; addresses that share a group are counted."""

    def __init__(self, interface: int) -> None:
        self._interface = interface
        self._sockets: Counter[socket.socket] = Counter()  # and how many groups each is in
        self._joined: dict[bytes, socket.socket] = {}
        self._wanted: Counter[bytes] = Counter()
        self._missing: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._joined)

    def join(self, groups: Iterable[bytes]) -> bool:
        """Be in these too; False where the interface took some of them not."""
        for group in groups:
            self._wanted[group] += 1
            if group not in self._joined:
                self._missing.add(group)
        return self.retry()

    def leave(self, groups: Iterable[bytes]) -> None:
        """One address less in each of these."""
        for group in groups:
            self._wanted[group] -= 1
            if self._wanted[group]:
                continue
            del self._wanted[group]
            self._missing.discard(group)
            if group in self._joined:
                self._leave(group)

    def retry(self) -> bool:
        """Ask once more for what was refused; whether nothing is missing."""
        for group in list(self._missing):
            if group in self._joined or self._join(group):
                self._missing.remove(group)
        return not self._missing

    def close(self) -> None:
        """Leave all of them."""
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()
        self._joined.clear()

    def _leave(self, group: bytes) -> None:
        sock = self._joined.pop(group)
        with suppress(OSError):  # the interface is gone, and with it the membership
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_LEAVE_GROUP, self._request(group))
        self._sockets[sock] -= 1
        if not self._sockets[sock]:
            del self._sockets[sock]
            sock.close()

    def _join(self, group: bytes) -> bool:
        last = next(reversed(self._sockets), None)
        if last is not None and (taken := self._join_by(last, group)) is not None:
            return taken
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        taken = self._join_by(sock, group)
        if not taken:
            sock.close()
        return bool(taken)

    def _join_by(self, sock: socket.socket, group: bytes) -> bool | None:
        """None where the socket is full."""
        try:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, self._request(group))
        except OSError as error:
            return None if error.errno in _FULL else False
        self._joined[group] = sock
        self._sockets[sock] += 1
        return True

    def _request(self, group: bytes) -> bytes:
        return struct.pack("=16sI", group, self._interface)
