"""FRR beside the agent: one node's FRR is kept equal to what is intended, whatever happens to it.

The first action is always a comparison, never a load. A change of `network` lines alone goes to
bgpd by its socket (`vty`) and is seen there prefix by prefix; everything else goes the way of
`ferrule apply`, by `vtysh -f`, and counts as done when the node, read anew, lacks nothing. When it
is quiet the whole is compared: by text first, which costs nothing but the printing, and by meaning
where a text is another one. What is ours and was changed by hand is mended, what is others' stays.

Who persists. Nothing of this is saved: after a restart bgpd is compared and loaded again at once,
in either order of start. So the FRR of a container needs no file of its own. The FRR of a host
starts with its frr.conf, which with `save` is kept in step (`write memory`, after the comparison
that follows a change); without it, what was saved last is announced until the agent has compared.
`write memory` also keeps what others have not saved.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ferrule.apply.journal import Journal
from ferrule.apply.local import Local
from ferrule.apply.node_hand import FILE, LOAD_S, MOST_SHOWN, complaints, loaded
from ferrule.apply.release import need_release
from ferrule.apply.renamed import removed, taken_over, under
from ferrule.apply.target import Answer, Trouble
from ferrule.apply.unsaved import is_saved, saved_path
from ferrule.apply.vty import SOCKETS, Said
from ferrule.apply.vty_daemons import Daemons, Told
from ferrule.apply.vty_lines import (
    Lines,
    are_lines,
    fits,
    is_one_line,
    line_of,
    lines_of,
    only,
    question,
    script,
    tag_of,
    with_lines,
)
from ferrule.apply.vty_script import in_memory, reading
from ferrule.apply.vty_state import Session, sessions
from ferrule.apply.vty_turn import Turns
from ferrule.apply.vtysh import CONFIG, asking, read_shown
from ferrule.compiler.backends import frr
from ferrule.compiler.backends.base import Change, Command, Diff
from ferrule.compiler.backends.frrtext import write
from ferrule.compiler.errors import Diagnostic, printable, quoted

PERIOD_S = 30.0  # between two comparisons of the whole
QUIET_S = 5.0  # since the last change, before one; but it never waits for more than two periods
SOON_S = 3.0  # after a restart: who restarts FRR may load what was saved, after us
MOST_LEFT_OVER = 5  # attempts to remove all of another name, before the rest goes on
MOST_FEW = 1000  # lines that are seen one by one; after more, the whole is read


@dataclass(frozen=True, slots=True)
class Place:
    """Where FRR is: its sockets, the vtysh of the same release, and whether to save."""

    sockets: Path = SOCKETS
    vtysh: tuple[str, ...] = ("vtysh",)
    save: bool = False


@dataclass(frozen=True, slots=True)
class Synced:
    """What was done: the changes, and those of them that mended what somebody had changed.

    `problems` are lines of others where ours should be: those of ours are left out, and all the
    rest is as intended.
    """

    changes: tuple[Change, ...] = ()
    drift: tuple[Change, ...] = ()
    problems: tuple[Diagnostic, ...] = ()


class Speaker:
    """One node's FRR; every method raises `Trouble` where it cannot do all of its work.

    After a `Trouble` the next call reads everything anew, so calling again is all there is to do.
    `on_loss` is called, in a thread, when a daemon has gone: then it is time to `check`.
    """

    def __init__(
        self,
        turns: Turns,
        place: Place | None = None,
        *,
        on_loss: Told | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._turns, self._place, self._clock = turns, place or Place(), clock
        self._daemons = Daemons(turns.node, self._place.sockets, on_loss)
        self._local = Local(turns.node)
        self._lock = threading.RLock()
        self._intended: frr.Running | None = None
        self._known: frr.Running | None = None  # as read, and what was changed since
        self._texts: Mapping[str, str] = {}  # that `_known` was read from
        self._read_at = self._changed_at = clock()
        self._unsaved = False
        self._left_over = 0

    # What it does.

    def read(self) -> frr.Running:
        """What the node runs."""
        with self._lock:
            self._connect()
            return self._read()

    def sync(self, intended: frr.Running) -> Synced:
        """Make what is ours what is intended."""
        with self._lock, self._turns.turn():
            self._intended = intended
            self._connect()
            if self._known is None:
                return self._whole()
            return self._go(frr.diff(self._known, intended))

    def announced(self) -> set[str]:
        """The prefixes that our neighbors hear, also under names that the cluster had before."""
        with self._lock:
            self._connect()
            known = [self._read()]
            known += [self._under(name, known[0]) for name in self._turns.before]
            return {
                str(prefix) for one in known for heard in frr.told(one).values() for prefix in heard
            }

    def change(self, lines: Lines) -> Synced:
        """Only `network` lines of what is intended are others now; None for one that goes."""
        fit = {line: value for line, value in lines.items() if is_one_line(line, value)}
        done = self._change(fit)
        self._must([f"{quoted(line[2])}: no prefix" for line in lines.keys() - fit.keys()])
        return done

    def _change(self, lines: Lines) -> Synced:
        with self._lock, self._turns.turn():
            assert self._intended is not None  # sync comes first
            self._intended = with_lines(self._intended, lines)
            self._connect()
            if self._known is None:
                return self._whole()
            return self._go(frr.diff(only(self._known, lines), only(self._intended, lines)))

    def check(self) -> Synced:
        """Compare the whole where it is time to; cheap where nothing has changed."""
        with self._lock:
            self._connect()
            if self._intended is None or (self._known is not None and not self._is_due()):
                return Synced()
            with self._turns.turn():
                return self._checked()

    def withdraw(self) -> Synced:
        """Take back our `network` lines, and nothing else."""
        with self._lock, self._turns.turn():
            self._connect()
            now = self._read()
            want = with_lines(now, dict.fromkeys(lines_of(now)))
            self._intended, self._known = want, now
            return self._whole()

    def sessions(self) -> tuple[Session, ...]:
        """How all neighbors do, those of others too."""
        with self._lock:
            self._connect()
            return sessions(self._turns.node, self._daemons.bgpd, self._daemons.bfdd)

    def close(self) -> None:
        """End the connections; FRR goes on as it is."""
        with self._lock:
            self._daemons.close()

    # A few lines.

    def _go(self, diff: Diff) -> Synced:
        if len(diff.commands) > MOST_FEW or not are_lines(diff.commands):
            return self._whole()
        self._need_our_asn(diff)
        known, self._known = self._known, None  # whatever fails from here on
        assert known is not None
        if diff.commands:
            lines = dict(map(line_of, diff.commands))
            refused = self._send(diff.commands)
            self._must([*refused, *self._unlike(lines, known)])
            known = with_lines(known, lines)
            self._changed_at = self._clock()
            self._texts = {}  # else whoever takes it back makes them what they were
        self._known = known
        return Synced(diff.changes, problems=diff.problems)

    def _send(self, commands: Sequence[Command]) -> list[str]:
        """Send `network` lines to bgpd; what it refuses."""
        self._unsaved = True
        said = self._daemons.bgpd.send([*script(commands)])
        return [self._quoted(one) for one in said if one.refused]

    def _unlike(self, lines: Lines, known: frr.Running) -> list[str]:
        """The lines of which bgpd does not have what it should have."""
        asked = [question(*line) for line in lines]
        answers = self._daemons.bgpd.send(asked)
        return [
            f"{quoted(f'network {line[2]}')} is not as it should be afterwards"
            for (line, value), said in zip(lines.items(), answers, strict=True)
            if not fits(said, None if value is None else tag_of(known, value))
        ]

    # The whole.

    def _connect(self) -> None:
        if self._daemons.connect():
            self._known = None
            self._read_at = self._clock() - PERIOD_S + SOON_S

    def _is_due(self) -> bool:
        quiet = min(self._changed_at + QUIET_S, self._read_at + 2 * PERIOD_S)
        return self._clock() >= max(self._read_at + PERIOD_S, quiet)

    def _checked(self) -> Synced:
        if self._known is not None and self._daemons.texts() == self._texts:
            self._read_at = self._clock()
            return Synced()
        return self._whole()

    def _whole(self) -> Synced:
        assert self._intended is not None
        before, self._known = self._known, None  # whatever fails from here on
        self._turns.begin()
        for name in self._turns.before:
            self._rename(name, self._intended)
        now = self._read()
        drift = frr.diff(now, before).changes if before else ()
        diff = frr.diff(now, self._intended)
        self._need_our_asn(diff)
        if diff.commands:
            complained = self._load(now, diff.commands)
            now = self._read()
            self._must([*complained, *self._left(now, self._intended)])
        self._turns.close()
        self._turns.speak()
        self._save(now)
        self._known = now
        if before is not None:  # else it is soon time again
            self._read_at = self._clock()
        return Synced(diff.changes, drift, diff.problems)

    def _read(self) -> frr.Running:
        """The texts of the daemons first: what changes in between makes them other ones later."""
        node = self._turns.node
        self._texts = self._daemons.texts()
        argv = asking(self._place.vtysh, CONFIG)
        shown = read_shown(node, argv, self._local.run(argv), CONFIG).config
        bgpd = self._texts["bgpd"]
        need_release(node, bgpd, shown)
        open_run = self._turns.record() is not None
        cluster = self._turns.cluster
        try:
            return frr.parse(shown, cluster, self._intended, open_run=open_run, bgpd=bgpd)
        except ValueError as bad:
            message = f"its running-config cannot be read: {printable(str(bad))}"
            raise Trouble("command-failed", node, message) from None

    def _rename(self, name: str, intended: frr.Running) -> None:
        """What we said under another name becomes what we say, and nothing of it stays."""
        turns = replace(self._turns, cluster=name)
        turns.unarmed()
        now = self._read()
        self._all_of(now, taken_over(now, self._under(name, now), intended))
        now = self._read()
        old = removed(self._under(name, now)).commands
        failed = self._load(now, old) if old else []
        if left := removed(self._under(name, self._read())).commands:
            failed.append(f"{quoted(self._masked(left[0].text))} is still to be sent")
        if failed:
            # A prefix-list that was a second old stayed in zebra, or zebra refused to take it away
            # (10.3, on a busy machine).
            self._left_over += 1
            if self._left_over <= MOST_LEFT_OVER:  # else it is of no use, and in nobody's way
                self._must(failed)
        self._left_over = 0
        turns.close()

    def _under(self, name: str, now: frr.Running) -> frr.Running:
        """What is there of the cluster by another name."""
        cut = replace(self._turns, cluster=name).record() is not None
        return under(name, now, self._texts["bgpd"], self._intended, open_run=cut)

    def _all_of(self, now: frr.Running, diff: Diff) -> None:
        if diff.commands:
            self._must(self._load(now, diff.commands))

    def _load(self, now: frr.Running, commands: tuple[Command, ...]) -> list[str]:
        """Send all commands; what was refused."""
        if are_lines(commands):
            return self._send(commands)
        self._turns.open(write(now.config))
        self._unsaved = True
        with in_memory(frr.script(commands)) as path:

            def load(*options: str) -> Answer:
                argv = self._turns.working((*self._place.vtysh, *options, "-f", FILE))
                return self._local.run(reading(path, argv), timeout_s=LOAD_S)

            answer = loaded(now.config.version, load)
        said = [quoted(self._masked(one.strip())) for one in complaints(answer)]
        return said or ([f"vtysh ended with code {answer.code}"] if answer.code else [])

    def _left(self, now: frr.Running, intended: frr.Running) -> Iterator[str]:
        left = frr.diff(now, intended)
        if left.commands:
            line = quoted(self._masked(left.commands[0].text))
            yield f"{len(left.commands)} lines are still to be sent, the first: {line}"

    def _need_our_asn(self, diff: Diff) -> None:
        """Nothing is sent where a `router bgp` cannot be what it must be."""
        for one in diff.problems:
            if one.code == "other-asn":
                raise Trouble(one.code, self._turns.node, one.message, one.help)

    def _must(self, failed: Sequence[str]) -> None:
        if failed:
            more = f" and {len(failed) - MOST_SHOWN} more" if failed[MOST_SHOWN:] else ""
            message = f"FRR has not done all it was told: {'; '.join(failed[:MOST_SHOWN])}{more}"
            raise Trouble("command-failed", self._turns.node, message)

    def _save(self, now: frr.Running) -> None:
        if not (self._place.save and self._unsaved):
            return
        argv = self._turns.working((*self._place.vtysh, "-c", "write memory"))
        answer = self._local.run(argv, timeout_s=LOAD_S)
        said = answer.out + answer.err
        if answer.code or "%" in said or "[OK]" not in said:
            message = f"it cannot be saved: {printable(said.strip())}"
            raise Trouble("command-failed", self._turns.node, message)
        file = saved_path(self._place.vtysh)
        if not is_saved(now, self._local.run(("cat", file))):
            message = f"it says that it has saved, and {file} is not what it runs"
            raise Trouble("command-failed", self._turns.node, message)
        self._unsaved = False

    # What may be shown.

    def _quoted(self, said: Said) -> str:
        text = self._masked(said.text.strip() or f"code {said.code}")
        return f"{quoted(self._masked(said.command.strip()))}: {printable(text)}"

    def _masked(self, text: str) -> str:
        return Journal("", None, _passwords(self._intended)).masked(text)


def _passwords(running: frr.Running | None) -> set[str]:
    return {
        one.settings["password"]
        for instance in (running.instances.values() if running else ())
        for one in instance.neighbors.values()
        if "password" in one.settings
    }
