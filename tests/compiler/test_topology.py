"""Which peer meets which switch on which node, from which address and under which router ID."""

from collections.abc import Sequence
from ipaddress import IPv4Address

import pytest
from short import compiled, errors, found, node, switch, warnings

from ferrule.compiler.network import Session
from ferrule.compiler.pipeline import Compilation

PEER = "BGPPeer tor: {peerAddress: 10.1.0.1}"
SWITCH = "Switch tor-a: {addresses: [10.1.0.1/24]}"
NODE = "Node n1: {ips: [10.1.0.11], labels: {rack: a}}"
RACK_A = "nodeSelectors: [{matchLabels: {rack: a}}]"
RACK_B = "nodeSelectors: [{matchLabels: {rack: b}}]"
FABRIC = "ferrule BGPPeer fabric: {switchSelectors: [{matchLabels: {role: leaf}}]}"
LEAF = "labels: {role: leaf}"


def ends(compilation: Compilation) -> list[str]:
    """`node > far end`: of every session the node's address and the switch's; `?` is foreign."""
    return [_end(one) for one in compilation.network.sessions]


def _end(one: Session) -> str:
    far = one.switch_end
    if far is None:
        return f"{one.node} > {one.node_end.interface or one.node_end.neighbor} ?"
    assert (far.neighbor, far.address) == (one.node_end.address, one.node_end.neighbor)
    return f"{one.node} {far.neighbor} > {far.switch} {far.address}"


def text(*lines: str) -> str:
    return "\n".join(lines)


# Binding by peerAddress.


@pytest.mark.parametrize(
    ("spec", "wanted", "warned"),
    [
        pytest.param(
            [PEER, SWITCH, NODE],
            ["n1 10.1.0.11 > tor-a 10.1.0.1"],
            [],
            id="a-switch-without-nodeselectors-selects-every-node",
        ),
        pytest.param(
            [PEER, f"Switch tor-a: {{addresses: [10.1.0.1/24], {RACK_A}}}", NODE],
            ["n1 10.1.0.11 > tor-a 10.1.0.1"],
            [],
            id="a-switch-that-selects-the-node-and-holds-the-address-is-the-far-end",
        ),
        pytest.param(
            [PEER, f"Switch tor-a: {{addresses: [10.1.0.1/24], {RACK_B}}}", NODE],
            ["n1 > 10.1.0.1 ?"],
            ["selects-nothing", "switch-not-selecting"],
            id="a-switch-that-holds-the-address-but-does-not-select-the-node-is-warned-of",
        ),
        pytest.param(
            ["BGPPeer tor: {peerAddress: 10.1.0.2}", SWITCH, NODE],
            ["n1 > 10.1.0.2 ?"],
            [],
            id="an-address-that-no-switch-holds-is-a-foreign-end",
        ),
        pytest.param(
            ["BGPPeer tor: {interface: eth1}", SWITCH, NODE],
            ["n1 > eth1 ?"],
            [],
            id="an-unnumbered-peer-is-a-foreign-end",
        ),
        pytest.param(
            [
                "BGPPeer gw: {peerAddress: 10.0.0.1}",
                f"Switch tor-a: {{addresses: [10.0.0.1], {RACK_A}}}",
                f"Switch tor-b: {{addresses: [10.0.0.1], {RACK_B}}}",
                NODE,
                "Node n2: {ips: [10.2.0.12], labels: {rack: b}}",
            ],
            ["n1 10.1.0.11 > tor-a 10.0.0.1", "n2 10.2.0.12 > tor-b 10.0.0.1"],
            [],
            id="an-anycast-gateway-is-each-rack's-own-switch",
        ),
        pytest.param(
            [f"BGPPeer tor: {{peerAddress: 10.1.0.1, {RACK_B}}}", SWITCH, NODE],
            [],
            ["node-without-session", "selects-nothing"],
            id="a-peer-that-does-not-select-the-node-makes-no-session",
        ),
        pytest.param(
            [PEER, "Switch tor-a: {addresses: [10.1.0.1/24], state: absent}", NODE],
            [],
            ["node-without-session"],
            id="an-absent-switch-takes-both-ends-with-it",
        ),
        pytest.param(
            [
                PEER,
                "Switch old: {addresses: [10.1.0.1/24], state: absent}",
                "Switch new: {addresses: [10.1.0.1/24], routerID: 10.255.0.2}",
                NODE,
            ],
            ["n1 10.1.0.11 > new 10.1.0.1"],
            [],
            id="an-absent-switch-leaves-its-address-to-its-successor",
        ),
        pytest.param(
            [PEER, f"Switch tor-a: {{addresses: [10.1.0.1/24], state: absent, {RACK_B}}}", NODE],
            ["n1 > 10.1.0.1 ?"],
            ["selects-nothing"],
            id="an-absent-switch-is-not-missed-where-it-never-was",
        ),
    ],
)
def test_a_peer_with_an_address(
    spec: Sequence[str], wanted: Sequence[str], warned: Sequence[str]
) -> None:
    compilation = compiled(text(*spec))
    assert errors(compilation) == []
    assert ends(compilation) == wanted
    assert warnings(compilation) == warned


