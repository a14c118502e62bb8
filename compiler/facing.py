"""Who a node is towards its peers: its AS, its own address, its router ID.

What is missing or ambiguous here is a mistake of the Node object, and the diagnostic says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Address

from ferrule.compiler.errors import Diagnostic, Place, error, listed, quoted
from ferrule.compiler.kube import KubeNode
from ferrule.compiler.network import Address, Family, Prefix, family_of
from ferrule.compiler.spec import Declared, kinds
from ferrule.compiler.spec.types import Selector

Peer = Declared[kinds.BGPPeer]
SwitchSpec = Declared[kinds.Switch]


class RefusedError(Exception):
    """This session cannot be; carries why."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostic = diagnostic
        super().__init__(diagnostic.message)


@dataclass(frozen=True, slots=True)
class Binding:
    """The far end of a peer on one node: an address of a switch."""

    switch: SwitchSpec
    address: Address
    network: Prefix | None  # None: on-link with everybody, as far as is known
    vrf: str
    number: int  # which of the switch's addresses

    @property
    def place(self) -> Place:
        """Where the switch says that it has the address."""
        return self.switch.place("addresses", self.number)


def switch_selectors(peer: Peer) -> tuple[Selector, ...]:
    """By which a peer of ours chooses switches; MetalLB's have none."""
    return peer.spec.switch_selectors if isinstance(peer.spec, kinds.FerruleBGPPeer) else ()


def switches_of(peer: Peer, switches: Iterable[SwitchSpec]) -> list[SwitchSpec]:
    """The switches that a peer selects."""
    selectors = switch_selectors(peer)
    return [one for one in switches if any(each.matches(one.labels) for each in selectors)]


def asn_label(peer: Peer) -> str | None:
    """The label that the node's AS is read from; None where the peer says the AS itself."""
    spec = peer.spec
    if isinstance(spec, kinds.FerruleBGPPeer) and spec.my_asn_from is not None:
        return spec.my_asn_from.node_label
    return None


def my_asn(peer: Peer, node: KubeNode) -> int:
    """The AS of a peer's node; raises `RefusedError` where its label has none."""
    label = asn_label(peer)
    if label is None:
        return peer.spec.my_asn
    text = node.labels.get(label)
    if text is not None and text.isascii() and text.isdigit() and 0 < int(text[:11]) < 2**32:
        return int(text)
    state = "does not have" if text is None else f"has {quoted(text)} as"
    message = f"node {quoted(node.name)} {state} the ASN label {quoted(label)}"
    places = node.origin.place("metadata", "labels", label), peer.place("myASNFrom")
    raise RefusedError(error("node-asn", message, *places, node=node.name))


def own_addresses(peer: Peer, node: KubeNode, family: Family) -> tuple[Address, ...]:
    """What the node may face the peer with: its sourceAddress, else the annotation, else its IPs.

    Nothing in a family other than that of the sourceAddress.
    """
    source = peer.spec.source_address
    if source is not None:
        return (source,) if family_of(source) == family else ()
    announced = tuple(one for one in node.announced if family_of(one) == family)
    return announced or tuple(one for one in node.internal if family_of(one) == family)


def address_facing(peer: Peer, node: KubeNode, binding: Binding) -> Address:
    """The node's own address towards a switch; raises `RefusedError` where it is not clear."""
    family = family_of(binding.address)
    source = peer.spec.source_address
    mine = own_addresses(peer, node, family)
    if source is not None and not mine:
        message = f"sourceAddress {source} and the switch's {binding.address} differ in family"
        both = peer.place("sourceAddress"), binding.place
        raise RefusedError(error("source-address-family", message, *both))
    near = [one for one in mine if binding.network is not None and one in binding.network]
    for choice in (near, mine):
        if len(choice) == 1:
            return choice[0]
    message = (
        f"node {quoted(node.name)} has {'several addresses' if mine else f'no {family} address'}"
        f" to face {binding.address} of switch {quoted(binding.switch.name)}; it has:"
        f" {listed([*node.announced, *node.internal])}"
    )
    help = "annotate the Node with ferrule.dev/addresses"
    if mine and binding.network is None:
        help += ", or write the length of the switch's address"
    code = "ambiguous-node-address" if mine else "family-missing"
    places = [node.origin.place("status", "addresses"), binding.place, peer.place()]
    raise RefusedError(error(code, message, *places, help=help, node=node.name))


def router_id(node: KubeNode, peers: Sequence[Peer], source: str) -> IPv4Address:
    """`routerID` of its peers, else its only IPv4 InternalIP, else a hash of its name.

    `source` is the Cluster's routerIDFrom: with "name" the InternalIP does not count.
    """
    for peer in peers:
        if peer.spec.router_id is not None:
            return peer.spec.router_id
    internal = [one for one in node.internal if isinstance(one, IPv4Address)]
    if len(internal) == 1 and source == "internalIP":
        return internal[0]
    number = int.from_bytes(sha256(node.name.encode()).digest()[:8])
    return IPv4Address(2**24 + number % (223 * 2**24))  # never 0.x, never class D or E
