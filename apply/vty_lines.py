"""`network` lines: which there are, how bgpd is told of them, and whether it has them.

They are the one part of a configuration that may be long, so nothing here costs more than the lines
that it is about, but for a copy of their table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ferrule.apply.vty import Said
from ferrule.compiler.backends import frr
from ferrule.compiler.backends.base import Command

Line = tuple[str, str, str]  # VRF ("" is the default one), family ("ipv4 unicast"), prefix
Lines = Mapping[Line, str | None]  # to what follows the prefix: `route-map NAME`


def lines_of(running: frr.Running) -> dict[Line, str]:
    """All that are ours."""
    return {
        (vrf, family, prefix): value
        for vrf, instance in running.instances.items()
        for family, table in instance.networks.items()
        for prefix, value in table.items()
    }


def with_lines(running: frr.Running, lines: Lines) -> frr.Running:
    """The same with other `network` lines; those of a VRF that has no `router bgp` are dropped."""
    tables = {vrf: dict(one.networks) for vrf, one in running.instances.items()}
    copied: set[tuple[str, str]] = set()
    for (vrf, family, prefix), value in lines.items():
        if vrf not in tables:
            continue
        if (vrf, family) not in copied:
            copied.add((vrf, family))
            tables[vrf][family] = dict(tables[vrf].get(family, {}))
        table: dict[str, str] = tables[vrf][family]  # type: ignore[assignment]  # our copy
        if value is None:
            table.pop(prefix, None)
        else:
            table[prefix] = value
    return _with_tables(running, tables)


def only(running: frr.Running, lines: Iterable[Line]) -> frr.Running:
    """The same with these `network` lines alone, as far as they are there."""
    tables: dict[str, dict[str, dict[str, str]]] = {vrf: {} for vrf in running.instances}
    for vrf, family, prefix in lines:
        one = running.instances.get(vrf)
        value = one.networks.get(family, {}).get(prefix) if one else None
        if value is not None:
            tables[vrf].setdefault(family, {})[prefix] = value
    return _with_tables(running, tables)


def _with_tables(
    running: frr.Running, tables: Mapping[str, Mapping[str, Mapping[str, str]]]
) -> frr.Running:
    instances = {
        vrf: replace(one, networks={family: of for family, of in tables[vrf].items() if of})
        for vrf, one in running.instances.items()
    }
    return replace(running, instances=instances)


def is_one_line(line: Line, value: str | None) -> bool:
    """Whether it is one line, and the prefix one word of it, wherever they come from."""
    return "".join((*line, value or "")).isprintable() and " " not in line[2]


def are_lines(commands: Sequence[Command]) -> bool:
    """Whether all are `network` lines, which are bgpd's alone."""
    return all(one.text.removeprefix("no ").startswith("network ") for one in commands)


def line_of(command: Command) -> tuple[Line, str | None]:
    """The line that a command is about, and what is to follow it."""
    header, family = command.within
    vrf = header.partition(" vrf ")[2]
    said = command.text.removeprefix("no ").removeprefix("network ")
    prefix, _, rest = said.partition(" ")
    value = None if command.text.startswith("no ") else rest
    return (vrf, family.removeprefix("address-family "), prefix), value


def script(commands: Iterable[Command]) -> Iterator[str]:
    """As bgpd takes them by its socket, from and to the mode in which it answers questions."""
    yield "configure terminal"
    yield from (one.strip() for one in frr.script(commands).splitlines())
    yield "end"


def question(vrf: str, family: str, prefix: str) -> str:
    """What to ask bgpd about a line."""
    return f"show bgp vrf {vrf or 'default'} {family} {prefix} json"


def tag_of(running: frr.Running, value: str) -> int:
    """By what bgpd shows that a route is of this class: the tag that its map sets."""
    entries = running.maps.get(value.rpartition("route-map ")[2], {}).values()
    tags = (int(one.settings["set tag"]) for one in entries if "set tag" in one.settings)
    return next(tags, 0)


def fits(said: Said, tag: int | None) -> bool:
    """Whether bgpd originates a prefix with that tag, or, with None, no longer at all."""
    try:
        paths = json.loads(said.text).get("paths", [])
    except (ValueError, AttributeError):  # 10.3 says nothing of a prefix that it has not
        paths = []
    ours = [one.get("tag", 0) for one in paths if one.get("sourced") and not one.get("removed")]
    return ours == ([] if tag is None else [tag])
