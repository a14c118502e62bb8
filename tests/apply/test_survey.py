"""Many devices at once: what each of a real fabric is seen to run, and who is refused alone."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import pytest
from fabric.device import FabricDevice
from fabric.fabric import Fabric

from ferrule.apply.reach import Device, reach
from ferrule.apply.survey import Outcome, survey
from ferrule.apply.target import Trouble
from ferrule.apply.vtysh import NodeFacts
from ferrule.compiler.backends import frr, sonic
from ferrule.compiler.observed import Key, Observed
from ferrule.compiler.pipeline import compile_network, read_inputs
from ferrule.observe.files import load

pytestmark = pytest.mark.daemon

KEYS: list[Key] = [
    ("node", "node-1"),
    ("node", "node-2"),
    ("node", "node-3"),
    ("switch", "tor-a"),
    ("switch", "tor-b"),
]


def devices(fabric: Fabric) -> tuple[Device, ...]:
    documents, unreadable = load(fabric.paths)
    assert not unreadable
    found = reach(compile_network(read_inputs(documents)))
    assert not found.unreached
    return found.devices


def seen(outcome: Outcome) -> Observed:
    assert isinstance(outcome, Observed), outcome.message
    return outcome


def is_what_was_loaded(found: Mapping[Key, Outcome], fabric: Fabric) -> None:
    assert list(found) == KEYS
    for node in fabric.compilation.network.nodes:
        one = seen(found["node", node.name])
        assert isinstance(one.running, frr.Running)
        assert set(one.running.instances[""].neighbors) == {
            str(session.node_end.neighbor) for session in node.sessions
        }
        assert len(one.running.instances[""].networks["ipv4 unicast"]) == len(
            [one for one in node.advertisements if one.prefix.version == 4]
        )
        assert one.state is not None
        assert {session.established for session in one.state.sessions.values()} == {True}
    for switch in fabric.compilation.network.switches:
        one = seen(found["switch", switch.name])
        assert isinstance(one.running, sonic.Running)
        assert len(one.running.ours) > 10
        assert f"router bgp {switch.asn}" in one.bgpd
        assert one.state is not None
        for group in switch.groups:
            for neighbor in group.neighbors:
                assert one.established(group.vrf, str(neighbor))


def test_what_every_device_runs(fabric: Fabric) -> None:
    fabric.boot()
    fabric.wait_established()
    told: list[str] = []

    with fabric.inside():
        found = survey(devices(fabric), progress=lambda one, _: told.append(one.facts.name))

    is_what_was_loaded(found, fabric)
    assert sorted(told) == [name for _, name in KEYS]
    assert {seen(one).warnings for one in found.values()} == {()}
    assert seen(found["node", "node-1"]).version == fabric.nodes["node-1"].frr.flavour.version


def test_nodes_with_frr_10() -> None:
    with Fabric("fabric", node="10", switch="10") as fabric:
        fabric.boot()
        fabric.wait_established()
        with fabric.inside():
            found = survey(devices(fabric))

        is_what_was_loaded(found, fabric)
        assert seen(found["node", "node-1"]).version.startswith("10.")


# Each of them refused alone.


def without_bgpd(fabric: Fabric) -> AbstractContextManager[None]:
    return _without(fabric, "bgpd")


def without_bfdd(fabric: Fabric) -> AbstractContextManager[None]:
    return _without(fabric, "bfdd")


@contextmanager
def _without(fabric: Fabric, daemon: str) -> Iterator[None]:
    node = fabric.nodes["node-1"]
    node.frr.stop(daemon)
    try:
        yield
    finally:
        node.frr.start(daemon)


@contextmanager
def _with_file(fabric: Fabric, path: str, old: str, new: str) -> Iterator[None]:
    file = fabric.switches["tor-a"].machine.path(path)
    before = file.read_text()
    assert old in before
    file.write_text(before.replace(old, new))
    try:
        yield
    finally:
        file.write_text(before)


@contextmanager
def _with_metadata(fabric: Fabric, name: str, value: str) -> Iterator[None]:
    db = fabric.switches["tor-a"].db
    before = db.read()["DEVICE_METADATA"]["localhost"]
    db.write("DEVICE_METADATA", "localhost", {**before, name: value})
    try:
        yield
    finally:
        db.write("DEVICE_METADATA", "localhost", before)


@contextmanager
def _without_frrcfgd(fabric: Fabric) -> Iterator[None]:
    switch = fabric.switches["tor-a"]
    switch.stop_frrcfgd()
    try:
        yield
    finally:
        switch.start_frrcfgd()


Fault = Callable[[Fabric], AbstractContextManager[None]]
NODE: Key = ("node", "node-1")
SWITCH: Key = ("switch", "tor-a")
FAULTS: dict[str, tuple[Key, Fault]] = {
    "[login-refused] 198.51.100.11 does not let": (NODE, lambda one: node(one).without_user()),
    '[sudo-refused] sudo does not run "vtysh": ': (NODE, lambda one: node(one).without_sudo()),
    '[missing-program] "vtysh" cannot be run there: sudo: vtysh: command not found': (
        NODE,
        lambda one: node(one).without("vtysh"),
    ),
    "[connection-refused] 198.51.100.11 refuses the": (NODE, lambda one: node(one).refusing()),
    "[changed-host-key] the host key of 198.51.100.11": (
        NODE,
        lambda one: node(one).other_host_key(),
    ),
    "[frr-not-running] bgpd is not running": (NODE, without_bgpd),
    '[missing-program] "sonic-cfggen" cannot be run there': (
        SWITCH,
        lambda one: one.switches["tor-a"].without("sonic-cfggen", "/usr/local/bin"),
    ),
    "[unsupported-release] it runs SONiC 202505": (
        SWITCH,
        lambda one: _with_file(one, "/etc/sonic/sonic_version.yml", "202511", "202505"),
    ),
    "[unsupported-mode] it is not in unified mode: in DEVICE_METADATA|localhost "
    'docker_routing_config_mode is "separated", not "unified"': (
        SWITCH,
        lambda one: _with_metadata(one, "docker_routing_config_mode", "separated"),
    ),
    "[frr-not-running] frrcfgd, which turns CONFIG_DB into FRR's lines, is not running": (
        SWITCH,
        _without_frrcfgd,
    ),
}


def node(fabric: Fabric) -> FabricDevice:
    return fabric.nodes["node-1"]


@pytest.mark.parametrize("said", FAULTS)
def test_a_device_that_fails_leaves_the_others(said: str, fabric: Fabric) -> None:
    key, fault = FAULTS[said]
    with fault(fabric), fabric.inside():
        found = survey(devices(fabric))

    troubles = {key: one for key, one in found.items() if isinstance(one, Trouble)}
    assert list(troubles) == [key]
    trouble = troubles[key]
    assert f"[{trouble.code}] {trouble.message}".startswith(said)
    assert trouble.device == key[1]
    assert trouble.message.isprintable()
    with fabric.inside():
        assert not any(isinstance(one, Trouble) for one in survey(devices(fabric)).values())


def test_bfdd_is_not_needed_to_read(fabric: Fabric) -> None:
    with without_bfdd(fabric), fabric.inside():
        found = survey(devices(fabric)[:1])

    assert seen(found[NODE]).state is not None


def test_frr_of_this_host(fabric: Fabric) -> None:
    """No login, no network: vtysh, and only that."""
    one = fabric.nodes["node-2"]
    vtysh = tuple(one.frr.flavour.command("vtysh", "-N", one.frr.name))
    (meant,) = (each for each in devices(fabric) if each.key == ("node", "node-2"))
    assert isinstance(meant.facts, NodeFacts)
    here = replace(meant, login=None, facts=replace(meant.facts, vtysh=vtysh))

    (found,) = survey([here]).values()

    assert seen(found).version == one.frr.flavour.version
    assert len(seen(found).addresses) == 3


def moved(one: Device, to: Device) -> Device:
    """A device that is reached where another one is."""
    assert one.login is not None
    assert to.login is not None
    return replace(one, login=replace(one.login, host=to.login.host))


def test_another_device(inside: Fabric) -> None:
    first, second, *_ = devices(inside)

    (trouble,) = survey([moved(first, second)]).values()

    assert isinstance(trouble, Trouble)
    assert trouble.code == "wrong-device"
    assert trouble.message == (
        "this is another device: it has no address 198.51.100.11, 2001:db8:a::11; its own are "
        "198.51.100.12, 2001:db8:a::12"
    )


def test_one_device_under_two_names(inside: Fabric) -> None:
    *_, tor_a, tor_b = devices(inside)
    twin = replace(tor_a, facts=replace(tor_a.facts, name="tor-z"))

    found = survey([tor_a, twin, tor_b])

    assert [getattr(one, "code", None) for one in found.values()] == [
        "same-device",
        "same-device",
        None,
    ]
    trouble = found["switch", "tor-z"]
    assert isinstance(trouble, Trouble)
    assert trouble.message == "it is one device with switch tor-a: all its addresses are the same"


def test_many_behind_one_jump_host(inside: Fabric) -> None:
    first, *others = devices(inside)[:3]
    assert first.login is not None
    behind = [
        replace(one, login=replace(one.login, jump=first.login)) for one in others if one.login
    ]

    found = survey([first, *behind])

    assert {key: getattr(one, "message", "") for key, one in found.items()} == {
        ("node", "node-1"): "",
        ("node", "node-2"): "",
        ("node", "node-3"): "jump host 198.51.100.11 does not get to 198.51.100.143",
    }


def test_rows_that_are_not_saved(fabric: Fabric) -> None:
    switch = fabric.switches["tor-a"]
    switch.db.write("PORT", "Ethernet0", {"mtu": "9100"})
    try:
        with fabric.inside():
            found = survey(devices(fabric)[3:])
    finally:
        switch.db.write("PORT", "Ethernet0", None)

    assert seen(found[SWITCH]).warnings == (
        "rows that are not saved, and that a reboot would undo: PORT|Ethernet0",
    )
