"""Which prefix sets a switch takes from whom, verified on it: by its rows, and by what bgpd runs.

What is intended says what to look for; what is found may be less: blocks of a set that are not
there yet, a neighbor in another group, a line that FRR refused. Agents announce by this.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network

from ferrule.compiler.backends import sonic
from ferrule.compiler.backends.prefixlist import BITS, bits
from ferrule.compiler.backends.sonic.accepts import Inbound
from ferrule.compiler.backends.sonic.live import Unlike
from ferrule.compiler.backends.sonic.lower import group_name, set_name
from ferrule.compiler.network import Accept, Family, PeerGroup, PrefixSet, Switch

SetKey = tuple[str, Family, int]  # pool, family, announced length
Blocks = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AcceptedSet:
    """A set that is taken; `neighbors`, as `VRF|ADDRESS` or `VRF|RANGE`, is None for all of it.

    Of a `partial` set only these prefixes are taken. A set may be there more than once, where not
    all take the same of it.
    """

    key: SetKey
    name: str
    prefixes: Blocks
    partial: bool = False
    neighbors: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """How many prefixes of a family are taken of a neighbor, before its session ends."""

    family: Family
    limit: int
    neighbors: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """All that a switch takes."""

    sets: tuple[AcceptedSet, ...] = ()
    limits: tuple[Limit, ...] = ()


def accepted(switch: Switch, running: sonic.Running, unlike: Unlike | None) -> Accepted:
    """What a switch takes by its rows, less what bgpd does not make of them.

    Without `unlike`, where the two cannot be compared, that is nothing.
    """
    if unlike is None:
        return Accepted()
    reader = _Reader(running, unlike)
    told: dict[SetKey, dict[str, Blocks]] = defaultdict(dict)
    limits: dict[Family, dict[str, int]] = defaultdict(dict)
    sets: dict[SetKey, PrefixSet] = {}
    for group in switch.groups:
        for accept in group.accepts:
            sets |= {one.key: one for one in accept.sets}
            for member, inbound in reader.members(group, accept):
                for one in accept.sets:
                    told[one.key][member] = reader.taken(inbound, one)
                if inbound and inbound.limit is not None:
                    limits[accept.family][member] = inbound.limit
    found = [
        _set(sets[key], running.cluster, by_member, blocks)
        for key, by_member in sorted(told.items())
        for blocks in sorted(set(by_member.values()))
        if blocks
    ]
    return Accepted(tuple(found), tuple(_limits(limits)))


def _set(one: PrefixSet, cluster: str, by_member: Mapping[str, Blocks], of: Blocks) -> AcceptedSet:
    who = sorted(member for member, blocks in by_member.items() if blocks == of)
    everybody = len(who) == len(by_member)
    partial = len(of) < len(one.blocks)
    name = set_name(cluster, one.key)
    return AcceptedSet(one.key, name, of, partial, None if everybody else tuple(who))


def _limits(limits: Mapping[Family, Mapping[str, int]]) -> Iterator[Limit]:
    for family, by_member in sorted(limits.items()):
        for limit in sorted(set(by_member.values())):
            who = sorted(member for member, of in by_member.items() if of == limit)
            yield Limit(family, limit, None if len(who) == len(by_member) else tuple(who))


class _Reader:
    """One switch; what a group takes of a set is worked out once for all its members."""

    def __init__(self, running: sonic.Running, unlike: Unlike) -> None:
        self._running, self._accepting = running, sonic.accepts(running)
        lines = (*unlike.missing, *unlike.stale)
        self._alone = {who for one in lines if (who := _member(one))}
        self._spoilt = {word for one in lines if not _member(one) for word in one.split()}
        self._known: dict[tuple[int, SetKey], Blocks] = {}

    def members(self, group: PeerGroup, accept: Accept) -> Iterator[tuple[str, Inbound | None]]:
        """Who is to be in a group, and what the switch takes of each in one family."""
        spoilt = self._is_spoilt(group, accept.family)
        for one in (str(each) for each in (group.listen_range, *group.neighbors) if each):
            found = self._accepting.get((group.vrf, one))
            fits = found is not None and found.asn == group.asn and one not in self._alone
            inbound = found.families.get(accept.family) if found and fits and not spoilt else None
            yield f"{group.vrf}|{one}", inbound

    def taken(self, inbound: Inbound | None, one: PrefixSet) -> Blocks:
        """The blocks of a set that are taken."""
        if inbound is None or set_name(self._running.cluster, one.key) in self._spoilt:
            return ()
        key = (id(inbound), one.key)
        if key not in self._known:
            blocks = (str(block) for block in one.blocks)
            self._known[key] = tuple(b for b in blocks if takes(inbound, b, one.length))
        return self._known[key]

    def _is_spoilt(self, group: PeerGroup, family: Family) -> bool:
        """Whether bgpd runs something else of a group, or of its inbound map."""
        name = group_name(self._running.cluster, group)
        row = self._running.row("BGP_PEER_GROUP_AF", f"{group.vrf}|{name}|{family}_unicast")
        maps = row.fields.get("route_map_in", ()) if row else ()
        return bool(self._spoilt & {name, *((maps,) if isinstance(maps, str) else maps)})


def _member(line: str) -> str:
    """Whom a line puts into a peer group: `neighbor ADDRESS ...`, `bgp listen range RANGE ...`."""
    words = line.rpartition(" / ")[2].split()
    return words[-3] if len(words) > 3 and words[-2] == "peer-group" else ""


def takes(inbound: Inbound, block: str, length: int) -> bool:
    """Whether every prefix of one length inside a block is let in.

    The answer can only change where the block of some rule begins or has ended.
    """
    version, start, own = bits(block)
    end = start + (1 << (BITS[version] - own))
    points = {start}
    for statement in inbound.rules:
        for rule in statement.prefixes.rules if statement.prefixes else ():
            of, at, wide = rule.block
            if of == version and own < wide <= length and start <= at < end:
                points |= {at, at + (1 << (BITS[version] - wide))}
    return all(
        inbound.admits(str(ip_network((_packed(version, at), length)))) for at in points if at < end
    )


def _packed(version: int, number: int) -> bytes:
    return number.to_bytes(BITS[version] // 8)
