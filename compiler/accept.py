"""Pass: what each switch takes from its nodes.

A switch takes exactly what its nodes may send: from every peer group the prefixes of the pools
that its BGPPeers are told about, at the announced lengths and no other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ferrule.compiler.errors import Diagnostic, listed, quoted, warning
from ferrule.compiler.facing import SwitchSpec
from ferrule.compiler.kube import KubeNode
from ferrule.compiler.network import (
    Accept,
    Advertisement,
    Family,
    Network,
    Node,
    PeerGroup,
    Prefix,
    PrefixSet,
    Service,
    Session,
    SwitchEnd,
    family_of,
    prefix_key,
)
from ferrule.compiler.rooms import Rooms, SetKey, headroom
from ferrule.compiler.speech import Numbers, Speech
from ferrule.compiler.topology import Vacancy

__all__ = ["Listener", "headroom", "narrow_paths", "peer_groups", "prefix_sets"]


def prefix_sets(speech: Speech) -> dict[SetKey, PrefixSet]:
    """Every set that some advertisement needs, by pool, family and length."""
    lengths = {
        (pool, family, one.length(family))
        for one in speech.said
        for pool in one.pools
        for family in speech.families[pool]
    }
    pools = {pool.name: pool for pool in speech.spec.pools}
    sets = {}
    for name, family, length in sorted(lengths):
        cidrs = (
            cidr
            for entry in pools[name].spec.addresses
            for cidr in entry.cidrs
            if family_of(cidr) == family
        )
        made = PrefixSet(
            name, family, length, tuple(sorted(cidrs, key=prefix_key)), pools[name].origin
        )
        sets[made.key] = made
    return sets


class Listener:
    """What the peer groups of all switches take."""

    def __init__(
        self,
        speech: Speech,
        sets: Mapping[SetKey, PrefixSet],
        services: Iterable[Service],
        nodes: Iterable[KubeNode],
    ) -> None:
        self.speech, self.sets = speech, sets
        self.rooms = Rooms(sets)
        self.rooms.update({one.key: one for one in services})
        self.said = {node.name: speech.selecting(node.labels) for node in nodes}
        unconditional = (
            number for number, one in enumerate(speech.said) if not one.declared.spec.node_selectors
        )
        self.said_by_all: Numbers = tuple(unconditional)
        self._known: dict[tuple[object, ...], tuple[Accept, ...]] = {}

    def accepts(
        self, families: tuple[Family, ...], telling: Iterable[tuple[str, Numbers]]
    ) -> tuple[Accept, ...]:
        """What a group takes by family; `telling` are its BGPPeers with what their nodes say."""
        told = frozenset(telling)
        if (families, told) not in self._known:
            accepts = tuple(self._accept(family, told) for family in families)
            self._known[families, told] = accepts
        return self._known[families, told]

    def _accept(self, family: Family, told: Iterable[tuple[str, Numbers]]) -> Accept:
        keys = {
            (pool, family, one.length(family))
            for peer, numbers in told
            for one in map(self.speech.said.__getitem__, numbers)
            if one.term.reaches(peer)
            for pool in one.pools
            if family in self.speech.families[pool]
        }
        each = sorted(keys)
        return Accept(family, tuple(self.sets[key] for key in each), self.rooms.limit(each))


def peer_groups(
    listener: Listener, sessions: Iterable[Session], vacancies: Iterable[Vacancy]
) -> tuple[PeerGroup, ...]:
    """The groups of one switch, by VRF and name."""
    members: dict[tuple[str, str], list[tuple[Session, SwitchEnd]]] = defaultdict(list)
    for session in sessions:
        if session.switch_end is not None:
            end = session.switch_end
            members[end.vrf, end.group].append((session, end))
    groups = [_group(listener, each) for each in members.values()]
    groups += [_vacant(listener, one) for one in vacancies]
    return tuple(sorted(groups, key=lambda one: (one.vrf, one.name)))


def _group(listener: Listener, members: Sequence[tuple[Session, SwitchEnd]]) -> PeerGroup:
    session, end = members[0]
    settings = session.node_end
    neighbors = () if end.listen_range else sorted({one.neighbor for _, one in members}, key=int)
    return PeerGroup(
        end.group,
        end.vrf,
        settings.far_asn,
        family_of(end.neighbor),
        end.listen_range,
        tuple(neighbors),
        settings.timers,
        settings.multihop,
        settings.bfd is not None,
        listener.accepts(
            settings.families, ((one.peer, listener.said[one.node]) for one, _ in members)
        ),
        session.origin,
    )


def _vacant(listener: Listener, vacancy: Vacancy) -> PeerGroup:
    """A group that waits for its first node: it takes what every node may send."""
    settings = vacancy.end
    return PeerGroup(
        vacancy.group,
        vacancy.vrf,
        settings.far_asn,
        family_of(vacancy.listen_range),
        vacancy.listen_range,
        (),
        settings.timers,
        settings.multihop,
        settings.bfd is not None,
        listener.accepts(
            settings.families, ((peer.name, listener.said_by_all) for peer in vacancy.peers)
        ),
        vacancy.peers[0].origin,
    )


# Paths.


def narrow_paths(switches: Iterable[SwitchSpec], network: Network) -> Iterator[Diagnostic]:
    """A warning where more nodes announce a prefix than a switch balances over."""
    connected: dict[str, list[Node]] = defaultdict(list)
    for node in network.nodes:
        for name in {one.switch_end.switch for one in node.sessions if one.switch_end}:
            connected[name].append(node)
    known: dict[tuple[object, ...], Mapping[Prefix, int]] = {}
    for switch in switches:
        nodes, most = connected[switch.name], switch.spec.maximum_paths
        if len(nodes) <= most:
            continue
        tellers = [(node, _told_classes(node, switch.name)) for node in nodes]
        key = tuple((node.name, told) for node, told in tellers)  # the switches of a rack are alike
        if key not in known:
            known[key] = _widths(tellers)
        wide = sorted((prefix for prefix, n in known[key].items() if n > most), key=prefix_key)
        if wide:
            message = (
                f"{max(known[key].values())} nodes announce {listed(wide, 3)} to switch"
                f" {quoted(switch.name)}, which uses {most} of them"
            )
            place = switch.place("maximumPaths")
            yield warning("maximum-paths", message, place, help="raise maximumPaths, up to 256")


def _told_classes(node: Node, switch: str) -> frozenset[int]:
    """The classes of a node that a switch hears, by identity: hashing them costs more."""
    ears = node.ears(switch)
    return frozenset(id(one) for one in node.classes if one.is_heard(ears))


def _widths(tellers: Iterable[tuple[Node, frozenset[int]]]) -> Mapping[Prefix, int]:
    """How many nodes announce each prefix; advertisements that nodes share are one object."""
    counts: dict[frozenset[int], Counter[int]] = defaultdict(Counter)
    known: dict[int, Advertisement] = {}
    for node, told in tellers:
        numbers = list(map(id, node.advertisements))
        counts[told].update(numbers)
        known.update(zip(numbers, node.advertisements, strict=True))
    widths: Counter[Prefix] = Counter()
    for told, each in counts.items():
        for number, nodes in each.items():
            if id(known[number].route_class) in told:
                widths[known[number].prefix] += nodes
    return widths
