"""Who answers for which address on layer 2: MetalLB's cases, one row per rule, and the cost."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from ipaddress import ip_address
from itertools import permutations
from time import process_time
from typing import Any

import pytest
from demands import addresses, demand, l2, node, origin, pool, where
from hypothesis import given
from hypothesis import strategies as st

from ferrule.compiler.elect import announcements, go_text, owner
from ferrule.compiler.kube import Endpoints, KubeNode
from ferrule.compiler.network import Pending, Service
from ferrule.compiler.service import Demand
from ferrule.compiler.spec import Declared, kinds

Ads = Sequence[Declared[kinds.L2Advertisement]]

POOLS = [
    pool("p", "192.0.2.0/24,2001:db8::/64", {"zone": "dmz"}),
    pool("q", "198.51.100.0/24", {"zone": "lan"}),
]
NODES = [
    node("node-a", rack="1", role="edge"),
    node("node-b", rack="1"),
    node("node-c", rack="2"),
]
# In MetalLB's order for 192.0.2.1: see test_the_order_for_this_file.
FIRST, SECOND, THIRD = "node-c", "node-a", "node-b"
ALL = l2("all")


@pytest.mark.parametrize(
    ("candidates", "address", "scores", "wanted"),
    [
        pytest.param([], "10.0.0.1", {}, [], id="nobody-can-win-without-candidates"),
        pytest.param(["node-a"], "10.0.0.1", {}, ["node-a"], id="a-single-candidate-wins"),
        pytest.param(
            ["node-a", "node-b", "node-c"],
            "10.0.0.1",
            {},
            ["node-b", "node-a", "node-c"],
            id="without-scores-the-hash-decides",
        ),
        pytest.param(
            ["node-a", "node-b", "node-c"],
            "10.0.0.2",
            {},
            ["node-b", "node-c", "node-a"],
            id="the-hash-depends-on-the-address",
        ),
        pytest.param(
            ["edge-a", "edge-b", "worker-a", "worker-b"],
            "10.20.30.1",
            {"edge-a": 100},
            ["edge-a", "edge-b", "worker-a", "worker-b"],
            id="the-highest-score-wins-whatever-the-hash",
        ),
        pytest.param(
            ["node-a", "node-b"],
            "10.20.30.1",
            {"node-a": 100, "node-b": 100},
            ["node-b", "node-a"],
            id="equal-scores-leave-it-to-the-hash",
        ),
        pytest.param(
            ["edge-a", "edge-b", "worker-a"],
            "10.20.30.1",
            {"edge-a": 100, "edge-b": 100},
            ["edge-b", "edge-a", "worker-a"],
            id="the-preferred-by-hash-then-the-others",
        ),
    ],
)
def test_the_order_is_that_of_metallb(
    candidates: list[str], address: str, scores: Mapping[str, int], wanted: list[str]
) -> None:
    """The cases of TestSortL2Candidates in MetalLB's speaker/layer2_controller_test.go."""
    for order in permutations(candidates):
        left, found = list(order), []
        while (winner := owner(left, scores, ip_address(address))) is not None:
            found.append(winner)
            left.remove(winner)
        assert found == wanted


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0:0:0::1", "2001:db8::1"),
        ("2001:db8:0:1:0:0:0:1", "2001:db8:0:1::1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:0:0:1:0:0:1:1", "2001::1:0:0:1:1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::", "::"),
    ],
)
def test_addresses_are_written_as_go_writes_them(address: str, text: str) -> None:
    assert go_text(ip_address(address)) == text


def test_the_order_for_this_file() -> None:
    names = [one.name for one in NODES]
    by_hash = sorted(names, key=lambda one: sha256(f"{one}#192.0.2.1".encode()).digest())
    assert by_hash == [FIRST, SECOND, THIRD]


def served(key: str, text: str = "192.0.2.1", name: str = "p") -> Service:
    return Service(key, name, addresses(text), None, origin("Service", key))


def who(
    ads: Ads,
    one: Demand | None = None,
    nodes: Sequence[KubeNode] = NODES,
    endpoints: Mapping[str, Endpoints] | None = None,
    address: str = "192.0.2.1",
    name: str = "p",
    **options: Any,
) -> str | None:
    """Who answers for the one Service there is; `node on interfaces` where these are named."""
    one = one or demand("a/a")
    service = served(one.key, address, name)
    told = announcements([service], {one.key: one}, ads, POOLS, nodes, endpoints, **options)
    assert set(told) == {each.name for each in nodes}
    found = [
        node_name + (f" on {','.join(each.interfaces)}" if each.interfaces else "")
        for node_name, every in told.items()
        for each in every
    ]
    assert len(found) <= 1
    return found[0] if found else None


