"""Lines of a text by number, and from an offset to line and column; both count from 1.

A text of millions of lines is not taken apart for the one line that a message shows.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right

ENDS = re.compile("\r\n|[\r\n]")  # of a line, as editors and JSON have it
YAML_ENDS = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # as libyaml has it


class Lines:
    """The lines of one text."""

    def __init__(self, text: str, ends: re.Pattern[str] = YAML_ENDS) -> None:
        self.text, self.ends = text, ends
        self.starts = array("L", [0])
        self.starts.extend(match.end() for match in ends.finditer(text))

        self.known: dict[int, str] = {}  # many places are on the one line of a JSON text

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, line: int) -> str:
        """A line without its end; empty where there is none."""
        if not 1 <= line <= len(self.starts):
            return ""
        if line not in self.known:
            start = self.starts[line - 1]
            end = self.ends.search(self.text, start)
            self.known[line] = self.text[start : end.start() if end else None]
        return self.known[line]

    def at(self, offset: int) -> tuple[int, int]:
        """Where a character stands."""
        line = bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1


def end_of(text: str) -> tuple[int, int]:
    """Line and column after the last character."""
    return Lines(text).at(len(text))
