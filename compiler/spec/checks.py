"""What one object must satisfy beyond the form of its fields.

Most of it is what MetalLB's webhooks and `internal/config` refuse, in its FRR modes; the rest is
what FRR or SONiC would refuse later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ferrule.compiler.errors import Diagnostic, error, listed, quoted, warning
from ferrule.compiler.spec import kinds
from ferrule.compiler.spec.read import Declared, Spec

OLDEST_RELEASE = 202511
LONGEST_TIMER_S = 65535


def check_objects(spec: Spec) -> Iterator[Diagnostic]:
    """Every mistake that one object shows by itself."""
    for pool in spec.pools:
        yield from _pool(pool)
    for peer in spec.peers:
        yield from check_peer(peer)
    for switch in spec.switches:
        yield from _switch(switch)
    for lock in spec.locks:
        yield from _lock(lock)


def _pool(pool: Declared[kinds.IPAddressPool]) -> Iterator[Diagnostic]:
    for number, entry in enumerate(pool.spec.addresses):
        if entry.host_bits:
            text = f"{quoted(entry.text)} has host bits: it means all of {entry.cidrs[0]}"
            help = f"write {entry.cidrs[0]}, or a range START-END"
            yield warning("host-bits", text, pool.place("addresses", number), help=help)


def check_peer(peer: Declared[kinds.BGPPeer]) -> Iterator[Diagnostic]:
    """MetalLB's `peerFromCR`, with the places."""
    spec = peer.spec
    by_switch = isinstance(spec, kinds.FerruleBGPPeer) and bool(spec.switch_selectors)
    yield from _peer_asns(peer, by_switch=by_switch)
    ends = [
        name
        for name, value in (
            ("peerAddress", spec.peer_address),
            ("interface", spec.interface),
            ("switchSelectors", by_switch),
        )
        if value
    ]
    if not ends:
        wanted = (
            "peerAddress, interface or switchSelectors" if peer.ours else "peerAddress or interface"
        )
        message = f"BGPPeer {quoted(peer.name)} has no far end: set {wanted}"
        yield error("peer-end", message, peer.place())
    elif len(ends) > 1:
        message = f"{listed(ends)} exclude one another"
        yield error("peer-end", message, *(peer.place(name) for name in ends))
    if spec.password is not None and spec.password_secret and spec.password_secret.name:
        both = peer.place("password"), peer.place("passwordSecret")
        yield error("password-twice", "password and passwordSecret exclude one another", *both)
    yield from _timers(peer)
    if spec.disable_mp:
        message = "disableMP does nothing any more"
        yield warning("no-effect", message, peer.place("disableMP"))
    for name, value in (
        ("ebgpMultiHop", spec.ebgp_multi_hop),
        ("sourceAddress", spec.source_address),
    ):
        if spec.interface and value:
            message = f"{name} has no effect on a peer that is found by its interface"
            yield warning("no-effect", message, peer.place(name))


def _peer_asns(peer: Declared[kinds.BGPPeer], *, by_switch: bool) -> Iterator[Diagnostic]:
    spec = peer.spec
    from_label = spec.my_asn_from if isinstance(spec, kinds.FerruleBGPPeer) else None
    if from_label and spec.my_asn:
        both = peer.place("myASN"), peer.place("myASNFrom")
        yield error("my-asn", "myASN and myASNFrom exclude one another", *both)
    elif not from_label and not spec.my_asn:
        wanted = "myASN or myASNFrom" if peer.ours else "myASN"
        yield error("my-asn", f"{wanted} is required and not 0", peer.place("myASN"))
    if spec.peer_asn and spec.dynamic_asn:
        both = peer.place("peerASN"), peer.place("dynamicASN")
        yield error("peer-asn", "peerASN and dynamicASN exclude one another", *both)
    elif not spec.peer_asn and not spec.dynamic_asn and not by_switch:
        yield error("peer-asn", "one of peerASN and dynamicASN is required", peer.place("peerASN"))
    same = peer.place("dynamicASN" if spec.dynamic_asn else "peerASN")
    inside = "dynamicASN: internal" if spec.dynamic_asn else f"myASN and peerASN are {spec.my_asn}"
    ibgp = spec.dynamic_asn == "internal" or (spec.my_asn and spec.my_asn == spec.peer_asn)
    if ibgp and spec.ebgp_multi_hop:
        message = f"ebgpMultiHop has no place on an iBGP session ({inside})"
        yield error("multihop-ibgp", message, peer.place("ebgpMultiHop"), same)
    if spec.local_asn is None:
        return
    place = peer.place("localASN")
    if ibgp:
        yield error(
            "local-asn", f"localASN has no place on an iBGP session ({inside})", place, same
        )
    elif spec.local_asn in (spec.my_asn, spec.peer_asn):
        field = "myASN" if spec.local_asn == spec.my_asn else "peerASN"
        message = f"localASN {spec.local_asn} is {field} as well: FRR refuses that"
        yield error("local-asn", message, place, peer.place(field))