def ready(*nodes: str) -> dict[str, Endpoints]:
    """Endpoints of the Service on these nodes."""
    return {"a/a": Endpoints(l2_healthy=True, l2_nodes=frozenset(nodes))}


def weigh(weight: int, **labels: str) -> dict[str, Any]:
    return {"weight": weight, "preference": where(**labels)}


LOCAL = demand("a/a", local=True)
SHARED = demand("a/a", sharing="k", labels={"app": "web"})
WEB = demand("a/a", labels={"app": "web"})
OUT = node(FIRST, excluded=True)
CUT = node(FIRST, unavailable=True)


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        pytest.param(FIRST, {"ads": [ALL]}, id="the-smallest-hash-wins"),
        pytest.param(None, {"ads": []}, id="without-an-advertisement-nobody-answers"),
        pytest.param(None, {"ads": [ALL], "nodes": []}, id="without-nodes-nobody-answers"),
        # pools
        pytest.param(FIRST, {"ads": [l2("x", ipAddressPools=["p"])]}, id="its-pool-is-named"),
        pytest.param(None, {"ads": [l2("x", ipAddressPools=["q"])]}, id="another-pool-is-named"),
        pytest.param(
            FIRST,
            {"ads": [l2("x", ipAddressPoolSelectors=[where(zone="lan"), where(zone="dmz")])]},
            id="its-pool-is-selected-by-any-selector",
        ),
        pytest.param(
            None,
            {"ads": [l2("x", ipAddressPoolSelectors=[where(zone="lan")])]},
            id="another-pool-is-selected",
        ),
        pytest.param(
            FIRST,
            {"ads": [l2("x", ipAddressPools=["q"], ipAddressPoolSelectors=[where(zone="dmz")])]},
            id="names-and-selectors-of-pools-are-united",
        ),
        # nodes
        pytest.param(
            SECOND,
            {"ads": [l2("x", nodeSelectors=[where(rack="1")])]},
            id="only-selected-nodes-are-candidates",
        ),
        pytest.param(
            FIRST,
            {"ads": [l2("x", nodeSelectors=[where(rack="1"), where(rack="2")])]},
            id="any-node-selector-is-enough",
        ),
        pytest.param(
            FIRST,
            {
                "ads": [
                    l2("x", nodeSelectors=[where(rack="1")]),
                    l2("y", nodeSelectors=[where(rack="2")]),
                ]
            },
            id="the-nodes-of-all-matching-advertisements-are-candidates",
        ),
        pytest.param(
            None,
            {"ads": [l2("x", nodeSelectors=[where(rack="3")])]},
            id="no-node-is-selected",
        ),
        pytest.param(
            SECOND, {"ads": [ALL], "nodes": [OUT, *NODES[:2]]}, id="an-excluded-node-is-out"
        ),
        pytest.param(
            FIRST,
            {"ads": [ALL], "nodes": [OUT, *NODES[:2]], "ignore_exclude_label": True},
            id="an-excluded-node-is-in-where-the-label-is-ignored",
        ),
        pytest.param(
            SECOND,
            {"ads": [ALL], "nodes": [CUT, *NODES[:2]], "ignore_exclude_label": True},
            id="a-node-without-network-is-out",
        ),
        # Services
        pytest.param(
            FIRST,
            {"ads": [l2("x", serviceSelectors=[where(app="db"), where(app="web")])], "one": WEB},
            id="any-service-selector-is-enough",
        ),
        pytest.param(
            None,
            {"ads": [l2("x", serviceSelectors=[where(app="db")])], "one": WEB},
            id="another-service-is-selected",
        ),
        pytest.param(
            SECOND,
            {
                "ads": [
                    l2("x", serviceSelectors=[where(app="db")]),
                    l2("y", nodeSelectors=[where(rack="1")]),
                ],
                "one": WEB,
            },
            id="an-advertisement-for-others-brings-no-candidates",
        ),
        pytest.param(
            None,
            {"ads": [ALL, l2("x", serviceSelectors=[where(app="web")])], "one": SHARED},
            id="a-sharing-key-and-a-matching-service-selector-exclude-each-other",
        ),
        pytest.param(
            FIRST,
            {"ads": [ALL, l2("x", serviceSelectors=[where(app="db")])], "one": SHARED},
            id="a-sharing-key-does-not-mind-selectors-for-others",
        ),
        # endpoints
        pytest.param(FIRST, {"ads": [ALL], "endpoints": ready(THIRD)}, id="an-endpoint-anywhere"),
        pytest.param(None, {"ads": [ALL], "endpoints": {}}, id="no-endpoint-nobody-answers"),
        pytest.param(
            None,
            {"ads": [ALL], "endpoints": {"a/a": Endpoints(healthy=True)}},
            id="the-endpoints-are-those-that-layer-2-counts",
        ),
        pytest.param(
            THIRD,
            {"ads": [ALL], "endpoints": ready(THIRD), "one": LOCAL},
            id="Local-confines-to-nodes-with-an-endpoint",
        ),
        pytest.param(
            None,
            {"ads": [ALL], "endpoints": ready(), "one": LOCAL},
            id="Local-without-a-node-of-its-own-is-nobodys",
        ),
        pytest.param(
            None,
            {
                "ads": [l2("x", nodeSelectors=[where(rack="1")])],
                "endpoints": ready(FIRST),
                "one": LOCAL,
            },
            id="Local-does-not-reach-beyond-the-advertisements",
        ),
        pytest.param(
            FIRST,
            {"ads": [ALL], "one": LOCAL},
            id="Local-without-any-EndpointSlice-has-an-endpoint-everywhere",
        ),
        # preferences
        pytest.param(
            THIRD,
            {"ads": [l2("x", preferredNodeSelectors=[weigh(1, rack="1"), weigh(1, role="")])]}
            | {"nodes": [NODES[1], NODES[2]]},
            id="the-preferred-node-wins",
        ),
        pytest.param(
            SECOND,
            {"ads": [l2("x", preferredNodeSelectors=[weigh(5, rack="1"), weigh(5, role="edge")])]},
            id="weights-of-one-advertisement-are-summed",
        ),
        pytest.param(
            FIRST,
            {
                "ads": [
                    l2("x", preferredNodeSelectors=[weigh(60, role="edge")]),
                    l2("y", preferredNodeSelectors=[weigh(50, rack="2")]),
                    l2("z", preferredNodeSelectors=[weigh(50, rack="2")]),
                ]
            },
            id="weights-of-equal-advertisements-are-summed",
        ),
        pytest.param(
            FIRST,
            {
                "ads": [
                    ALL,
                    l2(
                        "x",
                        nodeSelectors=[where(rack="2")],
                        preferredNodeSelectors=[weigh(100, role="edge")],
                    ),
                ]
            },
            id="an-advertisement-prefers-only-among-the-nodes-it-selects",
        ),
        pytest.param(
            FIRST,
            {
                "ads": [
                    l2(
                        "x",
                        ipAddressPools=["p"],
                        ipAddressPoolSelectors=[where(zone="dmz")],
                        preferredNodeSelectors=[weigh(60, rack="1")],
                    ),
                    l2("y", preferredNodeSelectors=[weigh(100, rack="2")]),
                ]
            },
            id="a-pool-reached-twice-counts-once",
        ),
        pytest.param(
            THIRD,
            {
                "ads": [l2("x", preferredNodeSelectors=[weigh(100, rack="1")])],
                "endpoints": ready(FIRST, THIRD),
                "one": LOCAL,
            },
            id="preferences-hold-among-the-nodes-with-endpoints",
        ),
        # interfaces
        pytest.param(
            f"{FIRST} on eth0,eth1",
            {"ads": [l2("x", interfaces=["eth1"]), l2("y", interfaces=["eth0", "eth1"])]},
            id="interfaces-are-united",
        ),
        pytest.param(
            FIRST,
            {"ads": [ALL, l2("x", interfaces=["eth1"])]},
            id="one-advertisement-without-interfaces-means-all",
        ),
        pytest.param(
            f"{FIRST} on eth1",
            {
                "ads": [
                    l2("x", interfaces=["eth1"]),
                    l2("y", nodeSelectors=[where(rack="1")]),
                    l2("z", serviceSelectors=[where(app="db")]),
                ]
            },
            id="only-advertisements-of-the-service-and-the-node-say-which-interfaces",
        ),
    ],
)
def test_it_answers(wanted: str | None, given: dict[str, Any]) -> None:
    for order in permutations(given["ads"]):
        assert who(**{**given, "ads": order}) == wanted


