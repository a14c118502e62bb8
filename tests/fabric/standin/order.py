"""Row by row from one CONFIG_DB to another, each on the way valid: what GCU's sorter is for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

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
    "ROUTE_MAP": ("ROUTE_MAP_SET", 1),
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
            if name in before and _made_anew(table, before[name], fields):
                _check_dependants(table, name, old)
                going.append(Write(table, name, None))
            if before.get(name) != fields:
                coming.append(Write(table, name, fields))
    coming.sort(key=_rank)
    going.sort(key=_rank, reverse=True)
    again = {(one.table, one.name) for one in going}
    first = [one for one in coming if (one.table, one.name) not in again]
    return first + going + [one for one in coming if (one.table, one.name) in again]


def _rank(write: Write) -> tuple[int, str, str]:
    known = TABLES.index(write.table) if write.table in TABLES else -1
    return known, write.table, write.name


def _made_anew(table: str, old: Fields, new: Fields) -> bool:
    """GCU takes some fields for create-only: the row goes and comes back."""
    return any(old.get(name) != new.get(name) for name in CREATE_ONLY.get(table, ()))


def _check_dependants(table: str, name: str, old: Config) -> None:
    standing = [one for one in old.get(f"{table}_AF", {}) if one.startswith(f"{name}|")]
    if len(standing) > 1:
        raise OrderError("There is no possible sorting")


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
