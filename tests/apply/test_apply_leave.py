"""What apply asks leave for, refuses, takes over and tells: by the command line, on devices."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fabric.chaos import World
from fabric.fabric import Fabric
from fabric.runs import AFTER, BEFORE, Runs, run_of, spec

from ferrule.apply import switch_hand

pytestmark = pytest.mark.daemon

PASSWORD = "hunter2-and-a-half"  # noqa: S105  # nobody's
EXTERNAL = """
BGPPeer ext: {peerAddress: 198.51.100.250, peerASN: 64999, passwordSecret: {name: ext}}
Secret metallb-system/ext: {type: kubernetes.io/basic-auth, stringData: {password: %s}}
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with Fabric(spec(tmp_path_factory.mktemp("leave")), node="10", switch="8") as fabric:
        fabric.boot()
        fabric.wait_established()
        yield Runs(fabric)


@pytest.fixture
def runs(world: Runs) -> Runs:
    """As before, when a test begins."""
    if not world.is_at(world.before):
        done = world.apply(world.before)
        assert done.returncode == 0, done.stderr
    return world


def test_a_plan_is_carried_out_as_it_was_written_or_not_at_all(runs: Runs, tmp_path: Path) -> None:
    file = str(tmp_path / "plan.json")
    assert runs.plan(runs.after, "--out", file).returncode == 0
    node = runs.fabric.nodes["node-2"]
    node.frr.load("router bgp 64512\naddress-family ipv4 unicast\nno network 192.0.2.1/32\n")
    moved = runs.apply("--plan", file)
    assert moved.returncode == 1
    assert "node node-2 moved since the plan was made" in moved.stderr
    assert not runs.files("tor-a", "run.json")
    assert "192.0.2.65/32" not in runs.routes()
    assert runs.apply(runs.before).returncode == 0
    done = runs.apply("--plan", file)
    assert done.returncode == 0, done.stderr
    assert runs.is_at(runs.after)


def test_nobody_is_asked_where_nobody_sits(runs: Runs) -> None:
    done = runs.fabric.ferrule("apply", runs.after)
    assert done.returncode == 64, done.stderr
    assert "add --yes" in done.stderr
    assert runs.is_at(runs.before)


RELOAD = "/etc/sonic/reload.lock"


def test_a_switch_that_loads_its_configuration_is_left_to_it(runs: Runs) -> None:
    machine = runs.fabric.switches["tor-a"].machine
    held = machine.start(["flock", RELOAD, "sh", "-c", "touch /run/held; sleep 60"], "/run/log")
    machine.wait_for_file("/run/held")
    done = runs.apply(runs.after)
    machine.run("fuser", "-k", RELOAD)
    held.wait()
    assert done.returncode == 1
    assert f"tor-a: another program is at work here: it holds {RELOAD}" in done.stderr
    assert runs.is_at(runs.before)


def test_nor_does_a_switch_load_its_configuration_meanwhile(runs: Runs) -> None:
    switch = runs.fabric.switches["tor-a"]
    reload = ("flock", "-n", RELOAD, "true")
    with (
        switch.fault("config", "pause", 1),
        runs.running(runs.after, until="round 1 of") as process,
    ):
        assert switch.machine.run(*reload).returncode == 1
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert switch.machine.run(*reload).returncode == 0


