"""Which addresses the statuses of Services show, and who waits until one of them does so no more.

An address that goes from one Service to another is in two statuses for a moment, or for as long as
the one write fails, unless the other write comes after it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from ferrule.compiler.network import Address, Service


class Shown:
    """By address and by Service, as statuses were last seen; `services` is who should have what."""

    def __init__(self) -> None:
        self._by: dict[str, set[str]] = defaultdict(set)
        self._of: dict[str, tuple[str, ...]] = {}
        self._behind: dict[str, set[str]] = defaultdict(set)  # by Service, who waits for it

    def learn(self, key: str, ingress: Iterable[str]) -> set[str]:
        """What a status shows now; who has waited for news of it."""
        for one in self._of.pop(key, ()):
            self._by[one].discard(key)
            if not self._by[one]:
                del self._by[one]
        if shown := tuple(ingress):
            self._of[key] = shown
        for one in shown:
            self._by[one].add(key)
        return self._behind.pop(key, set())

    def free(self, key: str, services: Mapping[str, Service]) -> tuple[Address, ...]:
        """The addresses of a Service that it may be given now. It keeps what it shows already, and
        waits for every other Service that shows one and should not.
        """
        addresses = services[key].addresses
        others = {
            other
            for one in addresses
            for other in self._by.get(str(one), ())
            if other != key and (other not in services or one not in services[other].addresses)
        }
        if not others:
            return addresses
        for other in others:
            self._behind[other].add(key)
        mine = self._of.get(key, ())
        return tuple(one for one in addresses if str(one) in mine)
