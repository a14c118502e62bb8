"""A controller that begins before its API server answers."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from daemon.flavour import wait_for

SOON_S = 30.0
ENDS_S = 10.0


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        return int(taken.getsockname()[1])


class Replica:
    """A process of `ferrule reconcile`, whose API server is at a port of its own."""

    def __init__(self, folder: Path) -> None:
        self.server, self.health = free_port(), free_port()
        self._log = folder / "log"
        kubeconfig = folder / "kubeconfig"
        context = {"cluster": "c", "user": "u"}
        server = f"http://127.0.0.1:{self.server}"
        config = {
            "current-context": "prod",
            "contexts": [{"name": "prod", "context": context}],
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": {"token": "hunter2"}}],
        }
        kubeconfig.write_text(json.dumps(config))
        argv = [sys.executable, "-m", "ferrule.cli", "reconcile", "--kubeconfig", str(kubeconfig)]
        argv += ["--namespace", "net", "--metrics-port", "0", "--health-port", str(self.health)]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log)  # noqa: S603

    def page(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health}{path}", timeout=5) as one:
                return one.status, one.read().decode()
        except urllib.error.HTTPError as bad:
            return bad.code, bad.read().decode()
        except OSError:
            return 0, ""

    def said(self, event: str) -> list[dict[str, Any]]:
        lines = map(json.loads, self._log.read_text().splitlines())
        return [one for one in lines if one["event"] == event]

    def told_to_end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(ENDS_S)


@pytest.fixture
def replica(tmp_path: Path) -> Iterator[Replica]:
    made = Replica(tmp_path)
    yield made
    made.process.kill()
    made.process.wait()


@contextmanager
def answering(port: int) -> Iterator[None]:
    """An API server, in as much as it answers."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # http.server's name
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def test_one_that_begins_before_its_api_server_waits_for_it(replica: Replica) -> None:
    wait_for(lambda: replica.page("/healthz") == (200, "ok\n"), SOON_S, "it is alive")
    wait_for(lambda: "connection refused" in replica.page("/readyz")[1], SOON_S, "it says why")
    assert replica.page("/readyz")[0] == 503
    assert replica.process.poll() is None
    with answering(replica.server):
        wait_for(lambda: replica.said("waiting"), SOON_S, "it takes part")
        assert len(replica.said("clusterNotKnown")) == 1
        assert replica.told_to_end() == 0


def test_one_that_waits_for_its_api_server_ends_when_it_is_told_to(replica: Replica) -> None:
    wait_for(lambda: replica.page("/healthz")[0] == 200, SOON_S, "it is alive")
    assert replica.told_to_end() == 0


def test_one_whose_credentials_cannot_be_read_ends_at_once(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "ferrule.cli", "reconcile"]
    argv += ["--kubeconfig", str(tmp_path / "none"), "--health-port", "0", "--metrics-port", "0"]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=SOON_S)  # noqa: S603
    assert ended.returncode == 1
    assert "error[" in ended.stderr
