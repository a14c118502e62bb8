"""What frrcfgd makes of a CONFIG_DB in unified mode, live.

Ours are rows that mean the same after a restart of the bgp container; a foreign row may hold
fields that are lost then, or that never have an effect. These become notes (sonic-buildimage,
`src/sonic-frr-mgmt-framework`: the key maps of `frrcfgd.py` against `bgpd.conf.db.*.j2`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from ferrule.compiler.lint.rows import Row, Tables
from ferrule.compiler.lint.said import Foreign, Note, Said

FAMILIES = {"ipv4_unicast": "ipv4 unicast", "ipv6_unicast": "ipv6 unicast"}
SETS = {"PREFIX_SET": "mode"}
ON = ("true", "up")  # frrcfgd takes both words for both kinds of switches
LOST = "is lost when the bgp container restarts: its boot template does not write it"
UNKNOWN_PASSWORD = "***"  # noqa: S105  # what it is does not matter here, and is not kept

# Field, and what follows `neighbor NAME`; a boolean comes without a value, and as `no` if false.
SESSION: Mapping[str, str] = {
    "asn": "remote-as {}",
    "peer_type": "remote-as {}",
    "ttl_security_hops": "ttl-security hops {}",
    "peer_port": "port {}",
    "local_addr": "update-source {}",
    "conn_retry": "timers connect {}",
    "bfd": "bfd",
    "passive_mode": "passive",
    "disable_ebgp_connected_route_check": "disable-connected-check",
}
FAMILY: Mapping[str, str] = {
    "admin_status": "activate",
    "soft_reconfiguration_in": "soft-reconfiguration inbound",
    "prefix_list_in": "prefix-list {} in",
    "filter_list_in": "filter-list {} in",
}
GLOBALS: Mapping[str, str] = {
    "router_id": "bgp router-id {}",
    "max_dynamic_neighbors": "bgp listen limit {}",
    "load_balance_mp_relax": "bgp bestpath as-path multipath-relax",
    "default_shutdown": "bgp default shutdown",
    "disable_ebgp_connected_rt_check": "bgp disable-ebgp-connected-route-check",
}
PATHS = {"max_ebgp_paths": "maximum-paths {}", "max_ibgp_paths": "maximum-paths ibgp {}"}
CLAUSES: Mapping[str, str] = {
    "match_community": "match community {}",
    "match_ext_community": "match extcommunity {}",
    "match_as_path": "match as-path {}",
    "match_local_pref": "match local-preference {}",
    "match_med": "match metric {}",
    "match_origin": "match origin {}",
    "match_interface": "match interface {}",
    "match_protocol": "match source-protocol {}",
    "match_src_vrf": "match source-vrf {}",
    "match_next_hop_set": "match ip next-hop prefix-list {}",
    "call_route_map": "call {}",
    "set_local_pref": "set local-preference {}",
    "set_med": "set metric {}",
    "set_next_hop": "set ip next-hop {}",
    "set_ipv6_next_hop_global": "set ipv6 next-hop global {}",
    "set_ipv6_next_hop_prefer_global": "set ipv6 next-hop prefer-global",
    "set_community_ref": "set community {}",
}
LISTS = {"match_neighbor": "match peer {}", "match_tag": "match tag {}"}
LOST_OF_NEIGHBORS = {
    "local_as_no_prepend": LOST,
    "local_as_replace_as": LOST,
    "strict_capability_match": LOST,
    "bfd_check_ctrl_plane_failure": LOST,
}
NOTES: Mapping[str, Mapping[str, str]] = {
    "ROUTE_MAP": {
        "match_ipv6_prefix_set": "has no effect: the statement matches every prefix",
        "set_local_pref": LOST,
        "set_asn_list": LOST,
        "set_repeat_asn": "makes the boot template fail: after a restart there is no BGP at all",
    },
    "BGP_NEIGHBOR": LOST_OF_NEIGHBORS,
    "BGP_PEER_GROUP": LOST_OF_NEIGHBORS,
}


def read_unified(tables: Tables) -> Foreign:
    """The statements of bgpd for all tables that it gets anything of."""
    said = [
        *tables.itself,
        *_prefix_lists(tables),
        *_other_lists(tables),
        *_route_maps(tables),
        *_instances(tables),
    ]
    return Foreign("unified", tuple(said), tables.start, tuple(_notes(tables)))


# Inside `router bgp`.


def _instances(tables: Tables) -> Iterator[Said]:
    for row in tables.rows("BGP_GLOBALS"):
        vrf, number = row.key[0], row.text("local_asn")
        if not number:  # without it frrcfgd does nothing in the VRF
            continue
        suffix = "" if vrf == "default" else f" vrf {vrf}"
        yield row.say(f"router bgp {number}{suffix}", "local_asn")
        if row.text("default_ipv4_unicast") not in ON:  # frrcfgd says so without being asked
            yield row.say("no bgp default ipv4-unicast", "default_ipv4_unicast")
        yield from _settings(row, GLOBALS, "")
        yield from _pair(row, "timers bgp {} {}", "keepalive", "holdtime")
        for table in ("BGP_PEER_GROUP", "BGP_NEIGHBOR"):
            for one in tables.in_vrf(table, vrf):
                yield from _neighbor(one)
        for one in tables.in_vrf("BGP_GLOBALS_LISTEN_PREFIX", vrf):
            if group := one.text("peer_group"):
                yield one.say(f"bgp listen range {one.key[-1]} peer-group {group}")
        for family, words in FAMILIES.items():
            yield row.say(f"address-family {words}")
            yield from _family(tables, vrf, family)
            yield row.say("exit-address-family")


def _neighbor(row: Row) -> Iterator[Said]:
    start = f"neighbor {row.key[1]} "
    if row.table == "BGP_PEER_GROUP":
        yield row.say(f"{start}peer-group")
    elif group := row.text("peer_group_name"):
        yield row.say(f"{start}peer-group {group}", "peer_group_name")
    yield from _settings(row, SESSION, start)
    if local := row.text("local_asn"):
        yield row.say(f"{start}local-as {local}", "local_asn")
    yield from _pair(row, f"{start}timers {{}} {{}}", "keepalive", "holdtime")
    if row.text("ebgp_multihop") == "true":
        ttl = row.text("ebgp_multihop_ttl") or "255"
        yield row.say(f"{start}ebgp-multihop {ttl}", "ebgp_multihop")
    elif row.text("ebgp_multihop"):
        yield row.say(f"no {start}ebgp-multihop", "ebgp_multihop")
    if row.fields.get("auth_password"):
        yield row.say(f"{start}password {UNKNOWN_PASSWORD}", "auth_password")
    if status := row.text("admin_status"):
        no = "no " if status in ON else ""
        yield row.say(f"{no}{start}shutdown", "admin_status")


def _family(tables: Tables, vrf: str, family: str) -> Iterator[Said]:
    for row in tables.in_vrf("BGP_GLOBALS_AF", vrf):
        if row.key[1] == family:
            yield from _settings(row, PATHS, "")
    for table in ("BGP_PEER_GROUP_AF", "BGP_NEIGHBOR_AF"):
        for row in tables.in_vrf(table, vrf):
            if row.key[2:] == (family,):
                yield from _neighbor_family(row)


def _neighbor_family(row: Row) -> Iterator[Said]:
    start = f"neighbor {row.key[1]} "
    yield from _settings(row, FAMILY, start)
    for direction in ("in", "out"):
        for name in row.texts(f"route_map_{direction}")[:1]:
            yield row.say(f"{start}route-map {name} {direction}", f"route_map_{direction}")
    if limit := row.text("max_prefix_limit"):
        threshold = row.text("max_prefix_warning_threshold")
        restart = row.text("max_prefix_restart_interval")
        ending = f"restart {restart}" if restart else ""
        if row.text("max_prefix_warning_only") == "true":
            ending = "warning-only"
        words = f"{start}maximum-prefix {limit} {threshold} {ending}".split()
        yield row.say(" ".join(words), "max_prefix_limit")


def _settings(row: Row, known: Mapping[str, str], start: str) -> Iterator[Said]:
    for name, words in known.items():
        value = row.text(name)
        if not value:
            continue
        if "{}" in words:
            yield row.say(start + words.format(value), name)
        else:
            no = "" if value in ON else "no "
            yield row.say(f"{no}{start}{words}", name)


def _pair(row: Row, words: str, *names: str) -> Iterator[Said]:
    values = [row.text(name) for name in names]
    if all(values):  # each is half a command, and nothing without the other
        yield row.say(words.format(*values), names[-1])


# Lists and maps.


def _modes(tables: Tables) -> dict[str, str]:
    rows = tables.rows("PREFIX_SET")
    return {row.key[0]: "ipv6" if row.text("mode") == "IPv6" else "ip" for row in rows}


def _prefix_lists(tables: Tables) -> Iterator[Said]:
    modes = _modes(tables)
    for row in tables.rows("PREFIX"):
        name, *number, prefix, lengths = row.key if len(row.key) > 2 else ("", "", "")
        if not row.text("action") or name not in modes:  # frrcfgd then does nothing
            continue
        seq = f"seq {number[0]} " if number else ""
        span = _span(prefix, lengths)
        text = f"{modes[name]} prefix-list {name} {seq}{row.text('action')} {prefix}{span}"
        yield row.say(text)


def _span(prefix: str, lengths: str) -> str:
    """MatchPrefix of frrcfgd: a range that starts at the prefix's own length has no `ge`."""
    low, _, high = lengths.partition("..")
    own = prefix.partition("/")[2]
    if not (low.isdecimal() and high.isdecimal() and own.isdecimal()):
        return ""
    if int(own) >= int(low):
        return f" le {high}"
    longest = "128" if ":" in prefix else "32"
    return f" ge {low}" + ("" if high == longest else f" le {high}")


