"""Who is there, by the Leases of a cluster, in whatever namespace they lie.

A controller that leads holds `ferrule-CLUSTER`; then statuses are its to write. An agent that takes
part on layer 2 holds one of its node's, with a label.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from pydantic import AwareDatetime, Field

from ferrule.compiler.errors import quoted
from ferrule.observe.cluster_api import Api
from ferrule.observe.cluster_lists import Content

# Two clocks are compared, the holder's and the API server's; a leader that was lost holds its
# lease for a little longer here than for its successor.
GRACE = 2
LABEL, VALUE = "ferrule.dev/announces", "layer2"
LEASES = "/apis/coordination.k8s.io/v1/leases"


class _Meta(Content):
    name: str
    namespace: str


class _Spec(Content):
    holder: str = Field("", alias="holderIdentity")
    duration_s: int = Field(0, alias="leaseDurationSeconds")
    renewed: AwareDatetime | None = Field(None, alias="renewTime", strict=False)  # from its text


class _Lease(Content):
    metadata: _Meta
    spec: _Spec = _Spec()

    def __str__(self) -> str:
        return f"{quoted(self.spec.holder)} (Lease {self.metadata.namespace}/{self.metadata.name})"

    def held_at(self, now: datetime | None) -> bool:
        """A leader that stops sets its name empty; one that was lost no longer renews."""
        spec = self.spec
        if not spec.holder or spec.renewed is None or now is None:
            return bool(spec.holder)
        return now < spec.renewed + GRACE * timedelta(seconds=spec.duration_s)


class _Leases(Content):
    items: list[_Lease] | None


def lease_name(cluster: str) -> str:
    """The name of the Lease, for a cluster of that name."""
    return f"ferrule-{cluster}"


def holder(api: Api, cluster: str) -> str:
    """Who holds it, and where; nobody is empty. Raises `ClusterError` where that is not known."""
    query = {"fieldSelector": f"metadata.name={lease_name(cluster)}"}
    return next((str(one) for one in _held(api, query)), "")


def announcers(api: Api) -> frozenset[str]:
    """The nodes whose agents take part on layer 2. Raises `ClusterError`."""
    each = _held(api, {"labelSelector": f"{LABEL}={VALUE}"})
    return frozenset(one.spec.holder for one in each if one.spec.holder)


def _held(api: Api, query: Mapping[str, str | int]) -> list[_Lease]:
    answer = api.send("GET", LEASES, query=query)
    leases = api.read(_Leases, answer, "leases.coordination.k8s.io").items or ()
    return [one for one in leases if one.held_at(answer.date)]
