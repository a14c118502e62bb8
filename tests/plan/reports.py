"""What devices say of their sessions: all is well, but for what a test changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ferrule.compiler.backends import frr, sonic
from ferrule.compiler.backends.sonic import bgpd
from ferrule.compiler.bgpstate import BgpState, SessionState
from ferrule.compiler.errors import Diagnostic
from ferrule.compiler.network import DEFAULT_VRF, Network, Session
from ferrule.compiler.observed import Key, Observed

Found = dict[Key, Observed | Diagnostic]
UP: dict[str, Any] = {
    "state": "Established",
    "uptime_s": 7380.0,
    "established_times": 2,
    "resets": 1,
}


def up(network: Network, found: Mapping[Key, Observed | Diagnostic]) -> Found:
    """The devices with every session up, every prefix where it belongs, every row in bgpd."""
    states: dict[Key, dict[tuple[str, str], SessionState]] = {}
    for session in network.sessions:
        near, far = ends(session, found)
        states.setdefault(("node", session.node), {})[near.vrf, near.neighbor] = near
        if session.switch_end:
            key: Key = ("switch", session.switch_end.switch)
            states.setdefault(key, {})[far.vrf, far.neighbor] = far
    told: Found = {}
    for key, seen in found.items():
        assert isinstance(seen, Observed)
        text = ""
        if isinstance(seen.running, sonic.Running):
            text = "\n".join(bgpd.lines(seen.running.tables))  # type: ignore[arg-type]
        told[key] = replace(seen, state=BgpState(states.get(key, {})), bgpd=text)
    return told


def ends(
    session: Session, found: Mapping[Key, Observed | Diagnostic]
) -> tuple[SessionState, SessionState]:
    """What the node says, and what the switch would say."""
    end = session.node_end
    seen = found["node", session.node]
    assert isinstance(seen, Observed)
    assert isinstance(seen.running, frr.Running)
    name = str(end.neighbor or end.interface)
    heard = frr.told(seen.running).get((end.vrf, name), {})
    ipv6 = sum(":" in prefix for prefix in heard)
    counts = {"ipv4": len(heard) - ipv6, "ipv6": ipv6}
    sent = {family: counts[family] for family in end.families}
    bfd = "up" if end.bfd else None
    near = SessionState(end.vrf, name, **UP, sent=sent, bfd=bfd)
    there = session.switch_end
    vrf = "" if there is None or there.vrf == DEFAULT_VRF else there.vrf
    neighbor = str(there.neighbor) if there else ""
    dynamic = there is not None and there.listen_range is not None
    return near, SessionState(vrf, neighbor, **UP, accepted=sent, bfd=bfd, dynamic=dynamic)


def told(found: Found, kind: str, device: str, neighbor: str, **news: Any) -> None:
    """A device says something else of a neighbor; `state=None`: that it has none."""
    key: Key = ("node" if kind == "node" else "switch", device)
    seen = found[key]
    assert isinstance(seen, Observed)
    assert seen.state
    sessions = dict(seen.state.sessions)
    (where,) = (one for one in sessions if one[1] == neighbor)
    if news.get("state", "") is None:
        del sessions[where]
    else:
        sessions[where] = replace(sessions[where], **news)
    found[key] = replace(seen, state=BgpState(sessions))