def _other_lists(tables: Tables) -> Iterator[Said]:
    for row in tables.rows("COMMUNITY_SET"):
        style = "expanded" if row.text("set_type").upper() == "EXPANDED" else "standard"
        start = f"bgp community-list {style} {row.key[0]} permit "
        members = row.texts("community_member")
        if row.text("match_action").upper() == "ALL" and members:
            yield row.say(start + " ".join(members), "community_member")
        else:
            yield from (row.say(start + one, "community_member") for one in members)
    for row in tables.rows("AS_PATH_SET"):
        for one in row.texts("as_path_set_member"):
            text = f"bgp as-path access-list {row.key[0]} permit {one}"
            yield row.say(text, "as_path_set_member")


def _route_maps(tables: Tables) -> Iterator[Said]:
    modes = _modes(tables)
    statements: dict[str, list[tuple[int, Row]]] = defaultdict(list)
    for row in tables.rows("ROUTE_MAP"):
        if len(row.key) == 2 and row.key[1].isdecimal() and row.text("route_operation"):
            statements[row.key[0]].append((int(row.key[1][:9]), row))
    for name, each in statements.items():
        for number, row in sorted(each, key=lambda one: one[0]):
            yield row.say(f"route-map {name} {row.text('route_operation')} {number}")
            yield from _clauses(row, modes)
            yield row.say("exit")


