"""Hypothesis: Services, pools and locks that get in one another's way, for allocation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from demands import BOTH, SIX_FIRST, V4, V6, demand, pinned, pool, where
from hypothesis import strategies as st

from ferrule.compiler.allocate import Held, allocate
from ferrule.compiler.network import Address, Family, Service
from ferrule.compiler.service import Demand, DualStack
from ferrule.compiler.spec import Declared, kinds

Pools = Sequence[Declared[kinds.IPAddressPool]]

NAMESPACES = {"a": {"tier": "x"}, "b": {"tier": "y"}, "c": {}}
ALL_POOLS = [
    pool("general", "192.0.2.0-192.0.2.2,2001:db8::/127"),
    pool("four", "198.51.100.254-198.51.101.1", avoidBuggyIPs=True),
    pool("six", "2001:db8:1::8/126"),
    pool("manual", "203.0.113.0/31,2001:db8:2::/127", autoAssign=False),
    pinned("mine", "192.0.2.9/32,2001:db8::9/128", namespaces=["a"], priority=5),
    pinned("front", "192.0.2.16/31", serviceSelectors=[where(app="web")]),
    pinned("tier", "192.0.2.32/31,2001:db8::20/127", namespaceSelectors=[where(tier="x")]),
    pinned("nobody", "192.0.2.64/31", namespaceSelectors=[where(tier="none")]),
]
ADDRESSES: list[Address] = [
    address
    for one in ALL_POOLS
    for entry in one.spec.addresses
    for cidr in entry.cidrs
    for address in cidr
] + [ip_address("203.0.113.200")]


@dataclass(frozen=True)
class World:
    """An input of `allocate`."""

    demands: tuple[Demand, ...]
    pools: Pools
    locks: Mapping[str, Held]

    def allocated(self) -> tuple[Service, ...]:
        return allocate(self.demands, self.pools, NAMESPACES, self.locks)[0]


STACKS: list[tuple[tuple[Family, ...], DualStack]] = [
    (V4, "single"),
    (V6, "single"),
    (BOTH, "prefer"),
    (SIX_FIRST, "prefer"),
    (BOTH, "require"),
    (V4, "prefer"),
    (V4, "require"),
    ((), "single"),
]

some_addresses = st.lists(st.sampled_from(ADDRESSES), max_size=2, unique=True).map(
    lambda found: ",".join(map(str, sorted(found, key=lambda one: (one.version, int(one)))))
)
likely_none = st.one_of(st.just(""), st.just(""), some_addresses)


@st.composite
def demands(draw: st.DrawFn, key: str, *, fresh: bool = False) -> Demand:
    families, policy = draw(st.sampled_from(STACKS))
    return demand(
        key,
        families,
        policy,
        ports=draw(st.sets(st.sampled_from([80, 443, 53]), min_size=1, max_size=2)),
        sharing=draw(st.sampled_from(["", "k", "k", "l"])),
        backend=draw(st.sampled_from(["", "", "app=x"])),
        labels=draw(st.sampled_from([{}, {"app": "web"}])),
        pool=draw(st.sampled_from(["", "", "", "general", "manual", "front", "gone"])),
        requested=draw(likely_none),
        complaint=draw(st.sampled_from([None, None, None, None, "bad"])),
        held="" if fresh else draw(likely_none),
        created=draw(st.sampled_from(["", "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"])),
    )


KEYS = [f"{namespace}/{name}" for namespace in "abc" for name in "pqrs"]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    keys = draw(st.lists(st.sampled_from(KEYS), max_size=10, unique=True))
    locked = draw(st.lists(st.sampled_from(KEYS), max_size=4, unique=True))
    return World(
        tuple(draw(demands(key)) for key in keys),
        draw(st.lists(st.sampled_from(ALL_POOLS), unique_by=lambda one: one.name)),
        {
            key: Held(tuple(map(ip_address, text.split(","))))
            for key in locked
            if (text := draw(some_addresses))
        },
    )
