"""Tenants who mean harm: nothing of theirs gets to a device or begins a line, others are served."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.cluster_site import Cluster, free_port, site
from daemon.cluster_world import SOON_S
from daemon.flavour import Flavour, wait_for
from daemon.hostile import MARK, Harm
from daemon.kube import Plane
from daemon.moments import Moments
from daemon.test_cluster_faults import page

pytestmark = pytest.mark.daemon

VICTIM = "192.0.2.0"
NETWORK = re.compile(r" *network 192\.0\.2\.\d+/32 route-map ferrule-\S+")
PASSWORD = re.compile(r"^ neighbor 198\.51\.100\.9 password \S+$", re.MULTILINE)  # is one
LEVELS = {"debug", "info", "warn", "error"}
MOST_LOGGED = 2_000_000  # bytes, of a process


@pytest.fixture
def cluster(crowd: Plane, flavours: dict[str, Flavour], tmp_path: Path) -> Iterator[Cluster]:
    with site(crowd, flavours, tmp_path) as made:
        yield made


@pytest.fixture
def running(cluster: Cluster) -> dict[str, int]:
    """A controller and an agent, a Service that is served; where their metrics are."""
    ports = {"reconcile-1": free_port(), "agent-1": free_port()}
    for name, port in ports.items():
        cluster.start(name, "--metrics-port", str(port), "--log-level", "debug")
    cluster.service("web")
    cluster.settles(1)
    assert cluster.world.addresses("web") == [VICTIM]
    return ports


def lines(cluster: Cluster) -> list[str]:
    """What the node's FRR runs, but for the prefixes of the pool."""
    text = cluster.node.frr.running_config()
    return [one for one in text.splitlines() if not NETWORK.fullmatch(one)]


def served(cluster: Cluster, name: str) -> None:
    """Somebody who comes later is served as if nothing were."""
    cluster.service(name)
    wait_for(lambda: cluster.world.addresses(name), SOON_S, f"{name} has an address")
    (address,) = cluster.world.addresses(name)
    wait_for(lambda: f"{address}/32" in cluster.heard(), SOON_S, f"{name} is heard")


def calm(cluster: Cluster) -> None:
    """What is heard is what statuses say, and each of these addresses is of the pool."""

    def settled() -> bool:
        wanted = cluster.wanted()
        return cluster.heard() == wanted and all(one.startswith("192.0.2.") for one in wanted)

    wait_for(settled, 2 * SOON_S, "what is heard is of the pool, and is what statuses say")
    cluster.unique()


def clean(cluster: Cluster, ports: dict[str, int]) -> None:
    """Logs, events and metrics are what they would be, whatever stands in their values."""
    cluster.alive()
    for name, port in ports.items():
        text = (cluster.folder / f"{name}.log").read_text()
        assert len(text) < MOST_LOGGED
        for line in text.splitlines():
            assert line.isascii()
            assert line.isprintable()
            said = json.loads(line)
            assert said["level"] in LEVELS
            assert MARK not in said["event"]
        values = page(port)
        assert not [one for one in values if MARK in one.name]
    for event in cluster.world.items("events"):
        assert event["message"].isprintable()
        assert len(event["message"]) <= 1024
        assert MARK not in event["reason"]


def test_tenants_who_mean_harm(cluster: Cluster, running: dict[str, int]) -> None:
    harm = Harm(cluster.world)
    before, lost = lines(cluster), cluster.lost()
    cluster.mark()
    heard: set[str] = set()
    with Moments(cluster.world) as moments:
        harm.services_with_notes()
        harm.around()
        served(cluster, "later")
        calm(cluster)
        moments.sound()
    harm.services_with_statuses(VICTIM)
    served(cluster, "last")
    heard |= cluster.heard()
    calm(cluster)
    assert all(one.startswith("192.0.2.") for one in heard)
    assert cluster.world.addresses("web") == [VICTIM]
    assert cluster.untouched(f"{VICTIM}/32")
    assert lines(cluster) == before
    assert MARK not in cluster.tor.frr.running_config()
    assert cluster.lost() == lost
    clean(cluster, running)
    print(f"{harm.taken} writes taken, {harm.refused} refused; {moments.seen}")  # noqa: T201


def test_statuses_of_somebody_else_while_nobody_leads(
    cluster: Cluster, running: dict[str, int]
) -> None:
    """An agent announces what is of a pool, and an address for as long as one Service has it."""
    world, harm = cluster.world, Harm(cluster.world)
    lost, before = cluster.lost(), lines(cluster)
    cluster.mark()
    cluster.end("reconcile-1", signal.SIGTERM)
    world.service("local", externalTrafficPolicy="Local")
    harm.services_with_statuses(VICTIM)
    for name, address in (("local", VICTIM), ("sign", "192.0.2.77")):
        if name == "sign":
            cluster.service(name)
        status = {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}
        world.merge(status, f"{world.path(name=name)}/status")
    wait_for(lambda: "192.0.2.77/32" in cluster.heard(), SOON_S, "all of it has arrived")
    assert cluster.heard() == {f"{VICTIM}/32", "192.0.2.77/32"}
    assert lines(cluster) == before
    world.delete("services", "local")
    cluster.start("reconcile-1", "--metrics-port", str(running["reconcile-1"]))
    served(cluster, "later")
    calm(cluster)
    assert world.addresses("web") == [VICTIM]
    assert world.addresses("sign") == ["192.0.2.77"]
    assert cluster.untouched(f"{VICTIM}/32")
    assert cluster.lost() == lost
    clean(cluster, running)


@pytest.mark.soak
def test_specs_that_mean_harm(cluster: Cluster, running: dict[str, int]) -> None:
    """Each is refused by the API server or by us, or it is harmless; the last good one holds."""
    harm = Harm(cluster.world)
    before, lost = lines(cluster), cluster.lost()
    cluster.mark()
    for number, name in enumerate(harm.spec()):
        served(cluster, f"with-{number}")
        config = PASSWORD.sub("", cluster.node.frr.running_config())
        assert MARK not in config, name
    calm(cluster)
    assert lines(cluster) == before
    assert cluster.untouched(f"{VICTIM}/32")
    assert cluster.lost() == lost
    clean(cluster, running)
    print(f"{harm.taken} objects taken, {harm.refused} refused")  # noqa: T201
