"""The rounds of a measurement: changes are sent, both ends of every session say what they noticed.

What comes of a change may not be worse than its table of impacts says, and each row of the table
needs a session that noticed exactly that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from daemon.flavour import wait_for
from daemon.sessions import UP_S, Bench, Link, Seen, noticed, settled
from ferrule.compiler.backends.base import Change, Op

Row = tuple[str, str]  # of a table of impacts: a block or table, and a line or field
Told = tuple[tuple[Row, Op, str], ...]  # of one case: rows, and what the table says

# What there is to notice at once; `limit` depends on how much is said.
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


class Place(Protocol):
    """A case with its session."""

    @property
    def name(self) -> str: ...

    @property
    def device(self) -> str: ...

    @property
    def link(self) -> Link: ...

    def told(self, round_: int) -> str:
        """Lines for the far end's `router bgp`, once a round is over."""

    def is_about(self, change: Change) -> bool: ...

    def is_over(self, round_: int) -> bool:
        """Whether the far end says more than it may from this round on."""


@dataclass(frozen=True)
class Measured:
    """What was sent in one round for one case, what the table says of it, and what came of it."""

    case: str
    round_: int
    told: Told
    noticed: str
    over: bool = False

    @cached_property
    def expected(self) -> str:
        """What the table says that is noticed at once."""
        worst = worst_of(self.told)
        return "reset" if self.over and worst == "limit" else NOTICED.get(worst, worst)

    @property
    def is_worse(self) -> bool:
        """Whether more was noticed than the table says."""
        return RANK[self.noticed] > RANK[self.expected]

    def shows(self, row: Row, op: Op) -> bool:
        """Whether exactly what a row says was noticed, and nothing else sent could have done it."""
        return self.expected == self.noticed and any(
            (about, done, what) == (row, op, worst_of(self.told)) for about, done, what in self.told
        )


def row_of(block: str, line: str, rows: Collection[Row]) -> Row:
    """The row that a line or field is looked up in: that of its first words, or `*`."""
    words = line.split(" ")
    names = (" ".join(words[:count]) for count in range(len(words), 0, -1))
    return next(((block, name) for name in names if (block, name) in rows), (block, "*"))


class Campaign(ABC):
    """The rounds of one version, over some near routers and the far one."""

    far_instance: str
    rows: Collection[Row]

    def __init__(self, bench: Bench, places: Sequence[Place]) -> None:
        self.bench, self.places = bench, places
        self.measured: list[Measured] = []
        self.used_later: dict[tuple[str, int], bool] = {}

    @abstractmethod
    def send(self, device: str, round_: int) -> Iterable[tuple[Change, Row, str]]:
        """Send the changes of a round to a device; what each is about, and what the table says."""

    @abstractmethod
    def heard(self, round_: int) -> Mapping[Link, tuple[str, int]]:
        """Sessions that are up in a round, and how many prefixes their `near` or `far` end has."""

    def run(self, rounds: int) -> None:
        self._wait(self.heard(0), {})
        for round_ in range(1, rounds):
            before = self.bench.settled()
            told = self._measure(before, round_)
            waiting = {
                one: before[one.link]
                for one in self.places
                if worst_of(told[one.name]) == "next-session" and one.name != "port"
            }
            self.bench.clear([one.link for one in waiting])
            self._follow(round_)
            wanted = self.heard(round_) if round_ < rounds - 1 else {}
            seen = self._wait(wanted, {one.link: old for one, old in waiting.items()})
            for one, old in waiting.items():
                self.used_later[one.name, round_] = seen[one.link].differs_from(old)

    def _measure(self, before: Mapping[Link, Seen], round_: int) -> dict[str, Told]:
        """Send the changes of a round, and count what comes of them."""
        told: dict[str, Told] = {}
        for device in self.bench.links:
            told |= self._told(device, round_)

        def results() -> list[Measured]:
            seen = self.bench.read()
            return [
                Measured(
                    one.name,
                    round_,
                    told[one.name],
                    noticed(before[one.link], seen[one.link]),
                    one.is_over(round_),
                )
                for one in self.places
            ]

        self.measured += settled(results)
        return told

    def _told(self, device: str, round_: int) -> dict[str, Told]:
        """By case; what is about none of them is about all on the device."""
        here = [one for one in self.places if one.device == device]
        told: dict[str, list[tuple[Row, Op, str]]] = {one.name: [] for one in here}
        for change, about, what in self.send(device, round_):
            row = row_of(*about, self.rows)
            for one in [one for one in here if one.is_about(change)] or here:
                told[one.name].append((row, change.op, what))
        return {name: tuple(each) for name, each in told.items()}

    def _follow(self, round_: int) -> None:
        """Let the far end come after."""
        said = "".join(one.told(round_) for one in self.places)
        if said:
            answer = self.bench.far.frr.load(f"{self.far_instance}\n{said}exit\n")
            assert answer.ok, answer.lines

    def _wait(
        self, wanted: Mapping[Link, tuple[str, int]], anew: Mapping[Link, Seen]
    ) -> dict[Link, Seen]:
        """Until sessions are up and have heard what they should, or have started anew."""

        def late() -> list[Link]:
            seen = self.bench.read()
            waiting = [
                link
                for link, (end, count) in wanted.items()
                if not seen[link].up
                or seen[link].waits_for_bfd
                or getattr(seen[link], end).heard != count
            ]
            return waiting + [link for link, old in anew.items() if not seen[link].is_after(old)]

        wait_for(lambda: not late(), UP_S, "all is heard")
        return self.bench.read()
