"""Which address families a session carries, and whether any route gets through in them at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ferrule.compiler.errors import Diagnostic, error
from ferrule.compiler.lint.meeting import Meeting
from ferrule.compiler.network import Family

Finding = tuple[Diagnostic, tuple[str, ...]]  # and whose sessions it is about
FILTERS = ("distribute-list", "prefix-list", "filter-list", "route-map")  # in FRR's order


def closed(meetings: Iterable[Meeting]) -> Iterator[Finding]:
    """Families that our end carries and the far end does not, or lets nothing through in."""
    for meeting in meetings:
        for family in meeting.end.families:
            if (found := _off(meeting, family)) or (found := _without_policy(meeting, family)):
                yield found, (meeting.end.who,)


def is_open(meeting: Meeting, family: Family) -> bool:
    """Whether there is anything to be said about single routes."""
    return not (_off(meeting, family) or _without_policy(meeting, family))


def way(meeting: Meeting) -> str:
    """In what direction routes go that matter, as the far end calls it."""
    return "in" if meeting.end.node else "out"


def _off(meeting: Meeting, family: Family) -> Diagnostic | None:
    if meeting.neighbor.is_active(family):
        return None
    message = f"{family} unicast is not active there, and our end carries it"
    default = meeting.instance.settings.get(f"bgp default {family}-unicast")
    at = meeting.at(meeting.neighbor.switched(family), default)
    return error("far-family", message, at, meeting.end.place())


def _without_policy(meeting: Meeting, family: Family) -> Diagnostic | None:
    """RFC 8212, which FRR has on for eBGP (`bgp_inbound_policy_exists`): any filter will do."""
    direction = way(meeting)
    if meeting.end.internal or not _is_required(meeting):
        return None
    if any(meeting.get(f"{kind} {direction}", family) for kind in FILTERS):
        return None
    goes = "on their way in" if direction == "in" else "that it announces"
    message = (
        f"nothing filters {family} routes {goes}: bgp ebgp-requires-policy, which is on where"
        " nobody says otherwise, then lets none pass"
    )
    help = f"neighbor {meeting.group} route-map NAME {direction}, with a map that permits the pools"
    at = meeting.at(meeting.neighbor.switched(family))
    return error("far-policy-missing", message, at, meeting.end.place(), help=help)


def _is_required(meeting: Meeting) -> bool:
    said = meeting.instance.settings.get("bgp ebgp-requires-policy")
    return meeting.device.requires_policy if said is None else said.value is not None
