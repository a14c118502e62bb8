"""Writes of a leader that may still arrive when another one leads, on a real API server."""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address

import pytest

from daemon.cluster_world import SOON_S, Crown, World
from daemon.flavour import wait_for
from daemon.kube import Plane
from ferrule.apply.target import Trouble
from ferrule.observe.cluster_api import connect
from ferrule.reconcile import kept
from ferrule.reconcile.statuses import Statuses, Word

pytestmark = pytest.mark.daemon

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
ON_STATUS = {
    "apiGroups": [""],
    "apiVersions": ["v1"],
    "operations": ["UPDATE"],
    "resources": ["services/status"],
}


@pytest.fixture
def world(crowd: Plane) -> Iterator[World]:
    world = World(crowd)
    yield world
    world.end()


def refusals(world: World, service: str) -> int:
    """How often the log says so."""
    lines = map(json.loads, world.log.getvalue().splitlines())
    said = [one for one in lines if one["event"] == "statusNotWritten"]
    return sum(one["service"] == f"{world.name}/{service}" for one in said)


@contextmanager
def nothing_passes(world: World, service: str) -> Iterator[None]:
    """The API server takes no status of one Service from anybody."""
    kind = "validatingadmissionpolic"
    of_world = {"matchLabels": {"world": world.name}}
    named = {"name": "named", "expression": f"object.metadata.name == '{service}'"}
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [ON_STATUS], "namespaceSelector": of_world},
        "matchConditions": [named],
        "validations": [{"expression": "false", "message": "nothing passes"}],
    }
    bound = {"policyName": world.name, "validationActions": ["Deny"]}
    meta = {"metadata": {"name": world.name}}
    world.plane.ask("POST", f"{ADMISSION}/{kind}ies", {**meta, "spec": policy})
    world.plane.ask("POST", f"{ADMISSION}/{kind}ybindings", {**meta, "spec": bound})

    def is_refused() -> bool:
        note = {"metadata": {"annotations": {"example.net/try": "it"}}}
        try:
            world.merge(note, f"{world.path(name=service)}/status?dryRun=All")
        except RuntimeError as bad:
            return "nothing passes" in str(bad)
        return False

    try:
        wait_for(is_refused, SOON_S, "nothing passes")
        yield
    finally:
        for one in ("ybindings", "ies"):
            world.plane.ask("DELETE", f"{ADMISSION}/{kind}{one}/{world.name}")


@contextmanager
def slow_statuses(world: World, service: str) -> Iterator[threading.Event]:
    """The API server asks somebody else about each status, who says nothing; when it does."""
    path = f"{ADMISSION}/validatingwebhookconfigurations"
    held, asked, holding = threading.Event(), threading.Event(), threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    ends: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):  # it is over
            while True:
                end, _ = listener.accept()
                asked.set()
                if holding.is_set():
                    ends.append(end)
                    held.set()
                else:
                    end.close()  # and the write passes: see failurePolicy

    thread = threading.Thread(target=serve)
    thread.start()
    hook = {
        "name": f"{world.name}.example.net",
        "clientConfig": {"url": f"https://127.0.0.1:{listener.getsockname()[1]}/"},
        "rules": [ON_STATUS],
        "namespaceSelector": {"matchLabels": {"world": world.name}},
        "failurePolicy": "Ignore",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 30,
    }

    def is_asked() -> bool:
        note = {"metadata": {"annotations": {"example.net/try": "it"}}}
        world.merge(note, f"{world.path(name=service)}/status?dryRun=All")
        return asked.is_set()

    try:
        world.plane.ask("POST", path, {"metadata": {"name": world.name}, "webhooks": [hook]})
        wait_for(is_asked, SOON_S, "somebody is asked")
        holding.set()
        yield held
    finally:
        world.plane.ask("DELETE", f"{path}/{world.name}")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()
        for end in ends:
            end.close()


def test_a_write_of_a_predecessor_that_wakes_up_is_refused(world: World) -> None:
    """It has decided, and was stopped before it sent; then another one leads and decides too."""
    world.pool("public", "192.0.2.0/28")
    world.service("waits")
    world.service("too")
    stale = world.get("waits")["metadata"]["resourceVersion"]
    end = world.reigning(Crown(term=2, contested=True))
    given = world.served("waits", "too")
    terms = {world.get(one)["metadata"]["annotations"]["ferrule.dev/term"] for one in given}
    assert len(terms) == 1
    assert terms.pop().startswith("test/2/")
    late = {
        "metadata": {"resourceVersion": stale},
        "status": {"loadBalancer": {"ingress": [{"ip": given["too"][0]}]}},
    }
    with pytest.raises(RuntimeError, match="409"):
        world.merge(late, f"{world.path(name='waits')}/status")
    assert world.served("waits", "too") == given
    end()


