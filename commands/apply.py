"""`ferrule apply`: the plan, a question, and the rollout; later `--confirm-now` and `--revert`."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TextIO

from ferrule.apply.hand import Failed, Hand, Run
from ferrule.apply.journal import Journal
from ferrule.apply.node_hand import NodeHand
from ferrule.apply.reach import Device, reach
from ferrule.apply.rollout import Result, Rollout, Settings, said
from ferrule.apply.survey import PARALLEL, survey
from ferrule.apply.switch_hand import SwitchHand
from ferrule.apply.target import Trouble
from ferrule.commands.inputs import Compiled
from ferrule.commands.plan import Survey, look
from ferrule.compiler.backends import frr, sonic
from ferrule.compiler.backends.base import Diff
from ferrule.compiler.compare import intentions
from ferrule.compiler.errors import listed, printable
from ferrule.compiler.network import Network
from ferrule.compiler.observed import Key, Observed
from ferrule.compiler.plan import DevicePlan, Impact, Plan
from ferrule.compiler.planning import make_plan
from ferrule.compiler.views import missing

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan against what devices run, and the way to these devices."""

    compiled: Compiled
    survey: Survey
    plan: Plan

    @property
    def network(self) -> Network:
        """What is intended."""
        return self.compiled.compilation.network


def planned(
    compiled: Compiled,
    *,
    local: Collection[str],
    parallel: int,
    adopt: Collection[str] = (),
    patience: int | None = None,
) -> Planned:
    """Look at every device, and plan."""
    seen = look(compiled, local=local, parallel=parallel, patience=patience)
    plan = make_plan(
        compiled.compilation,
        seen.found,
        unread=compiled.missing,
        doubts=seen.doubts,
        adopt=adopt,
        intended=seen.intended,
    )
    return Planned(compiled, seen, plan)


def refusals(planned: Planned, allowed: Iterable[str]) -> Iterator[str]:
    """Why a plan is not carried out: something was not read, or needs leave that was not given."""
    plan = planned.plan
    if planned.compiled.missing:
        yield missing(planned.compiled.missing)
    for (kind, _), why in plan.failed:
        yield f"{kind} not planned: {why.message}"
    for device in plan.devices:
        if not device.ok:
            yield f"{device.kind} {device.device} is refused: see above"
    given = set(allowed)
    for impact in plan.needing_leave():
        if impact.word not in given and not (
            impact is Impact.WITHDRAWAL and Impact.MASS.word in given
        ):
            yield f"the plan has an impact that needs leave: add --allow {impact.word}"


def unmet(planned: Planned, adopt: Collection[str]) -> Iterator[str]:
    """What was to be taken over, where nothing is in the way under such a name."""
    if adopt and not any(one.diff.adopted for one in planned.plan.devices):
        names = printable(listed(adopt))
        yield f"nothing is taken over: nothing under the name of {names} is in the way"


def new_run() -> Run:
    """A name for a run that sorts by time, and who started it."""
    now = datetime.now(UTC)
    by = f"{getpass.getuser()}@{socket.gethostname()} (pid {os.getpid()})"
    name = f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
    return Run(name, by, f"{now:%Y-%m-%dT%H:%M:%SZ}")


@dataclass(frozen=True, slots=True)
class Doing:
    """How a plan is carried out: where it is written down, and whom to tell."""

    settings: Settings
    tell: Tell
    stream: TextIO | None = None
    parallel: int = PARALLEL
    patience: int | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    journal: Callable[[str, TextIO | None, Collection[str]], Journal] = Journal
    stop: threading.Event = field(default_factory=threading.Event)


def unfinished(planned: Planned) -> dict[Key, str]:
    """The devices on which an earlier run is open, and that run."""
    found = planned.survey.found
    return {
        key: one.open_run
        for key, one in found.items()
        if isinstance(one, Observed) and one.open_run
    }


def carry_out(planned: Planned, run: Run, doing: Doing) -> Result:
    """The rollout of a plan; what an earlier run left open is closed with it."""
    devices = {one.key: one for one in planned.survey.devices}
    concerned = unfinished(planned).keys()
    plans = {
        key: one
        for one in planned.plan.devices
        if one.diff.commands or (one.kind, one.device) in concerned
        for key in [(one.kind, one.device)]
    }
    before = {key: one for key, one in planned.survey.found.items() if isinstance(one, Observed)}
    managed = _managed(planned.network)

    def look_again(keys: Iterable[Key]) -> Mapping[Key, Observed]:
        return _observed([devices[key] for key in keys if key in devices], doing.parallel)

    journal = doing.journal(run.name, doing.stream, doing.secrets)
    rollout = Rollout(
        planned.plan,
        planned.network,
        {key: _hand(devices[key], one, journal, managed) for key, one in plans.items()},
        before,
        look_again,
        doing.tell,
        doing.settings,
        doing.stop,
    )
    return rollout.run(run)


