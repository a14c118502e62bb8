"""What a node's FRR is to announce, and what of it has been told to FRR.

A Service more is a `network` line more; another set of classes or sessions is compared as a whole.
Held back is what no switch accepts yet (`gate`) and what would be too much for one (`room`), though
never what is announced already: a prefix that moves to another pool is not withdrawn in between.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from ferrule.apply.speaker import Speaker, Synced
from ferrule.apply.target import Trouble
from ferrule.apply.vty_lines import line_of
from ferrule.compiler.backends import frr
from ferrule.compiler.network import Advertisement, Network, Node, Prefix
from ferrule.reconcile.gate import Gate, SetKey, key_of, without
from ferrule.reconcile.local import Local
from ferrule.reconcile.logs import Log
from ferrule.reconcile.room import Room

FIRST_RETRY_S, LONGEST_RETRY_S = 0.5, 30.0

Changes = Mapping[Prefix, Advertisement | None]
Speak = Callable[[str, Callable[[], object]], Speaker]


class Retry:
    """When to try again what failed."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._pause_s, self._at = clock, FIRST_RETRY_S, float("-inf")

    @property
    def due(self) -> bool:
        """Whether it is time."""
        return self._clock() >= self._at

    def failed(self) -> None:
        """Later, each time later."""
        self._at = self._clock() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_RETRY_S)

    def succeeded(self) -> None:
        """At once."""
        self._pause_s, self._at = FIRST_RETRY_S, float("-inf")


class Announcing:
    """FRR's part: what it is to announce, with what is held back and what failed.

    `speak` makes the speaker of a cluster's name, which the spec says.
    """

    def __init__(self, speak: Speak, local: Local, gate: Gate, log: Log) -> None:
        self._speak, self._local, self._gate, self._log = speak, local, gate, log
        self._cluster = ""
        self.speaker: Speaker | None = None
        self.room = Room()
        self._closed: frozenset[SetKey] = frozenset()
        self._whole = True  # all is to be compared
        self._sent: dict[Prefix, Advertisement] = {}
        self._lines: frr.Lines | None = None
        self._retry = Retry()
        self._full = False  # something waits for a switch to take more
        self._lost = threading.Event()
        self.problem = ""
        self.begun = False
        self.changes = self.mended = self.failures = 0

    def lost(self) -> None:
        """A daemon has gone; called in a thread of the speaker's."""
        self._log.warning("frrLost")
        self._lost.set()

    def again(self) -> None:
        """Compare all of it at the next turn."""
        self._whole = True

    def turn(self, changes: Changes) -> bool:
        """Bring FRR to where it should be; whether it is there."""
        node = self._local.node
        if node is None:
            return False
        if self._lost.is_set():
            self._lost.clear()
            self._retry.succeeded()
        if not self._retry.due:
            self._whole |= bool(changes)
            return False
        network = self._local.network(node)
        speaker = self._speaking(network.cluster)
        try:
            done = self._turn(speaker, network, changes)
        except Trouble as bad:
            self._failed(bad)
            return False
        self._succeeded(done)
        return True

    def _speaking(self, cluster: str) -> Speaker:
        """The speaker of this cluster; one with another name takes all over (`apply.renamed`)."""
        if self.speaker is None or cluster != self._cluster:
            if self.speaker is not None:
                self._log.warning("clusterRenamed", was=self._cluster, now=cluster)
            self.close()
            self.speaker, self._cluster = self._speak(cluster, self.lost), cluster
            self._whole, self.begun = True, False
        return self.speaker

    def close(self) -> None:
        """End the connections; FRR goes on."""
        if self.speaker is not None:
            self.speaker.close()

    def _turn(
        self,
        speaker: Speaker,
        network: Network,
        changes: Changes,
    ) -> Synced:
        (node,) = network.nodes
        if self.begun and not (changes or self._whole or self._gate.waits or self.room.waiting):
            return speaker.check()
        if not self.begun:
            self._begin(speaker, node)
        closed = self._gate.closed(node, time.monotonic())
        if closed != self._closed:
            self._closed, self._whole = closed, True
        told = {
            prefix: one
            for prefix, one in changes.items()
            if one is None or prefix in self._sent or key_of(one.route_class) not in closed
        }
        if self._whole or self._lines is None or self.room.is_free:
            return self._sync(speaker, network, closed)
        fitting = self.room.some(told, self._sent)
        pairs = {prefix: (self._sent.get(prefix), new) for prefix, new in fitting.items()}
        commands = self._lines.commands(pairs)
        if commands is None:
            return self._sync(speaker, network, closed)
        if not commands:
            return speaker.check()
        self._sent |= {prefix: new for prefix, new in fitting.items() if new is not None}
        done = speaker.change(dict(map(line_of, commands)))
        for prefix in [prefix for prefix, new in fitting.items() if new is None]:
            self._sent.pop(prefix, None)
        return done

    def _sync(self, speaker: Speaker, network: Network, closed: frozenset[SetKey]) -> Synced:
        node = without(network.nodes[0], closed, self._sent)
        node = replace(node, advertisements=self.room.whole(node, self._sent))
        network = replace(network, nodes=(node,))
        intended = frr.intend(frr.lower(node, network), network.cluster)
        self._whole = True
        sent = {one.prefix: one for one in node.advertisements}
        self._sent |= sent  # whatever comes of it: FRR may have taken a part
        done = speaker.sync(intended)
        self._whole, self.begun, self._sent = False, True, sent
        self._lines = frr.Lines(node, network)
        return done

    def _begin(self, speaker: Speaker, node: Node) -> None:
        """What FRR announces at the beginning is not held back."""
        announced = speaker.announced()
        there = (one for one in node.advertisements if str(one.prefix) in announced)
        self._sent = {one.prefix: one for one in there}

    def _failed(self, bad: Trouble) -> None:
        self._whole = True
        self.failures += 1
        self._retry.failed()
        if self.problem != bad.message:
            self.problem = bad.message
            self._log.error("frrNotChanged", code=bad.code, error=bad.message)

    def _succeeded(self, done: Synced) -> None:
        self._retry.succeeded()
        full = bool(self.room.waiting)
        if full != self._full:
            self._full = full
            self._log.warning("switchesFull" if full else "switchesTakeMore", **self.room.said)
        self.problem = ""
        self.changes += len(done.changes)
        self.mended += len(done.drift)
        if done.changes:
            self._log.info("frrChanged", changes=len(done.changes), mended=len(done.drift))
        for one in done.drift:
            shown = frr.shown(one)
            self._log.warning("driftMended", was=shown.old, now=shown.new)
        for problem in done.problems:
            self._log.warning("frrProblem", code=problem.code, error=problem.message)
