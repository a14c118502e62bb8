"""A node's `network` lines, one prefix at a time: what `diff` would send, without the rest of it.

A Service more is a `network` line more, as long as the node has the map of its class. Where it has
not, or where somebody else has a `network` line for the prefix, all of the node is to be compared.
What is known here holds for one set of sessions and classes: with others begin anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ferrule.compiler.backends.base import Command, Op
from ferrule.compiler.backends.frr.lower import lower
from ferrule.compiler.backends.frr.model import Model
from ferrule.compiler.backends.frr.running import Running
from ferrule.compiler.backends.frr.shared import Shared
from ferrule.compiler.backends.frr.steps import Step
from ferrule.compiler.network import (
    Advertisement,
    Family,
    Network,
    Node,
    Prefix,
    family_of,
    prefix_key,
)

Told = tuple[Advertisement | None, Advertisement | None]  # before and after


@dataclass(frozen=True, slots=True)
class Table:
    """One address family of one `router bgp`; `heard` are the maps that its neighbors match."""

    within: tuple[str, ...]
    family: Family
    heard: frozenset[str]
    taken: frozenset[str]  # prefixes of somebody else


class Lines:
    """Of one node of a network; `running`, where it was read, says what others have there."""

    def __init__(self, node: Node, network: Network, running: Running | None = None) -> None:
        bare = replace(node, advertisements=(), announcements=())
        alone = replace(network, nodes=(bare,), services=(), switches=())  # this is kept for long
        shared = Shared(alone)
        self._policy = shared.policy(node.classes)
        self._tables = list(self._all(bare, lower(bare, alone, shared), running))

    def _all(self, node: Node, model: Model, running: Running | None) -> Iterator[Table]:
        for instance in model.instances:
            there = running.instances.get(instance.vrf) if running else None
            sessions = [one for one in node.sessions if one.node_end.vrf == instance.vrf]
            for one in instance.families:
                name = f"{one.family} unicast"
                peers = {each.peer for each in sessions if one.family in each.node_end.families}
                yield Table(
                    (instance.header, f"address-family {name}"),
                    one.family,
                    self._policy.heard(one.family, peers),
                    frozenset(there.taken.get(name, ()) if there else ()),
                )

    def commands(self, changes: Mapping[Prefix, Told]) -> tuple[Command, ...] | None:
        """What to send for these prefixes, in order; None where all of the node is to be compared.

        Each change is from one advertisement, or None, to another.
        """
        in_order = sorted(changes, key=prefix_key)
        if not all(self._is_known(one, changes[one]) for one in in_order):
            return None
        announced: list[Command] = []
        withdrawn: list[Command] = []
        for table in self._tables:
            for prefix in in_order:
                old, new = (self._map(table, one) for one in changes[prefix])
                if new is None and old is not None:
                    withdrawn.append(_withdraw(table, prefix))
                elif new is not None and new != old:
                    announced.append(_announce(table, prefix, "change" if old else "add", new))
        return (*sorted(announced, key=lambda one: one.within), *withdrawn)

    def _is_known(self, prefix: Prefix, told: Told) -> bool:
        """Whether the node has the classes, and nobody else the prefix."""
        if any(one is not None and self._policy.name(one.route_class) is None for one in told):
            return False
        return not any(str(prefix) in table.taken for table in self._tables)

    def _map(self, table: Table, one: Advertisement | None) -> str | None:
        """The map on the line of an advertisement, where there is such a line."""
        if one is None or family_of(one.prefix) != table.family:
            return None
        name = self._policy.name(one.route_class)
        return name if name in table.heard else None


def _announce(table: Table, prefix: Prefix, op: Op, route_map: str) -> Command:
    text = f"network {prefix} route-map {route_map}"
    return Command(text, op, table.within, phase=Step.FAMILIES.phase)


def _withdraw(table: Table, prefix: Prefix) -> Command:
    return Command(f"no network {prefix}", "remove", table.within, phase=Step.WITHDRAW.phase)
