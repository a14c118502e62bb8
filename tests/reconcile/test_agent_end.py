"""An agent ends in time, and does its last thing first, while the API server hangs."""

from __future__ import annotations

import io
import socket
import threading
from functools import partial
from typing import Any

from kubernetes.client import Configuration

from ferrule.observe.cluster_api import Answer, Api
from ferrule.observe.cluster_config import Login
from ferrule.reconcile.agent import Agent, Settings, run
from ferrule.reconcile.events import About, Event
from ferrule.reconcile.logs import Log
from ferrule.reconcile.reports import configuration_state


class Hanging(Api):
    """One that is connected to, and never answers."""

    def __init__(self, url: str) -> None:
        super().__init__(_login(url))
        self.writing = threading.Event()

    def send(self, method: str, path: str, **options: Any) -> Answer:
        if method == "PATCH":
            self.writing.set()
        return super().send(method, path, **options)


def _login(url: str) -> Login:
    return Login("prod", url, Configuration(host=url), partial(_login, url))


def test_an_agent_ends_in_time_before_a_server_that_hangs() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        api = Hanging(f"http://127.0.0.1:{listener.getsockname()[1]}")
        log = Log("debug", io.StringIO())
        agent = Agent(api, Settings("node-1", "ferrule-system", spread_s=0), log, _no_speaker)
        agent.publisher.put(configuration_state("ferrule-system", "agent", "Valid", ()))
        agent.events.tell(Event(About("v1", "Node", "node-1"), "Test", "text"))
        agent.answering._begin().start()  # noqa: SLF001
        assert api.writing.wait(10)
        stopping, last = threading.Event(), threading.Event()

        def withdraw() -> None:
            assert agent.answering.layer2 is not None  # nothing has ended yet
            last.set()

        thread = threading.Thread(target=run, args=(agent, stopping, withdraw), daemon=True)
        thread.start()
        stopping.set()
        assert last.wait(2)
        thread.join(20)
        assert not thread.is_alive()
        assert agent.publisher.is_alive()  # it hangs, and nobody waits for it


def _no_speaker(*_: object) -> Any:
    raise AssertionError("no cluster is known")
