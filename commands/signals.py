"""What a signal begins.

A handler runs in the middle of whatever the main thread does: in the middle of a print, or holding
the lock that the handler would wait for. So a handler only passes on that there was a signal, and a
thread does what comes of it. (`SimpleQueue.put` may interrupt itself: Python's `queue`.)
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue


@contextmanager
def first_of(numbers: Iterable[int], act: Callable[[], object]) -> Iterator[None]:
    """Act at the first of these signals; those that are ignored, as under nohup, stay so."""
    told: SimpleQueue[int | None] = SimpleQueue()

    def answer() -> None:
        if told.get() is not None:
            act()

    thread = threading.Thread(target=answer, name="signals", daemon=True)
    thread.start()
    before = {one: signal.getsignal(one) for one in numbers}
    for one, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(one, lambda number, _: told.put(number))
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
        told.put(None)
        thread.join()