def test_what_frrcfgd_says_is_told(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    switch = runs.fabric.switches["tor-a"]
    world = World(runs.fabric)
    monkeypatch.setattr(switch_hand, "FRRCFGD_S", 2.0)
    with switch.fault("frrcfgd", "refuse", "prefix-list"):
        _, result = world.apply([runs.after])
    assert not result.done
    assert "it has not ip prefix-list FERRULE_ferrule_more_ipv4_32 " in result.why
    assert "frrcfgd says: command execution failure. Command: " in result.why
    assert runs.is_at(runs.before)


def test_what_costs_needs_leave(runs: Runs) -> None:
    assert runs.apply(runs.after).returncode == 0
    refused = runs.fabric.ferrule("apply", runs.before, "--yes")
    assert refused.returncode == 1
    assert "add --allow withdrawal" in refused.stderr or "mass-withdrawal" in refused.stderr
    assert runs.is_at(runs.after)


def test_a_password_appears_nowhere(runs: Runs, tmp_path: Path) -> None:
    secret = runs.spec(BEFORE + EXTERNAL % PASSWORD)
    plan, record = str(tmp_path / "plan.json"), str(tmp_path / "record.jsonl")
    said = [runs.plan(secret, "--out", plan), runs.plan(secret, "--output", "json")]
    with runs.fabric.nodes["node-1"].fault("vtysh", "refuse", "password"):
        failed = runs.apply(secret, "--record", record)
    assert failed.returncode == 1
    done = runs.apply("--plan", plan, "--record", record, "--output", "json")
    assert done.returncode == 0, done.stderr
    assert PASSWORD in runs.fabric.nodes["node-1"].frr.running_config()
    back = runs.apply(runs.before, "--record", record)
    assert back.returncode == 0, back.stderr
    texts = [text for one in (*said, failed, done, back) for text in (one.stdout, one.stderr)]
    texts += [Path(plan).read_text(), Path(record).read_text()]
    assert not any(PASSWORD in one for one in texts)
    lines = [json.loads(one) for one in Path(record).read_text().splitlines()]
    assert {"run", "device", "command", "answer", "verdict", "seconds"} == set(lines[0])
    assert any("password ***" in one["command"] for one in lines)


def test_what_exists_is_refused_and_taken_over_by_name(runs: Runs) -> None:
    far = "198.51.100.250"
    peer = f"BGPPeer ext: {{peerAddress: {far}, peerASN: 64999}}\n"
    wanted = runs.spec(BEFORE + peer)
    node = runs.fabric.nodes["node-1"]
    node.frr.load(f"router bgp 64512\nneighbor {far} remote-as 64999\nneighbor {far} shutdown\n")
    refused = runs.apply(wanted)
    assert refused.returncode == 1
    assert "already-there" in refused.stdout
    assert "saved in /etc/frr/frr.conf" in refused.stdout  # that line of others is not
    lost = runs.resets()
    nothing = runs.apply(wanted, "--adopt", "198.51.100.99")
    assert nothing.returncode == 1
    done = runs.apply(wanted, "--adopt", far)
    assert done.returncode == 0, done.stderr
    assert runs.is_at(wanted)
    assert runs.resets() == lost
    back = runs.apply(wanted, "--revert", run_of(done))
    assert back.returncode == 0, back.stderr
    assert f"neighbor {far} shutdown" in node.frr.running_config()
    node.frr.load(f"router bgp 64512\nno neighbor {far}\n")
    assert runs.is_at(runs.before)


def test_a_switch_that_is_absent_has_nothing_of_ours(runs: Runs) -> None:
    text = BEFORE.replace(
        "{addresses: [198.51.100.1/24]}", "{addresses: [198.51.100.1/24], state: absent}"
    )
    switch = runs.fabric.switches["tor-a"]
    foreign = {
        "BGP_PEER_GROUP": {"default|UPLINKS": {"asn": "65100"}},
        "BGP_NEIGHBOR": {"default|203.0.113.9": {"peer_group_name": "UPLINKS"}},
        "PREFIX_SET": {"FERRULE_lab_public_ipv4_32": {"mode": "IPv4"}},  # another cluster's
    }
    for table, each in foreign.items():
        for name, fields in each.items():
            switch.db.write(table, name, fields)
    switch.wait_settled()
    done = runs.apply(runs.spec(text))
    assert done.returncode == 0, done.stderr
    said = done.stderr
    assert said.index("node node-1") < said.index("switch tor-a")
    rows = switch.rows()
    assert "FERRULE_ferrule_" not in json.dumps(rows)
    assert {table: rows[table] for table in foreign} == foreign
    assert "default" in rows["BGP_GLOBALS"]
    assert "neighbor 203.0.113.9 peer-group UPLINKS" in switch.frr.running_config(daemon="bgpd")
    assert "ferrule" not in runs.fabric.nodes["node-1"].frr.running_config()
    for table in ("BGP_NEIGHBOR", "BGP_PEER_GROUP", "PREFIX_SET"):
        for name in foreign[table]:
            switch.db.write(table, name, None)


def test_addresses_that_nothing_forwards_to_are_warned_of(runs: Runs) -> None:
    done = runs.apply(runs.spec(AFTER))
    assert "warning: not in the status of the Service" in done.stderr
