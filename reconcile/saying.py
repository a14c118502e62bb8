"""What an agent says in the status objects that MetalLB's users look at, where these are installed.

A ServiceBGPStatus for each Service (`told`), a BGPSessionState for each session
(`session_states`). Whether the kinds are installed, and what their objects say, is asked now and
then: what an earlier agent said and nobody took back goes, and what somebody has changed or deleted
is said again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
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
SESSIONS_S = 5.0  # between two at the sessions
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
        self._asked = self._looked = float("-inf")
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
        if self._clock() - self._asked >= ASK_S:
            self._asked = self._clock()
            self._ask(node)
        if self._sessions and self._clock() - self._looked >= SESSIONS_S:
            self._looked = self._clock()
            known: Iterable[Session] | None = None
            with suppress(Trouble):  # FRR is not there
                known = speaker.sessions()
            self._say_sessions(node, known)

    def _ask(self, node: Node) -> None:
        self._publisher.compare(STATE, self._namespace, {})  # one object: written without a look
        names = {told.status_name("bgp", self._name, one) for one in self._told.services}
        was, self._services = self._services, self._compared(told.BGP_STATUS, told.NODE, names)
        if self._services and not was:
            self.services(node, self._told.services)
        names = {one.name for one in self._posts(node, None)}
        kind = session_states.SESSION_STATE
        self._sessions = self._compared(kind, session_states.NODE, names)

    def _compared(self, resource: Resource, label: str, known: set[str]) -> bool:
        """Whether a kind is installed; where it is, its objects of this node say what they should.

        Where that cannot be asked now, it is as it was.
        """
        try:
            there = told.there(self._api, resource, self._namespace, label, self._name)
        except ClusterError:
            return self._services if resource == told.BGP_STATUS else self._sessions
        if there is None:
            return False
        for name in there.keys() - known:
            if name.startswith(OURS):
                self._publisher.put(Post(resource, self._namespace, name, None))
        self._publisher.compare(resource, self._namespace, there)
        return True

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
