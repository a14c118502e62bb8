"""The agent: one node's FRR, kept as the cluster wants it.

What the cluster wants of this node is its slice (`local`); what FRR runs is the speaker's affair.
Here the two are chained: a Service more is a `network` line more, everything else is compared as a
whole. The API server may be gone for as long as it likes: nothing is withdrawn because nothing is
heard. The agent may be gone too: FRR goes on, and the next agent begins with a comparison.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ferrule.apply.speaker import Speaker, Synced
from ferrule.apply.target import Trouble
from ferrule.apply.vty_lines import line_of
from ferrule.compiler.backends import frr
from ferrule.compiler.network import Advertisement, Family, Network, Node, Prefix
from ferrule.compiler.source import Document
from ferrule.observe.cluster_api import Api
from ferrule.observe.watch import Watches
from ferrule.observe.watch_inbox import Batch
from ferrule.reconcile import feeds, reports, told
from ferrule.reconcile.events import About, Event, Events
from ferrule.reconcile.gate import Gate, SetKey, key_of, without
from ferrule.reconcile.intent import Intent
from ferrule.reconcile.local import Local
from ferrule.reconcile.logs import Log
from ferrule.reconcile.publish import Publisher
from ferrule.reconcile.room import Room
from ferrule.reconcile.switch_status import (
    LABEL,
    PREFIX,
    accepted,
    config_map,
    read,
    status_of,
)
from ferrule.reconcile.told import Told

TICK_S = 0.2
FIRST_RETRY_S, LONGEST_RETRY_S = 0.5, 30.0
ASK_S = 600.0  # between two looks whether the kinds of MetalLB's statuses are installed
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


Speak = Callable[[str, Callable[[], object]], Speaker]


class Retry:
    """When to try again what failed."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._pause_s, self._at = clock, FIRST_RETRY_S, float("-inf")

    @property
    def due(self) -> bool:
        """Whether it is time."""
        return self._clock() >= self._at

    def failed(self) -> None:
        """Later, each time later."""
        self._at = self._clock() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_RETRY_S)

    def succeeded(self) -> None:
        """At once."""
        self._pause_s, self._at = FIRST_RETRY_S, float("-inf")


