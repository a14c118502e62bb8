"""What one node originates, kept up to date: a Service costs its own prefixes, and no table.

By the same words as the pass (`policy`): a prefix is announced where somebody hears it, with all
that its Services' advertisements say. The classes in use are counted, so that it is known at once
whether the node needs another set of them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from ferrule.compiler.kube import KubeNode
from ferrule.compiler.network import (
    FAMILIES,
    Advertisement,
    Prefix,
    RouteClass,
    Session,
)
from ferrule.compiler.policy import Key, Phrases, class_order, keys_of, prefix_of
from ferrule.compiler.seen import Seen
from ferrule.compiler.speech import Mix, Speech, ears_of


class Share(NamedTuple):
    """What one Service has in a prefix; a `local` one is announced where its endpoints are."""

    pool: str
    mix: Mix
    local: bool


Part = tuple[Key, Share]


class Routes:
    """The advertisements of one node; it is silent where it may not announce."""

    def __init__(
        self, speech: Speech, node: KubeNode, sessions: Sequence[Session], *, silent: bool
    ) -> None:
        self._speech, self._phrases = speech, Phrases(speech)
        self._said, self._ears = speech.selecting(node.labels), ears_of(sessions)
        self._silent = silent or not sessions
        self._parts: dict[str, tuple[Part, ...]] = {}
        self._shares: dict[Key, dict[str, Share]] = {}  # by prefix, then Service
        self._used: dict[Key, tuple[RouteClass, ...]] = {}
        self._told: dict[Key, Advertisement] = {}
        self._keys: list[Key] = []  # those of `_told`, sorted
        self._in_order: list[Advertisement] = []  # its values, by these
        standing = speech.standing_classes(self._said, self._ears) if sessions else []
        self._classes = {id(one): one for one in standing}
        self._uses = Counter(self._classes.keys())  # the spec's own count as one

    @property
    def advertisements(self) -> tuple[Advertisement, ...]:
        """All of them, by prefix."""
        return tuple(self._in_order)

    @property
    def classes(self) -> tuple[RouteClass, ...]:
        """What the peers may hear, now or after a Service more."""
        return tuple(sorted(self._classes.values(), key=class_order))

    def parts(self, pool: str, seen: Seen) -> tuple[Part, ...]:
        """What a Service that is announced here has in which prefix."""
        about = () if self._silent else self._speech.about_labels(pool, seen.labels)
        if not about:
            return ()
        mixes = self._phrases.mixes(self._said, pool, about)
        addresses = [(int(one.version == 6), int(one)) for one in seen.addresses]
        return tuple((key, Share(pool, mix, seen.local)) for key, mix in keys_of(addresses, mixes))

    def put(self, service: str, parts: tuple[Part, ...]) -> set[Key]:
        """Replace what a Service has; the prefixes that this touches."""
        old = self._parts.pop(service, ())
        if parts:
            self._parts[service] = parts
        if parts == old:
            return set()
        for key, _ in old:
            self._shares[key].pop(service, None)
        for key, share in parts:
            self._shares.setdefault(key, {})[service] = share
        return {key for key, _ in (*old, *parts)}

    def settle(self, touched: Iterable[Key]) -> tuple[dict[Prefix, Advertisement | None], bool]:
        """Bring these prefixes up to date: those that change, in order; whether the classes do."""
        changed: dict[Prefix, Advertisement | None] = {}
        before = set(self._classes)
        for key in sorted(touched):
            old, new = self._told.get(key), self._advertisement(key)
            self._use(key, new)
            if new != old:
                self._tell(key, new)
                changed[prefix_of(key)] = new
        return changed, before != self._classes.keys()

    def _advertisement(self, key: Key) -> Advertisement | None:
        """What is announced of a prefix."""
        shares = self._shares.get(key)
        if not shares:
            self._shares.pop(key, None)
            return None
        told = self._class(key, shares.values())
        if told is None:
            return None
        return Advertisement(prefix_of(key), told, tuple(sorted(shares)))

    def _class(self, key: Key, shares: Collection[Share]) -> RouteClass | None:
        """What these say together, if anybody hears it; several pools count as the first one."""
        if not shares:
            return None
        mix = 0
        for one in shares:
            mix |= one.mix
        if not self._phrases.are_heard(key.family, mix, self._ears):
            return None
        pool = min(one.pool for one in shares)
        return self._speech.route_class(pool, FAMILIES[key.family], key.length, mix)

    def _use(self, key: Key, told: Advertisement | None) -> None:
        """Count the classes of a prefix. What all nodes say counts also where this one says more:
        so does the pass, in which they share it.
        """
        used = [] if told is None else [told.route_class]
        shares = self._shares.get(key, {}).values()
        if any(one.local for one in shares):
            under = self._class(key, [one for one in shares if not one.local])
            used += [under] if under else []
        for one in used:
            self._uses[id(one)] += 1
            self._classes[id(one)] = one
        for one in self._used.pop(key, ()):
            self._uses[id(one)] -= 1
            if not self._uses[id(one)]:
                del self._uses[id(one)], self._classes[id(one)]
        if used:
            self._used[key] = tuple(used)

    def _tell(self, key: Key, new: Advertisement | None) -> None:
        at = bisect_left(self._keys, key)
        if new is None:
            del self._told[key], self._keys[at], self._in_order[at]
            return
        if key in self._told:
            self._in_order[at] = new
        else:
            self._keys.insert(at, key)
            self._in_order.insert(at, new)
        self._told[key] = new
