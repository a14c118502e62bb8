"""Controllers and agents that are killed at any moment, while many Services change.

Meanwhile and afterwards: no address is two Services' at any moment, none is taken away, routes are
what is intended, what nobody touches is never withdrawn, and no session is lost.
"""

from __future__ import annotations

import random
import signal
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import pytest

from daemon.cluster_site import ADDRESSES, TAKEOVER_S, Cluster, free_port, site
from daemon.flavour import Flavour, wait_for
from daemon.kube import Plane
from daemon.moments import Moments, ago_s

pytestmark = pytest.mark.daemon

NODES = tuple(ADDRESSES)
HOWS = (signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)
PAUSES_S = (0.2, 0.8, 3.0)  # at most so long, from its start or from when it is ready
READY_S = 45.0  # of which a new leader waits 15 for the Lease


@pytest.fixture
def cluster(crowd: Plane, flavours: dict[str, Flavour], tmp_path: Path) -> Iterator[Cluster]:
    with site(crowd, flavours, tmp_path, NODES) as made:
        yield made


class Churn(threading.Thread):
    """Changes one of many Services, and then another one, as fast as the API server takes it.

    `on` are the Services that there are, each with the nodes that it is announced from.
    """

    def __init__(self, cluster: Cluster, size: int, chance: random.Random) -> None:
        super().__init__(name="churn", daemon=True)
        self._cluster, self._chance = cluster, chance
        self._names = [f"n-{number}" for number in range(size)]
        self.on: dict[str, frozenset[str]] = {}
        self.changes: Counter[str] = Counter()
        self._going = threading.Event()
        self._idle = threading.Condition()
        self._ended = False
        self.fault: Exception | None = None

    def __enter__(self) -> Churn:
        for name in self._names:
            self._make(name)
        self._going.set()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._going.set()
        self.join(30)
        if self.fault:
            raise self.fault

    def pause(self) -> None:
        """Nothing changes any more."""
        self._going.clear()
        with self._idle:
            self._idle.wait_for(lambda: self._ended or self._paused, 30)

    def go_on(self) -> None:
        self._going.set()

    _paused = False

    def run(self) -> None:
        """Until it is left."""
        try:
            while not self._ended:
                if not self._going.is_set():
                    with self._idle:
                        self._paused = True
                        self._idle.notify_all()
                    self._going.wait()
                    self._paused = False
                self._change(self._chance.choice(self._names))
        except Exception as bad:  # raised where it is left
            self.fault, self._ended = bad, True

    def _change(self, name: str) -> None:
        if name not in self.on:
            self._make(name)
        elif self._chance.random() < 0.3:
            self._cluster.world.delete("services", name)
            del self.on[name]
            self.changes["deleted"] += 1
        elif self._chance.random() < 0.5:
            self._endpoints(name)
            self.changes["moved"] += 1
        else:
            patch = {"metadata": {"labels": {"tier": f"t{self._chance.randrange(9)}"}}}
            self._cluster.world.merge(patch, self._cluster.world.path(name=name))
            self.changes["labelled"] += 1

    def _make(self, name: str) -> None:
        self._cluster.world.service(name, None, externalTrafficPolicy="Local")
        self._endpoints(name)
        self.changes["made"] += 1

    def _endpoints(self, name: str) -> None:
        nodes = frozenset(self._chance.sample(NODES, self._chance.randint(1, len(NODES))))
        self._cluster.world.endpoints(name, *map(self._cluster.full, sorted(nodes)))
        self.on[name] = nodes


