"""What the cluster is told about Services: the writers of `status.loadBalancer`.

A few threads share one API server. A Service is always the same thread's, so that its writes keep
their order. Each write carries the version that was decided from (compare-and-set): who has changed
the Service since has also sent us its new version, and what is to be done then is decided anew.
Nothing is written without a valid lead at the moment of sending: what has to be sent again waits
here and not below, and a server that is busy is left alone by all threads for a moment.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote
from zlib import crc32

from ferrule.apply.cluster import POOL, write_status
from ferrule.apply.target import Trouble
from ferrule.compiler.network import Address
from ferrule.compiler.service import Demand
from ferrule.observe.cluster_api import Answer, Api
from ferrule.reconcile.backlog import Backlog
from ferrule.reconcile.publish import now

THREADS = 8
BUSY_S = 1.0  # what a server asks for that is busy (kubernetes, priority and fairness)
WITHIN_S = 5.0  # what is being written is waited for in the end; the successor waits meanwhile
TERM = "ferrule.dev/term"
BUSY = (  # says nothing about the object
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


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


class _Server:
    """The API server, with when it may be asked again; `write_status` knows no more of it."""

    def __init__(self, api: Api) -> None:
        self._api, self.name = api, api.name
        self._busy_until = 0.0

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: object = None,
        form: str = "json",
    ) -> Answer:
        answer = self._api.send(method, path, query=query, body=body, form=form)
        if answer.status in BUSY:
            self._busy_until = time.monotonic() + BUSY_S
        return answer

    def busy_for_s(self) -> float:
        return max(0.0, self._busy_until - time.monotonic())


class Statuses:
    """Writers at work. `report` is called by their threads: written, or what was in the way."""

    def __init__(
        self, api: Api, leading: Callable[[], bool], report: Report, threads: int = THREADS
    ) -> None:
        self._server, self._leading, self._report = _Server(api), leading, report
        self._stopping = threading.Event()
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

    @property
    def is_busy(self) -> bool:
        """Whether there is something to write now: one that is refused for ever is no work."""
        return any(lane.is_busy for lane in self._lanes)

    def stop(self, within_s: float = WITHIN_S) -> bool:
        """End what is being written, and no more; whether nothing is on its way any longer."""
        self._stopping.set()
        for lane in self._lanes:
            lane.stop()
        until = time.monotonic() + within_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, lane: Backlog[str, Word | Leave]) -> None:
        while (taken := lane.take()) is not None:
            key, word = taken
            if self._stopping.wait(self._server.busy_for_s()):
                return
            trouble = self._written(word) if self._leading() else None
            if trouble is None or trouble.code == "status-conflict":
                lane.done(key)
            else:
                lane.again(key, word)
            self._report(key, trouble)

    def _written(self, word: Word | Leave) -> Trouble | None:
        try:
            if isinstance(word, Leave):
                gone = {"metadata": {"annotations": {POOL: None}}}
                _patch(self._server, word.namespace, word.name, gone)
            elif word.term:
                _mark(self._server, word.demand, word.term)
            else:
                write_status(self._server, word.demand, word.addresses, word.pool)
        except Trouble as bad:
            return bad
        return None


def version(demand: Demand) -> str:
    """The one that a Service was read at."""
    meta = demand.origin.document.data["metadata"]
    assert isinstance(meta, dict)
    return str(meta["resourceVersion"])


def _mark(server: _Server, demand: Demand, term: str) -> None:
    """A new leader's mark. Annotations may be full (256 KiB), and the predecessor's write, which is
    shorter or takes one away, pass all the same: the mark is then a condition of the status.
    """
    meta = {"resourceVersion": version(demand)}
    try:
        noted = {"metadata": {**meta, "annotations": {TERM: term}}}
        _patch(server, demand.namespace, demand.name, noted)
    except Trouble as bad:
        if bad.code != "status-refused":
            raise
        condition = {
            "type": TERM,
            "status": "True",
            "reason": "Contested",
            "message": term,
            "lastTransitionTime": now(),
        }
        body = {"metadata": meta, "status": {"conditions": [condition]}}
        _patch(server, demand.namespace, demand.name, body, "strategic")


def _patch(server: _Server, namespace: str, name: str, body: object, form: str = "merge") -> None:
    """Annotations too are written by way of the status: more of a Service we may not write."""
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/services/{quote(name, safe='')}/status"
    answer = server.send("PATCH", path, body=body, form=form)
    if not answer.ok:
        code = "status-refused"
        if answer.status in (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND):
            code = "status-conflict"
        elif not answer.status or answer.status in BUSY:
            code = "cluster-unreachable"
        message = f"the annotations of Service {namespace}/{name} were not written: {answer.said}"
        raise Trouble(code, server.name, message)
