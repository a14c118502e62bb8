"""Hypothesis: nodes of every kind, and what others may have on the same node."""

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from backends.frr_networks import (
    ADVERTISEMENTS,
    CLASSES,
    FAST,
    PASSWORD,
    end,
    network,
    node,
    session,
)
from hypothesis import strategies as st

from ferrule.compiler.backends.frr import lower
from ferrule.compiler.backends.frr.model import Model
from ferrule.compiler.network import Advertisement, Prefix, Session, Timers, family_of

SLOW = replace(FAST, name="slow", detect_multiplier=None, echo_mode=True, passive_mode=False)
NEIGHBORS = ("10.1.0.1", "10.1.0.2", "10.9.0.1", "2001:db8:a::1", "2001:db8:a::2", "eth2")
PEERS = ("tor-a", "tor-b", "reflector")


@st.composite
def sessions(draw: st.DrawFn, neighbor: str) -> Session:
    own = () if neighbor == "eth2" else (family_of(ip_address(neighbor)),)
    fields: dict[str, Any] = {
        "remote_as": draw(st.sampled_from([65000, 65001, "external", "internal"])),
        "local_asn": draw(st.sampled_from([None, None, 65009])),
        "vrf": draw(st.sampled_from(["", "", "red"])),
        "port": draw(st.sampled_from([179, 179, 1790])),
        "timers": draw(st.sampled_from([Timers(), Timers(10, 30, 5), Timers(connect_s=7)])),
        "multihop": draw(st.booleans()),
        "graceful_restart": draw(st.booleans()),
        "bfd": draw(st.sampled_from([None, FAST, SLOW])),
        "password": draw(st.sampled_from([None, PASSWORD])),
        "source_address": draw(st.sampled_from([None, ip_address("10.1.0.10")])),
        "families": draw(st.sampled_from([own or ("ipv4",), ("ipv4", "ipv6")])),
    }
    return session(draw(st.sampled_from(PEERS)), end(neighbor, **fields))


@st.composite
def models(draw: st.DrawFn, cluster: str = "prod") -> Model:
    """A node of a cluster; now and then one without any session."""
    neighbors = draw(st.lists(st.sampled_from(NEIGHBORS), unique=True, max_size=4))
    classes = tuple(one for one in CLASSES if draw(st.booleans()))
    table: dict[Prefix, Advertisement] = {}
    for row in ADVERTISEMENTS:
        of = (row.route_class.family, row.prefix.prefixlen)
        fits = [one for one in classes if (one.family, one.length) == of]
        if draw(st.booleans()) and fits:
            table[row.prefix] = replace(row, route_class=draw(st.sampled_from(fits)))
    device = node(
        *(draw(sessions(neighbor)) for neighbor in neighbors),
        classes=classes,
        advertisements=tuple(table.values()),
    )
    return lower(device, network(device, cluster=cluster))


# What others have. Every line of it holds one of these words, and none of ours does.
MARKS = ("theirs", "10.200.", "2001:db8:200:", "65200", "ferrule-prod-2_", "maximum-paths", "log-")

TOPS = (
    "ip route 10.200.1.0/24 Null0",
    "access-list theirs seq 5 permit any",
    "ip prefix-list theirs seq 5 permit any",
    "ip prefix-list theirs description ferrule-prod_x",
    "ip prefix-list ferrule-prod-2_public_ipv4_32 seq 5 permit any",
    "bgp community-list standard theirs seq 5 permit 65000:1",
    "route-map theirs permit 10\n match ip address prefix-list theirs\nexit",
    "route-map ferrule-prod-2_out_tor-a_ipv4 permit 10\n set community 65200:1\nexit",
    "interface theirs\n description theirs\nexit",
    "vrf theirs\n ip route 10.200.2.0/24 Null0\nexit-vrf",
    "router ospf vrf theirs\n network 10.200.0.0/16 area 10.200.0.0\nexit",
    "router bgp 65200 vrf theirs\n bgp router-id 10.200.0.1\n"
    " address-family ipv4 unicast\n  network 10.200.7.0/24\n exit-address-family\nexit",
    "router bgp 65200 view theirs\n neighbor 10.200.0.9 remote-as 65200\nexit",
    "! theirs",
)
ROUTER = " bgp log-neighbor-changes"
ROUTERS = (
    " neighbor theirs peer-group",
    " neighbor theirs remote-as external",
    " neighbor 10.200.0.1 peer-group theirs",
    " neighbor 10.200.0.2 remote-as 65200",
    " neighbor 2001:db8:200::1 remote-as 65200",
    " bgp default local-preference 65200",
    " ! theirs",
)
FAMILIES = (
    "  network 10.200.3.0/24",
    "  network 10.200.4.0/24 route-map theirs",
    "  network 10.200.5.0/24 route-map ferrule-prod-2_public_ipv4_32_00000000",
    "  redistribute connected route-map theirs",
    "  neighbor theirs activate",
    "  neighbor 10.200.0.1 route-map theirs out",
    "  neighbor 10.200.0.2 route-map ferrule-prod-2_out_tor-a_ipv4 out",
    "  maximum-paths 8",
)
PROFILES = (
    " profile theirs\n  transmit-interval 400\n exit",
    " profile ferrule-prod-2_fast\n exit",
    " peer 10.200.0.1\n exit",
)


