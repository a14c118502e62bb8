"""The intended state: what every device should run, and nothing about how any of them says it.

All values are frozen and complete; `origin` leads back to the line of the spec that caused each.
A BGP session exists once, with two ends: `node_end` becomes FRR's `neighbor` lines, `switch_end`
a row of CONFIG_DB. Equal tables of advertisements are the same object on all nodes that share
them, so that work on a thousand like nodes is done once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal

from ferrule.compiler.errors import Diagnostic
from ferrule.compiler.source import Origin

Address = IPv4Address | IPv6Address
Prefix = IPv4Network | IPv6Network
Family = Literal["ipv4", "ipv6"]
FAMILIES: tuple[Family, Family] = ("ipv4", "ipv6")
MAX_LENGTH: dict[Family, int] = {"ipv4": 32, "ipv6": 128}
DEFAULT_VRF = "default"
BGP_PORT = 179


def family_of(thing: Address | Prefix) -> Family:
    """The address family, by our name for it."""
    return "ipv4" if thing.version == 4 else "ipv6"


@dataclass(frozen=True, slots=True)
class Secret:
    """A reference to a password: `placeholder` may be shown, `value` never is.

    `value` is None where only the reference is known.
    """

    placeholder: str
    value: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return "***"


# What BGP says about a prefix.


@dataclass(frozen=True, slots=True)
class Attributes:
    """What one peer hears beside the prefix; `communities` as `a:b`, `large` as `a:b:c`."""

    local_pref: int | None = None
    communities: tuple[str, ...] = ()
    large: tuple[str, ...] = ()
    prepend: int = 0  # how often the node's AS is there once more


@dataclass(frozen=True, slots=True)
class Term:
    """One advertisement's part in a class: to whom (BGPPeer names; empty is all), with what."""

    peers: tuple[str, ...]
    attributes: Attributes
    origin: Origin | None = field(default=None, compare=False, repr=False)

    def reaches(self, peer: str) -> bool:
        """Whether a BGPPeer of this name hears it."""
        return not self.peers or peer in self.peers


@dataclass(frozen=True, slots=True)
class PrefixSet:
    """What may be announced out of one pool at one prefix length.

    `cidrs` are the pool's CIDRs of the family, disjoint and sorted. A CIDR longer than `length` is
    part of an aggregate: then it is the aggregate that is announced.
    """

    pool: str
    family: Family
    length: int
    cidrs: tuple[Prefix, ...]
    origin: Origin = field(compare=False, repr=False)

    @property
    def key(self) -> tuple[str, Family, int]:
        """What names the set, on every device."""
        return (self.pool, self.family, self.length)

    @property
    def blocks(self) -> tuple[Prefix, ...]:
        """The CIDRs, those longer than `length` replaced by their aggregates, each once."""
        wide = {
            cidr if cidr.prefixlen <= self.length else cidr.supernet(new_prefix=self.length)
            for cidr in self.cidrs
        }
        return tuple(sorted(wide))

    @property
    def capacity(self) -> int:
        """How many prefixes it admits."""
        return sum(1 << (self.length - block.prefixlen) for block in self.blocks)


@dataclass(frozen=True, slots=True)
class RouteClass:
    """Prefixes that are treated alike: one pool, family and length, the same terms.

    A class does not depend on any other class, nor on which peers a node has: it is the same on
    every node, and a new peer leaves it as it is.
    """

    pool: str
    family: Family
    length: int
    terms: tuple[Term, ...]

    def is_heard(self, ears: Ears) -> bool:
        """Whether any of these sessions carries it."""
        return any(
            family == self.family and any(term.reaches(peer) for term in self.terms)
            for peer, family in ears
        )

    def attributes(self, peer: str) -> Attributes | None:
        """What a BGPPeer of this name hears; None where it hears nothing.

        Communities are united; all terms for one peer agree in the rest.
        """
        heard = [term.attributes for term in self.terms if term.reaches(peer)]
        if not heard:
            return None
        return Attributes(
            max((one.local_pref for one in heard if one.local_pref is not None), default=None),
            tuple(sorted({c for one in heard for c in one.communities}, key=community_key)),
            tuple(sorted({c for one in heard for c in one.large}, key=community_key)),
            max(one.prepend for one in heard),
        )


