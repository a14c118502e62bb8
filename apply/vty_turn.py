"""Our turn on the node that we run on: one writer at a time, by the locks that `ferrule apply` has.

A workstation's run holds a lock, and what it has started may outlive it and holds a second one
(`claim`). Here both are asked for without a wait and without a process, as a turn may take less
than a millisecond. A run that still waits to be confirmed has a timer, which puts back what it
finds: until then nothing is changed either.

A load that is cut leaves neighbors half written, which nobody could tell from somebody else's. So
each load of more than `network` lines is noted in the record of an open run, as a run of
`ferrule apply` is.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ferrule.apply.claim import DIRECTORY, HOLDER, LOCK_FILE, RECORD, WORK_FILE, Record, read_record
from ferrule.apply.hand import Run
from ferrule.apply.target import Argv, Trouble
from ferrule.compiler.errors import printable

LOCK, WORK = Path(LOCK_FILE).name, Path(WORK_FILE).name
ARMED = "confirm/armed"  # `deadman`
SPOKEN = "spoken.json"  # by who spoke, the names of the cluster


@dataclass(frozen=True, slots=True)
class Turns:
    """Where the locks are, and who we are."""

    node: str
    cluster: str
    run: Run
    directory: Path = Path(DIRECTORY)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Keep others from changing the node; `Trouble` says who is at it."""
        with ExitStack() as held:
            try:
                self._folder(self.directory)
                self._lock(held, LOCK, self._holder)
                with ExitStack() as moment:  # and it is free for what we start ourselves
                    self._lock(moment, WORK, lambda: "a command that a run has left behind")
                _write(self.directory / HOLDER, json.dumps(asdict(self.run)))
            except PermissionError as bad:
                message = f"{bad.filename} cannot be written: {bad.strerror}"
                raise Trouble("locked", self.node, message, "run as root") from None
            self.unarmed()
            yield

    def _lock(self, held: ExitStack, name: str, who: Callable[[], str]) -> None:
        file = os.open(self.directory / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        held.callback(os.close, file)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Trouble("locked", self.node, f"another writer is at work: {who()}") from None
        # A process that is just being forked has it open too, until it execs.
        held.callback(fcntl.flock, file, fcntl.LOCK_UN)

    def _holder(self) -> str:
        with suppress(OSError, ValueError, KeyError, TypeError):
            said = json.loads((self.directory / HOLDER).read_text())
            return printable(f"run {said['name']} by {said['by']}, since {said['since']}")
        return "somebody"

    # The name of the cluster.

    @property
    def before(self) -> tuple[str, ...]:
        """The other names that we spoke for on this node, of which something may be there still."""
        return tuple(one for one in self._names() if one != self.cluster)

    def begin(self) -> None:
        """Something of this name may be there from now on."""
        names = self._names()
        if self.cluster not in names:
            self._note([*names, self.cluster])

    def speak(self) -> None:
        """All is as intended: of no other name there is anything."""
        if self._names() != [self.cluster]:
            self._note([self.cluster])

    def _note(self, names: list[str]) -> None:
        _write(self.directory / SPOKEN, json.dumps({**self._spoken(), self.run.by: names}))

    def _names(self) -> list[str]:
        found = self._spoken().get(self.run.by)
        return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []

    def _spoken(self) -> dict[str, object]:
        try:
            found = json.loads(_read(self.directory / SPOKEN) or "{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def unarmed(self) -> None:
        """Raises `Trouble` while a run waits to be confirmed."""
        run = _read(self.directory / self.cluster / ARMED)
        if run:
            message = f"run {printable(run)} waits here to be confirmed"
            raise Trouble("unconfirmed", self.node, message)

    def working(self, argv: Argv) -> Argv:
        """A command that changes the node, so that whoever comes after us waits for its end."""
        return ("flock", str(self.directory / WORK), *argv)

    # The record of a load.

    def record(self) -> Record | None:
        """That of a run that is open: ours, that was cut, or somebody else's."""
        return read_record(_read(self._record))

    def open(self, before: str) -> None:
        """Note what the node runs, before a load; the record of a run that was cut stays."""
        if self.record() is None:
            self._folder(self._record.parent)
            _write(self._record, Record(self.run, before).text())

    def close(self) -> None:
        """All is as intended: there is nothing to go back to, but for somebody else's run."""
        found = self.record()
        if found is not None and found.run.by == self.run.by:
            self._record.unlink()

    @property
    def _record(self) -> Path:
        return self.directory / self.cluster / RECORD

    def _folder(self, path: Path) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and for us alone: a record holds passwords."""
    new = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    new.replace(path)