class Announcing:
    """FRR's part: what it is to announce, with what is held back and what failed.

    `speak` makes the speaker of a cluster's name, which the spec says.
    """

    def __init__(self, speak: Speak, local: Local, gate: Gate, log: Log) -> None:
        self._speak, self._local, self._gate, self._log = speak, local, gate, log
        self._cluster = ""
        self.speaker: Speaker | None = None
        self.room = Room()
        self._closed: frozenset[SetKey] = frozenset()
        self._whole = True  # all is to be compared
        self._sent: dict[Prefix, Advertisement] = {}
        self._lines: frr.Lines | None = None
        self._retry = Retry()
        self._lost = threading.Event()
        self.problem = ""
        self.begun = False
        self.changes = self.mended = 0

    def lost(self) -> None:
        """A daemon has gone; called in a thread of the speaker's."""
        self._log.warning("frrLost")
        self._lost.set()

    def again(self) -> None:
        """Compare all of it at the next turn."""
        self._whole = True

    def turn(self, changes: Mapping[Prefix, Advertisement | None]) -> bool:
        """Bring FRR to where it should be; whether it is there."""
        node = self._local.node
        if node is None:
            return False
        if self._lost.is_set():
            self._lost.clear()
            self._retry.succeeded()
        if not self._retry.due:
            self._whole |= bool(changes)
            return False
        network = self._local.network(node)
        speaker = self._speaking(network.cluster)
        try:
            done = self._turn(speaker, network, changes)
        except Trouble as bad:
            self._failed(bad)
            return False
        self._succeeded(done)
        return True

    def _speaking(self, cluster: str) -> Speaker:
        """The speaker of this cluster; with another name all is another's."""
        if self.speaker is None or cluster != self._cluster:
            self.close()
            self.speaker, self._cluster = self._speak(cluster, self.lost), cluster
            self._whole, self.begun = True, False
        return self.speaker

    def close(self) -> None:
        """End the connections; FRR goes on."""
        if self.speaker is not None:
            self.speaker.close()

    def _turn(
        self,
        speaker: Speaker,
        network: Network,
        changes: Mapping[Prefix, Advertisement | None],
    ) -> Synced:
        (node,) = network.nodes
        if self.begun and not (changes or self._whole or self._gate.waits or self.room.waiting):
            return speaker.check()
        if not self.begun:
            self._begin(speaker, node)
        closed = self._gate.closed(node, time.monotonic())
        if closed != self._closed:
            self._closed, self._whole = closed, True
        told = {
            prefix: one
            for prefix, one in changes.items()
            if one is None or key_of(one.route_class) not in closed
        }
        if self._whole or self._lines is None or self.room.is_free:
            return self._sync(speaker, network, closed)
        fitting = self.room.some(told, self._sent)
        pairs = {prefix: (self._sent.get(prefix), new) for prefix, new in fitting.items()}
        commands = self._lines.commands(pairs)
        if commands is None:
            return self._sync(speaker, network, closed)
        if not commands:
            return speaker.check()
        done = speaker.change(dict(map(line_of, commands)))
        for prefix, new in fitting.items():
            if new is None:
                self._sent.pop(prefix, None)
            else:
                self._sent[prefix] = new
        return done

    def _sync(self, speaker: Speaker, network: Network, closed: frozenset[SetKey]) -> Synced:
        node = without(network.nodes[0], closed)
        node = replace(node, advertisements=self.room.whole(node, self._sent))
        network = replace(network, nodes=(node,))
        intended = frr.intend(frr.lower(node, network), network.cluster)
        self._whole = True
        done = speaker.sync(intended)
        self._whole, self.begun = False, True
        self._sent = {one.prefix: one for one in node.advertisements}
        self._lines = frr.Lines(node, network)
        return done

    def _begin(self, speaker: Speaker, node: Node) -> None:
        """What FRR announces at the beginning is not held back."""
        heard = frr.told(speaker.read()).values()
        announced = {str(prefix) for table in heard for prefix in table}
        there = [one for one in node.advertisements if str(one.prefix) in announced]
        self._gate.announced(one.route_class for one in there)
        self._sent = {one.prefix: one for one in there}

    def _failed(self, bad: Trouble) -> None:
        self._whole = True
        self._retry.failed()
        if self.problem != bad.message:
            self.problem = bad.message
            self._log.error("frrNotChanged", code=bad.code, error=bad.message)

    def _succeeded(self, done: Synced) -> None:
        self._retry.succeeded()
        self.problem = ""
        self.changes += len(done.changes)
        self.mended += len(done.drift)
        if done.changes:
            self._log.info("frrChanged", changes=len(done.changes), mended=len(done.drift))
        for one in done.drift:
            shown = frr.shown(one)
            self._log.warning("driftMended", was=shown.old, now=shown.new)
        for problem in done.problems:
            self._log.warning("frrProblem", code=problem.code, error=problem.message)


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
        self._uids: dict[str, str] = {}
        self._spec = feeds.spec(settings.namespace)
        self._services = feeds.services(settings.lb_class)
        self._slices, self._nodes = feeds.slices(), feeds.nodes()
        self._secrets = feeds.secrets(settings.namespace)
        self._maps = feeds.config_maps(settings.namespace, LABEL, config_map)
        self._accepted: dict[tuple[str, str], Mapping[str, object]] = {}
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
        self._said: tuple[object, ...] = ()
        self._asked, self._installed = float("-inf"), False

    def __enter__(self) -> Agent:
        self.watches.__enter__()
        return self

    def __exit__(self, *why: object) -> None:
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
        if changed is None or changed.classes:
            self.announcing.again()
            self._limit()
        self._mistakes()
        if self.announcing.turn(changed.advertisements if changed else {}):
            self._tell(changed.advertisements if changed else None)

    def _learn(self, batch: Batch) -> None:
        for feed in self._spec:
            for key, document in batch.of(feed).items():
                self._intent.object(str(feed), key, document)
                if feed.resource.kind == "Switch":
                    self._accept("object", key.rpartition("/")[2], document)
        for key, document in batch.of(self._maps).items():
            self._accept("map", key.rpartition("/")[2].removeprefix(PREFIX), document)
        for key, document in batch.of(self._nodes).items():
            self.local.learn_node(key, document)
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

    def _accept(self, kind: str, switch: str, document: Document | None) -> None:
        """What a switch says that it accepts."""
        if document is None:
            self._accepted.pop((kind, switch), None)
        else:
            self._accepted[kind, switch] = status_of(document)
        by_switch: dict[str, frozenset[SetKey]] = {}
        for (_, name), said in self._accepted.items():
            by_switch[name] = by_switch.get(name, frozenset()) | accepted(said)
        self.gate.accepted(by_switch)
        self._limit()

    def _limit(self) -> None:
        """How much each switch takes of this node, by what it says."""
        node = self.local.node
        limits: dict[tuple[str, Family], int] = {}
        for session in node.sessions if node else ():
            if (end := session.switch_end) is None:
                continue
            for (_, name), said in self._accepted.items():
                for family in session.node_end.families if name == end.switch else ():
                    limit = read(said).limit(family, end.vrf, end.neighbor)
                    if limit is not None:
                        slot = (name, family)
                        limits[slot] = min(limit, limits.get(slot, limit))
        self.announcing.room.limits(limits)

    def _mistakes(self) -> None:
        """Say what is wrong with the spec, each time it is something else."""
        said = tuple(one.message for one in self.local.mistakes)
        if self._said and said == self._said[0]:
            return
        self._said = (said,)
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

    def _tell(self, changes: Mapping[Prefix, Advertisement | None] | None) -> None:
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
        self._say(node, touched)

    def _say(self, node: Node, touched: Iterable[str]) -> None:
        """MetalLB's status objects, where their kind is installed."""
        if time.monotonic() - self._asked >= ASK_S:
            self._asked = time.monotonic()
            gone = told.stale(self._api, self.settings.namespace, node.name, self.told.services)
            for post in gone or ():
                self.publisher.put(post)
            was, self._installed = self._installed, gone is not None
            if self._installed and not was:
                touched = [*self.told.services]
        ears = node.ears()
        for service in touched if self._installed else ():
            peers = self.told.peers(service, ears)
            post = told.bgp_status(self.settings.namespace, node.name, service, peers)
            self.publisher.put(post if peers else replace(post, status=None))

    def _assigned(self, service: str) -> None:
        namespace, _, name = service.partition("/")
        about = About("v1", "Service", name, namespace, self._uids.get(service, ""))
        message = f'announcing from node "{self.settings.node}" with protocol "bgp"'
        self.events.tell(Event(about, "nodeAssigned", message))


def _services_of(changes: Mapping[Prefix, Advertisement | None]) -> set[str]:
    return {service for one in changes.values() if one for service in one.services}


def run(agent: Agent, stopping: threading.Event) -> None:
    """Until `stopping`."""
    with agent:
        while not stopping.is_set():
            agent.step()
