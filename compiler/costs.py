"""What a plan costs: sessions that end, routes that go or come anew, addresses that change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network

from ferrule.compiler.backends import frr, sonic
from ferrule.compiler.compare import ComparedNode, ComparedSwitch
from ferrule.compiler.ears import Link, Tables
from ferrule.compiler.hearing import Ear, Shift, shifts
from ferrule.compiler.inputs import Inputs
from ferrule.compiler.network import Address, Network
from ferrule.compiler.plan import EFFECTS, Impact, Item


@dataclass(frozen=True, slots=True)
class Costs:
    """All impacts, the worst first, and how much does not change."""

    items: tuple[Item, ...]
    addresses: int
    sessions: int
    resets: frozenset[Ear]


@dataclass(frozen=True, slots=True)
class Before:
    """What devices do not tell of the time before, where a rendered directory does.

    `owners` are the nodes that answered for layer-2 addresses, `addresses` what Services had. Where
    the input is not `complete`, what it has not is not gone.
    """

    owners: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)
    complete: bool = True


NOTHING_KNOWN = Before()


def costs(
    inputs: Inputs,
    network: Network,
    links: tuple[Link, ...],
    tables: Tables,
    nodes: Mapping[str, ComparedNode],
    switches: Mapping[str, ComparedSwitch],
    down: Collection[Ear] = (),
    before: Before = NOTHING_KNOWN,
) -> Costs:
    """What comes of all changes; `down` are sessions that are known not to be up."""
    resets = _resets(links, nodes, switches)
    lost = {ear: how for ear, how in resets.items() if ear not in down}
    stirred = {ear for ear in _stirred(nodes) if ear not in resets}
    far = {link.ear: link.far for link in links}
    moved = [*shifts(tables.before, tables.after, far, stirred)]
    readdressed = [*_readdressed(inputs, network, before)]
    answered = [*_owners(network, before)]
    items = [*_lost(links, lost), *(item for one in moved for item in _moves(one))]
    items += [*readdressed, *answered]
    items.sort(key=lambda one: -one.impact)
    routes = {prefix for one in moved for prefix in (*one.new, *one.gone, *one.widths)}
    routes |= {name for item in answered for name in item.names}
    services = {name for item in readdressed for name in item.names}
    sessions = {ear for ear in far if ear[1] in nodes[ear[0]].before}
    return Costs(
        tuple(items),
        len(_calm(network, routes, services)),
        len(sessions - resets.keys()),
        frozenset(resets),
    )


def _calm(network: Network, routes: Iterable[str], services: Collection[str]) -> set[Address]:
    """Addresses that nobody loses or gains a way to: neither they nor a prefix around them."""
    given = {
        one
        for service in network.services
        if service.key not in services
        for one in service.addresses
    }
    around: dict[tuple[int, int], set[int]] = defaultdict(set)
    for prefix in map(ip_network, routes):
        shift = prefix.max_prefixlen - prefix.prefixlen
        around[prefix.version, shift].add(int(prefix.network_address) >> shift)
    return {
        one
        for one in given
        if not any(
            one.version == version and int(one) >> shift in taken
            for (version, shift), taken in around.items()
        )
    }


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
        yield _withdrawn(far, shift.gone, shift.before, mass=shift.mass)
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


def _withdrawn(far: str, gone: tuple[str, ...], before: int, *, mass: bool) -> Item:
    if mass:
        what = f"{far}: {len(gone)} of {_count(before, 'route')} withdrawn"
        return Item(Impact.MASS, what, gone, len(gone))
    return Item(
        Impact.WITHDRAWAL, f"{far}: {_count(len(gone), 'route')} withdrawn", gone, len(gone)
    )


# Services.


def _readdressed(inputs: Inputs, network: Network, before: Before) -> Iterator[Item]:
    """Services that held an address and get another, or none."""
    held = {one.key: one.held for one in inputs.services}
    for service in network.services:
        old = held.get(service.key) or before.addresses.get(service.key, ())
        goes = bool(service.addresses) or before.complete
        if old and goes and set(old) != set(service.addresses):
            was, now = (", ".join(map(str, one)) or "none" for one in (old, service.addresses))
            what = f"{service.key}: address {was} -> {now}"
            yield Item(Impact.ADDRESS, what, (service.key,), 1)


def _owners(network: Network, before: Before) -> Iterator[Item]:
    """Layer-2 addresses that another node answers for than before, or none."""
    now = {str(one.address): n.name for n in network.nodes for one in n.announcements}
    for address, node in now.items():
        was = before.owners.get(address, node)
        if was != node:
            yield Item(Impact.OWNER, f"{address}: owner {was} -> {node}", (address,), 1)
    gone = tuple(one for one in before.owners if one not in now)
    if gone and before.complete:
        total = len(before.owners)
        yield _withdrawn("layer 2", gone, total, mass=len(gone) * 5 > total)


def _count(number: int, noun: str) -> str:
    return f"{number} {_plural(noun, number)}"


def _plural(noun: str, number: int) -> str:
    return noun if number == 1 else f"{noun}s"
