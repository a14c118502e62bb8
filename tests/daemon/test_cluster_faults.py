"""A cluster whose API server goes, forgets, or knows us no longer, and leaders that stand still.

Whatever is away for a while: addresses stay unique, routes are what is intended, what was not
touched is not withdrawn, and no session is lost.
"""

from __future__ import annotations

import shutil
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from daemon.cluster_site import TAKEOVER_S, Cluster, free_port, site
from daemon.cluster_world import SOON_S, World
from daemon.flavour import Flavour, wait_for
from daemon.gate import Gate
from daemon.kube import Plane, start
from daemon.kube_world import with_our_kinds
from daemon.moments import Moments
from daemon.pods import Pod, mountpoint
from ferrule.observe.cluster_lease import lease_name

pytestmark = pytest.mark.daemon


@pytest.fixture
def cluster(crowd: Plane, flavours: dict[str, Flavour], tmp_path: Path) -> Iterator[Cluster]:
    with site(crowd, flavours, tmp_path) as made:
        yield made


def answers(world: World) -> bool:
    """Whether the API server is back, and gives out cluster IPs again: that comes later."""
    spec = {"type": "LoadBalancer", "ports": [{"port": 80}]}
    try:
        world.plane.apply(world.thing("Service", "try", spec, "v1"), dry_run=True)
    except (OSError, RuntimeError):
        return False
    return True


def restart(world: World) -> None:
    """Kill the API server, and have it back."""
    world.plane.start_api_server(world.plane.kill_api_server())
    wait_for(lambda: answers(world), TAKEOVER_S, "the API server is back")


def page(port: int) -> list[Sample]:
    """All that a process shows."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return [one for family in families for one in family.samples]


def metric(port: int, name: str, **labels: str) -> float:
    """One value of it."""
    found = [one for one in page(port) if one.name == name]
    (value,) = (one.value for one in found if labels.items() <= one.labels.items())
    return float(value)


# The API server


def test_an_api_server_that_is_away_takes_nothing_along(cluster: Cluster) -> None:
    cluster.start("reconcile-1")
    cluster.start("agent-1")
    for name in ("a", "b", "c"):
        cluster.service(name)
    cluster.settles(3)
    before, lost = cluster.heard(), cluster.lost()
    command = cluster.world.plane.kill_api_server()
    cluster.end("agent-1", signal.SIGKILL)
    until = time.monotonic() + 3
    while time.monotonic() < until:
        assert cluster.heard() == before
    cluster.world.plane.start_api_server(command)
    wait_for(lambda: answers(cluster.world), TAKEOVER_S, "the API server is back")
    cluster.start("agent-1")
    cluster.service("d")
    cluster.world.delete("services", "a")
    cluster.settles(3, TAKEOVER_S)
    assert cluster.lost() == lost


def test_history_that_is_lost_while_nobody_looks(cluster: Cluster) -> None:
    """410 Gone for both: what was deleted meanwhile is found by difference."""
    ports = {"reconcile-1": free_port(), "agent-1": free_port()}
    for name, port in ports.items():
        cluster.start(name, "--metrics-port", str(port))
    for name in ("a", "b", "c"):
        cluster.service(name)
    cluster.settles(3)
    lost = cluster.lost()
    cluster.mark()
    lists = metric(ports["agent-1"], "ferrule_watch_lists", kind="services")
    plane, stopped = cluster.world.plane, [*cluster.processes.values()]
    for one in stopped:
        one.send_signal(signal.SIGSTOP)
    try:
        restart(cluster.world)  # else they would find in their sockets what they did not see
        cluster.world.delete("services", "a")
        cluster.world.service("c", type="ClusterIP", loadBalancerClass=None)
        cluster.service("d", loadBalancerIP="192.0.2.9")
        plane.forget()
        restart(cluster.world)
    finally:
        for one in stopped:
            one.send_signal(signal.SIGCONT)
    cluster.settles(2, TAKEOVER_S)
    assert cluster.world.addresses("b") == ["192.0.2.1"]
    assert metric(ports["agent-1"], "ferrule_watch_lists", kind="services") > lists
    assert cluster.untouched("192.0.2.1/32")
    assert cluster.lost() == lost
    cluster.alive()


# etcd


@pytest.fixture
def own(tmp_path: Path, flavours: dict[str, Flavour]) -> Iterator[Cluster]:
    """With a plane that nobody else is in."""
    with ExitStack() as stack:
        plane = start(tmp_path / "kube")
        stack.callback(plane.stop)
        with_our_kinds(plane)
        logs = tmp_path / "logs"
        logs.mkdir()
        yield stack.enter_context(site(plane, flavours, logs))


def exchanged(plane: Plane, source: Path, target: Path) -> None:
    """Copy etcd's data from one folder to the other while nobody writes them."""
    api, etcd = plane.kill("kube-apiserver"), plane.kill("etcd")
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    plane.start_again("etcd", etcd)
    plane.start_again("kube-apiserver", api)


