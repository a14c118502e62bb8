"""The process that answers: `python -m ferrule.announce.process`, spoken to on stdin and stdout.

Of its own, so that an agent that is busy (10,000 Services are 88 ms of JSON) delays neither a reply
nor a beat. Everything happens in one loop. End of stdin is the agent's death: the process hands
over as if told to leave, and ends. Without a first line that is a `setup`, without the right to
packet sockets or without its address it ends at once, with a line on stderr and a code of its own.
"""

from __future__ import annotations

import gc
import os
import selectors
import signal
import socket
import sys
import time

from ferrule.announce import control
from ferrule.announce.announcer import Announcer

USAGE, OS_ERROR, NO_PERMISSION = 64, 71, 77  # sysexits.h
_CHUNK = 1 << 16
# A full collection stops everything for 30 ms where there are 10,000 addresses; on a busy node that
# is 600 ms, and others take over. What is kept for long here has no cycles.
_NEVER = 1 << 30


class Inbox:
    """The agent's end of the pipe."""

    def __init__(self, inward: int, selector: selectors.BaseSelector) -> None:
        self._inward, self._selector = inward, selector
        self._lines = control.Lines()
        self.waiting: list[bytes | None] = []

    def read(self) -> bool:
        """Whether more can come."""
        data = os.read(self._inward, _CHUNK)
        self.waiting += self._lines.feed(data)
        return bool(data)

    def first(self) -> control.Setup:
        """Waits for it; what came after stays. Raises `ControlError`."""
        while not self.waiting:
            if not self.read():
                raise control.ControlError("no setup")
        line = self.waiting.pop(0)
        setup = control.read(line) if line is not None else None
        if not isinstance(setup, control.Setup):
            raise control.ControlError("no setup")
        return setup

    def hear(self, announcer: Announcer, now: float) -> None:
        """Read on, once all is obeyed that was read before."""
        if not self.waiting and not self.read():
            self._selector.unregister(self._inward)
            announcer.leave(now)

    def obey(self, announcer: Announcer, now: float) -> None:
        """One line in a turn, however bad it is: none delays a beat by more than itself."""
        if not self.waiting:
            return
        line = self.waiting.pop(0)
        try:
            announcer.obey(control.read(line if line is not None else b""), now)
        except control.ControlError:
            announcer.bad_line()


def serve(inward: int, out: int) -> None:
    """Until the agent says `leave`, or is gone, or somebody sends SIGTERM."""
    gc.set_threshold(*gc.get_threshold()[:2], _NEVER)
    asked_to_end: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: asked_to_end.append(number))
    selector = selectors.DefaultSelector()
    inbox = Inbox(inward, selector)
    announcer = Announcer(inbox.first(), selector, out, time.monotonic())
    selector.register(inward, selectors.EVENT_READ, lambda now: inbox.hear(announcer, now))
    try:
        while not announcer.over(now := time.monotonic()):
            wake_at = now if inbox.waiting else announcer.wake_at(now)
            ready = selector.select(max(0.0, wake_at - now))
            announcer.before(time.monotonic())
            if asked_to_end:
                announcer.leave(time.monotonic())
            for key, _ in ready:
                key.data(time.monotonic())
            inbox.obey(announcer, time.monotonic())
            announcer.after(time.monotonic())
    finally:
        announcer.close()
        selector.close()


def main() -> int:
    """Its exit code; what is wrong is one line, which the agent passes on."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
        serve(sys.stdin.fileno(), sys.stdout.fileno())
    except control.ControlError as error:
        return _complain(f"the announcer was not set up: {error}", USAGE)
    except PermissionError:
        return _complain(
            "the announcer may open no packet socket: it has no NET_RAW", NO_PERMISSION
        )
    except OSError as error:  # its address is not there yet, or its port is taken
        return _complain(f"the announcer could not go on: {error.strerror}", OS_ERROR)
    return 0


def _complain(text: str, code: int) -> int:
    sys.stderr.write(f"{text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
