"""A plan for people: device by device, the order, the impact, and the last line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ferrule.compiler.backends import BACKENDS
from ferrule.compiler.backends.base import Shown
from ferrule.compiler.errors import Diagnostic, listed, printable
from ferrule.compiler.plan import DevicePlan, Impact, Item, Plan, Round
from ferrule.compiler.views import plural

BACKEND = {"node": BACKENDS["frr"], "switch": BACKENDS["sonic"]}
SIGNS = {"add": "+", "change": "~", "remove": "-"}
# What an input lacks: part of the plan itself, for it is less true on that account.
PARTIAL = ("no-nodes", "no-namespaces", "no-endpoints", "no-services", "no-peers", "cluster-empty")
MOST_NAMES = 5
PLACE_COLUMN = 72


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a diff; a header of a block has no sign."""

    sign: str
    depth: int
    text: str
    place: str = ""

    def __str__(self) -> str:
        return f"{self.sign or ' '} {' ' * self.depth}{printable(self.text)}"


def lines(device: DevicePlan) -> Iterator[Line]:
    """A device's changes in its own language, each in its blocks."""
    shown = BACKEND[device.kind].shown
    open_: list[str] = []
    for change in device.diff.changes:
        one: Shown = shown(change)
        shared = 0
        while shared < min(len(open_), len(one.within)) and open_[shared] == one.within[shared]:
            shared += 1
        for depth in range(shared, len(one.within)):
            yield Line("", depth, one.within[depth])
        text = _text(one)
        open_ = [*one.within, one.new if one.new is not None else text]
        place = str(change.origin.place()) if change.origin else ""
        yield Line(SIGNS[change.op], len(one.within), text, place)


def _text(shown: Shown) -> str:
    """One line, or what of it changes to what."""
    old, new = shown.old, shown.new
    if old is None or new is None:
        return (new if old is None else old) or ""
    if old == new:
        return f"{new} (goes and comes back)"
    before, after = old.split(" "), new.split(" ")
    same = 0
    while same < min(len(before), len(after)) - 1 and before[same] == after[same]:
        same += 1
    return " ".join([*before[:same], " ".join(before[same:]), "->", " ".join(after[same:])])


def text(plan: Plan, *, annotate: bool = False) -> Iterator[str]:
    """The plan as prose; equal diffs of several devices once."""
    lacking = [one for one in plan.problems if one.code in PARTIAL]
    yield from (f"note: {printable(one.message)} [{one.code}]" for one in lacking)
    if lacking:
        yield ""
    for devices, body in groups(plan):
        yield f"{_sign(devices[0])} {heading(devices)}"
        for line in body:
            yield _annotated(line) if annotate else str(line)
        yield from remarks(devices[0])
        yield ""
    yield from failures(plan)
    if plan.failed:
        yield ""
    if plan.rounds:
        yield "order"
        for number, one in enumerate(plan.rounds, start=1):
            yield f"  {number}  {_round(one)}"
        yield ""
    if plan.pending:
        yield "impact"
        yield from (f"  {line}" for line in impact(plan))
        yield ""


def failures(plan: Plan) -> Iterator[str]:
    """Devices that could not be read, with what to do; those that fail alike once."""
    alike: dict[tuple[str, str, str], list[tuple[str, Diagnostic]]] = {}
    for (kind, name), why in plan.failed:
        key = (kind, why.code, why.message.replace(name, ""))
        alike.setdefault(key, []).append((name, why))
    for (of, code, _), each in alike.items():
        others = listed((name for name, _ in each[1:]), MOST_NAMES) if each[1:] else ""
        more = f"; so {printable(others)}" if others else ""
        why = each[0][1]
        yield f"! {of} not planned: {printable(why.message)} [{code}]{more}"
        if why.help:
            yield f"    {printable(why.help)}"


