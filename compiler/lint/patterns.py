"""POSIX extended regular expressions, as far as BGP lists use them, in linear time.

They come from a file that anybody may have written. Python's own matcher goes back and tries again,
for ever where an expression wants it to; this one keeps the set of states it may be in (Thompson).
`_` is FRR's: a delimiter, the beginning or the end (`bgp_regcomp`, bgpd/bgp_regex.c).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

MOST_STATES = 5000
MOST_TIMES = 255  # RE_DUP_MAX of POSIX
DEEPEST = 50
DELIMITER = "(^|[,{}() ]|$)"
SPECIAL = "|)*+?{"
CLASSES: dict[str, Callable[[str], bool]] = {
    "digit": str.isdigit,
    "alpha": str.isalpha,
    "alnum": str.isalnum,
    "space": str.isspace,
}

Test = Callable[[str], bool]


class PatternError(ValueError):
    """An expression that is none, or that is too large."""


@dataclass(slots=True)
class _State:
    """`eat` takes a character; the others take none: a place in the text, or just a fork."""

    kind: Literal["eat", "start", "end", "fork", "match"]
    test: Test | None = None
    next: tuple[int, ...] = ()


class Pattern:
    """A compiled expression; `found_in` is `regexec`: anywhere in the text."""

    def __init__(self, states: list[_State], first: int) -> None:
        self._states, self._first = states, first

    def found_in(self, text: str) -> bool:
        """Whether some part of the text matches."""
        current: set[int] = set()
        for at in range(len(text) + 1):
            current = self._closed({*current, self._first}, first=at == 0, last=at == len(text))
            if any(self._states[one].kind == "match" for one in current):
                return True
            if at < len(text):
                current = {
                    after
                    for one in current
                    if (test := self._states[one].test) and test(text[at])
                    for after in self._states[one].next
                }
        return False

    def _closed(self, states: set[int], *, first: bool, last: bool) -> set[int]:
        """All states that are reached without a character."""
        passable = {"fork"} | ({"start"} if first else set()) | ({"end"} if last else set())
        waiting = list(states)
        while waiting:
            state = self._states[waiting.pop()]
            if state.kind in passable:
                new = [one for one in state.next if one not in states]
                states.update(new)
                waiting += new
        return states


@lru_cache(1024)
def compiled(expression: str) -> Pattern:
    """A pattern; raises `PatternError`."""
    parser = _Parser(expression.replace("_", DELIMITER))
    return Pattern(parser.states, parser.whole())


class _Parser:
    """Builds states from the end to the start: every part is told the state that follows it."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth = text, 0, 0
        self.states: list[_State] = []

    def whole(self) -> int:
        """The first state of all of it."""
        end = self._state("match")
        build = self._either()
        if self.at < len(self.text):
            raise PatternError(f"{self.text[self.at]!r} has no beginning")
        return build(end)

    def _state(self, kind: Literal["eat", "start", "end", "fork", "match"], *after: int) -> int:
        if len(self.states) >= MOST_STATES:
            raise PatternError("the expression is too large")
        self.states.append(_State(kind, None, after))
        return len(self.states) - 1

    def _either(self) -> Callable[[int], int]:
        parts = [self._sequence()]
        while self._take("|"):
            parts.append(self._sequence())
        if len(parts) == 1:
            return parts[0]
        return lambda after: self._state("fork", *[part(after) for part in parts])

    def _sequence(self) -> Callable[[int], int]:
        parts = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            parts.append(self._repeated(self._atom()))

        def build(after: int) -> int:
            for part in reversed(parts):
                after = part(after)
            return after

        return build

    def _repeated(self, part: Callable[[int], int]) -> Callable[[int], int]:
        while self.at < len(self.text) and self.text[self.at] in "*+?{":
            low, high = self._times()
            part = self._times_of(part, low, high)
        return part

    def _times(self) -> tuple[int, int | None]:
        sign = self._next()
        if sign != "{":
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        inside, closing, _ = self.text[self.at :].partition("}")
        low, comma, high = inside.partition(",")
        numbers = [one for one in (low, high) if one]
        if not closing or not all(one.isdecimal() and len(one) < 4 for one in numbers) or not low:
            raise PatternError("a { without numbers")
        self.at += len(inside) + 1
        if max(map(int, numbers)) > MOST_TIMES:
            raise PatternError("the expression is too large")
        return int(low), int(high) if high else None if comma else int(low)

    def _times_of(
        self, part: Callable[[int], int], low: int, high: int | None
    ) -> Callable[[int], int]:
        def build(after: int) -> int:
            if high is None:
                fork = self._state("fork", after)
                self.states[fork].next = (after, part(fork))
                after = fork
            for _ in range((high or low) - low):
                after = self._state("fork", after, part(after))
            for _ in range(low):
                after = part(after)
            return after

        return build

    def _atom(self) -> Callable[[int], int]:
        char = self._next()
        if char == "(":
            return self._group()
        if char == "^":
            return lambda after: self._state("start", after)
        if char == "$":
            return lambda after: self._state("end", after)
        if char in SPECIAL:
            raise PatternError(f"{char!r} has nothing to repeat")
        if char == ".":
            return self._eater(lambda _: True)
        if char == "[":
            return self._eater(self._bracket())
        wanted = self._next() if char == "\\" else char
        return self._eater(lambda one: one == wanted)

    def _group(self) -> Callable[[int], int]:
        self.depth += 1
        if self.depth > DEEPEST:
            raise PatternError("the expression is too deep")
        inside = self._either()
        self.depth -= 1
        if not self._take(")"):
            raise PatternError("a ( without its )")
        return inside

    def _eater(self, test: Test) -> Callable[[int], int]:
        def build(after: int) -> int:
            state = self._state("eat", after)
            self.states[state].test = test
            return state

        return build

    def _bracket(self) -> Test:
        negated = self._take("^")
        tests: list[Test] = []
        first = True
        while first or self.text[self.at : self.at + 1] != "]":
            first = False
            tests.append(self._item())
        self.at += 1
        return lambda char: any(test(char) for test in tests) != negated

    def _item(self) -> Test:
        """One member of a bracket: a class, a range or a character."""
        if self.text.startswith("[:", self.at):
            name, closing, _ = self.text[self.at + 2 :].partition(":]")
            if not closing or name not in CLASSES:
                raise PatternError("an unknown class of characters")
            self.at += len(name) + 4
            return CLASSES[name]
        low = self._next()
        if self.text[self.at : self.at + 1] == "-" and self.text[self.at + 1 : self.at + 2] != "]":
            self.at += 1
            high = self._next()
            return lambda char: low <= char <= high
        return lambda char: char == low

    def _next(self) -> str:
        if self.at >= len(self.text):
            raise PatternError("the expression ends too early")
        self.at += 1
        return self.text[self.at - 1]

    def _take(self, char: str) -> bool:
        found = self.text[self.at : self.at + 1] == char
        self.at += found
        return found
