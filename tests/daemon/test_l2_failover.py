"""An owner goes, in every way there is, and a client that asks every 5 ms counts what it lost.

The times asserted are for a machine that runs other tests too; `benchmarks/layer2.py` measures.
"""

import signal
from collections.abc import Callable

import pytest

from daemon.flavour import wait_for
from daemon.l2 import ip
from daemon.l2_world import SIXES, VIPS, Agent, World, world

Deed = Callable[[World, Agent], object]
DEEDS: dict[str, Deed] = {
    "leave": lambda _, one: one.say(kind="leave"),
    "end of stdin": lambda _, one: one.process.stdin and one.process.stdin.close(),
    "SIGTERM": lambda _, one: one.send(signal.SIGTERM),
    "kill -9": lambda _, one: one.send(signal.SIGKILL),
    "SIGSTOP": lambda _, one: one.send(signal.SIGSTOP),
    "link down": lambda _, one: ip(one.namespace, "link", "set", "eth0", "down"),
    "black hole": lambda w, one: w.pass_frames(w.ports[one.name], so=False),
}
GRACEFUL = ("leave", "end of stdin", "SIGTERM")
UNNOTICED = (*GRACEFUL, "kill -9", "SIGSTOP")  # the node itself lives on
WITHIN_MS = 1500


@pytest.mark.parametrize(
    ("size", "how", "vip"),
    [
        *((3, how, VIPS[0]) for how in DEEDS),
        (5, "black hole", VIPS[1]),
        (3, "black hole", SIXES[0]),
    ],
)
def test_another_node_follows(size: int, how: str, vip: str) -> None:
    with world(size, serving=True) as one:
        one.start_together()
        owner = one.owner(vip)
        wait_for(lambda: one.known(vip) == owner.mac, 10, "the client resolves the address")
        assert one.curl(vip) == owner.name
        with one.measured(vip) as end:
            DEEDS[how](one, owner)
            wait_for(lambda: one.known(vip) not in ("", owner.mac), 10, "the client is moved")
            new = next(a for a in one.agents.values() if a.mac == one.known(vip))
            wait_for(lambda: vip in new.owned(), 10, "its owner says so")
            assert one.curl(vip) == new.name
            seen = end()
        assert seen.order in ([owner.name, new.name], [new.name])
        if how in UNNOTICED:
            assert seen.lost == 0
        assert seen.outage_ms < WITHIN_MS
        took = [said for said in new.happened("took") if said["from"] == owner.name]
        assert any(vip in said["addresses"] for said in took)  # type: ignore[operator]
        if how in GRACEFUL:
            assert owner.process.wait(5) == 0


@pytest.mark.soak
@pytest.mark.parametrize("how", DEEDS)
@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("_round", range(10))
def test_another_node_follows_again_and_again(size: int, how: str, _round: int) -> None:
    test_another_node_follows(size, how, VIPS[_round % len(VIPS)])
