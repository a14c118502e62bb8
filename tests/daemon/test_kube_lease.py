"""An election over a real API server, whose leader is killed, stands still or is cut off."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.flavour import wait_for
from daemon.gate import Gate
from daemon.kube import Plane
from daemon.kube_world import thing
from ferrule.observe.cluster_api import connect
from ferrule.observe.cluster_lease import holder
from ferrule.reconcile.candidate import Timing
from ferrule.reconcile.lease import Election

pytestmark = pytest.mark.daemon

HOME = "elected"
TIMING = Timing(lease_s=3, renew_s=2, retry_s=0.4)
WAIT_S = 30
TESTS = Path(__file__).parents[1]


class Replica:
    """A process that takes part."""

    def __init__(self, kubeconfig: str, cluster: str, output: Path, timing: Timing) -> None:
        self._output = output
        times = (str(timing.lease_s), str(timing.renew_s), str(timing.retry_s))
        with output.open("w") as out:
            self.process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "daemon.candidate", kubeconfig, HOME, cluster, *times],
                cwd=TESTS,
                stdin=subprocess.DEVNULL,
                stdout=out,
            )

    @property
    def lines(self) -> list[list[str]]:
        return [one.split() for one in self._output.read_text().splitlines()[1:]]

    @property
    def led(self) -> list[float]:
        """The moments at which it led."""
        return [float(one[0]) for one in self.lines if len(one) == 3]

    @property
    def leads(self) -> bool:
        return bool(self.led) and time.monotonic() - self.led[-1] < 0.2

    def signal(self, number: signal.Signals) -> float:
        """When it was sent."""
        now = time.monotonic()
        self.process.send_signal(number)
        return now

    def end(self) -> None:
        for number in (signal.SIGCONT, signal.SIGKILL):
            self.process.send_signal(number)
        self.process.wait()


class Cast:
    """Two replicas, of which the first leads."""

    def __init__(
        self, plane: Plane, gate: Gate, folder: Path, cluster: str, timing: Timing
    ) -> None:
        config = gate.kubeconfig(plane, folder / "config")
        self.cluster = cluster
        self.first = Replica(config, cluster, folder / "first", timing)
        try:
            wait_for(lambda: self.first.leads, WAIT_S, "the first leads")
        except TimeoutError:
            self.first.end()
            raise
        self.second = Replica(str(plane.kubeconfig), cluster, folder / "second", timing)

    def second_leads(self) -> float:
        """When it began to."""
        wait_for(lambda: self.second.leads, WAIT_S, "the second leads")
        return self.second.led[0]

    def seen(self) -> bool:
        """Whether the second has begun."""
        return bool(self.second._output.read_text())  # noqa: SLF001

    def end(self) -> None:
        self.first.end()
        self.second.end()


@pytest.fixture
def home(plane: Plane) -> Plane:
    plane.apply(thing("Namespace", HOME, api="v1"))
    return plane


@pytest.fixture
def gate(home: Plane) -> Iterator[Gate]:
    with Gate(home.server) as gate:
        yield gate


@pytest.fixture
def replicas(
    home: Plane, gate: Gate, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Cast]:
    cluster = request.node.name.replace("_", "-").removeprefix("test-")[:40].rstrip("-")
    found = Cast(home, gate, tmp_path, cluster, TIMING)
    try:
        wait_for(found.seen, WAIT_S, "the second takes part")
        yield found
    finally:
        found.end()


def lease(plane: Plane, cluster: str) -> dict[str, Any]:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{HOME}/leases/ferrule-{cluster}"
    found: dict[str, Any] = plane.ask("GET", path)
    return found


def apart(replicas: Cast) -> None:
    """At no moment both led."""
    first, second = replicas.first.led, replicas.second.led
    assert first
    assert second
    assert max(first) < min(second)


def test_a_leader_that_stops_hands_over(replicas: Cast, home: Plane) -> None:
    stopped = replicas.first.signal(signal.SIGTERM)

    began = replicas.second_leads()

    assert replicas.first.process.wait(WAIT_S) == 0
    assert began - stopped < TIMING.lease_s  # it did not wait
    assert replicas.second.lines[0][2] == "0"
    apart(replicas)
    assert lease(home, replicas.cluster)["spec"]["leaseTransitions"] == 2


def test_a_leader_that_is_killed_is_followed(replicas: Cast) -> None:
    killed = replicas.first.signal(signal.SIGKILL)

    took_s = replicas.second_leads() - killed

    assert TIMING.lease_s - 2 * TIMING.retry_s < took_s
    assert replicas.second.lines[0][2] == "1"
    apart(replicas)


def test_a_leader_that_stands_still_leads_no_longer(replicas: Cast) -> None:
    replicas.first.signal(signal.SIGSTOP)
    replicas.second_leads()
    replicas.first.signal(signal.SIGCONT)
    wait_for(lambda: len(replicas.second.led) > 100, WAIT_S, "it leads for a while")

    apart(replicas)


def test_a_leader_that_is_cut_off_leads_no_longer(replicas: Cast, gate: Gate) -> None:
    """What it sent meanwhile arrives in the end, and changes nothing."""
    gate.shut()
    shut = time.monotonic()
    replicas.second_leads()
    gate.open()
    wait_for(lambda: len(replicas.second.led) > 100, WAIT_S, "it leads for a while")

    assert max(replicas.first.led) < shut + TIMING.renew_s + 0.1
    apart(replicas)


def test_a_lease_keeps_what_others_write_on_it(home: Plane) -> None:
    api = connect(str(home.kubeconfig))
    with Election(api, HOME, "labels", timing=TIMING) as election:
        lead = election.wait(WAIT_S)
        assert lead
        assert holder(api, "labels").startswith(f'"{election.name}" ')
        path = f"/apis/coordination.k8s.io/v1/namespaces/{HOME}/leases/ferrule-labels"
        body = {"metadata": {"labels": {"team": "net"}}}
        home.ask("PATCH", path, body, "merge-patch+json")
        before = lease(home, "labels")["spec"]["renewTime"]
        wait_for(
            lambda: lease(home, "labels")["spec"]["renewTime"] != before, WAIT_S, "it is renewed"
        )
        assert election.lead is lead
        assert lease(home, "labels")["metadata"]["labels"]["team"] == "net"
        home.ask("DELETE", path)
        wait_for(lambda: there(home), WAIT_S, "it is made anew")
        assert election.lead is lead

    assert not lead.valid()
    assert lease(home, "labels")["spec"].get("holderIdentity", "") == ""
    assert holder(api, "labels") == ""


def there(plane: Plane) -> bool:
    try:
        return bool(lease(plane, "labels"))
    except RuntimeError:
        return False


def test_whoever_may_not_take_part_says_so(home: Plane) -> None:
    api = connect(str(home.kubeconfig_of("nobody")))
    with Election(api, HOME, "forbidden", timing=TIMING) as election:
        wait_for(lambda: election.problem, WAIT_S, "it is refused")
        assert election.wait(0) is None
        assert election.problem.startswith(f"Lease {HOME}/ferrule-forbidden cannot be read: 403 ")


def test_three_verbs_are_enough(home: Plane) -> None:
    rule = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    home.allow("planner", [{**rule, "verbs": ["get", "create", "update"]}], HOME)
    api = connect(str(home.kubeconfig_of("planner")))

    with Election(api, HOME, "allowed", timing=TIMING) as election:
        assert election.wait(WAIT_S)
    assert lease(home, "allowed")["spec"].get("holderIdentity", "") == ""
