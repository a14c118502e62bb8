"""`ferrule reconcile`: one replica of the controller, until the process is told to end."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Literal

from prometheus_client.core import Metric

from ferrule.commands import talk
from ferrule.commands.process import Process, until_told
from ferrule.compiler.plan import Impact
from ferrule.compiler.source import Document
from ferrule.compiler.spec import read_spec, sort_documents
from ferrule.observe import files
from ferrule.observe.cluster_api import Api, Impatient
from ferrule.observe.cluster_config import ClusterError
from ferrule.observe.cluster_lists import listed
from ferrule.reconcile import feeds, metrics, reports
from ferrule.reconcile.elders import Elders
from ferrule.reconcile.lease import Election
from ferrule.reconcile.logs import Log
from ferrule.reconcile.replica import Reign, Settings
from ferrule.reconcile.switch_aim import USUAL, Policy
from ferrule.reconcile.switch_lanes import Pace
from ferrule.reconcile.switches import Settings as SwitchSettings

LOOK_S = 1.0
NAME_CONNECT_S, NAME_READ_S = 2.0, 5.0  # so that it ends soon when it is told to


@dataclass
class Replica:
    """What this process is at the moment: one that waits, or one that leads."""

    election: Election | None = None
    reign: Reign | None = None
    nameless: str = "the name of the cluster is not known yet"  # why; empty when it is

    def unready(self) -> str:
        """Why it is not ready: whoever waits for its turn is."""
        if self.reign is not None and not self.reign.complete:
            return "not all objects of the cluster are listed yet"
        return self.election.problem if self.election else self.nameless

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        reign = self.reign
        yield metrics.one("ferrule_leading", "This replica leads", reign is not None)
        if reign is None:
            return
        controller = reign.controller
        yield from metrics.of_controller(controller, reign.statuses.waiting)
        yield from metrics.of_watches(reign.watches.inbox.conditions())
        yield metrics.of_events(reign.events.refused)
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
    log, where = Log(process.log_level), process.where
    try:
        api = process.api()
    except ClusterError as bad:
        talk.diagnostics([bad.diagnostic])
        return 1
    policy = Policy(USUAL | {one for one in Impact if one.word in allow}, drift)
    settings = Settings(
        where,
        process.paths,
        process.lb_class,
        ignore_exclude_label=process.ignore_exclude_lb,
        switches=SwitchSettings(policy, Pace(interval_s=interval)),
    )
    replica = Replica()
    with ExitStack() as open_:
        stopping = open_.enter_context(until_told())
        process.serve(open_, replica.collect, replica.unready)
        cluster = named(api, replica, settings, log, stopping)
        while not stopping.is_set():
            with Election(api, where, cluster, name=identity or "") as replica.election:
                now = replace(settings, identity=replica.election.name, cluster=cluster)
                other = take_part(api, replica, now, log, stopping)
            if other is not None:  # the Lease is let go of by now
                log.warning("clusterRenamed", was=cluster, now=other)
                cluster = other
    return 0


def named(
    api: Api, replica: Replica, settings: Settings, log: Log, stopping: threading.Event
) -> str:
    """What the cluster is called, as soon as its API server says so; empty: it is `stopping`."""
    asked = Impatient(api.login, connect_s=NAME_CONNECT_S, read_s=NAME_READ_S)
    while not stopping.is_set():
        try:
            cluster = cluster_name(asked, settings.namespace, settings.paths)
        except ClusterError as bad:
            if replica.nameless != bad.diagnostic.message:
                replica.nameless = bad.diagnostic.message
                log.warning("clusterNotKnown", error=replica.nameless)
            stopping.wait(LOOK_S)
        else:
            replica.nameless = ""
            return cluster
    return ""


def take_part(
    api: Api, replica: Replica, settings: Settings, log: Log, stopping: threading.Event
) -> str | None:
    """Lead whenever it is our turn, until `stopping`; or what the cluster is called by now."""
    election, where, cluster = replica.election, settings.namespace, settings.cluster
    assert election is not None
    elders = Elders(api, where, cluster)
    log.info("waiting", identity=election.name, cluster=cluster, namespace=where)
    while not stopping.is_set():
        if (lead := election.wait(LOOK_S)) is None:
            continue
        try:
            if elder := elders.one(lead):
                if (now := cluster_name(api, where, settings.paths)) != cluster:
                    return now
                log.info("waitingForElder", holder=elder)
                stopping.wait(LOOK_S)
                continue
        except ClusterError as bad:
            log.warning("notLeading", error=bad.diagnostic.message)
            stopping.wait(LOOK_S)
            continue
        log.info("leading", term=lead.term, contested=lead.contested)
        with Reign(api, settings, log, lead) as reign:
            replica.reign = reign
            reign.last(stopping)
        replica.reign = None
        log.info("following", term=lead.term)
        if reign.renamed:
            return reign.controller.other_name
    return None


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
