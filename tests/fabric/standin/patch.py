"""RFC 6902 on tables, refusing in the words of the library that GCU uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

Json = Any


class PatchError(Exception):
    """An operation that cannot be carried out."""


def applied(document: Json, patch: list[Mapping[str, Json]]) -> Json:
    """The document after all operations; the one that is given stays."""
    document = deepcopy(document)
    for operation in patch:
        for step in _plain(document, operation):
            _apply(document, step)
    return document


def pointer(path: str) -> list[str]:
    """The steps of a JSON Pointer."""
    if not path.startswith("/"):
        raise PatchError("Location must start with /")
    return [step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/")]


def _plain(document: Json, operation: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    """A copy is an add, and a move a remove before it."""
    if operation["op"] not in ("copy", "move"):
        yield operation
        return
    value = document
    for step in pointer(operation["from"]):
        value = _below(value, step)
    value = deepcopy(value)
    if operation["op"] == "move":
        yield {"op": "remove", "path": operation["from"]}
    yield {"op": "add", "path": operation["path"], "value": value}


def _apply(document: Json, operation: Mapping[str, Json]) -> None:
    verb = operation["op"]
    *above, last = pointer(operation["path"])
    if verb != "remove" and "value" not in operation:
        raise PatchError("The operation does not contain a 'value' member")
    at = document
    for step in above:
        at = _below(at, step)
    if isinstance(at, list):
        _apply_to_list(at, verb, last, operation)
    elif verb == "test":
        _test(_below(at, last), operation)
    elif verb == "add":
        at[last] = deepcopy(operation["value"])
    elif last not in at:
        raise PatchError(f"can't {verb} a non-existent object '{last}'")
    elif verb == "replace":
        at[last] = deepcopy(operation["value"])
    else:
        del at[last]


def _below(at: Json, step: str) -> Json:
    if isinstance(at, list):
        return at[int(step)]
    if not isinstance(at, dict) or step not in at:
        raise PatchError(f"member '{step}' not found in {at}")
    return at[step]


def _apply_to_list(at: list[Json], verb: str, last: str, operation: Mapping[str, Json]) -> None:
    if verb == "add":
        at.insert(len(at) if last == "-" else int(last), deepcopy(operation["value"]))
        return
    if not last.isdecimal() or int(last) >= len(at):
        raise PatchError(f"can't {verb} outside of list")
    match verb:
        case "remove":
            del at[int(last)]
        case "replace":
            at[int(last)] = deepcopy(operation["value"])
        case _:
            _test(at[int(last)], operation)


def _test(have: Json, operation: Mapping[str, Json]) -> None:
    wanted = operation["value"]
    if have != wanted:
        raise PatchError(
            f"{have} ({type(have)}) is not equal to tested value {wanted} ({type(wanted)})"
        )
