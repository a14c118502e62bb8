"""One replica of the controller: it waits to lead, and leads for as long as it may.

Nothing is watched while another one leads. A lead begins with lists that are newer than it, so that
whatever a predecessor wrote is known before anything is decided; it ends at once when the lease
cannot be renewed in time, and every writer asks for it before each request.
"""

from __future__ import annotations

import queue
import secrets
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from ferrule.apply.target import Trouble
from ferrule.observe.cluster_api import Api, Impatient
from ferrule.observe.watch import Watches
from ferrule.observe.watch_inbox import Batch
from ferrule.reconcile import feeds, reports
from ferrule.reconcile.controller import Controller
from ferrule.reconcile.events import Events
from ferrule.reconcile.intent import Intent, Reading
from ferrule.reconcile.logs import Log
from ferrule.reconcile.passwords import Passwords
from ferrule.reconcile.publish import Publisher
from ferrule.reconcile.statuses import Statuses
from ferrule.reconcile.switch_status import LABEL, config_map
from ferrule.reconcile.switchboard import Switchboard
from ferrule.reconcile.switches import Settings as SwitchSettings

TICK_S = 0.2  # at most so long until what a writer reports is looked at
COUNT_S = 1.0  # between two counters of the pools
HEAL_S = 60.0  # between two looks at what others have made of what we said
STATE = "controller"
CONDITION = "poolReconcilerValid"


class Lead(Protocol):
    """A lead that was won."""

    @property
    def term(self) -> int:
        """Which one it is; higher than all before."""

    @property
    def contested(self) -> bool:
        """Whether the one before ended without a word."""

    def valid(self) -> bool:
        """Whether it still holds, at this moment."""

    def vouch(self, *, clean: bool) -> None:
        """Say whether its successor may be sure that no write of anybody before is on its way."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a controller is run."""

    namespace: str
    paths: Sequence[str] = ()
    lb_class: str = ""
    ignore_exclude_label: bool = False
    identity: str = ""
    cluster: str = ""  # as it was called when this replica took part
    source: str = "ferrule-controller"
    switches: SwitchSettings = field(default_factory=SwitchSettings)


def _mark(identity: str, term: int) -> str:
    """Of one lead and no other: who deletes the Lease lets terms begin anew, and a mark that is
    there already changes no version.
    """
    return f"{identity}/{term}/{secrets.token_hex(4)}"


