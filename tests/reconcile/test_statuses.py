"""The writers of statuses, before an API server that does not take everything."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from daemon.flavour import wait_for

from ferrule.apply.target import Trouble
from ferrule.observe.cluster_api import Answer
from ferrule.reconcile import kept, statuses
from ferrule.reconcile.statuses import BUSY_S, TERM, Statuses, Word

SOON_S = 20.0


class Server:
    """Answers by the name of the Service, and 200 to the rest; stands still while not `open`."""

    name = "test"

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Answer] = {}  # by name and form
        self.asked: list[tuple[str, str, Any]] = []
        self.at: list[float] = []  # when it was asked
        self.begun = threading.Event()
        self.open = threading.Event()
        self.open.set()

    def send(self, _: str, path: str, *, body: Any, form: str, **__: object) -> Answer:
        self.begun.set()
        self.at.append(time.monotonic())
        self.open.wait(60)
        name = path.removesuffix("/status").rpartition("/")[2]
        self.asked.append((name, form, body))
        return self.answers.get((name, form), Answer(200))


class Writing:
    """Statuses, and what they report."""

    def __init__(self) -> None:
        self.server = Server()
        self._said: queue.SimpleQueue[tuple[str, Trouble | None]] = queue.SimpleQueue()
        self.statuses = Statuses(
            self.server,  # type: ignore[arg-type]
            lambda: True,
            lambda *said: self._said.put(said),
            threads=2,
        )

    def put(self, name: str, term: str = "") -> None:
        meta = {"name": name, "namespace": "shop", "resourceVersion": "7", "uid": "u"}
        spec = {"type": "LoadBalancer", "clusterIP": "10.96.0.1", "ports": [{"port": 80}]}
        watched = kept.service({"metadata": meta, "spec": spec})
        assert watched
        self.statuses.put(f"shop/{name}", Word(watched.demand, (), "", term))

    def said(self) -> tuple[str, str]:
        key, trouble = self._said.get(timeout=SOON_S)
        return key, trouble.code if trouble else ""


@pytest.fixture
def writing() -> Iterator[Writing]:
    made = Writing()
    yield made
    made.server.open.set()
    assert made.statuses.stop()


def test_what_is_refused_for_ever_is_no_work(writing: Writing) -> None:
    """Events, which come after the work, are told all the same; the metric says that it waits."""
    writing.server.answers["bad", "merge"] = Answer(422)
    writing.put("bad")
    assert writing.said() == ("shop/bad", "status-refused")
    wait_for(lambda: not writing.statuses.is_busy, SOON_S, "there is nothing to do")
    assert writing.statuses.waiting == 1


def test_what_is_being_written_is_work(writing: Writing) -> None:
    writing.server.open.clear()
    writing.put("web")
    assert writing.statuses.is_busy
    writing.server.open.set()
    assert writing.said() == ("shop/web", "")
    wait_for(lambda: not writing.statuses.is_busy, SOON_S, "there is nothing to do")


def test_a_mark_that_annotations_have_no_room_for_is_a_condition(writing: Writing) -> None:
    writing.server.answers["full", "merge"] = Answer(422)
    writing.put("full", "next/2")
    assert writing.said() == ("shop/full", "")
    (_, _, noted), (_, form, body) = writing.server.asked
    assert noted["metadata"] == {"resourceVersion": "7", "annotations": {TERM: "next/2"}}
    assert form == "strategic"
    assert body["metadata"] == {"resourceVersion": "7"}
    (condition,) = body["status"]["conditions"]
    assert (condition["type"], condition["message"]) == (TERM, "next/2")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (0, "cluster-unreachable"),
        (403, "status-refused"),
        (404, "status-conflict"),
        (409, "status-conflict"),
        (422, "status-refused"),
        (429, "cluster-unreachable"),
        (500, "status-refused"),
        (503, "cluster-unreachable"),
    ],
)
def test_what_an_answer_to_a_mark_says_of_the_service(
    writing: Writing, status: int, code: str
) -> None:
    for form in ("merge", "strategic"):
        writing.server.answers["web", form] = Answer(status)
    writing.put("web", "next/2")
    assert writing.said() == ("shop/web", code)


def test_a_server_that_is_busy_is_left_alone_by_all(writing: Writing) -> None:
    writing.server.answers["first", "merge"] = Answer(429)
    writing.put("first")
    assert writing.said() == ("shop/first", "status-refused")
    del writing.server.answers["first", "merge"]
    for number in range(10):
        writing.put(f"more-{number}")
    for _ in range(11):
        assert writing.said()[1] == ""
    first, second, *_ = writing.server.at
    assert second - first >= BUSY_S


def test_who_stops_does_not_wait_for_a_server_that_is_busy(
    writing: Writing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statuses, "BUSY_S", 3600.0)
    writing.server.answers["first", "merge"] = Answer(429)
    writing.put("first")
    writing.said()
    writing.put("more")
    assert writing.statuses.stop()
    assert len(writing.server.at) == 1


def test_who_stops_says_whether_a_write_is_still_on_its_way(writing: Writing) -> None:
    writing.server.open.clear()
    writing.put("web")
    assert writing.server.begun.wait(SOON_S)
    assert not writing.statuses.stop(within_s=0.1)
    writing.server.open.set()
    assert writing.statuses.stop()
