"""The FRR lines that SONiC makes of our rows: the same live and after a restart, and FRR's own.

What frrcfgd and the boot templates do is written down here once more, as short as it is for the
few fields that we use, from `frrcfgd.py` and `bgpd.conf.db.*.j2` of sonic-buildimage. Where the two
differ a row is never written.
"""

import re
from collections.abc import Iterator, Mapping

import pytest
from backends.sonic_networks import (
    AGGREGATE_4,
    EXAMPLES,
    PUBLIC_4,
    PUBLIC_6,
    accept,
    dynamic_group,
    network,
    static_group,
    switch,
)
from backends.sonic_strategies import models, tables_of
from daemon.flavour import Flavour
from daemon.lab import Lab
from daemon.need import refuse, require_flavours
from hypothesis import given

from ferrule.compiler.backends.sonic import bgpd, lower
from ferrule.compiler.backends.sonic.model import TABLES, Model
from ferrule.compiler.network import Switch, Timers

# Fields of our tables that are lost at boot, or read differently then.
UNLIKE = {
    "BGP_GLOBALS": {
        "confed_id",
        "confed_peers",
        "external_compare_router_id",
        "holdtime",
        "ignore_as_path_length",
        "keepalive",
        "network_import_check",
    },
    "BGP_PEER_GROUP": {
        "auth_password",
        "bfd_check_ctrl_plane_failure",
        "local_as_no_prepend",
        "local_as_replace_as",
        "strict_capability_match",
    },
    "ROUTE_MAP": {
        "match_ipv6_prefix_set",
        "set_asn",
        "set_asn_list",
        "set_local_pref",
        "set_repeat_asn",
        "set_tag",
    },
}

EVERYTHING = switch(
    static_group(
        "tor-a",
        [accept(PUBLIC_4, AGGREGATE_4), accept(PUBLIC_6)],
        ["10.1.0.11", "10.1.0.12"],
        timers=Timers(keepalive_s=3, hold_s=9, connect_s=5),
        multihop=True,
        bfd=True,
    ),
    static_group("inside", [accept(PUBLIC_6)], ["2001:db8:a::11"], asn=65000),
    static_group("other", [accept(PUBLIC_4)], ["10.2.0.11"], vrf="Vrf_blue"),
    dynamic_group("10.3.0.0/24", [accept(PUBLIC_4)]),
    dynamic_group("2001:db8:b::/64", [accept(PUBLIC_6)]),
    listen_limit=200,
)
SWITCHES = {**EXAMPLES, "everything at once": EVERYTHING}


def lines(one: Switch) -> tuple[str, ...]:
    return bgpd.lines(tables_of(lower(one, network(one))))


def live(key: str) -> str:
    """MatchPrefix: a range that starts at the prefix's own length, or below, has no `ge`."""
    prefix, lengths = key.split("|")[2:]
    if lengths == "exact":
        return ""
    low, high = (int(one) for one in lengths.split(".."))
    own, longest = int(prefix.split("/")[1]), 128 if ":" in prefix else 32
    if own >= low:
        return f" le {high}"
    return f" ge {low}" + ("" if high == longest else f" le {high}")


def boot(key: str) -> str:
    """bgpd.conf.db.pref_list.j2, which compares the lengths as text."""
    prefix, lengths = key.split("|")[2:]
    if lengths == "exact":
        return ""
    low, high = lengths.split("..")
    own = prefix.split("/")[1]
    return f" ge {low} le {high}" if low > own else f" le {high}"


@given(models())
def test_a_prefix_is_written_alike_live_and_at_boot(one: Model) -> None:
    said = set(bgpd.lines(tables_of(one)))
    for key, fields in tables_of(one).get("PREFIX", {}).items():
        name, number, prefix, _ = key.split("|")
        family = "ipv6" if ":" in prefix else "ip"
        start = f"{family} prefix-list {name} seq {number} {fields['action']} {prefix}"
        assert live(key) == boot(key)
        assert start + live(key) in said


def test_no_field_is_known_that_is_lost_at_boot() -> None:
    for table, fields in UNLIKE.items():
        assert not TABLES[table].fields.keys() & fields


@given(models())
def test_what_half_a_pair_would_make_different_comes_in_pairs(one: Model) -> None:
    """The boot template takes a `ttl` without `ebgp_multihop`, frrcfgd does not."""
    for row in one.rows:
        assert ("ebgp_multihop" in row.fields) == ("ebgp_multihop_ttl" in row.fields)
        assert ("keepalive" in row.fields) == ("holdtime" in row.fields)


