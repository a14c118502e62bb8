"""Which BGPPeers hear of which Service."""

from __future__ import annotations

from short import compiled

from ferrule.compiler.network import Node
from ferrule.reconcile.told import BGP_STATUS, Told, bgp_status, labels

TEXT = """
BGPPeer a: {peerAddress: 10.1.0.1}
BGPPeer b: {peerAddress: 10.1.0.2}
IPAddressPool public: {}
IPAddressPool private: {addresses: [198.51.100.0/24], autoAssign: false}
BGPAdvertisement all: {ipAddressPools: [public]}
BGPAdvertisement some: {ipAddressPools: [private], peers: [b]}
Node n1: {ips: [10.1.0.11]}
Service shop/api: {}
Service shop/web: {pool: private}
"""


def node(text: str = TEXT) -> Node:
    compilation = compiled(text)
    assert compilation.ok, compilation.diagnostics
    return compilation.network.nodes[0]


def test_all_of_a_node() -> None:
    one, told = node(), Told()
    assert told.replace(one.advertisements) == {"shop/api", "shop/web"}
    assert told.peers("shop/api", one.ears()) == ("a", "b")
    assert told.peers("shop/web", one.ears()) == ("b",)


def test_only_what_changes_is_touched() -> None:
    one, told = node(), Told()
    told.replace(one.advertisements)
    assert told.replace(one.advertisements) == set()
    (web,) = (each for each in one.advertisements if "shop/web" in each.services)
    assert told.update({web.prefix: None}) == {"shop/web"}
    assert "shop/web" not in told
    assert told.peers("shop/web", one.ears()) == ()
    assert told.update({web.prefix: web}) == {"shop/web"}
    assert told.replace(()) == {"shop/api", "shop/web"}


def test_the_object_that_says_it() -> None:
    post = bgp_status("ferrule", "n1", "shop/web", ("a", "b"))
    assert post.path == BGP_STATUS.path("ferrule", post.name)
    assert post == bgp_status("ferrule", "n1", "shop/web", ("a", "b"))
    assert post.name != bgp_status("ferrule", "n2", "shop/web", ()).name
    assert post.status == {
        "node": "n1",
        "serviceName": "web",
        "serviceNamespace": "shop",
        "peers": ["a", "b"],
    }


def test_a_name_that_is_too_long_is_no_label() -> None:
    found = labels("n" * 64, "shop/web")
    assert set(found) == {"metallb.io/service-name", "metallb.io/service-namespace"}
