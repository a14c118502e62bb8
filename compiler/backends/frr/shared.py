"""What nodes have in common: prefix-lists, route-maps and `network` lines, made once per run.

A class of routes is set apart at its origin, by a tag, and the outbound maps match the tag: so
one more Service is one more `network` line, and one update to each neighbor that may hear it.
Every outbound entry matches the prefix-list of the pool as well, for a tag alone can be anybody's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from ferrule.compiler.backends.base import device_name, stable_numbers
from ferrule.compiler.backends.frr.model import (
    Match,
    NetworkLine,
    Networks,
    PrefixList,
    PrefixListEntry,
    RouteMap,
    RouteMapEntry,
)
from ferrule.compiler.network import (
    Advertisement,
    Attributes,
    Family,
    Network,
    PrefixSet,
    RouteClass,
    Session,
    Term,
)
from ferrule.compiler.source import Origin

FIRST_TAG, LAST_TAG = 2**31, 2**32 - 1  # the upper half: tags in use elsewhere are small
LAST_LIST_SEQ = 2**31 - 1  # 8.4 and 10.3 sort 4294967295 before 5
LAST_ENTRY = 65535  # where a route-map ends
SET_TAG_SEQ = 10

# How 8.4.4 and 10.3 print them (bgpd/bgp_community.c); 8.4 also says `internet` for 0:0.
WELL_KNOWN = {
    "65535:0": "graceful-shutdown",
    "65535:1": "accept-own",
    "65535:2": "route-filter-translated-v4",
    "65535:3": "route-filter-v4",
    "65535:4": "route-filter-translated-v6",
    "65535:5": "route-filter-v6",
    "65535:6": "llgr-stale",
    "65535:7": "no-llgr",
    "65535:8": "accept-own-nexthop",
    "65535:666": "blackhole",
    "65535:65281": "no-export",
    "65535:65282": "no-advertise",
    "65535:65283": "local-AS",
    "65535:65284": "no-peer",
}
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]*")


def word(text: str) -> str:
    """`text`, as long as it cannot be more than one word of a line; else `ValueError`.

    Every string of the spec passes here on its way into a line; the front end has refused
    whatever would fail.
    """
    if WORD.fullmatch(text) is None:
        raise ValueError(f"{text!r} cannot stand in frr.conf")
    return text


class Shared:
    """One run over one network: hand the same one to every `lower`."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.accept_nothing = self.name("in")
        self._policies: dict[tuple[RouteClass, ...], Policy] = {}
        self._lists: dict[tuple[str, Family, int], PrefixList] = {}
        self._tables = Counter(id(node.advertisements) for node in network.nodes)
        self._services = {service.key: service.origin for service in network.services}

    def name(self, *parts: str | int) -> str:
        """A name of ours in frr.conf."""
        return word(device_name("ferrule-", self.network.cluster, *parts))

    def policy(self, classes: tuple[RouteClass, ...]) -> Policy:
        """The policy for nodes that have these classes."""
        if classes not in self._policies:
            self._policies[classes] = Policy(self, classes)
        return self._policies[classes]

    def prefix_list(self, key: tuple[str, Family, int]) -> PrefixList:
        """The list of one prefix set."""
        if key not in self._lists:
            self._lists[key] = _prefix_list(self.name(*key), self.network.sets[key])
        return self._lists[key]

    def is_shared(self, table: tuple[Advertisement, ...]) -> bool:
        """Whether more than one node has this very table."""
        return self._tables[id(table)] > 1

    def service_origin(self, advertisement: Advertisement) -> Origin | None:
        """The place of the first Service that caused it."""
        return next(map(self._services.get, advertisement.services), None)


