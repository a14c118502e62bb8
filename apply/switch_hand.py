"""A switch during a run: patches for SONiC's Generic Config Updater, checked on CONFIG_DB and bgpd.

GCU's exit code is a hint: it answers 2 to a patch that was written while somebody else wrote too,
and 0 to one of which FRR refused a line. So after each patch both are read again; what is not as it
should be is put back by a patch of our own rows, never by GCU's rollback, which is everybody's.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection, Sequence
from itertools import groupby

from ferrule.apply import deadman
from ferrule.apply.device_hand import DeviceHand
from ferrule.apply.hand import Failed
from ferrule.apply.journal import Journal
from ferrule.apply.reach import Device
from ferrule.apply.switch import (
    BGPD,
    CONFIG_DB,
    RELOAD_LOCK,
    SAVED,
    Switch,
    SwitchFacts,
    unsaved,
)
from ferrule.apply.target import Answer, Argv, failure, first_line
from ferrule.apply.vtysh import CONFIG, asking, read_shown
from ferrule.compiler.backends import sonic
from ferrule.compiler.backends.base import Command, Diff
from ferrule.compiler.backends.sonic.conflicts import NEIGHBOR_AF
from ferrule.compiler.backends.sonic.parse import GLOBALS, GROUP, Fields, Tables
from ferrule.compiler.errors import listed, printable
from ferrule.compiler.observed import Observed

APPLY = ("config", "apply-patch", "/dev/stdin")
DRY_RUN = ("config", "apply-patch", "-d", "/dev/stdin")
SAVE = ("config", "save", "-y")
CHANGES = re.compile(r"converted into (\d+) changes?")
LEAST_S, EACH_S, BASE_S = 600.0, 5.0, 60.0  # SONiC's own tests allow 600 s
FRRCFGD_S = 30.0
POLL_S = 0.3
ADOPTABLE = (*GROUP, NEIGHBOR_AF)
SYSLOG = "/var/log/syslog"  # where alone frrcfgd says what FRR refused
LOGGED = ("stat", "-c", "%s", SYSLOG)
COMPLAINTS = 'tail -c "+$1" "$2" | grep -a "frrcfgd.*fail" || true'
MOST_SHOWN = 3
CHECKPOINT = "ferrule-"
CHECKPOINTS = 3  # of ours, that stay


class SwitchHand(DeviceHand[sonic.Running]):
    """A switch that is locked, changed and kept or put back."""

    beside = RELOAD_LOCK

    def __init__(
        self,
        device: Device,
        planned: sonic.Running,
        diff: Diff,
        journal: Journal,
        *,
        managed: bool,
    ) -> None:
        assert isinstance(device.facts, SwitchFacts)
        super().__init__(device, planned, diff, journal)
        self._facts, self._managed = device.facts, managed

    def observe(self) -> Observed:
        """As every hand."""
        assert self._channel is not None
        return Switch(self._channel, self._facts).read()

    def _began(self) -> None:
        """A checkpoint is left for the operator."""
        assert self._run is not None
        self._must(("config", "checkpoint", f"{CHECKPOINT}{self._run.name}"))

    def _parsed(self, text: str) -> sonic.Running:
        return sonic.parse(text, self._facts.cluster)

    def _text(self, running: sonic.Running) -> str:
        return json.dumps(_noted(running, self._adopted), sort_keys=True)

    def _is_as_planned(self, running: sonic.Running) -> bool:
        return sonic.owned(running) == sonic.owned(self._planned)

    def _way(self, now: sonic.Running, then: sonic.Running) -> Diff:
        return sonic.diff(now, then, managed=self._managed, adopt=self._adopted)

    def _send(self, commands: tuple[Command, ...]) -> None:
        """Patch by patch."""
        for _, patch in groupby(commands, key=lambda one: one.phase):
            self._patch(tuple(patch))

    def _patch(self, commands: tuple[Command, ...]) -> None:
        assert self._now is not None
        assert self._claim is not None
        expected = sonic.future(self._now, Diff(commands=commands))
        (text,) = sonic.patches(commands)
        trial = self._config(DRY_RUN, text)
        if trial.code:
            raise Failed(self.key, f"SONiC refuses the patch: {_reason(trial)}")
        found = CHANGES.search(trial.out)
        enough = max(LEAST_S, BASE_S + EACH_S * int(found[1] if found else 0))
        logged = self._config(LOGGED).out.strip()
        answer = self._ask(self._claim.working((*self._facts.root, *APPLY)), text, enough)
        self._now = self._read()
        wrong = self._way(self._now, expected).changes
        if wrong:
            rows = listed("|".join(one.path) for one in wrong)
            raise Failed(self.key, f"CONFIG_DB is not as it should be in {rows}: {_reason(answer)}")
        self._verify(logged)

    def _verify(self, logged: str = "") -> None:
        """Wait for frrcfgd, and see what FRR made of it; `logged` is how long its log was before.

        What counts is what bgpd runs; a complaint beside that is only written down.
        """
        assert self._now is not None
        deadline = time.monotonic() + FRRCFGD_S
        while unlike := sonic.unlike(self._now, self._bgpd()):
            if time.monotonic() > deadline:
                parts = [
                    f"{what} {listed(lines, 3)}"
                    for what, lines in (
                        ("it has not", unlike.missing),
                        ("it still has", unlike.stale),
                        ("frrcfgd says:", self._complaints(logged)),
                    )
                    if lines
                ]
                raise Failed(self.key, f"bgpd does not run what CONFIG_DB says: {'; '.join(parts)}")
            time.sleep(POLL_S)
        if said := self._complaints(logged):
            self._journal.note(self.key[1], SYSLOG, "\n".join(said), "frrcfgd complains", 0)

    def _complaints(self, logged: str) -> list[str]:
        """What frrcfgd failed to do since its log was that long."""
        begin = int(logged) + 1 if logged.isdecimal() else 1  # there was none yet
        argv = ("sh", "-c", COMPLAINTS, "sh", str(begin), SYSLOG)
        lines = self._config(argv).out.splitlines()
        told = [one.partition("frrcfgd")[2].partition(": ")[2] for one in lines]
        return [printable(self._journal.masked(one)) for one in told[:MOST_SHOWN]]

    def _by_hand(self, diff: Diff) -> Sequence[str]:
        return [
            f"sudo config apply-patch FILE, with:\n{self._journal.masked(one)}"
            for one in sonic.patches(diff.commands)
        ]

    def _save(self) -> None:
        self._must(SAVE)
        for why in unsaved(self._read(), self._config(SAVED)):
            raise Failed(self.key, f"it says that it has saved: {why}")

    def _kept(self) -> None:
        """Of all checkpoints that runs left, only the last few stay."""
        answer = self._config(("config", "list-checkpoints"))
        try:
            names = [str(one) for one in json.loads(answer.out)]
        except ValueError:
            return  # they are in nobody's way
        ours = sorted(one for one in names if one.startswith(CHECKPOINT))
        for name in ours[:-CHECKPOINTS]:
            self._config(("config", "delete-checkpoint", name))

    def _timer(self) -> deadman.Plan:
        assert self._before is not None
        return deadman.of_switch(self._before, self._adopted, managed=self._managed)

    # What is asked of it.

    def _ask(self, argv: Argv, stdin: str = "", timeout_s: float = LEAST_S) -> Answer:
        assert self._channel is not None
        return self._channel.run(argv, stdin=stdin, timeout_s=timeout_s)

    def _config(self, argv: Argv, stdin: str = "") -> Answer:
        return self._ask((*self._facts.root, *argv), stdin)

    def _must(self, argv: Argv) -> None:
        answer = self._config(argv)
        if answer.code:
            raise Failed(self.key, failure(self._facts.name, argv, answer).message)

    def _read(self) -> sonic.Running:
        answer = self._config(CONFIG_DB)
        if answer.code:
            raise failure(self._facts.name, CONFIG_DB, answer)
        return sonic.parse(answer.out, self._facts.cluster)

    def _bgpd(self) -> str:
        """bgpd's own configuration: the integrated view keeps what is gone for ever."""
        argv = asking(BGPD[:3], CONFIG)
        return read_shown(self._facts.name, argv, self._config(argv), CONFIG).config


def _noted(running: sonic.Running, adopted: Collection[str]) -> Tables:
    """What is ours, and of others what all share or what is taken over, as CONFIG_DB has it."""
    shared = (*GLOBALS, *(ADOPTABLE if adopted else ()))
    tables: dict[str, dict[str, Fields]] = {
        table: dict(running.tables[table]) for table in shared if table in running.tables
    }
    for table, name in running.ours:
        tables.setdefault(table, {})[name] = running.tables[table][name]
    return tables


def _reason(answer: Answer) -> str:
    """What GCU says last, of an error, is what matters."""
    errors = [one for one in answer.err.splitlines() if one.startswith("Error: ")]
    return errors[-1].removeprefix("Error: ") if errors else first_line(answer)
