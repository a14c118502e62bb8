"""What no single object shows: names, overlaps, contradictions, doubts."""

from collections.abc import Sequence

import pytest
from short import compiled, errors, found, warnings

POOL = "IPAddressPool public:"
PEER = "BGPPeer tor: {peerAddress: 10.1.0.1}"
INSIDE = "BGPPeer tor: {peerAddress: 10.1.0.1, peerASN: 64512}"
NODE = "Node n1: {ips: [10.1.0.11], labels: {rack: a}}"
RACK_A = "nodeSelectors: [{matchLabels: {rack: a}}]"
RACK_B = "nodeSelectors: [{matchLabels: {rack: b}}]"
TWO_RACKS = [NODE, "Node n2: {ips: [10.1.0.12], labels: {rack: b}}"]
MANY = [f"1:{number}" for number in range(63)]
BASE = [POOL, PEER, NODE]


def codes(*lines: str) -> tuple[list[str], list[str]]:
    compilation = compiled("\n".join(lines))
    return errors(compilation), warnings(compilation)


# Names.


@pytest.mark.parametrize(
    ("kind", "field", "code"),
    [
        pytest.param("BGPAdvertisement", "ipAddressPools: [public, no]", "unknown-pool", id="pool"),
        pytest.param("L2Advertisement", "ipAddressPools: [public, no]", "unknown-pool", id="l2"),
        pytest.param("BGPAdvertisement", "peers: [tor, no]", "unknown-peer", id="peer"),
    ],
)  # fmt: skip
def test_an_unknown_name_is_a_warning_in_metallb_s_and_an_error_in_ours(
    kind: str, field: str, code: str
) -> None:
    assert codes(*BASE, f"{kind} a: {{{field}}}") == ([], [code])
    assert codes(*BASE, f"ferrule {kind} a: {{{field}}}") == ([code], [])
    one = found(compiled("\n".join([*BASE, f"{kind} a: {{{field}}}"])), code)
    position = one.places[0].position
    assert position is not None
    assert position.text is not None
    assert '"no"' in position.text


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        pytest.param(
            ["BGPPeer tor: {peerAddress: 10.1.0.1, bfdProfile: fast}"],
            ["unknown-bfd-profile"],
            id="bfd-profile",
        ),
        pytest.param(
            [PEER, "BGPAdvertisement a: {communities: [gold]}"],
            ["unknown-community"],
            id="community-alias",
        ),
        pytest.param(
            [PEER, "BGPAdvertisement a: {communities: ['1:2:3']}"],
            ["invalid-community"],
            id="community-value",
        ),
        pytest.param(
            [
                PEER,
                "BGPAdvertisement a:",
                "Community one: {communities: [{name: gold, value: '1:1'}]}",
                "Community two: {communities: [{name: gold, value: '1:2'}]}",
            ],
            ["duplicate-alias"],
            id="an-alias-twice",
        ),
        pytest.param(
            [PEER, f"BGPAdvertisement a: {{communities: {[*MANY, '1:63']}}}"],
            ["too-many-communities"],
            id="64-communities",
        ),
        pytest.param(
            [PEER, f"BGPAdvertisement a: {{communities: {MANY}}}"],
            [],
            id="63-communities",
        ),
    ],
)  # fmt: skip
def test_other_names_must_be_known(lines: Sequence[str], wanted: list[str]) -> None:
    assert codes(POOL, NODE, *lines)[0] == wanted


def test_a_name_of_an_object_with_mistakes_is_known() -> None:
    broken = "IPAddressPool broken: {addresses: [nonsense]}"
    lines = [POOL, broken, PEER, NODE, "ferrule BGPAdvertisement a: {ipAddressPools: [broken]}"]
    assert "unknown-pool" not in codes(*lines)[0]


# Pools and lengths.


