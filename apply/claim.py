"""Our claim on a device for one run: a lock that ends with us, and a record that does not.

Both lie below /run, which is gone after a restart, as is everything that was not saved. The lock is
the device's, whichever cluster writes: two writers in one CONFIG_DB spoil each other's patches. The
record is the cluster's. It says whose run it is and what the device ran before, so that a run that
was cut can be finished or put back by the next one.

What changes the device holds a second lock while it runs. A command outlives the connection that it
was sent by, so whoever comes next waits for it before he reads.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass

from ferrule.apply.hand import Run
from ferrule.apply.held import Held
from ferrule.apply.target import READ_S, Answer, Argv, Channel, Trouble, failure

DIRECTORY = "/run/ferrule"
LOCK_FILE = f"{DIRECTORY}/lock"
WORK_FILE = f"{DIRECTORY}/work"
HOLDER = "holder.json"
RECORD = "run.json"
LAST = "last.json"
LOCKED = "ferrule-has-the-lock"
TAKEN = "75"  # EX_TEMPFAIL, sysexits.h
BUSY = "76"  # as that, of the lock beside ours
SILENCE_S = 30  # after which a holder counts as gone; it says every few seconds that it is there
MOMENT_S = 2  # for which others look at the lock
WORK_S = 900.0  # for a command that an earlier connection left behind
POLL_S = 1.0

# All that differs comes as an argument or by stdin; nothing is written into these texts.
LOCK = (
    'umask 077; mkdir -p "$1" && exec flock -w "$4" -E "$2" "$1/lock" ${7:+flock -n -E "$6" "$7"} '
    'bash -c \'echo "$0"; while read -r -t "$1" _; do :; done\' "$3" "$5"'
)
WRITE = 'umask 077; mkdir -p "$1" && cat >"$1/$2.new" && mv "$1/$2.new" "$1/$2"'


def record_path(cluster: str) -> str:
    """Where the record of a cluster's open run lies on a device."""
    return f"{DIRECTORY}/{cluster}/{RECORD}"


@dataclass(frozen=True, slots=True)
class Record:
    """A run on one device: whose it is, and what the device ran before it, secrets included.

    `adopted` names what somebody else had until then; with `kept` the device may have saved it.
    """

    run: Run
    before: str
    adopted: tuple[str, ...] = ()
    kept: bool = False

    def text(self) -> str:
        """As it is stored."""
        said = {"before": self.before, "adopted": self.adopted, "kept": self.kept}
        return json.dumps({**asdict(self.run), **said}) + "\n"


def read_record(text: str) -> Record | None:
    """A stored record; None where it is none, or was cut."""
    with suppress(ValueError, KeyError, TypeError):
        said = json.loads(text)
        adopted = tuple(str(one) for one in said.get("adopted", ()))
        return Record(_run(said), str(said["before"]), adopted, bool(said["kept"]))
    return None


def _run(said: Mapping[str, object]) -> Run:
    return Run(str(said["name"]), str(said["by"]), str(said["since"]))


def doubts_of(record: Record | None) -> tuple[str, ...]:
    """What to say of a run that is still open: it goes on, it waits, or it was cut."""
    if record is None:
        return ()
    run = record.run
    return (
        f"run {run.name} by {run.by} has been open here since {run.since}: if it was cut,"
        f" apply finishes it, and --revert {run.name} puts it back",
    )


class Claim:
    """The lock and the record on one device; `root` is what makes a command root's.

    `beside` is the lock file of a program of the device that must not work at the same time.
    """

    def __init__(
        self, channel: Channel, device: str, cluster: str, root: Argv, beside: str = ""
    ) -> None:
        self._channel, self._device, self._root = channel, device, tuple(root)
        self._beside = beside
        self._directory = f"{DIRECTORY}/{cluster}"
        self._held: Held | None = None

    def lock(self, run: Run) -> None:
        """Take the lock, and wait for what an earlier connection left at work.

        `Trouble` says who has it, and since when; if that is this very run, on a connection that
        was cut, it ends soon.
        """
        words = (DIRECTORY, TAKEN, LOCKED, str(MOMENT_S), str(SILENCE_S), BUSY, self._beside)
        argv: Argv = (*self._root, "sh", "-c", LOCK, "sh", *words)
        deadline = time.monotonic() + SILENCE_S + MOMENT_S
        while (held := self._channel.hold(argv, LOCKED)) is None:
            holder = self._holder()
            if holder is None or holder.name != run.name or time.monotonic() > deadline:
                raise self._taken(argv, holder)
            time.sleep(POLL_S)
        self._held = held
        self._write(DIRECTORY, HOLDER, json.dumps(asdict(run)))
        self._must(self.working((*self._root, "true")), timeout_s=WORK_S)

    def working(self, argv: Argv) -> Argv:
        """A command that changes the device, so that whoever comes after it waits for its end."""
        return (*self._root, "flock", WORK_FILE, *argv[len(self._root) :])

    @property
    def lost(self) -> bool:
        """Whether the lock is known to have ended."""
        return self._held is None or self._held.lost

    def _holder(self) -> Run | None:
        with suppress(ValueError, KeyError, TypeError):
            return _run(json.loads(self._cat(f"{DIRECTORY}/{HOLDER}")))
        return None

    def _taken(self, argv: Argv, holder: Run | None) -> Trouble:
        """Why there was no lock: somebody else's, or it cannot be had at all."""
        again = self._channel.run(argv)  # says why, where it is not the lock
        if str(again.code) == BUSY:
            message = f"another program is at work here: it holds {self._beside}"
            raise Trouble("busy", self._device, message, "wait for it to end, and apply again")
        if again.code and str(again.code) != TAKEN:  # 0: it has just been given back
            return failure(self._device, argv, again)
        who = f"run {holder.name} by {holder.by}, since {holder.since}" if holder else "somebody"
        help = (
            "wait for it to end; its lock ends with its connection,"
            f" or {SILENCE_S} seconds after its last word"
        )
        return Trouble("locked", self._device, f"another apply is at work here: {who}", help)

    def record(self) -> Record | None:
        """The record of a run that is open: of ours, or of one that was cut."""
        return read_record(self._cat(f"{self._directory}/{RECORD}"))

    def last(self) -> Record | None:
        """The record of the last run that was kept."""
        return read_record(self._cat(f"{self._directory}/{LAST}"))

    def open(self, record: Record) -> None:
        """Note what the device runs, before anything is changed."""
        self._write(self._directory, RECORD, record.text())

    def keep(self, record: Record) -> None:
        """Close the record of a run that stays; it is there to go back by."""
        self._write(self._directory, LAST, record.text())
        self._remove(RECORD)

    def end(self, run: str) -> None:
        """Close the record of a run that was put back: there is nothing to go back to."""
        for name, record in ((RECORD, self.record()), (LAST, self.last())):
            if record is not None and record.run.name == run:
                self._remove(name)

    def release(self) -> None:
        """Give the lock back."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def _cat(self, file: str) -> str:
        return self._channel.run((*self._root, "cat", file)).out

    def _write(self, directory: str, name: str, text: str) -> None:
        self._must((*self._root, "sh", "-c", WRITE, "sh", directory, name), text)

    def _remove(self, name: str) -> None:
        self._must((*self._root, "rm", "-f", f"{self._directory}/{name}"))

    def _must(self, argv: Argv, stdin: str = "", timeout_s: float = READ_S) -> Answer:
        answer = self._channel.run(argv, stdin=stdin, timeout_s=timeout_s)
        if answer.code:
            raise failure(self._device, argv, answer)
        return answer
