"""What a node says of which Service to whom, and what the switch takes of it."""

from collections.abc import Sequence

import pytest
from short import compiled, errors, found, node, switch, told, warnings

from ferrule.compiler.accept import headroom
from ferrule.compiler.network import Attributes
from ferrule.compiler.pipeline import Compilation

PAIR = """
Switch tor-a: {addresses: [10.1.0.1/24, "2001:db8:1::1/64"]}
BGPPeer tor: {peerAddress: 10.1.0.1}
Node n1: {ips: [10.1.0.11, "2001:db8:1::11"], labels: {rack: a}}
"""
SIX = 'BGPPeer six: {peerAddress: "2001:db8:1::1"}'
N2 = 'Node n2: {ips: [10.1.0.12, "2001:db8:1::12"], labels: {rack: b}}'
POOL = "IPAddressPool public:"
BOTH = 'IPAddressPool public: {addresses: [192.0.2.0/24, "2001:db8:100::/64"]}'
ALL = "BGPAdvertisement all:"
WEB = "Service shop/web: {}"
RACK_A = "nodeSelectors: [{matchLabels: {rack: a}}]"
RACK_B = "nodeSelectors: [{matchLabels: {rack: b}}]"
GOLD = "serviceSelectors: [{matchLabels: {tier: gold}}]"


def net(*lines: str) -> Compilation:
    compilation = compiled("\n".join((PAIR, *lines)))
    assert errors(compilation) == []
    return compilation


def heard(compilation: Compilation, peer: str = "tor", name: str = "n1") -> dict[str, Attributes]:
    """What one peer hears from a node, by prefix."""
    each = {
        str(one.prefix): one.route_class.attributes(peer)
        for one in node(compilation, name).advertisements
    }
    return {prefix: attributes for prefix, attributes in each.items() if attributes}


# Who announces (metallb.md §3.2).


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        pytest.param([ALL], ["192.0.2.0/32"], id="an-advertisement-of-all-pools"),
        pytest.param([], [], id="no-advertisement"),
        pytest.param(
            ["IPAddressPool other: {addresses: [198.51.100.0/24], autoAssign: false}",
             "BGPAdvertisement other: {ipAddressPools: [other]}"],
            [],
            id="no-advertisement-of-its-pool",
        ),
        pytest.param(
            [f"BGPAdvertisement b: {{{RACK_B}}}"], [], id="no-advertisement-that-selects-the-node"
        ),
        pytest.param(
            [f"BGPAdvertisement gold: {{{GOLD}}}"], [], id="no-advertisement-that-fits-its-labels"
        ),
        pytest.param(
            ["BGPAdvertisement far: {peers: [nobody]}"], [], id="an-advertisement-to-nobody-here"
        ),
        pytest.param(
            [ALL, "Endpoints shop/web: [n2]"],
            ["192.0.2.0/32"],
            id="cluster-with-an-endpoint-elsewhere",
        ),
        pytest.param([ALL, "Endpoints shop/web: []"], [], id="cluster-without-an-endpoint"),
        pytest.param(
            [ALL, "Endpoints shop/other: [n1]"], [], id="cluster-without-an-endpointslice"
        ),
    ],
)  # fmt: skip
def test_a_service_is_announced_or_not(lines: Sequence[str], wanted: list[str]) -> None:
    assert told(net(POOL, WEB, *lines)) == wanted


@pytest.mark.parametrize(
    ("endpoints", "wanted"),
    [
        pytest.param([], {"n1", "n2"}, id="without-endpointslices-everywhere"),
        pytest.param(["Endpoints shop/web: [n2]"], {"n2"}, id="only-where-its-endpoints-are"),
        pytest.param(["Endpoints shop/web: [n9]"], set(), id="nowhere-if-they-are-elsewhere"),
        pytest.param(["Endpoints shop/web: ['']"], set(), id="an-endpoint-on-no-node-is-on-none"),
    ],
)
def test_a_local_service_is_announced_where_its_endpoints_are(
    endpoints: Sequence[str], wanted: set[str]
) -> None:
    compilation = net(POOL, ALL, N2, "Service shop/web: {local: true}", *endpoints)
    assert {name for name in ("n1", "n2") if told(compilation, name)} == wanted


