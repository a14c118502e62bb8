"""Leader election by a Lease: the thread that renews it, and the requests of that.

The Lease is `ferrule-CLUSTER` in our own namespace; `apply` looks at the same one and leaves
statuses to whoever holds it. `candidate` knows when a lead is valid.
"""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from random import SystemRandom
from typing import Any

from pydantic import Field

from ferrule.observe.cluster_api import Answer, Api
from ferrule.observe.cluster_config import ClusterError
from ferrule.observe.cluster_lease import lease_name
from ferrule.observe.cluster_lists import Content, Resource
from ferrule.observe.watch_wire import Wire
from ferrule.reconcile.candidate import Ask, Candidate, Clock, Lead, Record, Reply, Timing

LEASES = Resource("coordination.k8s.io/v1", "Lease", "leases")
WHEN = "%Y-%m-%dT%H:%M:%S.%fZ"
CLUSTER = "ferrule.dev/cluster"  # the label that tells our Leases from all others
STALE = (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND)
SPREAD = 0.2  # so that candidates do not ask together


def boot_clock() -> float:
    """Monotonic, and goes on while the machine sleeps (clock_gettime(2)): others did not wait."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def unique_name() -> str:
    """Of this process and no other: one that begins anew in the same Pod is another."""
    return f"{socket.gethostname()}-{secrets.token_hex(4)}"


class _Spec(Content):
    holder: str | None = Field(None, alias="holderIdentity")
    lease_s: int | None = Field(None, alias="leaseDurationSeconds")
    transitions: int | None = Field(None, alias="leaseTransitions")
    acquired: str | None = Field(None, alias="acquireTime")


class _Lease(Content):
    metadata: dict[str, Any]
    spec: _Spec = _Spec.model_validate({})

    def record(self) -> Record:
        meta = {key: value for key, value in self.metadata.items() if key != "managedFields"}
        spec = self.spec
        return Record(
            spec.holder or "",
            spec.lease_s or 0,
            spec.transitions or 0,
            str(meta.get("resourceVersion", "")),
            spec.acquired or "",
            meta,
        )


class Election:
    """Takes part while it is entered; leaving lets the Lease go."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        cluster: str,
        *,
        name: str = "",
        timing: Timing | None = None,
        clock: Clock = boot_clock,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        timing = timing or Timing()
        self.problem = ""  # why the Lease could not be asked, last; empty when it could
        self._candidate = Candidate(name or unique_name(), timing, clock)
        self._wire = Wire(api.login, connect_s=timing.retry_s, read_s=timing.retry_s)
        self._namespace, self._cluster, self._wall = namespace, cluster, wall
        self._lease = lease_name(cluster)
        self._stopping = threading.Event()
        self._won = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    @property
    def name(self) -> str:
        """Who we are in the Lease."""
        return self._candidate.name

    @property
    def holder(self) -> str:
        """Who led when we last looked; nobody is empty."""
        return self._candidate.holder

    @property
    def lead(self) -> Lead | None:
        """Our lead, if it is valid now."""
        return self._candidate.lead

    def wait(self, timeout_s: float) -> Lead | None:
        """Our lead, as soon as there is one."""
        with self._won:
            self._won.wait_for(lambda: self.lead or self._stopping.is_set(), timeout_s)
        return self.lead

    def __enter__(self) -> Election:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        with self._won:
            self._won.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._drive(self._candidate.attempt())
            if self.lead:
                with self._won:
                    self._won.notify_all()
            spread = 1 if self.lead else SystemRandom().uniform(1, 1 + SPREAD)
            self._stopping.wait(self._candidate.pause_s() * spread)
        self._drive(self._candidate.release())
        self._wire.close()

    def _drive(self, attempt: Generator[Ask, Reply, None]) -> None:
        with suppress(StopIteration):
            ask = next(attempt)
            while True:
                ask = attempt.send(self._ask(ask))

    def _ask(self, ask: Ask) -> Reply:
        answer = self._sent(ask.write)
        if answer.status == HTTPStatus.NOT_FOUND and ask.write is None:
            self.problem = ""
            return Reply("done")
        if ask.write and answer.status in STALE:
            return Reply("stale")
        try:
            found = self._wire.read(_Lease, answer, f"Lease {self._namespace}/{self._lease}")
        except ClusterError as bad:
            self.problem = bad.diagnostic.message
            return Reply("lost")
        self.problem = ""
        return Reply("done", found.record())

    def _sent(self, write: Record | None) -> Answer:
        one = LEASES.path(self._namespace, self._lease)
        if write is None:
            return self._wire.send("GET", one)
        if write.version:
            return self._wire.send("PUT", one, body=self._body(write))
        return self._wire.send("POST", LEASES.path(self._namespace), body=self._body(write))

    def _body(self, record: Record) -> Mapping[str, object]:
        """`renewTime` is for people, and for `apply`: it has not seen the Lease before."""
        now = self._wall().strftime(WHEN)
        others = record.meta.get("labels")
        labels = {**(others if isinstance(others, dict) else {}), CLUSTER: self._cluster}
        own = {"name": self._lease, "namespace": self._namespace, "labels": labels}
        gone = ("uid", "creationTimestamp", "resourceVersion")
        kept = {key: text for key, text in record.meta.items() if record.version or key not in gone}
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {**kept, **own},
            "spec": {
                "holderIdentity": record.holder,
                "leaseDurationSeconds": record.lease_s,
                "leaseTransitions": record.transitions,
                "acquireTime": record.acquired or now,
                "renewTime": now,
            },
        }
