"""What somebody else has and hands over by name: its rows are compared as if they were ours.

A name is that of a row (`BGP_NEIGHBOR|default|10.1.0.11`), with or without its table and VRF, or of
its peer group. A neighbor comes with the rows below it. The full names of what was taken over lead
back: where something read before is intended, these rows become again what they were.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from ferrule.compiler.backends.sonic.conflicts import (
    NEIGHBOR,
    NEIGHBOR_AF,
    Rows,
    taken,
)
from ferrule.compiler.backends.sonic.model import Row
from ferrule.compiler.backends.sonic.parse import GROUP, RowId, Running


def hand_over(running: Running, wanted: Rows, names: Collection[str]) -> tuple[Running, set[RowId]]:
    """A switch with what is in the way of `wanted`, and is named, among what is ours."""
    if not names:
        return running, set()
    known = frozenset(names)
    there = {
        one.there
        for one in taken(running, wanted)
        if one.problem.severity == "error" and known & {*_names(running, one.there)}
    }
    rows = {**running.ours, **{row.id: row for one in there for row in _with_below(running, one)}}
    return replace(running, ours=rows), there


def given_back(intended: Running, names: Collection[str]) -> Iterator[Row]:
    """What was somebody else's when `intended` was read, by its full name."""
    for name in names:
        table, _, rest = name.partition("|")
        there = table in GROUP and rest in intended.tables.get(table, {})
        if there and (table, rest) not in intended.ours:
            yield from _with_below(intended, (table, rest))


def _names(running: Running, one: RowId) -> Iterator[str]:
    """All that may be said of a row to name it."""
    table, name = one
    vrf, _, last = name.partition("|")
    yield from (f"{table}|{name}", name, last)
    group = running.tables[table][name].get(GROUP[table])
    if isinstance(group, str):
        yield from (group, f"{vrf}|{group}", f"BGP_PEER_GROUP|{vrf}|{group}")


def _with_below(running: Running, one: RowId) -> Iterator[Row]:
    """A row and those that cannot be without it."""
    table, name = one
    below = (
        each
        for each in running.tables.get(NEIGHBOR_AF, {})
        if table == NEIGHBOR and each.rpartition("|")[0] == name
    )
    for where, what in (one, *((NEIGHBOR_AF, each) for each in below)):
        row = running.row(where, what)
        assert row is not None
        yield row
