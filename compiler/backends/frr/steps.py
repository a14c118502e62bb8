"""What a comparison yields: changes to read, commands with their place in the order, problems."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum, auto
from functools import cache
from ipaddress import ip_network

from ferrule.compiler.backends.base import Change, Command, Diff, Op
from ferrule.compiler.backends.frr.model import Model, without_networks
from ferrule.compiler.backends.frr.render import annotate
from ferrule.compiler.backends.frr.settings import Settings, line, said_to_undo, undo
from ferrule.compiler.errors import Diagnostic, Place
from ferrule.compiler.network import Prefix
from ferrule.compiler.source import Origin

Path = tuple[str, ...]
Spell = Callable[[str, str], str]
Origins = Callable[[Path], Origin | None]  # by the blocks around a line and the line
HIDDEN = "***"


class Step(IntEnum):
    """When a command is sent: what is referred to comes first, and goes last."""

    LISTS = auto()
    MAPS = auto()
    PROFILES = auto()
    REPLACE = auto()  # an instance of ours that has another AS
    INSTANCES = auto()
    FAMILIES = auto()
    WITHDRAW = auto()
    NEIGHBORS_GONE = auto()
    INSTANCES_GONE = auto()
    MAPS_GONE = auto()
    LISTS_GONE = auto()
    PROFILES_GONE = auto()

    @property
    def phase(self) -> str:
        """The half of the load it belongs to; what is only taken back is in the second."""
        return "announce" if self < Step.WITHDRAW else "withdraw"


@dataclass(frozen=True, slots=True)
class Send:
    """A command and its step."""

    step: Step
    command: Command

    @property
    def key(self) -> tuple[Step, Path]:
        """Orders commands; those of one step keep their order, but families stay together."""
        return self.step, self.command.within if self.step is Step.FAMILIES else ()


Part = Send | Change | Diagnostic


def collect(parts: Iterator[Part]) -> Diff:
    """The parts, sorted into a diff."""
    every = list(parts)
    sends = sorted((one for one in every if isinstance(one, Send)), key=lambda one: one.key)
    return Diff(
        tuple(one for one in every if isinstance(one, Change)),
        tuple(one.command for one in sends),
        tuple(one for one in every if isinstance(one, Diagnostic)),
    )


@dataclass(frozen=True, slots=True)
class Scope:
    """Where some settings stand: how a change names them, and how they are sent.

    `line` spells a setting, `undo` what takes it back.
    """

    step: Step
    path: Path
    within: Path
    line: Spell = line
    undo: Spell = lambda *one: undo(line(*said_to_undo(*one)))


class Teller:
    """Makes changes and commands, each with its place in the spec."""

    def __init__(self, origins: Origins) -> None:
        self._origins = origins

    def both(self, scope: Scope, old: Settings, new: Settings) -> Iterator[Part]:
        """All differences, and the commands that end them."""
        yield from self.changes(scope, old, new)
        yield from self.commands(scope, old, new)

    def changes(self, scope: Scope, old: Settings, new: Settings) -> Iterator[Change]:
        """The differences alone, where a command for the whole ends them."""
        for name, value in new.items():
            if old.get(name) != value:
                origin = self._origins((*scope.within, scope.line(name, value)))
                there = _shown(name, old.get(name))
                path, new_ = (*scope.path, name), _shown(name, value)
                yield Change(operation(name, old), path, there, new_, origin, scope.within)
        for name, value in old.items():
            if name not in new:
                gone = _shown(name, value)
                yield Change("remove", (*scope.path, name), gone, None, None, scope.within)

    def commands(self, scope: Scope, old: Settings, new: Settings) -> Iterator[Send]:
        """The commands alone: what goes comes first, what changes is only stated anew."""
        for name, value in old.items():
            if name not in new:
                yield self.send(scope.step, "remove", scope.within, scope.undo(name, value))
        for name, value in new.items():
            if old.get(name) != value:
                op = operation(name, old)
                yield self.send(scope.step, op, scope.within, scope.line(name, value))

    def send(self, step: Step, op: Op, within: Path, text: str) -> Send:
        """One command."""
        origin = None if op == "remove" else self._origins((*within, text))
        return Send(step, Command(text, op, within, origin, step.phase))

    def appears(self, path: Path) -> Change:
        """A block that is new, with or without settings."""
        return Change("add", path, None, "", self._origins(path))

    def places(self, *path: str) -> tuple[Place, ...]:
        """For a problem: where the spec asked for this line."""
        origin = self._origins(path)
        return (origin.place(),) if origin else ()


def origins(model: Model) -> Origins:
    """The origins of a model's lines; found out when the first one is asked for."""

    @cache
    def known() -> Mapping[Path, Origin]:
        found: dict[Path, Origin] = {}
        within: list[str] = []
        for one in annotate(without_networks(model)):
            text = one.text.lstrip(" ")
            del within[len(one.text) - len(text) :]
            within.append(_without_password(text))
            if one.origin:
                found[tuple(within)] = one.origin
        return found

    @cache
    def networks() -> Mapping[tuple[Path, Prefix], Origin]:
        return {
            (around, one.prefix): one.origin  # spelt, ten thousand prefixes take 15 ms
            for instance in model.instances
            for family in instance.families
            for around in [(instance.header, f"address-family {family.family} unicast")]
            for one in family.networks.lines
            if one.origin
        }

    def origin(path: Path) -> Origin | None:
        *around, text = path
        if text.startswith("network "):
            return networks().get((tuple(around), ip_network(text.split(" ")[1])))
        return known().get((*around, _without_password(text)))

    return origin


def operation(name: str, old: Settings) -> Op:
    """What stating a setting does."""
    return "change" if name in old else "add"


def _shown(name: str, value: str | None) -> str | None:
    return HIDDEN if name == "password" and value is not None else value


def _without_password(text: str) -> str:
    before, word, _ = text.partition(" password ")
    return before + word
