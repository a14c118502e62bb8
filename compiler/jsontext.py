"""Where the values of a JSON text stand, and which keys it has twice.

The data itself comes from the standard library, which is fast and strict but tells no places; so
this reads only what `json` has accepted, and only when somebody asks. The marks are those of
`yamltext`. Columns count characters as written, escapes included.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator

from ferrule.compiler.yamltext import Flaw, Mark, repeated

TOKEN = re.compile(r'[{}\[\]:,]|"(?:[^"\\]|\\.)*"|[^\s{}\[\]:,"]+')


def documents(text: str) -> Iterator[tuple[Mark, list[Flaw]]]:
    """Marks and flaws of each value of a text that is JSON, one value after the other."""
    starts = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", text))]
    open_: list[Mark] = []  # the collections around the current token
    steps: list[str | int] = []  # and where in each of them it is
    flaws: list[Flaw] = []
    key: Mark | None = None
    for token in TOKEN.finditer(text):
        written, line = token[0], bisect_right(starts, token.start())
        mark = Mark(line, token.start() - starts[line - 1] + 1, len(written), line)
        if written in ",:":
            continue
        if written in "}]":
            mark = open_.pop()
            steps.pop()
            mark.end_line = line
            if not open_:
                yield mark, flaws
                flaws = []
            continue
        if open_ and isinstance(steps[-1], str) and key is None:
            key, name = mark, json.loads(written)
            steps[-1] = name
            if name in open_[-1].keys:
                first = open_[-1].keys[name]
                flaws.append(repeated(name, tuple(steps[:-1]), mark, first))
            continue
        if open_:
            _put(open_[-1], steps, mark, key)
            key = None
        if written in "{[":
            mark.width = 1
            open_.append(mark)
            steps.append("" if written == "{" else -1)
        elif not open_:
            yield mark, flaws


def _put(parent: Mark, steps: list[str | int], mark: Mark, key: Mark | None) -> None:
    """Enter a value below its key, or as the next of its list."""
    step = steps[-1]
    if isinstance(step, int):
        step = steps[-1] = step + 1
    else:
        assert key is not None
        parent.keys[step] = key
    parent.children[step] = mark
