"""How many prefixes a switch makes room for: the one thing in it that depends on Services.

Prefixes in use are counted by set, so that one Service more says at once whether the limit of any
peer group becomes another one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ferrule.compiler.network import Accept, Family, PrefixSet, Service, Switch, family_of

LEAST_LIMIT = 64
MOST_PREFIXES = 2**32 - 1  # an uint32, in CONFIG_DB as in bgpd

SetKey = tuple[str, Family, int]


def headroom(allocated: int) -> int:
    """The next power of two that is at least twice as much, and 64 at least."""
    return max(LEAST_LIMIT, 1 << (2 * allocated - 1).bit_length() if allocated else 0)


class Rooms:
    """How many prefixes of each set are given out, kept up to date."""

    def __init__(self, sets: Mapping[SetKey, PrefixSet]) -> None:
        self._capacity = {key: one.capacity for key, one in sets.items()}
        self._sets: dict[tuple[str, Family], list[tuple[SetKey, int]]] = defaultdict(list)
        for key, one in sets.items():
            host = one.blocks[0].max_prefixlen - one.length
            self._sets[one.pool, one.family].append((key, host))
        self._users: dict[SetKey, Counter[int]] = defaultdict(Counter)  # by prefix, as a number
        self._given: dict[str, list[tuple[SetKey, int]]] = {}  # by Service, what it uses

    def limit(self, keys: Iterable[SetKey]) -> int:
        """The most prefixes that somebody may send who is heard with these sets."""
        each = list(keys)
        most = sum(self._capacity[key] for key in each)
        usual = headroom(sum(len(self._users[key]) for key in each))
        return max(1, min(most, usual, MOST_PREFIXES))

    def update(self, services: Mapping[str, Service | None]) -> set[SetKey]:
        """Services that came, changed or went (None); the sets of which more or less is used."""
        before: dict[SetKey, int] = {}
        for key, service in services.items():
            used = [] if service is None else list(self._prefixes(service))
            for one, number in used:
                before.setdefault(one, len(self._users[one]))
                self._users[one][number] += 1
            for one, number in self._given.pop(key, ()):
                before.setdefault(one, len(self._users[one]))
                self._users[one][number] -= 1
                if not self._users[one][number]:
                    del self._users[one][number]
            if used:
                self._given[key] = used
        return {one for one, number in before.items() if number != len(self._users[one])}

    def _prefixes(self, service: Service) -> Iterable[tuple[SetKey, int]]:
        for address in service.addresses:
            for key, host in self._sets.get((service.pool or "", family_of(address)), ()):
                yield key, int(address) >> host


class Limits:
    """The switches of a compiled network, with limits that follow the Services."""

    def __init__(
        self,
        switches: Iterable[Switch],
        sets: Mapping[SetKey, PrefixSet],
        services: Iterable[Service],
    ) -> None:
        self.rooms = Rooms(sets)
        self.rooms.update({one.key: one for one in services})
        self.switches = {one.name: one for one in switches}
        self._limits: dict[tuple[SetKey, ...], int] = {}
        self._hearing: dict[SetKey, set[tuple[SetKey, ...]]] = defaultdict(set)
        self._of: dict[tuple[SetKey, ...], set[str]] = defaultdict(set)  # the switches
        for switch in self.switches.values():
            for accept in (one for group in switch.groups for one in group.accepts):
                keys = _keys(accept)
                self._limits[keys] = accept.limit
                self._of[keys].add(switch.name)
                for key in keys:
                    self._hearing[key].add(keys)

    def update(self, services: Mapping[str, Service | None]) -> set[str]:
        """Services that came, changed or went (None); the switches that become others by it."""
        touched = self.rooms.update(services)
        changed: set[str] = set()
        for keys in {each for key in touched for each in self._hearing.get(key, ())}:
            limit = self.rooms.limit(keys)
            if limit != self._limits[keys]:
                self._limits[keys] = limit
                changed |= self._of[keys]
        for name in changed:
            self.switches[name] = self._limited(self.switches[name])
        return changed

    def _limited(self, switch: Switch) -> Switch:
        groups = (
            replace(group, accepts=tuple(map(self._with_limit, group.accepts)))
            for group in switch.groups
        )
        return replace(switch, groups=tuple(groups))

    def _with_limit(self, accept: Accept) -> Accept:
        return replace(accept, limit=self._limits[_keys(accept)])


def _keys(accept: Accept) -> tuple[SetKey, ...]:
    return tuple(one.key for one in accept.sets)
