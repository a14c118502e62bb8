"""What stands in the way on one device is said, with its place, and the others are planned."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from plan.worlds import found, running
from short import compiled

from ferrule.compiler import plancomment, planjson, planview
from ferrule.compiler.backends import frr, sonic
from ferrule.compiler.errors import Diagnostic, error
from ferrule.compiler.observed import Key, Observed
from ferrule.compiler.plan import DevicePlan, Plan
from ferrule.compiler.planning import make_plan

SPEC = """
Cluster prod: {}
Switch tor-a: {addresses: [198.51.100.1/24]}
IPAddressPool public: {}
BGPAdvertisement all: {}
BGPPeer tor: {peerAddress: 198.51.100.1}
Node n1: {ips: [198.51.100.11]}
Node n2: {ips: [198.51.100.12]}
Service shop/a: {}
"""
Seen = dict[Key, Observed | Diagnostic]
Change = Callable[[Seen], None]
FOREIGN = "somebodys-own"


def planned(*changes: Change, more: str = "Service shop/b: {}\n") -> Plan:
    """One Service more, on devices of which somebody did something."""
    before, after = compiled(SPEC), compiled(SPEC + more)
    seen = found(after.network, running(before.network))
    for change in changes:
        change(seen)
    return make_plan(after, seen)


def node(text: str) -> Change:
    """n1 runs this and nothing else."""

    def change(seen: Seen) -> None:
        one = seen["node", "n1"]
        assert isinstance(one, Observed)
        seen["node", "n1"] = replace(one, running=frr.parse(text, "prod"))

    return change


def rows(edit: Callable[[dict[str, Any]], object]) -> Change:
    """The CONFIG_DB of the switch, edited."""

    def change(seen: Seen) -> None:
        one = seen["switch", "tor-a"]
        assert isinstance(one, Observed)
        assert isinstance(one.running, sonic.Running)
        tables = json.loads(json.dumps(one.running.tables))
        edit(tables)
        seen["switch", "tor-a"] = replace(one, running=sonic.parse(tables, "prod"))

    return change


def unread(*names: str) -> Change:
    def change(seen: Seen) -> None:
        for name in names:
            seen["node", name] = error("unreachable", f"{name}: timed out", help="is it on?")

    return change


def device(plan: Plan, name: str) -> DevicePlan:
    (one,) = (one for one in plan.devices if one.device == name)
    return one


ROUTER = f"""
router bgp 64512
 bgp router-id 203.0.113.9
 neighbor 203.0.113.1 remote-as 64999
 neighbor 203.0.113.1 description {FOREIGN}
