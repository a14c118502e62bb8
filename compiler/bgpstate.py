"""How sessions do, as FRR tells it in JSON: 8.4 and 10.x, on a node and on a switch alike.

The shapes are those of `show bgp vrf all neighbors json` and `show bfd peers json` of 8.4.4 and
10.3. What a neighbor sent before our policy is in neither (only with soft-reconfiguration).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ferrule.compiler.network import DEFAULT_VRF, Family


@dataclass(frozen=True, slots=True)
class SessionState:
    """One neighbor.

    `uptime_s` and `since`, the second of Unix time, are None while it is not Established; `since`
    wavers by one, for FRR works it out anew each time it is asked. `established_times` and `resets`
    count from the start of bgpd. Counts of prefixes are by family; `accepted` is what the inbound
    policy let in. `bfd` is None without BFD.
    """

    vrf: str  # "" is the default one
    neighbor: str
    state: str  # FRR's word: Established, Active, Idle ...
    remote_as: int | None = None
    uptime_s: float | None = None
    established_times: int = 0
    resets: int = 0
    accepted: Mapping[Family, int] = field(default_factory=dict)
    sent: Mapping[Family, int] = field(default_factory=dict)
    last_reset: str = ""
    bfd: str | None = None  # up, down, init ...
    since: int | None = None
    local_as: int | None = None
    shutdown: bool = False
    dynamic: bool = False  # dialled in, by a listen range
    notification: str = ""  # `Cease/Administrative Shutdown`, where one ended it, of either end

    @property
    def established(self) -> bool:
        """Whether it is up."""
        return self.state == "Established"


@dataclass(frozen=True, slots=True)
class BgpState:
    """All neighbors of a device, by VRF and name."""

    sessions: Mapping[tuple[str, str], SessionState] = field(default_factory=dict)

    def session(self, vrf: str, neighbor: str) -> SessionState | None:
        """One neighbor; SONiC calls the default VRF by its name, FRR's header does not."""
        return self.sessions.get(("" if vrf == DEFAULT_VRF else vrf, neighbor))


FAMILY_NAMES: Mapping[str, Family] = {"ipv4Unicast": "ipv4", "ipv6Unicast": "ipv6"}
Json = Mapping[str, object]


def parse(neighbors: object, bfd: object = ()) -> BgpState:
    """The two answers, decoded; `ValueError` where they are not what FRR says.

    Without bfdd there is no second answer; what BGP knows of BFD is in the first.
    """
    peers = dict(_bfd_peers(bfd))
    sessions = {}
    for vrf, each in _object(neighbors).items():
        for name, fields in _object(each).items():
            if isinstance(fields, Mapping):  # the others are facts about the VRF
                key = ("" if vrf == DEFAULT_VRF else vrf, name)
                sessions[key] = _session(key, fields, peers.get(key))
    return BgpState(sessions)


def _session(key: tuple[str, str], fields: Json, bfd: str | None) -> SessionState:
    state = _text(fields, "bgpState")
    up = state == "Established"
    uptime_ms = _number(fields, "bgpTimerUpMsec") if up else None
    families = dict(_families(_object(fields.get("addressFamilyInfo", {}))))
    told = _text(_object(fields.get("peerBfdInfo", {})), "status").lower()
    return SessionState(
        *key,
        state,
        _number(fields, "remoteAs"),
        None if uptime_ms is None else uptime_ms / 1000,
        _number(fields, "connectionsEstablished") or 0,
        _number(fields, "connectionsDropped") or 0,
        {family: accepted for family, (accepted, _) in families.items()},
        {family: sent for family, (_, sent) in families.items()},
        _text(fields, "lastResetDueTo"),
        bfd or told or None,
        _number(fields, "bgpTimerUpEstablishedEpoch") if up else None,
        _number(fields, "localAs"),
        fields.get("adminShutDown") is True,
        fields.get("dynamicPeer") is True,
        _text(fields, "lastNotificationReason"),
    )


def _families(info: Json) -> Iterator[tuple[Family, tuple[int, int]]]:
    """How many prefixes are accepted and sent; FRR leaves out the latter where it sends nothing."""
    for name, family in FAMILY_NAMES.items():
        if name in info:
            counts = _object(info[name])
            accepted = _number(counts, "acceptedPrefixCounter") or 0
            yield family, (accepted, _number(counts, "sentPrefixCounter") or 0)


def _bfd_peers(bfd: object) -> Iterator[tuple[tuple[str, str], str]]:
    for each in bfd if isinstance(bfd, list) else ():
        peer = _object(each)
        vrf = _text(peer, "vrf")
        yield ("" if vrf == DEFAULT_VRF else vrf, _text(peer, "peer")), _text(peer, "status")


def _object(value: object) -> Json:
    if not isinstance(value, Mapping):
        raise ValueError("not what FRR answers")  # noqa: TRY004
    return value


def _text(fields: Json, name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _number(fields: Json, name: str) -> int | None:
    value = fields.get(name)
    return value if isinstance(value, int) else None
