"""The reader of passwords."""

from __future__ import annotations

import threading

import pytest

from ferrule.compiler.source import Document
from ferrule.reconcile import passwords
from ferrule.reconcile.logs import Log
from ferrule.reconcile.passwords import Passwords

SWITCH: dict[str, object] = {
    "apiVersion": "ferrule.dev/v1alpha1",
    "kind": "Switch",
    "metadata": {"name": "tor", "namespace": "net"},
    "spec": {"management": {"host": "198.51.100.1", "passwordSecret": {"name": "tor"}}},
}


def test_who_stops_waits_for_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, answered = threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        begun.set()
        answered.wait(60)

    monkeypatch.setattr(passwords, "secret", hang)
    reader = Passwords(None, Log())  # type: ignore[arg-type]
    reader.want([Document(SWITCH)])
    assert begun.wait(20)
    reader.stop(within_s=0.1)
    assert reader.is_alive()
    answered.set()
    reader.join(20)
    assert not reader.is_alive()
