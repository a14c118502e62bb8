"""Events: what happened to an object, told where its owner looks for it (`kubectl describe`).

Reasons are MetalLB's where the meaning is shared (metallb `controller/service.go`). They are told
in the background, after the work itself and no faster than a kubelet tells its own: the server has
better things to do. So after ten thousand Services the last is told minutes later, with the time
when it happened; warnings go before. The oldest are dropped when there are too many: a lost event
is no lost address. What is said again about one object is counted, not written anew.
"""

from __future__ import annotations

import threading
import time
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

# Half of a kubelet's --event-qps, and its --event-burst. 1 to 2.5 % of a core while they are told.
PER_S, BURST = 25.0, 100.0
MOST_WAITING = 20_000  # of each type
MOST_KNOWN = 5_000
LOOK_S = 0.2  # between two looks at whether there is other work still
LONGEST = 1024  # of a note: core/v1 Event validation
# An event of what has no namespace belongs into `default`, and says so by naming none
# (kubernetes pkg/apis/core/validation/events.go).
CLUSTERED, FOR_CLUSTERED = frozenset({"Node", "Namespace"}), "default"


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


class Pace:
    """So many at once, and then so many in a second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._left, self._at = clock, BURST, clock()

    def pause_s(self) -> float:
        """How long until the next one."""
        now = self._clock()
        self._left = min(BURST, self._left + (now - self._at) * PER_S)
        self._at = now
        return max(0.0, (1 - self._left) / PER_S)

    def one(self) -> None:
        """One was taken."""
        self._left -= 1


@dataclass(frozen=True, slots=True)
class _Said:
    """An event, and when it happened."""

    event: Event
    at: datetime


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
        self._warnings: deque[_Said] = deque(maxlen=MOST_WAITING)
        self._others: deque[_Said] = deque(maxlen=MOST_WAITING)
        self._pace = Pace()
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._changed = threading.Condition()
        self._stopped = False
        self.refused = 0
        self.start()

    def tell(self, event: Event) -> None:
        """Soon; never blocks."""
        with self._changed:
            if not self._waiting:
                self._changed.notify()
            queue = self._warnings if event.type == "Warning" else self._others
            queue.append(_Said(event, datetime.now(UTC)))

    @property
    def _waiting(self) -> deque[_Said]:
        """Those of which the first is the next."""
        return self._warnings or self._others

    def stop(self, within_s: float = 2.0) -> None:
        """Tell what waits, as fast as it goes, as long as there is time."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self.join(within_s)
        with self._changed:
            self._warnings.clear()
            self._others.clear()

    def run(self) -> None:
        """Until it is stopped and there is nothing left."""
        while (said := self._take()) is not None:
            self._post(said.event, said.at.strftime("%Y-%m-%dT%H:%M:%SZ"))

    def _take(self) -> _Said | None:
        with self._changed:
            while not self._stopped and (pause_s := self._pause_s()) != 0:
                self._changed.wait(pause_s)
            if not self._waiting:
                return None
            self._pace.one()
            return self._waiting.popleft()

    def _pause_s(self) -> float | None:
        """Until it may be time for the next one; None: there is none."""
        if not self._waiting:
            return None
        return self._pace.pause_s() if self._idle() else LOOK_S

    def _post(self, event: Event, at: str) -> None:
        name = event.name
        count = self._counts.pop(name, 0) + 1
        self._counts[name] = count
        while len(self._counts) > MOST_KNOWN:
            self._counts.popitem(last=False)
        body = self._body(event, name, at)
        path = f"/api/v1/namespaces/{quote(self._home(event.about))}/events"
        if count == 1:
            answer = self._api.send("POST", path, body=body)
            if answer.status != HTTPStatus.CONFLICT:
                self.refused += not answer.ok
                return
        again = {"count": count, "lastTimestamp": at}
        answer = self._api.send("PATCH", f"{path}/{quote(name)}", body=again, form="merge")
        if answer.status == HTTPStatus.NOT_FOUND:  # the server forgets events after an hour
            self._counts.pop(name)
            answer = self._api.send("POST", path, body=body)
        self.refused += not answer.ok

    def _home(self, about: About) -> str:
        """The namespace; that of an object in a file is the one we speak for."""
        return FOR_CLUSTERED if about.kind in CLUSTERED else about.namespace or self._namespace

    def _body(self, event: Event, name: str, at: str) -> dict[str, object]:
        about, home = event.about, self._home(event.about)
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": home},
            "involvedObject": {
                "apiVersion": about.api_version,
                "kind": about.kind,
                "name": about.name,
                **({} if about.kind in CLUSTERED else {"namespace": home}),
                **({"uid": about.uid} if about.uid else {}),
            },
            "reason": event.reason,
            "message": printable(event.message)[:LONGEST],
            "type": event.type,
            "source": {"component": self._source, **({"host": self._host} if self._host else {})},
            "reportingComponent": self._source,
            "reportingInstance": self._host or self._source,
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
        }
