"""Every Switch as it is intended, all the time: what plan and apply do, without anybody asking.

A thread of the controller that leads. It is told what is intended, and looks at each switch when
that has changed, and now and then anyway; switches are looked at side by side, and none waits for
another. What adds is sent at once, for switches accept before nodes announce; what goes, once no
node sends it any more or has had its time. What costs more than is allowed is said and waits.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from ferrule.apply.journal import Journal
from ferrule.apply.reach import Device, reach
from ferrule.apply.vtysh import is_public
from ferrule.compiler.errors import Diagnostic
from ferrule.compiler.network import Address
from ferrule.compiler.observed import Key
from ferrule.compiler.pipeline import Compilation
from ferrule.reconcile.logs import Log
from ferrule.reconcile.switch_aim import Aim, Memory, Policy
from ferrule.reconcile.switch_lanes import Lanes, Outcome, Pace
from ferrule.reconcile.switch_look import Look
from ferrule.reconcile.switch_run import Means
from ferrule.reconcile.switch_status import Json, Said, SwitchState, read
from ferrule.reconcile.switch_words import reason

TICK_S = 1.0  # at most so long until a lead that has ended is noticed

Published = Callable[[str, SwitchState | None], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """How switches are kept: by which policy, at which pace, how many at a time."""

    policy: Policy = field(default_factory=Policy)
    pace: Pace = field(default_factory=Pace)
    parallel: int = 32
    quiet_s: float = 0.5  # after what is intended has changed: more may come
    report_s: float = 600.0  # after which a state is published again, if only for its time
    settle_s: float = 150.0


@dataclass(frozen=True, slots=True)
class _Wish:
    """What was last asked for, and when."""

    compilation: Compilation
    said: Mapping[str, Json]
    since: float


class Switches(threading.Thread):
    """The keeper. `published` is told of each new state, and None of a switch that is none of ours
    any more, by whichever thread; `leading` is asked before anything is sent.
    """

    def __init__(
        self,
        identity: str,
        leading: Callable[[], bool],
        published: Published,
        log: Log,
        settings: Settings | None = None,
        journal: Callable[[str], Journal] = lambda run: Journal(run, None),
    ) -> None:
        super().__init__(name="switches", daemon=True)
        self._settings = settings or Settings()
        self._leading, self._published, self._log = leading, published, log
        self._stopping = threading.Event()
        self._means = Means(
            identity, leading, self._stopping, self._tell, self._settings.settle_s, journal
        )
        self._lanes = Lanes(self._settings.pace)
        self._aims: dict[str, Aim] = {}
        self._memories: dict[str, Memory] = {}
        self._told: dict[str, tuple[SwitchState, float]] = {}
        self._wish: _Wish | None = None
        self._changed = threading.Condition()
        self._workers: set[threading.Thread] = set()

    # From outside.

    def intend(self, compilation: Compilation, said: Mapping[str, Json] | None = None) -> None:
        """This is in force from now on; its limits are taken as they are.

        `said` are the statuses that ConfigMaps hold of switches from a directory, by name: with
        those of custom resources they say what a predecessor has left.
        """
        with self._changed:
            self._wish = _Wish(compilation, said or {}, time.monotonic())
            self._changed.notify()

    def stop(self, within_s: float = 60.0) -> None:
        """Begin nothing new; what is being changed is finished or put back, if there is time."""
        self._stopping.set()
        with self._changed:
            self._changed.notify()
        deadline = time.monotonic() + within_s
        for one in [self, *self._workers]:
            if one.is_alive():
                one.join(max(0.0, deadline - time.monotonic()))

    @property
    def states(self) -> Mapping[str, SwitchState]:
        """What is known of each by now."""
        with self._changed:
            return {name: one.state for name, one in self._memories.items()}

    # The thread.

    def run(self) -> None:
        """Until it is stopped, or does not lead any more."""
        while not self._stopping.is_set() and self._leading():
            self._take_in()
            with self._changed:
                name = self._next()
                if name is None:
                    self._changed.wait(self._wait_s())
                    continue
            self._start(name)

    def _next(self) -> str | None:
        if self._lanes.busy >= self._settings.parallel:
            return None
        return self._lanes.take(time.monotonic())

    def _wait_s(self) -> float:
        due = self._lanes.wait_s(time.monotonic())
        if self._wish is not None:
            quiet = self._wish.since + self._settings.quiet_s - time.monotonic()
            due = min(TICK_S if due is None else due, max(0.0, quiet))
        full = self._lanes.busy >= self._settings.parallel
        return TICK_S if due is None or full else min(due, TICK_S)

    # What is intended.

    def _take_in(self) -> None:
        """What was last asked for, once nothing newer has been asked for a moment."""
        with self._changed:
            wish = self._wish
            if wish is None or time.monotonic() < wish.since + self._settings.quiet_s:
                return
            self._wish = None
        aims = {one.switch.name: one for one in _aims(wish.compilation)}
        now = time.monotonic()
        with self._changed:
            gone = self._memories.keys() - aims.keys()
            for name in gone:
                del self._memories[name]
                self._told.pop(name, None)
            self._lanes.keep(aims.keys(), now)
            for name, aim in aims.items():
                if self._is_news(aim, wish):
                    self._lanes.poke(name, now)
            self._aims = aims
        for name in gone:
            self._published(name, None)

    def _is_news(self, aim: Aim, wish: _Wish) -> bool:
        """Whether it is to be something else than before, or reached in another way."""
        name, old = aim.switch.name, self._aims.get(aim.switch.name)
        document = aim.switch.origin.document
        memory = self._memories.get(name)
        if memory is None:
            status = document.data.get("status") if document.source is None else wish.said.get(name)
            known = read(status if isinstance(status, Mapping) else {})
            state = SwitchState(
                name, document, accepted=known.accepted, rows=known.rows, intent=known.intent
            )
            self._memories[name] = Memory(state, known)
            return True
        mine = aim.switch, aim.device, aim.unreached
        return old is None or mine != (old.switch, old.device, old.unreached)

    # Looking.

    def _start(self, name: str) -> None:
        aim = self._aims[name]
        look = Look(
            aim,
            self._memories[name],
            self._settings.policy,
            self._means,
            self._twin,
            lambda: self._aims.get(name, aim),
        )
        worker = threading.Thread(
            target=self._look, args=(name, look), name=f"switch-{name}", daemon=True
        )
        self._workers.add(worker)
        worker.start()

    def _look(self, name: str, look: Look) -> None:
        outcome = Outcome.FAILED
        try:
            outcome = look.go()
        except Exception as bad:  # a defect of ours: it is said, and the other switches go on
            self._log.error("switchDefect", switch=name, error=traceback.format_exc())
            look.fail(f"a defect: {bad!r}")
        finally:
            with self._changed:
                self._lanes.done(name, time.monotonic(), outcome, look.not_before)
                self._workers.discard(threading.current_thread())
                self._changed.notify()
        self._publish(name)

    def _twin(self, name: str, addresses: frozenset[Address]) -> str:
        """Another switch that is the same device: two names would undo each other's rows."""
        own = frozenset(filter(is_public, addresses))
        for other, memory in [*self._memories.items()]:
            if other != name and own and own == frozenset(filter(is_public, memory.addresses)):
                return other
        return ""

    def _publish(self, name: str) -> None:
        """Tell of a state that is another one, or was told long ago."""
        memory = self._memories.get(name)
        if memory is None:
            return
        state, now = memory.state, time.monotonic()
        old, at = self._told.get(name, (None, 0.0))
        if state != old or now - at >= self._settings.report_s:
            self._told[name] = state, now
            self._log.info("switch", switch=name, **_logged(state))
            self._published(name, state)

    def _tell(self, line: str) -> None:
        self._log.debug("switchRun", msg=line.strip())


def _logged(state: SwitchState) -> dict[str, object]:
    problem = state.unreachable or state.unsettled or state.pending or state.drift
    why = {"reason": problem.reason, "msg": problem.text} if problem else {}
    return {"inSync": state.in_sync, "changes": state.changes, **why}


def _aims(compilation: Compilation) -> Iterator[Aim]:
    """Every switch of a network, and the way to it."""
    network = compilation.network
    ways = reach(compilation)
    found = compilation.diagnostics
    partial = any(one.severity == "error" and one.node is not None for one in found)
    devices: dict[Key, Device] = {one.key: one for one in ways.devices}
    for switch in network.switches:
        key: Key = ("switch", switch.name)
        why = ways.unreached.get(key)
        yield Aim(switch, network, devices.get(key), _said(why) if why else None, partial)


def _said(why: Diagnostic) -> Said:
    return Said(reason(why.code), why.message)
