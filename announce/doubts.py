"""Nodes that own otherwise than we think, told by the digests in their beats.

For a moment that is how every change looks. Where it lasts, one of the two was not told something:
its agent reads no API, or a packet that said whose an address is got lost.
"""

from __future__ import annotations

from collections.abc import Mapping

LASTING_S = 2.0


class Doubts:
    """Since when, by node."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self.lasting: frozenset[str] = frozenset()

    def look(self, agrees: Mapping[str, bool], now: float) -> frozenset[str]:
        """Whose agreement has been missed for long, since this look; all are in `lasting`."""
        self._since = {name: self._since.get(name, now) for name, so in agrees.items() if not so}
        before = self.lasting
        self.lasting = frozenset(
            name for name, since in self._since.items() if now - since >= LASTING_S
        )
        return self.lasting - before