"""
TAKEN = f"{ROUTER} neighbor 198.51.100.1 remote-as 65000\nexit\n"
GROUP = {"peer_group_name": FOREIGN}
REFUSED: dict[str, tuple[str, str, Change]] = {
    "a neighbor of somebody else": ("n1", "already-there", node(TAKEN)),
    "another AS": ("n1", "other-asn", node(ROUTER.replace("bgp 64512", "bgp 64999"))),
    "a row of somebody else": (
        "tor-a",
        "already-there",
        rows(lambda all_: all_["BGP_NEIGHBOR"].update({"default|198.51.100.11": GROUP})),
    ),
    "a switch of another AS": (
        "tor-a",
        "other-asn",
        rows(lambda all_: all_["BGP_GLOBALS"]["default"].update(local_asn="64999")),
    ),
}


@pytest.mark.parametrize(("name", "code", "change"), REFUSED.values(), ids=REFUSED.keys())
def test_a_device_is_refused_with_its_place(name: str, code: str, change: Change) -> None:
    plan = planned(change)
    one = device(plan, name)
    (problem,) = (each for each in one.diff.problems if each.severity == "error")
    assert (problem.code, plan.ok, one.ok) == (code, False, False)
    assert problem.places[0].position
    said = list(planview.text(plan))
    assert any(line.startswith(f"! {name} (") for line in said)
    assert any(f"error[{code}]: " in line for line in said)
    assert "1 device refused" in planview.summary(plan)
    assert {step.device for each in plan.rounds for step in each.steps} >= {"n2"}
    assert name not in {step.device for each in plan.rounds for step in each.steps}


def test_what_others_have_in_an_instance_is_no_change_and_never_shown() -> None:
    plan = planned(node(ROUTER))
    problems = device(plan, "n1").diff.problems
    assert {one.code for one in problems} == {"foreign-globals"}
    assert plan.ok
    forms = [
        *planview.text(plan),
        *plancomment.markdown(plan),
        json.dumps(planjson.as_json(plan, "")),
    ]
    assert not [one for one in forms if FOREIGN in one or "203.0.113.1" in one]


def test_another_cluster_is_a_note() -> None:
    plan = planned(rows(lambda all_: all_["PREFIX_SET"].update({"FERRULE_lab_x_ipv4_32": {}})))
    (note,) = device(plan, "tor-a").notes
    assert note == "holds configuration of cluster lab, which stays as it is"
    assert not device(plan, "tor-a").diff.changes


def test_a_device_that_cannot_be_read_leaves_the_others_planned() -> None:
    plan = planned(unread("n2"))
    said = list(planview.text(plan))
    assert "! node not planned: n2: timed out [unreachable]" in said
    assert "    is it on?" in said
    assert [step.device for one in plan.rounds for step in one.steps] == ["n1"]
    assert "1 node to change · 1 device not read · " in planview.summary(plan)
    assert not plan.ok


def test_devices_that_fail_alike_are_one_line() -> None:
    said = list(planview.text(planned(unread("n1", "n2"))))
    failed = [line for line in said if line.startswith("! ")]
    assert failed == ["! node not planned: n1: timed out [unreachable]; so n2"]


def test_a_switch_keeps_what_an_unread_node_may_still_need() -> None:
    before, after = (
        compiled(SPEC + "IPAddressPool more: {addresses: [203.0.113.0/24]}"),
        compiled(SPEC),
    )
    seen = found(after.network, running(before.network))
    assert [one.op for one in device(make_plan(after, seen), "tor-a").diff.changes] == [
        "remove"
    ] * 4
    unread("n2")(seen)
    switch = device(make_plan(after, seen), "tor-a")
    assert switch.held == "nothing is removed: what n2 will announce is not known"
    assert not switch.diff.changes


SECOND = """
Switch tor-b: {addresses: [203.0.113.1/24]}
BGPPeer second: {peerAddress: 203.0.113.1}
"""


def left_alone(before: str, after: str, *own: str) -> list[str]:
    """What is said of far ends; the switch tor-a has these addresses too."""
    was, will = compiled(before), compiled(after)
    seen = found(will.network, running(was.network))
    tor = seen["switch", "tor-a"]
    assert isinstance(tor, Observed)
    seen["switch", "tor-a"] = replace(tor, addresses=frozenset(map(ip_address, own)))
    problems = make_plan(will, seen).problems
    return [str(one).splitlines()[0] for one in problems if one.code == "vanished-device"]


def test_a_switch_that_is_gone_with_its_peer() -> None:
    both = SPEC.replace("n1: {ips: [", "n1: {ips: [203.0.113.11, ")
    both = both.replace("n2: {ips: [", "n2: {ips: [203.0.113.12, ")
    (said,) = left_alone(both + SECOND, both)
    assert said == (
        "input: warning[vanished-device]: 203.0.113.1, the far end of sessions of n1, n2 that"
        " end, is no Switch of the input: if it is one, what it holds of ours stays there"
    )
    assert left_alone(both + SECOND, both, "203.0.113.1") == []  # tor-a had it, under another peer


def test_a_node_that_is_gone() -> None:
    without = SPEC.replace("Node n2: {ips: [198.51.100.12]}\n", "")
    (said,) = left_alone(SPEC, without)
    assert "198.51.100.12, the far end of sessions of tor-a that end, is no Node of" in said
    assert left_alone(SPEC, SPEC.replace("BGPPeer tor", "BGPPeer other")) == []
    assert left_alone(SPEC, without.replace("Node n1: {ips: [198.51.100.11]}\n", "")) == []
