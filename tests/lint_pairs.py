"""Good pairs to spoil: an example, and what one of its switches runs in both of its forms."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ferrule.compiler import views
from ferrule.compiler.backends.sonic import bgpd
from ferrule.compiler.pipeline import Compilation, compile_network, read_inputs
from ferrule.observe.files import load

EXAMPLES = Path(__file__).parents[1] / "examples"
SWITCHES = [("fabric", "tor-a"), ("fabric", "tor-b"), ("dynamic", "leaf-1"), ("dynamic", "leaf-2")]
SWITCHES += [("ibgp", "spine")]
Tables = dict[str, Any]
Edit = Callable[[str], str]
Rows = Callable[[Tables], object]


MAP_CASE = re.compile(r"^(\S.*): (.*)\n((?: .*\n)+)", re.MULTILINE)


@dataclass(frozen=True)
class MapCase:
    """A case of lint_maps.txt; `passes` is `["?"]` where two releases differ."""

    name: str
    passes: list[str]
    text: str


MAPS = [
    MapCase(name, passes.replace("none", "").split(), text)
    for name, passes, text in MAP_CASE.findall(
        Path(__file__).with_name("lint_maps.txt").read_text().partition("\n\n")[2]
    )
]


@cache
def example(name: str) -> Compilation:
    """An example, compiled."""
    documents, unreadable = load([str(EXAMPLES / name)])
    compilation = compile_network(read_inputs(documents, unreadable=unreadable))
    assert compilation.ok
    return compilation


@cache
def _rows(name: str, switch: str) -> str:
    return views.files(example(name).network)[f"switches/{switch}/config_db.json"].text


def tables(name: str, switch: str) -> Tables:
    """The switch's CONFIG_DB, as far as it is ours."""
    made: Tables = json.loads(_rows(name, switch))
    return made


def running(name: str, switch: str) -> str:
    """What bgpd on the switch runs for them."""
    return "\n".join(bgpd.lines(tables(name, switch))) + "\n"


def node_conf(name: str, node: str) -> str:
    """The frr.conf of a node."""
    return views.files(example(name).network)[f"nodes/{node}/frr.conf"].text


@dataclass(frozen=True)
class Mutation:
    """One thing changed at the far end, in each form that can say it, and what is then said."""

    name: str
    code: str
    frr: tuple[Edit, ...] = ()
    rows: Rows | None = None
    network: tuple[str, str] = ("fabric", "tor-a")
    severity: str = "error"
    rows_severity: str = ""  # where CONFIG_DB is another matter

    def frr_text(self) -> str:
        """The frr.conf that it makes."""
        text = running(*self.network)
        for edit in self.frr:
            text = edit(text)
        return text

    def rows_text(self) -> str:
        """The CONFIG_DB that it makes."""
        assert self.rows is not None
        made = tables(*self.network)
        self.rows(made)
        assert made != tables(*self.network)
        return json.dumps(made, indent=1)


def sub(pattern: str, new: str, *, count: int = 0) -> Edit:
    """Replace what matches; it must be there."""

    def edit(text: str) -> str:
        made, number = re.subn(pattern, new, text, count=count, flags=re.MULTILINE)
        assert number, pattern
        return made

    return edit


def drop(pattern: str) -> Edit:
    """Take whole lines out."""
    return sub(rf"^.*(?:{pattern}).*\n", "")


def after(pattern: str, *lines: str) -> Edit:
    """Add lines after the first that matches, as deep as it is."""

    def edit(text: str) -> str:
        found = re.search(rf"^( *).*(?:{pattern}).*\n", text, re.MULTILINE)
        assert found, pattern
        more = "".join(f"{found[1]}{line}\n" for line in lines)
        return text[: found.end()] + more + text[found.end() :]

    return edit


def put(table: str, key: str, **fields: object) -> Rows:
    """Set fields of every row whose key ends so; None takes one away. A new key makes a row."""

    def edit(made: Tables) -> None:
        rows = made.setdefault(table, {})
        found = [one for one in rows if one.endswith(key)] or [key]
        for one in found:
            row = rows.setdefault(one, {})
            row.update(fields)
            for name in [name for name, value in row.items() if value is None]:
                del row[name]

    return edit


def remove(table: str, key: str) -> Rows:
    """Take rows away."""

    def edit(made: Tables) -> None:
        found = [one for one in made[table] if one.endswith(key)]
        assert found, key
        for one in found:
            del made[table][one]

    return edit


def both(*edits: Rows) -> Rows:
    """One after the other."""

    def edit(made: Tables) -> None:
        for one in edits:
            one(made)

    return edit


def rekeyed(old: str, new: str) -> Rows:
    """Another VRF."""

    def edit(made: Tables) -> None:
        copy = deepcopy(made)
        for table, rows in copy.items():
            made[table] = {re.sub(rf"^{old}(?=\||$)", new, key): row for key, row in rows.items()}

    return edit