def _managed(network: Network) -> frozenset[str]:
    """The switches whose globals are ours too."""
    return frozenset(one.name for one in network.switches if one.managed_globals)


def _hand(device: Device, plan: DevicePlan, journal: Journal, managed: Collection[str]) -> Hand:
    running = plan.running
    if isinstance(running, frr.Running):
        return NodeHand(device, running, plan.diff, journal)
    assert isinstance(running, sonic.Running)
    return SwitchHand(device, running, plan.diff, journal, managed=plan.device in managed)


def _resuming(device: Device, journal: Journal, managed: Collection[str]) -> NodeHand | SwitchHand:
    """A hand for a device of which nothing was planned."""
    if device.key[0] == "node":
        return NodeHand(device, frr.parse("", ""), Diff(), journal)
    name = device.key[1]
    return SwitchHand(device, sonic.parse({}, ""), Diff(), journal, managed=name in managed)


def _observed(devices: Sequence[Device], parallel: int) -> Mapping[Key, Observed]:
    """Read some devices; the first that cannot be read is the problem of all."""
    seen: dict[Key, Observed] = {}
    for key, one in survey(devices, parallel=parallel).items():
        if isinstance(one, Trouble):
            raise one
        seen[key] = one
    return seen


def passwords(network: Network) -> tuple[str, ...]:
    """Every password that the network knows, to be masked."""
    known = (one.node_end.password for one in network.sessions)
    return tuple(sorted({one.value for one in known if one and one.value}))


# Runs that were made before.


def revert(compiled: Compiled, name: str, doing: Doing, *, local: Collection[str]) -> Result:
    """Put back what an earlier run changed, on every device that has a record of it."""
    with _resumed(compiled, name, doing, local) as (result, hands):
        for hand in hands:
            with _noting(hand.key, result):
                hand.undo()
                doing.tell(f"  {' '.join(hand.key)}: as before run {name}")
    return result


def confirm(compiled: Compiled, name: str, doing: Doing, *, local: Collection[str]) -> Result:
    """Keep what a run with a confirm has changed, before its devices put themselves back.

    All of them or none: where one has gone back, the others are left to do so.
    """
    with _resumed(compiled, name, doing, local) as (result, hands):
        for hand in hands:
            with _noting(hand.key, result):
                if not hand.is_armed(name):
                    raise Failed(hand.key, f"it is not waiting to be confirmed: {hand.fate()}")
        for hand in hands if not result.stuck else ():
            with _noting(hand.key, result):
                hand.disarm()
                hand.keep()
                doing.tell(f"  {' '.join(hand.key)}: kept")
    return result


AnyHand = NodeHand | SwitchHand


@contextmanager
def _resumed(
    compiled: Compiled, name: str, doing: Doing, local: Collection[str]
) -> Iterator[tuple[Result, list[AnyHand]]]:
    """The hands of all devices that have a record of a run, nodes first; and what comes of it."""
    result, run = Result(), new_run()
    network = compiled.compilation.network
    ways = reach(
        compiled.compilation,
        local=local,
        intended=intentions(network),
        patience_s=doing.patience or 0,
    )
    journal = doing.journal(run.name, doing.stream, doing.secrets)
    hands = [_resuming(one, journal, _managed(network)) for one in ways.devices]
    met: list[AnyHand] = []

    def take(hand: AnyHand) -> None:
        with _noting(hand.key, result):
            if hand.resume(name, run):
                met.append(hand)

    try:
        with ThreadPoolExecutor(max_workers=doing.parallel) as pool:
            for one in [pool.submit(take, hand) for hand in hands]:
                one.result()
        yield result, [one for one in hands if one in met]
    finally:
        for hand in hands:
            with suppress(Trouble):
                hand.close()
    result.done = bool(met) and not result.stuck
    result.why = "" if met or result.stuck else f"no device has a record of run {name}"


@contextmanager
def _noting(key: Key, result: Result) -> Iterator[None]:
    """What a device does not do is said in the end; the others go on."""
    try:
        yield
    except (Trouble, Failed) as bad:
        by_hand = bad.by_hand if isinstance(bad, Failed) else ()
        result.stuck[key] = (said(bad), by_hand)
