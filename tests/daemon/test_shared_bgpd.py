"""Beside others: a bgpd on which somebody has a session keeps it, whatever we do there.

Every node and every switch of an example has a `router bgp` before ours comes, with a session to a
stranger in each family. Ours is loaded by its difference, changed, and taken away again.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from daemon.flavour import Flavour, wait_for
from daemon.lab import Device, Lab
from daemon.meant import ROUTER, Meant, compiled
from daemon.rig import ROUTES_S, Life, Links, Majors, Rig, lives, load, neighbors, paths
from daemon.test_examples import MIXED, documents, need
from ferrule.compiler.backends.frr.model import Model
from ferrule.compiler.source import read

STRANGER = ("10.99.0.1", "2001:db8:99::1")
SEGMENT = ("10.99.0.0/24", "2001:db8:99::/64")
FAR_PREFIXES = ("10.98.0.0/16", "2001:db8:98::/48")
ITSELF = "(unspec)"  # what FRR calls the peer of its own prefixes
EMPTY_BFD = "bfd\nexit\n!\n"  # a `no bfd` would take everybody's profiles along

FAR = """\
router bgp 64900
 bgp router-id 10.99.0.1
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 no bgp network import-check
 neighbor four peer-group
 neighbor four remote-as external
 neighbor six peer-group
 neighbor six remote-as external
 bgp listen range 10.99.0.0/24 peer-group four
 bgp listen range 2001:db8:99::/64 peer-group six
 address-family ipv4 unicast
  network 10.98.0.0/16
  neighbor four activate
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8:98::/48
  neighbor six activate
 exit-address-family
exit
"""
# Theirs, in the same `router bgp` that we need. They say what is theirs only: a neighbor of theirs
# that lets everything pass would hear our prefixes too.
THEIRS = """\
ip prefix-list theirs seq 5 permit 10.99.0.0/24
ipv6 prefix-list theirs seq 5 permit 2001:db8:99::/64
route-map theirs-4 permit 10
 match ip address prefix-list theirs
exit
route-map theirs-6 permit 10
 match ipv6 address prefix-list theirs
exit
route-map whatever permit 10
exit
router bgp {asn}
 bgp router-id {router_id}
 no bgp default ipv4-unicast
 no bgp network import-check
 neighbor 10.99.0.1 remote-as 64900
 neighbor 10.99.0.1 timers connect 1
 neighbor 2001:db8:99::1 remote-as 64900
 neighbor 2001:db8:99::1 timers connect 1
 address-family ipv4 unicast
  network 10.99.0.0/24
  neighbor 10.99.0.1 activate
  neighbor 10.99.0.1 route-map whatever in
  neighbor 10.99.0.1 route-map theirs-4 out
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8:99::/64
  neighbor 2001:db8:99::1 activate
  neighbor 2001:db8:99::1 route-map whatever in
  neighbor 2001:db8:99::1 route-map theirs-6 out
 exit-address-family