def test_a_node_that_two_switches_select_is_an_error_that_cites_both() -> None:
    second = "Switch tor-b: {addresses: [10.1.0.1/24], routerID: 10.255.0.2}"
    compilation = compiled(text(PEER, SWITCH, second, NODE))
    one = found(compilation, "ambiguous-switch")
    assert [str(place.ref) for place in one.places] == [
        "BGPPeer tor",
        "Switch tor-a",
        "Switch tor-b",
        "Node n1",
    ]
    assert one.node == "n1"


def test_the_nodes_that_a_switch_does_not_select_are_told_together() -> None:
    nodes = [f"Node n{i}: {{ips: [10.1.0.{i}], labels: {{rack: b}}}}" for i in range(11, 19)]
    holder = f"Switch tor-a: {{addresses: [10.1.0.1/24], {RACK_A}}}"
    one = found(compiled(text(PEER, holder, NODE, *nodes)), "switch-not-selecting")
    assert '"n11", "n12", "n13" and 5 more' in one.message
    assert [str(place.ref) for place in one.places] == ["BGPPeer tor", "Switch tor-a"]


# Binding by switchSelectors.


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        pytest.param(
            [
                f"Switch tor-a: {{{LEAF}, addresses: [10.1.0.1/24]}}",
                f"Switch tor-b: {{{LEAF}, addresses: [10.1.0.2/24], routerID: 10.255.0.2}}",
                "Switch spine: {addresses: [10.1.0.3/24]}",
                NODE,
            ],
            ["n1 10.1.0.11 > tor-a 10.1.0.1", "n1 10.1.0.11 > tor-b 10.1.0.2"],
            id="one-session-with-each-selected-switch",
        ),
        pytest.param(
            [
                f"Switch tor-a: {{{LEAF}, addresses: [10.1.0.1/24], {RACK_A}}}",
                f"Switch tor-b: {{{LEAF}, addresses: [10.1.0.2/24], {RACK_B}}}",
                NODE,
            ],
            ["n1 10.1.0.11 > tor-a 10.1.0.1"],
            id="but-only-where-the-switch-selects-the-node-too",
        ),
        pytest.param(
            [
                f'Switch tor-a: {{{LEAF}, addresses: [10.1.0.1/24, "2001:db8::1/64"]}}',
                'Node n1: {ips: [10.1.0.11, "2001:db8::11"]}',
            ],
            ["n1 10.1.0.11 > tor-a 10.1.0.1", "n1 2001:db8::11 > tor-a 2001:db8::1"],
            id="one-session-in-each-family-that-both-have",
        ),
        pytest.param(
            [f'Switch tor-a: {{{LEAF}, addresses: [10.1.0.1/24, "2001:db8::1/64"]}}', NODE],
            ["n1 10.1.0.11 > tor-a 10.1.0.1"],
            id="none-in-a-family-that-only-the-switch-has",
        ),
        pytest.param(
            [f"Switch tor-a: {{{LEAF}, addresses: [10.9.0.1/24, 10.1.0.1/24]}}", NODE],
            ["n1 10.1.0.11 > tor-a 10.1.0.1"],
            id="on-the-address-that-is-on-link",
        ),
        pytest.param(
            [f"Switch tor-a: {{{LEAF}, addresses: [10.9.0.1]}}", NODE],
            ["n1 10.1.0.11 > tor-a 10.9.0.1"],
            id="an-address-without-a-length-counts-as-on-link",
        ),
        pytest.param(
            [f"Switch tor-a: {{{LEAF}, addresses: [10.9.0.1/24, 10.8.0.1]}}", NODE],
            ["n1 10.1.0.11 > tor-a 10.8.0.1"],
            id="and-is-taken-before-one-that-is-known-to-be-far",
        ),
        pytest.param(
            [
                f"Switch tor-a: {{{LEAF}, addresses: [10.1.0.1/24]}}",
                'Node n1: {ips: [10.1.0.11], announced: "2001:db8::11"}',
            ],
            ["n1 10.1.0.11 > tor-a 10.1.0.1"],
            id="an-annotation-in-one-family-leaves-the-other-alone",
        ),
        pytest.param(
            [f"Switch tor-a: {{{LEAF}, addresses: [10.1.0.1/24], state: absent}}", NODE],
            [],
            id="an-absent-switch-makes-no-session",
        ),
        pytest.param(
            [
                f"Switch tor-a: {{{LEAF}, addresses: ['2001:db8::1'], state: absent}}",
                NODE,
            ],
            [],
            id="an-absent-switch-is-not-asked-for-its-families",
        ),
    ],
)
def test_a_peer_with_switch_selectors(spec: Sequence[str], wanted: Sequence[str]) -> None:
    compilation = compiled(text(FABRIC, *spec))
    assert errors(compilation) == []
    assert ends(compilation) == wanted
    assert {one.peer for one in compilation.network.sessions} <= {"fabric"}


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        pytest.param(
            f'Switch tor-a: {{{LEAF}, addresses: ["2001:db8::1/64"]}}',
            "family-missing",
            id="no-family-in-common",
        ),
        pytest.param(
            f"Switch tor-a: {{{LEAF}, addresses: [10.1.0.1/24, 10.1.0.2/24]}}",
            "ambiguous-switch-address",
            id="two-addresses-on-link",
        ),
        pytest.param(
            f"Switch tor-a: {{{LEAF}, addresses: [10.8.0.1, 10.9.0.1]}}",
            "ambiguous-switch-address",
            id="two-addresses-that-may-be-on-link",
        ),
        pytest.param(
            f"Switch tor-a: {{{LEAF}, addresses: [10.9.0.1/24]}}",
            "not-on-link",
            id="the-only-address-is-off-link-and-the-peer-does-not-say-multihop",
        ),
    ],
)
def test_a_selected_switch_that_the_node_cannot_reach_is_a_mistake_of_the_node(
    spec: str, code: str
) -> None:
    compilation = compiled(text(FABRIC, spec, NODE))
    assert errors(compilation) == [code]
    one = found(compilation, code)
    assert one.node == "n1"
    kinds = {place.ref.kind for place in one.places if place.ref}
    assert {"Node", "Switch", "BGPPeer"} <= kinds


