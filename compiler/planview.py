"""Forms of a plan: for people, for a pull request, for programs."""

from __future__ import annotations

import hashlib
import hmac
import html
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ferrule.compiler.backends import BACKENDS
from ferrule.compiler.backends.base import Change, Shown
from ferrule.compiler.errors import Diagnostic, listed, printable
from ferrule.compiler.pipeline import Compilation
from ferrule.compiler.plan import DevicePlan, Impact, Item, Plan, Round
from ferrule.compiler.views import API_VERSION, plural

BACKEND = {"node": BACKENDS["frr"], "switch": BACKENDS["sonic"]}
SIGNS = {"add": "+", "change": "~", "remove": "-"}
# What an input lacks: part of the plan itself, for it is less true on that account.
PARTIAL = ("no-nodes", "no-namespaces", "no-endpoints", "no-services", "no-peers", "cluster-empty")
MOST_NAMES = 5
MOST_CHARS = 60_000  # of a comment; GitHub takes 65,536, GitLab a million
MOST_ITEMS = 30
MOST_MORE = 80  # what it takes to say how much was left out
MOST_AROUND = 150  # what it takes to fold something
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


# For people.


def text(plan: Plan, *, annotate: bool = False) -> Iterator[str]:
    """The plan as prose; equal diffs of several devices once."""
    lacking = [one for one in plan.problems if one.code in PARTIAL]
    yield from (f"note: {printable(one.message)} [{one.code}]" for one in lacking)
    if lacking:
        yield ""
    for devices, body in _groups(plan):
        yield f"{_sign(devices[0])} {_heading(devices)}"
        for line in body:
            yield _annotated(line) if annotate else str(line)
        yield from _remarks(devices[0])
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


def _groups(plan: Plan) -> Iterator[tuple[list[DevicePlan], list[Line]]]:
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


def _heading(devices: Sequence[DevicePlan]) -> str:
    first = devices[0]
    names = printable(listed((one.device for one in devices), MOST_NAMES))
    what = plural(len(devices), first.kind) if len(devices) > 1 else first.kind
    versions = sorted({one.version for one in devices if one.version})
    system = {"node": "FRR", "switch": "SONiC"}[first.kind]
    about = ", ".join([what, *(f"{system} {one}" for one in versions)])
    changed = len(first.diff.changes)
    count = plural(changed, "change") if changed else "no change"
    return f"{names} ({about}): {count}"


def _remarks(device: DevicePlan) -> Iterator[str]:
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


# For a pull request.


