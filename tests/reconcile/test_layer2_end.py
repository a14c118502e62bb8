"""No announcer begins after layer 2 was told to stop."""

from __future__ import annotations

import io
import threading
from functools import partial
from typing import cast

from kubernetes.client import Configuration

from ferrule.announce.child import Child
from ferrule.observe.cluster_api import Api
from ferrule.observe.cluster_config import Login
from ferrule.reconcile.layer2 import Choices, Layer2
from ferrule.reconcile.logs import Log


def _login() -> Login:
    host = "http://127.0.0.1:1"
    return Login("prod", host, Configuration(host=host), partial(_login))


class Announcer:
    """Begun or not; who looks at that, after it has been told to stop, lets `looked` be set."""

    def __init__(self) -> None:
        self.looked, self.begun, self.ended = threading.Event(), False, False
        self.stopper: threading.Thread | None = None

    @property
    def ident(self) -> int | None:
        if threading.current_thread() is self.stopper:
            self.looked.set()
        return 1 if self.begun else None

    def start(self) -> None:
        self.begun = True

    def end(self) -> None:
        self.ended = True

    def say(self, line: bytes) -> None:
        pass


class Racing(Layer2):
    """One that is told to stop just when it is settled, and goes on when `stop` has looked."""

    def _is_settled(self) -> bool:
        announcer = cast("Announcer", self.child)
        announcer.stopper = threading.Thread(target=self.stop)
        announcer.stopper.start()
        assert announcer.looked.wait(10)
        return True


def test_no_announcer_outlives_the_end() -> None:
    log = Log("debug", io.StringIO())
    layer2 = Racing(Api(_login()), "ns", "node-1", Choices(), log, lambda _: None)
    announcer = Announcer()
    layer2.child = cast("Child", announcer)
    layer2.start()
    layer2.join(10)
    assert announcer.stopper is not None
    announcer.stopper.join(10)
    assert not layer2.is_alive()
    assert announcer.begun == announcer.ended
