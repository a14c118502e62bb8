"""From what a switch runs to what it should: changes to read, JSON Patches for GCU.

Of what is there, only rows of ours are looked at; `conflicts` knows what FRR makes of a row that
moves, `globals` the rows that all share, `steps` the order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ferrule.compiler.backends.base import Change, Diff
from ferrule.compiler.backends.sonic.adoption import given_back, hand_over
from ferrule.compiler.backends.sonic.conflicts import NEIGHBOR_AF, apart, still_used, taken
from ferrule.compiler.backends.sonic.globals import Part, given_up, global_parts
from ferrule.compiler.backends.sonic.model import (
    TABLES,
    Model,
    Row,
    Value,
    field_change,
    row_change,
)
from ferrule.compiler.backends.sonic.parse import GLOBALS, RowId, Running
from ferrule.compiler.backends.sonic.steps import Step, commands
from ferrule.compiler.errors import Diagnostic

LIMIT = "max_prefix_limit"


def diff(
    running: Running,
    intended: Model | Running,
    *,
    managed: bool = False,
    adopt: Collection[str] = (),
) -> Diff:
    """What it takes to make what is ours in `running` what `intended` says, and nothing else.

    `managed`: the fields that we need of the BGP_GLOBALS and BGP_GLOBALS_AF rows are ours too.
    Something read before may be given as `intended`, to go back to it. `adopt` names what others
    have and hand over (`adoption`).
    """
    if isinstance(intended, Model):
        own = {row.id: row for row in intended.rows if row.table not in GLOBALS}
        shared = [row for row in intended.rows if row.table in GLOBALS]
        back: set[RowId] = set()
    else:
        returned = {row.id: row for row in given_back(intended, adopt)}
        own = {**intended.ours, **returned}
        shared = list(_settable(intended, running)) if managed else []
        back = {one for one in returned if one[0] != NEIGHBOR_AF}
    running, there = hand_over(running, own, adopt)
    parts = [*_parts(running, own), *global_parts(running, shared, managed=managed)]
    if managed and isinstance(intended, Running):
        parts += given_up(running, intended)
    steps = [one for one in parts if isinstance(one, Step)]
    return Diff(
        tuple(sorted((one for one in parts if isinstance(one, Change)), key=lambda one: one.path)),
        tuple(commands(running, steps)),
        tuple(one for one in parts if isinstance(one, Diagnostic)),
        tuple(sorted("|".join(one) for one in there | back)),
    )


def _settable(intended: Running, running: Running) -> Iterator[Row]:
    """What a diff may have set of the globals; the rows that it wrote whole stay."""
    for table in GLOBALS:
        for name in intended.tables.get(table, {}).keys() & running.tables.get(table, {}).keys():
            row = intended.row(table, name)
            assert row is not None
            known = {key: of for key, of in row.fields.items() if key in TABLES[table].fields}
            yield Row(table, row.key, known)


def _parts(running: Running, own: dict[RowId, Row]) -> Iterator[Part]:
    """The rows of ours; what somebody else has in their place stays as it is."""
    for conflict in taken(running, own):
        yield conflict.problem
        if conflict.problem.severity == "error":
            own.pop(conflict.wanted, None)
    have = running.ours
    gone = {one: row for one, row in have.items() if one not in own}
    new = {one: row for one, row in own.items() if one not in have}
    other = {one: row for one, row in own.items() if one in have and have[one].fields != row.fields}
    if not (gone or new or other):
        return
    parted = apart(running, own, gone=gone, new=new, other=other)
    again = parted - gone.keys() - new.keys()
    yield from still_used(running, (have[one] for one in (*gone, *again)))
    for one, row in new.items():
        yield row_change("add", row, None, row)
        yield Step("settle" if one in parted else "accept", "add", row)
    for one, row in gone.items():
        yield row_change("remove", row, row, None)
        yield from _removed(row, apart=one in parted)
    for one in again:
        yield Step("detach", "remove", have[one], have[one])
        yield Step("settle", "add", own[one])
    for one in other.keys() | again:
        yield from _changes(have[one], own[one])
        if one not in again:
            yield from _replaced(have[one], own[one])


def _changes(old: Row, new: Row) -> Iterator[Change]:
    """Field by field; a row that only has to go and come back is one change."""
    if old.fields == new.fields:
        yield row_change("change", new, old, new)
    for name in sorted(old.fields.keys() | new.fields.keys()):
        if old.fields.get(name) != new.fields.get(name):
            yield field_change(new, name, old.fields.get(name), new.fields.get(name))


def _removed(row: Row, *, apart: bool) -> Iterator[Step]:
    if row.table != "BGP_PEER_GROUP":
        yield Step("detach" if apart else "settle", "remove", row, row)
        return
    empty = Row(row.table, row.key, {}, row.origin)
    if row.fields:
        yield Step("settle", "change", empty, row)
    yield Step("forget", "remove", empty, empty)


def _replaced(old: Row, new: Row) -> Iterator[Step]:
    """A row changed in place, and what of it has to wait for the end.

    A limit that falls; and the end of an `admin_status` that somebody set, which frrcfgd answers
    with what it said: `down` is first turned up.
    """
    fields = dict(new.fields)
    if number(new.fields.get(LIMIT)) < number(old.fields.get(LIMIT)):
        fields[LIMIT] = old.fields[LIMIT]
    if new.table == "BGP_PEER_GROUP" and "admin_status" in old.fields:
        fields["admin_status"] = "up"
    between = Row(new.table, new.key, fields, new.origin)
    if between.fields != old.fields:
        yield Step("accept", "change", between, old)
    if between.fields != new.fields:
        yield Step("settle", "change", new, between)


def number(value: Value | None) -> int:
    """A field that holds a number; 0 for one that is not there, or is none."""
    return int(value) if isinstance(value, str) and value.isdecimal() else 0
