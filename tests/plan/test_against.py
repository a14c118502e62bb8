"""`ferrule plan --against DIR`, as a pull request uses it: no device, only what render left."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from short import documents

from ferrule.cli import main

SPEC = """
Cluster prod: {}
Switch tor-a: {addresses: [198.51.100.1/24], password: external}
IPAddressPool public: {}
BGPAdvertisement all: {}
BGPPeer tor: {peerAddress: 198.51.100.1, password: correct-horse}
Node n1: {ips: [198.51.100.11]}
Node n2: {ips: [198.51.100.12]}
"""
THREE = SPEC + "Service shop/a: {}\nService shop/b: {}\nService shop/c: {}\n"
LAYER_2 = """
Cluster prod: {}
IPAddressPool public: {}
L2Advertisement all: {}
Node n1: {ips: [198.51.100.11]}
Service shop/a: {}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`ferrule COMMAND` with a short text as its input."""
    monkeypatch.chdir(tmp_path)

    def ferrule(text: str, *words: str, stdin: bool = False) -> Result:
        items = json.dumps({"apiVersion": "v1", "kind": "List", "items": documents(text)})
        Path("spec.json").write_text(items)
        return CliRunner().invoke(main, [*words, "-" if stdin else "spec.json"], input=items)

    return ferrule


Run = Callable[..., Result]


def summary(done: Result) -> str:
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize("secrets", [[], ["--with-secrets"]], ids=["placeholders", "in clear"])
def test_what_was_rendered_is_no_change(run: Run, secrets: list[str]) -> None:
    assert run(THREE, "render", "-o", "out", *secrets).exit_code == 0
    done = run(THREE, "plan", "--against", "out", "--detailed-exitcode", stdin=True)
    assert (done.exit_code, summary(done)) == (
        0,
        "no changes · 3 addresses and 2 sessions do not change",
    )


def test_a_service_keeps_the_address_that_render_would_leave_it(run: Run) -> None:
    run(THREE, "render", "-o", "out")
    less = THREE.replace("Service shop/a: {}\n", "")
    done = run(less, "plan", "--against", "out", "--detailed-exitcode")
    assert [line for line in done.stdout.splitlines() if line.startswith("-")] == [
        "-   network 192.0.2.0/32 route-map ferrule-prod_public_ipv4_32_cbce94b9"
    ]
    assert done.exit_code == 2


def test_a_service_of_the_directory_that_asks_for_another_address(run: Run) -> None:
    run(THREE, "render", "-o", "out")
    moved = THREE.replace("shop/a: {}", "shop/a: {ip: 192.0.2.99}")
    done = run(moved, "plan", "--against", "out")
    assert "  shop/a: address 192.0.2.0 -> 192.0.2.99" in done.stdout.splitlines()


def test_a_device_that_is_new_and_one_that_has_left(run: Run) -> None:
    run(THREE, "render", "-o", "out")
    other = THREE.replace("Node n2: {ips: [198.51.100.12]}", "Node n3: {ips: [198.51.100.13]}")
    done = run(other, "plan", "--against", "out")
    assert done.exit_code == 0
    assert "warning[vanished-device]: node n2 is not in the input any more" in done.stderr
    assert "~ n3 (node): " in done.stdout


@pytest.mark.parametrize(
    ("more", "said"),
    [
        pytest.param(
            "Node n2: {ips: [198.51.100.12]}\nNode n3: {ips: [198.51.100.13]}\n",
            "192.0.2.0: owner n1 -> n2",
            id="another owner",
        ),
        pytest.param(None, "layer 2: 1 of 1 route withdrawn: 192.0.2.0", id="none at all"),
    ],
)
def test_layer_2_costs_though_no_device_is_told(run: Run, more: str | None, said: str) -> None:
    run(LAYER_2, "render", "-o", "out")
    after = LAYER_2.replace("Service shop/a: {}\n", "") if more is None else LAYER_2 + more
    done = run(after, "plan", "--against", "out", "--detailed-exitcode")
    assert f"  {said}" in done.stdout.splitlines()
    assert done.exit_code == 2
    assert "0 addresses and 0 sessions do not change" in summary(done)


def test_nobody_is_said_to_answer_no_more_where_nodes_are_not_known(run: Run) -> None:
    run(LAYER_2, "render", "-o", "out")
    nodeless = LAYER_2.replace("Node n1: {ips: [198.51.100.11]}\n", "")
    done = run(nodeless, "plan", "--against", "out")
    assert "layer 2" not in done.stdout
    assert done.stdout.startswith("note: there is no Node in the input")


def nested(path: Path) -> None:
    path.write_text("[" * 100_000)


BROKEN: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "no JSON": ("switches/tor-a/config_db.json", lambda one: one.write_text("{"), "property name"),
    "no object": ("switches/tor-a/config_db.json", lambda one: one.write_text("[1]"), "an object"),
    "too deep": ("switches/tor-a/config_db.json", nested, "maximum recursion depth"),
    "no text": ("nodes/n1/frr.conf", lambda one: one.write_bytes(b"\xff\xfe"), "can't decode"),
    "gone": ("nodes/n1/frr.conf", Path.unlink, "no such file"),
}


@pytest.mark.parametrize(("file", "damage", "why"), BROKEN.values(), ids=BROKEN.keys())
def test_a_file_that_cannot_be_read_is_one_line_and_the_others_are_planned(
    run: Run, file: str, damage: Callable[[Path], object], why: str
) -> None:
    run(THREE, "render", "-o", "out")
    damage(Path("out", file))
    more = THREE + "Service shop/d: {}\n"
    done = run(more, "plan", "--against", "out", "--detailed-exitcode")
    (line,) = (one for one in done.stdout.splitlines() if one.startswith("! "))
    kind, name = ("switch", "tor-a") if file.startswith("switches/") else ("node", "n1")
    assert line.startswith(f"! {kind} not planned: {name}: out/{file} cannot be read: ")
    assert why in line
    assert "192.0.2.3/32" in done.stdout
    assert done.exit_code == 1


@pytest.mark.parametrize("there", [True, False], ids=["not render's", "not there"])
def test_a_directory_that_render_has_not_written(run: Run, *, there: bool) -> None:
    if there:
        Path("out").mkdir()
    done = run(THREE, "plan", "--against", "out")
    assert done.exit_code == 1
    assert summary(done) == "Error: out: not a directory that ferrule render has written"


def test_an_input_that_has_less_than_it_should_is_said(run: Run) -> None:
    run(THREE, "render", "-o", "out")
    done = run(SPEC, "plan", "--against", "out")
    (note,) = (line for line in done.stdout.splitlines() if line.startswith("note: "))
    assert note.startswith("note: the input has no Service of ours")
    assert note.endswith("[no-services]")
    assert "3 routes in a mass withdrawal" in summary(done)
    done = run(THREE, "plan", "--against", "out")
    assert done.stdout.startswith("note: the input has no EndpointSlice")
    peerless = "".join(line for line in THREE.splitlines(keepends=True) if "BGPPeer" not in line)
    done = run(peerless, "plan", "--against", "out", "--output", "markdown")
    assert "warning[no-peers]: the input has no BGPPeer" in done.stdout


def test_a_plan_of_a_broken_spec_is_json_too(run: Run) -> None:
    run(THREE, "render", "-o", "out")
    wrong = THREE.replace("peerAddress: 198.51.100.1", "peerAddress: 198.51.100.300")
    done = run(wrong, "plan", "--against", "out", "--output", "json", "--detailed-exitcode")
    assert done.exit_code == 1
    said = json.loads(done.stdout)
    assert (said["kind"], said["ok"]) == ("Plan", False)
    assert "error" in [one["severity"] for one in said["diagnostics"]]


def test_out_is_a_plan_and_says_why_it_cannot_be_written(run: Run) -> None:
    run(THREE, "render", "-o", "out")
    done = run(THREE, "plan", "--against", "out", "--out", "nowhere/plan.json")
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == (
        "Error: nowhere/plan.json: the plan cannot be written: no such file or directory"
    )
    done = run(THREE, "plan", "--against", "out", "--out", "plan.json", "--output", "json")
    shown, written = json.loads(done.stdout), json.loads(Path("plan.json").read_text())
    assert written.keys() == {*shown, "inputs"}
    assert "correct-horse" not in Path("plan.json").read_text() + done.output
