"""Every row of FRR's table of impacts, measured: the commands of a diff, sent to real sessions.

A case is a session of its own and what the node's configuration of it is in four rounds. Between
two rounds the node is given what `diff` sends, and nothing else; what both ends then notice may
not be worse than the table says, and of every row some case must have noticed exactly that.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from daemon.campaign import Campaign, Row
from daemon.flavour import Flavour
from daemon.lab import Lab
from daemon.node_cases import (
    CHECK,
    GLOBALS,
    NEVER,
    NODES,
    PLACES,
    ROUNDS,
    Place,
    far_text,
    node_text,
)
from daemon.sessions import Bench, Link
from ferrule.compiler.backends import frr, frrtext
from ferrule.compiler.backends.base import Change, Op
from ferrule.compiler.backends.frr.impact import IMPACTS, OPS, place

pytestmark = pytest.mark.daemon


class Nodes(Campaign):
    """Nodes that are given what a diff says."""

    far_instance = "router bgp 65000"
    rows = IMPACTS.keys()

    def __init__(self, lab: Lab, flavour: Flavour) -> None:
        links = {node: [one.link for one in PLACES if one.device == node] for node in NODES}
        super().__init__(Bench(lab, flavour.major, links, far_text()), PLACES)
        self.version = flavour.version
        for node in NODES:
            text = "bgp route-map delay-timer 1\n" + node_text(node, 0)
            answer = self.bench.near[node].frr.load(text)
            assert answer.code == 0, answer.lines

    def send(self, device: str, round_: int) -> Iterator[tuple[Change, Row, str]]:
        router = self.bench.near[device].frr
        running = frr.parse(router.running_config(), "prod")
        diff = frr.diff(running, frr.parse(node_text(device, round_), "prod"))
        assert diff.problems == ()
        if diff.commands:
            answer = router.load(frrtext.script(diff.commands))
            assert answer.code == 0, answer.lines
        for change, what in frr.impacts(diff.changes, self.version):
            yield change, place(change.path), what

    def heard(self, round_: int) -> dict[Link, tuple[str, int]]:
        told = {node: frr.told(frr.parse(node_text(node, round_), "prod")) for node in NODES}
        return {
            one.link: ("far", len(told[one.device]["", one.link.far]))
            for one in PLACES
            if is_predictable(one, round_)
        }


def is_predictable(one: Place, round_: int) -> bool:
    """Whether its neighbor is ours and up, and nothing of others changes what it is told."""
    part = one.part(round_)
    if part is None or part["more"] or "mine" in part["ipv4"]:
        return False
    return "shutdown" not in "".join(part.values()) and CHECK in GLOBALS[one.device][round_]


@pytest.fixture(scope="module")
def campaign(flavours: dict[str, Flavour], flavour: str) -> Iterator[Campaign]:
    with Lab(flavours) as lab:
        made = Nodes(lab, flavours[flavour])
        made.run(ROUNDS)
        yield made


def test_nobody_notices_more_than_the_table_says(campaign: Campaign) -> None:
    """A session of which nothing was changed notices nothing."""
    assert [one for one in campaign.measured if one.is_worse] == []


ROWS = [(row, op) for row in IMPACTS for op in OPS if (row, op) not in NEVER]


@pytest.mark.parametrize(
    ("row", "op"), [pytest.param(*each, id=f"{each[1]} {' '.join(each[0])}") for each in ROWS]
)
def test_what_the_table_says_has_been_noticed(campaign: Campaign, row: Row, op: Op) -> None:
    assert any(one.shows(row, op) for one in campaign.measured)


def test_what_waits_for_the_next_session_is_used_by_it(campaign: Campaign) -> None:
    assert campaign.used_later
    assert {key: used for key, used in campaign.used_later.items() if not used} == {}
