"""What a node can announce, and how the others know."""

from ipaddress import ip_interface

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ferrule.announce.links import BROADCAST, LOWER_UP, UP, Choice, Link, Links
from ferrule.announce.offers import Ask, Names, can, is_only_named, lacking, offer

SIX, NOBODY = "fe80::1/64", frozenset[str]()
HERE, THERE = frozenset({"eth0"}), frozenset({"eth0", "eth9"})


def link(index: int, name: str, *addresses: str, kind: str = "", flags: int = LOWER_UP) -> Link:
    each = frozenset(map(ip_interface, addresses))
    return Link(index, name, bytes(6), UP | BROADCAST | flags, kind=kind, addresses=each)


def offered(*links: Link, choice: Choice | None = None) -> Names:
    return offer(Links({one.index: one for one in links}), choice or Choice())


@pytest.mark.parametrize(
    ("links", "here"),
    [
        pytest.param([link(2, "eth0", SIX)], {"eth0"}, id="an interface"),
        pytest.param([link(2, "eth0")], {"eth0", "eth0/6", "/6"}, id="without IPv6"),
        pytest.param(
            [link(2, "eth0", SIX, kind="veth")], {"eth0", "/4", "/6"}, id="only where it is named"
        ),
        pytest.param(
            [link(2, "eth0"), link(3, "br-0123456789ab", SIX)],
            {"eth0", "eth0/6", "br-0123456789ab", "/6"},
            id="IPv6 only where it is named",
        ),
        pytest.param([link(2, "eth0", SIX, flags=0)], {"/4", "/6"}, id="none"),
    ],
)
def test_what_is_offered(links: list[Link], here: set[str]) -> None:
    assert offered(*links) == here


@pytest.mark.parametrize(
    ("here", "names", "versions"),
    [
        pytest.param({"eth0"}, NOBODY, [4, 6], id="what names none"),
        pytest.param({"eth0"}, THERE, [4, 6], id="one of those that it names"),
        pytest.param({"eth1"}, HERE, [], id="none of those that it names"),
        pytest.param({"eth0", "eth0/6", "/6"}, HERE, [4], id="named, without IPv6"),
        pytest.param({"eth0", "eth0/6", "/6"}, NOBODY, [4], id="unnamed, without IPv6"),
        pytest.param({"eth0", "/4", "/6"}, NOBODY, [], id="excluded, and names none"),
        pytest.param({"eth0", "/4", "/6"}, THERE, [4, 6], id="excluded, and named"),
        pytest.param(None, HERE, [4, 6], id="nothing was said"),
    ],
)
def test_what_can_be_announced(here: set[str] | None, names: Names, versions: list[int]) -> None:
    assert [version for version in (4, 6) if can(here, names, version)] == versions


ANY, NAMED, ELSEWHERE = (NOBODY, 4), (HERE, 4), (frozenset({"eth9"}), 4)


@pytest.mark.parametrize(
    ("of_us", "able"),
    [
        pytest.param([], False, id="nothing"),
        pytest.param([NAMED], True, id="it is named"),
        pytest.param([NAMED, ELSEWHERE], True, id="it is named, and others are"),
        pytest.param([ELSEWHERE], False, id="others are named"),
        pytest.param([NAMED, ANY], False, id="others may take us for the owner of what names none"),
    ],
)
def test_an_excluded_interface_is_enough_where_it_is_named(of_us: list[Ask], able: bool) -> None:  # noqa: FBT001
    assert is_only_named(frozenset({"eth0", "/4", "/6"}), of_us) == able


words = st.frozensets(st.sampled_from(["eth0", "eth1", "eth0/6", "eth1/6", "/4", "/6"]))
asks = st.tuples(st.frozensets(st.sampled_from(["eth0", "eth1"])), st.sampled_from([4, 6]))


@example(frozenset({"eth0", "/6"}), [(NOBODY, 6)])
@given(words, st.lists(asks, max_size=4))
def test_what_the_others_are_told_is_enough_to_know_what_is_asked(
    here: Names, asked: list[Ask]
) -> None:
    names = {one for one in here if "/" not in one}
    told = names | set(lacking(here, asked, asked))
    if "/4" not in here or any(ask[0] and can(here, *ask) for ask in asked):
        assert [can(told, *ask) for ask in asked] == [can(here, *ask) for ask in asked]
    else:
        assert told == names  # it is not able at all
