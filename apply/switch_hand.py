"""A switch during a run: patches for SONiC's Generic Config Updater, checked on CONFIG_DB and bgpd.

GCU's exit code is a hint: it answers 2 to a patch that was written while somebody else wrote too,
and 0 to one of which FRR refused a line. So after each patch both are read again; what is not as it
should be is put back by a patch of our own rows, never by GCU's rollback, which is everybody's.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from itertools import groupby

from ferrule.apply import deadman
from ferrule.apply.claim import Claim, Record
from ferrule.apply.hand import Failed, Run
from ferrule.apply.journal import Journal
from ferrule.apply.reach import Device
from ferrule.apply.switch import BGPD, CONFIG_DB, Switch, SwitchFacts
from ferrule.apply.target import Answer, Argv, Channel, Trouble, failure, first_line
from ferrule.apply.vtysh import CONFIG, asking, read_shown
from ferrule.compiler.backends import sonic
from ferrule.compiler.backends.base import Command, Diff
from ferrule.compiler.backends.sonic.parse import GLOBALS
from ferrule.compiler.errors import has_errors, listed, printable
from ferrule.compiler.observed import Key, Observed

APPLY = ("config", "apply-patch", "/dev/stdin")
DRY_RUN = ("config", "apply-patch", "-d", "/dev/stdin")
SAVE = ("config", "save", "-y")
CHANGES = re.compile(r"converted into (\d+) changes?")
LEAST_S, EACH_S, BASE_S = 600.0, 5.0, 60.0  # SONiC's own tests allow 600 s
FRRCFGD_S = 30.0
POLL_S = 0.3
CHECKPOINTS = 3  # of ours, that stay


class SwitchHand:
    """A switch that is locked, changed and kept or put back."""

    def __init__(
        self, device: Device, planned: sonic.Running, journal: Journal, *, managed: bool
    ) -> None:
        assert isinstance(device.facts, SwitchFacts)
        self._device, self._facts, self._journal = device, device.facts, journal
        self._planned, self._managed = planned, managed
        self._channel: Channel | None = None
        self._claim: Claim | None = None
        self._deadman: deadman.Deadman | None = None
        self._run: Run | None = None
        self._before: sonic.Running | None = None
        self._now: sonic.Running | None = None
        self._kept = False

    @property
    def key(self) -> Key:
        """As every hand."""
        return ("switch", self._facts.name)

    def begin(self, run: Run) -> None:
        """As every hand; a checkpoint is left for the operator."""
        self._open()
        assert self._claim is not None
        self._claim.lock(run)
        seen = self.observe().running
        assert isinstance(seen, sonic.Running)
        if sonic.owned(seen) != sonic.owned(self._planned):
            message = "what is ours on it has changed since it was planned for"
            raise Trouble("moved", self._facts.name, message, "plan again")
        earlier = self._claim.record()
        text = earlier.before if earlier else _text(seen)
        self._before, self._now, self._run = sonic.parse(text, self._facts.cluster), seen, run
        self._claim.open(Record(run, text))
        self._must(("config", "checkpoint", f"ferrule-{run.name}"))

    def resume(self, name: str, run: Run) -> bool:
        """Take up an earlier run to put it back; whether the device has a record of it."""
        self._open()
        assert self._claim is not None
        self._claim.lock(run)
        self._run = run
        for record in (self._claim.record(), self._claim.last()):
            if record is not None and record.run.name == name:
                self._before = sonic.parse(record.before, self._facts.cluster)
                self._now, self._kept = self._read(), record.kept
                return True
        return False

    def _open(self) -> None:
        name = self._facts.name
        self._channel = self._journal.wrap(self._device.connect(), name)
        on_it = (self._channel, name, self._facts.cluster, self._facts.root)
        self._claim, self._deadman = Claim(*on_it), deadman.Deadman(*on_it)

    def do(self, commands: Sequence[Command]) -> None:
        """As every hand."""
        assert self._deadman is not None
        self._deadman.busy()
        for _, patch in groupby(commands, key=lambda one: one.phase):
            self._patch(tuple(patch))
        self._deadman.rest()

    def _patch(self, commands: tuple[Command, ...]) -> None:
        assert self._now is not None
        expected = sonic.future(self._now, Diff(commands=commands))
        (text,) = sonic.patches(commands)
        trial = self._config(DRY_RUN, text, LEAST_S)
        if trial.code:
            raise Failed(self.key, f"SONiC refuses the patch: {_reason(trial)}")
        found = CHANGES.search(trial.out)
        answer = self._config(
            APPLY, text, max(LEAST_S, BASE_S + EACH_S * int(found[1] if found else 0))
        )
        self._now = self._read()
        wrong = sonic.diff(self._now, expected, managed=self._managed).changes
        if wrong:
            rows = listed("|".join(one.path) for one in wrong)
            raise Failed(self.key, f"CONFIG_DB is not as it should be in {rows}: {_reason(answer)}")
        self._check_bgpd()

    def _check_bgpd(self) -> None:
        """Wait for frrcfgd, and see what FRR made of it."""
        assert self._now is not None
        deadline = time.monotonic() + FRRCFGD_S
        while unlike := sonic.unlike(self._now, self._bgpd()):
            if time.monotonic() > deadline:
                parts = [
                    f"{what} {listed(lines, 3)}"
                    for what, lines in (
                        ("it has not", unlike.missing),
                        ("it still has", unlike.stale),
                    )
                    if lines
                ]
                raise Failed(self.key, f"bgpd does not run what CONFIG_DB says: {'; '.join(parts)}")
            time.sleep(POLL_S)

    def observe(self) -> Observed:
        """As every hand."""
        assert self._channel is not None
        return Switch(self._channel, self._facts).read()

    def undo(self) -> None:
        """As every hand."""
        if self._before is None or self._claim is None:
            return
        self._now = self._read()
        diff = sonic.diff(self._now, self._before, managed=self._managed)
        if diff.commands:
            if has_errors(diff.problems):
                raise self._stuck(diff, diff.problems[0].message)
            try:
                self.do(diff.commands)
            except Failed as bad:
                left = sonic.diff(self._now, self._before, managed=self._managed)
                raise self._stuck(left, bad.message) from None
        if self._kept:
            self._must(SAVE)
        self.disarm()
        self._claim.end(kept=False)

    def _stuck(self, diff: Diff, why: str) -> Failed:
        patches = (
            f"sudo config apply-patch FILE, with:\n{one}" for one in sonic.patches(diff.commands)
        )
        return Failed(self.key, why, tuple(patches))

    def keep(self) -> None:
        """As every hand."""
        assert self._claim is not None
        self._kept = True  # from here on a way back must be saved too
        self._must(SAVE)
        self.disarm()
        self._claim.end(kept=True)
        self._drop_checkpoints()

    def _drop_checkpoints(self) -> None:
        """Of all checkpoints that runs left, only the last few stay."""
        answer = self._config(("config", "list-checkpoints"), "", LEAST_S)
        try:
            names = [str(one) for one in json.loads(answer.out)]
        except ValueError:
            return  # they are in nobody's way
        ours = sorted(one for one in names if one.startswith("ferrule-"))
        for name in ours[:-CHECKPOINTS]:
            self._config(("config", "delete-checkpoint", name), "", LEAST_S)

    def arm(self, seconds: int) -> None:
        """As every hand."""
        assert self._deadman is not None
        assert self._run is not None
        assert self._before is not None
        plan = deadman.of_switch(_text(self._before), self._facts.cluster)
        self._deadman.arm(self._run.name, seconds, plan)

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
        return printable(said.strip()) or "its timer was never started, or has put it back"

    def close(self) -> None:
        """As every hand."""
        if self._claim is not None:
            self._claim.release()
        if self._channel is not None:
            self._channel.close()

    # What is asked of it.

    def _config(self, argv: Argv, stdin: str, timeout_s: float) -> Answer:
        assert self._channel is not None
        return self._channel.run((*self._facts.root, *argv), stdin=stdin, timeout_s=timeout_s)

    def _must(self, argv: Argv) -> None:
        answer = self._config(argv, "", LEAST_S)
        if answer.code:
            raise Failed(self.key, failure(self._facts.name, argv, answer).message)

    def _read(self) -> sonic.Running:
        answer = self._config(CONFIG_DB, "", LEAST_S)
        if answer.code:
            raise failure(self._facts.name, CONFIG_DB, answer)
        return sonic.parse(answer.out, self._facts.cluster)

    def _bgpd(self) -> str:
        """bgpd's own configuration: the integrated view keeps what is gone for ever."""
        argv = asking(BGPD[:3], CONFIG)
        return read_shown(self._facts.name, argv, self._config(argv, "", LEAST_S), CONFIG).config


def _text(running: sonic.Running) -> str:
    """What is ours, and the rows that all share, as CONFIG_DB has them."""
    tables: dict[str, dict[str, object]] = {}
    for table, name in running.ours:
        tables.setdefault(table, {})[name] = running.tables[table][name]
    for table in GLOBALS:
        if table in running.tables:
            tables[table] = dict(running.tables[table])
    return json.dumps(tables, sort_keys=True)


def _reason(answer: Answer) -> str:
    """What GCU says last, of an error, is what matters."""
    errors = [one for one in answer.err.splitlines() if one.startswith("Error: ")]
    return errors[-1].removeprefix("Error: ") if errors else first_line(answer)