def test_a_mark_alone_makes_a_late_write_fail(world: World) -> None:
    """Whoever leads next writes nothing before all marks are there, so this is the moment."""
    world.service("waits")
    stale = world.get("waits")
    key = f"{world.name}/waits"
    watched = kept.service(stale, world.lb_class)
    assert watched is not None
    said: queue.SimpleQueue[tuple[str, Trouble | None]] = queue.SimpleQueue()
    api = connect(str(world.plane.kubeconfig))
    statuses = Statuses(api, lambda: True, lambda *one: said.put(one))
    address = ip_address("192.0.2.1")
    statuses.put(key, Word(watched.demand, (), "", "next/2"))
    assert said.get(timeout=SOON_S) == (key, None)
    statuses.put(key, Word(watched.demand, (address,), "public"))
    _, trouble = said.get(timeout=SOON_S)
    statuses.stop()
    assert trouble is not None
    assert trouble.code == "status-conflict"
    assert world.addresses("waits") == []


def test_one_that_has_to_wait_is_marked_too(world: World) -> None:
    """The one before had an address for it, which is another's by now."""
    world.pool("public", "192.0.2.0/32")
    world.service("a-first")
    world.service("waits")
    stale = world.get("waits")["metadata"]["resourceVersion"]
    end = world.reigning(Crown(term=2, contested=True))
    given = world.served("a-first")
    late = {
        "metadata": {"resourceVersion": stale},
        "status": {"loadBalancer": {"ingress": [{"ip": given["a-first"][0]}]}},
    }
    with pytest.raises(RuntimeError, match="409"):
        world.merge(late, f"{world.path(name='waits')}/status")
    end()


def test_full_annotations_hold_up_nobody_else(world: World) -> None:
    """They take up all of the 262,144 bytes that there are: nothing of ours finds room."""
    world.pool("public", "192.0.2.0/28")
    world.service("full", {"example.net/note": "x" * (262_140 - len("example.net/note"))})
    world.service("web")
    stale = world.get("full")["metadata"]["resourceVersion"]
    crown = Crown(term=2, contested=True)
    end = world.reigning(crown)
    given = world.served("web")
    wait_for(lambda: "IPAllocated" in world.reasons("web"), SOON_S, "events are told all the same")
    wait_for(lambda: refusals(world, "full") >= 2, SOON_S, "its own status is refused")
    late = {
        "metadata": {"resourceVersion": stale},
        "status": {"loadBalancer": {"ingress": [{"ip": given["web"][0]}]}},
    }
    with pytest.raises(RuntimeError, match="409"):  # it was marked all the same
        world.merge(late, f"{world.path(name='full')}/status")
    assert world.addresses("full") == []
    end()
    assert crown.clean


def test_an_object_that_may_not_be_marked_holds_up_nobody_else(world: World) -> None:
    world.pool("public", "192.0.2.0/28")
    world.service("barred")
    world.service("web")
    crown = Crown(term=2, contested=True)
    with nothing_passes(world, "barred"):
        end = world.reigning(crown)
        world.has("web", "192.0.2.1")
        assert world.addresses("barred") == []
        assert "ferrule.dev/term" not in world.get("barred")["metadata"].get("annotations", {})
    world.has("barred", "192.0.2.0")
    assert "ferrule.dev/term" in world.get("barred")["metadata"]["annotations"]
    end()
    assert crown.clean


def test_who_ends_in_the_middle_of_a_write_does_not_say_that_all_is_done(world: World) -> None:
    """So the Lease is not let go of: whoever leads next waits, and marks."""
    world.pool("public", "192.0.2.0/28")
    crown = Crown()
    world.service("web")
    with slow_statuses(world, "web") as held:
        end = world.reigning(crown)
        assert held.wait(SOON_S)
        begun = time.monotonic()
        end()
        assert time.monotonic() - begun < SOON_S / 2
    assert not crown.clean
