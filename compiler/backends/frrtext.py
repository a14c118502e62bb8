"""FRR's configuration as a tree of lines, read from a running-config or from a fragment of ours.

The tree knows where a block begins and ends, by indentation, and nothing about what a line means;
every line is kept as it stands, so that writing what was read gives the same bytes back, whoever
wrote them. Plain string work: a node with ten thousand Services is read in a few milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ferrule.compiler.backends.base import Command

# What opens a block, where a line of it is sent on its own.
OPENING = re.compile(r"(router bgp|address-family|route-map|profile|vrf|interface) |bfd$")
COMMENTS = ("", "!", "#")


@dataclass(slots=True)
class Block:
    """A line and the lines that stand deeper below it; all with their indentation."""

    header: str
    body: list[str | Block] = field(default_factory=list)


Body = list[str | Block]


@dataclass(slots=True)
class Config:
    """One configuration; what does not say its version or profile has "" for it."""

    body: Body

    @property
    def version(self) -> str:
        """As FRR wrote it: `8.4.4`, `10.3`."""
        return self._said("frr version ")

    @property
    def profile(self) -> str:
        """`traditional` or `datacenter`: which defaults are left out."""
        return self._said("frr defaults ")

    def _said(self, words: str) -> str:
        tops = (line for line in self.body if isinstance(line, str))
        return next((line.removeprefix(words) for line in tops if line.startswith(words)), "")


def read(text: str) -> Config:
    """The tree; of any text, for what is odd about the indentation only moves a line.

    A comment belongs to the block around it wherever it stands: people start them in column one.
    """
    body: Body = []
    config = Config(body)
    outer: list[tuple[Body, int]] = []
    depth, margin = 0, ""
    for line in text.splitlines():
        if line.startswith(margin) and line[depth : depth + 1] not in (" ", ""):
            body.append(line)
            continue
        bare = line.lstrip(" ")
        indent = len(line) - len(bare)
        if indent > depth and (inside := _open_last(body)) is not None:
            outer.append((body, depth))
            body, depth = inside, indent
        elif bare[:1] not in COMMENTS:
            while outer and indent <= outer[-1][1]:
                body, depth = outer.pop()
        body.append(line)
        margin = " " * depth
    return config


def _open_last(body: Body) -> Body | None:
    """Make a block of the last line that is no comment; comments after it go inside."""
    at = len(body) - 1
    while at >= 0 and isinstance(last := body[at], str):
        if not is_comment(last):
            block = Block(last, body[at + 1 :])
            body[at:] = [block]
            return block.body
        at -= 1
    return None


def is_comment(line: str) -> bool:
    """Whether it says nothing: empty, `!` or `#`."""
    return line.lstrip(" ")[:1] in COMMENTS


def is_end(text: str) -> bool:
    """Whether it only closes: `exit`, `exit-address-family`, `end`."""
    return text == "end" or text.startswith("exit")


def statements(body: Body) -> Iterator[tuple[str, Body]]:
    """What a body states, without indentation, comments and ends: each line and its block."""
    for item in body:
        line, inside = (item, []) if isinstance(item, str) else (item.header, item.body)
        text = line.strip()
        if not (is_comment(text) or is_end(text)):
            yield text, inside


def lines(body: Body) -> Iterator[str]:
    """Every line, in its order."""
    for item in body:
        if isinstance(item, str):
            yield item
        else:
            yield item.header
            yield from lines(item.body)


def write(config: Config) -> str:
    """The text again."""
    return "".join(f"{line}\n" for line in lines(config.body))


def script(commands: Iterable[Command]) -> str:
    """Commands as `vtysh -f` takes them: blocks opened and closed, each as seldom as possible."""
    said: list[str] = []
    open_: list[str] = []

    def close(down_to: int) -> None:
        while len(open_) > down_to:
            last = open_.pop()
            end = "exit-address-family" if last.startswith("address-family") else "exit"
            said.append(" " * len(open_) + end)

    def enter(text: str) -> None:
        said.append(" " * len(open_) + text)
        if OPENING.match(text):
            open_.append(text)

    for command in commands:
        shared = 0
        for ours, theirs in zip(open_, command.within, strict=False):
            if ours != theirs:
                break
            shared += 1
        close(shared)
        for header in command.within[shared:]:
            enter(header)
        enter(command.text)
    close(0)
    return "".join(f"{line}\n" for line in said)
