"""Nodes that own otherwise than we think: at first that is nothing, what lasts is said once."""

from ferrule.announce.doubts import LASTING_S, Doubts


def test_what_passes_is_nothing_and_what_lasts_is_said_once() -> None:
    doubts, step = Doubts(), LASTING_S / 2
    assert doubts.look({"node-2": False, "node-3": True}, 0.0) == frozenset()
    assert doubts.look({"node-2": True, "node-3": False}, step) == frozenset()
    assert doubts.look({"node-2": False, "node-3": False}, 2 * step) == frozenset()
    assert doubts.look({"node-2": False, "node-3": False}, 3 * step) == {"node-3"}
    assert doubts.look({"node-2": True, "node-3": False}, 4 * step) == frozenset()
    assert doubts.lasting == {"node-3"}


def test_who_is_not_heard_is_not_doubted() -> None:
    doubts = Doubts()
    doubts.look({"node-2": False}, 0.0)
    assert doubts.look({"node-2": False}, LASTING_S) == {"node-2"}
    assert doubts.look({}, 2 * LASTING_S) == frozenset()
    assert doubts.lasting == frozenset()
