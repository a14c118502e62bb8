"""What the cluster is told about Services: the writers of `status.loadBalancer`.

A few threads share one API server. A Service is always the same thread's, so that its writes keep
their order. Each write carries the version that was decided from (compare-and-set): who has changed
the Service since has also sent us its new version, and what is to be done then is decided anew.
Nothing is written without a valid lead at the moment of sending.
"""

from __future__ import annotations

import threading
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
from ferrule.reconcile.backlog import Backlog

THREADS = 8
TERM = "ferrule.dev/term"


@dataclass(frozen=True, slots=True)
class Word:
    """What one Service should say: its addresses and their pool; `term` is a new leader's mark.

    With a term nothing but that is written, and so the version of the Service changes: a
    predecessor that was stopped in the middle of a write, and wakes up, finds it refused.
    """

    demand: Demand
    addresses: Sequence[Address]
    pool: str
    term: str = ""


@dataclass(frozen=True, slots=True)
class Leave:
    """A Service that is not ours any more has no pool; one that is gone does not mind."""

    namespace: str
    name: str


Report = Callable[[str, Trouble | None], None]


class Statuses:
    """Writers at work. `report` is called by their threads: written, or what was in the way."""

    def __init__(
        self, api: Api, leading: Callable[[], bool], report: Report, threads: int = THREADS
    ) -> None:
        self._api, self._leading, self._report = api, leading, report
        self._lanes: list[Backlog[str, Word | Leave]] = [Backlog() for _ in range(threads)]
        self._threads = [
            threading.Thread(target=self._run, args=(one,), name="status-writer", daemon=True)
            for one in self._lanes
        ]
        for one in self._threads:
            one.start()

    def put(self, key: str, word: Word | Leave) -> None:
        """Write this as soon as possible, instead of whatever waits for the same Service."""
        self._lanes[crc32(key.encode()) % len(self._lanes)].put(key, word)

    @property
    def waiting(self) -> int:
        """How many Services are not written yet."""
        return sum(map(len, self._lanes))

    def stop(self) -> None:
        """End what is being written, and no more."""
        for lane in self._lanes:
            lane.stop()
        for thread in self._threads:
            thread.join()

    def _run(self, lane: Backlog[str, Word | Leave]) -> None:
        while (taken := lane.take()) is not None:
            key, word = taken
            trouble = self._written(word) if self._leading() else None
            if trouble is None or trouble.code == "status-conflict":
                lane.done(key)
            else:
                lane.again(key, word)
            self._report(key, trouble)

    def _written(self, word: Word | Leave) -> Trouble | None:
        try:
            if isinstance(word, Leave):
                _note(self._api, word.namespace, word.name, {"annotations": {POOL: None}})
            elif word.term:
                one = word.demand
                meta = {"resourceVersion": version(one), "annotations": {TERM: word.term}}
                _note(self._api, one.namespace, one.name, meta)
            else:
                write_status(self._api, word.demand, word.addresses, word.pool)
        except Trouble as bad:
            return bad
        return None


def version(demand: Demand) -> str:
    """The one that a Service was read at."""
    meta = demand.origin.document.data["metadata"]
    assert isinstance(meta, dict)
    return str(meta["resourceVersion"])


def _note(api: Api, namespace: str, name: str, meta: object) -> None:
    """Write annotations, by way of the status: more of a Service we may not write."""
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/services/{quote(name, safe='')}/status"
    answer = api.send("PATCH", path, body={"metadata": meta}, form="merge")
    if not answer.ok:
        gone = answer.status in (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND)
        code = "status-conflict" if gone else "status-refused"
        message = f"the annotations of Service {namespace}/{name} were not written: {answer.said}"
        raise Trouble(code, api.name, message)
