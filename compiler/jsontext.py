"""Where the values of a JSON text stand, and which keys it has twice.

The data itself comes from the standard library, which is fast and strict but tells no places; so
this reads only what `json` has accepted, and only when somebody asks. The marks are those of
`yamltext`. Columns count characters as written, escapes included.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from ferrule.compiler.lines import ENDS, Lines
from ferrule.compiler.yamltext import MOST_FLAWS, Flaw, Mark, repeated

TOKEN = re.compile(r'[{}\[\]:,]|"(?:[^"\\]++|\\.)*+"|[^\s{}\[\]:,"]++')


def documents(text: str) -> Iterator[tuple[Mark, list[Flaw]]]:
    """Marks and flaws of each value of a text that is JSON, one value after the other."""
    lines = Lines(text, ENDS)
    open_: list[Mark] = []  # the collections around the current token
    steps: list[str | int] = []  # and where in each of them it is
    flaws: list[Flaw] = []
    key: Mark | None = None
    for token in TOKEN.finditer(text):
        written = token[0]
        if written in ",:":
            continue
        line, column = lines.at(token.start())
        mark = Mark(line, column, len(written), line)
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
            if name in open_[-1].keys and len(flaws) < MOST_FLAWS:
                first = open_[-1].keys[name]
                flaws.append(repeated(name, tuple(steps[:-1]), mark, first))
            continue
        if open_:
            _put(open_[-1], steps, mark, key)
            key = None
        if written in "{[":
            mark.width, mark.children, mark.keys = 1, {}, {}
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
