"""What the two long-running commands have in common: what they are told, signals, and ports."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from prometheus_client.core import Metric

from ferrule.commands import signals
from ferrule.observe import cluster_account
from ferrule.observe.cluster_api import Api
from ferrule.reconcile.serving import Serving

NAMESPACE = "ferrule-system"  # outside of a Pod


@dataclass(frozen=True, slots=True)
class Process:
    """Which cluster it is about, what of that is ours, and where the process answers."""

    paths: Sequence[str]
    context: str | None
    kubeconfig: str | None
    namespace: str | None
    lb_class: str
    ignore_exclude_lb: bool
    health_port: int
    metrics_port: int
    log_level: str

    def api(self) -> Api:
        """The API server; raises `ClusterError`."""
        return Api(cluster_account.enter(self.kubeconfig, self.context))

    @property
    def where(self) -> str:
        """The namespace: the one that is named, else the Pod's, where there is one."""
        return self.namespace or cluster_account.own_namespace() or NAMESPACE

    def serve(
        self, open_: ExitStack, collect: Callable[[], Iterable[Metric]], ready: Callable[[], str]
    ) -> None:
        """Metrics and health, on one port or on two; 0 is nowhere."""
        for port in dict.fromkeys((self.health_port, self.metrics_port)):
            if port:
                open_.callback(Serving(port, collect, ready).stop)


@contextmanager
def until_told() -> Iterator[threading.Event]:
    """Set by SIGTERM or SIGINT."""
    stopping = threading.Event()
    with signals.first_of((signal.SIGTERM, signal.SIGINT), stopping.set):
        yield stopping
