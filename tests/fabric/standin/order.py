"""Row by row from one CONFIG_DB to another, each on the way valid: what GCU's sorter is for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

Fields = Mapping[str, object]
Config = Mapping[str, Mapping[str, Fields]]
RowId = tuple[str, str]

# Tables in the order they build on one another, and what a row needs: by how many parts of its key,
# by which field; a trailing `|` means that the name is looked for in the row's VRF.
TABLES = (
    "VRF", "BGP_GLOBALS", "PREFIX_SET", "PREFIX", "ROUTE_MAP_SET", "ROUTE_MAP", "BGP_GLOBALS_AF",
    "BGP_PEER_GROUP", "BGP_PEER_GROUP_AF", "BGP_GLOBALS_LISTEN_PREFIX", "BGP_NEIGHBOR",
    "BGP_NEIGHBOR_AF",
)  # fmt: skip
PARENTS = {
    "BGP_GLOBALS": ("VRF", 1),
    "BGP_GLOBALS_AF": ("BGP_GLOBALS", 1),
    "BGP_GLOBALS_LISTEN_PREFIX": ("BGP_GLOBALS", 1),
    "BGP_NEIGHBOR": ("BGP_GLOBALS", 1),
    "BGP_NEIGHBOR_AF": ("BGP_NEIGHBOR", 2),
    "BGP_PEER_GROUP": ("BGP_GLOBALS", 1),
    "BGP_PEER_GROUP_AF": ("BGP_PEER_GROUP", 2),
    "PREFIX": ("PREFIX_SET", 1),
}
NAMES = {
    "match_prefix_set": "PREFIX_SET",
    "peer_group": "BGP_PEER_GROUP|",
    "peer_group_name": "BGP_PEER_GROUP|",
    "prefix_list_in": "PREFIX_SET",
    "prefix_list_out": "PREFIX_SET",
    "route_map_in": "ROUTE_MAP_SET",
    "route_map_out": "ROUTE_MAP_SET",
}
CREATE_ONLY = {"BGP_NEIGHBOR": ("asn", "holdtime", "keepalive", "local_addr", "name")}


class OrderError(Exception):
    """There is no way there."""


@dataclass(frozen=True)
class Write:
    """One row: its new fields, or None where it goes."""

    table: str
    name: str
    fields: Fields | None

    def __str__(self) -> str:
        verb = "remove" if self.fields is None else "write"
        return f"{verb} {self.table}|{self.name}"


def writes(old: Config, new: Config) -> list[Write]:
    """All that differs, in an order in which no row ever names one that is not there."""
    state = {(table, name): row for table, rows in old.items() for name, row in rows.items()}
    users = Counter(need for one, row in state.items() for need in _needs(one, row))
    waiting = _wanted(old, new)
    done: list[Write] = []
    while waiting:
        ready = next((one for one in waiting if _holds(one, state, users)), None)
        if ready is None:
            raise OrderError("There is no possible sorting")
        waiting.remove(ready)
        row_id = (ready.table, ready.name)
        users.subtract(_needs(row_id, state.get(row_id, {})))
        if ready.fields is None:
            del state[row_id]
        else:
            state[row_id] = ready.fields
            users.update(_needs(row_id, ready.fields))
        done.append(ready)
    return done


def _wanted(old: Config, new: Config) -> list[Write]:
    """First what comes, from the ground up, then what goes, from the top down."""
    coming, going = [], []
    for table in old.keys() | new.keys():
        before, after = old.get(table, {}), new.get(table, {})
        going += [Write(table, name, None) for name in before.keys() - after.keys()]
        for name, fields in after.items():
            if before.get(name) != fields:
                coming.append(Write(table, name, fields))
    for each in [one for one in coming if _is_made_anew(one, old)]:
        standing = _standing(each, old)
        going += [
            Write(each.table, each.name, None),
            *(replace(one, fields=None) for one in standing),
        ]
        coming += [one for one in standing if new.get(one.table, {}).get(one.name) == one.fields]
    coming.sort(key=_rank)
    going.sort(key=_rank, reverse=True)
    again = {(one.table, one.name) for one in going}
    first = [one for one in coming if (one.table, one.name) not in again]
    return first + going + [one for one in coming if (one.table, one.name) in again]


def _rank(write: Write) -> tuple[int, str, str]:
    known = TABLES.index(write.table) if write.table in TABLES else -1
    return known, write.table, write.name


def _is_made_anew(write: Write, old: Config) -> bool:
    """GCU takes some fields for create-only: the row goes and comes back."""
    before, after = old.get(write.table, {}).get(write.name), write.fields or {}
    if before is None:
        return False
    return any(before.get(name) != after.get(name) for name in CREATE_ONLY.get(write.table, ()))


def _standing(write: Write, old: Config) -> list[Write]:
    """The rows that go with it; GCU finds no way where they are all of their table.

    So it was seen for `name`, and not for the other fields.
    """
    table = f"{write.table}_AF"
    rows = old.get(table, {})
    standing = [Write(table, one, rows[one]) for one in rows if one.startswith(f"{write.name}|")]
    renamed = old[write.table][write.name].get("name") != (write.fields or {}).get("name")
    if standing and renamed and len(standing) == len(rows):
        raise OrderError("There is no possible sorting")
    return standing


def _holds(write: Write, state: Mapping[RowId, Fields], users: Counter[RowId]) -> bool:
    row_id = (write.table, write.name)
    if write.fields is None:
        return users[row_id] <= 0
    if write.table == "PREFIX" and row_id not in state and _number_is_taken(write.name, state):
        return False
    return all(need in state or need[0] not in TABLES for need in _needs(row_id, write.fields))


def _number_is_taken(name: str, state: Mapping[RowId, Fields]) -> bool:
    parts = name.split("|")
    start = "|".join(parts[:2]) + "|"
    return len(parts) == 4 and any(t == "PREFIX" and n.startswith(start) for t, n in state)


def _needs(row_id: RowId, fields: Fields) -> Iterator[RowId]:
    table, name = row_id
    parts = name.split("|")
    if table in PARENTS and not (table == "BGP_NEIGHBOR" and len(parts) == 1):
        parent, count = PARENTS[table]
        if (parent, parts[0]) != ("VRF", "default"):
            yield parent, "|".join(parts[:count])
    for field, value in fields.items():
        if field in NAMES and table in TABLES:
            for one in value if isinstance(value, list) else [value]:
                owner = NAMES[field]
                yield owner.rstrip("|"), f"{parts[0]}|{one}" if owner.endswith("|") else str(one)
