"""A controller killed at any moment leaves nothing that the next one does not put right."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Iterator

import pytest
from fabric.fabric import Fabric
from fabric.keeper import TOR, compilation, keeping
from fabric.runs import BEFORE, spec

from ferrule.compiler.backends import sonic
from ferrule.compiler.pipeline import Compilation

pytestmark = [pytest.mark.daemon, pytest.mark.soak]

THIRD = BEFORE + "IPAddressPool third: {addresses: [203.0.113.0/26]}\n"
ROUNDS = 50
SOONEST_S, LATEST_S = 0.6, 2.5


@pytest.fixture
def fabric(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fabric]:
    with Fabric(spec(tmp_path_factory.mktemp("soak")), node="10", switch="10") as fabric:
        fabric.boot()
        fabric.wait_established()
        yield fabric


def reign(fabric: Fabric, made: Compilation) -> None:
    """A controller in a process of its own, until it is killed."""
    with keeping(fabric) as kept:
        kept.keeper.intend(made)
        time.sleep(60)


def dropped(fabric: Fabric) -> dict[str, int]:
    shown = fabric.switches[TOR].frr.show_json("show bgp neighbors")
    return {name: one["connectionsDropped"] for name, one in shown.items() if "." in name}


def test_a_controller_killed_at_any_moment(fabric: Fabric) -> None:
    chance, tor = random.Random(7), fabric.switches[TOR]  # noqa: S311
    lost, cut = dropped(fabric), 0
    for number in range(ROUNDS):
        made = compilation(fabric, BEFORE if number % 2 else THIRD)
        victim = multiprocessing.get_context("fork").Process(target=reign, args=(fabric, made))
        victim.start()
        time.sleep(chance.uniform(SOONEST_S, LATEST_S))
        victim.kill()
        victim.join()
        cut += bool([*tor.machine.path("/run/ferrule").rglob("run.json")])
        with keeping(fabric, identity="two") as kept:
            kept.keeper.intend(made)
            assert kept.wait_settled().drift is None
        rows = sonic.parse(tor.rows(), "ferrule")
        wanted = made.network.switches[0].groups[0].accepts[0].sets
        assert {name for table, name in rows.ours if table == "PREFIX_SET"} == {
            f"FERRULE_ferrule_{one.pool}_ipv4_32" for one in wanted
        }
        assert not [*tor.machine.path("/run/ferrule").rglob("run.json")]
        assert tor.saved_rows() == tor.rows()
        assert dropped(fabric) == lost
    print(f"{ROUNDS} controllers killed, {cut} in the middle of a change")  # noqa: T201
    assert cut > ROUNDS // 5
