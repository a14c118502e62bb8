"""A fabric that goes from one spec to another, and what goes wrong on the way, at any step.

A fault is entered just before a device is asked something, its Nth script or patch say, and left
right after: the device is well again when it is to be put back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, TextIO

from fabric.fabric import Fabric, compiled
from ferrule.apply.held import Held
from ferrule.apply.journal import Journal
from ferrule.apply.rollout import Result, Settings
from ferrule.apply.target import READ_S, Answer, Argv, Channel
from ferrule.commands import apply
from ferrule.commands.apply import Planned
from ferrule.commands.inputs import Compiled, Wanted
from ferrule.commands.inputs import compiled as read_and_compile
from ferrule.compiler import planview
from ferrule.compiler.observed import Key, Observed
from ferrule.compiler.plan import Plan

Data = dict[str, Any]
Documents = Sequence[Data]
Fault = Callable[[], AbstractContextManager[object]]
SETTLE_S = 40.0
LOADED = "/dev/stdin"
SAVES = ("save", "-y")


def is_load(argv: Argv) -> bool:
    """A script of vtysh, or a patch that is no trial."""
    return argv[-1] == LOADED and "-d" not in argv


def is_save(argv: Argv) -> bool:
    return argv[-1] == "write memory" or tuple(argv[-2:]) == SAVES


def is_anything(_argv: Argv) -> bool:
    return True


@dataclass
class Trap:
    """Where a fault lies in wait: at which of a device's commands `of` a kind; was it met?

    With a `code` the device ends that command with it, whatever it has done.
    """

    device: str
    fault: Fault
    number: int = 1
    of: Callable[[Argv], bool] = is_load
    code: int | None = None
    fell: bool = False
    seen: int = field(default=0)

    def met(self, argv: Argv) -> bool:
        """Whether this is the command."""
        self.seen += self.of(argv)
        new = self.seen == self.number and not self.fell
        self.fell |= new
        return new


class Trapped(Journal):
    """A journal whose channels walk into traps."""

    def __init__(
        self,
        run: str,
        stream: TextIO | None,
        secrets: Collection[str] = (),
        *,
        traps: Sequence[Trap] = (),
    ) -> None:
        super().__init__(run, stream, secrets)
        self._traps = traps

    def wrap(self, channel: Channel, device: str) -> Channel:
        mine = [one for one in self._traps if one.device == device]
        return super().wrap(_Walking(channel, mine) if mine else channel, device)


class _Walking:
    """A channel that meets its traps."""

    def __init__(self, channel: Channel, traps: Sequence[Trap]) -> None:
        self._channel, self._traps = channel, traps

    def run(self, argv: Argv, *, stdin: str = "", timeout_s: float = READ_S) -> Answer:
        with _sprung(self._traps, argv) as met:
            answer = self._channel.run(argv, stdin=stdin, timeout_s=timeout_s)
        codes = [one.code for one in met if one.code is not None]
        return replace(answer, code=codes[0]) if codes else answer

    def ask(self, *commands: Argv, timeout_s: float = READ_S) -> tuple[Answer, ...]:
        with _sprung(self._traps, commands[0]):
            return self._channel.ask(*commands, timeout_s=timeout_s)

    def hold(self, argv: Argv, word: str, *, timeout_s: float = READ_S) -> Held | None:
        with _sprung(self._traps, argv):
            return self._channel.hold(argv, word, timeout_s=timeout_s)

    def close(self) -> None:
        self._channel.close()


@contextmanager
def _sprung(traps: Sequence[Trap], argv: Argv) -> Iterator[list[Trap]]:
    mine = [one for one in traps if one.met(argv)]
    with ExitStack() as stack:
        for one in mine:
            stack.enter_context(one.fault())
        yield mine


@dataclass(frozen=True)
class State:
    """All that is ours on all devices, how sessions do, and what is still to do.

    `up` are the sessions that are up, `resets` counts how often each was lost.
    """

    owned: Mapping[Key, object]
    resets: Mapping[tuple[str, str, str], int]
    up: Collection[tuple[str, str, str]]
    changes: bool = field(compare=False)


class World:
    """A fabric, and the specs that it is taken to."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.last = ""  # the name of the last run

    def spec(self, *changes: Callable[[Documents], None]) -> list[str]:
        """The example, changed."""
        documents = deepcopy(list(self.fabric.documents))
        for change in changes:
            change(documents)
        assert compiled(documents).ok
        return [str(self.fabric.reachable(documents))]

    def compiled(self, paths: Sequence[str]) -> Compiled:
        return read_and_compile(Wanted(tuple(paths)))

    def planned(self, paths: Sequence[str]) -> Planned:
        with self.fabric.inside():
            return apply.planned(self.compiled(paths), local=(), parallel=8)

    def apply(self, paths: Sequence[str], *traps: Trap) -> tuple[Plan, Result]:
        return self.carry_out(self.planned(paths), *traps)

    def carry_out(
        self, planned: Planned, *traps: Trap, settle_s: float = SETTLE_S
    ) -> tuple[Plan, Result]:
        """Do what was planned, however long ago."""
        assert planned.plan.ok, list(planview.text(planned.plan))

        def journal(run: str, stream: TextIO | None, secrets: Collection[str]) -> Journal:
            return Trapped(run, stream, secrets, traps=traps)

        settings = Settings(batch=4, settle_s=settle_s)
        doing = apply.Doing(settings, lambda _line: None, journal=journal)
        run = apply.new_run()
        self.last = run.name
        with self.fabric.inside():
            return planned.plan, apply.carry_out(planned, run, doing)

    def revert(self, paths: Sequence[str], run: str) -> Result:
        doing = apply.Doing(Settings(), lambda _line: None)
        with self.fabric.inside():
            return apply.revert(self.compiled(paths), run, doing, local=())

    def state(self, paths: Sequence[str]) -> State:
        planned = self.planned(paths)
        owned = {
            (one.kind, one.device): planview.BACKEND[one.kind].owned(one.running)
            for one in planned.plan.devices
        }
        sessions = {
            (name, *neighbor): session
            for (kind, name), seen in planned.survey.found.items()
            if kind == "node" and isinstance(seen, Observed) and seen.state
            for neighbor, session in seen.state.sessions.items()
        }
        return State(
            owned,
            {key: one.resets for key, one in sessions.items()},
            {key for key, one in sessions.items() if one.established},
            planned.plan.changes,
        )


