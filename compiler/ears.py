"""Who listens to whom: each neighbor of a node, and how the switch at the other end knows it.

The two ends of a session are found by the network that is intended; one that it no longer has, by
the addresses of the switches and of the nodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from ferrule.compiler.backends import sonic
from ferrule.compiler.backends.sonic.accepts import Accepting
from ferrule.compiler.compare import ComparedNode, ComparedSwitch
from ferrule.compiler.hearing import Ear, Heard, Told
from ferrule.compiler.inputs import Inputs
from ferrule.compiler.network import DEFAULT_VRF, Address, Network


@dataclass(frozen=True, slots=True)
class Link:
    """One neighbor of one node.

    `far` is the switch, or else what the node calls its neighbor. `addresses` are those that the
    node may have there: one, where the session is intended.
    """

    ear: Ear
    far: str
    switch: str | None = None
    vrf: str = DEFAULT_VRF
    addresses: tuple[Address, ...] = ()

    def __str__(self) -> str:
        node, (_, neighbor) = self.ear
        return f"{node} - {self.far}" + ("" if self.far == neighbor else f" ({neighbor})")

    def is_at(self, vrf: str, who: str) -> bool:
        """Whether a switch means it by an address or a listen range."""
        if vrf != self.vrf:
            return False
        if "/" in who:
            return any(one in ip_network(who, strict=False) for one in self.addresses)
        return who in map(str, self.addresses)


def links(inputs: Inputs, network: Network, nodes: Mapping[str, ComparedNode]) -> tuple[Link, ...]:
    """The links of all nodes that were read, those of sessions that go among them."""
    known = {
        (one.node, one.node_end.vrf, str(one.node_end.neighbor or one.node_end.interface)): one
        for one in network.sessions
    }
    internal = {one.name: one.internal for one in inputs.nodes}
    switches: dict[str, list[tuple[str, str]]] = {}
    for switch in inputs.spec.switches:
        for address in switch.spec.addresses:
            switches.setdefault(str(address.ip), []).append((switch.name, address.vrf))
    made = []
    for name, node in nodes.items():
        for neighbor in dict.fromkeys((*node.before, *node.after)):
            ear, session = (name, neighbor), known.get((name, *neighbor))
            end = session.switch_end if session else None
            holders = switches.get(neighbor[1], ()) if session is None else ()
            if end:
                link = Link(ear, end.switch, end.switch, end.vrf, (end.neighbor,))
            elif len(holders) == 1:
                there, vrf = holders[0]
                version = ip_address(neighbor[1]).version
                own = dict.fromkeys((*internal.get(name, ()), *sorted(node.addresses, key=str)))
                mine = tuple(one for one in own if one.version == version)
                link = Link(ear, there, there, vrf, mine)
            else:
                link = Link(ear, neighbor[1])
            made.append(link)
    return tuple(made)


@dataclass(frozen=True, slots=True)
class Tables:
    """What each node's neighbors hear: told by the node, and taken by the switch."""

    before: Mapping[str, Told] = field(repr=False)
    after: Mapping[str, Told] = field(repr=False)


def tables(
    links: tuple[Link, ...],
    nodes: Mapping[str, ComparedNode],
    switches: Mapping[str, ComparedSwitch],
) -> Tables:
    """Both tables; what a switch takes is looked at only where the switch changes."""
    before, after = ({n: dict(of) for n, of in each} for each in _told(nodes))
    for link in links:
        switch = switches.get(link.switch or "")
        node, neighbor = link.ear
        if switch is None or switch.plan.diff.empty:
            continue
        for table, accepting in ((before, switch.before), (after, switch.after)):
            heard = table[node].get(neighbor)
            if heard:
                table[node][neighbor] = _taken(heard, link, accepting)
        if before[node].get(neighbor) == after[node].get(neighbor) and neighbor in before[node]:
            after[node][neighbor] = before[node][neighbor]
    return Tables(before, after)


def _told(nodes: Mapping[str, ComparedNode]) -> Iterator[Iterator[tuple[str, Told]]]:
    yield ((name, node.before) for name, node in nodes.items())
    yield ((name, node.after) for name, node in nodes.items())


def _taken(heard: Heard, link: Link, accepting: Accepting) -> Heard:
    found = (sonic.find(accepting, link.vrf, one) for one in link.addresses)
    accepts = next((one for one in found if one), None)
    return {} if accepts is None else {p: of for p, of in heard.items() if accepts.admits(p)}
