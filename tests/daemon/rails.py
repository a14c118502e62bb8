"""The network of `rails.yaml`, and somebody on it who says by hand what they like."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.flavour import wait_for
from daemon.lab import Device
from daemon.meant import Meant, compiled
from daemon.rig import ROUTES_S
from ferrule.compiler.network import Family
from ferrule.compiler.source import read

SPEC = (Path(__file__).parent / "rails.yaml").read_text()
STATIC = "  neighbors: static\n"
DYNAMIC = """\
  neighbors: dynamic
  listenRanges: [198.51.100.0/27, 198.51.100.32/27, "2001:db8:a::/112", "2001:db8:a::1:0/112"]
"""
NODE_ASN, TOR_ASN = 64512, 65001
TOR: dict[Family, str] = {"ipv4": "198.51.100.1", "ipv6": "2001:db8:a::1"}
RACK: dict[Family, str] = {"ipv4": "198.51.100.0/25", "ipv6": "2001:db8:a::/64"}
LIMIT = 64  # the least that a switch takes from a neighbor

# What a node of rack a may not say, and then what it may: neither is in use by a Service.
REFUSED: dict[Family, dict[str, str]] = {
    "ipv4": {
        "a foreign one": "10.66.0.1/32",
        "the default route": "0.0.0.0/0",
        "one of a pool for others": "198.51.100.200/32",
        "one of a pool for others, in use": "198.51.100.128/32",
        "shorter than its pool says": "192.0.2.4/31",
        "the whole of its pool": "192.0.2.0/25",
        "more than its pool": "192.0.2.0/24",
        "longer than the aggregate": "203.0.113.0/29",
        "an address of the aggregate": "203.0.113.77/32",
        "shorter than the aggregate": "203.0.113.128/27",
        "the whole of the aggregates": "203.0.113.0/24",
        "the half of an aggregate that is in the pool": "192.0.2.136/29",
        "the half that is not": "192.0.2.128/29",
        "both aggregates in one": "192.0.2.128/27",
    },
    "ipv6": {
        "a foreign one": "2001:db8:66::1/128",
        "the default route": "::/0",
        "one of a pool for others": "2001:db8:300::200/128",
        "one of a pool for others, in use": "2001:db8:300::/128",
        "shorter than its pool says": "2001:db8:100::4/127",
        "the whole of its pool": "2001:db8:100::/64",
        "more than its pool": "2001:db8:100::/63",
        "longer than the aggregate": "2001:db8:200::/61",
        "an address of the aggregate": "2001:db8:200::77/128",
        "shorter than the aggregate": "2001:db8:200:20::/59",
        "the whole of the aggregates": "2001:db8:200::/56",
        "the half of an aggregate that is in the pool": "2001:db8:400:8::/61",
        "the half that is not": "2001:db8:400::/61",
        "both aggregates in one": "2001:db8:400::/59",
    },
}
ALLOWED: dict[Family, tuple[str, ...]] = {
    "ipv4": ("192.0.2.77/32", "203.0.113.64/28", "192.0.2.128/28"),
    "ipv6": ("2001:db8:100::77/128", "2001:db8:200:10::/60", "2001:db8:400::/60"),
}
MANY: dict[Family, str] = {"ipv4": "192.0.2.{}/32", "ipv6": "2001:db8:100::b:{}/128"}


def rails(*, dynamic: bool = False) -> Meant:
    """The network; its switch knows the nodes by address or by range."""
    assert STATIC in SPEC
    return compiled(read(SPEC.replace(STATIC, DYNAMIC) if dynamic else SPEC, "rails.yaml"))


@dataclass(frozen=True)
class ByHand:
    """Whoever has root on a device and announces past our maps.

    `group` is what FRR's configuration calls the neighbor, where that is not its address.
    """

    device: Device
    asn: int
    family: Family
    neighbor: str
    group: str = ""

    def announce(self, *prefixes: str) -> None:
        """Say this too, whatever it is, and see that it is sent."""
        self.say(*prefixes)
        what = f"{self.device.name} sends {prefixes}"
        wait_for(lambda: {*prefixes} <= self.sent(), ROUTES_S, what)

    def say(self, *prefixes: str) -> None:
        """Say this too, whether it is heard or not."""
        self._change(f"neighbor {self._configured} route-map BY-HAND out", *map(_network, prefixes))

    def withdraw(self, route_map: str, *prefixes: str) -> None:
        """Say it no more, and let the neighbor hear what `route_map` lets it hear."""
        back = f"neighbor {self._configured} route-map {route_map} out"
        self._change(back, *(f"no {_network(one)}" for one in prefixes))

    def sent(self) -> set[str]:
        command = f"show bgp {self.family} unicast neighbors {self.neighbor} advertised-routes"
        shown: Any = self.device.frr.show_json(command)
        return set(shown.get("advertisedRoutes", {}))

    @property
    def _configured(self) -> str:
        return self.group or self.neighbor

    def _change(self, *lines: str) -> None:
        head = ["route-map BY-HAND permit 10", "exit", f"router bgp {self.asn}"]
        head += [f" address-family {self.family} unicast"]
        inside = [f"  {line}" for line in lines]
        text = "\n".join((*head, *inside, " exit-address-family", "exit", ""))
        answer = self.device.frr.load(text)
        assert answer.ok, answer.output


def _network(prefix: str) -> str:
    return f"network {prefix}"