class Reign:
    """Everything that lives and dies with one lead."""

    def __init__(self, api: Api, settings: Settings, log: Log, lead: Lead) -> None:
        self._settings, self._log, self.lead = settings, log, lead
        self._reports: queue.SimpleQueue[tuple[str, Trouble | None]] = queue.SimpleQueue()
        self.statuses = Statuses(
            Impatient(api.login), lead.valid, lambda key, trouble: self._reports.put((key, trouble))
        )
        self.publisher = Publisher(api, lead.valid)
        self.passwords = Passwords(api, log)
        self.events = Events(
            api,
            settings.source,
            namespace=settings.namespace,
            idle=lambda: not self.statuses.is_busy,
        )
        self.intent = Intent(
            settings.paths,
            lb_class=settings.lb_class,
            ignore_exclude_label=settings.ignore_exclude_label,
        )
        self.controller = Controller(
            self.intent,
            self.statuses,
            self.events.tell,
            log,
            self._publish,
            term=_mark(settings.identity, lead.term) if lead.contested else "",
            cluster=settings.cluster,
        )
        self.switchboard = Switchboard(
            settings.identity,
            settings.namespace,
            lead.valid,
            self.publisher.put,
            self.events.tell,
            log,
            settings.switches,
        )
        self._spec = feeds.spec(settings.namespace)
        self._services = feeds.services(settings.lb_class)
        self._around = (feeds.nodes(), feeds.namespaces())
        self._maps = feeds.config_maps(settings.namespace, LABEL, config_map)
        watched = (*self._spec, self._services, *self._around, self._maps)
        self.watches = Watches(api, watched)
        self.complete = False
        self._counted = 0.0
        self._healed = time.monotonic()

    def __enter__(self) -> Reign:
        self.watches.__enter__()
        return self

    def __exit__(self, *why: object) -> None:
        self.watches.__exit__(*why)
        self.switchboard.stop()
        self.passwords.stop()
        ended = self.statuses.stop()
        self.lead.vouch(clean=ended and self.controller.is_fenced)
        self.events.stop()
        self.publisher.stop()

    def last(self, stopping: threading.Event) -> None:
        """Lead until the lead ends, or `stopping`, or the cluster is called something else."""
        while self.lead.valid() and not (stopping.is_set() or self.renamed):
            self.step()

    @property
    def renamed(self) -> bool:
        """Whether the cluster has another name by now: everything is by the name."""
        return self.controller.other_name is not None

    def step(self) -> None:
        """Take in what is new, and do what comes of it."""
        if batch := self.watches.inbox.take(TICK_S):
            self._learn(batch)
        for key, secret in self.passwords.news():
            self.intent.around("Secret", key, secret)
        with suppress(queue.Empty):
            while True:
                self.controller.learn_report(*self._reports.get_nowait())
        if self.complete and self.lead.valid():
            changed = self.controller.decide()
            if self.renamed:
                return
            self._count()
            self._heal()
            reading, allocator = self.controller.reading, self.controller.allocator
            if reading is not None and allocator is not None and self.passwords.complete:
                self.switchboard.intend(reading, allocator.services, changed)

    def _learn(self, batch: Batch) -> None:
        for feed in self._spec:
            for key, document in batch.of(feed).items():
                self.intent.object(str(feed), key, document)
                if feed.resource.kind == "Switch":
                    self.switchboard.learn_object(key, document)
        for key, document in batch.of(self._maps).items():
            self.switchboard.learn_map(key, document)
        for feed in self._around:
            for key, document in batch.of(feed).items():
                self.intent.around(str(feed), key, document)
        services = batch.of(self._services)
        self.controller.learn_services(services)
        for of_kind, refused in batch.refused.items():
            for key, why in refused.items():
                self._log.warning("objectRefused", kind=str(of_kind), object=key, error=why)
        self.complete |= batch.complete

    def _publish(self, reading: Reading | None) -> None:
        """What there is to say of a spec that was read."""
        found = reading.found if reading else self.intent.mistakes
        errors = [one for one in found if one.severity == "error"]
        documents = [*self.intent.objects]
        for post in reports.conditions(documents, errors):
            self.publisher.put(post)
        for event in reports.events(documents, errors):
            self.events.tell(event)
        self.passwords.want(reading.documents if reading else documents)
        namespace = self._settings.namespace
        self.publisher.put(reports.configuration_state(namespace, STATE, CONDITION, errors))

    def _count(self) -> None:
        """The counters of the pools, no oftener than they are worth."""
        controller = self.controller
        if controller.reading is None or controller.allocator is None:
            return
        if time.monotonic() - self._counted >= COUNT_S:
            self._counted = time.monotonic()
            full = reports.fills(controller.allocator)
            for post in reports.counters(controller.reading, full):
                self.publisher.put(post)

    def _heal(self) -> None:
        """Say again what somebody has changed or deleted.

        The objects of the spec are watched anyway. What is one object of ours, or one for each
        switch, is written without a look: where nothing has changed, nothing comes of it.
        """
        if time.monotonic() - self._healed < HEAL_S:
            return
        self._healed = time.monotonic()
        there = reports.said(self.intent.objects)
        for resource in feeds.newest():
            self.publisher.compare(resource, self._settings.namespace, there.get(resource, {}))
        for resource in (reports.STATE, feeds.CONFIG_MAPS):
            self.publisher.compare(resource, self._settings.namespace, {})