def test_a_cluster_that_is_restored_from_a_backup(own: Cluster, tmp_path: Path) -> None:
    """What is there again is served as it was; what the backup did not know goes."""
    world, plane = own.world, own.world.plane
    own.start("reconcile-1")
    own.start("agent-1")
    for name in ("a", "b", "c"):
        own.service(name)
    own.settles(3)
    lost = own.lost()
    own.mark()
    exchanged(plane, plane.directory / "data", tmp_path / "backup")
    wait_for(lambda: answers(world), TAKEOVER_S, "the API server is back")

    world.delete("services", "a")
    world.merge(
        {"metadata": {"annotations": {"metallb.io/loadBalancerIPs": "192.0.2.9"}}},
        world.path(name="b"),
    )
    for name in ("x", "y", "z"):  # one of them gets what was a's, another what was b's
        own.service(name)
    own.settles(5, TAKEOVER_S)
    assert world.addresses("b") == ["192.0.2.9"]
    for number in range(100):  # versions that the restored etcd does not reach soon
        world.merge({"metadata": {"labels": {"n": str(number)}}}, world.path(name="x"))

    exchanged(plane, tmp_path / "backup", plane.directory / "data")
    wait_for(lambda: answers(world), TAKEOVER_S, "the API server is back")
    own.settles(3, 2 * TAKEOVER_S)
    given = {name: world.addresses(name) for name in ("a", "b", "c")}
    assert given["a"] == ["192.0.2.0"]
    assert given["b"] == ["192.0.2.9"]  # what a Service was given stays, whatever is said of it
    assert given["c"] == ["192.0.2.2"]
    assert own.untouched("192.0.2.2/32")
    own.service("new")
    own.settles(4, TAKEOVER_S)
    assert own.lost() == lost
    own.alive()


# Credentials


def test_credentials_that_expire(cluster: Cluster, tmp_path: Path) -> None:
    """Nothing is withdrawn meanwhile; a new token in the file is all it takes."""
    port, plane = free_port(), cluster.world.plane
    with mountpoint():
        pods = [Pod(cluster, part, tmp_path / part) for part in ("controller", "agent")]
        for pod in pods:
            pod.give(pod.token(lasts_s=12))
        old = (pods[1].folder / "token").read_text()
        pods[0].start("reconcile-1")
        pods[1].start("agent-1", "--metrics-port", str(port))
        cluster.service("a")
        cluster.settles(1)
        lost = cluster.lost()
        cluster.mark()

        wait_for(lambda: not knows(plane, old), TAKEOVER_S, "it has expired")
        restart(cluster.world)  # watches end, and begin with it no more
        cluster.service("b")
        wait_for(lambda: metric(port, "ferrule_watch_restarts", kind="services") > 2, SOON_S, "401")
        wait_for(lambda: not cluster.leader(), SOON_S, "the lead cannot be renewed")
        assert cluster.world.addresses("b") == []
        assert cluster.heard() == {"192.0.2.0/32"}
        for pod in pods:
            pod.give(pod.token(lasts_s=15))
        cluster.settles(2, TAKEOVER_S)

        # The next one is there in time, as from a kubelet: nobody notices.
        old = (pods[1].folder / "token").read_text()
        for pod in pods:
            pod.give(pod.token(lasts_s=3600))
        leading = [one["event"] for one in cluster.said("reconcile-1")]
        wait_for(lambda: not knows(plane, old), TAKEOVER_S, "that one has expired too")
        cluster.service("c")
        cluster.settles(3)
        assert [one["event"] for one in cluster.said("reconcile-1")][: len(leading)] == leading
        assert cluster.leader()
        assert "following" not in [
            one["event"] for one in cluster.said("reconcile-1")[len(leading) :]
        ]
        assert cluster.untouched("192.0.2.0/32")
        assert cluster.lost() == lost
        for name in ("reconcile-1", "agent-1"):
            assert old not in (tmp_path / f"{name}.log").read_text()


def knows(plane: Plane, token: str) -> bool:
    """Whether the API server lets that one in."""
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token},
    }
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    return bool(plane.ask("POST", path, request)["status"].get("authenticated"))


# Who leads


