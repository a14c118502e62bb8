"""How many nodes a far end shares the load over, and how many it lets dial in."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from ferrule.compiler.errors import Place, error, listed, warning
from ferrule.compiler.lint.device import Instance
from ferrule.compiler.lint.families import Finding
from ferrule.compiler.lint.incoming import Telling
from ferrule.compiler.lint.meeting import Meeting
from ferrule.compiler.members import DEFAULT_LISTEN_LIMIT
from ferrule.compiler.network import FAMILIES, Family, Prefix

SHOWN = 3
KINDS = {"ebgp": "maximum-paths", "ibgp": "maximum-paths ibgp"}


def width(meetings: Sequence[Meeting], telling: Telling) -> Iterator[Finding]:
    """Instance by instance."""
    instances: dict[str, list[Meeting]] = defaultdict(list)
    for meeting in meetings:
        instances[meeting.instance.vrf].append(meeting)
    for each in instances.values():
        yield from _listen_limit(each[0].instance, each)
        for family in FAMILIES:
            outside = [one for one in each if not one.end.internal]
            inside = [one for one in each if one.end.internal]
            yield from _paths(each[0].instance, family, "ebgp", outside, telling)
            yield from _paths(each[0].instance, family, "ibgp", inside, telling)
            yield from _relax(each[0].instance, family, outside, telling)


def _listen_limit(instance: Instance, meetings: Sequence[Meeting]) -> Iterator[Finding]:
    """bgpd refuses who dials in as one too many, and says nothing."""
    dialing = [one for one in meetings if one.range]
    said = instance.get("bgp listen limit")
    limit = (said.number if said else None) or DEFAULT_LISTEN_LIMIT
    if len(dialing) > limit:
        place = said.spot.place() if said else instance.spot.place()
        message = f"{len(dialing)} of our ends dial in, and it lets in {limit} (bgp listen limit)"
        yield error("far-listen-limit", message, place, _ours(dialing[0], "neighbors")), ()


def _told(
    family: Family, meetings: Sequence[Meeting], telling: Telling
) -> Iterator[tuple[Sequence[Meeting], tuple[Prefix, ...]]]:
    """Meetings by what they are told; those that share a table are together."""
    groups: dict[int, tuple[list[Meeting], tuple[Prefix, ...]]] = {}
    for one in meetings:
        if family in one.end.families:
            each = telling.of(one.end, family)
            if id(each) not in groups:
                groups[id(each)] = ([], tuple(told.prefix for told in each))
            groups[id(each)][0].append(one)
    yield from groups.values()


def _paths(
    instance: Instance, family: Family, kind: str, meetings: Sequence[Meeting], telling: Telling
) -> Iterator[Finding]:
    """FRR's own width is that of its build; only a number that somebody set is too small."""
    said = instance.paths.get((family, kind))
    limit = said.number if said else None
    if said is None or limit is None or len(meetings) <= limit:
        return
    counts: Counter[Prefix] = Counter()
    for each, prefixes in _told(family, meetings, telling):
        counts.update(dict.fromkeys(prefixes, len(each)))
    wide = [prefix for prefix, number in counts.items() if number > limit]
    if not wide:
        return
    most = max(counts.values())
    message = f"{KINDS[kind]} {limit}, and {most} paths lead to {listed(wide, SHOWN)}"
    places = said.spot.place(), _ours(meetings[0], "maximumPaths")
    if kind == "ebgp":
        yield warning("far-paths", message, *places), ()
    else:
        yield warning("far-ibgp-paths", message, *places), ()


def _relax(
    instance: Instance, family: Family, meetings: Sequence[Meeting], telling: Telling
) -> Iterator[Finding]:
    """Paths of equal length but other ASes are shared only with multipath-relax (measured)."""
    if instance.get("bgp bestpath as-path multipath-relax"):
        return
    asns: dict[Prefix, set[int]] = defaultdict(set)
    for each, prefixes in _told(family, meetings, telling):
        mine = {one.end.asn for one in each}
        for prefix in prefixes:
            asns[prefix] |= mine
    mixed = [prefix for prefix, each in asns.items() if len(each) > 1]
    if mixed:
        all_ = sorted({one for prefix in mixed for one in asns[prefix]})
        message = (
            f"ends in AS {listed(all_, SHOWN)} lead to {listed(mixed, SHOWN)}: without bgp bestpath"
            " as-path multipath-relax only those in one of them are used"
        )
        places = instance.spot.place(), meetings[0].end.asn_place
        yield warning("far-multipath-relax", message, *places), ()


def _ours(meeting: Meeting, name: str) -> Place:
    switch = meeting.end.switch
    return switch.place(name) if switch else meeting.end.place()
