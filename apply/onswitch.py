"""Runs on a SONiC switch, by the switch's own Python and with nothing but its standard library.

`stamp FILE` prints a digest of one cluster's rows in CONFIG_DB, and of its fields in rows that all
share; `restore FILE` makes them again what the file says they were. It is what the timer of
`apply --confirm` calls when nobody else can: it compares for itself, so it works from whatever
state a cut connection left behind. SONiC's updater orders what is in one patch; what FRR does not
change in place goes by a patch before.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable

READ = ["sonic-cfggen", "-d", "--print-data"]
APPLY = ["config", "apply-patch", "/dev/stdin"]
GROUPS = ("BGP_NEIGHBOR", "BGP_GLOBALS_LISTEN_PREFIX")  # FRR moves no row of these in place

Fields = dict[str, object]
Rows = dict[tuple[str, str], Fields]
Row = tuple[str, str, Fields]


def rows_of(
    tables: dict[str, dict[str, Fields]],
    prefix: str,
    named: dict[str, int],
    groups: dict[str, str],
) -> Rows:
    """A cluster's rows: by their name, which `named` finds in the key, or by their group."""
    found: Rows = {}
    for table, rows in tables.items():
        for key, fields in rows.items() if isinstance(rows, dict) else ():
            parts = key.split("|")
            at = named.get(table)
            name = parts[at] if at is not None and at < len(parts) else ""
            group = str(fields.get(groups[table], "")) if table in groups else ""
            if name.startswith(prefix) or group.startswith(prefix):
                found[table, key] = fields
    return found


def patches(now: Rows, before: Rows, sizes: dict[str, int]) -> list[list[dict[str, object]]]:
    """At most three: what must go first, all the rest, and empty groups.

    A peer group that is removed with its fields leaves them in frrcfgd's mind, which does not send
    them to FRR when the group comes back: so they go first.
    """
    moved = {
        row for row in now.keys() & before.keys() if row[0] in GROUPS and now[row] != before[row]
    }
    gone = {row for row in now if row not in before}
    groups = {row for row in gone if row[0] == "BGP_PEER_GROUP"}
    there = {row: fields for row, fields in now.items() if row not in moved}
    rest = [
        operation("replace" if row in there else "add", row, fields)
        for row, fields in sorted(before.items())
        if there.get(row) != fields
    ]
    rest += [operation("replace", row, {}) for row in sorted(groups) if now[row]]
    first = removals(moved, set(), sizes)
    added = {row[0] for row in before if row not in there}
    rest += removals(gone - groups, added, sizes)
    return [one for one in (first, rest, removals(groups, set(), sizes)) if one]


def shared_fields(tables: dict[str, dict[str, Fields]], then: Iterable[Row]) -> list[Row]:
    """The same fields of the same rows, as they are now; of a row that is gone there are none."""
    return [
        (table, key, {name: tables[table][key].get(name) for name in fields})
        for table, key, fields in then
        if key in tables.get(table, {})
    ]


def corrections(now: list[Row], then: Iterable[Row]) -> list[dict[str, object]]:
    """Field by field, for others have fields of these rows too; null is no field."""
    before = {(table, key): fields for table, key, fields in then}
    return [
        {"op": "remove", "path": path(table, key, name)}
        if was is None
        else {"op": "add", "path": path(table, key, name), "value": was}
        for table, key, fields in now
        for name, was in sorted(before[table, key].items())
        if fields[name] != was
    ]


def removals(
    rows: set[tuple[str, str]], added: set[str], sizes: dict[str, int]
) -> list[dict[str, object]]:
    """Rows that go; an empty table is refused, so the table goes instead of its last row."""
    made: list[dict[str, object]] = []
    for table in sorted({table for table, _ in rows}):
        mine = sorted(row for row in rows if row[0] == table)
        sizes[table] = sizes.get(table, 0) - len(mine)
        if sizes[table] > 0 or table in added:
            made += [operation("remove", row) for row in mine]
        else:
            made.append({"op": "remove", "path": f"/{table}"})
    return made


def operation(op: str, row: tuple[str, str], fields: Fields | None = None) -> dict[str, object]:
    """One operation of RFC 6902; `/` in a key is escaped as RFC 6901 says."""
    made: dict[str, object] = {"op": op, "path": path(*row)}
    return made if fields is None else {**made, "value": fields}


def path(*names: str) -> str:
    """A JSON Pointer."""
    return "".join(f"/{one.replace('~', '~0').replace('/', '~1')}" for one in names)


def main(verb: str, file: str) -> int:
    """0 when it is done."""
    with open(file) as stream:  # noqa: PTH123  # as the oldest Python there knows it
        said = json.load(stream)
    tables = json.loads(subprocess.run(READ, check=True, stdout=subprocess.PIPE).stdout)  # noqa: S603
    now = rows_of(tables, said["prefix"], said["named"], said["groups"])
    shared = shared_fields(tables, said["globals"])
    if verb == "stamp":
        ours = sorted((*row, fields) for row, fields in now.items())
        text = json.dumps([ours, shared], sort_keys=True)
        sys.stdout.write(hashlib.sha256(text.encode()).hexdigest() + "\n")
        return 0
    before = {(table, key): fields for table, key, fields in said["before"]}
    now.update((row, tables[row[0]][row[1]]) for row in before if row[1] in tables.get(row[0], {}))
    sizes = {table: len(rows) for table, rows in tables.items()}
    code = 0
    fields = corrections(shared, said["globals"])
    for patch in [*([fields] if fields else []), *patches(now, before, sizes)]:
        done = subprocess.run(APPLY, input=json.dumps(patch).encode(), check=False)  # noqa: S603
        code = code or done.returncode
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
