"""What a switch will run once the patches of a diff are applied: RFC 6902, as GCU carries it out.

Objects are all that CONFIG_DB and our paths know; a table that is not there comes with its first
row. Every row that no operation is about stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from ferrule.compiler.backends.base import Diff
from ferrule.compiler.backends.sonic.parse import Running, parse
from ferrule.compiler.backends.sonic.steps import patches


def future(running: Running, diff: Diff) -> Running:
    """The same switch after all patches; `ValueError` where a `test` would fail."""
    tables: dict[str, object] = {
        table: {name: dict(fields) for name, fields in rows.items()}
        for table, rows in running.tables.items()
    }
    for patch in patches(diff.commands):
        for operation in json.loads(patch):
            _apply(tables, operation)
    return parse(tables, running.cluster)


def _apply(tables: dict[str, object], operation: Mapping[str, object]) -> None:
    _, *above, last = (
        step.replace("~1", "/").replace("~0", "~") for step in str(operation["path"]).split("/")
    )
    at = tables
    for step in above:
        below = at.setdefault(step, {}) if at is tables else at[step]
        assert isinstance(below, dict)
        at = below
    match operation["op"]:
        case "test":
            if at.get(last) != operation["value"]:
                raise ValueError(f"{operation['path']} is not what was read")
        case "remove":
            del at[last]
        case _:
            at[last] = operation["value"]
