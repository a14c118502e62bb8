"""Where the input of a command comes from, and the one compilation of it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ferrule.compiler.errors import Diagnostic
from ferrule.compiler.pipeline import Compilation, compile_network, read_inputs
from ferrule.compiler.source import Document
from ferrule.observe import files


@dataclass(frozen=True, slots=True)
class Wanted:
    """PATH... and the options that go with it; without a context no cluster is asked."""

    paths: Sequence[str] = ()
    context: str | None = None
    kubeconfig: str | None = None
    lb_class: str = ""
    ignore_exclude_lb: bool = False

    @property
    def live(self) -> bool:
        """Whether a cluster is read."""
        return self.context is not None or self.kubeconfig is not None


@dataclass(frozen=True, slots=True)
class Compiled:
    """A compilation, and the kinds of objects that could not be read for it."""

    compilation: Compilation
    missing: frozenset[str] = frozenset()


def compiled(wanted: Wanted, out: str | None = None) -> Compiled:
    """Read and compile; `out` is the directory whose lock is the last run's."""
    with working("reading"):
        documents, unreadable = files.load(wanted.paths, out)
        lock = Path(out, "addresses.yaml") if out else None
        previous, bad_lock = files.load([str(lock)]) if lock and lock.exists() else ((), [])
        beside, found, missing = _cluster(wanted, documents)
        read = read_inputs(
            (*documents, *beside),
            previous,
            unreadable=[*unreadable, *bad_lock, *found],
            lb_class=wanted.lb_class,
            ignore_exclude_label=wanted.ignore_exclude_lb,
        )
    with working("compiling"):
        return Compiled(compile_network(read), missing)


def _cluster(
    wanted: Wanted, documents: tuple[Document, ...]
) -> tuple[tuple[Document, ...], tuple[Diagnostic, ...], frozenset[str]]:
    if not wanted.live:
        return (), (), frozenset()
    from ferrule.observe import cluster

    seen = cluster.load(wanted.kubeconfig, wanted.context, beside=documents)
    return seen.documents, seen.diagnostics, seen.missing


def working(what: str) -> AbstractContextManager[object]:
    """A spinner on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        return contextlib.nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(f"{what} ...")
