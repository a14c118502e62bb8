"""What is said in the cluster of what a node's announcer does: statuses, events, logs.

A ServiceL2Status tells which node answers for a Service, as MetalLB's does. The one of a node that
was lost is deleted by its successor: names of these objects are made from node and Service.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from ferrule.compiler.network import Announcement
from ferrule.observe.cluster_api import Api
from ferrule.observe.cluster_config import ClusterError
from ferrule.observe.cluster_lists import Resource
from ferrule.reconcile import told
from ferrule.reconcile.contested import Contested
from ferrule.reconcile.events import About, Event, Events
from ferrule.reconcile.logs import Log
from ferrule.reconcile.publish import Post, Publisher

L2_STATUS = Resource("metallb.io/v1beta1", "ServiceL2Status", "servicel2statuses")
ASK_S = 600.0  # between two looks whether the kind is installed
SURE_S = 3.0
AGAIN_S = 30.0  # after one that failed
MOST_EVENTS = 20  # of one kind of finding, at a time

Said = Mapping[str, Any]
Finding = tuple[str, str, str]
Answer = ClusterError | Mapping[str, object] | None  # None: the kind is not installed


@dataclass
class Answered:
    """What node `node` answers for, as its announcer said last.

    Nothing here waits for the API server: whoever hears the announcer has to hear it in time. `uid`
    is asked for that of a Service. `has` is told of the interfaces there are.
    """

    api: Api
    namespace: str
    node: str
    contested: Contested
    publisher: Publisher
    events: Events
    log: Log
    uid: Callable[[str], str]
    has: Callable[[Iterable[str]], None]
    clock: Callable[[], float] = time.monotonic
    status: Said = field(default_factory=dict)
    services: dict[str, tuple[str, ...]] = field(default_factory=dict)  # with their interfaces
    _known: tuple[frozenset[str], int] = (frozenset(), -1)
    _findings: frozenset[Finding] = frozenset()
    _lost: dict[str, tuple[str, float]] = field(default_factory=dict)  # by address, whose, since
    _ask_at: float = float("-inf")
    _asking: threading.Thread | None = None
    _answers: queue.SimpleQueue[Answer] = field(default_factory=queue.SimpleQueue)
    _installed: bool = False

    def hear(self, said: Said) -> None:
        """A message of the announcer."""
        if said["kind"] == "status":
            self.status = said
            self.has(said.get("named", ()))
            newly = self._learn()
            self._look()
            self._owns(frozenset(said["owned"]), newly=newly)
            self._succeed()
            self._found(said.get("findings", ()))
        elif said["kind"] == "event":
            self._event(said)

    def gone(self) -> None:
        """The announcer has ended; nothing is answered for."""
        self.status = {}
        self._owns(frozenset())

    def announcements(self) -> list[Announcement]:
        """What is answered for, by Service."""
        each = [ip_address(one) for one in self.status.get("owned", ())]
        return [
            Announcement(address, self.contested.interfaces(service), service)
            for address in each
            for service in self.contested.services(address)
        ]

    # Who answers for which Service.

    def _owns(self, owned: frozenset[str], *, newly: bool = False) -> None:
        """These addresses; with `newly`, all of it is to be said, not only what is different."""
        known = owned, self.contested.version
        if known == self._known and not newly:
            return
        self._known = known
        now = {
            service: self.contested.interfaces(service)
            for address in owned
            for service in self.contested.services(ip_address(address))
        }
        before, self.services = self.services, now
        for service in sorted(before.keys() - now.keys()):
            self._say(service, None)
        for service in sorted(now):
            if newly or before.get(service) != now[service]:
                self._say(service, now[service])
            if service not in before:
                message = f'announcing from node "{self.node}" with protocol "layer2"'
                self.events.tell(Event(self._service(service), "nodeAssigned", message))

    def _say(self, service: str, interfaces: tuple[str, ...] | None) -> None:
        if not self._installed:
            return
        of_namespace, _, name = service.partition("/")
        status = {
            "node": self.node,
            "serviceName": name,
            "serviceNamespace": of_namespace,
            "interfaces": [{"name": one} for one in interfaces or ()],
        }
        self.publisher.put(
            Post(
                L2_STATUS,
                self.namespace,
                told.status_name("l2", self.node, service),
                None if interfaces is None else status,
                labels=told.labels(self.node, service),
            )
        )

    def _look(self) -> None:
        """Ask now and then whether the kind is installed and what is said there of this node."""
        if self._asking is None and self.clock() >= self._ask_at:
            self._ask_at = self.clock() + ASK_S
            self._asking = threading.Thread(target=self._ask, name="l2 statuses", daemon=True)
            self._asking.start()

    def _ask(self) -> None:
        """In a thread of its own: an announcer that is not heard is taken for none."""
        try:
            there = told.there(self.api, L2_STATUS, self.namespace, told.NODE, self.node)
        except ClusterError as bad:
            self._answers.put(bad)
        else:
            self._answers.put(there)

    def _learn(self) -> bool:
        """What was answered by now: whether the kind is installed, and was not.

        What is said there of this node and is not so goes, and what is not said any more is again.
        """
        try:
            there = self._answers.get_nowait()
        except queue.Empty:
            return False
        self._asking = None
        if isinstance(there, ClusterError):
            self._ask_at = min(self._ask_at, self.clock() + AGAIN_S)
            return False
        was, self._installed = self._installed, there is not None
        known = {told.status_name("l2", self.node, one) for one in self.services}
        for name in (there or {}).keys() - known:
            self.publisher.put(Post(L2_STATUS, self.namespace, name, None))
        self.publisher.compare(L2_STATUS, self.namespace, there or {})
        return self._installed and not was

    def _succeed(self) -> None:
        """The statuses of those from whom we took something, and kept it, are not true any more.

        Not at once: two nodes may each believe for a moment that they follow the other, and who
        still is the owner would not say again what it has said.
        """
        if self._asking is not None and not self._installed:  # whether it is will be known soon
            return
        now = self.clock()
        for address, (lost, since) in list(self._lost.items()):
            if now - since < SURE_S:
                continue
            del self._lost[address]
            if not self._installed or address not in self._known[0]:
                continue
            for service in self.contested.services(ip_address(address)):
                name = told.status_name("l2", lost, service)
                self.publisher.put(Post(L2_STATUS, self.namespace, name, None))

    # What happened.

    def _event(self, said: Said) -> None:
        what = str(said["what"])
        values = {key: one for key, one in said.items() if key not in ("kind", "what")}
        if what == "conflict":
            self.log.warning("addressConflict", **values)
            message = (
                f"{said['mac']} on {said['interface']} answers for {said['address']}, too: "
                "find out who has that MAC, one of the two must stop"
            )
            self._warn(str(said["address"]), "AddressConflict", message)
        elif what in ("took", "passed"):
            addresses, origin = list(said["addresses"]), said.get("from")
            origin = origin if what == "took" and origin != self.node else None
            self.log.info(what, addresses=len(addresses), **({"node": origin} if origin else {}))
            if origin:
                self._lost |= dict.fromkeys(addresses, (str(origin), self.clock()))
        else:
            if what == "accused":  # others said in our place what they took for true
                self._ask_at = float("-inf")
            self.log.warning(what, **values)

    def _found(self, findings: Iterable[Said]) -> None:
        """Say what stands in the way, each time there is something new."""
        texts: dict[Finding, str] = {}
        for one in findings:
            key = (one["code"], one.get("address") or "", one.get("interface") or "")
            texts[key] = str(one["text"])
        times: dict[str, int] = {}
        for finding in sorted(texts.keys() - self._findings):
            code, address, interface = finding
            times[code] = times.get(code, 0) + 1
            if times[code] > MOST_EVENTS:
                continue
            self.log.warning(
                "layer2Finding", code=code, address=address, interface=interface,
                said=texts[finding],
            )  # fmt: skip
            self._warn(address, _reason(code), f"node {self.node}: {texts[finding]}")
        self._findings = frozenset(texts)

    def _warn(self, address: str, reason: str, message: str) -> None:
        """An event of the Services that have the address; without one, of the node."""
        services = self.contested.services(ip_address(address)) if address else []
        about = [self._service(one) for one in services] or [About("v1", "Node", self.node)]
        for one in about:
            self.events.tell(Event(one, reason, message, "Warning"))

    def _service(self, service: str) -> About:
        namespace, _, name = service.partition("/")
        return About("v1", "Service", name, namespace, self.uid(service))


def _reason(code: str) -> str:
    """A finding's code as events spell reasons."""
    return "".join(part.capitalize() for part in code.split("-"))
