"""Several commands in one: a script for `sh -c`, and what it said taken apart again.

Each answer stands between two lines with a token that no device can know beforehand. So nothing
that a login shell prints by itself (a banner, an `echo` in .bashrc) is taken for an answer, and
one round trip is enough for all that is asked.
"""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field

from ferrule.apply.target import Answer, Argv


@dataclass(frozen=True, slots=True)
class Frames:
    """The commands of one script; only the first of them is given the script's stdin."""

    commands: tuple[Argv, ...]
    token: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def script(self) -> str:
        """One line, whatever the shell that a user logs in with."""
        said = " ".join(_parts(self.commands, self.token))
        return f"exec sh -c {shlex.quote(said)}"

    def pid(self, out: bytes) -> int | None:
        """The process that leads them all, as soon as it has said so."""
        found = re.search(rb"^%s (\d+)$" % self.token.encode(), out, re.MULTILINE)
        return int(found[1]) if found else None

    def answers(self, out: bytes, err: bytes) -> tuple[Answer, ...]:
        """What each command said; fewer than were asked where the script came to no end."""
        said = [text.decode(errors="surrogateescape") for text in (out, err)]
        pieces = zip(*(self._pieces(text) for text in said), strict=False)
        return tuple(Answer(code, one, other) for (one, code), (other, _) in pieces)

    def _pieces(self, text: str) -> Iterable[tuple[str, int]]:
        """Text and exit code, in turn, from after the first mark on."""
        rest = re.split(rf"\n{self.token} (\d+)\n", text)[2:]
        return zip(rest[::2], map(int, rest[1::2]), strict=False)


def _parts(commands: Iterable[Argv], token: str) -> Iterable[str]:
    """A mark with the pid, then for each command the command and a mark with its exit code."""
    yield "LC_ALL=C; export LC_ALL;"
    yield f"m() {{ printf '\\n{token} %s\\n' $1; printf '\\n{token} %s\\n' $1 >&2; }};"
    yield "m $$;"
    for number, argv in enumerate(commands):
        nothing = " </dev/null" if number else ""
        yield f"{shlex.join(argv)}{nothing}; m $?;"