def test_the_only_address_of_a_selected_switch_does_off_link_with_multihop() -> None:
    peer = FABRIC.replace("}]}", "}], ebgpMultiHop: true}")
    compilation = compiled(text(peer, f"Switch tor-a: {{{LEAF}, addresses: [10.9.0.1/24]}}", NODE))
    assert errors(compilation) == []
    assert ends(compilation) == ["n1 10.1.0.11 > tor-a 10.9.0.1"]


def test_the_source_address_decides_the_family_of_a_peer_with_switch_selectors() -> None:
    peer = FABRIC.replace("}]}", "}], sourceAddress: 10.1.0.99}")
    both = f'Switch tor-a: {{{LEAF}, addresses: [10.1.0.1/24, "2001:db8::1/64"]}}'
    compilation = compiled(text(peer, both, 'Node n1: {ips: [10.1.0.11, "2001:db8::11"]}'))
    assert errors(compilation) == []
    assert ends(compilation) == ["n1 10.1.0.99 > tor-a 10.1.0.1"]


def test_the_vrf_of_the_chosen_address_is_the_session_s() -> None:
    red = f"Switch tor-a: {{{LEAF}, addresses: [{{address: 10.1.0.1/24, vrf: Vrf_red}}]}}"
    compilation = compiled(text(FABRIC, red, NODE))
    (group,) = switch(compilation).groups
    assert (group.vrf, group.name) == ("Vrf_red", "fabric_64512_ipv4")
    assert switch(compilation).vrfs == ("Vrf_red",)
    assert next(compilation.network.sessions).node_end.vrf == ""


