"""A random walk over specs of the example `fabric`: what each asks for, and what switches hear."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from fabric.chaos import Data, Documents, World, another_peer, another_pool, named, one_service_less
from ferrule.compiler import views
from ferrule.compiler.pipeline import Compilation

Change = Callable[[Documents], None]
COMMUNITIES = ("64512:100", "64512:200", "64512:300")
LENGTHS = (32, 30, 29)
HOLD_S = (9, 30)


def steps(seed: int, count: int) -> list[list[Change]]:
    """So many specs, each as what it changes of the example."""
    chance = random.Random(seed)  # noqa: S311  # the same each time
    return [_step(chance) for _ in range(count)]


def _step(chance: random.Random) -> list[Change]:
    likely: Sequence[Change] = (one_service_less, another_pool, another_peer, without_bfd)
    made = [one for one in likely if chance.random() < 0.3]
    community, length = chance.choice(COMMUNITIES), chance.choice(LENGTHS)
    services, hold_s = chance.randrange(6), chance.choice(HOLD_S)

    def drawn(documents: Documents) -> None:
        advertisement = named(documents, "BGPAdvertisement", "public")["spec"]
        advertisement |= {"communities": [community], "aggregationLength": length}
        for peer in _peers(documents):
            peer["spec"]["holdTime"] = f"{hold_s}s"
        more_services(documents, services)

    return [patient_bfd, drawn, *made]


def more_services(documents: Documents, count: int) -> None:
    assert isinstance(documents, list)
    web = json.dumps(named(documents, "Service", "web"))
    ends = json.dumps(named(documents, "EndpointSlice", "web-1"))
    for number in range(count):
        for text in (web, ends):
            one = json.loads(text)
            one["metadata"]["name"] = f"new-{number}"
            if one["kind"] == "EndpointSlice":
                one["metadata"]["labels"] = {"kubernetes.io/service-name": f"new-{number}"}
            documents.append(one)


def patient_bfd(documents: Documents) -> None:
    """A second's pause of a busy machine is no loss of a neighbor."""
    spec = named(documents, "BFDProfile", "fast")["spec"]
    spec |= {"receiveInterval": 1000, "transmitInterval": 1000, "detectMultiplier": 5}


def without_bfd(documents: Documents) -> None:
    for peer in _peers(documents):
        peer["spec"].pop("bfdProfile", None)


def _peers(documents: Documents) -> list[Data]:
    return [one for one in documents if one["kind"] == "BGPPeer"]


def wanted(compilation: Compilation) -> dict[str, set[str]]:
    """The prefixes that each switch should hear of nodes, by `render --output json`."""
    said: dict[str, Any] = json.loads(json.dumps(views.network_json(compilation)))
    heard: dict[str, set[str]] = defaultdict(set)
    for session in said["sessions"]:
        for one in said["nodes"][session["node"]]["advertisements"]:
            if session["switch"] and session["peer"] in one["peers"]:
                heard[session["switch"]].add(one["prefix"])
    return heard


def heard(world: World, switch: str) -> set[str]:
    """The prefixes that it has of its neighbors."""
    frr = world.fabric.switches[switch].frr
    return {
        prefix
        for family in ("ipv4", "ipv6")
        for prefix in frr.show_json(f"show bgp {family} unicast")["routes"]
    }
