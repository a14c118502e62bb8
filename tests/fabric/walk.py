"""A random walk over specs of the example `fabric`: what each asks for, and what switches hear."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from fabric.chaos import Data, Documents, World, another_peer, named, one_service_less
from ferrule.compiler import views
from ferrule.compiler.pipeline import Compilation

Change = Callable[[Documents], None]
Routes = Mapping[str, set[str]]  # by prefix, the nodes that it is heard from

COMMUNITIES = ("64512:100", "64512:200", "64512:300")
LENGTHS = (32, 30, 29)
HOLD_S = (9, 30)
PATHS = (1, 2, 64)
POOLS = (
    ("192.0.2.0/25", "192.0.2.200-192.0.2.207"),
    ("192.0.2.0/26", "192.0.2.200-192.0.2.207"),
    ("192.0.2.64/27", "192.0.2.128/26"),
    ("192.0.2.0-192.0.2.47",),
)
V6_POOLS = ("2001:db8:100::/64", "2001:db8:100::/96")
NOBODY = [{"matchLabels": {"rack": "none"}}]
SELDOM = 0.3


def steps(seed: int, count: int) -> list[list[Change]]:
    """So many specs, each as what it changes of the example."""
    chance = random.Random(seed)  # noqa: S311  # the same each time
    return [[patient_bfd, *_step(chance)] for _ in range(count)]


def _step(chance: random.Random) -> list[Change]:
    drawn: list[Change] = [
        advertised(chance.choice(COMMUNITIES), chance.choice(LENGTHS)),
        held(chance.choice(HOLD_S)),
        services(chance.randrange(6)),
        pooled(*chance.choice(POOLS), chance.choice(V6_POOLS)),
        more_pools(chance.randrange(3)),
    ]
    seldom: list[Change] = [
        one_service_less,
        without_bfd,
        local,
        on_one_rack,
        for_one_peer(chance.choice(COMMUNITIES)),
        wide(chance.choice(PATHS)),
        chance.choice((alone("node-2"), alone("node-3"), without_peers)),
        another_peer,  # the last: it has another name then
    ]
    return drawn + [one for one in seldom if chance.random() < SELDOM]


# What a spec may say.


def advertised(community: str, length: int) -> Change:
    """Another class of routes; several addresses in one route."""

    def change(documents: Documents) -> None:
        spec = named(documents, "BGPAdvertisement", "public")["spec"]
        spec |= {"communities": [community], "aggregationLength": length}

    return change


def held(seconds: int) -> Change:
    """Hold times of all sessions."""

    def change(documents: Documents) -> None:
        for peer in _peers(documents):
            peer["spec"]["holdTime"] = f"{seconds}s"

    return change


def services(count: int) -> Change:
    """So many like `web`."""

    def change(documents: Documents) -> None:
        for number in range(count):
            another_service(documents, f"new-{number}")

    return change


def pooled(*addresses: str) -> Change:
    """A pool that is larger or smaller: whoever has an address outside gets another."""

    def change(documents: Documents) -> None:
        named(documents, "IPAddressPool", "public")["spec"]["addresses"] = list(addresses)

    return change


def more_pools(count: int) -> Change:
    """So many pools more, each with a Service and a class of its own."""

    def change(documents: Documents) -> None:
        for number in range(count):
            _more_pool(documents, f"more-{number}", f"203.0.113.{64 * number}/26")

    return change


def _more_pool(documents: Documents, name: str, addresses: str) -> None:
    assert isinstance(documents, list)
    pool = deepcopy(named(documents, "IPAddressPool", "public"))
    pool["metadata"]["name"] = name
    pool["spec"] = {"addresses": [addresses], "autoAssign": False}
    advertisement = deepcopy(named(documents, "BGPAdvertisement", "public"))
    advertisement["metadata"]["name"] = name
    advertisement["spec"] = {"ipAddressPools": [name], "communities": ["64512:400"]}
    documents += [pool, advertisement]
    service = another_service(documents, f"of-{name}")
    service["metadata"]["annotations"] = {"metallb.io/address-pool": name}
    service["spec"] |= {"clusterIPs": ["10.96.1.1"], "ipFamilies": ["IPv4"]}
    service["spec"]["ipFamilyPolicy"] = "SingleStack"


def another_service(documents: Documents, name: str) -> Data:
    """One like `web`, with endpoints where that has them."""
    assert isinstance(documents, list)
    made = deepcopy(named(documents, "Service", "web"))
    made["metadata"]["name"] = name
    ends = deepcopy(named(documents, "EndpointSlice", "web-1"))
    ends["metadata"] |= {"name": f"{name}-1", "labels": {"kubernetes.io/service-name": name}}
    documents += [made, ends]
    return made


def patient_bfd(documents: Documents) -> None:
    """A second's pause of a busy machine is no loss of a neighbor."""
    spec = named(documents, "BFDProfile", "fast")["spec"]
    spec |= {"receiveInterval": 1000, "transmitInterval": 1000, "detectMultiplier": 5}


