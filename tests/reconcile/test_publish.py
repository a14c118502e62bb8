"""What is said once more, and what is not: the writer of statuses, before an API server that keeps
what it is told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from daemon.flavour import wait_for

from ferrule.observe.cluster_api import Answer
from ferrule.observe.cluster_lists import Resource
from ferrule.reconcile.publish import Post, Publisher

KIND = Resource("metallb.io/v1beta1", "ServiceBGPStatus", "servicebgpstatuses")
SHOP = "shop"


class Server:
    """Statuses by name; it stands still while `open` is not set."""

    def __init__(self) -> None:
        self.there: dict[str, Any] = {}
        self.owners: dict[str, object] = {}
        self.begun: list[str] = []
        self.asked: list[tuple[str, str]] = []
        self.open = threading.Event()
        self.open.set()
        self.installed = True

    def send(self, method: str, path: str, *, body: Any = None, **_: object) -> Answer:
        self.begun.append(path)
        self.open.wait(10)
        name = path.removesuffix("/status").rpartition("/")[2]
        self.asked.append((method, name))
        if not self.installed:
            return Answer(404)
        if method == "POST":
            name = body["metadata"]["name"]
            self.owners[name] = body["metadata"].get("ownerReferences")
            self.there[name] = {}
        elif name not in self.there:
            return Answer(404)
        elif method == "DELETE":
            del self.there[name]
        else:
            self.there[name] = {**self.there[name], **body["status"]}
        return Answer(200)


@contextmanager
def publishing(server: Server, leading: Callable[[], bool] = lambda: True) -> Iterator[Publisher]:
    publisher = Publisher(server, leading)  # type: ignore[arg-type]
    try:
        yield publisher
    finally:
        server.open.set()
        publisher.stop()


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def publisher(server: Server) -> Iterator[Publisher]:
    with publishing(server) as made:
        yield made


def post(name: str, status: Mapping[str, object] | None, *, made: bool = True) -> Post:
    return Post(KIND, SHOP, name, status, labels={} if made else None)


def says(server: Server, **statuses: object) -> None:
    wait_for(lambda: server.there == statuses, 5, f"it says {statuses}")


def test_what_is_said_already_is_not_said_again(server: Server, publisher: Publisher) -> None:
    for _ in range(3):
        publisher.put(post("a", {"peers": ["x"]}))
        says(server, a={"peers": ["x"]})
    publisher.put(post("b", {"peers": []}))
    says(server, a={"peers": ["x"]}, b={"peers": []})
    assert [one for one in server.asked if one[1] == "a"] == [("PATCH", "a"), ("PATCH", "a")]


def test_what_somebody_changed_is_said_again(server: Server, publisher: Publisher) -> None:
    publisher.put(post("a", {"peers": ["x"]}))
    publisher.put(post("b", {"peers": ["x"]}))
    says(server, a={"peers": ["x"]}, b={"peers": ["x"]})
    server.there["a"] = {"peers": ["nobody"], "theirs": 1}
    del server.there["b"]
    publisher.compare(KIND, SHOP, dict(server.there))
    says(server, a={"peers": ["x"], "theirs": 1}, b={"peers": ["x"]})
    asked = len(server.asked)
    publisher.compare(KIND, SHOP, dict(server.there))
    publisher.put(post("c", {}))
    says(server, a={"peers": ["x"], "theirs": 1}, b={"peers": ["x"]}, c={})
    assert {name for _, name in server.asked[asked:]} <= {"c", KIND.plural}


def test_the_same_word_once_more_does_not_take_it_back(
    server: Server, publisher: Publisher
) -> None:
    publisher.put(post("a", {"peers": ["x"]}))
    says(server, a={"peers": ["x"]})
    del server.there["a"]
    server.open.clear()
    publisher.put(post("first", {}))
    wait_for(lambda: "/first/" in server.begun[-1], 5, "the writer is at another one")
    publisher.compare(KIND, SHOP, {})
    publisher.put(post("a", {"peers": ["x"]}))
    server.open.set()
    says(server, a={"peers": ["x"]}, first={})


def test_of_a_list_of_conditions_each_is_looked_for(server: Server, publisher: Publisher) -> None:
    mine = {"conditions": [{"type": "Valid", "status": "True"}]}
    publisher.put(post("a", mine))
    says(server, a=mine)
    asked = len(server.asked)
    beside = {"conditions": [{"type": "Theirs"}, {"type": "Valid", "status": "True", "x": 1}]}
    publisher.compare(KIND, SHOP, {"a": beside})
    publisher.compare(KIND, SHOP, {"a": {"conditions": [{"type": "Valid", "status": "False"}]}})
    wait_for(lambda: len(server.asked) > asked, 5, "it is said once")
    assert server.asked[asked:] == [("PATCH", "a")]


def test_what_is_said_while_something_else_is_written_comes_after_it(
    server: Server, publisher: Publisher
) -> None:
    first, second = {"peers": ["x"]}, {"peers": ["y"]}
    publisher.put(post("a", first))
    says(server, a=first)
    server.open.clear()
    begun = len(server.begun)
    publisher.put(post("a", second))
    wait_for(lambda: len(server.begun) > begun, 5, "the second is being written")
    publisher.put(post("a", first))
    server.open.set()
    publisher.put(post("b", {}))
    says(server, a=first, b={})


def test_what_is_said_just_before_something_else_is_written_comes_after_it(server: Server) -> None:
    """Between the two it is asked who leads."""
    first, second = {"peers": ["x"]}, {"peers": ["y"]}
    asked, go = threading.Event(), threading.Event()
    go.set()

    def leads() -> bool:
        asked.set()
        return go.wait(10)

    with publishing(server, leads) as publisher:
        publisher.put(post("a", first))
        says(server, a=first)
        go.clear()
        asked.clear()
        publisher.put(post("a", second))
        assert asked.wait(10)
        publisher.put(post("a", first))
        go.set()
        publisher.put(post("b", {}))
        says(server, a=first, b={})


def test_who_stops_does_not_wait_for_a_server_that_hangs(server: Server) -> None:
    with publishing(server) as publisher:
        server.open.clear()
        publisher.put(post("a", {}))
        wait_for(lambda: server.begun, 5, "it is being written")
        publisher.stop(0.1)
        assert publisher.is_alive()
        assert not server.asked


def test_a_kind_that_is_installed_later_is_found(server: Server, publisher: Publisher) -> None:
    server.installed = False
    publisher.put(post("a", {"peers": []}))
    wait_for(lambda: ("POST", "servicebgpstatuses") in server.asked, 5, "it was tried")
    server.installed = True
    says(server, a={"peers": []})


def test_objects_of_others_are_not_made(server: Server, publisher: Publisher) -> None:
    server.there["pool"] = {}
    publisher.put(post("pool", {"assigned": 1}, made=False))
    says(server, pool={"assigned": 1})
    del server.there["pool"]
    publisher.compare(KIND, SHOP, {})
    publisher.put(post("a", {}))
    says(server, a={})
    assert [name for _, name in server.asked].count("pool") == 1


def test_what_is_taken_back_is_not_said_again(server: Server, publisher: Publisher) -> None:
    publisher.put(post("a", {"peers": []}))
    says(server, a={"peers": []})
    publisher.put(post("a", None))
    says(server)
    publisher.compare(KIND, SHOP, {})
    publisher.put(post("b", {}))
    says(server, b={})


def test_what_is_made_has_the_owner(server: Server) -> None:
    with publishing(server) as publisher:
        publisher.owner = {"kind": "Node", "name": "node-1", "uid": "7"}
        publisher.put(post("a", {}))
        says(server, a={})
    assert server.owners == {"a": [{"kind": "Node", "name": "node-1", "uid": "7"}]}
