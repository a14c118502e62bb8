"""A switch during a change that nobody watches: never without the lead, never a session too few.

A rollout looks at sessions from their nodes. The controller has none of these, so the switch is
asked: a session that was up and is not named in the plan must be up before anything is saved, or
all is put back. One that was lost and came back is no reason for that: going back mends nothing.
Nor is one that nodes end meanwhile because something newer is intended.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence

from ferrule.apply.hand import Failed, Hand, Run
from ferrule.apply.switch_hand import SwitchHand
from ferrule.apply.target import Trouble
from ferrule.compiler.backends.base import Command
from ferrule.compiler.bgpstate import BgpState
from ferrule.compiler.errors import listed
from ferrule.compiler.network import DEFAULT_VRF
from ferrule.compiler.observed import Key
from ferrule.reconcile.switch_cost import Neighbor

POLL_S = 1.0
# Troubles that are somebody else's work.
OTHERS = frozenset({"busy", "locked", "unconfirmed", "moved"})


class Guard(Hand):
    """A hand that is asked to do nothing once `leading` is over, and looks before it keeps."""

    def __init__(
        self,
        hand: SwitchHand,
        before: BgpState,
        may_end: Callable[[], Collection[Neighbor]],
        leading: Callable[[], bool],
        stop: threading.Event,
        settle_s: float,
    ) -> None:
        self._hand, self._before, self._may_end = hand, before, may_end
        self._leading, self._stop, self._settle_s = leading, stop, settle_s
        self.taken: Trouble | None = None  # why it could not be begun, where others are at work

    @property
    def key(self) -> Key:
        """As every hand."""
        return self._hand.key

    def begin(self, run: Run) -> None:
        """As every hand."""
        self._lead()
        try:
            self._hand.begin(run)
        except Trouble as bad:
            self.taken = bad if bad.code in OTHERS else None
            raise

    def do(self, commands: Sequence[Command]) -> None:
        """As every hand."""
        self._lead()
        self._hand.do(commands)

    def undo(self) -> None:
        """As every hand: what was begun is put back by whoever began it."""
        self._hand.undo()

    def keep(self) -> None:
        """As every hand, once every session is up that was."""
        deadline = time.monotonic() + self._settle_s
        while lost := self._lost():
            if time.monotonic() > deadline or self._stop.is_set():
                raise Failed(self.key, f"it has lost the session with {listed(lost, 3)}")
            self._stop.wait(POLL_S)
        self._hand.keep()

    def arm(self, seconds: int) -> None:
        """As every hand."""
        self._hand.arm(seconds)

    def disarm(self) -> None:
        """As every hand."""
        self._hand.disarm()

    def close(self) -> None:
        """As every hand."""
        self._hand.close()

    def _lead(self) -> None:
        if not self._leading():
            raise Failed(self.key, "another controller leads by now")

    def _lost(self) -> list[str]:
        """The neighbors whose session was up, is not, and was not to end."""
        now = self._hand.observe().state or BgpState()
        lost = {
            (vrf or DEFAULT_VRF, neighbor)
            for (vrf, neighbor), was in self._before.sessions.items()
            if was.established
            if not ((there := now.session(vrf, neighbor)) and there.established)
        }
        return sorted(neighbor for _, neighbor in lost - {*self._may_end()}) if lost else []
