"""A switch's answers taken apart, and the switches that are refused."""

import json
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from scripted import CONFIG, DOCUMENTS, GONE, Scripted

from ferrule.apply.switch import Switch, SwitchFacts, release_of
from ferrule.apply.target import Answer, Trouble
from ferrule.compiler.backends import sonic

ROWS: dict[str, Any] = {
    "DEVICE_METADATA": {
        "localhost": {
            "frr_mgmt_framework_config": "true",
            "docker_routing_config_mode": "unified",
        }
    },
    "PORT": {"Ethernet0": {"lanes": ["1", "2"]}},
}
FACTS = SwitchFacts(
    "tor-a", "prod", (ip_address("198.51.100.11"),), (ip_address("198.51.100.11"),), "202511"
)
RUNNING = "frrcfgd                          RUNNING   pid 40, uptime 1:02:03\n"
ANSWERS = {
    "-v build_version": Answer(0, "202511.1015-0a1b2c3d4\n", ""),
    "-d --print-data": Answer(0, json.dumps(ROWS), ""),
    "config_db.json": Answer(0, json.dumps(ROWS), ""),
    "status frrcfgd": Answer(0, RUNNING, ""),
    "-c show bgp vrf all neighbors json": Answer(0, CONFIG + DOCUMENTS[1], ""),
    "-c show bfd peers json": Answer(0, DOCUMENTS[0] + DOCUMENTS[2], ""),
}


def switch(facts: SwitchFacts = FACTS, /, **other: Answer) -> Switch:
    names = dict(
        zip(("version", "rows", "saved", "frrcfgd", "bgpd", "others"), ANSWERS, strict=True)
    )
    return Switch(Scripted({**ANSWERS, **{names[name]: one for name, one in other.items()}}), facts)


def test_everything_that_a_switch_says() -> None:
    seen = switch().read()

    assert (seen.device, seen.kind, seen.version) == ("tor-a", "switch", "202511.1015-0a1b2c3d4")
    assert seen.warnings == ()
    assert isinstance(seen.running, sonic.Running)
    assert seen.running.tables == ROWS
    assert seen.bgpd.startswith("frr version 10.3\n")
    assert seen.bgpd.endswith("exit\n!\n")
    assert seen.established("default", "198.51.100.1")


def test_rows_that_are_not_saved() -> None:
    saved = {**ROWS, "PORT": {"Ethernet0": {"lanes": ["1"]}, "Ethernet4": {}}}

    assert switch(saved=Answer(0, json.dumps(saved), "")).read().warnings == (
        "rows that are not saved, and that a reboot would undo: PORT|Ethernet0, PORT|Ethernet4",
    )


@pytest.mark.parametrize("saved", [GONE, Answer(0, "", ""), Answer(0, "[]", "")])
def test_whether_all_is_saved_may_not_be_known(saved: Answer) -> None:
    assert switch(saved=saved).read().warnings == (
        "/etc/sonic/config_db.json cannot be read: whether all is saved is not known",
    )


def trouble(one: Switch) -> str:
    with pytest.raises(Trouble) as caught:
        one.read()
    return f"[{caught.value.code}] {caught.value.message}"


def metadata(**fields: str) -> Answer:
    return Answer(0, json.dumps({**ROWS, "DEVICE_METADATA": {"localhost": fields}}), "")


REFUSED: dict[str, dict[str, Answer]] = {
    '[missing-program] "sonic-cfggen" cannot be run there: sh: 1: it: not found': {"version": GONE},
    '[command-failed] "sudo -n sonic-cfggen -d --print-data" ended with code 1: no redis': {
        "rows": Answer(1, "", "no redis\n")
    },
    "[command-failed] what sonic-cfggen prints is no CONFIG_DB: a CONFIG_DB is an object of "
    "tables": {"rows": Answer(0, "[]", "")},
    "[command-failed] what sonic-cfggen prints is no CONFIG_DB: it is nested too deep": {
        "rows": Answer(0, "[" * 100_000, "")
    },
    "[unsupported-release] it runs SONiC 202505 (202505.1); 202511 is the oldest that is "
    "supported": {"version": Answer(0, "202505.1\n", "")},
    '[unsupported-release] its version "4.2.0-Enterprise" says no release of SONiC': {
        "version": Answer(0, "4.2.0-Enterprise\n", "")
    },
    "[unsupported-mode] it is not in unified mode: in DEVICE_METADATA|localhost "
    'frr_mgmt_framework_config is absent, not "true" and docker_routing_config_mode is '
    '"separated", not "unified"': {"rows": metadata(docker_routing_config_mode="separated")},
    "[frr-not-running] frrcfgd, which turns CONFIG_DB into FRR's lines, is not running: frrcfgd  "
    "FATAL  Exited too quickly": {"frrcfgd": Answer(3, "frrcfgd  FATAL  Exited too quickly\n", "")},
    '[command-failed] "sudo -n docker exec bgp supervisorctl status frrcfgd" ended with code 1: '
    "Error: No such container: bgp": {"frrcfgd": Answer(1, "", "Error: No such container: bgp\n")},
    "[frr-not-running] bgpd is not running": {"bgpd": Answer(1, CONFIG, "bgpd is not running\n")},
    "[frr-not-running] zebra is not running": {"others": Answer(1, "zebra is not running\n", "")},
    "[wrong-device] this is another device: it has no address 198.51.100.11; its own are none": {
        "others": Answer(0, "{}[]", "")
    },
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_a_switch_may_say_instead(said: str) -> None:
    assert trouble(switch(**REFUSED[said])) == said


def test_a_release_that_is_older_than_the_switch_s() -> None:
    for declared in ("202605", "master"):
        assert trouble(switch(replace(FACTS, release=declared))) == (
            "[unsupported-release] it runs SONiC 202511 (202511.1015-0a1b2c3d4), and the Switch "
            f"says release {declared}"
        )


def test_a_release_that_is_later_will_do() -> None:
    for version in ("202605.7", "master.12345-0a1b2c3d4", "SONiC.202511.1", "20251110.05"):
        seen = switch(version=Answer(0, version, "")).read()
        assert seen.version == version


def test_several_asics() -> None:
    answers = {
        **ANSWERS,
        "database_global.json": Answer(0, '{"INCLUDES": [{"namespace": "asic0"}]}', ""),
    }

    assert trouble(Switch(Scripted(answers), FACTS)) == (
        "[unsupported-mode] it has several ASICs, each with a CONFIG_DB of its own: that is not "
        "supported"
    )


@pytest.mark.parametrize(
    ("version", "release"),
    {
        "202511.1015-0a1b2c3d4": "202511",
        "SONiC.202605.0-dirty-20260901": "202605",
        "20251110.05": "202511",
        "master.12345-0a1b2c3d4": "master",
        "HEAD.0-0a1b2c3d4": None,
        "": None,
    }.items(),
)
def test_releases(version: str, release: str | None) -> None:
    assert release_of(version) == release


def test_who_is_root_already_needs_no_sudo() -> None:
    assert switch(replace(FACTS, sudo=False)).root(("true",)) == ("true",)
    assert switch().root(("true",)) == ("sudo", "-n", "true")