Ears = frozenset[tuple[str, Family]]  # (BGPPeer, family) of sessions


def community_key(community: str) -> tuple[int, ...]:
    """Communities sort by number."""
    return tuple(int(part) for part in community.split(":"))


@dataclass(frozen=True, slots=True)
class Advertisement:
    """One prefix that a node originates. `services` are `namespace/name`, sorted."""

    prefix: Prefix
    route_class: RouteClass
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Announcement:
    """One address a node answers for on layer 2; no `interfaces` means all of them."""

    address: Address
    interfaces: tuple[str, ...]
    service: str


# Sessions.


@dataclass(frozen=True, slots=True)
class BfdProfile:
    """BFD as a BGPPeer wants it; intervals in ms, None is FRR's default (300/300/50, 3)."""

    name: str
    receive_interval_ms: int | None
    transmit_interval_ms: int | None
    echo_interval_ms: int | None
    detect_multiplier: int | None
    minimum_ttl: int | None
    echo_mode: bool
    passive_mode: bool
    origin: Origin = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Timers:
    """BGP timers in seconds, None where the speaker's own default holds."""

    keepalive_s: int | None = None
    hold_s: int | None = None
    connect_s: int | None = None


@dataclass(frozen=True, slots=True)
class NodeEnd:
    """A session as the node sees it.

    `asn` is the AS of the node's `router bgp`, `local_asn` what it shows this peer instead.
    Exactly one of `neighbor` and `interface` is set. `remote_as` is an AS number or `internal` /
    `external`. `address` is the node's own address facing the peer, None where nobody needs it
    (a foreign end); it becomes `update-source` only when the peer asked for a source address.
    """

    asn: int
    local_asn: int | None
    vrf: str  # the node's own name for it; "" is the default VRF
    neighbor: Address | None
    interface: str | None
    remote_as: int | Literal["internal", "external"]
    address: Address | None
    source_address: Address | None
    port: int
    families: tuple[Family, ...]
    timers: Timers
    multihop: bool
    graceful_restart: bool
    bfd: BfdProfile | None
    password: Secret | None

    @property
    def far_asn(self) -> int:
        """The AS that the other end must expect."""
        return self.asn if self.local_asn is None else self.local_asn

    @property
    def internal(self) -> bool:
        """Whether both ends are in one AS."""
        return self.remote_as in ("internal", self.far_asn)


@dataclass(frozen=True, slots=True)
class SwitchEnd:
    """A session as the switch sees it: a member of one of its peer groups."""

    switch: str
    vrf: str
    asn: int
    address: Address  # the switch's own
    neighbor: Address  # the node's
    group: str  # PeerGroup.name
    listen_range: Prefix | None  # set: the switch waits for the node


@dataclass(frozen=True, slots=True)
class Session:
    """One BGP session; without `switch_end` its far end is foreign.

    `name` is unique; `peer` is the BGPPeer's name, which several sessions of a node may share.
    """

    name: str
    peer: str
    node: str
    node_end: NodeEnd
    switch_end: SwitchEnd | None
    origin: Origin = field(compare=False, repr=False)

    @property
    def far_name(self) -> str:
        """What the node calls the other end."""
        return self.switch_end.switch if self.switch_end else self.peer


# Devices.


@dataclass(frozen=True, slots=True)
class Accept:
    """What a peer group takes in one family: these sets, and no more than `limit` prefixes."""

    family: Family
    sets: tuple[PrefixSet, ...]
    limit: int