# The node's address.


@pytest.mark.parametrize(
    ("peer", "machine", "wanted"),
    [
        pytest.param("", "ips: [10.1.0.11]", "10.1.0.11", id="the-only-internalip"),
        pytest.param(
            "", "ips: [10.7.0.11, 10.1.0.11]", "10.1.0.11", id="the-internalip-that-is-on-link"
        ),
        pytest.param(
            "",
            'ips: [10.1.0.11], announced: "10.1.0.12"',
            "10.1.0.12",
            id="the-annotation-beats-it",
        ),
        pytest.param(
            "",
            'ips: [10.1.0.11], announced: "10.7.0.12, 10.1.0.13"',
            "10.1.0.13",
            id="of-an-annotation-with-several-the-one-on-link",
        ),
        pytest.param(
            ", sourceAddress: 10.1.0.14",
            'ips: [10.1.0.11], announced: "10.1.0.12"',
            "10.1.0.14",
            id="the-source-address-beats-both",
        ),
        pytest.param(
            ", ebgpMultiHop: true",
            "ips: [10.7.0.11]",
            "10.7.0.11",
            id="the-only-one-off-link-with-multihop",
        ),
    ],
)
def test_the_address_that_a_node_faces_the_switch_with(
    peer: str, machine: str, wanted: str
) -> None:
    compilation = compiled(
        text(f"BGPPeer tor: {{peerAddress: 10.1.0.1{peer}}}", SWITCH, f"Node n1: {{{machine}}}")
    )
    assert errors(compilation) == []
    assert ends(compilation) == [f"n1 {wanted} > tor-a 10.1.0.1"]


@pytest.mark.parametrize(
    ("address", "machine", "code", "has"),
    [
        pytest.param(
            "10.1.0.1/24",
            'ips: ["2001:db8::11"]',
            "family-missing",
            "2001:db8::11",
            id="none-of-the-family",
        ),
        pytest.param(
            "10.1.0.1/24",
            "ips: [10.1.0.11, 10.1.0.12]",
            "ambiguous-node-address",
            "10.1.0.11, 10.1.0.12",
            id="two-on-link",
        ),
        pytest.param(
            "10.1.0.1",
            "ips: [10.1.0.11, 10.7.0.12]",
            "ambiguous-node-address",
            "10.1.0.11, 10.7.0.12",
            id="two-and-nobody-knows-who-is-on-link",
        ),
        pytest.param("10.1.0.1/24", "ips: []", "family-missing", "none", id="none-at-all"),
    ],
)
def test_a_node_address_that_is_not_clear_says_which_were_found(
    address: str, machine: str, code: str, has: str
) -> None:
    lines = [PEER, f"Switch tor-a: {{addresses: [{address}]}}", f"Node n1: {{{machine}}}"]
    compilation = compiled(text(*lines))
    assert errors(compilation) == [code]
    one = found(compilation, code)
    assert one.message.endswith(f"it has: {has}")
    assert one.node == "n1"


def test_a_foreign_end_needs_no_address_of_the_node() -> None:
    compilation = compiled(text(PEER, "Node n1: {ips: []}"))
    assert errors(compilation) == []
    assert ends(compilation) == ["n1 > 10.1.0.1 ?"]


# The node's router ID.


@pytest.mark.parametrize(
    ("peer", "machine", "wanted"),
    [
        pytest.param(
            ", routerID: 10.9.9.9", "ips: [10.1.0.11]", "10.9.9.9", id="what-its-peers-say"
        ),
        pytest.param("", "ips: [10.1.0.11]", "10.1.0.11", id="else-its-only-ipv4-internalip"),
        pytest.param("", 'ips: ["2001:db8::11"]', None, id="else-a-hash-of-its-name"),
        pytest.param("", "ips: [10.1.0.11, 10.1.0.12]", None, id="also-where-it-has-two"),
    ],
)
def test_the_router_id_of_a_node(peer: str, machine: str, wanted: str | None) -> None:
    far = f"BGPPeer tor: {{peerAddress: 10.1.0.1{peer}}}"
    given = node(compiled(text(far, f"Node n1: {{{machine}}}"))).router_id
    hashed = IPv4Address("204.231.38.125")  # of "n1"; a promise: it may not change
    assert given == (IPv4Address(wanted) if wanted else hashed)


