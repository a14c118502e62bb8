"""What others do to it, and another name: a controller, agents, a switch, all of them processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from daemon.flavour import wait_for
from fabric.whole import NAMES, SWITCH_S, TOR, Whole, standing

pytestmark = pytest.mark.daemon

SPEC = """
Cluster first: {}
Switch tor-a: {addresses: [198.51.100.1/24]}
BGPPeer tor: {peerAddress: 198.51.100.1, connectTime: 1s}
IPAddressPool public: {addresses: [192.0.2.0/25]}
BGPAdvertisement all: {}
"""
NODES = "Node node-1: {ips: [198.51.100.11]}\nNode node-2: {ips: [198.51.100.12]}\n"
ROUTE = "192.0.2.0/32"
ACCEPT_WAIT_S = 5  # under another name the switch takes nothing, as far as its status says


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Whole]:
    with standing(tmp_path, SPEC, NODES, ACCEPT_WAIT_S) as made:
        correct = ("--interval", "5", "--drift", "correct")
        made.process("controller", *made.ferrule("reconcile", *made.spec, *correct))
        for node in NAMES:
            made.agent(node)
        made.service("web")
        made.waits_for({ROUTE})
        yield made


def config(whole: Whole, node: str) -> str:
    return whole.fabric.nodes[node].frr.running_config()


def test_what_others_change_on_both_ends_is_put_back(whole: Whole) -> None:
    switch, lost = whole.fabric.switches[TOR], whole.lost()
    (limit, *_) = switch.rows()["BGP_PEER_GROUP_AF"]
    fields = switch.rows()["BGP_PEER_GROUP_AF"][limit]
    switch.db.write("BGP_PEER_GROUP_AF", limit, {**fields, "max_prefix_limit": "99"})
    node = whole.fabric.nodes["node-1"].frr
    line = f"router bgp 64512\naddress-family ipv4 unicast\nno network {ROUTE}\n"
    assert node.load(line).code == 0
    whole.waits_for({ROUTE}, width=1)
    whole.waits_for({ROUTE})
    wait_for(
        lambda: switch.rows()["BGP_PEER_GROUP_AF"][limit] == fields, SWITCH_S, "the row is back"
    )
    assert whole.lost() == lost


def test_another_name_leaves_the_switch_to_whoever_hands_it_over(whole: Whole) -> None:
    lost = whole.lost()
    rows = whole.fabric.switches[TOR].rows()
    whole.write(SPEC.replace("Cluster first", "Cluster second"))

    def taken_over() -> bool:
        assert whole.routes() == {ROUTE: 2}
        return all("ferrule-first" not in config(whole, node) for node in NAMES)

    wait_for(taken_over, SWITCH_S, "the nodes know the new name alone")

    def refused() -> str:
        conditions = {one["type"]: one for one in whole.said().get("conditions", ())}
        return str(conditions["InSync"]["message"]) if conditions else ""

    wait_for(lambda: "already-there" in refused(), SWITCH_S, "the switch's status says it")
    assert "holds configuration of cluster first, which stays as it is" in refused()
    whole.service("more")
    whole.waits_for({ROUTE, "192.0.2.1/32"})
    assert whole.fabric.switches[TOR].rows() == rows
    assert whole.lost() == lost

    whole.write(SPEC)  # it was a mistake
    wait_for(lambda: "as they should be" in refused(), SWITCH_S, "the switch is ours again")
    whole.waits_for({ROUTE, "192.0.2.1/32"})
    assert all("ferrule-second" not in config(whole, node) for node in NAMES)
    assert whole.lost() == lost