def some(of: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(of), unique=True)


@st.composite
def surroundings(draw: st.DrawFn) -> str:
    """A node's running-config before anything of ours came."""
    tops = draw(some(TOPS))
    if profiles := draw(some(PROFILES)):
        tops.append("\n".join(("bfd", *profiles, "exit")))
    if draw(st.booleans()):
        routers = draw(some(ROUTERS))
        plain = draw(st.sampled_from([[], [" no bgp default ipv4-unicast"]]))
        families = draw(some(FAMILIES))
        inside = [" address-family ipv4 unicast", *families, " exit-address-family"]
        # One that is empty would be taken for ours as soon as we are in it.
        routers = [*plain, ROUTER, *routers, *(inside if families else [])]
        tops.append("\n".join(("router bgp 65001", *routers, "exit")))
    profile = draw(st.sampled_from(["traditional", "datacenter"]))
    said = "\n!\n".join(
        (f"frr version 8.4.4\nfrr defaults {profile}", *draw(st.permutations(tops)))
    )
    return f"{said}\n!\nend\n"


# What others have in the place of ours.

NEIGHBOR = (
    "description theirs",
    "password theirs",
    "timers 3 9",
    "timers connect 7",
    "advertisement-interval 7",
    "ebgp-multihop 3",
    "bfd",
    "bfd profile theirs",
    "shutdown",
    "update-source 10.1.0.10",
)
IN_FAMILY = (
    "activate",
    "route-map theirs in",
    "route-map theirs out",
    "prefix-list theirs out",
    "soft-reconfiguration inbound",
    "maximum-prefix 100",
)


@st.composite
def occupied(draw: st.DrawFn, model: Model) -> tuple[str, frozenset[str]]:
    """A node on which others have some of what the model says, and the names to hand over."""
    tops = []
    names: set[str] = set()
    for instance in model.instances:
        plain = draw(st.sampled_from([[], [" no bgp default ipv4-unicast"]]))
        said, inside = [*plain, " neighbor theirs peer-group"], dict[str, list[str]]()
        for one in instance.neighbors:
            if draw(st.booleans()):
                continue
            kind = " interface" if one.unnumbered else ""
            bound = draw(st.sampled_from((False, False, True)))
            asn = draw(st.sampled_from((one.remote_as, one.remote_as, 65099)))
            said.append(
                f" neighbor {one.name}{kind} "
                + ("peer-group theirs" if bound else f"remote-as {asn}")
            )
            said += [f" neighbor {one.name} {text}" for text in draw(some(NEIGHBOR))]
            for family in ("ipv4", "ipv6"):
                implied = family == "ipv4" and not plain  # and then not printed
                lines = draw(some(IN_FAMILY[1:] if implied else IN_FAMILY))
                inside.setdefault(family, []).extend(
                    f"  neighbor {one.name} {text}" for text in lines
                )
            names.add("theirs" if bound else str(one.name))
        for part in instance.families:
            for line in part.networks.lines:
                if draw(st.integers(0, 3)) == 0:
                    how = draw(st.sampled_from(("", " route-map theirs", " label-index 7")))
                    inside.setdefault(part.family, []).append(f"  network {line.prefix}{how}")
                    names.add(str(line.prefix))
        for family, lines in inside.items():
            said += [f" address-family {family} unicast", *lines, " exit-address-family"]
        vrf = f" vrf {instance.vrf}" if instance.vrf else ""
        tops.append("\n".join((f"router bgp {instance.asn}{vrf}", *said, "exit")))
    text = "\n!\n".join(("frr version 8.4.4\nfrr defaults traditional", *tops))
    return f"{text}\n!\nend\n", frozenset(names)
