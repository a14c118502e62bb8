"""The stand-ins for SONiC's tools: what they answer, what reaches bgpd, and how they fail."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from backends.sonic_yang import find_models

from fabric.fabric import Fabric
from fabric.switch import FabricSwitch
from ferrule.compiler.backends import sonic

pytestmark = pytest.mark.daemon

Operation = tuple[str, str] | tuple[str, str, Any]

OUT = "FERRULE_edge_out"
NEIGHBOR, OTHER = "default|198.51.100.11", "default|198.51.100.12"
GROUP = "default|FERRULE_edge_spine_64999_ipv4"
UPLINK: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "BGP_GLOBALS": {"default": {"local_asn": "64999", "router_id": "198.51.100.1"}},
    "BGP_PEER_GROUP": {"default|UPLINK": {"asn": "65010", "name": "to the spines"}},
    "BGP_NEIGHBOR": {"default|203.0.113.1": {"peer_group_name": "UPLINK"}},
}
APPLY = "sudo -n config apply-patch /dev/stdin"


@pytest.fixture(scope="module")
def fabric() -> Iterator[Fabric]:
    with Fabric("ibgp", rows={"spine": UPLINK}) as fabric:
        yield fabric


@pytest.fixture(scope="module")
def untouched(fabric: Fabric) -> FabricSwitch:
    """With all that was compiled, and an uplink of somebody else's; for who changes nothing."""
    switch = fabric.switches["spine"]
    switch.boot(fabric.rows("spine"))
    return switch


@pytest.fixture
def switch(fabric: Fabric, untouched: FabricSwitch) -> Iterator[FabricSwitch]:
    """The same, for who does."""
    yield untouched
    untouched.boot(fabric.rows("spine"))


def patch(*operations: Operation) -> str:
    return json.dumps([dict(zip(("op", "path", "value"), one, strict=False)) for one in operations])


def lines(switch: FabricSwitch) -> str:
    return switch.frr.running_config(daemon="bgpd")


def apply(switch: FabricSwitch, *operations: Operation) -> int:
    return switch.ssh(APPLY, stdin=patch(*operations)).returncode


@pytest.mark.parametrize(
    "tool",
    ["config", "docker", "frrcfgd", "show", "sonic-cfggen", "sonic-db-cli"],
)
def test_every_stand_in_says_that_it_is_one(untouched: FabricSwitch, tool: str) -> None:
    assert "stand-in" in untouched.ssh(f"sudo -n {tool} --version").stdout


def test_what_is_read_is_what_redis_has_in_its_own_encoding(untouched: FabricSwitch) -> None:
    shown = json.loads(untouched.ssh("sonic-cfggen -d --print-data").stdout)
    assert shown == untouched.rows()
    assert shown["BGP_PEER_GROUP_AF"][f"{GROUP}|ipv4_unicast"]["route_map_out"] == [OUT]
    assert shown["ROUTE_MAP_SET"][OUT] == {}
    raw = untouched.ssh(f"sonic-db-cli CONFIG_DB hgetall 'ROUTE_MAP_SET|{OUT}'").stdout
    assert raw == "{'NULL': 'NULL'}\n"
    row = f"BGP_PEER_GROUP_AF|{GROUP}|ipv4_unicast"
    assert untouched.ssh(f"redis-cli -n 4 hget '{row}' route_map_out@").stdout == f"{OUT}\n"
    everything = json.loads(untouched.ssh("show runningconfiguration all").stdout)
    assert "router bgp 64999" in everything.pop("bgpraw")
    assert everything == shown


def test_our_own_patches_take_all_of_ours_off_and_put_it_back(
    fabric: Fabric, switch: FabricSwitch
) -> None:
    network = fabric.compilation.network
    (declared,) = network.switches
    wanted = sonic.lower(declared, network)
    booted, before = switch.rows(), lines(switch)
    for goal in (sonic.lower(replace(declared, absent=True), network), wanted):
        running = sonic.parse(switch.rows(), network.cluster)
        for each in sonic.patches(sonic.diff(running, goal).commands):
            done = switch.ssh(APPLY, stdin=each)
            assert done.returncode == 0, done.stderr
            assert done.stdout.endswith("Patch applied successfully.\n")
        switch.wait_settled()
        assert sonic.diff(sonic.parse(switch.rows(), network.cluster), goal).empty
        assert ("FERRULE" in lines(switch)) == (goal is wanted)
    assert switch.rows() == booted
    assert sorted(lines(switch).splitlines()) == sorted(before.splitlines())


def test_a_dry_run_writes_nothing(untouched: FabricSwitch) -> None:
    before = untouched.rows()
    operation = ("remove", f"/BGP_NEIGHBOR/{NEIGHBOR}")
    done = untouched.ssh(f"{APPLY} -d", stdin=patch(operation))
    assert done.returncode == 0
    assert "DRY RUN" in done.stdout
    assert untouched.rows() == before


