"""What a comparison sends: row by row, in up to four patches.

accept   adds and changes. After it the switch takes all that it took and all that it should:
         from here on nodes may announce.
detach   takes out what FRR does not change in place, and what is in the way of something new.
settle   puts that back as it should be, lowers limits, and removes what nothing needs any more:
         before it nodes withdraw. Of a peer group it takes only the fields;
forget   removes the empty group. frrcfgd keeps in mind what a group had that is removed whole, and
         when one of that name comes back it does not send it to FRR: no remote-as, no timers.

Each patch is one run of SONiC's Generic Config Updater (`config apply-patch`), which orders what is
in it by the YANG models. Every row replaced or removed is first tested to be what was read, so that
a patch that comes too late is refused whole. A row whose table is not there is added all the same:
GCU makes the table, where a patch that made it could wipe out one that somebody made meanwhile.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from ferrule.compiler.backends.base import Command, Op
from ferrule.compiler.backends.sonic.model import Row, Value
from ferrule.compiler.backends.sonic.parse import Running

Phase = Literal["accept", "detach", "settle", "forget"]
PHASES: tuple[Phase, ...] = ("accept", "detach", "settle", "forget")

VERBS: dict[Op, str] = {"add": "add", "remove": "remove", "change": "replace"}


@dataclass(frozen=True, slots=True)
class Step:
    """What one patch does to one row, or to one field of it.

    `row` is what will be there; of a row that goes, what it was. `old` is what was there.
    """

    phase: Phase
    op: Op
    row: Row
    old: Row | None = None
    field: str | None = None


def commands(running: Running, steps: Iterable[Step]) -> Iterator[Command]:
    """The steps as operations, `within` their patch, sorted by table and name in each."""
    ordered = sorted(steps, key=lambda one: (PHASES.index(one.phase), one.row.table, one.row.name))
    rows = Counter({table: len(names) for table, names in running.tables.items()})
    for (phase, table), group in groupby(ordered, key=lambda one: (one.phase, one.row.table)):
        here = tuple(group)
        going = [one.row for one in here if one.op == "remove" and one.field is None]
        rows[table] += sum(one.op == "add" and one.field is None for one in here) - len(going)
        if going and not rows[table]:
            yield from _emptied(phase, table, going)
        else:
            for step in here:
                yield from _operations(step)


def patches(commands: Iterable[Command]) -> tuple[str, ...]:
    """Commands as `config apply-patch` takes them: one JSON Patch after the other."""
    return tuple(
        "[\n" + ",\n".join(command.text for command in patch) + "\n]\n"
        for _, patch in groupby(commands, key=lambda command: command.within)
    )


def _emptied(phase: Phase, table: str, going: Iterable[Row]) -> Iterator[Command]:
    """ConfigDB knows no empty table: with its last row a table goes, if nothing else is in it."""
    content = {row.name: _plain(row) for row in going}
    yield _command(phase, "remove", {"op": "test", "path": f"/{table}", "value": content})
    yield _command(phase, "remove", {"op": "remove", "path": f"/{table}"})


def _operations(step: Step) -> Iterator[Command]:
    path = f"/{step.row.table}/{_escaped(step.row.name)}"
    new: object = _plain(step.row)
    old: object = None if step.old is None else _plain(step.old)
    if step.field is not None:  # its name needs no escaping
        path = f"{path}/{step.field}"
        new = _listed(step.row.fields[step.field])
        old = _plain(step.old).get(step.field) if step.old else None
    if old is not None:
        yield _command(step.phase, step.op, {"op": "test", "path": path, "value": old}, step.row)
    operation: dict[str, object] = {"op": VERBS[step.op], "path": path}
    if step.op != "remove":
        operation["value"] = new
    yield _command(step.phase, step.op, operation, step.row)


def _command(phase: Phase, op: Op, operation: dict[str, object], row: Row | None = None) -> Command:
    origin = None if row is None else row.origin
    return Command(json.dumps(operation, sort_keys=True), op, (phase,), origin, phase)


def _plain(row: Row) -> dict[str, object]:
    return {name: _listed(of) for name, of in row.fields.items()}


def _listed(value: Value) -> object:
    return value if isinstance(value, str) else list(value)


def _escaped(name: str) -> str:
    """One step of a JSON Pointer, RFC 6901 §3."""
    return name.replace("~", "~0").replace("/", "~1")
