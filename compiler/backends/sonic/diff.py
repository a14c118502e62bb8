"""From the rows that a switch runs to the rows it should: JSON Patches for `config apply-patch`.

Each patch is one run of SONiC's Generic Config Updater, which orders what is in it by the YANG
models; what FRR needs beyond that is a matter of several patches. There are at most three:

accept   adds and changes. After it the switch takes all that it took and all that it should:
         here nodes may begin to announce.
detach   takes out what FRR does not change in place, and what is in the way of something new.
settle   puts that back as it should be, lowers limits, and removes what nothing needs any more:
         before it nodes withdraw.

Every row replaced or removed is first tested to be what was read, so a patch that comes too late is
refused whole. A row whose table is not there is added all the same: GCU makes the table, where a
patch that made it could wipe out one that somebody made meanwhile.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from ferrule.compiler.backends.base import Change, Command, Diff, Op
from ferrule.compiler.backends.sonic.conflicts import apart, taken, unsafe_to_remove
from ferrule.compiler.backends.sonic.model import Model, Row, Value, spelled
from ferrule.compiler.backends.sonic.parse import GLOBALS, RowId, Running, parse
from ferrule.compiler.errors import Diagnostic, Place, error, warning

ACCEPT, DETACH, SETTLE = PHASES = ("accept", "detach", "settle")

Json = dict[str, object]


def diff(running: Running, intended: Model, *, managed: bool = False) -> Diff:
    """What it takes to make the rows of ours those of `intended`, and nothing else.

    `managed`: of the BGP_GLOBALS and BGP_GLOBALS_AF rows that exist, the fields that we need are
    ours too. Otherwise such a row is only compared. Neither is ever removed.
    """
    shared = [row for row in intended.rows if row.table in GLOBALS]
    own = {(row.table, row.name): row for row in intended.rows if row.table not in GLOBALS}
    blocked = taken(running, own)
    for row_id, _ in blocked:
        own.pop(row_id, None)
    steps, changes = _own_steps(running, own)
    problems = [problem for _, problem in blocked]
    problems += unsafe_to_remove(running, (step.row for step in steps if step.op == "remove"))
    problems += _missing_vrfs(running, shared)
    for row in shared:
        more, said, doubts = _shared_steps(running, row, managed=managed)
        steps += more
        changes += said
        problems += doubts
    return Diff(
        changes=tuple(sorted(changes, key=lambda one: one.path)),
        commands=tuple(_commands(running, steps)),
        problems=tuple(problems),
    )


def patches(diff: Diff) -> tuple[str, ...]:
    """The JSON Patches of a diff, each for one `config apply-patch`, in their order."""
    together = groupby(diff.commands, key=lambda command: command.within)
    return tuple(
        "[\n" + ",\n".join(command.text for command in commands) + "\n]\n"
        for _, commands in together
    )


def future(running: Running, diff: Diff) -> Running:
    """What the switch runs once all patches are applied; `ValueError` where a `test` fails."""
    tables: Json = {
        table: {name: dict(fields) for name, fields in rows.items()}
        for table, rows in running.tables.items()
    }
    for patch in patches(diff):
        for operation in json.loads(patch):
            _apply(tables, operation)
    return parse(tables, running.cluster)


# Rows of ours.


@dataclass(frozen=True, slots=True)
class _Step:
    """What one patch does to one row, or to one field of it.

    `row` is what will be there, or what was where it goes; `old` what was there.
    """

    phase: str
    op: Op
    row: Row
    old: Row | None = None
    field: str | None = None


def _own_steps(running: Running, wanted: Mapping[RowId, Row]) -> tuple[list[_Step], list[Change]]:
    gone = {one: row for one, row in running.ours.items() if one not in wanted}
    new = {one: row for one, row in wanted.items() if one not in running.ours}
    other = {
        one: row
        for one, row in wanted.items()
        if one in running.ours and running.ours[one].fields != row.fields
    }
    if not (gone or new or other):
        return [], []
    parted = apart(running, wanted, gone=gone, new=new, other=other)
    steps: list[_Step] = []
    for one, row in new.items():
        steps.append(_Step(SETTLE if one in parted else ACCEPT, "add", row))
    for one, row in gone.items():
        steps.append(_Step(DETACH if one in parted else SETTLE, "remove", row, row))
    for one in parted - gone.keys() - new.keys():
        old = running.ours[one]
        steps += (_Step(DETACH, "remove", old, old), _Step(SETTLE, "add", wanted[one]))
    for one, row in other.items():
        if one not in parted:
            steps += _replaced(running.ours[one], row)
    changes = [_row_change("add", row, None, row) for row in new.values()]
    changes += [_row_change("remove", row, row, None) for row in gone.values()]
    for one in other.keys() | (parted - gone.keys() - new.keys()):
        changes += _field_changes(running.ours[one], wanted[one])
    return steps, changes


def _replaced(old: Row, new: Row) -> Iterator[_Step]:
    """A row changed in place; where its limit falls, only that is left for the end."""
    limit = "max_prefix_limit"
    if _number(new.fields.get(limit)) >= _number(old.fields.get(limit)):
        yield _Step(ACCEPT, "change", new, old)
        return
    between = Row(new.table, new.key, {**new.fields, limit: old.fields[limit]}, new.origin)
    if between.fields != old.fields:
        yield _Step(ACCEPT, "change", between, old)
    yield _Step(SETTLE, "change", new, between)


def _number(value: Value | None) -> int:
    return int(value) if isinstance(value, str) and value.isdecimal() else 0


def _row_change(op: Op, row: Row, old: Row | None, new: Row | None) -> Change:
    before, after = (None if one is None else one.text for one in (old, new))
    return Change(op, (row.table, row.name), before, after, row.origin)


def _field_changes(old: Row, new: Row) -> Iterator[Change]:
    """Field by field; a row that only has to go and come back is one change."""
    if old.fields == new.fields:
        yield _row_change("change", new, old, new)
    for name in sorted(old.fields.keys() | new.fields.keys()):
        if old.fields.get(name) != new.fields.get(name):
            yield _field_change(new, name, old.fields.get(name), new.fields.get(name))


def _field_change(row: Row, name: str, old: Value | None, new: Value | None) -> Change:
    op: Op = "add" if old is None else "remove" if new is None else "change"
    path = (row.table, row.name, name)
    before, after = (None if one is None else spelled(one) for one in (old, new))
    return Change(op, path, before, after, row.origin)


# BGP_GLOBALS and BGP_GLOBALS_AF: everybody's.


def _shared_steps(
    running: Running, row: Row, *, managed: bool
) -> tuple[list[_Step], list[Change], list[Diagnostic]]:
    old = running.row(row.table, row.name)
    if old is None:
        return [_Step(ACCEPT, "add", row)], [_row_change("add", row, None, row)], []
    wrong = {name: old.fields.get(name) for name in row.fields if not _agree(old, row, name)}
    problems = []
    if "local_asn" in wrong and (not managed or wrong["local_asn"] is not None):
        problems.append(_other_asn(row, wrong.pop("local_asn")))
    if wrong and not managed:
        problems.append(_unmanaged(row, wrong))
    if not managed:
        return [], [], problems
    changes = [_field_change(row, name, was, row.fields[name]) for name, was in wrong.items()]
    steps = [_Step(ACCEPT, change.op, row, old, change.path[2]) for change in changes]
    return steps, changes, problems


def _agree(old: Row, new: Row, name: str) -> bool:
    """Whether a field has the value we need; frrcfgd reads no `default_ipv4_unicast` as false."""
    default = "false" if name == "default_ipv4_unicast" else None
    return old.fields.get(name, default) == new.fields[name]


def _other_asn(row: Row, was: Value | None) -> Diagnostic:
    """Not even `managed` may change it.

    frrcfgd ignores a new local_asn, and takes the old one away as `no router bgp`: with it go the
    sessions of everybody else in that VRF, and its own memory of which peer groups there are.
    """
    runs = f"the switch runs AS {spelled(was)}" if was else "the row there says none"
    return error(
        "other-asn",
        f"{row}: local_asn must be {spelled(row.fields['local_asn'])}, {runs}",
        *_places(row),
        help="correct the Switch's asn, or renumber the switch by hand",
    )


def _unmanaged(row: Row, wrong: Mapping[str, Value | None]) -> Diagnostic:
    differences = ", ".join(
        f"{name} is {'not set' if was is None else spelled(was)} and should be"
        f" {spelled(row.fields[name])}"
        for name, was in sorted(wrong.items())
    )
    return warning(
        "globals-differ",
        f"{row} is not ours to change: {differences}",
        *_places(row),
        help="set it on the switch, or give the row to Ferrule with `globals: managed`",
    )


def _missing_vrfs(running: Running, shared: Iterable[Row]) -> Iterator[Diagnostic]:
    known = running.tables.get("VRF", {}).keys() | {"default"}
    for row in shared:
        if row.table == "BGP_GLOBALS" and row.name not in known:
            yield error(
                "missing-vrf",
                f"the switch has no VRF {row.name}, which this Switch peers in",
                *_places(row),
                help="VRFs are never made by Ferrule: create it, or correct the Switch's addresses",
            )


def _places(row: Row) -> tuple[Place, ...]:
    return (row.origin.place(),) if row.origin else ()


# Operations.


def _commands(running: Running, steps: Iterable[_Step]) -> Iterator[Command]:
    """The steps as operations, patch by patch, sorted by table and name in each."""
    rank = {phase: number for number, phase in enumerate(PHASES)}
    ordered = sorted(steps, key=lambda one: (rank[one.phase], one.row.table, one.row.name))
    rows = Counter({table: len(names) for table, names in running.tables.items()})
    for (phase, table), group in groupby(ordered, key=lambda one: (one.phase, one.row.table)):
        here = tuple(group)
        going = [one for one in here if one.op == "remove" and one.field is None]
        coming = sum(one.op == "add" and one.field is None for one in here)
        rows[table] += coming - len(going)
        if going and not rows[table]:
            yield from _emptied(phase, table, going)
        else:
            for step in here:
                yield from _operations(step)


def _emptied(phase: str, table: str, going: Iterable[_Step]) -> Iterator[Command]:
    """ConfigDB knows no empty table: with its last row a table goes, if nothing else is in it."""
    content = {step.row.name: _fields(step.row) for step in going}
    yield _command(phase, "remove", {"op": "test", "path": f"/{table}", "value": content})
    yield _command(phase, "remove", {"op": "remove", "path": f"/{table}"})


def _operations(step: _Step) -> Iterator[Command]:
    path = f"/{step.row.table}/{_escaped(step.row.name)}"
    new: object = _fields(step.row)
    old: object = None if step.old is None else _fields(step.old)
    if step.field is not None:  # its names need no escaping
        path = f"{path}/{step.field}"
        new = step.row.fields[step.field]
        old = None if step.old is None else step.old.fields.get(step.field)
    verb = {"add": "add", "remove": "remove", "change": "replace"}[step.op]
    if old is not None:
        yield _command(step.phase, step.op, {"op": "test", "path": path, "value": old}, step.row)
    operation: Json = {"op": verb, "path": path}
    if step.op != "remove":
        operation["value"] = new
    yield _command(step.phase, step.op, operation, step.row)


def _command(phase: str, op: Op, operation: Json, row: Row | None = None) -> Command:
    text = json.dumps(operation, sort_keys=True)
    return Command(text, op, within=(phase,), origin=None if row is None else row.origin)


def _fields(row: Row) -> dict[str, object]:
    return {name: of if isinstance(of, str) else list(of) for name, of in row.fields.items()}


def _escaped(name: str) -> str:
    """One step of a JSON Pointer, RFC 6901 §3."""
    return name.replace("~", "~0").replace("/", "~1")


def _apply(tables: Json, operation: Mapping[str, object]) -> None:
    """One operation as GCU would carry it out, on objects alone."""
    *above, last = [
        step.replace("~1", "/").replace("~0", "~") for step in str(operation["path"]).split("/")[1:]
    ]
    at = tables
    for depth, step in enumerate(above):
        below = at.setdefault(step, {}) if depth == 0 else at[step]
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
