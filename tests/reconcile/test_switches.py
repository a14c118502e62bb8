"""Switches are kept as intended on real devices: what adds goes first, what goes waits its turn."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest
from daemon.flavour import wait_for
from fabric.chaos import Trap, Trapped
from fabric.fabric import Fabric
from fabric.keeper import FAST, TOR, WAIT_S, compilation, keeping, rows, settings
from fabric.runs import ALLOWED, BEFORE, run_of, spec
from fabric.switch import FabricSwitch, Rows
from short import documents

from ferrule.apply.hand import Run
from ferrule.apply.journal import Journal
from ferrule.apply.reach import reach
from ferrule.apply.switch_hand import SwitchHand
from ferrule.compiler import views
from ferrule.compiler.backends import sonic
from ferrule.compiler.plan import Impact
from ferrule.reconcile.switch_aim import USUAL
from ferrule.reconcile.switch_judge import compared
from ferrule.reconcile.switch_status import SwitchState, status

pytestmark = pytest.mark.daemon

POOL = "IPAddressPool more: {addresses: [192.0.2.64/26]}\n"
THIRD = "IPAddressPool third: {addresses: [203.0.113.0/26]}\n"
SERVICE = "Service shop/new: {ip: 192.0.2.65}\n"
MORE = BEFORE + POOL + SERVICE
RENUMBERED = BEFORE.replace("holdTime: 9s", "holdTime: 9s, myASN: 64513")
APART_S = 3.0
SETS = {("public", "ipv4", 32), ("more", "ipv4", 32)}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fabric]:
    folder = tmp_path_factory.mktemp("switches")
    with Fabric(spec(folder, MORE), node="10", switch="10") as fabric:
        yield fabric


@pytest.fixture
def fabric(world: Fabric) -> Fabric:
    """Everything of `MORE` runs, sessions are up and routes are there."""
    if not holds(world.switches[TOR].rows(), world.rows(TOR)):
        world.boot()
    world.wait_established()
    wait_for(lambda: routes(world) == {"192.0.2.1/32", "192.0.2.65/32"}, 20, "routes")
    return world


@pytest.fixture
def tor(fabric: Fabric) -> FabricSwitch:
    return fabric.switches[TOR]


def routes(fabric: Fabric) -> set[str]:
    return set(fabric.switches[TOR].frr.show_json("show bgp ipv4 unicast")["routes"])


def announce(fabric: Fabric, line: str) -> None:
    for node in fabric.nodes.values():
        node.frr.load(f"router bgp 64512\naddress-family ipv4 unicast\n{line}\n")


def resets(fabric: Fabric) -> dict[str, int]:
    shown = fabric.switches[TOR].frr.show_json("show bgp neighbors")
    return {name: one["connectionsDropped"] for name, one in shown.items() if "." in name}


def takes(state: SwitchState) -> set[object]:
    each = state.accepted.sets if state.accepted else ()
    return {one.key for one in each if one.neighbors is None and not one.partial}


def is_at(sets: Collection[object], state: SwitchState) -> bool:
    return state.in_sync and takes(state) == sets


def rows_of(fabric: Fabric, text: str) -> Rows:
    """What is compiled for the switch."""
    network = compilation(fabric, text).network
    made: Rows = json.loads(views.files(network)[f"switches/{TOR}/config_db.json"].text)
    return made


def holds(there: Rows, wanted: Rows) -> bool:
    """Whether all of these rows are there, and no other of ours."""
    ours = [sonic.parse(one, "ferrule").ours for one in (there, wanted)]
    return ours[0] == ours[1]


def test_what_is_there_already_is_seen_to_be(fabric: Fabric, tor: FabricSwitch) -> None:
    was = tor.rows()
    with keeping(fabric) as kept:
        kept.intend(MORE)
        state = kept.wait_settled()
    assert takes(state) == SETS
    assert state.changes == 0
    assert tor.rows() == was


def test_a_switch_accepts_before_nodes_announce(fabric: Fabric, tor: FabricSwitch) -> None:
    tor.boot(rows_of(fabric, BEFORE))
    fabric.wait_established()
    with keeping(fabric) as kept:
        kept.intend(BEFORE)
        assert takes(kept.wait_settled()) == {("public", "ipv4", 32)}
        lost = resets(fabric)
        kept.intend(MORE)
        state = kept.wait(lambda one: takes(one) == SETS, "both sets")
    assert state.changes == 1
    assert rows(tor, "PREFIX_SET|", "_more_")
    assert tor.saved_rows() == tor.rows()
    wait_for(lambda: "192.0.2.65/32" in routes(fabric), 20, "what nodes announce")
    assert resets(fabric) == lost


def test_what_nodes_still_announce_is_not_refused(fabric: Fabric, tor: FabricSwitch) -> None:
    with keeping(fabric) as kept:
        kept.intend(MORE)
        kept.wait_settled()
        kept.intend(BEFORE)
        state = kept.wait(lambda one: one.unsettled, "waits")
        assert state.unsettled
        assert "192.0.2.65/32 from 198.51.100.11" in state.unsettled.text
        assert rows(tor, "_more_")
        assert "192.0.2.65/32" in routes(fabric)
        announce(fabric, "no network 192.0.2.65/32")
        kept.wait_settled()
    assert not rows(tor, "_more_")
    announce(fabric, "network 192.0.2.65/32 route-map ferrule-ferrule_originate_1")


def test_nodes_have_their_time_and_no_more(fabric: Fabric, tor: FabricSwitch) -> None:
    with keeping(fabric, settings(patience_s=1.0)) as kept:
        kept.intend(MORE)
        kept.wait_settled()
        kept.intend(BEFORE)
        state = kept.wait(lambda one: one.pending, "waits for leave")
        assert state.pending
        assert "--allow mass-withdrawal" in state.pending.text
        assert rows(tor, "_more_")
    allowed = {*USUAL, Impact.MASS}
    with keeping(fabric, settings(patience_s=1.0, allow=allowed)) as kept:
        kept.intend(BEFORE)
        kept.wait_settled()
    assert not rows(tor, "_more_")
    wait_for(lambda: "192.0.2.65/32" not in routes(fabric), 20, "the route is refused")


def test_a_node_with_a_mistake_keeps_what_it_has(fabric: Fabric, tor: FabricSwitch) -> None:
    """Nobody knows what it is to have; others are served all the same."""
    nobody = "Node node-2: {ips: [198.51.100.12]}"
    assert nobody in MORE
    allowed = {*USUAL, Impact.RESET, Impact.MASS}
    with keeping(fabric, settings(patience_s=0.5, allow=allowed)) as kept:
        kept.intend(MORE)
        kept.wait_settled()
        lost = resets(fabric)
        kept.intend(MORE.replace(nobody, "Node node-2: {ips: [203.0.113.12]}") + THIRD)
        began = kept.wait(lambda one: one.changes and one.unsettled, "what adds is sent").verified_s
        assert began
        looked = lambda: (kept.keeper.states[TOR].verified_s or 0) > began + 3  # noqa: E731
        wait_for(looked, WAIT_S, "its time is over")
        assert rows(tor, "PREFIX_SET|", "_third_")
        assert rows(tor, "BGP_NEIGHBOR|", "198.51.100.12")
        assert resets(fabric) == lost
        kept.intend(MORE)
        kept.wait_settled()
    assert resets(fabric) == lost


def test_a_session_that_nodes_end_meanwhile_is_not_waited_for(fabric: Fabric) -> None:
    """A peer of fewer nodes comes while something else is sent."""
    fewer = MORE.replace("holdTime: 9s", "holdTime: 9s, nodeSelectors: [{matchLabels: {a: b}}]")
    fewer = fewer.replace("node-1: {ips", "node-1: {labels: {a: b}, ips")
    node = fabric.nodes["node-2"].frr

    @contextmanager
    def ended() -> Iterator[None]:
        node.load("router bgp 64512\nneighbor 198.51.100.1 shutdown\n")
        kept.intend(fewer)
        yield

    trap = Trap(TOR, ended)
    with keeping(fabric, journal=lambda run: Trapped(run, None, traps=[trap])) as kept:
        kept.intend(MORE + THIRD)
        state = kept.wait(lambda one: one.in_sync and one.changes == 2, "both, one by one")
    assert not state.failures
    assert not rows(fabric.switches[TOR], "BGP_NEIGHBOR|", "198.51.100.12")
    with keeping(fabric) as kept:
        kept.intend(MORE)
        kept.wait_settled()
    node.load("router bgp 64512\nno neighbor 198.51.100.1 shutdown\n")


def test_a_reset_waits_for_leave_and_what_adds_does_not(fabric: Fabric, tor: FabricSwitch) -> None:
    with keeping(fabric) as kept:
        kept.intend(MORE)
        kept.wait_settled()
        lost = resets(fabric)
        kept.intend(RENUMBERED + POOL + SERVICE + THIRD)
        state = kept.wait(lambda one: one.pending and one.changes, "pending")
        assert state.pending
        assert "--allow session-reset" in state.pending.text
        assert rows(tor, "PREFIX_SET|", "_third_")
        assert resets(fabric) == lost
        kept.intend(MORE)
        kept.wait_settled()
    assert not rows(tor, "_third_")
    assert resets(fabric) == lost


def test_what_needs_no_leave_any_more_is_done_soon(fabric: Fabric) -> None:
    """A new ASN resets sessions; but nodes take it at once, and then nothing is up to be reset."""
    rarely = replace(settings(), pace=replace(FAST, interval_s=600.0))
    with keeping(fabric, rarely) as kept:
        kept.intend(MORE)
        kept.wait_settled()
        kept.intend(RENUMBERED + POOL + SERVICE)
        kept.wait(lambda one: one.pending, "waits for leave")
        for node in fabric.nodes.values():
            node.frr.load("router bgp 64512\nneighbor 198.51.100.1 shutdown\n")
        followed = kept.wait(lambda one: one.in_sync and one.changes, "the switch follows").changes
        kept.intend(MORE)
        kept.wait(lambda one: one.in_sync and one.changes > followed, "and back")
    for node in fabric.nodes.values():
        node.frr.load("router bgp 64512\nno neighbor 198.51.100.1 shutdown\n")


def test_what_others_change_is_told_and_left(fabric: Fabric, tor: FabricSwitch) -> None:
    limit = rows(tor, "BGP_PEER_GROUP_AF|")[0].partition("|")[2]
    fields = tor.rows()["BGP_PEER_GROUP_AF"][limit]
    with keeping(fabric, settings(change_s=APART_S)) as kept:
        kept.intend(MORE)
        known = status(kept.wait_settled())
        tor.db.write("BGP_PEER_GROUP_AF", limit, {**fields, "max_prefix_limit": "99"})
        state = kept.wait(lambda one: one.drift, "drift")
        assert state.drift
        assert "max_prefix_limit=99 -> max_prefix_limit=64" in state.drift.text
        kept.intend(MORE + THIRD)
        state = kept.wait(lambda one: one.changes and one.drift, "what is new is sent all the same")
        assert rows(tor, "PREFIX_SET|", "_third_")
        kept.intend(MORE)
        kept.wait(lambda one: one.changes == 2 and one.drift, "and taken back")
    first, second = kept.began()
    assert second - first >= APART_S
    assert tor.rows()["BGP_PEER_GROUP_AF"][limit]["max_prefix_limit"] == "99"
    with keeping(fabric) as kept:  # who leads next knows it by the status
        kept.intend(MORE, {TOR: known})
        kept.wait(lambda one: one.drift, "drift")
    with keeping(fabric, settings(drift="correct")) as kept:
        kept.intend(MORE, {TOR: known})
        state = kept.wait_settled()
    assert "put back what others had changed" in state.done
    assert holds(tor.rows(), fabric.rows(TOR))


@pytest.mark.soak
def test_a_switch_that_is_gone_holds_up_nobody(fabric: Fabric, tor: FabricSwitch) -> None:
    away = "Switch tor-x: {addresses: [203.0.113.1/24], management: {host: 198.51.100.99}}\n"
    with keeping(fabric) as kept:
        with tor.unreachable():
            kept.intend(MORE)
            state = kept.wait(lambda one: one.unreachable, "gone")
            assert state.verified_s is None
        kept.wait_settled()
        kept.intend(MORE + away)
        kept.intend(MORE + away + THIRD)
        kept.wait(lambda one: one.name == TOR and one.changes, "the other one is changed")
        states = kept.keeper.states
        assert states["tor-x"].verified_s is None
        kept.intend(MORE)
        kept.wait(lambda one: one.in_sync and one.changes == 2, "and back")
        assert kept.keeper.states.keys() == {TOR}


def test_one_device_under_two_names_is_neither(fabric: Fabric) -> None:
    (there,) = (one for one in documents(MORE) if one["kind"] == "Switch")
    twin = fabric._managed(there)  # noqa: SLF001
    twin = {**twin, "metadata": {"name": "tor-y"}}
    twin["spec"]["nodeSelectors"] = [{"matchLabels": {"rack": "none"}}]
    with keeping(fabric) as kept:
        kept.intend(MORE, more=[twin])
        wait_for(lambda: kept.reasons() == {TOR: "SameDevice", "tor-y": "SameDevice"}, 20, "both")
        kept.intend(MORE)
        kept.wait_settled()


def test_a_tool_that_fails_is_tried_again(fabric: Fabric, tor: FabricSwitch) -> None:
    was = tor.rows()
    with keeping(fabric) as kept:
        with tor.fault("config", "die", 2):
            kept.intend(MORE + THIRD)
            state = kept.wait(lambda one: one.failures, "put back")
            assert state.unsettled
            assert "everything is as it was" in state.unsettled.text
            assert tor.rows() == was
        kept.wait(lambda one: one.in_sync and one.changes == 1, "done at last")
        kept.intend(MORE)
        kept.wait(lambda one: one.in_sync and one.changes == 2, "and back")


def test_without_the_lead_a_change_is_put_back_and_none_begun(
    fabric: Fabric, tor: FabricSwitch
) -> None:
    was, leads = tor.rows(), [True]

    @contextmanager
    def deposed() -> Iterator[None]:
        leads.clear()
        yield

    trap = Trap(TOR, deposed)
    third = MORE + THIRD
    peer = third.replace("BGPPeer tor:", "BGPPeer rack:")
    allowed = settings(allow={*Impact}, patience_s=0.0)
    with keeping(
        fabric,
        allowed,
        leading=lambda: bool(leads),
        journal=lambda run: Trapped(run, None, traps=[trap]),
    ) as kept:
        kept.intend(peer)
        state = kept.wait(lambda one: one.failures, "put back")
        assert trap.fell
        assert state.unsettled
        assert "another controller leads" in state.unsettled.text
        kept.keeper.join(10)
        assert not kept.keeper.is_alive()
    assert tor.rows() == was


def test_two_controllers_take_turns(fabric: Fabric, tor: FabricSwitch) -> None:
    third = MORE + THIRD
    with keeping(fabric) as one, keeping(fabric, identity="two") as two:
        for text, sets in ((third, {*SETS, ("third", "ipv4", 32)}), (MORE, SETS)):
            for kept in (one, two):
                kept.intend(text)
            for kept in (one, two):
                kept.wait(partial(is_at, sets), "both have the same")
        assert one.state.failures == two.state.failures == 0
        assert holds(tor.rows(), fabric.rows(TOR))


def test_an_operator_who_is_at_work_is_waited_for(fabric: Fabric, tor: FabricSwitch) -> None:
    third = MORE + THIRD
    path = str(fabric.reachable(documents(third)))
    done = fabric.ferrule("apply", path, "--yes", "--confirm", "300")
    assert done.returncode == 0, done.stderr
    with keeping(fabric) as kept:
        kept.intend(MORE)
        state = kept.wait(lambda one: one.unsettled, "waits")
        assert state.unsettled
        assert state.unsettled.reason == "OtherRun"
        assert run_of(done) in state.unsettled.text
        assert state.drift is None
        assert rows(tor, "PREFIX_SET|", "_third_")
        back = fabric.ferrule("apply", path, "--revert", run_of(done))
        assert back.returncode == 0, back.stderr
        assert kept.wait_settled().changes == 0


def cut(fabric: Fabric, text: str, run: str) -> None:
    """Somebody begins to make it so, does it, and is gone before it is saved."""
    made = compilation(fabric, text)
    with fabric.inside():
        (device,) = (one for one in reach(made).devices if one.key == ("switch", TOR))
        plan = compared(made.network.switches[0], made.network, device.observe())
        hand = SwitchHand(device, plan.running, plan.plan.diff, Journal("", None), managed=False)
        hand.begin(Run(run, "somebody", "then"))
        hand.do(plan.plan.diff.commands)
        hand.close()


def open_runs(tor: FabricSwitch) -> int:
    return len([*tor.machine.path("/run/ferrule").rglob("run.json")])


def test_what_a_controller_left_half_done_is_finished(fabric: Fabric, tor: FabricSwitch) -> None:
    cut(fabric, MORE + THIRD, "20260101T000000Z-beef-controller")
    assert open_runs(tor) == 1
    with keeping(fabric) as kept:
        kept.intend(MORE + THIRD)
        state = kept.wait_settled()
        assert "closed" in state.done
        assert open_runs(tor) == 0
        assert tor.saved_rows() == tor.rows()
        kept.intend(MORE)
        kept.wait(partial(is_at, SETS), "and back")
    assert holds(tor.rows(), fabric.rows(TOR))


def test_what_an_operator_left_half_done_is_his(fabric: Fabric, tor: FabricSwitch) -> None:
    cut(fabric, MORE + THIRD, "20260101T000000Z-beef")
    with keeping(fabric) as kept:
        kept.intend(MORE)
        state = kept.wait(lambda one: one.unsettled, "waits")
        assert state.unsettled
        assert "apply finishes it, and --revert 20260101T000000Z-beef" in state.unsettled.text
        assert open_runs(tor) == 1
        assert rows(tor, "PREFIX_SET|", "_third_")
        done = fabric.ferrule("apply", str(fabric.reachable(documents(MORE))), "--yes", *ALLOWED)
        assert done.returncode == 0, done.stderr
        assert kept.wait_settled().changes == 0
