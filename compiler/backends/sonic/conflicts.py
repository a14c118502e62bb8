"""Which rows stand in each other's way: on the switch with others', in one patch with our own.

GCU knows the YANG models and nothing of FRR, and frrcfgd tells nobody what FRR refused. So what FRR
does not take in place, or not beside something else, is known here (frrcfgd.py of 202511 to master;
FRR 8.4 and 10.3).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from ferrule.compiler.backends.sonic.model import TABLES, Name, Row, spelled
from ferrule.compiler.backends.sonic.parse import Fields, RowId, Running
from ferrule.compiler.errors import Diagnostic, error, listed, warning
from ferrule.compiler.network import Address, Prefix

Rows = Mapping[RowId, Row]
LISTEN = "BGP_GLOBALS_LISTEN_PREFIX"
NEIGHBOR = "BGP_NEIGHBOR"
NEIGHBOR_AF = "BGP_NEIGHBOR_AF"  # which we never write


# With rows that are not ours.


@dataclass(frozen=True, slots=True)
class Conflict:
    """A row that we want, one of somebody else's that is in its way, and how to say so."""

    wanted: RowId
    there: RowId
    problem: Diagnostic


def taken(running: Running, wanted: Rows) -> list[Conflict]:
    """Rows that we want and that somebody else has, or has an equivalent of.

    Addresses are compared as such: a key may spell them as it likes. FRR refuses a listen range
    that overlaps another of its VRF, whatever their groups.
    """
    foreign = [
        (table, name, running.tables[table][name])
        for table in (NEIGHBOR, LISTEN)
        for name in running.tables.get(table, {})
        if (table, name) not in running.ours
    ]
    there = {_neighbor(name): (name, of) for table, name, of in foreign if table == NEIGHBOR}
    ranges = [(name, of) for table, name, of in foreign if table == LISTEN]
    found = []
    for (table, name), row in wanted.items():
        one = (table, name)
        if table == NEIGHBOR:
            if other := there.get(_neighbor(name)):
                found.append(Conflict(one, (table, other[0]), _already_there(row, *other)))
            elif range_ := next((each for each, _ in ranges if _is_in(name, each)), None):
                found.append(Conflict(one, (LISTEN, range_), _dialled_in(row, range_)))
        elif table == LISTEN:
            found += [
                Conflict(one, (table, range_), _already_there(row, range_, of))
                for range_, of in ranges
                if _overlap(range_, name)
            ]
    return found


def _already_there(row: Row, name: str, fields: Fields) -> Diagnostic:
    group = fields.get("peer_group_name") or fields.get("peer_group")
    belongs = f"belongs to peer group {group}" if group else "belongs to no peer group"
    meets = "" if name == row.name else f", which {row} would meet,"
    return error(
        "already-there",
        f"{row.table}|{name}{meets} is not ours: it {belongs}",
        *row.places,
        help="remove it from the switch, leave it out of the spec, or hand it over:"
        f" --adopt '{row.table}|{name}'",
    )


def _dialled_in(row: Row, range_: str) -> Diagnostic:
    return warning(
        "in-foreign-range",
        f"{row} lies in {LISTEN}|{range_}, which is not ours: as long as the node has dialled in"
        " by that, FRR refuses it as a neighbor",
        *row.places,
        help="end that session first",
    )


def still_used(running: Running, going: Iterable[Row]) -> Iterator[Diagnostic]:
    """Rows that we would remove and that somebody else's still name: GCU refuses the patch.

    A set, a map or a group is named by a field, a neighbor by the key of a row below it.
    """
    going = tuple(going)
    sets = {
        row.key[-1]: row
        for row in going
        if row.table in ("PREFIX_SET", "ROUTE_MAP_SET", "BGP_PEER_GROUP")
    }
    neighbors = {row.name: row for row in going if row.table == NEIGHBOR}
    if not (sets or neighbors):
        return
    users: dict[Row, list[str]] = {}
    for table, name, fields in running.foreign():
        said = {one for of in fields.values() for one in (of if isinstance(of, list) else (of,))}
        used = [sets[one] for one in sets.keys() & said]
        if table == NEIGHBOR_AF and (parent := neighbors.get(name.rpartition("|")[0])):
            used.append(parent)
        for row in used:
            users.setdefault(row, []).append(f"{table}|{name}")
    for row, names in users.items():
        yield error(
            "still-used",
            f"{row} cannot be removed: it is named by {listed(sorted(names))}",
            help="these rows are not ours: take the name out of them first",
        )


