"""All of it: a controller, agents on two nodes, a switch; from a Service to an ECMP route on it.

The switch begins empty: what it accepts, the controller has brought to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from daemon.cluster_world import SOON_S
from daemon.flavour import wait_for
from fabric.whole import NAMES, SWITCH_S, Whole, standing

pytestmark = pytest.mark.daemon

SPEC = """
Switch tor-a: {addresses: [198.51.100.1/24]}
BGPPeer tor: {peerAddress: 198.51.100.1, holdTime: 9s, connectTime: 1s}
IPAddressPool public: {addresses: [192.0.2.0/25]}
BGPAdvertisement all: {}
"""
NODES = "Node node-1: {ips: [198.51.100.11]}\nNode node-2: {ips: [198.51.100.12]}\n"
MANY = 70  # more than the 64 that a switch takes of a node before it is told of more


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Whole]:
    with standing(tmp_path, SPEC, NODES) as made:
        yield made


def test_from_a_service_to_a_route_over_both_nodes(whole: Whole) -> None:
    whole.controller()
    for node in NAMES:
        whole.agent(node)
    whole.service("web")
    whole.waits_for({"192.0.2.0/32"})
    wait_for(
        lambda: [one["pool"] for one in whole.said().get("accepts", ())] == ["public"],
        SOON_S,
        "it is said what the switch accepts",
    )
    lost = whole.lost()

    # More than the switch takes of one node: agents wait until it has been told of more.
    for number in range(MANY):
        whole.service(f"many-{number}")
    whole.waits_for({f"192.0.2.{number}/32" for number in range(MANY + 1)})
    assert whole.lost() == lost

    # One node drains: its next hop goes, and nothing else.
    node = "/api/v1/nodes/node-2"
    label = "node.kubernetes.io/exclude-from-external-load-balancers"
    patch = {"metadata": {"labels": {label: ""}}}
    whole.plane.ask("PATCH", node, patch, "merge-patch+json")
    whole.waits_for({f"192.0.2.{number}/32" for number in range(MANY + 1)}, width=1)
    whole.plane.ask("PATCH", node, {"metadata": {"labels": {label: None}}}, "merge-patch+json")
    whole.waits_for({f"192.0.2.{number}/32" for number in range(MANY + 1)})
    assert whole.lost() == lost

    # Another pool, and a Service in it: the switch takes it before a node announces it.
    second = "IPAddressPool second: {addresses: [203.0.113.0/28], autoAssign: false}\n"
    whole.write(SPEC + second)
    whole.service("second", {"metallb.io/address-pool": "second"})
    every = {f"192.0.2.{number}/32" for number in range(MANY + 1)}
    whole.waits_for({*every, "203.0.113.0/32"})
    assert {one["pool"] for one in whole.said()["accepts"]} == {"public", "second"}
    assert whole.lost() == lost

    # The pool has another name: the switch takes up the new set, and no route goes meanwhile.
    whole.write(SPEC.replace("IPAddressPool public", "IPAddressPool renamed") + second)

    def is_renamed() -> bool:
        assert whole.routes().keys() >= every
        return {one["pool"] for one in whole.said()["accepts"]} == {"renamed", "second"}

    wait_for(is_renamed, SWITCH_S, "the switch takes the renamed set, and the old one no more")
    whole.waits_for({*every, "203.0.113.0/32"})
    assert whole.lost() == lost
