"""The README's commands, run in order in an empty folder beside the examples.

A `console` block holds commands and what they print; a block that names a file, in the info string,
quotes it. In both, a line `...` stands for any number of lines.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# What a newcomer has and a test has not: a cluster, and the time to install.
STAND_INS = {
    "ferrule": 'exec "$PYTHON" -m ferrule.cli "$@"',
    "make": 'exec "$MAKE" --dry-run --directory "$ROOT" "$@" >/dev/null',
    "kubectl": """\
case "$*" in
  "get svc,nodes,endpointslices,ns -A -o yaml") cat examples/fabric/cluster.yaml ;;
  "get -n metallb-system "*" -o yaml") cat examples/fabric/metallb.yaml ;;
  *) exit 1 ;;
esac
""",
}


@dataclass(frozen=True)
class Block:
    """A fenced block; `name` is the file that it quotes."""

    language: str
    name: str
    text: str

    def __str__(self) -> str:
        return self.name or self.text.partition("\n")[0]


@dataclass(frozen=True)
class Run:
    """A command of a console block, what the README says it prints, and what it did."""

    command: str
    shown: list[str]
    printed: list[str]
    failed: bool


BLOCKS = [Block(*match.groups(default="")) for match in FENCE.finditer(README)]
QUOTES = [one for one in BLOCKS if one.name and one.language != "console"]
CONSOLE = [one for one in BLOCKS if one.language == "console" and not one.name]
ON_DEVICES = [one for one in BLOCKS if one.language == "console" and one.name]  # tests/fabric
COMMANDS = [line[2:] for one in CONSOLE for line in one.text.splitlines() if line[:2] == "$ "]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "examples", folder / "examples")
    (folder / "bin").mkdir()
    for name, script in STAND_INS.items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / "bin" / name).chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def runs(folder: Path) -> dict[str, Run]:
    """Every command, run once."""
    environment = {
        **os.environ,
        "MAKE": shutil.which("make") or "make",
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PYTHON": sys.executable,
        "ROOT": str(ROOT),
    }
    runs = {}
    for block in CONSOLE:
        for first, *shown in commands(block):
            done = subprocess.run(  # noqa: S602
                first[2:],
                shell=True,
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                check=False,
            )
            runs[first[2:]] = Run(
                first[2:], shown, done.stdout.splitlines(), failed=done.returncode != 0
            )
    return runs


def commands(block: Block) -> list[list[str]]:
    """Each `$ ` line with the lines that follow it."""
    found: list[list[str]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append([])
        found[-1].append(line)
    return found


def matches(shown: list[str], lines: list[str]) -> bool:
    """Whether the lines are what is shown, from the first to the last."""
    parts = [[*part] for gap, part in groupby(shown, lambda one: one.strip() == "...") if not gap]
    pattern = r"\n(?:.*\n)*?".join(re.escape("\n".join(part)) for part in parts)
    pattern = (r"(?:.*\n)*?" if shown[0].strip() == "..." else "") + pattern
    pattern += r"(?:\n.*)*?" if shown[-1].strip() == "..." else ""
    return re.fullmatch(pattern, "\n".join(lines)) is not None


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_prints_what_is_shown(command: str, runs: dict[str, Run]) -> None:
    run = runs[command]

    assert run.failed == any(" error[" in line for line in run.printed), run.printed
    assert not run.shown or matches(run.shown, run.printed), "\n".join(run.printed)


@pytest.mark.parametrize("block", QUOTES, ids=str)
def test_a_quoted_file_says_so(block: Block, folder: Path, runs: dict[str, Run]) -> None:
    assert runs
    lines = (folder / block.name).read_text().splitlines()

    assert matches(["...", *block.text.splitlines(), "..."], ["", *lines, ""])


def test_every_block_is_checked() -> None:
    unnamed = [one for one in BLOCKS if one not in (*QUOTES, *CONSOLE, *ON_DEVICES)]

    assert README.count("```") == 2 * len(BLOCKS)
    assert [one.language for one in unnamed] == ["json"]


def test_the_map_for_uplinks_names_sets_that_exist(folder: Path, runs: dict[str, Run]) -> None:
    assert runs
    (block,) = (one for one in BLOCKS if one.language == "json" and not one.name)
    rows = json.loads((folder / "out" / "switches" / "tor-a" / "config_db.json").read_text())
    maps = json.loads(block.text)["ROUTE_MAP"]
    named = {row["match_prefix_set"] for row in maps.values() if "match_prefix_set" in row}

    assert named == set(rows["PREFIX_SET"])
