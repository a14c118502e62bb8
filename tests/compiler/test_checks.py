"""What is expected of sessions after a change, and of those that were put back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from plan.worlds import found
from short import compiled

from ferrule.compiler.bgpstate import BgpState, SessionState
from ferrule.compiler.checks import LOST, checks, lost
from ferrule.compiler.observed import Key, Observed

FAR = "198.51.100.1"
NETWORK = compiled(
    f"""
Switch tor-a: {{addresses: [{FAR}/24]}}
BGPPeer tor: {{peerAddress: {FAR}}}
IPAddressPool public: {{}}
BGPAdvertisement all: {{}}
Node node-1: {{ips: [198.51.100.11]}}
"""
).network
FOUND = {k: one for k, one in found(NETWORK, {}).items() if isinstance(one, Observed)}
NODE: Key = ("node", "node-1")
EAR = ("node-1", ("", FAR))
UP = SessionState("", FAR, "Established", uptime_s=100.0, resets=2)
IDLE = SessionState("", FAR, "Idle", resets=3)


def seen(session: SessionState | None) -> Mapping[Key, Observed]:
    """The node, with its session, or without one."""
    sessions = {("", FAR): session} if session else {}
    return {NODE: replace(FOUND[NODE], state=BgpState(sessions))}


def fault(before: SessionState | None, after: SessionState | None, *, reset: bool = False) -> str:
    resets = {EAR} if reset else set()
    (check,) = checks(NETWORK, seen(before), seen(after), resets)
    return check.fault


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param(replace(UP, uptime_s=130.0), "", id="the same session"),
        pytest.param(replace(UP, uptime_s=5.0, resets=3), LOST, id="lost and back"),
        pytest.param(replace(UP, uptime_s=5.0, resets=0), LOST, id="of a bgpd that started anew"),
        pytest.param(IDLE, "is Idle", id="lost"),
        pytest.param(None, "is not configured", id="gone"),
    ],
)
def test_what_was_up_stays_up(after: SessionState | None, expected: str) -> None:
    assert fault(UP, after) == expected


def test_what_the_plan_resets_may_come_back() -> None:
    assert fault(UP, replace(UP, uptime_s=5.0, resets=3), reset=True) == ""
    assert fault(UP, IDLE, reset=True) == "is Idle"


def test_what_was_down_may_stay_down() -> None:
    assert fault(IDLE, IDLE) == ""
    assert fault(IDLE, replace(UP, uptime_s=1.0)) == ""


def test_what_is_new_comes_up() -> None:
    assert fault(None, replace(UP, uptime_s=1.0)) == ""
    assert fault(None, replace(IDLE, state="Connect")) == "is Connect"


def words(before: SessionState, after: Mapping[Key, Observed]) -> list[tuple[str, str]]:
    return [(one.far, one.after) for one in lost(NETWORK, seen(before), after, ["node-1"])]


def test_what_was_up_and_is_not_is_lost() -> None:
    assert words(UP, seen(replace(UP, uptime_s=1.0))) == []
    assert words(UP, seen(IDLE)) == [("tor-a", "Idle")]
    assert words(UP, seen(None)) == [("tor-a", "unknown")]
    assert words(UP, {}) == [("tor-a", "unknown")]
    assert words(IDLE, seen(IDLE)) == []


def test_whoever_the_far_end_is() -> None:
    other = replace(UP, neighbor="198.51.100.9")
    before = {NODE: replace(FOUND[NODE], state=BgpState({("", "198.51.100.9"): other}))}
    assert [one.far for one in lost(NETWORK, before, seen(UP), ["node-1"])] == ["198.51.100.9"]