def test_the_cluster_may_take_router_ids_from_names_only() -> None:
    cluster = "Cluster prod: {bgp: {routerIDFrom: name}}"
    assert node(compiled(text(cluster, PEER, NODE))).router_id == IPv4Address("204.231.38.125")


def test_a_hashed_router_id_is_never_in_a_reserved_range() -> None:
    nodes = [f"Node n{number}: {{ips: []}}" for number in range(300)]
    for one in compiled(text(PEER, *nodes)).network.nodes:
        assert one.router_id is not None
        assert 1 <= int(one.router_id) >> 24 <= 223


def test_two_nodes_of_a_switch_with_one_router_id() -> None:
    one, two = "Node n1: {ips: [10.1.0.11]}", "Node n2: {ips: [10.1.0.12]}"
    peer = "BGPPeer tor: {peerAddress: 10.1.0.1, routerID: 10.9.9.9}"
    mistake = found(compiled(text(peer, SWITCH, one, two)), "duplicate-router-id")
    assert [str(place.ref) for place in mistake.places] == ["Node n2", "Node n1", "Switch tor-a"]
    assert mistake.node == "n2"
    assert errors(compiled(text(peer, one, two))) == []  # foreign ends are not looked into


def test_a_node_with_the_router_id_of_its_switch() -> None:
    same = "Switch tor-a: {addresses: [10.1.0.1/24], routerID: 10.1.0.11}"
    assert errors(compiled(text(PEER, same, NODE))) == ["duplicate-router-id"]


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        pytest.param("10.9.9.9", "10.9.9.9", [], id="the-same"),
        pytest.param("10.9.9.9", "10.9.9.8", ["router-id-mismatch"], id="another"),
        pytest.param("10.9.9.9", "null", ["router-id-mismatch"], id="one-unset"),
        pytest.param("''", "null", [], id="an-empty-text-is-unset"),
    ],
)
def test_the_router_ids_of_peers_that_meet_on_a_node(
    first: str, second: str, wanted: list[str]
) -> None:
    peers = [
        f"BGPPeer tor-{far}: {{peerAddress: 10.1.0.{far}, routerID: {router_id}}}"
        for far, router_id in ((1, first), (2, second))
    ]
    assert errors(compiled(text(*peers, NODE))) == wanted


# Peers that meet on a node.


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        pytest.param(
            "{peerAddress: 10.1.0.1}",
            "{peerAddress: 10.1.0.1}",
            ["duplicate-peer"],
            id="one-address-twice",
        ),
        pytest.param(
            "{peerAddress: 10.1.0.1}",
            "{peerAddress: 10.1.0.1, vrf: red}",
            [],
            id="one-address-in-two-vrfs",
        ),
        pytest.param(
            "{interface: eth0}", "{interface: eth0}", ["duplicate-peer"], id="one-interface-twice"
        ),
        pytest.param(
            "{peerAddress: 10.1.0.1}",
            "{peerAddress: 10.1.0.2, myASN: 64513}",
            ["my-asn-mismatch"],
            id="two-asns-in-one-vrf",
        ),
        pytest.param(
            "{peerAddress: 10.1.0.1}",
            "{peerAddress: 10.1.0.2, myASN: 64513, vrf: red}",
            [],
            id="two-asns-in-two-vrfs",
        ),
        pytest.param(
            f"{{peerAddress: 10.1.0.1, {RACK_B}}}",
            "{peerAddress: 10.1.0.1, myASN: 64513}",
            [],
            id="peers-that-do-not-meet",
        ),
    ],
)
def test_peers_that_meet_on_a_node_agree(first: str, second: str, wanted: list[str]) -> None:
    other = "Node n2: {ips: [10.1.0.12], labels: {rack: c}}"
    compilation = compiled(text(f"BGPPeer one: {first}", f"BGPPeer two: {second}", NODE, other))
    assert errors(compilation) == wanted
    assert {one.node for one in compilation.diagnostics if one.severity == "error"} == (
        {"n1", "n2"} if wanted else set()
    )