def test_only_root_may(untouched: FabricSwitch) -> None:
    done = untouched.ssh("config list-checkpoints")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Root privileges are required for this operation\n"


def group(**fields: object) -> Operation:
    return ("add", f"/BGP_PEER_GROUP/{GROUP}", fields)


REFUSED: dict[str, tuple[list[Operation], str]] = {
    "a name that leads nowhere": (
        [("replace", f"/BGP_NEIGHBOR/{NEIGHBOR}/peer_group_name", "NOPE")],
        "Data Loading Failed",
    ),
    "a field that no model has": ([group(asn="64999", nosuch="1")], "failed due to"),
    "a value of another type": ([group(asn="AS1")], "failed due to"),
    "a boolean": ([group(asn="64999", bfd=True)], "failed due to"),
    "a table that no model has": (
        [("add", "/NO_SUCH", {"a": {"b": "c"}})],
        "changes to tables without YANG models",
    ),
    "the last row of a table": (
        [("remove", f"/ROUTE_MAP_SET/{name}") for name in ("a", "b")],
        "can't remove a non-existent object 'a'",
    ),
    "nothing left in a table": (
        [("replace", "/BGP_GLOBALS_AF", {})],
        "Table: BGP_GLOBALS_AF",
    ),
    "a slash that is not escaped": (
        [("add", "/BGP_GLOBALS_LISTEN_PREFIX/default|198.18.0.0/24", {"peer_group": "UPLINK"})],
        "member 'default|198.18.0.0' not found",
    ),
    "a test that fails": (
        [("test", "/BGP_GLOBALS/default/local_asn", "1")],
        "is not equal to tested value 1",
    ),
    "no patch at all": ([{}], "Invalid patch format"),  # type: ignore[list-item]
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_not_written(untouched: FabricSwitch, case: str) -> None:
    operations, says = REFUSED[case]
    if case.endswith("that no model has"):
        find_models()
    before = untouched.rows()
    done = untouched.ssh(APPLY, stdin=patch(*operations))
    assert done.returncode == 2
    assert done.stderr.startswith("Failed to apply patch due to: ")
    assert "\nUsage: config apply-patch [OPTIONS] PATCH_FILE_PATH\n" in done.stderr
    assert says in done.stderr.splitlines()[-1]
    assert untouched.rows() == before


def test_a_number_is_written_and_then_found_fault_with(switch: FabricSwitch) -> None:
    done = switch.ssh(APPLY, stdin=patch(group(asn=64999, holdtime="9", keepalive="4")))
    assert done.returncode == 2
    assert "there are still some parts not updated" in done.stderr
    assert switch.rows()["BGP_PEER_GROUP"][GROUP]["keepalive"] == "4"


def test_checkpoints(switch: FabricSwitch) -> None:
    before = switch.rows()
    assert switch.ssh("sudo -n config checkpoint one").returncode == 0
    assert apply(switch, ("remove", f"/BGP_NEIGHBOR/{NEIGHBOR}")) == 0
    assert json.loads(switch.ssh("sudo -n config list-checkpoints").stdout) == ["one"]
    assert switch.ssh("sudo -n config rollback one").returncode == 0
    assert switch.rows() == before
    assert switch.ssh("sudo -n config delete-checkpoint one").returncode == 0
    for verb in ("rollback", "delete-checkpoint"):
        done = switch.ssh(f"sudo -n config {verb} one")
        assert done.returncode == 2
        assert done.stderr.endswith("Error: Checkpoint 'one' does not exist\n")


def test_what_is_not_saved_is_lost_at_a_reload(switch: FabricSwitch) -> None:
    assert apply(switch, ("remove", f"/BGP_NEIGHBOR/{NEIGHBOR}")) == 0
    saved = switch.saved_rows()
    assert saved != switch.rows()
    switch.reload()
    assert switch.rows() == saved
    assert f"neighbor {NEIGHBOR.split('|')[1]} peer-group" in lines(switch)


# What reaches bgpd.


def test_frr_keeps_a_neighbor_in_its_group_whatever_config_db_says(switch: FabricSwitch) -> None:
    assert apply(switch, ("replace", f"/BGP_NEIGHBOR/{NEIGHBOR}/peer_group_name", "UPLINK")) == 0
    switch.wait_settled()
    assert switch.rows()["BGP_NEIGHBOR"][NEIGHBOR] == {"peer_group_name": "UPLINK"}
    address = NEIGHBOR.split("|")[1]
    assert f"neighbor {address} peer-group {GROUP.split('|')[1]}" in lines(switch)
    assert "frrcfgd: failed running FRR command: neighbor" in switch.log()


def test_frr_keeps_a_range_in_its_group(switch: FabricSwitch) -> None:
    path = "/BGP_GLOBALS_LISTEN_PREFIX/default|198.18.0.0~124"
    group = GROUP.split("|")[1]
    assert apply(switch, ("add", path, {"peer_group": group})) == 0
    assert apply(switch, ("replace", path, {"peer_group": "UPLINK"})) == 0
    switch.wait_settled()
    assert f"bgp listen range 198.18.0.0/24 peer-group {group}" in lines(switch)


def test_the_asn_of_an_instance_stays(switch: FabricSwitch) -> None:
    assert apply(switch, ("replace", "/BGP_GLOBALS/default/local_asn", "64998")) == 0
    switch.wait_settled()
    assert "router bgp 64999" in lines(switch)
    assert "local_asn could not be modified" in switch.log()


def test_a_group_that_comes_back_lacks_what_is_remembered_of_it(switch: FabricSwitch) -> None:
    group = {"asn": "65010", "keepalive": "3", "holdtime": "9"}
    path = "/BGP_PEER_GROUP/default|AGAIN"
    for operation in (("add", path, group), ("remove", path), ("add", path, group)):
        assert apply(switch, operation) == 0
        switch.wait_settled()
    assert "neighbor AGAIN peer-group" in lines(switch)
    assert "neighbor AGAIN remote-as" not in lines(switch)
    assert "neighbor AGAIN timers" not in lines(switch)


def test_the_end_of_a_shutdown_is_another(switch: FabricSwitch) -> None:
    path = f"/BGP_PEER_GROUP/{GROUP}/admin_status"
    for operation in (("add", path, "down"), ("remove", path)):
        assert apply(switch, operation) == 0
        switch.wait_settled()
        assert f"neighbor {GROUP.split('|')[1]} shutdown" in lines(switch)


# Faults.


def test_it_dies_after_some_rows(switch: FabricSwitch) -> None:
    operations = [("remove", f"/BGP_NEIGHBOR/{name}") for name in (NEIGHBOR, OTHER)]
    with switch.fault("config", "die", 1):
        done = switch.ssh(APPLY, stdin=patch(*operations))
    assert done.returncode not in (0, 1, 2)
    assert len({NEIGHBOR, OTHER} & switch.rows()["BGP_NEIGHBOR"].keys()) == 1


def test_somebody_else_writes_meanwhile(switch: FabricSwitch) -> None:
    row = {"after": 1, "table": "PREFIX_SET", "name": "OPS", "fields": {"mode": "IPv4"}}
    with switch.fault("config", "foreign", json.dumps(row)):
        done = switch.ssh(APPLY, stdin=patch(("remove", f"/BGP_NEIGHBOR/{NEIGHBOR}")))
    assert done.returncode == 2
    assert "there are still some parts not updated" in done.stderr
    assert NEIGHBOR not in switch.rows()["BGP_NEIGHBOR"]
    assert switch.rows()["PREFIX_SET"]["OPS"] == {"mode": "IPv4"}


def test_two_at_once_are_both_written_and_both_told_off(switch: FabricSwitch) -> None:
    operations = [patch(("remove", f"/BGP_NEIGHBOR/{name}")) for name in (NEIGHBOR, OTHER)]
    with switch.fault("config", "pause", 2), ThreadPoolExecutor() as both:
        done = both.map(lambda text: switch.ssh(APPLY, stdin=text), operations)
    assert [one.returncode for one in done] == [2, 2]
    assert not {NEIGHBOR, OTHER} & switch.rows()["BGP_NEIGHBOR"].keys()


def test_frrcfgd_looks_away(switch: FabricSwitch) -> None:
    before = lines(switch)
    with switch.fault("frrcfgd", "ignore"):
        assert apply(switch, ("remove", f"/BGP_NEIGHBOR/{NEIGHBOR}")) == 0
        switch.wait_settled()
    assert lines(switch) == before


def test_bgpd_refuses_a_line(switch: FabricSwitch) -> None:
    operation = ("add", "/BGP_NEIGHBOR/default|198.51.100.77", {"peer_group_name": "UPLINK"})
    with switch.fault("frrcfgd", "refuse", "198.51.100.77"):
        assert apply(switch, operation) == 0
        switch.wait_settled()
    assert "198.51.100.77" not in lines(switch)
    assert "198.51.100.77" in switch.log()


def test_a_full_disk_is_noticed_when_the_saved_file_is_empty(switch: FabricSwitch) -> None:
    with switch.fault("config", "full"):
        done = switch.ssh("sudo -n config save -y")
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert switch.machine.path("/etc/sonic/config_db.json").read_text() == ""
    with switch.full_disk():
        assert switch.ssh("sudo -n config checkpoint one").returncode == 2


def test_slow(untouched: FabricSwitch) -> None:
    with untouched.slow(1, "config"):
        assert untouched.ssh("timeout 0.5 sudo -n config list-checkpoints").returncode == 124