def test_both_addresses_are_on_the_node_of_the_first() -> None:
    pair = "192.0.2.1,2001:db8::1"
    told = announcements([served("a/a", pair)], {"a/a": demand("a/a")}, [ALL], POOLS, NODES, None)
    assert [str(one.address) for one in told[FIRST]] == pair.split(",")
    assert told[SECOND] == told[THIRD] == ()
    assert owner([one.name for one in NODES], {}, ip_address("2001:db8::1")) != FIRST


def test_a_status_that_names_ipv6_first_elects_by_it() -> None:
    pair = "192.0.2.1,2001:db8::1"
    asked = demand("a/a", held=pair)
    turned = replace(asked, held=asked.held[::-1])

    told = announcements([served("a/a", pair)], {"a/a": turned}, [ALL], POOLS, NODES, None)

    winner = owner([one.name for one in NODES], {}, ip_address("2001:db8::1"))
    assert [name for name, each in told.items() if each] == [winner] != [FIRST]


def test_announcements_are_sorted_by_address_then_service() -> None:
    some = {
        "a/b": "192.0.2.10",
        "b/a": "192.0.2.9",
        "a/a": "192.0.2.9",
        "a/c": "2001:db8::1",
        "a/d": "198.51.100.1",
    }
    each = {key: demand(key) for key in some}
    services = [served(key, text) for key, text in some.items()]
    told = announcements(services, each, [ALL], POOLS, NODES[:1], None)
    assert [(str(one.address), one.service) for one in told["node-a"]] == [
        ("192.0.2.9", "a/a"),
        ("192.0.2.9", "b/a"),
        ("192.0.2.10", "a/b"),
        ("198.51.100.1", "a/d"),
        ("2001:db8::1", "a/c"),
    ]


