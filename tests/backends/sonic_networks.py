"""Small networks, built by hand, for the tests of the SONiC backend."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, ip_address, ip_network

from ferrule.compiler.network import (
    Accept,
    Family,
    Network,
    PeerGroup,
    PrefixSet,
    Switch,
    Timers,
    family_of,
)
from ferrule.compiler.source import Document, Origin

SPEC = Origin(Document({}))
NO_TIMERS = Timers()


def prefix_set(pool: str, length: int, *cidrs: str, origin: Origin = SPEC) -> PrefixSet:
    parsed = tuple(ip_network(cidr) for cidr in cidrs)
    return PrefixSet(pool, family_of(parsed[0]), length, parsed, origin)


def accept(*sets: PrefixSet, limit: int = 64) -> Accept:
    return Accept(sets[0].family, sets, limit)


def static_group(
    peer: str,
    accepts: Iterable[Accept],
    neighbors: Sequence[str],
    *,
    asn: int = 65001,
    vrf: str = "default",
    timers: Timers = NO_TIMERS,
    multihop: bool = False,
    bfd: bool = False,
    origin: Origin = SPEC,
) -> PeerGroup:
    addresses = tuple(ip_address(neighbor) for neighbor in neighbors)
    family: Family = family_of(addresses[0])
    return PeerGroup(
        name=f"{peer}_{asn}_{family}",
        vrf=vrf,
        asn=asn,
        family=family,
        listen_range=None,
        neighbors=addresses,
        timers=timers,
        multihop=multihop,
        bfd=bfd,
        accepts=tuple(accepts),
        origin=origin,
    )


def dynamic_group(
    listen_range: str, accepts: Iterable[Accept], *, asn: int = 65001, vrf: str = "default"
) -> PeerGroup:
    parsed = ip_network(listen_range)
    return PeerGroup(
        name="range_" + listen_range.replace(":", "-").replace("/", "_"),
        vrf=vrf,
        asn=asn,
        family=family_of(parsed),
        listen_range=parsed,
        neighbors=(),
        timers=NO_TIMERS,
        multihop=False,
        bfd=False,
        accepts=tuple(accepts),
        origin=SPEC,
    )


def switch(
    *groups: PeerGroup,
    name: str = "tor-a",
    listen_limit: int | None = None,
    absent: bool = False,
    origin: Origin = SPEC,
) -> Switch:
    return Switch(
        name=name,
        asn=65000,
        router_id=IPv4Address("10.255.0.1"),
        vrfs=tuple(sorted({group.vrf for group in groups})),
        maximum_paths=64,
        restart_minutes=5,
        listen_limit=listen_limit,
        managed_globals=False,
        absent=absent,
        groups=groups,
        origin=origin,
    )


def network(*switches: Switch, cluster: str = "prod") -> Network:
    sets = {
        one.key: one
        for switch_ in switches
        for group in switch_.groups
        for accepted in group.accepts
        for one in accepted.sets
    }
    return Network(cluster=cluster, services=(), nodes=(), switches=switches, sets=sets)


PUBLIC_4 = prefix_set("public", 32, "192.0.2.0/24", "198.51.100.7/32")
PUBLIC_6 = prefix_set("public", 128, "2001:db8:0:1::/64")
AGGREGATE_4 = prefix_set("public", 24, "192.0.2.0/25", "192.0.2.128/25", "203.0.112.0/23")
LONG_POOL = prefix_set("a-pool-whose-name-takes-more-room-than-a-device-has", 32, "10.9.0.0/16")

STATIC = switch(
    static_group("tor-a", [accept(PUBLIC_4, AGGREGATE_4)], ["10.1.0.11", "10.1.0.12"]),
)
DUAL_STACK = switch(
    static_group("tor-a", [accept(PUBLIC_4), accept(PUBLIC_6, limit=128)], ["10.1.0.11"]),
    static_group("tor-a", [accept(PUBLIC_6)], ["2001:db8:a::11"]),
)
DYNAMIC = switch(
    dynamic_group("10.1.0.0/24", [accept(PUBLIC_4)]),
    dynamic_group("2001:db8:a::/64", [accept(PUBLIC_6)]),
    listen_limit=200,
)
TIMERS_AND_BFD = switch(
    static_group(
        "tor-a",
        [accept(PUBLIC_4)],
        ["10.1.0.11"],
        timers=Timers(keepalive_s=3, hold_s=9, connect_s=5),
        multihop=True,
        bfd=True,
    ),
)
VRFS = switch(
    static_group("tor-a", [accept(PUBLIC_4)], ["10.1.0.11"]),
    static_group("tor-a", [accept(PUBLIC_4)], ["10.1.0.11"], vrf="Vrf_blue"),
    dynamic_group("10.2.0.0/24", [accept(PUBLIC_4)], vrf="Vrf_blue"),
    listen_limit=100,
)
LONG_NAMES = switch(
    static_group("a-peer-whose-name-takes-room-too", [accept(LONG_POOL)], ["10.1.0.11"]),
    static_group(
        "a-peer-whose-name-takes-room-too", [accept(LONG_POOL)], ["10.1.0.11"], vrf="Vrf_twelve-345"
    ),
)
EXAMPLES = {
    "static neighbors": STATIC,
    "both families": DUAL_STACK,
    "listen ranges": DYNAMIC,
    "timers, multihop and BFD": TIMERS_AND_BFD,
    "two VRFs": VRFS,
    "long names": LONG_NAMES,
}
