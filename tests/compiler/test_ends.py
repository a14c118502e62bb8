"""What two ends must agree in, what a switch cannot carry, what its sessions may not share."""

from base64 import b64encode
from collections.abc import Sequence

import pytest
from short import compiled, errors, found, node, switch, warnings

SWITCH = "Switch tor-a: {addresses: [10.1.0.1/24, '2001:db8:1::1/64']}"
PEER = "BGPPeer tor: {peerAddress: 10.1.0.1}"
NODE = "Node n1: {ips: [10.1.0.11, '2001:db8:1::11'], labels: {rack: a, asn: '64512'}}"
OTHER = "Node n2: {ips: [10.1.0.12, '2001:db8:1::12'], labels: {rack: b}}"
RACK_A = "nodeSelectors: [{matchLabels: {rack: a}}]"
RACK_B = "nodeSelectors: [{matchLabels: {rack: b}}]"
LABEL = "myASN: null, myASNFrom: {nodeLabel: asn}"


def text(*lines: str) -> str:
    return "\n".join(lines)


def peer(fields: str) -> str:
    return f"ferrule BGPPeer tor: {{peerAddress: 10.1.0.1, {fields}}}"


def tor(fields: str) -> str:
    return SWITCH.replace("]}", f"], {fields}}}")


# ASNs: the switch is in 65000, the node in 64512.


@pytest.mark.parametrize(
    ("far", "wanted"),
    [
        pytest.param("peerASN: 65000", [], id="the-switch's-asn"),
        pytest.param("peerASN: 65001", ["peer-asn-mismatch"], id="another-asn"),
        pytest.param("peerASN: null, dynamicASN: external", [], id="external-and-it-is"),
        pytest.param(
            "peerASN: null, dynamicASN: internal",
            ["peer-asn-mismatch"],
            id="internal-and-it-is-not",
        ),
        pytest.param(
            "peerASN: null, dynamicASN: internal, myASN: 65000", [], id="internal-and-it-is"
        ),
        pytest.param(
            "peerASN: null, dynamicASN: external, myASN: 65000",
            ["peer-asn-mismatch"],
            id="external-and-it-is-not",
        ),
        pytest.param("myASN: 65000", [], id="ibgp-by-number"),
        pytest.param(
            "peerASN: null, dynamicASN: external, localASN: 64999", [], id="local-asn-towards-ebgp"
        ),
        pytest.param(
            "peerASN: null, dynamicASN: external, localASN: 65000",
            ["local-asn"],
            id="local-asn-is-the-switch's",
        ),
        pytest.param(
            f"{LABEL}, peerASN: 64512, ebgpMultiHop: true",
            ["peer-asn-mismatch"],
            id="a-label-and-another-asn",
        ),
    ],
)
def test_the_asns_of_both_ends(far: str, wanted: list[str]) -> None:
    compilation = compiled(text(peer(far), SWITCH, NODE))
    assert errors(compilation) == wanted
    for one in compilation.diagnostics:
        assert {"BGPPeer tor", "Switch tor-a"} <= {str(place.ref) for place in one.places}


@pytest.mark.parametrize(
    ("far", "code", "cited"),
    [
        pytest.param(
            "peerASN: 64512, ebgpMultiHop: true", "multihop-ibgp", "BGPPeer tor", id="multihop"
        ),
        pytest.param("peerASN: 64512, localASN: 64999", "local-asn", "BGPPeer tor", id="local-asn"),
    ],
)
def test_an_asn_from_a_label_may_make_a_foreign_end_internal(
    far: str, code: str, cited: str
) -> None:
    one = found(compiled(text(peer(f"{LABEL}, {far}"), NODE)), code)
    assert [str(place.ref) for place in one.places] == [cited, cited, "Node n1"]
    assert one.node == "n1"


def test_an_asn_from_a_label_that_is_the_switch_s_belongs_to_the_node() -> None:
    inside = tor("asn: 64512")
    lines = [peer(f"{LABEL}, peerASN: null, dynamicASN: external"), inside, NODE, OTHER]
    compilation = compiled(text(*lines))
    one = found(compilation, "peer-asn-mismatch")
    assert [str(place.ref) for place in one.places] == ["BGPPeer tor", "Switch tor-a", "Node n1"]
    assert one.node == "n1"


def test_a_disagreement_that_no_node_causes_is_told_once() -> None:
    compilation = compiled(text(peer("peerASN: 65001, peerPort: 1179"), SWITCH, NODE, OTHER))
    assert errors(compilation) == ["peer-asn-mismatch", "peer-port"]
    assert [one.node for one in compilation.diagnostics] == [None, None]


