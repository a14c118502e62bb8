"""One change of one switch, as the controller carries it out: as planned, or as before.

It is a rollout of one device, with all that belongs to one: the lock, the record, patch and read
back, bgpd, the save, the way back. Nodes are not waited for, they announce after us. A run's name
says that it is a controller's, so that the next one knows an open run of its like from that of an
operator, which is left alone.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ferrule.apply.hand import Run
from ferrule.apply.journal import Journal
from ferrule.apply.reach import Device
from ferrule.apply.rollout import Result, Rollout, Settings
from ferrule.apply.switch_hand import SwitchHand
from ferrule.compiler.backends import sonic
from ferrule.compiler.bgpstate import BgpState
from ferrule.compiler.network import Network
from ferrule.compiler.observed import Observed
from ferrule.compiler.plan import Plan
from ferrule.reconcile.switch_cost import Neighbor
from ferrule.reconcile.switch_guard import Guard

OURS = "-controller"


@dataclass(frozen=True, slots=True)
class Means:
    """What a run needs beside the switch: who we are, whether we may, and whom to tell."""

    identity: str
    leading: Callable[[], bool]
    stop: threading.Event
    tell: Callable[[str], None]
    settle_s: float = 150.0  # FRR tries to connect again after 120 s
    journal: Callable[[str], Journal] = lambda run: Journal(run, None)


def is_ours(run: str) -> bool:
    """Whether a run is a controller's, by its name."""
    return run.endswith(OURS)


def carry_out(
    device: Device,
    plan: Plan,
    network: Network,
    seen: Observed,
    may_end: Callable[[], frozenset[Neighbor]],
    means: Means,
) -> tuple[Result, Guard]:
    """Do it or put it back; without commands, close a run of ours that was cut."""
    (mine,) = plan.devices
    running = mine.running
    assert isinstance(running, sonic.Running)
    run = _new_run(means.identity)
    managed = any(one.name == mine.device and one.managed_globals for one in network.switches)
    hand = SwitchHand(device, running, mine.diff, means.journal(run.name), managed=managed)
    before = seen.state or BgpState()
    guard = Guard(hand, before, may_end, means.leading, means.stop, means.settle_s)
    rollout = Rollout(
        plan,
        replace(network, nodes=()),  # whose sessions nobody looks at from their side
        {device.key: guard},
        {device.key: seen},
        lambda _: {},
        means.tell,
        Settings(batch=1, settle_s=0),
        means.stop,
    )
    return rollout.run(run), guard


def _new_run(identity: str) -> Run:
    now = datetime.now(UTC)
    name = f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}{OURS}"
    return Run(name, f"controller {identity}", f"{now:%Y-%m-%dT%H:%M:%SZ}")
