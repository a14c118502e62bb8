"""Small comparisons, one a file in diff/frr/: what runs, what should, and all that comes of it.

A change is a line of its operation, path and values; a problem is a line of its severity, code
and message.
"""

from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from backends.frr_networks import (
    ALL4,
    RICH,
    SETS,
    advertise,
    end,
    network,
    node,
    session,
)
from backends.frr_steps import PAIRS
from ruamel.yaml import YAML

from ferrule.compiler.backends import frr
from ferrule.compiler.backends.base import Diff
from ferrule.compiler.backends.frr.model import Model
from ferrule.compiler.errors import has_errors

CASES = sorted((Path(__file__).parent / "diff/frr").glob("*.yaml"))
PARSE_S, DIFF_S = 0.05, 0.01  # for ten thousand lines


def read(path: Path) -> dict[str, Any]:
    case: dict[str, Any] = YAML(typ="safe").load(path.read_text())
    return case


def compared(case: dict[str, Any]) -> tuple[frr.Running, frr.Running, Diff]:
    running, intended = (frr.parse(case[side], "prod") for side in ("running", "intended"))
    return running, intended, frr.diff(running, intended, adopt=case.get("adopt", ()))


def changes(found: Diff) -> Iterator[str]:
    for change in found.changes:
        values = " -> ".join(repr(one) for one in (change.old, change.new) if one is not None)
        yield f"{change.op} {' | '.join(change.path)}: {values}"


def problems(found: Diff) -> Iterator[str]:
    for one in found.problems:
        yield f"{one.severity}[{one.code}]: {one.message}"


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = read(path)
    _, _, diff = compared(case)
    assert [*changes(diff)] == case.get("changes", [])
    assert frr.script(diff.commands) == case.get("commands", "")
    assert [*problems(diff)] == case.get("problems", [])


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case_leads_where_it_should(path: Path) -> None:
    running, intended, diff = compared(read(path))
    if not has_errors(diff.problems):
        assert frr.diff(frr.future(running, diff), intended).changes == ()


def lowered(name: str) -> tuple[Model, Model]:
    first, second = (frr.lower(one.nodes[0], one) for one in PAIRS[name])
    return first, second


@pytest.mark.parametrize("name", [*PAIRS])
def test_no_neighbor_is_taken_away_that_stays(name: str) -> None:
    first, second = lowered(name)
    running, intended = frr.intend(first, "prod"), frr.intend(second, "prod")
    stay = {
        f"no neighbor {neighbor}"
        for vrf, one in running.instances.items()
        if vrf in intended.instances
        for neighbor in one.neighbors.keys() & intended.instances[vrf].neighbors.keys()
    }
    assert not stay & {one.text for one in frr.diff(running, second).commands}


def test_what_is_added_or_changed_knows_its_place_in_the_spec() -> None:
    whole = network(RICH)
    diff = frr.diff(frr.parse("", "prod"), frr.lower(RICH, whole))
    assert diff.commands
    assert {one.text for one in diff.commands if one.origin is None} == set()
    assert {one.path for one in diff.changes if one.origin is None} == set()


def test_a_problem_knows_its_place_in_the_spec() -> None:
    whole = network(node(session("tor-a", end("10.1.0.1"))))
    model = frr.lower(whole.nodes[0], whole)
    theirs = "router bgp 65001\n neighbor 10.1.0.1 remote-as 65000\n"
    diff = frr.diff(frr.parse(theirs, "prod"), model)
    there = [one for one in diff.problems if one.code == "already-there"]
    assert [str(place.ref) for one in there for place in one.places] == ["Test tor-a"]
    elsewhere = frr.diff(frr.parse(theirs.replace("65001", "65099"), "prod"), model)
    assert [one.code for one in elsewhere.problems] == ["other-asn"]
    assert elsewhere.problems[0].places


