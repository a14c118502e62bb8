"""Events are told after the work, no faster than is good for the server, the warnings first."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from daemon.flavour import wait_for

from ferrule.observe.cluster_api import Api
from ferrule.observe.cluster_config import login
from ferrule.reconcile.events import BURST, PER_S, About, Event, Events, Pace

SOON_S = 20.0


class Clock:
    """Set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_some_at_once_and_then_so_many_in_a_second() -> None:
    clock = Clock()
    pace, at = Pace(clock), []
    for _ in range(int(BURST + 10 * PER_S)):
        clock.now += pace.pause_s()
        pace.one()
        at.append(clock.now)
    assert at[int(BURST) - 1] == 0 < at[int(BURST)]
    assert at[-1] == pytest.approx(10)


def test_whoever_was_silent_may_say_some_at_once_again() -> None:
    clock = Clock()
    pace = Pace(clock)
    for _ in range(int(BURST)):
        pace.one()
    assert pace.pause_s() == pytest.approx(1 / PER_S)
    clock.now += 3600
    for _ in range(int(BURST)):
        assert pace.pause_s() == 0
        pace.one()
    assert pace.pause_s() > 0


@contextmanager
def told(folder: Path, answering: threading.Event) -> Iterator[tuple[Api, list[Any]]]:
    """A way to a server that takes events while it is `answering`, and what it has heard."""
    heard: list[Any] = []

    class Server(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            answering.wait(SOON_S)
            self.send_response(201)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        cluster = {"server": f"http://127.0.0.1:{server.server_port}"}
        config = {
            "current-context": "a",
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "clusters": [{"name": "a", "cluster": cluster}],
            "users": [{"name": "a", "user": {}}],
        }
        (folder / "config").write_text(json.dumps(config))
        try:
            yield Api(login(str(folder / "config"))), heard
        finally:
            answering.set()
            server.shutdown()
            thread.join()


@pytest.fixture
def answering() -> threading.Event:
    """Whether the server answers."""
    return threading.Event()


def event(number: int, *, warns: bool = False) -> Event:
    about = About("v1", "Service", f"s-{number}", "default", f"uid-{number}")
    return Event(about, "Reason", "said", "Warning" if warns else "Normal")


def busy_until(free: threading.Event) -> Callable[[], bool]:
    """Other work that takes until then."""
    return lambda: free.is_set()


def test_warnings_go_before_and_each_has_the_time_when_it_happened(
    tmp_path: Path, answering: threading.Event
) -> None:
    answering.set()
    free = threading.Event()
    with told(tmp_path, answering) as (api, heard):
        events = Events(api, "test", idle=busy_until(free))
        before = datetime.now(UTC).replace(microsecond=0)
        for number in range(3):
            events.tell(event(number))
        events.tell(event(3, warns=True))
        after = datetime.now(UTC)
        wait_for(lambda: datetime.now(UTC).second != after.second, SOON_S, "another second")
        assert not heard
        free.set()
        wait_for(lambda: len(heard) == 4, SOON_S, "all are told")
        events.stop()
    assert [one["involvedObject"]["name"] for one in heard] == ["s-3", "s-0", "s-1", "s-2"]
    for one in heard:
        assert before <= datetime.fromisoformat(one["lastTimestamp"]) <= after


def test_whoever_stops_tells_what_waits_as_long_as_there_is_time(
    tmp_path: Path, answering: threading.Event
) -> None:
    with told(tmp_path, answering) as (api, heard):
        hasty = Events(api, "test")
        for number in range(int(2 * BURST)):
            hasty.tell(event(number))
        wait_for(lambda: heard, SOON_S, "one is told")
        hasty.stop(within_s=0)
        answering.set()
        hasty.join()
        assert len(heard) == 1

        patient = Events(api, "test", idle=lambda: False)
        for number in range(int(2 * BURST)):
            patient.tell(event(number))
        patient.stop(within_s=SOON_S)
        assert len(heard) == 1 + 2 * BURST
