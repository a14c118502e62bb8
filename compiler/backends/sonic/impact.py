"""What sessions notice of a change, as measured on SONiC's own code and FRR 10.3 and 8.4.

none           nobody notices
next-session   sessions go on as they are and use it once they start anew
routes         some routes are taken or refused from then on, no session ends
limit          a session that has sent more ends at once, and stays down for the restart interval
session        the sessions of that neighbor or range end, and that is meant
reset          the sessions of that neighbor or group end and come back
reset-vrf      every session of the VRF does, those of others too
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network
from typing import Literal

from ferrule.compiler.backends.base import Change, Op

Path = tuple[str, ...]
Impact = Literal["none", "next-session", "routes", "limit", "session", "reset", "reset-vrf"]

# By table and field: what it is to add, to change and to remove it. "" is the row itself, "*" a
# field that is not named: somebody put it into a row of ours.
IMPACTS: Mapping[tuple[str, str], tuple[Impact, Impact, Impact]] = {
    ("BGP_GLOBALS", ""): ("none", "none", "none"),
    ("BGP_GLOBALS", "*"): ("none", "none", "none"),
    ("BGP_GLOBALS", "router_id"): ("reset-vrf", "reset-vrf", "reset-vrf"),
    ("BGP_GLOBALS_AF", ""): ("none", "none", "none"),
    ("BGP_GLOBALS_AF", "*"): ("none", "none", "none"),
    ("BGP_GLOBALS_LISTEN_PREFIX", ""): ("none", "reset", "session"),
    ("BGP_GLOBALS_LISTEN_PREFIX", "*"): ("reset", "reset", "reset"),
    ("BGP_NEIGHBOR", ""): ("none", "reset", "session"),
    ("BGP_NEIGHBOR", "*"): ("reset", "reset", "reset"),
    ("BGP_PEER_GROUP", ""): ("none", "reset", "none"),  # its members have rows of their own
    ("BGP_PEER_GROUP", "*"): ("reset", "reset", "reset"),
    ("BGP_PEER_GROUP", "bfd"): ("none", "none", "reset"),
    ("BGP_PEER_GROUP", "conn_retry"): ("none", "none", "none"),
    ("BGP_PEER_GROUP", "holdtime"): ("next-session", "next-session", "next-session"),
    ("BGP_PEER_GROUP", "keepalive"): ("next-session", "next-session", "next-session"),
    ("BGP_PEER_GROUP_AF", ""): ("reset", "reset", "reset"),  # families are settled in the OPEN
    ("BGP_PEER_GROUP_AF", "*"): ("routes", "routes", "routes"),
    ("BGP_PEER_GROUP_AF", "admin_status"): ("reset", "reset", "reset"),
    ("BGP_PEER_GROUP_AF", "max_prefix_limit"): ("limit", "limit", "none"),
    ("BGP_PEER_GROUP_AF", "max_prefix_restart_interval"): ("none", "none", "none"),
    ("PREFIX", ""): ("routes", "routes", "routes"),
    ("PREFIX", "*"): ("routes", "routes", "routes"),
    ("PREFIX_SET", ""): ("none", "routes", "none"),
    ("PREFIX_SET", "*"): ("routes", "routes", "routes"),
    ("ROUTE_MAP", ""): ("routes", "routes", "routes"),
    ("ROUTE_MAP", "*"): ("routes", "routes", "routes"),
    ("ROUTE_MAP_SET", ""): ("none", "none", "none"),
    ("ROUTE_MAP_SET", "*"): ("none", "none", "none"),
}
# A neighbor that was taken over may have these: frrcfgd makes the same lines of them.
ALIKE = {"BGP_NEIGHBOR_AF": "BGP_PEER_GROUP_AF"}
LISTEN = "BGP_GLOBALS_LISTEN_PREFIX"
MEMBERS = ("BGP_NEIGHBOR", LISTEN)
OPS: tuple[Op, ...] = ("add", "change", "remove")


def impacts(changes: Iterable[Change]) -> Iterator[tuple[Change, Impact]]:
    """Each change with what it means.

    The families of a group that comes or goes mean nothing: who is in it has a row of its own.
    Where another neighbor or range takes a place over, sessions are reset and do not end.
    """
    changes = tuple(changes)
    groups = {one.path for one in changes if one.op != "change"}
    coming = [one.path for one in changes if one.op == "add"]
    for change in changes:
        table, name = change.path[:2]
        group = ("BGP_PEER_GROUP", name.rpartition("|")[0])
        if table == "BGP_PEER_GROUP_AF" and group in groups:
            yield change, "none"
        elif change.op == "remove" and _is_taken_over(change.path, coming):
            yield change, "reset"
        else:
            yield change, impact(change)


def _is_taken_over(path: Path, coming: Iterable[Path]) -> bool:
    """Whether what comes is about some of the addresses of a neighbor or range that goes."""
    table, name = path[:2]
    if table not in MEMBERS or len(path) > 2:
        return False
    ranges = (one for one in coming if LISTEN in (table, one[0]) and one[0] in MEMBERS)
    return any(_meet(name, one[1]) for one in ranges)


def _meet(one: str, other: str) -> bool:
    (vrf, mine), (their_vrf, their) = (name.split("|", 1) for name in (one, other))
    try:
        first, second = (ip_network(text, strict=False) for text in (mine, their))
    except ValueError:  # an interface
        return False
    return vrf == their_vrf and first.version == second.version and first.overlaps(second)


def impact(change: Change) -> Impact:
    """What one change means by itself."""
    table = ALIKE.get(change.path[0], change.path[0])
    name = change.path[2] if len(change.path) > 2 else ""
    row = IMPACTS.get((table, name)) or IMPACTS[table, "*"]
    if name == "max_prefix_limit" and change.old and change.new:
        return "limit" if int(change.new) < int(change.old) else "none"
    switched_off = name == "bfd" and change.new == "false"
    return row[OPS.index("remove" if switched_off else change.op)]
