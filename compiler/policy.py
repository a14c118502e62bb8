"""Pass: what each node originates, to whom and with what.

A table depends on the advertisements that select a node and on little else, so that nodes which
no advertisement tells apart share one. A Service with externalTrafficPolicy Local adds to the
tables of its own nodes only.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from ferrule.compiler.errors import Diagnostic
from ferrule.compiler.kube import Endpoints, KubeNode
from ferrule.compiler.network import (
    FAMILIES,
    MAX_LENGTH,
    Advertisement,
    Ears,
    Prefix,
    RouteClass,
    Service,
    Session,
)
from ferrule.compiler.service import Demand
from ferrule.compiler.speech import Mix, Numbers, Speech, ears_of, term_order


@dataclass(frozen=True, slots=True)
class Policy:
    """By node: the classes its peers may hear and what it originates."""

    classes: Mapping[str, tuple[RouteClass, ...]]
    advertisements: Mapping[str, tuple[Advertisement, ...]]
    diagnostics: tuple[Diagnostic, ...]


def advertise(
    speech: Speech,
    services: Sequence[Service],
    demands: Mapping[str, Demand],
    nodes: Sequence[KubeNode],
    sessions: Mapping[str, tuple[Session, ...]],
    endpoints: Mapping[str, Endpoints] | None,
    *,
    ignore_exclude_label: bool = False,
) -> Policy:
    """Tables of all nodes. Without EndpointSlices every node has a ready endpoint.

    Who does not announce, and in which order that is asked: metallb.md §3.2.
    """
    everywhere, local = _by_scope(_served(speech, services, demands), demands, endpoints)
    tables = _Tables(speech, everywhere)
    classes: dict[str, tuple[RouteClass, ...]] = {}
    advertised: dict[str, tuple[Advertisement, ...]] = {}
    for node in nodes:
        if node.name not in sessions:
            continue
        said, ears = speech.selecting(node.labels), ears_of(sessions[node.name])
        silent = node.network_unavailable or (node.excluded and not ignore_exclude_label)
        table = SILENCE if silent else tables.shared(said, ears)
        added: list[Addition] = []
        if not silent and node.name in local:
            added = tables.added(said, ears, local[node.name])
        advertised[node.name] = _merged(table, added)
        classes[node.name] = tables.classes(said, ears, table, added)
    return Policy(classes, advertised, tuple(speech.found))


# Services.


class Key(NamedTuple):
    """A prefix by which tables are sorted; cheaper to hash and compare than a Prefix."""

    family: int  # index into FAMILIES
    start: int
    length: int


class Served(NamedTuple):
    """A Service with addresses: which advertisements speak of it, and where it is."""

    key: str
    pool: str
    about: Numbers
    addresses: tuple[tuple[int, int], ...]  # (index of the family, the address as a number)


def _served(
    speech: Speech, services: Iterable[Service], demands: Mapping[str, Demand]
) -> Iterator[Served]:
    for one in services:
        about = speech.about(one, demands[one.key]) if one.addresses else ()
        if about and one.pool is not None:
            addresses = tuple((int(a.version == 6), int(a)) for a in one.addresses)
            yield Served(one.key, one.pool, about, addresses)


def _by_scope(
    served: Iterable[Served],
    demands: Mapping[str, Demand],
    endpoints: Mapping[str, Endpoints] | None,
) -> tuple[list[Served], Mapping[str, list[Served]]]:
    """Services that every node announces, and by node those with local endpoints there only."""
    everywhere: list[Served] = []
    local: dict[str, list[Served]] = defaultdict(list)
    for one in served:
        where = None if endpoints is None else endpoints.get(one.key, Endpoints())
        if where is None or (where.healthy and not demands[one.key].local):
            everywhere.append(one)
        elif where.healthy:
            for name in where.nodes:
                local[name].append(one)
    return everywhere, local


# Tables.


class Entry:
    """What is said of one prefix. A prefix of several pools counts as the first one's."""

    __slots__ = ("mix", "pool", "services")

    def __init__(self, pool: str, mix: Mix, services: list[str]) -> None:
        self.pool, self.mix, self.services = pool, mix, services


