"""What becomes of what our nodes announce: is it let in, as it was meant, and all of it.

Each route is judged by the far end's own filters. Beside what is announced now, prefixes stand for
each set that may be announced later, and others for what nobody of ours ever announces.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ferrule.compiler.accept import headroom
from ferrule.compiler.errors import Place, error, listed, quoted, warning
from ferrule.compiler.lint.announced import Told, beyond, route, samples, spelled, told
from ferrule.compiler.lint.attributes import Route, differences
from ferrule.compiler.lint.families import Finding, is_open
from ferrule.compiler.lint.lists import Bits, Budget, ExhaustedError
from ferrule.compiler.lint.meeting import Meeting
from ferrule.compiler.lint.ours import End
from ferrule.compiler.lint.routes import Filters, Judge, Verdict
from ferrule.compiler.lint.said import Spot
from ferrule.compiler.network import Attributes, Family, PrefixSet

STEPS = 5_000_000
MOST_SAMPLES = 200  # of one set, and of what nobody announces
SHOWN = 3


class Telling:
    """What our ends announce; nodes that share a table are asked once."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], tuple[Told, ...]] = {}

    def of(self, end: End, family: Family) -> tuple[Told, ...]:
        """In the order of the end's table."""
        table = id(end.node.advertisements) if end.node else 0
        key = (table, end.session.peer, end.asn, end.internal, family, id(end.switch))
        if key not in self._known:
            self._known[key] = tuple(told(end, family))
        return self._known[key]


@dataclass(frozen=True, slots=True)
class _Subject:
    """What prefixes have in common that are told in one sentence."""

    code: str
    says: str
    by: Spot
    ours: PrefixSet | End

    @property
    def places(self) -> tuple[Place, Place]:
        """There and here."""
        here = self.ours.place() if isinstance(self.ours, End) else self.ours.origin.place()
        return self.by.place(), here


