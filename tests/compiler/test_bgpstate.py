"""What FRR says of its sessions; the texts are shortened from FRR 8.4.4 and 10.3."""

import json

import pytest

from ferrule.compiler.bgpstate import SessionState, parse

ESTABLISHED = """
{"default": {
  "vrfId": 0, "vrfName": "default",
  "192.0.2.2": {
    "remoteAs": 65002, "localAs": 65001, "nbrExternalLink": true,
    "bgpState": "Established", "bgpTimerUpMsec": 4000, "bgpTimerUpString": "00:00:04",
    "bgpTimerUpEstablishedEpoch": 1795632801,
    "addressFamilyInfo": {
      "ipv4Unicast": {"updateGroupId": 3, "acceptedPrefixCounter": 7, "sentPrefixCounter": 2},
      "ipv6Unicast": {"acceptedPrefixCounter": 0, "sentPrefixCounter": 0}},
    "connectionsEstablished": 2, "connectionsDropped": 1,
    "lastResetDueTo": "No AFI/SAFI activated for peer",
    "peerBfdInfo": {"type": "single hop", "detectMultiplier": 3, "status": "Up"}}}}
"""
# An address where nobody answers, one that is shut down, and an interface (8.4.4).
DOWN = """
{"default": {
  "vrfId": 0, "vrfName": "default",
  "192.0.2.77": {"remoteAs": 65010, "localAs": 65001, "bgpState": "Active",
    "addressFamilyInfo": {"ipv4Unicast": {"acceptedPrefixCounter": 0}},
    "connectionsEstablished": 0, "connectionsDropped": 0,
    "lastResetDueTo": "Waiting for peer OPEN"},
  "192.0.2.78": {"remoteAs": 65010, "localAs": 65001, "adminShutDown": true, "bgpState": "Idle",
    "addressFamilyInfo": {}, "connectionsEstablished": 0, "connectionsDropped": 0},
  "eth0": {"bgpNeighborAddr": "fe80::808e:e6ff:fefc:41cd", "remoteAs": 0, "localAs": 65001,
    "bgpState": "Idle", "addressFamilyInfo": {}}},
 "red": {"vrfId": -1, "vrfName": "red",
  "2001:db8::9": {"remoteAs": 65009, "localAs": 65002, "bgpState": "Connect"}},
 "empty": {"vrfId": -1, "vrfName": "empty"}}
"""


def test_a_session_that_is_up() -> None:
    (session,) = parse(json.loads(ESTABLISHED)).sessions.values()

    assert session.established
    assert session == SessionState(
        vrf="",
        neighbor="192.0.2.2",
        state="Established",
        remote_as=65002,
        uptime_s=4.0,
        established_times=2,
        resets=1,
        accepted={"ipv4": 7, "ipv6": 0},
        sent={"ipv4": 2, "ipv6": 0},
        last_reset="No AFI/SAFI activated for peer",
        bfd="up",
        since=1795632801,
        local_as=65001,
    )


def test_sessions_that_are_not() -> None:
    state = parse(json.loads(DOWN))

    assert [(one.vrf, one.neighbor, one.state) for one in state.sessions.values()] == [
        ("", "192.0.2.77", "Active"),
        ("", "192.0.2.78", "Idle"),
        ("", "eth0", "Idle"),
        ("red", "2001:db8::9", "Connect"),
    ]
    assert {one.uptime_s for one in state.sessions.values()} == {None}
    assert [one.neighbor for one in state.sessions.values() if one.shutdown] == ["192.0.2.78"]


def test_a_session_is_found_by_either_name_of_the_default_vrf() -> None:
    state = parse(json.loads(ESTABLISHED))

    assert state.session("default", "192.0.2.2") is state.session("", "192.0.2.2") is not None
    assert state.session("red", "192.0.2.2") is None


def test_bfdd_knows_better_than_bgpd_how_bfd_does() -> None:
    peers = [
        {"multihop": False, "peer": "192.0.2.2", "vrf": "default", "status": "init"},
        {"multihop": False, "peer": "192.0.2.2", "vrf": "red", "status": "up"},
    ]

    session = parse(json.loads(ESTABLISHED), peers).session("", "192.0.2.2")

    assert session is not None
    assert session.bfd == "init"


@pytest.mark.parametrize("said", ["{}", '{"default": {"vrfId": 0, "vrfName": "default"}}'])
def test_a_device_without_neighbors(said: str) -> None:
    assert parse(json.loads(said), []).sessions == {}


@pytest.mark.parametrize(
    "said",
    ["[]", "null", '{"default": 1}', '{"default": {"192.0.2.2": {"addressFamilyInfo": []}}}'],
)
def test_what_frr_never_says_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="FRR"):
        parse(json.loads(said))


def test_values_of_an_odd_type_are_passed_over() -> None:
    odd = {"remoteAs": "x", "bgpState": 3, "connectionsDropped": None, "lastResetDueTo": []}

    session = parse({"default": {"192.0.2.2": odd}}).session("", "192.0.2.2")

    assert session == SessionState("", "192.0.2.2", "")
