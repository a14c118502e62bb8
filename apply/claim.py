"""Our claim on a device for one run: a lock that ends with us, and a record that does not.

Both lie below /run, which is gone after a restart, as is everything that was not saved. The lock is
the device's, whichever cluster writes: two writers in one CONFIG_DB spoil each other's patches. The
record is the cluster's. It says whose run it is and what the device ran before, so that a run that
was cut can be finished or put back by the next one.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass

from ferrule.apply.hand import Run
from ferrule.apply.held import Held
from ferrule.apply.target import Answer, Argv, Channel, Trouble, failure

DIRECTORY = "/run/ferrule"
HOLDER = f"{DIRECTORY}/holder.json"
RECORD = "run.json"
LAST = "last.json"
LOCKED = "ferrule-has-the-lock"
TAKEN = "75"  # EX_TEMPFAIL, sysexits.h

# All that differs comes as an argument or by stdin; nothing is written into these texts.
LOCK = (
    'umask 077; mkdir -p "$1" && exec flock -n -E "$2" "$1/lock" bash -c '
    '\'echo "$0"; while read -r -t 90 _; do :; done\' "$3"'
)
WRITE = 'umask 077; mkdir -p "$1" && cat >"$1/$2.new" && mv "$1/$2.new" "$1/$2"'
MOVE = 'if [ -e "$1/$2" ]; then mv "$1/$2" "$1/$3"; fi'


def record_path(cluster: str) -> str:
    """Where the record of a cluster's open run lies on a device."""
    return f"{DIRECTORY}/{cluster}/{RECORD}"


@dataclass(frozen=True, slots=True)
class Record:
    """A run on one device: whose it is, and what the device ran before it, secrets included."""

    run: Run
    before: str
    kept: bool = False

    def text(self) -> str:
        """As it is stored."""
        return json.dumps({**asdict(self.run), "before": self.before, "kept": self.kept}) + "\n"


def read_record(text: str) -> Record | None:
    """A stored record; None where it is none, or was cut."""
    with suppress(ValueError, KeyError, TypeError):
        said = json.loads(text)
        run = Run(str(said["name"]), str(said["by"]), str(said["since"]))
        return Record(run, str(said["before"]), bool(said["kept"]))
    return None


def doubts_of(record: Record | None) -> tuple[str, ...]:
    """What to say of a run that is still open: it goes on, or it was cut."""
    if record is None:
        return ()
    run = record.run
    return (
        f"run {run.name} by {run.by} has been open here since {run.since}: if it was cut,"
        f" apply finishes it, and --revert {run.name} puts it back",
    )


class Claim:
    """The lock and the record on one device; `root` is what makes a command root's."""

    def __init__(self, channel: Channel, device: str, cluster: str, root: Argv) -> None:
        self._channel, self._device, self._root = channel, device, tuple(root)
        self._directory = f"{DIRECTORY}/{cluster}"
        self._held: Held | None = None

    def lock(self, run: Run) -> None:
        """Take the lock; `Trouble` says who has it, and since when."""
        argv: Argv = (*self._root, "sh", "-c", LOCK, "sh", DIRECTORY, TAKEN, LOCKED)
        self._held = self._channel.hold(argv, LOCKED)
        if self._held is None:
            raise self._taken(argv)
        self._write(DIRECTORY, "holder.json", json.dumps(asdict(run)))

    def _taken(self, argv: Argv) -> Trouble:
        """Why there was no lock: somebody else's, or it cannot be had at all."""
        again = self._channel.run(argv)  # says why, where it is not the lock
        if str(again.code) != TAKEN:
            return failure(self._device, argv, again)
        said = self._channel.run((*self._root, "cat", HOLDER)).out
        who = "somebody"
        with suppress(ValueError, KeyError, TypeError):
            holder = json.loads(said)
            who = f"run {holder['name']} by {holder['by']}, since {holder['since']}"
        help = "wait for it to end; its lock ends with it, at most 90 seconds after its connection"
        return Trouble("locked", self._device, f"another apply is at work here: {who}", help)

    def record(self) -> Record | None:
        """The record of a run that is open: of ours, or of one that was cut."""
        return read_record(self._cat(RECORD))

    def last(self) -> Record | None:
        """The record of the last run that was kept."""
        return read_record(self._cat(LAST))

    def open(self, record: Record) -> None:
        """Note what the device runs, before anything is changed."""
        self._write(self._directory, RECORD, record.text())

    def end(self, *, kept: bool) -> None:
        """Close the record; of a run that was kept it stays, to go back by."""
        argv: Argv = ("rm", "-f", f"{self._directory}/{RECORD}")
        if kept:
            argv = ("sh", "-c", MOVE, "sh", self._directory, RECORD, LAST)
        self._must((*self._root, *argv))

    def release(self) -> None:
        """Give the lock back."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def _cat(self, name: str) -> str:
        return self._channel.run((*self._root, "cat", f"{self._directory}/{name}")).out

    def _write(self, directory: str, name: str, text: str) -> None:
        self._must((*self._root, "sh", "-c", WRITE, "sh", directory, name), text)

    def _must(self, argv: Argv, stdin: str = "") -> Answer:
        answer = self._channel.run(argv, stdin=stdin)
        if answer.code:
            raise failure(self._device, argv, answer)
        return answer