@pytest.mark.parametrize(
    ("machine", "ignore", "wanted"),
    [
        pytest.param("unavailable: true", False, [], id="without-network"),
        pytest.param("unavailable: true", True, [], id="without-network-whatever-is-ignored"),
        pytest.param("labels: {L: ''}", False, [], id="excluded-by-its-label"),
        pytest.param("labels: {L: 'false'}", False, [], id="whatever-the-value"),
        pytest.param("labels: {L: ''}", True, ["192.0.2.0/32"], id="but-not-if-that-is-ignored"),
    ],
)
def test_a_node_that_does_not_announce(machine: str, *, ignore: bool, wanted: list[str]) -> None:
    machine = machine.replace("L:", "node.kubernetes.io/exclude-from-external-load-balancers:")
    lines = [
        "BGPPeer tor: {peerAddress: 10.1.0.1}",
        f"Node n1: {{ips: [10.1.0.11], {machine}}}",
        POOL,
        ALL,
        WEB,
    ]
    compilation = compiled("\n".join(lines), ignore_exclude_label=ignore)
    assert told(compilation) == wanted
    assert len(node(compilation).sessions) == 1  # it keeps its sessions
    assert len(node(compilation).classes) == 1  # and its policy, for when it comes back


def test_a_node_without_sessions_announces_nothing() -> None:
    compilation = net(POOL, ALL, WEB, "Node n3: {ips: [10.1.0.13], labels: {rack: c}}")
    assert told(compilation, "n3") == ["192.0.2.0/32"]
    alone = compiled("\n".join((POOL, ALL, WEB, "Node n1: {}")))
    assert told(alone) == []


# Families.


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        pytest.param([], ["192.0.2.0/32"], id="one-session-carries-its-own-family"),
        pytest.param([SIX], ["192.0.2.0/32", "2001:db8:100::/128"], id="two-sessions-one-of-each"),
        pytest.param(
            ["BGPPeer eth: {interface: eth1}"],
            ["192.0.2.0/32", "2001:db8:100::/128"],
            id="an-unnumbered-session-carries-both",
        ),
        pytest.param(
            ["BGPPeer two: {peerAddress: 10.9.0.1, dualStackAddressFamily: true}"],
            ["192.0.2.0/32", "2001:db8:100::/128"],
            id="a-dual-stack-session-carries-both",
        ),
    ],
)
def test_what_is_announced_is_what_some_session_carries(
    lines: Sequence[str], wanted: list[str]
) -> None:
    assert told(net(BOTH, ALL, "Service shop/web: {families: both}", *lines)) == wanted