@pytest.mark.parametrize(
    ("one", "two", "wanted"),
    [
        pytest.param("192.0.2.0/25", "192.0.2.128/25", [], id="side-by-side"),
        pytest.param("192.0.2.0/24", "192.0.2.128/25", ["pools-overlap"], id="one-in-the-other"),
        pytest.param(
            "192.0.2.0-192.0.2.9", "192.0.2.9-192.0.2.12", ["pools-overlap"], id="one-address"
        ),
        pytest.param("192.0.2.0/24", "'2001:db8::/64'", [], id="of-two-families"),
        pytest.param("0.0.0.0/8", "'::/104'", [], id="the-same-numbers-in-two-families"),
    ],
)
def test_pools_do_not_overlap(one: str, two: str, wanted: list[str]) -> None:
    pools = [f"IPAddressPool {name}: {{addresses: [{each}]}}" for name, each in
             (("one", one), ("two", two))]  # fmt: skip
    assert codes(*pools, PEER, NODE, "BGPAdvertisement a:")[0] == wanted
    both = f"IPAddressPool one: {{addresses: [{one}, {two}]}}"
    assert codes(both, PEER, NODE, "BGPAdvertisement a:")[0] == wanted


@pytest.mark.parametrize(
    ("addresses", "field", "wanted"),
    [
        pytest.param("192.0.2.0/24", "aggregationLength: 24", [], id="as-wide-as-the-pool"),
        pytest.param(
            "192.0.2.0/24",
            "aggregationLength: 23",
            ["aggregation-length"],
            id="wider-than-the-pool",
        ),
        pytest.param("192.0.2.1-192.0.2.254", "aggregationLength: 26", [], id="of-a-range-26"),
        pytest.param(
            "192.0.2.1-192.0.2.254",
            "aggregationLength: 25",
            ["aggregation-length"],
            id="of-a-range-25",
        ),
        pytest.param(
            "'2001:db8::/64'", "aggregationLength: 1", [], id="the-other-family-does-not-count"
        ),
        pytest.param(
            "'2001:db8::/64'", "aggregationLengthV6: 63", ["aggregation-length"], id="ipv6"
        ),
    ],
)
def test_an_aggregate_lies_inside_the_pool(addresses: str, field: str, wanted: list[str]) -> None:
    pool = f"IPAddressPool public: {{addresses: [{addresses}]}}"
    assert codes(pool, PEER, NODE, f"BGPAdvertisement a: {{{field}}}")[0] == wanted


def test_service_selectors_and_aggregation_exclude_one_another() -> None:
    fields = "serviceSelectors: [{matchLabels: {a: b}}], aggregationLength: 24"
    assert codes(*BASE, f"BGPAdvertisement a: {{{fields}}}")[0] == ["aggregation-selectors"]


# Contradictions.


@pytest.mark.parametrize(
    ("one", "two", "wanted"),
    [
        pytest.param("localPref: 100", "localPref: 100", [], id="the-same"),
        pytest.param("localPref: 100", "localPref: 200", ["local-pref-conflict"], id="another"),
        pytest.param("localPref: 100", "", ["local-pref-conflict"], id="one-unset"),
        pytest.param(
            "localPref: 100", "localPref: 200, aggregationLength: 24", [], id="another-length"
        ),
        pytest.param(
            "localPref: 100, peers: [tor]", "localPref: 200, peers: [two]", [], id="other-peers"
        ),
        pytest.param(
            "localPref: 100, peers: [tor]",
            "localPref: 200",
            ["local-pref-conflict"],
            id="no-list-is-all-peers",
        ),
        pytest.param(
            f"localPref: 100, {RACK_A}", f"localPref: 200, {RACK_B}", [], id="other-nodes"
        ),
        pytest.param(
            f"localPref: 100, {RACK_A}",
            "localPref: 200",
            ["local-pref-conflict"],
            id="a-node-in-common",
        ),
        pytest.param(
            "localPref: 100", "localPref: 200, ipAddressPools: [none]", [], id="other-pools"
        ),
        pytest.param(
            "localPref: 100",
            "localPref: 200, serviceSelectors: [{matchLabels: {a: b}}]",
            [],
            id="service-selectors-are-asked-service-by-service",
        ),
    ],
)
def test_two_advertisements_give_one_prefix_one_local_preference(
    one: str, two: str, wanted: list[str]
) -> None:
    lines = [
        POOL,
        INSIDE,
        "BGPPeer two: {peerAddress: 10.1.0.2, peerASN: 64512}",
        *TWO_RACKS,
        f"BGPAdvertisement one: {{{one}}}",
        f"BGPAdvertisement two: {{{two}}}",
    ]
    assert codes(*lines)[0] == wanted


