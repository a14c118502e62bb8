"""A command that goes on until we let go of it, or are gone: what holds a lock on a device.

It is told every now and then that we are still there. Whatever becomes of us, it ends: by the end
of its input, or for want of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

STILL_HERE_S = 5.0


class Held:
    """A running command, and how to end it."""

    def __init__(self, feed: Callable[[bytes], object], end: Callable[[], object]) -> None:
        self._feed, self._end = feed, end
        self._over = threading.Event()
        self.lost = False  # by its own end, or its connection's
        threading.Thread(target=self._keep, daemon=True).start()

    def _keep(self) -> None:
        while not self._over.wait(STILL_HERE_S):
            try:
                self._feed(b"\n")
            except OSError:
                self.lost = True
                return

    def close(self) -> None:
        """Let go."""
        self._over.set()
        with suppress(OSError):
            self._end()


def says(word: str, lines: Iterable[bytes]) -> bool:
    """Whether a line is this word; whatever a login shell prints before it is passed over."""
    return any(line.strip() == word.encode() for line in lines)
