"""The examples as networks of real daemons: what was compiled is what the far ends hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_golden import EXAMPLES

from daemon.flavour import Flavour, wait_for
from daemon.lab import Lab
from daemon.meant import Json, Meant, compiled
from daemon.need import refuse
from daemon.rig import ROUTES_S, Majors, Rig, bfd, lives, load
from ferrule.compiler.network import FAMILIES
from ferrule.compiler.source import Document
from ferrule.observe import files

ROOT = Path(__file__).parents[2] / "examples"
ALIKE = (Majors("8", "8"), Majors("10", "10"))
MIXED = (Majors("8", "10"), Majors("10", "8"))
CASES = [(name, majors) for name in EXAMPLES for majors in ALIKE]
CASES += [("fabric", majors) for majors in MIXED]

pytestmark = pytest.mark.daemon


def documents(name: str) -> tuple[Document, ...]:
    found, unreadable = files.load([str(ROOT / EXAMPLES[name][0])])
    assert unreadable == []
    return found


def example(name: str) -> Meant:
    return compiled(documents(name), EXAMPLES[name][1])


def need(majors: Majors, flavours: dict[str, Flavour]) -> None:
    for one in {majors.nodes, majors.switches} - flavours.keys():
        refuse(f"no FRR {one} installed")


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join(map(str, case)))
def case(request: pytest.FixtureRequest) -> tuple[str, Majors]:
    name, majors = request.param
    return name, majors


@pytest.fixture(scope="module")
def rig(case: tuple[str, Majors], flavours: dict[str, Flavour]) -> Iterator[Rig]:
    name, majors = case
    need(majors, flavours)
    with Lab(flavours) as lab:
        rig = Rig(lab, majors, example(name))
        assert rig.boot() == []  # every device takes its configuration without a word
        rig.wait()
        yield rig


def test_every_session_of_the_example_is_up_and_no_other(rig: Rig) -> None:
    rig.wait()
    for far, sessions in rig.meant.far_ends.items():
        known = lives(rig.far[far])
        assert known.keys() == {rig.meant.near(one) for one in sessions}
        assert {state for state, *_ in known.values()} == {"Established"}
        assert bfd(rig.far[far]) == dict.fromkeys(rig.meant.watched(far), "up")


def test_a_far_end_holds_exactly_the_routes_that_were_meant(rig: Rig) -> None:
    for far in rig.far:
        assert rig.heard(far) == rig.meant.table(far) != {}


def test_no_node_holds_more_than_it_says(rig: Rig) -> None:
    for name, node in rig.nodes.items():
        said = {one["prefix"] for one in rig.meant.json["nodes"][name]["advertisements"]}
        shown = [node.frr.show_json(f"show bgp {family} unicast") for family in FAMILIES]
        assert {prefix for one in shown for prefix in one.get("routes", {})} == said


def test_a_far_end_hears_the_attributes_that_were_meant(rig: Rig) -> None:
    for far, device in rig.far.items():
        told: dict[str, dict[str, tuple[Json, Json]]] = {}
        for prefix, session, entry in rig.meant.told(far):
            told.setdefault(prefix, {})[rig.meant.near(session)] = (session, entry)
        for prefix, sources in told.items():
            family = "ipv6" if ":" in prefix else "ipv4"
            shown: Any = device.frr.show_json(f"show bgp {family} unicast {prefix}")["paths"]
            heard = {path["peer"]["peerId"]: path for path in shown}
            assert heard.keys() == sources.keys()
            for near, (session, entry) in sources.items():
                check_path(heard[near], entry, session)
                assert next_hop(heard[near]) in rig.meant.addresses[session["node"]]


def check_path(path: Json, meant: Json, session: Json) -> None:
    """What FRR shows of a path against one entry of the Network."""
    assert path.get("community", {}).get("list", []) == meant["communities"]
    assert path.get("largeCommunity", {}).get("list", []) == meant["largeCommunities"]
    end = session["nodeEnd"]
    internal = end["remoteAs"] in ("internal", end["asn"])
    assert path.get("locPrf") == ((meant["localPref"] or 100) if internal else None)
    times = meant["asPathPrepend"] + (0 if internal else 1)
    assert path["aspath"]["string"] == (" ".join([str(end["asn"])] * times) or "Local")


def next_hop(path: Json) -> str:
    (hop,) = {str(one["ip"]) for one in path["nexthops"] if one.get("used")}
    return hop


def test_a_far_end_balances_over_every_node_that_announces(rig: Rig) -> None:
    for far in rig.far:
        table = rig.meant.table(far)
        wait_for(lambda f=far, t=table: rig.installed(f) == t, ROUTES_S, f"{table} at {far}")  # type: ignore[misc]
        assert rig.meant.widths(far) == {prefix: len(nodes) for prefix, nodes in table.items()}


def test_a_far_end_balances_over_no_more_than_its_maximum_paths(rig: Rig) -> None:
    narrow = rig.meant.narrowed(1)
    for far, device in rig.far.items():
        before = rig.steady(far)
        assert {*narrow.widths(far).values()} == {1}
        for meant in (narrow, rig.meant):
            assert load(device, meant.far_text(far)) == []
            wait_widths(rig, far, meant.widths(far))
        assert rig.steady(far) == before


def wait_widths(rig: Rig, far: str, wanted: dict[str, int]) -> None:
    def widths() -> dict[str, int]:
        return {prefix: len(nodes) for prefix, nodes in rig.installed(far).items()}

    wait_for(lambda: widths() == wanted, ROUTES_S, f"{far} installs {wanted}")
