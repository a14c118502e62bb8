"""One node, one switch, both families, BFD; then one thing is changed at either end.

Whatever keeps a session down or its routes out has a code and cites both ends with their lines.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import pytest
from short import compiled, documents, errors, warnings

from ferrule.compiler.pipeline import artifacts

GOOD = """
ferrule BGPPeer four: {peerAddress: 10.1.0.1, holdTime: 9s, bfdProfile: fast}
ferrule BGPPeer six: {peerAddress: "2001:db8:1::1", holdTime: 9s, bfdProfile: fast}
BFDProfile fast: {transmitInterval: 300}
Switch tor-a: {addresses: [10.1.0.1/24, "2001:db8:1::1/64"], routerID: 10.1.0.1}
Node n1: {ips: [10.1.0.11, "2001:db8:1::11"], labels: {asn: "64512"}}
IPAddressPool public: {addresses: [192.0.2.0/24, "2001:db8:100::/64"]}
BGPAdvertisement public:
Service shop/web: {families: both}
"""
DYNAMIC = {
    "BGPPeer/four": {"spec": {"bfdProfile": None}},
    "BGPPeer/six": {"spec": {"bfdProfile": None}},
    "Switch/tor-a": {
        "spec": {"neighbors": "dynamic", "listenRanges": ["10.1.0.0/24", "2001:db8:1::/64"]}
    },
}
TWIN = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "n2"},
    "status": {"addresses": [{"type": "InternalIP", "address": "10.1.0.12"}]},
}
ONLY_N1 = {"matchExpressions": [{"key": "asn", "operator": "Exists"}]}
NOT_N1 = {"matchExpressions": [{"key": "asn", "operator": "DoesNotExist"}]}
Change = Mapping[str, Any]


def internal(*addresses: str) -> list[dict[str, str]]:
    return [{"type": "InternalIP", "address": one} for one in addresses]


def mutated(*changes: Change) -> list[dict[str, Any]]:
    """The good pair with fields replaced; None takes a field away, a whole document is added."""
    each = {f"{one['kind']}/{one['metadata']['name']}": one for one in documents(GOOD)}
    for change in map(deepcopy, changes):
        for name, fields in change.items():
            if name in each:
                _merge(each[name], fields)
            else:
                each[name] = fields
    return list(each.values())


def _merge(target: dict[str, Any], fields: Mapping[str, Any]) -> None:
    for key, value in fields.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = value


def peer(**fields: Any) -> Change:
    return {"BGPPeer/four": {"spec": fields}}


def six(**fields: Any) -> Change:
    return {"BGPPeer/six": {"spec": fields}}


def second_peer(address: str = "10.1.0.1", **fields: Any) -> Change:
    spec = {"myASN": 64512, "peerASN": 65000, "peerAddress": address, "holdTime": "9s", **fields}
    meta = {"name": "two"}
    version = "metallb.io/v1beta2"
    return {
        "BGPPeer/two": {"apiVersion": version, "kind": "BGPPeer", "metadata": meta, "spec": spec}
    }


def tor(**fields: Any) -> Change:
    return {"Switch/tor-a": {"spec": fields}}


def second_tor(**fields: Any) -> Change:
    spec = {"asn": 65000, "routerID": "10.1.0.2", "addresses": ["10.1.0.1/24"], **fields}
    version, meta = "ferrule.dev/v1alpha1", {"name": "tor-b"}
    return {
        "Switch/tor-b": {"apiVersion": version, "kind": "Switch", "metadata": meta, "spec": spec}
    }


def node(*addresses: str) -> Change:
    return {"Node/n1": {"status": {"addresses": internal(*addresses)}}}


def advertisement(**fields: Any) -> Change:
    return {"BGPAdvertisement/public": {"spec": fields}}


def profile(**fields: Any) -> Change:
    return {"BFDProfile/fast": {"spec": fields}}


# What a session needs of both ends: the change, its code, and who is to blame.
SWITCH, FOUR, SIX, N1, N2 = "Switch tor-a", "BGPPeer four", "BGPPeer six", "Node n1", "Node n2"
DIFFERENCES: dict[str, dict[str, Any]] = {
    "asn": {"myASN": 64513},
    "multihop": {"ebgpMultiHop": True},
    "timers": {"holdTime": "12s"},
}
MUTATIONS = [
    pytest.param([peer(peerASN=65001)], "peer-asn-mismatch", [FOUR, SWITCH], id="peerasn"),
    pytest.param([tor(asn=65001)], "peer-asn-mismatch", [FOUR, SWITCH], id="the-switch's-asn"),
    pytest.param(
        [peer(peerASN=None, dynamicASN="internal")],
        "peer-asn-mismatch",
        [FOUR, SWITCH],
        id="dynamicasn",
    ),
    pytest.param(
        [peer(peerASN=None, dynamicASN="external", localASN=65000)],
        "local-asn",
        [FOUR, SWITCH],
        id="localasn-is-the-switch's",
    ),
    pytest.param(
        [peer(myASN=65000, ebgpMultiHop=True), six(myASN=65000)],
        "multihop-ibgp",
        [FOUR],
        id="multihop-on-ibgp",
    ),
    pytest.param(
        [node("2001:db8:1::11")], "family-missing", [N1, SWITCH, FOUR], id="no-ipv4-on-the-node"
    ),
    pytest.param(
        [node("10.1.0.11")], "family-missing", [N1, SWITCH, SIX], id="no-ipv6-on-the-node"
    ),
    pytest.param([node()], "family-missing", [N1, SWITCH, FOUR], id="no-address-on-the-node"),
    pytest.param(
        [
            tor(addresses=["2001:db8:1::1/64"]),
            {"Switch/tor-a": {"metadata": {"labels": {"role": "leaf"}}}},
            six(bfdProfile=None),
            node("10.1.0.11"),
            peer(
                peerAddress=None, peerASN=None, switchSelectors=[{"matchLabels": {"role": "leaf"}}]
            ),
        ],
        "family-missing",
        [N1, SWITCH, FOUR],
        id="no-ipv4-on-the-switch",
    ),
    pytest.param(
        [node("10.9.0.11", "2001:db8:1::11")], "not-on-link", [FOUR, SWITCH, N1], id="node-off-link"
    ),
    pytest.param(
        [tor(addresses=["10.1.0.1/29", "2001:db8:1::1/64"])],
        "not-on-link",
        [FOUR, SWITCH, N1],
        id="the-switch's-length",
    ),
    pytest.param(
        [node("10.1.0.11", "10.1.0.12", "2001:db8:1::11")],
        "ambiguous-node-address",
        [N1, SWITCH, FOUR],
        id="two-node-addresses",
    ),
    pytest.param(
        [peer(sourceAddress="2001:db8:1::11")],
        "source-address-family",
        [FOUR, SWITCH],
        id="a-source-address-of-the-other-family",
    ),
    pytest.param(
        [
            peer(sourceAddress="10.1.0.50"),
            {"Node/n2": TWIN},
            six(nodeSelectors=[ONLY_N1]),
        ],
        "source-address-shared",
        [FOUR, N2, N1],
        id="one-source-address-for-two-nodes",
    ),
    pytest.param(
        [peer(peerAddress="10.1.0.11")],
        "peer-is-node",
        [FOUR, N1],
        id="the-node's-own-address",
    ),
    pytest.param(
        [
            {"Node/n2": TWIN},
            {"Node/n2": {"metadata": {"annotations": {"ferrule.dev/addresses": "10.1.0.11"}}}},
            six(nodeSelectors=[ONLY_N1]),
        ],
        "duplicate-neighbor",
        [N2, N1, FOUR],
        id="two-nodes-with-one-address",
    ),
    pytest.param(
        [tor(addresses=["10.1.0.1/24", "10.1.0.1", "2001:db8:1::1/64"])],
        "switch-address-twice",
        [SWITCH],
        id="an-address-of-the-switch-twice",
    ),
    pytest.param(
        [second_tor()],
        "ambiguous-switch",
        [FOUR, SWITCH, "Switch tor-b", N1],
        id="two-switches-hold-the-address-and-select-the-node",
    ),
    pytest.param(
        [second_peer()], "duplicate-peer", ["BGPPeer two", FOUR, N1], id="two-peers-to-one-address"
    ),
    pytest.param(
        [second_peer("10.1.0.9", myASN=64513)],
        "my-asn-mismatch",
        ["BGPPeer two", FOUR, N1],
        id="two-asns-on-one-node",
    ),
    pytest.param(
        [peer(routerID="10.1.0.11")],
        "router-id-mismatch",
        [SIX, FOUR, N1],
        id="a-router-id-in-one-peer-only",
    ),
    pytest.param(
        [
            peer(routerID="10.9.9.9"),
            six(routerID="10.9.9.9"),
            {"Node/n2": {**TWIN, "status": {"addresses": internal("10.1.0.12", "2001:db8:1::12")}}},
        ],
        "duplicate-router-id",
        [N2, N1, SWITCH],
        id="one-router-id-for-two-nodes",
    ),
    pytest.param(
        [tor(routerID="10.1.0.11")],
        "duplicate-router-id",
        [N1, SWITCH],
        id="the-router-id-of-the-switch",
    ),
    pytest.param([peer(peerPort=1179)], "peer-port", [FOUR, SWITCH], id="peerport"),
    pytest.param([peer(password="x")], "switch-password", [FOUR, SWITCH], id="a-password"),  # noqa: S106
    pytest.param(
        [peer(passwordSecret={"name": "tor"})],
        "switch-password",
        [FOUR, SWITCH],
        id="a-password-in-a-secret",
    ),
    pytest.param(
        [profile(echoMode=True), six(bfdProfile=None), advertisement(peers=["six"])],
        "bfd-echo",
        ["BFDProfile fast", FOUR, SWITCH],
        id="bfd-echo",
    ),
    pytest.param(
        [tor(neighbors="dynamic", listenRanges=["10.1.0.0/24", "2001:db8:1::/64"])],
        "bfd-dynamic",
        [FOUR, SWITCH],
        id="dynamic-neighbors-with-bfd",
    ),
    pytest.param(
        [
            tor(addresses=["10.1.0.1/24"]),
            peer(dualStackAddressFamily=True),
            six(interface="eth1", peerAddress=None),
        ],
        "dual-stack-next-hop",
        [FOUR, SWITCH],
        id="both-families-without-the-switch's-other-address",
    ),
    pytest.param(
        [DYNAMIC, tor(listenRanges=["10.1.0.0/29", "2001:db8:1::/64"])],
        "outside-listen-ranges",
        [N1, SWITCH, FOUR],
        id="a-node-outside-the-listen-ranges",
    ),
    pytest.param(
        [DYNAMIC, tor(listenRanges=["10.1.0.0/24", "10.1.0.0/25", "2001:db8:1::/64"])],
        "listen-ranges-overlap",
        [SWITCH],
        id="listen-ranges-that-overlap",
    ),
    *(
        pytest.param(
            [
                DYNAMIC,
                peer(nodeSelectors=[ONLY_N1]),
                second_peer(nodeSelectors=[NOT_N1], **fields),
                {"Node/n2": TWIN},
                six(nodeSelectors=[ONLY_N1]),
            ],
            "listen-range-mismatch",
            ["BGPPeer two", FOUR, SWITCH],
            id=f"two-peers-in-one-listen-range-that-differ-in-{what}",
        )
        for what, fields in DIFFERENCES.items()
    ),
    pytest.param(
        [peer(myASN=None, myASNFrom={"nodeLabel": "no-such"})],
        "node-asn",
        [N1, FOUR],
        id="no-asn-label",
    ),
]


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
def test_the_pair_is_good(*, dynamic: bool) -> None:
    compilation = compiled(mutated(DYNAMIC) if dynamic else mutated())
    assert (errors(compilation), warnings(compilation)) == ([], [])
    assert len(list(compilation.network.sessions)) == 2


@pytest.mark.parametrize(("changes", "code", "blamed"), MUTATIONS)
def test_a_change_at_one_end(changes: Sequence[Change], code: str, blamed: list[str]) -> None:
    compilation = compiled(mutated(*changes))
    mistakes = [one for one in compilation.diagnostics if one.severity == "error"]
    assert {one.code for one in mistakes} == {code}
    cited = [[str(place.ref) for place in one.places] for one in mistakes]
    assert any(list(dict.fromkeys(each)) == blamed for each in cited), cited
    for one in mistakes:
        places = [place.position for place in one.places]
        assert all(at is not None and at.file == "net.json" and at.line > 1 for at in places)
        assert len({at.line for at in places if at is not None}) > 1 or len(blamed) == 1


@pytest.mark.parametrize("changes", [pytest.param(one.values[0], id=one.id) for one in MUTATIONS])
def test_a_node_that_is_wrong_leaves_a_network_that_can_be_written(
    changes: Sequence[Change],
) -> None:
    """What a controller goes on with: no session of it is one of the wrong ones."""
    compilation = compiled(mutated(*changes))
    mistakes = [one for one in compilation.diagnostics if one.severity == "error"]
    if any(one.node is None for one in mistakes):
        assert not compilation.network.nodes
        return
    assert compilation.network.nodes
    for switch in compilation.network.switches:
        neighbors = [(group.vrf, one) for group in switch.groups for one in group.neighbors]
        assert len(neighbors) == len(set(neighbors))
    assert list(artifacts(compilation.network))


def test_there_are_enough_of_them() -> None:
    codes = {str(one.values[1]) for one in MUTATIONS}
    assert len(MUTATIONS) >= 30
    assert len(codes) >= 20
