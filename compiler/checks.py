"""The network after a change: what is expected of every session, and what it looks like.

Expected is what the intent says, less what was broken before and is not for us to mend: a session
that was down, and that is not touched, may stay down.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ferrule.compiler.backends import frr
from ferrule.compiler.bgpstate import SessionState
from ferrule.compiler.hearing import Ear, Told
from ferrule.compiler.network import Network, Session
from ferrule.compiler.observed import Key, Observed

Seen = Mapping[Key, Observed]
NEW = "new"  # where FRR had no such neighbor
LOST = "was lost and came back, and should not have been touched"
UNKNOWN = "unknown"  # where nobody said, or FRR has no such neighbor any more


@dataclass(frozen=True, slots=True)
class Check:
    """One session before and after, in FRR's words; `fault` is what is wrong with it.

    `accepted` are the prefixes that the switch has of the node, and those that it is told. Only a
    session whose two ends are ours `must` be as it should.
    """

    node: str
    far: str
    before: str
    after: str
    accepted: tuple[int, int] | None
    fault: str
    must: bool

    @property
    def hopeless(self) -> bool:
        """Whether waiting does not mend it."""
        return self.fault == LOST


def checks(
    network: Network,
    before: Seen,
    after: Seen,
    resets: Collection[Ear] = (),
    *,
    new: bool = True,
) -> Iterator[Check]:
    """Every session whose node was read; those in `resets` may have ended in between.

    Without `new` these are left out, and those that were not up before: their time is still to
    come. A session without BFD at one end comes up again once the other has none either (10.3).
    """
    told = {
        name: frr.told(one.running)
        for (kind, name), one in after.items()
        if kind == "node" and isinstance(one.running, frr.Running)
    }
    for session in network.sessions:
        if session.node in told:
            check = _check(session, before, after, told[session.node], resets)
            if new or (check.before == "Established" and _ear(session) not in resets):
                yield check


def _ear(session: Session) -> Ear:
    end = session.node_end
    return session.node, (end.vrf, str(end.neighbor or end.interface))


def _check(
    session: Session, before: Seen, after: Seen, told: Told, resets: Collection[Ear]
) -> Check:
    _, neighbor = _ear(session)
    old, now = (_state(seen, session.node, neighbor) for seen in (before, after))
    accepted = _accepted(session, told.get(neighbor, {}), after)
    fault = _fault(session, old, now, may_end=(session.node, neighbor) in resets)
    if not fault and accepted and accepted[0] < accepted[1]:
        fault = f"the switch has accepted {accepted[0]} of {accepted[1]} prefixes"
    return Check(
        session.node,
        session.far_name,
        old.state if old else NEW,
        now.state if now else NEW,
        accepted,
        fault,
        session.switch_end is not None,
    )


def _fault(
    session: Session, old: SessionState | None, now: SessionState | None, *, may_end: bool
) -> str:
    was_up = old is not None and old.established
    if now is None or not now.established:
        expected = was_up or may_end or old is None
        return f"is {now.state if now else 'not configured'}" if expected else ""
    if old is not None and was_up and not may_end and _is_another(old, now):
        return LOST
    if session.node_end.bfd and now.bfd not in (None, "up"):
        return f"BFD is {now.bfd}"
    return ""


def lost(network: Network, before: Seen, after: Seen, nodes: Collection[str]) -> Iterator[Check]:
    """Sessions of these nodes that were up before and are not now, whoever is at the far end.

    Of a node that is not in `after` it is not known, which is no better.
    """
    far = {_ear(one): one.far_name for one in network.sessions}
    for node in nodes:
        was = before.get(("node", node))
        for (vrf, name), old in (was.state.sessions if was and was.state else {}).items():
            now = _state(after, node, (vrf, name))
            if old.established and not (now and now.established):
                word = now.state if now else UNKNOWN
                label = far.get((node, (vrf, name)), name)
                yield Check(node, label, old.state, word, None, "was up before", must=True)


def _is_another(old: SessionState, now: SessionState) -> bool:
    """Whether a session is not the one that was up; a bgpd that started anew counts from zero."""
    if old.uptime_s is not None and now.uptime_s is not None and now.uptime_s < old.uptime_s:
        return True
    return now.resets > old.resets


def _state(seen: Seen, node: str, neighbor: tuple[str, str]) -> SessionState | None:
    there = seen.get(("node", node))
    return there.state.session(*neighbor) if there and there.state else None


def _accepted(session: Session, told: Mapping[str, object], after: Seen) -> tuple[int, int] | None:
    end = session.switch_end
    switch = after.get(("switch", end.switch)) if end else None
    if end is None or switch is None or switch.state is None:
        return None
    there = switch.state.session(end.vrf, str(end.neighbor))
    return (sum(there.accepted.values()) if there else 0), len(told)


def table(found: Collection[Check]) -> Iterator[str]:
    """Before and after, one line a session."""
    names = [f"{one.node} - {one.far}" for one in found]
    width = max(map(len, names), default=0)
    for name, one in zip(names, found, strict=True):
        taken = f"  {one.accepted[0]}/{one.accepted[1]} prefixes" if one.accepted else ""
        fault = f"  {one.fault}" if one.fault else ""
        yield f"{name:{width}}  {one.before} -> {one.after}{taken}{fault}"
