"""RFC 6902 on tables, refusing in the words of the library that GCU uses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

Json = Any


class PatchError(Exception):
    """An operation that cannot be carried out."""


def applied(document: Json, patch: list[Mapping[str, Json]]) -> Json:
    """The document after all operations; the one that is given stays."""
    document = deepcopy(document)
    for operation in patch:
        _apply(document, operation)
    return document


def pointer(path: str) -> list[str]:
    """The steps of a JSON Pointer."""
    if not path.startswith("/"):
        raise PatchError("Location must start with /")
    return [step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/")]


def _apply(document: Json, operation: Mapping[str, Json]) -> None:
    verb, path = operation.get("op"), operation["path"]
    *above, last = pointer(path)
    at = document
    for step in above:
        at = _below(at, step)
    if isinstance(at, list):
        _apply_to_list(at, str(verb), last, operation)
        return
    match verb:
        case "add":
            at[last] = deepcopy(operation["value"])
        case "replace":
            if last not in at:
                raise PatchError(f"can't replace a non-existent object '{last}'")
            at[last] = deepcopy(operation["value"])
        case "remove":
            if last not in at:
                raise PatchError(f"can't remove a non-existent object '{last}'")
            del at[last]
        case "test":
            _test(_below(at, last), operation)
        case _:
            raise PatchError(f"Unknown operation '{verb}'")


def _below(at: Json, step: str) -> Json:
    if isinstance(at, list):
        return at[int(step)]
    if not isinstance(at, dict) or step not in at:
        raise PatchError(f"member '{step}' not found in {json.dumps(at)}")
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
