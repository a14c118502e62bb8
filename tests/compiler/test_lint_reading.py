"""Foreign files as people and releases write them; which far end they are; both modes of SONiC."""

from __future__ import annotations

import json
import re

import pytest
from lint_pairs import SWITCHES, Tables, example, node_conf, running, tables
from short import compiled

from ferrule.compiler import views
from ferrule.compiler.backends.sonic import bgpd
from ferrule.compiler.lint import Report, lint
from ferrule.compiler.lint.reader import read_device
from ferrule.compiler.lint.rows import read_tables
from ferrule.compiler.lint.said import read_frr
from ferrule.compiler.lint.unified import read_unified
from ferrule.compiler.pipeline import Compilation

SPEC = """
BGPPeer tor: {peerAddress: 198.51.100.1, holdTime: 9s, peerASN: 65001}
Node n1: {ips: [198.51.100.11]}
Service shop/web:
IPAddressPool public:
BGPAdvertisement public:
"""
GOOD = """\
ip prefix-list POOLS seq 5 deny 192.0.2.0/24 le 31
ip prefix-list POOLS seq 10 permit 192.0.2.0/24 le 32
route-map IN permit 10
 match ip address prefix-list POOLS
exit
router bgp 65001
 neighbor 198.51.100.11 remote-as 64512
 neighbor 198.51.100.11 timers 3 9
 address-family ipv4 unicast
  neighbor 198.51.100.11 route-map IN in
 exit-address-family
exit
"""
NEIGHBOR = "neighbor 198.51.100.11"
START, END = "router bgp 65001\n", " address-family ipv4 unicast\n"
POLICY = f"  {NEIGHBOR} route-map IN in\n"
NO_DEFAULT = " no bgp default ipv4-unicast\n"
OTHER = f"""\
 address-family l2vpn evpn
  advertise-all-vni
  vni 7
  exit-vni
  no {NEIGHBOR} activate
 exit-address-family
"""


def codes(report: Report) -> list[str]:
    return [one.code for one in report.diagnostics]


def said(text: str, spec: str = SPEC, **rest: str) -> list[str]:
    return codes(lint(compiled(spec), "frr.conf", text, **rest))


# Texts.


def after_neighbors(lines: str) -> str:
    return GOOD.replace(END, lines + END)


def before_neighbors(lines: str) -> str:
    return GOOD.replace(START, START + lines)


SPELLINGS = {
    "as-written": GOOD,
    "crlf": GOOD.replace("\n", "\r\n"),
    "bom": "\ufeff" + GOOD,
    "no-indentation": re.sub(r"(?m)^ +", "", GOOD),
    "no-end-of-any-block": re.sub(r"(?m)^ +|^ *exit.*\n", "", GOOD),
    "tabs": re.sub(r"(?m)^", "\t", GOOD),
    "comments": GOOD.replace("\n", "\n!\n# nothing\n\n"),
    "a-family-without-its-kind": GOOD.replace(" unicast", ""),
    "no-family-at-all": re.sub(r"(?m)^ .*address-family.*\n", "", GOOD),
    "an-as-with-a-dot": GOOD.replace("65001", "0.65001"),
    "an-as-notation": GOOD.replace("65001", "65001 as-notation plain"),
    "an-older-release": "frr version 7.5.1\n" + GOOD,
    "sonic's-release": "frr version 10.4.1-sonic\n" + GOOD,
    "more-of-vtysh": GOOD + "end\nhostname x\nline vty\n password hunter2\n",
    "ospf-too": f"router ospf\n {NEIGHBOR}\n network 10.0.0.0/8 area 0\n{GOOD}",
    "unknown-lines": GOOD.replace(" exit-add", " bogus line here\n exit-add"),
    "timers-of-all": GOOD.replace(f" {NEIGHBOR} timers", " timers bgp"),
    "taken-back": after_neighbors(f" {NEIGHBOR} shutdown\n no {NEIGHBOR} shutdown\n"),
    "no-default-family-after-the-neighbor": after_neighbors(NO_DEFAULT),
    "no-default-family-before-it": before_neighbors(NO_DEFAULT).replace(
        END, f"{END}  {NEIGHBOR} activate\n"
    ),
    "another-family-first": after_neighbors(OTHER),
    "removed-first": f"{START} {NEIGHBOR} remote-as 1\n no {NEIGHBOR}\nexit\n{GOOD}",
}


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS)
def test_one_meaning_in_many_spellings(text: str) -> None:
    assert said(text) == []


