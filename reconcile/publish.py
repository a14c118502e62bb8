"""What is said of objects in their own status: conditions, counters, states.

One thread writes, object by object, whatever was last asked for; what an object says already is not
written again. It comes after everything that carries traffic: a status that is late misleads
nobody, so what fails is tried again and no more is made of it. What somebody else has changed or
deleted is said again when whoever looks now and then finds it (`compare`), and no sooner: another
writer of the same fields is not argued with.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from ferrule.compiler.errors import Diagnostic
from ferrule.compiler.source import Document
from ferrule.observe.cluster_api import Answer, Api
from ferrule.observe.cluster_lists import Resource
from ferrule.reconcile.backlog import Backlog

MANAGER = "ferrule"
PACE_S = 0.02
ABSENT_S = 600.0  # at most, between two tries to make an object whose kind is not installed
MOST_TOLD = 3  # mistakes in one condition
LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Post:
    """What `manager` says in the status of one object; other managers say other things there.

    `labels` are for objects that hold nothing but a status: such a one is made if it is not there,
    and deleted where there is no status any more. A ConfigMap has `data` instead, and is made by
    the same write.
    """

    resource: Resource
    namespace: str
    name: str
    status: Mapping[str, object] | None
    manager: str = MANAGER
    labels: Mapping[str, str] | None = None
    data: Mapping[str, str] | None = None

    @property
    def said(self) -> Mapping[str, object] | None:
        """All of what is written, but for what the object is."""
        return {"data": self.data} if self.data is not None else self.status

    @property
    def is_made(self) -> bool:
        """Whether the object is made where it is not there."""
        return self.labels is not None

    @property
    def path(self) -> str:
        """Of the object."""
        return self.resource.path(self.namespace or None, self.name)

    @property
    def body(self) -> dict[str, object]:
        """The object, without its status."""
        meta = {"name": self.name, **({"namespace": self.namespace} if self.namespace else {})}
        return {
            "apiVersion": self.resource.api_version,
            "kind": self.resource.kind,
            "metadata": {**meta, **({"labels": dict(self.labels)} if self.labels else {})},
        }


Key = tuple[str, str]


class Publisher(threading.Thread):
    """The writer; `leading` is asked before each write."""

    def __init__(self, api: Api, leading: Callable[[], bool] = lambda: True) -> None:
        super().__init__(name="publisher", daemon=True)
        self._api, self._leading = api, leading
        self.owner: Mapping[str, object] | None = None  # what is made here goes with it
        self._posts: Backlog[Key, Post] = Backlog()
        self._wanted: dict[Key, Post] = {}  # but for what is to be deleted
        self._said: dict[Key, Mapping[str, object]] = {}  # what was written, as far as it is known
        self._stopping = threading.Event()
        self.start()

    def put(self, post: Post) -> None:
        """Write this, unless it is what was written last."""
        key = post.path, post.manager
        if post.said is None:
            self._wanted.pop(key, None)
        else:
            self._wanted[key] = post
        self._posts.put(key, post)

    def compare(self, resource: Resource, namespace: str, there: Mapping[str, object]) -> None:
        """Say again what is not said any more by the objects of a kind: by name, what each says.

        One that is not there is made again where that is ours to do, and else forgotten.
        """
        for key, post in list(self._wanted.items()):
            if (post.resource, post.namespace) != (resource, namespace):
                continue
            if post.name not in there and not post.is_made:
                del self._wanted[key]
                self._said.pop(key, None)
            elif key in self._said and not _holds(post.said, there.get(post.name)):
                self._said.pop(key, None)  # else it would not be written again
                self._posts.put(key, post)

    def stop(self, within_s: float = 2.0) -> None:
        """No more; a write that hangs by then ends by itself."""
        self._stopping.set()
        self._posts.stop()
        self.join(within_s)

    def run(self) -> None:
        """Until it is stopped."""
        while (taken := self._posts.take()) is not None:
            key, post = taken
            if not self._leading():
                continue
            # Only here, where nobody else writes: seen earlier, it could be another by now.
            if post.said is not None and self._said.get(key) == post.said:
                self._posts.done(key)
                continue
            self._said.pop(key, None)  # nobody knows, while it is written
            answer = self._write(post)
            absent = answer.status == HTTPStatus.NOT_FOUND
            if answer.ok and post.said is not None:
                self._said[key] = post.said
            if absent and post.said is not None and post.is_made:
                self._posts.again(key, post, ABSENT_S)
            elif answer.ok or absent:  # an object that is gone needs no status
                self._posts.done(key)
            else:
                self._posts.again(key, post)
            self._stopping.wait(PACE_S)

    def _write(self, post: Post) -> Answer:
        """Of the last request that it takes."""
        if post.said is None:
            return self._api.send("DELETE", post.path)
        answer = self._apply(post)
        if answer.status == HTTPStatus.NOT_FOUND and post.is_made:
            collection = post.resource.path(post.namespace or None)
            made = self._api.send("POST", collection, body=self._owned(post.body))
            answer = self._apply(post) if made.ok else made
        return answer

    def _owned(self, body: Mapping[str, object]) -> Mapping[str, object]:
        if self.owner is None:
            return body
        meta = body["metadata"]
        assert isinstance(meta, dict)
        return {**body, "metadata": {**meta, "ownerReferences": [self.owner]}}

    def _apply(self, post: Post) -> Answer:
        """Server-side apply, so that others' conditions of the same object stay."""
        part = {"status": post.status} if post.data is None else {"data": post.data}
        return self._api.send(
            "PATCH",
            post.path if post.data is not None else f"{post.path}/status",
            query={"fieldManager": post.manager, "force": "true"},
            body={**post.body, **part},
            form="apply",
        )


