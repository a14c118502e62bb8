"""From kubectl to the answer of a haproxy, by way of a switch: what charts of ingresses make.

A client beyond the switch asks; what the switch forwards is read from its kernel, and a Pod says
whom it has seen. Every test begins with all sessions up and without a Service. They say what a
change costs: which sessions are lost, and whether a request is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from daemon.flavour import wait_for
from daemon.path_cables import CLIENT, bare
from daemon.path_pods import NAME
from daemon.path_rack import ONCE, SETTLED_S, TOR, Rack, running
from daemon.path_services import HI, NAMESPACES, deployment, deployments, fixture, fixtures

pytestmark = pytest.mark.daemon

BOTH, FIRST, SECOND = ("node-1", "node-2"), ("node-1",), ("node-2",)
SEEN = {bare(one) for one in CLIENT}
HOST = "kubernetes.io/hostname"
F1, F3 = "hap-kubernetes-ingress", "haproxy-ingress"
SESSIONS = {"198.51.100.11", "198.51.100.12", "2001:db8:a::11", "2001:db8:a::12"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rack]:
    with running(tmp_path_factory.mktemp("path")) as made:
        yield made


@pytest.fixture
def rack(whole: Rack) -> Iterator[Rack]:
    up(whole, SESSIONS)
    whole.waits_for({})
    yield whole
    whole.kubectl("uncordon", *BOTH)
    peers(whole, nodeSelectors=None, myASN=64512)
    pool(whole, "192.0.2.0/26")


def up(rack: Rack, sessions: set[str]) -> None:
    wanted = dict.fromkeys(sessions, "Established")
    wait_for(
        lambda: {name: state for name, (state, _) in rack.lives().items()} == wanted,
        SETTLED_S,
        f"sessions with {sessions}",
    )


@contextmanager
def namespaces(rack: Rack, *names: str) -> Iterator[None]:
    """They are made, and at the end deleted with all that is in them."""
    for name in names:
        rack.kubectl("create", "namespace", name)
    try:
        yield
    finally:
        rack.kubectl("delete", "namespace", *names, timeout_s=120)


def test_ingresses_are_reached_from_beyond_the_switch(rack: Rack) -> None:
    lives = rack.lives()
    with namespaces(rack, *NAMESPACES):
        for one in (*deployments(), *fixtures()):
            rack.apply([one], one["metadata"]["namespace"])
        hap4, hap6 = rack.addresses("haproxy-controller", F1)
        (traefik,), (hi,) = rack.addresses("traefik", "traefik"), rack.addresses("ingress", F3)
        assert rack.addresses("traefik", "traefik-udp") == [traefik] == ["203.0.113.10"]
        wanted = {hap4: BOTH, hap6: BOTH, traefik: BOTH, hi: FIRST}
        rack.waits_for(wanted)

        for address in (hap4, hap6):
            for scheme in ("http", "https"):
                rack.answers(address, f"{scheme}://{NAME}/[1-20]", pods=2)
            for port in (1024, 6060):
                rack.answers(address, f"http://{NAME}:{port}/[1-20]", pods=2)
        for scheme in ("http", "https"):
            rack.answers(traefik, f"{scheme}://{NAME}/[1-20]", pods=2)
            rack.answers(hi, f"{scheme}://{NAME}/[1-20]")
        for address in (hap4, hap6, traefik):
            assert rack.udp(address, 443)[0] in SEEN

        # One of two Services that share an address goes, and another one gets a port more.
        rack.kubectl("-n", "traefik", "delete", "service", "traefik-udp")
        ports = [*fixture(F3, "ingress")["spec"]["ports"]]
        more = {"name": "more", "port": 8080, "protocol": "TCP", "targetPort": "http"}
        rack.patch("service", F3, {"spec": {"ports": [*ports, more]}}, "ingress")
        rack.answers(hi, f"http://{NAME}:8080/[1-20]")
        rack.answers(traefik, pods=2)
        rack.waits_for(wanted)
        assert rack.addresses("traefik", "traefik") == [traefik]
    rack.waits_for({})
    assert rack.lives() == lives


@contextmanager
def shop(rack: Rack, **spec: object) -> Iterator[str]:
    """F3 with a Pod on the first node; its address."""
    with namespaces(rack, "ingress"):
        rack.apply([deployment("hi", "ingress", F3, "hi", HI)], "ingress")
        rack.apply([fixture(F3, "ingress", **spec)], "ingress")
        (address,) = rack.addresses("ingress", F3)
        yield address


def scale(rack: Rack, count: int) -> None:
    rack.kubectl("-n", "ingress", "scale", "deployment", "hi", f"--replicas={count}")


def pods(rack: Rack) -> list[str]:
    return rack.kubectl("-n", "ingress", "get", "pods", "-o", "name").split()


def test_whom_a_pod_sees_depends_on_the_policy(rack: Rack) -> None:
    lives = rack.lives()
    with shop(rack) as address:
        rack.waits_for({address: FIRST})
        rack.answers(address)
        rack.patch("service", F3, {"spec": {"externalTrafficPolicy": "Cluster"}}, "ingress")
        rack.waits_for({address: BOTH})
        # Its own node sends from the Pods' bridge, the other one from the rack.
        rack.answers(address, sources={"10.244.1.1", "198.51.100.12"})
        rack.patch("service", F3, {"spec": {"externalTrafficPolicy": "Local"}}, "ingress")
        rack.waits_for({address: FIRST})
        rack.answers(address)

        # No longer one to be reached from outside; then one again; then none at all.
        inside = {"type": "ClusterIP", "loadBalancerClass": None, "externalTrafficPolicy": None}
        rack.patch("service", F3, {"spec": inside}, "ingress")
        rack.waits_for({})
        rack.apply([fixture(F3, "ingress")], "ingress")
        rack.waits_for({address: FIRST})
        rack.answers(address)
        rack.kubectl("-n", "ingress", "delete", "service", F3)
        rack.waits_for({})
    assert rack.lives() == lives


def test_pods_that_come_and_go(rack: Rack) -> None:
    lives = rack.lives()
    with shop(rack) as address:
        rack.waits_for({address: FIRST})
        rack.answers(address)
        with rack.asking(address) as asked:
            scale(rack, 2)
            rack.waits_for({address: BOTH})
            rack.answers(address, pods=2)
            scale(rack, 1)
            wait_for(
                lambda: [len(nodes) for nodes in rack.routes().values()] == [1],
                SETTLED_S,
                "one node is left",
            )
            rack.answers(address)
        assert asked.lossless(2), asked
        scale(rack, 0)
        rack.waits_for({})
        assert not rack.curl(address, ONCE, seconds=2).answered
        scale(rack, 1)
        rack.waits_for({address: FIRST})
        rack.answers(address)
    assert rack.lives() == lives


def test_a_pod_that_moves_takes_its_traffic_along(rack: Rack) -> None:
    lives = rack.lives()
    with shop(rack) as address:
        rack.waits_for({address: FIRST})
        rack.answers(address)
        there = {"spec": {"template": {"spec": {"nodeSelector": {HOST: "node-2"}}}}}
        with rack.asking(address) as asked:
            rack.patch("deployment", "hi", there, "ingress")
            rack.waits_for({address: SECOND})
            wait_for(lambda: len(pods(rack)) == 1, SETTLED_S, "the old Pod is gone")
            rack.answers(address)
        assert len(asked.pods) == 2
        assert asked.lossless(2), asked
    assert rack.lives() == lives


def test_a_node_that_is_drained(rack: Rack) -> None:
    lives = rack.lives()
    with shop(rack) as address:
        scale(rack, 2)
        everywhere = fixture(F3, "ingress", externalTrafficPolicy="Cluster")
        everywhere["metadata"]["name"] = "everywhere"
        rack.apply([everywhere], "ingress")
        (other,) = rack.addresses("ingress", "everywhere")
        rack.waits_for({address: BOTH, other: BOTH})
        rack.answers(address, pods=2)
        with rack.asking(address) as asked:
            rack.kubectl("drain", "node-2", timeout_s=120)
            rack.waits_for({address: FIRST, other: FIRST})
            rack.answers(address, pods=2)
        assert asked.lossless(2), asked
        rack.answers(other, pods=2, sources={"10.244.1.1"})
        rack.kubectl("uncordon", "node-2")
        rack.waits_for({address: FIRST, other: BOTH})
        rack.kubectl("-n", "ingress", "rollout", "restart", "deployment", "hi")
        rack.waits_for({address: BOTH, other: BOTH})
        rack.answers(address, pods=2)
    assert rack.lives() == lives


def test_a_service_goes_with_its_pool(rack: Rack) -> None:
    lives = rack.lives()
    with shop(rack) as address:
        rack.waits_for({address: FIRST})
        pool(rack, "192.0.2.128/26")
        rack.waits_for({"192.0.2.128": FIRST})
        rack.answers("192.0.2.128")
        assert not rack.curl(address, ONCE, seconds=2).answered
        notes = {"metadata": {"annotations": {"metallb.io/address-pool": "traefik"}}}
        rack.patch("service", F3, notes, "ingress")
        rack.waits_for({"203.0.113.0": FIRST})
        rack.answers("203.0.113.0")
    assert rack.lives() == lives


def test_a_peer_of_fewer_nodes(rack: Rack) -> None:
    lives = rack.lives()
    with shop(rack, externalTrafficPolicy="Cluster") as address:
        rack.waits_for({address: BOTH})
        rack.answers(address, sources={"10.244.1.1", "198.51.100.12"})
        only = [{"matchLabels": {HOST: "node-1"}}]
        with rack.asking(address) as asked:
            peers(rack, nodeSelectors=only)
            rack.waits_for({address: FIRST})
            up(rack, {one for one in SESSIONS if one.endswith("11")})
        assert asked.lossless(1), asked
        rack.answers(address, sources={"10.244.1.1"})
        peers(rack, nodeSelectors=None)
        up(rack, SESSIONS)
        rack.waits_for({address: BOTH})
    stayed = {name: one for name, one in rack.lives().items() if name.endswith("11")}
    assert stayed.items() <= lives.items()


def test_an_asn_that_changes_at_both_ends(rack: Rack) -> None:
    with shop(rack, externalTrafficPolicy="Cluster") as address:
        rack.waits_for({address: BOTH})
        for asn in (64513, 64512):
            peers(rack, myASN=asn)
            expects(rack, asn)
            up(rack, SESSIONS)
            rack.waits_for({address: BOTH})
            rack.answers(address, sources={"10.244.1.1", "198.51.100.12"})
        well = ("True", "Verified")
        wait_for(lambda: rack.condition("InSync") == well, SETTLED_S, "the switch is in sync")


def pool(rack: Rack, block: str) -> None:
    rack.patch("ipaddresspool", "public", {"spec": {"addresses": [block]}})


def peers(rack: Rack, **spec: object) -> None:
    for name in ("tor", "tor-v6"):
        rack.patch("bgppeer", name, {"spec": spec})


def expects(rack: Rack, asn: int) -> None:
    """Until the switch expects this ASN of all its neighbors."""

    def remote() -> set[int]:
        shown = rack.fabric.switches[TOR].frr.show_json("show bgp neighbors")
        return {one["remoteAs"] for one in shown.values() if isinstance(one, dict)}

    wait_for(lambda: remote() == {asn}, SETTLED_S, f"AS {asn} is expected")