OPEN = GOOD.replace(POLICY, "")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (before_neighbors(NO_DEFAULT), "far-family"),
        (GOOD.replace(" exit-add", f"  no {NEIGHBOR} activate\n exit-add"), "far-family"),
        ("frr version 8.4.4\n" + OPEN, "far-policy-missing"),
        ("frr version 7.3\n" + OPEN, "far-filter-open"),
        ("frr defaults datacenter\n" + OPEN, "far-filter-open"),
        (
            "frr defaults datacenter\n"
            + OPEN.replace(START, f"{START} bgp ebgp-requires-policy\n"),
            "far-policy-missing",
        ),
        (GOOD.replace(f" {NEIGHBOR} timers 3 9\n", " timers bgp 1 3\n"), "far-timers"),
    ],
)
def test_what_follows_from_a_default(text: str, code: str) -> None:
    assert said(text) == [code]


def test_a_member_stands_before_its_group() -> None:
    group = GOOD.replace(
        f" {NEIGHBOR} remote-as 64512\n",
        " neighbor G peer-group\n neighbor G remote-as 64999\n neighbor G bfd\n"
        f" {NEIGHBOR} peer-group G\n",
    )
    own = f" {NEIGHBOR} peer-group G\n {NEIGHBOR} remote-as 64512\n no {NEIGHBOR} bfd\n"
    assert said(group) == ["far-remote-as", "far-bfd"]
    assert said(group.replace(f" {NEIGHBOR} peer-group G\n", own)) == []


def test_no_line_is_lost() -> None:
    """All neighbors that a switch of ours has in bgpd, with what they have of their group."""
    device = read_device(read_frr(running("fabric", "tor-a"), "frr.conf"))
    (instance,) = device.instances.values()
    assert len(instance.neighbors) == 4
    assert len(instance.groups) == 2
    for one in instance.neighbors.values():
        assert {name for name in ("remote-as", "bfd", "timers") if one.get(name)} == {
            "remote-as",
            "bfd",
            "timers",
        }


# Whose file it is.

TWO = """
BGPPeer a: {peerAddress: 198.51.100.1, peerASN: 65001}
BGPPeer b: {peerAddress: 198.51.100.2, peerASN: 65002}
BGPPeer six: {peerAddress: "2001:db8:a::1", peerASN: 65001}
Switch tor-c: {asn: 65003, addresses: [198.51.100.3/24], routerID: 203.0.113.3}
BGPPeer c: {peerAddress: 198.51.100.3, peerASN: 65003}
Node n1: {ips: [198.51.100.11, "2001:db8:a::11"]}
"""
BARE = "router bgp {}\n neighbor 198.51.100.11 remote-as 64512\n"


@pytest.mark.parametrize(
    ("text", "as_", "far"),
    [
        pytest.param(
            "interface e0\n ip address 198.51.100.1/24\n" + BARE.format(7),
            None,
            ["router 198.51.100.1"],
            id="an-address",
        ),
        pytest.param(
            "interface e0\n ip address 198.51.100.1/24\n ipv6 address 2001:db8:a::1/64\n"
            + BARE.format(7),
            None,
            ["router 198.51.100.1", "router 2001:db8:a::1"],
            id="two-addresses",
        ),
        pytest.param(
            BARE.format(7) + " bgp router-id 203.0.113.3\n", None, ["switch tor-c"], id="router-id"
        ),
        pytest.param("hostname tor-c\n" + BARE.format(7), None, ["switch tor-c"], id="a-name"),
        pytest.param(
            BARE.format(7) + " neighbor 198.51.100.11 update-source 198.51.100.2\n",
            None,
            ["router 198.51.100.2"],
            id="where-it-dials-from",
        ),
        pytest.param(BARE.format(65003), None, ["switch tor-c"], id="the-as-of-one"),
        pytest.param(
            BARE.format(65001) + " neighbor 2001:db8:a::11 remote-as 64512\n",
            None,
            ["router 198.51.100.1", "router 2001:db8:a::1"],
            id="the-as-of-one-in-both-families",
        ),
        pytest.param(BARE.format(7), None, [], id="anybody-with-this-neighbor"),
        pytest.param("router bgp 7\n neighbor 203.0.113.1 remote-as 1\n", None, [], id="nobody"),
        pytest.param("router bgp 7\n", "tor-c", ["switch tor-c"], id="as-a-switch"),
        pytest.param(
            "router bgp 7\n", "198.51.100.3", ["switch tor-c"], id="as-a-switch's-address"
        ),
        pytest.param("router bgp 7\n", "198.51.100.2", ["router 198.51.100.2"], id="as-a-router"),
        pytest.param("router bgp 7\n", "n1", ["node n1"], id="as-a-node"),
        pytest.param("router bgp 7\n", "198.51.100.11", ["node n1"], id="as-a-node's-address"),
        pytest.param("router bgp 7\n", "tor-d", [], id="as-nobody"),
    ],
)
def test_whose_file_it_is(text: str, as_: str | None, far: list[str]) -> None:
    report = lint(compiled(TWO), "frr.conf", text, as_=as_)
    assert sorted(report.far) == far
    if not far:
        assert codes(report) in (["far-ambiguous"], ["far-unknown"])


