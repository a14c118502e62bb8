"""Pairs of nodes that differ in one thing: every way in which a spec may change a node."""

from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from typing import Any

from backends.frr_networks import (
    ADVERTISEMENTS,
    ALL4,
    CLASSES,
    FAST,
    INTERNAL,
    ONLY_A4,
    PASSWORD,
    PRIVATE,
    PUBLIC4,
    RICH,
    SETS,
    advertise,
    end,
    network,
    node,
    prefix_set,
    route_class,
    session,
    switch_session,
    term,
)

from ferrule.compiler.network import (
    Attributes,
    Network,
    RouteClass,
    Secret,
    Session,
    Term,
    Timers,
)

SLOW = replace(FAST, name="slow", detect_multiplier=9, passive_mode=False)


def peers(*more: Session, **fields: Any) -> Network:
    """Two peers, the first of them with these fields, and some more."""
    first = {"bfd": FAST, "password": PASSWORD, **fields}
    return network(
        node(
            session("tor-a", end(first.pop("neighbor", "10.1.0.1"), **first)),
            session("tor-b", end("2001:db8:a::2")),
            *more,
        )
    )


def serving(*table: Any, classes: Any = CLASSES, sets: Any = ()) -> Network:
    return network(
        node(
            session("tor-a", end("10.1.0.1")),
            session("tor-b", end("2001:db8:a::2")),
            advertisements=table,
            classes=classes,
        ),
        sets=sets,
    )


def moved(one: Any) -> Any:
    """The table with 192.0.2.9 in another class."""
    return tuple(
        replace(row, route_class=one) if str(row.prefix) == "192.0.2.9/32" else row
        for row in ADVERTISEMENTS
    )


def recoloured(communities: str, local_pref: int | None = None) -> Network:
    """One BGPAdvertisement with other attributes: another class for all its prefixes."""
    new = route_class(PUBLIC4, term(local_pref=local_pref, communities=communities))
    swap = {ALL4: new}
    return serving(
        *(
            replace(row, route_class=swap.get(row.route_class, row.route_class))
            for row in ADVERTISEMENTS
        ),
        classes=tuple(swap.get(one, one) for one in CLASSES),
    )


def longer(times: int, **fields: Any) -> Network:
    """One class, whose paths have the node's AS some times more."""
    said = Attributes(None, ("65000:1",), (), times)
    one = RouteClass("public", "ipv4", 32, (Term((), said, None),))
    return network(
        node(
            session("tor-a", end("10.1.0.1", **fields)),
            classes=(one,),
            advertisements=(advertise("192.0.2.9/32", one),),
        )
    )


def pool(*cidrs: str) -> Network:
    """The pool `public` with other addresses."""
    return serving(*ADVERTISEMENTS, sets=[prefix_set("public", 32, *cidrs)])


def without(*gone: Any) -> Network:
    return serving(
        *(row for row in ADVERTISEMENTS if row.route_class not in gone),
        classes=tuple(one for one in CLASSES if one not in gone),
    )


def rich(**fields: Any) -> Network:
    return network(replace(RICH, **fields))


TENANT = session("tenant", end("10.7.0.1", vrf="red"))
FABRIC = session("fabric", end("eth2", remote_as="external"))
assert SETS[INTERNAL.key] is INTERNAL