def test_a_leader_that_is_stopped_for_too_long(cluster: Cluster) -> None:
    """It wakes up in the middle of what it did; by then another one leads."""
    for name in ("reconcile-1", "reconcile-2"):
        cluster.start(name)
    cluster.start("agent-1")
    with Moments(cluster.world) as moments:
        cluster.service("first")
        cluster.settles(1)
        leader = cluster.leader()
        stopped = cluster.processes[leader]
        for number in range(10):
            cluster.service(f"before-{number}")
        stopped.send_signal(signal.SIGSTOP)
        try:
            for number in range(10):
                cluster.service(f"after-{number}")
            cluster.settles(21, TAKEOVER_S)
            assert cluster.leader()
        finally:
            stopped.send_signal(signal.SIGCONT)
        other = next(one for one in ("reconcile-1", "reconcile-2") if one != leader)
        wait_for(lambda: cluster.leader() == other, SOON_S, "the old one knows that it is over")
        cluster.service("last")
        cluster.settles(22, TAKEOVER_S)
        moments.sound()


def test_a_leader_that_is_cut_off(cluster: Cluster) -> None:
    """What it has sent arrives when another one has long led."""
    with Gate(cluster.world.plane.server) as gate, Moments(cluster.world) as moments:
        cluster.start("reconcile-1", server=gate.server)
        wait_for(cluster.leader, SOON_S, "the first one leads")
        cluster.start("reconcile-2")
        cluster.start("agent-1")
        cluster.service("first")
        cluster.settles(1)
        for number in range(10):
            cluster.service(f"before-{number}")
        gate.shut()
        for number in range(10):
            cluster.service(f"after-{number}")
        cluster.settles(21, TAKEOVER_S)
        assert leads(cluster, "reconcile-2")
        gate.open()
        cluster.end("reconcile-2", signal.SIGTERM)  # it is the other one's turn again
        cluster.service("last")
        cluster.settles(22, TAKEOVER_S)
        assert leads(cluster, "reconcile-1")
        moments.sound()


def test_controllers_that_begin_at_the_same_moment(cluster: Cluster) -> None:
    """There is no Lease that they could wait for; one leads, and gives each address once."""
    with Moments(cluster.world) as moments:
        for number in range(20):
            cluster.service(f"s-{number}")
        for number in range(3):
            cluster.start(f"reconcile-{number}")
        cluster.start("agent-1")
        cluster.settles(20, TAKEOVER_S)
        assert moments.sound().given == 20
        led = [one["event"] for n in range(3) for one in cluster.said(f"reconcile-{n}")]
        assert led.count("leading") == 1

        # It is let go, and two want it at once.
        cluster.end(cluster.leader(), signal.SIGTERM)
        for number in range(20, 30):
            cluster.service(f"s-{number}")
        cluster.settles(30, TAKEOVER_S)
        assert moments.sound().given == 30


def test_a_lease_that_somebody_deletes(cluster: Cluster) -> None:
    """One who has not seen it leads at once; whoever led ends as soon as it sees that."""
    cluster.start("reconcile-1")
    cluster.start("agent-1")
    with Moments(cluster.world) as moments:
        cluster.service("first")
        cluster.settles(1)
        path = cluster.world.path(
            "leases", lease_name(cluster.world.name), "/apis/coordination.k8s.io/v1"
        )
        cluster.start("reconcile-2")
        wait_for(lambda: cluster.said("reconcile-2"), SOON_S, "the second one has begun")
        for number in range(60):
            cluster.service(f"s-{number}")
            if number == 10:
                cluster.world.plane.ask("DELETE", path)
                cluster.start("reconcile-3")
        cluster.settles(61, TAKEOVER_S)
        moments.sound()
    leading = [name for name in cluster.processes if leads(cluster, name)]
    assert len(leading) == 1


def leads(cluster: Cluster, name: str) -> bool:
    said = [one["event"] for one in cluster.said(name)]
    return said.count("leading") > said.count("following")


# Who has what


def test_an_address_that_goes_from_one_to_another(cluster: Cluster) -> None:
    """Whoever gives it up says so before the other one has it, also where two exchange theirs."""
    world, notes = cluster.world, "metallb.io/loadBalancerIPs"
    cluster.start("reconcile-1")
    cluster.start("agent-1")

    def ask(name: str, address: str) -> None:
        world.merge({"metadata": {"annotations": {notes: address}}}, world.path(name=name))

    with Moments(world) as moments:
        for number in range(10):
            for name, address in ((f"a-{number}", number), (f"b-{number}", 100 + number)):
                cluster.service(name)
                ask(name, f"192.0.2.{address}")
        cluster.settles(20)
        for number in range(10):
            ask(f"b-{number}", f"192.0.2.{number}")  # which it waits for
        for number in range(10):
            ask(f"a-{number}", f"192.0.2.{50 + number}")
            world.has(f"b-{number}", f"192.0.2.{number}")
        cluster.settles(20)
        assert moments.sound(moved=True).shared == []
