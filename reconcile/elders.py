"""Who leads under another name in the same namespace, while the name of the cluster changes.

A Lease excludes those that call the cluster by the same name. Who was begun before a Cluster got
its present name may lead under the one before until it hears of that. So a lead of ours is not
made use of before nobody holds a Lease of another name, or the one who does has not renewed it for
as long as that lasts; then it is let go of in its place, and the lead is contested. Whoever wins
one of these afterwards lists the spec after that, and sees that its name is not the one.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from pydantic import Field

from ferrule.observe.cluster_api import Api
from ferrule.observe.cluster_lease import lease_name
from ferrule.observe.cluster_lists import Content
from ferrule.reconcile.candidate import Clock, Lead
from ferrule.reconcile.lease import CLUSTER, LEASES, boot_clock


class _Spec(Content):
    holder: str | None = Field(None, alias="holderIdentity")
    lease_s: int | None = Field(None, alias="leaseDurationSeconds")


class _Lease(Content):
    metadata: dict[str, Any]
    spec: _Spec = _Spec.model_validate({})


class _Leases(Content):
    items: list[dict[str, Any]] | None


class Elders:
    """The Leases of other names than `cluster`; each is watched from when it is first looked at."""

    def __init__(self, api: Api, namespace: str, cluster: str, clock: Clock = boot_clock) -> None:
        self._api, self._namespace = api, namespace
        self._own, self._clock = lease_name(cluster), clock
        self._seen: dict[str, tuple[str, float]] = {}  # by name, the version, and since when

    def one(self, lead: Lead) -> str:
        """Somebody who leads, or may; nobody is empty. Raises `ClusterError`."""
        answer = self._api.send(
            "GET", LEASES.path(self._namespace), query={"labelSelector": CLUSTER}
        )
        for raw in self._api.read(_Leases, answer, str(LEASES)).items or ():
            lease = _Lease.model_validate(raw)
            name = str(lease.metadata["name"])
            if name == self._own or not lease.spec.holder:
                continue
            if not self._is_over(name, lease) or not self._let_go(name, raw):
                return f"{lease.spec.holder} (Lease {name})"
            lead.contest()
        return ""

    def _is_over(self, name: str, lease: _Lease) -> bool:
        version = str(lease.metadata["resourceVersion"])
        if self._seen.get(name, ("",))[0] != version:
            self._seen[name] = version, self._clock()
        return self._clock() - self._seen[name][1] >= (lease.spec.lease_s or 0)

    def _let_go(self, name: str, raw: dict[str, Any]) -> bool:
        """Say that nobody holds it, unless it was renewed meanwhile."""
        spec = {**raw["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
        body = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, **raw, "spec": spec}
        answer = self._api.send("PUT", LEASES.path(self._namespace, name), body=body)
        return answer.ok or answer.status == HTTPStatus.NOT_FOUND
