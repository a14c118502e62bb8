"""A plan carried out: round by round, the first device of each alone, then batches; or put back.

Whatever goes wrong, every device that was changed is put back in the reverse order, and what could
not be put back is said. A rollout ends in one of two states: as planned, or as before. Either is
waited for: a session that was up, and that a fault or the way back has cost, is to be up again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from ferrule.apply.hand import Failed, Hand, Run
from ferrule.apply.target import Trouble
from ferrule.compiler.checks import Check, checks, lost
from ferrule.compiler.errors import listed
from ferrule.compiler.network import Network
from ferrule.compiler.observed import Key, Observed
from ferrule.compiler.plan import Plan, Round, Step

Seen = Mapping[Key, Observed]
Look = Callable[[Iterable[Key]], Seen]
Tell = Callable[[str], None]
POLL_S, MORE, MOST_S = 0.5, 1.5, 3.0  # between looks: at first, by how much longer, at most


@dataclass(frozen=True, slots=True)
class Settings:
    """How a rollout goes: devices at a time, seconds for sessions to come up, and for a confirm.

    With `confirm_s` nothing is saved: the devices put themselves back unless they are told not to.
    """

    batch: int = 8
    settle_s: float = 150.0
    confirm_s: int = 0


@dataclass(slots=True)
class Result:
    """What came of it: as planned, or as before and why, or stuck in between on some devices.

    `table` has every session where all is as planned, else those that were up and are not again.
    """

    done: bool = False
    interrupted: bool = False
    why: str = ""
    table: tuple[Check, ...] = ()
    stuck: dict[Key, tuple[str, tuple[str, ...]]] = field(default_factory=dict)


class Interrupted(Exception):  # noqa: N818  # nothing went wrong
    """Whoever started it wants it back."""


class Rollout:
    """One plan, one run. `look` reads devices, changed or not; `before` is what was read first.

    `stop` may be set at any time: what devices are at ends first, then everything is put back.
    """

    def __init__(
        self,
        plan: Plan,
        network: Network,
        hands: Mapping[Key, Hand],
        before: Seen,
        look: Look,
        tell: Tell,
        settings: Settings,
        stop: threading.Event,
    ) -> None:
        self._plan, self._network, self._hands = plan, network, hands
        self._before, self._look, self._tell, self._settings = before, look, tell, settings
        self._stop = stop
        self._changed: list[list[Key]] = []  # as they were first changed, those at once together

    def run(self, run: Run) -> Result:
        """Do all of it, or put all of it back."""
        result = Result()
        try:
            self._begin(run)
            for number, one in enumerate(self._plan.rounds, start=1):
                self._tell(f"round {number} of {len(self._plan.rounds)}, {one.phase}: {one.why}")
                self._round(one)
            result.table = self._settled(self._hands)
            self._go_on()
            if not self._settings.confirm_s:
                self._together(self._hands, lambda hand: hand.keep())
            result.done = True
        except (Trouble, Failed) as bad:
            result.why = said(bad)
        except Interrupted:
            result.why, result.interrupted = "interrupted", True
        finally:
            if not result.done:
                self._put_back(result)
            for hand in self._hands.values():
                with suppress(Trouble):
                    hand.close()
        return result

    def _begin(self, run: Run) -> None:
        """Lock every device before any is changed."""
        self._tell(f"run {run.name}: locking {len(self._hands)} devices")
        self._together(self._hands, lambda hand: hand.begin(run))
        if self._settings.confirm_s:
            self._together(self._hands, lambda hand: hand.arm(self._settings.confirm_s))

    def _round(self, one: Round) -> None:
        """The canary, and what it does to the network; then the others, batch by batch."""
        first, *rest = one.steps
        self._steps((first,))
        if rest:
            self._settled([(first.kind, first.device)], new=False)
        for start in range(0, len(rest), self._settings.batch):
            self._steps(rest[start : start + self._settings.batch])

    def _steps(self, steps: Sequence[Step]) -> None:
        self._go_on()
        keys: dict[Key, Step] = {(one.kind, one.device): one for one in steps}
        known = {key for group in self._changed for key in group}
        self._changed.append([key for key in keys if key not in known])
        self._together(keys, lambda hand: hand.do(keys[hand.key].commands))
        for key, step in keys.items():
            self._tell(f"  {' '.join(key)}: {len(step.commands)} sent and verified")

    def _go_on(self) -> None:
        if self._stop.is_set():
            raise Interrupted

    def _together(self, keys: Iterable[Key], act: Callable[[Hand], None]) -> None:
        """On several devices at once; all of them end before the first problem is raised."""
        with ThreadPoolExecutor(max_workers=max(1, self._settings.batch)) as pool:
            outcomes = [pool.submit(act, self._hands[key]) for key in keys]
        for one in outcomes:
            one.result()

    # The network.

    def _settled(self, keys: Iterable[Key], *, new: bool = True) -> tuple[Check, ...]:
        """Wait until the sessions of these devices are as they should be."""
        seen, faults = dict(self._look(self._around(set(keys)))), list[Check]()
        for pause in self._pauses():
            found = self._checked(seen, new=new)
            faults = [one for one in found if one.fault and one.must]
            if not faults:
                return found
            if not pause or any(one.hopeless for one in faults):
                break
            self._stop.wait(pause)
            self._go_on()
            seen |= self._look(self._around({("node", one.node) for one in faults}))
        names = listed(f"{one.node} - {one.far} {one.fault}" for one in faults)
        raise Failed(("node", faults[0].node), f"sessions are not as they should be: {names}")

    def _checked(self, seen: Seen, *, new: bool) -> tuple[Check, ...]:
        return tuple(checks(self._network, self._before, seen, self._plan.resets, new=new))

    def _pauses(self) -> Iterator[float]:
        """How long to wait before each look, ever longer: one costs a device a second; then 0."""
        deadline, pause = time.monotonic() + self._settings.settle_s, POLL_S
        while time.monotonic() < deadline:
            yield pause
            pause = min(pause * MORE, MOST_S)
        yield 0

    def _around(self, keys: set[Key]) -> set[Key]:
        """These devices, and those at the other end of their sessions."""
        around = set(keys)
        for session in self._network.sessions:
            node: Key = ("node", session.node)
            switch: Key | None = (
                ("switch", session.switch_end.switch) if session.switch_end else None
            )
            if node in keys or switch in keys:
                around |= {node, switch} if switch else {node}
        return around

    # Back.

    def _put_back(self, result: Result) -> None:
        """Every device that was changed, the last ones first; then those that were only locked."""
        self._tell(f"failed: {result.why}")
        changed = {key for group in self._changed for key in group}
        for group in (*reversed(self._changed), [*(self._hands.keys() - changed)]):
            self._together(group, lambda hand: self._undo(hand, result))
        for key in changed - result.stuck.keys():
            self._tell(f"  {' '.join(key)}: as it was")
        if changed:
            result.table = self._up_again(changed, result.stuck.keys())
            for one in result.table:
                self._tell(f"  {one.node} - {one.far} was up before, and is {one.after}")

    def _up_again(self, changed: set[Key], stuck: Collection[Key]) -> tuple[Check, ...]:
        """Wait for the sessions that were up; those that do not come up again."""
        told = {("node", node) for node, _ in self._plan.resets}
        around = (self._around(changed) | told).difference(stuck)
        nodes = sorted(name for kind, name in around if kind == "node")
        found: tuple[Check, ...] = ()
        for pause in self._pauses():
            found = tuple(lost(self._network, self._before, self._seen(nodes), nodes))
            if not found:
                break
            time.sleep(pause)
        return found

    def _seen(self, nodes: Iterable[str]) -> Seen:
        """What these nodes run now, as far as they answer."""

        def seen(node: str) -> Seen:
            with suppress(Trouble):
                return self._look([("node", node)])
            return {}

        with ThreadPoolExecutor(max_workers=max(1, self._settings.batch)) as pool:
            return {key: one for each in pool.map(seen, nodes) for key, one in each.items()}

    def _undo(self, hand: Hand, result: Result) -> None:
        try:
            hand.undo()
        except (Trouble, Failed) as bad:
            by_hand = bad.by_hand if isinstance(bad, Failed) else ()
            result.stuck[hand.key] = (said(bad), by_hand)


def said(bad: Trouble | Failed) -> str:
    """One line: the device and what is wrong with it."""
    if isinstance(bad, Failed):
        return f"{' '.join(bad.key)}: {bad.message}"
    return f"{bad.device}: {bad.message}"
