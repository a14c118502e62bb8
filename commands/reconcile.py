"""`ferrule reconcile`: one replica of the controller, until the process is told to end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

from prometheus_client.core import Metric

from ferrule.commands import talk
from ferrule.commands.process import Process, until_told
from ferrule.compiler.plan import Impact
from ferrule.compiler.source import Document
from ferrule.compiler.spec import read_spec, sort_documents
from ferrule.observe import files
from ferrule.observe.cluster_api import Api
from ferrule.observe.cluster_config import ClusterError
from ferrule.observe.cluster_lists import listed
from ferrule.reconcile import feeds, metrics, reports
from ferrule.reconcile.lease import Election
from ferrule.reconcile.logs import Log
from ferrule.reconcile.replica import Reign, Settings
from ferrule.reconcile.switch_aim import USUAL, Policy
from ferrule.reconcile.switch_lanes import Pace
from ferrule.reconcile.switches import Settings as SwitchSettings

LOOK_S = 1.0


@dataclass
class Replica:
    """What this process is at the moment: one that waits, or one that leads."""

    election: Election
    reign: Reign | None = None

    def unready(self) -> str:
        """Why it is not ready: whoever waits for its turn is."""
        if self.reign is not None and not self.reign.complete:
            return "not all objects of the cluster are listed yet"
        return self.election.problem

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        reign = self.reign
        yield metrics.one("ferrule_leading", "This replica leads", reign is not None)
        if reign is None:
            return
        controller = reign.controller
        yield from metrics.of_controller(controller, reign.statuses.waiting)
        yield from metrics.of_watches(reign.watches.inbox.conditions())
        if controller.allocator is not None:
            yield from metrics.of_pools(reports.fills(controller.allocator))
        yield from metrics.of_switches(reign.switchboard.switches.states)


def main(
    process: Process,
    *,
    identity: str | None,
    allow: Sequence[str],
    drift: Literal["report", "correct"],
    interval: int,
) -> int:
    """Run one replica; the exit code."""
    log, stopping, where = Log(process.log_level), until_told(), process.where
    try:
        api = process.api()
        cluster = cluster_name(api, where, process.paths)
    except ClusterError as bad:
        talk.diagnostics([bad.diagnostic])
        return 1
    policy = Policy(USUAL | {one for one in Impact if one.word in allow}, drift)
    with ExitStack() as open_:
        election = open_.enter_context(Election(api, where, cluster, name=identity or ""))
        settings = Settings(
            where,
            process.paths,
            process.lb_class,
            ignore_exclude_label=process.ignore_exclude_lb,
            identity=election.name,
            switches=SwitchSettings(policy, Pace(interval_s=interval)),
        )
        replica = Replica(election)
        process.serve(open_, replica.collect, replica.unready)
        log.info("waiting", identity=election.name, cluster=cluster, namespace=where)
        while not stopping.is_set():
            if lead := election.wait(LOOK_S):
                log.info("leading", term=lead.term, contested=lead.contested)
                with Reign(api, settings, log, lead) as replica.reign:
                    replica.reign.last(stopping)
                replica.reign = None
                log.info("following", term=lead.term)
    return 0


def cluster_name(api: Api, namespace: str, paths: Sequence[str]) -> str:
    """The name of the cluster, by which its Lease is called; raises `ClusterError`."""
    documents, _ = files.load(paths)
    resource = next(one for one in feeds.newest() if one.kind == "Cluster")
    answer = api.send("GET", resource.path(namespace))
    objects: list[Document] = []
    if answer.status != 404:  # the kind is not installed
        objects = [resource.document(one) for one in listed(api, resource, namespace)]
    sorted_, _ = sort_documents((*documents, *objects))
    spec, _ = read_spec(sorted_.spec)
    return spec.cluster
