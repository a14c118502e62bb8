"""Our ends of the sessions, whichever device the file is about.

For a switch's or a router's file our ends are the nodes'; for a node's file they are those of the
switches it peers with. Both are made to look alike here, and nobody after this asks which.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Literal

from ferrule.compiler.errors import Place
from ferrule.compiler.facing import Peer, SwitchSpec, asn_label, own_addresses
from ferrule.compiler.kube import KubeNode
from ferrule.compiler.members import BFD_MS, BFD_TIMES
from ferrule.compiler.network import (
    BGP_PORT,
    DEFAULT_VRF,
    Address,
    BfdProfile,
    Family,
    Node,
    PeerGroup,
    Prefix,
    PrefixSet,
    Session,
    SwitchEnd,
    Timers,
    family_of,
)
from ferrule.compiler.pipeline import Compilation

Kind = Literal["switch", "router", "node"]


@dataclass(frozen=True, slots=True)
class Bfd:
    """How one end does BFD, in ms."""

    transmit_ms: int = BFD_MS
    receive_ms: int = BFD_MS
    times: int = BFD_TIMES
    passive: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """Our end of one session, and what it takes the far end for.

    `who` is the device that it is on. `addresses` are those by which the far end may know it; of a
    node with several towards a foreign router, any. `far` is where it reaches the far end. It has a
    `node` where it is a node's and announces; the sets are what may be announced to the far end,
    or by it. `external_password` says that the switch has one that no row shows.
    """

    session: Session
    who: str
    peer: Peer = field(compare=False, repr=False)
    switch: SwitchSpec | None = field(compare=False, repr=False)
    kube: KubeNode | None = field(compare=False, repr=False)
    node: Node | None = field(compare=False, repr=False)
    addresses: tuple[Address, ...]
    far: Address
    far_vrf: str | None  # the far device's own name for it, "" is the default one
    asn: int
    remote_as: int | Literal["internal", "external"]
    families: tuple[Family, ...]
    timers: Timers
    multihop: bool
    bfd: Bfd | None
    expected_bfd: Bfd
    password: bool
    external_password: bool
    port: int
    waits: bool  # it never dials: the far end is in a listen range of ours
    router_id: IPv4Address | None
    sets: Mapping[Family, tuple[PrefixSet, ...]] = field(compare=False, repr=False)
    limits: Mapping[Family, int] = field(compare=False, repr=False)

    @property
    def internal(self) -> bool:
        """Whether both ends are to be in one AS."""
        return self.remote_as in ("internal", self.asn)

    @property
    def asn_place(self) -> Place:
        """Where our AS is said."""
        if self.node is None and self.switch is not None:
            return self.switch.place("asn")
        label = asn_label(self.peer)
        if self.peer.spec.local_asn is not None:
            return self.peer.place("localASN")
        if label and self.kube:
            return self.kube.origin.place("metadata", "labels", label)
        return self.peer.place("myASN")

    @property
    def remote_place(self) -> Place:
        """Where it is said what AS the far end is in."""
        if self.node is None:
            return self.asn_place if self.switch is None else self.peer.place("myASN")
        if self.peer.spec.peer_asn:
            return self.peer.place("peerASN")
        return self.switch.place("asn") if self.switch else self.peer.place("dynamicASN")

    def place(self, *names: str) -> Place:
        """Where the BGPPeer says something, or only that it is there."""
        return self.peer.place(*names)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A device that a file may be about, and our ends of all its sessions."""

    kind: Kind
    name: str
    own: frozenset[Address]
    router_id: IPv4Address | None
    ends: tuple[End, ...]


def candidates(compilation: Compilation) -> list[Candidate]:
    """Every far end: switches, foreign routers by address, nodes as switches see them."""
    return _Ends(compilation).candidates()


