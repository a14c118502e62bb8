"""Five nodes: one first, then two at a time, up to the first that fails; and what is written down.

What reached a device is read from the record.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from errno import ENOSPC
from io import StringIO
from pathlib import Path

import pytest
from fabric.chaos import World
from fabric.fabric import Fabric
from fabric.runs import ALLOWED, Runs, spec
from fabric.terminal import INTERRUPT, sitting

from ferrule.apply.rollout import Settings
from ferrule.commands import apply

pytestmark = pytest.mark.daemon

NODES = [f"node-{n}" for n in range(1, 6)]
BEFORE = """
Switch tor-a: {addresses: [198.51.100.1/24]}
BGPPeer tor: {peerAddress: 198.51.100.1, holdTime: 9s, connectTime: 1s}
IPAddressPool public: {addresses: [192.0.2.0/26]}
BGPAdvertisement all: {}
Service shop/web: {ip: 192.0.2.1}
""" + "".join(f"Node node-{n}: {{ips: [198.51.100.1{n}]}}\n" for n in range(1, 6))
AFTER = BEFORE + "Service shop/new: {ip: 192.0.2.2}\n"  # nodes alone
FORM = ["name", "done", "interrupted", "why", "statuses", "sessions", "stuck", "summary"]
LOADED = "-f /dev/stdin"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with Fabric(spec(tmp_path_factory.mktemp("five"), BEFORE), node="8", switch="10") as fabric:
        fabric.boot()
        fabric.wait_established()
        runs = Runs(fabric)
        runs.before, runs.after = runs.spec(BEFORE), runs.spec(AFTER)
        yield runs


@pytest.fixture
def runs(world: Runs) -> Iterator[Runs]:
    """As before, when a test begins and when it ends."""
    yield world
    if not world.is_at(world.before):
        done = world.apply(world.before)
        assert done.returncode == 0, done.stderr


def loads(record: Path) -> list[str]:
    """The devices that were given something to run, in the order in which they were done."""
    lines = [json.loads(one) for one in record.read_text().splitlines()]
    return [one["device"] for one in lines if LOADED in one["command"]]


def test_one_then_two_at_a_time(runs: Runs, tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    words = ("--batch", "2", "--record", str(record), "--output", "json")
    done = runs.apply(runs.after, *words)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["apiVersion"], said["kind"]) == ("ferrule.dev/v1alpha1", "Run")
    assert said["summary"] == done.stderr.splitlines()[-1]
    assert list(said)[2:] == FORM
    assert {one["node"] for one in said["sessions"]} == {*NODES}
    order = loads(record)
    assert order[0] == "node-1"
    assert [set(order[1:3]), set(order[3:5])] == [{"node-2", "node-3"}, {"node-4", "node-5"}]


def test_the_first_that_fails_ends_it(runs: Runs, tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    with runs.fabric.nodes["node-3"].fault("vtysh", "refuse", "^ *network"):
        done = runs.apply(runs.after, "--batch", "2", "--record", str(record))
    assert done.returncode == 1
    assert "node node-3: vtysh says" in done.stderr
    assert "everything is as it was" in done.stderr
    assert {*loads(record)} == {"node-1", "node-2", "node-3"}
    assert runs.is_at(runs.before)


def test_one_alone_that_fails_is_all_that_was_touched(runs: Runs, tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    with runs.fabric.nodes["node-1"].fault("vtysh", "refuse", "^ *network"):
        done = runs.apply(runs.after, "--record", str(record))
    assert done.returncode == 1
    assert {*loads(record)} == {"node-1"}
    assert runs.is_at(runs.before)


# What is written down.


def test_a_record_that_cannot_be_begun(runs: Runs, tmp_path: Path) -> None:
    done = runs.apply(runs.after, "--record", str(tmp_path / "none" / "record.jsonl"))
    assert done.returncode == 1
    assert "nothing was done: " in done.stderr
    assert "the record cannot be written: no such file or directory" in done.stderr
    assert runs.is_at(runs.before)


def test_a_disk_that_is_full_from_the_beginning(runs: Runs) -> None:
    done = runs.apply(runs.after, "--record", "/dev/full", "--output", "json")
    assert done.returncode == 1
    said = "/dev/full: the record cannot be written: no space left on device"
    assert json.loads(done.stdout)["why"] == said
    assert "everything is as it was" in done.stderr
    assert runs.is_at(runs.before)


class Filling(StringIO):
    """A file on a disk that is full once a device was changed."""

    name, is_full = "record.jsonl", False

    def write(self, text: str, /) -> int:
        self.is_full |= LOADED in text
        if self.is_full:
            raise OSError(ENOSPC, "No space left on device")
        return super().write(text)


def test_a_disk_that_is_full_in_the_middle(runs: Runs) -> None:
    world = World(runs.fabric)
    planned = world.planned([runs.after])
    doing = apply.Doing(Settings(), lambda _line: None, stream=Filling())
    with runs.fabric.inside():
        result = apply.carry_out(planned, apply.new_run(), doing)
    assert not result.done
    assert result.why == "record.jsonl: the record cannot be written: no space left on device"
    assert result.stuck == {}
    assert runs.is_at(runs.before)


# Between planning and doing.


@pytest.mark.parametrize("kind", ["node", "switch"])
def test_what_moves_between_planning_and_doing_ends_it(
    runs: Runs, tmp_path: Path, kind: str
) -> None:
    fabric, world = runs.fabric, World(runs.fabric)
    planned = world.planned([runs.spec(AFTER.replace("192.0.2.0/26", "192.0.2.0/25"))])
    switch = fabric.switches["tor-a"]
    (group,) = switch.rows()["BGP_PEER_GROUP"]
    was = switch.rows()["BGP_PEER_GROUP"][group]
    if kind == "node":
        fabric.nodes["node-4"].frr.load(
            "router bgp 64512\naddress-family ipv4 unicast\nno network 192.0.2.1/32\n"
        )
    else:
        switch.db.write("BGP_PEER_GROUP", group, {**was, "keepalive": "4"})
    record = tmp_path / "record.jsonl"
    with record.open("w") as stream, fabric.inside():
        doing = apply.Doing(Settings(), lambda _line: None, stream=stream)
        result = apply.carry_out(planned, apply.new_run(), doing)
    name = "node-4" if kind == "node" else "tor-a"
    assert result.why == f"{name}: what is ours on it has changed since it was planned for"
    assert "/dev/stdin" not in record.read_text()  # nothing was changed anywhere
    assert not any(runs.files(one, "run.json") for one in fabric.devices)


def test_what_would_be_compiled_moves(runs: Runs, tmp_path: Path) -> None:
    """A plan of one spec, and then the spec says something else."""
    file, folder = tmp_path / "plan.json", Path(runs.spec(AFTER))
    assert runs.plan(str(folder), "--out", str(file)).returncode == 0
    web = next(one for one in folder.iterdir() if '"new"' in one.read_text())
    web.write_text(web.read_text().replace("192.0.2.2", "192.0.2.3"))
    done = runs.apply("--plan", str(file))
    assert done.returncode == 1
    assert "moved since the plan was made: plan again" in done.stderr
    for name in NODES:
        assert f"node {name}" in done.stderr
    assert runs.is_at(runs.before)


# Whoever is asked.


def test_no_is_no(runs: Runs) -> None:
    with sitting(runs.fabric.workstation, "apply", runs.after, *ALLOWED) as terminal:
        terminal.wait_question()
        code, said = terminal.type("\n")
    assert (code, said.splitlines()[-1]) == (1, "nothing was done")
    assert runs.is_at(runs.before)


def test_interrupted_at_the_question(runs: Runs) -> None:
    words = ("apply", runs.after, *ALLOWED, "--output", "json")
    with sitting(runs.fabric.workstation, *words) as terminal:
        terminal.wait_question()
        code, said = terminal.type(INTERRUPT)
    assert (code, said.splitlines()[-1]) == (130, "nothing was done: interrupted")
    assert runs.is_at(runs.before)


# For programs.


def test_the_last_document_of_what_is_refused(runs: Runs) -> None:
    done = runs.fabric.ferrule("apply", runs.before.replace("spec-", "no-spec-"), "--output=json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["done"] is False
