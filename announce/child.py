"""The announcer as a child process of the agent: begun, spoken to, begun again when it ends.

One thread does all of it, so that neither side waits for the other: what the agent says is queued,
what the announcer says is handed to `hear` line by line.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

from ferrule.announce import control

PROGRAM = (sys.executable, "-m", "ferrule.announce.process")
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
STEADY_S = 30.0  # who ran for so long is begun again at once
LEAVE_S = 2.0  # to hand over
END_S = LEAVE_S + 2.0
CHUNK = 1 << 16
LONGEST_LINE = 1 << 26  # of a status: 100 bytes for each address

Heard = Mapping[str, Any]


class Child(threading.Thread):
    """One announcer after another. All callbacks come in this thread.

    `greet` is called with each new one and has to `open` it; `hear` gets its messages, `mutter` the
    lines of its stderr and why it could not be begun.
    """

    def __init__(
        self,
        greet: Callable[[], None],
        hear: Callable[[Heard], None],
        mutter: Callable[[str], None],
        program: Sequence[str] = PROGRAM,
    ) -> None:
        super().__init__(name="announcer", daemon=True)
        self._greet, self._hear, self._mutter, self._program = greet, hear, mutter, program
        self._lock = threading.Lock()
        self._unsaid = bytearray()
        self._open = False
        self._ending = threading.Event()
        self._rest: dict[int, bytes] = {}
        self._wake, self._woken = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._woken, False)
        self.begun = 0
        self.pid: int | None = None

    # Of any thread.

    def open(self, lines: Iterable[bytes]) -> None:
        """The first words to the one that has just begun; `say` is for it from now on."""
        with self._lock:
            self._unsaid += b"".join(lines)
            self._open = True

    def say(self, line: bytes) -> None:
        """To the one that runs; one that is begun later is greeted with everything."""
        with self._lock:
            if self._open:
                self._unsaid += line
        self._nudge()

    def again(self) -> None:
        """Let it hand over and end, and begin another."""
        self.say(control.line("leave"))

    def end(self, within_s: float = END_S) -> None:
        """Let it hand over and end, and that was it."""
        self._ending.set()
        self.again()
        self.join(within_s)

    # Of the thread.

    def run(self) -> None:
        """Until `end`."""
        pause_s = FIRST_PAUSE_S
        try:
            while not self._ending.is_set():
                began = time.monotonic()
                self._attempt()
                pause_s = FIRST_PAUSE_S if time.monotonic() - began > STEADY_S else 2 * pause_s
                self._ending.wait(min(pause_s, LONGEST_PAUSE_S))
        finally:
            with self._lock:
                os.close(self._wake)
                os.close(self._woken)
                self._woken = -1

    def _attempt(self) -> None:
        pipe = subprocess.PIPE
        try:
            process = subprocess.Popen(self._program, stdin=pipe, stdout=pipe, stderr=pipe)  # noqa: S603  # our own
        except OSError as bad:
            self._mutter(f"the announcer could not be begun: {bad.strerror}")
            return
        self.begun, self.pid = self.begun + 1, process.pid
        try:
            self._greet()
            self._converse(process)
        finally:
            with self._lock:
                self._open = False
                self._unsaid.clear()
            self.pid = None
            self._finish(process)

    def _converse(self, process: subprocess.Popen[bytes]) -> None:
        """Carry lines to and fro until the process closes its stdout."""
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._rest = {}
        deadline: float | None = None
        with selectors.DefaultSelector() as selector:
            for stream in (process.stdin, process.stdout, process.stderr):
                os.set_blocking(stream.fileno(), False)
            selector.register(self._wake, selectors.EVENT_READ)
            selector.register(process.stdout, selectors.EVENT_READ, self._message)
            selector.register(process.stderr, selectors.EVENT_READ, self._remark)
            while process.stdout in _files(selector):
                if self._ending.is_set() and deadline is None:
                    deadline = time.monotonic() + LEAVE_S
                if deadline is not None and time.monotonic() > deadline:
                    process.kill()
                    return
                self._turn(selector, process.stdin)

    def _turn(self, selector: selectors.BaseSelector, stdin: IO[bytes]) -> None:
        self._write(selector, stdin)
        for key, _ in selector.select(1.0):
            if key.fileobj is stdin:
                continue
            if key.fd == self._wake:
                with suppress(BlockingIOError):
                    os.read(self._wake, CHUNK)
            elif not self._read(key.fd, key.data):
                selector.unregister(key.fileobj)

    def _write(self, selector: selectors.BaseSelector, stdin: IO[bytes]) -> None:
        """As much as it takes; the rest when it takes more."""
        with self._lock:
            try:
                while self._unsaid:
                    del self._unsaid[: os.write(stdin.fileno(), self._unsaid[:CHUNK])]
            except BlockingIOError:
                pass
            except BrokenPipeError:  # it ends, and its stdout will say so
                self._unsaid.clear()
            waits, registered = bool(self._unsaid), stdin in _files(selector)
        if waits and not registered:
            selector.register(stdin, selectors.EVENT_WRITE)
        elif registered and not waits:
            selector.unregister(stdin)

    def _read(self, descriptor: int, take: Callable[[bytes], None]) -> bool:
        """Whether there may be more."""
        try:
            data = os.read(descriptor, CHUNK)
        except BlockingIOError:
            return True
        *lines, rest = (self._rest.get(descriptor, b"") + data).split(b"\n")
        self._rest[descriptor] = rest[:LONGEST_LINE]
        for one in lines:
            take(one)
        return bool(data)

    def _message(self, line: bytes) -> None:
        with suppress(ValueError):
            self._hear(json.loads(line))

    def _remark(self, line: bytes) -> None:
        self._mutter(line.decode(errors="replace"))

    def _finish(self, process: subprocess.Popen[bytes]) -> None:
        for stream in (process.stdin, process.stdout, process.stderr):
            with suppress(OSError):  # what is unsaid is for nobody now
                if stream is not None:
                    stream.close()
        try:
            process.wait(LEAVE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _nudge(self) -> None:
        with self._lock, suppress(BlockingIOError):  # then it is awake anyway
            if self._woken >= 0:
                os.write(self._woken, b"!")


def _files(selector: selectors.BaseSelector) -> list[object]:
    return [key.fileobj for key in selector.get_map().values()]
