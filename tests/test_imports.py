"""Start-up stays light: a fresh process loads what the command needs and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent.parent / "examples" / "fabric"

LOADED = """\
import sys
before = set(sys.modules)
from ferrule.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
names = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(names - set(sys.stdlib_module_names)), file=sys.stderr)
"""


def loaded(*arguments: str) -> set[str]:
    """The packages outside the standard library that a command leaves loaded."""
    run = [sys.executable, "-c", LOADED, *arguments]
    done = subprocess.run(run, capture_output=True, text=True, check=True)  # noqa: S603
    return set(done.stderr.splitlines()[-1].split())


def test_help_needs_click_alone() -> None:
    assert loaded("--help") == {"click", "ferrule"}


@pytest.mark.parametrize("command", ["validate", "render"])
def test_compiling_needs_neither_kubernetes_nor_netmiko(command: str) -> None:
    packages = loaded(command, str(EXAMPLE))

    assert "pydantic" in packages
    assert packages & {"kubernetes", "netmiko", "rich"} == set()
