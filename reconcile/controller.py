"""The controller: gives addresses to Services, and says so in the cluster.

Events come in, are coalesced, and one thread decides: what each Service should have is the
compiler's allocation, nothing of it is invented here. The cluster's own statuses are the only
store: whoever begins to lead begins with them.

There is a controller for as long as a replica leads, and it begins with a list of the Services
that is newer than its lead. Where its predecessor did not say good-bye, every Service that is to
change, or to have no address, is marked first (`statuses.Word`), and no address is written before
all marks are. A Service whose mark is refused for good holds up itself alone: see `_released`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ferrule.apply.target import Trouble
from ferrule.compiler.allocate import Held
from ferrule.compiler.allocation import Allocator, Namespaces, Pools
from ferrule.compiler.errors import quoted
from ferrule.compiler.network import Address, Service
from ferrule.reconcile.events import About, Event
from ferrule.reconcile.intent import Intent, Reading
from ferrule.reconcile.kept import Watched
from ferrule.reconcile.logs import Log
from ferrule.reconcile.shown import Shown
from ferrule.reconcile.statuses import Leave, Word

LOOK_S = 2.0  # between two looks at the files of the spec
REFUSALS = 5  # of one mark, within 7.5 s: longer than etcd takes to elect; then nobody else waits
REASONS = {  # MetalLB's, of metallb.md §2.6
    "invalid-request": "LoadBalancerFailed",
    "not-dual-stack": "not enough clusterips",
}


class Writer(Protocol):
    """Who writes statuses."""

    def put(self, key: str, word: Word | Leave) -> None:
        """Write it, soon."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was last asked to be written of a Service, and on which version of it."""

    addresses: tuple[Address, ...]
    pool: str | None
    version: str


@dataclass(slots=True)
class Counts:
    """For the metrics."""

    updates: int = 0
    failures: int = 0
    config_loaded: bool = False
    config_stale: bool = False


