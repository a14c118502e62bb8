"""What every backend takes and gives, and how a name on a device is made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

from ferrule.compiler.errors import Diagnostic
from ferrule.compiler.source import Origin

LONGEST_NAME = 63
HASH_DIGITS = 10


@dataclass(frozen=True, slots=True)
class Line:
    """One line, or one row, of an artifact and what in the spec caused it."""

    text: str
    origin: Origin | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file for one device; `path` is relative to the output directory."""

    device: str
    path: str
    text: str
    secret: bool = False  # holds passwords in clear


Op = Literal["add", "remove", "change"]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference in meaning: what is at `path` of a device, and what should be.

    `old` is None where nothing is there, `new` where nothing should be. A secret is shown as `***`
    on both sides. `within` are the blocks around it, on a device that has blocks.
    """

    op: Op
    path: tuple[str, ...]
    old: str | None
    new: str | None
    origin: Origin | None = field(default=None, compare=False, repr=False)
    within: tuple[str, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Shown:
    """A change in the device's own language: the line that is there, the line that should be."""

    within: tuple[str, ...]
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Command:
    """One step as it is sent to a device: a line of vtysh, an operation of a JSON Patch.

    `within` are the blocks it stands in, outermost first, on a device that has blocks. `phase` is
    the part of the whole that it is sent with: the commands of one phase stand together and are
    loaded by themselves, so that those of other devices can come between. FRR has `announce`,
    which takes back no prefix, neighbor or name, and `withdraw`; SONiC one for each patch. `text`
    may hold a secret in clear, so it is never shown: what people read are the changes.
    """

    text: str = field(repr=False)
    op: Op
    within: tuple[str, ...] = ()
    origin: Origin | None = field(default=None, compare=False, repr=False)
    phase: str = ""


@dataclass(frozen=True, slots=True)
class Diff:
    """From what a device runs to what it should: the changes, the commands in their order.

    An error among the `problems` forbids sending the commands. `adopted` are the full names of what
    somebody else had and handed over: the names that a diff back to what was read before needs.
    """

    changes: tuple[Change, ...] = ()
    commands: tuple[Command, ...] = ()
    problems: tuple[Diagnostic, ...] = ()
    adopted: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to send; there may be problems all the same."""
        return not self.commands


def device_name(prefix: str, cluster: str, *parts: str | int) -> str:
    """A name that is ours on a device: `ferrule-prod_public_ipv4_32`.

    Over 63 characters it is cut and ends in ten hex digits of its SHA-256, so that different
    names stay different.
    """
    name = f"{prefix}{cluster}_" + "_".join(str(part) for part in parts)
    if len(name) <= LONGEST_NAME:
        return name
    digest = sha256(name.encode()).hexdigest()[:HASH_DIGITS]
    return f"{name[: LONGEST_NAME - HASH_DIGITS - 1]}_{digest}"


def stable_numbers(names: Iterable[str], low: int, high: int, step: int = 1) -> dict[str, int]:
    """A number in low..high for each name, `step` apart, the same whoever else is there.

    A name's number is its hash; the later of two names that fall on one number (a case of one in
    thousands) takes the next free one.
    """
    slots = (high - low + 1) // step
    taken: dict[int, str] = {}
    for name in sorted(set(names)):
        slot = int.from_bytes(sha256(name.encode()).digest()[:8]) % slots
        while slot in taken:
            slot = (slot + 1) % slots
        taken[slot] = name
    return {name: low + slot * step for slot, name in taken.items()}
