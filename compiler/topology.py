"""Pass: peers x nodes x switches become sessions, each one object with two ends.

Whatever the two ends disagree in is an error that cites both. A mistake that a Node object causes
carries the node's name, so that a running controller can leave that node alone and go on with the
others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Literal

from ferrule.compiler.binding import Binder
from ferrule.compiler.ends import (
    asns_fit,
    disagreements,
    peers_agree,
    refuse_itself,
    refuse_off_link,
)
from ferrule.compiler.errors import Diagnostic, error, has_errors, listed, quoted
from ferrule.compiler.facing import (
    Binding,
    Peer,
    RefusedError,
    address_facing,
    asn_label,
    my_asn,
    router_id,
)
from ferrule.compiler.kube import KubeNode, KubeSecret
from ferrule.compiler.members import check_switches, group_settings, range_group, static_group
from ferrule.compiler.network import (
    FAMILIES,
    Address,
    NodeEnd,
    Prefix,
    Session,
    SwitchEnd,
    family_of,
)
from ferrule.compiler.peerfacts import peer_facts
from ferrule.compiler.selection import Selection
from ferrule.compiler.spec import Spec
from ferrule.compiler.spec.checks import check_peer


@dataclass(frozen=True, slots=True)
class Vacancy:
    """A listen range, in one VRF of a switch, in which no known node lies.

    `end` is what a session in it would be like, but for the node's own address; `peers` are the
    BGPPeers that may dial in, the first of them gave `end`.
    """

    switch: str
    vrf: str
    group: str
    listen_range: Prefix
    end: NodeEnd
    peers: tuple[Peer, ...]


@dataclass(frozen=True, slots=True)
class Topology:
    """Sessions and router ID of every node that has any, and the listen ranges without a node."""

    sessions: Mapping[str, tuple[Session, ...]]
    router_ids: Mapping[str, IPv4Address]
    vacancies: tuple[Vacancy, ...]
    diagnostics: tuple[Diagnostic, ...]


def connect(spec: Spec, nodes: Sequence[KubeNode], secrets: Mapping[str, KubeSecret]) -> Topology:
    """All sessions, sorted by node and far end."""
    build = _Build(spec, secrets)
    for node in nodes:
        build.node(node)
    if not nodes:
        build.without_nodes()
    refused: set[str] = set()
    found = [
        *build.found,
        *build.binder.found,
        *build.binder.passed_over(),
        *check_switches(spec, nodes, build.sessions, build.router_ids, refused),
    ]
    sessions = dict(build.sound_sessions(refused))
    router_ids = {name: build.router_ids[name] for name in sessions}
    return Topology(sessions, router_ids, tuple(build.vacancies(sessions)), tuple(found))


class _Build:
    """What is gathered while the nodes are gone through."""

    def __init__(self, spec: Spec, secrets: Mapping[str, KubeSecret]) -> None:
        self.spec = spec
        self.sound = [peer for peer in spec.peers if not has_errors(check_peer(peer))]
        self.peers = Selection(self.sound, lambda one: one.spec.node_selectors)
        self.binder = Binder(spec.switches, self.sound)
        self.facts, self.found = peer_facts(spec, secrets)
        self.sessions: dict[str, list[Session]] = {}
        self.router_ids: dict[str, IPv4Address] = {}
        self.contradicting: set[str] = set()
        self.agreed: dict[tuple[object, ...], bool] = {}
        self.met: dict[tuple[str, str], set[int]] = defaultdict(set)  # ASNs by peer and switch
        self.peers_in_use: set[str] = set()  # that select any node
        self.switches_in_use: set[str] = set()

    def node(self, node: KubeNode) -> None:
        """The sessions of one node, as far as they can be made."""
        peers, switches = self.peers.of(node.labels), self.binder.selecting(node)
        self.peers_in_use.update(peer.name for peer in peers)
        self.switches_in_use |= switches
        mistakes = list(peers_agree(peers, node))
        if mistakes:
            self.found += mistakes
            self.contradicting.add(node.name)
        sessions = []
        for peer in peers:
            for binding in self.binder.far_ends(peer, node, switches):
                try:
                    session = self.session(peer, node, binding)
                except RefusedError as refused:
                    self.found.append(refused.diagnostic)
                else:
                    sessions += [session] if session else []
        if sessions:
            self.sessions[node.name] = sorted(sessions, key=_session_order)
            source = self.spec.settings.bgp.router_id_from
            self.router_ids[node.name] = router_id(node, peers, source)

    def sound_sessions(self, refused: set[str]) -> Iterator[tuple[str, tuple[Session, ...]]]:
        """By node the sessions that are left, once it is known which cannot be."""
        for node, sessions in self.sessions.items():
            sound = tuple(one for one in sessions if one.name not in refused)
            if sound and node not in self.contradicting:  # that has no one configuration
                yield node, sound

    def session(self, peer: Peer, node: KubeNode, binding: Binding | None) -> Session | None:
        """One session with both ends; None where the two cannot meet, which is told once.

        Raises `RefusedError` for a mistake of the node.
        """
        refuse_itself(peer, node, binding.address if binding else peer.spec.peer_address)
        asn = my_asn(peer, node)
        address, far = peer.spec.source_address, None
        if not self.agree(peer, binding, asn, node):
            return None
        if binding is not None:
            self.met[peer.name, binding.switch.name].add(asn)
            address = address_facing(peer, node, binding)
            if asn != binding.switch.spec.asn:
                refuse_off_link(peer, node, binding, address)
            far = _switch_end(peer, node, binding, asn, address)
        end = self.node_end(peer, binding, asn, address)
        where = binding.switch.name if binding else peer.name
        vrf = f"/{end.vrf}" if end.vrf else ""
        name = f"{node.name}/{where}/{end.interface or end.neighbor}{vrf}"
        return Session(name, peer.name, node.name, end, far, peer.origin)

    def agree(self, peer: Peer, binding: Binding | None, asn: int | None, node: KubeNode) -> bool:
        """Whether a peer and its far end can meet; what keeps them apart is noted once."""
        labelled = node if asn_label(peer) else None
        whose = labelled.name if labelled else None
        where = (binding.switch.name, binding.number) if binding else None
        key = (peer.name, where, asn, whose)
        if key not in self.agreed:
            mistakes = list(self.disagreements(peer, binding, asn, labelled))
            self.found += mistakes
            self.agreed[key] = not mistakes
        return self.agreed[key]

    def disagreements(
        self, peer: Peer, binding: Binding | None, asn: int | None, labelled: KubeNode | None
    ) -> Iterator[Diagnostic]:
        """With a switch everything that counts, with a foreign end what the peer says of it."""
        if binding is not None:
            yield from disagreements(peer, binding, asn, self.facts[peer.name].bfd, labelled)
        elif labelled is not None and asn is not None and peer.spec.peer_asn:
            yield from asns_fit(peer, asn, peer.spec.peer_asn, peer, labelled)

    def node_end(
        self, peer: Peer, binding: Binding | None, asn: int, address: Address | None
    ) -> NodeEnd:
        """The session as the node sees it."""
        spec, facts = peer.spec, self.facts[peer.name]
        remote: int | Literal["internal", "external"] = spec.peer_asn or spec.dynamic_asn or 0
        if binding is not None and not remote:
            remote = binding.switch.spec.asn
        far = binding.address if binding else spec.peer_address
        both = far is None or spec.dual_stack_address_family
        return NodeEnd(
            asn,
            spec.local_asn,
            spec.vrf or "",
            far,
            spec.interface,
            remote,
            address,
            spec.source_address,
            spec.peer_port,
            FAMILIES if far is None or both else (family_of(far),),
            facts.timers,
            spec.ebgp_multi_hop,
            spec.enable_graceful_restart,
            facts.bfd,
            facts.password,
        )

    # What can be said without knowing the nodes.

    def without_nodes(self) -> None:
        """Compare peers and switches that must meet, whatever nodes there will be.

        An address that several switches hold is left open: which of them it is depends on nodes.
        """
        for peer in self.sound:
            bindings = self.binder.candidates(peer)
            if peer.spec.peer_address and len(bindings) > 1:
                continue
            asn = None if asn_label(peer) else peer.spec.my_asn
            for binding in bindings:
                self.found += self.disagreements(peer, binding, asn, None)

    def vacancies(self, sessions: Mapping[str, Sequence[Session]]) -> Iterator[Vacancy]:
        """The listen ranges in which no node lies, in every VRF in which a peer may dial in.

        So the switch is ready before the first node is. A range whose peers would need different
        groups waits for its first node.
        """
        taken = {
            (end.switch, end.vrf, end.group)
            for each in sessions.values()
            for session in each
            if (end := session.switch_end)
        }
        dialing: dict[tuple[str, str, Prefix], list[tuple[Peer, Binding]]] = defaultdict(list)
        for peer in self.sound:
            for binding in self.binder.candidates(peer):
                for one in binding.switch.spec.listen_ranges:
                    where = (binding.switch.name, binding.vrf, one)
                    fits = one.version == binding.address.version and self.may_meet(peer, binding)
                    if fits and (*where[:2], range_group(one)) not in taken:
                        dialing[where].append((peer, binding))
        for (switch, vrf, listen_range), each in dialing.items():
            ends = [end for peer, binding in each for end in self.expected(peer, binding)]
            if not ends or None in ends:
                continue
            first, *others = [end for end in ends if end is not None]
            if not any(list(group_settings(first, other)) for other in others):
                peers = tuple({peer.name: peer for peer, _ in each}.values())
                yield Vacancy(switch, vrf, range_group(listen_range), listen_range, first, peers)

    def may_meet(self, peer: Peer, binding: Binding) -> bool:
        """Whether they have met on a node, or may do so once there is another one."""
        switch = binding.switch.name
        if peer.name in self.peers_in_use and switch in self.switches_in_use:
            return (peer.name, switch) in self.met
        return True

    def expected(self, peer: Peer, binding: Binding) -> Iterator[NodeEnd | None]:
        """What sessions there would be like; None where no node has said its AS yet."""
        asns: set[int] = self.met.get((peer.name, binding.switch.name), set())
        if not asns and not asn_label(peer):
            asns = {peer.spec.my_asn}
        if not asns:
            yield None
        for asn in sorted(asns):
            bfd = self.facts[peer.name].bfd
            if not list(disagreements(peer, binding, asn, bfd, None)):
                yield self.node_end(peer, binding, asn, None)


def _switch_end(
    peer: Peer, node: KubeNode, binding: Binding, asn: int, address: Address
) -> SwitchEnd:
    """The switch's half; raises `RefusedError` where the node is outside its listen ranges."""
    switch = binding.switch
    listen = None
    group = static_group(peer.name, peer.spec.local_asn or asn, family_of(address))
    if switch.spec.neighbors == "dynamic":
        listen = next((one for one in switch.spec.listen_ranges if address in one), None)
        if listen is None:
            message = (
                f"node {quoted(node.name)} would dial switch {quoted(switch.name)} from {address},"
                f" which is in none of its listen ranges ({listed(switch.spec.listen_ranges)})"
            )
            places = [
                node.origin.place("status", "addresses"),
                switch.place("listenRanges"),
                peer.place(),
            ]
            raise RefusedError(error("outside-listen-ranges", message, *places, node=node.name))
        group = range_group(listen)
    return SwitchEnd(
        switch.name, binding.vrf, switch.spec.asn, binding.address, address, group, listen
    )


def _session_order(session: Session) -> tuple[object, ...]:
    end = session.node_end
    where = (0, 0) if end.neighbor is None else (end.neighbor.version, int(end.neighbor))
    return (*where, end.interface or "", end.vrf)
