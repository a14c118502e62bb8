"""Solicited-node groups: joined, so that cards and snooping switches let solicitations through.

A socket holds as many memberships as its options' memory allows: 2340 with today's 128 KB, 365
with the 20 KB of older kernels (measured). So they are spread over as many sockets as it takes.
All a socket does here is to be a member; frames come in elsewhere. Joining needs no privilege.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Collection

_FULL = (errno.ENOMEM, errno.ENOBUFS)


class Groups:
    """The memberships of one interface."""

    def __init__(self, interface: int) -> None:
        self._interface = interface
        self._sockets: list[socket.socket] = []
        self._joined: dict[bytes, socket.socket] = {}

    def __len__(self) -> int:
        return len(self._joined)

    def want(self, groups: Collection[bytes]) -> bool:
        """Be in these and no others; False where the interface took some of them not."""
        for group in [one for one in self._joined if one not in groups]:
            sock = self._joined.pop(group)
            try:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_LEAVE_GROUP, self._request(group))
            except OSError:
                continue  # the interface is gone, and with it the membership
        refused = [one for one in groups if one not in self._joined and not self._join(one)]
        return not refused

    def again(self) -> bool:
        """Join all of them anew: memberships do not outlive IPv6 being off on the interface."""
        groups = list(self._joined)
        self.close()
        return self.want(groups)

    def close(self) -> None:
        """Leave all of them."""
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()
        self._joined.clear()

    def _join(self, group: bytes) -> bool:
        for fresh in (False, True):
            if fresh or not self._sockets:
                self._sockets.append(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
            sock = self._sockets[-1]
            try:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, self._request(group))
            except OSError as error:
                if error.errno not in _FULL:
                    return False
            else:
                self._joined[group] = sock
                return True
        return False

    def _request(self, group: bytes) -> bytes:
        return struct.pack("=16sI", group, self._interface)