@pytest.mark.parametrize(
    ("far", "near", "wanted"),
    [
        pytest.param("peerASN: 65001", "", ["peer-asn-mismatch"], id="asn"),
        pytest.param("peerPort: 1179", "", ["peer-port"], id="port"),
        pytest.param("password: secret", "", ["switch-password"], id="password"),
        pytest.param("myASN: 65000, ebgpMultiHop: true", "", ["multihop-ibgp"], id="multihop"),
        pytest.param(f"{LABEL}, ebgpMultiHop: true", "asn: 65000", [], id="an-asn-of-no-node"),
    ],
)
def test_what_no_node_has_a_say_in_is_checked_without_nodes(
    far: str, near: str, wanted: list[str]
) -> None:
    compilation = compiled(text(peer(far), tor(near or "globals: check")))
    assert errors(compilation) == wanted
    assert warnings(compilation) == ["no-nodes"]


def test_without_nodes_an_address_of_several_switches_is_left_open() -> None:
    racks = [
        f"Switch tor-{rack}: {{addresses: [10.0.0.1], asn: {asn}, {selector}}}"
        for rack, asn, selector in (("a", 65000, RACK_A), ("b", 65001, RACK_B))
    ]
    assert errors(compiled(text("BGPPeer gw: {peerAddress: 10.0.0.1}", *racks))) == []


# On-link.


@pytest.mark.parametrize(
    ("far", "near", "wanted"),
    [
        pytest.param("", "addresses: [10.1.0.1/24]", [], id="on-link"),
        pytest.param("", "addresses: [10.1.0.1]", [], id="no-length-counts-as-on-link"),
        pytest.param("", "addresses: [10.1.0.1/29]", ["not-on-link"], id="off-link"),
        pytest.param("ebgpMultiHop: true", "addresses: [10.1.0.1/29]", [], id="off-link-multihop"),
        pytest.param("ebgpMultiHop: true", "addresses: [10.1.0.1/24]", [], id="on-link-multihop"),
        pytest.param(
            "myASN: 65000", "addresses: [10.1.0.1/29]", [], id="ibgp-needs-no-common-link"
        ),
    ],
)
def test_ebgp_needs_a_common_link_or_multihop(far: str, near: str, wanted: list[str]) -> None:
    compilation = compiled(text(peer(far), f"Switch tor-a: {{{near}}}", NODE))
    assert errors(compilation) == wanted
    if not wanted:
        (group,) = switch(compilation).groups
        (session,) = node(compilation).sessions
        assert group.multihop == session.node_end.multihop == ("ebgpMultiHop" in far)


# Both families on one session.


@pytest.mark.parametrize(
    ("addresses", "wanted"),
    [
        pytest.param("[10.1.0.1/24, '2001:db8:1::1/64']", [], id="both"),
        pytest.param("[10.1.0.1/24]", ["dual-stack-next-hop"], id="no-other"),
        pytest.param(
            "[10.1.0.1/24, {address: '2001:db8:1::1/64', vrf: Vrf_red}]",
            ["dual-stack-next-hop"],
            id="the-other-in-another-vrf",
        ),
    ],
)
def test_both_families_on_one_session_need_both_addresses(
    addresses: str, wanted: list[str]
) -> None:
    near = f"Switch tor-a: {{addresses: {addresses}}}"
    assert errors(compiled(text(peer("dualStackAddressFamily: true"), near, NODE))) == wanted


def test_a_node_with_one_family_only_is_warned_of() -> None:
    four = "Node n1: {ips: [10.1.0.11]}"
    compilation = compiled(text(peer("dualStackAddressFamily: true"), SWITCH, four))
    assert (errors(compilation), warnings(compilation)) == ([], ["dual-stack-node"])


# Passwords.


def secret(
    value: str | bytes, kind: str = "kubernetes.io/basic-auth", key: str = "password"
) -> str:
    encoded = b64encode(value if isinstance(value, bytes) else value.encode()).decode()
    return f"Secret metallb-system/tor: {{type: {kind}, data: {{{key}: {encoded}}}}}"


REFERENCE = "passwordSecret: {name: tor}"