# The node's AS.


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        pytest.param("{example.net/asn: '64601'}", [], id="a-number"),
        pytest.param("{}", ["node-asn"], id="no-label"),
        pytest.param("{example.net/asn: 'x'}", ["node-asn"], id="no-number"),
        pytest.param("{example.net/asn: '0'}", ["node-asn"], id="zero"),
        pytest.param("{example.net/asn: '4294967296'}", ["node-asn"], id="too-large"),
    ],
)
def test_the_asn_may_come_from_a_label(labels: str, wanted: list[str]) -> None:
    peer = "ferrule BGPPeer tor: {myASN: null, peerAddress: 10.1.0.1, myASNFrom: {nodeLabel: L}}"
    peer = peer.replace("nodeLabel: L", "nodeLabel: example.net/asn")
    compilation = compiled(text(peer, SWITCH, f"Node n1: {{ips: [10.1.0.11], labels: {labels}}}"))
    assert errors(compilation) == wanted
    assert {one.node for one in compilation.diagnostics if one.severity == "error"} <= {"n1"}
    if not wanted:
        assert next(compilation.network.sessions).node_end.asn == 64601
        assert [group.name for group in switch(compilation).groups] == ["tor_64601_ipv4"]


def test_local_asn_is_what_the_switch_sees() -> None:
    peer = "BGPPeer tor: {peerAddress: 10.1.0.1, localASN: 64999}"
    compilation = compiled(text(peer, SWITCH, NODE))
    end = next(compilation.network.sessions).node_end
    assert (end.asn, end.local_asn, end.far_asn) == (64512, 64999, 64999)
    (group,) = switch(compilation).groups
    assert (group.name, group.asn) == ("tor_64999_ipv4", 64999)


# What one node's mistake leaves of the others.


def test_a_mistake_of_one_node_leaves_the_others_their_sessions() -> None:
    compilation = compiled(text(PEER, SWITCH, NODE, "Node n2: {ips: []}"))
    assert not compilation.ok
    assert ends(compilation) == ["n1 10.1.0.11 > tor-a 10.1.0.1"]
    assert node(compilation, "n2").sessions == ()
    assert node(compilation, "n2").router_id is None


def test_a_node_whose_peers_contradict_one_another_has_no_session_at_all() -> None:
    second = f"BGPPeer two: {{peerAddress: 10.1.0.1, {RACK_A}}}"
    other = "Node n2: {ips: [10.1.0.12]}"
    compilation = compiled(text(PEER, second, SWITCH, NODE, other))
    assert ends(compilation) == ["n2 10.1.0.12 > tor-a 10.1.0.1"]


def test_a_mistake_of_the_spec_compiles_nothing() -> None:
    compilation = compiled(text(PEER.replace("10.1.0.1", "10.1.0.1, peerASN: 65001"), SWITCH, NODE))
    assert errors(compilation) == ["peer-asn-mismatch"]
    assert compilation.network.nodes == ()


# Listen ranges.

DYNAMIC = (
    "Switch tor-a: {addresses: [10.1.0.1/24], neighbors: dynamic,"
    " listenRanges: [10.1.0.0/25, 10.1.0.128/25]}"
)


def groups(compilation: Compilation) -> dict[str, str]:
    """By VRF and name of the group: the node's AS."""
    return {f"{one.vrf} {one.name}": str(one.asn) for one in switch(compilation).groups}


def test_a_range_without_a_node_has_its_group_already() -> None:
    compilation = compiled(text(PEER, DYNAMIC, NODE))
    assert errors(compilation) == []
    assert groups(compilation) == {
        "default range_10.1.0.0_25": "64512",
        "default range_10.1.0.128_25": "64512",
    }
    assert all(not one.neighbors and one.listen_range for one in switch(compilation).groups)


def test_without_nodes_all_ranges_have_their_groups() -> None:
    compilation = compiled(text(PEER, DYNAMIC))
    assert len(groups(compilation)) == 2


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        pytest.param(
            [PEER, f"BGPPeer two: {{peerAddress: 10.1.0.1, {RACK_B}, holdTime: 9s}}"],
            {},
            id="peers-that-need-different-groups-wait-for-the-first-node",
        ),
        pytest.param(
            [PEER, f"BGPPeer two: {{peerAddress: 10.1.0.1, {RACK_B}}}"],
            {"default range_10.1.0.0_25": "64512", "default range_10.1.0.128_25": "64512"},
            id="peers-that-agree-share-it",
        ),
        pytest.param(
            [
                "ferrule BGPPeer tor:"
                " {myASN: null, peerAddress: 10.1.0.1, myASNFrom: {nodeLabel: asn}}"
            ],
            {},
            id="an-asn-that-no-node-has-said-is-waited-for",
        ),
        pytest.param(
            ['BGPPeer tor: {peerAddress: "2001:db8::1"}'], {}, id="no-peer-of-the-range's-family"
        ),
    ],
)
def test_a_range_without_nodes(spec: Sequence[str], wanted: dict[str, str]) -> None:
    assert groups(compiled(text(*spec, DYNAMIC))) == wanted


