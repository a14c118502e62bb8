"""How sessions do and what they have counted, for statuses and metrics: three questions.

The names are those of FRR's JSON (8.4.4 and 10.3) in words; they are what the exporters of MetalLB
count, one for one. A session without BFD, and BFD without a session, have no counters of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ferrule.apply.target import Trouble
from ferrule.apply.vty import Vty
from ferrule.compiler import bgpstate
from ferrule.compiler.bgpstate import SessionState
from ferrule.compiler.network import DEFAULT_VRF

NEIGHBORS = "show bgp vrf all neighbors json"
BFD = "show bfd peers json"
BFD_COUNTERS = "show bfd peers counters json"
WAYS = ("input", "output")
Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Messages:
    """BGP messages of one neighbor, both ways; they count on when a session starts anew."""

    opens_sent: int = 0
    opens_received: int = 0
    notifications_sent: int = 0
    notifications_received: int = 0
    updates_sent: int = 0
    updates_received: int = 0
    keepalives_sent: int = 0
    keepalives_received: int = 0
    route_refresh_sent: int = 0
    route_refresh_received: int = 0
    total_sent: int = 0
    total_received: int = 0


@dataclass(frozen=True, slots=True)
class BfdCounters:
    """What BFD has counted towards one neighbor."""

    control_packet_input: int = 0
    control_packet_output: int = 0
    echo_packet_input: int = 0
    echo_packet_output: int = 0
    session_up_events: int = 0
    session_down_events: int = 0
    zebra_notifications: int = 0


@dataclass(frozen=True, slots=True)
class Session:
    """One neighbor, whoever's; `port` is the far end's, None while there is no connection.

    `bfd_status` is bgpd's word: `Up`, `Down`, `Admin Down`, `Unknown`, or nothing without BFD.
    """

    state: SessionState
    messages: Messages
    port: int | None
    bfd: BfdCounters | None
    bfd_status: str = ""


def sessions(node: str, bgpd: Vty, bfdd: Vty | None) -> tuple[Session, ...]:
    """All neighbors of a node, in FRR's order."""
    neighbors = _asked(node, bgpd, NEIGHBORS)
    peers, counters = (_asked(node, bfdd, one) if bfdd else [] for one in (BFD, BFD_COUNTERS))
    try:
        known = bgpstate.parse(neighbors, peers).sessions
    except ValueError as bad:
        raise Trouble("command-failed", node, f"{NEIGHBORS!r}: {bad}") from None
    counted = dict(_counted(counters))
    fields = dict(_fields(neighbors))
    return tuple(
        Session(
            state,
            _messages(_object(fields[key].get("messageStats"))),
            _number(fields[key], "portForeign") or None,
            counted.get(key),
            str(_object(fields[key].get("peerBfdInfo")).get("status") or ""),
        )
        for key, state in known.items()
    )


def _asked(node: str, vty: Vty, command: str) -> object:
    text = vty.ask(command)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        message = f"{vty.daemon} does not answer {command!r} with JSON"
        raise Trouble("command-failed", node, message) from None


def _fields(neighbors: object) -> Iterator[tuple[tuple[str, str], Json]]:
    for vrf, each in _object(neighbors).items():
        for name, fields in _object(each).items():
            yield (_vrf(vrf), name), _object(fields)


def _messages(stats: Json) -> Messages:
    kinds = ("opens", "notifications", "updates", "keepalives", "routeRefresh", "total")
    ways = (f"{kind}{way}" for kind in kinds for way in ("Sent", "Recv"))
    return Messages(*(_number(stats, one) for one in ways))


def _counted(counters: object) -> Iterator[tuple[tuple[str, str], BfdCounters]]:
    for each in counters if isinstance(counters, list) else ():
        peer = _object(each)
        packets = (f"{kind}-packet-{way}" for kind in ("control", "echo") for way in WAYS)
        names = (*packets, "session-up", "session-down", "zebra-notifications")
        key = _vrf(str(peer.get("vrf", ""))), str(peer.get("peer", ""))
        yield key, BfdCounters(*(_number(peer, name) for name in names))


def _vrf(name: str) -> str:
    return "" if name == DEFAULT_VRF else name


def _object(value: object) -> Json:
    return value if isinstance(value, Mapping) else {}


def _number(fields: Json, name: str) -> int:
    value = fields.get(name)
    return value if isinstance(value, int) else 0
