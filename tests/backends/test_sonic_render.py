"""The bytes of config_db.json."""

import json

import pytest
from backends.sonic_networks import (
    DYNAMIC,
    EXAMPLES,
    PUBLIC_4,
    STATIC,
    accept,
    network,
    prefix_set,
    static_group,
    switch,
)

from ferrule.compiler.backends.base import Artifact
from ferrule.compiler.backends.sonic import annotate, artifacts, lower, render
from ferrule.compiler.backends.sonic.model import Model, Row
from ferrule.compiler.network import Switch
from ferrule.compiler.source import Document, Origin

ONE_HOST = switch(
    static_group("tor-a", [accept(prefix_set("public", 32, "192.0.2.7/32"))], ["10.1.0.11"])
)
TEXT = """\
{
  "BGP_GLOBALS": {
    "default": {
      "default_ipv4_unicast": "false",
      "load_balance_mp_relax": "true",
      "local_asn": "65000",
      "log_nbr_state_changes": "true",
      "router_id": "10.255.0.1"
    }
  },
  "BGP_GLOBALS_AF": {
    "default|ipv4_unicast": {
      "max_ebgp_paths": "64",
      "max_ibgp_paths": "64"
    }
  },
  "BGP_NEIGHBOR": {
    "default|10.1.0.11": {
      "peer_group_name": "FERRULE_prod_tor-a_65001_ipv4"
    }
  },
  "BGP_PEER_GROUP": {
    "default|FERRULE_prod_tor-a_65001_ipv4": {
      "asn": "65001"
    }
  },
  "BGP_PEER_GROUP_AF": {
    "default|FERRULE_prod_tor-a_65001_ipv4|ipv4_unicast": {
      "admin_status": "up",
      "max_prefix_limit": "64",
      "max_prefix_restart_interval": "5",
      "route_map_in": [
        "FERRULE_prod_in_tor-a_65001_ipv4_ipv4"
      ],
      "route_map_out": [
        "FERRULE_prod_out"
      ]
    }
  },
  "PREFIX": {
    "FERRULE_prod_public_ipv4_32|1079814658|192.0.2.7/32|exact": {
      "action": "permit"
    }
  },
  "PREFIX_SET": {
    "FERRULE_prod_public_ipv4_32": {
      "mode": "IPv4"
    }
  },
  "ROUTE_MAP": {
    "FERRULE_prod_in_tor-a_65001_ipv4_ipv4|65535": {
      "route_operation": "deny"
    },
    "FERRULE_prod_in_tor-a_65001_ipv4_ipv4|8611": {
      "match_prefix_set": "FERRULE_prod_public_ipv4_32",
      "route_operation": "permit"
    },
    "FERRULE_prod_out|10": {
      "route_operation": "deny"
    }
  },
  "ROUTE_MAP_SET": {
    "FERRULE_prod_in_tor-a_65001_ipv4_ipv4": {},
    "FERRULE_prod_out": {}
  }
}
"""


def text_of(one: Switch) -> str:
    return render(lower(one, network(one)))


def test_a_small_switch_in_full() -> None:
    assert text_of(ONE_HOST) == TEXT


def test_a_switch_without_rows_is_an_empty_object() -> None:
    assert text_of(switch(absent=True)) == "{}\n"


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_keys_are_sorted_as_every_json_tool_sorts_them(example: Switch) -> None:
    text = text_of(example)
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"


def test_only_route_maps_of_a_group_are_lists_and_all_else_is_strings() -> None:
    lists = {
        field
        for rows in json.loads(text_of(DYNAMIC)).values()
        for fields in rows.values()
        for field, value in fields.items()
        if not isinstance(value, str)
    }
    assert lists == {"route_map_in", "route_map_out"}


def test_secrets_change_nothing_because_no_row_holds_one() -> None:
    model = lower(STATIC, network(STATIC))
    assert render(model, with_secrets=True) == render(model)


def test_annotations_follow_the_order_of_the_file() -> None:
    lines = annotate(lower(ONE_HOST, network(ONE_HOST)))
    assert [line.text for line in lines if line.text.startswith(("BGP_PEER", "ROUTE_MAP|"))] == [
        "BGP_PEER_GROUP|default|FERRULE_prod_tor-a_65001_ipv4 asn=65001",
        "BGP_PEER_GROUP_AF|default|FERRULE_prod_tor-a_65001_ipv4|ipv4_unicast admin_status=up"
        " max_prefix_limit=64 max_prefix_restart_interval=5"
        " route_map_in=FERRULE_prod_in_tor-a_65001_ipv4_ipv4 route_map_out=FERRULE_prod_out",
        "ROUTE_MAP|FERRULE_prod_in_tor-a_65001_ipv4_ipv4|65535 route_operation=deny",
        "ROUTE_MAP|FERRULE_prod_in_tor-a_65001_ipv4_ipv4|8611"
        " match_prefix_set=FERRULE_prod_public_ipv4_32 route_operation=permit",
        "ROUTE_MAP|FERRULE_prod_out|10 route_operation=deny",
    ]
    keys = [
        f"{table}|{name}" for table, rows in json.loads(text_of(ONE_HOST)).items() for name in rows
    ]
    assert [line.text.split(" ")[0] for line in lines] == keys


def test_an_annotation_leads_to_its_cause() -> None:
    cause = Origin(Document({}))
    (line,) = annotate(Model("tor-a", (Row("ROUTE_MAP_SET", ("FERRULE_c_out",), {}, cause),)))
    assert line.text == "ROUTE_MAP_SET|FERRULE_c_out"
    assert line.origin is cause


def test_every_switch_has_its_file() -> None:
    other = switch(static_group("tor-b", [accept(PUBLIC_4)], ["10.2.0.11"]), name="tor-b")
    both = network(STATIC, other)
    assert list(artifacts(both, with_secrets=False)) == [
        Artifact(one.name, f"switches/{one.name}/config_db.json", render(lower(one, both)))
        for one in (STATIC, other)
    ]
