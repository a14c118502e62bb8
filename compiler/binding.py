"""Which switch a BGPPeer means on a node, and which of its addresses.

A peer with a peerAddress belongs to the switch that selects the node and holds the address; one
with switchSelectors to each selected switch that also selects the node, on one address of every
family that the two share. No switch at all means a foreign end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from ferrule.compiler.errors import Diagnostic, error, listed, quoted, warning
from ferrule.compiler.facing import (
    Binding,
    Peer,
    SwitchSpec,
    own_addresses,
    switch_selectors,
    switches_of,
)
from ferrule.compiler.kube import KubeNode
from ferrule.compiler.network import FAMILIES, Address, Family, family_of
from ferrule.compiler.selection import Selection

MOST_PLACES = 3


class Binder:
    """All switches and their addresses. What it finds wrong is in `found`."""

    def __init__(self, switches: Iterable[SwitchSpec], peers: Iterable[Peer]) -> None:
        self.found: list[Diagnostic] = []
        switches = tuple(switches)
        self._peers = {peer.name: peer for peer in peers}
        self._selecting = Selection(switches, lambda one: one.spec.node_selectors)
        self._bindings = {
            switch.name: [
                Binding(switch, one.ip, one.network, one.vrf, number)
                for number, one in enumerate(switch.spec.addresses)
            ]
            for switch in switches
        }
        self._holders: dict[Address, list[Binding]] = defaultdict(list)
        for each in self._bindings.values():
            for binding in each:
                self._holders[binding.address].append(binding)
        self._chosen = {peer.name: switches_of(peer, switches) for peer in self._peers.values()}
        self._passed_over: dict[str, list[str]] = defaultdict(list)

    def selecting(self, node: KubeNode) -> frozenset[str]:
        """The names of the switches that select a node."""
        return frozenset(one.name for one in self._selecting.of(node.labels))

    def far_ends(
        self, peer: Peer, node: KubeNode, selecting: frozenset[str]
    ) -> Iterator[Binding | None]:
        """The far ends of a peer on a node; None is a foreign one.

        An absent switch takes its sessions with it: a peer bound to it has no far end.
        """
        if switch_selectors(peer):
            for switch in self._chosen[peer.name]:
                if switch.name in selecting and switch.spec.state == "present":
                    yield from self._by_family(peer, node, switch)
            return
        holders = self._held(peer)
        here = [one for one in holders if one.switch.name in selecting]
        present = _present(here)
        if len({one.switch.name for one in present}) > 1:
            self._ambiguous(peer, node, present)
        elif here:
            yield from present[:1]
        else:
            if _present(holders):
                self._passed_over[peer.name].append(node.name)
            yield None

    def candidates(self, peer: Peer) -> list[Binding]:
        """Wherever a peer may be bound on some node, known or not."""
        switches = self._chosen[peer.name]
        by_selector = [one for switch in switches for one in self._bindings[switch.name]]
        return _present(by_selector or self._held(peer))

    def passed_over(self) -> Iterator[Diagnostic]:
        """For each peer whose switch does not select all of the peer's nodes, a warning."""
        for name, nodes in self._passed_over.items():
            peer = self._peers[name]
            holders = _present(self._held(peer))
            switches = listed(dict.fromkeys(quoted(one.switch.name) for one in holders))
            message = (
                f"{switches} holds {peer.spec.peer_address} of BGPPeer {quoted(name)} but does not"
                f" select {listed(map(quoted, nodes), MOST_PLACES)}: the far end is foreign there"
            )
            places = [one.switch.place("nodeSelectors") for one in holders[:MOST_PLACES]]
            help = "mend the nodeSelectors of the peer or of the switch"
            place = peer.place("peerAddress")
            yield warning("switch-not-selecting", message, place, *places, help=help)

    def _held(self, peer: Peer) -> list[Binding]:
        address = peer.spec.peer_address
        return self._holders.get(address, []) if address is not None else []

    def _ambiguous(self, peer: Peer, node: KubeNode, present: list[Binding]) -> None:
        names = listed(quoted(one.switch.name) for one in present)
        message = (
            f"node {quoted(node.name)} is selected by {names}, which all hold"
            f" {peer.spec.peer_address} of BGPPeer {quoted(peer.name)}"
        )
        places = peer.place("peerAddress"), *(one.place for one in present), node.origin.place()
        help = "give the switches nodeSelectors that share no node"
        self.found.append(error("ambiguous-switch", message, *places, help=help, node=node.name))

    def _by_family(self, peer: Peer, node: KubeNode, switch: SwitchSpec) -> Iterator[Binding]:
        shared = False
        for family in FAMILIES:
            mine = own_addresses(peer, node, family)
            theirs = self._of_family(switch, family)
            if not mine or not theirs:
                continue
            shared = True
            near = [one for one in theirs if one.network and any(a in one.network for a in mine)]
            choice = near or [one for one in theirs if one.network is None] or theirs
            if len(choice) == 1:
                yield choice[0]
                continue
            message = (
                f"node {quoted(node.name)} could reach switch {quoted(switch.name)} at"
                f" {listed(one.address for one in choice)}: which one?"
            )
            help = "write the lengths of the switch's addresses, or peers with a peerAddress"
            places = [
                node.origin.place("status", "addresses"),
                *(one.place for one in choice),
                peer.place("switchSelectors"),
            ]
            self.found.append(
                error("ambiguous-switch-address", message, *places, help=help, node=node.name)
            )
        if not shared:
            self._no_family(peer, node, switch)

    def _of_family(self, switch: SwitchSpec, family: Family) -> list[Binding]:
        return [one for one in self._bindings[switch.name] if family_of(one.address) == family]

    def _no_family(self, peer: Peer, node: KubeNode, switch: SwitchSpec) -> None:
        own = [one for family in FAMILIES for one in own_addresses(peer, node, family)]
        theirs = [one.ip for one in switch.spec.addresses]
        message = (
            f"node {quoted(node.name)} ({listed(own)}) and switch {quoted(switch.name)}"
            f" ({listed(theirs)}) share no address family"
        )
        places = [
            node.origin.place("status", "addresses"),
            switch.place("addresses"),
            peer.place("switchSelectors"),
        ]
        self.found.append(error("family-missing", message, *places, node=node.name))


def _present(bindings: list[Binding]) -> list[Binding]:
    return [one for one in bindings if one.switch.spec.state == "present"]
