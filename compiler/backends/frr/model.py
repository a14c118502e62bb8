"""What an frr.conf fragment of ours holds, in FRR's own terms and order.

Nothing here is decided any more: names, sequence numbers and defaults are settled, tuples are in
the order in which FRR 10 prints them back. A value that FRR leaves out of its running-config,
because it is FRR's default, is None or False here too. `origin` is the spec's place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from typing import Literal

from ferrule.compiler.network import Address, Family, Prefix, Secret
from ferrule.compiler.source import Origin


@dataclass(frozen=True, slots=True)
class PrefixListEntry:
    """Permits the prefixes of `length` inside `prefix`; with None `prefix` itself."""

    seq: int
    prefix: Prefix
    length: int | None


@dataclass(frozen=True, slots=True)
class PrefixList:
    """A list of what may leave, by `seq`."""

    name: str
    family: Family
    entries: tuple[PrefixListEntry, ...]
    origin: Origin | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Match:
    """The conditions of an entry; both must hold."""

    family: Family
    prefix_list: str
    tag: int


@dataclass(frozen=True, slots=True)
class RouteMapEntry:
    """One entry: conditions, then what it sets. Communities are spelt as FRR spells them."""

    seq: int
    action: Literal["permit", "deny"]
    match: Match | None = None
    as_path: tuple[int, ...] = ()  # what stands before the path once more
    communities: tuple[str, ...] = ()
    large_communities: tuple[str, ...] = ()
    local_preference: int | None = None
    tag: int | None = None
    origin: Origin | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class RouteMap:
    """A route-map, its entries by `seq`."""

    name: str
    entries: tuple[RouteMapEntry, ...]


@dataclass(frozen=True, slots=True)
class NetworkLine:
    """One prefix that the node originates, and the map of its class."""

    prefix: Prefix
    route_map: str
    origin: Origin | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Networks:
    """The `network` lines of an address family, by number: the one part that may be long.

    `shared` says that other nodes have this very object, so that its text is worth keeping.
    """

    lines: tuple[NetworkLine, ...] = ()
    shared: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Activation:
    """A neighbor inside an address family, with the names of its two route-maps."""

    neighbor: Address | str
    inbound: str
    outbound: str
    origin: Origin | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class AddressFamily:
    """`address-family ... unicast` of an instance."""

    family: Family
    networks: Networks
    neighbors: tuple[Activation, ...]
    origin: Origin | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Neighbor:
    """One neighbor; `name` is its address, or the interface it is reached on unnumbered."""

    name: Address | str
    remote_as: int | Literal["internal", "external"]
    local_as: int | None
    description: str
    bfd_profile: str | None
    password: Secret | None
    port: int | None
    ebgp_multihop: bool
    disable_connected_check: bool
    update_source: Address | None
    keepalive_s: int | None  # set exactly when hold_s is
    hold_s: int | None
    connect_s: int | None
    graceful_restart: bool
    origin: Origin | None = field(default=None, compare=False, repr=False)

    @property
    def unnumbered(self) -> bool:
        """Whether it is an interface."""
        return isinstance(self.name, str)


@dataclass(frozen=True, slots=True)
class Instance:
    """One `router bgp`; the default VRF is ""."""

    asn: int
    vrf: str
    router_id: IPv4Address
    preserve_fw_state: bool
    neighbors: tuple[Neighbor, ...]
    families: tuple[AddressFamily, ...]
    origin: Origin | None = field(default=None, compare=False, repr=False)

    @property
    def header(self) -> str:
        """The line that opens it."""
        return f"router bgp {self.asn}" + (f" vrf {self.vrf}" if self.vrf else "")


@dataclass(frozen=True, slots=True)
class Profile:
    """A BFD profile; None where FRR's default holds."""

    name: str
    detect_multiplier: int | None
    transmit_interval_ms: int | None
    receive_interval_ms: int | None
    passive_mode: bool
    echo_mode: bool
    echo_interval_ms: int | None
    minimum_ttl: int | None
    origin: Origin | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Model:
    """The whole fragment; empty on a node without sessions."""

    prefix_lists: tuple[PrefixList, ...] = ()
    route_maps: tuple[RouteMap, ...] = ()
    instances: tuple[Instance, ...] = ()
    profiles: tuple[Profile, ...] = ()

    @property
    def passwords(self) -> Iterator[Secret]:
        """Every password, in the order of the text."""
        for instance in self.instances:
            for neighbor in instance.neighbors:
                if neighbor.password is not None:
                    yield neighbor.password


def without_networks(model: Model) -> Model:
    """All but the one part that may be long."""
    return replace(
        model,
        instances=tuple(
            replace(
                one,
                families=tuple(replace(each, networks=Networks()) for each in one.families),
            )
            for one in model.instances
        ),
    )
