"""The cluster gets another name while everything runs: whose names begin with it, and who leads."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.cluster_site import TAKEOVER_S, Cluster, site
from daemon.cluster_world import GROUP, SOON_S
from daemon.ear import Ears
from daemon.flavour import Flavour, wait_for
from daemon.kube import Plane

pytestmark = pytest.mark.daemon

LEASES = "/apis/coordination.k8s.io/v1"
FAST = {"receiveInterval": 300, "transmitInterval": 300}


@pytest.fixture
def cluster(crowd: Plane, flavours: dict[str, Flavour], tmp_path: Path) -> Iterator[Cluster]:
    with site(crowd, flavours, tmp_path) as made:
        yield made


def call(cluster: Cluster, name: str) -> None:
    """Give it this name, and take the ones before: for a moment it has none, or a default one."""
    world = cluster.world
    for one in world.items("clusters", GROUP):
        world.delete("clusters", one["metadata"]["name"], GROUP)
    meta = {"name": name, "namespace": world.name}
    world.plane.apply({"apiVersion": "ferrule.dev/v1alpha1", "kind": "Cluster", "metadata": meta})


def holders(cluster: Cluster) -> dict[str, str]:
    """Who holds which Lease of the controllers."""
    found = cluster.world.items("leases", LEASES)
    held = {one["metadata"]["name"]: one["spec"].get("holderIdentity") or "" for one in found}
    return {name: holder for name, holder in held.items() if holder}


def leads_as(cluster: Cluster, name: str) -> None:
    """One leads under this name, and nobody under another."""
    wait_for(lambda: [*holders(cluster)] == [f"ferrule-{name}"], TAKEOVER_S, f"one leads {name}")


def names(cluster: Cluster) -> set[str]:
    """The clusters that the node's FRR has anything of."""
    config = cluster.node.frr.running_config()
    return {word.split("_")[0] for word in config.split() if word.startswith("ferrule-")}


def test_all_of_it_goes_on_under_another_name(cluster: Cluster) -> None:
    for name in ("reconcile-1", "reconcile-2", "agent-1"):
        cluster.start(name)
    world, old = cluster.world, cluster.world.name
    world.apply("BFDProfile", "fast", **FAST)
    peer = world.get("tor", "bgppeers", GROUP)["spec"]
    world.apply("BGPPeer", "tor", **peer, bfdProfile="fast")
    assert cluster.tor.frr.load("router bgp 65000\nneighbor 198.51.100.11 bfd\n").ok
    for name in ("a", "b", "c"):
        cluster.service(name)
    cluster.settles(3)

    def watched() -> bool:
        return bool(cluster.tor.frr.show_json("show bfd peers")[0]["status"] == "up")

    wait_for(watched, TAKEOVER_S, "BFD is up")
    before, lost = cluster.heard(), cluster.lost()
    ears = Ears({"tor": cluster.tor})
    assert names(cluster) == {f"ferrule-{old}"}

    call(cluster, "other")
    leads_as(cluster, "other")
    wait_for(lambda: names(cluster) == {"ferrule-other"}, SOON_S, "FRR knows the new name alone")
    cluster.service("d")
    cluster.settles(4)
    assert cluster.lost() == lost
    heard = ears.heard()["tor"]
    assert not {*heard.announced, *heard.withdrawn} & before
    assert watched()
    leader = cluster.leader()
    assert "clusterRenamed" in {one["event"] for one in cluster.said(leader)}
    assert "clusterRenamed" in {one["event"] for one in cluster.said("agent-1")}

    # And while neither of those who knew the name is there.
    for name in ("agent-1", leader):
        cluster.end(name, signal.SIGKILL)
    call(cluster, old)
    for name in ("agent-1", leader):
        cluster.start(name)
    leads_as(cluster, old)
    wait_for(lambda: names(cluster) == {f"ferrule-{old}"}, SOON_S, "FRR knows the old name alone")
    cluster.service("e")
    cluster.settles(5)
    assert cluster.lost() == lost
    heard = ears.heard()["tor"]
    assert not {*heard.announced, *heard.withdrawn} & before


def test_nobody_leads_while_somebody_does_under_another_name(cluster: Cluster) -> None:
    """A leader that stands still has not heard of the new name; its Lease runs out before."""
    cluster.start("reconcile-1")
    cluster.service("first")
    wait_for(cluster.wanted, SOON_S, "it is served")
    old = cluster.world.name
    stopped = cluster.processes["reconcile-1"]
    stopped.send_signal(signal.SIGSTOP)
    try:
        call(cluster, "other")
        cluster.start("reconcile-2")
        cluster.service("second")
        waits = lambda: [one for one in cluster.said("reconcile-2") if "Elder" in one["event"]]  # noqa: E731
        wait_for(waits, SOON_S, "the second waits")
        assert len(cluster.wanted()) == 1
        assert {*holders(cluster)} == {f"ferrule-{old}", "ferrule-other"}
        wait_for(lambda: len(cluster.wanted()) == 2, TAKEOVER_S, "the second leads")
        (led,) = (one for one in cluster.said("reconcile-2") if one["event"] == "leading")
        assert led["contested"]
    finally:
        stopped.send_signal(signal.SIGCONT)
    cluster.end("reconcile-2", signal.SIGTERM)
    cluster.service("third")
    wait_for(lambda: len(cluster.wanted()) == 3, TAKEOVER_S, "the first leads by the new name")
    cluster.unique()
