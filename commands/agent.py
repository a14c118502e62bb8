"""`ferrule agent`: one node's FRR as the cluster wants it, until the process is told to end."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

from prometheus_client.core import Metric

from ferrule.apply.hand import Run
from ferrule.apply.speaker import Place, Speaker
from ferrule.apply.target import Trouble
from ferrule.apply.vty_turn import Turns
from ferrule.commands import talk
from ferrule.commands.process import Process, until_told
from ferrule.observe.cluster_config import ClusterError
from ferrule.reconcile import metrics
from ferrule.reconcile.agent import Agent, Settings, run
from ferrule.reconcile.layer2 import Choices
from ferrule.reconcile.layer2_metrics import of_layer2
from ferrule.reconcile.logs import Log
from ferrule.reconcile.publish import now


def main(
    process: Process,
    *,
    node_name: str,
    vtysh: str,
    frr_dir: str,
    save: bool,
    withdraw_on_exit: bool,
    withdraw_on_cordon: bool,
    accept_wait: int,
    l2_interface: Sequence[str],
    l2_exclude: Sequence[str],
    heartbeat_key: Sequence[str],
    heartbeat_port: int,
) -> int:
    """Run one agent; the exit code."""
    log, place = Log(process.log_level), Place(Path(frr_dir), tuple(shlex.split(vtysh)), save)
    settings = Settings(
        node_name,
        process.where,
        process.paths,
        process.lb_class,
        ignore_exclude_label=process.ignore_exclude_lb,
        accept_wait_s=accept_wait,
        withdraw_on_cordon=withdraw_on_cordon,
        layer2=Choices(heartbeat_port, heartbeat_key, l2_interface, l2_exclude or None),
    )
    try:
        api = process.api()
    except ClusterError as bad:
        talk.diagnostics([bad.diagnostic])
        return 1
    agent = Agent(api, settings, log, lambda *told: speaking(settings, place, *told))
    with until_told() as stopping, ExitStack() as open_:
        process.serve(open_, lambda: collect(agent), lambda: unready(agent))
        run(agent, stopping, partial(withdraw, agent, log) if withdraw_on_exit else lambda: None)
    return 0


def speaking(settings: Settings, place: Place, cluster: str, lost: Callable[[], object]) -> Speaker:
    """The speaker of a node."""
    # As it is found again after a load that was cut, or under another name of the cluster.
    by = f"ferrule agent of {settings.namespace} on {settings.node}"
    return Speaker(Turns(settings.node, cluster, Run("agent", by, now())), place, on_loss=lost)


def withdraw(agent: Agent, log: Log) -> None:
    """Announce nothing any more."""
    speaker = agent.announcing.speaker
    if speaker is not None:
        try:
            speaker.withdraw()
            log.info("withdrawn")
        except Trouble as bad:
            log.warning("notWithdrawn", code=bad.code, error=bad.message)


def unready(agent: Agent) -> str:
    """Why the agent is not ready yet."""
    if not agent.complete:
        return "not all objects of the cluster are listed yet"
    if not agent.announcing.begun:
        return agent.announcing.problem or "FRR has not been compared yet"
    return ""


def collect(agent: Agent) -> Iterator[Metric]:
    """All metrics of an agent."""
    local, announcing = agent.local, agent.announcing
    stale = bool(local.mistakes)
    yield from metrics.of_configuration(loaded=local.reading is not None, stale=stale)
    conditions = agent.watches.inbox.conditions()
    yield from metrics.of_watches(conditions)
    yield metrics.of_events(agent.events.refused)
    with suppress(Trouble):
        speaker = announcing.speaker
        yield from metrics.of_sessions(speaker.sessions() if speaker else ())
    known = local.slice.services if local.slice else {}
    told = (
        (service, str(address))
        for service in sorted(agent.told.services)
        if service in known
        for address in known[service].addresses
    )
    answered = agent.answering.answered
    answers = answered.announcements() if answered else ()
    yield from metrics.of_announced(agent.settings.node, told, answers)
    yield from of_layer2(agent.answering)
    yield from metrics.of_announcing(announcing, conditions)
    yield metrics.one("ferrule_sets_overdue", "Announced unaccepted", len(agent.gate.overdue))
    waiting, text = len(announcing.room.waiting), "Prefixes that are too many for a switch yet"
    yield metrics.one("ferrule_prefixes_waiting", text, waiting)
