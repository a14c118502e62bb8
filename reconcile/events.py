"""Events: what happened to an object, told where its owner looks for it (`kubectl describe`).

Reasons are MetalLB's where the meaning is shared (metallb `controller/service.go`). They are told
in the background, after the work itself, and the oldest go first when there are too many: a lost
event is no lost address. What is said again about one object is counted, not written anew.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Literal
from urllib.parse import quote

from ferrule.compiler.errors import printable
from ferrule.observe.cluster_api import Api

MOST_WAITING = 20_000
MOST_KNOWN = 5_000
LONGEST = 1024  # of a note: core/v1 Event validation


@dataclass(frozen=True, slots=True)
class About:
    """The object an event is about."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing to tell."""

    about: About
    reason: str
    message: str
    type: Literal["Normal", "Warning"] = "Normal"

    @property
    def name(self) -> str:
        """The same for the same thing about the same object: it is then counted."""
        said = "\0".join((self.about.uid, self.about.kind, self.reason, self.message))
        return f"{self.about.name[:200]}.{sha256(said.encode()).hexdigest()[:16]}"


class Events(threading.Thread):
    """The teller. `source` is the component that it speaks for, `host` the node it is on."""

    def __init__(
        self,
        api: Api,
        source: str,
        host: str = "",
        *,
        namespace: str = "default",
        idle: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__(name="events", daemon=True)
        self._api, self._source, self._host = api, source, host
        self._namespace, self._idle = namespace, idle
        self._waiting: deque[Event] = deque(maxlen=MOST_WAITING)
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._changed = threading.Condition()
        self._stopped = False
        self.refused = 0
        self.start()

    def tell(self, event: Event) -> None:
        """Soon; never blocks."""
        with self._changed:
            self._waiting.append(event)
            self._changed.notify()

    def stop(self, within_s: float = 2.0) -> None:
        """Tell what waits, as long as there is time."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self.join(within_s)

    def run(self) -> None:
        """Until it is stopped and there is nothing left."""
        while (event := self._take()) is not None:
            self._post(event)

    def _take(self) -> Event | None:
        with self._changed:
            while not self._stopped and not (self._waiting and self._idle()):
                self._changed.wait(0.2 if self._waiting else None)
            return self._waiting.popleft() if self._waiting else None

    def _post(self, event: Event) -> None:
        count = self._counts.pop(event.name, 0) + 1
        self._counts[event.name] = count
        while len(self._counts) > MOST_KNOWN:
            self._counts.popitem(last=False)
        path = f"/api/v1/namespaces/{quote(event.about.namespace or self._namespace)}/events"
        body = self._body(event)
        if count == 1:
            answer = self._api.send("POST", path, body=body)
            if answer.status != HTTPStatus.CONFLICT:
                self.refused += not answer.ok
                return
        again = {"count": count, "lastTimestamp": body["lastTimestamp"]}
        answer = self._api.send("PATCH", f"{path}/{quote(event.name)}", body=again, form="merge")
        if answer.status == HTTPStatus.NOT_FOUND:  # the server forgets events after an hour
            self._counts.pop(event.name)
            answer = self._api.send("POST", path, body=body)
        self.refused += not answer.ok

    def _body(self, event: Event) -> dict[str, object]:
        about = event.about
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": event.name, "namespace": about.namespace or self._namespace},
            "involvedObject": {
                "apiVersion": about.api_version,
                "kind": about.kind,
                "name": about.name,
                **({"namespace": about.namespace} if about.namespace else {}),
                **({"uid": about.uid} if about.uid else {}),
            },
            "reason": event.reason,
            "message": printable(event.message)[:LONGEST],
            "type": event.type,
            "source": {"component": self._source, **({"host": self._host} if self._host else {})},
            "reportingComponent": self._source,
            "reportingInstance": self._host or self._source,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
