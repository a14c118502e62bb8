"""How many at a time, in which order, and what ends it early: devices that are programs here."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path

import pytest
from scripted import SAID

from ferrule.apply.connection import Gateways
from ferrule.apply.reach import Device
from ferrule.apply.survey import survey
from ferrule.apply.target import Trouble
from ferrule.apply.vtysh import NodeFacts
from ferrule.compiler.observed import Observed
from ferrule.compiler.source import Origin, read

ORIGIN: Origin = read("apiVersion: v1\nkind: Node\nmetadata: {name: node-1}", "nodes.yaml")[0].at()
ANSWERS = """\
#!/bin/sh
echo + >>{folder}/log
sleep {seconds}
echo - >>{folder}/log
cat {folder}/said
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "said").write_text(SAID)
    (tmp_path / "log").touch()
    return tmp_path


def device(folder: Path, name: str, seconds: float = 0.0, *, host: str = "") -> Device:
    """A node on this host whose vtysh is a program that takes its time."""
    program = folder / f"{name}-vtysh"
    program.write_text(ANSWERS.format(folder=folder, seconds=seconds))
    program.chmod(0o755)
    addresses = (ip_address(host),) if host else ()
    return Device(NodeFacts(name, "prod", (str(program),), addresses), None, ORIGIN)


@pytest.mark.parametrize("parallel", [1, 3])
def test_so_many_at_a_time_and_no_more(folder: Path, parallel: int) -> None:
    several = [device(folder, f"node-{number}", 0.1) for number in range(7)]

    found = survey(several, parallel=parallel)

    assert list(found) == [one.key for one in several]
    now, most = 0, 0
    for line in (folder / "log").read_text().split():
        now += 1 if line == "+" else -1
        most = max(most, now)
    assert most == parallel


def test_the_order_is_that_of_the_devices_whoever_is_done_first(folder: Path) -> None:
    several = [device(folder, "slow", 0.3), device(folder, "fast", host="192.0.2.1")]
    told: list[str] = []

    found = survey(several, progress=lambda one, _: told.append(one.facts.name))

    assert told == ["fast", "slow"]
    assert [key for key, _ in found.items()] == [("node", "slow"), ("node", "fast")]
    assert isinstance(found["node", "slow"], Observed)
    assert isinstance(found["node", "fast"], Trouble)


def test_nothing_to_ask() -> None:
    assert survey([]) == {}


class Broken(Device):
    def observe(self, gateways: Gateways | None = None) -> Observed:  # noqa: ARG002
        raise ZeroDivisionError


def test_a_defect_of_ours_is_not_a_trouble_of_the_device(folder: Path) -> None:
    broken = Broken(device(folder, "node-1").facts, None, ORIGIN)

    with pytest.raises(ZeroDivisionError):
        survey([broken])


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and says nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


INTERRUPTED = """
import sys
from ferrule.apply.reach import Device
from ferrule.apply.survey import survey
from ferrule.apply.target import Login
from ferrule.apply.vtysh import NodeFacts
from ferrule.compiler.source import read
origin = read("apiVersion: v1\\nkind: Node\\nmetadata: {name: n}", "n.yaml")[0].at()
login = Login("127.0.0.1", int(sys.argv[1]), "ops", password="hunter2")
print("begun", flush=True)
survey([Device(NodeFacts(f"node-{n}", "prod"), login, origin) for n in range(40)])
"""


def test_ctrl_c_does_not_wait_for_a_device_that_is_silent(silent: int) -> None:
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", INTERRUPTED, str(silent)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    deadline = time.monotonic() + 10
    while not established(silent) and time.monotonic() < deadline:
        time.sleep(0.05)

    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, said = process.communicate(timeout=30)

    assert time.monotonic() - began < 2
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert "hunter2" not in said


QUIET = """
import sys
from pathlib import Path
from ferrule.apply.ssh import Ssh
from ferrule.apply.target import Login, Trouble
for key in (None, Path(sys.argv[2])):
    try:
        Ssh("node-1", Login("127.0.0.1", int(sys.argv[1]), "ops", key, "hunter2"))
    except Trouble as bad:
        print(bad.code)
"""


@pytest.mark.parametrize(
    "greeting", [b"", b"220 mail.example.net ESMTP", b"SSH-2.0-odd\r\n\0\0\0\1x"]
)
def test_nothing_but_the_trouble_is_said(greeting: bytes, tmp_path: Path) -> None:
    """paramiko logs tracebacks, and Python prints what nobody handles."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-W", "error", "-c", QUIET, str(port), str(tmp_path / "none")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with server.accept()[0] as connection:
            connection.sendall(greeting)
        out, err = process.communicate(timeout=30)

    assert out.split() == ["ssh-failed", "key-file"]
    assert err == ""


def established(port: int) -> bool:
    """Whether somebody is connected to a port of this host."""
    lines = Path("/proc/net/tcp").read_text().splitlines()
    return any(line.split()[2].endswith(f":{port:04X}") for line in lines[1:])
