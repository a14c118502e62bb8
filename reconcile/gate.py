"""What a node announces already: what its switches accept, and nothing that they still refuse.

A prefix is held back while a switch that would hear it does not accept its set, as its status says;
but not for ever: after a bounded wait it is announced all the same, and that is said as long as it
is so. Foreign ends say nothing about what they accept, so whatever one of them hears is announced
at once. A set may have to wait again: its pool has grown, the node has another switch. What is
announced already stays announced (`without`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from ferrule.compiler.network import Family, Node, Prefix, RouteClass

SetKey = tuple[str, Family, int]
Accepted = Mapping[str, Collection[SetKey]]


@dataclass(frozen=True, slots=True)
class Held:
    """One set that waits for a switch."""

    key: SetKey
    switch: str


class Gate:
    """The sets that may pass. Times are seconds of any one clock."""

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._accepted: Accepted = {}
        self._since: dict[Held, float] = {}
        self.overdue: frozenset[Held] = frozenset()

    def accepted(self, by_switch: Accepted) -> None:
        """What the switches say that they accept, by name.

        The last word of one that says nothing any more holds: to be silent is not to refuse.
        """
        self._accepted = {**self._accepted, **by_switch}

    def closed(self, node: Node, now: float) -> frozenset[SetKey]:
        """The sets of a node that have to wait; each is waited for since it was first asked."""
        waiting = set(self._waiting(node))
        self._since = {one: self._since.get(one, now) for one in waiting}
        overdue = {one for one, since in self._since.items() if now - since >= self._wait_s}
        self.overdue = frozenset(overdue)
        return frozenset(one.key for one in waiting - overdue)

    def _waiting(self, node: Node) -> Iterable[Held]:
        switches = {one.switch_end.switch for one in node.sessions if one.switch_end}
        ears = {one: node.ears(one) for one in sorted(switches)}
        foreign = frozenset(
            (one.peer, family)
            for one in node.sessions
            if one.switch_end is None
            for family in one.node_end.families
        )
        for one in node.classes:
            key = key_of(one)
            refusing = [each for each in ears if key not in self._accepted.get(each, ())]
            if not refusing or one.is_heard(foreign):
                continue
            for switch in refusing:
                if one.is_heard(ears[switch]):
                    yield Held(key, switch)

    @property
    def waits(self) -> bool:
        """Whether somebody waits whose time has not come."""
        return len(self.overdue) < len(self._since)


def key_of(one: RouteClass) -> SetKey:
    """The set that the prefixes of a class are of."""
    return one.pool, one.family, one.length


def without(node: Node, closed: Collection[SetKey], sent: Collection[Prefix] = ()) -> Node:
    """A node that holds some sets back, but for prefixes that are `sent` already.

    The set they were of is taken where they are heard: a switch gives up none before its nodes do.
    """
    if not closed:
        return node
    told = (
        one
        for one in node.advertisements
        if one.prefix in sent or key_of(one.route_class) not in closed
    )
    return replace(node, advertisements=tuple(told))
