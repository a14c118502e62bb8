"""The status of real daemons: all is well; then one thing is not, and its row says so.

The last test leaves the fabric broken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from daemon.flavour import wait_for
from fabric.device import FabricDevice
from fabric.fabric import Fabric
from short import documents

from ferrule.commands.explain import explained
from ferrule.commands.inputs import Wanted, compiled
from ferrule.commands.status import now
from ferrule.compiler import statusview
from ferrule.compiler.explain import Chain

pytestmark = pytest.mark.daemon

SPEC = """
Switch tor-a: {addresses: [198.51.100.1/24]}
BGPPeer tor: {peerAddress: 198.51.100.1, bfdProfile: fast, holdTime: 9s, connectTime: 1s}
BFDProfile fast: {}
IPAddressPool public: {}
BGPAdvertisement all: {}
Node node-1: {ips: [198.51.100.11]}
Node node-2: {ips: [198.51.100.12]}
Service shop/api: {}
Service shop/web: {}
"""
GROUP = "FERRULE_ferrule_tor_64512_ipv4"
WELL_S = 40.0
Json = dict[str, Any]


class Reader:
    """What `ferrule status` says of a fabric, row by row."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.said: Json = {}
        self._compiled = compiled(Wanted(fabric.paths))

    def read(self) -> bool:
        """Ask again; whether all is well."""
        with self.fabric.inside():
            status = now(self._compiled, local=(), parallel=8)
        self.said = json.loads(json.dumps(statusview.as_json(status)))
        return status.ok

    def way(self, what: str) -> Chain:
        """How far that gets."""
        with self.fabric.inside():
            return explained(self._compiled, what, live=True, local=(), parallel=8)

    def wait(self, *, well: bool = True) -> None:
        wait_for(lambda: self.read() == well, WELL_S, f"status: {'well' if well else 'a fault'}")

    def wait_for_reason(self, node: str, pattern: str) -> Json:
        """The row of a node's session, once it says so."""

        def says() -> bool:
            self.read()
            return any(re.search(pattern, one) for one in self.session(node)["reasons"])

        wait_for(says, WELL_S, f"{node}: {pattern}")
        return self.session(node)

    def session(self, node: str) -> Json:
        (one,) = (session for session in self.said["sessions"] if session["node"] == node)
        return dict(one)

    def device(self, name: str) -> Json:
        (one,) = (device for device in self.said["devices"] if device["device"] == name)
        return dict(one)

    @property
    def faults(self) -> set[str]:
        """The sessions, by their nodes, and devices that are not as intended."""
        sessions = {f"session {one['node']}" for one in self.said["sessions"] if not one["ok"]}
        return sessions | {one["device"] for one in self.said["devices"] if not one["ok"]}

    @property
    def short(self) -> dict[str, list[str]]:
        return {one["address"]: one["missing"] for one in self.said["addresses"]["short"]}


@pytest.fixture(scope="module", params=["8", "10"])
def fabric(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fabric]:
    """Nodes of each FRR, the switch of the other."""
    spec: Path = tmp_path_factory.mktemp("status") / "spec.json"
    spec.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": documents(SPEC)}))
    node = request.param
    with Fabric(spec, node=node, switch="10" if node == "8" else "8") as fabric:
        fabric.boot()
        yield fabric


@pytest.fixture
def status(fabric: Fabric) -> Reader:
    reader = Reader(fabric)
    reader.wait()
    return reader


@contextmanager
def configured(device: FabricDevice, lines: list[str], undo: list[str]) -> Iterator[None]:
    """Lines typed into bgpd by hand, and taken out again."""
    _type(device, lines)
    try:
        yield
    finally:
        _type(device, undo)


def _type(device: FabricDevice, lines: list[str]) -> None:
    answer = device.frr.vtysh("configure terminal", *lines, daemon="bgpd")
    assert answer.ok, answer.output


def test_all_is_well(status: Reader) -> None:
    def all_sent() -> bool:  # FRR may be late to count what it has sent
        status.read()
        return all(one["prefixes"]["ipv4"]["sent"] == 2 for one in status.said["sessions"])

    wait_for(all_sent, WELL_S, "counted as sent")
    assert status.faults == set()
    for session in status.said["sessions"]:
        ends = session["nodeEnd"], session["switchEnd"]
        assert [(end["state"], end["bfd"]) for end in ends] == [("Established", "up")] * 2
        hops = session["prefixes"]["ipv4"]
        assert (hops["intended"], hops["announced"], hops["accepted"]) == (2, 2, 2)
    assert all(one["changes"] == 0 and one["reachable"] for one in status.said["devices"])
    assert status.said["addresses"] == {"total": 2, "asIntended": 2, "short": []}
    done = status.fabric.ferrule("status", *status.fabric.paths)
    lines = done.stdout.splitlines()
    assert (done.returncode, lines[0]) == (0, "2 sessions: 2 established")
    assert lines[2].split()[:4] == ["node-1", "tor", "tor-a", "Established"]
    assert lines[2].split()[-6:] == ["up", "ipv4", "2", "2", "2", "2"]
    assert max(map(len, lines)) <= 100
    assert done.stderr.splitlines()[-1] == (
        "2 sessions: 2 established · 2 prefixes: 2 accepted · 3 devices as intended"
    )


def test_a_neighbor_that_is_shut_on_the_switch(status: Reader) -> None:
    within, far = "router bgp 65000", "neighbor 198.51.100.11"
    tor = status.fabric.switches["tor-a"]
    with configured(tor, [within, f"{far} shutdown"], [within, f"no {far} shutdown"]):
        row = status.wait_for_reason("node-1", "^shut down on the switch$")
        assert len(row["reasons"]) == 1
        assert row["switchEnd"]["state"] == "shut"
        assert row["nodeEnd"]["lastReset"] == "Cease/Administrative Shutdown"
        assert status.faults == {"session node-1", "tor-a"}  # bgpd has a line that no row says
        assert status.short == {"192.0.2.0": ["node-1"], "192.0.2.1": ["node-1"]}


