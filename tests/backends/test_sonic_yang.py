"""SONiC's own models judge what we write, and our `check` refuses whatever they refuse."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

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
from backends.sonic_strategies import CLUSTER, models, tables_of
from backends.sonic_yang import SETTING, Judge, find_models
from hypothesis import given, settings

from ferrule.compiler.backends.base import Command, Diff
from ferrule.compiler.backends.sonic import diff, future, lower, parse, patches
from ferrule.compiler.backends.sonic.model import Model, Row, Value, check
from ferrule.compiler.backends.sonic.parse import GLOBALS
from ferrule.compiler.network import Switch, Timers

Rows = tuple[Row, ...]


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    return Judge(find_models(), tmp_path_factory.mktemp("yang"))


def rows_of(example: Switch) -> Rows:
    return lower(example, network(example)).rows


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_the_models_accept(example: Switch, judge: Judge) -> None:
    assert judge.refusal(rows_of(example)) is None


def accepts_all(judge: Judge, one: Model) -> None:
    """Our own check refuses nothing that we make, and SONiC's models neither."""
    assert check(one.rows) == []
    assert judge.refusal(one.rows) is None


@settings(max_examples=8)
@given(models())
def test_the_models_accept_whatever_we_make(judge: Judge, one: Model) -> None:
    accepts_all(judge, one)


@pytest.mark.soak
@settings(max_examples=100)
@given(models())
def test_the_models_accept_a_hundred_random_switches(judge: Judge, one: Model) -> None:
    accepts_all(judge, one)


@pytest.mark.soak
@settings(max_examples=100)
@given(models(), models())
def test_the_models_accept_what_is_there_between_two_patches(
    judge: Judge, before: Model, after: Model
) -> None:
    running = parse(tables_of(before) | {"VRF": {"Vrf_blue": {}}}, CLUSTER)
    state = running
    for patch in patches(diff(running, after, managed=True).commands):
        commands = tuple(Command(json.dumps(one), "change") for one in json.loads(patch))
        state = future(state, Diff(commands=commands))
        shared = (
            state.row(table, name) for table in GLOBALS for name in state.tables.get(table, ())
        )
        rows = (*state.ours.values(), *(row for row in shared if row is not None))
        assert judge.refusal(rows) is None


GOOD = rows_of(
    switch(
        static_group(
            "tor-a",
            [accept(PUBLIC_4, AGGREGATE_4), accept(PUBLIC_6)],
            ["10.1.0.11"],
            timers=Timers(keepalive_s=3, hold_s=9, connect_s=5),
            multihop=True,
            bfd=True,
        ),
        static_group("other", [accept(PUBLIC_4)], ["10.2.0.11"], vrf="Vrf_blue"),
        dynamic_group("10.1.0.0/24", [accept(PUBLIC_4)]),
        listen_limit=100,
    )
)

GROUP = "FERRULE_prod_tor-a_65001_ipv4"
BLUE = "FERRULE_prod_other_65001_ipv4"
RANGE = "FERRULE_prod_range_10.1.0.0_24"
SET = "FERRULE_prod_public_ipv4_32"
INBOUND = "FERRULE_prod_in_tor-a_65001_ipv4_ipv4"
OUT = "FERRULE_prod_out"
ABSENT = "FERRULE_prod_absent"


def change(table: str, key: str, **fields: Value) -> Callable[[Rows], Rows]:
    """Set fields of one row of GOOD."""

    def apply(rows: Rows) -> Rows:
        row = one(rows, table, key)
        return tuple(
            replace(each, fields={**each.fields, **fields}) if each is row else each
            for each in rows
        )

    return apply


def rename(table: str, key: str, new: str) -> Callable[[Rows], Rows]:
    """Give one row of GOOD another key."""

    def apply(rows: Rows) -> Rows:
        row = one(rows, table, key)
        return tuple(
            replace(each, key=tuple(new.split("|"))) if each is row else each for each in rows
        )

    return apply


def add(table: str, key: str, **fields: Value) -> Callable[[Rows], Rows]:
    return lambda rows: (*rows, Row(table, tuple(key.split("|")), fields))


def remove(table: str, key: str) -> Callable[[Rows], Rows]:
    return lambda rows: tuple(row for row in rows if row is not one(rows, table, key))


def one(rows: Rows, table: str, key: str) -> Row:
    (found,) = (row for row in rows if row.table == table and row.name == key)
    return found


def prefix(ending: str) -> str:
    """The key of the set's PREFIX row that ends so: sequence numbers are no constants."""
    (found,) = (r for r in GOOD if r.table == "PREFIX" and r.name.endswith(f"|{ending}"))
    return found.name


PERMIT = prefix("192.0.2.0/24|24..32")
NUMBER = PERMIT.split("|")[1]
(STATEMENT,) = (
    r.name for r in GOOD if r.name.startswith(INBOUND) and r.fields.get("match_prefix_set") == SET
)

