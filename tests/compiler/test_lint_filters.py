"""What a far end's filters do with a route: what FRR 8.4.4 and 10.3 did with it."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from lint_pairs import MAPS, MapCase

from ferrule.compiler.lint.announced import bits
from ferrule.compiler.lint.attributes import Route, differences
from ferrule.compiler.lint.device import Device
from ferrule.compiler.lint.lists import Budget
from ferrule.compiler.lint.patterns import PatternError, compiled
from ferrule.compiler.lint.reader import read_device
from ferrule.compiler.lint.routes import Judge, Verdict
from ferrule.compiler.lint.said import read_frr

NEIGHBOR = "198.51.100.11"


def device(text: str, *filters: str) -> Device:
    """Lists and maps, and a neighbor with these filters in both families."""
    family = "".join(f"neighbor {NEIGHBOR} {one} in\n" for one in filters)
    return read_device(
        read_frr(
            f"{text}\nrouter bgp 65001\nneighbor {NEIGHBOR} remote-as 64512\n"
            f"address-family ipv4\n{family}exit\naddress-family ipv6\n{family}",
            "frr.conf",
        )
    )


def judged(text: str, prefix: str, *filters: str) -> Verdict:
    far = device(text, *filters)
    judge = Judge(far, Budget(100_000))
    route = Route(
        bits(ip_network(prefix)),
        "ipv6" if ":" in prefix else "ipv4",
        (64512,),
        ("64512:1", "64512:2"),
        ("64512:1:2",),
        peer=ip_network(f"{NEIGHBOR}/32").network_address,
        next_hop=ip_network(f"{NEIGHBOR}/32").network_address,
    )
    neighbor = far.instances[""].neighbors[NEIGHBOR]
    return judge.judge(judge.filters(neighbor, route.family), route)


def passes(text: str, *filters: str) -> list[str]:
    """Which of two prefixes pass; `?` where that is not known."""
    each = {prefix: judged(text, prefix, *filters) for prefix in ("192.0.2.1/32", "192.0.2.2/32")}
    if any(one.permit is None for one in each.values()):
        return ["?"]
    return [prefix[8] for prefix, one in each.items() if one.permit]


BOTH, FIRST, NONE = ["1", "2"], ["1"], list[str]()


@pytest.mark.parametrize("one", MAPS, ids=[one.name for one in MAPS])
def test_a_route_map(one: MapCase) -> None:
    assert passes(one.text, "route-map M") == one.passes


@pytest.mark.parametrize(
    ("text", "filters", "expected"),
    [
        pytest.param("", ("route-map X",), NONE, id="an-absent-map"),
        pytest.param("", ("prefix-list X",), NONE, id="an-absent-prefix-list"),
        pytest.param("", ("distribute-list X",), NONE, id="an-absent-access-list"),
        pytest.param("", ("filter-list X",), NONE, id="an-absent-as-path-list"),
        pytest.param(
            "ip prefix-list P description x", ("prefix-list P",), BOTH, id="an-empty-list"
        ),
        pytest.param(
            "ip prefix-list P permit 192.0.2.1/32\nip prefix-list P deny any"
            "\nip prefix-list P seq 3 permit 192.0.2.2/32",
            ("prefix-list P",),
            BOTH,
            id="entries-without-a-number",
        ),
        pytest.param(
            "ip prefix-list P permit 192.0.2.1/32\nroute-map M permit 10",
            ("prefix-list P", "route-map M"),
            FIRST,
            id="a-list-and-a-map",
        ),
        pytest.param(
            "ip prefix-list P permit 192.0.2.0/24 ge 25 le 31", ("prefix-list P",), NONE, id="ge-le"
        ),
        pytest.param(
            "ip prefix-list P permit 192.0.2.0/24 ge 32", ("prefix-list P",), BOTH, id="ge"
        ),
        pytest.param("", (), BOTH, id="no-filter"),
    ],
)
def test_filters_of_the_neighbor(text: str, filters: tuple[str, ...], expected: list[str]) -> None:
    assert passes(text, *filters) == expected


LISTS = """\
bgp community-list standard ONE permit 64512:1
bgp community-list standard TWO permit 64512:1 64512:2
bgp community-list standard NOT deny 64512:1
bgp community-list standard NOT permit 64512:2
route-map C permit 10
 set local-preference 66
route-map M permit 10
"""


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        ("set community 65001:1", "takes community 64512:1, 64512:2 off"),
        ("set community 65001:1 additive", ""),
        ("set community none", "takes community 64512:1, 64512:2 off"),
        ("set comm-list ONE delete", "takes community 64512:1 off"),
        ("set comm-list TWO delete", "takes community 64512:1, 64512:2 off"),
        ("set comm-list NOT delete", "takes community 64512:2 off"),
        ("set comm-list X delete", ""),
        ("set large-community none", "takes large community 64512:1:2 off"),
        ("set local-preference 50", "sets local preference 50"),
        ("set local-preference 100", ""),
        ("set ip next-hop 203.0.113.1", "sets next hop 203.0.113.1"),
        ("set ip next-hop peer-address", ""),
        ("set ipv6 next-hop prefer-global", ""),
        ("set weight 7", ""),
        ("set local-preference 55\n call C", "sets local preference 66"),
    ],
)
def test_what_a_map_sets(sets: str, said: str) -> None:
    verdict = judged(f"{LISTS} {sets}", "192.0.2.1/32", "route-map M")
    before = judged("", "192.0.2.1/32").route
    assert verdict.permit
    assert " and ".join(differences(before, verdict.route)) == said


def test_the_line_that_decided() -> None:
    text = (
        "ip prefix-list P seq 5 deny 192.0.2.1/32\nip prefix-list P seq 6 permit any"
        "\nroute-map M permit 10\nmatch ip address prefix-list P\nroute-map M deny 20"
    )
    verdict = judged(text, "192.0.2.1/32", "route-map M")
    assert verdict.near is not None
    assert verdict.by is not None
    assert [str(one.place()) for one in (verdict.near, verdict.by)] == [
        "frr.conf:1:1",
        "frr.conf:5:1",
    ]


@pytest.mark.parametrize(
    "expression", ["(", ")", "*", "[a", "a{", "a{1,999}", "((a{255}){255}){9}"]
)
def test_an_expression_that_is_none(expression: str) -> None:
    with pytest.raises(PatternError):
        compiled(expression)


@pytest.mark.parametrize(
    ("expression", "text", "found"),
    [
        ("^64512$", "64512", True),
        ("_64512_", "1 64512 2", True),
        ("_6451_", "64512", False),
        ("^$", "", True),
        ("^$", "1", False),
        ("", "1", True),
        ("^(65[0-9]+ )*64512$", "65001 65002 64512", True),
        ("[^1]$", "1", False),
        ("(a|b){2,3}c", "xabbc", True),
        ("^[[:digit:]]+:100$", "64512:100", True),
        (r"1\.2", "1.2", True),
        (r"1\.2", "1x2", False),
    ],
)
def test_an_expression(expression: str, text: str, found: bool) -> None:  # noqa: FBT001
    assert compiled(expression).found_in(text) is found
