"""A change is kept only with the lead, and with every session that was there before."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import cast

import pytest

from ferrule.apply.hand import Failed, Run
from ferrule.apply.switch_hand import SwitchHand
from ferrule.apply.target import Trouble
from ferrule.compiler.backends import sonic
from ferrule.compiler.backends.base import Command
from ferrule.compiler.bgpstate import BgpState, SessionState
from ferrule.compiler.observed import Key, Observed
from ferrule.reconcile import switch_guard
from ferrule.reconcile.switch_cost import Neighbor
from ferrule.reconcile.switch_guard import Guard

FIRST, SECOND = "10.1.0.11", "10.1.0.12"
RUN = Run("a-controller", "one", "then")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switch_guard, "POLL_S", 0.01)


def sessions(*up: str) -> BgpState:
    return BgpState(
        {
            ("", who): SessionState("", who, "Established" if who in up else "Active")
            for who in (FIRST, SECOND)
        }
    )


class Device:
    """A switch whose sessions are so, look by look, and so for ever in the end."""

    key: Key = ("switch", "tor-a")

    def __init__(self, looks: Iterable[BgpState], trouble: Trouble | None = None) -> None:
        self._looks, self._trouble = list(looks), trouble
        self.sent, self.saved = 0, False

    def begin(self, _run: Run) -> None:
        if self._trouble:
            raise self._trouble

    def do(self, commands: Sequence[Command]) -> None:
        self.sent += len(commands)

    def observe(self) -> Observed:
        state = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        return Observed("tor-a", "switch", "202511", sonic.parse({}, "ferrule"), state)

    def keep(self) -> None:
        self.saved = True


def guard(
    device: Device, resets: Collection[Neighbor] = (), *, leads: bool = True, settle_s: float = 5
) -> Guard:
    hand, stop = cast("SwitchHand", device), threading.Event()
    return Guard(hand, sessions(FIRST, SECOND), lambda: resets, lambda: leads, stop, settle_s)


def test_a_session_that_comes_back_is_waited_for() -> None:
    device = Device([sessions(FIRST), sessions(), sessions(FIRST, SECOND)])
    guard(device).keep()
    assert device.saved


def test_a_session_that_does_not_is_a_failure() -> None:
    device = Device([sessions(FIRST)])
    with pytest.raises(Failed, match=SECOND):
        guard(device, settle_s=0.05).keep()
    assert not device.saved


def test_a_session_that_was_to_end_may_stay_away() -> None:
    device = Device([sessions(FIRST)])
    guard(device, {("default", SECOND)}, settle_s=0.05).keep()
    assert device.saved


def test_without_the_lead_nothing_is_begun_nor_sent() -> None:
    device = Device([sessions()])
    acts: Sequence[Callable[[Guard], object]] = (
        lambda guard: guard.begin(RUN),
        lambda guard: guard.do([Command("{}", "add")]),
    )
    for act in acts:
        with pytest.raises(Failed, match="another controller leads"):
            act(guard(device, leads=False))
    assert device.sent == 0


@pytest.mark.parametrize(("code", "others"), [("locked", True), ("sudo-refused", False)])
def test_others_at_work_are_told_from_a_device_that_refuses(code: str, *, others: bool) -> None:
    one = guard(Device([sessions()], Trouble(code, "tor-a", "no")))
    with pytest.raises(Trouble):
        one.begin(RUN)
    assert (one.taken is not None) == others
