"""What no single object can see: references, overlaps, and who contradicts whom.

Every rule is a function from the whole spec (and the Nodes, where it needs them) to diagnostics;
RULES is all of them. None depends on another having passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from pydantic_core import PydanticCustomError

from ferrule.compiler.errors import Diagnostic, error, listed, quoted, suggestion, warning
from ferrule.compiler.facing import Peer, asn_label, switch_selectors, switches_of
from ferrule.compiler.kube import KubeNode
from ferrule.compiler.network import Prefix, family_of
from ferrule.compiler.reach import (
    Advertisement,
    Pool,
    both_kinds,
    collide,
    families_of,
    length_for,
    pools_of,
)
from ferrule.compiler.selection import Selection
from ferrule.compiler.spec import Declared, Spec
from ferrule.compiler.spec.types import any_matches, parse_community

Rule = Callable[[Spec, Sequence[KubeNode]], Iterator[Diagnostic]]


def check_spec(spec: Spec, nodes: Sequence[KubeNode]) -> Iterator[Diagnostic]:
    """All rules, in the order of RULES."""
    for rule in RULES:
        yield from rule(spec, nodes)


# References


def _unresolved(
    code: str,
    one: Declared[Any],
    path: tuple[str | int, ...],
    name: str,
    known: set[str],
    what: str,
) -> Diagnostic:
    """An error in our kinds; in MetalLB's, which pass over such names, a warning."""
    make = error if one.ours else warning
    message = f"{one.kind} {quoted(one.name)} names {what} {quoted(name)}, which is not defined"
    return make(code, message, one.place(*path), help=suggestion(name, known, f"{what}s"))


def _known(spec: Spec, kind: str, declared: Sequence[Declared[Any]]) -> set[str]:
    return {one.name for one in declared} | {n for k, n in spec.unreadable if k == kind}


def pool_references(spec: Spec, _: Sequence[KubeNode]) -> Iterator[Diagnostic]:
    """Every pool that an advertisement names is defined."""
    known = _known(spec, "IPAddressPool", spec.pools)
    for one in both_kinds(spec):
        for number, name in enumerate(one.spec.ip_address_pools):
            if name not in known:
                path = ("ipAddressPools", number)
                yield _unresolved("unknown-pool", one, path, name, known, "pool")


def peer_references(spec: Spec, _: Sequence[KubeNode]) -> Iterator[Diagnostic]:
    """Every peer that an advertisement names is defined."""
    known = _known(spec, "BGPPeer", spec.peers)
    for one in spec.bgp_advertisements:
        for number, name in enumerate(one.spec.peers):
            if name not in known:
                yield _unresolved("unknown-peer", one, ("peers", number), name, known, "peer")


def bfd_references(spec: Spec, _: Sequence[KubeNode]) -> Iterator[Diagnostic]:
    """Every BFD profile that a peer names is defined."""
    known = _known(spec, "BFDProfile", spec.bfd_profiles)
    for peer in spec.peers:
        name = peer.spec.bfd_profile
        if name is not None and name not in known:
            message = f"BGPPeer {quoted(peer.name)} names BFD profile {quoted(name)}"
            help = suggestion(name, known, "profiles")
            place = peer.place("bfdProfile")
            yield error("unknown-bfd-profile", f"{message}, which is not defined", place, help=help)


def community_references(spec: Spec, _: Sequence[KubeNode]) -> Iterator[Diagnostic]:
    """Every community is a value or a defined alias; an alias is defined once."""
    seen: dict[str, tuple[Declared[Any], int]] = {}
    for one in spec.communities:
        for number, alias in enumerate(one.spec.communities):
            if alias.name in seen:
                other, where = seen[alias.name]
                message = f"community alias {quoted(alias.name)} is defined twice"
                places = one.place("communities", number), other.place("communities", where)
                yield error("duplicate-alias", message, *places)
            seen.setdefault(alias.name, (one, number))
    broken = any(kind == "Community" for kind, _ in spec.unreadable)
    for advertisement in spec.bgp_advertisements:
        for number, text in enumerate(advertisement.spec.communities):
            if text in seen or (broken and ":" not in text):
                continue
            if ":" in text:
                yield from _community_value(advertisement, number, text)
            else:
                message = f"community {quoted(text)} is neither a value nor a defined alias"
                help = suggestion(text, seen, "aliases")
                place = advertisement.place("communities", number)
                yield error("unknown-community", message, place, help=help)
        if len(advertisement.spec.communities) > MOST_COMMUNITIES:
            message = f"more than {MOST_COMMUNITIES} communities on one advertisement"
            yield error("too-many-communities", message, advertisement.place("communities"))


MOST_COMMUNITIES = 63  # MetalLB's bound


def _community_value(one: Advertisement, number: int, text: str) -> Iterator[Diagnostic]:
    try:
        parse_community(text)
    except PydanticCustomError as bad:
        context = bad.context or {}
        place = one.place("communities", number)
        yield error("invalid-community", bad.message(), place, help=context["help"])


# Addresses


