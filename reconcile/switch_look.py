"""One look at one switch: read it, compare, do what may be done, and say how it is.

What is remembered from look to look is what was left on the switch. A row that is not so any more,
and not as it should be, somebody else has changed: drift, which is corrected like anything else, or
only told. Our own change that was cut is no drift, and an operator's open run is waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

from ferrule.apply.reach import Device
from ferrule.apply.switch import SwitchFacts
from ferrule.apply.target import Channel, Trouble
from ferrule.compiler.backends import sonic
from ferrule.compiler.backends.base import Diff
from ferrule.compiler.backends.sonic.live import Unlike
from ferrule.compiler.backends.sonic.parse import RowId
from ferrule.compiler.compare import ComparedSwitch
from ferrule.compiler.network import Address
from ferrule.compiler.observed import Observed
from ferrule.reconcile import switch_words as words
from ferrule.reconcile.switch_accepts import accepted
from ferrule.reconcile.switch_aim import Aim, Memory, Policy, digest, digest_of, merged
from ferrule.reconcile.switch_cost import Neighbor
from ferrule.reconcile.switch_judge import (
    Rows,
    Verdict,
    compared,
    judge,
    left,
    moved,
    without,
)
from ferrule.reconcile.switch_lanes import Outcome
from ferrule.reconcile.switch_routes import heard
from ferrule.reconcile.switch_run import Means, carry_out, is_ours
from ferrule.reconcile.switch_status import Said, SwitchState

Twin = Callable[[str, frozenset[Address]], str]  # the other switch with these addresses, or none
PASSING = frozenset({"Waiting", "Changing", "Verifying"})


@dataclass(frozen=True, slots=True)
class Found:
    """What a switch was found to be: `made` is the whole difference, `verdict` what may be sent.

    `drifted` are the rows that somebody else has changed; `unlike` is None where bgpd cannot be
    compared with the rows.
    """

    seen: Observed
    made: ComparedSwitch
    verdict: Verdict
    drifted: frozenset[RowId]
    unlike: Unlike | None


class Look:
    """One look, by one thread; the memory is its own for as long as that takes."""

    def __init__(
        self,
        aim: Aim,
        memory: Memory,
        policy: Policy,
        means: Means,
        twin: Twin,
        newest: Callable[[], Aim],
    ) -> None:
        self._aim, self._memory, self._policy = aim, memory, policy
        self._means, self._twin, self._newest = means, twin, newest
        self.not_before = 0.0

    def go(self) -> Outcome:
        """Look, and do what may be done; the memory then has the new state."""
        memory, device = self._memory, self._aim.device
        memory.state = replace(memory.state, document=self._aim.switch.origin.document)
        if device is None:
            memory.state = replace(memory.state, unreachable=self._aim.unreached)
            return Outcome.WELL  # until the spec says how it is reached
        try:
            return self._look(device)
        except Trouble as bad:
            away = Said(words.reason(bad.code), bad.message)
            failures, memory.settled = memory.state.failures + 1, ("", "")
            memory.state = replace(memory.state, unreachable=away, failures=failures)
            return Outcome.FAILED

    def _look(self, device: Device) -> Outcome:
        found = self._found(device)
        if found is None:
            return Outcome.WELL
        run = found.seen.open_run
        if run and not is_ours(run):
            told = (one for one in found.seen.warnings if run in one)
            return self._give_way(found, next(told, f"run {run} is open here"))
        if not found.verdict.plan.changes and not run:
            return self._settle(found)
        free = self._memory.changed_at + self._policy.change_s
        if time.monotonic() < free:
            self.not_before = free
            return self._settle(found, Said("Changing", "its last change was a moment ago"))
        return self._change(device, found)

    def fail(self, why: str) -> None:
        """It did not come to an end."""
        memory = self._memory
        memory.settled, failures = ("", ""), memory.state.failures + 1
        memory.state = replace(memory.state, unsettled=Said("Failed", why), failures=failures)

    # Looking.

    def _found(self, device: Device) -> Found | None:
        """What it is; None where nothing has changed since all was well."""
        with closing(device.connect()) as channel:
            seen = self._read(device, channel)
            if self._is_as_left(seen):
                return None
            whole = compared(self._aim.switch, self._aim.network, seen)
            drifted = self._drifted(seen, whole)
            told = drifted if self._policy.drift == "report" else frozenset[RowId]()
            assert isinstance(device.facts, SwitchFacts)
            verdict = judge(
                without(whole, self._aim.switch, told),
                self._aim.network,
                seen,
                partial(heard, channel, device.facts),
                allow=self._policy.allow,
                patient=self._is_patient(),
            )
        self._wait(verdict)
        return Found(seen, whole, verdict, drifted, _unlike(seen))

    def _read(self, device: Device, channel: Channel) -> Observed:
        seen = device.target(channel).read()
        self._memory.addresses = seen.addresses
        if twin := self._twin(self._aim.switch.name, seen.addresses):
            message = f"it is one device with switch {twin}: all its addresses are the same"
            raise Trouble("same-device", self._aim.switch.name, message)
        return seen

    def _is_as_left(self, seen: Observed) -> bool:
        memory = self._memory
        if (self._aim.digest, digest(seen.bgpd)) != memory.settled or seen.open_run:
            return False
        if left(_running(seen)) != memory.left:
            return False
        memory.state = replace(memory.state, unreachable=None, verified_s=time.time())
        return True

    def _drifted(self, seen: Observed, whole: ComparedSwitch) -> frozenset[RowId]:
        """The rows that somebody else has changed, by what we remember, or our predecessor said."""
        memory, changes = self._memory, whole.plan.diff.changes
        if is_ours(seen.open_run):
            return frozenset()
        now, known = left(_running(seen)), memory.known
        if memory.left is not None:
            return moved(memory.left, now, changes)
        if known.rows and known.intent == self._aim.digest and known.rows != digest_of(now):
            return frozenset((one.path[0], one.path[1]) for one in changes)
        return frozenset()

    def _is_patient(self) -> bool:
        memory = self._memory
        if memory.waiting_for != self._aim.digest or self._aim.partial:
            return True
        return time.monotonic() < memory.waiting_since + self._policy.patience_s

    def _wait(self, verdict: Verdict) -> None:
        """From when on nodes are waited for, for each intent anew.

        What needs leave because sessions are up costs nothing once nodes have ended them: they
        learn of a new ASN when we do, and are not held back.
        """
        memory = self._memory
        if not (verdict.cost.waits or verdict.needs):
            memory.waiting_for = ""
        elif memory.waiting_for != self._aim.digest or self._aim.partial:
            memory.waiting_for, memory.waiting_since = self._aim.digest, time.monotonic()

    # Doing.

    def _change(self, device: Device, found: Found) -> Outcome:
        memory, verdict = self._memory, found.verdict
        memory.settled = ("", "")

        def may_end() -> frozenset[Neighbor]:
            return verdict.resets | self._aim.given_up_for(self._newest())

        result, guard = carry_out(
            device, verdict.plan, self._aim.network, found.seen, may_end, self._means
        )
        if guard.taken:
            return self._give_way(found, guard.taken.message)
        if not result.done:
            memory.state = replace(memory.state, failures=memory.state.failures + 1)
            return self._settle_again(device, words.failed(result))
        memory.changed_at, memory.left = time.monotonic(), self._sent(found)
        done = words.changed(verdict.plan, found.drifted)
        memory.state = replace(memory.state, changes=memory.state.changes + 1, done=done)
        return self._settle_again(device, None)

    def _sent(self, found: Found) -> Rows:
        """What is left after a change: what others have changed, and we have not put right, is not
        what we left."""
        (plan,) = found.verdict.plan.devices
        then = sonic.future(found.made.running, Diff(commands=plan.diff.commands))
        sent = {one.path[:2] for one in plan.diff.changes}
        return merged(left(then), found.drifted - sent, self._left_before(found))

    def _left_before(self, found: Found) -> Rows:
        """What we left, or our predecessor: it was as intended."""
        return left(found.made.intended) if self._memory.left is None else self._memory.left

    def _settle_again(self, device: Device, unsettled: Said | None) -> Outcome:
        found = self._found(device)
        assert found is not None  # nothing is settled
        if unsettled is None and found.verdict.plan.changes:
            self.not_before = self._memory.changed_at + self._policy.change_s
            unsettled = Said("Changing", "there is more to do")
        return self._settle(found, unsettled)

    # Saying.

    def _give_way(self, found: Found, why: str) -> Outcome:
        """Others are at work: what they leave is looked at when they have left."""
        self._memory.settled = ("", "")
        state = replace(self._memory.state, unreachable=None, unsettled=Said("OtherRun", why))
        self._memory.state = self._verified(state, found)
        return Outcome.SOON

    def _settle(self, found: Found, unsettled: Said | None = None) -> Outcome:
        """Say how it is, and remember what was left."""
        memory, plan = self._memory, found.made.plan
        unsettled = unsettled or words.refused(plan) or words.waits(found.verdict)
        drift = words.drift_of(found.made, found.drifted)
        if found.unlike and memory.doubt != found.unlike:  # frrcfgd may be at work
            unsettled = unsettled or Said("Verifying", words.bgpd_of(found.unlike))
        elif found.unlike:
            drift = drift or Said("BgpdDiffers", words.bgpd_of(found.unlike))
        memory.doubt = found.unlike
        memory.left = merged(left(_running(found.seen)), found.drifted, self._left_before(found))
        state = replace(
            memory.state,
            unreachable=None,
            unsettled=unsettled,
            pending=words.needs_leave(found.made, found.verdict),
            drift=drift,
            notes=words.notes(plan),
            rows=digest_of(memory.left),
            intent=self._aim.digest,
        )
        well = state.in_sync and not state.notes
        memory.settled = (self._aim.digest, digest(found.seen.bgpd)) if well else ("", "")
        memory.state = self._verified(state, found)
        soon = state.pending is not None and self._is_patient()
        return Outcome.SOON if soon and unsettled is None else _outcome(unsettled)

    def _verified(self, state: SwitchState, found: Found) -> SwitchState:
        takes = accepted(self._aim.switch, _running(found.seen), found.unlike)
        return replace(state, accepted=takes, verified_s=time.time())


def _outcome(unsettled: Said | None) -> Outcome:
    if unsettled is None or unsettled.reason == "Refused":
        return Outcome.WELL
    return Outcome.SOON if unsettled.reason in PASSING else Outcome.FAILED


def _running(seen: Observed) -> sonic.Running:
    assert isinstance(seen.running, sonic.Running)
    return seen.running


def _unlike(seen: Observed) -> Unlike | None:
    """What bgpd makes of the rows; None where rows of ours are none that we would write."""
    try:
        return sonic.unlike(_running(seen), seen.bgpd)
    except ValueError:
        return None