@pytest.mark.parametrize(
    ("addresses", "lengths", "wanted"),
    [
        pytest.param(
            "['2001:db8::/64']", "aggregationLength: 24", True, id="ipv6-pool-ipv4-length"
        ),
        pytest.param("['2001:db8::/64']", "aggregationLengthV6: 64", False, id="ipv6-pool"),
        pytest.param(
            "[192.0.2.0/24, '2001:db8::/64']",
            "aggregationLength: 24",
            True,
            id="one-of-two-differs",
        ),
        pytest.param(
            "[192.0.2.0/24, '2001:db8::/64']",
            "aggregationLength: 24, aggregationLengthV6: 64",
            False,
            id="both-differ",
        ),
    ],
)
def test_lengths_that_differ_in_a_pool(addresses: str, lengths: str, *, wanted: bool) -> None:
    lines = [
        f"IPAddressPool public: {{addresses: {addresses}}}",
        INSIDE,
        NODE,
        "BGPAdvertisement one: {localPref: 100}",
        f"BGPAdvertisement two: {{localPref: 200, {lengths}}}",
    ]
    assert codes(*lines)[0] == (["local-pref-conflict"] if wanted else [])


@pytest.mark.parametrize(
    ("two", "wanted"),
    [
        pytest.param("localPref: 200", ["local-pref-conflict"], id="every-node-hears-both"),
        pytest.param(f"localPref: 200, {RACK_B}", [], id="that-depends-on-nodes"),
    ],
)
def test_without_nodes_only_what_is_certain_is_an_error(two: str, wanted: list[str]) -> None:
    advertisements = ["BGPAdvertisement one: {localPref: 100}", f"BGPAdvertisement two: {{{two}}}"]
    assert codes(POOL, INSIDE, *advertisements)[0] == wanted


@pytest.mark.parametrize(
    ("pool", "advertisement", "wanted"),
    [
        pytest.param("'2001:db8::/64'", "", ["bfd-echo-ipv6"], id="an-ipv6-pool"),
        pytest.param("192.0.2.0/24", "", [], id="an-ipv4-pool"),
        pytest.param("'2001:db8::/64'", "peers: [other]", [], id="for-another-peer"),
    ],
)
def test_bfd_echo_and_ipv6(pool: str, advertisement: str, wanted: list[str]) -> None:
    lines = [
        f"IPAddressPool public: {{addresses: [{pool}]}}",
        "BFDProfile fast: {echoMode: true}",
        "BGPPeer tor: {peerAddress: 10.1.0.1, bfdProfile: fast}",
        "BGPPeer other: {peerAddress: 10.1.0.2}",
        NODE,
        f"BGPAdvertisement a: {{{advertisement}}}",
    ]
    assert codes(*lines)[0] == wanted


