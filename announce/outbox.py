"""What the process says, so that an agent that does not read delays nothing.

Events wait, up to a bound. Of statuses only the newest does, and none is written before the pipe
takes it: it is made piece by piece, a piece in a turn, because one of 10,000 addresses takes longer
than a reply may.
"""

from __future__ import annotations

import os
import selectors
from collections import deque
from collections.abc import Callable, Iterator

MOST_EVENTS = 1024
_PIECES = 2  # in a turn


class Outbox:
    """The pipe to the agent. A file, which selectors do not know, takes everything at once."""

    def __init__(self, out: int, selector: selectors.BaseSelector) -> None:
        os.set_blocking(out, False)  # has no keyword
        self._out, self._selector = out, selector
        self._events: deque[bytes] = deque()
        self._status: Callable[[], Iterator[bytes]] | None = None
        self._pieces: Iterator[bytes] = iter(())
        self._unsent = b""
        self._waiting = self._gone = False
        self.missed = 0

    def event(self, line: bytes) -> None:
        """Say this; what does not fit is counted as missed."""
        if self._gone or len(self._events) >= MOST_EVENTS:
            self.missed += 1
            return
        self._events.append(line)
        self._wait(writable=True)

    def status(self, make: Callable[[], Iterator[bytes]]) -> None:
        """Say how things are when this is asked, in pieces, in place of what was not begun."""
        if not self._gone:
            self._status = make
            self._wait(writable=True)

    def flush(self, _now: float = 0.0) -> None:
        """Write what the pipe takes now."""
        try:
            for _ in range(_PIECES):
                self._unsent = self._unsent or self._next()
                if not self._unsent:
                    break
                self._unsent = self._unsent[os.write(self._out, self._unsent) :]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self._gone, self._unsent, self._status = True, b"", None
            self._pieces = iter(())
            self._events.clear()
        self._wait(writable=bool(self._unsent or self._events or self._status) or self._begun())

    def close(self) -> None:
        """What is still unsaid goes out as far as the pipe takes it at once."""
        before = None
        while self._waiting and before != (now := (self._unsent, len(self._events))):
            before = now
            self.flush()
        self._wait(writable=False)

    def _next(self) -> bytes:
        """The next piece: a line that was begun is finished first, and no event cuts it."""
        for piece in self._pieces:
            return piece
        if self._events:
            return self._events.popleft()
        if self._status is not None:
            make, self._status = self._status, None
            self._pieces = make()
            return next(self._pieces, b"")
        return b""

    def _begun(self) -> bool:
        """Whether pieces of a line are still to come: fetches one to see."""
        if not self._gone and not self._unsent:
            self._unsent = next(self._pieces, b"")
        return bool(self._unsent)

    def _wait(self, *, writable: bool) -> None:
        if writable == self._waiting:
            return
        if not writable:
            self._waiting = False
            self._selector.unregister(self._out)
            return
        try:
            self._selector.register(self._out, selectors.EVENT_WRITE, self.flush)
        except PermissionError:
            while piece := self._next():
                os.write(self._out, piece)
        else:
            self._waiting = True