# What is said.


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        pytest.param([ALL], {"192.0.2.0/32": Attributes()}, id="nothing-beside-the-prefix"),
        pytest.param(
            ["BGPAdvertisement a: {localPref: 0}"], {"192.0.2.0/32": Attributes()},
            id="localpref-0-is-unset",
        ),
        pytest.param(
            ["BGPAdvertisement a: {localPref: 200}"], {"192.0.2.0/32": Attributes(200)},
            id="localpref",
        ),
        pytest.param(
            ["BGPAdvertisement a: {communities: ['65000:20', '65000:3', 'large:65000:2:1']}"],
            {"192.0.2.0/32": Attributes(None, ("65000:3", "65000:20"), ("65000:2:1",))},
            id="communities-by-number",
        ),
        pytest.param(
            ["Community c: {communities: [{name: gold, value: '65000:7'}]}",
             "BGPAdvertisement a: {communities: [gold]}"],
            {"192.0.2.0/32": Attributes(None, ("65000:7",))},
            id="a-community-by-its-alias",
        ),
        pytest.param(
            ["BGPAdvertisement a: {communities: ['65000:1']}",
             "BGPAdvertisement b: {communities: ['65000:2']}"],
            {"192.0.2.0/32": Attributes(None, ("65000:1", "65000:2"))},
            id="communities-of-several-advertisements-are-united",
        ),
        pytest.param(
            ["BGPAdvertisement a: {communities: ['65000:1'], peers: [tor]}",
             "BGPAdvertisement b: {communities: ['65000:2'], peers: [other]}",
             "BGPPeer other: {peerAddress: 10.9.0.1}"],
            {"192.0.2.0/32": Attributes(None, ("65000:1",))},
            id="but-only-those-for-this-peer",
        ),
        pytest.param(
            ["BGPAdvertisement a: {aggregationLength: 28}"], {"192.0.2.0/28": Attributes()},
            id="an-aggregate",
        ),
        pytest.param(
            ["BGPAdvertisement a:", "BGPAdvertisement b: {aggregationLength: 28, localPref: 50}"],
            {"192.0.2.0/28": Attributes(50), "192.0.2.0/32": Attributes()},
            id="an-aggregate-and-its-parts-each-with-its-own",
        ),
    ],
)  # fmt: skip
def test_what_a_peer_hears(lines: Sequence[str], wanted: dict[str, Attributes]) -> None:
    assert heard(net(POOL, WEB, *lines)) == wanted


def test_one_entry_per_prefix_holds_all_its_services() -> None:
    lines = [
        "Service shop/web: {shared: x, port: 80}",
        "Service shop/api: {shared: x, port: 81, ip: 192.0.2.0}",
    ]
    (one,) = node(net(POOL, ALL, *lines)).advertisements
    assert one.services == ("shop/api", "shop/web")


AGGREGATE = "BGPAdvertisement a: {aggregationLength: 24}"


def test_local_and_cluster_services_inside_one_aggregate() -> None:
    lines = [
        "Service shop/local: {local: true}",
        "Endpoints shop/local: [n1]",
        "Endpoints shop/web: [n2]",
    ]
    compilation = net(POOL, AGGREGATE, N2, WEB, *lines)
    first, second = (node(compilation, name).advertisements for name in ("n1", "n2"))
    assert [(str(one.prefix), one.services) for one in first] == [
        ("192.0.2.0/24", ("shop/local", "shop/web"))
    ]
    assert [(str(one.prefix), one.services) for one in second] == [("192.0.2.0/24", ("shop/web",))]


def test_an_aggregate_stays_where_any_service_inside_is() -> None:
    lines = ["Service shop/local: {local: true}", "Endpoints shop/local: [n1]"]
    compilation = net(POOL, AGGREGATE, N2, *lines)
    assert (told(compilation), told(compilation, "n2")) == (["192.0.2.0/24"], [])


def test_one_aggregate_of_two_pools() -> None:
    """Each range ends inside 192.0.2.24/29, and each may be announced at that length or less."""
    pools = [
        "IPAddressPool one: {addresses: [192.0.2.1-192.0.2.27]}",
        "IPAddressPool two: {addresses: [192.0.2.28-192.0.2.62]}",
        "BGPAdvertisement one: {ipAddressPools: [one], LENGTH, communities: ['1:1']}",
        "BGPAdvertisement two: {ipAddressPools: [two], LENGTH, communities: ['1:2']}",
        "Service shop/one: {ip: 192.0.2.25}",
        "Service shop/two: {ip: 192.0.2.30}",
    ]
    pools = [one.replace("LENGTH", "aggregationLength: 29") for one in pools]
    for order in (pools, pools[::-1]):
        compilation = net(*order)
        assert heard(compilation) == {"192.0.2.24/29": Attributes(None, ("1:1", "1:2"))}
        (one,) = node(compilation).advertisements
        assert (one.services, one.route_class.pool) == (("shop/one", "shop/two"), "one")
        (group,) = switch(compilation).groups
        assert [each.pool for each in group.accepts[0].sets] == ["one", "two"]