def groups(plan: Plan) -> Iterator[tuple[list[DevicePlan], list[Line]]]:
    """Devices whose diffs read the same, in the order of the first of each."""
    groups: dict[tuple[object, ...], tuple[list[DevicePlan], list[Line]]] = {}
    for device in plan.devices:
        body = list(lines(device))
        if not (body or device.notes or device.diff.problems or device.held):
            continue
        signed = tuple((one.sign, one.depth, one.text) for one in body)
        key = (device.kind, signed, device.notes, device.diff.problems, device.held)
        groups.setdefault(key, ([], body))[0].append(device)
    yield from groups.values()


def _sign(device: DevicePlan) -> str:
    return "!" if not device.ok else "~" if device.diff.commands else " "


def heading(devices: Sequence[DevicePlan]) -> str:
    """Which devices, what they run, how much changes."""
    first = devices[0]
    names = printable(listed((one.device for one in devices), MOST_NAMES))
    what = plural(len(devices), first.kind) if len(devices) > 1 else first.kind
    versions = sorted({one.version for one in devices if one.version})
    system = {"node": "FRR", "switch": "SONiC"}[first.kind]
    about = ", ".join([what, *(f"{system} {one}" for one in versions)])
    changed = len(first.diff.changes)
    count = plural(changed, "change") if changed else "no change"
    return f"{names} ({about}): {count}"


def remarks(device: DevicePlan) -> Iterator[str]:
    """What stands in the way, what is left as it is, and what is worth knowing."""
    for problem in device.diff.problems:
        first, *rest = map(printable, str(problem).splitlines())
        yield f"  {first}"
        yield from (f"  {line}" for line in rest)
    for note in (*device.notes, *([device.held] if device.held else [])):
        yield f"  note: {printable(note)}"


def _annotated(line: Line) -> str:
    return f"{line!s:{PLACE_COLUMN}}  # {line.place}" if line.place else str(line)


def _round(one: Round) -> str:
    names = listed((step.device for step in one.steps), MOST_NAMES)
    return f"{one.phase}: {printable(names)}: {one.why}"


def impact(plan: Plan) -> Iterator[str]:
    """What it costs, the worst first; and what it does not."""
    for item in plan.items:
        names = f": {printable(listed(item.names, MOST_NAMES))}" if _is_telling(item) else ""
        yield f"{printable(item.what)}{names}"
    if not plan.items:
        yield "nothing: no session and no route notices"
    later = sum(effect == "next-session" for one in plan.devices for _, effect in one.effects)
    if later:
        yield f"{plural(later, 'change')} in use only once the session starts anew"
    yield unchanged(plan)


def _is_telling(item: Item) -> bool:
    return bool(item.names) and item.impact not in (Impact.ADDRESS, Impact.OWNER)


def unchanged(plan: Plan) -> str:
    """The other half."""
    addresses = f"{plan.addresses} address{'' if plan.addresses == 1 else 'es'}"
    return f"{addresses} and {plural(plan.sessions, 'session')} do not change"


def summary(plan: Plan) -> str:
    """The last line: what changes, the impact by class, what does not change."""
    changed = Counter(one.kind for one in plan.devices if one.diff.commands and one.ok)
    refused = sum(not one.ok for one in plan.devices)
    parts = [", ".join(plural(n, kind) for kind, n in sorted(changed.items())) + " to change"]
    if not changed:
        parts = ["no changes" if not plan.failed else "nothing known to change"]
    if plan.failed:
        parts.append(f"{plural(len(plan.failed), 'device')} not read")
    if refused:
        parts.append(f"{plural(refused, 'device')} refused")
    if changed or plan.items:
        parts.append("impact: " + (", ".join(_classes(plan)) or "nothing"))
    return " · ".join([*parts, unchanged(plan)])


def _classes(plan: Plan) -> Iterator[str]:
    """Each class with its count, the worst first; a session that ends is none that resets."""
    by_class: dict[Impact, list[Item]] = {}
    for item in plan.items:
        by_class.setdefault(item.impact, []).append(item)
    for impact in sorted(by_class, reverse=True):
        if impact is Impact.RESET:
            yield from (one.what for one in by_class[impact])
        else:
            yield impact.counted(sum(one.count for one in by_class[impact]))