def test_services_of_one_address_go_by_their_own_advertisements() -> None:
    ads = [
        l2("x", nodeSelectors=[where(rack="1")], serviceSelectors=[where(app="web")]),
        l2("y", nodeSelectors=[where(rack="2")], serviceSelectors=[where(app="db")]),
    ]
    each = {
        "a/a": demand("a/a", labels={"app": "web"}),
        "a/b": demand("a/b", labels={"app": "db"}),
    }
    told = announcements([served(key) for key in each], each, ads, POOLS, NODES, None)
    assert {name: [one.service for one in every] for name, every in told.items()} == {
        SECOND: ["a/a"],
        FIRST: ["a/b"],
        THIRD: [],
    }


def test_a_pending_service_is_not_announced() -> None:
    waiting = Service("a/a", None, (), Pending("no-pools", ""), origin("Service", "a"))
    told = announcements([waiting], {"a/a": demand("a/a")}, [ALL], POOLS, NODES, None)
    assert not any(told.values())


some_labels = st.fixed_dictionaries({"rack": st.sampled_from("12"), "role": st.sampled_from("ab")})
some_selectors = st.lists(some_labels.map(lambda labels: where(rack=labels["rack"])), max_size=1)
some_ads = st.lists(
    st.builds(
        lambda pools, nodes, services, wishes, interfaces: l2(
            "x",
            ipAddressPools=sorted(pools),
            nodeSelectors=nodes,
            serviceSelectors=[where(app=one) for one in sorted(services)],
            preferredNodeSelectors=[weigh(n, role=role) for n, role in wishes],
            interfaces=sorted(interfaces),
        ),
        st.sets(st.sampled_from("pq"), max_size=2),
        some_selectors,
        st.sets(st.sampled_from(["web", "db"]), max_size=2),
        st.lists(st.tuples(st.integers(1, 3), st.sampled_from("ab")), max_size=2),
        st.sets(st.sampled_from(["eth0", "eth1"]), max_size=2),
    ),
    max_size=4,
)
some_nodes = st.lists(
    st.builds(
        lambda number, labels, out, cut: node(
            f"n{number}", excluded=out, unavailable=cut, **labels
        ),
        st.integers(0, 9),
        some_labels,
        st.booleans(),
        st.booleans(),
    ),
    max_size=6,
    unique_by=lambda one: one.name,
)