# Changes of the example `fabric`.


def named(documents: Documents, kind: str, name: str) -> Data:
    return next(one for one in documents if one["kind"] == kind and one["metadata"]["name"] == name)


def one_service_more(documents: Documents) -> None:
    """A route that is new, in a class that is there."""
    made = deepcopy(named(documents, "Service", "web"))
    made["metadata"]["name"] = "new"
    assert isinstance(documents, list)
    documents.append(made)
    ends = deepcopy(named(documents, "EndpointSlice", "web-1"))
    ends["metadata"] |= {"name": "new-1", "labels": {"kubernetes.io/service-name": "new"}}
    documents.append(ends)


def one_service_less(documents: Documents) -> None:
    """A route that goes."""
    assert isinstance(documents, list)
    documents.remove(named(documents, "Service", "api"))


def another_pool(documents: Documents) -> None:
    """Sets and statements of the switches come and go."""
    spec = named(documents, "IPAddressPool", "public")["spec"]
    spec["addresses"] = ["192.0.2.0/26", *spec["addresses"][2:]]


def another_peer(documents: Documents) -> None:
    """Neighbors move to another peer group, which SONiC does not do in place: sessions reset."""
    named(documents, "BGPPeer", "tor-a-v4")["metadata"]["name"] = "rack-a"
