"""From the model to text: frr.conf as FRR itself would print it, plain or with the origins.

One set of templates makes both. In them `of(thing)` starts each line that something of the spec
caused: nothing in plain text, a mark that `annotate` takes off again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ferrule.compiler.backends.base import Line
from ferrule.compiler.backends.frr.model import Model, NetworkLine, Networks, PrefixList, RouteMap
from ferrule.compiler.network import Secret
from ferrule.compiler.source import Origin

ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parents[3] / "templates" / "frr"),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
    trim_blocks=True,
    lstrip_blocks=True,
    autoescape=False,  # noqa: S701  # frr.conf is not HTML; `lower` checks every value
)
ENVIRONMENT.globals["ip"] = {"ipv4": "ip", "ipv6": "ipv6"}  # FRR's word for the family
FRAGMENT = ENVIRONMENT.get_template("frr.conf.j2")
Block = PrefixList | RouteMap | Networks
BLOCKS = {
    PrefixList: ENVIRONMENT.get_template("prefix-list.j2"),
    RouteMap: ENVIRONMENT.get_template("route-map.j2"),
    Networks: ENVIRONMENT.get_template("networks.j2"),
}
MARK = "\0"


class Caused(Protocol):
    """What the model knows the origin of."""

    @property
    def origin(self) -> Origin | None:
        """The spec's place."""
        ...


class Texts:
    """The text of what several nodes share, made once per run; plain text only.

    By identity: comparing two long blocks costs more than rendering one. Holding the thing keeps
    its id from being given to another one. Network lines are kept one by one, because the tables
    of two nodes may differ in a few.
    """

    def __init__(self) -> None:
        self._texts: dict[int, tuple[Block, str]] = {}
        self._lines: dict[int, tuple[NetworkLine, str]] = {}

    def of(self, block: Block) -> str:
        """The lines of one block."""
        if isinstance(block, Networks) and not block.shared:
            return self._networks(block.lines)
        if id(block) not in self._texts:
            self._texts[id(block)] = (block, _block(block, _nothing))
        return self._texts[id(block)][1]

    def _networks(self, lines: tuple[NetworkLine, ...]) -> str:
        new = tuple(line for line in lines if id(line) not in self._lines)
        if new:
            made = _block(Networks(new), _nothing).splitlines(keepends=True)
            self._lines.update(
                (id(line), (line, text)) for line, text in zip(new, made, strict=True)
            )
        return "".join([self._lines[id(line)][1] for line in lines])


def render(model: Model, *, with_secrets: bool = False, texts: Texts | None = None) -> str:
    """The fragment as text; passwords are placeholders unless asked for."""

    def password(secret: Secret) -> str:
        shown = secret.value if with_secrets else None
        return secret.placeholder if shown is None else shown

    block = (texts or Texts()).of
    return FRAGMENT.render(model=model, block=block, of=_nothing, password=password)


def annotate(model: Model) -> tuple[Line, ...]:
    """The lines of `render(model)`, each with its origin; separators and ends have none."""
    origins: list[Origin | None] = []

    def of(thing: Caused) -> str:
        origins.append(thing.origin)
        return f"{MARK}{len(origins) - 1}{MARK}"

    def line(text: str) -> Line:
        if not text.startswith(MARK):
            return Line(text)
        _, number, text = text.split(MARK)
        return Line(text, origins[int(number)])

    text = FRAGMENT.render(
        model=model,
        block=lambda block: _block(block, of),
        of=of,
        password=lambda secret: secret.placeholder,
    )
    return tuple(map(line, text.splitlines()))


def _block(block: Block, of: Callable[[Caused], str]) -> str:
    return BLOCKS[type(block)].render(block=block, of=of)


def _nothing(thing: Caused) -> str:  # noqa: ARG001
    return ""