@pytest.mark.parametrize(
    ("far", "lines", "wrong", "doubtful"),
    [
        pytest.param("password: pw", [], ["switch-password"], [], id="inline-at-a-switch"),
        pytest.param(REFERENCE, [secret("pw")], ["switch-password"], [], id="a-secret-at-a-switch"),
        pytest.param("passwordSecret: {}", [], [], [], id="a-reference-without-a-name-is-none"),
    ],
)
def test_a_switch_cannot_carry_a_password(
    far: str, lines: Sequence[str], wrong: list[str], doubtful: list[str]
) -> None:
    compilation = compiled(text(peer(far), SWITCH, NODE, *lines))
    assert (errors(compilation), warnings(compilation)) == (wrong, doubtful)


@pytest.mark.parametrize(
    ("far", "lines", "wrong", "doubtful"),
    [
        pytest.param("password: pw", [], [], [], id="inline"),
        pytest.param(REFERENCE, [secret("pw")], [], [], id="a-secret"),
        pytest.param(REFERENCE, [], [], ["secret-missing"], id="a-secret-that-is-not-there"),
        pytest.param(
            REFERENCE,
            [secret("pw", kind="Opaque")],
            ["secret-unusable"],
            [],
            id="a-secret-of-another-type",
        ),
        pytest.param(
            REFERENCE,
            [secret("pw", key="token")],
            ["secret-unusable"],
            [],
            id="a-secret-without-the-key",
        ),
        pytest.param(REFERENCE, [secret("p w")], ["secret-unusable"], [], id="white-space"),
        pytest.param(REFERENCE, [secret("p|w")], ["secret-unusable"], [], id="a-vertical-bar"),
        pytest.param(REFERENCE, [secret("p\u00e9")], ["secret-unusable"], [], id="not-ascii"),
        pytest.param(REFERENCE, [secret(b"\xff\xfe")], ["secret-unusable"], [], id="not-a-text"),
        pytest.param(REFERENCE, [secret("p" * 81)], ["secret-unusable"], [], id="too-long"),
    ],
)
def test_a_password_that_is_set_by_hand_on_the_switch(
    far: str, lines: Sequence[str], wrong: list[str], doubtful: list[str]
) -> None:
    near = tor("password: external")
    compilation = compiled(text(peer(far), near, NODE, *lines))
    assert (errors(compilation), warnings(compilation)) == (wrong, doubtful)
    for one in compilation.diagnostics:
        assert "pw" not in str(one)
        assert one.places[0].ref
        assert str(one.places[0].ref) == "BGPPeer tor"
    if not wrong:
        password = node(compilation).sessions[0].node_end.password
        assert password is not None
        assert password.value == (None if doubtful else "pw")


def test_a_secret_lives_with_its_peer_unless_it_says_otherwise() -> None:
    lines = [
        "ferrule BGPPeer net/tor: {peerAddress: 10.1.0.1, passwordSecret: {name: tor}}",
        "ferrule BGPPeer net/two:"
        " {peerAddress: 10.1.0.2, passwordSecret: {name: tor, namespace: vault}}",
        NODE,
    ]
    compilation = compiled(text(*lines))
    passwords = [one.node_end.password for one in node(compilation).sessions]
    assert [one and one.placeholder for one in passwords] == [
        "<secret:net/tor>",
        "<secret:vault/tor>",
    ]


# BFD.


@pytest.mark.parametrize(
    ("profile", "near", "wrong", "doubtful"),
    [
        pytest.param("{}", "globals: check", [], [], id="frr's-own-values"),
        pytest.param(
            "{transmitInterval: 300, receiveInterval: 300, detectMultiplier: 3}",
            "globals: check",
            [],
            [],
            id="frr's-own-values-written",
        ),
        pytest.param(
            "{transmitInterval: 100}", "globals: check", [], ["bfd-negotiated"], id="other-values"
        ),
        pytest.param("{echoMode: true}", "globals: check", ["bfd-echo"], [], id="echo-mode"),
        pytest.param("{passiveMode: true}", "globals: check", [], [], id="passive-mode"),
        pytest.param(
            "{}",
            "neighbors: dynamic, listenRanges: [10.1.0.0/24]",
            ["bfd-dynamic"],
            [],
            id="dynamic-neighbors",
        ),
    ],
)
def test_bfd_at_a_switch(profile: str, near: str, wrong: list[str], doubtful: list[str]) -> None:
    lines = [peer("bfdProfile: fast"), f"BFDProfile fast: {profile}", tor(near), NODE]
    compilation = compiled(text(*lines))
    assert (errors(compilation), warnings(compilation)) == (wrong, doubtful)


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        pytest.param(
            "{transmitInterval: 1000, receiveInterval: 100, detectMultiplier: 5}",
            "nodes send every 1000 ms and the switch gives up after 5000 ms; the switch sends every"
            " 300 ms and nodes give up after 900 ms",
            id="slower-out-faster-in",
        ),
        pytest.param(
            "{receiveInterval: 400}",
            "nodes send every 300 ms and the switch gives up after 900 ms; the switch sends every"
            " 400 ms and nodes give up after 1200 ms",
            id="slower-in",
        ),
    ],
)
def test_the_values_that_bfd_settles_on_are_told(profile: str, says: str) -> None:
    two = "BGPPeer two: {peerAddress: 10.1.0.2, bfdProfile: fast}"
    near = "Switch tor-b: {addresses: [10.1.0.2/24], routerID: 10.255.0.2}"
    lines = [peer("bfdProfile: fast"), two, f"BFDProfile fast: {profile}", SWITCH, near, NODE]
    assert says in found(compiled(text(*lines)), "bfd-negotiated").message


