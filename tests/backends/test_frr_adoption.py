"""Real daemons: a neighbor of others becomes ours by name, and its session never notices.

Only what differs is changed: where that needs no reset, there is none, on the way back neither.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace

import pytest
from backends.frr_networks import end, network, node, session
from backends.test_frr_readback import TAKEN
from daemon.flavour import Flavour, wait_for
from daemon.lab import Device, Lab
from daemon.need import refuse, require_flavours

from ferrule.compiler.backends import frr
from ferrule.compiler.backends.base import Diff
from ferrule.compiler.backends.frr.model import Model
from ferrule.compiler.errors import has_errors
from ferrule.compiler.network import NodeEnd, Secret, Timers

pytestmark = pytest.mark.daemon

LINKS = {"rack": ["10.1.0.10/24", "2001:db8:a::10/64"]}
FAR, OURS, THEIRS = "10.1.0.1", "192.0.2.9/32", "10.20.0.0/16"
NODE = f"""\
ip prefix-list theirs seq 5 permit 10.0.0.0/8 le 32
ip prefix-list theirs seq 10 permit 192.0.2.0/24 le 32
route-map theirs permit 10
 match ip address prefix-list theirs
exit
router bgp 65001
 bgp router-id 10.1.0.10
 no bgp default ipv4-unicast
 no bgp network import-check
 neighbor {FAR} remote-as 65000
 neighbor {FAR} description theirs
 neighbor {FAR} password kept
 neighbor {FAR} timers 30 90
 neighbor {FAR} timers connect 1
 neighbor {FAR} advertisement-interval 3
 neighbor 10.1.0.2 remote-as 65002
 address-family ipv4 unicast
  network {THEIRS}
  network {OURS}
  neighbor {FAR} activate
  neighbor {FAR} soft-reconfiguration inbound
  neighbor {FAR} maximum-prefix 100
  neighbor {FAR} prefix-list theirs out
  neighbor {FAR} route-map theirs in
  neighbor {FAR} route-map theirs out
 exit-address-family
exit
"""
STOLEN = f"""\
router bgp 65001
 address-family ipv4 unicast
  neighbor {FAR} route-map theirs out
 exit-address-family
exit
"""
FAR_END = """\
router bgp 65000
 bgp router-id 10.1.0.1
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.1.0.10 remote-as 65001
 neighbor 10.1.0.10 password kept
 neighbor 10.1.0.10 passive
exit
"""  # of two connections at one moment FRR 8.4 may close the one that is up: one end dials


@pytest.fixture(params=["8", "10"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Device, Device]]:
    flavours = require_flavours()
    if request.param not in flavours:
        refuse(f"no FRR {request.param} installed")
    flavour: Flavour = flavours[request.param]
    with Lab({flavour.major: flavour}) as lab:
        far = lab.device("far", flavour.major, {"rack": ["10.1.0.1/24"]}, FAR_END)
        here = lab.device("node", flavour.major, LINKS, NODE)
        here.wait_established(FAR)
        yield here, far


def wanted(peer: NodeEnd) -> Model:
    whole = network(node(session("tor-a", peer)))
    return frr.lower(whole.nodes[0], whole)


PEER = end(FAR, timers=Timers(10, 30, 1), password=Secret("<secret:fabric/tor-a>", "kept"))
NAMES = {FAR, OURS}


def running(device: Device) -> frr.Running:
    return frr.parse(device.frr.running_config(), "prod")


def go_to(device: Device, goal: Model | frr.Running, names: Collection[str]) -> Diff:
    diff = frr.diff(running(device), goal, adopt=names)
    assert not has_errors(diff.problems)
    answer = device.frr.load(frr.script(diff.commands))
    assert (answer.code, [line for line in answer.lines if line not in TAKEN]) == (0, [])
    assert frr.diff(running(device), goal, adopt=names).changes == ()
    return diff


def sessions(device: Device) -> tuple[int, int]:
    """How often the session came up, and went down."""
    known = device.frr.show_json(f"show bgp neighbors {FAR}")[FAR]
    return known["connectionsEstablished"], known["connectionsDropped"]


def heard(device: Device) -> set[str]:
    return {*device.frr.show_json("show bgp ipv4 unicast")["routes"]}


def means(device: Device, diff: Diff) -> set[str]:
    return {what for _, what in frr.impacts(diff.changes, device.frr.flavour.version)}


def test_a_session_stays_where_nothing_that_resets_it_differs(pair: tuple[Device, Device]) -> None:
    here, far = pair
    wait_for(lambda: heard(far) == {THEIRS, OURS}, 10, "the far end hears theirs")
    before, earlier = here.frr.running_config(), running(here)

    refused = frr.diff(earlier, wanted(PEER), adopt={"10.1.0.2", "rack"})
    assert [one.message for one in refused.problems if one.code == "already-there"] == [
        f"'router bgp 65001' has a 'neighbor {FAR}' that is not ours",
        f"'router bgp 65001' has a 'network {OURS}' that is not ours",
    ]
    assert refused.adopted == ()
    assert not [one.text for one in refused.commands if FAR in one.text]

    there = go_to(here, wanted(PEER), NAMES)
    assert there.adopted == (f"default/{FAR}", f"default/{OURS}")
    assert means(here, there) <= {"none", "routes", "next-session"}
    wait_for(lambda: OURS in heard(far) and THEIRS not in heard(far), 10, "it hears ours")
    assert frr.diff(running(here), wanted(PEER)).changes == ()

    here.frr.load(STOLEN)  # by which it is ours no longer: only its name brings it back
    assert has_errors(frr.diff(running(here), wanted(PEER)).problems)
    again = go_to(here, wanted(PEER), {FAR})
    (swap,) = again.commands
    assert swap.text == f"neighbor {FAR} route-map ferrule-prod_out_tor-a_ipv4 out"

    back = go_to(here, earlier, there.adopted)
    assert back.adopted == there.adopted
    wait_for(lambda: heard(far) == {THEIRS, OURS}, 10, "it hears theirs again")
    assert here.frr.running_config() == before
    assert sessions(here) == (1, 0)


def test_what_needs_a_reset_is_reset_once_and_said(pair: tuple[Device, Device]) -> None:
    here, far = pair
    there = go_to(here, wanted(replace(PEER, remote_as="external")), NAMES)
    assert "reset" in means(here, there)
    here.wait_established(FAR)
    assert sessions(here) == (2, 1)
    wait_for(lambda: OURS in heard(far), 10, "it hears ours")
    assert "neighbor 10.1.0.2 remote-as 65002" in here.frr.running_config()