def test_an_anycast_address_is_told_apart_by_the_router_id() -> None:
    spec = """
Switch tor-a: {asn: 65000, addresses: [198.51.100.1/24], routerID: 203.0.113.1,
  nodeSelectors: [{matchLabels: {rack: a}}]}
Switch tor-b: {asn: 65000, addresses: [198.51.100.1/24], routerID: 203.0.113.2,
  nodeSelectors: [{matchLabels: {rack: b}}]}
BGPPeer tor: {peerAddress: 198.51.100.1}
Node n1: {ips: [198.51.100.11], labels: {rack: a}}
Node n2: {ips: [198.51.100.12], labels: {rack: b}}
"""
    text = "interface e0\n ip address 198.51.100.1/24\nrouter bgp 65000\n"
    assert said(text, spec) == ["far-ambiguous"]
    report = lint(compiled(spec), "frr.conf", text + " bgp router-id 203.0.113.2\n")
    assert report.far == ("switch tor-b",)
    assert codes(report) == ["far-neighbor-missing"]


def test_a_node_without_one_address_towards_a_router_may_be_any_of_them() -> None:
    spec = SPEC.replace("[198.51.100.11]", "[203.0.113.11, 198.51.100.11]")
    assert said(GOOD, spec) == []


def test_an_interface_is_no_far_end_that_a_file_can_be_compared_with() -> None:
    spec = SPEC.replace("peerAddress: 198.51.100.1", "interface: eth1")
    assert said(GOOD, spec) == ["far-unknown"]


# A node's file, against our switch.

NODES = [
    (("router bgp 64601", "router bgp 64699"), "far-asn"),
    (("remote-as 65100", "remote-as 65199"), "far-remote-as"),
    (("timers 3 9", "timers 1 3"), "far-timers"),
    (("description", "passive\n neighbor 198.51.100.1 description"), "far-passive"),
    (("description", "password x\n neighbor 198.51.100.1 description"), "far-password"),
    (("description", "bfd\n neighbor 198.51.100.1 description"), "far-bfd"),
    (
        ("description", "update-source 198.51.100.12\n neighbor 198.51.100.1 description"),
        "far-update-source",
    ),
    (("description", "port 1179\n neighbor 198.51.100.1 description"), "far-port"),
    (("  network 203.0.113.0/24", "  network 10.66.0.0/16\n  network 203.0.113.0/24"), ""),
]


@pytest.mark.parametrize(("edit", "code"), NODES, ids=[code or "refused" for _, code in NODES])
def test_a_node_against_our_switch(edit: tuple[str, str], code: str) -> None:
    text = node_conf("dynamic", "r1n1")
    changed = text.replace(*edit, 1)
    assert changed != text
    report = lint(example("dynamic"), "frr.conf", changed)
    assert report.far == ("node r1n1",)
    assert codes(report) == ([code] if code else [])


def test_a_node_that_says_more_than_its_switch_takes() -> None:
    text = node_conf("dynamic", "r1n1")
    out = re.sub(r"(?m)^ match .*\n", "", text).replace(
        "  network 203.0.113.0/24", "  network 10.66.0.0/16\n  network 203.0.113.0/24"
    )
    report = lint(example("dynamic"), "frr.conf", out)
    assert codes(report) == ["far-not-accepted"]
    assert "10.66.0.0/16" in report.diagnostics[0].message


# SONiC.


@pytest.mark.parametrize(("name", "switch"), SWITCHES)
def test_our_rows_come_to_the_lines_that_the_back_end_says(name: str, switch: str) -> None:
    """Two ways from a row to a line: what is compared with foreign rows, and what we predict."""

    def plain(lines: list[str]) -> set[str]:
        words = (" ".join(line.split()) for line in lines)
        return {
            re.sub(" 255$", "", one)
            for one in words
            if one not in ("!", "exit", "exit-address-family") and "log-neighbor" not in one
        }

    made = read_unified(read_tables(json.dumps(tables(name, switch)), "config_db.json"))
    ours = plain([one.text for one in made.said])
    theirs = plain(list(bgpd.lines(tables(name, switch))))
    families = {one for one in ours if one.startswith("address-family")}
    assert ours - families == {one for one in theirs if not one.startswith("address-family")}


