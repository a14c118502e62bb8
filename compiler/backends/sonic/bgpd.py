"""What bgpd on the switch will run: the FRR lines that SONiC makes of our rows.

In unified mode a row becomes FRR configuration twice: frrcfgd turns each change into vtysh lines,
and after a restart a template writes the whole frr.conf (sonic-buildimage,
`src/sonic-frr-mgmt-framework`). We emit only rows for which both come to the same; these are the
lines, in the order and spelling of FRR 10's `show running-config`, which leaves out of them what is
FRR's default (`bgp listen limit 100`, the 255 of `ebgp-multihop 255`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

Fields = Mapping[str, str | list[str]]
Rows = Mapping[str, Mapping[str, Fields]]

IP = {"IPv4": "ip", "IPv6": "ipv6"}
FAMILIES = {"ipv4_unicast": "ipv4", "ipv6_unicast": "ipv6"}


def lines(rows: Rows) -> tuple[str, ...]:
    """The configuration of bgpd for the rows of one `config_db.json`."""
    modes = {name: str(fields["mode"]) for name, fields in rows.get("PREFIX_SET", {}).items()}
    made = [*_prefix_lists(rows, modes), *_route_maps(rows, modes)]
    for vrf, fields in sorted(rows.get("BGP_GLOBALS", {}).items()):
        made += _instance(rows, vrf, fields)
    return tuple(made)


def _prefix_lists(rows: Rows, modes: Mapping[str, str]) -> Iterator[str]:
    entries = []
    for key, fields in rows.get("PREFIX", {}).items():
        name, sequence, prefix, lengths = key.split("|")
        shortest, _, longest = lengths.partition("..")
        own = prefix.partition("/")[2]
        span = "" if lengths == "exact" else f" le {longest}"
        if span and shortest != own:
            raise ValueError(f"{key}: live and boot differ where a range starts elsewhere")
        rule = f"seq {sequence} {fields['action']} {prefix}{span}"
        entries.append((modes[name], name, int(sequence), rule))
    for mode, name, _, rule in sorted(entries):
        yield f"{IP[mode]} prefix-list {name} {rule}"


def _route_maps(rows: Rows, modes: Mapping[str, str]) -> Iterator[str]:
    statements = []
    for key, fields in rows.get("ROUTE_MAP", {}).items():
        name, number = key.split("|")
        statements.append((name, int(number), fields))
    for name, place, fields in sorted(statements, key=lambda one: one[:2]):
        yield f"route-map {name} {fields['route_operation']} {place}"
        matched = fields.get("match_prefix_set")
        if isinstance(matched, str):
            yield f" match {IP[modes[matched]]} address prefix-list {matched}"
        if fields.get("set_ipv6_next_hop_prefer_global") == "true":
            yield " set ipv6 next-hop prefer-global"
        yield "exit"


def _instance(rows: Rows, vrf: str, fields: Fields) -> Iterator[str]:
    suffix = "" if vrf == "default" else f" vrf {vrf}"
    yield f"router bgp {fields['local_asn']}{suffix}"
    if "router_id" in fields:
        yield f" bgp router-id {fields['router_id']}"
    if fields.get("log_nbr_state_changes") == "true":
        yield " bgp log-neighbor-changes"
    if fields.get("default_ipv4_unicast") != "true":  # frrcfgd says so without being asked
        yield " no bgp default ipv4-unicast"
    if fields.get("load_balance_mp_relax") == "true":
        yield " bgp bestpath as-path multipath-relax"
    groups = sorted(_of(rows, "BGP_PEER_GROUP", vrf))
    for name, group in groups:
        yield f" neighbor {name} peer-group"
        yield from _settings(name, group)
    for address, neighbor in _of(rows, "BGP_NEIGHBOR", vrf):
        yield f" neighbor {address} peer-group {neighbor['peer_group_name']}"
    if "max_dynamic_neighbors" in fields:
        yield f" bgp listen limit {fields['max_dynamic_neighbors']}"
    for prefix, listen in _of(rows, "BGP_GLOBALS_LISTEN_PREFIX", vrf):
        yield f" bgp listen range {prefix} peer-group {listen['peer_group']}"
    for key, family in FAMILIES.items():
        yield from _family(rows, vrf, key, family)
    yield "exit"


def _settings(name: str, group: Fields) -> Iterator[str]:
    """One peer group; the order is FRR's."""
    if "asn" in group:
        yield f" neighbor {name} remote-as {group['asn']}"
    if group.get("bfd") == "true":
        yield f" neighbor {name} bfd"
    if group.get("ebgp_multihop") == "true":
        yield f" neighbor {name} ebgp-multihop {group['ebgp_multihop_ttl']}"
    if "holdtime" in group:
        hold = int(str(group["holdtime"]))  # bgpd keeps no longer keepalive than a third of it
        keepalive = min(int(str(group["keepalive"])), hold // 3)
        yield f" neighbor {name} timers {keepalive} {hold}"
    if "conn_retry" in group:
        yield f" neighbor {name} timers connect {group['conn_retry']}"


def _family(rows: Rows, vrf: str, key: str, family: str) -> Iterator[str]:
    """One address family; empty where nothing is said of it."""
    paths = dict(_of(rows, "BGP_GLOBALS_AF", vrf)).get(key, {})
    active = sorted(
        (name.partition("|")[0], fields)
        for name, fields in _of(rows, "BGP_PEER_GROUP_AF", vrf)
        if name.partition("|")[2] == key
    )
    if not paths and not active:
        return
    yield " !"
    yield f" address-family {family} unicast"
    for name, fields in active:
        if fields.get("admin_status") == "up":
            yield f"  neighbor {name} activate"
        if "max_prefix_limit" in fields:
            minutes = fields.get("max_prefix_restart_interval")
            restart = f" restart {minutes}" if minutes else ""
            yield f"  neighbor {name} maximum-prefix {fields['max_prefix_limit']}{restart}"
        for direction in ("in", "out"):
            for route_map in _listed(fields.get(f"route_map_{direction}", ())):
                yield f"  neighbor {name} route-map {route_map} {direction}"
    for field, word in (("max_ebgp_paths", ""), ("max_ibgp_paths", "ibgp ")):
        if field in paths:
            yield f"  maximum-paths {word}{paths[field]}"
    yield " exit-address-family"


def _of(rows: Rows, table: str, vrf: str) -> Iterator[tuple[str, Fields]]:
    """Rows of a table in one VRF, by the rest of their key."""
    for key, fields in rows.get(table, {}).items():
        first, _, rest = key.partition("|")
        if first == vrf:
            yield rest, fields


def _listed(value: str | Iterable[str]) -> Iterable[str]:
    return (value,) if isinstance(value, str) else value
