"""The announcer is told by and by what it would be told at once."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrule.announce import control
from ferrule.announce.heartbeat import LONGEST_NAME
from ferrule.compiler.contests import Contest
from ferrule.compiler.network import Address
from ferrule.reconcile.contested import MOST, MUCH, Contested

NODES = ("n1", "n2", "n3")
ADDRESSES = [ip_address(f"192.0.2.{n}") for n in range(1, 5)] + [ip_address("2001:db8::1")]
EVERYWHERE: dict[str, tuple[str, ...]] = dict.fromkeys(NODES, ())


def contest(
    *addresses: str, nodes: Iterable[str] = NODES, **interfaces: tuple[str, ...]
) -> Contest:
    scores = dict.fromkeys(nodes, 0)
    return Contest(tuple(map(ip_address, addresses)), scores, {**EVERYWHERE, **interfaces})


class Told:
    """What an announcer knows after some messages."""

    def __init__(self) -> None:
        self.entries: dict[str, tuple[object, ...]] = {}

    def hear(self, messages: Iterable[dict[str, Any]]) -> None:
        for one in messages:
            for address in one["gone"]:
                self.entries.pop(address, None)
            for group in one["groups"]:
                for entry in group["addresses"]:
                    self.entries[entry["address"]] = (
                        entry.get("electedBy", entry["address"]),
                        tuple(sorted(group["scores"].items())),
                        tuple(entry.get("interfaces", ())),
                    )


contests = st.builds(
    Contest,
    st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=2, unique=True).map(tuple),
    st.dictionaries(st.sampled_from(NODES), st.integers(0, 2), min_size=1),
    st.fixed_dictionaries(
        {name: st.sampled_from([(), ("eth0",), ("eth0", "eth1")]) for name in NODES}
    ),
)
words = st.sampled_from(["eth0", "eth1", "eth0/6", "/4", "/6"])
have = st.dictionaries(st.sampled_from(NODES), st.frozensets(words))
changes = st.dictionaries(st.sampled_from(["a/x", "a/y", "b/z"]), st.none() | contests, max_size=3)


@given(st.lists(st.tuples(changes, st.none() | have), max_size=6))
def test_step_by_step_equals_all_at_once(steps: list[tuple[Any, Any]]) -> None:
    followed, told = Contested("n1"), Told()
    everything: dict[str, Contest] = {}
    interfaces: dict[str, frozenset[str]] = {}
    for change, equipment in steps:
        told.hear(followed.messages(followed.update(change)))
        everything = {k: v for k, v in {**everything, **change}.items() if v is not None}
        if equipment is not None:
            interfaces = equipment
            told.hear(followed.messages(followed.equipped(interfaces)))
    fresh, at_once = Contested("n1"), Told()
    fresh.replace(everything)
    fresh.equipped(interfaces)
    at_once.hear(fresh.messages(fresh))
    assert told.entries == at_once.entries
    assert set(told.entries) == {str(a) for one in everything.values() for a in one.addresses}


def test_many_addresses_come_in_several_messages_and_a_group_in_one() -> None:
    one = contest("192.0.2.1")
    each = {
        f"a/{n}": Contest((ip_address(f"10.0.{n // 256}.{n % 256}"),), one.scores, one.interfaces)
        for n in range(MOST + 1)
    }
    table = Contested("n1")
    messages: list[Any] = [*table.messages(table.replace(each))]
    assert [len(m["groups"]) for m in messages] == [1, 1]
    assert [len(m["groups"][0]["addresses"]) for m in messages] == [MOST, 1]


def sent(table: Contested, addresses: Iterable[Address]) -> Iterator[bytes]:
    return (control.line("own", **one) for one in table.messages(addresses))


def each_with_its_own(services: int, nodes: Iterable[str]) -> dict[str, Contest]:
    """As with externalTrafficPolicy Local, where endpoints of no two are on the same nodes."""
    every: dict[str, tuple[str, ...]] = dict.fromkeys(nodes, ())
    return {
        f"a/{n}": Contest((ip_address("192.0.2.0") + n,), dict.fromkeys(every, 0), every)
        for n in range(services)
    }


@pytest.mark.parametrize(
    ("services", "nodes"),
    [
        pytest.param(600, [f"{n:03}.{'node' * 15}.example" for n in range(60)], id="many"),
        pytest.param(3, [f"{n:0{LONGEST_NAME}}" for n in range(3000)], id="vast"),
    ],
)
def test_what_has_many_candidates_of_its_own_is_read_all_the_same(
    services: int, nodes: list[str]
) -> None:
    table = Contested(nodes[0])
    lines = [*sent(table, table.replace(each_with_its_own(services, nodes)))]
    assert max(map(len, lines)) < control.LONGEST_LINE
    read = [control.read(line) for line in control.Lines().feed(b"".join(lines)) if line]
    entries = [entry for one in read if isinstance(one, control.Own) for entry in one.entries]
    assert [(str(one.address), one.group.scores) for one in entries] == [
        (str(ip_address("192.0.2.0") + n), dict.fromkeys(nodes, 0)) for n in range(services)
    ]
    assert len(lines) <= sum(map(len, lines)) // MUCH + 1


@contextmanager
def at_each_line_of(code: object, look: Any) -> Iterator[None]:
    """Another thread may run between any two lines."""

    def step(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code is code and event in ("line", "return"):
            look()
        return step if frame.f_code is code else None

    before = sys.gettrace()
    sys.settrace(step)
    try:
        yield
    finally:
        sys.settrace(before)


def test_who_reads_while_it_changes_sees_what_was_or_is_and_is_told_when_it_is() -> None:
    table, (address, *_) = Contested("n1"), ADDRESSES
    table.update({"a/x": contest("192.0.2.1", n1=("eth0",)), "a/y": contest("192.0.2.2")})
    seen: list[tuple[int, tuple[str, ...], tuple[str, ...]]] = []

    def look() -> None:
        seen.append((table.version, table.interfaces("a/x"), tuple(table.services(address))))

    with at_each_line_of(Contested.update.__code__, look):
        table.update({"a/x": contest("192.0.2.1", n1=("eth1",)), "a/y": contest("192.0.2.1")})
    look()
    assert len(seen) > 10
    assert {interfaces for _, interfaces, _ in seen} == {("eth0",), ("eth1",)}
    assert {one[1:] for one in seen if one[0] == table.version} == {seen[-1][1:]}


@pytest.mark.parametrize(
    ("others", "scores"),
    [
        pytest.param({"n1", "n2"}, {"n1": 0, "n2": 0}, id="those-that-both-have"),
        pytest.param({"n3"}, {"n3": 0}, id="be-it-one"),
        pytest.param(set(), {"n1": 0, "n2": 0, "n3": 0}, id="or-those-of-the-first"),
    ],
)
def test_candidates_of_a_shared_address(others: set[str], scores: dict[str, int]) -> None:
    table = Contested("n1")
    second = contest("192.0.2.1", nodes=others or {"elsewhere"})
    table.replace({"a/first": contest("192.0.2.1"), "b/second": second})
    (message,) = table.messages(table)
    groups: Any = message["groups"]
    (group,) = groups
    assert group["scores"] == scores


def test_a_node_without_any_of_the_named_interfaces_is_no_candidate() -> None:
    table = Contested("n1")
    table.replace({"a/x": contest("192.0.2.1", n1=("eth1",), n2=("eth1",), n3=("eth1",))})
    assert table.equipped({"n1": frozenset({"eth0", "eth1"}), "n2": frozenset({"eth0"})}) == {
        ip_address("192.0.2.1")
    }
    (message,) = table.messages(table)
    assert message["groups"] == [
        {
            "scores": {"n1": 0, "n3": 0},  # n3 has not said anything yet
            "addresses": [{"address": "192.0.2.1", "interfaces": ["eth1"]}],
        }
    ]
    assert not table.equipped({"n1": frozenset({"eth0", "eth1"}), "n2": frozenset({"eth0"})})


def test_what_a_node_cannot_is_no_candidacy_of_its_and_of_nothing_else() -> None:
    table, told = Contested("n1"), Told()
    two = "192.0.2.1", "2001:db8::1"
    table.replace({"a/x": contest(*two), "a/y": contest("192.0.2.2", n2=("eth0",))})
    excluded, without_six = frozenset({"eth0", "/4", "/6"}), frozenset({"eth0", "eth0/6", "/6"})
    every = {"n1": frozenset({"eth0"}), "n2": excluded, "n3": without_six}
    assert table.equipped(every) == {*map(ip_address, two)}
    told.hear(table.messages(table))
    assert {address: [name for name, _ in entry[1]] for address, entry in told.entries.items()} == {  # type: ignore[attr-defined]
        "192.0.2.1": ["n1", "n3"],
        "2001:db8::1": ["n1"],
        "192.0.2.2": ["n1", "n2", "n3"],
    }
    assert table.equipped({**every, "n3": frozenset({"eth0"})}) == {ip_address("2001:db8::1")}


@pytest.mark.parametrize(
    ("have", "told"),
    [
        pytest.param({"eth0", "eth0/6", "/6"}, ["192.0.2.1", "2001:db8::1"], id="says-why"),
        pytest.param({"eth1"}, ["192.0.2.1", "2001:db8::1"], id="says-why-again"),
        pytest.param({"eth0", "/4", "/6"}, ["192.0.2.1"], id="is-not-counted-on"),
    ],
)
def test_our_own_announcer_is_told_what_it_cannot(have: set[str], told: list[str]) -> None:
    table = Contested("n1")
    table.replace({"a/x": contest("2001:db8::1"), "a/y": contest("192.0.2.1", n1=("eth0",))})
    table.equipped({"n1": frozenset(have)})
    mine = Told()
    mine.hear(table.messages(table))
    assert [a for a, (_, scores, _) in mine.entries.items() if ("n1", 0) in scores] == told  # type: ignore[operator]