class Table(dict[Key, Entry]):
    """What some nodes say, by prefix."""


class Addition(NamedTuple):
    """A line of a node's own; `at` keeps advertisements from being compared."""

    key: Key
    at: int
    line: Advertisement


@dataclass(frozen=True)
class Shared:
    """What the nodes of one kind announce, sorted; `keys` and `classes` are those of `told`."""

    told: tuple[Advertisement, ...] = ()
    keys: tuple[Key, ...] = ()
    classes: Mapping[int, RouteClass] = field(default_factory=dict)  # by identity: hashing is slow


SILENCE = Shared()


class Phrases:
    """What sets of advertisements come to: each is asked for once, and a spec has few."""

    def __init__(self, speech: Speech) -> None:
        self.speech = speech
        self._mixes: dict[tuple[Numbers, str, Numbers], tuple[list[tuple[int, Mix]], ...]] = {}
        self._heard: dict[tuple[int, Mix, Ears], bool] = {}

    def mixes(self, said: Numbers, pool: str, about: Numbers) -> tuple[list[tuple[int, Mix]], ...]:
        """What a Service's advertisements that a node speaks make of it, by family."""
        key = (said, pool, about)
        if key not in self._mixes:
            numbers = tuple(number for number in about if number in said)
            if not self.speech.agree(numbers, pool):
                numbers = ()
            self._mixes[key] = tuple(list(self.speech.mixes(numbers, one)) for one in FAMILIES)
        return self._mixes[key]

    def are_heard(self, family: int, mix: Mix, ears: Ears) -> bool:
        """Whether any session of a node carries them."""
        key = (family, mix, ears)
        if key not in self._heard:
            self._heard[key] = self.speech.is_heard(FAMILIES[family], mix, ears)
        return self._heard[key]


