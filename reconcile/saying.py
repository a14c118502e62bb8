"""What an agent says in the status objects that MetalLB's users look at, where these are installed.

A ServiceBGPStatus for each Service (`told`), a BGPSessionState for each session
(`session_states`). Whether the kinds are installed, and what their objects say, is asked now and
then: what an earlier agent said and nobody took back goes, and what somebody has changed or deleted
is said again.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace

from ferrule.apply.speaker import Speaker
from ferrule.apply.target import Trouble
from ferrule.apply.vty_state import Session
from ferrule.compiler.network import Node
from ferrule.observe.cluster_api import Api
from ferrule.observe.cluster_config import ClusterError
from ferrule.observe.cluster_lists import Resource
from ferrule.reconcile import session_states, told
from ferrule.reconcile.publish import Post, Publisher
from ferrule.reconcile.reports import STATE
from ferrule.reconcile.told import Told

ASK_S = 600.0  # between two looks at all of it
AGAIN_S = 30.0  # after one that failed
SESSIONS_S = 5.0  # between two at the sessions
Answers = tuple[Mapping[str, object] | None, ...]  # None: a kind is not installed
OURS = ("bgp-", "session-")  # MetalLB's of Services too; what frr-k8s made goes with its Pods


class Saying:
    """One node's statuses."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        node: str,
        publisher: Publisher,
        telling: Told,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api, self._namespace, self._name = api, namespace, node
        self._publisher, self._told, self._clock = publisher, telling, clock
        self._ask_at = self._looked = float("-inf")
        self._asking: threading.Thread | None = None
        self._answers: queue.SimpleQueue[Answers | None] = queue.SimpleQueue()
        self._services = self._sessions = False  # whether the kinds are installed
        self._known: set[str] = set()  # the sessions of which something is said

    def services(self, node: Node, touched: Iterable[str]) -> None:
        """These Services are told to others than before."""
        ears = node.ears()
        for service in touched if self._services else ():
            peers = self._told.peers(service, ears)
            post = told.bgp_status(self._namespace, self._name, service, peers)
            self._publisher.put(post if peers else replace(post, status=None))

    def look(self, node: Node | None, speaker: Speaker | None) -> None:
        """Ask how the sessions do, and now and then what the objects say."""
        if node is None or speaker is None:
            return
        if self._asking is None and self._clock() >= self._ask_at:
            self._asking = threading.Thread(target=self._ask, name="statuses", daemon=True)
            self._asking.start()
        with suppress(queue.Empty):
            answers = self._answers.get_nowait()
            self._asking = None
            self._ask_at = self._clock() + (AGAIN_S if answers is None else ASK_S)
            if answers is not None:
                self._learn(node, answers)
        if self._sessions and self._clock() - self._looked >= SESSIONS_S:
            self._looked = self._clock()
            known: Iterable[Session] | None = None
            with suppress(Trouble):  # FRR is not there
                known = speaker.sessions()
            self._say_sessions(node, known)

    def _ask(self) -> None:
        """In a thread of its own: an API server that does not answer holds up nobody else."""
        kinds = ((told.BGP_STATUS, told.NODE), (session_states.SESSION_STATE, session_states.NODE))
        try:
            answers = tuple(
                told.there(self._api, resource, self._namespace, label, self._name)
                for resource, label in kinds
            )
        except ClusterError:
            self._answers.put(None)
        else:
            self._answers.put(answers)

    def _learn(self, node: Node, answers: Answers) -> None:
        """What the objects said a moment ago."""
        services, sessions = answers
        self._publisher.compare(STATE, self._namespace, {})  # one object: written without a look
        was, self._services = self._services, services is not None
        self._sessions = sessions is not None
        if self._services and not was:
            self.services(node, self._told.services)
        names = {told.status_name("bgp", self._name, one) for one in self._told.services}
        self._compare(told.BGP_STATUS, services, names)
        names = {one.name for one in self._posts(node, None)}
        self._compare(session_states.SESSION_STATE, sessions, names)

    def _compare(
        self, resource: Resource, there: Mapping[str, object] | None, known: set[str]
    ) -> None:
        """The objects of a kind say what they should, and there are no others of this node."""
        for name in (there or {}).keys() - known:
            if name.startswith(OURS):
                self._publisher.put(Post(resource, self._namespace, name, None))
        if there is not None:
            self._publisher.compare(resource, self._namespace, there)

    def _say_sessions(self, node: Node, known: Iterable[Session] | None) -> None:
        posts = {one.name: one for one in self._posts(node, known)}
        for name in self._known - posts.keys():
            kind = session_states.SESSION_STATE
            self._publisher.put(Post(kind, self._namespace, name, None))
        self._known = {*posts}
        for post in posts.values():
            self._publisher.put(post)

    def _posts(self, node: Node, known: Iterable[Session] | None) -> Iterable[Post]:
        return session_states.posts(self._namespace, self._name, node.sessions, known)
