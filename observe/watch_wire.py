"""A connection to an API server that one thread reads and another may cut.

A thread that waits for an answer, or for the next line of a watch, can be ended only by shutting
its socket down: to close urllib3's response from another thread can hang (urllib3 2.8).
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping

import urllib3
from urllib3 import exceptions

from ferrule.observe.cluster_api import Answer, Api
from ferrule.observe.cluster_config import Login

CONNECT_S = 3.0
CHUNK = 1 << 20


class BrokenError(Exception):
    """There is no watch, or no more of it; the answer says why."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__(answer.said)


class Wire(Api):
    """An API server, asked by one thread over one connection, without patience."""

    patience = urllib3.Retry(0, raise_on_status=False)

    def __init__(self, login: Login, *, read_s: float, connect_s: float = CONNECT_S) -> None:
        self._line: socket.socket | None = None
        self._holding = threading.Lock()
        self._is_cut = False
        super().__init__(login, connect_s=connect_s, read_s=read_s)

    def enter(self, login: Login) -> None:
        """Be who that login says, over a connection of its own."""
        super().enter(login)
        pool = self._pool.connection_from_url(str(login.configuration.host))
        pool.ConnectionCls = _tapped(pool.ConnectionCls, self._hold)

    def lines(self, path: str, query: Mapping[str, str | int]) -> Iterator[list[bytes]]:
        """Whole lines as they come, first of all none when the server has agreed.

        Ends when the server ends it; raises `BrokenError`.
        """
        try:
            reply = self.request("GET", path, query=query, whole=False)
            try:
                yield from self._read(reply)
            finally:
                reply.close()
        except exceptions.HTTPError as bad:
            raise BrokenError(self.unanswered(bad)) from None

    def cut(self) -> None:
        """End whatever another thread does with it, now and later."""
        with self._holding:
            self._is_cut = True
            if self._line:
                _shut(self._line)

    def close(self) -> None:
        """Let go of the connection."""
        self._pool.clear()
        with self._holding:
            if self._line:
                self._line.close()
                self._line = None

    def _read(self, reply: urllib3.BaseHTTPResponse) -> Iterator[list[bytes]]:
        answer = Answer(reply.status)
        if not answer.ok:
            raise BrokenError(Answer(reply.status, reply.data))
        yield []
        rest = b""
        while chunk := reply.read1(CHUNK):  # what is there: the other ways wait for more
            *lines, rest = (rest + chunk).split(b"\n")
            yield [line for line in lines if line]

    def _hold(self, line: socket.socket) -> None:
        """Keep a handle of the socket of its own: TLS takes the other one away (`ssl`, detach)."""
        with self._holding:
            if self._line:
                self._line.close()
            self._line = line.dup()
            if self._is_cut:
                _shut(self._line)


def _shut(line: socket.socket) -> None:
    try:
        line.shutdown(socket.SHUT_RDWR)
    except OSError:  # the other end was first
        return


def _tapped(plain: type, hold: Callable[[socket.socket], None]) -> type:
    """A class of connections that hands over its socket before TLS begins."""

    def opened(self: object) -> socket.socket:
        line: socket.socket = plain._new_conn(self)  # type: ignore[attr-defined] # noqa: SLF001
        hold(line)
        return line

    return type(f"Tapped{plain.__name__}", (plain,), {"_new_conn": opened})
