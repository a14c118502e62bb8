"""`ferrule apply`: the plan, a question, and the rollout; later `--confirm-now` and `--revert`."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from ferrule.apply.hand import Failed, Hand, Run
from ferrule.apply.journal import Journal
from ferrule.apply.node_hand import NodeHand
from ferrule.apply.reach import Device, reach
from ferrule.apply.rollout import Result, Rollout, Settings, said
from ferrule.apply.survey import PARALLEL, survey
from ferrule.apply.switch_hand import SwitchHand
from ferrule.apply.target import Trouble
from ferrule.commands.inputs import Compiled, Wanted
from ferrule.commands.plan import Survey, look
from ferrule.compiler.backends import frr, sonic
from ferrule.compiler.compare import intentions
from ferrule.compiler.errors import printable
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
    compiled: Compiled, *, local: Collection[str], parallel: int, adopt: Collection[str] = ()
) -> Planned:
    """Look at every device, and plan."""
    seen = look(compiled, local=local, parallel=parallel)
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


def unwritten(planned: Planned) -> tuple[str, ...]:
    """Services whose address is not in their status: nothing forwards to it yet."""
    held = {one.key: set(one.held) for one in planned.compiled.compilation.inputs.services}
    return tuple(
        one.key
        for one in planned.network.services
        if one.addresses and set(one.addresses) != held.get(one.key, set())
    )


def write_statuses(planned: Planned, wanted: Wanted, tell: Tell) -> None:
    """Give addresses their data plane first, as the controller would; raises `Trouble`.

    Only of Services that were read from the cluster. One that does not go ends it there: whatever
    was written is what a controller would have written, and the next plan starts from it.
    """
    from ferrule.apply.cluster import write_status
    from ferrule.observe.cluster_api import connect
    from ferrule.observe.cluster_config import ClusterError
    from ferrule.observe.cluster_lease import holder

    demands = {one.key: one for one in planned.compiled.compilation.inputs.services}
    waiting = set(unwritten(planned))
    try:
        api = connect(wanted.kubeconfig, wanted.context)
        leader = holder(api, planned.network.cluster)
    except ClusterError as bad:
        raise Trouble(bad.diagnostic.code, "the cluster", bad.diagnostic.message) from None
    for service in planned.network.services:
        if service.key in waiting:
            demand = demands[service.key]
            write_status(api, demand, service.addresses, service.pool or "", holder=leader)
            tell(f"  {printable(service.key)}: status written")


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
    record: str | None = None
    parallel: int = PARALLEL
    secrets: tuple[str, ...] = field(default=(), repr=False)
    journal: Callable[[str, TextIO | None, Collection[str]], Journal] = Journal


def carry_out(planned: Planned, run: Run, doing: Doing) -> Result:
    """The rollout of a plan."""
    devices = {one.key: one for one in planned.survey.devices}
    plans = {(one.kind, one.device): one for one in planned.plan.devices if one.diff.commands}
    before = {key: one for key, one in planned.survey.found.items() if isinstance(one, Observed)}
    managed = {one.name for one in planned.network.switches if one.managed_globals}

    def look_again(keys: Iterable[Key]) -> Mapping[Key, Observed]:
        return _observed([devices[key] for key in keys if key in devices], doing.parallel)

    with _stream(doing.record) as stream:
        journal = doing.journal(run.name, stream, doing.secrets)
        hands = {
            key: _hand(devices[key], one, journal, managed=one.device in managed)
            for key, one in plans.items()
        }
        rollout = Rollout(
            planned.plan,
            planned.network,
            hands,
            before,
            look_again,
            doing.tell,
            doing.settings,
        )
        return rollout.run(run)


def _hand(device: Device, plan: DevicePlan, journal: Journal, *, managed: bool) -> Hand:
    running = plan.running
    if isinstance(running, frr.Running):
        assert isinstance(plan.intended, frr.Running)
        return NodeHand(device, running, plan.intended, journal)
    assert isinstance(running, sonic.Running)
    return SwitchHand(device, running, journal, managed=managed)


def _resuming(device: Device, journal: Journal, managed: Collection[str]) -> NodeHand | SwitchHand:
    """A hand for a device of which nothing was planned."""
    if device.key[0] == "node":
        nothing = frr.parse("", "")
        return NodeHand(device, nothing, nothing, journal)
    name = device.key[1]
    return SwitchHand(device, sonic.parse({}, ""), journal, managed=name in managed)


def _observed(devices: Sequence[Device], parallel: int) -> Mapping[Key, Observed]:
    """Read some devices; the first that cannot be read is the problem of all."""
    seen: dict[Key, Observed] = {}
    for key, one in survey(devices, parallel=parallel).items():
        if isinstance(one, Trouble):
            raise one
        seen[key] = one
    return seen


@contextmanager
def _stream(file: str | None) -> Iterator[TextIO | None]:
    if file is None:
        yield None
        return
    with Path(file).open("a") as stream:
        yield stream


def passwords(network: Network) -> tuple[str, ...]:
    """Every password that the network knows, to be masked."""
    known = (one.node_end.password for one in network.sessions)
    return tuple(sorted({one.value for one in known if one and one.value}))


# Runs that were made before.


def revert(compiled: Compiled, name: str, doing: Doing, *, local: Collection[str]) -> Result:
    """Put back what an earlier run changed, on every device that has a record of it."""

    def back(hand: NodeHand | SwitchHand) -> None:
        hand.undo()
        doing.tell(f"  {' '.join(hand.key)}: as before run {name}")

    return _each(compiled, name, doing, local, back)


def confirm(compiled: Compiled, name: str, doing: Doing, *, local: Collection[str]) -> Result:
    """Keep what a run with a confirm has changed, before its devices put themselves back."""

    def keep(hand: NodeHand | SwitchHand) -> None:
        if not hand.is_armed(name):
            raise Failed(hand.key, f"it is not waiting to be confirmed: {hand.fate()}")
        hand.disarm()
        hand.keep()
        doing.tell(f"  {' '.join(hand.key)}: kept")

    return _each(compiled, name, doing, local, keep)


def _each(
    compiled: Compiled,
    name: str,
    doing: Doing,
    local: Collection[str],
    act: Callable[[NodeHand | SwitchHand], None],
) -> Result:
    """Do something on every device that has a record of a run: nodes first."""
    result, run, met = Result(), new_run(), 0
    network = compiled.compilation.network
    managed = {one.name for one in network.switches if one.managed_globals}
    ways = reach(compiled.compilation, local=local, intended=intentions(network))
    with _stream(doing.record) as stream:
        journal = doing.journal(run.name, stream, doing.secrets)
        for device in ways.devices:
            hand = _resuming(device, journal, managed)
            try:
                if hand.resume(name, run):
                    met += 1
                    act(hand)
            except (Trouble, Failed) as bad:
                by_hand = bad.by_hand if isinstance(bad, Failed) else ()
                result.stuck[hand.key] = (said(bad), by_hand)
            finally:
                hand.close()
    result.done = met > 0 and not result.stuck
    result.why = "" if met or result.stuck else f"no device has a record of run {name}"
    return result
