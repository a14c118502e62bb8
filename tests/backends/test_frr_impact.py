"""Which row of the table is a change's, and what comes and goes as a whole.

What the rows say is measured in `tests/daemon/test_impacts_frr.py`.
"""

import pytest
from backends.frr_networks import end, network, node, session
from backends.frr_steps import ALONE, PAIRS
from backends.frr_strategies import models, surroundings
from daemon.node_cases import NEVER
from hypothesis import given

from ferrule.compiler.backends import frr
from ferrule.compiler.backends.base import Change
from ferrule.compiler.backends.frr.impact import BY_MAJOR, IMPACTS, UNKNOWN, impact, place, whole
from ferrule.compiler.backends.frr.model import Model
from ferrule.compiler.network import Network

Effects = dict[tuple[str, ...], str]


def lowered(network_: Network) -> Model:
    return frr.lower(network_.nodes[0], network_)


def effects(before: Network, after: Network, version: str = "") -> Effects:
    running = frr.intend(lowered(before), "prod")
    changes = frr.diff(running, lowered(after)).changes
    return {one.path: what for one, what in frr.impacts(changes, version)}


ONE = network(node(session("tor-a", end("10.1.0.1"))))
TWO = network(node(session("tor-a", end("10.1.0.1")), session("tor-b", end("10.1.0.2"))))


@given(models(), models(), surroundings())
def test_every_change_has_a_row(first: Model, second: Model, around: str) -> None:
    before = frr.parse(around, "prod")
    running = frr.future(before, frr.diff(before, first))
    for change in frr.diff(running, second).changes:
        block, line = place(change.path)
        assert (block, line) in IMPACTS or block == "route-map"


@given(models(), models(), surroundings())
def test_no_diff_yields_what_is_not_measured(first: Model, second: Model, around: str) -> None:
    before = frr.parse(around, "prod")
    running = frr.future(before, frr.diff(before, first))
    changes = frr.diff(running, second).changes
    parts = whole(changes, "add") | whole(changes, "remove")
    alone = (one for one in changes if not {one.path[:1], one.path[:2]} & parts)
    assert not {(place(one.path), one.op) for one in alone} & NEVER


@given(models(), models(), surroundings())
def test_every_change_is_told_once_in_its_order(first: Model, second: Model, around: str) -> None:
    running = frr.future(b := frr.parse(around, "prod"), frr.diff(b, first))
    changes = frr.diff(running, second).changes
    assert tuple(one for one, _ in frr.impacts(changes)) == changes


@given(models())
def test_on_a_node_where_nothing_was_no_session_ends(model: Model) -> None:
    nothing = frr.parse("", "prod")
    changes = frr.diff(nothing, model).changes
    assert {what for _, what in frr.impacts(changes)} <= {"none", "routes"}
    for change, what in frr.impacts(changes):
        assert what == "none" or not change.path[0].startswith("router bgp")


@given(models())
def test_where_everything_goes_sessions_end_and_none_is_reset(model: Model) -> None:
    running = frr.intend(model, "prod")
    found = [*frr.impacts(frr.diff(running, Model()).changes)]
    assert {what for _, what in found} <= {"none", "routes", "session"}
    ended = {one.path[:2] for one, what in found if what == "session" and len(one.path) > 1}
    assert ended == {
        (instance.header, f"neighbor {name}")
        for instance in running.instances.values()
        for name in instance.neighbors
    }


def test_a_neighbor_that_comes_means_nothing_and_one_that_goes_its_session() -> None:
    added, removed = effects(ONE, TWO), effects(TWO, ONE)
    parts = {path for path in added if "neighbor 10.1.0.2" in path}
    assert parts
    assert {added[path] for path in parts} == {"none"}
    assert {removed[path] for path in parts} == {"session"}


def test_another_as_is_a_reset_of_all() -> None:
    found = effects(*ALONE["another AS in all VRFs"])
    resets = {path[0] for path, what in found.items() if what == "reset"}
    assert resets == {"router bgp 65001", "router bgp 65001 vrf red"}
    assert "session" not in found.values()


def test_a_neighbor_that_moves_to_a_vrf_ends_where_it_was() -> None:
    found = effects(*PAIRS["a neighbor that moves to a VRF"])
    assert {what for path, what in found.items() if "neighbor 10.1.0.1" in path} == {
        "none",
        "session",
    }


def test_another_far_as_is_a_reset_and_not_the_end() -> None:
    before, after = PAIRS["another AS far away"]
    neighbor = ("router bgp 65001", "neighbor 10.1.0.1", "remote-as")
    assert effects(before, after)[neighbor] == "reset"


def test_versions_differ() -> None:
    before, after = PAIRS["another local AS"]
    path = ("router bgp 65001", "neighbor 10.1.0.1", "local-as")
    said = {version: effects(before, after, version)[path] for version in ("", "8.4.4", "10.3")}
    assert said == {"": "reset", "8.4.4": "reset", "10.3": "next-session"}
    before, after = PAIRS["graceful restart"]
    path = (*path[:2], "graceful-restart")
    said = {version: effects(before, after, version)[path] for version in ("9.1", "8.4.4", "10.3")}
    assert said == {"9.1": "reset", "8.4.4": "next-session", "10.3": "reset"}


WORST = ("none", "next-session", "limit", "routes", "session", "reset", "reset-vrf")


def test_what_is_not_known_of_a_version_is_the_worst_of_all() -> None:
    for table in BY_MAJOR.values():
        for key, row in table.items():
            for known, assumed in zip(row, IMPACTS[key], strict=True):
                assert WORST.index(known) <= WORST.index(assumed)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("prefix-list mine out", "routes"),
        ("maximum-prefix 100 restart 5", "none"),
        ("no send-community large", "routes"),
        ("next-hop-self force", "routes"),
        ("addpath-tx-all-paths", "reset"),
        ("next-hop-selfish", "reset"),
    ],
)
def test_what_somebody_put_there_is_found_by_its_first_words(line: str, what: str) -> None:
    path = ("router bgp 65001", "neighbor 10.1.0.1", "ipv4 unicast", line)
    assert impact(Change("remove", path, "", None)) == what


def test_what_is_nowhere_is_a_reset() -> None:
    path = ("bfd", "profile ferrule-prod_fast", "unheard-of 7")
    assert impact(Change("remove", path, "", None)) == UNKNOWN[0] == "reset"
