"""Small networks for the FRR tests, written by hand: two pools, some classes, some peers."""

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from ferrule.compiler.network import (
    BGP_PORT,
    Advertisement,
    Attributes,
    BfdProfile,
    Family,
    Network,
    Node,
    NodeEnd,
    PrefixSet,
    RouteClass,
    Secret,
    Service,
    Session,
    SwitchEnd,
    Term,
    Timers,
    family_of,
)
from ferrule.compiler.source import Document, Origin


def origin(name: str) -> Origin:
    return Origin(Document({"kind": "Test", "metadata": {"name": name}}))


def prefix_set(pool: str, length: int, *cidrs: str) -> PrefixSet:
    networks = tuple(ip_network(cidr) for cidr in cidrs)
    return PrefixSet(pool, family_of(networks[0]), length, networks, origin(pool))


PUBLIC4 = prefix_set("public", 32, "192.0.2.0/24", "198.51.100.7/32")
PUBLIC6 = prefix_set("public", 128, "2001:db8:1::/64")
AGGREGATE = prefix_set("public", 24, "192.0.2.0/24", "198.51.100.7/32")
INTERNAL = prefix_set("internal", 32, "203.0.113.0/24")
SETS = {one.key: one for one in (PUBLIC4, PUBLIC6, AGGREGATE, INTERNAL)}


def route_class(prefixes: PrefixSet, *terms: Term) -> RouteClass:
    return RouteClass(prefixes.pool, prefixes.family, prefixes.length, terms or (term(),))


def term(*peers: str, local_pref: int | None = None, communities: str = "") -> Term:
    """`communities` as in a BGPAdvertisement: `65000:1 large:65000:1:2`."""
    words = communities.split()
    plain = tuple(one for one in words if not one.startswith("large:"))
    large = tuple(one.removeprefix("large:") for one in words if one.startswith("large:"))
    return Term(peers, Attributes(local_pref, plain, large))


PLAIN = route_class(PUBLIC4)
ALL4 = route_class(PUBLIC4, term(local_pref=200, communities="65000:1 65535:65281"))
ALL6 = route_class(PUBLIC6, term(local_pref=200, communities="65000:1 large:65000:1:2"))
ONLY_A4 = route_class(PUBLIC4, term("tor-a", communities="large:65000:1:2 large:65000:1:10"))
ONLY_A6 = route_class(PUBLIC6, term("tor-a"))
BOTH4 = route_class(
    PUBLIC4, term("tor-a", communities="65000:2"), term("tor-a", "tor-b", communities="65000:11")
)
SUMMARY = route_class(AGGREGATE)
PRIVATE = route_class(INTERNAL)
CLASSES = (ALL4, ALL6, ONLY_A4, ONLY_A6, BOTH4, SUMMARY, PRIVATE)


def advertise(prefix: str, one: RouteClass, *services: str) -> Advertisement:
    return Advertisement(ip_network(prefix), one, services or ("shop/web",))


ADVERTISEMENTS = (
    advertise("192.0.2.0/24", SUMMARY),
    advertise("192.0.2.9/32", ALL4),
    advertise("192.0.2.10/32", ONLY_A4, "shop/db"),
    advertise("192.0.2.100/32", BOTH4),
    advertise("198.51.100.7/32", ALL4),
    advertise("203.0.113.1/32", PRIVATE),
    advertise("2001:db8:1::9/128", ALL6),
    advertise("2001:db8:1::10/128", ONLY_A6, "shop/db"),
)

FAST = BfdProfile(
    "fast",
    receive_interval_ms=100,
    transmit_interval_ms=150,
    echo_interval_ms=50,
    detect_multiplier=5,
    minimum_ttl=250,
    echo_mode=False,
    passive_mode=True,
    origin=origin("fast"),
)
PASSWORD = Secret("<secret:fabric/tor-a>", "p4ss!w0rd")


def end(neighbor: str, **fields: Any) -> NodeEnd:
    """A node's end towards an address or, where it is none, an interface; AS 65001 to 65000."""
    address: IPv4Address | IPv6Address | None = None
    try:
        address = ip_address(neighbor)
        families: tuple[Family, ...] = (family_of(address),)
    except ValueError:
        families = ("ipv4", "ipv6")
    plain = NodeEnd(
        asn=65001,
        local_asn=None,
        vrf="",
        neighbor=address,
        interface=None if address else neighbor,
        remote_as=65000,
        address=None,
        source_address=None,
        port=BGP_PORT,
        families=families,
        timers=Timers(),
        multihop=False,
        graceful_restart=False,
        bfd=None,
        password=None,
    )
    return replace(plain, **fields)


def session(peer: str, node_end: NodeEnd, node: str = "node-1") -> Session:
    far = node_end.neighbor or node_end.interface
    return Session(f"{node}/{peer}/{far}", peer, node, node_end, None, origin(peer))


def switch_session(peer: str, switch: str, node_end: NodeEnd, node: str = "node-1") -> Session:
    """As `session`, with a far end that is a switch of ours."""
    assert node_end.neighbor is not None
    far = SwitchEnd(
        switch, "default", 65000, node_end.neighbor, ip_address("10.1.0.10"), "group", None
    )
    return replace(session(peer, node_end, node), switch_end=far)


def node(
    *sessions: Session,
    advertisements: tuple[Advertisement, ...] = ADVERTISEMENTS,
    classes: tuple[RouteClass, ...] = CLASSES,
    name: str = "node-1",
) -> Node:
    router_id = IPv4Address("10.1.0.10") if sessions else None
    return Node(name, router_id, sessions, classes, advertisements, (), origin(name))


def network(*nodes: Node, cluster: str = "prod", sets: Iterable[PrefixSet] = ()) -> Network:
    services = tuple(
        Service(key, "public", (), None, origin(key)) for key in ("shop/db", "shop/web")
    )
    extra = {one.key: one for one in sets}
    return Network(cluster, services, nodes, (), SETS | extra)


# Everything a node can say, spread over neighbors as a spec might spread it.
RICH = node(
    switch_session("tor-a", "leaf-1", end("10.1.0.1", bfd=FAST, password=PASSWORD)),
    switch_session(
        "tor-a",
        "leaf-1",
        end("2001:db8:a::1", bfd=FAST, source_address=ip_address("2001:db8:a::10")),
    ),
    session(
        "tor-b",
        end(
            "10.9.0.1",
            local_asn=65009,
            remote_as="external",
            port=1790,
            multihop=True,
            source_address=ip_address("10.1.0.10"),
            families=("ipv4", "ipv6"),
            timers=Timers(10, 30, 5),
            graceful_restart=True,
        ),
    ),
    session("reflector", end("10.1.0.3", remote_as=65001, timers=Timers(0, 0))),
    session("fabric", end("eth10", remote_as="external")),
    session("fabric", end("eth2", remote_as="external", graceful_restart=True)),
    session("tenant", end("10.7.0.1", vrf="red", remote_as="internal")),
)
