"""A change in FRR's own language: the lines that it is about, and the blocks around them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ferrule.compiler.backends.base import Change, Shown
from ferrule.compiler.backends.frr.running import Entry, Instance, Running
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


def listeners(running: Running, change: Change) -> Iterator[Neighbor]:
    """The neighbors that hear through the route-map or prefix-list that a change is about."""
    subject = change.path[0]
    maps = {name for name, entries in running.maps.items() if _leans_on(name, entries, subject)}
    for vrf, instance in running.instances.items():
        for name, neighbor in instance.neighbors.items():
            if maps & {said.get("route-map out") for said in neighbor.families.values()}:
                yield vrf, name


def _leans_on(name: str, entries: Mapping[int, Entry], subject: str) -> bool:
    if subject == f"route-map {name}":
        return True
    family, _, prefix_list = subject.partition(" prefix-list ")
    match = f"match {family} address prefix-list"
    return any(entry.settings.get(match) == prefix_list for entry in entries.values())


def clusters(running: Running) -> Iterator[str]:
    """The clusters that have names of Ferrule's on the node, this one among them."""
    yield from sorted({name for text in lines(running.config.body) for name in OURS.findall(text)})


def owned(running: Running) -> object:
    """All that is ours as plain JSON values, passwords among them: for a digest, never to show."""
    return {
        "lists": running.lists,
        "others": sorted(running.others),
        "maps": {
            name: {seq: [one.action, one.settings] for seq, one in entries.items()}
            for name, entries in running.maps.items()
        },
        "profiles": running.profiles,
        "instances": {vrf: _owned(one) for vrf, one in running.instances.items() if not one.bare},
    }


def _owned(instance: Instance) -> object:
    neighbors = {name: [one.settings, one.families] for name, one in instance.neighbors.items()}
    settings = instance.settings if instance.ours else None
    return [instance.asn, settings, neighbors, instance.networks]
