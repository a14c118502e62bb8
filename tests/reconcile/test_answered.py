"""What an announcer says becomes statuses and events, once each, of whom it is about."""

from __future__ import annotations

import io
import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, cast

import pytest

from ferrule.compiler.contests import Contest
from ferrule.observe.cluster_api import Answer, Api
from ferrule.reconcile.answered import ASK_S, MOST_EVENTS, SURE_S, Answered
from ferrule.reconcile.contested import Contested
from ferrule.reconcile.events import Event, Events
from ferrule.reconcile.logs import Log
from ferrule.reconcile.publish import Post, Publisher
from ferrule.reconcile.told import status_name

NODES = ("node-1", "node-2")
WEB, DB = "192.0.2.1", "192.0.2.2"


@dataclass
class World:
    """Everything around it, as it is seen from there."""

    now: float = 0.0
    installed: bool = True
    there: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0
    posts: list[Post] = field(default_factory=list)
    told: list[Event] = field(default_factory=list)
    compared: int = 0
    open: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.open.set()
        table = Contested("node-1")
        every = dict.fromkeys(NODES, ())
        for service, address in (("a/web", WEB), ("a/db", DB)):
            one = Contest((ip_address(address),), dict.fromkeys(NODES, 0), every)
            table.update({service: one})
        self.log = io.StringIO()
        self.answered = Answered(
            cast("Api", self),
            "ns",
            "node-1",
            table,
            cast("Publisher", self),
            cast("Events", self),
            Log("debug", self.log),
            lambda service: f"uid of {service}",
            lambda _: None,
            lambda: self.now,
        )

    # An API server, a publisher and events.

    def send(self, *_: object, **__: object) -> Answer:
        self.asked += 1
        assert self.open.wait(10), "nobody waits for a server that hangs"
        page = {"metadata": {"resourceVersion": "1"}, "items": self.there}
        return Answer(200, json.dumps(page).encode()) if self.installed else Answer(404)

    def read(self, model: Any, answer: Answer, _what: str) -> Any:
        return model.model_validate_json(answer.content)

    def put(self, post: Post) -> None:
        self.posts.append(post)

    def compare(self, *_: object) -> None:
        self.compared += 1

    def tell(self, event: Event) -> None:
        self.told.append(event)

    # An announcer.

    def says(self, *owned: str, **more: object) -> list[tuple[str, bool]]:
        """Two statuses: the second knows what the server has answered after the first.

        What is said of them, and whether it is said or taken back.
        """
        self.posts.clear()
        self.hears(*owned, **more)
        if asking := self.answered._asking:  # noqa: SLF001
            asking.join(10)
        self.hears(*owned, **more)
        return [(one.name, one.status is not None) for one in self.posts]

    def hears(self, *owned: str, **more: object) -> None:
        self.answered.hear({"kind": "status", "owned": {one: ["eth0"] for one in owned}, **more})

    def happens(self, what: str, **more: object) -> None:
        self.answered.hear({"kind": "event", "what": what, **more})


def name(service: str, node: str = "node-1") -> str:
    return status_name("l2", node, service)


def test_a_status_for_each_service_as_it_comes_and_goes() -> None:
    world = World()
    assert world.says(WEB) == [(name("a/web"), True)]
    assert world.posts[0].status == {
        "node": "node-1", "serviceName": "web", "serviceNamespace": "a", "interfaces": [],
    }  # fmt: skip
    assert world.says(WEB) == []
    assert world.says(WEB, DB) == [(name("a/db"), True)]
    assert world.says(DB) == [(name("a/web"), False)]
    assert [(one.about.name, one.about.uid, one.reason) for one in world.told] == [
        ("web", "uid of a/web", "nodeAssigned"),
        ("db", "uid of a/db", "nodeAssigned"),
    ]
    world.answered.gone()
    assert (world.posts[-1].name, world.posts[-1].status) == (name("a/db"), None)


def test_who_is_lost_says_nothing_any_more_but_not_because_of_a_moments_belief() -> None:
    world = World()
    world.says()
    world.happens("took", addresses=[WEB, DB], **{"from": "node-2"})
    world.happens("passed", addresses=[DB], **{"from": "node-1"})
    assert world.says(WEB) == [(name("a/web"), True)]
    world.now = SURE_S
    assert world.says(WEB) == [(name("a/web", "node-2"), False)]
    assert world.says(WEB) == []


def test_who_is_lost_while_the_server_hangs_says_nothing_any_more_either() -> None:
    world = World()
    world.open.clear()
    world.hears()
    world.happens("took", addresses=[WEB], **{"from": "node-2"})
    world.now = SURE_S
    world.hears(WEB)
    world.open.set()
    assert (name("a/web", "node-2"), False) in world.says(WEB)


def test_where_the_kind_is_not_installed_nothing_is_said_until_it_is() -> None:
    world = World(installed=False)
    assert world.says(WEB) == []
    world.now, world.installed = ASK_S, True
    assert world.says(WEB) == [(name("a/web"), True)]
    assert world.asked == 2


def test_what_an_earlier_agent_said_goes_and_who_is_accused_looks_at_what_is_said() -> None:
    world = World(there=[{"metadata": {"name": "l2-old"}, "status": {"node": "node-1"}}])
    assert world.says(WEB) == [("l2-old", False), (name("a/web"), True)]
    world.there.clear()
    world.happens("accused", node="node-2")
    world.says(WEB)
    assert world.compared == 2


def test_a_conflict_is_an_event_of_the_service_a_finding_without_address_one_of_the_node() -> None:
    world = World()
    world.happens("conflict", address=WEB, mac="02:00:00:00:00:01", interface="eth0")
    finding = {"code": "no-interface", "text": "there is none"}
    world.says(findings=[finding])
    world.says(findings=[finding])
    assert [(one.about.kind, one.about.name, one.reason) for one in world.told] == [
        ("Service", "web", "AddressConflict"),
        ("Node", "node-1", "NoInterface"),
    ]
    assert "02:00:00:00:00:01" in world.told[0].message
    world.says(findings=[])
    world.says(findings=[finding])
    assert Counter(one.reason for one in world.told)["NoInterface"] == 2


@pytest.mark.parametrize("number", [MOST_EVENTS + 5])
def test_of_many_findings_of_a_kind_the_first_are_told(number: int) -> None:
    world = World()
    world.says(
        findings=[
            {"code": "no-subnet", "address": f"198.51.100.{one}", "text": "x"}
            for one in range(number)
        ]
    )
    assert len(world.told) == MOST_EVENTS


def test_whoever_hears_the_announcer_does_not_wait_for_the_api_server() -> None:
    """A node that does not hear its announcer in time gives up its Lease."""
    world = World()
    world.open.clear()
    for _ in range(3):
        world.hears(WEB)
    world.hears(WEB, DB)
    world.answered.gone()
    world.hears(WEB)
    assert world.posts == []
    world.open.set()
    assert world.says(WEB) == [(name("a/web"), True)]
    assert world.asked == 1


def test_who_is_accused_while_the_server_is_asked_asks_again() -> None:
    world = World()
    world.open.clear()
    world.hears(WEB)
    world.happens("accused", node="node-2")
    world.open.set()
    world.says(WEB)
    assert world.asked == 2
