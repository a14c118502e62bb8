"""A good pair, and one thing at a time wrong with its far end: each has its code, in both forms.

The far end is the example's own switch, as bgpd runs it and as CONFIG_DB has it; so the pair that
nobody touched is silent, and whatever is said is about the change.
"""

from __future__ import annotations

import json

import pytest
from lint_pairs import (
    SWITCHES,
    Mutation,
    after,
    both,
    drop,
    example,
    node_conf,
    put,
    rekeyed,
    remove,
    running,
    sub,
    tables,
)

from ferrule.compiler.lint import Report, lint

G4, G6 = "FERRULE_prod_tor-a-v4_64512_ipv4", "FERRULE_prod_tor-a-v6_64512_ipv6"
B4 = "FERRULE_prod_tor-b-v4_64512_ipv4"
M4 = "FERRULE_prod_in_tor-a-v4_64512_ipv4_ipv4"
P4 = "FERRULE_prod_public_ipv4_32"
R4 = "FERRULE_lab_range_198.51.100.0_26"
GI = "FERRULE_edge_spine_64999_ipv4"
MI = "FERRULE_edge_in_spine_64999_ipv4_ipv4"
DYNAMIC, IBGP = ("dynamic", "leaf-1"), ("ibgp", "spine")
GROUP, NEIGHBOR, AF = "BGP_PEER_GROUP", "BGP_NEIGHBOR", "BGP_PEER_GROUP_AF"
FIRST = f"route-map {M4} permit 8611"


def of(group: str, text: str) -> str:
    return f"neighbor {group} {text}"


