"""What is said of a switch, for people: why it is not as it should be, and what to do about it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from ferrule.apply.rollout import Result
from ferrule.compiler import planview
from ferrule.compiler.backends.base import Change
from ferrule.compiler.backends.sonic.live import Unlike
from ferrule.compiler.backends.sonic.parse import RowId
from ferrule.compiler.compare import ComparedSwitch
from ferrule.compiler.errors import listed
from ferrule.compiler.plan import DevicePlan, Plan
from ferrule.compiler.views import plural
from ferrule.reconcile.switch_judge import Verdict
from ferrule.reconcile.switch_status import Said

MOST_LINES = 20


def reason(code: str) -> str:
    """A code of codes.toml as the reason of a condition: `WrongDevice`."""
    return "".join(part.capitalize() for part in code.split("-"))


def refused(plan: DevicePlan) -> Said | None:
    """Why nothing can be sent, where that is so."""
    errors = [one for one in plan.diff.problems if one.severity == "error"]
    if not errors:
        return None
    return Said("Refused", "\n".join(f"{one.code}: {one.message}" for one in errors[:3]))


def notes(plan: DevicePlan) -> tuple[str, ...]:
    """What is worth knowing and no fault."""
    doubts = (one for one in plan.diff.problems if one.severity != "error")
    return (*plan.notes, *(f"{one.code}: {one.message}" for one in doubts))


def waits(verdict: Verdict) -> Said | None:
    """What nodes are waited for, where they are."""
    return Said("Waiting", verdict.waits) if verdict.waits else None


def needs_leave(made: ComparedSwitch, verdict: Verdict) -> Said | None:
    """What waits for leave, and how that is given."""
    if not verdict.needs:
        return None
    words = sorted({one.impact.word for one in verdict.needs})
    allow = " ".join(f"--allow {word}" for word in words)
    costs = "; ".join(
        f"{one.what}: {listed(one.names, planview.MOST_NAMES)}" for one in verdict.needs
    )
    first = f"{plural(len(verdict.rest), 'change')} would cost {costs}"
    how = f"it waits until the controller, or `ferrule apply`, is given {allow}"
    return Said("NeedsLeave", "\n".join((first, how, *_lines(made.plan, verdict.rest))))


def drift_of(made: ComparedSwitch, drifted: Collection[RowId]) -> Said | None:
    """Which rows somebody else has changed: as they are, and as they should be."""
    changes = [one for one in made.plan.diff.changes if one.path[:2] in drifted]
    if not changes:
        return None
    first = f"somebody else has changed it: {plural(len(changes), 'change')} to put right"
    return Said("RowsChanged", "\n".join((first, *_lines(made.plan, changes))))


def bgpd_of(unlike: Unlike) -> str:
    """What bgpd does not run of the rows, and what it runs besides."""
    parts = [
        f"{what} {listed(lines, 3)}"
        for what, lines in (("it has not", unlike.missing), ("it still has", unlike.stale))
        if lines
    ]
    return f"bgpd does not run what CONFIG_DB says: {'; '.join(parts)}"


def changed(plan: Plan, drifted: Collection[RowId]) -> str:
    """What was done."""
    (device,) = plan.devices
    if not device.diff.commands:
        return "a run that was cut is closed: all of it was done"
    phases = listed(dict.fromkeys(one.phase for one in device.diff.commands))
    back = sum(one.path[:2] in drifted for one in device.diff.changes)
    of_others = f", {back} of them put back what others had changed" if back else ""
    costs = "".join(f"; {one.what}" for one in plan.items)
    return f"{plural(len(device.diff.changes), 'change')} ({phases}){of_others}{costs}"


def failed(result: Result) -> Said:
    """Why it was put back, or could not be."""
    if not result.stuck:
        return Said("Failed", f"{result.why}; everything is as it was")
    why = "; ".join(one for one, _ in result.stuck.values())
    return Said("Stuck", f"{result.why}; and it could not be put back: {why}")


def _lines(plan: DevicePlan, changes: Iterable[Change]) -> Iterator[str]:
    some = tuple(changes)
    lines = [*planview.lines(replace(plan, diff=replace(plan.diff, changes=some)))]
    yield from map(str, lines[:MOST_LINES])
    if len(lines) > MOST_LINES:
        yield f"and {plural(len(lines) - MOST_LINES, 'line')} more"
