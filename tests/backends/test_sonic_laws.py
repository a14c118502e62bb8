"""What holds of reading back and comparing, whatever is on a switch and whatever should be."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from ipaddress import ip_network
from typing import Any

from backends.sonic_strategies import (
    CLUSTER,
    Tables,
    foreign,
    merged,
    models,
    occupied,
    tables_of,
)
from hypothesis import given
from hypothesis import strategies as st

from ferrule.compiler.backends.base import Diff
from ferrule.compiler.backends.sonic import diff, future, parse, patches
from ferrule.compiler.backends.sonic.model import Model, Row, check
from ferrule.compiler.backends.sonic.parse import GLOBALS, Running
from ferrule.compiler.backends.sonic.steps import PHASES

Rows = dict[tuple[str, str], Row]


def read(theirs: Tables, ours: Model) -> Running:
    return parse(json.dumps(merged(theirs, tables_of(ours))), CLUSTER)


def own(one: Model) -> Rows:
    return {(row.table, row.name): row for row in one.rows if row.table not in GLOBALS}


# RFC 6902 for objects, written from the RFC: no part of what is tested.


def pointed(pointer: str) -> list[str]:
    assert pointer.startswith("/")
    return [one.replace("~1", "/").replace("~0", "~") for one in pointer[1:].split("/")]


def apply(document: dict[str, Any], operation: dict[str, Any]) -> None:
    *above, last = pointed(operation["path"])
    target = document
    for step in above:
        target = target[step]
    match operation["op"]:
        case "add":
            target[last] = operation["value"]
        case "remove":
            del target[last]
        case "replace":
            assert last in target
            target[last] = operation["value"]
        case "test":
            assert target[last] == operation["value"]
        case other:
            raise AssertionError(other)


def patched(document: Tables, patch: str) -> Tables:
    """As `config apply-patch` does it: tables that are not there are made before.

    It refuses a result with an empty table.
    """
    result = deepcopy(document)
    for operation in json.loads(patch):
        result.setdefault(pointed(operation["path"])[0], {})
        apply(result, operation)
    assert all(result.values())
    return result


def states(document: Tables, all_patches: tuple[str, ...]) -> Iterator[Tables]:
    """The CONFIG_DB after each patch."""
    for patch in all_patches:
        document = patched(document, patch)
        yield document


# The laws.


@given(foreign(), models(), st.booleans())
def test_what_runs_already_needs_no_change(
    theirs: Tables,
    one: Model,
    managed: bool,  # noqa: FBT001
) -> None:
    found = diff(read(theirs, one), one, managed=managed)
    assert {change.path[0] for change in found.changes} <= (set(GLOBALS) if managed else set())
    assert managed or found.empty


@given(foreign(), models(), models(), st.booleans())
def test_patches_make_ours_as_intended_and_leave_the_rest(
    theirs: Tables,
    before: Model,
    after: Model,
    managed: bool,  # noqa: FBT001
) -> None:
    running = read(theirs, before)
    found = diff(running, after, managed=managed)
    assert not [problem for problem in found.problems if problem.severity == "error"]

    end = future(running, found)

    assert end.ours == own(after)
    assert outside(end) == expected_outside(running, after, managed=managed)
    assert diff(end, after, managed=managed).empty


def outside(running: Running) -> Tables:
    rows: Tables = {}
    for table, name, fields in running.foreign():
        rows.setdefault(table, {})[name] = dict(fields)
    return rows


def expected_outside(running: Running, after: Model, *, managed: bool) -> Tables:
    """As before, and the globals by their rules."""
    rows = outside(running)
    for row in after.rows:
        if row.table in GLOBALS:
            there = rows.setdefault(row.table, {}).get(row.name)
            if there is None:
                rows[row.table][row.name] = dict(row.fields)
            elif managed:
                needed = dict(row.fields)
                if "default_ipv4_unicast" not in there:
                    needed.pop("default_ipv4_unicast", None)
                there.update(needed)
    return rows


@given(foreign(), models(), models(), st.booleans())
def test_another_implementation_of_json_patch_comes_to_the_same(
    theirs: Tables,
    before: Model,
    after: Model,
    managed: bool,  # noqa: FBT001
) -> None:
    running = read(theirs, before)
    found = diff(running, after, managed=managed)
    *_, last = (running.tables, *states(as_read(running), patches(found.commands)))
    assert last == future(running, found).tables


def as_read(running: Running) -> Tables:
    text = json.dumps(running.tables)
    tables: Tables = json.loads(text)
    return tables


@given(foreign(), models(), models())
def test_every_row_replaced_or_removed_is_tested_first(
    theirs: Tables, before: Model, after: Model
) -> None:
    for patch in patches(diff(read(theirs, before), after, managed=True).commands):
        tested: set[str] = set()
        for operation in json.loads(patch):
            if operation["op"] == "test":
                tested.add(operation["path"])
            elif operation["op"] != "add":
                assert operation["path"] in tested


@given(models(), models())
def test_after_each_patch_the_rows_are_ones_that_sonic_takes(before: Model, after: Model) -> None:
    running = read({"VRF": {"Vrf_blue": {}}}, before)
    for state in states(as_read(running), patches(diff(running, after, managed=True).commands)):
        now = parse(state, CLUSTER)
        shared = (now.row(table, name) for table in GLOBALS for name in state.get(table, {}))
        rows = [row for row in (*now.ours.values(), *shared) if row is not None]
        emptied = {f"{row}: asn is missing" for row in rows if not row.fields}  # for `forget`
        assert set(check(rows)) <= emptied


@given(models(), models())
def test_what_accepts_comes_before_what_refuses(before: Model, after: Model) -> None:
    running = read({"VRF": {"Vrf_blue": {}}}, before)
    found = diff(running, after)
    order = [command.phase for command in found.commands]
    assert order == sorted(order, key=PHASES.index)
    assert order == [command.within[0] for command in found.commands]
    for command in found.commands:
        assert command.op != "remove" or command.within != ("accept",)
        assert command.op == "remove" or command.within != ("forget",)
        assert command.op != "add" or command.within != ("detach",)
    limits = {
        (change.path[1], int(change.new or 0) < int(change.old or 0))
        for change in found.changes
        if change.path[2:] == ("max_prefix_limit",)
    }
    accepted = [one for one in found.commands if one.within == ("accept",)]
    for name, lowered in limits:
        if lowered:
            row = running.ours["BGP_PEER_GROUP_AF", name]
            (kept,) = {
                json.loads(one.text)["value"]["max_prefix_limit"]
                for one in accepted
                if f'"/BGP_PEER_GROUP_AF/{name}"' in one.text
            } or {row.fields["max_prefix_limit"]}
            assert kept == row.fields["max_prefix_limit"]


@given(foreign(), models(), models())
def test_the_way_back_is_a_diff_too(theirs: Tables, before: Model, after: Model) -> None:
    running = read(theirs, before)
    there = future(running, diff(running, after, managed=True))
    assert future(there, diff(there, before)).ours == running.ours
    back = future(there, diff(there, running, managed=True))
    assert back.ours == running.ours
    for table, name, fields in running.foreign():
        end = dict(back.tables[table][name])
        if table == "BGP_GLOBALS" and "local_asn" not in fields:
            end.pop("local_asn", None)  # with which BGP in the VRF would go
        assert end == fields


@given(foreign(), models(), models())
def test_changes_name_exactly_the_rows_that_differ(
    theirs: Tables, before: Model, after: Model
) -> None:
    running = read(theirs, before)
    old, new = own(before), own(after)
    different = {one for one in old.keys() | new.keys() if old.get(one) != new.get(one)}
    changed = {
        (change.path[0], change.path[1])
        for change in diff(running, after).changes
        if change.path[0] not in GLOBALS
    }
    assert changed >= different
    for table, _ in changed - different:  # it only goes and comes back
        assert table in ("PREFIX", "PREFIX_SET", "ROUTE_MAP", "BGP_NEIGHBOR")


@given(foreign(), models(), models())
def test_after_any_patch_it_is_finished_or_taken_back(
    theirs: Tables, before: Model, after: Model
) -> None:
    running = read(theirs, before)
    found = diff(running, after, managed=True)
    for state in states(as_read(running), patches(found.commands)):
        cut = parse(state, CLUSTER)
        for goal, rows in ((after, own(after)), (running, running.ours)):
            end = future(cut, diff(cut, goal, managed=True))
            assert end.ours == rows
            assert diff(end, goal, managed=True).empty


# What others hand over.


@given(foreign(), models().flatmap(lambda one: st.tuples(st.just(one), occupied(one))))
def test_what_others_hand_over_becomes_ours_and_goes_back(
    theirs: Tables, given_: tuple[Model, tuple[Tables, frozenset[str]]]
) -> None:
    model, (tables, names) = given_
    before = parse(merged(tables, elsewhere(theirs)), CLUSTER)
    refused = {one.code for one in diff(before, model).problems if one.severity == "error"}
    assert refused == ({"already-there"} if names else set())

    there = diff(before, model, adopt=names)
    after = future(before, there)
    assert not [one for one in there.problems if one.severity == "error"]
    assert set(there.adopted) == {
        f"{table}|{name}" for table in tables if table in HOLDS for name in tables[table]
    }
    assert after.ours == own(model)
    assert diff(after, model).empty
    assert "s3cret" not in repr((before, there, after))

    for state in states(as_read(before), patches(there.commands)):
        cut = parse(state, CLUSTER)
        assert future(cut, diff(cut, model, adopt=names)).ours == own(model)
        taken_back = future(cut, diff(cut, before, adopt=there.adopted))
        assert (taken_back.ours, held(taken_back)) == (before.ours, held(before))

    back = diff(after, before, adopt=there.adopted)
    end = future(after, back)
    assert back.adopted == there.adopted
    for table in before.tables.keys() | end.tables.keys():
        if table not in GLOBALS:
            assert end.tables.get(table, {}) == before.tables.get(table, {})
    assert diff(end, before, adopt=there.adopted).empty
    for running, found in ((before, there), (after, back)):
        *_, last = (running.tables, *states(as_read(running), patches(found.commands)))
        assert last == future(running, found).tables


def held(running: Running) -> Tables:
    """What others have where ours would be, and below it."""
    tables = {table: running.tables.get(table, {}) for table in (*HOLDS, "BGP_NEIGHBOR_AF")}
    rows: Tables = json.loads(json.dumps(tables))
    return rows


HOLDS = ("BGP_NEIGHBOR", "BGP_GLOBALS_LISTEN_PREFIX")


def elsewhere(theirs: Tables) -> Tables:
    """What others have, but for what might be in the way as well."""
    rows = {table: rows for table, rows in theirs.items() if table not in HOLDS}
    return {**rows, "VRF": {"Vrf_blue": {}, "Vrf_red": {}}}


# What somebody did to our rows by hand.


@st.composite
def damaged(draw: st.DrawFn, one: Model) -> Tables:
    """The rows of a model, some of them gone, some with a field less, more or different.

    A neighbor or a range that lost its group is no longer ours.
    """
    tables = tables_of(one)
    for row in one.rows:
        if row.table in GLOBALS or draw(st.integers(0, 3)) != 0:
            continue
        fields = tables[row.table][row.name]
        match draw(st.sampled_from(("gone", "less", "more", "other"))):
            case "gone":
                del tables[row.table][row.name]
            case "less":
                for name in draw(st.sets(st.sampled_from(sorted(fields) or ["none"]))):
                    fields.pop(name, None)
            case "more":
                fields |= draw(st.sampled_from(({"admin_status": "down"}, {"name": "by hand"})))
            case _:
                for name in draw(st.sets(st.sampled_from(sorted(fields) or ["none"]))):
                    fields[name] = fields.get(name, "") and "7"
    return {table: rows for table, rows in tables.items() if rows}


@given(foreign(), models().flatmap(lambda one: st.tuples(st.just(one), damaged(one))), models())
def test_what_was_done_by_hand_is_put_right(
    theirs: Tables, one: tuple[Model, Tables], after: Model
) -> None:
    intended, tables = one
    running = parse(merged(theirs, tables), CLUSTER)
    lost = {(table, name) for table, name, _ in running.foreign() if name in tables.get(table, {})}
    for goal in (intended, after):
        found = diff(running, goal)
        end = future(running, found)
        refused = {key for key in own(goal) if is_named(key, found)}
        assert end.ours == {key: row for key, row in own(goal).items() if key not in refused}
        assert all(key in lost or any(overlap(key, one) for one in lost) for key in refused)
        assert lost & own(goal).keys() <= refused
        *_, last = (running.tables, *states(as_read(running), patches(found.commands)))
        assert last == end.tables


def overlap(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether both are listen ranges, and FRR has no room for both."""
    (vrf, mine), (their_vrf, their) = (name.split("|") for _, name in (one, other))
    return (
        {one[0], other[0]} == {"BGP_GLOBALS_LISTEN_PREFIX"}
        and vrf == their_vrf
        and ip_network(mine).overlaps(ip_network(their))
    )


def is_named(key: tuple[str, str], found: Diff) -> bool:
    """Whether a problem says that this row, or one in its way, has become somebody else's."""
    errors = (one.message for one in found.problems if one.severity == "error")
    return any(re.search(rf"{re.escape('|'.join(key))}(?![0-9|])", text) for text in errors)