def test_an_echo_of_a_command_is_an_error_in_the_future() -> None:
    first, second = lowered("other timers")
    running = frr.intend(first, "prod")
    diff = frr.diff(running, second)
    after = frr.future(running, diff)
    with pytest.raises(ValueError, match="is there already"):
        frr.future(after, diff)
    gone = frr.diff(after, Model())
    with pytest.raises(ValueError, match="there is no"):
        frr.future(frr.parse("", "prod"), gone)


SHOWN = """\
ip prefix-list ferrule-prod_a seq 5 permit 10.0.0.0/8
ip prefix-list ferrule-prod_a seq 7 permit 10.0.0.0/9
ip prefix-list ferrule-prod_a seq 9 permit 10.0.0.0/10
ip prefix-list ferrule-prod_old seq 5 permit any
route-map ferrule-prod_a permit 10
 set tag 7
exit
route-map ferrule-prod_a deny 20
exit
route-map ferrule-prod_old permit 10
exit
"""
BGPD = """\
ip prefix-list ferrule-prod_a seq 5 permit 10.0.0.0/8
route-map ferrule-prod_a deny 20
exit
"""
INTENDED = """\
ip prefix-list ferrule-prod_a seq 5 permit 10.0.0.0/8
ip prefix-list ferrule-prod_a seq 7 permit 10.0.0.0/9
route-map ferrule-prod_a permit 10
 set tag 7
exit
"""


def test_what_bgpd_has_not_got_is_said_again_and_what_only_others_have_goes() -> None:
    """vtysh shows the lists and maps of all daemons as one."""
    assert frr.parse(SHOWN, "prod", bgpd=SHOWN) == frr.parse(SHOWN, "prod")
    running, intended = frr.parse(SHOWN, "prod", bgpd=BGPD), frr.parse(INTENDED, "prod")
    diff = frr.diff(running, intended)
    assert [*changes(diff)] == [
        "add ip prefix-list ferrule-prod_a | seq 7: 'permit 10.0.0.0/9'",
        "remove ip prefix-list ferrule-prod_a | seq 9: 'permit 10.0.0.0/10'",
        "remove ip prefix-list ferrule-prod_old | seq 5: 'permit any'",
        "add route-map ferrule-prod_a | seq 10: 'permit'",
        "add route-map ferrule-prod_a | seq 10 | set tag: '7'",
        "remove route-map ferrule-prod_a | seq 20: 'deny'",
        "remove route-map ferrule-prod_old | seq 10: 'permit'",
    ]
    assert (
        frr.script(diff.commands)
        == """\
no ip prefix-list ferrule-prod_a seq 7
no ip prefix-list ferrule-prod_a seq 9
ip prefix-list ferrule-prod_a seq 7 permit 10.0.0.0/9
no route-map ferrule-prod_a permit 10
route-map ferrule-prod_a permit 10
 set tag 7
exit
no route-map ferrule-prod_a deny 20
no route-map ferrule-prod_old
no ip prefix-list ferrule-prod_old
"""
    )
    assert frr.diff(frr.future(running, diff), intended).changes == ()


def test_one_of_ten_thousand_services_more_is_one_line() -> None:
    table = [advertise(f"192.0.{n >> 8}.{n & 255}/32", ALL4) for n in range(10_001)]
    before, after = (crowded(tuple(table[:size])) for size in (10_000, 10_001))
    text = frr.render(before)

    parsed = min(timed(lambda: frr.parse(text, "prod")) for _ in range(5))
    running, intended = frr.parse(text, "prod"), frr.intend(after, "prod")
    compared = min(timed(lambda: frr.diff(running, intended)) for _ in range(5))

    (command,) = frr.diff(running, intended).commands
    assert command.text.startswith("network 192.0.39.16/32 route-map ferrule-prod_public_")
    assert parsed < PARSE_S
    assert compared < DIFF_S


def crowded(table: Any) -> Model:
    whole = network(
        node(session("tor-a", end("10.1.0.1")), advertisements=table, classes=(ALL4,)),
        sets=SETS.values(),
    )
    return frr.lower(whole.nodes[0], whole)


def timed(what: Any) -> float:
    start = perf_counter()
    what()
    return perf_counter() - start