class _Ends:
    """What of a compilation is looked up by name."""

    def __init__(self, compilation: Compilation) -> None:
        self.network, inputs = compilation.network, compilation.inputs
        self.peers = {one.name: one for one in inputs.spec.peers}
        self.switches = {one.name: one for one in inputs.spec.switches}
        self.kube = {one.name: one for one in inputs.nodes}
        self.groups = {
            (switch.name, group.vrf, group.name): group
            for switch in self.network.switches
            for group in switch.groups
        }

    def candidates(self) -> list[Candidate]:
        """By kind and name; a device without sessions is none."""
        switches: dict[str, list[End]] = defaultdict(list)
        routers: dict[Address, list[End]] = defaultdict(list)
        made = []
        for node in self.network.nodes:
            far: list[End] = []
            for session in node.sessions:
                if session.switch_end is not None:
                    switches[session.switch_end.switch].append(self._of_node(node, session))
                    far.append(self._of_switch(node, session, session.switch_end))
                elif session.node_end.neighbor is not None:
                    routers[session.node_end.neighbor].append(self._of_node(node, session))
            if far:
                kube = self.kube[node.name]
                own = frozenset((*kube.internal, *kube.announced, *(end.far for end in far)))
                made.append(Candidate("node", node.name, own, node.router_id, tuple(far)))
        for address, ends in routers.items():
            own = frozenset({address})
            made.append(Candidate("router", str(address), own, None, tuple(ends)))
        for name, ends in switches.items():
            spec = self.switches[name].spec
            own = frozenset(one.ip for one in spec.addresses)
            made.append(Candidate("switch", name, own, spec.router_id, tuple(ends)))
        return made

    def _of_node(self, node: Node, session: Session) -> End:
        end, far = session.node_end, session.switch_end
        assert end.neighbor is not None
        peer, kube = self.peers[session.peer], self.kube[node.name]
        mine = (end.address,) if end.address else own_addresses(peer, kube, family_of(end.neighbor))
        group = self.groups.get((far.switch, far.vrf, far.group)) if far else None
        bfd = _bfd(end.bfd)
        sets = _group_sets(group) if group else _told_sets(self.network.sets, node, session)
        return End(
            session,
            node.name,
            peer,
            self.switches.get(far.switch) if far else None,
            kube,
            node,
            mine,
            end.neighbor,
            _vrf(far.vrf) if far else None,
            end.far_asn,
            end.remote_as,
            end.families,
            end.timers,
            end.multihop,
            bfd,
            Bfd() if far else bfd or Bfd(),
            end.password is not None,
            external_password=False,
            port=end.port,
            waits=False,
            router_id=node.router_id,
            sets=sets,
            limits={one.family: one.limit for one in group.accepts} if group else {},
        )

    def _of_switch(self, node: Node, session: Session, far: SwitchEnd) -> End:
        end, switch = session.node_end, self.switches[far.switch]
        group = self.groups[far.switch, far.vrf, far.group]
        return End(
            session,
            far.switch,
            self.peers[session.peer],
            switch,
            self.kube[node.name],
            None,
            (far.address,),
            far.neighbor,
            end.vrf,
            far.asn,
            group.asn,
            end.families,
            group.timers,
            group.multihop,
            Bfd() if group.bfd else None,
            _bfd(end.bfd) or Bfd(),
            password=end.password is not None,
            external_password=switch.spec.password == "external",  # noqa: S105
            port=BGP_PORT,
            waits=far.listen_range is not None,
            router_id=switch.spec.router_id,
            sets=_group_sets(group),
            limits={one.family: one.limit for one in group.accepts},
        )


def _vrf(name: str) -> str:
    return "" if name == DEFAULT_VRF else name


def _bfd(profile: BfdProfile | None) -> Bfd | None:
    if profile is None:
        return None
    return Bfd(
        profile.transmit_interval_ms or BFD_MS,
        profile.receive_interval_ms or BFD_MS,
        profile.detect_multiplier or BFD_TIMES,
        profile.passive_mode,
    )


def _group_sets(group: PeerGroup) -> dict[Family, tuple[PrefixSet, ...]]:
    return {accept.family: accept.sets for accept in group.accepts}


def _told_sets(
    known: Mapping[tuple[str, Family, int], PrefixSet], node: Node, session: Session
) -> dict[Family, tuple[PrefixSet, ...]]:
    """The sets that a node may announce to one peer."""
    keys = {
        (one.pool, one.family, one.length)
        for one in node.classes
        if one.attributes(session.peer) is not None
    }
    return {
        family: tuple(known[key] for key in sorted(keys) if key[1] == family)
        for family in session.node_end.families
    }


def on_link(end: End, networks: Iterator[Prefix]) -> bool | None:
    """Whether the two ends share a subnet; None where nobody says what subnets there are.

    `networks` are those that the far device has its addresses in.
    """
    mine, far = end.addresses, end.far
    near = [one for one in networks if far in one or any(address in one for address in mine)]
    if end.switch is not None and not near:
        holding = (one.network for one in end.switch.spec.addresses if one.network)
        near = [one for one in holding if far in one or any(address in one for address in mine)]
    if not near:
        return None
    return any(far in one and any(address in one for address in mine) for one in near)
