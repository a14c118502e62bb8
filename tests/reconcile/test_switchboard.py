"""Where a switch's state is said, as the switch moves between a directory and the cluster."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from short import compiled, switch

from ferrule.compiler.source import Document
from ferrule.reconcile.logs import Log
from ferrule.reconcile.publish import Post
from ferrule.reconcile.switch_accepts import Accepted
from ferrule.reconcile.switch_status import SwitchState, config_map
from ferrule.reconcile.switchboard import Switchboard
from ferrule.reconcile.switches import Settings

TOR, SPACE = "tor-a", "ferrule-system"
META = {"name": TOR, "namespace": SPACE}
OBJECT = Document({"apiVersion": "ferrule.dev/v1alpha1", "kind": "Switch", "metadata": META})
FILE = switch(compiled("Switch tor-a: {addresses: [10.1.0.1/24]}")).origin.document
MAP, STATUS = f"configmaps/ferrule-switch-{TOR}", f"switches/{TOR}"


class World:
    """A switchboard whose switches nobody looks at."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        log = Log("debug", io.StringIO())
        self.board = Switchboard(
            "replica-1", SPACE, lambda: False, self.posts.append, lambda _: None, log, Settings()
        )

    def says(self, document: Document, accepted: Accepted | None = None) -> list[tuple[str, bool]]:
        """What is put of a new state: where, and whether it is said or taken back."""
        self.posts.clear()
        self.board._published(TOR, SwitchState(TOR, document, accepted=accepted))  # noqa: SLF001
        paths = (one.path.partition(f"/namespaces/{SPACE}/")[2] for one in self.posts)
        return [(path, one.said is not None) for path, one in zip(paths, self.posts, strict=True)]


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.board.stop()


def test_a_switch_that_moves_into_the_cluster_leaves_no_map(world: World) -> None:
    assert world.says(FILE, Accepted()) == [(MAP, True)]
    assert world.says(OBJECT, Accepted()) == [(STATUS, True), (MAP, False)]
    assert world.says(OBJECT, Accepted()) == [(STATUS, True)]
    assert world.says(FILE, Accepted()) == [(MAP, True)]


def test_a_map_that_a_predecessor_has_left_goes_once_the_object_says_what_is_taken(
    world: World,
) -> None:
    world.board.learn_map(f"{SPACE}/ferrule-switch-{TOR}", config_map({}))
    assert world.says(OBJECT) == [(STATUS, True)]
    assert world.says(OBJECT, Accepted()) == [(STATUS, True), (MAP, False)]
    world.board.learn_map(f"{SPACE}/ferrule-switch-{TOR}", None)
    assert world.says(OBJECT, Accepted()) == [(STATUS, True)]
