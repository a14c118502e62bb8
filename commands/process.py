"""What the two long-running commands have in common: signals, ports, and where they are."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from types import FrameType

from prometheus_client.core import Metric

from ferrule.observe import cluster_account
from ferrule.reconcile.serving import Serving

NAMESPACE = "ferrule-system"  # outside of a Pod


def until_told() -> threading.Event:
    """Set by SIGTERM or SIGINT."""
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, stop)
    return stopping


def serve(
    open_: ExitStack,
    ports: Iterable[int],
    collect: Callable[[], Iterable[Metric]],
    ready: Callable[[], str],
    alive: Callable[[], str],
) -> None:
    """Metrics and health, on one port or on two; 0 is nowhere."""
    for port in dict.fromkeys(ports):
        if port:
            open_.callback(Serving(port, collect, ready, alive).stop)


def alive() -> str:
    """As long as it answers."""
    return ""


def own_namespace() -> str:
    """The Pod's, where there is one."""
    return cluster_account.own_namespace() or NAMESPACE