# Conflicts.


def test_services_that_two_advertisements_contradict_each_other_about_are_hidden() -> None:
    lines = [
        f"BGPAdvertisement gold: {{localPref: 200, {GOLD}}}",
        "BGPAdvertisement all: {localPref: 100}",
        "Service shop/gold: {labels: {tier: gold}}",
        "Service shop/other: {}",
    ]
    compilation = net(POOL, *lines)
    assert [one.services for one in node(compilation).advertisements] == [("shop/other",)]
    one = found(compilation, "local-pref-services")
    assert [str(place.ref) for place in one.places] == [
        "BGPAdvertisement gold",
        "BGPAdvertisement all",
    ]


def test_they_are_hidden_on_the_nodes_concerned_only() -> None:
    lines = [
        f"BGPAdvertisement gold: {{localPref: 200, {GOLD}, {RACK_B}}}",
        "BGPAdvertisement all: {localPref: 100}",
        "Service shop/gold: {labels: {tier: gold}}",
    ]
    compilation = net(POOL, N2, *lines)
    assert (told(compilation), told(compilation, "n2")) == (["192.0.2.0/32"], [])


@pytest.mark.parametrize(
    ("gold", "warned"),
    [
        pytest.param("localPref: 100", [], id="the-same-preference"),
        pytest.param("localPref: 200, peers: [six]", [], id="other-peers"),
        pytest.param("localPref: 200", ["local-pref-services"], id="another-preference"),
    ],
)
def test_what_is_a_conflict(gold: str, warned: list[str]) -> None:
    lines = [
        f"BGPAdvertisement gold: {{{gold}, {GOLD}}}",
        "BGPAdvertisement all: {localPref: 100, peers: [tor]}",
        "Service shop/gold: {labels: {tier: gold}}",
    ]
    ebgp = ["local-pref-ebgp"]
    assert warnings(net(POOL, SIX, *lines)) == sorted([*ebgp, *warned])


def test_different_services_on_one_address_get_the_higher_preference() -> None:
    silver = GOLD.replace("gold", "silver")
    lines = [
        f"BGPAdvertisement gold: {{localPref: 200, {GOLD}}}",
        f"BGPAdvertisement silver: {{localPref: 100, {silver}}}",
        "Service shop/a: {labels: {tier: gold}, shared: x, port: 80}",
        "Service shop/b: {labels: {tier: silver}, shared: x, port: 81, ip: 192.0.2.0}",
    ]
    compilation = net(POOL, *lines)
    assert heard(compilation) == {"192.0.2.0/32": Attributes(200)}
    assert "local-pref-services" in warnings(compilation)


# Tables and classes.


def test_nodes_that_nothing_tells_apart_share_their_table() -> None:
    racks = "BGPPeer other: {peerAddress: 10.9.0.1, " + RACK_B + "}"
    compilation = net(POOL, ALL, WEB, N2, racks)
    one, two = node(compilation, "n1"), node(compilation, "n2")
    assert len(two.sessions) == 2
    assert one.advertisements is two.advertisements
    assert one.classes is two.classes


def test_a_pool_without_services_has_its_classes_already() -> None:
    compilation = net(BOTH, SIX, ALL, f"BGPAdvertisement gold: {{{GOLD}}}")
    assert [(one.family, one.length) for one in node(compilation).classes] == [
        ("ipv4", 32),
        ("ipv6", 128),
    ]


def test_every_class_of_a_table_is_among_the_classes_of_its_node() -> None:
    lines = [f"BGPAdvertisement gold: {{communities: ['1:1'], {GOLD}}}", ALL]
    compilation = net(POOL, *lines, "Service shop/gold: {labels: {tier: gold}}")
    known = {id(one) for one in node(compilation).classes}
    assert {id(one.route_class) for one in node(compilation).advertisements} < known


