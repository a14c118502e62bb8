"""What is wrong, where, and how to mend it.

A `Diagnostic` is a value: passes collect them, the edge sorts and prints them once. Nothing here
reads a file; a `Position` carries the one line of text that an excerpt needs, or no text where
that line holds a secret. Whatever the user wrote is escaped before it is printed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal
from unicodedata import combining, east_asian_width

Severity = Literal["error", "warning"]

EXCERPT_WIDTH = 120
SHOWN_VALUE = 80


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file; line and column count from 1, as editors do."""

    file: str
    line: int
    column: int
    width: int = field(default=1, compare=False, repr=False)
    text: str | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{printable(self.file)}:{self.line}:{self.column}"

    def excerpt(self) -> list[str]:
        """The line with the value underlined; a line too long for a terminal is cut around it."""
        if not self.text:
            return []
        column, text = self.column - 1, self.text
        if len(text) > EXCERPT_WIDTH:
            start = max(0, min(column - EXCERPT_WIDTH // 2, len(text) - EXCERPT_WIDTH))
            column, text = column - start, text[start : start + EXCERPT_WIDTH]
        text = text.replace("\t", " ")
        before, value = text[:column], text[column : column + self.width]
        underline = " " * _cells(before) + "^" * max(1, _cells(value))
        number = str(self.line)
        margin = " " * len(number)
        return [
            f"{margin} |",
            f"{number} | {printable(text).rstrip()}",
            f"{margin} | {underline}",
        ]


@dataclass(frozen=True, slots=True, order=True)
class ObjectRef:
    """A Kubernetes object, as `kubectl get` would name it."""

    kind: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        name = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return printable(f"{self.kind} {name}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was said: a position, an object, or both."""

    position: Position | None = None
    ref: ObjectRef | None = None

    def __str__(self) -> str:
        return str(self.position or self.ref or "input")

    def to_json(self) -> dict[str, object]:
        """Form of the contract: file, line, column and object, null where unknown."""
        at = self.position
        return {
            "file": at.file if at else None,
            "line": at.line if at else None,
            "column": at.column if at else None,
            "object": str(self.ref) if self.ref else None,
        }


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake or doubt; the first place is the one to mend, the others are to blame too.

    `node` names the node whose Node object is the cause, where a mistake is that node's alone.
    """

    severity: Severity
    code: str
    message: str
    places: tuple[Place, ...] = ()
    help: str | None = None
    node: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        """The form of a compiler: one greppable line, the excerpt, other places, the help."""
        first, *others = self.places or (Place(),)
        lines = [f"{first}: {self.severity}[{self.code}]: {self.message}{self._subject}"]
        if first.position:
            lines += first.position.excerpt()
        for place in others:
            about = f" ({place.ref})" if place.position and place.ref else ""
            lines.append(f"  = see: {place}{about}")
        if self.help:
            lines.append(f"  = help: {self.help}")
        return "\n".join(lines)

    @property
    def _subject(self) -> str:
        """The object that the first place is in, unless the message names it."""
        first = self.places[0] if self.places else Place()
        if first.ref is None or first.position is None:
            return ""
        kind, _, name = str(first.ref).partition(" ")
        return "" if f'{kind} "{name}"'.lower() in self.message.lower() else f" ({first.ref})"

    def to_json(self) -> dict[str, object]:
        """Form of `validate --output json`."""
        return {
            "severity": self.severity,
            "code": self.code,
            "message": self.message,
            "places": [place.to_json() for place in self.places],
            "help": self.help,
        }

    @property
    def sort_key(self) -> tuple[object, ...]:
        """By file and line, so that a reader mends a file from top to bottom."""
        place = self.places[0] if self.places else Place()
        at = place.position
        where = (at.file, at.line, at.column) if at else ("", 0, 0)
        return (*where, str(place.ref or ""), self.code, self.message)


class SpecError(Exception):
    """The input cannot be compiled; carries every diagnostic, warnings included."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = ordered(diagnostics)
        super().__init__(f"{len(self.diagnostics)} diagnostics")


def error(
    code: str, message: str, *places: Place, help: str | None = None, node: str | None = None
) -> Diagnostic:
    """A mistake: nothing is written."""
    return Diagnostic("error", code, message, places, help, node)


def warning(code: str, message: str, *places: Place, help: str | None = None) -> Diagnostic:
    """A doubt: the run goes on."""
    return Diagnostic("warning", code, message, places, help)


def ordered(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Each diagnostic once, in the order of the files."""
    return tuple(sorted(dict.fromkeys(diagnostics), key=lambda one: one.sort_key))


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether anything forbids writing."""
    return any(one.severity == "error" for one in diagnostics)


def printable(text: str) -> str:
    """`text` with everything escaped that could move a terminal's cursor or end a line."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def _cells(text: str) -> int:
    """How wide a terminal shows it: twice for East Asian characters, not at all for accents."""
    text = printable(text)
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def quoted(value: object) -> str:
    """A value as a user would recognise it, on one line and not longer than a message bears."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    if len(text) > SHOWN_VALUE:
        text = text[:SHOWN_VALUE] + "..."
    return f'"{printable(text)}"' if isinstance(value, str) else printable(text)


def shown(value: object) -> str:
    """A value in a sentence: what it is, if it is too much to be repeated or may hold secrets."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return quoted(value)


def listed(values: Iterable[object], most: int = 8) -> str:
    """Values in a sentence: `a, b, c`; a long list is cut and counted."""
    texts = [printable(str(value)) for value in values]
    shown = ", ".join(texts[:most]) or "none"
    return f"{shown} and {len(texts) - most} more" if len(texts) > most else shown


def suggestion(wrong: str, known: Iterable[str], what: str) -> str:
    """`did you mean "public"? defined pools: internal, public`."""
    names = sorted(known)
    close = get_close_matches(wrong[:253], names[:1000], n=1)
    guess = f"did you mean {quoted(close[0])}? " if close else ""
    return f"{guess}defined {what}: {listed(names)}"