def test_two_ends_that_do_not_agree(status: Reader) -> None:
    within, far = "router bgp 64512", "neighbor 198.51.100.1 remote-as"
    node = status.fabric.nodes["node-2"]
    with configured(node, [within, f"{far} 65009"], [within, f"{far} 65000"]):
        status.wait_for_reason("node-2", "^not Established: .* reset: OPEN .*/Bad Peer AS")
        assert status.faults == {"session node-2", "node-2"}
        assert status.device("node-2")["changes"] == 1


def test_a_row_that_bgpd_has_not_heard_of(status: Reader) -> None:
    within, line = "router bgp 65000", f"neighbor 198.51.100.12 peer-group {GROUP}"
    tor = status.fabric.switches["tor-a"]
    with configured(tor, [within, "no neighbor 198.51.100.12"], [within, line]):
        row = status.wait_for_reason("node-2", "^the switch has no neighbor")
        assert row["reasons"] == [
            "the switch has no neighbor 198.51.100.12, though its configuration has it"
        ]
        assert row["switchEnd"]["state"] == "absent"
        assert status.faults == {"session node-2", "tor-a"}
        assert status.device("tor-a")["bgpd"] == {"missing": [f"{within} / {line}"], "stale": []}
        assert status.device("tor-a")["changes"] == 0


def test_what_frrcfgd_did_not_do(status: Reader) -> None:
    """A row of which only CONFIG_DB knows, and that is not saved either."""
    tor = status.fabric.switches["tor-a"]
    name = f"default|{GROUP}|ipv4_unicast"
    before = tor.rows()["BGP_PEER_GROUP_AF"][name]
    with tor.fault("frrcfgd", "ignore"):
        tor.db.write("BGP_PEER_GROUP_AF", name, {**before, "max_prefix_limit": "32"})
        status.read()
        tor.db.write("BGP_PEER_GROUP_AF", name, before)
    device = status.device("tor-a")
    assert (status.faults, device["changes"]) == ({"tor-a"}, 1)
    said = [device["bgpd"][side][0].split(" maximum-prefix ")[1] for side in ("missing", "stale")]
    assert said == ["32 restart 5", "64 restart 5"]
    assert any(name in note for note in device["notes"])


def test_a_prefix_that_a_node_does_not_announce(status: Reader) -> None:
    node = status.fabric.nodes["node-2"]
    said = node.frr.running_config(daemon="bgpd").splitlines()
    (line,) = (one.strip() for one in said if "network 192.0.2.0/32" in one)
    within = ["router bgp 64512", "address-family ipv4 unicast"]
    with configured(node, [*within, "no network 192.0.2.0/32"], [*within, line]):
        row = status.wait_for_reason("node-2", "^announces 1 of 2 ipv4 prefixes, not 192.0.2.0/32$")
        assert row["established"]
        assert status.faults == {"session node-2", "node-2"}
        assert status.short == {"192.0.2.0": ["node-2"]}
        last = status.way("192.0.2.0").hops[-1]
        assert (last.what, last.ok) == ("FRR of node-2", False)
        assert status.way("192.0.2.1").whole
    assert status.way("192.0.2.0").hops[-1].what == "switch tor-a"


def test_prefixes_that_the_switch_refuses(status: Reader) -> None:
    """The statement of the inbound map is gone from bgpd, and its sessions stay up."""
    tor = status.fabric.switches["tor-a"]
    lines = tor.frr.running_config(daemon="bgpd").splitlines()
    start = "route-map FERRULE_ferrule_in_tor_64512_ipv4_ipv4 permit "
    (at,) = (n for n, line in enumerate(lines) if line.startswith(start))
    with configured(tor, [f"no {lines[at]}"], [lines[at], lines[at + 1].strip()]):
        row = status.wait_for_reason("node-1", "^accepted 0 of 2 ipv4 prefixes$")
        assert row["established"]
        status.wait_for_reason("node-2", "^accepted 0 of 2 ipv4 prefixes$")
        assert status.faults == {"session node-1", "session node-2", "tor-a"}
        assert status.device("tor-a")["bgpd"]["missing"][0] == lines[at]
        assert status.said["prefixes"]["accepted"] == 0


def test_a_node_that_does_not_answer(status: Reader) -> None:
    with status.fabric.nodes["node-2"].refusing():
        status.read()
    assert status.faults == {"session node-2", "node-2"}
    assert status.device("node-2")["failed"]["code"] == "connection-refused"
    row = status.session("node-2")
    assert row["reasons"] == ["the node could not be read"]
    assert (row["established"], row["prefixes"]["ipv4"]["accepted"]) == (True, 2)


def test_a_node_without_bgpd(status: Reader) -> None:
    status.fabric.nodes["node-2"].frr.stop("bgpd", hard=True)
    row = status.wait_for_reason("node-2", "^not Established: ")
    assert row["reasons"][0] == "the node could not be read"
    assert (row["nodeEnd"]["state"], row["established"]) == (None, False)
    assert status.device("node-2")["failed"]["code"] == "frr-not-running"
    done = status.fabric.ferrule("status", "--output", "json", *status.fabric.paths)
    said = json.loads(done.stdout)
    assert (done.returncode, said["kind"], said["ok"]) == (1, "Status", False)
    assert done.stderr.splitlines()[-1] == said["summary"]
    assert said["summary"].startswith("2 sessions: 1 established, 1 down · 2 prefixes: 2 accepted")
