"""This node's own Lease, for layer 2: a thread that renews it, and gives it back at the end."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection
from datetime import UTC, datetime

from ferrule.observe.cluster_api import Api
from ferrule.observe.cluster_lease import LABEL, VALUE
from ferrule.observe.watch_wire import Wire
from ferrule.reconcile.lease import WHEN
from ferrule.reconcile.logs import Log
from ferrule.reconcile.roll import INTERFACES, LEASES, Pace, lease_of

MANAGER = "ferrule-agent"


class Membership(threading.Thread):
    """The renewing. `pace` says how often, `wrote` is told of each success.

    While this node is not `is_there`, it has no Lease.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        node: str,
        pace: Callable[[], Pace],
        is_there: Callable[[], bool],
        wrote: Callable[[], None],
        log: Log,
    ) -> None:
        super().__init__(name="membership", daemon=True)
        self._wire = Wire(api.login, connect_s=pace().renew_s, read_s=pace().renew_s)
        self._path = LEASES.path(namespace, lease_of(node))
        self._node, self._namespace, self._pace, self._wrote = node, namespace, pace, wrote
        self._is_there, self._log, self._problem = is_there, log, ""
        self._holds = False
        self._interfaces: frozenset[str] | None = None
        self._wake = threading.Event()
        self._stopping = False

    def has(self, interfaces: Collection[str]) -> None:
        """The interfaces that this node can announce on; said with the next renewal, soon."""
        now = frozenset(interfaces)
        if now != self._interfaces:
            self._interfaces = now
            self._wake.set()

    def run(self) -> None:
        """Until it is stopped; then the Lease goes."""
        while not self._stopping:
            self._wake.clear()
            if self._is_there():
                self._renew()
            elif self._holds:
                self._log.warning("leaseLetGo", said="the announcer does not run, or cannot")
                self._let_go()
            self._wake.wait(self._pace().renew_s)
        self._let_go()
        self._wire.close()

    def stop(self, within_s: float = 2.0) -> None:
        """Give the Lease back."""
        self._stopping = True
        self._wake.set()
        self.join(within_s)

    def _let_go(self) -> None:
        self._holds = not self._wire.send("DELETE", self._path).ok

    def _renew(self) -> None:
        answer = self._wire.send(
            "PATCH",
            self._path,
            query={"fieldManager": MANAGER, "force": "true"},
            body=self._body(),
            form="apply",
        )
        if answer.ok:
            self._holds = True
            self._wrote()
        problem, self._problem = self._problem, "" if answer.ok else answer.said
        if self._problem != problem:
            self._log.warning("leaseNotWritten", error=self._problem or "it is written again")

    def _body(self) -> dict[str, object]:
        notes = {}
        if self._interfaces is not None:
            notes[INTERFACES] = json.dumps(sorted(self._interfaces))
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {
                "name": lease_of(self._node),
                "namespace": self._namespace,
                "labels": {LABEL: VALUE},
                "annotations": notes,
            },
            "spec": {
                "holderIdentity": self._node,
                "leaseDurationSeconds": self._pace().lasts_s,
                "renewTime": datetime.now(UTC).strftime(WHEN),
            },
        }
