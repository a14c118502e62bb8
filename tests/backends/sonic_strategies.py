"""Random switches of one small world, so that two of them have much in common, and random others.

Every switch here is one that the compiler could make: a neighbor is in one group of its VRF, listen
ranges do not overlap. What others have on the switch is in the same tables as what we write.
"""

import json
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any

from backends.sonic_networks import (
    AGGREGATE_4,
    PUBLIC_4,
    PUBLIC_6,
    dynamic_group,
    network,
    prefix_set,
    static_group,
    switch,
)
from hypothesis import strategies as st

from ferrule.compiler.backends.sonic import lower, render
from ferrule.compiler.backends.sonic.model import Model
from ferrule.compiler.network import FAMILIES, Accept, Family, PeerGroup, PrefixSet, Switch, Timers

Tables = dict[str, dict[str, dict[str, Any]]]

Maker = Callable[[str, Family, Mapping[str, PrefixSet]], st.SearchStrategy[list[PeerGroup]]]

CLUSTER = "prod"
# Of one name there are several: a pool that was changed keeps the names of its sets.
SETS: Mapping[str, tuple[PrefixSet, ...]] = {
    "public 32": (PUBLIC_4, prefix_set("public", 32, "192.0.2.0/25", "203.0.113.0/24")),
    "public 24": (AGGREGATE_4, prefix_set("public", 24, "192.0.2.0/25")),
    "internal 32": (
        prefix_set("internal", 32, "10.9.0.0/16"),
        prefix_set("internal", 32, "10.9.0.0/17", "10.10.0.1/32"),
    ),
    "public 128": (PUBLIC_6, prefix_set("public", 128, "2001:db8:0:1::/65", "2001:db8:0:2::/64")),
    "internal 64": (prefix_set("internal", 64, "2001:db8:9::/56"),),
    "internal 65": (prefix_set("internal", 65, "2001:db8:9::/64", "2001:db8:a::/66"),),
}
NODES: Mapping[Family, tuple[str, ...]] = {
    "ipv4": ("10.1.0.11", "10.1.0.12", "10.1.0.13", "10.1.1.14"),
    "ipv6": ("2001:db8:a::11", "2001:db8:a::12"),
}
RANGES: Mapping[Family, tuple[tuple[str, ...], ...]] = {
    "ipv4": ((), ("10.1.0.0/24",), ("10.1.0.0/23",), ("10.1.0.0/25", "10.1.1.0/24")),
    "ipv6": ((), ("2001:db8:a::/64",)),
}
PEERS = (("tor-a", 65001), ("tor-a", 65002), ("tor-b", 65001), ("inside", 65000))
TIMERS = (Timers(), Timers(3, 9), Timers(connect_s=5), Timers(20, 60, 10), Timers(keepalive_s=3))


@st.composite
def switches(draw: st.DrawFn) -> Switch:
    """A switch with up to eight groups in up to two VRFs; sometimes with none."""
    sets = {name: draw(st.sampled_from(variants)) for name, variants in SETS.items()}
    dynamic = draw(st.booleans())
    groups: list[PeerGroup] = []
    vrfs = st.sampled_from(((), ("default",), ("default",), ("default", "Vrf_blue")))
    for vrf in draw(vrfs):
        for family in FAMILIES:
            make: Maker = _dynamic if dynamic else _static
            groups += draw(make(vrf, family, sets))
    limit = draw(st.sampled_from((100, 200))) if dynamic and groups else None
    return switch(*groups, listen_limit=limit)


@st.composite
def _accepts(draw: st.DrawFn, sets: Mapping[str, PrefixSet], own: Family) -> list[Accept]:
    """What a group takes: its own family, perhaps the other too, perhaps nothing in one."""
    families: tuple[Family, ...] = draw(st.sampled_from(((own,), (own,), FAMILIES)))
    chosen = draw(st.sets(st.sampled_from(sorted(sets)), max_size=4))
    return [
        Accept(
            family,
            tuple(sets[name] for name in sorted(chosen) if sets[name].family == family),
            draw(st.sampled_from((0, 64, 128, 1024))),
        )
        for family in families
    ]


@st.composite
def _static(
    draw: st.DrawFn, vrf: str, family: Family, sets: Mapping[str, PrefixSet]
) -> list[PeerGroup]:
    members: dict[tuple[str, int], list[str]] = {}
    for node in NODES[family]:
        peer = draw(st.sampled_from((None, *PEERS)))
        if peer is not None:
            members.setdefault(peer, []).append(node)
    return [
        static_group(
            name,
            draw(_accepts(sets, family)),
            nodes,
            asn=asn,
            vrf=vrf,
            timers=draw(st.sampled_from(TIMERS)),
            multihop=draw(st.booleans()),
            bfd=draw(st.booleans()),
        )
        for (name, asn), nodes in members.items()
    ]


@st.composite
def _dynamic(
    draw: st.DrawFn, vrf: str, family: Family, sets: Mapping[str, PrefixSet]
) -> list[PeerGroup]:
    return [
        dynamic_group(
            one, draw(_accepts(sets, family)), asn=draw(st.sampled_from((65001, 65002))), vrf=vrf
        )
        for one in draw(st.sampled_from(RANGES[family]))
    ]


def model(one: Switch, cluster: str = CLUSTER) -> Model:
    return lower(one, network(one, cluster=cluster))


def models() -> st.SearchStrategy[Model]:
    return switches().map(model)


def tables_of(one: Model) -> Tables:
    """The rows as CONFIG_DB has them."""
    tables: Tables = json.loads(render(one))
    return tables


# What others have.

