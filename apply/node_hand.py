"""A node during a run: FRR's lines sent by vtysh, read back, saved, or put back.

vtysh is no transaction: it goes on after a line that is refused, and ends with 0 after some
failures. What counts is what the node runs afterwards, compared with what was to come of the
commands; what vtysh said is quoted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ferrule.apply import deadman
from ferrule.apply.device_hand import DeviceHand
from ferrule.apply.hand import Failed
from ferrule.apply.journal import Journal
from ferrule.apply.reach import Device
from ferrule.apply.target import Answer
from ferrule.apply.unsaved import is_saved, saved_path
from ferrule.apply.vtysh import CONFIG, NEIGHBORS, Node, NodeFacts, asking, read_shown
from ferrule.compiler.backends import frr
from ferrule.compiler.backends.base import Command, Diff
from ferrule.compiler.backends.frrtext import write
from ferrule.compiler.errors import printable
from ferrule.compiler.observed import Observed

LOAD_S = 300.0
FILE = "/dev/stdin"
# vtysh of FRR 10 starts a process for each daemon. From a pipe they would read in turns: 10.3 then
# gave bgpd nothing of a script, or its end, and said 0. From a file, vtysh and mgmtd change zebra
# at one moment, and parts of prefix-lists stay. 8.4 has one process, and no such option.
FORKING, ALONE, UNKNOWN_OPTION = 9, "--no-fork", "unrecognized option"

# Of every `echo-mode`, 8.4 and 10.3 alike (bgpd/bgp_bfd.c), however right it is.
HARMLESS = re.compile(r"% Echo mode works correctly for IPv4, but only works when the peer is also")
COMPLAINT = re.compile(r"%|line \d+: |The route-map '.*' does not exist")
MOST_SHOWN = 5


class NodeHand(DeviceHand[frr.Running]):
    """A node that is locked, changed and kept or put back."""

    def __init__(self, device: Device, planned: frr.Running, diff: Diff, journal: Journal) -> None:
        assert isinstance(device.facts, NodeFacts)
        super().__init__(device, planned, diff, journal)
        self._facts = device.facts

    def observe(self) -> Observed:
        """As every hand."""
        assert self._channel is not None
        return Node(self._channel, self._facts).read()

    def _read(self) -> frr.Running:
        """The running-config, of a bgpd that runs; a load that was cut is recognised as ours."""
        assert self._channel is not None
        facts, asked = self._facts, (CONFIG, NEIGHBORS)
        argv = asking(facts.vtysh, *asked)
        answer = self._channel.run(argv, timeout_s=LOAD_S)
        shown = read_shown(facts.name, argv, answer, *asked)
        return frr.parse(shown.config, facts.cluster, facts.intended, open_run=True)

    def _parsed(self, text: str) -> frr.Running:
        return frr.parse(text, self._facts.cluster)

    def _text(self, running: frr.Running) -> str:
        return write(running.config)

    def _is_as_planned(self, running: frr.Running) -> bool:
        return frr.owned(running) == frr.owned(self._planned)

    def _way(self, now: frr.Running, then: frr.Running) -> Diff:
        return frr.diff(now, then, adopt=self._adopted)

    def _send(self, commands: tuple[Command, ...]) -> None:
        assert self._now is not None
        expected = frr.future(self._now, Diff(commands=commands))
        answer = self._load(frr.script(commands))
        self._now = self._read()
        left = self._way(self._now, expected).changes
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

    def _load(self, script: str) -> Answer:
        assert self._now is not None
        return loaded(self._now.config.version, lambda *options: self._vtysh(script, *options))

    def _vtysh(self, script: str, *options: str) -> Answer:
        assert self._channel is not None
        assert self._claim is not None
        argv = self._claim.working((*self._facts.vtysh, *options, "-f", FILE))
        return self._channel.run(argv, stdin=script, timeout_s=LOAD_S)

    def _by_hand(self, diff: Diff) -> Sequence[str]:
        script = self._journal.masked(frr.script(diff.commands))
        return [f"{' '.join(self._facts.vtysh)} -f FILE, with:", script]

    def _save(self) -> None:
        assert self._channel is not None
        assert self._claim is not None
        argv = self._claim.working((*self._facts.vtysh, "-c", "write memory"))
        answer = self._channel.run(argv, timeout_s=LOAD_S)
        said = answer.out + answer.err
        if answer.code or "%" in said or "[OK]" not in said:
            raise Failed(self.key, f"it cannot be saved: {printable(said.strip())}")
        self._now = self._read()
        file = saved_path(self._facts.vtysh)
        if not is_saved(self._now, self._channel.run((*self._facts.root, "cat", file))):
            raise Failed(self.key, f"it says that it has saved, and {file} is not what it runs")

    def _timer(self) -> deadman.Plan:
        assert self._before is not None
        after = frr.future(self._before, self._diff)
        vtysh = self._facts.vtysh[len(self._facts.root) :]
        return deadman.of_node(self._before, after, self._adopted, vtysh)


def loaded(version: str, load: Callable[..., Answer]) -> Answer:
    """Of a load, called with the options that vtysh needs to do it in one process."""
    major = version.partition(".")[0]
    if not major.isdigit() or int(major) >= FORKING:
        answer = load(ALONE)
        if UNKNOWN_OPTION not in answer.err + answer.out:
            return answer
    return load()


def complaints(answer: Answer) -> list[str]:
    """The lines by which FRR refuses something or warns."""
    lines = f"{answer.out}\n{answer.err}".splitlines()
    return [one for one in lines if COMPLAINT.match(one) and not HARMLESS.match(one)]
