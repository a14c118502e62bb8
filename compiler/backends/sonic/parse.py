"""From what a switch runs to the rows that are ours.

Read is the whole CONFIG_DB, as `sonic-cfggen -d --print-data` prints it, so that what is ours can
be told from what is not and a change can be tried on all of it. A row that no rule below
recognises is foreign, whatever it looks like.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ferrule.compiler.backends.base import device_name
from ferrule.compiler.backends.sonic.model import OURS, TABLES, Row, Value

Fields = Mapping[str, object]  # what CONFIG_DB holds: strings, and lists of them
Tables = Mapping[str, Mapping[str, Fields]]
RowId = tuple[str, str]  # table, and key as CONFIG_DB writes it

GLOBALS = ("BGP_GLOBALS", "BGP_GLOBALS_AF")

# Where the key of a row holds its name, or else which field names the peer group it belongs to.
NAMED = {
    table: next(
        index for index, part in enumerate(known.key) if part in ("name", "peer_group_name")
    )
    for table, known in TABLES.items()
    if known.key.keys() & {"name", "peer_group_name"}
}
GROUP = {"BGP_NEIGHBOR": "peer_group_name", "BGP_GLOBALS_LISTEN_PREFIX": "peer_group"}


@dataclass(frozen=True, slots=True)
class Running:
    """A switch's CONFIG_DB: `tables` is all of it, `ours` the rows of one cluster."""

    cluster: str
    tables: Tables = field(repr=False)
    ours: Mapping[RowId, Row]

    def row(self, table: str, name: str) -> Row | None:
        """A row by its name, be it ours or not."""
        fields = self.tables.get(table, {}).get(name)
        return None if fields is None else _row(table, name, fields)

    def foreign(self) -> Iterator[tuple[str, str, Fields]]:
        """Table, name and fields of every row that is not ours."""
        for table, rows in self.tables.items():
            for name, fields in rows.items():
                if (table, name) not in self.ours:
                    yield table, name, fields


def parse(running: str | Mapping[str, object], cluster: str) -> Running:
    """The CONFIG_DB of a switch, given as its JSON text or as that decoded.

    A list may also be spelt as redis holds it, `"route_map_in@": "a,b"`. `ValueError` where it is
    no CONFIG_DB.
    """
    read = json.loads(running) if isinstance(running, str) else running
    if not isinstance(read, Mapping):
        raise ValueError("a CONFIG_DB is an object of tables")  # noqa: TRY004
    tables = {
        name: {key: _fields(fields) for key, fields in rows.items() if isinstance(fields, dict)}
        for name, rows in read.items()
        if isinstance(rows, dict)  # `show runningconfiguration all` adds FRR's text as "bgpraw"
    }
    prefix = device_name(OURS, cluster)
    ours = {
        (table, name): _row(table, name, fields)
        for table in TABLES
        for name, fields in tables.get(table, {}).items()
        if _is_ours(table, name, fields, prefix)
    }
    return Running(cluster, tables, ours)


def _is_ours(table: str, name: str, fields: Fields, prefix: str) -> bool:
    if table in NAMED:
        parts = name.split("|")
        return len(parts) > NAMED[table] and parts[NAMED[table]].startswith(prefix)
    if table in GROUP:
        group = fields.get(GROUP[table])
        return isinstance(group, str) and group.startswith(prefix) and name.count("|") == 1
    return False  # the globals belong to everybody


def _fields(fields: Mapping[str, object]) -> Fields:
    """The fields with every list a list; an empty row is `NULL` in redis."""
    if not any(name[-1:] == "@" or name == "NULL" for name in fields):
        return fields
    return {
        name.removesuffix("@"): value.split(",")
        if name[-1:] == "@" and isinstance(value, str)
        else value
        for name, value in fields.items()
        if name != "NULL"
    }


def _row(table: str, name: str, fields: Fields) -> Row:
    return Row(table, tuple(name.split("|")), {one: _value(of) for one, of in fields.items()})


def _value(value: object) -> Value:
    """A value as the model has it; what CONFIG_DB cannot hold becomes its text."""
    if isinstance(value, list):
        return tuple(str(one) for one in value)
    return str(value)
