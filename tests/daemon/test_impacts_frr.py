"""Every row of FRR's table of impacts, measured: the commands of a diff, sent to real sessions.

A case is a session of its own and what the node's configuration of it is in four rounds. Between
two rounds the node is given what `diff` sends, and nothing else; what both ends then notice may
not be worse than the table says, and of every row some case must have noticed exactly that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import pytest

from daemon.flavour import Flavour, wait_for
from daemon.lab import Lab
from daemon.node_cases import (
    CHECK,
    GLOBALS,
    NEVER,
    NODES,
    PLACES,
    ROUNDS,
    Place,
    Row,
    far_text,
    node_text,
)
from daemon.sessions import UP_S, Bench, Link, Seen, noticed, settled
from ferrule.compiler.backends import frr, frrtext
from ferrule.compiler.backends.base import Op
from ferrule.compiler.backends.frr.impact import IMPACTS, OPS, place

pytestmark = pytest.mark.daemon

Told = tuple[tuple[Row, Op, str], ...]  # of one case: rows, and what the table says
NOTICED = {"next-session": "none", "limit": "none", "reset-vrf": "reset"}
RANK = {
    "none": 0,
    "limit": 1,
    "next-session": 2,
    "routes": 3,
    "reset": 4,
    "reset-vrf": 4,
    "session": 4,
}


def worst_of(told: Told) -> str:
    """The worst of what the table says of some changes."""
    return max((what for _, _, what in told), key=RANK.__getitem__, default="none")


@dataclass(frozen=True)
class Measured:
    """What was sent in one round for one case, what the table says of it, and what came of it."""

    case: str
    round_: int
    told: Told
    noticed: str

    @cached_property
    def expected(self) -> str:
        """What the table says that is noticed at once."""
        worst = worst_of(self.told)
        return NOTICED.get(worst, worst)


class Campaign:
    """The rounds of one version."""

    def __init__(self, lab: Lab, flavour: Flavour) -> None:
        self.version = flavour.version
        links = {node: [one.link for one in PLACES if one.case.node == node] for node in NODES}
        self.bench = Bench(lab, flavour.major, links, far_text())
        for node in NODES:
            text = "bgp route-map delay-timer 1\n" + node_text(node, 0)
            answer = self.bench.near[node].frr.load(text)
            assert answer.code == 0, answer.lines
        self.measured: list[Measured] = []
        self.used_later: dict[tuple[str, int], bool] = {}

    def run(self) -> None:
        self.wait(0)
        for round_ in range(1, ROUNDS):
            self.measure(round_)
            self.follow(round_)
            if round_ < ROUNDS - 1:
                self.wait(round_)

    def measure(self, round_: int) -> None:
        """Send the changes of a round, and count what comes of them."""
        before = self.bench.settled()
        told: dict[Place, Told] = {}
        for node in NODES:
            told |= self.send(node, round_)

        def results() -> list[Measured]:
            seen = self.bench.read()
            return [
                Measured(
                    one.case.name, round_, told[one], noticed(before[one.link], seen[one.link])
                )
                for one in PLACES
            ]

        self.measured += settled(results)
        self.check_later(before, told, round_)

    def send(self, node: str, round_: int) -> dict[Place, Told]:
        """Send what a diff says; what the table says of it, by case."""
        device = self.bench.near[node]
        running = frr.parse(device.frr.running_config(), "prod")
        diff = frr.diff(running, frr.parse(node_text(node, round_), "prod"))
        assert diff.problems == ()
        said = list(frr.impacts(diff.changes, self.version))
        if diff.commands:
            answer = device.frr.load(frrtext.script(diff.commands))
            assert answer.code == 0, answer.lines
        told: dict[Place, list[tuple[Row, Op, str]]] = {
            one: [] for one in PLACES if one.case.node == node
        }
        for change, what in said:
            mine = [one for one in told if one.is_about(change)]
            for one in mine or told:  # what is about none of them is about all
                told[one].append((place(change.path), change.op, what))
        return {one: tuple(each) for one, each in told.items()}

    def check_later(
        self, before: Mapping[Link, Seen], told: Mapping[Place, Told], round_: int
    ) -> None:
        """Whether a session that starts anew differs in what the far end knows of it."""
        waiting = [
            one
            for one, said in told.items()
            if worst_of(said) == "next-session" and one.case.name != "port"
        ]
        seen = self.bench.restart([one.link for one in waiting])
        for one in waiting:
            old, new = before[one.link].far, seen[one.link].far
            assert old
            assert new
            self.used_later[one.case.name, round_] = old.facts != new.facts

    def follow(self, round_: int) -> None:
        """Let the far end come after."""
        said = "".join(one.told(round_) for one in PLACES)
        if said:
            answer = self.bench.far.frr.load(f"router bgp 65000\n{said}exit\n")
            assert answer.ok, answer.lines

    def wait(self, round_: int) -> None:
        """Until every session is up and the far end has heard what it is told."""
        expected: dict[Link, int] = {}
        for node in NODES:
            heard = frr.told(frr.parse(node_text(node, round_), "prod"))
            for one in PLACES:
                if one.case.node == node and is_predictable(one, round_):
                    expected[one.link] = len(heard["", one.link.far])

        def late() -> list[Link]:
            seen = self.bench.read()
            return [
                link
                for link, count in expected.items()
                if not seen[link].up or (far := seen[link].far) is None or far.heard != count
            ]

        wait_for(lambda: not late(), UP_S, f"the far end hears all in round {round_}")


def is_predictable(one: Place, round_: int) -> bool:
    """Whether its neighbor is ours and up, and nothing of others changes what it is told."""
    part = one.part(round_)
    if part is None or part["more"] or "mine" in part["ipv4"]:
        return False
    return "shutdown" not in "".join(part.values()) and CHECK in GLOBALS[one.case.node][round_]


@pytest.fixture(scope="module")
def campaign(flavours: dict[str, Flavour], flavour: str) -> Iterator[Campaign]:
    with Lab(flavours) as lab:
        made = Campaign(lab, flavours[flavour])
        made.run()
        yield made


def test_nobody_notices_more_than_the_table_says(campaign: Campaign) -> None:
    """A session of which nothing was changed notices nothing."""
    worse = [one for one in campaign.measured if RANK[one.noticed] > RANK[one.expected]]
    assert worse == []


ROWS = [(row, op) for row in IMPACTS for op in OPS if (row, op) not in NEVER]


@pytest.mark.parametrize(
    ("row", "op"), [pytest.param(*each, id=f"{each[1]} {' '.join(each[0])}") for each in ROWS]
)
def test_what_the_table_says_has_been_noticed(campaign: Campaign, row: Row, op: Op) -> None:
    """By a session of which nothing else was changed that could have done it."""
    block, line = row
    found = [
        one
        for one in campaign.measured
        for (about, text), done, what in one.told
        if about == block and names(text, line) and done == op
        if NOTICED.get(what, what) == one.expected == one.noticed
    ]
    assert found


def names(text: str, line: str) -> bool:
    """Whether a line of a configuration belongs to a row."""
    return line == "*" or text == line or (bool(line) and text.startswith(f"{line} "))


def test_what_waits_for_the_next_session_is_used_by_it(campaign: Campaign) -> None:
    assert campaign.used_later
    assert {key: used for key, used in campaign.used_later.items() if not used} == {}