def node_owner(document: Document) -> Mapping[str, object] | None:
    """A Node as the owner of what is said of it: Kubernetes takes that away with the Node."""
    meta = document.data.get("metadata")
    if not isinstance(meta, dict) or not meta.get("uid"):
        return None
    return {"apiVersion": "v1", "kind": "Node", "name": meta["name"], "uid": meta["uid"]}


def _holds(said: object, there: object) -> bool:
    """Whether what was said is there still, whatever others say beside it."""
    if isinstance(said, Mapping):
        return isinstance(there, Mapping) and all(
            key in there and _holds(one, there[key]) for key, one in said.items()
        )
    if isinstance(said, list) and said and isinstance(said[0], Mapping):  # conditions, say
        return isinstance(there, list) and all(
            any(_holds(one, other) for other in there) for one in said
        )
    return said == there


def now() -> str:
    """As the API writes times."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def condition(
    document: Document | None, kind: str, status: str, reason: str, message: str
) -> dict[str, object]:
    """One condition (KEP-1623); it keeps the time of its last change of status."""
    since = now()
    for one in _conditions(document):
        if one.get("type") == kind and one.get("status") == status:
            since = str(one.get("lastTransitionTime") or since)
    made: dict[str, object] = {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message[:LONGEST],
        "lastTransitionTime": since,
    }
    meta = document.data.get("metadata") if document else None
    if isinstance(meta, dict) and isinstance(meta.get("generation"), int):
        made["observedGeneration"] = meta["generation"]
    return made


def _conditions(document: Document | None) -> Iterable[Mapping[str, object]]:
    status = document.data.get("status") if document else None
    found = status.get("conditions") if isinstance(status, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def summary(mistakes: Iterable[Diagnostic]) -> str:
    """The first mistakes, a line each."""
    each = list(mistakes)
    lines = [f"{one.code}: {one.message}" for one in each[:MOST_TOLD]]
    if len(each) > MOST_TOLD:
        lines.append(f"and {len(each) - MOST_TOLD} more")
    return "\n".join(lines)
