"""From rows to config_db.json.

Keys are sorted character by character, tables and rows and fields alike: what `jq -S` and every
JSON library's `sort_keys` give, so that any tool's copy of the file compares equal to ours.
"""

from __future__ import annotations

import json

from ferrule.compiler.backends.base import Line
from ferrule.compiler.backends.sonic.model import Model, Value


def render(model: Model, *, with_secrets: bool = False) -> str:  # noqa: ARG001
    """The text of config_db.json.

    `with_secrets` is what every backend's `render` takes; no row ever holds a secret.
    """
    tables: dict[str, dict[str, dict[str, Value]]] = {}
    for row in model.rows:
        tables.setdefault(row.table, {})[row.name] = dict(row.fields)
    return json.dumps(tables, indent=2, sort_keys=True) + "\n"


def annotate(model: Model) -> tuple[Line, ...]:
    """One line for each row, in the order of the file, with what caused it."""
    return tuple(Line(f"{row} {row.text}".rstrip(), row.origin) for row in model.rows)
