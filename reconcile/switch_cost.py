"""What a change of a switch costs, worked out at the switch alone: sessions and routes that it has.

A plan of all devices asks the nodes what they announce. Here nobody asks them: what a neighbor of
ours sends is in the switch's own table, and what of it would be refused is found by the rows that
are to be. Only the blocks that a change touches are asked for; a switch may hold the internet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network

from ferrule.compiler.backends import sonic
from ferrule.compiler.backends.base import Change
from ferrule.compiler.backends.prefixlist import BITS, Rule
from ferrule.compiler.backends.sonic.accepts import Accepting, Accepts, Inbound
from ferrule.compiler.errors import listed
from ferrule.compiler.network import DEFAULT_VRF, Family, Network
from ferrule.compiler.observed import Observed
from ferrule.compiler.plan import EFFECTS, Impact, Item
from ferrule.compiler.views import plural

Neighbor = tuple[str, str]  # VRF, and an address
Blocks = Mapping[str, tuple[str, ...]]  # by VRF
Heard = Mapping[str, Mapping[str, tuple[str, ...]]]  # by VRF and prefix: whom it is heard from
Ask = Callable[[Blocks], Heard]
Effects = Iterable[tuple[Change, str]]

Part = tuple[bool, Rule | None]  # of a statement: does it let in what this rule permits, or all

REFUSAL: Part = (False, None)
EVERYTHING = {"ipv4": "0.0.0.0/0", "ipv6": "::/0"}
MASS = 5  # more than one in so many


@dataclass(frozen=True, slots=True)
class Cost:
    """What a change comes to; `leaves` are neighbors whose session ends and is not to come back.

    `refused` are the routes that are heard now and would not be, as `PREFIX from NEIGHBOR`.
    """

    items: tuple[Item, ...] = ()
    resets: frozenset[Neighbor] = frozenset()
    leaves: frozenset[Neighbor] = frozenset()
    refused: tuple[str, ...] = ()

    @property
    def waits(self) -> str:
        """What nodes are still to do before it costs nothing."""
        parts = []
        if self.refused:
            parts.append(f"to withdraw {listed(self.refused, 3)}")
        if self.leaves:
            parts.append(f"to end the session of {listed((who for _, who in self.leaves), 3)}")
        return f"waits for nodes {' and '.join(parts)}" if parts else ""


FREE = Cost()


def cost(network: Network, seen: Observed, effects: Effects, after: Accepting, ask: Ask) -> Cost:
    """What comes of changes with these effects, after which the switch takes `after`."""
    running = seen.running
    assert isinstance(running, sonic.Running)
    before = sonic.accepts(running)
    ended = resets(seen, effects)
    names = {
        (end.vrf, str(end.neighbor)): one.node
        for one in network.sessions
        if (end := one.switch_end) and end.switch == seen.device
    }
    blocks = narrowed(before, after)
    lost = [*_lost(before, after, ask(blocks))] if blocks else []
    items = [*_sessions(ended, names), *_routes(seen, lost)]
    leaves = frozenset(who for who, how in ended.items() if how == "ends")
    refused = tuple(f"{prefix} from {who}" for one in lost for prefix, who in one.said)
    return Cost(tuple(items), frozenset(ended), leaves, refused)


# Sessions.


def resets(seen: Observed, effects: Effects) -> Mapping[Neighbor, str]:
    """The sessions that are up and would not stay so, and whether they end or start anew."""
    running = seen.running
    assert isinstance(running, sonic.Running)
    found: dict[Neighbor, str] = {}
    for change, effect in effects:
        if EFFECTS[effect] is Impact.RESET:
            how = "ends" if effect == "session" else "resets"
            for vrf, who in sonic.touched(running, change):
                for neighbor in up(seen, vrf, who):
                    found[neighbor] = "resets" if found.get(neighbor) == "resets" else how
    return found


def up(seen: Observed, vrf: str, who: str) -> Iterator[Neighbor]:
    """The sessions that are up with a neighbor, or with whoever dialed in from a range."""
    if "/" not in who:
        if seen.established(vrf, who):
            yield vrf, who
        return
    block = ip_network(who, strict=False)
    for session in seen.state.sessions.values() if seen.state else ():
        here = (session.vrf or DEFAULT_VRF) == vrf
        if here and session.dynamic and session.established and _in(session.neighbor, block):
            yield vrf, session.neighbor


def _in(neighbor: str, block: IPv4Network | IPv6Network) -> bool:
    address = ip_address(neighbor)
    return address.version == block.version and address in block


def _sessions(ended: Mapping[Neighbor, str], names: Mapping[Neighbor, str]) -> Iterator[Item]:
    for how, verb in (("ends", "end"), ("resets", "reset")):
        who = sorted(names.get(one, one[1]) for one, of in ended.items() if of == how)
        if who:
            what = f"{plural(len(who), 'session')} {how if len(who) == 1 else verb}"
            yield Item(Impact.RESET, what, tuple(who), len(who))


# Routes.


def narrowed(before: Accepting, after: Accepting) -> Blocks:
    """The blocks in which a switch may take less than it took, by VRF."""
    found: dict[str, set[str]] = defaultdict(set)
    known: dict[tuple[int, int], frozenset[str]] = {}
    for (vrf, who), was in before.items():
        will = after.get((vrf, who))
        for family, inbound in was.families.items():
            then = will.families.get(family) if will else None
            key = (id(inbound), id(then))  # the members of a group share theirs
            if key not in known:
                known[key] = frozenset(_touched(family, inbound, then))
            found[vrf] |= known[key]
    return {vrf: _collapsed(blocks) for vrf, blocks in found.items() if blocks}


def _touched(family: Family, was: Inbound, will: Inbound | None) -> Iterator[str]:
    """The blocks of what permits no longer, and of what refuses newly.

    What is let in lies in a block that permits; where the order has changed, in any of them.
    """
    old, new = _rules(was), _rules(will)
    if old == new:
        return
    there, stays = set(old), set(new)
    letting = [one for one in old if _permits(one)]
    moved = [one for one in old if one in stays] != [one for one in new if one in there]
    if moved or REFUSAL in stays - there:
        yield from (_block(family, rule) for _, rule in letting)
        return
    refusing = [one for one in new if one not in there and not _permits(one)]
    going = [one for one in letting if one not in stays]
    going += [one for one in refusing if _meets_any(one[1], letting)]
    yield from (_block(family, rule) for _, rule in going)


def _rules(inbound: Inbound | None) -> list[Part]:
    """Every rule in the order in which it is looked at."""
    return [
        (statement.permit, rule)
        for statement in (inbound.rules if inbound else ())
        for rule in (statement.prefixes.rules if statement.prefixes else (None,))
    ]


def _permits(part: Part) -> bool:
    lets_in, rule = part
    return lets_in and (rule is None or rule.permit)


def _meets_any(rule: Rule | None, parts: Iterable[Part]) -> bool:
    return rule is None or any(other is None or _meet(rule, other) for _, other in parts)


def _meet(one: Rule, other: Rule) -> bool:
    """Whether one block is inside the other."""
    (version, first, length), (their_version, second, their_length) = one.block, other.block
    if version != their_version:
        return False
    shift = BITS[version] - min(length, their_length)
    return first >> shift == second >> shift


def _block(family: Family, rule: Rule | None) -> str:
    if rule is None:
        return EVERYTHING[family]
    version, address, length = rule.block
    kind = IPv4Network if version == 4 else IPv6Network
    return str(kind((address, length)))


def _collapsed(blocks: Iterable[str]) -> tuple[str, ...]:
    nets = [ip_network(one) for one in blocks]
    v4 = [one for one in nets if isinstance(one, IPv4Network)]
    v6 = [one for one in nets if isinstance(one, IPv6Network)]
    return tuple(map(str, (*collapse_addresses(v4), *collapse_addresses(v6))))


@dataclass(frozen=True, slots=True)
class _Loss:
    """A prefix of which some ways go, or all."""

    prefix: str
    said: tuple[tuple[str, str], ...]
    before: int

    @property
    def gone(self) -> bool:
        return len(self.said) == self.before


def _lost(before: Accepting, after: Accepting, heard: Heard) -> Iterator[_Loss]:
    """Of what neighbors of ours are heard to say, what would be refused."""
    for vrf, routes in heard.items():
        was, will = _Finder(before, vrf), _Finder(after, vrf)
        for prefix, who in routes.items():
            ours = [one for one in who if was.admits(one, prefix)]
            refused = [one for one in ours if not will.admits(one, prefix)]
            if refused:
                yield _Loss(prefix, tuple((prefix, one) for one in refused), len(ours))


class _Finder:
    """What the neighbors of one VRF may say; each is looked up once."""

    def __init__(self, accepting: Accepting, vrf: str) -> None:
        self._accepting, self._vrf = accepting, vrf
        self._known: dict[str, Accepts | None] = {}

    def admits(self, neighbor: str, prefix: str) -> bool:
        if neighbor not in self._known:
            try:
                address = ip_address(neighbor)
            except ValueError:  # what the switch itself originates has no neighbor
                self._known[neighbor] = None
            else:
                self._known[neighbor] = sonic.find(self._accepting, self._vrf, address)
        found = self._known[neighbor]
        return found is not None and found.admits(prefix)


def _routes(seen: Observed, lost: Collection[_Loss]) -> Iterator[Item]:
    gone = tuple(one.prefix for one in lost if one.gone)
    fewer = tuple(one.prefix for one in lost if not one.gone)
    if gone:
        mass = len(gone) * MASS > _least_heard(seen)
        what = f"{seen.device}: {plural(len(gone), 'route')} withdrawn"
        yield Item(Impact.MASS if mass else Impact.WITHDRAWAL, what, gone, len(gone))
    if fewer:
        what = f"{seen.device}: fewer nodes for {plural(len(fewer), 'route')}"
        yield Item(Impact.ECMP, what, fewer, len(fewer))


def _least_heard(seen: Observed) -> int:
    """How many prefixes the switch has of its neighbors, at least: what one of them alone says."""
    most: dict[tuple[str, Family], int] = defaultdict(int)
    for session in seen.state.sessions.values() if seen.state else ():
        for family, count in session.accepted.items():
            most[session.vrf, family] = max(most[session.vrf, family], count)
    return sum(most.values())
