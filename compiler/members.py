"""What the sessions of one switch must not have in common, and what they must.

A switch knows its neighbors by address, its peer groups by name and its nodes by router ID; two
nodes that differ for Kubernetes may be one for the switch.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from ferrule.compiler.errors import Diagnostic, Place, error, listed, quoted, warning
from ferrule.compiler.facing import Peer, SwitchSpec, asn_label
from ferrule.compiler.kube import KubeNode
from ferrule.compiler.network import (
    Address,
    Family,
    NodeEnd,
    Prefix,
    Session,
    SwitchEnd,
    Timers,
)
from ferrule.compiler.spec import Spec

BFD_MS, BFD_TIMES = 300, 3  # bfdd's defaults; CONFIG_DB has no way to change them
DEFAULT_LISTEN_LIMIT = 100  # bgpd's
MOST_LISTENERS = 5000  # sonic-bgp-global.yang, max_dynamic_neighbors


def static_group(peer: str, asn: int, family: Family) -> str:
    """The peer group of a BGPPeer's nodes in one AS: `tor-a_64512_ipv4`."""
    return f"{peer}_{asn}_{family}"


def range_group(listen_range: Prefix) -> str:
    """The peer group of a listen range, named after it: `range_10.1.0.0_24`."""
    return f"range_{str(listen_range).replace(':', '-').replace('/', '_')}"


def group_settings(one: NodeEnd, other: NodeEnd) -> Iterator[tuple[str, object, object]]:
    """Where two sessions differ in what a peer group holds: field, value, value."""
    settings = (
        ("localASN" if one.local_asn or other.local_asn else "myASN", one.far_asn, other.far_asn),
        ("ebgpMultiHop", one.multihop, other.multihop),
        _hold_or_keepalive(one.timers, other.timers),
        ("connectTime", one.timers.connect_s, other.timers.connect_s),
        ("dualStackAddressFamily", one.families, other.families),
    )
    for name, mine, theirs in settings:
        if mine != theirs:
            yield name, mine, theirs


def _hold_or_keepalive(one: Timers, other: Timers) -> tuple[str, object, object]:
    """Where hold times differ, so do keepalives that were derived from them."""
    if one.hold_s != other.hold_s:
        return "holdTime", one.hold_s, other.hold_s
    return "keepaliveTime", one.keepalive_s, other.keepalive_s


def check_switches(
    spec: Spec,
    nodes: Sequence[KubeNode],
    sessions: Mapping[str, Sequence[Session]],
    router_ids: Mapping[str, IPv4Address],
    refused: set[str],
) -> Iterator[Diagnostic]:
    """All switches, one by one, and what BFD comes to on them.

    `refused` is given the names of the sessions that cannot be beside others.
    """
    of_switch: dict[str, list[tuple[Session, SwitchEnd]]] = defaultdict(list)
    for each in sessions.values():
        for session in each:
            if session.switch_end is not None:
                of_switch[session.switch_end.switch].append((session, session.switch_end))
    peers = {peer.name: peer for peer in spec.peers}
    kube = {node.name: node for node in nodes}
    for switch in spec.switches:
        check = _Switch(switch, of_switch[switch.name], peers, kube, router_ids, refused)
        yield from check.neighbors_differ()
        yield from check.router_ids_differ()
        yield from check.ranges_agree()
        yield from check.listen_limit()
    yield from _bfd_settles([one for each in of_switch.values() for one, _ in each], peers)
    yield from _next_hops(sessions, peers, kube)