PAIRS: dict[str, tuple[Network, Network]] = {
    "a Service more": (
        serving(*ADVERTISEMENTS),
        serving(*ADVERTISEMENTS, advertise("192.0.2.11/32", ALL4)),
    ),
    "the first Service": (serving(), serving(advertise("2001:db8:1::9/128", CLASSES[1]))),
    "a prefix in another class": (serving(*ADVERTISEMENTS), serving(*moved(ONLY_A4))),
    "an advertisement with other communities": (
        recoloured("65000:1 0:0 large:65000:7:7"),
        recoloured("65000:3 65535:666"),
    ),
    "an advertisement without attributes": (recoloured("65000:1", 150), recoloured("")),
    "a path made longer by another AS": (longer(2), longer(2, local_asn=65009)),
    "a path made longer": (longer(0), longer(3)),
    "another pool": (without(PRIVATE), without()),
    "a pool with other addresses": (
        pool("192.0.2.0/24", "198.51.100.7/32"),
        pool("192.0.2.0/25", "192.0.2.128/26", "198.51.100.0/28"),
    ),
    "another peer": (peers(), peers(session("tor-c", end("10.1.0.3", bfd=SLOW)))),
    "a peer renamed": (
        serving(*ADVERTISEMENTS),
        network(node(session("tor-x", end("10.1.0.1")), session("tor-b", end("2001:db8:a::2")))),
    ),
    "a switch renamed": (
        network(node(switch_session("tor-a", "leaf-1", end("10.1.0.1")))),
        network(node(switch_session("tor-a", "leaf-2", end("10.1.0.1")))),
    ),
    "a peer at another address": (peers(), peers(neighbor="10.1.0.7")),
    "an unnumbered peer": (peers(), peers(FABRIC)),
    "other timers": (peers(timers=Timers(10, 30, 5)), peers(timers=Timers(3, 9, 7))),
    "a keepalive too long": (peers(timers=Timers(20, 31)), peers(timers=Timers(60, 180, 120))),
    "timers at all": (peers(), peers(timers=Timers(10, 30, 5))),
    "a connect time alone": (peers(timers=Timers(10, 30, 5)), peers(timers=Timers(connect_s=9))),
    "BFD": (peers(bfd=None), peers()),
    "another BFD profile": (peers(), peers(bfd=SLOW)),
    "a BFD profile with other values": (peers(), peers(bfd=replace(SLOW, name="fast"))),
    "a BFD profile with FRR's values": (
        peers(),
        peers(
            bfd=replace(
                FAST,
                receive_interval_ms=None,
                transmit_interval_ms=None,
                detect_multiplier=None,
                minimum_ttl=None,
                passive_mode=False,
            )
        ),
    ),
    "BFD with echo": (peers(), peers(bfd=replace(FAST, echo_mode=True, echo_interval_ms=60))),
    "another password": (peers(), peers(password=Secret("<secret:fabric/tor-a>", "other"))),
    "a password at all": (peers(password=None), peers()),
    "graceful restart": (peers(), peers(graceful_restart=True)),
    "graceful restart, unnumbered": (
        peers(FABRIC),
        peers(session("fabric", end("eth2", remote_as="external", graceful_restart=True))),
    ),
    "multihop": (peers(), peers(multihop=True)),
    "multihop over IPv6": (
        peers(neighbor="2001:db8:a::1"),
        peers(neighbor="2001:db8:a::1", multihop=True),
    ),
    "a source address": (
        peers(source_address=ip_address("10.1.0.10")),
        peers(source_address=None),
    ),
    "another port": (peers(port=1790), peers(port=1791)),
    "a port at all": (peers(), peers(port=1790)),
    "another AS far away": (peers(), peers(remote_as=65007)),
    "an AS of any kind": (peers(), peers(remote_as="external")),
    "iBGP": (peers(multihop=True), peers(remote_as=65001)),
    "iBGP by name": (peers(multihop=True, remote_as="external"), peers(remote_as="internal")),
    "iBGP over IPv6": (
        peers(neighbor="2001:db8:a::1"),
        peers(neighbor="2001:db8:a::1", remote_as=65001),
    ),
    "a local AS": (peers(), peers(local_asn=65009)),
    "another local AS": (peers(local_asn=65008), peers(local_asn=65009)),
    "an AS that was the local one": (
        peers(neighbor="2001:db8:a::1", remote_as=65000, local_asn=65002),
        peers(neighbor="2001:db8:a::1", remote_as=65002, local_asn=65009),
    ),
    "both families": (peers(), peers(families=("ipv4", "ipv6"))),
    "the other family": (peers(families=("ipv6",)), peers(families=("ipv4",))),
    "another VRF": (peers(), peers(TENANT)),
    "a neighbor that moves to a VRF": (peers(), peers(vrf="red")),
    "everything a node can say": (peers(), rich()),
}

# Where an instance is shared, its AS and its globals are not ours to change.
ALONE: dict[str, tuple[Network, Network]] = {
    "another router ID": (rich(), rich(router_id=IPv4Address("10.1.0.11"))),
    "another AS": (
        network(node(session("tor-a", end("10.1.0.1")))),
        network(node(session("tor-a", end("10.1.0.1", asn=65002)))),
    ),
    "another AS in all VRFs": (
        network(node(session("tor-a", end("10.1.0.1")), TENANT)),
        network(
            node(
                session("tor-a", end("10.1.0.1", asn=65002)),
                session("tenant", end("10.7.0.1", vrf="red", asn=65002)),
            )
        ),
    ),
}
