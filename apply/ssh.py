"""A device reached by SSH: one connection, and every command on an exec channel of its own.

No shell is opened and no prompt is read, so that neither a banner nor the prompt itself can be
taken for an answer; exit codes and the two streams are the command's own.
"""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import paramiko  # type: ignore[import-untyped]

from ferrule.apply.connection import Connection, Gateways, Untyped, connect
from ferrule.apply.frames import Frames
from ferrule.apply.held import Held, says
from ferrule.apply.target import (
    CONNECT_S,
    MOST_BYTES,
    READ_S,
    Answer,
    Argv,
    Login,
    Trouble,
    ending,
    first_line,
    too_slow,
)
from ferrule.compiler.errors import printable, quoted

PIECE = 1 << 16


class Ssh:
    """A channel over SSH."""

    def __init__(self, device: str, login: Login, gateways: Gateways | None = None) -> None:
        """Log in. Gateways of its own are closed with it, others are their owner's."""
        self.device = device
        self._own = Gateways()
        try:
            self._connection: Connection = connect(device, login, gateways or self._own)
        except BaseException:
            self._own.close()
            raise

    def run(self, argv: Argv, *, stdin: str = "", timeout_s: float = READ_S) -> Answer:
        """As every channel."""
        return self._answers((argv,), stdin, timeout_s)[0]

    def ask(self, *commands: Argv, timeout_s: float = READ_S) -> tuple[Answer, ...]:
        """As every channel, in one round trip."""
        return self._answers(commands, "", timeout_s)

    def hold(self, argv: Argv, word: str, *, timeout_s: float = READ_S) -> Held | None:
        """As every channel; the end of the connection is the end of its input."""
        try:
            channel = self._connection.transport.open_session(timeout=CONNECT_S)
            channel.settimeout(timeout_s)
            channel.exec_command(shlex.join(argv))
            there = says(word, channel.makefile("rb"))
        except (paramiko.SSHException, OSError, EOFError) as bad:
            raise self._lost(str(bad)) from None
        if not there:
            channel.close()
            return None
        return Held(channel.sendall, channel.close)

    def close(self) -> None:
        """As every channel."""
        self._connection.disconnect()
        self._own.close()

    def _answers(
        self, commands: tuple[Argv, ...], stdin: str, timeout_s: float
    ) -> tuple[Answer, ...]:
        frames = Frames(commands)
        exchange = self._start(frames, stdin, timeout_s)
        try:
            exchange.finish()
        except TimeoutError:
            late = commands[len(frames.answers(exchange.out, exchange.err))]
            self._end(frames.pid(exchange.out), late)
            raise too_slow(self.device, late, timeout_s) from None
        answers = frames.answers(exchange.out, exchange.err)
        if len(answers) < len(commands):
            raise self._no_answer(exchange, commands[len(answers)])
        return answers

    def _start(self, frames: Frames, stdin: str, timeout_s: float) -> _Exchange:
        try:
            channel = self._connection.transport.open_session(timeout=CONNECT_S)
            channel.settimeout(CONNECT_S)
            channel.exec_command(frames.script)
        except (paramiko.SSHException, OSError, EOFError) as bad:
            raise self._lost(str(bad)) from None
        channel.settimeout(timeout_s)
        return _Exchange(channel, stdin.encode(errors="surrogateescape"), timeout_s)

    def _end(self, pid: int | None, argv: Argv) -> None:
        """Closing a channel ends nothing on the device: there is no terminal that hangs up."""
        if pid is not None:
            with suppress(Trouble, TimeoutError):
                self._start(Frames((ending(pid, argv),)), "", CONNECT_S).finish()

    def _no_answer(self, exchange: _Exchange, argv: Argv) -> Trouble:
        if not self._connection.transport.is_active():
            return self._lost(f"while {quoted(argv[0])} ran")
        if exchange.too_much:
            message = f"{quoted(argv[0])} says more than {MOST_BYTES >> 20} MiB"
            return Trouble("command-failed", self.device, message)
        said = (part.decode(errors="replace") for part in (exchange.out, exchange.err))
        message = f"the shell that was logged in to runs nothing: {first_line(Answer(0, *said))}"
        return Trouble("command-failed", self.device, message)

    def _lost(self, why: str) -> Trouble:
        message = f"the connection was cut: {printable(why) or 'the device closed it'}"
        help = "what was running there may have come to its end: look before you go on"
        return Trouble("connection-lost", self.device, message, help)


class _Exchange:
    """What one command is told and what it says, both at once, so that neither side waits."""

    def __init__(self, channel: Untyped, stdin: bytes, timeout_s: float) -> None:
        self._channel, self._stdin = channel, stdin
        self._out: list[bytes] = []
        self._err: list[bytes] = []
        self.too_much = False
        self._deadline = time.monotonic() + timeout_s
        errors = partial(self._collect, channel.recv_stderr, self._err)
        self._threads = [
            threading.Thread(target=each, daemon=True) for each in (self._feed, errors)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def out(self) -> bytes:
        """What came on stdout so far."""
        return b"".join(self._out)

    @property
    def err(self) -> bytes:
        """What came on stderr so far."""
        return b"".join(self._err)

    def finish(self) -> None:
        """Wait for the end of both streams; `TimeoutError` when that is too late."""
        try:
            self._collect(self._channel.recv, self._out)
            for thread in self._threads:
                thread.join(self._left_s)
            if time.monotonic() >= self._deadline:
                raise TimeoutError
        finally:
            self._channel.close()

    @property
    def _left_s(self) -> float:
        return max(0.001, self._deadline - time.monotonic())

    def _feed(self) -> None:
        with suppress(OSError):  # of whoever does not hear it to the end, or is gone
            self._channel.sendall(self._stdin)
            self._channel.shutdown_write()

    def _collect(self, receive: Callable[[int], bytes], into: list[bytes]) -> None:
        room = MOST_BYTES
        with suppress(OSError):  # too late, or gone
            while room > 0 and (piece := receive(PIECE)):
                into.append(piece)
                room -= len(piece)
                self._channel.settimeout(self._left_s)
        self.too_much |= room <= 0
