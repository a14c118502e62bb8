"""What one Service costs on top of many: the lines sent to FRR, and what its neighbors hear.

All the way: compile, read what runs, compare, send the difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import pytest

from daemon.ear import Ears, Heard
from daemon.flavour import Flavour
from daemon.lab import Lab
from daemon.rig import Life, Majors, Rig, lives, load
from daemon.shop import GOLD, ONLY_A, PLAIN, SILVER, Labels, Shop, prefix
from ferrule.compiler.backends.base import Diff

SIZE = 1_000
A, B = "tor-a", "tor-b"
# FRR waits 5 s before it looks at a route-map again, and here we wait for it.
SOON = "bgp route-map delay-timer 1\n"

pytestmark = pytest.mark.daemon


@dataclass
class Node:
    """The node as it runs some Services, and what its neighbors hear of it."""

    rig: Rig
    shop: Shop
    ears: Ears = field(init=False)
    sessions: dict[str, dict[str, Life]] = field(init=False)

    def __post_init__(self) -> None:
        self.ears = Ears(self.rig.far)
        self.sessions = self.lives()

    def lives(self) -> dict[str, dict[str, Life]]:
        return {far: lives(device) for far, device in self.rig.far.items()}

    def go_to(self, shop: Shop) -> Diff:
        self.shop, self.rig.meant = shop, shop.compiled()
        return self.rig.go_to("node-1", self.rig.meant.model("node-1"))

    def heard(self, least: Mapping[str, int]) -> tuple[Heard, Heard]:
        """What each neighbor has heard when all is quiet, and no session was touched."""
        self.ears.wait(least)
        self.ears.wait_quiet()
        assert self.lives() == self.sessions
        for far in (A, B):
            self.rig.wait_heard(far)
        found = self.ears.heard()
        return found[A], found[B]


@pytest.fixture(scope="module")
def node(flavours: dict[str, Flavour], flavour: str) -> Iterator[Node]:
    shop = Shop.of(SIZE)
    with Lab(flavours) as lab:
        rig = Rig(lab, Majors(flavour, flavour), shop.compiled())
        assert rig.boot() == []
        assert load(rig.nodes["node-1"], SOON) == []
        rig.wait()
        yield Node(rig, shop)


# A change of one Service, and what tor-a and tor-b hear of it: something new, an end, nothing.
NEW, END, NOTHING = "new", "end", ""
CHANGES: tuple[tuple[str, int, Labels | None, str, str], ...] = (
    ("one more", SIZE, PLAIN, NEW, NEW),
    ("one less", SIZE, None, END, END),
    ("one more for tor-a alone", SIZE + 1, ONLY_A, NEW, NOTHING),
    ("one less for tor-a alone", SIZE + 1, None, END, NOTHING),
    ("to another class", 50, GOLD, NEW, NEW),
    ("away from tor-b", 51, ONLY_A, NEW, END),
    ("back to tor-b", 51, PLAIN, NEW, NEW),
    ("one more of another class", SIZE + 2, GOLD, NEW, NEW),
)


def test_a_change_of_one_service_is_one_line_and_one_update_to_whom_it_concerns(
    node: Node,
) -> None:
    said: dict[str, list[tuple[str, str]]] = {A: [], B: []}
    for what, number, labels, *hears in CHANGES:
        diff = node.go_to(
            node.shop.drop(number) if labels is None else node.shop.put(number, labels)
        )
        assert len(diff.commands) == 1, what
        for far, kind in zip((A, B), hears, strict=True):
            said[far] += [(kind, prefix(number))] if kind else []
        node.ears.wait({far: len(told) for far, told in said.items()})

    for far, heard in zip((A, B), node.heard({}), strict=True):
        assert heard == Heard(
            len(said[far]),
            [one for kind, one in said[far] if kind == NEW],
            [],
            [one for kind, one in said[far] if kind == END],
        )


def test_a_new_class_has_each_neighbor_told_the_rest_once_more_unchanged(node: Node) -> None:
    """FRR goes through all routes after a change of an outbound map; the neighbor ignores them."""
    held = {far: sorted(node.rig.meant.table(far)) for far in (A, B)}
    first, second = SIZE + 3, SIZE + 4

    diff = node.go_to(node.shop.put(first, SILVER))

    assert sum("network " in command.text for command in diff.commands) == 1
    for far, heard in zip(
        (A, B), node.heard({far: len(held[far]) + 2 for far in held}), strict=True
    ):
        assert heard.announced == [prefix(first)]
        assert heard.withdrawn == []
        assert sorted(heard.repeated) == sorted([*held[far], prefix(first)])

    assert len(node.go_to(node.shop.put(second, SILVER)).commands) == 1
    only = Heard(1, [prefix(second)], [], [])
    assert node.heard({A: 1, B: 1}) == (only, only)


def test_what_a_class_says_changes_for_its_services_and_for_no_other(node: Node) -> None:
    """Of the others a neighbor hears once more what it knows."""
    concerned = [*map(prefix, node.shop.heard_by_both())]

    node.go_to(replace(node.shop, both="64512:9"))

    least = dict.fromkeys((A, B), len(concerned) + 1)
    for far, heard in zip((A, B), node.heard(least), strict=True):
        assert sorted(heard.announced) == sorted(concerned)
        assert heard.withdrawn == []
        assert {*heard.repeated} <= {*node.rig.meant.table(far)}