# What the switch takes.


def accepts(compilation: Compilation) -> dict[str, list[str]]:
    """By group and family: `pool/length` of every set."""
    return {
        f"{group.name} {one.family}": [f"{each.pool}/{each.length}" for each in one.sets]
        for group in switch(compilation).groups
        for one in group.accepts
    }


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        pytest.param([ALL], {"tor_64512_ipv4 ipv4": ["public/32"]}, id="what-its-nodes-may-send"),
        pytest.param([], {"tor_64512_ipv4 ipv4": []}, id="nothing-if-nothing-is-advertised"),
        pytest.param(
            [ALL, AGGREGATE],
            {"tor_64512_ipv4 ipv4": ["public/24", "public/32"]},
            id="one-set-per-length",
        ),
        pytest.param(
            ["BGPAdvertisement a: {peers: [six]}", SIX],
            {"six_64512_ipv6 ipv6": ["public/128"], "tor_64512_ipv4 ipv4": []},
            id="only-from-the-peers-that-are-told",
        ),
        pytest.param(
            [f"BGPAdvertisement b: {{{RACK_B}}}"],
            {"tor_64512_ipv4 ipv4": []},
            id="only-if-a-node-of-the-group-is-selected",
        ),
        pytest.param(
            [f"BGPAdvertisement b: {{{RACK_B}}}", N2],
            {"tor_64512_ipv4 ipv4": ["public/32"]},
            id="also-if-it-is-only-one-of-them",
        ),
        pytest.param(
            ["IPAddressPool six: {addresses: ['2001:db8:200::/64']}", ALL],
            {"tor_64512_ipv4 ipv4": ["public/32"]},
            id="pools-of-the-session's-family-only",
        ),
        pytest.param(
            [f"BGPAdvertisement gold: {{{GOLD}}}"],
            {"tor_64512_ipv4 ipv4": ["public/32"]},
            id="whatever-services-there-are",
        ),
    ],
)
def test_what_a_group_takes(lines: Sequence[str], wanted: dict[str, list[str]]) -> None:
    assert accepts(net(BOTH, *lines)) == wanted


def test_peers_that_share_a_listen_range_are_heard_as_one() -> None:
    text = f"""
        Switch tor-a: {{addresses: [10.1.0.1], neighbors: dynamic, listenRanges: [10.1.0.0/24]}}
        BGPPeer a: {{peerAddress: 10.1.0.1, {RACK_A}}}
        BGPPeer b: {{peerAddress: 10.1.0.1, {RACK_B}}}
        Node n1: {{ips: [10.1.0.11], labels: {{rack: a}}}}
        Node n2: {{ips: [10.1.0.12], labels: {{rack: b}}}}
        IPAddressPool one: {{addresses: [192.0.2.0/24]}}
        IPAddressPool two: {{addresses: [198.51.100.0/24]}}
        BGPAdvertisement one: {{ipAddressPools: [one], peers: [a]}}
        BGPAdvertisement two: {{ipAddressPools: [two], peers: [b]}}
    """
    compilation = compiled("\n".join(line.strip() for line in text.splitlines()))
    assert accepts(compilation) == {"range_10.1.0.0_24 ipv4": ["one/32", "two/32"]}


def test_a_range_without_a_node_takes_what_every_node_may_send() -> None:
    text = f"""
        Switch tor-a: {{addresses: [10.1.0.1], neighbors: dynamic, listenRanges: [10.1.0.0/24]}}
        BGPPeer a: {{peerAddress: 10.1.0.1}}
        IPAddressPool one: {{addresses: [192.0.2.0/24]}}
        IPAddressPool two: {{addresses: [198.51.100.0/24]}}
        BGPAdvertisement one: {{ipAddressPools: [one]}}
        BGPAdvertisement two: {{ipAddressPools: [two], {RACK_B}}}
    """
    compilation = compiled("\n".join(line.strip() for line in text.splitlines()))
    assert accepts(compilation) == {"range_10.1.0.0_24 ipv4": ["one/32"]}