@given(
    some_ads,
    some_nodes,
    st.lists(st.sampled_from(["web", "db", ""]), max_size=6),
    st.none() | st.lists(st.sets(st.integers(0, 9).map(lambda n: f"n{n}")), max_size=4),
    st.data(),
)
def test_it_is_what_each_speaker_would_decide_alone(
    ads: Ads,
    nodes: Sequence[KubeNode],
    labels: list[str],
    ready: list[set[str]] | None,
    data: st.DataObject,
) -> None:
    """MetalLB's speaker has no tables: every node asks, for each Service, whether it is first."""
    each, services = {}, []
    for number, app in enumerate(labels):
        key = f"a/{number}"
        sharing, local = data.draw(st.sampled_from(["", "k"])), data.draw(st.booleans())
        each[key] = demand(key, labels={"app": app}, sharing=sharing, local=local)
        in_p = data.draw(st.booleans())
        text = f"{'192.0.2' if in_p else '198.51.100'}.{data.draw(st.integers(1, 3))}"
        services.append(served(key, text, "p" if in_p else "q"))
    endpoints = (
        None
        if ready is None
        else {
            f"a/{number}": Endpoints(l2_healthy=True, l2_nodes=frozenset(names))
            for number, names in enumerate(ready)
        }
    )
    told = announcements(services, each, ads, POOLS, nodes, endpoints)
    for me in nodes:
        assert [(one.service, one.interfaces) for one in told[me.name]] == [
            (service.key, interfaces)
            for service in sorted(services, key=lambda one: (one.addresses, one.key))
            if (interfaces := _speaker(me, service, each[service.key], ads, nodes, endpoints))
            is not None
        ]


def _speaker(
    me: KubeNode,
    service: Service,
    one: Demand,
    ads: Ads,
    nodes: Sequence[KubeNode],
    endpoints: Mapping[str, Endpoints] | None,
) -> tuple[str, ...] | None:
    """`ShouldAnnounce` and `ipAdvertisementFor`, step by step; None is no."""
    ready = endpoints.get(service.key) if endpoints is not None else None
    if endpoints is not None and ready is None:
        return None

    def selects(selectors: tuple[Any, ...], labels: Mapping[str, str]) -> bool:
        return not selectors or any(each.matches(labels) for each in selectors)

    mine = [
        ad.spec
        for ad in ads
        if (not ad.spec.ip_address_pools or service.pool in ad.spec.ip_address_pools)
        and selects(ad.spec.service_selectors, one.labels)
    ]
    if one.sharing_key and any(ad.service_selectors for ad in mine):
        return None
    scores = {}
    for other in nodes:
        here = [ad for ad in mine if selects(ad.node_selectors, other.labels)]
        able = not other.excluded and not other.network_unavailable
        if not here or not able or (one.local and ready and other.name not in ready.l2_nodes):
            continue
        wishes = [wish for ad in here for wish in ad.preferred_node_selectors]
        scores[other.name] = sum(w.weight for w in wishes if w.preference.matches(other.labels))
    text = str(service.addresses[0])
    order = sorted(scores, key=lambda n: (-scores[n], sha256(f"{n}#{text}".encode()).digest()))
    if not order or order[0] != me.name:
        return None
    here = [ad for ad in mine if selects(ad.node_selectors, me.labels)]
    if any(not ad.interfaces for ad in here):
        return ()
    return tuple(sorted({name for ad in here for name in ad.interfaces}))


def test_ten_thousand_services_on_a_hundred_nodes_take_little_time() -> None:
    pools = [pool("p", "10.0.0.0/16")]
    nodes = [node(f"node-{number}", rack=str(number % 4)) for number in range(100)]
    ads = [l2(f"ad-{number}", nodeSelectors=[where(rack=str(number))]) for number in range(4)]
    each = {f"a/{number}": demand(f"a/{number}") for number in range(10_000)}
    start = int(ip_address("10.0.0.0"))
    services = [
        Service(key, "p", (ip_address(start + number),), None, origin("Service", key))
        for number, key in enumerate(each)
    ]
    begun = process_time()
    told = announcements(services, each, ads, pools, nodes, None)
    assert process_time() - begun < 3  # 0.7 measured
    assert sum(map(len, told.values())) == 10_000
