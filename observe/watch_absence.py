"""Whether a kind is not installed.

That a list is 404 does not say so: a proxy whose backend is gone, or which sends us to another one,
answers the same, and then everything of that kind would be gone. So the API server's own list of
what it serves has to say it. What every API server serves is never taken for absent.
"""

from __future__ import annotations

from http import HTTPStatus

from pydantic import Field

from ferrule.observe.cluster_api import Api
from ferrule.observe.cluster_lists import Content, Resource

ALWAYS = ("", "discovery.k8s.io", "coordination.k8s.io")  # the groups that we watch of them


class _Version(Content):
    version: str = Field(alias="groupVersion")


class _Group(Content):
    name: str
    versions: list[_Version]


class _Groups(Content):
    groups: list[_Group] = Field(min_length=1)


class _Served(Content):
    name: str


class _Resources(Content):
    version: str = Field(alias="groupVersion")
    resources: list[_Served]


def may_lack(resource: Resource) -> bool:
    """Whether an API server can be without this kind."""
    return resource.api_version.rpartition("/")[0] not in ALWAYS


def lacks(api: Api, resource: Resource) -> bool:
    """Whether the API server says that it has no such kind; raises `ClusterError`."""
    if not may_lack(resource):
        return False
    groups = api.get(_Groups, "/apis", "what the API server serves").groups
    versions = {one.version for group in groups for one in group.versions}
    if resource.api_version not in versions:
        return True
    what = f"what there is of {resource.api_version}"
    answer = api.send("GET", f"/apis/{resource.api_version}")
    if answer.status == HTTPStatus.NOT_FOUND:  # it has just gone, or comes
        return False
    there = api.read(_Resources, answer, what)
    return resource.plural not in {one.name for one in there.resources}
