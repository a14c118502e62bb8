"""Which word of a switch an agent believes, and what it makes of it."""

from __future__ import annotations

from typing import Any

from short import compiled, node

from ferrule.compiler.source import Document
from ferrule.reconcile.switch_heard import SwitchesHeard

POOL = """
Switch tor-a: {addresses: [10.1.0.1/24]}
BGPPeer a: {peerAddress: 10.1.0.1}
IPAddressPool public: {addresses: [192.0.2.0/25]}
BGPAdvertisement all: {}
Node n1: {ips: [10.1.0.11]}
"""
GROWN = compiled(POOL.replace("[192.0.2.0/25]", "[192.0.2.0/25, 203.0.113.0/25]")).network
NETWORK = compiled(POOL).network
PUBLIC = ("public", "ipv4", 32)
FIRST, SECOND = "192.0.2.0/25", "203.0.113.0/25"


def said(*prefixes: str, limit: int | None = None, **more: Any) -> Document:
    one = {"name": "x", "pool": "public", "family": "ipv4", "length": 32, **more}
    accepts = [{**one, "prefixes": [*prefixes]}] if prefixes else []
    limits = [] if limit is None else [{"family": "ipv4", "limit": limit}]
    return Document({"kind": "Switch", "status": {"accepts": accepts, "limits": limits}})


def test_a_set_is_whole_as_our_own_spec_has_it() -> None:
    heard = SwitchesHeard()
    heard.hear("object", "tor-a", said(FIRST))
    assert heard.whole(NETWORK.sets) == {"tor-a": {PUBLIC}}
    assert heard.whole(GROWN.sets) == {"tor-a": set()}
    heard.hear("object", "tor-a", said(FIRST, partial=True))
    assert heard.whole(GROWN.sets) == {"tor-a": set()}
    heard.hear("object", "tor-a", said(FIRST, SECOND, neighbors=["default|10.1.0.11"]))
    assert heard.whole(GROWN.sets) == {"tor-a": set()}
    heard.hear("object", "tor-a", said(FIRST, SECOND))
    assert heard.whole(GROWN.sets) == {"tor-a": {PUBLIC}}
    assert heard.whole(NETWORK.sets) == {"tor-a": {PUBLIC}}


def test_an_object_is_believed_and_no_map_of_the_same_name() -> None:
    heard, one = SwitchesHeard(), node(compiled(POOL))
    heard.hear("map", "tor-a", said(FIRST, limit=4))
    heard.hear("object", "tor-a", said(limit=64))
    assert heard.whole(NETWORK.sets) == {"tor-a": set()}
    assert heard.limits(one) == {("tor-a", "ipv4"): 64}
    heard.hear("object", "tor-a", None)
    assert heard.whole(NETWORK.sets) == {"tor-a": {PUBLIC}}
    assert heard.limits(one) == {("tor-a", "ipv4"): 4}


def test_until_an_object_says_something_the_map_is_believed() -> None:
    heard = SwitchesHeard()
    heard.hear("map", "tor-a", said(FIRST))
    heard.hear("object", "tor-a", Document({"kind": "Switch", "spec": {}}))
    assert heard.whole(NETWORK.sets) == {"tor-a": {PUBLIC}}
    heard.hear("map", "tor-a", None)
    assert heard.whole(NETWORK.sets) == {"tor-a": set()}
    assert heard.news
