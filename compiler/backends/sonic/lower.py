"""From a switch to its rows: names, numbers and defaults are settled here.

A set's numbers and a statement's number come from its own name, so that whatever else comes or
goes moves none of them: a moved number is a route refused for a moment. Nothing that SONiC loses
when the bgp container restarts is written, and nothing that no other row refers to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ferrule.compiler.backends.base import device_name, stable_numbers
from ferrule.compiler.backends.sonic.model import OURS, Model, Row, Value
from ferrule.compiler.network import (
    DEFAULT_VRF,
    FAMILIES,
    Accept,
    Network,
    PeerGroup,
    PrefixSet,
    Switch,
)

LAST_STATEMENT = 65535
LAST_SEQUENCE = 2**31 - 2  # FRR 8.4 sorts what is over 2^31 - 1 before everything else


def lower(switch: Switch, network: Network) -> Model:
    """The rows for one switch.

    None at all for one without peer groups, be it absent or not used yet: its BGP_GLOBALS are
    needed by nobody, and a row that is not written is not removed either.
    """
    if switch.absent or not switch.groups:
        return Model(switch.name, ())
    rows = (
        *_globals(switch),
        *_prefix_sets(switch, network.cluster),
        *_outbound(switch, network.cluster),
        *(row for group in switch.groups for row in _group(group, switch, network.cluster)),
    )
    return Model(switch.name, tuple(sorted(rows, key=lambda row: (row.table, row.name))))


def set_name(cluster: str, key: tuple[str, str, int]) -> str:
    """What a PrefixSet of this key is called; stable, operators' uplink maps refer to it."""
    return device_name(OURS, cluster, *key)


def group_name(cluster: str, group: PeerGroup) -> str:
    """What a peer group is called within its VRF."""
    return device_name(OURS, cluster, group.name)


def _inbound_name(cluster: str, group: PeerGroup, accept: Accept) -> str:
    """Groups are named per VRF, route maps for the whole switch.

    The VRF comes last and starts with a capital, as no other part does: no two names can meet.
    """
    vrf = () if group.vrf == DEFAULT_VRF else (group.vrf,)
    return device_name(OURS, cluster, "in", group.name, accept.family, *vrf)


def _outbound_name(cluster: str) -> str:
    return device_name(OURS, cluster, "out")


def _globals(switch: Switch) -> Iterator[Row]:
    """What our sessions need of the BGP instance of each VRF and of its address families."""
    for vrf in switch.vrfs:
        groups = [group for group in switch.groups if group.vrf == vrf]
        fields: dict[str, Value] = {
            "default_ipv4_unicast": "false",
            "load_balance_mp_relax": "true",  # or nodes of different ASNs share no load
            "local_asn": str(switch.asn),
            "log_nbr_state_changes": "true",
            "router_id": str(switch.router_id),
        }
        if switch.listen_limit is not None and any(group.listen_range for group in groups):
            fields["max_dynamic_neighbors"] = str(switch.listen_limit)
        yield Row("BGP_GLOBALS", (vrf,), fields, switch.origin)
        paths = str(switch.maximum_paths)
        carried = {accept.family for group in groups for accept in group.accepts}
        for family in FAMILIES:
            if family in carried:
                both: dict[str, Value] = {"max_ebgp_paths": paths, "max_ibgp_paths": paths}
                yield Row("BGP_GLOBALS_AF", (vrf, f"{family}_unicast"), both, switch.origin)


def _prefix_sets(switch: Switch, cluster: str) -> Iterator[Row]:
    """Each set that a group accepts, once."""
    sets = {
        one.key: one for group in switch.groups for accept in group.accepts for one in accept.sets
    }
    for key, one in sets.items():
        name = set_name(cluster, key)
        mode = "IPv4" if one.family == "ipv4" else "IPv6"
        yield Row("PREFIX_SET", (name,), {"mode": mode}, one.origin)
        yield from _prefixes(name, one)


