"""Who is selected, asked of a thousand nodes: worked out once per combination of labels.

Nodes differ in many labels (their host names, for one) and in few that any selector looks at;
those that are alike in these are selected by the same things.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

from ferrule.compiler.spec.types import Selector, any_matches

T = TypeVar("T")


class Selection(Generic[T]):
    """Things with lists of label selectors; `of` gives those that select somebody's labels."""

    def __init__(self, things: Iterable[T], selectors: Callable[[T], tuple[Selector, ...]]) -> None:
        self._things = [(thing, selectors(thing)) for thing in things]
        each = [one for _, several in self._things for one in several]
        keys = {key for one in each for key in one.match_labels}
        keys |= {expression.key for one in each for expression in one.match_expressions}
        self._keys = sorted(keys)
        self._known: dict[tuple[str | None, ...], tuple[T, ...]] = {}

    def of(self, labels: Mapping[str, str]) -> tuple[T, ...]:
        """Those that select these labels, in the order in which they were given."""
        alike = tuple(map(labels.get, self._keys))
        if alike not in self._known:
            self._known[alike] = tuple(
                thing for thing, selectors in self._things if any_matches(selectors, labels)
            )
        return self._known[alike]