def overlapping_pools(spec: Spec, _: Sequence[KubeNode]) -> Iterator[Diagnostic]:
    """Within a pool and between pools; a sweep over sorted ranges."""
    blocks = sorted(
        (
            _Block(int(cidr.network_address), int(cidr.broadcast_address), cidr, pool, number)
            for pool in spec.pools
            for number, entry in enumerate(pool.spec.addresses)
            for cidr in entry.cidrs
        ),
        key=lambda one: (one.cidr.version, one.first, one.last),
    )
    reported: set[object] = set()
    widest: _Block | None = None
    for block in blocks:
        if widest and widest.cidr.version == block.cidr.version and block.first <= widest.last:
            pair = (block.pool.name, block.number, widest.pool.name, widest.number)
            if pair not in reported:
                reported.add(pair)
                yield _overlap(block, widest)
            if block.last <= widest.last:
                continue
        widest = block


class _Block(NamedTuple):
    first: int
    last: int
    cidr: Prefix
    pool: Pool
    number: int


def _overlap(block: _Block, other: _Block) -> Diagnostic:
    same = block.pool is other.pool
    names = f"{quoted(other.pool.name)} and {quoted(block.pool.name)}"
    what = f"pool {quoted(block.pool.name)}" if same else f"pools {names}"
    message = f"{other.cidr} and {block.cidr} of {what} overlap"
    places = (one.pool.place("addresses", one.number) for one in (block, other))
    return error("pools-overlap", message, *places)


def aggregation_lengths(spec: Spec, _: Sequence[KubeNode]) -> Iterator[Diagnostic]:
    """An aggregate must lie inside an entry of the pool (MetalLB's `validateBGPAdvPerPool`)."""
    for one in spec.bgp_advertisements:
        for pool in pools_of(one, spec.pools):
            for number, entry in enumerate(pool.spec.addresses):
                widest = min(entry.cidrs, key=lambda cidr: cidr.prefixlen)
                length, field = length_for(one.spec, family_of(widest))
                if length >= widest.prefixlen:
                    continue
                message = (
                    f"{field} {length} is shorter than {widest}, the widest block of"
                    f" {quoted(entry.text)} in pool {quoted(pool.name)}"
                )
                places = one.place(field), pool.place("addresses", number)
                help = f"at least {widest.prefixlen}"
                yield error("aggregation-length", message, *places, help=help)
        with_selectors = one.spec.service_selectors
        if with_selectors and (
            one.spec.aggregation_length != 32 or one.spec.aggregation_length_v6 != 128
        ):
            message = "serviceSelectors and aggregation exclude one another"
            yield error("aggregation-selectors", message, one.place("serviceSelectors"))


# Contradictions


def local_preferences(spec: Spec, nodes: Sequence[KubeNode]) -> Iterator[Diagnostic]:
    """Two advertisements never give one prefix two local preferences, or two AS paths.

    Those with serviceSelectors are compared Service by Service, when they meet.
    """
    plain = [one for one in spec.bgp_advertisements if not one.spec.service_selectors]
    if len({(one.spec.local_pref, one.spec.as_path_prepend) for one in plain}) < 2:
        return
    selected = _selected(plain, nodes)
    pools = {one.name: pools_of(one, spec.pools) for one in plain}
    for one, other in combinations(plain, 2):
        if not selected[one.name] & selected[other.name]:
            continue
        for pool in pools[one.name]:
            if pool in pools[other.name] and collide(one.spec, other.spec, families_of(pool)):
                same = one.spec.local_pref == other.spec.local_pref
                name, say = ("asPathPrepend", _prepend) if same else ("localPref", _pref)
                message = (
                    f"pool {quoted(pool.name)} is advertised with {name} {say(one)} by"
                    f" {quoted(one.name)} and {say(other)} by {quoted(other.name)}"
                )
                code = "as-path-conflict" if same else "local-pref-conflict"
                places = other.place(name), one.place(name)
                help = "keep them apart by peers, nodeSelectors or aggregation length"
                yield error(code, message, *places, help=help)
                break


def _selected(
    advertisements: Sequence[Advertisement], nodes: Sequence[KubeNode]
) -> dict[str, set[str]]:
    """The nodes that each selects; of unknown nodes only that everything selects them."""
    if not nodes:
        return {one.name: set() if one.spec.node_selectors else {""} for one in advertisements}
    selection = Selection(advertisements, lambda one: one.spec.node_selectors)
    selected: dict[str, set[str]] = {one.name: set() for one in advertisements}
    for node in nodes:
        for one in selection.of(node.labels):
            selected[one.name].add(node.name)
    return selected


def _pref(one: Advertisement) -> str:
    return str(one.spec.local_pref) if one.spec.local_pref else "unset"


def _prepend(one: Advertisement) -> str:
    return str(one.spec.as_path_prepend) if one.spec.as_path_prepend else "unset"