exit
"""
# A pool, a class and a Service more than the example has.
MORE = """\
apiVersion: ferrule.dev/v1alpha1
kind: IPAddressPool
metadata: {name: more}
spec: {addresses: [198.51.100.240/28, "2001:db8:f00::/64"], autoAssign: false}
---
apiVersion: ferrule.dev/v1alpha1
kind: BGPAdvertisement
metadata: {name: more}
spec: {ipAddressPools: [more], communities: ["64900:7"]}
---
apiVersion: v1
kind: Service
metadata: {name: more, namespace: default, annotations: {metallb.io/address-pool: more}}
spec: {type: LoadBalancer, ipFamilyPolicy: RequireDualStack, ports: [{port: 80}]}
"""
ENDPOINTS = """---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: more, namespace: default, labels: {{kubernetes.io/service-name: more}}}}
endpoints: [{{addresses: [10.244.9.9], nodeName: {node}}}]
"""
FIRST, SECOND = MIXED
CASES = [("fabric", FIRST), ("dynamic", SECOND), ("ibgp", SECOND), ("ingress", FIRST)]
REST = [("fabric", SECOND), ("dynamic", FIRST), ("ibgp", FIRST), ("ingress", SECOND)]
CLOCKS_S = 2  # FRR counts uptime and epoch by different clocks, in whole seconds

pytestmark = pytest.mark.daemon


@dataclass
class Shared:
    """An example among strangers, none of ours on it yet."""

    rig: Rig
    stranger: Device

    def __post_init__(self) -> None:
        self.hosts = [*self.rig.nodes.values()]
        self.hosts += [one for name, one in self.rig.far.items() if name != ROUTER]
        for device in self.hosts:
            device.wait_established(*STRANGER)
            known = {*SEGMENT, *FAR_PREFIXES}
            wait_for(lambda d=device, k=known: k == {p for p, _ in paths(d)}, ROUTES_S, f"{known}")  # type: ignore[misc]
        self.configs = self.running()
        self.sessions, self.since = self.theirs()

    def running(self) -> dict[str, str]:
        return {one.name: one.frr.running_config().replace(EMPTY_BFD, "") for one in self.hosts}

    def theirs(self) -> tuple[dict[str, Life], dict[str, int]]:
        """The strangers' sessions at both ends, and since when they are up."""
        sessions, since = {}, {}
        for device in (*self.hosts, self.stranger):
            known, alive = neighbors(device), lives(device)
            for name in known if device is self.stranger else STRANGER:
                sessions[f"{device.name} {name}"] = alive[name]
                since[f"{device.name} {name}"] = known[name]["bgpTimerUpEstablishedEpoch"]
        return sessions, since

    def see_nothing(self) -> None:
        """No session of theirs notices anything; nothing of ours goes there, nor theirs to us."""
        sessions, since = self.theirs()
        assert sessions == self.sessions
        assert max(since[one] - self.since[one] for one in since) <= CLOCKS_S
        assert {prefix for prefix, _ in paths(self.stranger)} == {*SEGMENT, *FAR_PREFIXES}
        for name, node in self.rig.nodes.items():
            said = {one["prefix"] for one in self.rig.meant.json["nodes"][name]["advertisements"]}
            held = {prefix for prefix, path in paths(node) if path["peerId"] not in STRANGER}
            assert held <= said | {*SEGMENT}

    def become(self, meant: Meant) -> None:
        """Bring every device there, while everything stays up."""
        self.rig.meant = meant
        for far, device in self.rig.far.items():
            assert load(device, meant.far_text(far)) == []
        for name in self.rig.nodes:
            self.rig.go_to(name, meant.model(name))
        self.rig.wait()
        self.see_nothing()

    def leave(self) -> None:
        for name in self.rig.nodes:
            self.rig.go_to(name, Model())
        for far, device in self.rig.far.items():
            if far != ROUTER:
                assert load(device, self.rig.meant.leaving(far)) == []
        self.see_nothing()


def links(number: int) -> Links:
    return {"elsewhere": [f"10.99.0.{number}/24", f"2001:db8:99::{number}/64"]}


@pytest.fixture(
    params=[*CASES, *(pytest.param(one, marks=pytest.mark.soak) for one in REST)],
    ids=lambda case: "-".join(map(str, case)),
)
def case(request: pytest.FixtureRequest, flavours: dict[str, Flavour]) -> tuple[str, Majors]:
    name, majors = request.param
    need(majors, flavours)
    return name, majors


@pytest.fixture
def shared(case: tuple[str, Majors], lab: Lab) -> Shared:
    name, majors = case
    meant = compiled(documents(name))
    names = [*meant.far_ends, *meant.addresses]
    cables = {name: links(number) for number, name in enumerate(names, 2) if name != ROUTER}
    rig = Rig(lab, majors, meant, cables, strangers=(*STRANGER, ITSELF))
    stranger = lab.device("stranger", majors.switches, links(1), FAR)
    for node in meant.network.nodes:
        asn = node.sessions[0].node_end.asn
        text = THEIRS.format(asn=asn, router_id=node.router_id)
        assert load(rig.nodes[node.name], text) == []
    for switch in meant.network.switches:
        text = THEIRS.format(asn=switch.asn, router_id=switch.router_id)
        assert load(rig.far[switch.name], text + meant.globals(switch.name)) == []
    return Shared(rig, stranger)


def more(meant: Meant, name: str) -> Meant:
    text = MORE
    if meant.inputs.endpoints is not None:
        text += ENDPOINTS.format(node=meant.network.nodes[0].name)
    return compiled([*documents(name), *read(text, "more.yaml")])


def test_others_keep_their_sessions_while_ours_come_change_and_go(
    shared: Shared, case: tuple[str, Majors]
) -> None:
    before = shared.rig.meant
    after = more(before, case[0])
    assert before.widths(far := min(before.far_ends)).keys() < after.widths(far).keys()
    shared.become(before)
    ours = {far: shared.rig.steady(far) for far in shared.rig.far}
    shared.become(after)
    assert {far: shared.rig.steady(far) for far in shared.rig.far} == ours
    shared.leave()
    assert shared.running() == shared.configs