MUTATIONS = [
    # Whether there is a neighbor, and in which AS.
    Mutation(
        "a-neighbor-less",
        "far-neighbor-missing",
        (drop(r"neighbor 198\.51\.100\.12 "),),
        remove(NEIGHBOR, "|198.51.100.12"),
    ),
    Mutation(
        "a-listen-range-that-misses-the-nodes",
        "far-outside-ranges",
        (sub(r"range 198\.51\.100\.0/26", "range 198.51.100.32/27"),),
        both(
            remove("BGP_GLOBALS_LISTEN_PREFIX", "|198.51.100.0/26"),
            put("BGP_GLOBALS_LISTEN_PREFIX", "default|198.51.100.32/27", peer_group=R4),
        ),
        DYNAMIC,
    ),
    Mutation(
        "another-vrf",
        "far-vrf",
        (sub("router bgp 65001", "router bgp 65001 vrf Vrf_red"),),
        rekeyed("default", "Vrf_red"),
    ),
    Mutation(
        "its-asn",
        "far-asn",
        (sub("router bgp 65001", "router bgp 65009"),),
        put("BGP_GLOBALS", "default", local_asn="65009"),
    ),
    Mutation(
        "its-asn-where-both-are-in-one",
        "far-asn",
        (sub("router bgp 64999", "router bgp 64998"),),
        put("BGP_GLOBALS", "default", local_asn="64998"),
        IBGP,
    ),
    Mutation(
        "local-as",
        "far-local-as",
        (after(f"{G4} remote-as", of(G4, "local-as 65009")),),
        put(GROUP, G4, local_asn="65009"),
    ),
    Mutation(
        "remote-as",
        "far-remote-as",
        (sub(f"{G4} remote-as 64512", f"{G4} remote-as 64999"),),
        put(GROUP, G4, asn="64999"),
    ),
    Mutation(
        "remote-as-internal",
        "far-remote-as",
        (sub(f"{G4} remote-as 64512", f"{G4} remote-as internal"),),
        put(GROUP, G4, asn=None, peer_type="internal"),
    ),
    Mutation(
        "no-remote-as",
        "far-remote-as",
        (drop(f"{G4} remote-as"),),
        put(GROUP, G4, asn=None),
    ),
    Mutation(
        "a-neighbor-that-is-shut-down",
        "far-shutdown",
        (after(r"neighbor 198\.51\.100\.11 peer-group", of("198.51.100.11", "shutdown")),),
        put(NEIGHBOR, "|198.51.100.11", admin_status="down"),
    ),
    Mutation("all-of-bgp-shut-down", "far-shutdown", (after("router-id", "bgp shutdown"),)),
    Mutation(
        "new-neighbors-shut-down",
        "far-shutdown",
        (after("router-id", "bgp default shutdown"),),
        put("BGP_GLOBALS", "default", default_shutdown="true"),
    ),
    # On the way.
    Mutation(
        "ttl-security",
        "far-ttl-security",
        (after(f"{G4} remote-as", of(G4, "ttl-security hops 1")),),
        put(GROUP, G4, ttl_security_hops="1"),
    ),
    Mutation(
        "multihop-under-bfd",
        "far-multihop",
        (after(f"{G4} remote-as", of(G4, "ebgp-multihop 255")),),
        put(GROUP, G4, ebgp_multihop="true", ebgp_multihop_ttl="255"),
    ),
    Mutation(
        "multihop",
        "far-multihop",
        (after(f"{R4} remote-as", of(R4, "ebgp-multihop 255")),),
        put(GROUP, R4, ebgp_multihop="true", ebgp_multihop_ttl="255"),
        DYNAMIC,
        "warning",
    ),
    Mutation(
        "a-password",
        "far-password",
        (after(f"{G4} remote-as", of(G4, "password hunter2")),),
        put(GROUP, G4, auth_password="hunter2"),  # noqa: S106
        rows_severity="warning",
    ),
    Mutation(
        "the-port-it-dials",
        "far-port",
        (after(f"{G4} remote-as", of(G4, "port 1179")),),
        put(GROUP, G4, peer_port="1179"),
        severity="warning",
    ),
    Mutation(
        "the-address-it-dials-from",
        "far-update-source",
        (after(f"{G4} remote-as", of(G4, "update-source 198.51.100.99")),),
        put(GROUP, G4, local_addr="198.51.100.99"),
        severity="warning",
    ),
    Mutation(
        "a-node's-router-id",
        "far-router-id",
        (sub("router-id .*", "router-id 198.51.100.11"),),
        put("BGP_GLOBALS", "default", router_id="198.51.100.11"),
        IBGP,
    ),
    # Time.
    Mutation(
        "timers",
        "far-timers",
        (sub(f"{G4} timers 3 9", f"{G4} timers 1 3"),),
        put(GROUP, G4, keepalive="1", holdtime="3"),
        severity="warning",
    ),
    Mutation(
        "no-timers-but-those-of-a-datacenter",
        "far-timers",
        (
            sub(r"\A", "frr version 10.3\nfrr defaults datacenter\n"),
            sub(" timers 3 9", " timers 4 8"),
        ),
        severity="warning",
    ),
    Mutation(
        "a-least-hold-time", "far-minimum-hold", (after("router-id", "bgp minimum-holdtime 30"),)
    ),
    # BFD.
    Mutation("no-bfd", "far-bfd", (drop(f"{G4} bfd"),), put(GROUP, G4, bfd=None)),
    Mutation(
        "bfd-turned-off",
        "far-bfd",
        (sub(f"neighbor {G4} bfd", f"no neighbor {G4} bfd"),),
        put(GROUP, G4, bfd="false"),
    ),
    Mutation(
        "bfd-that-nobody-asked-for",
        "far-bfd",
        (after(f"{R4} remote-as", of(R4, "bfd")),),
        put(GROUP, R4, bfd="true"),
        DYNAMIC,
    ),
    Mutation(
        "bfd-that-nobody-asked-for-on-frr-8",
        "far-bfd",
        (sub(r"\A", "frr version 8.4.4\n"), after(f"{R4} remote-as", of(R4, "bfd"))),
        network=DYNAMIC,
        severity="warning",
    ),
    Mutation(
        "bfd-intervals-on-the-line",
        "far-bfd-settles",
        (sub(f"{G4} bfd", f"{G4} bfd 5 1000 1000"),),
        severity="warning",
    ),
    Mutation(
        "bfd-intervals-in-a-profile",
        "far-bfd-settles",
        (
            sub(f"{G4} bfd", f"{G4} bfd profile slow"),
            sub(r"\Z", "bfd\n profile slow\n  receive-interval 1000\n exit\n exit\n"),
        ),
        severity="warning",
    ),
    # Families and filters.
    Mutation(
        "a-family-that-is-not-active",
        "far-family",
        (drop(f"{G4} activate"),),
        put(AF, f"{G4}|ipv4_unicast", admin_status="down"),
    ),
    Mutation(
        "a-member-without-the-family",
        "far-family",
        (after(f"{G4} activate", "no neighbor 198.51.100.11 activate"),),
        put("BGP_NEIGHBOR_AF", "default|198.51.100.11|ipv4_unicast", admin_status="down"),
    ),
    Mutation(
        "no-inbound-policy",
        "far-policy-missing",
        (drop(f"{G4} route-map {M4} in"),),
        put(AF, f"{G4}|ipv4_unicast", route_map_in=None),
    ),
    Mutation(
        "no-inbound-policy-and-none-required",
        "far-filter-open",
        (drop(f"{G4} route-map {M4} in"), after("router-id", "no bgp ebgp-requires-policy")),
        severity="warning",
    ),
    Mutation(
        "no-inbound-policy-inside-an-as",
        "far-filter-open",
        (drop(f"{GI} route-map {MI} in"),),
        put(AF, f"{GI}|ipv4_unicast", route_map_in=None),
        IBGP,
        "warning",
    ),
    Mutation(
        "a-map-that-is-not-there",
        "far-filter-denies",
        (sub(f"route-map {M4} in$", "route-map NOPE in"),),
        put(AF, f"{G4}|ipv4_unicast", route_map_in=["NOPE"]),
    ),
    Mutation(
        "a-pool's-block-that-is-not-permitted",
        "far-filter-denies",
        (drop("permit 192.0.2.0/25"),),
        remove("PREFIX", "|192.0.2.0/25|25..32"),
    ),
    Mutation(
        "a-prefix-that-is-denied",
        "far-filter-denies",
        (sub(r"\A", f"ip prefix-list {P4} seq 5 deny 192.0.2.1/32\n"),),
        put("PREFIX", f"{P4}|5|192.0.2.1/32|exact", action="deny"),
    ),
    Mutation(
        "a-community-that-is-denied",
        "far-filter-denies",
        (
            sub(r"\A", "bgp community-list standard OURS seq 5 permit 64512:100\n"),
            sub(f"^{FIRST}", f"route-map {M4} deny 5\n match community OURS\nexit\n{FIRST}"),
        ),
        both(
            put(
                "COMMUNITY_SET",
                "OURS",
                set_type="STANDARD",
                match_action="ANY",
                community_member=["64512:100"],
            ),
            put("ROUTE_MAP", f"{M4}|5", route_operation="deny", match_community="OURS"),
        ),
    ),
    Mutation(
        "an-as-path-that-is-denied",
        "far-filter-denies",
        (
            sub(r"\A", "bgp as-path access-list OURS seq 5 permit ^64512$\n"),
            sub(f"^{FIRST}", f"route-map {M4} deny 5\n match as-path OURS\nexit\n{FIRST}"),
        ),
        both(
            put("AS_PATH_SET", "OURS", as_path_set_member=["^64512$"]),
            put("ROUTE_MAP", f"{M4}|5", route_operation="deny", match_as_path="OURS"),
        ),
    ),
    Mutation(
        "a-prefix-list-of-the-neighbor's-own",
        "far-filter-denies",
        (
            sub(r"\A", "ip prefix-list HERE permit 192.0.2.1/32\n"),
            after(f"{G4} activate", of(G4, "prefix-list HERE in")),
        ),
        both(
            put("PREFIX_SET", "HERE", mode="IPv4"),
            put("PREFIX", "HERE|5|192.0.2.1/32|exact", action="permit"),
            put(AF, f"{G4}|ipv4_unicast", prefix_list_in="HERE"),
        ),
    ),
    Mutation(
        "a-block-that-is-not-in-use-yet",
        "far-filter-narrow",
        (drop("permit 192.0.2.200/29"),),
        remove("PREFIX", "|192.0.2.200/29|29..32"),
        severity="warning",
    ),
    Mutation(
        "a-part-of-a-pool-that-is-denied",
        "far-filter-narrow",
        (sub(r"\A", f"ip prefix-list {P4} seq 5 deny 192.0.2.64/26 le 32\n"),),
        put("PREFIX", f"{P4}|5|192.0.2.64/26|26..32", action="deny"),
        severity="warning",
    ),
    Mutation(
        "shorter-prefixes-of-a-pool-let-in",
        "far-filter-open",
        (drop(r"deny 192\.0\.2\.0/25"),),
        remove("PREFIX", "|192.0.2.0/25|25..31"),
        severity="warning",
    ),
    Mutation(
        "everything-let-in",
        "far-filter-open",
        (sub(f"route-map {M4} deny 65535", f"route-map {M4} permit 65535"),),
        put("ROUTE_MAP", f"{M4}|65535", route_operation="permit"),
        severity="warning",
    ),
    Mutation(
        "somebody-else's-block-let-in",
        "far-filter-open",
        (sub(r"\A", f"ip prefix-list {P4} seq 5 permit 203.0.113.128/25 le 32\n"),),
        put("PREFIX", f"{P4}|5|203.0.113.128/25|25..32", action="permit"),
        severity="warning",
    ),
    Mutation(
        "communities-replaced",
        "far-filter-changes",
        (after(FIRST, " set community 65001:1"),),
        put("ROUTE_MAP", f"{M4}|8611", set_community_inline=["65001:1"]),
        severity="warning",
    ),
    Mutation(
        "a-community-taken-off",
        "far-filter-changes",
        (
            sub(r"\A", "bgp community-list expanded OURS seq 5 permit 64512:.*\n"),
            after(FIRST, " set comm-list OURS delete"),
        ),
        severity="warning",
    ),
    Mutation(
        "a-local-preference-inside-an-as",
        "far-filter-changes",
        (after(f"route-map {MI} permit 34003", " set local-preference 50"),),
        network=IBGP,
        severity="warning",
    ),
    Mutation(
        "another-next-hop",
        "far-filter-changes",
        (after(FIRST, " set ip next-hop 198.51.100.99"),),
        put("ROUTE_MAP", f"{M4}|8611", set_next_hop="198.51.100.99"),
        severity="warning",
    ),
    Mutation(
        "a-condition-that-nobody-knows",
        "far-filter-unknown",
        (after(FIRST, " match source-protocol bgp"),),
        put("ROUTE_MAP", f"{M4}|8611", match_protocol="bgp"),
        severity="warning",
    ),
    # Numbers.
    Mutation(
        "fewer-prefixes-than-are-announced",
        "far-maximum-prefix",
        (sub(f"{B4} maximum-prefix 64", f"{B4} maximum-prefix 1"),),
        put(AF, f"{B4}|ipv4_unicast", max_prefix_limit="1"),
        network=("fabric", "tor-b"),
    ),
    Mutation(
        "hardly-more-prefixes-than-are-announced",
        "far-maximum-prefix",
        (sub(f"{G4} maximum-prefix 64", f"{G4} maximum-prefix 3"),),
        put(AF, f"{G4}|ipv4_unicast", max_prefix_limit="3"),
        severity="warning",
    ),
    Mutation(
        "fewer-paths-than-nodes",
        "far-paths",
        (sub("maximum-paths 64", "maximum-paths 1", count=1),),
        put("BGP_GLOBALS_AF", "ipv4_unicast", max_ebgp_paths="1"),
        severity="warning",
    ),
    Mutation(
        "fewer-paths-than-nodes-inside-an-as",
        "far-ibgp-paths",
        (sub("maximum-paths ibgp 8", "maximum-paths ibgp 1", count=1),),
        put("BGP_GLOBALS_AF", "ipv4_unicast", max_ibgp_paths="1"),
        IBGP,
        "warning",
    ),
    Mutation(
        "fewer-dynamic-neighbors-than-nodes",
        "far-listen-limit",
        (after("router-id", "bgp listen limit 3"),),
        put("BGP_GLOBALS", "default", max_dynamic_neighbors="3"),
        DYNAMIC,
    ),
]
IDS = [one.name for one in MUTATIONS]
IN_ROWS = [one for one in MUTATIONS if one.rows]


