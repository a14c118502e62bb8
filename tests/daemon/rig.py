"""The devices of one compiled input as a network of real daemons, and what each of them holds.

A segment for each switch, and one, `abroad`, for the router that is not ours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface
from typing import Any

from daemon.flavour import wait_for
from daemon.lab import Device, Lab
from daemon.meant import ROUTER, Json, Meant, Table
from ferrule.compiler.backends import frr
from ferrule.compiler.backends.base import Diff
from ferrule.compiler.backends.frr.model import Model
from ferrule.compiler.errors import has_errors
from ferrule.compiler.network import FAMILIES

ROUTES_S = 60.0  # FRR's own timers come to 6 s; the rest is for a machine that is busy
ABROAD = {4: 24, 6: 64}
IP = {"ipv4": "ip", "ipv6": "ipv6"}

# What FRR says to a line that it takes.
TAKEN = (
    "Graceful restart configuration changed, reset this peer to take effect",
    "% Echo mode works correctly for IPv4, but only works when the peer is also FRR for IPv6.",
)
Links = Mapping[str, Sequence[str]]
Life = tuple[str, int, int]


@dataclass(frozen=True)
class Majors:
    """Which FRR runs where."""

    nodes: str
    switches: str

    def __str__(self) -> str:
        if self.nodes == self.switches:
            return self.nodes
        return f"nodes-{self.nodes}-switches-{self.switches}"


class Rig:
    """Devices without a configuration, cabled as `meant` needs it; then `boot`.

    `more` are cables that others need; `far` is given where the far ends are there already;
    `strangers` are peers whose routes are nobody's concern here.
    """

    def __init__(
        self,
        lab: Lab,
        majors: Majors,
        meant: Meant,
        more: Mapping[str, Links] | None = None,
        far: Mapping[str, Device] | None = None,
        strangers: Collection[str] = (),
    ) -> None:
        self.meant = meant
        self._strangers = strangers
        cables = {name: {**links, **(more or {}).get(name, {})} for name, links in _links(meant)}
        self.far = far or {
            name: lab.device(name, majors.switches, cables[name]) for name in meant.far_ends
        }
        self.nodes = {
            node.name: lab.device(node.name, majors.nodes, cables.get(node.name, {}))
            for node in meant.network.nodes
        }

    def boot(self) -> list[str]:
        """Load every device as a whole; what vtysh said to it."""
        said = []
        for name, device in self.far.items():
            said += load(device, self.meant.far_text(name))
        for name, device in self.nodes.items():
            said += load(device, self.meant.text(name))
        return said

    def wait(self) -> None:
        """Until all is as it should be: sessions, BFD, and what every far end holds.

        BFD before the routes: with it a session that has just come up may fall once more, when
        bgpd gives bfdd the source address that it has learned (FRR 8.4 always, 10.3 sometimes).
        """
        self.wait_established()
        for far, device in self.far.items():
            wanted = dict.fromkeys(self.meant.watched(far), "up")
            what = f"BFD of {far} with {[*wanted]} and nobody else"
            wait_for(lambda d=device, w=wanted: bfd(d) == w, ROUTES_S, what)  # type: ignore[misc]
        for far in self.far:
            self.wait_heard(far)

    def wait_established(self) -> None:
        """Until every session is up."""
        for far, device in self.far.items():
            near = map(self.meant.near, self.meant.far_ends[far])
            device.wait_established(*near)

    def steady(self, far: str) -> dict[str, Life]:
        """The sessions of a far end but for those with BFD: 0.9 s without CPU would end them."""
        watched = self.meant.watched(far)
        return {name: life for name, life in lives(self.far[far]).items() if name not in watched}

    def heard(self, far: str) -> Table:
        """All that a far end holds, by node; what comes from elsewhere by its address."""
        nodes = {self.meant.near(one): one["node"] for one in self.meant.far_ends[far]}
        table: Table = {}
        for prefix, path in paths(self.far[far]):
            peer = str(path["peerId"])
            if peer not in self._strangers:
                table.setdefault(prefix, set()).add(nodes.get(peer, peer))
        return table

    def wait_heard(self, far: str, wanted: Table | None = None) -> None:
        """Until a far end holds what it should, or what is `wanted`, and nothing else."""
        table = self.meant.table(far) if wanted is None else wanted
        wait_for(lambda: self.heard(far) == table, ROUTES_S, f"{far} holds {table}")

    def installed(self, far: str) -> Table:
        """Prefixes to the nodes that zebra balances them over, as the kernel has it."""
        owner = {ip: node for node, all_ in self.meant.addresses.items() for ip in all_}
        table: Table = {}
        for family in FAMILIES:
            shown = self.far[far].frr.show_json(f"show {IP[family]} route bgp")
            for prefix, routes in shown.items():
                hops = [hop for one in routes if one.get("selected") for hop in one["nexthops"]]
                table[prefix] = {owner[hop["ip"]] for hop in hops if hop.get("fib")}
        return table

    def go_to(self, name: str, model: Model) -> Diff:
        """Bring a node there as we do it: read, compare, send the difference."""
        device = self.nodes[name]
        cluster = self.meant.network.cluster
        diff = frr.diff(frr.parse(device.frr.running_config(), cluster), model)
        assert not has_errors(diff.problems), [str(one) for one in diff.problems]
        assert load(device, frr.script(diff.commands)) == []
        assert frr.diff(frr.parse(device.frr.running_config(), cluster), model).empty
        return diff


def load(device: Device, text: str) -> list[str]:
    """What vtysh said, but for what FRR says to a line that it takes."""
    answer = device.frr.load(text)
    said = [f"{device.name}: {line}" for line in answer.lines if line not in TAKEN]
    return said + ([f"{device.name}: exit code {answer.code}"] if answer.code else [])


def paths(device: Device) -> Iterator[tuple[str, Json]]:
    """Every path of the device's BGP tables, with its prefix."""
    for family in FAMILIES:
        shown: Any = device.frr.show_json(f"show bgp {family} unicast")
        for prefix, each in shown.get("routes", {}).items():
            for path in each:
                yield prefix, path


