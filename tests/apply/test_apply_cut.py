"""A run that is interrupted, killed or cut off, or that waits to be confirmed: what is left."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from daemon.flavour import wait_for
from fabric.fabric import Fabric
from fabric.runs import BEFORE, Runs, run_of, spec

pytestmark = pytest.mark.daemon

CHANGING = r"round 1 of"
TIMER = "/run/ferrule/ferrule/confirm"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with Fabric(spec(tmp_path_factory.mktemp("cut")), node="8", switch="10") as fabric:
        fabric.boot()
        fabric.wait_established()
        yield Runs(fabric)


@pytest.fixture
def runs(world: Runs) -> Iterator[Runs]:
    """As before, when a test begins; and no session is lost in it."""
    if not world.is_at(world.before):
        done = world.apply(world.before)
        assert done.returncode == 0, done.stderr
    lost = world.resets()
    yield world
    assert world.resets() == lost


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.soak)]
)
def test_whoever_is_interrupted_puts_back(runs: Runs, number: signal.Signals) -> None:
    with (
        runs.fabric.switches["tor-a"].fault("config", "pause", 1),
        runs.running(runs.after, until=CHANGING) as process,
    ):
        process.send_signal(number)
        process.send_signal(number)  # in a hurry: nothing is left in between all the same
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "everything is as it was" in said
    assert runs.is_at(runs.before)
    assert not runs.files("tor-a", "run.json")


def test_what_was_killed_is_said_and_finished_by_the_next(runs: Runs) -> None:
    kill(runs)
    shown = runs.plan(runs.after)
    assert shown.returncode == 0
    assert "has been open here since" in shown.stdout
    done = runs.apply(runs.after)
    assert done.returncode == 0, done.stderr
    assert runs.is_at(runs.after)
    for device in runs.fabric.devices:
        assert not runs.files(device, "run.json")


def test_what_was_killed_is_put_back_by_its_name(runs: Runs) -> None:
    kill(runs)
    run = run_of(runs.plan(runs.before))
    done = runs.apply(runs.before, "--revert", run)
    assert done.returncode == 0, done.stderr
    assert runs.is_at(runs.before)
    again = runs.apply(runs.before, "--revert", run)
    assert again.returncode == 1
    assert f"no device has a record of run {run}" in again.stderr


def kill(runs: Runs, *words: str) -> None:
    """In the middle of a patch, which goes on."""
    with (
        runs.fabric.switches["tor-a"].fault("config", "pause", 1),
        runs.running(runs.after, *words, until=CHANGING) as process,
    ):
        process.kill()
        process.communicate()


def test_two_at_once(runs: Runs) -> None:
    with (
        runs.fabric.switches["tor-a"].fault("config", "pause", 1),
        runs.running(runs.after, until=CHANGING) as process,
    ):
        second = runs.apply(runs.after)
        _, said = process.communicate(timeout=60)
    assert second.returncode == 1
    assert f"another apply is at work here: run {run_of(said)} by " in second.stderr
    assert ", since 20" in second.stderr
    assert process.returncode == 0, said
    assert runs.is_at(runs.after)


def test_what_was_done_is_put_back_by_its_name_and_saved(runs: Runs) -> None:
    done = runs.apply(runs.after, "--output", "json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["kind"], said["done"], said["stuck"]) == ("Run", True, [])
    assert {one["after"] for one in said["sessions"]} == {"Established"}
    assert "192.0.2.65/32" in runs.routes()
    back = runs.apply(runs.before, "--revert", said["name"])
    assert back.returncode == 0, back.stderr
    assert runs.is_at(runs.before)
    assert "192.0.2.65" not in runs.fabric.nodes["node-1"].saved()
    switch = runs.fabric.switches["tor-a"]
    assert switch.saved_rows() == switch.rows()


def test_a_run_that_is_not_confirmed_goes_back(runs: Runs) -> None:
    done = runs.apply(runs.after, "--confirm", "10")
    assert done.returncode == 0, done.stderr
    assert runs.plan(runs.after, "--detailed-exitcode").returncode == 0
    assert "192.0.2.65" not in runs.fabric.nodes["node-1"].saved()
    another = runs.apply(runs.before)
    assert another.returncode == 1
    assert f"run {run_of(done)} waits here to be confirmed" in another.stderr
    runs.wait_at(runs.before)
    late = runs.apply(runs.after, "--confirm-now", run_of(done))
    assert late.returncode == 1, late.stderr


def test_a_run_that_is_confirmed_stays(runs: Runs) -> None:
    done = runs.apply(runs.after, "--confirm", "30")
    kept = runs.apply(runs.after, "--confirm-now", run_of(done))
    assert kept.returncode == 0, kept.stderr
    assert runs.is_at(runs.after)
    assert "192.0.2.65" in runs.fabric.nodes["node-1"].saved()
    assert not any(runs.files(device, "armed") for device in runs.fabric.devices)


def test_a_workstation_that_is_gone_cannot_confirm(runs: Runs) -> None:
    kill(runs, "--confirm", "10")
    assert runs.files("tor-a", "armed")
    runs.wait_at(runs.before)
    assert not any(runs.files(device, "armed") for device in runs.fabric.devices)


@pytest.mark.soak
def test_a_workstation_whose_link_is_cut_cannot_confirm(runs: Runs) -> None:
    """Nothing ends its connections: the devices take it for gone after half a minute of silence."""
    with ExitStack() as cut:
        cut.enter_context(runs.fabric.switches["tor-a"].fault("config", "pause", 1))
        process = cut.enter_context(runs.running(runs.after, "--confirm", "10", until=CHANGING))
        for device in runs.fabric.devices.values():
            cut.enter_context(device.unreachable())
        for device in runs.fabric.devices.values():
            fired = device.machine.path(f"{TIMER}/fired")
            wait_for(fired.exists, 90, f"{device.name} has put itself back")
            said = fired.read_text()
            assert said == "put back, for want of a confirmation\n", device.name
        process.kill()
    assert runs.is_at(runs.before)


@pytest.mark.parametrize("device", [pytest.param("node-1", marks=pytest.mark.soak), "tor-a"])
def test_somebody_elses_later_change_is_not_undone(runs: Runs, device: str) -> None:
    """Of one line, or of one field, that we had written."""
    done = runs.apply(runs.after, "--confirm", "10")
    assert done.returncode == 0, done.stderr
    machine = runs.fabric.devices[device].machine
    switch, node, name = runs.fabric.switches["tor-a"], runs.fabric.nodes["node-1"], ""
    if device == "node-1":
        node.frr.load("router bgp 64512\naddress-family ipv4 unicast\nno network 192.0.2.65/32\n")
    else:
        rows = switch.rows()["PREFIX"].items()
        (name,) = (n for n, of in rows if "192.0.2.64" in n and of["action"] == "permit")
        switch.db.write("PREFIX", name, {"action": "deny"})
    assert machine.path(f"{TIMER}/armed").exists()
    machine.wait_for_file(f"{TIMER}/fired")
    fired = machine.path(f"{TIMER}/fired")
    assert "has been changed since" in fired.read_text()
    if device == "node-1":
        assert "192.0.2.64/26" in node.frr.running_config()
    else:
        assert switch.rows()["PREFIX"][name] == {"action": "deny"}
    runs.apply(runs.before, "--revert", run_of(done))


def test_globals_that_are_managed_go_back_too(runs: Runs) -> None:
    """Fields of rows that everybody uses; those of others stay."""
    switch = runs.fabric.switches["tor-a"]
    width, limit = ("BGP_GLOBALS_AF", "default|ipv4_unicast"), ("BGP_GLOBALS", "default")
    others = {"log_nbr_state_changes": "true"}
    switch.db.write(*limit, {**switch.rows()[limit[0]][limit[1]], **others})
    switch.save()
    was = {one: switch.rows()[one[0]][one[1]] for one in (width, limit)}
    assert was[width]["max_ebgp_paths"] == "64"
    managed = "globals: managed, maximumPaths: 8}"
    wanted = runs.spec(BEFORE.replace("/24]}\nBGPPeer", f"/24], {managed}\nBGPPeer"))
    done = runs.apply(wanted, "--confirm", "10")
    assert done.returncode == 0, done.stderr
    assert switch.rows()[width[0]][width[1]]["max_ebgp_paths"] == "8"
    switch.machine.wait_for_file(f"{TIMER}/fired")
    fired = switch.machine.path(f"{TIMER}/fired")
    assert fired.read_text() == "put back, for want of a confirmation\n"
    assert {one: switch.rows()[one[0]][one[1]] for one in (width, limit)} == was
    switch.wait_settled()
    assert "maximum-paths 64" in switch.frr.running_config(daemon="bgpd")


def test_what_fails_leaves_no_timer(runs: Runs) -> None:
    with runs.fabric.nodes["node-1"].fault("vtysh", "refuse", "network"):
        done = runs.apply(runs.after, "--confirm", "10")
    assert done.returncode == 1
    assert "node-1: vtysh says" in done.stderr
    assert runs.is_at(runs.before)
    assert not any(runs.files(device, "armed") for device in runs.fabric.devices)
