"""Hypothesis: a node in the wild, by all that a spec may say of it and others may have on it.

Richer than `frr_strategies`, which is for the model of FRR in `future`; this is for FRR itself.
What others have need not make sense, nor does FRR have to take each line of it: what counts is what
it runs then.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from backends.frr_drift import FAMILY as FAMILY_DRIFT
from backends.frr_drift import NEIGHBOR, about
from backends.frr_networks import advertise, network, origin, prefix_set, session, switch_session
from hypothesis import strategies as st

from ferrule.compiler.backends.frr import lower
from ferrule.compiler.backends.frr.model import Model, Neighbor
from ferrule.compiler.network import (
    Advertisement,
    Attributes,
    BfdProfile,
    Network,
    Node,
    NodeEnd,
    PrefixSet,
    RouteClass,
    Secret,
    Session,
    Term,
    Timers,
    family_of,
)

LONG = "a-name-that-is-as-long-as-kubernetes-lets-it-be." * 5
CLUSTERS = ("prod", "prod", "prod-1", "p", "a-cluster-of-20-char")
ASN, WIDE_ASN = 65001, 4200000001
LOCAL = (65000, 65002, 65009, WIDE_ASN + 5)
ROUTER_ID = IPv4Address("10.1.0.10")
PEERS = ("tor-a", "tor-b", "reflector", LONG[:253].rstrip("."), LONG[:200].rstrip(".") + "b")
NEIGHBORS = (
    "10.1.0.1",
    "10.1.0.2",
    "10.9.0.1",
    "2001:db8:a::1",
    "2001:db8:a:0:1:0:0:2",
    "::192.0.2.1",
    "64:ff9b::192.0.2.9",
    "::1:0",
    "fe80::1",
    "eth0",
    "bond0.100",
    "eth2",
    "eth10",
)
PASSWORDS = (
    "p4ss!w0rd",
    "!x",
    "#x",
    "?x",
    "no",
    "8",
    "<x>",
    "{[(`$'\"\\;&~^%*",
    "-" * 80,
    "a,b:c=d@e/f",
    "exit",
)
POOLS = (
    prefix_set("public", 32, "192.0.2.0/24", "198.51.100.7/32"),
    prefix_set("public", 32, "192.0.2.0/25", "198.51.100.0/24"),
    prefix_set("public", 24, "192.0.2.0/24", "198.51.100.0/23"),
    prefix_set("public", 128, "2001:db8:1::/64", "::192.0.2.0/120"),
    prefix_set("public", 128, "2001:db8:1::/65", "64:ff9b::/96"),
    prefix_set("public", 64, "2001:db8:1::/48"),
    prefix_set("anything", 32, "0.0.0.0/0"),
    prefix_set("anything", 128, "::/0"),
    prefix_set("anything", 0, "0.0.0.0/0"),
    prefix_set(LONG[:253].rstrip("."), 32, "203.0.113.0/24"),
    prefix_set(LONG[:252].rstrip("."), 32, "203.0.113.0/25"),
)
COMMUNITIES = ("65000:1", "0:0", "0:1", "65535:65281", "65535:666", "65535:65283", "65535:9", "1:2")
LARGE = ("65000:1:2", "0:0:0", "4294967295:4294967295:4294967295")


def maybe(draw: st.DrawFn, value: Any, of: int = 4) -> Any:
    """A value now and then, else None."""
    return draw(value) if draw(st.integers(1, of)) == 1 else None


@st.composite
def profiles(draw: st.DrawFn) -> BfdProfile:
    interval = st.sampled_from((10, 50, 300, 301, 60000))
    return BfdProfile(
        draw(st.sampled_from(("fast", "slow", LONG[:253].rstrip(".")))),
        maybe(draw, interval, 2),
        maybe(draw, interval, 2),
        maybe(draw, st.sampled_from((10, 50, 60, 60000)), 2),
        maybe(draw, st.sampled_from((2, 3, 4, 255)), 2),
        maybe(draw, st.sampled_from((1, 250, 254)), 2),
        draw(st.booleans()),
        draw(st.booleans()),
        origin("fast"),
    )


@st.composite
def timers(draw: st.DrawFn) -> Timers:
    hold = maybe(draw, st.sampled_from((0, 3, 9, 30, 31, 180, 65535)), 2)
    connect = maybe(draw, st.sampled_from((1, 10, 120, 65535)), 3)
    if hold is None:
        return Timers(connect_s=connect)
    return Timers(draw(st.sampled_from((0, 1, 3, hold // 3, hold))), hold, connect)


@st.composite
def sessions(
    draw: st.DrawFn, neighbor: str, asn: int, bfd: tuple[BfdProfile, ...], vrf: str
) -> Session:
    """What passes the front end: localASN is for eBGP, ebgpMultiHop too."""
    address: IPv4Address | IPv6Address | None = None
    own: tuple[Any, ...] = ("ipv4", "ipv6")
    try:
        address = ip_address(neighbor)
        own = (family_of(address),)
    except ValueError:
        pass
    remote: Any = draw(
        st.sampled_from((65000, 65002, WIDE_ASN + 65537, asn, "external", "internal"))
    )
    far = remote not in (asn, "internal")
    plain = draw(st.booleans())  # half of them hold few surprises
    end = NodeEnd(
        asn=asn,
        local_asn=maybe(draw, st.sampled_from([one for one in LOCAL if one not in (asn, remote)]))
        if far
        else None,
        vrf=vrf,
        neighbor=address,
        interface=None if address else neighbor,
        remote_as=remote,
        address=None,
        source_address=None
        if plain
        else draw(
            st.sampled_from(
                (ROUTER_ID, None)
                if own == ("ipv4",)
                else (ip_address("2001:db8:a::10"), ip_address("::192.0.2.7"), None)
            )
        ),
        port=draw(st.sampled_from((179, 179, 1, 1790, 65535))),
        families=draw(st.sampled_from((own, own, ("ipv4", "ipv6"), ("ipv4",), ("ipv6",)))),
        timers=Timers() if plain else draw(timers()),
        multihop=far and draw(st.booleans()),
        graceful_restart=not plain and draw(st.booleans()),
        bfd=draw(st.sampled_from(bfd)) if bfd and not plain else None,
        password=Secret("<secret:fabric/x>", draw(st.sampled_from(PASSWORDS)))
        if draw(st.booleans())
        else None,
    )
    peer = draw(st.sampled_from(PEERS))
    if address and draw(st.booleans()):
        return switch_session(peer, draw(st.sampled_from(("leaf-1", LONG[:63]))), end)
    return session(peer, end)


@st.composite
def attributes(draw: st.DrawFn) -> Attributes:
    return Attributes(
        maybe(draw, st.sampled_from((0, 100, 4294967295)), 2),
        tuple(draw(st.lists(st.sampled_from(COMMUNITIES), unique=True, max_size=3))),
        tuple(draw(st.lists(st.sampled_from(LARGE), unique=True, max_size=2))),
        draw(st.sampled_from((0, 0, 1, 3))),
    )


@st.composite
def classes(draw: st.DrawFn, pool: PrefixSet) -> RouteClass:
    said = draw(attributes())
    peers = draw(st.sampled_from(((), (), ("tor-a",), ("tor-a", "tor-b"), (PEERS[3],))))
    return RouteClass(pool.pool, pool.family, pool.length, (Term(peers, said, origin("ad")),))


@st.composite
def tables(
    draw: st.DrawFn, sets: list[PrefixSet], of: list[RouteClass]
) -> tuple[Advertisement, ...]:
    """Prefixes of the pools, each in one class."""
    table: dict[Any, Advertisement] = {}
    for one in of:
        (pool,) = (each for each in sets if each.key == (one.pool, one.family, one.length))
        for _ in range(draw(st.sampled_from((0, 1, 2, 3)))):
            block = draw(st.sampled_from(pool.blocks))
            room = (1 << (pool.length - block.prefixlen)) - 1
            number = draw(st.sampled_from((0, 1, 9, 200, room))) & room
            base = int(block.network_address)
            bits = block.max_prefixlen - pool.length
            prefix = ip_network((base + (number << bits), pool.length))
            table.setdefault(prefix, advertise(str(prefix), one))
    return tuple(sorted(table.values(), key=lambda row: (row.prefix.version, row.prefix)))


@st.composite
def networks(draw: st.DrawFn, cluster: str, asn: int, cast: dict[str, str]) -> Network:
    """One node with most of a cast of neighbors, each in its VRF; now and then with none."""
    bfd = {one.name: one for one in draw(st.lists(profiles(), max_size=3))}
    usual = tuple(bfd.values())
    every = [
        draw(sessions(neighbor, asn, usual, draw(st.sampled_from((vrf, vrf, vrf, "", "red")))))
        for neighbor, vrf in cast.items()
        if draw(st.integers(1, 4)) > 1
    ]
    sets = {one.key: one for one in draw(st.permutations(POOLS))[:4]}
    known = [
        one
        for pool in sets.values()
        for one in draw(st.lists(classes(pool), min_size=1, max_size=2, unique=True))
    ]
    device = Node(
        "node-1",
        ROUTER_ID if every else None,
        tuple(every),
        tuple(known),
        draw(tables([*sets.values()], known)),
        (),
        origin("node-1"),
    )
    return network(device, cluster=cluster, sets=sets.values())


@st.composite
def casts(draw: st.DrawFn) -> dict[str, str]:
    """Some neighbors and their VRFs."""
    names = draw(st.permutations(NEIGHBORS))[: draw(st.integers(1, 5))]
    return {one: draw(st.sampled_from(("", "", "red", "Vrf_blue-15chars"))) for one in names}


def lowered(whole: Network) -> Model:
    return lower(whole.nodes[0], whole)


# What others have.

NAMES = (
    "mine",
    "ferrule-prod",
    "ferrule-pro_x",
    "ferrule-_x",
    "ferrule-other_in",
    "FERRULE-prod_x",
    "xferrule-prod_x",
    "ferrule-prod-1-b_public_ipv4_32",
)
LISTS = (
    "ip prefix-list {} seq 5 permit 10.0.0.0/8 le 32",
    "ip prefix-list {} seq 7 deny any",
    "ip prefix-list {} description ferrule-prod_in",
    "ipv6 prefix-list {} seq 5 permit ::/0 le 128",
    "access-list {} seq 5 permit 10.0.0.0/8",
    "ipv6 access-list {} seq 5 permit 2001:db8::/32",
    "bgp community-list standard {} seq 5 permit 65000:1",
    "bgp community-list expanded {} seq 5 permit 65000:.*",
    "bgp large-community-list standard {} seq 5 permit 65000:1:1",
    "bgp extcommunity-list standard {} seq 5 permit rt 65000:1",
    "bgp as-path access-list {} seq 5 permit ^65099$",
)
MAPS = (
    "route-map {} permit 10\n match ip address prefix-list mine\n set metric 5\nexit",
    "route-map {} permit 20\n description set tag 7\n on-match next\n set tag 7\nexit",
    "route-map {} deny 30\n match community mine\nexit",
    "route-map {} permit 40\n call mine\n set community 65000:9 additive\nexit",
    "route-map {} permit 65535\n set as-path prepend 65001 65001\n set local-preference 5\nexit",
)
TOPS = (
    "ip route 198.18.9.0/24 Null0",
    "ip route 198.18.9.0/24 Null0 tag 2147483700",
    "ipv6 route 2001:db8:99::/48 Null0",
    "interface eth0\n description router bgp 65001\nexit",
    "interface eth7\n description uplink\nexit",
    "vrf red\n ip route 198.18.2.0/24 Null0\nexit-vrf",
    "bfd\n profile mine\n  transmit-interval 400\n exit\nexit",
    "bfd\n profile ferrule-other_fast\n  detect-multiplier 9\n  echo-mode\n exit\nexit",
    "bfd\n profile ferrule-prod\n exit\nexit",
    "bfd\n peer 10.1.0.77 interface eth0\n  profile mine\n exit\nexit",
    "debug bgp updates",
    "bgp send-extra-data zebra",
    "ip nht resolve-via-default",
    "banner motd line router bgp 65001",
    "log timestamp precision 3",
    "no ip forwarding",
    "ip protocol bgp route-map mine",
    "router bgp 65050 vrf green\n bgp router-id 10.5.0.1\n neighbor 10.5.0.2 remote-as 65051\nexit",
    "router bgp 65050 view aside\n neighbor 10.5.0.3 remote-as 65051\nexit",
    "router bgp 65001 vrf teal\n address-family ipv4 unicast\n  import vrf blue\n"
    " exit-address-family\nexit",
    "router bgp 65001 vrf teal\n address-family ipv4 unicast\n  network 10.6.0.0/16\n"
    " exit-address-family\nexit",
)
ROUTER = (
    "bgp log-neighbor-changes",
    "no bgp log-neighbor-changes",
    "bgp router-id 10.1.0.11",
    "no bgp default ipv4-unicast",
    "no bgp default ipv4-unicast",
    "bgp default ipv6-unicast",
    "bgp default local-preference 250",
    "no bgp ebgp-requires-policy",
    "no bgp network import-check",
    "bgp bestpath as-path multipath-relax",
    "bgp cluster-id 10.0.0.9",
    "bgp graceful-restart",
    "bgp graceful-restart preserve-fw-state",
    "bgp route-map delay-timer 1",
    "timers bgp 3 9",
    "coalesce-time 100",
    "no bgp suppress-duplicates",
    "bgp listen range 10.30.0.0/16 peer-group rack",
    "bgp confederation identifier 65123",
    "neighbor rack peer-group",
    "neighbor rack peer-group\n neighbor rack remote-as external\n neighbor rack bfd",
    "neighbor rack peer-group\n neighbor rack remote-as 65099\n neighbor 10.1.0.99 peer-group rack",
    "neighbor ferrule-prod_x peer-group\n neighbor ferrule-prod_x timers 3 9",
    "neighbor 10.1.0.98 remote-as 65098\n neighbor 10.1.0.98 password route-map",
    "neighbor 10.1.0.98 remote-as 65098\n neighbor 10.1.0.98 description ferrule-prod_out out",
    "neighbor 10.1.0.97 remote-as internal\n neighbor 10.1.0.97 bfd profile mine",
    "neighbor 10.1.0.97 remote-as internal\n neighbor 10.1.0.97 shutdown message gone fishing",
    "neighbor 2001:db8:a::98 remote-as 65098\n neighbor 2001:db8:a::98 ebgp-multihop 3",
    "neighbor eth7 interface remote-as external",
    "neighbor eth8 interface v6only remote-as 65098",
    "neighbor eth9 interface peer-group rack",
)
ALONE = " bgp bestpath compare-routerid"  # one of which all is ours, or nothing, would be ours
FAMILY = (
    "network {} ",
    "network {} route-map mine",
    "network {} route-map ferrule-other_in",
    "network {} backdoor",
    "aggregate-address {} summary-only",
    "redistribute connected route-map mine",
    "redistribute static",
    "maximum-paths 8",
    "maximum-paths ibgp 3",
    "table-map mine",
    "distance bgp 21 201 201",
    "neighbor rack activate",
    "neighbor rack route-map mine out",
    "neighbor rack route-map ferrule-prod_in out",
    "neighbor 10.1.0.98 route-map ferrule-prod_in in",
    "neighbor rack route-map ferrule-other_in in",
    "neighbor 10.1.0.98 activate",
    "neighbor 10.1.0.98 route-map ferrule-other_in out",
    "neighbor 10.1.0.98 allowas-in 2",
    "neighbor 10.1.0.97 route-reflector-client",
    "neighbor 10.1.0.97 maximum-prefix 10 warning-only",
    "neighbor 2001:db8:a::98 activate",
    "neighbor 2001:db8:a::98 soft-reconfiguration inbound",
    "neighbor eth7 activate",
    "neighbor eth9 activate",
    "no neighbor 10.1.0.98 send-community",
)
OTHER_FAMILIES = (
    "address-family ipv4 multicast\n  neighbor 10.1.0.98 activate\n exit-address-family",
    "address-family ipv4 vpn\n  neighbor 10.1.0.98 activate\n exit-address-family",
    "address-family l2vpn evpn\n  neighbor 10.1.0.98 activate\n exit-address-family",
    "address-family ipv4 labeled-unicast\n  neighbor rack activate\n exit-address-family",
)
PREFIXES = {
    "ipv4": ("10.20.0.0/16", "10.21.1.1/32"),
    "ipv6": ("2001:db8:77::/48", "::10.0.0.1/128"),
}


def some(draw: st.DrawFn, of: tuple[str, ...], most: int = 4) -> list[str]:
    return draw(st.permutations(of))[: draw(st.integers(0, most))]


@st.composite
def routers(draw: st.DrawFn, asn: int, vrf: str) -> str:
    """Lines in a `router bgp` that may be ours as well."""
    said = [ALONE, *(f" {one}" for one in some(draw, ROUTER, 6))]
    for family, prefixes in PREFIXES.items():
        if inside := some(draw, FAMILY):
            said.append(f" address-family {family} unicast")
            said += [f"  {one.format(draw(st.sampled_from(prefixes)))}" for one in inside]
            said.append(" exit-address-family")
    said += [f" {one}" for one in some(draw, OTHER_FAMILIES, 1)]
    return "\n".join((f"router bgp {asn}{f' vrf {vrf}' if vrf else ''}", *said, "exit"))


@st.composite
def strangers(draw: st.DrawFn, asn: int, cluster: str) -> str:
    """What others have, or what they add; also inside the instances of ours."""
    names = st.sampled_from([one for one in NAMES if not one.startswith(f"ferrule-{cluster}_")])
    said = [one.format(draw(names)) for one in (*some(draw, LISTS), *some(draw, MAPS, 3))]
    said += some(draw, TOPS)
    said += [draw(routers(asn, vrf)) for vrf in ("", "red") if draw(st.booleans())]
    return "\n".join(draw(st.permutations(said))) + "\n"


GROUP = (" neighbor group peer-group", " neighbor group remote-as external")
DRIFT = tuple(line for line in NEIGHBOR if not line.startswith(("remote-as", "peer-group")))
HELD = (*FAMILY_DRIFT, "route-map mine out", "prefix-list mine out")


@st.composite
def holders(draw: st.DrawFn, model: Model) -> tuple[str, frozenset[str]]:
    """What others have in the place of ours, and the names by which they hand it over."""
    routers = ["route-map mine permit 10\nexit"]
    names: set[str] = set()
    for instance in model.instances:
        said = [ALONE, *draw(st.sampled_from(([], [" no bgp default ipv4-unicast"]))), *GROUP]
        for one in instance.neighbors:
            if draw(st.booleans()):
                continue
            bound = draw(st.integers(1, 4)) == 1
            what = "peer-group group" if bound else f"remote-as {_their_as(draw, one)}"
            said.append(f" neighbor {one.name}{' interface' * one.unnumbered} {what}")
            said += [f" {about(str(one.name), line)}" for line in some(draw, DRIFT)]
            for family in ("ipv4", "ipv6"):
                lines = draw(st.sampled_from(((), ("activate",)))) + tuple(some(draw, HELD, 3))
                said += [
                    f" address-family {family} unicast",
                    *(f"  {about(str(one.name), line)}" for line in lines),
                    " exit-address-family",
                ]
            names.add("group" if bound else str(one.name))
        for part in instance.families:
            for line in part.networks.lines:
                if draw(st.integers(1, 4)) == 1:
                    how = draw(st.sampled_from(("", " route-map mine", " label-index 7")))
                    said += [
                        f" address-family {part.family} unicast",
                        f"  network {line.prefix}{how}",
                        " exit-address-family",
                    ]
                    names.add(str(line.prefix))
        vrf = f" vrf {instance.vrf}" if instance.vrf else ""
        routers += [f"router bgp {instance.asn}{vrf}", *said, "exit"]
    return "\n".join((*routers, "")), frozenset(names)


def _their_as(draw: st.DrawFn, one: Neighbor) -> int | str:
    return draw(st.sampled_from((one.remote_as, one.remote_as, 65077)))


@dataclass(frozen=True)
class World:
    """A node, what others have on it before us and add later, and what we want first and then."""

    cluster: str
    profile: str
    notation: str  # "", or how a shared `router bgp` is to spell AS numbers: 10.x only
    asn: int
    before: str
    between: str
    first: Model
    second: Model
    held: str  # what others have in the place of the first, and the names to hand it over
    names: frozenset[str]
    cut: float  # where a load ends too soon
    back: bool  # whether it is then taken back, or finished


@st.composite
def worlds(draw: st.DrawFn) -> World:
    cluster = draw(st.sampled_from(CLUSTERS))
    asn = draw(st.sampled_from((ASN, ASN, WIDE_ASN)))
    cast = draw(casts())
    first = lowered(draw(networks(cluster, asn, cast)))
    held, names = draw(holders(first)) if draw(st.booleans()) else ("", frozenset())
    return World(
        cluster,
        draw(st.sampled_from(("traditional", "datacenter"))),
        draw(st.sampled_from(("", "", "", "dot", "dot+"))),
        asn,
        draw(strangers(asn, cluster)),
        draw(strangers(asn, cluster)) if draw(st.booleans()) else "",
        first,
        lowered(draw(networks(cluster, asn, cast))),
        held,
        names,
        draw(st.floats(0, 1)),
        draw(st.booleans()),
    )