BROKEN: Mapping[str, Callable[[Rows], Rows]] = {
    "a table that no model has": add("BGP_PEERS", "default|10.1.0.13"),
    "a field that no model has": change("BGP_PEER_GROUP", f"default|{GROUP}", bdf="true"),
    "a key without its VRF": rename("BGP_PEER_GROUP", f"Vrf_blue|{BLUE}", BLUE),
    "a key with one part too many": add("PREFIX_SET", f"{SET}|5", mode="IPv4"),
    "the same row twice": add("PREFIX_SET", SET, mode="IPv4"),
    "ASN 0": change("BGP_GLOBALS", "default", local_asn="0"),
    "an ASN beyond 32 bits": change("BGP_PEER_GROUP", f"default|{GROUP}", asn="4294967296"),
    "an ASN that is no number": change("BGP_PEER_GROUP", f"default|{GROUP}", asn="AS65001"),
    "an IPv6 router ID": change("BGP_GLOBALS", "default", router_id="2001:db8::1"),
    "a boolean in capitals": change("BGP_GLOBALS", "default", load_balance_mp_relax="True"),
    "5001 dynamic neighbors": change("BGP_GLOBALS", "default", max_dynamic_neighbors="5001"),
    "no paths at all": change("BGP_GLOBALS_AF", "default|ipv4_unicast", max_ebgp_paths="0"),
    "257 paths": change("BGP_GLOBALS_AF", "default|ipv4_unicast", max_ibgp_paths="257"),
    "a VRF that does not start with Vrf": add("BGP_GLOBALS", "blue", local_asn="65000"),
    "a VRF name of 16 characters": add("BGP_GLOBALS", "Vrf_thirteen-123", local_asn="65000"),
    "an address family of a VRF without BGP": add("BGP_GLOBALS_AF", "Vrf_red|ipv4_unicast"),
    "a peer group in a VRF without BGP": add("BGP_PEER_GROUP", f"Vrf_red|{GROUP}", asn="65001"),
    "a neighbor in a VRF without BGP": add(
        "BGP_NEIGHBOR", "Vrf_red|10.1.0.13", peer_group_name=GROUP
    ),
    "an address family of an absent group": rename(
        "BGP_PEER_GROUP_AF", f"Vrf_blue|{BLUE}|ipv4_unicast", f"Vrf_blue|{ABSENT}|ipv4_unicast"
    ),
    "an address family of another VRF's group": rename(
        "BGP_PEER_GROUP_AF", f"Vrf_blue|{BLUE}|ipv4_unicast", f"default|{BLUE}|ipv4_unicast"
    ),
    "a neighbor in an absent group": change(
        "BGP_NEIGHBOR", "default|10.1.0.11", peer_group_name=ABSENT
    ),
    "a neighbor in another VRF's group": change(
        "BGP_NEIGHBOR", "default|10.1.0.11", peer_group_name=BLUE
    ),
    "a neighbor that is no address": rename("BGP_NEIGHBOR", "default|10.1.0.11", "default|node-1"),
    "a range that listens for an absent group": change(
        "BGP_GLOBALS_LISTEN_PREFIX", "default|10.1.0.0/24", peer_group=ABSENT
    ),
    "a range without a length": rename(
        "BGP_GLOBALS_LISTEN_PREFIX", "default|10.1.0.0/24", "default|10.1.0.0"
    ),
    "a route map that is not there": change(
        "BGP_PEER_GROUP_AF", f"default|{GROUP}|ipv4_unicast", route_map_in=(ABSENT,)
    ),
    "a route map that only has statements": remove("ROUTE_MAP_SET", OUT),
    "two route maps one way": change(
        "BGP_PEER_GROUP_AF", f"default|{GROUP}|ipv4_unicast", route_map_in=(INBOUND, OUT)
    ),
    "an address family that is enabled, not up": change(
        "BGP_PEER_GROUP_AF", f"default|{GROUP}|ipv4_unicast", admin_status="enabled"
    ),
    "a prefix limit beyond 32 bits": change(
        "BGP_PEER_GROUP_AF", f"default|{GROUP}|ipv4_unicast", max_prefix_limit="4294967296"
    ),
    "a restart after 0 minutes": change(
        "BGP_PEER_GROUP_AF", f"default|{GROUP}|ipv4_unicast", max_prefix_restart_interval="0"
    ),
    "256 hops": change("BGP_PEER_GROUP", f"default|{GROUP}", ebgp_multihop_ttl="256"),
    "a hold time beyond 16 bits": change("BGP_PEER_GROUP", f"default|{GROUP}", holdtime="65536"),
    "a retry after 0 seconds": change("BGP_PEER_GROUP", f"default|{GROUP}", conn_retry="0"),
    "a statement that matches an absent set": change(
        "ROUTE_MAP", STATEMENT, match_prefix_set=ABSENT
    ),
    "statement 65536": rename("ROUTE_MAP", f"{OUT}|10", f"{OUT}|65536"),
    "a statement that accepts": change("ROUTE_MAP", f"{OUT}|10", route_operation="accept"),
    "a set of mode ipv4": change("PREFIX_SET", SET, mode="ipv4"),
    "a prefix of an absent set": rename("PREFIX", PERMIT, f"{ABSENT}|7|192.0.2.0/24|24..32"),
    "a prefix without a length": rename("PREFIX", PERMIT, f"{SET}|7|192.0.2.0|exact"),
    "sequence number 0": rename("PREFIX", PERMIT, f"{SET}|0|192.0.2.0/24|24..32"),
    "a sequence number given twice": add(
        "PREFIX", f"{SET}|{NUMBER}|203.0.113.0/24|24..32", action="permit"
    ),
    "a prefix that is allowed": change("PREFIX", PERMIT, action="allow"),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_our_check_refuses(broken: Callable[[Rows], Rows]) -> None:
    assert check(GOOD) == []
    assert check(broken(GOOD)) != []


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_the_models_refuse(broken: Callable[[Rows], Rows], judge: Judge) -> None:
    assert judge.refusal(GOOD) is None
    assert judge.refusal(broken(GOOD)) is not None


@pytest.mark.parametrize(
    ("ci", "end"),
    [("true", pytest.fail.Exception), ("", pytest.skip.Exception)],
    ids=["CI fails", "anybody else skips"],
)
def test_without_the_models(
    monkeypatch: pytest.MonkeyPatch, ci: str, end: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.delenv(SETTING, raising=False)
    with pytest.raises(end, match=f"{SETTING} is not set"):
        find_models()
