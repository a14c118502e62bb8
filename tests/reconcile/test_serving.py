"""Metrics and health, over HTTP."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from ferrule.apply.vty_state import BfdCounters, Messages, Session
from ferrule.compiler.bgpstate import SessionState
from ferrule.reconcile import metrics
from ferrule.reconcile.serving import Serving

UP = SessionState("", "10.1.0.1", "Established", bfd="up", sent={"ipv4": 3})
DOWN = SessionState("red", "2001:db8::1", "Active")
SESSIONS = (
    Session(UP, Messages(opens_sent=1, updates_sent=7), 179, BfdCounters(zebra_notifications=2)),
    Session(DOWN, Messages(), None, None),
)


@dataclass
class Process:
    """What a process would say of itself."""

    found: list[Metric] = field(default_factory=list)
    why_not: str = ""


@pytest.fixture
def process() -> Process:
    return Process()


@pytest.fixture
def serving(process: Process) -> Iterator[str]:
    one = Serving(0, lambda: process.found, lambda: process.why_not)
    yield f"http://127.0.0.1:{one.port}"
    one.stop()


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as bad:
        return bad.code, bad.read().decode()


def samples(text: str) -> dict[tuple[str, str], float]:
    """By name and peer."""
    return {
        (sample.name, sample.labels.get("peer", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_ready_and_alive(serving: str, process: Process) -> None:
    assert get(f"{serving}/readyz") == (200, "ok\n")
    process.why_not = "FRR has not been compared yet"
    assert get(f"{serving}/readyz") == (503, "FRR has not been compared yet\n")
    assert get(f"{serving}/healthz") == (200, "ok\n")
    assert get(f"{serving}/etc/passwd")[0] == 404


def test_whoever_comes_over_ipv6_is_answered_too(serving: str) -> None:
    assert get(f"{serving.replace('127.0.0.1', '[::1]')}/healthz") == (200, "ok\n")


def test_sessions_by_metallbs_names(serving: str, process: Process) -> None:
    process.found = [*metrics.of_sessions(SESSIONS)]
    found = samples(get(f"{serving}/metrics")[1])
    assert found["metallb_bgp_session_up", "10.1.0.1:179"] == 1
    assert found["metallb_bgp_session_up", "2001:db8::1"] == 0
    assert found["metallb_bgp_announced_prefixes_total", "10.1.0.1:179"] == 3
    assert found["metallb_bgp_opens_sent", "10.1.0.1:179"] == 1
    assert found["metallb_bgp_updates_total", "10.1.0.1:179"] == 7
    assert found["metallb_bfd_session_up", "10.1.0.1:179"] == 1
    assert found["metallb_bfd_zebra_notifications", "10.1.0.1:179"] == 2
    assert ("metallb_bfd_session_up", "2001:db8::1") not in found


def test_a_label_is_escaped(serving: str, process: Process) -> None:
    told = [('shop/"}\n evil 1', "192.0.2.1")]
    process.found = [*metrics.of_announced("node-1", told, ())]
    lines = get(f"{serving}/metrics")[1].splitlines()
    assert len([one for one in lines if not one.startswith("#")]) == 1
