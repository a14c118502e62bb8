"""The command line: exit codes, what goes to which stream, what is written and what is not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ferrule.cli import main

ROOT = Path(__file__).parent.parent
FABRIC = str(ROOT / "examples" / "fabric")
GOOD = """\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: public}
spec: {addresses: [192.0.2.0/24]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {type: LoadBalancer, ports: [{port: 80}]}
"""
BAD = GOOD.replace("192.0.2.0/24", "192.0.2.0/33").replace("addresses", "adresses", 1)


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=stdin)


@pytest.mark.parametrize(
    ("arguments", "stdin", "code"),
    [
        (["validate", "-"], GOOD, 0),
        (["validate", "-"], BAD, 1),
        (["validate", "no-such-file.yaml"], None, 1),
        (["validate"], None, 64),
        (["render", "-"], GOOD, 0),
        (["render", "-"], BAD, 1),
        (["render", "-", "--check"], GOOD, 64),
        (["render", "-", "--no-such-option"], GOOD, 64),
        (["validate", "-", "--output", "xml"], GOOD, 64),
        (["explain", "unknown-pool"], None, 0),
        (["explain", "unknwon-pool"], None, 1),
        (["schema", "Switch"], None, 0),
        (["schema", "Swich"], None, 64),
        (["no-such-command"], None, 64),
        ([], None, 64),
        (["--version"], None, 0),
        (["--help"], None, 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_exit_codes(arguments: list[str], stdin: str | None, code: int) -> None:
    assert run(*arguments, stdin=stdin).exit_code == code


def test_the_last_line_of_talk_is_the_summary() -> None:
    result = run("validate", FABRIC)

    assert result.stdout == ""
    assert result.stderr.splitlines()[-1] == (
        "3 services: 3 served, 0 pending · 3 nodes · 2 switches · 6 sessions, 0 foreign"
    )


def test_a_service_that_waits_is_said_and_is_no_error() -> None:
    asking = GOOD.replace("ports:", "loadBalancerIP: 198.51.100.1, ports:")

    result = run("validate", "-", stdin=asking)

    assert result.exit_code == 0
    assert "pending: Service shop/web:" in result.stderr
    assert "[address-not-in-pool]" in result.stderr


def test_validate_as_json_names_every_place() -> None:
    result = run("validate", "-", "--output", "json", stdin=BAD)

    (mistake,) = [
        one
        for one in json.loads(result.stdout)["diagnostics"]
        if one["severity"] == "error"
        if one["code"] == "unknown-field"
    ]
    assert mistake["places"] == [
        {"file": "<stdin>", "line": 4, "column": 8, "object": "IPAddressPool public"}
    ]
    assert set(mistake) == {"severity", "code", "message", "places", "help"}


def test_render_as_json_is_the_compiled_network() -> None:
    result = run("render", FABRIC, "--output", "json")

    network = json.loads(result.stdout)
    assert set(network) >= {
        "apiVersion", "kind", "services", "nodes", "switches", "sessions", "diagnostics",
    }  # fmt: skip
    assert network["services"]["shop/api"] == {
        "pool": "public",
        "addresses": ["192.0.2.1"],
        "pending": None,
    }
    assert network["switches"]["tor-a"]["routes"][0] == {
        "prefix": "192.0.2.0/32",
        "from": ["node-1", "node-2"],
    }
    assert network["switches"]["tor-a"]["routes"][1]["from"] == ["node-1"]  # Local


def test_render_writes_then_checks_then_reads_its_lock_back(tmp_path: Path) -> None:
    out, spec = str(tmp_path / "out"), tmp_path / "spec.yaml"
    spec.write_text(GOOD)
    assert run("render", "-o", out, "--check", str(spec)).exit_code == 1
    assert not Path(out).exists()

    assert run("render", "-o", out, str(spec)).exit_code == 0
    assert run("render", "-o", out, "--check", str(spec)).exit_code == 0

    earlier = GOOD.replace("name: web", "name: another")
    spec.write_text(GOOD + "---" + earlier.partition("---")[2])  # sorts before shop/web
    result = run("render", "-o", out, str(spec))
    assert result.exit_code == 0
    lock = Path(out, "addresses.yaml").read_text()
    assert '"shop/web": {pool: "public", addresses: ["192.0.2.0"]}' in lock
    assert '"shop/another": {pool: "public", addresses: ["192.0.2.1"]}' in lock


def test_out_is_no_input_even_inside_a_path(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(GOOD)
    out = str(tmp_path / "out")
    assert run("render", "-o", out, str(tmp_path)).exit_code == 0
    Path(out, "stray.yaml").write_text("nonsense")

    assert run("render", "-o", out, str(tmp_path)).exit_code == 0
    assert run("validate", str(tmp_path)).exit_code == 0


def test_a_broken_spec_writes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"

    assert run("render", "-o", str(out), "-", stdin=BAD).exit_code == 1

    assert not out.exists()


def test_a_directory_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    result = run("render", "-o", str(tmp_path / "file" / "out"), "-", stdin=GOOD)

    assert result.exit_code == 1
    assert "nothing was changed" in result.stderr


def test_every_line_can_be_annotated_with_its_place() -> None:
    result = run("render", "--annotate", FABRIC)

    (line,) = [one for one in result.stdout.splitlines() if "192.0.2.1/32" in one][:1]
    place = line.rpartition("# ")[2]
    file, number, _ = place.rsplit(":", 2)
    assert "name: api" in Path(file).read_text().splitlines()[int(number) - 1]


def test_a_password_is_a_placeholder_unless_asked_for(tmp_path: Path) -> None:
    peer = """---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: router}
