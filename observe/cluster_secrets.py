"""Secrets of a cluster: those that somebody names, one by one, and of each the password alone.

Secrets are never listed: whoever may list them may read every one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, TypeGuard

from pydantic import RootModel

from ferrule.compiler.peerfacts import METALLB_NAMESPACE
from ferrule.compiler.source import Document
from ferrule.compiler.spec.kinds import GROUPS
from ferrule.compiler.spec.types import DNS_SUBDOMAIN
from ferrule.compiler.yamltext import Path
from ferrule.observe.cluster_api import Api
from ferrule.observe.cluster_lists import Resource

SECRET = Resource("v1", "Secret", "secrets")
NAMED_BY: Mapping[str, Path] = {
    "BGPPeer": ("spec", "passwordSecret"),
    "Switch": ("spec", "management", "passwordSecret"),
}

Key = tuple[str, str]


class _Object(RootModel[dict[str, Any]]):
    pass


def named(documents: Iterable[Document]) -> tuple[Key, ...]:
    """Namespace and name of every Secret that objects of ours name; without one, in their own."""
    found = (_named(one) for one in documents if one.kind in NAMED_BY and _group(one) in GROUPS)
    return tuple(sorted({key for key in found if key}))


def _group(document: Document) -> str:
    return document.api_version.rpartition("/")[0]


def _named(document: Document) -> Key | None:
    """None where there is no name: also where what stands there cannot be one."""
    value: object = document.data
    for step in NAMED_BY[document.kind]:
        value = value.get(step) if isinstance(value, dict) else None
    if not isinstance(value, dict):
        return None
    home = document.ref.namespace if document.ref else ""
    namespace, name = value.get("namespace") or home or METALLB_NAMESPACE, value.get("name")
    return (namespace, name) if _is_name(namespace) and _is_name(name) else None


def _is_name(value: object) -> TypeGuard[str]:
    """It becomes part of a URL."""
    return isinstance(value, str) and bool(DNS_SUBDOMAIN.fullmatch(value))


def secret(api: Api, namespace: str, name: str) -> Document | None:
    """One Secret, None where there is none; raises `ClusterError`."""
    answer = api.send("GET", SECRET.path(namespace, name))
    if answer.status == HTTPStatus.NOT_FOUND:
        return None
    data = api.read(_Object, answer, f"Secret {namespace}/{name}").root
    return SECRET.document(
        {
            "metadata": {"namespace": namespace, "name": name},
            "type": data.get("type"),
            "data": _password(data.get("data")),
        }
    )


def _password(data: object) -> dict[str, object]:
    return {"password": data["password"]} if isinstance(data, dict) and "password" in data else {}