class _Tables:
    """All tables that several nodes may have in common, each made once."""

    def __init__(self, speech: Speech, everywhere: Sequence[Served]) -> None:
        self.speech, self.everywhere = speech, everywhere
        self.phrases = Phrases(speech)
        self._tables: dict[Numbers, tuple[Table, set[tuple[int, Mix]]]] = {}
        self._shared: dict[tuple[object, ...], Shared] = {}
        self._for_ears: dict[tuple[Numbers, Ears], Shared] = {}
        self._lines: dict[tuple[object, ...], Advertisement] = {}
        self._standing: dict[tuple[Numbers, Ears], dict[int, RouteClass]] = {}
        self._classes: dict[frozenset[int], tuple[RouteClass, ...]] = {}

    def shared(self, said: Numbers, ears: Ears) -> Shared:
        """What nodes announce that these advertisements select and these peers hear.

        Peers that hear the same make no difference: then the very same table is given out.
        """
        if (said, ears) not in self._for_ears:
            table, mixes = self._table(said)
            heard = frozenset(one for one in mixes if self.phrases.are_heard(*one, ears))
            if (said, heard) not in self._shared:
                lines = sorted(self._told(table, ears))
                self._shared[said, heard] = Shared(
                    tuple(one.line for one in lines),
                    tuple(one.key for one in lines),
                    {id(one.line.route_class): one.line.route_class for one in lines},
                )
            self._for_ears[said, ears] = self._shared[said, heard]
        return self._for_ears[said, ears]

    def added(self, said: Numbers, ears: Ears, local: Iterable[Served]) -> list[Addition]:
        """What a node's local endpoints add to the shared table, or change in it."""
        own = Table()
        self._enter(own, said, local, self._table(said)[0])
        return sorted(self._told(own, ears))

    def classes(
        self, said: Numbers, ears: Ears, table: Shared, added: Iterable[Addition]
    ) -> tuple[RouteClass, ...]:
        """What a node's peers may hear from it, now or after a Service more."""
        if (said, ears) not in self._standing:
            standing = self.speech.standing_classes(said, ears)
            self._standing[said, ears] = {id(one): one for one in standing}
        known = {id(one.line.route_class): one.line.route_class for one in added}
        known |= table.classes
        known |= self._standing[said, ears]
        key = frozenset(known)
        if key not in self._classes:
            self._classes[key] = tuple(sorted(known.values(), key=class_order))
        return self._classes[key]

    def _table(self, said: Numbers) -> tuple[Table, set[tuple[int, Mix]]]:
        """What these advertisements make of the Services that are everywhere; which mixes occur."""
        if said not in self._tables:
            table = Table()
            self._enter(table, said, self.everywhere, Table())
            mixes = {(key.family, entry.mix) for key, entry in table.items()}
            self._tables[said] = table, mixes
        return self._tables[said]

    def _enter(self, table: Table, said: Numbers, served: Iterable[Served], base: Table) -> None:
        """Add Services to a table that lies over `base`, which stays as it is."""
        for service in served:
            mixes = self.phrases.mixes(said, service.pool, service.about)
            for key, mix in keys_of(service.addresses, mixes):
                entry = table.get(key)
                if entry is None:
                    under = base.get(key)
                    if under is None:
                        table[key] = Entry(service.pool, mix, [service.key])
                        continue
                    entry = Entry(under.pool, under.mix, list(under.services))
                    table[key] = entry
                entry.pool = min(entry.pool, service.pool)
                entry.mix |= mix
                entry.services.append(service.key)

    def _told(self, table: Table, ears: Ears) -> Iterator[Addition]:
        """The entries that somebody hears."""
        for at, (key, entry) in enumerate(table.items()):
            if self.phrases.are_heard(key.family, entry.mix, ears):
                yield Addition(key, at, self._line(key, entry))

    def _line(self, key: Key, entry: Entry) -> Advertisement:
        """The same entry on several nodes is one object."""
        services = tuple(sorted(set(entry.services)))
        made = (key, entry.pool, entry.mix, services)
        if made not in self._lines:
            family = FAMILIES[key.family]
            route_class = self.speech.route_class(entry.pool, family, key.length, entry.mix)
            self._lines[made] = Advertisement(prefix_of(key), route_class, services)
        return self._lines[made]


def _merged(table: Shared, added: Sequence[Addition]) -> tuple[Advertisement, ...]:
    """Both together, sorted; the shared table itself where nothing is added."""
    if not added:
        return table.told
    told = list(table.told)
    inserted = []
    for key, _, line in added:
        at = bisect_left(table.keys, key)
        if at < len(table.keys) and table.keys[at] == key:  # an aggregate, or a shared address
            told[at] = line
        else:
            inserted.append((at, line))
    for at, line in reversed(inserted):
        told.insert(at, line)
    return tuple(told)


def keys_of(
    addresses: Iterable[tuple[int, int]], mixes: Sequence[Sequence[tuple[int, Mix]]]
) -> Iterator[tuple[Key, Mix]]:
    """The prefixes that addresses are announced with, and by whom; `mixes` are by family."""
    for family, number in addresses:
        bits = MAX_LENGTH[FAMILIES[family]]
        for length, mix in mixes[family]:
            host = bits - length
            yield Key(family, number >> host << host, length), mix


def prefix_of(key: Key) -> Prefix:
    """The prefix itself."""
    make: type[IPv4Network] | type[IPv6Network] = IPv6Network if key.family else IPv4Network
    return make((key.start, key.length))


def class_order(one: RouteClass) -> tuple[object, ...]:
    """Classes sort by pool, family and length, then by what they say."""
    return (one.pool, one.family, one.length, [term_order(term) for term in one.terms])