# Among our own.


def apart(running: Running, wanted: Rows, *, gone: Rows, new: Rows, other: Rows) -> set[RowId]:
    """Rows that must go in one patch and come in a later one.

    Those that FRR would not change, those that take the place of another, and whatever stands on
    one of them.
    """
    modes = {name: row for (table, name), row in running.ours.items() if table == "PREFIX_SET"}
    after = {name: row for (table, name), row in wanted.items() if table == "PREFIX_SET"}
    parted = {one for one, row in other.items() if _is_fixed(running.ours[one], row, modes, after)}
    parted |= _replacements(gone, new)
    return _with_dependants(parted, (*running.ours.values(), *wanted.values()))


def _is_fixed(old: Row, new: Row, before: Mapping[str, Row], after: Mapping[str, Row]) -> bool:
    """Whether FRR keeps the old row when CONFIG_DB has the new one."""
    if old.table == "ROUTE_MAP":
        return _mode(old, before) != _mode(new, after) and "match_prefix_set" in old.fields
    return old.table in (NEIGHBOR, LISTEN, "PREFIX_SET")


def _mode(statement: Row, sets: Mapping[str, Row]) -> object:
    matched = sets.get(spelled(statement.fields.get("match_prefix_set", "")))
    return matched and matched.fields.get("mode")


def _replacements(gone: Rows, new: Rows) -> set[RowId]:
    """Pairs of a row that goes and one that comes where FRR has room for only one of them.

    A neighbor that has dialled in is in the way of its own configuration by name.
    """
    found: set[RowId] = set()
    leaving: dict[object, RowId] = {}
    for one, row in gone.items():
        if row.table in ("PREFIX", NEIGHBOR):
            leaving[_place(row)] = one
    ranges = [(one, row) for one, row in gone.items() if row.table == LISTEN]
    for one, row in new.items():
        if row.table in ("PREFIX", NEIGHBOR) and _place(row) in leaving:
            found |= {one, leaving[_place(row)]}
        for other, range_ in ranges:
            meets = _overlap if row.table == LISTEN else _is_in
            if row.table in (LISTEN, NEIGHBOR) and meets(row.name, range_.name):
                found |= {one, other}
    return found


def _place(row: Row) -> object:
    """What FRR knows it by: an entry of a prefix-list by its number, a neighbor by its address."""
    return (row.table, row.key[:2] if row.table == "PREFIX" else _neighbor(row.name))


def _with_dependants(parted: set[RowId], rows: Iterable[Row]) -> set[RowId]:
    if not parted:
        return parted
    standing = [((row.table, row.name), set(_stands_on(row))) for row in rows]
    size = 0
    while size != len(parted):
        size = len(parted)
        parted |= {one for one, below in standing if below & parted}
    return parted


def _stands_on(row: Row) -> Iterator[RowId]:
    """The rows that a row names, by its key or in a field."""
    if row.table == NEIGHBOR_AF:
        yield NEIGHBOR, row.name.rpartition("|")[0]
        return
    table = TABLES[row.table]
    if table.parent:
        yield table.parent, "|".join(row.key[: len(TABLES[table.parent].key)])
    for name, wanted in table.fields.items():
        if isinstance(wanted, Name) and name in row.fields:
            vrf = f"{row.key[0]}|" if "vrf_name" in TABLES[wanted.table].key else ""
            yield wanted.table, vrf + spelled(row.fields[name])


# Keys as FRR reads them.


def _neighbor(name: str) -> tuple[str, Address | str]:
    vrf, _, neighbor = name.rpartition("|")
    try:
        return vrf, ip_address(neighbor)
    except ValueError:  # an interface
        return vrf, neighbor


def _range(name: str) -> tuple[str, Prefix | None]:
    vrf, _, prefix = name.rpartition("|")
    try:
        return vrf, ip_network(prefix, strict=False)
    except ValueError:
        return vrf, None


def _overlap(one: str, other: str) -> bool:
    (vrf, mine), (their_vrf, their) = _range(one), _range(other)
    if mine is None or their is None or vrf != their_vrf or mine.version != their.version:
        return False
    return mine.overlaps(their)


def _is_in(neighbor: str, range_: str) -> bool:
    (vrf, address), (their_vrf, prefix) = _neighbor(neighbor), _range(range_)
    return vrf == their_vrf and prefix is not None and address in prefix
