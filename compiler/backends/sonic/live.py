"""Whether bgpd on a switch runs what our rows mean: frrcfgd tells nobody what FRR refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ferrule.compiler.backends.base import device_name
from ferrule.compiler.backends.frrtext import Body, read, statements
from ferrule.compiler.backends.sonic.bgpd import lines
from ferrule.compiler.backends.sonic.model import OURS
from ferrule.compiler.backends.sonic.parse import GLOBALS, Running

Statement = tuple[str, ...]  # the blocks around a line, and the line


@dataclass(frozen=True, slots=True)
class Unlike:
    """Lines that bgpd should have and has not, and those that it has and should not."""

    missing: tuple[str, ...]
    stale: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.stale)


def unlike(running: Running, text: str) -> Unlike:
    """Our rows against what bgpd runs; a line that names nothing of ours is not looked at.

    Nor is a password, which only a hand can have set there. `ValueError` where rows of ours are
    not as we write them.
    """
    rows: dict[str, dict[str, object]] = {}
    for (table, name), row in running.ours.items():
        rows.setdefault(table, {})[name] = row.fields
    for table in GLOBALS:
        rows[table] = dict(running.tables.get(table, {}))
    try:
        wanted = "\n".join(lines(rows))  # type: ignore[arg-type]
    except KeyError as bad:
        raise ValueError(f"a row of ours has no {bad}") from None
    members = (f"neighbor {name.partition('|')[2]} " for name in rows.get("BGP_NEIGHBOR", ()))
    marks = (device_name(OURS, running.cluster), *members)
    should, there = ({*_ours(read(one).body, marks)} for one in (wanted, text))
    return Unlike(
        tuple(sorted(" / ".join(one) for one in should - there)),
        tuple(sorted(" / ".join(one) for one in there - should)),
    )


def _ours(body: Body, marks: tuple[str, ...], around: Statement = ()) -> Iterator[Statement]:
    for line, inside in statements(body):
        here = (*around, _plain(line))
        if " password " not in line and any(mark in part for part in here for mark in marks):
            yield here
        yield from _ours(inside, marks, here)


def _plain(line: str) -> str:
    """8.4 says `ebgp-multihop 255`, 10.3 leaves the number out."""
    return line.removesuffix(" 255") if line.endswith("ebgp-multihop 255") else line
