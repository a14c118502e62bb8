"""What waits to be written, by object: the newest word about each, and nobody waits for another.

A word that could not be written comes again later, each time later; what is behind it does not wait
for that. So an object that the API server refuses, whoever's it is, holds up itself alone.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

FIRST_S, LONGEST_S = 0.5, 30.0

K = TypeVar("K", bound=Hashable)
W = TypeVar("W")


class Backlog(Generic[K, W]):
    """Filled by any number of threads, emptied by one, which says what came of each word."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._words: OrderedDict[K, W] = OrderedDict()
        self._later: dict[K, tuple[float, W]] = {}  # when it comes again
        self._pauses: dict[K, float] = {}
        self._busy = False
        self._stopped = False
        self._news = threading.Condition()

    def __len__(self) -> int:
        return len(self._words) + len(self._later) + self._busy

    @property
    def is_busy(self) -> bool:
        """Whether something is being written or could be now; what comes again later is not."""
        return bool(self._words) or self._busy

    def put(self, key: K, word: W) -> None:
        """Instead of whatever waits under the same key."""
        with self._news:
            self._later.pop(key, None)
            self._words[key] = word
            self._news.notify()

    def take(self) -> tuple[K, W] | None:
        """The next word, as soon as there is one; None: it was stopped."""
        with self._news:
            self._busy = False
            while not self._stopped:
                wait_s = self._bring_back()
                if self._words:
                    self._busy = True
                    return self._words.popitem(last=False)
                self._news.wait(wait_s)
            return None

    def _bring_back(self) -> float | None:
        """What is due by now waits as before; how long until the next one is."""
        now = self._clock()
        for key in [key for key, (due, _) in self._later.items() if due <= now]:
            self._words.setdefault(key, self._later.pop(key)[1])
        return min((due - now for due, _ in self._later.values()), default=None)

    def done(self, key: K) -> None:
        """The word that was taken is written, or nobody wants it any more."""
        self._pauses.pop(key, None)

    def again(self, key: K, word: W, longest_s: float = LONGEST_S) -> None:
        """It could not be written: later, unless there is something newer to say by then."""
        with self._news:
            pause = self._pauses.get(key, FIRST_S)
            self._pauses[key] = min(2 * pause, longest_s)
            if key not in self._words:
                self._later[key] = (self._clock() + pause, word)

    def stop(self) -> None:
        """Nothing more is handed out."""
        with self._news:
            self._stopped = True
            self._news.notify()