def _clauses(row: Row, modes: Mapping[str, str]) -> Iterator[Said]:
    if matched := row.text("match_prefix_set"):
        words = f"match {modes.get(matched, 'ip')} address prefix-list {matched}"
        yield row.say(words, "match_prefix_set")
    yield from _settings(row, CLAUSES, "")
    for name, words in LISTS.items():
        for value in row.texts(name)[:1]:
            yield row.say(words.format(value), name)
    if communities := row.texts("set_community_inline"):
        yield row.say(f"set community {' '.join(communities)}", "set_community_inline")
    if number := row.text("set_asn"):
        times = row.text("set_repeat_asn")
        repeated = [number] * (int(times) if times.isdecimal() and len(times) < 3 else 1)
        yield row.say(f"set as-path prepend {' '.join(repeated)}", "set_asn")


# What is not what it seems.


def _notes(tables: Tables) -> Iterator[Note]:
    for table, fields in NOTES.items():
        for row in tables.rows(table):
            owner = row.key[0] if table == "ROUTE_MAP" else row.key[-1]
            for name in fields.keys() & row.fields.keys():
                yield Note(owner, f"{name} {fields[name]}", row.at(name))
    for row in tables.rows("PREFIX"):
        if len(row.key) < 3:
            continue
        low, dots, _ = row.key[-1].partition("..")
        own = row.key[-2].partition("/")[2]
        if not row.text("action"):
            message = "a PREFIX without action is nothing now, and a permit after a restart"
            yield Note(row.key[0], message, row.spot)
        elif dots and low != own:
            message = (
                f"{row.key[-1]} does not start at the prefix's own length, {own}: it may admit"
                " other lengths after a restart, because the boot template compares them as text"
            )
            yield Note(row.key[0], message, row.spot)
