"""What `check` refuses beyond the YANG models, which test_sonic_yang.py compares it with."""

from typing import cast

import pytest
from backends.sonic_networks import SPEC

from ferrule.compiler.backends.sonic.model import TABLES, Name, Row, Value, check

BASE = (
    Row("BGP_GLOBALS", ("default",), {"local_asn": "65000"}),
    Row("PREFIX_SET", ("FERRULE_c_p_ipv4_32",), {"mode": "IPv4"}),
    Row("ROUTE_MAP_SET", ("FERRULE_c_out",)),
    Row("BGP_PEER_GROUP", ("default", "FERRULE_c_g"), {"asn": "65001"}),
)
FAMILY = ("default", "FERRULE_c_g", "ipv4_unicast")
OUT = ("FERRULE_c_out",)


def family(**fields: Value) -> Row:
    both: dict[str, Value] = {"route_map_in": OUT, "route_map_out": OUT}
    return Row("BGP_PEER_GROUP_AF", FAMILY, {"admin_status": "up", **both, **fields})


def prefix(block: str, lengths: str, number: str = "7") -> Row:
    return Row("PREFIX", ("FERRULE_c_p_ipv4_32", number, block, lengths), {"action": "permit"})


def group(name: str = "FERRULE_c_h", **fields: Value) -> Row:
    return Row("BGP_PEER_GROUP", ("default", name), {"asn": "65001", **fields})


@pytest.mark.parametrize(
    "row",
    [
        prefix("192.0.2.0/24", "24..32"),
        prefix("192.0.2.0/24", "24..24"),
        prefix("192.0.2.0/24", "exact"),
        prefix("192.0.2.0/24", "exact", "4294967295"),
        family(max_prefix_limit="1", max_prefix_restart_interval="1"),
        group(keepalive="0", holdtime="0"),
        group(f"FERRULE_{'n' * 55}"),
    ],
    ids=[
        "a range to the longest",
        "a range of one length",
        "one length",
        "the highest sequence number",
        "the lowest limit",
        "no keepalives",
        "a name of 63 characters",
    ],
)
def test_refuses_nothing_else(row: Row) -> None:
    assert check((*BASE, row)) == []


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (prefix("192.0.2.0/24", "32..32"), "32..32 is not a range from 24 to 32"),
        (prefix("192.0.2.0/24", "24..33"), "24..33 is not a range from 24 to 32"),
        (prefix("192.0.2.0/24", "24"), "'24' is not \"exact\" or a range"),
        (prefix("192.0.2.1/24", "exact"), "'192.0.2.1/24' is not a prefix without host bits"),
        (
            Row("BGP_NEIGHBOR", ("default", "2001:DB8::1"), {"peer_group_name": "FERRULE_c_g"}),
            "'2001:DB8::1' is not an IP address in its shortest spelling",
        ),
        (prefix("2001:db8::/64", "exact"), "2001:db8::/64 in a set of mode IPv4"),
        (prefix("192.0.2.0/24", "exact", "007"), "'007' is not a number"),
        (Row("PREFIX", ("FERRULE_c_p_ipv4_32", "7", "192.0.2.0/24", "exact")), "action is missing"),
        (Row("PREFIX_SET", ("FERRULE_c_q_ipv4_32",)), "mode is missing"),
        (Row("ROUTE_MAP", ("FERRULE_c_out", "10")), "route_operation is missing"),
        (
            Row("ROUTE_MAP", ("FERRULE_c_in", "10"), {"route_operation": "deny"}),
            "there is no ROUTE_MAP_SET|FERRULE_c_in",
        ),
        (Row("BGP_PEER_GROUP", ("default", "FERRULE_c_h")), "asn is missing"),
        (group("TENANT-7"), "'TENANT-7' is not a name that starts with FERRULE_"),
        (group(f"FERRULE_{'n' * 56}"), "of at most 63 characters"),
        (group(keepalive="3"), "keepalive and holdtime only come together"),
        (group(ebgp_multihop_ttl="9"), "ebgp_multihop and ebgp_multihop_ttl only come together"),
        (group(auth_password="x"), "unknown field auth_password"),  # noqa: S106
        (group(bfd_check_ctrl_plane_failure="true"), "unknown field bfd_check_ctrl_plane_failure"),
        (group(asn=("65001",)), "asn ('65001',) is not a string"),
        (group(asn=cast("str", 65001)), "asn 65001 is not a string"),
        (family(route_map_in="FERRULE_c_out"), "'FERRULE_c_out' is not a list of one name"),
        (family(route_map_in=()), "() is not a list of one name"),
        (family(route_map_in=cast("str", (7,))), "route_map_in 7 is not a string"),
        (family(max_prefix_limit="0", max_prefix_restart_interval="5"), "'0' is not a number"),
        (
            Row("BGP_GLOBALS_AF", ("default", "ipv4_multicast")),
            "'ipv4_multicast' is not ipv4_unicast or ipv6_unicast",
        ),
        (Row("BGP_NEIGHBOR", ("default", "10.1.0.11")), "peer_group_name is missing"),
    ],
    ids=[
        "a range that boots wider than it is live",
        "a range beyond the longest",
        "a length that is no range",
        "host bits",
        "an address in capitals",
        "IPv6 in an IPv4 set",
        "leading zeros",
        "a prefix without action",
        "a set without mode",
        "a statement that does nothing",
        "a statement outside any map",
        "a group without ASN",
        "a name that is not ours",
        "a name of 64 characters",
        "keepalive alone",
        "hops alone",
        "a password, which frrcfgd cannot set",
        "a field that is lost at boot",
        "a list for one value",
        "a number for a string",
        "a string for a list",
        "an empty list",
        "a list of numbers",
        "a limit that FRR does not know",
        "a family that we do not speak",
        "a neighbor of no group",
    ],
)
def test_refuses(row: Row, problem: str) -> None:
    (found,) = check((*BASE, row))
    assert found.startswith(f"{row}: ")
    assert problem in found


def test_all_problems_are_told_at_once() -> None:
    broken = (group(asn="0", bfd="on"), family(max_prefix_limit="x"))
    assert len(check((*BASE, *broken))) == 4


def test_every_field_that_names_a_row_names_one_of_a_table_we_write() -> None:
    named = {
        wanted.table
        for table in TABLES.values()
        for wanted in table.fields.values()
        if isinstance(wanted, Name)
    }
    parents = {table.parent for table in TABLES.values() if table.parent}
    assert named | parents <= TABLES.keys()


def test_rows_are_values_and_their_origin_is_no_part_of_them() -> None:
    bare, caused = (Row("PREFIX_SET", ("s",), {"mode": "IPv4"}, origin) for origin in (None, SPEC))
    assert bare == caused
    assert {bare} == {caused}
    assert "origin" not in repr(caused)
    assert str(caused) == "PREFIX_SET|s"
    assert bare != Row("PREFIX_SET", ("s",), {"mode": "IPv6"})
