"""What the cluster is told about Services: the writers of `status.loadBalancer`.

A few threads share one API server. A Service is always the same thread's, so that its writes keep
their order; of two words about one Service that wait, only the newer is written. Each write carries
the version that was decided from (compare-and-set): who has changed the Service since has also
sent us its new version, and what is to be done then is decided anew. Nothing is written without a
valid lead at the moment of sending.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote
from zlib import crc32

from ferrule.apply.cluster import POOL, write_status
from ferrule.apply.target import Trouble
from ferrule.compiler.network import Address
from ferrule.compiler.service import Demand
from ferrule.observe.cluster_api import Api

THREADS = 8
RETRY_S = 0.5
LONGEST_RETRY_S = 30.0
TERM = "ferrule.dev/term"


@dataclass(frozen=True, slots=True)
class Word:
    """What one Service should say: its addresses and their pool; `term` is a new leader's mark.

    With a term nothing but that is written first, and so the version of the Service changes: a
    predecessor that was stopped in the middle of a write, and wakes up, finds it refused.
    """

    demand: Demand
    addresses: Sequence[Address]
    pool: str
    term: str = ""


Report = Callable[[str, Trouble | None], None]


class Statuses:
    """Writers at work. `report` is called by their threads: written, or what was in the way."""

    def __init__(
        self, api: Api, leading: Callable[[], bool], report: Report, threads: int = THREADS
    ) -> None:
        self._api, self._leading, self._report = api, leading, report
        self._lanes = [_Lane(self) for _ in range(threads)]

    def put(self, word: Word) -> None:
        """Write this as soon as possible, instead of whatever waits for the same Service."""
        key = word.demand.key
        self._lanes[crc32(key.encode()) % len(self._lanes)].put(key, word)

    @property
    def waiting(self) -> int:
        """How many Services are not written yet."""
        return sum(one.waiting for one in self._lanes)

    def stop(self) -> None:
        """End what is being written, and no more."""
        for one in self._lanes:
            one.stop()
        for one in self._lanes:
            one.join()

    def write(self, word: Word) -> None:
        """One Service; raises `Trouble`."""
        if not self._leading():
            return
        if word.term:
            _mark(self._api, word)
        else:
            write_status(self._api, word.demand, word.addresses, word.pool)

    def forget(self, namespace: str, name: str) -> None:
        """A Service that is not ours any more has no pool; one that is gone does not mind."""
        if self._leading():
            body = {"metadata": {"annotations": {POOL: None}}}
            path = _path(namespace, name)
            answer = self._api.send("PATCH", path, body=body, form="merge")
            if not answer.ok and answer.status != HTTPStatus.NOT_FOUND:
                message = f"{namespace}/{name} keeps the annotation {POOL}: {answer.said}"
                self._report(
                    f"{namespace}/{name}", Trouble("status-refused", self._api.name, message)
                )

    def told(self, key: str, trouble: Trouble | None) -> None:
        """What came of a write."""
        self._report(key, trouble)


class _Lane(threading.Thread):
    """One thread, and what waits for it."""

    def __init__(self, statuses: Statuses) -> None:
        super().__init__(name="status-writer", daemon=True)
        self._statuses = statuses
        self._words: OrderedDict[str, Word] = OrderedDict()
        self._busy = 0
        self._changed = threading.Condition()
        self._stopped = False
        self.start()

    @property
    def waiting(self) -> int:
        return len(self._words) + self._busy

    def put(self, key: str, word: Word) -> None:
        with self._changed:
            self._words[key] = word
            self._changed.notify()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._words.clear()
            self._changed.notify()

    def run(self) -> None:
        retry_s = RETRY_S
        while (taken := self._take()) is not None:
            key, word = taken
            trouble = None
            try:
                self._statuses.write(word)
            except Trouble as bad:
                trouble = bad
            self._busy = 0
            self._statuses.told(key, trouble)
            if trouble is None or trouble.code == "status-conflict":
                retry_s = RETRY_S
                continue
            self._again(key, word, retry_s)
            retry_s = min(2 * retry_s, LONGEST_RETRY_S)

    def _take(self) -> tuple[str, Word] | None:
        with self._changed:
            while not self._words and not self._stopped:
                self._changed.wait()
            if self._stopped:
                return None
            self._busy = 1
            return self._words.popitem(last=False)

    def _again(self, key: str, word: Word, wait_s: float) -> None:
        """Later, unless there is something newer to say by then."""
        with self._changed:
            if self._changed.wait_for(lambda: self._stopped, wait_s):
                return
            self._words.setdefault(key, word)


def _mark(api: Api, word: Word) -> None:
    """A new leader's mark on a Service that it is about to give something else."""
    demand = word.demand
    version = str(demand.origin.document.data["metadata"]["resourceVersion"])  # type: ignore[index]
    body = {"metadata": {"resourceVersion": version, "annotations": {TERM: word.term}}}
    answer = api.send("PATCH", _path(demand.namespace, demand.name), body=body, form="merge")
    if not answer.ok:
        gone = answer.status in (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND)
        code = "status-conflict" if gone else "status-refused"
        message = f"Service {demand.key} could not be marked: {answer.said}"
        raise Trouble(code, api.name, message)


def _path(namespace: str, name: str) -> str:
    """Of its status: of annotations too that is all we may write."""
    return f"/api/v1/namespaces/{quote(namespace, safe='')}/services/{quote(name, safe='')}/status"
