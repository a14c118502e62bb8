"""What a plan costs: sessions that end, routes that go or come anew, addresses that change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ferrule.compiler.backends import frr, sonic
from ferrule.compiler.compare import ComparedNode, ComparedSwitch
from ferrule.compiler.ears import Link, Tables
from ferrule.compiler.hearing import Ear, Shift, shifts
from ferrule.compiler.inputs import Inputs
from ferrule.compiler.network import Network
from ferrule.compiler.plan import EFFECTS, Impact, Item


@dataclass(frozen=True, slots=True)
class Costs:
    """All impacts, the worst first, and how much does not change."""

    items: tuple[Item, ...]
    addresses: int
    sessions: int
    resets: frozenset[Ear]


def costs(
    inputs: Inputs,
    network: Network,
    links: tuple[Link, ...],
    tables: Tables,
    nodes: Mapping[str, ComparedNode],
    switches: Mapping[str, ComparedSwitch],
    down: Collection[Ear] = (),
    owners: Mapping[str, str] | None = None,
) -> Costs:
    """What comes of all changes; `down` are sessions that are known not to be up."""
    resets = _resets(links, nodes, switches)
    lost = {ear: how for ear, how in resets.items() if ear not in down}
    stirred = {ear for ear in _stirred(nodes) if ear not in resets}
    far = {link.ear: link.far for link in links}
    moved = [*shifts(tables.before, tables.after, far, stirred)]
    readdressed = [*_readdressed(inputs, network)]
    items = [*_lost(links, lost), *(item for one in moved for item in _moves(one))]
    items += readdressed
    items += _owners(network, owners)
    affected = {p.partition("/")[0] for one in moved for p in (*one.new, *one.gone, *one.widths)}
    affected |= {name.split(" ")[0] for item in readdressed for name in item.names}
    known = [service for service in network.services if service.addresses]
    same = {
        str(one) for service in known for one in service.addresses if service.key not in affected
    }
    sessions = {ear for ear in far if ear[1] in nodes[ear[0]].before}
    items.sort(key=lambda one: -one.impact)
    return Costs(
        tuple(items), len(same - affected), len(sessions - resets.keys()), frozenset(resets)
    )


# Sessions.


def _resets(
    links: Iterable[Link],
    nodes: Mapping[str, ComparedNode],
    switches: Mapping[str, ComparedSwitch],
) -> dict[Ear, str]:
    """The sessions that go down, and whether they come back."""
    found: dict[Ear, str] = {}
    for name, node in nodes.items():
        for change, effect in node.plan.effects:
            if EFFECTS[effect] is Impact.RESET:
                for neighbor in frr.touched(node.running, change):
                    found[name, neighbor] = "ends" if effect == "session" else "resets"
    by_switch: dict[str, list[Link]] = defaultdict(list)
    for link in links:
        by_switch[link.switch or ""].append(link)
    for name, switch in switches.items():
        for change, effect in switch.plan.effects:
            if EFFECTS[effect] is Impact.RESET:
                for vrf, who in sonic.touched(switch.running, change):
                    ears = [link.ear for link in by_switch[name] if link.is_at(vrf, who)]
                    for ear in ears or [(who, (vrf, name))]:
                        found.setdefault(ear, "ends" if effect == "session" else "resets")
    return found


def _lost(links: Iterable[Link], lost: Mapping[Ear, str]) -> Iterator[Item]:
    labels = {link.ear: str(link) for link in links}
    for how in ("ends", "resets"):
        names = sorted(
            labels.get(e, f"{e[0]} - {e[1][1]}") for e, one in lost.items() if one == how
        )
        if names:
            what = _count(len(names), "session") + (" ends" if how == "ends" else " resets")
            if len(names) > 1:
                what = what.removesuffix("s")
            yield Item(Impact.RESET, what, tuple(names), len(names))


def _stirred(nodes: Mapping[str, ComparedNode]) -> Iterator[Ear]:
    """Neighbors to which FRR sends everything anew, changed or not."""
    for name, node in nodes.items():
        for change, effect in node.plan.effects:
            if EFFECTS[effect] is Impact.ROUTES:
                yield from ((name, one) for one in frr.listeners(node.running, change))


# Routes.


def _moves(shift: Shift) -> Iterator[Item]:
    far = shift.far
    if shift.gone:
        impact = Impact.MASS if shift.mass else Impact.WITHDRAWAL
        gone = f"{len(shift.gone)} of {shift.before}" if shift.mass else f"{len(shift.gone)}"
        what = f"{far}: {gone} {_plural('route', shift.before if shift.mass else 1)} withdrawn"
        yield Item(impact, what, shift.gone, len(shift.gone))
    by_width: dict[tuple[int, int], list[str]] = defaultdict(list)
    for prefix, widths in shift.widths.items():
        by_width[widths].append(prefix)
    for (old, new), prefixes in sorted(by_width.items()):
        what = f"{far}: ECMP width {old} -> {new} of {_count(len(prefixes), 'route')}"
        yield Item(Impact.ECMP, what, tuple(prefixes), len(prefixes))
    if shift.again:
        what = f"{far}: {_count(shift.again, 'route')} sent anew"
        yield Item(Impact.ROUTES, what, (), shift.again)
    if shift.new:
        what = f"{far}: {_count(len(shift.new), 'new route')}"
        yield Item(Impact.NOTHING, what, shift.new, len(shift.new))


# Services.


def _readdressed(inputs: Inputs, network: Network) -> Iterator[Item]:
    """Services that held an address and get another, or none."""
    held = {one.key: one.held for one in inputs.services}
    for service in network.services:
        old = held.get(service.key) or ()
        if old and set(old) != set(service.addresses):
            before, after = (", ".join(map(str, one)) or "none" for one in (old, service.addresses))
            what = f"{service.key}: address {before} -> {after}"
            yield Item(Impact.ADDRESS, what, (service.key,), 1)


def _owners(network: Network, owners: Mapping[str, str] | None) -> Iterator[Item]:
    """Layer-2 addresses that another node answers for than before."""
    for node in network.nodes:
        for one in node.announcements:
            before = (owners or {}).get(str(one.address))
            if before is not None and before != node.name:
                what = f"{one.address}: owner {before} -> {node.name}"
                yield Item(Impact.OWNER, what, (str(one.address),), 1)


def _count(number: int, noun: str) -> str:
    return f"{number} {_plural(noun, number)}"


def _plural(noun: str, number: int) -> str:
    return noun if number == 1 else f"{noun}s"