def said(report: Report) -> set[tuple[str, str]]:
    return {(one.severity, one.code) for one in report.diagnostics}


@pytest.mark.parametrize(("name", "switch"), SWITCHES)
def test_a_good_pair_is_silent(name: str, switch: str) -> None:
    compilation = example(name)
    for file, text in (
        ("frr.conf", running(name, switch)),
        ("config_db.json", json.dumps(tables(name, switch))),
    ):
        report = lint(compilation, file, text)
        assert report.diagnostics == ()
        assert report.far == (f"switch {switch}",)
        assert report.sessions > 1


@pytest.mark.parametrize(
    ("name", "node"),
    [("fabric", "node-1"), ("fabric", "node-3"), ("dynamic", "r1n1"), ("ibgp", "server-2")],
)
def test_a_good_node_is_silent(name: str, node: str) -> None:
    report = lint(example(name), "frr.conf", node_conf(name, node))
    assert (report.diagnostics, report.far) == ((), (f"node {node}",))


@pytest.mark.parametrize("one", MUTATIONS, ids=IDS)
def test_a_change_in_frr_conf(one: Mutation) -> None:
    report = lint(example(one.network[0]), "frr.conf", one.frr_text())
    assert said(report) == {(one.severity, one.code)}


@pytest.mark.parametrize("one", IN_ROWS, ids=[one.name for one in IN_ROWS])
def test_a_change_in_config_db(one: Mutation) -> None:
    report = lint(example(one.network[0]), "config_db.json", one.rows_text())
    assert said(report) == {(one.rows_severity or one.severity, one.code)}
