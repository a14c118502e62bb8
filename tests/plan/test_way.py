"""How far a Service gets, on devices that are otherwise well: up to the first broken hop."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from plan.reports import up
from plan.test_status import (
    FABRIC,
    NODE,
    SWITCH,
    Fault,
    bgpd,
    down,
    rows,
    runs,
    says,
    unread,
    without,
)
from plan.worlds import found, running
from short import compiled

from ferrule.compiler.explain import Chain
from ferrule.compiler.planning import make_plan
from ferrule.compiler.status import make_status
from ferrule.compiler.way import way

SERVICE = "shop/web"  # 192.0.2.1


def chain(text: str, *faults: Fault, what: str = SERVICE) -> Chain:
    compilation = compiled(text)
    network = compilation.network
    seen = up(network, found(network, running(network)))
    for fault in faults:
        fault(seen)
    return way(compilation, make_status(network, make_plan(compilation, seen), seen), what)


LOST = "does not announce 192.0.2.1/32: `ferrule plan` shows the difference"

BREAKS: dict[str, tuple[Sequence[Fault], tuple[str, bool | None, str]]] = {
    "it arrives": ([], ("switch tor-a", True, "has what n2 announces")),
    "a node does not announce it": (
        [runs("n1", without("network 192.0.2.1/32"))],
        ("FRR of n1", False, LOST),
    ),
    "a session is down": (
        [says(*NODE, **down("Active")), says(*SWITCH, **down("Active"))],
        ("session n1 - tor-a", False, "not Established: Active: mend that end first"),
    ),
    "the switch does not let it in": (
        [rows(lambda all_: all_.pop("PREFIX")), says(*SWITCH, accepted={"ipv4": 0})],
        (
            "switch tor-a",
            False,
            "does not let 192.0.2.1/32 of n1 in: `ferrule plan` shows the difference",
        ),
    ),
    "the switch has less": (
        [bgpd(lambda _: ""), says(*SWITCH, accepted={"ipv4": 1})],
        ("switch tor-a", False, "has 1 of 2 prefixes of n1: look at `ferrule status`"),
    ),
}


@pytest.mark.parametrize("case", BREAKS.values(), ids=BREAKS.keys())
def test_the_last_hop(case: tuple[Sequence[Fault], tuple[str, bool | None, str]]) -> None:
    faults, (what, ok, said) = case
    made = chain(FABRIC, *faults)
    last = made.hops[-1]
    assert (last.what, last.ok, last.found) == (what, ok, said)
    assert made.whole == bool(ok)
    assert [one.what for one in made.hops if one.ok is False] == ([] if ok else [what])


def test_an_address_is_as_good_as_its_service() -> None:
    assert chain(FABRIC, what="192.0.2.1") == chain(FABRIC)


def test_what_is_broken_by_intent_is_not_looked_for_on_devices() -> None:
    made = chain(FABRIC, what="shop/none")
    assert [one.what for one in made.hops] == ["Service"]


def test_what_could_not_be_read_is_not_known_and_no_break() -> None:
    made = chain(FABRIC, unread("node", "n1"))
    (hop,) = (one for one in made.hops if one.what == "FRR of n1")
    assert (hop.ok, hop.found) == (None, "not known: timed out")
    assert made.whole
    assert "  ?   FRR of n1: not known: timed out" in str(made).splitlines()


def test_a_service_beside_a_broken_one_is_well() -> None:
    made = chain(FABRIC, runs("n1", without("network 192.0.2.1/32")), what="shop/api")
    assert made.whole