@pytest.mark.parametrize(
    ("allocated", "wanted"),
    [(0, 64), (1, 64), (32, 64), (33, 128), (64, 128), (65, 256), (1000, 2048), (1024, 2048)],
)
def test_headroom_is_twice_what_is_given_out_and_a_power_of_two(
    allocated: int, wanted: int
) -> None:
    assert headroom(allocated) == wanted


@pytest.mark.parametrize(
    ("pool", "advertisement", "services", "wanted"),
    [
        pytest.param("192.0.2.0/24", "", 3, 64, id="at-least-64"),
        pytest.param("192.0.2.0/24", "", 40, 128, id="twice-the-allocated-and-rounded-up"),
        pytest.param("192.0.2.0/29", "", 3, 8, id="never-more-than-the-sets-admit"),
        pytest.param("192.0.2.0/24", "aggregationLength: 24", 40, 1, id="one-aggregate"),
        pytest.param("192.0.2.0/24", "aggregationLength: 26", 40, 4, id="four-aggregates"),
        pytest.param("192.0.2.1-192.0.2.30", "aggregationLength: 29", 9, 4, id="of-a-range"),
        pytest.param("192.0.2.0/24", "peers: [nobody]", 3, 1, id="never-0-which-frr-does-not-know"),
    ],
)
def test_the_most_prefixes_a_group_takes(
    pool: str, advertisement: str, services: int, wanted: int
) -> None:
    lines = [
        f"IPAddressPool public: {{addresses: [{pool}]}}",
        f"BGPAdvertisement a: {{{advertisement}}}",
        *(f"Service shop/s{number}: {{}}" for number in range(services)),
    ]
    (group,) = switch(net(*lines)).groups
    assert [one.limit for one in group.accepts] == [wanted]


def test_the_limit_of_a_huge_pool_fits_into_a_field() -> None:
    lines = [
        SIX,
        'IPAddressPool public: {addresses: ["2001:db8::/32"]}',
        ALL,
        "Service shop/web: {families: v6}",
    ]
    limits = {one.name: [each.limit for each in one.accepts] for one in switch(net(*lines)).groups}
    assert limits == {"six_64512_ipv6": [64], "tor_64512_ipv4": [1]}


# Paths.


@pytest.mark.parametrize(
    ("paths", "wanted"),
    [
        pytest.param(3, [], id="as-many-as-announce"),
        pytest.param(2, ["maximum-paths"], id="one-less"),
    ],
)
def test_more_nodes_announce_a_prefix_than_the_switch_balances_over(
    paths: int, wanted: list[str]
) -> None:
    near = f"Switch tor-a: {{addresses: [10.1.0.1/24, '2001:db8:1::1/64'], maximumPaths: {paths}}}"
    nodes = [f"Node n{number}: {{ips: [10.1.0.{number}]}}" for number in (12, 13)]
    lines = [
        PAIR.replace(PAIR.splitlines()[1], near),
        POOL,
        ALL,
        WEB,
        "Service shop/local: {local: true}",
        "Endpoints shop/web: [n1]",
        "Endpoints shop/local: [n1, n12]",
        *nodes,
    ]
    compilation = compiled("\n".join(lines))
    assert warnings(compilation) == wanted
    if wanted:
        message = found(compilation, "maximum-paths").message
        assert message.startswith("3 nodes announce 192.0.2.1/32 to switch")


def test_two_sessions_of_one_node_are_one_path() -> None:
    near = "Switch tor-a: {addresses: [10.1.0.1/24, '2001:db8:1::1/64'], maximumPaths: 1}"
    lines = [PAIR.replace(PAIR.splitlines()[1], near), SIX, BOTH, ALL]
    assert warnings(compiled("\n".join([*lines, "Service shop/web: {families: both}"]))) == []
