"""A change in SONiC's own language: the row, and field by field what it holds."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ferrule.compiler.backends.base import Change, Shown
from ferrule.compiler.backends.sonic.parse import Running
from ferrule.compiler.network import DEFAULT_VRF

Neighbor = tuple[str, str]  # VRF, and an address or a listen range
OURS = re.compile(r"FERRULE_([a-z0-9-]{1,20})_.")
MEMBERS = {"BGP_NEIGHBOR": "peer_group_name", "BGP_GLOBALS_LISTEN_PREFIX": "peer_group"}


def shown(change: Change) -> Shown:
    """A whole row as `TABLE|key field=value ...`; a field of one as `field=value`, in its row."""
    table, name, *fields = change.path
    row = f"{table}|{name}"
    within, start = ((row,), f"{fields[0]}=") if fields else ((), f"{row} ")
    old, new = (
        None if one is None else f"{start}{one}".rstrip() for one in (change.old, change.new)
    )
    return Shown(within, old, new)


def touched(running: Running, change: Change) -> Iterator[Neighbor]:
    """The neighbors and listen ranges that a change is about; all of a VRF for its globals."""
    table, name = change.path[:2]
    vrf, _, rest = name.partition("|")
    if table in MEMBERS:
        yield vrf, rest
    elif table in ("BGP_PEER_GROUP", "BGP_PEER_GROUP_AF"):
        yield from _members(running, vrf, rest.partition("|")[0])
    elif table == "BGP_GLOBALS":
        yield from _members(running, vrf or DEFAULT_VRF, None)


def _members(running: Running, vrf: str, group: str | None) -> Iterator[Neighbor]:
    for table, field in MEMBERS.items():
        for name, fields in running.tables.get(table, {}).items():
            where, _, rest = name.partition("|")
            if where == vrf and rest and group in (None, fields.get(field)):
                yield vrf, rest


def clusters(running: Running) -> Iterator[str]:
    """The clusters that have rows of Ferrule's on the switch, this one among them."""
    names = (name for rows in running.tables.values() for name in rows)
    yield from sorted({found for name in names for found in OURS.findall(name)})


def owned(running: Running) -> object:
    """All rows of ours as plain JSON values, for a digest."""
    return {f"{table}|{name}": row.fields for (table, name), row in running.ours.items()}
