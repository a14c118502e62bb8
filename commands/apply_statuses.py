"""Statuses first: an address that is not in its Service's status has no data plane yet.

From a live cluster they are written before any device is touched, as the controller would; of
Services that a file says, they are only said to be missing. All are tried before the first one is
written: one that would be refused leaves all as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ferrule.apply.cluster import led, write_status
from ferrule.apply.target import Trouble
from ferrule.commands.apply import Planned
from ferrule.commands.inputs import Wanted
from ferrule.compiler.errors import listed, printable
from ferrule.compiler.network import Service
from ferrule.compiler.service import Demand

if TYPE_CHECKING:
    from ferrule.observe.cluster_api import Api

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A Service whose addresses are not those of its status."""

    service: Service
    demand: Demand

    @property
    def in_cluster(self) -> bool:
        """Whether it was read from a cluster."""
        return self.demand.origin.document.source is None

    def __str__(self) -> str:
        return printable(f"{self.service.key}: {listed(map(str, self.service.addresses))}")


def waiting(planned: Planned) -> Iterator[Waiting]:
    """All Services that nothing forwards to yet, or not under the address that they are to have."""
    demands = {one.key: one for one in planned.compiled.compilation.inputs.services}
    for one in planned.network.services:
        demand = demands[one.key]
        if one.addresses and set(one.addresses) != set(demand.held):
            yield Waiting(one, demand)


class Statuses:
    """What is to be written to the cluster of `wanted`: of Services that were read from it."""

    def __init__(self, planned: Planned, wanted: Wanted) -> None:
        self._cluster, self._wanted = planned.network.cluster, wanted
        every = tuple(waiting(planned))
        self.due = tuple(one for one in every if wanted.live and one.in_cluster)
        self._elsewhere = tuple(one for one in every if one not in self.due)
        self.written: list[Waiting] = []

    def warning(self) -> str:
        """Of Services whose status is nobody's to write here."""
        if not self._elsewhere:
            return ""
        names = printable(listed(one.service.key for one in self._elsewhere))
        return f"not in the status of the Service, so nothing forwards to it: {names}"

    def refusal(self) -> str:
        """Why none of them can be written, if that is so."""
        if not self.due:
            return ""
        try:
            self._write(self._leaderless(), self.due, dry_run=True)
        except Trouble as bad:
            return bad.message + (f": {bad.help}" if bad.help else "")
        return ""

    def write(self, tell: Tell) -> None:
        """Write them all; raises `Trouble`, with what was written so far in `written`.

        What was written is what a controller would have written, and the next plan starts from it.
        """
        if not self.due:
            return
        api = self._leaderless()
        for one in self.due:
            self._write(api, (one,))
            self.written.append(one)
            tell(f"  {one}: status written")

    def _leaderless(self) -> Api:
        """The API server of a cluster that no controller of ours leads."""
        from ferrule.observe.cluster_api import connect
        from ferrule.observe.cluster_config import ClusterError
        from ferrule.observe.cluster_lease import holder

        try:
            api = connect(self._wanted.kubeconfig, self._wanted.context)
            leader = holder(api, self._cluster)
        except ClusterError as bad:
            raise Trouble(bad.diagnostic.code, "the cluster", bad.diagnostic.message) from None
        if leader:
            raise led(api, self.due[0].demand, leader)
        return api

    def _write(self, api: Api, some: Sequence[Waiting], *, dry_run: bool = False) -> None:
        for one in some:
            addresses, pool = one.service.addresses, one.service.pool or ""
            write_status(api, one.demand, addresses, pool, dry_run=dry_run)
