"""A channel to a device that is slow: none of its commands is given up before it had that long."""

from __future__ import annotations

from ferrule.apply.held import Held
from ferrule.apply.target import READ_S, Answer, Argv, Channel


class Patient:
    """The channel, with the time that every command may take at least."""

    def __init__(self, channel: Channel, patience_s: float) -> None:
        self._channel, self._patience_s = channel, patience_s

    def run(self, argv: Argv, *, stdin: str = "", timeout_s: float = READ_S) -> Answer:
        """As every channel."""
        return self._channel.run(argv, stdin=stdin, timeout_s=max(timeout_s, self._patience_s))

    def ask(self, *commands: Argv, timeout_s: float = READ_S) -> tuple[Answer, ...]:
        """As every channel."""
        return self._channel.ask(*commands, timeout_s=max(timeout_s, self._patience_s))

    def hold(self, argv: Argv, word: str, *, timeout_s: float = READ_S) -> Held | None:
        """As every channel."""
        return self._channel.hold(argv, word, timeout_s=max(timeout_s, self._patience_s))

    def close(self) -> None:
        """As every channel."""
        self._channel.close()
