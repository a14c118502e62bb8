"""What sessions notice of a change, as measured on FRR 8.4 and 10.3.

none           nobody notices
next-session   sessions go on as they are and use it once they start anew
routes         some routes are sent anew, withdrawn or taken from then on, no session ends
limit          a session that has sent more ends at once, and stays down for the restart interval
session        the session of that neighbor ends, and that is meant
reset          the session of that neighbor ends, and comes back once both ends agree
reset-vrf      every session of the VRF does, those of others too
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from ferrule.compiler.backends.base import Change, Op

Impact = Literal["none", "next-session", "routes", "limit", "session", "reset", "reset-vrf"]
Row = tuple[Impact, Impact, Impact]
Table = Mapping[tuple[str, str], Row]
Path = tuple[str, ...]

# By block and line: what it is to add, to change and to remove it. "" is the block itself, "*" a
# line that is not named: somebody put it there, and we take it away. Whatever else stands on a
# line, its first words find it: `prefix-list x out` is a `prefix-list`.
IMPACTS: Table = {
    ("router", ""): ("none", "reset-vrf", "session"),
    ("router", "bgp router-id"): ("reset-vrf", "reset-vrf", "reset-vrf"),
    ("router", "no bgp default ipv4-unicast"): ("none", "none", "none"),  # neighbors to come
    ("router", "bgp graceful-restart preserve-fw-state"): ("none", "none", "none"),
    ("router", "no bgp network import-check"): ("routes", "routes", "routes"),
    ("neighbor", "*"): ("reset", "reset", "reset"),
    ("neighbor", "remote-as"): ("reset", "reset", "reset"),
    ("neighbor", "interface remote-as"): ("reset", "reset", "reset"),
    ("neighbor", "local-as"): ("reset", "reset", "reset"),
    ("neighbor", "description"): ("none", "none", "none"),
    ("neighbor", "bfd"): ("none", "none", "reset"),  # by the far end, where it has BFD too
    ("neighbor", "bfd profile"): ("none", "none", "reset"),  # its `no` is that of all BFD
    ("neighbor", "password"): ("reset", "reset", "reset"),
    ("neighbor", "port"): ("reset", "next-session", "next-session"),
    ("neighbor", "ebgp-multihop"): ("reset", "reset", "reset"),
    ("neighbor", "disable-connected-check"): ("reset", "reset", "reset"),
    ("neighbor", "update-source"): ("reset", "reset", "reset"),
    ("neighbor", "timers"): ("next-session", "next-session", "next-session"),
    ("neighbor", "timers connect"): ("none", "none", "none"),
    ("neighbor", "timers delayopen"): ("none", "none", "none"),
    ("neighbor", "graceful-restart"): ("reset", "reset", "reset"),
    ("neighbor", "advertisement-interval"): ("none", "none", "none"),
    ("neighbor", "shutdown"): ("reset", "none", "none"),
    ("family", "*"): ("reset", "reset", "reset"),
    ("family", "activate"): ("reset", "reset", "reset"),  # families are settled in the OPEN
    ("family", "route-map in"): ("routes", "routes", "routes"),
    ("family", "route-map out"): ("routes", "routes", "routes"),
    ("family", "allowas-in"): ("routes", "routes", "routes"),
    ("family", "as-override"): ("routes", "routes", "routes"),
    ("family", "attribute-unchanged"): ("routes", "routes", "routes"),
    ("family", "default-originate"): ("routes", "routes", "routes"),
    ("family", "distribute-list"): ("routes", "routes", "routes"),
    ("family", "filter-list"): ("routes", "routes", "routes"),
    ("family", "maximum-prefix"): ("limit", "limit", "none"),
    ("family", "maximum-prefix-out"): ("routes", "routes", "routes"),
    ("family", "next-hop-self"): ("routes", "routes", "routes"),
    ("family", "no send-community"): ("routes", "routes", "routes"),
    ("family", "prefix-list"): ("routes", "routes", "routes"),
    ("family", "remove-private-AS"): ("routes", "routes", "routes"),
    ("family", "soft-reconfiguration"): ("none", "none", "none"),
    ("family", "weight"): ("routes", "routes", "routes"),
    ("network", ""): ("routes", "routes", "routes"),
    ("route-map", ""): ("routes", "routes", "routes"),
    ("route-map", "*"): ("routes", "routes", "routes"),
    ("prefix-list", ""): ("routes", "routes", "routes"),
    ("prefix-list", "description"): ("none", "none", "none"),
    ("community-list", ""): ("routes", "routes", "routes"),
    ("profile", ""): ("none", "none", "none"),
    ("profile", "detect-multiplier"): ("none", "none", "none"),
    ("profile", "transmit-interval"): ("none", "none", "none"),
    ("profile", "receive-interval"): ("none", "none", "none"),
    ("profile", "echo transmit-interval"): ("none", "none", "none"),
    ("profile", "echo receive-interval"): ("none", "none", "none"),
    ("profile", "passive-mode"): ("none", "none", "none"),
    ("profile", "echo-mode"): ("none", "none", "none"),
    # bgpd gives BFD the hops of its own ebgp-multihop, whatever the profile says.
    ("profile", "minimum-ttl"): ("none", "none", "none"),
    ("profile", "shutdown"): ("reset", "none", "none"),
}
# Where a version does better than that; of another version the worst is taken.
BY_MAJOR: Mapping[str, Table] = {
    "8": {("neighbor", "graceful-restart"): ("next-session", "next-session", "next-session")},
    "10": {("neighbor", "local-as"): ("reset", "next-session", "reset")},
}
UNKNOWN: Row = ("reset", "reset", "reset")
OPS: tuple[Op, ...] = ("add", "change", "remove")

ROUTER = "router bgp "
IDENTITY = (("remote-as",), ("interface remote-as",))  # every neighbor has one of them


def impacts(changes: Iterable[Change], version: str = "") -> Iterator[tuple[Change, Impact]]:
    """Each change with what it means; `version` as FRR says it, `8.4.4`.

    The parts of a new neighbor mean nothing to anybody, and all those of one that goes the end of
    its session; where it comes back in an instance with another AS, a reset.
    """
    changes = tuple(changes)
    table = {**IMPACTS, **BY_MAJOR.get(version.partition(".")[0], {})}
    new, gone = whole(changes, "add"), whole(changes, "remove")
    back = {_vrf_and_name(path) for path in new}
    for change in changes:
        instance, block = change.path[:1], change.path[:2]
        if {instance, block} & new:
            yield change, "none"
        elif block in gone:
            yield change, "reset" if _vrf_and_name(block) in back else "session"
        elif instance in gone:  # it goes with its neighbors
            yield change, "none"
        else:
            yield change, impact(change, table)


def whole(changes: Iterable[Change], op: Op) -> set[Path]:
    """The instances and neighbors that come or go as a whole: nothing else happens to them."""
    inside = [one for one in changes if one.path[0].startswith(ROUTER)]
    ops: dict[Path, set[Op]] = {}
    for one in inside:
        ops.setdefault(one.path[:2], set()).add(one.op)
    named = {one.path[:2] for one in inside if len(one.path) == 1 or one.path[2:] in IDENTITY}
    return {path for path in named if ops[path] == {op}}


def impact(change: Change, table: Table = IMPACTS) -> Impact:
    """What one change means by itself."""
    block, line = place(change.path)
    words = line.split(" ")
    names = (" ".join(words[:count]) for count in range(len(words), 0, -1))
    found = (table[block, name] for name in (*names, "*") if (block, name) in table)
    return next(found, UNKNOWN)[OPS.index(change.op)]


def place(path: Path) -> tuple[str, str]:
    """The row of the table for what is at a path, its line in full."""
    first, *rest = path
    if first.startswith(ROUTER):
        return _in_router(rest)
    if first == "bfd":
        return "profile", rest[1] if rest[1:] else ""
    if first.startswith("route-map "):
        return "route-map", rest[1] if rest[1:] else ""
    if rest:
        return "prefix-list", "" if rest[0].startswith("seq ") else rest[0]
    return "community-list", ""


def _in_router(rest: list[str]) -> tuple[str, str]:
    match rest:
        case []:
            return "router", ""
        case [line]:
            return "router", line
        case [block, line]:
            return ("neighbor", line) if block.startswith("neighbor ") else ("network", "")
        case _:
            return "family", rest[-1]


def _vrf_and_name(path: Path) -> tuple[str, str]:
    return path[0].partition(" vrf ")[2], path[1] if path[1:] else ""
