"""An API server of lists and watches that says what a test has written down."""

import json
from collections import deque
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from kubernetes.client import Configuration

from ferrule.observe.cluster_api import Answer
from ferrule.observe.cluster_config import Login
from ferrule.observe.cluster_lists import Resource
from ferrule.observe.watch_feed import Feed, Raw, RefusedError
from ferrule.observe.watch_inbox import Inbox
from ferrule.observe.watch_loop import Watcher
from ferrule.observe.watch_wire import BrokenError, Wire

SERVICES = Resource("v1", "Service", "services")


def size(raw: Raw) -> int | None:
    """What the tests keep of an object: its size; one without is not for us."""
    if raw["metadata"]["name"] == "hostile":
        raise RefusedError("its size is a lie")
    found = raw.get("size")
    return None if found is None else int(found)


FEED = Feed(SERVICES, size)
PEERS = Feed(Resource("metallb.io/v1beta2", "BGPPeer", "bgppeers"), size)


def thing(name: str, size: object = 1, version: str = "") -> Raw:
    meta = {"name": name, "namespace": "shop", "managedFields": [{}], "resourceVersion": version}
    return {"metadata": meta, "size": size}


def page(*things: Raw, version: str = "7", more: str = "") -> Answer:
    meta = {"resourceVersion": version, "continue": more}
    return Answer(200, json.dumps({"metadata": meta, "items": things}).encode())


def line(type: str, **given: Any) -> bytes:  # noqa: A002
    return json.dumps({"type": type, "object": given}).encode()


def event(type: str, name: str, size: object = 1, version: str = "8") -> bytes:  # noqa: A002
    return line(type, **thing(name, size, version))


def bookmark(version: str) -> bytes:
    return line("BOOKMARK", metadata={"resourceVersion": version})


class Told(Wire):
    """Each request gets the next of what is written down for its kind: a list, a watch.

    `serves` is what is at other paths.
    """

    def __init__(self, path: str = FEED.path) -> None:
        super().__init__(_login(), read_s=1)
        self.path = path
        self.serves: dict[str, Answer] = {}
        self.lists: deque[Answer] = deque()
        self.watches: deque[list[bytes] | Answer] = deque()
        self.asked: list[dict[str, str | int]] = []
        self.logins = 0

    def send(self, method: str, path: str, **options: Any) -> Answer:
        assert method == "GET"
        if path != self.path:
            return self.serves.get(path, Answer(404))
        self.asked.append(dict(options["query"]))
        return self.lists.popleft()

    def lines(self, path: str, query: Mapping[str, str | int]) -> Iterator[list[bytes]]:
        assert path == self.path
        self.asked.append(dict(query))
        said = self.watches.popleft()
        if isinstance(said, Answer):
            raise BrokenError(said)
        yield []
        if said:
            yield said

    def enter(self, login: Login) -> None:
        super().enter(login)
        self.logins = getattr(self, "logins", -1) + 1


def _login() -> Login:
    return Login(
        "prod", "http://192.0.2.1", Configuration(host="http://192.0.2.1"), partial(_login)
    )


class Clock:
    """A time that tests set."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class World:
    """One feed being watched, round by round."""

    def __init__(self, feed: Feed[Any] = FEED) -> None:
        self.feed, self.wire, self.clock = feed, Told(feed.path), Clock()
        self.inbox = Inbox([feed], self.clock)
        self.watcher = Watcher(self.wire, feed, self.inbox, page=500)

    def round(self, *said: Answer | list[bytes]) -> str:
        """A round in which the server says this: lists, then a watch that it ends."""
        self.wire.lists.extend(one for one in said[:-1] if isinstance(one, Answer))
        self.wire.watches.append(said[-1])
        problem = self.watcher.round()
        self.wire.watches.clear()
        return problem

    def news(self) -> Mapping[str, object] | None:
        """What the inbox has since the last time."""
        batch = self.inbox.take(0)
        return None if batch is None else batch.of(self.feed)