class Policy:
    """What a set of classes becomes: the same on every node that has these classes.

    A class's tag is its hash, and the last part of its map's name is that tag. Two classes on one
    tag (one in 2^31) are told apart among the classes of the node, not of the network: tags never
    leave a node, and an agent that knows one node only must come to the same text.
    """

    def __init__(self, shared: Shared, classes: Iterable[RouteClass]) -> None:
        self._shared = shared
        self._contents = {one: content(one) for one in classes}
        tags = stable_numbers(self._contents.values(), FIRST_TAG, LAST_TAG)
        self._tags = {one: tags[text] for one, text in self._contents.items()}
        self._names = {
            one: shared.name(one.pool, one.family, one.length, f"{tag:08x}")
            for one, tag in self._tags.items()
        }
        self._outbound: dict[tuple[str, Family, int | None], RouteMap] = {}
        self._networks: dict[tuple[int, Family, frozenset[str]], Networks] = {}
        self._all_lines: dict[int, NetworkLine] = {}

        keys = {_key(one): None for one in self._contents}
        lists = [shared.prefix_list(key) for key in keys]
        self.prefix_lists = tuple(sorted(lists, key=lambda one: (one.family, one.name)))
        self.class_maps = tuple(
            RouteMap(name, (_set_tag(self._tags[one], self._origin(one)),))
            for one, name in self._names.items()
        )

    def outbound(self, session: Session, family: Family) -> RouteMap:
        """What the neighbors of one BGPPeer hear in one family, and nothing else."""
        key = (session.peer, family, _prepended(session))
        if key not in self._outbound:
            self._outbound[key] = self._make_outbound(session, family)
        return self._outbound[key]

    def name(self, one: RouteClass) -> str | None:
        """The map of a class; None where the node does not have it."""
        return self._names.get(one)

    def heard(self, family: Family, peers: Iterable[str]) -> frozenset[str]:
        """The maps of the classes that any of `peers` may hear."""
        told = [*peers]
        return frozenset(
            name
            for one, name in self._names.items()
            if one.family == family and any(term.reaches(p) for term in one.terms for p in told)
        )

    def networks(
        self, table: tuple[Advertisement, ...], family: Family, peers: Iterable[str]
    ) -> Networks:
        """The lines for all of `table` that any of `peers` may hear."""
        heard = self.heard(family, peers)
        if not self._shared.is_shared(table):
            return Networks(self._lines(table, family, heard))
        key = (id(table), family, heard)
        if key not in self._networks:
            self._networks[key] = Networks(self._lines(table, family, heard), shared=True)
        return self._networks[key]

    def _make_outbound(self, session: Session, family: Family) -> RouteMap:
        peer, asn = session.peer, _prepended(session)
        heard = {
            one: attributes
            for one in self._contents
            if one.family == family and (attributes := one.attributes(peer)) is not None
        }
        seqs = stable_numbers((self._contents[one] for one in heard), 1, LAST_ENTRY - 1)
        entries = [
            self._permit(seqs[self._contents[one]], one, attributes, asn)
            for one, attributes in heard.items()
        ]
        entries.sort(key=lambda entry: entry.seq)
        end = RouteMapEntry(LAST_ENTRY, "deny", origin=session.origin)
        return RouteMap(self._shared.name("out", peer, family), (*entries, end))

    def _permit(
        self, seq: int, one: RouteClass, attributes: Attributes, asn: int | None
    ) -> RouteMapEntry:
        return RouteMapEntry(
            seq,
            "permit",
            Match(one.family, self._shared.prefix_list(_key(one)).name, self._tags[one]),
            () if asn is None else (asn,) * attributes.prepend,
            tuple(word(WELL_KNOWN.get(text, text)) for text in attributes.communities),
            tuple(map(word, attributes.large)),
            attributes.local_pref,
            origin=self._origin(one),
        )

    def _lines(
        self, table: tuple[Advertisement, ...], family: Family, heard: frozenset[str]
    ) -> tuple[NetworkLine, ...]:
        lines = [
            line
            for one in table
            if one.route_class.family == family and (line := self._line(one)).route_map in heard
        ]
        for line, other in pairwise(lines):
            if line.prefix is other.prefix or line.prefix == other.prefix:
                raise ValueError(
                    f"{line.prefix} is in two classes: {line.route_map}, {other.route_map}"
                )
        return tuple(lines)

    def _line(self, one: Advertisement) -> NetworkLine:
        """One line; by identity, because most nodes' tables hold mostly the same objects."""
        line = self._all_lines.get(id(one))
        if line is None:
            name = self._names[one.route_class]
            line = NetworkLine(one.prefix, name, self._shared.service_origin(one))
            self._all_lines[id(one)] = line
        return line

    def _origin(self, one: RouteClass) -> Origin:
        """Its first advertisement, which is what made it differ from the others of its pool."""
        pool = self._shared.network.sets[_key(one)].origin
        return next((term.origin for term in one.terms if term.origin), pool)


def _prepended(session: Session) -> int | None:
    """The AS that makes a path longer; in one's own AS it would make a loop (RFC 4271 §9.1.2)."""
    return None if session.node_end.internal else session.node_end.far_asn


def content(one: RouteClass) -> str:
    """A class as text: equal exactly where the classes are. Its hash is what gives it numbers."""
    return "|".join((one.pool, one.family, str(one.length), *sorted(map(_term, one.terms))))


def _term(term: Term) -> str:
    said = term.attributes
    local_pref = "" if said.local_pref is None else str(said.local_pref)
    parts = [term.peers, (local_pref,), said.communities, said.large]
    if said.prepend:
        parts.append((f"prepend={said.prepend}",))
    return " ".join(",".join(part) for part in parts)


def _key(one: RouteClass) -> tuple[str, Family, int]:
    return (one.pool, one.family, one.length)


def _set_tag(tag: int, origin: Origin) -> RouteMapEntry:
    return RouteMapEntry(SET_TAG_SEQ, "permit", tag=tag, origin=origin)


def _prefix_list(name: str, prefixes: PrefixSet) -> PrefixList:
    seqs = stable_numbers(map(str, prefixes.blocks), 1, LAST_LIST_SEQ)
    entries = [
        PrefixListEntry(
            seqs[str(block)],
            block,
            None if block.prefixlen == prefixes.length else prefixes.length,
        )
        for block in prefixes.blocks
    ]
    entries.sort(key=lambda entry: entry.seq)
    return PrefixList(name, prefixes.family, tuple(entries), prefixes.origin)
