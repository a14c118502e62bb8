"""Many changes in a row, each a spec at random: as planned each time, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from daemon.flavour import wait_for
from fabric.chaos import World
from fabric.fabric import Fabric
from fabric.walk import heard, patient_bfd, steps, wanted

pytestmark = pytest.mark.daemon

HEARD_S = 20.0


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Fabric("fabric", node="10", switch="8") as fabric:
        fabric.boot()
        fabric.wait_established()
        yield World(fabric)


def test_three_changes_in_a_row(world: World) -> None:
    walk(world, seed=3, count=3)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2])
def test_twenty_changes_in_a_row(world: World, seed: int) -> None:
    walk(world, seed, count=20)


def walk(world: World, seed: int, count: int) -> None:
    start = world.spec(patient_bfd)
    _, result = world.apply(start)
    assert result.done, result
    before = world.state(start).resets
    for changes in steps(seed, count):
        paths = world.spec(*changes)
        plan, result = world.apply(paths)
        assert result.done, result
        after = world.state(paths)
        assert not after.changes
        wait_heard(world, wanted(world.compiled(paths).compilation))
        planned = {(node, *neighbor) for node, neighbor in plan.resets}
        stayed = before.keys() & after.resets.keys() - planned
        assert {one: after.resets[one] for one in stayed} == {one: before[one] for one in stayed}
        before = after.resets


def wait_heard(world: World, expected: Mapping[str, set[str]]) -> None:
    def all_is_heard() -> bool:
        return all(heard(world, one) == expected[one] for one in world.fabric.switches)

    wait_for(all_is_heard, HEARD_S, f"switches hear {dict(expected)}")
