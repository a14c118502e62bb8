"""Every moment of the Services of a namespace, as etcd had them one after another.

A watch brings the changes of one kind in the order in which they happened. So what is seen here
after each of them is what everybody could see at that moment, and what is wrong for a moment is
wrong.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from daemon.cluster_world import World
from daemon.flavour import wait_for
from ferrule.observe.cluster_api import connect
from ferrule.observe.watch_wire import BrokenError, Wire

Json = dict[str, Any]
AGAIN_S = 0.2
CAUGHT_UP_S = 30.0


@dataclass
class Seen:
    """What was seen: how much of it, and what should not have been."""

    events: int = 0
    lists: int = 0
    services: set[str] = field(default_factory=set)  # by uid, all that ever were
    most: int = 0  # at a time
    given: int = 0  # how often a Service got an address
    shared: list[str] = field(default_factory=list)  # one address with two Services
    moved: list[str] = field(default_factory=list)  # an address that a Service lost

    def __str__(self) -> str:
        return (
            f"{len(self.services)} Services, {self.most} at a time, in {self.events} events and "
            f"{self.lists} lists; {self.given} times an address was given, "
            f"{len(self.shared)} times to two, {len(self.moved)} times taken away"
        )


class Moments(threading.Thread):
    """Looks on while it is entered. After a loss of history it goes on with what is there."""

    def __init__(self, world: World) -> None:
        super().__init__(name="moments", daemon=True)
        self.seen = Seen()
        self._world = world
        self._wire = Wire(connect(str(world.plane.kubeconfig)).login, read_s=600)
        self._has: dict[str, tuple[str, tuple[str, ...]]] = {}  # by name: uid and addresses
        self._version = ""
        self._stopping = threading.Event()

    def __enter__(self) -> Moments:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._wire.cut()
        self.join(10)
        self._wire.close()

    def run(self) -> None:
        """Until it is left."""
        while not self._stopping.is_set():
            try:
                self._look()
            except (BrokenError, OSError, RuntimeError):
                self._stopping.wait(AGAIN_S)

    def _look(self) -> None:
        if not self._version:
            found = self._world.plane.ask("GET", self._world.path())
            self._has.clear()
            for one in found["items"]:
                self._learn("ADDED", one)
            self._version = found["metadata"]["resourceVersion"]
            self.seen.lists += 1
        query: dict[str, str | int] = {"watch": 1}
        query |= {"resourceVersion": self._version, "timeoutSeconds": 600}
        for lines in self._wire.lines(self._world.path(), query):
            for line in lines:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    self._version = ""
                    return
                self.seen.events += 1
                self._learn(event["type"], event["object"])
                self._version = event["object"]["metadata"]["resourceVersion"]

    def _learn(self, kind: str, one: Json) -> None:
        meta, seen = one["metadata"], self.seen
        name, new = meta["name"], _addresses(one)
        seen.services.add(meta["uid"])
        uid, old = self._has.pop(name, ("", ()))
        if kind == "DELETED":
            return
        if uid == meta["uid"] and (gone := set(old) - set(new)):
            seen.moved.append(f"{name}: {sorted(gone)}, then {new}")
        seen.given += bool(new and (uid != meta["uid"] or not old))
        self._has[name] = meta["uid"], new
        seen.most = max(seen.most, len(self._has))
        users = Counter(address for _, each in self._has.values() for address in each)
        seen.shared += [f"{name}: {each}" for each in new if users[each] > 1]

    def wait(self) -> Seen:
        """All until now."""

        def caught_up() -> bool:
            items = self._world.items("services")
            there = {
                one["metadata"]["name"]: (one["metadata"]["uid"], _addresses(one)) for one in items
            }
            return self._has == there

        wait_for(caught_up, CAUGHT_UP_S, "every moment is seen")
        return self.seen

    def sound(self, *, moved: bool = False) -> Seen:
        """No address was two Services' at any moment, and none was taken away unless it may be."""
        seen = self.wait()
        assert seen.shared == []
        assert moved or seen.moved == []
        return seen


def _addresses(one: Json) -> tuple[str, ...]:
    ingress = one["status"].get("loadBalancer", {}).get("ingress") or ()
    return tuple(each.get("ip", "") for each in ingress)


def ago_s(since: float) -> float:
    """Seconds, as a report has them."""
    return round(time.monotonic() - since, 1)
