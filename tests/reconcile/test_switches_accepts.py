"""Which sets a switch takes from whom, by its rows and by bgpd; how that is written and read."""

from __future__ import annotations

import json
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from plan.worlds import running
from short import compiled, switch

from ferrule.compiler.backends import sonic
from ferrule.compiler.backends.prefixlist import PrefixList, Rule, masked
from ferrule.compiler.backends.sonic.accepts import Inbound, Statement
from ferrule.compiler.backends.sonic.live import Unlike
from ferrule.compiler.source import Document
from ferrule.reconcile.events import About
from ferrule.reconcile.publish import Post
from ferrule.reconcile.switch_accepts import Accepted, accepted, takes
from ferrule.reconcile.switch_status import (
    Said,
    SwitchState,
    config_map,
    counts,
    events,
    forgotten,
    post,
    read,
    status,
    status_of,
)

TOR, FIRST, SECOND = "tor-a", "10.1.0.11", "10.1.0.12"
WELL = Unlike((), ())
SPEC = """
Switch tor-a: {addresses: [10.1.0.1/24]}
BGPPeer tor: {peerAddress: 10.1.0.1}
IPAddressPool public: {addresses: [192.0.2.0/25]}
IPAddressPool more: {addresses: [203.0.113.0/28, 203.0.113.64/28]}
BGPAdvertisement all: {}
Node n1: {ips: [10.1.0.11]}
Node n2: {ips: [10.1.0.12]}
"""
PUBLIC, MORE = ("public", "ipv4", 32), ("more", "ipv4", 32)
GROUP = "FERRULE_ferrule_tor_64512_ipv4"
ABOUT = About("ferrule.dev/v1alpha1", "Switch", TOR, "ferrule-system", "uid-1")
Tables = dict[str, dict[str, dict[str, Any]]]


def tables() -> Tables:
    rows = running(compiled(SPEC).network)[TOR]
    assert isinstance(rows, sonic.Running)
    return {t: {k: dict(f) for k, f in each.items()} for t, each in rows.tables.items()}


def taken(rows: Tables, unlike: Unlike | None = WELL) -> Accepted:
    return accepted(switch(compiled(SPEC)), sonic.parse(rows, "ferrule"), unlike)


def said(found: Accepted) -> dict[tuple[object, ...], tuple[str, ...] | None]:
    return {(one.key[0], *one.prefixes): one.neighbors for one in found.sets}


BLOCKS = ("203.0.113.0/28", "203.0.113.64/28")
ALL = {("public", "192.0.2.0/25"): None, ("more", *BLOCKS): None}


def test_all_is_taken_from_everybody() -> None:
    found = taken(tables())
    assert said(found) == ALL
    assert [(one.family, one.limit, one.neighbors) for one in found.limits] == [("ipv4", 64, None)]


def test_a_neighbor_that_is_not_there_is_named_by_its_absence() -> None:
    rows = tables()
    del rows["BGP_NEIGHBOR"][f"default|{SECOND}"]
    only = (f"default|{FIRST}",)
    assert said(taken(rows)) == {("public", "192.0.2.0/25"): only, ("more", *BLOCKS): only}


def test_a_block_that_is_not_there_makes_a_set_partial() -> None:
    rows = tables()
    rows["PREFIX"] = {k: f for k, f in rows["PREFIX"].items() if BLOCKS[1] not in k}
    found = taken(rows)
    assert said(found) == {("public", "192.0.2.0/25"): None, ("more", BLOCKS[0]): None}
    assert [one.partial for one in found.sets] == [True, False]
    assert read(status(SwitchState(TOR, state().document, accepted=found))).whole({}) == {PUBLIC}


def test_another_asn_takes_nothing() -> None:
    rows = tables()
    rows["BGP_PEER_GROUP"][f"default|{GROUP}"]["asn"] = "64999"
    assert taken(rows) == Accepted()


