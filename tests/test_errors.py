"""tests/errors: for every code an input that brings it about, and what the user then reads.

CODE.yaml (and CODE-2.yaml, where a code has several causes) beside CODE.txt: what `validate` says
on stderr, to the byte. After a change of messages run it with FERRULE_UPDATE_ERRORS=1,
and read the diff as the operator would.
"""

import ast
import os
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TypeGuard

import pytest
from click.testing import CliRunner

from ferrule.cli import main
from ferrule.compiler.allocate import WARNINGS
from ferrule.compiler.explain import catalogue
from ferrule.compiler.ledger import PENDING
from ferrule.compiler.source import MOST_BYTES

ROOT = Path(__file__).parent.parent
ERRORS = Path(__file__).parent / "errors"
UPDATE = bool(os.environ.get("FERRULE_UPDATE_ERRORS"))

# What is no text, or too much of it, is made here; None is a file that is not there.
GENERATED: dict[str, bytes | None] = {
    "unreadable": None,
    "too-large": b"#" * (MOST_BYTES + 1),
    "too-large-2": b"a: [" + b"x," * 1_000_000 + b"]",
    "too-large-3": b"--- {}\n" * 100_001,
    "too-large-4": b'{"kind": "List", "items": [' + b"{}," * 100_000 + b"{}]}",
    "too-many-mistakes": (ERRORS / "invalid-prefix.yaml")
    .read_bytes()
    .split(b"---")[0]
    .replace(b"[192.0.2.0]", b"[" + b"x, " * 1001 + b"]"),
    "too-deep": b"spec: " + b"[" * 101 + b"]" * 101,
    "aliases-2": b"\n".join(
        [b"a0: &a0 [x]"]
        + [b"a%d: &a%d [%s]" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 8)]
    ),
    "not-text": "kind: Service\n".encode("utf-16"),
    "not-text-2": b"kind: Service\nmetadata: {name: caf\xe9}\n",
    "not-text-3": b"kind: Service\nmetadata: {name: a\0b}\n",
    "not-text-4": b"kind: Service\nmetadata: {name: \x1b[31mweb}\n",
    "listen-limit": "---\n".join(
        [
            *(ERRORS / "outside-listen-ranges.yaml")
            .read_text()
            .replace("128/25", "0/24")
            .split("---\n")[:2],
            *(
                f"apiVersion: v1\nkind: Node\nmetadata: {{name: node-{n}}}\n"
                f"status: {{addresses: [{{type: InternalIP, address: 198.51.100.{n}}}]}}\n"
                for n in range(11, 112)
            ),
        ]
    ).encode(),
}
CASES = {path.stem: path.read_bytes() for path in ERRORS.glob("*.yaml")} | GENERATED


def code_of(case: str) -> str:
    """`unknown-kind-2` is a case of `unknown-kind`."""
    return re.sub(r"-\d+$", "", case)


@pytest.mark.parametrize("case", sorted(CASES))
def test_errors(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, text = f"{case}.yaml", CASES[case]
    if text is not None:
        (tmp_path / file).write_bytes(text)
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(main, ["validate", file])

    expected = ERRORS / f"{case}.txt"
    if UPDATE:
        expected.write_text(result.stderr)
    assert result.stderr == expected.read_text()
    assert f"[{code_of(case)}]: " in result.stderr
    assert result.exit_code == (1 if ": error[" in result.stderr else 0)
    assert "hunter2" not in result.stderr
    assert re.search(r"[^\n -~·é]", result.stderr) is None


def test_no_message_without_its_input() -> None:
    assert {path.stem for path in ERRORS.glob("*.txt")} == set(CASES)


# The catalogue.

EMITTERS = {"error", "warning", "make", "refuse", "Refusal", "TextError", "Flaw"}
EMITTERS |= {"_fail", "stop", "_unresolved", "append", "Trouble"}
FOLDERS = ("compiler", "observe", "apply")
# What is seen only where a device or a cluster is asked, or one more file read: tested there.
ELSEWHERE = ("compiler/backends/", "compiler/lint/", "compiler/plan", "observe/cluster", "apply/")
KEBAB = re.compile(r"[a-z]+(-[a-z0-9]+)*")


@cache
def emitted() -> dict[str, str]:
    """Every code that the source can emit, and where."""
    codes: dict[str, str] = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            at = path.relative_to(ROOT).as_posix()
            for node in ast.walk(ast.parse(path.read_text())):
                for code in _codes(node):
                    codes.setdefault(code, at)
    return codes


def _codes(node: ast.AST) -> Iterator[str]:
    """The code is the first word of a call that makes a diagnostic, or put in `code` before."""
    values: Sequence[ast.expr] = []
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        if called == "append":  # of a tuple that becomes one, (code, message, field)
            values = [one.elts[0] for one in node.args if isinstance(one, ast.Tuple)]
        elif called in EMITTERS:
            values = [one for one in node.args[:2] if is_word(one)][:1]
    elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "code":
        value = node.value
        values = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
    yield from (str(one.value) for one in values if is_word(one))


def is_word(one: ast.expr) -> TypeGuard[ast.Constant]:
    return isinstance(one, ast.Constant) and bool(KEBAB.fullmatch(str(one.value)))


def test_the_catalogue_has_every_code_and_no_other() -> None:
    assert sorted(catalogue()) == sorted({*emitted(), *PENDING, *WARNINGS})


def test_every_diagnostic_has_its_input_and_message() -> None:
    waiting = PENDING.keys() - WARNINGS.keys()
    on_devices = {code for code, at in emitted().items() if at.startswith(ELSEWHERE)}
    diagnostics = {*emitted(), *WARNINGS} - waiting - on_devices

    assert sorted({code_of(case) for case in CASES}) == sorted(diagnostics)
