"""The agent: one node's FRR, kept as the cluster wants it.

What the cluster wants of this node is its slice (`local`); what FRR runs is the speaker's affair.
Here the two are chained: a Service more is a `network` line more, everything else is compared as a
whole. The API server may be gone for as long as it likes: nothing is withdrawn because nothing is
heard. The agent may be gone too: FRR goes on, and the next agent begins with a comparison.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ferrule.observe.cluster_api import Api
from ferrule.observe.watch import Watches
from ferrule.observe.watch_inbox import Batch
from ferrule.reconcile import feeds, reports
from ferrule.reconcile.announcing import Announcing, Changes, Speak
from ferrule.reconcile.answering import Answering
from ferrule.reconcile.events import About, Event, Events
from ferrule.reconcile.gate import Gate
from ferrule.reconcile.intent import Intent
from ferrule.reconcile.layer2 import Choices
from ferrule.reconcile.local import Local
from ferrule.reconcile.logs import Log
from ferrule.reconcile.publish import Publisher, node_owner
from ferrule.reconcile.saying import Saying
from ferrule.reconcile.switch_heard import SwitchesHeard
from ferrule.reconcile.switch_status import LABEL, PREFIX, config_map
from ferrule.reconcile.told import Told

TICK_S = 0.2
CONDITION = "configReconcilerValid"


@dataclass(frozen=True, slots=True)
class Settings:
    """How an agent is run."""

    node: str
    namespace: str
    paths: Sequence[str] = ()
    lb_class: str = ""
    ignore_exclude_label: bool = False
    accept_wait_s: float = 30.0
    withdraw_on_cordon: bool = False
    spread_s: float = 2.0
    source: str = "ferrule-agent"
    layer2: Choices = field(default_factory=Choices)


class Agent:
    """Everything of one agent, from `__enter__` to `__exit__`."""

    def __init__(self, api: Api, settings: Settings, log: Log, speak: Speak) -> None:
        self._api, self.settings, self._log = api, settings, log
        self._intent = Intent(
            settings.paths,
            lb_class=settings.lb_class,
            ignore_exclude_label=settings.ignore_exclude_label,
        )
        self.local = Local(settings.node, self._intent, cordon=settings.withdraw_on_cordon)
        self.gate = Gate(settings.accept_wait_s)
        self.announcing = Announcing(speak, self.local, self.gate, log)
        self.publisher = Publisher(api)
        self.events = Events(api, settings.source, settings.node, namespace=settings.namespace)
        self.told = Told()
        self.saying = Saying(api, settings.namespace, settings.node, self.publisher, self.told)
        self._uids: dict[str, str] = {}
        self.answering = Answering(
            api,
            settings.namespace,
            self.local,
            settings.layer2,
            self.publisher,
            self.events,
            log,
            lambda service: self._uids.get(service, ""),
            settings.spread_s,
        )
        self._spec = feeds.spec(settings.namespace)
        self._services = feeds.services(settings.lb_class)
        self._slices, self._nodes = feeds.slices(), feeds.nodes()
        self._secrets = feeds.secrets(settings.namespace)
        self._maps = feeds.config_maps(settings.namespace, LABEL, config_map)
        self._switches = SwitchesHeard()
        watched = (
            *self._spec,
            self._services,
            self._slices,
            self._nodes,
            self._secrets,
            self._maps,
        )
        self.watches = Watches(api, watched, spread_s=settings.spread_s)
        self.complete = False
        self._said: tuple[str, ...] | None = None  # of the mistakes
        self._untold: Changes | None = {}  # that FRR did not take at once; None is all of it

    def __enter__(self) -> Agent:
        self.watches.__enter__()
        return self

    def __exit__(self, *why: object) -> None:
        """Each of these ends in a few seconds, whatever the API server does."""
        self.answering.stop()
        self.watches.__exit__(*why)
        self.events.stop()
        self.publisher.stop()
        self.announcing.close()

    def step(self) -> None:
        """Take in what is new, and do what comes of it."""
        if batch := self.watches.inbox.take(TICK_S):
            self._learn(batch)
        self._intent.look()
        if not self.complete:
            return
        changed = self.local.settle()
        self.answering.turn(changed)
        if changed is None or changed.classes:
            self.announcing.again()
            self._switches.news = True  # what they take is to be compared with another spec
        self._heed()
        self._mistakes()
        self._untold = _and(self._untold, changed.advertisements if changed else None)
        if self.announcing.turn(changed.advertisements if changed else {}):
            untold, self._untold = self._untold, {}
            self._tell(untold)
        if self.announcing.begun:
            self.saying.look(self.local.node, self.announcing.speaker)

    def _learn(self, batch: Batch) -> None:
        for feed in self._spec:
            for key, document in batch.of(feed).items():
                self._intent.object(str(feed), key, document)
                if feed.resource.kind == "Switch":
                    self._switches.hear("object", key.rpartition("/")[2], document)
        for key, document in batch.of(self._maps).items():
            switch = key.rpartition("/")[2].removeprefix(PREFIX)
            self._switches.hear("map", switch, document)
        for key, document in batch.of(self._nodes).items():
            self.local.learn_node(key, document)
            if key == self.settings.node and document is not None:
                self.publisher.owner = node_owner(document)
        for key, document in batch.of(self._secrets).items():
            self._intent.around("Secret", key, document)
        services = batch.of(self._services)
        self.local.learn_services(services)
        for key, one in services.items():
            if one is None:
                self._uids.pop(key, None)
            else:
                self._uids[key] = one.uid
        self.local.learn_slices(batch.of(self._slices))
        for of_kind, refused in batch.refused.items():
            for key, why in refused.items():
                self._log.warning("objectRefused", kind=str(of_kind), object=key, error=why)
        self.complete |= batch.complete

    def _heed(self) -> None:
        """What switches say that they take, for whoever holds back the rest."""
        node, reading = self.local.node, self.local.reading
        if self._switches.news and node is not None and reading is not None:
            self._switches.news = False
            self.gate.accepted(self._switches.whole(reading.compilation.network.sets))
            self.announcing.room.limits(self._switches.limits(node))

    def _mistakes(self) -> None:
        """Say what is wrong with the spec, each time it is something else."""
        said = tuple(one.message for one in self.local.mistakes)
        if said == self._said:
            return
        self._said = said
        for one in self.local.mistakes:
            self._log.error("configurationRefused", code=one.code, error=one.message)
        name = f"speaker-{self.settings.node}"
        self.publisher.put(
            reports.configuration_state(
                self.settings.namespace,
                name,
                CONDITION,
                self.local.mistakes,
                node=self.settings.node,
            )
        )

    def _tell(self, changes: Changes | None) -> None:
        """Say in the cluster what is announced now, and to whom."""
        node = self.local.node
        if node is None or changes == {}:
            return
        known = {one for one in _services_of(changes) if one in self.told} if changes else None
        touched = (
            self.told.replace(node.advertisements) if changes is None else self.told.update(changes)
        )
        for service in touched:
            if service in self.told and known is not None and service not in known:
                self._assigned(service)
        self.saying.services(node, touched)

    def _assigned(self, service: str) -> None:
        namespace, _, name = service.partition("/")
        about = About("v1", "Service", name, namespace, self._uids.get(service, ""))
        message = f'announcing from node "{self.settings.node}" with protocol "bgp"'
        self.events.tell(Event(about, "nodeAssigned", message))


def _and(before: Changes | None, more: Changes | None) -> Changes | None:
    """Both, the newer over the older; None is everything."""
    return None if before is None or more is None else {**before, **more}


def _services_of(changes: Changes) -> set[str]:
    return {service for one in changes.values() if one for service in one.services}


def run(agent: Agent, stopping: threading.Event, last: Callable[[], object] = lambda: None) -> None:
    """Until `stopping`; the `last` thing to do comes before whatever waits for the API server."""
    with agent:
        while not stopping.is_set():
            agent.step()
        last()