def markdown(plan: Plan, room: int = MOST_CHARS) -> Iterator[str]:
    """The plan as one comment: the summary, then what is folded, as much as there is room for."""
    said = [f"**ferrule plan**: {summary(plan)}", ""]
    costs = list(impact(plan)) if plan.pending else []
    said += [f"- {_escaped(line)}" for line in costs[:MOST_ITEMS]]
    if len(costs) > MOST_ITEMS:
        said.append(f"- and {len(costs) - MOST_ITEMS} more")
    yield from said
    room -= _size(said) + MOST_MORE
    folds = list(_folds(plan))
    is_scarce = sum(_size([heading, *body]) + MOST_AROUND for heading, body in folds) > room
    left = 0
    for heading, body in folds:
        folded = _folded(heading, body, room // 2 if is_scarce else room)
        left += not folded
        room -= _size(folded)
        yield from folded
    if left:
        yield ""
        yield f"{plural(left, 'part')} more: run `ferrule plan` to see all"


def _folds(plan: Plan) -> Iterator[tuple[str, list[str]]]:
    """What stands below the summary, the short first, each with its heading."""
    if plan.failed:
        yield f"{plural(len(plan.failed), 'device')} not planned", list(failures(plan))
    if plan.problems:
        yield (
            plural(len(plan.problems), "remark"),
            [printable(line) for one in plan.problems for line in str(one).splitlines()],
        )
    for devices, body in _groups(plan):
        remarks = [f"# {line.strip()}" for line in _remarks(devices[0])]
        yield _heading(devices), [*remarks, *(f"{_diff_sign(one)}{str(one)[1:]}" for one in body)]


def _folded(heading: str, body: Sequence[str], room: int) -> list[str]:
    """A heading with its lines below it, as many as there is room for; none: not even it."""
    ticks = max((len(run) for line in body for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, ticks + 1)
    start = ["", f"<details><summary>{html.escape(printable(heading))}</summary>", ""]
    start.append(f"{fence}diff")
    end = [fence, "", "</details>"]
    room -= _size([*start, *end]) + MOST_MORE
    kept = []
    for line in body:
        room -= _size([line])
        if room < 0:
            break
        kept.append(line)
    if not kept:
        return []
    more = len(body) - len(kept)
    return [*start, *kept, *([f"# and {plural(more, 'line')} more"] if more else []), *end]


def _size(lines: Sequence[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)


def _diff_sign(line: Line) -> str:
    return {"~": "!"}.get(line.sign, line.sign) or " "


def _escaped(line: str) -> str:
    return "".join(f"\\{char}" if char in "\\`*_[]<>|~" else char for char in printable(line))


# For programs.


def as_json(plan: Plan, salt: str) -> dict[str, object]:
    """Everything but secrets; what a device runs, and what it should, as salted digests."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Plan",
        "cluster": plan.cluster,
        "salt": salt,
        "ok": plan.ok,
        "changes": plan.changes,
        "devices": [_device(one, salt) for one in plan.devices],
        "failed": [
            {"device": name, "kind": kind, **why.to_json()} for (kind, name), why in plan.failed
        ],
        "rounds": [
            {
                "phase": one.phase,
                "kind": one.kind,
                "steps": [{"device": s.device, "commands": len(s.commands)} for s in one.steps],
            }
            for one in plan.rounds
        ],
        "impact": [_item(one) for one in plan.items],
        "worst": plan.worst.word,
        "unchanged": {"addresses": plan.addresses, "sessions": plan.sessions},
        "diagnostics": [one.to_json() for one in plan.problems],
        "summary": summary(plan),
    }


def unmade(compilation: Compilation) -> dict[str, object]:
    """The form of a plan for an input that there is none of."""
    found = [one.to_json() for one in compilation.diagnostics]
    return {"apiVersion": API_VERSION, "kind": "Plan", "ok": False, "diagnostics": found}


def _item(item: Item) -> dict[str, object]:
    return {
        "impact": item.impact.word,
        "what": item.what,
        "count": item.count,
        "names": list(item.names),
    }


def _device(device: DevicePlan, salt: str) -> dict[str, object]:
    effects = {id(change): effect for change, effect in device.effects}
    return {
        "device": device.device,
        "kind": device.kind,
        "version": device.version,
        "ok": device.ok,
        **_digests(device, salt),
        "changes": [_change(one, effects.get(id(one))) for one in device.diff.changes],
        "problems": [one.to_json() for one in device.diff.problems],
        "notes": list(device.notes),
        "held": device.held or None,
    }


def _change(change: Change, effect: str | None) -> dict[str, object]:
    return {
        "op": change.op,
        "path": list(change.path),
        "old": change.old,
        "new": change.new,
        "effect": effect,
        "place": change.origin.place().to_json() if change.origin else None,
    }


def _digests(device: DevicePlan, salt: str) -> dict[str, str]:
    """Salted hashes of what is ours, secrets included: to compare, not to read."""
    owned = BACKEND[device.kind].owned
    texts = {
        "running": json.dumps(owned(device.running), sort_keys=True, default=str),
        "intended": json.dumps(owned(device.intended), sort_keys=True, default=str),
    }
    key = salt.encode()
    return {
        of: hmac.new(key, one.encode(), hashlib.sha256).hexdigest() for of, one in texts.items()
    }


def stale(plan: Plan, planned: Mapping[str, object]) -> Iterator[str]:
    """The devices whose state, or whose intended state, is no longer what a file says."""
    salt = str(planned.get("salt"))
    before = {(one.get("kind"), one.get("device")): one for one in _listed(planned.get("devices"))}
    now = {(one.kind, one.device): one for one in plan.devices}
    for key in dict.fromkeys((*before, *now)):
        kind, name = key
        if key not in before or key not in now:
            yield f"{kind} {name}"
            continue
        made = _digests(now[key], salt)
        if made != {of: before[key].get(of) for of in made}:
            yield f"{kind} {name}"


def _listed(value: object) -> list[dict[str, object]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