@dataclass(frozen=True)
class _Switch:
    switch: SwitchSpec
    ends: Sequence[tuple[Session, SwitchEnd]]
    peers: Mapping[str, Peer]
    kube: Mapping[str, KubeNode]
    router_ids: Mapping[str, IPv4Address]
    refused: set[str]

    def neighbors_differ(self) -> Iterator[Diagnostic]:
        """One address is one neighbor in a VRF of a switch, one sourceAddress one node."""
        seen: dict[tuple[str, Address], Session] = {}
        sources: dict[Address, Session] = {}
        for session, end in self.ends:
            source = session.node_end.source_address
            sharing = sources.setdefault(source, session) if source is not None else session
            first = seen.setdefault((end.vrf, end.neighbor), session)
            if sharing.node != session.node or first is not session:
                self.refused.add(session.name)
            if sharing.node != session.node:
                yield self._shared_source(session, sharing, end.neighbor)
            elif first is not session and not self._meet(session, first):
                yield self._twice(session, first, end.neighbor)

    def _meet(self, session: Session, other: Session) -> bool:
        """Whether they are two peers to one address on one node: that has been told."""
        ends = [
            (one.node, self.peers[one.peer].spec.peer_address, one.node_end.vrf)
            for one in (session, other)
        ]
        return ends[0] == ends[1] and ends[0][1] is not None

    def _shared_source(self, session: Session, other: Session, source: Address) -> Diagnostic:
        return error(
            "source-address-shared",
            f"nodes {quoted(other.node)} and {quoted(session.node)} both peer with switch"
            f" {quoted(self.switch.name)} from sourceAddress {source}",
            self.peers[session.peer].place("sourceAddress"),
            self.node_place(session.node),
            self.node_place(other.node),
            help="select one node, or annotate nodes with ferrule.dev/addresses instead",
            node=session.node,
        )

    def _twice(self, session: Session, other: Session, neighbor: Address) -> Diagnostic:
        places = [self.peers[session.peer].place(), self.peers[other.peer].place()]
        nodes = [self.node_place(session.node), self.node_place(other.node)]
        if session.node != other.node:  # then it is the address that is wrong
            places = nodes + places
        else:
            places += nodes[:1]
        return error(
            "duplicate-neighbor",
            f"switch {quoted(self.switch.name)} would have neighbor {neighbor} twice: peer"
            f" {quoted(other.peer)} of node {quoted(other.node)} and peer"
            f" {quoted(session.peer)} of node {quoted(session.node)}",
            *dict.fromkeys(places),
            help="a node has one session per address of its own with a VRF of a switch",
            node=session.node,
        )

    def node_place(self, name: str) -> Place:
        """Where a Node says its addresses."""
        return self.kube[name].origin.place("status", "addresses")

    def router_ids_differ(self) -> Iterator[Diagnostic]:
        """A router ID is one speaker's, or one of the two loses its session (RFC 4271 §4.2)."""
        seen: dict[IPv4Address, str] = {}
        for node in dict.fromkeys(session.node for session, _ in self.ends):
            router_id = self.router_ids[node]
            first = seen.setdefault(router_id, node)
            if router_id == self.switch.spec.router_id:
                other, places = "the switch itself", [self.switch.place("routerID")]
            elif first != node:
                other = f"node {quoted(first)}"
                places = [self.kube[first].origin.place(), self.switch.place()]
            else:
                continue
            self.refused.update(one.name for one, _ in self.ends if one.node == node)
            yield error(
                "duplicate-router-id",
                f"node {quoted(node)} has router ID {router_id} towards switch"
                f" {quoted(self.switch.name)}, and so has {other}",
                self.kube[node].origin.place(),
                *places,
                help="give each node its own IPv4 InternalIP, or peers with their own routerID",
                node=node,
            )

    def ranges_agree(self) -> Iterator[Diagnostic]:
        """A listen range has one peer group; whoever dials in is configured by it."""
        seen: dict[tuple[str, str], Session] = {}
        for session, end in self.ends:
            if end.listen_range is None:
                continue
            first = seen.setdefault((end.vrf, end.group), session)
            for name, ours, theirs in group_settings(session.node_end, first.node_end):
                peer, other = self.peers[session.peer], self.peers[first.peer]
                places = [self._setting(name, one) for one in (session, first)]
                self.refused.add(session.name)
                yield error(
                    "listen-range-mismatch",
                    f"BGPPeers {quoted(peer.name)} (node {quoted(session.node)}) and"
                    f" {quoted(other.name)} (node {quoted(first.node)}) differ in {name}"
                    f" ({_said(ours)}, {_said(theirs)}) but dial into one listen range of switch"
                    f" {quoted(self.switch.name)}, {end.listen_range}",
                    *dict.fromkeys([*places, self.switch.place("listenRanges")]),
                    help="the range has one peer group: make them agree, or part the ranges",
                    node=session.node,
                )

    def _setting(self, name: str, session: Session) -> Place:
        """Where a node or its peer says it."""
        peer = self.peers[session.peer]
        label = asn_label(peer)
        if name == "myASN" and label is not None:
            return self.kube[session.node].origin.place("metadata", "labels", label)
        return peer.place(name)

    def listen_limit(self) -> Iterator[Diagnostic]:
        """SONiC's bgpd refuses the 101st neighbor that dials in to a VRF, silently."""
        for vrf, dialing in listeners(end for _, end in self.ends).items():
            most = DEFAULT_LISTEN_LIMIT
            help = "set max_dynamic_neighbors there, or write globals: managed"
            if self.switch.spec.globals == "managed":
                most = MOST_LISTENERS
                help = "spread the nodes over more switches"
            if dialing > most:
                message = (
                    f"{dialing} neighbors dial in to switch {quoted(self.switch.name)}, VRF {vrf};"
                    f" its BGP_GLOBALS row may let in only {most} (bgp listen limit)"
                )
                yield warning("listen-limit", message, self.switch.place("neighbors"), help=help)