def _timers(peer: Declared[kinds.BGPPeer]) -> Iterator[Diagnostic]:
    """MetalLB's `parseTimers`: whole seconds, 0 or at least 3, keepalive within hold."""
    spec = peer.spec
    hold, keepalive = spec.hold_time, spec.keepalive_time
    if hold is None and keepalive is not None:
        hold = keepalive * 3
    field = "holdTime" if spec.hold_time is not None else "keepaliveTime"
    if hold is not None and 0 < int(hold) < 3:
        message = f"a hold time of {hold:g}s is too short: it must be 0 or at least 3s"
        yield error("timers", message, peer.place(field))
    elif hold is not None and hold > LONGEST_TIMER_S:
        message = f"a hold time of {hold:g}s is more than {LONGEST_TIMER_S}s"
        yield error("timers", message, peer.place(field))
    elif spec.hold_time is not None and keepalive is not None and keepalive > spec.hold_time:
        message = f"keepaliveTime {keepalive:g}s is longer than holdTime {spec.hold_time:g}s"
        yield error("timers", message, peer.place("keepaliveTime"), peer.place("holdTime"))
    connect = spec.connect_time
    if connect is not None and (connect != int(connect) or not 1 <= connect <= LONGEST_TIMER_S):
        message = f"connectTime {connect:g}s must be whole seconds from 1 to {LONGEST_TIMER_S}"
        yield error("timers", message, peer.place("connectTime"))


def _switch(switch: Declared[kinds.Switch]) -> Iterator[Diagnostic]:
    spec = switch.spec
    release = spec.release
    if release != "master" and not re.fullmatch(r"20\d{4}", release):
        message = f"release {quoted(release)} is not a branch of SONiC"
        help = 'write it like "202511", or "master"'
        yield error("release", message, switch.place("release"), help=help)
    elif release != "master" and int(release) < OLDEST_RELEASE:
        message = f"SONiC {release} cannot carry this configuration; {OLDEST_RELEASE} is the oldest"
        help = "upgrade the switch, or configure it by hand and remove the Switch"
        yield error("release", message, switch.place("release"), help=help)
    seen: dict[object, int] = {}
    for number, one in enumerate(spec.addresses):
        if one.ip in seen:
            message = f"switch {quoted(switch.name)} has address {one.ip} twice"
            places = (switch.place("addresses", place) for place in (number, seen[one.ip]))
            yield error("switch-address-twice", message, *places)
        seen.setdefault(one.ip, number)
    yield from _listen_ranges(switch)
    if spec.management is not None:
        yield from _management(switch, spec.management)


def _listen_ranges(switch: Declared[kinds.Switch]) -> Iterator[Diagnostic]:
    spec = switch.spec
    if spec.neighbors == "dynamic" and not spec.listen_ranges:
        message = "neighbors: dynamic needs listenRanges"
        yield error("listen-ranges", message, switch.place("neighbors"))
    if spec.neighbors == "static" and spec.listen_ranges:
        message = "listenRanges have no place with static neighbors"
        help = "write neighbors: dynamic"
        yield error("listen-ranges", message, switch.place("listenRanges", key=True), help=help)
    for number, one in enumerate(spec.listen_ranges):
        for earlier, other in enumerate(spec.listen_ranges[:number]):
            if one.version == other.version and one.overlaps(other):
                message = f"listen ranges {other} and {one} overlap"
                places = (switch.place("listenRanges", n) for n in (number, earlier))
                yield error("listen-ranges-overlap", message, *places)


def _management(
    switch: Declared[kinds.Switch], management: kinds.Management
) -> Iterator[Diagnostic]:
    if management.host_key and management.known_hosts_file:
        both = (switch.place("management", name) for name in ("hostKey", "knownHostsFile"))
        yield error("host-key", "hostKey and knownHostsFile exclude one another", *both)
    if not management.host_key and not management.known_hosts_file:
        message = "a host key is always checked: set hostKey or knownHostsFile"
        yield warning("host-key", message, switch.place("management"))
    elif management.host_key and not re.fullmatch(
        r"[a-z0-9@.-]+ [A-Za-z0-9+/=]+( .*)?", management.host_key
    ):
        message = "hostKey is not a public key"
        help = "copy it from `ssh-keyscan HOST`: TYPE BASE64"
        yield error("host-key", message, switch.place("management", "hostKey"), help=help)


def _lock(lock: Declared[kinds.AddressLock]) -> Iterator[Diagnostic]:
    for name, entry in lock.spec.services.items():
        place = lock.origin.place("services", name, key=True)
        if not re.fullmatch(r"[a-z0-9.-]+/[a-z0-9.-]+", name):
            yield error("lock-entry", f"{quoted(name)} is not NAMESPACE/NAME", place)
        if len(entry.addresses) == 2 and len({one.version for one in entry.addresses}) == 1:
            message = f"{quoted(name)} has two addresses of one family"
            yield error("lock-entry", message, lock.origin.place("services", name, "addresses"))


def lock_entries(
    locks: tuple[Declared[kinds.AddressLock], ...],
) -> tuple[Mapping[str, tuple[Declared[kinds.AddressLock], kinds.LockEntry]], list[Diagnostic]]:
    """The entries of all locks by Service; one Service has one lock."""
    entries: dict[str, tuple[Declared[kinds.AddressLock], kinds.LockEntry]] = {}
    found = []
    for lock in locks:
        for name, entry in lock.spec.services.items():
            if name in entries:
                message = f"Service {quoted(name)} is locked twice"
                places = (one.origin.place("services", name) for one in (lock, entries[name][0]))
                found.append(error("lock-entry", message, *places))
            else:
                entries[name] = (lock, entry)
    return entries, found