spec: {myASN: 64512, peerASN: 64513, peerAddress: 198.51.100.1, password: hunter2}
---
apiVersion: v1
kind: Node
metadata: {name: node-1}
status: {addresses: [{type: InternalIP, address: 198.51.100.9}]}
"""
    shown = run("render", "-", stdin=GOOD + peer)
    assert "password <password:router>" in shown.stdout
    assert "hunter2" not in shown.stdout + shown.stderr
    assert "hunter2" not in run("render", "--output", "json", "-", stdin=GOOD + peer).stdout

    out = tmp_path / "out"
    assert run("render", "--with-secrets", "-o", str(out), "-", stdin=GOOD + peer).exit_code == 0
    file = out / "nodes" / "node-1" / "frr.conf"
    assert "password hunter2" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_colour_follows_the_option_and_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" in run("--color", "always", "validate", "-", stdin=BAD).stderr
    assert "\x1b[" not in run("validate", "-", stdin=BAD).stderr
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in run("validate", "-", stdin=BAD).stderr


def test_options_have_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERRULE_OUTPUT", "json")
    monkeypatch.setenv("FERRULE_LB_CLASS", "example.com/ours")

    assert json.loads(run("render", "-", stdin=GOOD).stdout)["services"] == {}


def test_a_reader_that_leaves_early_is_no_accident() -> None:
    command = f"{sys.executable} -m ferrule.cli render {FABRIC} | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)  # noqa: S603, S607

    assert done.stdout == "==> addresses.yaml <==\n"
    assert "Traceback" not in done.stderr


def test_an_interrupt_is_130(tmp_path: Path) -> None:
    fifo = tmp_path / "spec.yaml"
    os.mkfifo(fifo)
    command = [sys.executable, "-m", "ferrule.cli", "validate", str(fifo)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        writer = _opened_for_writing(fifo, process)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
        os.close(writer)

    assert process.returncode == 130
    assert "Traceback" not in said


def _opened_for_writing(fifo: Path, process: subprocess.Popen[str]) -> int:
    """The pipe's other end, as soon as the command has opened its own."""
    while process.poll() is None:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # ENXIO: nobody reads yet
            os.sched_yield()
    raise AssertionError("the command ended before it read its input")
