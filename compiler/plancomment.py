"""A plan as a comment on a pull request: bounded, folded, and harmless whatever names hold."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence

from ferrule.compiler.errors import printable
from ferrule.compiler.plan import Plan
from ferrule.compiler.planview import Line, failures, groups, heading, impact, remarks, summary
from ferrule.compiler.views import plural

MOST_CHARS = 60_000  # of a comment; GitHub takes 65,536, GitLab a million
MOST_ITEMS = 30
MOST_MORE = 80  # what it takes to say how much was left out
MOST_AROUND = 150  # what it takes to fold something


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
    is_scarce = sum(_size([title, *body]) + MOST_AROUND for title, body in folds) > room
    left = 0
    for title, body in folds:
        folded = _folded(title, body, room // 2 if is_scarce else room)
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
    for devices, body in groups(plan):
        said = [f"# {line.strip()}" for line in remarks(devices[0])]
        yield heading(devices), [*said, *(f"{_diff_sign(one)}{str(one)[1:]}" for one in body)]


def _folded(title: str, body: Sequence[str], room: int) -> list[str]:
    """A heading with its lines below it, as many as there is room for; none: not even it."""
    ticks = max((len(run) for line in body for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, ticks + 1)
    start = ["", f"<details><summary>{html.escape(printable(title))}</summary>", ""]
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
