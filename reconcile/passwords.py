"""The passwords of switches: Secrets that the spec names, each read by name, for none is listed.

They are read in a thread of their own, as soon as another one is named and then now and then: the
API server that does not answer holds up nobody else.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress

from ferrule.compiler.source import Document
from ferrule.observe.cluster_api import Api
from ferrule.observe.cluster_config import ClusterError
from ferrule.observe.cluster_secrets import Key, named, secret
from ferrule.reconcile.logs import Log

AGAIN_S = 60.0
Found = Document | ClusterError | None


class Passwords(threading.Thread):
    """The reader."""

    def __init__(self, api: Api, log: Log) -> None:
        super().__init__(name="passwords", daemon=True)
        self._api, self._log = api, log
        self._wanted: tuple[Key, ...] = ()
        self._asked: set[Key] = set()
        self._found: queue.SimpleQueue[tuple[Key, Found]] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self.start()

    def want(self, documents: Iterable[Document]) -> None:
        """Those that the Switches among these name."""
        wanted = named(one for one in documents if one.kind == "Switch")
        if wanted != self._wanted:
            self._wanted = wanted
            self._wake.set()

    @property
    def complete(self) -> bool:
        """Whether each was asked for, and what came of it handed out."""
        return self._asked.issuperset(self._wanted)

    def news(self) -> Iterator[tuple[str, Document | None]]:
        """What was read since, by namespace and name; None is not there."""
        with suppress(queue.Empty):
            while True:
                key, found = self._found.get_nowait()
                self._asked.add(key)
                if isinstance(found, ClusterError):  # what was read before is the best there is
                    self._log.warning("secretNotRead", secret="/".join(key), error=str(found))
                else:
                    yield "/".join(key), found

    def stop(self, within_s: float = 2.0) -> None:
        """No more; a read that hangs by then ends by itself."""
        self._stopping.set()
        self._wake.set()
        self.join(within_s)

    def run(self) -> None:
        """Until it is stopped."""
        while not self._stopping.is_set():
            for key in self._wanted:
                if self._stopping.is_set():
                    return
                try:
                    self._found.put((key, secret(self._api, *key)))
                except ClusterError as bad:
                    self._found.put((key, bad))
            self._wake.wait(AGAIN_S)
            self._wake.clear()
