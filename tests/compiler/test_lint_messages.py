"""tests/lint: for every code a spec, a foreign file that brings it about, and what is then read.

CODE.conf or CODE.json beside CODE.yaml and CODE.txt, to the byte; CODE-2 where a code has several
causes. After a change of messages run it with FERRULE_UPDATE_ERRORS=1, and read the diff as the
operator would.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from test_errors import code_of, emitted

from ferrule.compiler.explain import catalogue
from ferrule.compiler.lint import lint
from ferrule.compiler.lint.said import MOST_LINES
from ferrule.compiler.pipeline import compile_network, read_inputs
from ferrule.compiler.source import read

LINT = Path(__file__).parent.parent / "lint"
UPDATE = bool(os.environ.get("FERRULE_UPDATE_ERRORS"))
CASES = sorted(path for path in LINT.iterdir() if path.suffix in (".conf", ".json"))
GENERATED = {"far-too-long"}
BESIDE = {"far-field-2": {"far-filter-open"}}  # the default mode takes everything


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_messages(path: Path) -> None:
    spec = read(path.with_suffix(".yaml").read_bytes(), path.with_suffix(".yaml").name)
    compilation = compile_network(read_inputs(spec))
    assert compilation.ok, compilation.diagnostics

    report = lint(compilation, path.name, path.read_bytes())

    said = "".join(f"{one}\n" for one in (*report.diagnostics, report.summary))
    expected = path.with_suffix(".txt")
    if UPDATE:
        expected.write_text(said)
    assert said == expected.read_text()
    codes = {one.code for one in report.diagnostics}
    assert codes == {code_of(path.stem)} | BESIDE.get(path.stem, set())
    assert report.ok == (": error[" not in said)
    assert "hunter2" not in said
    assert re.search(r"[^\n -~·]", said) is None


def test_both_ends_are_cited() -> None:
    """The file first, then the spec; but for what is only about the file."""
    alone = {"far-ambiguous", "far-no-bgp", "far-split-mode", "far-unknown"}
    for path in CASES:
        first, *rest = path.with_suffix(".txt").read_text().splitlines()
        assert first.startswith(f"{path.name}:")
        ours = any(line.startswith(f"  = see: {path.stem}.yaml:") for line in rest)
        assert ours == (code_of(path.stem) not in alone), path.name


def test_every_code_has_its_files_and_its_explanation() -> None:
    codes = {code for code, at in emitted().items() if at.startswith("compiler/lint/")}
    assert {code_of(path.stem) for path in CASES} == codes - GENERATED
    assert codes <= catalogue().keys()


def test_no_message_without_its_file() -> None:
    each = {suffix: {p.stem for p in LINT.glob(f"*{suffix}")} for suffix in (".txt", ".yaml")}
    assert each[".txt"] == each[".yaml"] == {path.stem for path in CASES}


def test_more_lines_than_anybody_has() -> None:
    report = lint(compile_network(read_inputs([])), "frr.conf", "!\n" * (MOST_LINES + 1))
    assert [one.code for one in report.diagnostics] == ["far-too-long"]
