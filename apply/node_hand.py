"""A node during a run: FRR's lines sent by vtysh, read back, saved, or put back.

vtysh is no transaction: it goes on after a line that is refused, and ends with 0 after some
failures. What counts is what the node runs afterwards, compared with what was to come of the
commands; what vtysh said is quoted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ferrule.apply import deadman
from ferrule.apply.claim import Claim, Record
from ferrule.apply.hand import Failed, Run
from ferrule.apply.journal import Journal
from ferrule.apply.reach import Device
from ferrule.apply.target import Answer, Channel, Trouble
from ferrule.apply.vtysh import CONFIG, Node, NodeFacts, asking, read_shown
from ferrule.compiler.backends import frr
from ferrule.compiler.backends.base import Command, Diff
from ferrule.compiler.backends.frrtext import write
from ferrule.compiler.errors import has_errors, printable
from ferrule.compiler.observed import Key, Observed

LOAD_S = 300.0
FILE = "/dev/stdin"

# Of every `echo-mode`, 8.4 and 10.3 alike (bgpd/bgp_bfd.c), however right it is.
HARMLESS = re.compile(r"% Echo mode works correctly for IPv4, but only works when the peer is also")
COMPLAINT = re.compile(r"%|line \d+: |The route-map '.*' does not exist")
MOST_SHOWN = 5


class NodeHand:
    """A node that is locked, changed and kept or put back."""

    def __init__(
        self, device: Device, planned: frr.Running, intended: frr.Running, journal: Journal
    ) -> None:
        assert isinstance(device.facts, NodeFacts)
        self._device, self._facts, self._journal = device, device.facts, journal
        self._planned, self._intended = planned, intended
        self._channel: Channel | None = None
        self._claim: Claim | None = None
        self._deadman: deadman.Deadman | None = None
        self._run: Run | None = None
        self._before: frr.Running | None = None
        self._now: frr.Running | None = None
        self._kept = False

    @property
    def key(self) -> Key:
        """As every hand."""
        return ("node", self._facts.name)

    def begin(self, run: Run) -> None:
        """As every hand."""
        self._open()
        assert self._claim is not None
        self._claim.lock(run)
        seen = self.observe().running
        assert isinstance(seen, frr.Running)
        if frr.owned(seen) != frr.owned(self._planned):
            message = "what is ours on it has changed since it was planned for"
            raise Trouble("moved", self._facts.name, message, "plan again")
        earlier = self._claim.record()
        text = earlier.before if earlier else write(seen.config)
        self._before, self._now, self._run = frr.parse(text, self._facts.cluster), seen, run
        self._claim.open(Record(run, text))

    def resume(self, name: str, run: Run) -> bool:
        """Take up an earlier run to put it back; whether the device has a record of it."""
        self._open()
        assert self._claim is not None
        self._claim.lock(run)
        for record in (self._claim.record(), self._claim.last()):
            if record is not None and record.run.name == name:
                self._before = frr.parse(record.before, self._facts.cluster)
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
        assert self._now is not None
        assert self._deadman is not None
        expected = frr.future(self._now, Diff(commands=tuple(commands)))
        self._deadman.busy()
        self._send(tuple(commands), expected)
        self._deadman.rest()

    def _send(self, commands: tuple[Command, ...], expected: frr.Running) -> None:
        answer = self._load(frr.script(commands))
        self._now = self._read()
        left = frr.diff(self._now, expected).changes
        said = complaints(answer)
        if not left and not said and answer.code == 0:
            return
        quoted = "; ".join(printable(self._journal.masked(one)) for one in said[:MOST_SHOWN])
        reason = f"vtysh says {quoted}" if said else f"vtysh ended with code {answer.code}"
        if left:
            first = frr.shown(left[0])
            line = printable(first.new or first.old or "")
            reason += f"; {len(left)} of our lines are not as they should be, the first: {line}"
        raise Failed(self.key, reason)

    def observe(self) -> Observed:
        """As every hand; a load that was cut is recognised as ours."""
        assert self._channel is not None
        return Node(self._channel, replace(self._facts, open_run=True)).read()

    def undo(self) -> None:
        """As every hand; as often as it takes, for what was refused may stand in the way."""
        if self._before is None or self._claim is None:
            return
        self._now = self._read()
        diff = frr.diff(self._now, self._before)
        if diff.commands:
            if has_errors(diff.problems):
                raise self._stuck(diff, diff.problems[0].message)
            try:
                self._send(diff.commands, self._before)
            except Failed as bad:
                raise self._stuck(frr.diff(self._now, self._before), bad.message) from None
        if self._kept:
            self._save()
        self.disarm()
        self._claim.end(kept=False)

    def _stuck(self, diff: Diff, why: str) -> Failed:
        script = self._journal.masked(frr.script(diff.commands))
        return Failed(self.key, why, [f"{' '.join(self._facts.vtysh)} -f FILE, with:", script])

    def keep(self) -> None:
        """As every hand."""
        assert self._claim is not None
        self._kept = True  # from here on a way back must be saved too
        self._save()
        self.disarm()
        self._claim.end(kept=True)

    def _save(self) -> None:
        assert self._channel is not None
        answer = self._channel.run((*self._facts.vtysh, "-c", "write memory"), timeout_s=LOAD_S)
        said = answer.out + answer.err
        if answer.code or "%" in said or "[OK]" not in said:
            raise Failed(self.key, f"it cannot be saved: {printable(said.strip())}")

    def arm(self, seconds: int) -> None:
        """As every hand."""
        assert self._deadman is not None
        assert self._run is not None
        assert self._before is not None
        before, after = self._before, self._intended
        plan = deadman.of_node(before, after, self._facts.vtysh[len(self._facts.root) :])
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

    def _load(self, script: str) -> Answer:
        assert self._channel is not None
        return self._channel.run((*self._facts.vtysh, "-f", FILE), stdin=script, timeout_s=LOAD_S)

    def _read(self) -> frr.Running:
        """The running-config alone."""
        assert self._channel is not None
        argv = asking(self._facts.vtysh, CONFIG)
        shown = read_shown(self._facts.name, argv, self._channel.run(argv), CONFIG)
        facts = self._facts
        return frr.parse(shown.config, facts.cluster, facts.intended, open_run=True)


def complaints(answer: Answer) -> list[str]:
    """The lines by which FRR refuses something or warns."""
    lines = f"{answer.out}\n{answer.err}".splitlines()
    return [one for one in lines if COMPLAINT.match(one) and not HARMLESS.match(one)]
