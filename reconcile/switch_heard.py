"""What an agent hears of its switches: which sets they take, and how many prefixes of this node.

A switch says it in its object where it has one, else in a ConfigMap. One that has just moved from a
directory to an object is still heard by its ConfigMap until the object says something.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from ferrule.compiler.network import Family, Node, PrefixSet
from ferrule.compiler.source import Document
from ferrule.reconcile.room import Limits
from ferrule.reconcile.switch_accepts import SetKey
from ferrule.reconcile.switch_status import Known, read, status_of

Where = Literal["object", "map"]


class SwitchesHeard:
    """The last word of each switch; `news` is whether there is any since somebody set it back."""

    def __init__(self) -> None:
        self._said: dict[Where, dict[str, Known]] = {"map": {}, "object": {}}
        self.news = False

    def hear(self, where: Where, switch: str, document: Document | None) -> None:
        """What is said there now; None: it is gone."""
        self.news = True
        if document is None:
            self._said[where].pop(switch, None)
        else:
            self._said[where][switch] = read(status_of(document))

    @property
    def known(self) -> Mapping[str, Known]:
        """What is to be believed, by switch."""
        told = {name: one for name, one in self._said["object"].items() if one.accepted is not None}
        return {**self._said["object"], **self._said["map"], **told}

    def whole(self, sets: Mapping[SetKey, PrefixSet]) -> dict[str, frozenset[SetKey]]:
        """The sets that each switch takes whole, as the spec in force has them."""
        return {name: one.whole(sets) for name, one in self.known.items()}

    def limits(self, node: Node) -> Limits:
        """How much each switch takes of a node."""
        known = self.known
        limits: dict[tuple[str, Family], int] = {}
        for session in node.sessions:
            end = session.switch_end
            if end is None or end.switch not in known:
                continue
            for family in session.node_end.families:
                limit = known[end.switch].limit(family, end.vrf, end.neighbor)
                if limit is not None:
                    slot = (end.switch, family)
                    limits[slot] = min(limit, limits.get(slot, limit))
        return limits