def test_a_peer_of_another_switch_of_the_same_address_has_no_say_in_a_range() -> None:
    compilation = compiled(
        text(
            f"BGPPeer a: {{peerAddress: 10.0.0.1, {RACK_A}}}",
            f"BGPPeer b: {{peerAddress: 10.0.0.1, {RACK_B}, myASN: 64513}}",
            f"Switch tor-a: {{addresses: [10.0.0.1], neighbors: dynamic, {RACK_A},"
            " listenRanges: [10.1.0.0/25, 10.1.0.128/25]}",
            f"Switch tor-b: {{addresses: [10.0.0.1], {RACK_B}}}",
            NODE,
            "Node n2: {ips: [10.2.0.12], labels: {rack: b}}",
        )
    )
    assert errors(compilation) == []
    assert groups(compilation) == {
        "default range_10.1.0.0_25": "64512",
        "default range_10.1.0.128_25": "64512",
    }


def test_a_range_is_written_in_every_vrf_in_which_a_peer_of_its_family_may_dial_in() -> None:
    both = (
        "Switch tor-a: {neighbors: dynamic, listenRanges: [10.1.0.0/24], addresses:"
        " [10.1.0.1, {address: 10.1.0.2, vrf: Vrf_red}, {address: '2001:db8::1', vrf: Vrf_six}]}"
    )
    red = f"BGPPeer red: {{peerAddress: 10.1.0.2, {RACK_B}}}"
    six = f"BGPPeer six: {{peerAddress: '2001:db8::1', {RACK_B}}}"
    compilation = compiled(text(PEER, red, six, both, NODE))
    assert groups(compilation) == {
        "Vrf_red range_10.1.0.0_24": "64512",
        "default range_10.1.0.0_24": "64512",
    }


def test_an_absent_switch_has_no_group_at_all() -> None:
    gone = DYNAMIC.replace("listenRanges", "state: absent, listenRanges")
    assert groups(compiled(text(PEER, gone, NODE))) == {}


# Names.


@pytest.mark.parametrize(
    ("switch_spec", "machine", "wanted"),
    [
        pytest.param("addresses: [10.1.0.1/24]", "ips: [10.1.0.11]", "tor_64512_ipv4", id="static"),
        pytest.param(
            "addresses: [10.1.0.1/24], neighbors: dynamic, listenRanges: [10.1.0.0/24]",
            "ips: [10.1.0.11]",
            "range_10.1.0.0_24",
            id="dynamic",
        ),
    ],
)
def test_the_name_of_a_peer_group(switch_spec: str, machine: str, wanted: str) -> None:
    compilation = compiled(
        text(PEER, f"Switch tor-a: {{{switch_spec}}}", f"Node n1: {{{machine}}}")
    )
    assert [one.name for one in switch(compilation).groups] == [wanted]


def test_a_range_of_ipv6_is_named_without_colons() -> None:
    peer = 'BGPPeer tor: {peerAddress: "2001:db8::1"}'
    six = 'Switch tor-a: {addresses: ["2001:db8::1/64"], neighbors: dynamic, listenRanges: [R]}'
    compilation = compiled(text(peer, six.replace("[R]", '["2001:db8::/64"]')))
    assert list(groups(compilation)) == ["default range_2001-db8--_64"]


def test_a_session_of_both_families_is_one_member_of_one_group() -> None:
    peer = "BGPPeer tor: {peerAddress: 10.1.0.1, dualStackAddressFamily: true}"
    both = 'Switch tor-a: {addresses: [10.1.0.1/24, "2001:db8::1/64"]}'
    compilation = compiled(text(peer, both, 'Node n1: {ips: [10.1.0.11, "2001:db8::11"]}'))
    (group,) = switch(compilation).groups
    assert (group.family, [one.family for one in group.accepts]) == ("ipv4", ["ipv4", "ipv6"])
