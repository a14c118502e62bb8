"""Every row of SONiC's table of impacts, measured: what frrcfgd sends, sent to real sessions.

As `test_impacts_frr`, for the other end of a session: a case is a session of its own and what the
switch's rows for it are in four rounds. Each patch of a diff goes row by row, as the Generic
Config Updater writes them, to the stand-in for frrcfgd, and what that says to a real bgpd.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import pytest
from fabric.standin.configdb import ConfigDb, Value
from fabric.standin.order import writes
from fabric.standin.patch import applied
from fabric.standin.translate import Translator

from daemon.campaign import Campaign, Row
from daemon.flavour import Flavour
from daemon.lab import Lab
from daemon.router import Router
from daemon.sessions import Bench, Link
from daemon.switch_cases import (
    NEVER,
    PLACES,
    PREFIXES,
    ROUNDS,
    SWITCHES,
    Tables,
    family,
    far_text,
    tables,
)
from ferrule.compiler.backends import frrtext, sonic
from ferrule.compiler.backends.base import Change, Command, Op
from ferrule.compiler.backends.sonic.impact import IMPACTS, OPS
from ferrule.compiler.backends.sonic.model import Model
from ferrule.compiler.backends.sonic.parse import GLOBALS

pytestmark = pytest.mark.daemon


SWIFTLY = "bgp route-map delay-timer 1\nrouter bgp 65000\n coalesce-time 50\nexit\n"


class Rows(ConfigDb):
    """A CONFIG_DB in memory."""

    def __init__(self) -> None:
        self.tables: Tables = {}

    def read(self) -> dict[str, dict[str, dict[str, Value]]]:
        return cast("dict[str, dict[str, dict[str, Value]]]", self.tables)

    def row(self, table: str, name: str) -> dict[str, Value] | None:
        return self.read().get(table, {}).get(name)

    def write(self, table: str, name: str, fields: Mapping[str, object] | None) -> None:
        if fields is None:
            del self.tables[table][name]
        else:
            self.tables.setdefault(table, {})[name] = dict(fields)


class Frrcfgd:
    """CONFIG_DB and frrcfgd of one switch, in front of its real bgpd."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._rows = Rows()
        self._said: list[Command] = []
        self._translator = Translator(self._rows, self._hear)

    @property
    def tables(self) -> Tables:
        """What CONFIG_DB holds."""
        return {table: rows for table, rows in self._rows.tables.items() if rows}

    def _hear(self, said: Sequence[str], _daemons: Sequence[str]) -> bool:
        *within, line = said
        self._said.append(Command(line, "change", tuple(within)))
        return True

    def write(self, new: Tables) -> None:
        """Make CONFIG_DB this, row by row, and tell FRR."""
        for one in writes(self.tables, new):
            self._rows.write(one.table, one.name, one.fields)
            self._translator.changed(one.table, one.name)
        script = frrtext.script(self._said)
        self._said.clear()
        answer = self._router.load(script)
        assert answer.code == 0, answer.lines


class Switches(Campaign):
    """Switches that are given the patches of a diff."""

    far_instance = "router bgp 65001"
    rows = IMPACTS.keys()

    def __init__(self, lab: Lab, flavour: Flavour) -> None:
        links = {name: [one.link for one in PLACES if one.device == name] for name in SWITCHES}
        super().__init__(Bench(lab, flavour.major, links, far_text()), PLACES)
        self.daemons = {name: Frrcfgd(self.bench.near[name].frr) for name in SWITCHES}
        for name, daemon in self.daemons.items():
            daemon.write(tables(name, 0))
            assert self.bench.near[name].frr.load(SWIFTLY).ok

    def send(self, device: str, round_: int) -> Iterator[tuple[Change, Row, str]]:
        daemon = self.daemons[device]
        running = sonic.parse(daemon.tables, "prod")
        diff = sonic.diff(running, model(device, round_), managed=True)
        assert diff.problems == ()
        for patch in sonic.patches(diff.commands):
            daemon.write(patched(daemon.tables, json.loads(patch)))
        for change, what in sonic.impacts(diff.changes):
            table, _, *field = change.path
            yield change, (table, field[0] if field else ""), what

    def heard(self, round_: int) -> dict[Link, tuple[str, int]]:
        found: dict[Link, tuple[str, int]] = {}
        for name in SWITCHES:
            accepting = sonic.accepts(sonic.parse(tables(name, round_), "prod"))
            for one in PLACES:
                accepts = accepting.get(("default", one.link.far)) or accepting.get(
                    ("default", one.words["range"])
                )
                over = one.case.over
                if one.device == name and accepts and (over is None or round_ < over):
                    count = sum(map(accepts.admits, PREFIXES))
                    found[one.link] = ("near", count)
        return found


def model(switch: str, round_: int) -> Model:
    """What a switch should run in a round, as the compiler would give it."""
    intended = sonic.parse(tables(switch, round_), "prod")
    shared = (
        intended.row(table, name) for table in GLOBALS for name in intended.tables.get(table, {})
    )
    rows = (*intended.ours.values(), *(one for one in shared if one))
    return Model(switch, tuple(sorted(rows, key=lambda one: (one.table, one.name))))


def patched(document: Tables, patch: list[Mapping[str, Any]]) -> Tables:
    """As `config apply-patch` does it, which makes what table is missing and leaves none empty."""
    needed: Tables = {str(one["path"]).split("/")[1]: {} for one in patch}
    done: Tables = applied({**needed, **document}, patch)
    return {table: rows for table, rows in done.items() if rows}


@pytest.fixture(scope="module")
def campaign(flavours: dict[str, Flavour], flavour: str) -> Iterator[Campaign]:
    with Lab(flavours) as lab:
        made = Switches(lab, flavours[flavour])
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


def test_a_limit_that_was_passed_keeps_the_session_down_when_it_rises(campaign: Campaign) -> None:
    """For the restart interval, which FRR counts in minutes."""
    seen = campaign.bench.read()
    over = [one for one in PLACES if one.case.over is not None]
    assert len(over) == 2
    assert not [one.name for one in over if seen[one.link].up]
    raised = over[1]
    assert raised.case.part(ROUNDS - 1) == family(max_prefix_limit="2000")