@given(models())
def test_every_row_has_its_line_and_none_is_said_twice(one: Model) -> None:
    tables = tables_of(one)
    said = flat("\n".join(bgpd.lines(tables)))
    assert len(said) == len(set(said))
    count = {
        table: sum(re.search(pattern, line[-1]) is not None for line in said)
        for table, pattern in {
            "BGP_GLOBALS": "^router bgp",
            "BGP_GLOBALS_LISTEN_PREFIX": "^bgp listen range",
            "BGP_NEIGHBOR": r"^neighbor \S+ peer-group \S",
            "BGP_PEER_GROUP": r"^neighbor \S+ peer-group$",
            "BGP_PEER_GROUP_AF": "activate$",
            "PREFIX": "prefix-list .* seq",
            "ROUTE_MAP": "^route-map",
        }.items()
    }
    assert count == {table: len(tables.get(table, {})) for table in count}


def test_a_range_that_boots_differently_is_refused() -> None:
    rows: Mapping[str, Mapping[str, bgpd.Fields]] = {
        "PREFIX_SET": {"P": {"mode": "IPv4"}},
        "PREFIX": {"P|5|10.0.0.0/8|32..32": {"action": "permit"}},
    }
    with pytest.raises(ValueError, match="live and boot differ"):
        bgpd.lines(rows)


def test_a_small_switch_in_full() -> None:
    one = switch(static_group("tor-a", [accept(PUBLIC_6)], ["2001:db8:a::11"], bfd=True))
    (number,) = (
        line.split()[-1] for line in lines(one) if line.startswith("route-map") and "permit" in line
    )
    said = [re.sub(r"seq \d+", "seq N", line) for line in lines(one)]
    assert (
        said
        == f"""\
ipv6 prefix-list FERRULE_prod_public_ipv6_128 seq N deny 2001:db8:0:1::/64 le 127
ipv6 prefix-list FERRULE_prod_public_ipv6_128 seq N permit 2001:db8:0:1::/64 le 128
route-map FERRULE_prod_in_tor-a_65001_ipv6_ipv6 permit {number}
 match ipv6 address prefix-list FERRULE_prod_public_ipv6_128
 set ipv6 next-hop prefer-global
exit
route-map FERRULE_prod_in_tor-a_65001_ipv6_ipv6 deny 65535
exit
route-map FERRULE_prod_out deny 10
exit
router bgp 65000
 bgp router-id 10.255.0.1
 bgp log-neighbor-changes
 no bgp default ipv4-unicast
 bgp bestpath as-path multipath-relax
 neighbor FERRULE_prod_tor-a_65001_ipv6 peer-group
 neighbor FERRULE_prod_tor-a_65001_ipv6 remote-as 65001
 neighbor FERRULE_prod_tor-a_65001_ipv6 bfd
 neighbor 2001:db8:a::11 peer-group FERRULE_prod_tor-a_65001_ipv6
 !
 address-family ipv6 unicast
  neighbor FERRULE_prod_tor-a_65001_ipv6 activate
  neighbor FERRULE_prod_tor-a_65001_ipv6 maximum-prefix 64 restart 5
  neighbor FERRULE_prod_tor-a_65001_ipv6 route-map FERRULE_prod_in_tor-a_65001_ipv6_ipv6 in
  neighbor FERRULE_prod_tor-a_65001_ipv6 route-map FERRULE_prod_out out
  maximum-paths 64
  maximum-paths ibgp 64
 exit-address-family
exit""".splitlines()
    )


# Asked of FRR itself.


def flat(text: str) -> list[tuple[str, ...]]:
    """Every line with the lines it stands below; no comments, no ends."""
    found: list[tuple[str, ...]] = []
    above: list[str] = []
    for line in text.splitlines():
        said = line.strip()
        if said and not said.startswith("!") and said not in ("exit", "exit-address-family", "end"):
            depth = len(line) - len(line.lstrip())
            above[depth:] = [said]
            found.append(tuple(above))
    return found


def shown(found: list[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """As FRR prints it, which leaves its defaults out, by version."""
    for *above, line in found:
        if line != "bgp listen limit 100":
            yield *above, line.removesuffix(" 255") if "ebgp-multihop" in line else line


@pytest.fixture(scope="module", params=["8", "10"])
def flavour(request: pytest.FixtureRequest) -> Flavour:
    flavours = require_flavours()
    if request.param not in flavours:
        refuse(f"no FRR {request.param} installed")
    return flavours[request.param]


@pytest.mark.daemon
@pytest.mark.parametrize("example", SWITCHES.values(), ids=SWITCHES.keys())
def test_frr_takes_the_lines_without_a_word_and_prints_them_back(
    example: Switch, flavour: Flavour
) -> None:
    with Lab({flavour.major: flavour}) as lab:
        device = lab.device("tor-a", flavour.major, {"rack": ["10.1.0.1/24"]})
        answer = device.frr.load("\n".join(lines(example)) + "\n")
        assert answer.ok, answer.output
        assert answer.lines == []
        running = set(shown(flat(device.frr.running_config(daemon="bgpd"))))
    assert set(shown(flat("\n".join(lines(example))))) <= running
    ours = {line for line in running if any("FERRULE" in said for said in line)}
    assert ours <= set(shown(flat("\n".join(lines(example)))))
