"""A change in FRR's own language: the lines that it is about, and the blocks around them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ferrule.compiler.backends.base import Change, Shown
from ferrule.compiler.backends.frr.running import Instance, Running
from ferrule.compiler.backends.frr.settings import line, neighbor_line
from ferrule.compiler.backends.frrtext import lines

Neighbor = tuple[str, str]  # VRF ("" is the default one), and the name in `neighbor NAME`
OURS = re.compile(r"(?<!\S)ferrule-([a-z0-9-]{1,20})_\S")


def shown(change: Change) -> Shown:
    """The line that is there and the line that should be, without their indentation."""
    old, new = (_line(change.path, one) for one in (change.old, change.new))
    return Shown(change.within, old, new)


def _line(path: tuple[str, ...], value: str | None) -> str | None:
    if value is None:
        return None
    *around, last = path
    if last.startswith("seq ") and around[0].startswith("route-map "):
        return f"{around[0]} {value} {last.removeprefix('seq ')}"
    if last.startswith("seq "):
        return f"{around[0]} {last} {value}"
    neighbor = next((one for one in around if one.startswith("neighbor ")), None)
    if neighbor:
        return neighbor_line(neighbor.removeprefix("neighbor "), last, value)
    return line(last, value)


def touched(running: Running, change: Change) -> Iterator[Neighbor]:
    """The neighbors that a change is about; all of an instance, where it is about that."""
    header, *rest = change.path
    if not header.startswith("router bgp "):
        return
    vrf = header.partition(" vrf ")[2]
    if rest and rest[0].startswith("neighbor "):
        yield vrf, rest[0].removeprefix("neighbor ")
    elif not (rest and rest[0].startswith("address-family ")):
        instance = running.instances.get(vrf, Instance(header, 0))
        yield from ((vrf, name) for name in (*instance.neighbors, *sorted(instance.strangers)))


def clusters(running: Running) -> Iterator[str]:
    """The clusters that have names of Ferrule's on the node, this one among them."""
    yield from sorted({name for text in lines(running.config.body) for name in OURS.findall(text)})
