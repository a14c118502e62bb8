"""What lint says of pairs in one AS, over IPv6 and out of a listen range, beside good ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
from short import compiled

from daemon.flavour import Flavour, wait_for
from daemon.lab import Device, Lab
from ferrule.compiler import views
from ferrule.compiler.lint import lint

pytestmark = pytest.mark.daemon

ROUTES_S = 20.0
PATIENCE_S = 3.0
NODE, NODE_6 = "198.51.100.11", "2001:db8:a::11"
SPEC = """
BGPPeer good: {peerAddress: 198.51.100.1, peerASN: 64512}
BGPPeer same-id: {peerAddress: 198.51.100.2, peerASN: 64512}
BGPPeer six: {peerAddress: "2001:db8:a::3", peerASN: 65003}
BGPPeer bare-six: {peerAddress: "2001:db8:a::4", peerASN: 65004}
BGPPeer dialed: {peerAddress: 198.51.100.5, peerASN: 65005, bfdProfile: fast}
BFDProfile fast: {transmitInterval: 300}
Node n1: {ips: [198.51.100.11, "2001:db8:a::11"]}
IPAddressPool public: {addresses: [192.0.2.0/24, "2001:db8:100::/64"]}
BGPAdvertisement public:
Service shop/web: {families: both}
"""
MAPS = """\
ip prefix-list POOL seq 5 permit 192.0.2.0/24 ge 32
ipv6 prefix-list POOL seq 5 permit 2001:db8:100::/64 ge 128
route-map IN permit 10
 match ip address prefix-list POOL
exit
route-map IN permit 20
 match ipv6 address prefix-list POOL
exit
route-map OUT deny 10
exit
"""


@dataclass(frozen=True)
class Far:
    """A far end: AS, address, lines of its neighbor or group; `code` does harm from `since` on."""

    asn: int
    address: str
    says: tuple[str, ...]
    router_id: str
    code: str = ""
    since: int = 8

    def text(self) -> str:
        family = "ipv6" if ":" in self.address else "ipv4"
        name = "G" if any(one.startswith("bgp listen") for one in self.says) else NODE
        name = NODE_6 if family == "ipv6" else name
        lines = [f"router bgp {self.asn}", f" bgp router-id {self.router_id}"]
        lines += [" no bgp default ipv4-unicast", *(f" {one}" for one in self.says)]
        lines.append(f" address-family {family} unicast")
        for one in ("activate", "route-map IN in", "route-map OUT out"):
            lines.append(f"  neighbor {name} {one}")
        return MAPS + "\n".join([*lines, " exit-address-family", "exit", ""])


INSIDE, OUTSIDE = (f"neighbor {NODE} remote-as 64512",), (f"neighbor {NODE_6} remote-as 64512",)
RANGE = (
    "neighbor G peer-group",
    "neighbor G remote-as 64512",
    "neighbor G bfd",
    "bgp listen range 198.51.100.0/24 peer-group G",
)
BARE = f"neighbor {NODE_6} dont-capability-negotiate"
FARS = {
    "good": Far(64512, "198.51.100.1", INSIDE, "198.51.100.1"),
    "same-id": Far(64512, "198.51.100.2", INSIDE, NODE, "far-router-id"),
    "six": Far(65003, "2001:db8:a::3", OUTSIDE, "198.51.100.3"),
    "bare-six": Far(65004, "2001:db8:a::4", (*OUTSIDE, BARE), "198.51.100.4"),
    "dialed": Far(65005, "198.51.100.5", RANGE, "198.51.100.5", "far-bfd-dynamic", 10),
}


@pytest.fixture(scope="module")
def fars(flavours: dict[str, Flavour], flavour: str) -> Iterator[dict[str, Device]]:
    compilation = compiled(SPEC)
    assert compilation.ok, compilation.diagnostics
    with Lab(flavours) as lab:
        made = {
            name: lab.device(name, flavour, {"rack": [links(one.address)]}, one.text())
            for name, one in FARS.items()
        }
        both = {"rack": [links(NODE), links(NODE_6)]}
        file = views.files(compilation.network)["nodes/n1/frr.conf"]
        lab.device("n1", flavour, both, file.text)
        yield made


def links(address: str) -> str:
    return f"{address}/64" if ":" in address else f"{address}/24"


def heard(device: Device) -> int:
    """How many routes it has."""
    return sum(
        len(device.frr.show_json(f"show bgp {family} unicast")["routes"])
        for family in ("ipv4", "ipv6")
    )


def test_errors_keep_routes_out(fars: dict[str, Device], flavour: str) -> None:
    good = [name for name, one in FARS.items() if not one.code or int(flavour) < one.since]
    wait_for(lambda: all(heard(fars[name]) == 1 for name in good), ROUTES_S, f"all of {good}")
    bad = [name for name in FARS if name not in good]
    with suppress(TimeoutError):
        wait_for(lambda: any(heard(fars[name]) for name in bad), PATIENCE_S, "one of them")
    assert [name for name in FARS if heard(fars[name])] == good


@pytest.mark.parametrize("name", FARS)
def test_lint_says_so(name: str, fars: dict[str, Device]) -> None:
    one = FARS[name]
    text = fars[name].frr.running_config()
    report = lint(compiled(SPEC), "running-config", text, as_=one.address)
    errors = [each.code for each in report.diagnostics if each.severity == "error"]
    assert errors == ([one.code] if one.code else [])
