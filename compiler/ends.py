"""What both ends of a session must agree in, and what only one of them can carry.

The node's end is made from a BGPPeer and a Node, the switch's from a Switch; whatever would keep
the session down, or its routes out, is an error that cites both. Two views: the peers that meet
on a node, and the two ends of one session. What all sessions of a switch have to do with one
another is in `members`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ferrule.compiler.errors import Diagnostic, Place, error, quoted
from ferrule.compiler.facing import Binding, Peer, RefusedError, SwitchSpec, asn_label, my_asn
from ferrule.compiler.kube import KubeNode
from ferrule.compiler.network import BGP_PORT, FAMILIES, Address, BfdProfile, family_of

# The peers of one node.


def peers_agree(peers: Sequence[Peer], node: KubeNode) -> Iterator[Diagnostic]:
    """MetalLB's FRR rules for peers that meet on a node (`checkFRRPeersCompatible`)."""
    ends: dict[tuple[object, str | None], Peer] = {}
    asns: dict[str | None, tuple[int, Peer]] = {}
    for peer in peers:
        spec, first = peer.spec, peers[0]
        meet = f"meet on node {quoted(node.name)}"
        if spec.router_id != first.spec.router_id:
            ids = [one.spec.router_id or "unset" for one in (first, peer)]
            message = f"{_both(first, peer)} {meet} with router IDs {ids[0]} and {ids[1]}"
            places = peer.place("routerID"), first.place("routerID"), node.origin.place()
            help = "a node has one: set it in all of its peers, or in none"
            yield error("router-id-mismatch", message, *places, help=help, node=node.name)
        end = spec.peer_address or spec.interface
        if end is not None:
            other = ends.setdefault((end, spec.vrf), peer)
            if other is not peer:
                message = f"{_both(other, peer)} both reach {end} from node {quoted(node.name)}"
                field = "peerAddress" if spec.peer_address else "interface"
                places = peer.place(field), other.place(field), node.origin.place()
                help = "give them nodeSelectors that share no node"
                yield error("duplicate-peer", message, *places, help=help, node=node.name)
        try:
            asn = my_asn(peer, node)
        except RefusedError:
            continue
        known, other = asns.setdefault(spec.vrf, (asn, peer))
        if known != asn:
            message = f"{_both(other, peer)} {meet} with myASN {known} and {asn}"
            places = _asn_place(peer), _asn_place(other), node.origin.place()
            help = "a VRF of a node has one AS; towards one peer, localASN shows another"
            yield error("my-asn-mismatch", message, *places, help=help, node=node.name)


def _both(one: Peer, other: Peer) -> str:
    return f"peers {quoted(one.name)} and {quoted(other.name)}"


def _asn_place(peer: Peer) -> Place:
    return peer.place("myASNFrom" if asn_label(peer) else "myASN")


# The two ends of one session.


def disagreements(
    peer: Peer, binding: Binding, asn: int | None, bfd: BfdProfile | None, node: KubeNode | None
) -> Iterator[Diagnostic]:
    """Where a peer and a switch cannot meet.

    `asn` is None where it is not known yet: nothing that depends on it is looked at then. `node`
    is given where a label of it says the AS; everything else is the same for all nodes.
    """
    switch, spec = binding.switch, peer.spec
    name = quoted(switch.name)
    if spec.peer_asn and spec.peer_asn != switch.spec.asn:
        message = f"peerASN {spec.peer_asn} is not the ASN of switch {name}, {switch.spec.asn}"
        yield error("peer-asn-mismatch", message, peer.place("peerASN"), switch.place("asn"))
    elif asn is not None:
        yield from asns_fit(peer, asn, switch.spec.asn, switch, node)
    if spec.peer_port != BGP_PORT:
        message = f"peerPort {spec.peer_port}: a SONiC switch listens on {BGP_PORT} only"
        yield error("peer-port", message, peer.place("peerPort"), switch.place())
    secret = spec.password_secret is not None and spec.password_secret.name
    if (secret or spec.password is not None) and switch.spec.password == "refuse":  # noqa: S105
        yield error(
            "switch-password",
            f"switch {name} cannot carry the password of BGPPeer {quoted(peer.name)}: SONiC loses"
            " auth_password on its way to FRR",
            peer.place("passwordSecret" if secret else "password"),
            switch.place("password"),
            help="set it by hand in the switch's vtysh and write password: external in the Switch",
        )
    if bfd is not None:
        yield from _bfd(peer, binding, bfd)
    if spec.dual_stack_address_family:
        yield from _next_hops(peer, binding)