# Neighbors of one switch.


def test_one_node_address_is_one_neighbor_of_a_switch() -> None:
    second = "BGPPeer two: {peerAddress: 10.1.0.2}"
    near = "Switch tor-a: {addresses: [10.1.0.1/24, 10.1.0.2/24]}"
    one = found(compiled(text(PEER, second, near, NODE)), "duplicate-neighbor")
    assert [str(place.ref) for place in one.places] == ["BGPPeer two", "BGPPeer tor", "Node n1"]


def test_it_may_be_one_in_each_vrf() -> None:
    second = "BGPPeer two: {peerAddress: 10.1.0.2, vrf: red}"
    near = "Switch tor-a: {addresses: [10.1.0.1, {address: 10.1.0.2, vrf: Vrf_red}]}"
    assert errors(compiled(text(PEER, second, near, NODE))) == []


def test_two_nodes_with_one_address() -> None:
    twin = "Node n2: {ips: [10.1.0.11], labels: {rack: b}}"
    compilation = compiled(text(PEER, SWITCH, NODE, twin))
    one = found(compilation, "duplicate-neighbor")
    assert [str(place.ref) for place in one.places] == ["Node n2", "Node n1", "BGPPeer tor"]
    assert one.node == "n2"


def test_one_source_address_for_two_nodes() -> None:
    compilation = compiled(text(peer("sourceAddress: 10.1.0.50"), SWITCH, NODE, OTHER))
    one = found(compilation, "source-address-shared")
    assert [str(place.ref) for place in one.places] == ["BGPPeer tor", "Node n2", "Node n1"]
    assert errors(compilation) == ["source-address-shared"]


def test_one_source_address_for_two_nodes_on_two_switches() -> None:
    racks = [
        f"Switch tor-{rack}: {{addresses: [10.0.0.1], {selector}}}"
        for rack, selector in (("a", RACK_A), ("b", RACK_B))
    ]
    gateway = "BGPPeer gw: {peerAddress: 10.0.0.1, sourceAddress: 10.1.0.50}"
    assert errors(compiled(text(gateway, *racks, NODE, OTHER))) == []


# Listen ranges.

DYNAMIC = "neighbors: dynamic, listenRanges: [10.1.0.0/24, '2001:db8:1::/64']"
FIRST = f"ferrule BGPPeer one: {{peerAddress: 10.1.0.1, {RACK_A}, holdTime: 9s}}"


@pytest.mark.parametrize(
    ("fields", "setting"),
    [
        pytest.param("myASN: 64513, holdTime: 9s", "myASN", id="asn"),
        pytest.param("localASN: 64513, holdTime: 9s", "localASN", id="local-asn"),
        pytest.param("ebgpMultiHop: true, holdTime: 9s", "ebgpMultiHop", id="multihop"),
        pytest.param("holdTime: 12s, keepaliveTime: 3s", "holdTime", id="hold-time"),
        pytest.param("holdTime: 9s, keepaliveTime: 1s", "keepaliveTime", id="keepalive-time"),
        pytest.param("holdTime: 9s, connectTime: 5s", "connectTime", id="connect-time"),
        pytest.param(
            "holdTime: 9s, dualStackAddressFamily: true", "dualStackAddressFamily", id="families"
        ),
    ],
)
def test_peers_in_one_listen_range_agree_in_what_a_group_holds(fields: str, setting: str) -> None:
    second = f"BGPPeer two: {{peerAddress: 10.1.0.1, {RACK_B}, {fields}}}"
    compilation = compiled(text(FIRST, second, tor(DYNAMIC), NODE, OTHER))
    one = found(compilation, "listen-range-mismatch")
    assert f"differ in {setting} " in one.message
    assert [str(place.ref) for place in one.places] == [
        "BGPPeer two",
        "BGPPeer one",
        "Switch tor-a",
    ]
    assert one.node == "n2"


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param("holdTime: 9s, keepaliveTime: 3s", id="the-same-in-other-words"),
        pytest.param("holdTime: 9s, enableGracefulRestart: true", id="what-no-group-holds"),
    ],
)
def test_peers_in_one_listen_range_that_agree(fields: str) -> None:
    second = f"BGPPeer two: {{peerAddress: 10.1.0.1, {RACK_B}, {fields}}}"
    compilation = compiled(text(FIRST, second, tor(DYNAMIC), NODE, OTHER))
    assert errors(compilation) == []
    names = [one.name for one in switch(compilation).groups if one.family == "ipv4"]
    assert names == ["range_10.1.0.0_24"]


