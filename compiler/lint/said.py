"""A foreign configuration as statements of FRR, each with the place where it was said.

An frr.conf is its own statements. What stands in a CONFIG_DB becomes the statements that SONiC
makes of it (`unified`, `bgpcfgd`), so that there is one reader for all of them, and a message
about a row points at the row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NoReturn, Protocol

from ferrule.compiler.errors import Place, Position, error
from ferrule.compiler.lines import ENDS
from ferrule.compiler.source import MOST_BYTES, UnreadableError

Form = Literal["frr.conf", "unified", "default"]  # the last two: the modes of a CONFIG_DB

MOST_LINES = 1_000_000
LONGEST_LINE = 4096 * 16  # vtysh reads 4096 characters of one; more than this says nothing to us
SECRET = re.compile(r"\b(passw|passphrase|key|secret|auth|token|snmp)", re.IGNORECASE)


class Spot(Protocol):
    """Something that knows its place; the place is made when a message needs it."""

    def place(self) -> Place:
        """Where it stands."""
        ...


@dataclass(frozen=True, slots=True)
class Said:
    """One statement: words with one space between them, and where it was said."""

    text: str
    spot: Spot


@dataclass(frozen=True, slots=True)
class Note:
    """A field that has not the effect it seems to have, on the neighbor or map called `owner`."""

    owner: str
    message: str
    spot: Spot


@dataclass(frozen=True, slots=True)
class Foreign:
    """A foreign text, read as far as statements; `start` is the file itself."""

    form: Form
    said: tuple[Said, ...]
    start: Spot
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class LineSpot:
    """A line of an frr.conf; without its text where that may hold a secret."""

    file: str
    number: int
    text: str = field(repr=False)

    def place(self) -> Place:
        """The words of the line, without its indentation."""
        bare = self.text.strip()
        column = len(self.text) - len(self.text.lstrip()) + 1
        shown = None if SECRET.search(bare) else self.text
        return Place(Position(self.file, self.number, column, len(bare) or 1, shown))


def read_frr(text: str, file: str) -> Foreign:
    """Every statement of an frr.conf, comments left out; raises `UnreadableError` at too many."""
    lines = ENDS.split(text) if text.count("\n") <= MOST_LINES else _refuse(file)
    return Foreign("frr.conf", tuple(_statements(lines, file)), LineSpot(file, 1, ""))


def _statements(lines: Sequence[str], file: str) -> Iterator[Said]:
    for number, line in enumerate(lines, 1):
        if len(line) <= LONGEST_LINE and (words := line.split()) and words[0][0] not in "!#":
            yield Said(" ".join(words), LineSpot(file, number, line))


def _refuse(file: str) -> NoReturn:
    message = f"this has more than {MOST_LINES} lines"
    help = f"leave out what is no BGP; {MOST_BYTES // 2**20} MiB and as many lines are read"
    raise UnreadableError(error("far-too-long", message, Place(Position(file, 1, 1)), help=help))