def without_bfd(documents: Documents) -> None:
    for peer in _peers(documents):
        peer["spec"].pop("bfdProfile", None)


def local(documents: Documents) -> None:
    """A Service whose nodes without an endpoint announce it no more."""
    named(documents, "Service", "web")["spec"]["externalTrafficPolicy"] = "Local"


def on_one_rack(documents: Documents) -> None:
    """Nodes that announce nothing of a pool, and keep their sessions."""
    spec = named(documents, "BGPAdvertisement", "public")["spec"]
    spec["nodeSelectors"] = [{"matchLabels": {"rack": "b"}}]


def for_one_peer(community: str) -> Change:
    """What one peer hears with a community more than the others."""

    def change(documents: Documents) -> None:
        assert isinstance(documents, list)
        made = deepcopy(named(documents, "BGPAdvertisement", "public"))
        made["metadata"]["name"] = "one-peer"
        made["spec"] |= {"peers": ["tor-b-v4"], "communities": [community]}
        documents.append(made)

    return change


def wide(paths: int) -> Change:
    """The ECMP width of a switch whose globals are ours."""

    def change(documents: Documents) -> None:
        for name in ("tor-a", "tor-b"):
            spec = named(documents, "Switch", name)["spec"]
            spec |= {"globals": "managed", "maximumPaths": paths}

    return change


def alone(node: str) -> Change:
    """A node that no peer selects."""

    def change(documents: Documents) -> None:
        named(documents, "Node", node)["metadata"]["labels"] = {"rack": "none"}

    return change


def without_peers(documents: Documents) -> None:
    """Peers that select no node: their switch has no neighbor."""
    for name in ("tor-b-v4", "tor-b-v6"):
        named(documents, "BGPPeer", name)["spec"]["nodeSelectors"] = NOBODY


def _peers(documents: Documents) -> list[Data]:
    return [one for one in documents if one["kind"] == "BGPPeer"]


# What comes of it.


def wanted(compilation: Compilation) -> dict[str, Routes]:
    """The routes that each switch should hear of nodes, by `render --output json`."""
    said: dict[str, Any] = json.loads(json.dumps(views.network_json(compilation)))
    return {
        switch: {one["prefix"]: set(one["from"]) for one in of["routes"]}
        for switch, of in said["switches"].items()
    }


def heard(world: World, switch: str) -> Routes:
    """The routes that it has of its neighbors."""
    frr = world.fabric.switches[switch].frr
    names = {
        address: name for name, node in world.fabric.nodes.items() for address in node.addresses
    }
    return {
        prefix: {names[path["peerId"]] for path in paths}
        for family in ("ipv4", "ipv6")
        for prefix, paths in frr.show_json(f"show bgp {family} unicast")["routes"].items()
    }
