"""When a run is put back, and that its sessions are waited for: by devices that only pretend."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import pytest
from plan.worlds import found
from short import compiled

from ferrule.apply import rollout
from ferrule.apply.hand import Failed, Run
from ferrule.apply.rollout import Result, Rollout, Settings
from ferrule.apply.target import Trouble
from ferrule.compiler.backends.base import Command
from ferrule.compiler.bgpstate import BgpState, SessionState
from ferrule.compiler.observed import Key, Observed
from ferrule.compiler.planning import make_plan

FAR = "198.51.100.1"
NETWORK = compiled(
    f"""
Switch tor-a: {{addresses: [{FAR}/24]}}
BGPPeer tor: {{peerAddress: {FAR}}}
IPAddressPool public: {{}}
BGPAdvertisement all: {{}}
Node node-1: {{ips: [198.51.100.11]}}
Node node-2: {{ips: [198.51.100.12]}}
Service shop/web: {{ip: 192.0.2.1}}
"""
)
FOUND = {k: one for k, one in found(NETWORK.network, {}).items() if isinstance(one, Observed)}
PLAN = make_plan(NETWORK, FOUND)
Words = Mapping[str, str]  # by node, how its session does; nothing of one that does not answer


class Hand:
    """A device that does as it is told, or refuses everything."""

    def __init__(self, key: Key, *, refuses: bool = False, stuck: bool = False) -> None:
        self.key, self._refuses, self._stuck = key, refuses, stuck

    def begin(self, run: Run) -> None: ...

    def do(self, commands: Sequence[Command]) -> None:
        assert commands
        if self._refuses:
            raise Failed(self.key, "it refuses")

    def undo(self) -> None:
        if self._stuck:
            raise Failed(self.key, "it is stuck")

    def keep(self) -> None: ...

    def arm(self, seconds: int) -> None: ...

    def disarm(self) -> None: ...

    def close(self) -> None: ...


def observed(words: Words) -> dict[Key, Observed]:
    return {
        key: replace(one, state=BgpState({("", FAR): SessionState("", FAR, words[key[1]])}))
        for key, one in FOUND.items()
        if key[1] in words
    }


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollout, "POLL_S", 0.01)


def failed(before: Words, *later: Words, stuck: bool = False, settle_s: float = 0.2) -> Result:
    """What comes of a run that node-1 refuses; the last of `later` is what stays."""
    seen: Iterator[Words] = iter(later[:-1])
    now = {"node-1": next(seen, later[-1]), "node-2": later[-1]}

    def look(keys: Iterable[Key]) -> Mapping[Key, Observed]:
        (key,) = keys
        words = now[key[1]]
        if key[1] == "node-1":
            now["node-1"] = next(seen, later[-1])
        if key[1] not in words:
            raise Trouble("unreachable", key[1], "it does not answer")
        return {key: observed(words)[key]}

    hands = {
        key: Hand(key, refuses=key[1] == "node-1", stuck=stuck and key[1] == "node-1")
        for key in FOUND
    }
    return Rollout(
        PLAN,
        NETWORK.network,
        hands,
        observed(before),
        look,
        lambda _line: None,
        Settings(settle_s=settle_s),
        threading.Event(),
    ).run(Run("run", "somebody", "now"))


UP, DOWN = "Established", "Active"


def lost(result: Result) -> dict[str, str]:
    assert not result.done
    assert all(one.must and one.fault for one in result.table)
    return {f"{one.node} - {one.far}": one.after for one in result.table}


def test_what_comes_up_again_is_waited_for() -> None:
    result = failed(
        {"node-1": UP, "node-2": UP},
        {"node-1": DOWN},
        {"node-1": "OpenConfirm"},
        {"node-1": UP, "node-2": UP},
        settle_s=20,
    )
    assert lost(result) == {}


def test_what_stays_away_is_named() -> None:
    result = failed({"node-1": UP, "node-2": UP}, {"node-1": DOWN, "node-2": UP})
    assert lost(result) == {"node-1 - tor-a": DOWN}


def test_what_was_down_before_may_be_so_again() -> None:
    assert lost(failed({"node-1": DOWN, "node-2": UP}, {"node-1": DOWN, "node-2": UP})) == {}


def test_of_what_does_not_answer_nothing_is_known() -> None:
    result = failed({"node-1": UP, "node-2": UP}, {"node-2": UP})
    assert lost(result) == {"node-1 - tor-a": "unknown"}


def test_what_could_not_be_put_back_is_not_waited_for() -> None:
    result = failed({"node-1": UP, "node-2": UP}, {"node-2": UP}, stuck=True)
    assert result.stuck.keys() == {("node", "node-1")}
    assert lost(result) == {}


class Last(Hand):
    """While it does as it is told, somebody presses Ctrl-C."""

    def __init__(self, key: Key, stop: threading.Event) -> None:
        super().__init__(key)
        self._stop, self.kept = stop, False

    def do(self, commands: Sequence[Command]) -> None:
        super().do(commands)
        self._stop.set()

    def keep(self) -> None:
        self.kept = True


def test_whoever_is_stopped_at_the_last_step_keeps_nothing() -> None:
    stop = threading.Event()
    last = Last(("node", "node-2"), stop)
    hands = {**{key: Hand(key) for key in FOUND}, last.key: last}
    there = observed({"node-1": UP, "node-2": UP})

    def look(keys: Iterable[Key]) -> Mapping[Key, Observed]:
        return {key: there[key] for key in keys if key in there}

    done = Rollout(
        PLAN, NETWORK.network, hands, there, look, lambda _line: None, Settings(), stop
    ).run(Run("run", "somebody", "now"))
    assert done.interrupted
    assert not done.done
    assert not last.kept
