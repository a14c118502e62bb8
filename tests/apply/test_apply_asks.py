"""A question is put to whoever sits at the terminal, and to nobody else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ferrule.commands import talk


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The side of a terminal that a person types at."""
    person, program = os.openpty()
    monkeypatch.setattr(talk, "TERMINAL", Path(os.ttyname(program)))
    with closing(os.fdopen(program)), closing(os.fdopen(person, "rb", buffering=0)):
        yield person


@pytest.mark.parametrize(
    ("typed", "meant"), [("y", True), ("yes", True), ("YES", True), ("n", False), ("", False)]
)
def test_only_a_yes_is_a_yes(terminal: int, typed: str, meant: bool) -> None:  # noqa: FBT001
    os.write(terminal, f"{typed}\n".encode())
    assert talk.asked("apply?") is meant
    shown = b""
    while b"apply? [y/N]" not in shown:  # after what was typed, which a terminal repeats
        shown += os.read(terminal, 100)


def test_nobody_sits_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(talk, "TERMINAL", tmp_path / "tty")
    assert talk.asked("apply?") is None