def test_a_hole_that_somebody_made_is_seen() -> None:
    rows = tables()
    rows["PREFIX"]["FERRULE_ferrule_public_ipv4_32|1|192.0.2.8/30|30..32"] = {"action": "deny"}
    assert said(taken(rows)) == {("more", *BLOCKS): None}


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (
            "ip prefix-list FERRULE_ferrule_public_ipv4_32 seq 8 permit 192.0.2.0/25 le 32",
            {("more", *BLOCKS): None},
        ),
        (
            "route-map FERRULE_ferrule_in_tor_64512_ipv4_ipv4 permit 7 / match ip address"
            " prefix-list FERRULE_ferrule_public_ipv4_32",
            {},
        ),
        (f"router bgp 65000 / neighbor {GROUP} remote-as 64512", {}),
        (
            f"router bgp 65000 / neighbor {SECOND} peer-group {GROUP}",
            dict.fromkeys(ALL, (f"default|{FIRST}",)),
        ),
    ],
)
def test_what_bgpd_has_not_is_not_taken(line: str, left: object) -> None:
    assert said(taken(tables(), Unlike((line,), ()))) == left


def test_rows_that_cannot_be_compared_with_bgpd_are_not_verified() -> None:
    assert taken(tables(), None) == Accepted()


def inbound(*rules: tuple[bool, str, int, int]) -> Inbound:
    made = tuple(
        Rule(number, permit, masked(block), low, high)
        for number, (permit, block, low, high) in enumerate(rules)
    )
    return Inbound((Statement(permit=True, prefixes=PrefixList(made)),), None)


@pytest.mark.parametrize(
    ("rules", "whole"),
    [
        ([(True, "192.0.2.0/24", 24, 32)], True),
        ([(True, "192.0.2.0/25", 25, 32)], False),
        ([(True, "192.0.2.0/25", 25, 32), (True, "192.0.2.128/25", 32, 32)], True),
        ([(False, "192.0.2.255/32", 32, 32), (True, "192.0.2.0/24", 24, 32)], False),
        ([(False, "192.0.2.0/24", 24, 31), (True, "192.0.2.0/24", 24, 32)], True),
        ([(True, "192.0.2.0/24", 24, 31)], False),
        ([(False, "2001:db8::/32", 32, 128), (True, "192.0.0.0/16", 16, 32)], True),
    ],
)
def test_a_block_is_taken_when_all_of_it_is(
    rules: list[tuple[bool, str, int, int]],
    whole: bool,  # noqa: FBT001
) -> None:
    found = inbound(*rules)
    assert takes(found, "192.0.2.0/24", 32) == whole
    each = ip_network("192.0.2.0/24").subnets(new_prefix=32)
    assert all(found.admits(str(one)) for one in each) == whole


# The status.


def state(**more: Any) -> SwitchState:
    meta = {"name": TOR, "namespace": "ferrule-system", "generation": 7}
    document = Document({"apiVersion": ABOUT.api_version, "kind": "Switch", "metadata": meta})
    return SwitchState(TOR, document, accepted=taken(tables()), verified_s=0.0, **more)


def conditions(of: SwitchState) -> dict[str, tuple[str, str]]:
    each: Any = status(of)["conditions"]
    return {one["type"]: (one["status"], one["reason"]) for one in each}


def test_what_is_written_is_read_again() -> None:
    rows = tables()
    del rows["BGP_NEIGHBOR"][f"default|{SECOND}"]
    one = state(rows="aa", intent="bb")
    for found in (one.accepted, taken(rows)):
        written = json.loads(json.dumps(status(SwitchState(TOR, one.document, accepted=found))))
        assert read(written).accepted == found
    known = read(status(one))
    assert (known.rows, known.intent) == ("aa", "bb")
    assert read(status(one)).whole({}) == {PUBLIC, MORE}
    assert status(one)["observedGeneration"] == 7
    assert status(one)["verified"] == "1970-01-01T00:00:00Z"


def test_an_agent_asks_for_a_prefix_of_its_own() -> None:
    rows = tables()
    del rows["BGP_NEIGHBOR"][f"default|{SECOND}"]
    made = SwitchState(TOR, state().document, accepted=taken(rows))
    known = read(status(made))
    inside, outside = ip_network("192.0.2.9/32"), ip_network("192.0.2.200/32")
    assert known.takes(inside, "default", ip_address(FIRST))
    assert not known.takes(inside, "default", ip_address(SECOND))
    assert not known.takes(inside, "Vrf_red", ip_address(FIRST))
    assert not known.takes(outside, "default", ip_address(FIRST))
    assert not known.takes(ip_network("192.0.2.0/31"), "default", ip_address(FIRST))
    assert known.limit("ipv4", "default", ip_address(FIRST)) == 64
    assert read(status(made)).whole({}) == frozenset()
    assert not read({}).takes(inside, "default", ip_address(FIRST))


