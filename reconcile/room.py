"""How many prefixes a node's switches still take of it: more would end the session.

A switch takes so many prefixes of one neighbor, and closes the session for minutes at one more
(maximum-prefix). The controller raises the limit as addresses are given out, but a thousand
Services may come at once; so what does not fit yet waits here until the switch takes more.
What FRR announces already stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from ferrule.compiler.network import Advertisement, Family, Node, Prefix, RouteClass

Slot = tuple[str, Family]  # a switch, and a family that it takes
Limits = Mapping[Slot, int]


class Room:
    """The prefixes of one node, counted by switch and family."""

    def __init__(self) -> None:
        self._limits: Limits = {}
        self._node: Node | None = None
        self._slots: dict[int, tuple[RouteClass, tuple[Slot, ...]]] = {}  # hashing a class is slow
        self._counts: Counter[Slot] = Counter()
        self._waiting: dict[Prefix, Advertisement] = {}

    @property
    def waiting(self) -> frozenset[Prefix]:
        """What does not fit yet."""
        return frozenset(self._waiting)

    @property
    def said(self) -> dict[str, object]:
        """For a log: how much waits, and what each switch takes."""
        limits = {f"{name} {family}": most for (name, family), most in self._limits.items()}
        return {"waiting": len(self._waiting), "limits": limits}

    def limits(self, limits: Limits) -> None:
        """What the switches say by now; one that says nothing has no limit."""
        self._limits = limits

    def whole(self, node: Node, sent: Collection[Prefix]) -> tuple[Advertisement, ...]:
        """Of all that a node has to announce, what fits; what is `sent` already comes first."""
        self._node, self._slots, self._counts = node, {}, Counter()
        self._waiting = {}
        for one in sorted(node.advertisements, key=lambda one: one.prefix not in sent):
            if one.prefix in sent or self._fits(one):
                self._counts.update(self._slots_of(one))
            else:
                self._waiting[one.prefix] = one
        return tuple(one for one in node.advertisements if one.prefix not in self._waiting)

    def some(
        self,
        changes: Mapping[Prefix, Advertisement | None],
        sent: Mapping[Prefix, Advertisement],
    ) -> dict[Prefix, Advertisement | None]:
        """Of some changes those that fit; those that go make room for others."""
        fitting: dict[Prefix, Advertisement | None] = {}
        for prefix in changes:
            self._waiting.pop(prefix, None)
        for prefix, new in _those_that_go_first(changes):
            old = sent.get(prefix)
            if old is not None:
                self._counts.subtract(self._slots_of(old))
            if new is not None and old is None and not self._fits(new):
                self._waiting[prefix] = new
                continue
            if new is not None:
                self._counts.update(self._slots_of(new))
            fitting[prefix] = new
        return fitting

    @property
    def is_free(self) -> bool:
        """Whether something that waits would fit by now."""
        return any(map(self._fits, self._waiting.values()))

    def _fits(self, one: Advertisement) -> bool:
        return all(
            self._counts[slot] < self._limits[slot]
            for slot in self._slots_of(one)
            if slot in self._limits
        )

    def _slots_of(self, one: Advertisement) -> tuple[Slot, ...]:
        """The switches that hear a class, each with its family."""
        told = one.route_class
        known = self._slots.get(id(told))
        if known is None:
            assert self._node is not None
            node = self._node
            switches = {each.switch_end.switch for each in node.sessions if each.switch_end}
            hearing = (name for name in sorted(switches) if told.is_heard(node.ears(name)))
            known = told, tuple((name, told.family) for name in hearing)
            self._slots[id(told)] = known
        return known[1]


def _those_that_go_first(
    changes: Mapping[Prefix, Advertisement | None],
) -> Iterable[tuple[Prefix, Advertisement | None]]:
    return sorted(changes.items(), key=lambda one: one[1] is not None)
