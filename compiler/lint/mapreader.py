"""One entry of a route-map while it is read."""

from __future__ import annotations

import re

from ferrule.compiler.lint.device import Entry
from ferrule.compiler.lint.said import Said, Spot

NAMED = re.compile(r" (?=\S+( exact-match| any)?$)")  # before the name of what is matched


class EntryReader:
    """Takes its statements, in their order."""

    def __init__(self, seq: int, permit: bool, spot: Spot) -> None:  # noqa: FBT001
        self.seq, self.permit, self.spot = seq, permit, spot
        self._matches: dict[str, Said] = {}
        self._sets: list[Said] = []
        self._call: str | None = None
        self._goes_on: int | None = None

    def take(self, text: str, said: Said) -> None:
        """A `match` of a kind takes the place of the one before it, as in FRR (measured)."""
        verb, _, rest = text.partition(" ")
        if verb == "match":
            kind = NAMED.split(rest)[0]
            self._matches[kind] = Said(rest, said.spot)
        elif verb == "set":
            self._sets.append(Said(rest, said.spot))
        elif verb == "call":
            self._call = rest
        elif text == "on-match next":
            self._goes_on = self.seq + 1
        elif verb == "continue" or text.startswith("on-match goto "):
            number = rest.removeprefix("goto ")
            self._goes_on = int(number) if number.isdecimal() and len(number) < 6 else self.seq + 1

    def entry(self) -> Entry:
        """What all of it comes to."""
        return Entry(
            self.seq,
            self.permit,
            self.spot,
            tuple(self._matches.values()),
            tuple(self._sets),
            self._call,
            self._goes_on,
        )