# Doubts.


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        pytest.param([], ["pool-not-advertised"], id="a-pool-that-no-advertisement-mentions"),
        pytest.param(["L2Advertisement a:"], [], id="layer-2-is-enough"),
        pytest.param(
            [f"BGPAdvertisement a: {{{RACK_B}}}"], ["selects-nothing"], id="no-node-advertisement"
        ),
        pytest.param(
            ["BGPAdvertisement all:", f"BGPPeer two: {{peerAddress: 10.9.0.1, {RACK_B}}}"],
            ["selects-nothing"],
            id="no-node-peer",
        ),
        pytest.param(
            ["BGPAdvertisement all:", f"Switch tor-b: {{addresses: [10.9.0.1], {RACK_B}}}"],
            ["selects-nothing"],
            id="no-node-switch",
        ),
        pytest.param(
            ["BGPAdvertisement all:",
             "BGPAdvertisement a: {ipAddressPoolSelectors: [{matchLabels: {a: b}}]}"],
            ["selects-nothing"],
            id="no-pool",
        ),
        pytest.param(
            ["BGPAdvertisement all:", "BGPAdvertisement a: {ipAddressPools: [nope]}"],
            ["unknown-pool"],
            id="an-unknown-pool-is-told-once",
        ),
        pytest.param(
            ["BGPAdvertisement all:",
             "ferrule BGPPeer all: {switchSelectors: [{matchLabels: {a: b}}]}"],
            ["selects-nothing"],
            id="no-switch",
        ),
        pytest.param(
            ["BGPAdvertisement all:", "Node n2: {ips: []}"], [], id="everything-selects-something"
        ),
    ],
)  # fmt: skip
def test_what_selects_nothing(lines: Sequence[str], wanted: list[str]) -> None:
    assert codes(*BASE, *lines) == ([], wanted)


def test_without_nodes_no_node_is_missed() -> None:
    lines = [f"BGPPeer two: {{peerAddress: 10.9.0.1, {RACK_B}}}", "BGPAdvertisement all:"]
    assert codes(POOL, PEER, *lines) == ([], ["no-nodes"])


def test_nodes_that_no_session_reaches_are_told_together() -> None:
    far = f"BGPPeer tor: {{peerAddress: 10.1.0.1, {RACK_A}}}"
    others = [f"Node x{number}: {{ips: []}}" for number in range(3)]
    compilation = compiled("\n".join([POOL, far, NODE, "BGPAdvertisement all:", *others]))
    assert warnings(compilation) == ["node-without-session"]
    assert '"x0" and 2 more' in found(compilation, "node-without-session").message


LEAVES = [
    "Switch a: {asn: 64512, labels: {role: leaf}, addresses: [10.1.0.1/24]}",
    "Switch b: {asn: 65000, labels: {role: leaf}, addresses: [10.1.0.2/24], routerID: 10.255.0.2}",
]


@pytest.mark.parametrize(
    ("peers", "advertisement", "wanted"),
    [
        pytest.param([PEER], "localPref: 100", True, id="another-asn"),
        pytest.param([INSIDE], "localPref: 100", False, id="the-same-asn"),
        pytest.param([PEER], "localPref: 0", False, id="unset"),
        pytest.param([PEER, INSIDE.replace("tor", "in").replace("0.1,", "0.9,")],
                     "localPref: 100, peers: [in]", False, id="only-the-ibgp-peer-is-told"),
        pytest.param(["BGPPeer tor: {peerAddress: 10.1.0.1, peerASN: null, dynamicASN: external}"],
                     "localPref: 100", True, id="dynamic-external"),
        pytest.param(["BGPPeer tor: {peerAddress: 10.1.0.1, peerASN: null, dynamicASN: internal}"],
                     "localPref: 100", False, id="dynamic-internal"),
        pytest.param(["ferrule BGPPeer all: {switchSelectors: [{matchLabels: {role: leaf}}]}",
                      *LEAVES], "localPref: 100", True, id="bound-by-switch"),
        pytest.param(["ferrule BGPPeer all: {switchSelectors: [{matchLabels: {role: leaf}}]}",
                      LEAVES[0]], "localPref: 100", False, id="bound-by-switch-inside-the-as"),
        pytest.param(["ferrule BGPPeer all: {myASN: null, myASNFrom: {nodeLabel: asn},"
                      " switchSelectors: [{matchLabels: {role: leaf}}]}", LEAVES[0]],
                     "localPref: 100", True, id="an-asn-from-a-label"),
    ],
)  # fmt: skip
def test_local_preference_towards_an_ebgp_peer(
    peers: Sequence[str], advertisement: str, *, wanted: bool
) -> None:
    machine = NODE.replace("rack: a", "rack: a, asn: '64999'")
    lines = [POOL, *peers, machine, f"BGPAdvertisement a: {{{advertisement}}}"]
    assert codes(*lines) == ([], ["local-pref-ebgp"] if wanted else [])
