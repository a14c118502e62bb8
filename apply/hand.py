"""One device during one run: what a rollout asks of it, whatever kind it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ferrule.compiler.backends.base import Command
from ferrule.compiler.observed import Key


@dataclass(frozen=True, slots=True)
class Run:
    """One run of apply: its name, who started it and when, in UTC."""

    name: str
    by: str
    since: str


class Failed(Exception):  # noqa: N818  # the device's answer, not an error of ours
    """A device did not do what it was told, or is not as it should be afterwards.

    `by_hand` is what to type on the device where it could not be put back.
    """

    def __init__(self, key: Key, message: str, by_hand: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.key, self.message, self.by_hand = key, message, tuple(by_hand)


class Hand(Protocol):
    """A device that is locked, changed step by step, and kept or put back."""

    @property
    def key(self) -> Key:
        """Kind and name."""

    def begin(self, run: Run) -> None:
        """Lock it, see that it is as it was planned for, and note what it runs."""

    def do(self, commands: Sequence[Command]) -> None:
        """Send the commands of one phase and see that they did what they should."""

    def undo(self) -> None:
        """Put back all that is ours as it was at the beginning."""

    def keep(self) -> None:
        """Save it, so that a restart changes nothing, and close the record of the run."""

    def arm(self, seconds: int) -> None:
        """Let the device put itself back unless it is confirmed in time, once we let go of it."""

    def disarm(self) -> None:
        """Confirmed, or put back: nothing is to happen by itself any more."""

    def close(self) -> None:
        """Release the lock and the connection."""
