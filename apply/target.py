"""What stands between us and a device: one command, one answer, and no prompt in between.

A `Channel` runs commands on one device, by SSH or on this host; it knows nothing of what they
mean. `Trouble` is the one way in which a device fails us, whatever library noticed it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ferrule.compiler.errors import Diagnostic, Place, error

READ_S = 60.0  # for a command that only reads


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said before it ended with `code`."""

    code: int
    out: str
    err: str


class Trouble(Exception):  # noqa: N818  # of the device, not of ours
    """A device that cannot be reached, is not the right one, or does not do what it is told.

    `code` is one of codes.toml; the message is one line, and names what was tried and what to do.
    """

    def __init__(self, code: str, device: str, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.code, self.device, self.message, self.help = code, device, message, help

    def diagnostic(self, *places: Place) -> Diagnostic:
        """The same, for printing beside all others."""
        return error(self.code, f"{self.device}: {self.message}", *places, help=self.help)


class Channel(Protocol):
    """Runs commands on one device."""

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout_s: float = READ_S) -> Answer:
        """Run one command to its end; raises `Trouble` when there is no answer in time."""

    def close(self) -> None:
        """End the connection."""