DEFAULT: Tables = {
    "DEVICE_METADATA": {"localhost": {"bgp_asn": "65001", "type": "ToRRouter", "hostname": "sw"}},
    "LOOPBACK_INTERFACE": {"Loopback0": {}, "Loopback0|203.0.113.1/32": {}},
    "VLAN_INTERFACE": {"Vlan100": {}, "Vlan100|198.51.100.1/24": {}},
    "BGP_NEIGHBOR": {
        "198.51.100.11": {
            "asn": "64512",
            "holdtime": "9",
            "keepalive": "3",
            "local_addr": "198.51.100.1",
            "name": "n1",
        }
    },
}
RANGES = {
    "BGP_PEER_RANGE": {
        "NODES": {
            "name": "NODES",
            "ip_range": ["198.51.100.0/24"],
            "src_address": "198.51.100.1",
            "peer_asn": "64512",
        }
    }
}


def in_default_mode(spec: str = SPEC, **changed: object) -> Report:
    rows = {name: row for name, row in {**DEFAULT, **changed}.items() if row}
    return lint(compiled(spec), "config_db.json", json.dumps(rows))


@pytest.mark.parametrize(
    ("spec", "rows", "expected"),
    [
        pytest.param(SPEC, {}, ["far-filter-open"], id="a-neighbor"),
        pytest.param(
            SPEC,
            {**RANGES, "BGP_NEIGHBOR": {}},
            ["far-filter-open", "far-multihop", "far-timers"],
            id="a-range",
        ),
        pytest.param(SPEC, {"BGP_NEIGHBOR": {}}, ["far-neighbor-missing"], id="nobody"),
    ],
)
def test_the_default_mode(spec: str, rows: Tables, expected: list[str]) -> None:
    report = in_default_mode(spec, **rows)
    assert sorted(codes(report)) == expected
    assert report.read_as == "CONFIG_DB (default mode)"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ("bfdProfile: fast", "far-bfd"),
        ("password: x", "far-password"),
        ("peerPort: 1179", "far-port"),
        ("ebgpMultiHop: true", "far-multihop"),
        ("localASN: 64600", "far-remote-as"),
    ],
)
def test_what_the_default_mode_cannot_express(fields: str, code: str) -> None:
    spec = SPEC.replace("holdTime: 9s", f"holdTime: 9s, {fields}")
    spec += "BFDProfile fast: {transmitInterval: 300}\n"
    report = in_default_mode(spec)
    (one,) = (one for one in report.diagnostics if one.code != "far-filter-open")
    assert one.code == code
    if code in ("far-bfd", "far-password"):
        assert "bgpcfgd" in f"{one.message}{one.help}"


@pytest.mark.parametrize(
    ("metadata", "form"),
    [
        ({"frr_mgmt_framework_config": "true", "bgp_asn": "65001"}, "unified"),
        ({"frr_mgmt_framework_config": "false", "bgp_asn": "65001"}, "default mode"),
        ({"bgp_asn": "65001"}, "default mode"),
    ],
)
def test_the_mode_is_said_by_the_switch(metadata: dict[str, str], form: str) -> None:
    rows = {**DEFAULT, "DEVICE_METADATA": {"localhost": metadata}}
    rows["BGP_GLOBALS"] = {"default": {"local_asn": "65001"}}
    report = lint(compiled(SPEC), "config_db.json", json.dumps(rows))
    assert report.read_as == f"CONFIG_DB ({form})"


def test_a_switch_is_known_by_its_name() -> None:
    made = tables("fabric", "tor-a")
    made["BGP_NEIGHBOR"] = {}
    made["BGP_GLOBALS"]["default"].pop("router_id")
    assert lint(example("fabric"), "config_db.json", json.dumps(made)).far == ()
    made["DEVICE_METADATA"] = {
        "localhost": {"hostname": "tor-a", "frr_mgmt_framework_config": "true"}
    }
    report = lint(example("fabric"), "config_db.json", json.dumps(made))
    assert report.far == ("switch tor-a",)
    assert codes(report) == ["far-neighbor-missing"]