@pytest.mark.parametrize(
    "junk",
    [
        {},
        {"accepts": 3},
        {"accepts": [1, {"pool": 2}, {"pool": "p", "family": "ipx", "length": 1}]},
        {"accepts": [{"pool": "p", "family": "ipv4", "length": 32, "prefixes": ["x"]}]},
        {"limits": [{"family": "ipv4", "limit": "x"}], "accepts": None},
    ],
)
def test_a_status_that_is_none_of_ours_says_nothing(junk: dict[str, Any]) -> None:
    known = read(junk)
    assert not known.takes(ip_network("192.0.2.9/32"), "default", ip_address(FIRST))
    assert known.limit("ipv4", "default", ip_address(FIRST)) is None


def test_conditions_say_what_is_wrong() -> None:
    assert conditions(state()) == {
        "Reachable": ("True", "Read"),
        "InSync": ("True", "Verified"),
        "Drifted": ("False", "AsLeft"),
        "PlanPending": ("False", "NothingPending"),
    }
    away = conditions(state(unreachable=Said("ConnectTimeout", "it does not answer")))
    assert away["Reachable"] == ("False", "ConnectTimeout")
    assert away["InSync"][0] == away["Drifted"][0] == "Unknown"
    pending = conditions(state(pending=Said("NeedsLeave", "--allow session-reset")))
    assert pending["PlanPending"] == ("True", "NeedsLeave")
    assert pending["InSync"] == ("False", "NeedsLeave")
    assert conditions(state(drift=Said("RowsChanged", "1 change")))["Drifted"][0] == "True"


def test_a_custom_resource_has_it_in_its_status() -> None:
    made = post(state(), "elsewhere", None)
    assert made.path.endswith("/namespaces/ferrule-system/switches/tor-a")
    assert made.status is not None
    assert read(made.status).whole({}) == {PUBLIC, MORE}


def test_a_switch_from_a_directory_has_it_in_a_config_map() -> None:
    made = compiled(SPEC)
    document = switch(made).origin.document
    one = SwitchState(TOR, document, accepted=taken(tables()))
    written: Post = post(one, "ferrule-system", None)
    assert written.path == "/api/v1/namespaces/ferrule-system/configmaps/ferrule-switch-tor-a"
    again = config_map({"data": written.data})
    assert read(status_of(again)).whole({}) == {PUBLIC, MORE}
    kept: Any = status(one, again)["conditions"]
    before: Any = status_of(again)["conditions"]
    assert [o["lastTransitionTime"] for o in kept] == [o["lastTransitionTime"] for o in before]
    assert config_map({"data": {"status": "{"}}).data["status"] == {}
    gone = forgotten(TOR, "ferrule-system")
    assert (gone.path, gone.said) == (written.path, None)


def test_news_are_told_once() -> None:
    well, away = state(), state(unreachable=Said("ConnectTimeout", "it does not answer"))
    pending = state(pending=Said("NeedsLeave", "--allow session-reset\n~ row"))
    changed = state(changes=1, done="3 changes (accept)")
    failed = state(unsettled=Said("Failed", "SONiC refuses the patch"))

    def reasons(old: SwitchState | None, new: SwitchState) -> list[str]:
        return [one.reason for one in events(old, new, ABOUT)]

    assert reasons(None, well) == []
    assert reasons(well, away) == ["SwitchUnreachable"]
    assert reasons(away, away) == []
    assert reasons(away, well) == ["SwitchReachable"]
    assert reasons(well, pending) == ["SwitchPlanPending"]
    assert reasons(pending, pending) == []
    assert reasons(well, changed) == ["SwitchChanged"]
    assert reasons(well, failed) == ["SwitchFailed"]
    assert reasons(well, state(unsettled=Said("Waiting", "for nodes"))) == []
    assert next(iter(events(well, pending, ABOUT))).message == "--allow session-reset"


def test_what_there_is_to_count() -> None:
    found = counts(
        {
            "a": state(changes=2),
            "b": state(drift=Said("RowsChanged", "1 change"), failures=3),
            "c": SwitchState("c", state().document, unreachable=Said("Refused", "no")),
        }
    )
    assert (found.changes, found.failures, found.drifted, found.unreachable) == (2, 3, 1, 1)
    assert (found.in_sync, found.pending) == (1, 0)
    assert found.verified_s.keys() == {"a", "b"}
