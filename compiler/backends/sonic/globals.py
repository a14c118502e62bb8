"""BGP_GLOBALS and BGP_GLOBALS_AF: rows that all who run BGP on a switch share.

Where a row is missing, nobody can lose by ours: it is written whole. In one that is there a field
is changed only where the operator said `globals: managed`, and only one that we need. A row is
never removed, a field only on the way back to what was read before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ferrule.compiler.backends.base import Change
from ferrule.compiler.backends.sonic.model import (
    TABLES,
    Row,
    Value,
    field_change,
    row_change,
    spelled,
)
from ferrule.compiler.backends.sonic.parse import GLOBALS, Running
from ferrule.compiler.backends.sonic.steps import Step
from ferrule.compiler.errors import Diagnostic, error, warning

Part = Step | Change | Diagnostic


def global_parts(running: Running, rows: Iterable[Row], *, managed: bool) -> Iterator[Part]:
    """What it takes to make the globals hold what `rows` say, or why it cannot be done."""
    known = running.tables.get("VRF", {}).keys() | {"default"}
    for row in rows:
        if row.table == "BGP_GLOBALS" and row.name not in known:
            yield _missing_vrf(row)
        old = running.row(row.table, row.name)
        if old is None:
            yield Step("accept", "add", row)
            yield row_change("add", row, None, row)
        else:
            yield from _compared(old, row, managed=managed)


def given_up(running: Running, before: Running) -> Iterator[Part]:
    """The fields of ours that were not there before.

    But for `local_asn`, without which nobody in the VRF has BGP any more.
    """
    for table in GLOBALS:
        for name in running.tables.get(table, {}).keys() & before.tables.get(table, {}).keys():
            now, then = running.row(table, name), before.row(table, name)
            assert now
            assert then
            ours = TABLES[table].fields.keys() - {"local_asn"}
            for gone in sorted((now.fields.keys() - then.fields.keys()) & ours):
                yield field_change(now, gone, now.fields[gone], None)
                yield Step("settle", "remove", now, now, gone)


def _compared(old: Row, row: Row, *, managed: bool) -> Iterator[Part]:
    wrong = {name: old.fields.get(name) for name in row.fields if not _agree(old, row, name)}
    if "local_asn" in wrong and not (managed and wrong["local_asn"] is None):
        yield _other_asn(row, wrong.pop("local_asn"))
    if managed:
        for name, was in sorted(wrong.items()):
            change = field_change(row, name, was, row.fields[name])
            yield Step("accept", change.op, row, old, name)
            yield change
    elif wrong:
        yield _foreign_globals(row, wrong)


def _agree(old: Row, new: Row, name: str) -> bool:
    """Whether a field has the value we need; frrcfgd reads no `default_ipv4_unicast` as false."""
    default = "false" if name == "default_ipv4_unicast" else None
    return old.fields.get(name, default) == new.fields[name]


def _other_asn(row: Row, was: Value | None) -> Diagnostic:
    """Not even `managed` may change it.

    frrcfgd ignores a new `local_asn`. The end of the old one is a `no router bgp` to it: with that
    go the sessions of everybody in the VRF, and its own memory of what it had configured there.
    """
    runs = f"the switch runs AS {spelled(was)}" if was else "the row on the switch says none"
    return error(
        "other-asn",
        f"{row}: local_asn must be {spelled(row.fields['local_asn'])}, {runs}",
        *row.places,
        help="correct the asn of the Switch, or renumber the switch by hand",
    )


def _foreign_globals(row: Row, wrong: Mapping[str, Value | None]) -> Diagnostic:
    differences = ", ".join(
        f"{name} is {'not set' if was is None else spelled(was)} and should be"
        f" {spelled(row.fields[name])}"
        for name, was in sorted(wrong.items())
    )
    return warning(
        "foreign-globals",
        f"{row} is used by others too: {differences}",
        *row.places,
        help="change it on the switch, or let Ferrule do so with `globals: managed`",
    )


def _missing_vrf(row: Row) -> Diagnostic:
    return error(
        "missing-vrf",
        f"{row}: the switch has no VRF {row.name}",
        *row.places,
        help="create the VRF, which Ferrule never does, or correct the addresses of the Switch",
    )