def test_two_nodes_of_one_peer_may_differ_by_their_asn_label() -> None:
    label = "myASN: null, myASNFrom: {nodeLabel: asn}"
    other = OTHER.replace("rack: b", "rack: b, asn: '64513'")
    compilation = compiled(text(peer(label), tor(DYNAMIC), NODE, other))
    one = found(compilation, "listen-range-mismatch")
    assert [str(place.ref) for place in one.places] == ["Node n2", "Node n1", "Switch tor-a"]


def test_a_node_outside_every_listen_range() -> None:
    near = tor("neighbors: dynamic, listenRanges: [10.1.0.0/29]")
    one = found(compiled(text(PEER, near, NODE)), "outside-listen-ranges")
    assert [str(place.ref) for place in one.places] == ["Node n1", "Switch tor-a", "BGPPeer tor"]
    assert one.node == "n1"


@pytest.mark.parametrize(
    ("nodes", "mode", "limit", "wanted"),
    [
        pytest.param(100, "check", None, [], id="as-many-as-bgpd-lets-in"),
        pytest.param(101, "check", 256, ["listen-limit"], id="one-more"),
        pytest.param(101, "managed", 256, [], id="one-more-where-we-set-the-limit"),
    ],
)
def test_more_neighbors_dial_in_than_bgpd_lets_in(
    nodes: int, mode: str, limit: int | None, wanted: list[str]
) -> None:
    near = (
        f"Switch tor-a: {{addresses: [10.1.0.1/24], maximumPaths: 256, globals: {mode},"
        " neighbors: dynamic, listenRanges: [10.1.0.0/24]}"
    )
    machines = [f"Node m{number}: {{ips: [10.1.0.{number + 10}]}}" for number in range(nodes)]
    compilation = compiled(text(PEER, near, *machines))
    assert (errors(compilation), warnings(compilation)) == ([], wanted)
    assert switch(compilation).listen_limit == limit


def test_the_listen_limit_counts_each_vrf_by_itself() -> None:
    near = (
        "Switch tor-a: {neighbors: dynamic, listenRanges: [10.1.0.0/24], maximumPaths: 256,"
        " addresses: [10.1.0.1/24, {address: 10.1.0.2/24, vrf: Vrf_red}]}"
    )
    red = "BGPPeer red: {peerAddress: 10.1.0.2, vrf: red}"
    machines = [f"Node m{number}: {{ips: [10.1.0.{number + 10}]}}" for number in range(60)]
    compilation = compiled(text(PEER, red, near, *machines))
    assert (errors(compilation), warnings(compilation)) == ([], [])
    assert switch(compilation).listen_limit is None


# What nobody can reach.


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["BGPPeer tor: {peerAddress: 10.1.0.11}", SWITCH], id="a-foreign-end"),
        pytest.param(
            [
                "ferrule BGPPeer all: {switchSelectors: [{}]}",
                "Switch tor-a: {addresses: [10.1.0.11/24]}",
            ],
            id="a-selected-switch",
        ),
        pytest.param(
            ["BGPPeer tor: {peerAddress: 10.1.0.1, sourceAddress: 10.1.0.1}", SWITCH],
            id="the-source-address",
        ),
    ],
)
def test_a_peer_that_is_the_node_itself(lines: Sequence[str]) -> None:
    one = found(compiled(text(*lines, NODE)), "peer-is-node")
    assert one.node == "n1"


def test_a_source_address_of_the_other_family() -> None:
    one = found(
        compiled(text(peer("sourceAddress: '2001:db8:1::11'"), SWITCH, NODE)),
        "source-address-family",
    )
    assert [str(place.ref) for place in one.places] == ["BGPPeer tor", "Switch tor-a"]
