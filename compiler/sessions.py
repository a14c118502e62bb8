"""Every session of a network, read off the devices at its ends; and how far its prefixes get."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from ferrule.compiler.backends import frr, sonic
from ferrule.compiler.backends.sonic.diff import number
from ferrule.compiler.health import Count, End, Health, Prefixes, count, health
from ferrule.compiler.hearing import Heard, Told
from ferrule.compiler.members import DEFAULT_LISTEN_LIMIT
from ferrule.compiler.network import (
    DEFAULT_VRF,
    Advertisement,
    Family,
    Network,
    Session,
    family_of,
)
from ferrule.compiler.observed import Observed


@dataclass(frozen=True, slots=True)
class Reached:
    """How many prefixes are meant to be announced, and how many are.

    `accepted` are those of `towards_switches` that at least one switch has; what a foreign end
    accepts is not known.
    """

    prefixes: int
    announced: int
    towards_switches: int
    accepted: int


class Sessions:
    """All devices that were read; what sessions have in common is worked out once."""

    def __init__(
        self, network: Network, nodes: Mapping[str, Observed], switches: Mapping[str, Observed]
    ) -> None:
        self._nodes, self._switches = nodes, switches
        self._tables = {node.name: node.advertisements for node in network.nodes}
        self._told = {name: _told(seen) for name, seen in nodes.items()}
        self._accepting = {name: _accepting(seen) for name, seen in switches.items()}
        self._intended: dict[tuple[int, str, Family], Prefixes] = {}
        self._families: dict[int, Mapping[Family, Prefixes]] = {}
        self.healths = tuple(map(self._health, network.sessions))

    def _health(self, session: Session) -> Health:
        takes = self._takes(session)
        near, far = self._near(session), self._far(session, known=takes is not None)
        counts = (
            count(
                family,
                near,
                far,
                self._wanted(session, family),
                self._announced(session, family),
                takes,
            )
            for family in session.node_end.families
        )
        return health(session, near, far, tuple(counts))

    def _near(self, session: Session) -> End:
        vrf, name = _neighbor(session)
        known = (vrf, name) in self._told.get(session.node, {})
        return _end(self._nodes.get(session.node), session.node, vrf, name, known=known)

    def _far(self, session: Session, *, known: bool) -> End | None:
        end = session.switch_end
        if end is None:
            return None
        seen = self._switches.get(end.switch)
        far = _end(seen, end.switch, end.vrf, str(end.neighbor), known=known)
        if seen is None or end.listen_range is None:
            return far
        full = _full(seen, end.vrf) if far.state is None else None
        return replace(far, dials=True, full=full)

    def _takes(self, session: Session) -> sonic.Accepts | None:
        end = session.switch_end
        if end is None or end.switch not in self._accepting:
            return None
        return sonic.find(self._accepting[end.switch], end.vrf, end.neighbor)

    def _wanted(self, session: Session, family: Family) -> Prefixes:
        """What a session should carry; nodes that share a table share the answer."""
        table = self._tables[session.node]
        key = (id(table), session.peer, family)
        if key not in self._intended:
            self._intended[key] = dict.fromkeys(_carried(table, session.peer, family))
        return self._intended[key]

    def _announced(self, session: Session, family: Family) -> Prefixes | None:
        """What the node's configuration lets its neighbor hear; None where it was not read."""
        heard = self._heard(session)
        if heard is None:
            return None
        if id(heard) not in self._families:  # neighbors that hear the same have the same object
            ipv6 = dict.fromkeys(one for one in heard if ":" in one)
            ipv4 = dict.fromkeys(one for one in heard if one not in ipv6)
            self._families[id(heard)] = {"ipv4": ipv4, "ipv6": ipv6}
        return self._families[id(heard)][family]

    def _heard(self, session: Session) -> Heard | None:
        if session.node not in self._told:
            return None
        return self._told[session.node].get(_neighbor(session), NOTHING)

    # Prefixes.

    def announced(self) -> Mapping[str, Collection[str]]:
        """What each node announces on at least one session that is up, by node."""
        by_node: dict[str, Union] = defaultdict(Union)
        for one in self.healths:
            heard = self._heard(one.session)
            if heard is not None and one.near.up:
                by_node[one.session.node].add(heard)
        return {name: each.all() for name, each in by_node.items()}

    def reached(self) -> Reached:
        """How far prefixes get, on whatever session."""
        intended, announced, towards, accepted = Union(), Union(), Union(), Union()
        for one in self.healths:
            for each in one.counts:
                wanted = self._wanted(one.session, each.family)
                said = _said(each, wanted)
                intended.add(wanted)
                if one.near.up and each.announced is not None:
                    announced.add(said)
                if one.far is not None:
                    towards.add(wanted)
                    accepted.add(_taken(each, said) if one.far.up else NOTHING)
        return Reached(*(len(one.all()) for one in (intended, announced, towards, accepted)))