def asns_fit(
    peer: Peer, asn: int, theirs: int, far: Peer | SwitchSpec, node: KubeNode | None
) -> Iterator[Diagnostic]:
    """Inside one AS or between two: whatever the peer says must fit.

    `far` says what AS the other end is in: a switch, or the peer itself.
    """
    spec, label = peer.spec, asn_label(peer)
    of_node = f"node {quoted(node.name)}" if node else "the node"
    on_both = f"{of_node} is in AS {asn}, {_far(far)} in AS {theirs}"
    mistakes: list[tuple[str, str, str]] = []
    if spec.local_asn is not None and theirs in (asn, spec.local_asn):
        message = f"localASN {spec.local_asn} is for eBGP, and neither end's own: {on_both}"
        mistakes.append(("local-asn", message, "localASN"))
    elif spec.dynamic_asn and (spec.dynamic_asn == "internal") != (asn == theirs):
        message = f"dynamicASN is {spec.dynamic_asn}, but {on_both}"
        mistakes.append(("peer-asn-mismatch", message, "dynamicASN"))
    if asn == theirs and spec.ebgp_multi_hop:
        message = f"ebgpMultiHop has no place inside an AS: {on_both}"
        mistakes.append(("multihop-ibgp", message, "ebgpMultiHop"))
    for code, message, field in mistakes:
        places = [peer.place(field), far.place("peerASN" if far is peer else "asn")]
        if node is not None and label is not None:
            places.append(node.origin.place("metadata", "labels", label))
        yield error(code, message, *places, node=node.name if node else None)


def _far(far: Peer | SwitchSpec) -> str:
    return f"{'switch' if far.kind == 'Switch' else 'peer'} {quoted(far.name)}"


def _bfd(peer: Peer, binding: Binding, bfd: BfdProfile) -> Iterator[Diagnostic]:
    """A switch's end is always active, so that two passive ones never meet."""
    name, place = quoted(binding.switch.name), peer.place("bfdProfile")
    if binding.switch.spec.neighbors == "dynamic":
        yield error(
            "bfd-dynamic",
            f"BFD and dynamic neighbors (switch {name}) wait for each other for ever with FRR 10"
            " on the node",
            place,
            binding.switch.place("neighbors"),
            help="write neighbors: static, or drop the bfdProfile",
        )
    if bfd.echo_mode:
        yield error(
            "bfd-echo",
            f"BFD profile {quoted(bfd.name)} uses echo mode, which switch {name} does not",
            bfd.origin.place("spec", "echoMode"),
            place,
            binding.switch.place(),
            help="turn echoMode off",
        )


def _next_hops(peer: Peer, binding: Binding) -> Iterator[Diagnostic]:
    switch = binding.switch
    mine = family_of(binding.address)
    if any(one.vrf == binding.vrf and family_of(one.ip) != mine for one in switch.spec.addresses):
        return
    other = FAMILIES[1 - FAMILIES.index(mine)]
    yield error(
        "dual-stack-next-hop",
        f"dualStackAddressFamily carries {other} to switch {quoted(switch.name)}, which has no"
        f" {other} address in VRF {quoted(binding.vrf)}: its next hops would be invalid",
        peer.place("dualStackAddressFamily"),
        switch.place("addresses"),
        help=f"add the switch's {other} address, or peer once per family",
    )


def refuse_itself(peer: Peer, node: KubeNode, far: Address | None) -> None:
    """Raise `RefusedError` where the far end is the node itself."""
    if far is None or far not in (*node.internal, *node.announced, peer.spec.source_address):
        return
    message = f"BGPPeer {quoted(peer.name)} is at {far}, which is node {quoted(node.name)}'s own"
    places = peer.place("peerAddress"), node.origin.place("status", "addresses")
    raise RefusedError(error("peer-is-node", message, *places, node=node.name))


def refuse_off_link(peer: Peer, node: KubeNode, binding: Binding, address: Address) -> None:
    """Raise `RefusedError` where eBGP would have to go over a router without ebgpMultiHop."""
    if peer.spec.ebgp_multi_hop or binding.network is None or address in binding.network:
        return
    message = (
        f"node {quoted(node.name)} ({address}) is not on-link with {binding.address} of switch"
        f" {quoted(binding.switch.name)} ({binding.network})"
    )
    help = "set ebgpMultiHop: true, or mend the address or its length"
    places = peer.place(), binding.place, node.origin.place("status", "addresses")
    raise RefusedError(error("not-on-link", message, *places, help=help, node=node.name))
