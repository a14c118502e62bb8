"""Specs and manifests from files, directories and standard input.

Reading stops at nothing: every unreadable file becomes a diagnostic. A directory that `render`
wrote is never read as input.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ferrule.compiler.errors import Diagnostic, Place, Position, error
from ferrule.compiler.source import MOST_BYTES, Document, UnreadableError, read

SUFFIXES = (".yaml", ".yml", ".json")
MARKER = ".ferrule"
STDIN = "-"


def load(
    paths: Sequence[str], output: str | None = None
) -> tuple[tuple[Document, ...], list[Diagnostic]]:
    """All documents of all paths, in their order; a file that is named twice is read once.

    `output` is a directory that is no input, wherever it lies.
    """
    documents: list[Document] = []
    found: list[Diagnostic] = []
    seen: set[str] = set()
    leave_out = os.path.realpath(output) if output else None
    for name in paths:
        for file in _files(name, leave_out, found):
            identity = STDIN if file == STDIN else os.path.realpath(file)
            if identity in seen:
                continue
            seen.add(identity)
            try:
                documents += read(content(file), "<stdin>" if file == STDIN else file)
            except UnreadableError as bad:
                found.append(bad.diagnostic)
            except OSError as bad:
                reason = (bad.strerror or str(bad)).lower()
                found.append(_unreadable(file, f"cannot be read: {reason}"))
    return tuple(documents), found


def content(file: str) -> bytes:
    """A file's content, or stdin's; of what is too long just enough to tell."""
    if file == STDIN:
        return sys.stdin.buffer.read(MOST_BYTES + 1)
    with Path(file).open("rb") as stream:
        return stream.read(MOST_BYTES + 1)


def _files(name: str, leave_out: str | None, found: list[Diagnostic]) -> Iterator[str]:
    if name == STDIN:
        yield name
        return
    path = Path(name)
    if not path.exists():
        found.append(_unreadable(name, "there is no such file or directory"))
    elif path.is_dir():
        files = list(_below(path, leave_out))
        if not files:
            found.append(_unreadable(name, f"no {' '.join(SUFFIXES)} file is in this directory"))
        yield from files
    else:
        yield name


def _below(directory: Path, leave_out: str | None) -> Iterable[str]:
    for folder, folders, files in os.walk(directory):
        if MARKER in files or os.path.realpath(folder) == leave_out:
            folders.clear()
            continue
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        for file in sorted(files):
            if file.endswith(SUFFIXES) and not file.startswith("."):
                yield str(Path(folder, file))


def _unreadable(file: str, problem: str) -> Diagnostic:
    return error("unreadable", problem, Place(Position(file, 1, 1)))
