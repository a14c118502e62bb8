"""Controllers and an agent as processes, with the roles that are shipped and real FRR.

What kills, stops and cuts them is in the modules beside this one: `test_cluster_kills` and
`test_cluster_faults`.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from daemon.cluster_site import Cluster, site
from daemon.cluster_world import SOON_S
from daemon.flavour import Flavour, wait_for
from daemon.kube import Plane
from daemon.moments import Moments, ago_s

pytestmark = pytest.mark.daemon


@pytest.fixture
def cluster(crowd: Plane, flavours: dict[str, Flavour], tmp_path: Path) -> Iterator[Cluster]:
    with site(crowd, flavours, tmp_path) as made:
        yield made


def test_from_a_service_to_its_route_and_back(cluster: Cluster) -> None:
    cluster.start("reconcile-1")
    cluster.start("agent-1")
    cluster.service("web")
    cluster.service("api")
    cluster.settles(2)
    lost = cluster.lost()

    cluster.world.endpoints("api", "elsewhere")
    cluster.settles(2)  # Cluster: any endpoint will do
    cluster.world.service("api", externalTrafficPolicy="Local")
    wait_for(lambda: len(cluster.heard()) == 1, SOON_S, "a Local one without an endpoint goes")
    cluster.world.endpoints("api", cluster.name)
    cluster.settles(2)

    cluster.world.delete("services", "web")
    cluster.settles(1)
    cluster.world.pool("public", "203.0.113.0/24")  # another range: the Service moves
    wait_for(lambda: cluster.heard() == {"203.0.113.0/32"}, SOON_S, "it has moved")
    assert cluster.lost() == lost


def at_once(work: Callable[[str], object], names: Sequence[str]) -> float:
    """The same for all of them, over several connections; seconds."""
    begun = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, names))
    return time.monotonic() - begun


@pytest.mark.soak
def test_a_thousand_services_at_once(cluster: Cluster) -> None:
    """They come, move to another pool and go while everything runs."""
    world, names = cluster.world, [f"s-{number}" for number in range(1000)]
    world.pool("public", "198.18.0.0/16")
    world.pool("other", "198.19.0.0/16", autoAssign=False)
    cluster.start("reconcile-1")
    cluster.start("agent-1")
    cluster.service("stays")
    cluster.settles(1)
    (stays,) = cluster.wanted()
    lost = cluster.lost()
    cluster.mark()
    pool = {"metadata": {"annotations": {"metallb.io/address-pool": "other"}}}
    works: Sequence[tuple[str, Callable[[str], object], int]] = (
        ("come", cluster.service, 1001),
        ("move to another pool", lambda name: world.merge(pool, world.path(name=name)), 1001),
        ("go", lambda name: world.delete("services", name), 1),
    )
    with Moments(world) as moments:
        for what, work, count in works:
            begun = time.monotonic()
            written_s = at_once(work, names)
            cluster.settles(count, 300)
            print(f"1000 {what}: written in {written_s:.1f} s, routes after {ago_s(begun)} s")  # noqa: T201
        seen = moments.sound(moved=True)
        assert not [one for one in seen.moved if one.startswith("stays")]
        print(f"seen: {seen}")  # noqa: T201
    assert cluster.untouched(stays)
    assert cluster.lost() == lost


def test_an_agent_that_takes_everything_along(cluster: Cluster) -> None:
    cluster.start("reconcile-1")
    cluster.start("agent-1", "--withdraw-on-exit", "--withdraw-on-cordon")
    cluster.service("web")
    cluster.settles(1)
    node = f"/api/v1/nodes/{cluster.name}"
    cluster.world.merge({"spec": {"unschedulable": True}}, node)
    wait_for(lambda: not cluster.heard(), SOON_S, "a cordoned node announces nothing")
    cluster.world.merge({"spec": {"unschedulable": None}}, node)
    cluster.settles(1)
    cluster.end("agent-1", signal.SIGTERM)
    wait_for(lambda: not cluster.heard(), SOON_S, "it is withdrawn")
    assert cluster.lost() == 0


@pytest.mark.soak
def test_bgpd_that_starts_again_is_told_everything_again(cluster: Cluster) -> None:
    cluster.start("reconcile-1")
    cluster.start("agent-1")
    cluster.service("web")
    cluster.settles(1)
    cluster.node.frr.stop("bgpd", hard=True)
    cluster.node.frr.start("bgpd")
    cluster.settles(1, 90)
