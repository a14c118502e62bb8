"""`ferrule explain` of a Service or an address: as it should be, and as it is on the devices."""

from __future__ import annotations

from collections.abc import Collection

from ferrule.commands.inputs import Compiled, Wanted
from ferrule.commands.status import now
from ferrule.compiler.explain import Chain, chain
from ferrule.compiler.way import way


def explained(
    compiled: Compiled,
    what: str,
    *,
    live: bool,
    wanted: Wanted | None = None,
    local: Collection[str],
    parallel: int,
    patience: int | None = None,
) -> Chain:
    """The chain; with `live` devices are asked, unless it is broken before it reaches any."""
    intended = chain(compiled.compilation, what)
    if not live or not intended.whole:
        return intended
    status = now(compiled, local=local, parallel=parallel, patience=patience)
    return way(compiled.compilation, status, what, _announcers(wanted) if wanted else None)


def _announcers(wanted: Wanted) -> frozenset[str] | None:
    """The nodes that take part on layer 2; None: not known."""
    if not wanted.live:
        return None
    from ferrule.observe.cluster_api import connect
    from ferrule.observe.cluster_config import ClusterError
    from ferrule.observe.cluster_lease import announcers

    try:
        return announcers(connect(wanted.kubeconfig, wanted.context))
    except ClusterError:  # who explains may be allowed less
        return None