def listeners(ends: Iterator[SwitchEnd]) -> Mapping[str, int]:
    """How many neighbors dial in, by VRF."""
    return Counter(end.vrf for end in ends if end.listen_range is not None)


def _said(value: object) -> str:
    """A setting as a user wrote it."""
    if isinstance(value, tuple):
        return " and ".join(value)
    if value is None:
        return "unset"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bfd_settles(sessions: Sequence[Session], peers: Mapping[str, Peer]) -> Iterator[Diagnostic]:
    """SONiC runs BFD with FRR's defaults; say what the two ends will settle on, per profile."""
    using = {one.node_end.bfd.name: one for one in sessions if one.node_end.bfd is not None}
    for session in using.values():
        profile = session.node_end.bfd
        assert profile is not None
        transmit = profile.transmit_interval_ms or BFD_MS
        receive = profile.receive_interval_ms or BFD_MS
        times = profile.detect_multiplier or BFD_TIMES
        if (transmit, receive, times) == (BFD_MS, BFD_MS, BFD_TIMES):
            continue
        sends, hears = max(transmit, BFD_MS), max(receive, BFD_MS)
        yield warning(
            "bfd-negotiated",
            f"BFD profile {quoted(profile.name)}: a switch has {BFD_MS} ms x{BFD_TIMES} and"
            f" nothing else, so nodes send every {sends} ms and the switch gives up after"
            f" {sends * times} ms; the switch sends every {hears} ms and nodes give up after"
            f" {hears * BFD_TIMES} ms",
            profile.origin.place("spec"),
            peers[session.peer].place("bfdProfile"),
        )


def _next_hops(
    sessions: Mapping[str, Sequence[Session]],
    peers: Mapping[str, Peer],
    kube: Mapping[str, KubeNode],
) -> Iterator[Diagnostic]:
    """A node that carries both families over one session needs an address of either."""
    without: dict[str, list[str]] = defaultdict(list)
    for node, each in sessions.items():
        mine = {one.version for one in (*kube[node].internal, *kube[node].announced)}
        for session in each:
            if len(session.node_end.families) > 1 and session.switch_end and len(mine) < 2:
                without[session.peer].append(node)
    for peer, nodes in without.items():
        message = (
            f"BGPPeer {quoted(peer)} carries both families over one session, but"
            f" {listed(map(quoted, dict.fromkeys(nodes)), 3)} shows an address of one only: routes"
            " of the other would have no next hop"
        )
        places = peers[peer].place("dualStackAddressFamily"), kube[nodes[0]].origin.place()
        yield warning("dual-stack-node", message, *places)
