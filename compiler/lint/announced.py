"""What our nodes tell a far end, as routes on their way in, and what else they may tell it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import islice

from ferrule.compiler.lint.attributes import Route
from ferrule.compiler.lint.lists import Bits
from ferrule.compiler.lint.ours import End
from ferrule.compiler.network import (
    Attributes,
    Family,
    Prefix,
    PrefixSet,
    RouteClass,
    prefix_key,
)

DEFAULT_LOCAL_PREF = 100
ANYWHERE: dict[Family, tuple[str, ...]] = {
    "ipv4": ("0.0.0.0/0", "198.18.0.1/32"),
    "ipv6": ("::/0", "2001:db8:ffff:ffff::1/128"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """A prefix that a node announces to a far end, out of which set, and with what."""

    prefix: Prefix
    set: PrefixSet
    route: Route


def told(end: End, family: Family) -> Iterator[Told]:
    """What our end announces in a family, in the order of its table."""
    if end.node is None:
        return
    heard: dict[int, Attributes | None] = {}
    sets = {one.key: one for one in end.sets.get(family, ())}
    for one in end.node.advertisements:
        route_class = one.route_class
        if route_class.family != family:
            continue
        if id(route_class) not in heard:
            heard[id(route_class)] = route_class.attributes(end.session.peer)
        attributes = heard[id(route_class)]
        if attributes is not None and (of := sets.get(_key(route_class))):
            yield Told(one.prefix, of, route(end, family, bits(one.prefix), attributes))


def route(end: End, family: Family, prefix: Bits, said: Attributes) -> Route:
    """A route of ours as the far end hears it; whom it is from is for whoever asks for it."""
    path: tuple[int, ...] = ()
    if not end.internal:  # `local-as ... no-prepend replace-as`: only that one is seen
        path = (end.asn,) * (1 + said.prepend)
    return Route(
        prefix,
        family,
        path,
        said.communities,
        said.large,
        (said.local_pref or DEFAULT_LOCAL_PREF) if end.internal else None,
    )


def samples(one: PrefixSet, inside: Iterable[Bits], most: int) -> list[Bits]:
    """Prefixes of a set that stand for all of it, as far as lists tell them apart.

    What lists with the blocks `inside` do changes only where a block begins, or after its end.
    """
    found: dict[Bits, None] = {}
    blocks = [bits(block) for block in one.blocks]
    size = one.blocks[0].max_prefixlen
    step = size - one.length
    for version, address, length in blocks:
        found[version, address, one.length] = None
        found[version, address + (1 << (size - length)) - (1 << step), one.length] = None
    for version, address, length in inside:
        if len(found) >= most:
            break
        for start in (address, address + (1 << (size - length))):
            point = start >> step << step
            if any(_holds(block, (version, point, one.length)) for block in blocks):
                found[version, point, one.length] = None
    return sorted(found)


def is_in(one: PrefixSet, prefix: Bits) -> bool:
    """Whether a set has a prefix."""
    return prefix[2] == one.length and any(_holds(bits(block), prefix) for block in one.blocks)


def beyond(
    family: Family,
    sets: tuple[PrefixSet, ...],
    others: Iterable[PrefixSet],
    rules: Iterable[Bits],
    most: int,
) -> Iterator[Bits]:
    """Prefixes that none of ours may announce to the far end, the most telling first."""
    blocks = [(bits(block), one.length) for one in sets for block in one.blocks]
    seen: set[Bits] = set()

    def foreign(prefix: Bits) -> bool:
        new = prefix not in seen
        seen.add(prefix)
        return new and not any(
            length == prefix[2] and _holds(block, prefix) for block, length in blocks
        )

    anywhere = (bits(ip_network(one)) for one in ANYWHERE[family])
    elsewhere = (_first(bits(block), one.length) for one in others for block in one.blocks)
    around = (near for block, length in blocks for near in _around(block, length))
    each = (prefix for of in (anywhere, elsewhere, around, rules) for prefix in of)
    yield from islice(filter(foreign, each), most)


def _around(block: Bits, length: int) -> Iterator[Bits]:
    """The block as a whole, twice as much, its neighbor, and other lengths inside of it."""
    version, address, own = block
    size = 32 if version == 4 else 128
    yield block
    if own:
        yield version, address >> (size - own + 1) << (size - own + 1), own - 1
        yield version, address ^ (1 << (size - own)), length
    for other in (length - 1, length + 1):
        if own <= other <= size:
            yield version, address, other


def _first(block: Bits, length: int) -> Bits:
    return block[0], block[1], max(length, block[2])


def _holds(block: Bits, prefix: Bits) -> bool:
    rest = (32 if block[0] == 4 else 128) - block[2]
    return block[2] <= prefix[2] and block[1] >> rest == prefix[1] >> rest


def _key(one: RouteClass) -> tuple[str, Family, int]:
    return (one.pool, one.family, one.length)


def bits(prefix: Prefix) -> Bits:
    """A prefix as numbers."""
    return prefix_key(prefix)


def spelled(prefix: Bits) -> str:
    """The prefix again."""
    version, address, length = prefix
    network = IPv4Network if version == 4 else IPv6Network
    return str(network((address, length)))
