"""The status of a Service, as the controller would write it: what gives an address its data plane.

One PATCH of the status holds the addresses and the pool's annotation, as MetalLB writes them
(metallb `internal/k8s`, UpdateStatus), and the version that was read: a Service that has changed
since is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Protocol
from urllib.parse import quote

from ferrule.apply.target import Trouble
from ferrule.compiler.network import Address
from ferrule.compiler.service import Demand

POOL = "metallb.io/ip-allocated-from-pool"
MANAGER = "ferrule"


class Answer(Protocol):
    """What an API server answered; `status` 0 is no answer."""

    @property
    def status(self) -> int:
        """Of HTTP."""

    @property
    def ok(self) -> bool:
        """Whether it did what it was told."""

    @property
    def said(self) -> str:
        """Why it did not, in one line."""


class Server(Protocol):
    """An API server, as far as it is needed here; what it does is never raised."""

    @property
    def name(self) -> str:
        """As messages name it."""

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: object = None,
        form: str = "json",
    ) -> Answer:
        """One request."""


def led(server: Server, service: Demand, holder: str) -> Trouble:
    """Why a status is not for us to write: a controller of ours leads."""
    help = "leave it to the controller, or stop that first"
    message = f"{holder} leads: the status of Service {service.key} is the controller's"
    return Trouble("controller-active", server.name, message, help)


def write_status(
    server: Server,
    service: Demand,
    addresses: Sequence[Address],
    pool: str,
    *,
    holder: str = "",
    dry_run: bool = False,
) -> None:
    """Say in the cluster that these addresses, in their order, are the Service's.

    No addresses: it has none any more. `holder` is who leads the controllers of ours, if anyone
    does: statuses are then not for us to write. With `dry_run` the server says whether it would.
    Raises `Trouble`: nothing was written, or, after `cluster-unreachable`, that is not known.
    """
    if holder:
        raise led(server, service, holder)
    name, namespace = quote(service.name, safe=""), quote(service.namespace, safe="")
    answer = server.send(
        "PATCH",
        f"/api/v1/namespaces/{namespace}/services/{name}/status",
        query={"fieldManager": MANAGER, **({"dryRun": "All"} if dry_run else {})},
        body=_patch(_version(server, service), addresses, pool),
        form="merge",
    )
    if not answer.ok:
        raise _trouble(server, service, answer)


def _version(server: Server, service: Demand) -> str:
    """The one that was read. What a file says is no state of the cluster."""
    document = service.origin.document
    meta = document.data.get("metadata")
    version = meta.get("resourceVersion") if isinstance(meta, dict) else None
    if document.source is None and isinstance(version, str):
        return version
    message = f"Service {service.key} was not read from the cluster"
    raise Trouble("status-conflict", server.name, message)


def _patch(version: str, addresses: Sequence[Address], pool: str) -> dict[str, object]:
    """RFC 7386: null removes, a list replaces. The version makes it a compare-and-set."""
    ingress = [{"ip": str(one)} for one in addresses]
    return {
        "metadata": {
            "resourceVersion": version,
            "annotations": {POOL: pool if addresses else None},
        },
        "status": {"loadBalancer": {"ingress": ingress or None}},
    }


def _trouble(server: Server, service: Demand, answer: Answer) -> Trouble:
    subject = f"the status of Service {service.key}"
    if not answer.status:
        message = f"whether {subject} was written is not known: {answer.said}"
        return Trouble("cluster-unreachable", server.name, message, "plan again: that shows it")
    if answer.status in (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND):
        message = f"{subject} was not written, it has changed since: {answer.said}"
        return Trouble("status-conflict", server.name, message, "plan again")
    message = f"{subject} was not written: {answer.said}"
    return Trouble("status-refused", server.name, message)
