"""A rollout ends as planned or as before, whatever goes wrong at whichever step, and no session is
reset that the plan did not name."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest
from fabric.chaos import (
    SAVE,
    Trap,
    World,
    another_peer,
    another_pool,
    one_service_less,
    one_service_more,
)
from fabric.fabric import Fabric

from ferrule.apply import device_hand

pytestmark = pytest.mark.daemon

FaultOf = Callable[[World], AbstractContextManager[object]]
HITLESS = (one_service_more, one_service_less, another_pool)
CUT_S = 0.05
HARD = (*HITLESS, another_peer)
FOREIGN = (
    '{"after": 1, "table": "BGP_PEER_GROUP", "name": "default|OTHERS", "fields": {"asn": "65099"}}'
)


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


def vtysh(fault: str, value: object = "") -> FaultOf:
    return lambda world: world.fabric.nodes["node-1"].fault("vtysh", fault, value)


def config(fault: str, value: object = "") -> FaultOf:
    return lambda world: world.fabric.switches["tor-a"].fault("config", fault, value)


def frrcfgd(fault: str, value: object = "") -> FaultOf:
    return lambda world: world.fabric.switches["tor-a"].fault("frrcfgd", fault, value)


def cut(device: str) -> FaultOf:
    """The connection ends while the device is at work."""

    @contextmanager
    def soon(world: World) -> Iterator[None]:
        timer = threading.Timer(CUT_S, world.fabric.devices[device].cut)
        timer.start()
        try:
            yield
        finally:
            timer.join()

    return soon


def restarted(device: str) -> FaultOf:
    """bgpd comes back with what is saved, while it is given something else."""

    @contextmanager
    def at_once(world: World) -> Iterator[None]:
        world.fabric.devices[device].restart_bgpd()
        yield

    return at_once


def silent(device: str) -> FaultOf:
    """Nothing that is sent arrives, until it is too late."""
    return lambda world: world.fabric.devices[device].unreachable()


def full(world: World) -> AbstractContextManager[object]:
    """FRR takes away its backup before it writes: the room of that is enough for a small file."""
    node = world.fabric.nodes["node-1"]
    node.machine.path("/etc/frr/frr.conf.sav").unlink(missing_ok=True)
    return node.full_disk()


FAULTS = {
    ("node-1", "vtysh-dies"): vtysh("die", 2),
    ("node-1", "bgpd-refuses-a-line"): vtysh("refuse", r"network\|prefix-list"),
    ("node-1", "the-connection-is-cut"): cut("node-1"),
    ("tor-a", "the-tool-dies"): config("die", 2),
    ("tor-a", "frr-refuses-a-line"): frrcfgd("refuse", "prefix-list"),
    ("tor-a", "frrcfgd-looks-away"): frrcfgd("ignore"),
    ("tor-a", "the-connection-is-cut"): cut("tor-a"),
}
SAVING = {
    ("node-1", "the-disk-is-full"): full,
    ("node-1", "the-connection-is-cut"): cut("node-1"),
    ("tor-a", "the-disk-is-full"): config("full"),
    ("tor-a", "the-connection-is-cut"): cut("tor-a"),
}
EVERY = [
    *((*fault, load) for fault in FAULTS for load in (1, 2)),
    *((*fault, SAVE) for fault in SAVING),
]
SOME = random.Random(11).sample(EVERY, 3)  # noqa: S311  # which, is all the same


@pytest.mark.parametrize(("device", "fault", "load"), SOME)
def test_a_fault_ends_as_before(world: World, device: str, fault: str, load: int) -> None:
    as_before(world, device, fault, load)


@pytest.mark.soak
@pytest.mark.parametrize(("device", "fault", "load"), EVERY)
def test_every_fault_ends_as_before(world: World, device: str, fault: str, load: int) -> None:
    as_before(world, device, fault, load)


def as_before(world: World, device: str, fault: str, load: int) -> None:
    """Everything is as it was, and nothing is left to do."""
    before, after = world.spec(), world.spec(*HITLESS)
    was = world.state(before)
    faults = FAULTS if load else SAVING
    trap = Trap(device, load, lambda: faults[device, fault](world))
    _, result = world.apply(after, trap)
    assert trap.fell, result
    assert not result.done
    assert result.stuck == {}, result
    now = world.state(before)
    assert now == was
    assert not now.changes


def test_a_writer_beside_us_is_no_failure(world: World) -> None:
    before, after = world.spec(), world.spec(*HITLESS)
    trap = Trap("tor-a", 1, lambda: config("foreign", FOREIGN)(world))
    _, result = world.apply(after, trap)
    assert trap.fell, result
    assert result.done, result.why
    rows = world.fabric.switches["tor-a"].rows()
    assert rows["BGP_PEER_GROUP"]["default|OTHERS"] == {"asn": "65099"}
    assert world.apply(before)[1].done


@pytest.mark.soak
@pytest.mark.parametrize("device", ["node-1", "tor-a"])
def test_what_falls_silent_is_put_back_when_it_answers_again(world: World, device: str) -> None:
    before, after = world.spec(), world.spec(*HITLESS)
    was = world.state(before)
    trap = Trap(device, 1, lambda: silent(device)(world))
    _, result = world.apply(after, trap)
    assert trap.fell, result
    assert not result.done
    assert result.stuck == {}, result
    assert world.state(before) == was


@pytest.mark.parametrize("device", ["node-1"])
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

        _, result = world.apply(after, Trap(device, 1, for_good))
        assert not result.done
        assert result.stuck.keys() == {("node", device)}, result
    assert world.revert(before, world.last).done
    assert world.state(before) == was


@pytest.mark.soak
@pytest.mark.parametrize("device", ["node-1", "node-2"])
def test_bgpd_that_starts_again_has_lost_its_sessions_and_nothing_else(
    world: World, device: str
) -> None:
    before, after = world.spec(), world.spec(*HITLESS)
    was = world.state(before)
    trap = Trap(device, 1, lambda: restarted(device)(world))
    _, result = world.apply(after, trap)
    assert trap.fell, result
    now = world.state(after if result.done else before)
    assert not now.changes
    if not result.done:
        assert now.owned == was.owned
    assert world.apply(before)[1].done
