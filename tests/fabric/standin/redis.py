"""As much of a redis client as CONFIG_DB needs: commands, and messages one has subscribed to."""

from __future__ import annotations

import socket
from collections.abc import Iterator

SOCKET = "/var/run/redis/redis.sock"
CONFIG_DB = 4

Reply = str | int | list["Reply"] | None


class RedisError(Exception):
    """What redis answered instead."""


class Redis:
    """One connection, to one database."""

    def __init__(self, database: int = CONFIG_DB, path: str = SOCKET) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._stream = self._socket.makefile("rb")
        self.ask("SELECT", str(database))

    def close(self) -> None:
        self._stream.close()
        self._socket.close()

    def ask(self, *words: str) -> Reply:
        """Send a command, return its answer."""
        self._socket.sendall(b"".join(_encoded(words)))
        return self._reply()

    def texts(self, *words: str) -> list[str]:
        """The answer to a command that answers with strings."""
        reply = self.ask(*words)
        assert isinstance(reply, list)
        return [str(one) for one in reply]

    def hash(self, key: str) -> dict[str, str]:
        """All fields of a hash; empty where there is none."""
        flat = iter(self.texts("HGETALL", key))
        return dict(zip(flat, flat, strict=True))

    def messages(self, pattern: str) -> Iterator[tuple[str, str]]:
        """Channel and message of whatever is published after this call."""
        self.ask("PSUBSCRIBE", pattern)
        return self._messages()

    def _messages(self) -> Iterator[tuple[str, str]]:
        while True:
            reply = self._reply()
            assert isinstance(reply, list)
            yield str(reply[2]), str(reply[3])

    def _reply(self) -> Reply:
        line = self._stream.readline()
        if not line:
            raise ConnectionError("redis closed the connection")
        kind, rest = line[:1], line[1:-2].decode()
        match kind:
            case b"+":
                return rest
            case b"-":
                raise RedisError(rest)
            case b":":
                return int(rest)
            case b"$":
                return None if rest == "-1" else self._stream.read(int(rest) + 2)[:-2].decode()
            case _:
                return [self._reply() for _ in range(int(rest))]


def _encoded(words: tuple[str, ...]) -> Iterator[bytes]:
    yield b"*%d\r\n" % len(words)
    for word in words:
        data = word.encode()
        yield b"$%d\r\n%b\r\n" % (len(data), data)
