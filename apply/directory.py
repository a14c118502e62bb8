"""A directory as a target: what `render -o` writes.

New content is staged beside the old and moved into place file by file only when all of it is
there. A move that fails is undone; one that was cut by the machine is finished by the next run,
from the staged files. Only files that an earlier run listed in `.ferrule` are ever removed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

LIST = ".ferrule"
STAGED = ".ferrule-staged"
HEADER = "# Written by `ferrule render`, which removes what is listed here and no longer wanted."


@dataclass(frozen=True, slots=True)
class File:
    """What a path below the directory should hold; a secret one is its owner's alone."""

    text: str
    secret: bool = False

    @property
    def mode(self) -> int:
        """Permissions."""
        return 0o600 if self.secret else 0o644


@dataclass(frozen=True, slots=True)
class Difference:
    """Paths below the directory that a write would add, change or remove."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def compare(directory: Path, wanted: Mapping[str, File]) -> Difference:
    """What is not as it should be."""
    finish(directory)
    added, changed = [], []
    for path, file in sorted(wanted.items()):
        held = _held(directory / path)
        if held is None:
            added.append(path)
        elif held != file.text.encode() or _too_open(directory / path, file):
            changed.append(path)
    removed = [path for path in _listed(directory) if path not in wanted]
    return Difference(
        tuple(added),
        tuple(changed),
        tuple(path for path in removed if (directory / path).is_file()),
    )


def write(directory: Path, wanted: Mapping[str, File]) -> Difference:
    """Make it so; raises OSError and then has changed nothing."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    difference = compare(directory, wanted)
    listed = {LIST: File("\n".join([HEADER, *sorted(wanted)]) + "\n")}
    changes = {path: wanted[path] for path in (*difference.added, *difference.changed)}
    if not directory.exists():
        _write_new(directory, {**wanted, **listed})
        return difference
    if not difference and _held(directory / LIST) == listed[LIST].text.encode():
        return difference
    with _Staging(directory) as staging:
        staging.fill({**changes, **listed})
        staging.move(difference.removed)
    _drop_empty(directory, difference.removed)
    return difference


def _write_new(directory: Path, files: Mapping[str, File]) -> None:
    """A directory that was not there appears whole."""
    staged = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    try:
        for path, file in files.items():
            _put(staged / path, file)
        staged.chmod(0o755)
        staged.rename(directory)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise


class _Staging:
    """The folder of what comes next, inside the directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.folder = directory / STAGED
        self.partial = directory / f"{STAGED}-partial"

    def __enter__(self) -> _Staging:
        shutil.rmtree(self.partial, ignore_errors=True)
        self.partial.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.partial, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def fill(self, files: Mapping[str, File]) -> None:
        """Write everything; what takes space and time happens here."""
        for path, file in files.items():
            _put(self.partial / path, file)

    def move(self, removed: Iterable[str]) -> None:
        """Move everything into place; on a failure, back."""
        (self.partial / f"{STAGED}-removed").write_text("\n".join(removed))
        self.partial.rename(self.folder)  # from here on a later run finishes the work
        undo: list[tuple[Path, Path | None]] = []
        try:
            for path in [*_files(self.folder), *removed]:
                self._move(path, undo)
        except BaseException:
            for place, backup in reversed(undo):
                if backup is None:
                    place.unlink(missing_ok=True)
                else:  # rename(2) leaves both where they are one file still
                    backup.replace(place)
                    backup.unlink(missing_ok=True)
            raise
        for _, backup in undo:
            if backup is not None:
                backup.unlink(missing_ok=True)

    def _move(self, path: str, undo: list[tuple[Path, Path | None]]) -> None:
        place, staged = self.directory / path, self.folder / path
        backup = None
        if place.exists():
            backup = place.with_name(f".{place.name}{STAGED}")
            backup.unlink(missing_ok=True)
            os.link(place, backup)
        undo.append((place, backup))
        if staged.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            staged.replace(place)
        else:
            place.unlink(missing_ok=True)


def finish(directory: Path) -> None:
    """Complete a move that was cut short."""
    folder = directory / STAGED
    if not folder.is_dir():
        return
    note = folder / f"{STAGED}-removed"
    for path in _files(folder):
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).replace(directory / path)
    for path in note.read_text().splitlines() if note.exists() else ():
        (directory / path).unlink(missing_ok=True)
    for backup in directory.rglob(f".*{STAGED}"):
        backup.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _files(folder: Path) -> list[str]:
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(STAGED)
    )


def _put(place: Path, file: File) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, file.mode)
    with open(descriptor, "wb") as stream:  # noqa: PTH123  # a descriptor, opened with its mode
        stream.write(file.text.encode())


def _held(place: Path) -> bytes | None:
    try:
        return place.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _too_open(place: Path, file: File) -> bool:
    return file.secret and bool(place.stat().st_mode & 0o077)


def _listed(directory: Path) -> list[str]:
    """What an earlier run wrote; a line that points out of the directory is nobody's."""
    held = _held(directory / LIST) or b""
    lines = held.decode(errors="replace").splitlines()
    return [
        line
        for line in lines
        if line and not line.startswith(("#", "/")) and ".." not in Path(line).parts
    ]


def _drop_empty(directory: Path, removed: Iterable[str]) -> None:
    """Folders that the removals left empty."""
    for path in removed:
        for folder in Path(path).parents:
            if folder == Path():
                break
            try:
                (directory / folder).rmdir()
            except OSError:  # somebody's file is still in there
                break
