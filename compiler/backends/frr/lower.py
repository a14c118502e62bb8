"""From a node of the network to the model of its frr.conf: instances, neighbors, BFD.

What nodes have in common is made in `shared`. All that FRR would refuse, or take without a
trace in its running-config, is left out here: the comments say what, measured on 8.4.4 and 10.3.
"""

from __future__ import annotations

import re

from ferrule.compiler.backends.frr.model import (
    Activation,
    AddressFamily,
    Instance,
    Model,
    Neighbor,
    Profile,
    RouteMap,
    RouteMapEntry,
)
from ferrule.compiler.backends.frr.shared import Policy, Shared, word
from ferrule.compiler.network import (
    BGP_PORT,
    FAMILIES,
    Address,
    BfdProfile,
    Family,
    Network,
    Node,
    NodeEnd,
    Secret,
    Session,
    Timers,
)

# FRR's own BFD values: a line that states one of them is not printed back.
MULTIPLIER, INTERVAL_MS, ECHO_INTERVAL_MS, MINIMUM_TTL = 3, 300, 50, 254
ACCEPT_NOTHING_SEQ = 10
SECRET = re.compile(r"[!-{}~]+")  # visible ASCII but `|`, where vtysh would start a filter


def lower(node: Node, network: Network, shared: Shared | None = None) -> Model:
    """The fragment for one node.

    Over many nodes of one network, one `shared` for all of them saves nearly all the work.
    """
    if not node.sessions:
        return Model()
    shared = shared or Shared(network)
    sessions = sorted(node.sessions, key=_order)
    policy = shared.policy(node.classes)
    outbound = {
        (session.peer, family): policy.outbound(session, family)
        for session in sessions
        for family in session.node_end.families
    }
    profiles = {one.node_end.bfd.name: one.node_end.bfd for one in sessions if one.node_end.bfd}
    maps = [_accept_nothing(shared, sessions[0]), *policy.class_maps, *outbound.values()]
    return Model(
        policy.prefix_lists,
        tuple(sorted(maps, key=lambda one: one.name)),
        tuple(
            _instance(node, [one for one in sessions if one.node_end.vrf == vrf], shared, policy)
            for vrf in sorted({session.node_end.vrf for session in sessions})
        ),
        tuple(
            sorted(
                (_profile(shared, profile) for profile in profiles.values()),
                key=lambda one: one.name,
            )
        ),
    )


def _accept_nothing(shared: Shared, first: Session) -> RouteMap:
    deny = RouteMapEntry(ACCEPT_NOTHING_SEQ, "deny", origin=first.origin)
    return RouteMap(shared.accept_nothing, (deny,))


def _order(session: Session) -> tuple[int, int, list[tuple[str, int]]]:
    """FRR's own order of neighbors: interfaces, then addresses by number (`peer_cmp`)."""
    end = session.node_end
    if end.neighbor is not None:
        return (end.neighbor.version, int(end.neighbor), [])
    parts = re.findall(r"(\D*)(\d*)", end.interface or "")
    return (0, 0, [(letters, int(digits or 0)) for letters, digits in parts])


def _instance(node: Node, sessions: list[Session], shared: Shared, policy: Policy) -> Instance:
    first = sessions[0]
    asns = {session.node_end.asn for session in sessions}
    if node.router_id is None or len(asns) > 1:
        raise ValueError(f"{node.name} has sessions, but not one AS and one router ID for them")
    families = (_family(family, node, sessions, shared, policy) for family in FAMILIES)
    return Instance(
        first.node_end.asn,
        word(first.node_end.vrf) if first.node_end.vrf else "",
        node.router_id,
        any(session.node_end.graceful_restart for session in sessions),
        tuple(_neighbor(session, shared) for session in sessions),
        tuple(one for one in families if one.neighbors),
        first.origin,
    )


def _family(
    family: Family, node: Node, sessions: list[Session], shared: Shared, policy: Policy
) -> AddressFamily:
    carrying = [session for session in sessions if family in session.node_end.families]
    return AddressFamily(
        family,
        policy.networks(node.advertisements, family, {session.peer for session in carrying}),
        tuple(
            Activation(
                _name(session.node_end),
                shared.accept_nothing,
                policy.outbound(session, family).name,
                session.origin,
            )
            for session in carrying
        ),
        carrying[0].origin if carrying else None,
    )


def _neighbor(session: Session, shared: Shared) -> Neighbor:
    """The neighbor's lines, as MetalLB writes them, except for what FRR would not keep."""
    end = session.node_end
    # On an interface FRR refuses multihop and disable-connected-check and forgets update-source;
    # with iBGP it forgets multihop.
    far = end.neighbor if _is_external(end) else None
    keepalive_s, hold_s = _timers(end.timers)
    return Neighbor(
        _name(end),
        end.remote_as,
        None if end.local_asn == end.asn else end.local_asn,  # refused: "same as BGP AS number"
        word(session.far_name),
        None if end.bfd is None else shared.name(end.bfd.name),
        None if end.password is None else _checked(end.password),
        None if end.port == BGP_PORT else end.port,
        far is not None and end.multihop,
        # As MetalLB: IPv6 neighbors need not be on a connected subnet.
        far is not None and far.version == 6 and not end.multihop,
        None if end.neighbor is None else end.source_address,
        keepalive_s,
        hold_s,
        end.timers.connect_s,
        end.graceful_restart,
        session.origin,
    )


def _timers(timers: Timers) -> tuple[int | None, int | None]:
    """Keepalive and hold time as bgpd keeps them, whatever it was told (`peer_timers_set`)."""
    keepalive, hold = timers.keepalive_s, timers.hold_s
    if keepalive is None or hold is None:
        return None, None
    return min(keepalive, hold // 3), hold


def _name(end: NodeEnd) -> Address | str:
    return end.neighbor if end.neighbor is not None else word(end.interface or "")


def _is_external(end: NodeEnd) -> bool:
    """Whether FRR takes the neighbor for eBGP; `local-as` has no say in it."""
    return end.remote_as == "external" or end.remote_as not in ("internal", end.asn)


def _checked(secret: Secret) -> Secret:
    """The same secret; `ValueError` where it could end the line it stands on."""
    for text in (secret.placeholder, secret.value):
        if text is not None and SECRET.fullmatch(text) is None:
            raise ValueError(f"the password of {secret.placeholder!r} cannot stand in frr.conf")
    return secret


def _profile(shared: Shared, wanted: BfdProfile) -> Profile:
    return Profile(
        shared.name(wanted.name),
        _unless(MULTIPLIER, wanted.detect_multiplier),
        _unless(INTERVAL_MS, wanted.transmit_interval_ms),
        _unless(INTERVAL_MS, wanted.receive_interval_ms),
        wanted.passive_mode,
        wanted.echo_mode,
        _unless(ECHO_INTERVAL_MS, wanted.echo_interval_ms),
        _unless(MINIMUM_TTL, wanted.minimum_ttl),
        wanted.origin,
    )


def _unless(default: int, value: int | None) -> int | None:
    return None if value == default else value