def bfd(device: Device) -> dict[str, str]:
    """Whom the device watches by BFD, and how that is."""
    shown: Any = device.frr.show_json("show bfd peers")
    return {one["peer"]: one["status"] for one in shown}


def lives(device: Device) -> dict[str, Life]:
    """The state of every session, how often it came up and how often it fell."""
    return {
        name: (one["bgpState"], one["connectionsEstablished"], one["connectionsDropped"])
        for name, one in neighbors(device).items()
    }


def neighbors(device: Device) -> dict[str, Json]:
    """`show bgp neighbors`, by name."""
    shown: dict[str, Json] = device.frr.show_json("show bgp neighbors")
    return {name: one for name, one in shown.items() if isinstance(one, dict)}


def _links(meant: Meant) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Every device with its segments and its addresses there."""
    links: dict[str, dict[str, list[str]]] = {node.name: {} for node in meant.network.nodes}
    for switch in meant.inputs.spec.switches:
        own = switch.spec.addresses
        links[switch.name] = {f"rack-{switch.name}": [one.address for one in own]}
        subnets = [ip_interface(one.address).network for one in own]
        for node in {one["node"] for one in meant.far_ends[switch.name]}:
            links[node][f"rack-{switch.name}"] = [
                f"{address}/{subnet.prefixlen}"
                for address in meant.addresses[node]
                for subnet in subnets
                if ip_address(address) in subnet
            ]
    foreign = meant.far_ends.get(ROUTER, ())
    if foreign:
        links[ROUTER] = {"abroad": abroad({one["nodeEnd"]["neighbor"] for one in foreign})}
    for node in {one["node"] for one in foreign}:
        links[node]["abroad"] = abroad(meant.addresses[node])
    yield from links.items()


def abroad(addresses: Sequence[str] | set[str]) -> list[str]:
    return [f"{one}/{ABROAD[ip_address(one).version]}" for one in sorted(addresses)]