class Controller:
    """What one leader knows and decides. `tell` takes events; `published` is told of every reading
    of the spec. With a `term` the predecessor may still be in the middle of something. It decides
    for a cluster that is called `cluster`, where that is said: with another name it is another's.
    """

    def __init__(
        self,
        intent: Intent,
        writer: Writer,
        tell: Callable[[Event], None],
        log: Log,
        published: Callable[[Reading | None], None] = lambda _: None,
        *,
        term: str = "",
        cluster: str = "",
    ) -> None:
        self._cluster = cluster
        self.other_name: str | None = None  # of the cluster, by the spec in force
        self._intent, self._writer, self._tell = intent, writer, tell
        self._log, self._published = log, published
        self.watched: dict[str, Watched] = {}
        self.reading: Reading | None = None
        self.allocator: Allocator | None = None
        self.counts = Counts()
        self._wanted: dict[str, Wanted] = {}
        self._shown = Shown()
        self._changed: set[str] = set()  # since the allocator was last told
        self._dropped: set[str] = set()
        self._said: dict[str, dict[str, str]] = {}  # the last event of each Service and reason
        self._to_mark: dict[str, str] = {}  # by Service, the version that is to go
        self._refusals: Counter[str] = Counter()  # of these marks
        self._marking = False
        self._held_up: set[str] = set()
        self._term = term
        self._looked = float("-inf")

    @property
    def is_fenced(self) -> bool:
        """Whether nothing that a predecessor may have on its way can do harm any more."""
        return not self._term and not self._marking

    # Learning.

    def learn_services(self, changes: Mapping[str, Watched | None]) -> None:
        """What is new of Services, by `namespace/name`; None: not there, or not ours any more."""
        for key, one in changes.items():
            if one is None:
                if self.watched.pop(key, None) is not None:
                    self._dropped.add(key)
            else:
                self.watched[key] = one
            self._changed.add(key)
            self._changed |= self._shown.learn(key, one.ingress if one else ())

    def learn_report(self, key: str, trouble: Trouble | None) -> None:
        """What came of a write."""
        self.counts.updates += 1
        if trouble is not None:
            self._failed(key, trouble)

    def _failed(self, key: str, trouble: Trouble) -> None:
        wanted, seen = self._wanted.get(key), self.watched.get(key)
        if trouble.code == "status-conflict":
            if wanted and seen and wanted.version != seen.version:
                self._wanted.pop(key)  # decided from what is known by now; else more is to come
                self._changed.add(key)
            return
        self.counts.failures += 1
        if trouble.code == "status-refused" and key in self._to_mark:
            self._refusals[key] += 1
        self._log.warning("statusNotWritten", service=key, error=trouble.message)

    # Deciding.

    def decide(self) -> set[str]:
        """Bring what is wanted up to what is known, and have it written; which Services that is."""
        self._look()
        if self._intent.changed:
            self._read()
        if self.reading is None or self.other_name is not None:
            return set()
        if self.allocator is None:
            self._begin(self.reading)
        touched, self._changed = self._changed, set()
        assert self.allocator is not None
        known = {key: self.watched.get(key) for key in touched}
        touched |= self.allocator.update(
            {key: one.demand if one else None for key, one in known.items()}
        )
        self._mark(touched)
        for key in sorted(touched | self._released()):
            self._settle(key)
        return touched

    def _look(self) -> None:
        if time.monotonic() - self._looked >= LOOK_S:
            self._looked = time.monotonic()
            self._intent.look()

    def _read(self) -> None:
        """The spec anew. The addresses are gone through again where they may depend on it."""
        old, new = self.reading, self._intent.read()
        self._published(new)
        self.counts.config_loaded |= new is not None
        self.counts.config_stale = new is None or bool(new.refused)
        if new is None or new.refused:
            for one in new.refused if new else self._intent.mistakes:
                self._log.error("configurationRefused", code=one.code, error=one.message)
        if new is None:
            return
        name = new.inputs.spec.cluster
        if self._cluster and name != self._cluster:
            self.other_name = name
            return
        self.reading = new
        if old is None or new.documents != old.documents:
            self._log.info("configurationLoaded", pools=len(new.inputs.spec.pools))
        if self.allocator is not None:
            self._changed |= self.allocator.configure(*_configuration(new))

    def _begin(self, reading: Reading) -> None:
        self.allocator = Allocator(*_configuration(reading))
        self._changed = set(self.watched)

    def _mark(self, keys: Iterable[str]) -> None:
        """After a predecessor that may wake up: the versions that are to go before we write."""
        if self._term and self.allocator is not None:
            for key in keys:
                watched = self.watched.get(key)
                if watched and _may_change(watched, self.allocator.services[key]):
                    self._to_mark[key] = watched.version
                    self._writer.put(key, Word(watched.demand, (), "", self._term))
            self._log.info("marking", services=len(self._to_mark), term=self._term)
            self._term = ""

    def _released(self) -> set[str]:
        """Those that waited for the marks, once all of these are there or given up.

        A Service whose mark is refused again and again goes on waiting for it, alone. It is safe
        that others do not. A late write of the predecessor goes the same way as the mark, as the
        same account: what refuses a mark in either form (`statuses`) refuses that too. What is
        allotted to the Service here stays taken, and what it shows is waited for (`Shown`). Should
        a write pass all the same, and show what is another's by now, then the version is another
        one: the Service is settled like any, which takes it back.
        """
        for key, version in list(self._to_mark.items()):
            seen = self.watched.get(key)
            if seen is None or seen.version != version:
                del self._to_mark[key]
        self._marking = any(self._refusals[key] < REFUSALS for key in self._to_mark)
        if self._marking:
            return set()
        released = self._held_up - self._to_mark.keys()
        self._held_up -= released
        return released

    def _settle(self, key: str) -> None:
        """Have written what a Service should say, unless it says it or is about to."""
        assert self.allocator is not None
        watched, service = self.watched.get(key), self.allocator.services.get(key)
        if watched is None or service is None:
            self._leave(key)
            return
        self._explain(watched, service)
        addresses = self._shown.free(key, self.allocator.services)
        pool = service.pool if addresses else None
        if watched.shows(addresses, pool):
            self._wanted.pop(key, None)
            return
        wanted = Wanted(addresses, pool, watched.version)
        if self._wanted.get(key) == wanted:
            return
        if self._marking or key in self._to_mark:
            self._held_up.add(key)
            return
        self._wanted[key] = wanted
        self._writer.put(key, Word(watched.demand, addresses, pool or ""))

    def _leave(self, key: str) -> None:
        """A Service that is gone, or that is not ours any more."""
        self._wanted.pop(key, None)
        self._said.pop(key, None)
        if key in self._dropped:
            self._dropped.discard(key)
            self._writer.put(key, Leave(*key.split("/", 1)))

    # Telling.

    def _explain(self, watched: Watched, service: Service) -> None:
        """What became of a Service, once each time it is something else."""
        said = self._said.get(service.key, {})
        now = {event.reason: event for event in _events(watched, service)}
        for reason, event in now.items():
            if said.get(reason) != event.message:
                self._tell(event)
                self._log.info(reason, service=service.key, msg=event.message)
        if now:
            self._said[service.key] = {reason: one.message for reason, one in now.items()}
        else:
            self._said.pop(service.key, None)


def _may_change(watched: Watched, service: Service) -> bool:
    """Whether a status is to change, or shows nothing: a predecessor may have given it something
    that is another Service's by now.
    """
    return not service.addresses or not watched.shows(service.addresses, service.pool)


def _configuration(reading: Reading) -> tuple[Pools, Namespaces, Mapping[str, Held]]:
    inputs = reading.inputs
    return inputs.spec.pools, inputs.namespaces, inputs.locks


def _events(watched: Watched, service: Service) -> Iterable[Event]:
    demand = watched.demand
    about = About("v1", "Service", demand.name, demand.namespace, watched.uid)
    for name in watched.deprecated:
        message = f"Service uses deprecated annotation {name}"
        yield Event(about, "deprecatedAnnotation", message, "Warning")
    if demand.held and not set(demand.held) <= set(service.addresses):
        why = service.pending.message if service.pending else "another one is given"
        message = f"current IP for {quoted(service.key)} not allowed by config, will attempt for"
        yield Event(about, "ClearAssignment", f"{message} new IP assignment: {why}")
    new = [str(one) for one in service.addresses if one not in demand.held]
    if new:
        listed = " ".join(f'"{one}"' for one in new)
        kind = "additional IP" if len(new) < len(service.addresses) else "IP"
        yield Event(about, "IPAllocated", f"Assigned {kind} [{listed}]")
    elif service.pending:
        reason = REASONS.get(service.pending.code, "AllocationFailed")
        message = f"Failed to allocate IP for {quoted(service.key)}: {service.pending.message}"
        if reason == "LoadBalancerFailed":
            message = f"invalid requested loadbalancer IPs: {service.pending.message}"
        yield Event(about, reason, message, "Warning")