def test_an_interface_as_update_source_is_looked_up() -> None:
    made = tables("fabric", "tor-a")
    group = made["BGP_PEER_GROUP"]["default|FERRULE_prod_tor-a-v4_64512_ipv4"]
    made["LOOPBACK_INTERFACE"] = {"Loopback1|203.0.113.1/32": {}}
    for source, expected in (("Loopback1", ["far-update-source"]), ("Ethernet0", [])):
        group["local_addr"] = source
        assert codes(lint(example("fabric"), "config_db.json", json.dumps(made))) == expected


def test_lists_as_redis_spells_them() -> None:
    made = tables("fabric", "tor-a")
    for row in made["BGP_PEER_GROUP_AF"].values():
        for name in ("route_map_in", "route_map_out"):
            row[f"{name}@"] = ",".join(row.pop(name))
    assert codes(lint(example("fabric"), "config_db.json", json.dumps(made))) == []


# What only two ends of one's own making have.


def test_nodes_of_two_ases_want_a_relaxed_comparison() -> None:
    spec = """
Switch tor: {asn: 65001, addresses: [198.51.100.1/24], routerID: 198.51.100.1}
ferrule BGPPeer tor: {peerAddress: 198.51.100.1, peerASN: 65001, myASN: null,
  myASNFrom: {nodeLabel: asn}, holdTime: 9s}
Node n1: {ips: [198.51.100.11], labels: {asn: "64512"}}
Node n2: {ips: [198.51.100.12], labels: {asn: "64513"}}
Service shop/web:
IPAddressPool public:
BGPAdvertisement public:
"""
    compilation = compiled(spec)
    rows = own_rows(compilation)
    assert codes(lint(compilation, "x.json", json.dumps(rows))) == []
    rows["BGP_GLOBALS"]["default"]["load_balance_mp_relax"] = "false"
    assert codes(lint(compilation, "x.json", json.dumps(rows))) == ["far-multipath-relax"]


def own_rows(compilation: Compilation) -> Tables:
    files = views.files(compilation.network)
    (text,) = (one.text for path, one in files.items() if path.endswith("config_db.json"))
    made: Tables = json.loads(text)
    return made


def test_a_password_that_is_set_by_hand_is_a_doubt() -> None:
    spec = """
Switch tor: {asn: 65001, addresses: [198.51.100.1/24], routerID: 198.51.100.1, password: external}
BGPPeer tor: {peerAddress: 198.51.100.1, peerASN: 65001, password: x}
Node n1: {ips: [198.51.100.11]}
Service shop/web:
IPAddressPool public:
BGPAdvertisement public:
"""
    compilation = compiled(spec)
    rows = own_rows(compilation)
    report = lint(compilation, "x.json", json.dumps(rows))
    assert (codes(report), report.ok) == (["far-password"], True)
    text = "\n".join(bgpd.lines(rows))
    report = lint(compilation, "frr.conf", text)
    assert (codes(report), report.ok) == (["far-password"], False)
    with_it = text.replace(
        " neighbor 198.51.100.11", " neighbor 198.51.100.11 password y\n neighbor 198.51.100.11", 1
    )
    assert codes(lint(compilation, "frr.conf", with_it)) == []


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("", ["far-multihop"]),
        (f" {NEIGHBOR} ebgp-multihop 1\n", ["far-multihop"]),
        (f" {NEIGHBOR} ebgp-multihop 2\n", []),
        (f" {NEIGHBOR} ttl-security hops 3\n", []),
    ],
)
def test_an_end_of_ours_that_is_far_away(lines: str, expected: list[str]) -> None:
    spec = SPEC.replace("holdTime: 9s", "holdTime: 9s, ebgpMultiHop: true")
    report = lint(
        compiled(spec), "frr.conf", GOOD.replace(" address-family", lines + " address-family")
    )
    assert codes(report) == expected
    assert report.ok == (not expected)


def test_sessions_of_equal_ends_are_told_in_one_sentence() -> None:
    nodes = "".join(f"Node n{n}: {{ips: [198.51.100.{n}]}}\n" for n in range(11, 61))
    spec = SPEC.replace("Node n1: {ips: [198.51.100.11]}\n", nodes)
    lines = "".join(f" neighbor 198.51.100.{n} peer-group G\n" for n in range(11, 61))
    text = START + " neighbor G peer-group\n neighbor G remote-as 1\n neighbor G timers 3 9\n"
    text += lines + " address-family ipv4\n  neighbor G route-map IN in\n"
    (one,) = lint(compiled(spec), "frr.conf", GOOD[: GOOD.index("router bgp")] + text).diagnostics
    assert one.code == "far-remote-as"
    assert "(n11, n12, n13 and 47 more)" in one.message
