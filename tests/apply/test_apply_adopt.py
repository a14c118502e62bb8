"""What others had is taken over by name: a session lives on where FRR allows, as the plan said."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from fabric.chaos import World
from fabric.fabric import Fabric
from fabric.runs import BEFORE, Runs, spec

from ferrule.apply.rollout import Result, Settings
from ferrule.commands import apply
from ferrule.commands.apply import Planned

pytestmark = pytest.mark.daemon

DOING = apply.Doing(Settings(settle_s=40), lambda _line: None)
FAR = "198.51.100.1"
FOREIGN_END = "\n".join(one for one in BEFORE.splitlines() if not one.startswith("Switch "))
LEAVES = {
    "BGP_GLOBALS": {"default": {"local_asn": "65000", "router_id": "198.51.100.1"}},
    "BGP_PEER_GROUP": {"default|LEAVES": {"asn": "64512", "keepalive": "3", "holdtime": "9"}},
    "BGP_NEIGHBOR": {f"default|198.51.100.1{n}": {"peer_group_name": "LEAVES"} for n in (1, 2)},
    "BGP_GLOBALS_AF": {"default|ipv4_unicast": {"max_ebgp_paths": "64", "max_ibgp_paths": "64"}},
    "BGP_PEER_GROUP_AF": {"default|LEAVES|ipv4_unicast": {"admin_status": "up"}},
}
BY_HAND = f"""
router bgp 64512
 bgp router-id ROUTER-ID
 no bgp default ipv4-unicast
 no bgp network import-check
 neighbor {FAR} remote-as 65000
 neighbor {FAR} timers 3 9
 neighbor {FAR} timers connect 1
 address-family ipv4 unicast
  neighbor {FAR} activate
 exit-address-family
exit
"""
WITH_A_HOP = BY_HAND.replace(" timers 3 9", " ebgp-multihop 2")


class Hands(Runs):
    """Two nodes and a switch that somebody has set up by hand."""

    def __init__(self, fabric: Fabric) -> None:
        super().__init__(fabric)
        self.foreign, self.both = self.spec(FOREIGN_END), self.spec(BEFORE)
        self._world = World(fabric)

    def planned(self, path: str, *adopt: str) -> Planned:
        with self.fabric.inside():
            return apply.planned(self._world.compiled([path]), local=(), parallel=4, adopt=adopt)

    def carry_out(self, planned: Planned) -> str:
        """The name of the run that did it."""
        run = apply.new_run()
        with self.fabric.inside():
            result = apply.carry_out(planned, run, DOING)
        assert result.done, result.why
        return run.name

    def revert(self, planned: Planned, run: str) -> Result:
        with self.fabric.inside():
            return apply.revert(planned.compiled, run, DOING, local=())

    def wait_established(self) -> None:
        for node in self.fabric.nodes.values():
            node.lab.wait_established(FAR)


@pytest.fixture(scope="module", params=["8", "10"])
def hands(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hands]:
    folder = tmp_path_factory.mktemp("hands")
    switch = "10" if request.param == "8" else "8"
    rows = {"tor-a": LEAVES}
    with Fabric(spec(folder), node=request.param, switch=switch, rows=rows) as fabric:
        for name, text in (("node-1", BY_HAND), ("node-2", WITH_A_HOP)):
            node = fabric.nodes[name]
            node.load(text.replace("ROUTER-ID", node.addresses[0]))
        hands = Hands(fabric)
        hands.wait_established()
        yield hands


def test_neighbors_and_rows_are_taken_over(hands: Hands) -> None:
    """First those of the nodes, towards a foreign end; then the rows of the switch; and back."""
    plain = hands.planned(hands.foreign)
    problems = [one for each in plain.plan.devices for one in each.diff.problems]
    assert {one.code for one in problems if one.severity == "error"} == {"already-there"}

    before = hands.resets()
    nodes = hands.planned(hands.foreign, FAR)
    assert {node for node, _ in nodes.plan.resets} == {"node-2"}  # of which a line goes that is TTL
    assert [*apply.refusals(nodes, ())] == [
        "the plan has an impact that needs leave: add --allow session-reset"
    ]
    hands.carry_out(nodes)
    hands.wait_established()
    assert hands.resets() == {**before, "node-2": before["node-2"] + 1}
    for node in hands.fabric.nodes.values():
        assert f"neighbor {FAR} route-map ferrule-" in node.frr.running_config()

    switch = hands.fabric.switches["tor-a"]
    before = hands.resets()
    both = hands.planned(hands.both, "LEAVES")
    assert {node for node, _ in both.plan.resets} == {"node-1", "node-2"}
    run = hands.carry_out(both)
    rows = switch.rows()
    groups = {of["peer_group_name"] for of in rows["BGP_NEIGHBOR"].values()}
    assert groups == {"FERRULE_ferrule_tor_64512_ipv4"}
    assert rows["BGP_PEER_GROUP"]["default|LEAVES"] == LEAVES["BGP_PEER_GROUP"]["default|LEAVES"]
    assert hands.resets() == {node: count + 1 for node, count in before.items()}
    assert not hands.planned(hands.both).plan.changes

    assert hands.revert(both, run).done
    assert switch.rows()["BGP_NEIGHBOR"] == LEAVES["BGP_NEIGHBOR"]
    assert "FERRULE" not in json.dumps(switch.rows())
    hands.wait_established()
