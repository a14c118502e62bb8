"""The fabric itself: devices answer by SSH, fail as they are told to, and leave nothing behind."""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from fabric.device import FabricDevice
from fabric.fabric import EXAMPLES, Fabric

pytestmark = pytest.mark.daemon


@pytest.fixture(scope="module", params=["8", "10"])
def fabric(request: pytest.FixtureRequest) -> Iterator[Fabric]:
    """Nodes of each FRR, the switch of the other."""
    node = request.param
    with Fabric("ibgp", node=node, switch="10" if node == "8" else "8") as fabric:
        yield fabric


def login(fabric: Fabric, device: FabricDevice, *words: str) -> subprocess.CompletedProcess[str]:
    """What OpenSSH's own client gets to hear."""
    station = fabric.workstation
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": "1",
        "IdentityFile": str(station.key_file),
        "UserKnownHostsFile": str(station.known_hosts_file),
    }
    said = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    far = f"{device.user}@{device.addresses[0]}"
    return subprocess.run(  # noqa: S603
        station.command("ssh", "-F", "none", *said, far, shlex.join(words)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def node(fabric: Fabric) -> FabricDevice:
    return fabric.nodes["server-1"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        pytest.param(["id", "-un"], 0, "ops", id="is the user it was told"),
        pytest.param(["sudo", "-n", "id", "-un"], 0, "root", id="may become root"),
        pytest.param(["hostname"], 0, "server-1", id="has its own name"),
        pytest.param(["vtysh", "-c", "show version"], 1, "failed to connect", id="FRR is root's"),
        pytest.param(
            ["sudo", "vtysh", "-c", "show version"], 0, "FRRouting", id="and then it answers"
        ),
        pytest.param(["no-such-program"], 127, "not found", id="says what it has not"),
        pytest.param(["sh", "-c", "exit 5"], 5, "", id="exit codes are real"),
    ],
)
def test_a_node(fabric: Fabric, words: Sequence[str], code: int, says: str) -> None:
    done = login(fabric, node(fabric), *words)
    assert done.returncode == code
    assert says in done.stdout + done.stderr


def test_vtysh_reads_any_file_and_saves_for_the_next_start(fabric: Fabric) -> None:
    device = node(fabric)
    text = "router bgp 65001\n bgp router-id 192.0.2.1\nexit\n"
    device.ssh("cat >lines", stdin=text)
    done = device.ssh("sudo -n vtysh -f /home/ops/lines && sudo -n vtysh -c 'write memory'")
    assert done.returncode == 0, done.stderr
    assert "bgp router-id 192.0.2.1" in device.saved()
    assert device.ssh("sudo -n cat /etc/frr/frr.conf").stdout == device.saved()
    device.restart_bgpd()
    assert "bgp router-id 192.0.2.1" in device.frr.running_config()
    device.reset()
    assert "router bgp" not in device.saved() + device.frr.running_config()


Fault = Callable[[FabricDevice], AbstractContextManager[None]]
FAULTS: dict[str, tuple[Fault, list[str], int, str]] = {
    "unreachable": (FabricDevice.unreachable, ["true"], 255, "timed out"),
    "refusing": (FabricDevice.refusing, ["true"], 255, "refused"),
    "hanging": (FabricDevice.hanging, ["true"], 255, "timed out"),
    "another host key": (FabricDevice.other_host_key, ["true"], 255, "HAS CHANGED"),
    "no such user": (FabricDevice.without_user, ["true"], 255, "Permission denied"),
    "no sudo": (FabricDevice.without_sudo, ["sudo", "-n", "true"], 1, "password is required"),
    "no vtysh": (lambda one: one.without("vtysh"), ["sudo", "vtysh"], 1, "command not found"),
    "a banner": (lambda one: one.banner("$# in\n"), ["echo", "out"], 0, "out\n$# in\n$# in\n"),
    "a full disk": (FabricDevice.full_disk, ["cp", "/etc/services", "."], 1, "No space left"),
    "a slow vtysh": (lambda one: one.slow(1), ["timeout", "0.5", "vtysh"], 124, ""),
}


@pytest.mark.parametrize(("fault", "words", "code", "says"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_shows_and_is_over(
    fabric: Fabric, fault: Fault, words: list[str], code: int, says: str
) -> None:
    device = node(fabric)
    with fault(device):
        done = login(fabric, device, *words)
    assert done.returncode == code, done
    assert says in done.stdout + done.stderr
    assert login(fabric, device, "echo", "fine").stdout == "fine\n"


def test_a_line_that_is_to_be_refused_is_and_the_others_are_taken(fabric: Fabric) -> None:
    device = node(fabric)
    lines = [f" neighbor 192.0.2.{n} remote-as 64999" for n in (1, 2, 3)]
    text = "\n".join(["router bgp 65001", *lines, "exit", ""])
    with device.fault("vtysh", "refuse", "neighbor 192.0.2.2 "):
        done = device.ssh("sudo -n vtysh -f /dev/stdin", stdin=text)
    assert done.returncode == 2
    assert "which-is-refused" in done.stdout + done.stderr
    running = device.frr.running_config()
    assert [line in running for line in lines] == [True, False, True]
    device.reset()


def test_vtysh_can_die_in_the_middle(fabric: Fabric) -> None:
    device = node(fabric)
    with device.fault("vtysh", "die", 2):
        text = "route-map d permit 1\nexit\nroute-map e permit 1\nexit\n"
        done = device.ssh("sudo -n vtysh -f /dev/stdin", stdin=text)
    assert done.returncode not in (0, 1, 2)
    running = device.frr.running_config()
    assert ["route-map d permit" in running, "route-map e permit" in running] == [True, False]


def test_a_connection_is_cut_and_what_runs_on_it_goes_on(fabric: Fabric) -> None:
    device = node(fabric)
    station = fabric.workstation
    key, known = (
        f"IdentityFile={station.key_file}",
        f"UserKnownHostsFile={station.known_hosts_file}",
    )
    far = f"{device.user}@{device.addresses[0]}"
    command = "sh -c 'echo begun; sleep 0.5; touch /home/ops/went-on'"
    with subprocess.Popen(  # noqa: S603
        station.command("ssh", "-F", "none", "-o", key, "-o", known, far, command),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as client:
        assert client.stdout
        assert client.stdout.readline() == b"begun\n"
        assert device.cut() == 1
        assert client.wait(5) == 255
    device.machine.wait_for_file("/home/ops/went-on")


def test_the_spec_is_reachable_and_compiles_to_the_same(fabric: Fabric) -> None:
    done = fabric.ferrule("render", "--output", "json", *fabric.paths)
    assert done.returncode == 0, done.stderr
    plain = fabric.ferrule("render", "--output", "json", str(EXAMPLES / "ibgp"))
    sessions = [json.loads(one.stdout)["sessions"] for one in (done, plain)]
    assert sessions[0] == sessions[1] != []


def test_what_runs_inside_reaches_the_devices(fabric: Fabric) -> None:
    def network() -> str:
        return str(Path("/proc/thread-self/ns/net").readlink())

    address, before = (node(fabric).addresses[0], 22), network()
    with fabric.inside(), closing(socket.create_connection(address, 2)) as connection:
        assert connection.recv(4) == b"SSH-"
    assert network() == before


def test_devices_that_boot_peer_and_do_so_again_after_a_restart(fabric: Fabric) -> None:
    fabric.boot()
    fabric.wait_established()
    for switch in fabric.switches.values():
        switch.reload()
    for device in fabric.nodes.values():
        device.restart_bgpd()
    fabric.wait_established()


def test_nothing_is_left_when_the_test_fails() -> None:
    made = Fabric("ibgp")

    def fail() -> None:
        with made:
            made.nodes["server-1"].ssh("setsid sleep 1000 >/dev/null 2>&1 &")
            assert processes(made)
            assert list(Path("/run/netns").glob(f"{made.lab.name}*"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert processes(made) == []
    assert not made.workstation.folder.exists()
    assert list(Path("/run/netns").glob(f"{made.lab.name}*")) == []


def processes(fabric: Fabric) -> list[str]:
    """Whatever has the lab's name among its words, or lives in one of its namespaces."""
    spaces = {one.machine.pid_namespace for one in fabric.devices.values()}
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            words = (each / "cmdline").read_text()
            inside = str((each / "ns/pid").readlink()) in spaces
        except OSError:
            continue
        if words and (inside or fabric.lab.name in words):  # no words: it is dead
            found.append(words)
    return found
