"""What a person or a program reads of a command, and what a person is asked."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import click

from ferrule.compiler.errors import Diagnostic

TERMINAL = Path("/dev/tty")


def diagnostics(found: Iterable[Diagnostic]) -> None:
    """Each on stderr, with its place."""
    for one in found:
        first, newline, rest = str(one).partition("\n")
        colour = "red" if one.severity == "error" else "yellow"
        word = f"{one.severity}[{one.code}]"
        click.echo(first.replace(word, click.style(word, fg=colour), 1) + newline + rest, err=True)


def aloud(line: str) -> None:
    """Talk, not data."""
    click.echo(line, err=True)


def as_json(value: object) -> None:
    """Data for programs."""
    click.echo(json.dumps(value, indent=2))


def asked(question: str) -> bool | None:
    """The answer of whoever sits at the terminal, never of stdin; None where nobody does."""
    try:
        # Two streams: a terminal is not seekable, so one for both cannot be opened.
        with TERMINAL.open() as hears, TERMINAL.open("w") as says:
            says.write(f"{question} [y/N] ")
            says.flush()
            return hears.readline().strip().lower() in ("y", "yes")
    except OSError:
        return None
