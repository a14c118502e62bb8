"""What the hands of nodes and switches have in common: the order of things, and the way back.

What a device ran before is noted on it before anything is changed. The way back is a comparison
like any other, from whatever the device runs by then: so it does not matter where a change was cut,
nor by what. A connection that was lost is made again for it.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

from ferrule.apply import deadman
from ferrule.apply.claim import Claim, Record
from ferrule.apply.hand import Failed, Run
from ferrule.apply.journal import Journal
from ferrule.apply.reach import Device
from ferrule.apply.target import Channel, Trouble
from ferrule.compiler.backends.base import Command, Diff
from ferrule.compiler.errors import has_errors, printable
from ferrule.compiler.observed import Key, Observed

R = TypeVar("R")

BACK_S = 60.0  # for a device that is gone to come back, so that it can be put back
ATTEMPTS = 3  # at putting back what is refused: something may just be starting
POLL_S = 1.0


class DeviceHand(ABC, Generic[R]):
    """A device that is locked, changed and kept or put back.

    `planned` is what the plan found on it, `diff` what the plan does to it.
    """

    beside = ""  # the lock of a program of the device that must not work at the same time

    def __init__(self, device: Device, planned: R, diff: Diff, journal: Journal) -> None:
        self._device, self._planned, self._diff = device, planned, diff
        self._journal = journal
        self._adopted = diff.adopted
        self._channel: Channel | None = None
        self._claim: Claim | None = None
        self._deadman: deadman.Deadman | None = None
        self._run: Run | None = None
        self._record: Record | None = None  # of this run, to go back by later
        self._earlier: Record | None = None  # of a run that was cut
        self._before: R | None = None
        self._now: R | None = None
        self._touched = False  # whether anything was sent

    @property
    def key(self) -> Key:
        """As every hand."""
        return self._device.key

    # What the two kinds do each in their way.

    @abstractmethod
    def observe(self) -> Observed:
        """As every hand."""

    @abstractmethod
    def _read(self) -> R:
        """What it runs by now, as far as it is ours; `Trouble` where it cannot say."""

    @abstractmethod
    def _parsed(self, text: str) -> R:
        """What `_text` wrote."""

    @abstractmethod
    def _text(self, running: R) -> str:
        """What is ours on it, for its record."""

    @abstractmethod
    def _is_as_planned(self, running: R) -> bool:
        """Whether what is ours is still what the plan found."""

    @abstractmethod
    def _way(self, now: R, then: R) -> Diff:
        """From what it runs to what it is to run."""

    @abstractmethod
    def _send(self, commands: tuple[Command, ...]) -> None:
        """Send the commands of one phase and verify them; `_now` is then what it runs."""

    def _verify(self) -> None:
        """See that what it runs has come into force."""

    @abstractmethod
    def _by_hand(self, diff: Diff) -> Sequence[str]:
        """What to type on the device, passwords masked."""

    @abstractmethod
    def _save(self) -> None:
        """Have it start with what it runs."""

    @abstractmethod
    def _timer(self) -> deadman.Plan:
        """How it puts itself back."""

    def _began(self) -> None:
        """Once it is locked, and nothing is changed."""

    def _kept(self) -> None:
        """Once it is saved."""

    # One run.

    def begin(self, run: Run) -> None:
        """As every hand."""
        claim, timer = self._take(run)
        seen: R = self.observe().running  # type: ignore[assignment]  # of this kind of device
        if (armed := timer.armed()) and armed != run.name:
            raise self._unconfirmed(armed)
        if not self._is_as_planned(seen):
            message = "what is ours on it has changed since it was planned for"
            raise Trouble("moved", self.key[1], message, "plan again")
        self._earlier = claim.record()
        self._before = self._now = seen
        if self._earlier:
            self._record = Record(run, self._earlier.before, self._all_adopted(self._earlier))
        else:
            self._record = Record(run, self._text(seen), self._adopted)
        claim.open(self._record)
        self._began()

    def _all_adopted(self, earlier: Record) -> tuple[str, ...]:
        return tuple(sorted({*earlier.adopted, *self._adopted}))

    def _unconfirmed(self, run: str) -> Trouble:
        message = f"run {printable(run)} waits here to be confirmed"
        help = f"--confirm-now {printable(run)} keeps it, --revert {printable(run)} puts it back"
        return Trouble("unconfirmed", self.key[1], message, help)

    def resume(self, name: str, run: Run) -> bool:
        """Take up an earlier run, to keep it or to put it back; whether there is a record of it."""
        claim, _ = self._take(run)
        for record in (claim.record(), claim.last()):
            if record is not None and record.run.name == name:
                self._record, self._adopted = record, record.adopted
                self._before, self._now = self._parsed(record.before), self._read()
                return True
        return False

    def _take(self, run: Run) -> tuple[Claim, deadman.Deadman]:
        """Connect, and lock it."""
        name, facts = self.key[1], self._device.facts
        self._run = run
        self._channel = self._journal.wrap(self._device.connect(), name)
        self._claim = Claim(self._channel, name, facts.cluster, facts.root, self.beside)
        plan = self._deadman.plan if self._deadman else None
        self._deadman = deadman.Deadman(self._channel, name, facts.cluster, facts.root, plan)
        self._claim.lock(run)
        return self._claim, self._deadman

    def do(self, commands: Sequence[Command]) -> None:
        """As every hand."""
        assert self._claim is not None
        assert self._deadman is not None
        if self._claim.lost:
            raise Failed(self.key, "our lock on it has ended")
        self._deadman.busy()
        self._touched = True
        self._send(tuple(commands))
        self._deadman.rest()

    def keep(self) -> None:
        """As every hand."""
        assert self._claim is not None
        assert self._record is not None
        record = Record(self._record.run, self._record.before, self._record.adopted, kept=True)
        self._record = record  # from here on a way back must be saved too
        self._claim.open(record)
        self._save()
        self.disarm()
        self._claim.keep(record)
        self._kept()

    # The way back.

    def undo(self) -> None:
        """As every hand; as often as it takes, for what is refused now may be taken soon."""
        if self._before is None:
            return  # it was never begun
        deadline, refused = time.monotonic() + BACK_S, 0
        while True:
            try:
                self._undo_once()
            except Trouble:
                if time.monotonic() > deadline:
                    raise
            except Failed:
                refused += 1
                if refused == ATTEMPTS:
                    self.disarm()
                    raise
            else:
                return
            time.sleep(POLL_S)

    def _undo_once(self) -> None:
        assert self._before is not None
        claim = self._retaken()
        self._now = self._read()
        diff = self._way(self._now, self._before)
        if has_errors(diff.problems):
            raise self._stuck(diff, diff.problems[0].message)
        try:
            if diff.commands:
                self._send(diff.commands)
            elif self._touched:
                self._verify()
        except Failed as bad:
            raise self._stuck(self._way(self._now, self._before), bad.message) from None
        if self._record and self._record.kept:
            self._save()
        self.disarm()
        self._close_record(claim)

    def _close_record(self, claim: Claim) -> None:
        """A run that was cut is as open as it was."""
        if self._record:
            claim.end(self._record.run.name)
        if self._earlier:
            claim.open(self._earlier)

    def _retaken(self) -> Claim:
        """The lock, on a connection that works."""
        assert self._channel is not None
        assert self._claim is not None
        assert self._run is not None
        try:
            self._channel.run(("true",))
        except Trouble:
            pass
        else:
            if not self._claim.lost:
                return self._claim
        self.close()
        return self._take(self._run)[0]

    def _stuck(self, diff: Diff, why: str) -> Failed:
        return Failed(self.key, why, self._by_hand(diff))

    # The timer.

    def arm(self, seconds: int) -> None:
        """As every hand."""
        assert self._deadman is not None
        assert self._run is not None
        self._deadman.arm(self._run.name, seconds, self._timer())

    def disarm(self) -> None:
        """As every hand."""
        if self._deadman is not None:
            self._deadman.disarm()

    def is_armed(self, run: str) -> bool:
        """Whether it will put itself back what this run has changed."""
        return self._deadman is not None and self._deadman.armed() == run

    def fate(self) -> str:
        """What its timer did."""
        said = self._deadman.fired() if self._deadman else ""
        return printable(said) or "it never had a timer, or was confirmed"

    def close(self) -> None:
        """As every hand."""
        if self._claim is not None:
            self._claim.release()
        if self._channel is not None:
            self._channel.close()
