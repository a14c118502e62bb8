"""What to watch, and what an API server says of it: pages of a list, lines of a watch."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Generic, Literal, TypeVar, cast

from pydantic import Field

from ferrule.observe.cluster_lists import Content, Resource

V_co = TypeVar("V_co", covariant=True)
Raw = dict[str, Any]
EVENTS = ("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR")


class RefusedError(ValueError):
    """Raised by a `keep`: this object is none; the message says why and holds no secret."""


@dataclass(frozen=True, slots=True)
class Feed(Generic[V_co]):
    """Objects of one kind, and what is kept of each.

    `keep` runs in the thread that watches, so that a raw object lives no longer than that; None:
    the object is not for us. `fields` and `labels` are selectors as the API takes them.
    """

    resource: Resource
    keep: Callable[[Raw], V_co | None]
    namespace: str = ""
    fields: str = ""
    labels: str = ""

    def __str__(self) -> str:
        return str(self.resource)

    @property
    def path(self) -> str:
        """Of the list."""
        return self.resource.path(self.namespace or None)

    def query(self, **more: str | int) -> dict[str, str | int]:
        """A query of its objects."""
        selectors = {"fieldSelector": self.fields, "labelSelector": self.labels}
        return {**{key: text for key, text in selectors.items() if text}, **more}

    def kept(self, raw: Raw) -> V_co | None:
        """What is kept of an object; raises `RefusedError`.

        What a `keep` trips over is somebody's object: it must not end the watch of all others. Its
        own words may quote a value, so they are left out.
        """
        try:
            return self.keep(cast("Raw", self.resource.document(raw).data))
        except RefusedError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as bad:
            raise RefusedError(f"it cannot be read ({type(bad).__name__})") from bad
        except RecursionError as bad:
            raise RefusedError("it is nested too deeply") from bad


class ListMeta(Content):
    """The moment of a list, and where its next page is."""

    version: str = Field(alias="resourceVersion", min_length=1)
    more: str = Field("", alias="continue")


class Page(Content):
    """One page of a list."""

    metadata: ListMeta
    items: list[Raw] | None


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a watch."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
    object: Raw

    @property
    def version(self) -> str:
        """To resume from."""
        return _text(self.object["metadata"]["resourceVersion"])

    @property
    def expired(self) -> bool:
        """Whether the server has forgotten what came after our version."""
        return self.type == "ERROR" and self.object.get("code") == HTTPStatus.GONE

    @property
    def said(self) -> str:
        """The server's words in an error."""
        return str(self.object.get("message") or self.object.get("reason") or "an error")


def event(line: bytes) -> Event:
    """Raises `ValueError` for what is none."""
    try:
        data = json.loads(line)
        found = Event(data["type"], data["object"])
        if found.type not in EVENTS or not isinstance(found.object, dict):
            raise ValueError("no event of a watch")
        if found.type != "ERROR":
            _text(found.version)
    except (LookupError, TypeError, RecursionError) as bad:
        raise ValueError("no event of a watch") from bad
    return found


def key_of(raw: Raw) -> str:
    """`namespace/name`, or the name alone; raises `ValueError` where there is none."""
    try:
        meta = raw["metadata"]
        name, namespace = _text(meta["name"]), meta.get("namespace", "")
    except (LookupError, TypeError, AttributeError) as bad:
        raise ValueError("no object") from bad
    return f"{namespace}/{name}" if namespace else name


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("no text")
    return value