def echo_over_ipv6(spec: Spec, _: Sequence[KubeNode]) -> Iterator[Diagnostic]:
    """FRR has no BFD echo for IPv6; MetalLB refuses the combination at the pool."""
    echoing = {one.name for one in spec.bfd_profiles if one.spec.echo_mode}
    peers = {one.name: one for one in spec.peers if one.spec.bfd_profile in echoing}
    for one in spec.bgp_advertisements if peers else ():
        for pool in pools_of(one, spec.pools):
            if "ipv6" not in families_of(pool):
                continue
            for name in sorted(set(one.spec.peers or peers) & set(peers)):
                peer = peers[name]
                message = (
                    f"pool {quoted(pool.name)} has IPv6 addresses and is advertised by"
                    f" {quoted(one.name)} to peer {quoted(name)}, whose BFD profile uses echo mode"
                )
                help = "FRR has no BFD echo for IPv6: turn echoMode off, or name other peers"
                places = peer.place("bfdProfile"), one.place(), pool.place("addresses")
                yield error("bfd-echo-ipv6", message, *places, help=help)


# Doubts


def unused_pools(spec: Spec, _: Sequence[KubeNode]) -> Iterator[Diagnostic]:
    """A pool that no advertisement mentions is given out and never announced."""
    used = {pool.name for one in both_kinds(spec) for pool in pools_of(one, spec.pools)}
    for pool in spec.pools:
        if pool.name not in used:
            message = f"no advertisement mentions pool {quoted(pool.name)}: nobody hears of it"
            yield warning("pool-not-advertised", message, pool.place())


def selects_nothing(spec: Spec, nodes: Sequence[KubeNode]) -> Iterator[Diagnostic]:
    """A selector that fits nothing is more likely a typing mistake."""
    declared: list[Declared[Any]] = [*both_kinds(spec), *spec.peers, *spec.switches]
    selection = Selection(declared, lambda one: one.spec.node_selectors)
    used = {id(one) for node in nodes for one in selection.of(node.labels)}
    for one in declared if nodes else ():
        if id(one) not in used:
            message = f"{one.kind} {quoted(one.name)} selects no node"
            yield warning("selects-nothing", message, one.place("nodeSelectors"))
    for advertisement in both_kinds(spec):
        named = set(advertisement.spec.ip_address_pools) - _known(spec, "IPAddressPool", spec.pools)
        if spec.pools and not named and not pools_of(advertisement, spec.pools):
            message = f"{advertisement.kind} {quoted(advertisement.name)} selects no pool"
            place = advertisement.place("ipAddressPoolSelectors")
            yield warning("selects-nothing", message, place)
    for peer in spec.peers:
        if switch_selectors(peer) and not switches_of(peer, spec.switches):
            message = f"BGPPeer {quoted(peer.name)} selects no switch"
            yield warning("selects-nothing", message, peer.place("switchSelectors"))


def local_pref_towards_ebgp(spec: Spec, nodes: Sequence[KubeNode]) -> Iterator[Diagnostic]:
    """LOCAL_PREF stays inside an AS (RFC 4271 §5.1.5)."""
    with_pref = [one for one in spec.bgp_advertisements if one.spec.local_pref]
    external = [one.name for one in spec.peers if with_pref and _is_external(one, spec, nodes)]
    for one in with_pref:
        heard = [name for name in external if not one.spec.peers or name in one.spec.peers]
        if heard:
            message = f"localPref has no effect towards eBGP peers: {listed(map(quoted, heard))}"
            yield warning("local-pref-ebgp", message, one.place("localPref"))


def as_path_towards_ibgp(spec: Spec, nodes: Sequence[KubeNode]) -> Iterator[Diagnostic]:
    """One's own AS in a path from inside the AS is a loop (RFC 4271 §9.1.2)."""
    longer = [one for one in spec.bgp_advertisements if one.spec.as_path_prepend]
    internal = [one.name for one in spec.peers if longer and not _is_external(one, spec, nodes)]
    for one in longer:
        heard = [name for name in internal if not one.spec.peers or name in one.spec.peers]
        if heard:
            message = (
                f"asPathPrepend has no effect towards iBGP peers: {listed(map(quoted, heard))}"
            )
            yield warning("as-path-ibgp", message, one.place("asPathPrepend"))


def _is_external(peer: Peer, spec: Spec, nodes: Sequence[KubeNode]) -> bool:
    """Whether any session of a peer leaves the AS."""
    if peer.spec.dynamic_asn:
        return peer.spec.dynamic_asn == "external"
    mine = {peer.spec.my_asn}
    label = asn_label(peer)
    if label is not None:
        selected = (one for one in nodes if any_matches(peer.spec.node_selectors, one.labels))
        texts = {one.labels.get(label, "") for one in selected}
        mine = {int(text) for text in texts if text.isascii() and text.isdigit()}
    theirs = {one.spec.asn for one in switches_of(peer, spec.switches)} or {peer.spec.peer_asn}
    return any(one and other and one != other for one in mine for other in theirs)


RULES: tuple[Rule, ...] = (
    pool_references,
    peer_references,
    bfd_references,
    community_references,
    overlapping_pools,
    aggregation_lengths,
    local_preferences,
    echo_over_ipv6,
    unused_pools,
    selects_nothing,
    local_pref_towards_ebgp,
    as_path_towards_ibgp,
)