FOREIGN: Tables = {
    "BGP_GLOBALS": {
        "default": {"local_asn": "65000", "router_id": "10.255.0.1", "graceful_restart": "true"},
        "Vrf_red": {"local_asn": "65000"},
        "Vrf_blue": {"local_asn": "65000", "max_dynamic_neighbors": "500"},
    },
    "BGP_GLOBALS_AF": {
        "default|ipv4_unicast": {"max_ebgp_paths": "2", "import_vrf": "Vrf_red"},
        "default|l2vpn_evpn": {"advertise-all-vni": "true"},
    },
    "BGP_GLOBALS_LISTEN_PREFIX": {
        "default|198.18.0.0/24": {"peer_group": "UPLINK"},
        "default|198.18.1.0/24": {"peer_group": "FERRULE_prod-1_tor-a_65001_ipv4"},
        "Vrf_red|10.1.0.0/24": {"peer_group": "UPLINK"},
    },
    "BGP_NEIGHBOR": {
        "10.1.0.11": {"asn": "65001", "name": "bgpcfgd's form"},
        "default|198.18.0.1": {"peer_group_name": "UPLINK", "name": "spine/1"},
        "default|198.18.0.2": {"asn": "65010"},
        "default|Ethernet4": {"peer_group_name": "UPLINK"},
        "default|198.18.0.3": {"peer_group_name": "FERRULE_other_x"},
        "Vrf_red|10.1.0.11": {"peer_group_name": "UPLINK"},
    },
    "BGP_NEIGHBOR_AF": {"default|198.18.0.1|ipv4_unicast": {"admin_status": "up"}},
    "BGP_PEER_GROUP": {
        "default|UPLINK": {"asn": "65010", "bfd": "true"},
        "default|FERRULE_prod-1_tor-a_65001_ipv4": {"asn": "65001"},
        "default|ferrule_prod_tor-a": {"asn": "65001"},
    },
    "BGP_PEER_GROUP_AF": {
        "default|UPLINK|ipv4_unicast": {"admin_status": "up", "route_map_in": ["OPS/in"]},
    },
    "DEVICE_METADATA": {"localhost": {"hwsku": "x", "frr_mgmt_framework_config": "true"}},
    "INTERFACE": {"Ethernet0": {}, "Ethernet0|198.18.0.0/31": {}},
    "PREFIX": {
        "OPS/in|10|192.0.2.0/24|24..32": {"action": "permit"},
        "OPS~1|192.0.2.0/24|exact": {"action": "permit"},
        "FERRULE_prod-1_public_ipv4_32|2|192.0.2.0/24|24..32": {"action": "permit"},
    },
    "PREFIX_SET": {
        "OPS/in": {"mode": "IPv4"},
        "OPS~1": {"mode": "IPv4"},
        "FERRULE_prod-1_public_ipv4_32": {"mode": "IPv4"},
        "FERRULE_prod": {"mode": "IPv4"},
    },
    "ROUTE_MAP": {
        "OPS/in|10": {"route_operation": "permit", "match_prefix_set": "OPS/in"},
        "XFERRULE_prod_in|10": {"route_operation": "deny"},
    },
    "ROUTE_MAP_SET": {"OPS/in": {}, "FERRULE_prod-1_out": {}, "XFERRULE_prod_in": {}},
}


@st.composite
def foreign(draw: st.DrawFn) -> Tables:
    """Any of the rows above, and always the VRFs; no table is empty."""
    tables: Tables = {"VRF": {"Vrf_blue": {}, "Vrf_red": {}}}
    for table, rows in FOREIGN.items():
        chosen = draw(st.sets(st.sampled_from(sorted(rows))))
        if chosen:
            tables[table] = {name: rows[name] for name in sorted(chosen)}
    return tables


@st.composite
def occupied(draw: st.DrawFn, one: Model) -> tuple[Tables, frozenset[str]]:
    """What others have in the place of a model's neighbors and ranges; the names to hand it over.

    A key may spell an address as it likes, and a range overlap several others.
    """
    tables: Tables = {"VRF": {"Vrf_blue": {}}}
    names: set[str] = set()
    for row in one.rows:
        if row.table not in ("BGP_NEIGHBOR", "BGP_GLOBALS_LISTEN_PREFIX") or draw(st.booleans()):
            continue
        vrf, where = row.key
        known = tables.setdefault(row.table, {})
        if row.table == "BGP_NEIGHBOR":
            name = f"{vrf}|{draw(st.sampled_from((where, where.upper(), exploded(where))))}"
            known[name] = draw(st.sampled_from(HELD))
            for family in draw(st.sets(st.sampled_from(("ipv4_unicast", "ipv6_unicast")))):
                below = tables.setdefault("BGP_NEIGHBOR_AF", {})
                below[f"{name}|{family}"] = draw(st.sampled_from(({"admin_status": "up"}, {})))
        else:
            name = f"{vrf}|{where}"
            known[name] = {"peer_group": "UPLINK"}
        full, last = f"{row.table}|{name}", name.partition("|")[2]
        grouped = "UPLINK" in known[name].values()
        names.add(draw(st.sampled_from((full, name, last, "UPLINK" if grouped else full))))
    return tables, frozenset(names)


HELD: tuple[dict[str, Any], ...] = (
    {"asn": "65001", "auth_password": "s3cret", "name": "node"},
    {"peer_group_name": "UPLINK", "admin_status": "down"},
    {"asn": "65010"},
)


def exploded(address: str) -> str:
    return ip_address(address).exploded


def merged(theirs: Tables, ours: Tables) -> Tables:
    """One CONFIG_DB of both; of a row that both have, theirs counts."""
    return {
        table: {**ours.get(table, {}), **theirs.get(table, {})}
        for table in sorted(theirs.keys() | ours.keys())
    }
