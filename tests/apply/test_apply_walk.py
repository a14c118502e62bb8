"""Many changes in a row, each a spec at random: as planned each time, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pytest
from daemon.flavour import wait_for
from fabric.chaos import State, World
from fabric.fabric import Fabric
from fabric.walk import Change, Routes, heard, patient_bfd, steps, wanted

from ferrule.compiler.plan import Plan

pytestmark = pytest.mark.daemon

HEARD_S = 20.0
EITHER = pytest.mark.parametrize("world", ["8", "10"], indirect=True)


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """The example, running; nodes of the given FRR, switches of the other."""
    node = request.param
    with Fabric("fabric", node=node, switch="10" if node == "8" else "8") as fabric:
        fabric.boot()
        fabric.wait_established()
        yield World(fabric)


@pytest.mark.parametrize("world", ["10"], indirect=True)
def test_three_changes_in_a_row(world: World) -> None:
    walk(world, seed=3, count=3)


@pytest.mark.soak
@EITHER
@pytest.mark.parametrize("seed", [1, 2])
def test_twenty_changes_in_a_row(world: World, seed: int) -> None:
    walk(world, seed, count=20)


def walk(world: World, seed: int, count: int) -> None:
    """Go there step by step; whatever session the plan did not name is as it was."""
    start = world.spec(patient_bfd)
    _, result = world.apply(start)
    assert result.done, result
    before = world.state(start)
    for number, changes in enumerate(steps(seed, count), start=1):
        before = step(world, before, changes, f"step {number} of seed {seed}")


def step(world: World, before: State, changes: Sequence[Change], name: str) -> State:
    paths = world.spec(*changes)
    plan, result = world.apply(paths)
    assert result.done, (name, result)
    after = world.state(paths)
    assert not after.changes, name
    wait_heard(world, wanted(world.compiled(paths).compilation), name)
    assert lost(before, after, plan) == {}, name
    return after


def lost(before: State, after: State, plan: Plan) -> Mapping[tuple[str, str, str], int]:
    """How often each session was lost that was to stay."""
    planned = {(node, *neighbor) for node, neighbor in plan.resets}
    stayed = before.resets.keys() & after.resets.keys() - planned
    counts = {one: after.resets[one] - before.resets[one] for one in stayed}
    return {one: count for one, count in counts.items() if count}


def wait_heard(world: World, expected: Mapping[str, Routes], name: str) -> None:
    def all_is_heard() -> bool:
        return all(heard(world, one) == expected[one] for one in world.fabric.switches)

    wait_for(all_is_heard, HEARD_S, f"{name}: switches hear {dict(expected)}")
