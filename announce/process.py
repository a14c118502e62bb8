"""The process that answers: `python -m ferrule.announce.process`, spoken to on stdin and stdout.

Of its own, so that an agent that is busy (10,000 Services are 88 ms of JSON) delays neither a reply
nor a beat. Everything happens in one loop. End of stdin is the agent's death: the process hands
over as if told to leave, and ends. A first line that is no `setup` ends it with exit code 64.
"""

from __future__ import annotations

import os
import selectors
import signal
import sys
import time

from ferrule.announce import control
from ferrule.announce.announcer import Announcer

USAGE = 64
_CHUNK = 1 << 16


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
        """Obey all whole lines."""
        if not self.read():
            self._selector.unregister(self._inward)
            announcer.leave(now)
        self.obey(announcer, now)

    def obey(self, announcer: Announcer, now: float) -> None:
        """What waits, however bad some of it is."""
        lines, self.waiting = self.waiting, []
        for one in lines:
            try:
                announcer.obey(control.read(one if one is not None else b""), now)
            except control.ControlError:
                announcer.bad_line()


def serve(inward: int, out: int) -> None:
    """Until the agent says `leave`, or is gone, or somebody sends SIGTERM."""
    asked_to_end: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: asked_to_end.append(number))
    selector = selectors.DefaultSelector()
    inbox = Inbox(inward, selector)
    announcer = Announcer(inbox.first(), selector, out, time.monotonic())
    inbox.obey(announcer, time.monotonic())
    selector.register(inward, selectors.EVENT_READ, lambda now: inbox.hear(announcer, now))
    try:
        while not announcer.over(now := time.monotonic()):
            ready = selector.select(max(0.0, announcer.wake_at(now) - now))
            announcer.before(time.monotonic())
            if asked_to_end:
                announcer.leave(time.monotonic())
            for key, _ in ready:
                key.data(time.monotonic())
            announcer.after(time.monotonic())
    finally:
        announcer.close()
        selector.close()


if __name__ == "__main__":
    try:
        serve(sys.stdin.fileno(), sys.stdout.fileno())
    except control.ControlError as error:
        sys.stderr.write(f"the announcer was not set up: {error}\n")
        sys.exit(USAGE)
