"""The keeper of switches on a fabric: what it is told, and what it has published."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from daemon.flavour import wait_for
from short import documents

from fabric.fabric import Fabric
from fabric.switch import FabricSwitch
from ferrule.commands.inputs import Wanted
from ferrule.commands.inputs import compiled as read_and_compile
from ferrule.compiler.pipeline import Compilation
from ferrule.reconcile.logs import Log
from ferrule.reconcile.switch_aim import Policy
from ferrule.reconcile.switch_lanes import Pace
from ferrule.reconcile.switch_status import Json, SwitchState
from ferrule.reconcile.switches import Settings, Switches

Data = dict[str, Any]

FAST = Pace(interval_s=2.0, soon_s=0.5, change_s=0.0, least_backoff_s=0.5, most_backoff_s=2.0)
WAIT_S = 40.0
TOR = "tor-a"


def settings(**policy: Any) -> Settings:
    made = Policy(**{"change_s": 0.0, **policy})
    return Settings(made, FAST, quiet_s=0.1, settle_s=20.0)


@dataclass
class Kept:
    """A keeper at work."""

    fabric: Fabric
    keeper: Switches
    states: list[SwitchState | None] = field(default_factory=list)
    log: io.StringIO = field(default_factory=io.StringIO)

    def intend(
        self, text: str, said: Mapping[str, Json] | None = None, more: Iterable[Data] = ()
    ) -> None:
        self.keeper.intend(compilation(self.fabric, text, more), said)

    @property
    def state(self) -> SwitchState:
        found = next((one for one in reversed(self.states) if one), None)
        assert found
        return found

    def wait(self, holds: Callable[[SwitchState], object], what: str) -> SwitchState:
        """Until a state is published of which this holds."""

        def found() -> bool:
            return bool(self.states and self.states[-1] and holds(self.states[-1]))

        try:
            wait_for(found, WAIT_S, what)
        except Exception as bad:
            raise AssertionError(f"{what}: {self.states[-1:]}\n{self.log.getvalue()}") from bad
        return self.state

    def reasons(self) -> Mapping[str, str]:
        """Why switches are not reached."""
        each = self.keeper.states.items()
        return {name: one.unreachable.reason for name, one in each if one.unreachable}

    def began(self) -> list[float]:
        """When each change began, in Unix time."""
        said = [json.loads(line) for line in self.log.getvalue().splitlines()]
        times = [one["ts"] for one in said if "locking" in one.get("msg", "")]
        return [datetime.fromisoformat(one).timestamp() for one in times]

    def wait_settled(self) -> SwitchState:
        return self.wait(lambda one: one.in_sync, "in sync")


def compilation(fabric: Fabric, text: str, more: Iterable[Data] = ()) -> Compilation:
    """A short text, and more documents, as they are compiled for this fabric."""
    path = str(fabric.reachable([*documents(text), *more]))
    return read_and_compile(Wanted((path,))).compilation


@contextmanager
def keeping(
    fabric: Fabric,
    made: Settings | None = None,
    *,
    leading: Callable[[], bool] = lambda: True,
    identity: str = "one",
    **more: Any,
) -> Iterator[Kept]:
    """A keeper on the workstation of a fabric."""
    states: list[SwitchState | None] = []
    log = io.StringIO()
    keeper = Switches(
        identity,
        leading,
        lambda _, state: states.append(state),
        Log("debug", log),
        made or settings(),
        **more,
    )
    kept = Kept(fabric, keeper, states, log)
    with fabric.inside():
        keeper.start()
    try:
        yield kept
    finally:
        keeper.stop()
        assert not [one for one in threading.enumerate() if one.name.startswith("switch-")]


def rows(switch: FabricSwitch, *words: str) -> list[str]:
    """The rows of a switch in whose name all these words are, sorted."""
    return sorted(
        f"{table}|{name}"
        for table, each in switch.rows().items()
        for name in each
        if all(word in f"{table}|{name}" for word in words)
    )
