"""A rollout ends as planned or as before, whatever goes wrong at whichever step, and no session is
reset that the plan did not name."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count

import pytest
from daemon.flavour import wait_for
from fabric.chaos import (
    Trap,
    World,
    another_peer,
    another_pool,
    is_anything,
    is_load,
    is_save,
    one_service_less,
    one_service_more,
)
from fabric.fabric import Fabric
from fabric.faults import (
    ANYWHERE,
    AT_LOADS,
    AT_THE_SAVE,
    BEFORE,
    GROUP,
    NODE,
    PLANNED,
    SWITCH,
    Bring,
    Fault,
    silent,
    somebody_removes,
    somebody_takes,
)

from ferrule.apply import device_hand
from ferrule.apply.claim import DIRECTORY, LOCK_FILE, SILENCE_S
from ferrule.apply.target import READ_S

pytestmark = pytest.mark.daemon

HITLESS = (one_service_more, one_service_less, another_pool)
HARD = (*HITLESS, another_peer)
SAVE = 0
SLOWER_S = READ_S + 1
ONE = pytest.mark.parametrize("world", ["8"], indirect=True)  # where FRR's version is all the same

EVERY = [
    *(pytest.param(one, load, id=f"{one}-{load}") for load in (1, 2) for one in AT_LOADS),
    *(pytest.param(one, SAVE, id=f"{one}-save") for one in AT_THE_SAVE),
]
LONG = re.compile("slow|nothing-gets|looks-away|frr-refuses")  # half a minute and more
QUICK = [one for one in EVERY if not LONG.search(str(one.id))]
SOME = random.Random(44).sample(QUICK, 3)  # noqa: S311  # which, is all the same


@pytest.fixture(scope="module", params=["8", "10"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """The example, running; nodes of each FRR, switches of the other."""
    node = request.param
    with Fabric("fabric", node=node, switch="10" if node == "8" else "8") as fabric:
        fabric.boot()
        fabric.wait_established()
        yield World(fabric)


@pytest.fixture(autouse=True)
def _at_the_beginning(world: World) -> None:
    """Whatever the test before has left."""
    before = world.spec()
    if world.state(before).changes:
        assert world.apply(before)[1].done


def test_as_planned_there_and_back(world: World) -> None:
    before, after = world.spec(), world.spec(*HARD)
    for paths in (after, before):
        plan, result = world.apply(paths)
        assert result.done, result.why
        assert not world.planned(paths).plan.changes
        assert {one.fault for one in result.table if one.must} == {""}
        resets = {one for one in plan.resets if one[0] != "node-3"}
        assert resets  # of the peer that has another name


def test_what_is_not_to_reset_does_not(world: World) -> None:
    before, after = world.spec(), world.spec(*HITLESS)
    was = world.state(before).resets
    for paths in (after, before):
        plan, result = world.apply(paths)
        assert result.done, result.why
        assert plan.resets == frozenset()
    assert world.state(before).resets == was


@ONE
@pytest.mark.parametrize(("fault", "load"), SOME)
def test_a_fault_ends_well(world: World, fault: Fault, load: int) -> None:
    at_one_step(world, fault, load)


@pytest.mark.soak
@pytest.mark.parametrize(("fault", "load"), EVERY)
def test_every_fault_ends_well(world: World, fault: Fault, load: int) -> None:
    at_one_step(world, fault, load)


def at_one_step(world: World, fault: Fault, load: int) -> None:
    trap = fault.trap(world, load, is_load) if load else fault.trap(world, 1, is_save)
    done = ends_well(world, trap, costs=fault.costs)
    assert trap.fell
    if fault.ends in (BEFORE, PLANNED):
        assert done == (fault.ends == PLANNED)


def ends_well(world: World, trap: Trap, *, costs: bool) -> bool:
    """Whether all is as planned; else all is as it was, and neither way is a session lost."""
    before, after = world.spec(), world.spec(*HITLESS)
    was = world.state(before)
    _, result = world.apply(after, trap)
    assert result.stuck == {}, result
    now = world.state(after if result.done else before)
    assert not now.changes, result
    if not result.done:
        assert now.owned == was.owned, result
    assert now.up == was.up, result
    if not costs:
        assert now.resets == was.resets, result
    return result.done


@pytest.mark.soak
@pytest.mark.parametrize("fault", ANYWHERE, ids=str)
def test_a_fault_ends_well_at_whichever_command(world: World, fault: Fault) -> None:
    for number in count(1):
        wait_unlocked(world, fault.device)
        trap = fault.trap(world, number, is_anything)
        done = ends_well(world, trap, costs=fault.costs)
        if done:
            assert world.apply(world.spec())[1].done
        if not trap.fell:
            assert done
            assert number > 10
            return


def wait_unlocked(world: World, device: str) -> None:
    """A run that lost a device before it had begun leaves its lock there, until that ends."""
    machine = world.fabric.devices[device].machine
    machine.do("mkdir", "-p", DIRECTORY)
    free = ("flock", "-n", LOCK_FILE, "true")
    wait_for(lambda: machine.run(*free).returncode == 0, 2 * SILENCE_S, f"{device} is free")


@pytest.mark.soak
@ONE
@pytest.mark.parametrize("patience_s", [0, 2 * SLOWER_S])
def test_what_is_slow_all_the_time_needs_patience(world: World, patience_s: float) -> None:
    before, after = world.spec(), world.spec(*HITLESS)
    was, planned = world.state(before), world.planned(after)
    devices = tuple(replace(one, patience_s=patience_s) for one in planned.survey.devices)
    patient = replace(planned, survey=replace(planned.survey, devices=devices))
    with world.fabric.nodes[NODE].slow(SLOWER_S):
        _, result = world.carry_out(patient)
    assert result.done == bool(patience_s), result
    now = world.state(after if result.done else before)
    assert not now.changes
    assert now.resets == was.resets
    assert result.done or now == was


@ONE
def test_a_writer_beside_us_is_no_failure(world: World) -> None:
    (fault,) = (one for one in AT_LOADS if str(one) == f"{SWITCH}-somebody-else-writes")
    at_one_step(world, fault, 1)
    table, name = GROUP
    assert world.fabric.switches[SWITCH].rows()[table][name] == {"asn": "65099"}


@ONE
@pytest.mark.parametrize(
    ("device", "tamper"),
    [(("node", NODE), somebody_takes), (("switch", SWITCH), somebody_removes)],
    ids=[NODE, SWITCH],
)
def test_what_moved_since_it_was_planned_is_left_alone(
    world: World, device: tuple[str, str], tamper: Bring
) -> None:
    before = world.spec()
    planned = world.planned(world.spec(*HITLESS))
    with tamper(world):
        moved = world.state(before)
    _, result = world.carry_out(planned)
    assert not result.done
    assert f"{device[1]}: what is ours on it has changed since it was planned for" in result.why
    assert world.state(before) == moved


@ONE
@pytest.mark.parametrize("device", [NODE])
def test_what_does_not_come_back_is_said_and_put_back_by_name(
    world: World, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_hand, "BACK_S", 1.0)
    before, after = world.spec(), world.spec(*HITLESS)
    was = world.state(before)
    with ExitStack() as gone:

        @contextmanager
        def for_good() -> Iterator[None]:
            gone.enter_context(silent(device)(world))
            yield

        _, result = world.apply(after, Trap(device, for_good))
        assert not result.done
        assert result.stuck.keys() == {("node", device)}, result
    assert world.revert(before, world.last).done
    assert world.state(before) == was