def _prefixes(name: str, prefix_set: PrefixSet) -> Iterator[Row]:
    """Rows that admit the length of the set and no other.

    Every range starts at the block's own length: one that starts later (`32..32`) is written
    differently at boot. So the shorter lengths are denied first; a block's two rows hold an odd
    number and the even one after it.
    """
    length, origin = prefix_set.length, prefix_set.origin
    blocks = {str(block): block.prefixlen for block in prefix_set.blocks}
    numbers = stable_numbers(blocks, 1, LAST_SEQUENCE, step=2)
    for block, own in blocks.items():
        deny, permit = str(numbers[block]), str(numbers[block] + 1)
        if own == length:
            yield Row("PREFIX", (name, permit, block, "exact"), {"action": "permit"}, origin)
        else:
            shorter, range_ = f"{own}..{length - 1}", f"{own}..{length}"
            yield Row("PREFIX", (name, deny, block, shorter), {"action": "deny"}, origin)
            yield Row("PREFIX", (name, permit, block, range_), {"action": "permit"}, origin)


def _outbound(switch: Switch, cluster: str) -> Iterator[Row]:
    """Nodes learn nothing from the switch."""
    name = _outbound_name(cluster)
    yield Row("ROUTE_MAP_SET", (name,), {}, switch.origin)
    yield Row("ROUTE_MAP", (name, "10"), {"route_operation": "deny"}, switch.origin)


def _group(group: PeerGroup, switch: Switch, cluster: str) -> Iterator[Row]:
    """A peer group, what it accepts, and who is in it.

    A dynamic group needs no `passive_mode`: FRR never dials a neighbor out of a listen range.
    `soft_reconfiguration_in` stays off: it would keep what the route map refuses, which no
    maximum-prefix counts, so that one node with a full table could fill the switch's memory.
    """
    name = group_name(cluster, group)
    yield Row("BGP_PEER_GROUP", (group.vrf, name), _session_fields(group, switch), group.origin)
    for accept in group.accepts:
        yield from _inbound(group, accept, cluster)
        fields: dict[str, Value] = {
            "admin_status": "up",
            "max_prefix_limit": str(max(1, accept.limit)),  # FRR knows no limit of 0
            "max_prefix_restart_interval": str(switch.restart_minutes),
            "route_map_in": (_inbound_name(cluster, group, accept),),
            "route_map_out": (_outbound_name(cluster),),
        }
        key = (group.vrf, name, f"{accept.family}_unicast")
        yield Row("BGP_PEER_GROUP_AF", key, fields, group.origin)
    for neighbor in group.neighbors:
        member: dict[str, Value] = {"peer_group_name": name}
        yield Row("BGP_NEIGHBOR", (group.vrf, str(neighbor)), member, group.origin)
    if group.listen_range is not None:
        listen = (group.vrf, str(group.listen_range))
        yield Row("BGP_GLOBALS_LISTEN_PREFIX", listen, {"peer_group": name}, group.origin)


def _session_fields(group: PeerGroup, switch: Switch) -> dict[str, Value]:
    fields: dict[str, Value] = {"asn": str(group.asn)}
    timers = group.timers
    if timers.keepalive_s is not None and timers.hold_s is not None:
        fields |= {"keepalive": str(timers.keepalive_s), "holdtime": str(timers.hold_s)}
    if timers.connect_s is not None:
        fields["conn_retry"] = str(timers.connect_s)
    if group.multihop and group.asn != switch.asn:  # of an internal peer FRR forgets the line
        fields |= {"ebgp_multihop": "true", "ebgp_multihop_ttl": "255"}
    if group.bfd:
        fields["bfd"] = "true"
    return fields


def _inbound(group: PeerGroup, accept: Accept, cluster: str) -> Iterator[Row]:
    """One statement for each set that the group may hear, and the end of it."""
    name = _inbound_name(cluster, group, accept)
    yield Row("ROUTE_MAP_SET", (name,), {}, group.origin)
    for set_, number in _statements(accept.sets, cluster):
        fields: dict[str, Value] = {
            "match_prefix_set": set_name(cluster, set_.key),
            "route_operation": "permit",
        }
        if accept.family == "ipv6":
            fields["set_ipv6_next_hop_prefer_global"] = "true"
        yield Row("ROUTE_MAP", (name, str(number)), fields, set_.origin)
    last = (name, str(LAST_STATEMENT))
    yield Row("ROUTE_MAP", last, {"route_operation": "deny"}, group.origin)


def _statements(sets: Iterable[PrefixSet], cluster: str) -> Iterator[tuple[PrefixSet, int]]:
    named = {set_name(cluster, one.key): one for one in sets}
    for name, number in stable_numbers(named, 1, LAST_STATEMENT - 1).items():
        yield named[name], number
