"""What of a CONFIG_DB is ours."""

import json
from typing import Any

import pytest
from backends.sonic_networks import EXAMPLES, network
from backends.sonic_strategies import FOREIGN, merged, tables_of

from ferrule.compiler.backends.sonic import lower, parse, render
from ferrule.compiler.backends.sonic.model import TABLES
from ferrule.compiler.backends.sonic.parse import GLOBALS
from ferrule.compiler.network import Switch


def owned(tables: dict[str, Any], cluster: str = "prod") -> set[str]:
    return {str(row) for row in parse(tables, cluster).ours.values()}


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_what_was_rendered_is_read_back(example: Switch) -> None:
    model = lower(example, network(example))
    running = parse(render(model), "prod")
    mine = {(row.table, row.name): row for row in model.rows if row.table not in GLOBALS}
    assert running.ours == mine
    assert {running.row(row.table, row.name) for row in model.rows} == set(model.rows)


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_others_rows_are_not_read(example: Switch) -> None:
    model = lower(example, network(example))
    alone = parse(render(model), "prod")
    among_others = parse(merged(FOREIGN, tables_of(model)), "prod")
    assert among_others.ours == alone.ours
    assert parse(FOREIGN, "prod").ours == {}


@pytest.mark.parametrize(
    ("tables", "ours"),
    [
        (
            {"PREFIX_SET": {"FERRULE_prod_p": {}, "FERRULE_prod-1_p": {}, "FERRULE_prod": {}}},
            {"PREFIX_SET|FERRULE_prod_p"},
        ),
        (
            {"PREFIX": {"FERRULE_prod_p|192.0.2.0/24|exact": {}, "P|FERRULE_prod_p|x": {}}},
            {"PREFIX|FERRULE_prod_p|192.0.2.0/24|exact"},
        ),
        (
            {"BGP_PEER_GROUP": {"default|FERRULE_prod_g": {}, "FERRULE_prod_g|default": {}}},
            {"BGP_PEER_GROUP|default|FERRULE_prod_g"},
        ),
        (
            {
                "BGP_NEIGHBOR": {
                    "default|10.1.0.1": {"peer_group_name": "FERRULE_prod_g"},
                    "default|10.1.0.2": {"peer_group_name": "UPLINK"},
                    "default|10.1.0.3": {"asn": "65001"},
                    "Vrf_red|Ethernet0": {"peer_group_name": "FERRULE_prod_gone"},
                    "10.1.0.4": {"peer_group_name": "FERRULE_prod_g"},
                }
            },
            {"BGP_NEIGHBOR|default|10.1.0.1", "BGP_NEIGHBOR|Vrf_red|Ethernet0"},
        ),
        (
            {
                "BGP_GLOBALS_LISTEN_PREFIX": {
                    "default|10.1.0.0/24": {"peer_group": "FERRULE_prod_g"},
                    "default|10.2.0.0/24": {"peer_group": "FERRULE_other_g"},
                }
            },
            {"BGP_GLOBALS_LISTEN_PREFIX|default|10.1.0.0/24"},
        ),
        ({"BGP_GLOBALS": {"default": {}}, "BGP_GLOBALS_AF": {"default|ipv4_unicast": {}}}, set()),
        ({"BGP_NEIGHBOR_AF": {"default|10.1.0.1|ipv4_unicast": {}}}, set()),
        ({"ACL_TABLE": {"FERRULE_prod_x": {}}}, set()),
    ],
    ids=[
        "the cluster's name ends at the underscore",
        "a prefix belongs to its set, with a number or without",
        "a peer group is named after its VRF",
        "a neighbor belongs to its group, even if that is gone",
        "and so does a listen range",
        "the globals belong to everybody",
        "a row that we never write, beside a neighbor of ours",
        "a table that we never write",
    ],
)
def test_ours(tables: dict[str, Any], ours: set[str]) -> None:
    assert owned(tables) == ours


def test_every_table_that_we_write_is_either_ours_by_name_or_shared() -> None:
    for table in TABLES.keys() - set(GLOBALS):
        parts = ["FERRULE_prod_x" if part.endswith("name") else "v" for part in TABLES[table].key]
        group = {"peer_group_name": "FERRULE_prod_x", "peer_group": "FERRULE_prod_x"}
        assert owned({table: {"|".join(parts): group}}), table


def test_lists_and_empty_rows_may_be_spelt_as_in_redis() -> None:
    key = "default|FERRULE_prod_g|ipv4_unicast"
    text = json.dumps(
        {
            "BGP_PEER_GROUP_AF": {key: {"route_map_in@": "FERRULE_prod_in", "admin_status": "up"}},
            "ROUTE_MAP_SET": {"FERRULE_prod_in": {"NULL": "NULL"}},
            "bgpraw": "router bgp 65000",
        }
    )
    running = parse(text, "prod")
    assert running.ours["BGP_PEER_GROUP_AF", key].fields == {
        "route_map_in": ("FERRULE_prod_in",),
        "admin_status": "up",
    }
    assert running.ours["ROUTE_MAP_SET", "FERRULE_prod_in"].fields == {}
    assert running.tables["ROUTE_MAP_SET"] == {"FERRULE_prod_in": {}}


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_what_is_no_config_db_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Expecting|object of tables"):
        parse(text, "prod")
