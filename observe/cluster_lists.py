"""Where an API server keeps the objects of a kind, and all of them as of one moment.

Lists come in pages, as JSON and as they are: never as models, of which 10,000 Services take three
times the memory (kubernetes 37).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from ferrule.compiler.source import Document
from ferrule.compiler.spec.kinds import GROUPS, STATUS_ONLY
from ferrule.observe.cluster_api import Api

PAGE = 500
MOST_STARTS = 3


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of objects, and where the API server has them."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    def __str__(self) -> str:
        """As kubectl takes it: `endpointslices.discovery.k8s.io`."""
        group = self.api_version.rpartition("/")[0]
        return f"{self.plural}.{group}" if group else self.plural

    def path(self, namespace: str | None = None, name: str = "") -> str:
        """The path of their list, or of one of them."""
        root = "/apis" if "/" in self.api_version else "/api"
        within = f"/namespaces/{quote(namespace, safe='')}" if namespace and self.namespaced else ""
        one = f"/{quote(name, safe='')}" if name else ""
        return f"{root}/{self.api_version}{within}/{self.plural}{one}"

    def document(self, data: dict[str, Any]) -> Document:
        """An object of it; what the API's own lists leave out is put back."""
        meta = data.get("metadata")
        if isinstance(meta, dict):
            meta.pop("managedFields", None)  # a quarter of the memory, and of no use here
        return Document({"apiVersion": self.api_version, "kind": self.kind, **data})


class Content(BaseModel):
    """What the API itself says, as far as it matters here."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class _ListMeta(Content):
    more: str = Field("", alias="continue")


class _List(Content):
    metadata: _ListMeta
    items: list[dict[str, Any]] | None


class _Version(Content):
    version: str


class _Group(Content):
    versions: list[_Version] = Field(min_length=1)


class _Served(Content):
    name: str
    kind: str
    namespaced: bool
    verbs: list[str]


class _Resources(Content):
    resources: list[_Served]


def listed(
    api: Api, resource: Resource, namespace: str | None = None, page: int = PAGE
) -> list[dict[str, Any]]:
    """All objects, in pages; begun anew when the server has forgotten their moment (410)."""
    found: list[dict[str, Any]] = []
    more, starts = "", 1
    while True:
        query: dict[str, str | int] = {"limit": page, **({"continue": more} if more else {})}
        answer = api.send("GET", resource.path(namespace), query=query)
        if answer.status == HTTPStatus.GONE and more and starts < MOST_STARTS:
            found, more, starts = [], "", starts + 1
            continue
        content = api.read(_List, answer, str(resource))
        found += content.items or ()
        more = content.metadata.more
        if not more:
            return found


def served(api: Api, group: str) -> tuple[Resource, ...]:
    """The kinds of a group that is ours to read; none where it is not installed.

    Of several versions the one that we know is taken; what we know none of is for the compiler
    to refuse.
    """
    what = f"what there is of {group}"
    answer = api.send("GET", f"/apis/{group}")
    if answer.status == HTTPStatus.NOT_FOUND:  # as an empty list, it counts the second time
        answer = api.send("GET", f"/apis/{group}")
    if answer.status == HTTPStatus.NOT_FOUND:
        return ()
    found: dict[str, Resource] = {}
    for one in api.read(_Group, answer, what).versions:
        for resource in _of_version(api, group, one.version, what):
            first = found.setdefault(resource.kind, resource)
            if _known(resource) and not _known(first):
                found[resource.kind] = resource
    return tuple(sorted(found.values(), key=lambda one: one.kind))


def _of_version(api: Api, group: str, version: str, what: str) -> Iterator[Resource]:
    for one in api.get(_Resources, f"/apis/{group}/{version}", what).resources:
        part_of_another = "/" in one.name
        if "list" in one.verbs and not part_of_another and one.kind not in STATUS_ONLY:
            yield Resource(f"{group}/{version}", one.kind, one.name, one.namespaced)


def _known(resource: Resource) -> bool:
    group, _, version = resource.api_version.rpartition("/")
    return (version, resource.kind) in GROUPS[group]