class Union:
    """Collections put together; the same one, however often it comes, once."""

    def __init__(self) -> None:
        self._each: dict[int, Collection[str]] = {}

    def add(self, one: Collection[str]) -> None:
        """Put one more to them."""
        self._each[id(one)] = one

    def all(self) -> set[str]:
        """What is in any of them."""
        return set[str]().union(*self._each.values())


NOTHING: Heard = {}


def _neighbor(session: Session) -> tuple[str, str]:
    end = session.node_end
    return end.vrf, str(end.neighbor or end.interface)


def _end(
    seen: Observed | None,
    device: str,
    vrf: str,
    neighbor: str,
    *,
    known: bool,
) -> End:
    read = seen is not None and seen.state is not None
    state = seen.state.session(vrf, neighbor) if seen and seen.state else None
    return End(device, vrf, neighbor, read, state, known)


def _full(seen: Observed, vrf: str) -> int | None:
    """How many neighbors may dial in, where so many have: bgpd refuses the next without a word."""
    assert isinstance(seen.running, sonic.Running)
    fields = seen.running.tables.get("BGP_GLOBALS", {}).get(vrf, {})
    most = number(str(fields.get("max_dynamic_neighbors", ""))) or DEFAULT_LISTEN_LIMIT
    sessions = seen.state.sessions.values() if seen.state else ()
    here = sum(one.dynamic and one.vrf == (vrf if vrf != DEFAULT_VRF else "") for one in sessions)
    return most if here >= most else None


def _told(seen: Observed) -> Told:
    assert isinstance(seen.running, frr.Running)
    return frr.told(seen.running)


def _accepting(seen: Observed) -> sonic.Accepting:
    assert isinstance(seen.running, sonic.Running)
    return sonic.accepts(seen.running)


def _carried(table: Iterable[Advertisement], peer: str, family: Family) -> Iterator[str]:
    """What of a node's advertisements a peer hears in one family."""
    hears: dict[int, bool] = {}
    for one in table:
        key = id(one.route_class)
        if key not in hears:
            hears[key] = any(term.reaches(peer) for term in one.route_class.terms)
        if hears[key] and family_of(one.prefix) == family:
            yield str(one.prefix)


def _said(one: Count, wanted: Prefixes) -> Collection[str]:
    """What of the intended prefixes is announced; all of them where that is not known."""
    if not one.lacking:
        return wanted
    lacking = frozenset(one.lacking)
    return [prefix for prefix in wanted if prefix not in lacking]


def _taken(one: Count, said: Collection[str]) -> Collection[str]:
    """What the switch has of it, as far as a number tells."""
    offered = one.intended if one.announced is None else one.announced
    if one.accepted == offered:
        return said
    if one.refused and one.accepted == offered - len(one.refused):
        refused = frozenset(one.refused)
        return [prefix for prefix in said if prefix not in refused]
    return ()
