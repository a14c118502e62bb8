"""Which line of FRR each field of CONFIG_DB becomes: frrcfgd's tables, as far as tests go.

From the field tables of SONiC 202511 to master. A field that is not here does nothing, which for
`nhself` of a neighbor or `match_ipv6_prefix_set` is just what frrcfgd does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

_PART = re.compile(r"\{(=?)([\w-]+)(\??)([^}]*)\}")


@dataclass(frozen=True)
class Setting:
    """A line and the fields it is made of.

    `{field}` is needed, `{field?}` is not, `{field?word}` is a boolean that puts in the word
    (`{field?word|other}` one or the other),
    `{field?restart %}` its value after a word; `{=peer}` comes from the row's key. `flag` is a
    boolean that is the line or its `no`, `default` what holds when that field goes, `says` how
    true and false are called.
    """

    line: str
    flag: str | None = None
    default: bool = False
    says: tuple[str, str] = ("true", "false")
    keeps: bool = False  # its end is answered with what it said
    fresh: bool = False  # the old line is taken back first
    only: tuple[str, ...] = ()  # daemons, where not all of the table's
    end: str = ""  # how it goes, where that is not its line after a `no`
    when: str = ""  # only where this field is there
    chained: bool = False  # an optional field counts only after all before it
    instead: Setting | None = None  # where the fields of this one are not there, or say nothing

    @cached_property
    def needed(self) -> tuple[str, ...]:
        inside = tuple(one[2] for one in _PART.finditer(self.line) if not (one[1] or one[3]))
        return inside if self.flag is None else (self.flag, *inside)

    @cached_property
    def optional(self) -> tuple[str, ...]:
        return tuple(one[2] for one in _PART.finditer(self.line) if one[3])

    @property
    def forms(self) -> tuple[Setting, ...]:
        """The setting and what may stand for it."""
        return (self,) if self.instead is None else (self, *self.instead.forms)

    def text(self, values: Mapping[str, str]) -> str:
        """The line with these values, without `no`."""

        def spelled(part: re.Match[str]) -> str:
            value, word = values.get(part[2], ""), part[4]
            if not word:
                return value
            if "%" in word:
                return word.replace("%", value) if value else ""
            yes, _, no = word.partition("|")
            return {"true": yes, "false": no}.get(value, "")

        return " ".join(_PART.sub(spelled, self.line).split())


def _flags(lines: Mapping[str, str]) -> tuple[Setting, ...]:
    return tuple(Setting(line, flag=name) for name, line in lines.items())


def _values(lines: Mapping[str, str]) -> tuple[Setting, ...]:
    return tuple(Setting(f"{line} {{{name}}}") for name, line in lines.items())


GLOBALS = (
    *_values({"router_id": "bgp router-id"}),
    Setting(
        "bgp bestpath as-path multipath-relax {as_path_mp_as_set?as-set|no-as-set}",
        flag="load_balance_mp_relax",
    ),
    *_flags(
        {
            "always_compare_med": "bgp always-compare-med",
            "external_compare_router_id": "bgp bestpath compare-routerid",
            "ignore_as_path_length": "bgp bestpath as-path ignore",
            "graceful_restart_enable": "bgp graceful-restart",
        }
    ),
    *_values({"gr_restart_time": "bgp graceful-restart restart-time"}),
    *_flags(
        {
            "gr_preserve_fw_state": "bgp graceful-restart preserve-fw-state",
            "log_nbr_state_changes": "bgp log-neighbor-changes",
        }
    ),
    *_values({"rr_cluster_id": "bgp cluster-id"}),
    Setting("bgp fast-external-failover", flag="fast_external_failover", default=True),
    *_flags({"network_import_check": "bgp network import-check"}),
    *_values(
        {
            "max_dynamic_neighbors": "bgp listen limit",
            "coalesce_time": "coalesce-time",
            "route_map_process_delay": "bgp route-map delay-timer",
        }
    ),
    *_flags(
        {
            "deterministic_med": "bgp deterministic-med",
            "default_ipv4_unicast": "bgp default ipv4-unicast",
        }
    ),
    *_values({"default_local_preference": "bgp default local-preference"}),
    Setting("timers bgp {keepalive} {holdtime}"),
)

GLOBALS_AF = (
    *_values({"max_ebgp_paths": "maximum-paths"}),
    Setting(
        "maximum-paths ibgp {max_ibgp_paths} {ibgp_equal_cluster_length?equal-cluster-length}",
        fresh=True,
    ),
    *_flags({"advertise-all-vni": "advertise-all-vni"}),
    *_values({"import_vrf": "import vrf"}),
)

_REMOTE_AND_LOCAL = (
    Setting(
        "neighbor {=peer} remote-as {asn}",
        instead=Setting("neighbor {=peer} remote-as {peer_type}"),
    ),
    Setting(
        "neighbor {=peer} local-as {local_asn} {local_as_no_prepend?no-prepend}"
        " {local_as_replace_as?replace-as}",
        chained=True,
    ),
)
_SESSION = (
    Setting(
        "neighbor {=peer} shutdown {shutdown_message?message %}",
        flag="admin_status",
        says=("down", "up"),
        keeps=True,
    ),
    Setting("neighbor {=peer} update-source {local_addr}"),
    Setting("neighbor {=peer} description {name}"),
    Setting("neighbor {=peer} ebgp-multihop {ebgp_multihop_ttl?}", flag="ebgp_multihop"),
    Setting("neighbor {=peer} password {auth_password} encrypted"),
    Setting("neighbor {=peer} timers {keepalive} {holdtime}"),
    Setting("neighbor {=peer} timers connect {conn_retry}"),
    Setting("neighbor {=peer} advertisement-interval {min_adv_interval}"),
    Setting("neighbor {=peer} passive", flag="passive_mode"),
    Setting("neighbor {=peer} capability extended-nexthop", flag="capability_ext_nexthop"),
    Setting("neighbor {=peer} disable-connected-check", flag="disable_ebgp_connected_route_check"),
    Setting("neighbor {=peer} enforce-first-as", flag="enforce_first_as"),
    Setting("neighbor {=peer} ttl-security hops {ttl_security_hops}"),
    Setting("neighbor {=peer} bfd", flag="bfd"),
    Setting(
        "neighbor {=peer} bfd check-control-plane-failure", flag="bfd_check_ctrl_plane_failure"
    ),
    Setting("neighbor {=peer} capability dynamic", flag="capability_dynamic"),
    Setting("neighbor {=peer} port {peer_port}"),
)
GROUP = (*_REMOTE_AND_LOCAL, *_SESSION)
NEIGHBOR = (
    *_REMOTE_AND_LOCAL,
    Setting("neighbor {=peer} peer-group {peer_group_name}"),
    *_SESSION,
)

_LIMIT = "neighbor {=peer} maximum-prefix {max_prefix_limit} {max_prefix_warning_threshold?}"
NEIGHBOR_AF = (
    Setting("neighbor {=peer} allowas-in {allow_as_count?}", flag="allow_as_in"),
    Setting("neighbor {=peer} activate", flag="admin_status", says=("up", "down")),
    Setting(
        "neighbor {=peer} default-originate {default_rmap?route-map %}", flag="send_default_route"
    ),
    Setting("neighbor {=peer} default-originate route-map {default_rmap}"),
    Setting(
        f"{_LIMIT} {{max_prefix_restart_interval?restart %}}",
        when="max_prefix_restart_interval",
        instead=Setting(
            f"{_LIMIT} {{max_prefix_warning_only?warning-only}}",
            when="max_prefix_warning_only",
            instead=Setting(_LIMIT),
        ),
    ),
    Setting("neighbor {=peer} route-map {route_map_in} in"),
    Setting("neighbor {=peer} route-map {route_map_out} out"),
    Setting("neighbor {=peer} soft-reconfiguration inbound", flag="soft_reconfiguration_in"),
    Setting("neighbor {=peer} route-reflector-client", flag="rrclient"),
    Setting("neighbor {=peer} weight {weight}"),
    Setting("neighbor {=peer} as-override", flag="as_override"),
    Setting("neighbor {=peer} next-hop-self", flag="nhself"),
    Setting("neighbor {=peer} prefix-list {prefix_list_in} in"),
    Setting("neighbor {=peer} prefix-list {prefix_list_out} out"),
)

LISTEN = (Setting("bgp listen range {=range} peer-group {peer_group}"),)

_BGPD = ("bgpd",)
STATEMENT = (
    Setting("match {=family} address prefix-list {match_prefix_set}"),
    Setting("match tag {match_tag}"),
    Setting("match metric {match_med}"),
    Setting("match local-preference {match_local_pref}", only=_BGPD),
    Setting("call {call_route_map}", end="no call"),
    Setting("set local-preference {set_local_pref}", only=_BGPD),
    Setting("set ipv6 next-hop prefer-global", flag="set_ipv6_next_hop_prefer_global", only=_BGPD),
    Setting("set metric {set_med}"),
    Setting("set community {set_community_inline}", only=_BGPD),
)

SETTINGS: Mapping[str, tuple[Setting, ...]] = {
    "BGP_GLOBALS": GLOBALS,
    "BGP_GLOBALS_AF": GLOBALS_AF,
    "BGP_GLOBALS_LISTEN_PREFIX": LISTEN,
    "BGP_NEIGHBOR": NEIGHBOR,
    "BGP_NEIGHBOR_AF": NEIGHBOR_AF,
    "BGP_PEER_GROUP": GROUP,
    "BGP_PEER_GROUP_AF": NEIGHBOR_AF,
    "ROUTE_MAP": STATEMENT,
}