def ready(port: int) -> bool:
    """Whether a process says so of itself."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:  # an answer that is no, too
        return False


@dataclass
class Campaign:
    """Who was killed, how, and in the middle of what; what was checked."""

    cluster: Cluster
    churn: Churn
    chance: random.Random
    identity: bool
    kills: Counter[str] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)
    checked: int = 0

    ports: dict[str, int] = field(default_factory=dict)

    def begin(self) -> None:
        for name in ("reconcile-1", "reconcile-2", "agent-1", "agent-2"):
            self.ports[name] = free_port()
            self.start(name)

    def start(self, name: str) -> None:
        """With a name that stays, a leader that begins again need not wait for itself."""
        fixed = ("--identity", name) if self.identity and name.startswith("reconcile") else ()
        self.cluster.start(name, "--health-port", str(self.ports[name]), *fixed)

    def kill(self, part: str) -> None:
        """One of the controllers, mostly that which leads, or one of the agents; mostly one that
        is at work.
        """
        name = f"{part}-{self.chance.choice((1, 2))}"
        if self.chance.random() < 0.8:
            if part == "reconcile":
                wait_for(self.cluster.leader, READY_S, "somebody leads")
                name = self.cluster.leader() or name
            wait_for(lambda: ready(self.ports[name]), READY_S, f"{name} is ready")
        time.sleep(self.chance.random() * self.chance.choice(PAUSES_S))
        how = self.chance.choice(HOWS)
        self.points[self.point(name)] += 1
        self.kills[f"{part} {how.name}"] += 1
        self.cluster.end(name, how)
        self.start(name)

    def point(self, name: str) -> str:
        """In the middle of what a process is."""
        if not ready(self.ports[name]):
            return f"{name[:-2]} not ready yet"
        leads = " that leads" if name == self.cluster.leader() else ""
        said = [one["event"] for one in self.cluster.said(name)]
        return f"{name[:-2]}{leads}, last said: {said[-1] if said else 'nothing'}"

    def check(self) -> None:
        """Once nothing changes, routes are what is intended."""
        self.churn.pause()
        try:
            wait_for(self.settled, 2 * TAKEOVER_S, "routes are what is intended")
        except TimeoutError as bad:
            raise AssertionError(f"{self.intended()} {self.heard()}") from bad
        self.cluster.unique()
        self.checked += len(self.churn.on)
        self.churn.go_on()

    def settled(self) -> bool:
        intended = self.intended()
        return len(intended) == len(self.churn.on) + 1 and self.heard() == intended

    def intended(self) -> dict[str, set[str]]:
        """By prefix, the nodes that announce it."""
        found: dict[str, set[str]] = {}
        for one in self.cluster.world.items("services"):
            nodes = self.churn.on.get(one["metadata"]["name"], NODES)
            for each in one["status"].get("loadBalancer", {}).get("ingress", ()):
                found[f"{each['ip']}/32"] = {ADDRESSES[node] for node in nodes}
        return found

    def heard(self) -> dict[str, set[str]]:
        shown = self.cluster.tor.frr.show_json("show bgp ipv4 unicast").get("routes", {})
        return {prefix: {one["peerId"] for one in paths} for prefix, paths in shown.items()}


def campaign(cluster: Cluster, each: int, size: int, seed: int, *, identity: bool) -> None:
    """Kill controllers and agents, each so often."""
    chance, begun = random.Random(seed), time.monotonic()  # noqa: S311
    for name in ("reconcile-0", "agent-1", "agent-2"):
        cluster.start(name)
    cluster.service("stays")
    cluster.settles(1, TAKEOVER_S)
    (stays,) = cluster.wanted()
    lost = cluster.lost()
    cluster.mark()
    for name in ("reconcile-0", "agent-1", "agent-2"):
        cluster.end(name, signal.SIGTERM)
    with ExitStack() as stack:
        moments = stack.enter_context(Moments(cluster.world))
        churn = stack.enter_context(Churn(cluster, size, chance))
        made = Campaign(cluster, churn, chance, identity)
        made.begin()
        parts = ["reconcile", "agent"] * each
        chance.shuffle(parts)
        for number, part in enumerate(parts, start=1):
            made.kill(part)
            assert churn.fault is None
            if number % 20 == 0:
                made.check()
        made.check()
        churn.pause()
        seen = moments.sound()
        assert cluster.untouched(stays)
        assert cluster.lost() == lost
        print(  # noqa: T201
            f"{sum(made.kills.values())} kills in {ago_s(begun)} s, seed {seed}, {size} Services:",
            *(f"  {count:4} {what}" for what, count in sorted(made.kills.items())),
            "at which points:",
            *(f"  {count:4} {what}" for what, count in sorted(made.points.items())),
            f"changes: {dict(churn.changes)}; routes of {made.checked} Services checked",
            f"seen: {seen}",
            sep="\n",
        )


def test_processes_that_are_killed(cluster: Cluster) -> None:
    campaign(cluster, each=3, size=20, seed=7, identity=True)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2])
def test_processes_that_are_killed_fifty_times_each(cluster: Cluster, seed: int) -> None:
    campaign(cluster, each=50, size=100, seed=seed, identity=True)


@pytest.mark.soak
def test_leaders_that_are_killed_and_followed_by_others(cluster: Cluster) -> None:
    """Nobody knows that they are dead: the others wait for the Lease."""
    campaign(cluster, each=25, size=100, seed=3, identity=False)
