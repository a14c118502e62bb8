"""The cases of lint_maps.txt, asked of FRR: what lint says of a route-map is what bgpd does."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from lint_pairs import MAPS

from daemon.flavour import Flavour, wait_for
from daemon.lab import Device, Lab

pytestmark = pytest.mark.daemon

ROUTES_S = 20.0
TELLER = """\
route-map OUT permit 10
 set community 64512:1 64512:2
 set large-community 64512:1:2
exit
router bgp 64512
 bgp router-id 198.51.100.11
 no bgp network import-check
 neighbor 198.51.100.1 remote-as 65001
 neighbor 198.51.100.1 timers connect 1
 address-family ipv4 unicast
  network 192.0.2.1/32
  network 192.0.2.2/32
  neighbor 198.51.100.1 route-map OUT in
  neighbor 198.51.100.1 route-map OUT out
 exit-address-family
exit
"""
HEARER = """\
route-map ALL permit 10
exit
router bgp 65001
 bgp router-id 198.51.100.1
 neighbor 198.51.100.11 remote-as 64512
 neighbor 198.51.100.11 timers connect 1
 address-family ipv4 unicast
  neighbor 198.51.100.11 route-map ALL in
  neighbor 198.51.100.11 route-map ALL out
 exit-address-family
exit
"""
LIST = re.compile(
    r"(?:(?:ip|ipv6|bgp) )?(?:\S+-list|as-path access-list)(?: standard| expanded)? \S+"
)


@pytest.fixture(scope="module")
def hearer(flavours: dict[str, Flavour], flavour: str) -> Iterator[Device]:
    with Lab(flavours) as lab:
        made = lab.device("far", flavour, {"rack": ["198.51.100.1/24"]}, HEARER)
        lab.device("n1", flavour, {"rack": ["198.51.100.11/24"]}, TELLER)
        table = "show bgp ipv4 unicast"
        wait_for(lambda: len(made.frr.show_json(table)["routes"]) == 2, ROUTES_S, "both routes")
        yield made


def test_a_route_map_is_evaluated_as_frr_does(hearer: Device, flavour: str) -> None:
    """`show ... route-map` applies a map to what is there, as `in` does to what comes."""
    wrong = {}
    for one in MAPS:
        if one.passes == ["?"] or (flavour == "8" and " any\n" in one.text):
            continue
        hearer.frr.load(one.text)
        routes = hearer.frr.show_json("show bgp ipv4 unicast route-map M")["routes"]
        passes = sorted(prefix[8] for prefix in routes)
        if passes != one.passes:
            wrong[one.name] = passes
        names = {found[0] for line in one.text.splitlines() if (found := LIST.match(line.strip()))}
        maps = {line.split()[1] for line in one.text.splitlines() if "route-map" in line}
        hearer.frr.load("".join(f"no {x}\n" for x in (*(f"route-map {m}" for m in maps), *names)))
    assert wrong == {}