@dataclass(slots=True)
class _Heap:
    """The prefixes of a subject, and whose they are."""

    prefixes: dict[str, None] = field(default_factory=dict)
    who: dict[str, None] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)  # lists of prefixes that are in it


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What becomes of one table of routes: for all our ends that have it, through like filters."""

    told: int
    accepted: int
    refused: frozenset[object]  # sets that have something refused
    subjects: Mapping[_Subject, Sequence[str]]  # with the prefixes


Subjects = Mapping[_Subject, Sequence[str]]


def incoming(
    meetings: Sequence[Meeting], sets: Iterable[PrefixSet], telling: Telling
) -> Iterator[Finding]:
    """All findings about routes; `sets` are all that anybody of ours may announce."""
    heard = [one for one in meetings if one.end.node]
    if not heard:
        return
    routes = _Routes(Judge(heard[0].device, Budget(STEPS)), tuple(sets), telling)
    try:
        for meeting in heard:
            for family in meeting.end.families:
                if is_open(meeting, family):
                    yield from routes.of(meeting, family)
    except ExhaustedError:
        message = "its lists and maps are too long to try every prefix against them"
        yield warning("far-filter-unknown", message, heard[0].device.start.place()), ()
    yield from routes.told()


class _Routes:
    """Judges, and heaps up what it finds by subject."""

    def __init__(self, judge: Judge, sets: tuple[PrefixSet, ...], telling: Telling) -> None:
        self.judge, self.sets, self.telling = judge, sets, telling
        self._heaps: dict[_Subject, _Heap] = defaultdict(_Heap)
        self._asked: dict[tuple[object, ...], _Outcome] = {}
        self._tried: dict[tuple[object, ...], Subjects] = {}

    def of(self, meeting: Meeting, family: Family) -> Iterator[Finding]:
        """One session in one family."""
        filters = self.judge.filters(meeting.neighbor, family)
        outcome = self._outcome(meeting, family, filters)
        yield from _limit(meeting, family, outcome)
        end = meeting.end
        who = meeting.address if self.judge.is_personal else None
        key = (filters, id(end.switch), end.session.peer, family, outcome.refused, who)
        if key not in self._tried:
            narrow = self._narrow(meeting, family, filters, outcome.refused)
            self._tried[key] = _by_subject([*narrow, *self._open(meeting, family, filters)])
        for each in (outcome.subjects, self._tried[key]):
            for subject, prefixes in each.items():
                heap = self._heaps[subject]
                heap.who[end.who] = None
                if id(prefixes) not in heap.seen:
                    heap.seen.add(id(prefixes))
                    heap.prefixes.update(dict.fromkeys(prefixes))

    def told(self) -> Iterator[Finding]:
        """What was heaped up, one sentence for each subject; what is so now need not be later."""
        now = {(one.by, one.ours) for one in self._heaps if one.code == "far-filter-denies"}
        for one, heap in self._heaps.items():
            if one.code == "far-filter-narrow" and (one.by, one.ours) in now:
                continue
            prefixes, who = listed(heap.prefixes, SHOWN), tuple(heap.who)
            if isinstance(one.ours, PrefixSet) and one.code != "far-filter-open":
                prefixes += f" of pool {quoted(one.ours.pool)}"
            if one.code == "far-filter-denies":
                message = f"it refuses {prefixes}{one.says}"
                yield error("far-filter-denies", message, *one.places), who
            elif one.code == "far-filter-narrow":
                message = f"it would refuse {prefixes}{one.says}"
                yield warning("far-filter-narrow", message, *one.places), who
            elif one.code == "far-filter-changes":
                yield warning("far-filter-changes", f"it {one.says}: {prefixes}", *one.places), who
            elif one.code == "far-filter-open":
                message = one.says or f"it takes {prefixes}, which none of ours announces to it"
                yield warning("far-filter-open", message, *one.places), who
            else:
                message = f"what becomes of {prefixes} is not known: {one.says}"
                yield warning("far-filter-unknown", message, *one.places), who

    def _outcome(self, meeting: Meeting, family: Family, filters: Filters) -> _Outcome:
        each = self.telling.of(meeting.end, family)
        key = (id(each), filters, meeting.address if self.judge.is_personal else None)
        if key not in self._asked:
            verdicts = [
                (one, self.judge.judge(filters, self._from(meeting, one.route))) for one in each
            ]
            refused = [one.set.key for one, verdict in verdicts if verdict.permit is False]
            subjects = (
                (subject, str(one.prefix))
                for one, verdict in verdicts
                if (subject := self._subject(meeting, one, verdict))
            )
            self._asked[key] = _Outcome(
                len(each), len(each) - len(refused), frozenset(refused), _by_subject(subjects)
            )
        return self._asked[key]

    def _from(self, meeting: Meeting, one: Route) -> Route:
        """The route with whom it is from, where some map of the far end asks for it."""
        if not self.judge.is_personal:
            return one
        hop = meeting.address if meeting.address.version == one.prefix[0] else None
        return replace(one, peer=meeting.address, next_hop=hop)

    def _subject(self, meeting: Meeting, one: Told, verdict: Verdict) -> _Subject | None:
        """What there is to be said about a route; None where it arrives as it was meant."""
        if verdict.permit is None:
            says = f"`{verdict.unread}` is not evaluated here"
            return _Subject("far-filter-unknown", says, _by(verdict, meeting), one.set)
        if not verdict.permit:
            return _refused("far-filter-denies", one.set, verdict, meeting)
        changes = differences(self._from(meeting, one.route), verdict.route)
        if verdict.changed_by and (says := " and ".join(changes)):
            return _Subject("far-filter-changes", says, verdict.changed_by, one.set)
        return None

    # What may come later, and what never should.

    def _narrow(
        self, meeting: Meeting, family: Family, filters: Filters, refused: frozenset[object]
    ) -> Iterator[tuple[_Subject, str]]:
        """Where a set that has nothing refused yet would have something refused."""
        blocks = self.judge.blocks(filters, family)
        for one in meeting.end.sets.get(family, ()):
            for said in () if one.key in refused else _attributes(meeting.end, one):
                for prefix in samples(one, blocks, MOST_SAMPLES):
                    tried = self._from(meeting, route(meeting.end, family, prefix, said))
                    verdict = self.judge.judge(filters, tried)
                    if verdict.permit is False:
                        subject = _refused("far-filter-narrow", one, verdict, meeting)
                        yield subject, spelled(prefix)

    def _open(
        self, meeting: Meeting, family: Family, filters: Filters
    ) -> Iterator[tuple[_Subject, str]]:
        """What the far end would take beyond our sets; tried with what our own routes say."""
        sets = meeting.end.sets.get(family, ())
        ours = sets[0] if sets else meeting.end
        if not filters or meeting.device.form == "default":
            says = f"nothing filters what comes in: it takes every {family} prefix"
            if filters:
                says = f"bgpcfgd knows no filter of a neighbor: it takes every {family} prefix"
            active = meeting.neighbor.switched(family)
            by = active.spot if active else meeting.neighbor.spot
            yield _Subject("far-filter-open", says, by, ours), ""
            return
        said = next((s for one in sets for s in _attributes(meeting.end, one)), Attributes())
        others = (one for one in self.sets if one.family == family and one not in sets)
        rules = _ends_of(self.judge.rules(filters, family))
        by_ = None
        for prefix in beyond(family, sets, others, rules, MOST_SAMPLES):
            tried = self._from(meeting, route(meeting.end, family, prefix, said))
            verdict = self.judge.judge(filters, tried)
            if verdict.permit:
                by_ = by_ or _by(verdict, meeting)
                yield _Subject("far-filter-open", "", by_, ours), spelled(prefix)


def _by_subject(each: Iterable[tuple[_Subject, str]]) -> Subjects:
    found: dict[_Subject, list[str]] = defaultdict(list)
    for subject, prefix in each:
        found[subject].append(prefix)
    return found


def _by(verdict: Verdict, meeting: Meeting) -> Spot:
    return verdict.near or verdict.by or meeting.neighbor.spot


def _refused(code: str, of: PrefixSet, verdict: Verdict, meeting: Meeting) -> _Subject:
    """By which line; where it is the one that names a filter, nothing inside says anything."""
    says = ""
    if verdict.missing:
        says = f": {verdict.missing} is not there"
    elif verdict.filter and verdict.by == verdict.filter.spot and not verdict.near:
        says = ": no entry permits it"
    return _Subject(code, says, _by(verdict, meeting), of)


def _attributes(end: End, of: PrefixSet) -> Iterator[Attributes]:
    """What the far end hears beside a prefix of a set, each combination once."""
    if end.node is None:
        return
    each = (
        said
        for one in end.node.classes
        if (one.pool, one.family, one.length) == of.key
        and (said := one.attributes(end.session.peer)) is not None
    )
    yield from dict.fromkeys(each)


def _ends_of(rules: Iterable[tuple[Bits, int, int]]) -> Iterator[Bits]:
    """The shortest and the longest prefix that a rule is about."""
    for (version, address, _), low, high in rules:
        yield version, address, low
        yield version, address, high


def _limit(meeting: Meeting, family: Family, outcome: _Outcome) -> Iterator[Finding]:
    """`maximum-prefix` counts what is accepted; with `force` FRR 8.4 counts all (measured)."""
    said = meeting.get("maximum-prefix", family)
    limit = said.number if said else None
    if said is None or limit is None:
        return
    words, end = (said.value or "").split(), meeting.end
    sets = end.sets.get(family, ())
    places = meeting.at(said), sets[0].origin.place() if sets else end.place()
    who = (f"{end.who}: {outcome.accepted}",)
    if limit < outcome.accepted and "warning-only" not in words:
        message = f"maximum-prefix {limit} ends the session: our end announces more"
        yield error("far-maximum-prefix", message, *places), who
    elif limit < outcome.accepted or ("force" in words and limit < outcome.told):
        message = f"maximum-prefix {limit} is less than our end announces"
        yield warning("far-maximum-prefix", message, *places), who
    elif limit < (may := _may(end, family, outcome.accepted)):
        message = f"maximum-prefix {limit} leaves little room to grow in: we would set {may}"
        yield warning("far-maximum-prefix", message, *places), (end.who,)


def _may(end: End, family: Family, accepted: int) -> int:
    """The limit that we would set; where we set one, that one."""
    if family in end.limits:
        return end.limits[family]
    return min(sum(one.capacity for one in end.sets.get(family, ())), headroom(accepted))