@dataclass(frozen=True, slots=True)
class PeerGroup:
    """Neighbors of a switch that are configured alike.

    Static: one per (BGPPeer, node ASN, family of the transport); `neighbors` are the nodes'
    addresses. Dynamic: one per listen range, `neighbors` is empty and `listen_range` is set.
    `name` is unique per VRF of a switch and holds `_` only between its parts. `timers` are None
    where the node's BGPPeer says nothing.
    """

    name: str
    vrf: str
    asn: int
    family: Family
    listen_range: Prefix | None
    neighbors: tuple[Address, ...]
    timers: Timers
    multihop: bool
    bfd: bool
    accepts: tuple[Accept, ...]  # one per family the sessions carry
    origin: Origin = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Node:
    """A Kubernetes node: its sessions, what it originates and what it answers for.

    `router_id` is None on a node without sessions. `advertisements` are sorted by prefix and
    hold only what at least one session of the node carries.
    """

    name: str
    router_id: IPv4Address | None
    sessions: tuple[Session, ...]
    classes: tuple[RouteClass, ...]  # that its peers may hear, whether in use or not
    advertisements: tuple[Advertisement, ...]
    announcements: tuple[Announcement, ...]
    origin: Origin = field(compare=False, repr=False)

    def ears(self, switch: str | None = None) -> Ears:
        """Who listens, in which family: over all sessions, or over those with one switch."""
        return frozenset(
            (one.peer, family)
            for one in self.sessions
            if switch is None or (one.switch_end and one.switch_end.switch == switch)
            for family in one.node_end.families
        )


@dataclass(frozen=True, slots=True)
class Switch:
    """A SONiC switch: its globals and its half of every session.

    `vrfs` are those in which it peers. `listen_limit` is None where nobody dials in.
    An absent switch has no groups: everything of ours goes.
    """

    name: str
    asn: int
    router_id: IPv4Address
    vrfs: tuple[str, ...]
    maximum_paths: int
    restart_minutes: int
    listen_limit: int | None
    managed_globals: bool
    absent: bool
    groups: tuple[PeerGroup, ...]
    origin: Origin = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Pending:
    """Why a Service is not served; `code` as in `ferrule explain`."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Service:
    """A Service of ours and what it was given; exactly one of `addresses` and `pending` is set."""

    key: str  # namespace/name
    pool: str | None
    addresses: tuple[Address, ...]
    pending: Pending | None
    origin: Origin = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Route:
    """A prefix that a switch should hold, and the nodes it should hear it from."""

    prefix: Prefix
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """Everything, complete; names sorted naturally, addresses by number."""

    cluster: str
    services: tuple[Service, ...]
    nodes: tuple[Node, ...]
    switches: tuple[Switch, ...]
    sets: Mapping[tuple[str, Family, int], PrefixSet]
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def sessions(self) -> Iterator[Session]:
        """Every session, node by node."""
        for node in self.nodes:
            yield from node.sessions

    def routes(self, switch: str) -> Iterator[Route]:
        """What a switch should hold, by prefix: what some session of it is told."""
        sources: dict[Prefix, list[str]] = {}
        heard: dict[tuple[int, frozenset[object]], list[Prefix]] = {}
        for node in self.nodes:
            ears = node.ears(switch)
            key = (id(node.advertisements), ears)
            if ears and key not in heard:
                told = {id(one) for one in node.classes if one.is_heard(ears)}
                heard[key] = [
                    one.prefix for one in node.advertisements if id(one.route_class) in told
                ]
            for prefix in heard.get(key, ()):
                sources.setdefault(prefix, []).append(node.name)
        for prefix in sorted(sources, key=prefix_key):
            yield Route(prefix, tuple(sources[prefix]))


def without_secrets(network: Network) -> Network:
    """The same, all passwords known by their reference alone."""
    return replace(
        network,
        nodes=tuple(
            replace(node, sessions=tuple(map(_without_secret, node.sessions)))
            for node in network.nodes
        ),
    )


def _without_secret(session: Session) -> Session:
    end = session.node_end
    if end.password is None or end.password.value is None:
        return session
    return replace(session, node_end=replace(end, password=Secret(end.password.placeholder)))


def prefix_key(prefix: Prefix) -> tuple[int, int, int]:
    """Prefixes sort by family, address and length."""
    return (prefix.version, int(prefix.network_address), prefix.prefixlen)
