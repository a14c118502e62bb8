"""What a node announces by a file that is not ours, against what the switch takes from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from ipaddress import ip_network

from ferrule.compiler.errors import error, listed
from ferrule.compiler.lint.announced import bits, is_in
from ferrule.compiler.lint.attributes import Route
from ferrule.compiler.lint.device import Setting
from ferrule.compiler.lint.families import Finding, is_open
from ferrule.compiler.lint.lists import Budget, ExhaustedError
from ferrule.compiler.lint.meeting import Meeting
from ferrule.compiler.lint.routes import Judge
from ferrule.compiler.network import Family

STEPS = 2_000_000
SHOWN = 3


def outgoing(meetings: Sequence[Meeting]) -> Iterator[Finding]:
    """For each session whose far end is a node: its `network` lines, through its own filters."""
    said = [one for one in meetings if one.end.node is None]
    if not said:
        return
    judge = Judge(said[0].device, Budget(STEPS))
    try:
        for meeting in said:
            for family in meeting.end.families:
                if is_open(meeting, family):
                    yield from _announced(meeting, family, judge)
    except ExhaustedError:
        return  # it announces more than anybody looks at; what was found is said


def _announced(meeting: Meeting, family: Family, judge: Judge) -> Iterator[Finding]:
    end, sets = meeting.end, meeting.end.sets.get(family, ())
    filters = judge.filters(meeting.neighbor, family, "out")
    refused: dict[Setting, list[str]] = defaultdict(list)
    number = 0
    for prefix, line in meeting.instance.networks.get(family, {}).items():
        route = _originated(prefix, family, line, judge)
        if route is None or judge.judge(filters, route).permit is False:
            continue
        number += 1
        if not any(is_in(one, route.prefix) for one in sets):
            refused[line].append(prefix)
    if refused:
        each = [prefix for prefixes in refused.values() for prefix in prefixes]
        message = f"it announces {listed(each, SHOWN)}, which our end refuses"
        ours = sets[0].origin.place() if sets else end.place()
        yield error("far-not-accepted", message, next(iter(refused)).spot.place(), ours), (end.who,)
    limit = end.limits.get(family)
    if limit is not None and number - sum(map(len, refused.values())) > limit:
        message = (
            f"it announces {number} {family} prefixes, and our end ends the session at {limit}"
        )
        yield error("far-maximum-prefix", message, meeting.at(), end.place()), (end.who,)


def _originated(prefix: str, family: Family, line: Setting, judge: Judge) -> Route | None:
    """A `network` line as a route; the tag that its map sets is what outbound maps ask for."""
    try:
        route = Route(bits(ip_network(prefix, strict=False)), family, local_pref=100)
    except ValueError:
        return None
    words = (line.value or "").split()
    if "route-map" not in words[:-1]:
        return route
    name = words[words.index("route-map") + 1]
    verdict = judge.judge((("route-map", Setting(name, line.spot)),), route)
    return verdict.route if verdict.permit else None
