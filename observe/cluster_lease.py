"""Does a controller of ours lead this cluster at this moment? Then statuses are its to write.

It holds the Lease `ferrule-CLUSTER`, in whatever namespace it runs.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import AwareDatetime, Field

from ferrule.compiler.errors import quoted
from ferrule.observe.cluster_api import Api
from ferrule.observe.cluster_lists import Content

# Two clocks are compared, the holder's and the API server's; a leader that was lost holds its
# lease for a little longer here than for its successor.
GRACE = 2


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
    answer = api.send("GET", "/apis/coordination.k8s.io/v1/leases", query=query)
    leases = api.read(_Leases, answer, "leases.coordination.k8s.io").items or ()
    return next((str(one) for one in leases if one.held_at(answer.date)), "")
