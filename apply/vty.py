"""One daemon of FRR by its vty socket: commands go in, answers come back, no process in between.

It is the socket that vtysh speaks to. A command ends with a NUL, its answer with three of them and
a code (lib/vty.c, `vtysh_read`; the same on 8.4.4 and 10.3), and commands may be sent ahead of the
answers. A daemon knows its own lines only: `network` is bgpd's alone, while a prefix-list, a
route-map or a BFD profile is also some other daemon's, and is left to vtysh.

One `network` line until it is done, median of 50, 20 and 10, on two cores that were shared, with
1,000 and 10,000 prefixes there, 8.4.4 and 10.3:

    this socket                     0.1 ms
    a vtysh kept open, on a pty     1 to 8 ms, and no code: what was refused is only text
    a `vtysh -f` for each           65 to 115 ms
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ferrule.apply.target import MOST_BYTES, Trouble
from ferrule.compiler.errors import quoted

SOCKETS = Path("/var/run/frr")
ANSWER_S = 30.0  # with 10,000 prefixes bgpd needs 0.1 s to print them; the rest is a busy machine
AHEAD = 200  # commands without an answer: fewer bytes than a socket holds, so that nobody waits
END = b"\0\0\0"
PIECE = 1 << 18


@dataclass(frozen=True, slots=True)
class Said:
    """The answer to one command; both may hold a password."""

    command: str = field(repr=False)
    code: int
    text: str = field(repr=False)

    @property
    def refused(self) -> bool:
        """Whether it was not done; some refusals have no `%`, and some warnings no code."""
        return self.code != 0 or any(one.startswith("%") for one in self.text.splitlines())


class Vty:
    """A connection to one daemon; after a `Trouble` it is of no more use."""

    def __init__(self, node: str, daemon: str, sockets: Path = SOCKETS) -> None:
        self._node, self.daemon = node, daemon
        self._rest = bytearray()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(ANSWER_S)
        try:
            self._socket.connect(str(sockets / f"{daemon}.vty"))
        except OSError as bad:
            self._socket.close()
            raise self._absent(bad) from None
        try:
            self.ask("enable")
        except Trouble:
            self._socket.close()
            raise

    def ask(self, command: str) -> str:
        """What one command prints; `Trouble` where it is refused."""
        (said,) = self.send([command])
        if said.refused:
            text = said.text.strip() or f"code {said.code}"
            message = f"{self.daemon} refuses {quoted(command)}: {quoted(text)}"
            raise Trouble("command-failed", self._node, message)
        return said.text

    def send(self, commands: Sequence[str]) -> list[Said]:
        """Run commands, each whatever became of those before it."""
        parts = range(0, len(commands), AHEAD)
        return [said for at in parts for said in self._few(commands[at : at + AHEAD])]

    def _few(self, commands: Sequence[str]) -> Iterator[Said]:
        try:
            self._socket.sendall(b"".join(one.encode() + b"\0" for one in commands))
            answers = [self._answer() for _ in commands]
        except TimeoutError:
            message = f"{self.daemon} does not answer within {ANSWER_S:g} s"
            raise Trouble("command-timeout", self._node, message) from None
        except OSError as bad:
            raise self._absent(bad) from None
        for command, (text, code) in zip(commands, answers, strict=True):
            yield Said(command, code, text.decode(errors="replace"))

    def _answer(self) -> tuple[bytes, int]:
        looked = 0
        while (end := self._rest.find(END, looked)) < 0 or len(self._rest) <= end + len(END):
            looked = max(len(self._rest) - len(END), 0)
            piece = self._socket.recv(PIECE)
            if not piece or len(self._rest) > MOST_BYTES:
                raise ConnectionResetError
            self._rest += piece
        text, code = bytes(self._rest[:end]), self._rest[end + len(END)]
        del self._rest[: end + len(END) + 1]
        return text, code

    def _absent(self, bad: OSError) -> Trouble:
        if isinstance(bad, PermissionError):
            message = f"the vty socket of {self.daemon} may not be opened"
            return Trouble("frr-not-running", self._node, message, "run as root, or in frrvty")
        if isinstance(bad, ConnectionResetError | BrokenPipeError):
            message = f"{self.daemon} has ended the connection"
        else:
            message = f"{self.daemon} is not running"
        return Trouble("frr-not-running", self._node, message)

    @property
    def ended(self) -> bool:
        """Whether the daemon has gone."""
        poll = select.poll()
        poll.register(self._socket, select.POLLRDHUP)
        return bool(poll.poll(0))

    def twin(self) -> socket.socket:
        """The same connection once more, for somebody who waits for its end."""
        return self._socket.dup()

    def close(self) -> None:
        """End the connection, and the wait of a twin."""
        with suppress(OSError):  # of a daemon that has gone
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
