"""What every far end hears from the nodes, before a plan and after it.

A far end is a switch of the spec, or whatever else a node peers with. Before and after are tables
of what is announced and accepted; only nodes and switches that change are looked at line by line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ferrule.compiler.network import Attributes

Neighbor = tuple[str, str]  # VRF, and the name in `neighbor NAME`
Heard = Mapping[str, Attributes]  # by prefix
Told = Mapping[Neighbor, Heard]  # of one node
Ear = tuple[str, Neighbor]  # a node and one of its neighbors


@dataclass(frozen=True, slots=True)
class Shift:
    """What changes for one far end; prefixes in the order in which they were met.

    `widths` are prefixes that more or fewer nodes lead to: how many before, how many after.
    `again` are routes that it hears anew, by how many neighbors in all.
    """

    far: str
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    widths: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    again: int = 0
    before: int = 0  # prefixes it heard

    @property
    def mass(self) -> bool:
        """Whether more than a fifth of what it heard goes."""
        return len(self.gone) * 5 > self.before


def shifts(
    before: Mapping[str, Told],
    after: Mapping[str, Told],
    far: Mapping[Ear, str],
    stirred: Collection[Ear] = (),
) -> Iterator[Shift]:
    """Far by far; nodes that do not change have the same object in `before` and in `after`.

    Every route of a `stirred` ear is sent anew.
    """
    by_far: dict[str, list[Ear]] = defaultdict(list)
    for ear, name in far.items():
        by_far[name].append(ear)
    for name in sorted(by_far):
        ears = by_far[name]
        affected: dict[str, None] = {}
        again = 0
        for ear in ears:
            old, new = _heard(before, ear), _heard(after, ear)
            if old is new and ear not in stirred:
                continue
            affected.update(dict.fromkeys(sorted(old.keys() ^ new.keys())))
            stay = old.keys() & new.keys()
            again += len(stay if ear in stirred else [*_unlike(old, new, stay)])
        if affected or again:
            yield _shift(name, ears, before, after, affected, again)


def _unlike(old: Heard, new: Heard, stay: Iterable[str]) -> Iterator[str]:
    """Prefixes whose attributes change; most share one object, which is the quicker to see."""
    for prefix in stay:
        one, other = old[prefix], new[prefix]
        if one is not other and one != other:
            yield prefix


def _heard(tables: Mapping[str, Told], ear: Ear) -> Heard:
    node, neighbor = ear
    return tables.get(node, {}).get(neighbor, {})


def _shift(
    name: str,
    ears: Iterable[Ear],
    before: Mapping[str, Told],
    after: Mapping[str, Told],
    affected: Iterable[str],
    again: int,
) -> Shift:
    new, gone, widths = [], [], {}
    for prefix in affected:
        old_width = len({ear[0] for ear in ears if prefix in _heard(before, ear)})
        new_width = len({ear[0] for ear in ears if prefix in _heard(after, ear)})
        if not old_width:
            new.append(prefix)
        elif not new_width:
            gone.append(prefix)
        elif old_width != new_width:
            widths[prefix] = (old_width, new_width)
    total = len({one for ear in ears for one in _heard(before, ear)})
    return Shift(name, tuple(new), tuple(gone), widths, again, total)
