"""Who gets which address: one row per rule."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from demands import (
    BOTH,
    SIX_FIRST,
    V6,
    addresses,
    demand,
    given,
    lock,
    pinned,
    pool,
    where,
)

from ferrule.compiler.allocate import WARNINGS, allocate
from ferrule.compiler.ledger import PENDING, Ledger
from ferrule.compiler.service import Demand
from ferrule.compiler.spec import Declared, kinds

Pools = Sequence[Declared[kinds.IPAddressPool]]

SMALL = [pool("small", "192.0.2.1-192.0.2.3")]
ONE = [pool("one", "192.0.2.1/32")]
DUAL = [pool("dual", "192.0.2.1-192.0.2.2,2001:db8::1-2001:db8::2")]
TWO = [pool("a", "192.0.2.0/28"), pool("b", "198.51.100.0/28")]
NAMESPACES = {"shop": {"tier": "front"}, "lab": {"tier": "back"}}


def outcome(
    pools: Pools, demands: Sequence[Demand], locks: Mapping[str, str] | None = None
) -> tuple[dict[str, str], list[str]]:
    """What everybody got and the codes of the warnings; the same for any order of the input."""
    held = {key: lock(text) for key, text in (locks or {}).items()}
    services, found = allocate(demands, pools, NAMESPACES, held)
    shuffled, _ = allocate(demands[::-1], pools[::-1], NAMESPACES, held)
    assert shuffled == services
    assert all(one.severity == "warning" and one.code in WARNINGS for one in found)
    assert all(bool(one.addresses) != bool(one.pending) for one in services)
    return given(services), [one.code for one in found]


def row(
    sentence: str,
    pools: Pools,
    demands: Demand | Sequence[Demand],
    wanted: str | dict[str, str],
    *warnings: str,
    locks: Mapping[str, str] | None = None,
) -> Any:
    """A case; a single Service is `a/a` and `wanted` is what it gets."""
    each = [demands] if isinstance(demands, Demand) else demands
    expected = {"a/a": wanted} if isinstance(wanted, str) else wanted
    return pytest.param(pools, each, locks, expected, [*warnings], id=sentence.replace(" ", "-"))


ALLOCATION = [
    row("the lowest address comes first", SMALL, demand("a/a"), "192.0.2.1"),
    row(
        "the ranges of a pool are used in the order of the spec",
        [pool("p", "198.51.100.7/32,192.0.2.1/32")],
        [demand("a/a"), demand("a/b")],
        {"a/a": "198.51.100.7", "a/b": "192.0.2.1"},
    ),
    row(
        "host bits of a range are dropped",
        [pool("p", "192.0.2.9/28")],
        demand("a/a"),
        "192.0.2.0",
    ),
    row(
        "pools without serviceAllocation are used by name",
        [pool("b", "192.0.2.1/32"), pool("a", "198.51.100.1/32")],
        [demand("a/a"), demand("a/b")],
        {"a/a": "198.51.100.1", "a/b": "192.0.2.1"},
    ),
    row(
        "the oldest waiting Service is served first and one without an age last",
        ONE,
        [
            demand("a/a"),
            demand("a/b", created="2024-02-01T00:00:00Z"),
            demand("a/c", created="2024-01-01T00:00:00Z"),
        ],
        {"a/a": "pool-exhausted", "a/b": "pool-exhausted", "a/c": "192.0.2.1"},
    ),
    row(
        "a holder that grows to two families comes before whoever never had an address",
        [pool("p", "192.0.2.1/32,2001:db8::1/128")],
        [
            demand("a/a", held="192.0.2.1", families=BOTH, dual_stack="require", created="2"),
            demand("a/b", created="1"),
        ],
        {"a/a": "192.0.2.1,2001:db8::1", "a/b": "pool-exhausted"},
        "address-cleared",
    ),
    row(
        "a holder that asks for a second address keeps the first from being taken",
        [pool("p", "192.0.2.1/32,2001:db8::1/128")],
        [
            demand(
                "a/a",
                BOTH,
                "prefer",
                held="192.0.2.1",
                requested="192.0.2.1,2001:db8::1",
                created="2",
            ),
            demand("a/b", created="1"),
        ],
        {"a/a": "192.0.2.1,2001:db8::1", "a/b": "pool-exhausted"},
    ),
    row(
        "equal ages are told apart by namespace before name",
        SMALL,
        [demand("a-b/a"), demand("a/c"), demand("a/b")],
        {"a/b": "192.0.2.1", "a/c": "192.0.2.2", "a-b/a": "192.0.2.3"},
    ),
    row(
        "an IPv6 Service gets an IPv6 address",
        DUAL,
        demand("a/a", V6),
        "2001:db8::1",
    ),
    row(
        "a huge pool costs nothing",
        [pool("p", "10.0.0.0/8,2001:db8::/32")],
        demand("a/a", BOTH, "require"),
        "10.0.0.0,2001:db8::",
    ),
    row(
        "a pool with autoAssign false is passed over",
        [pool("a", "192.0.2.0/28", autoAssign=False), pool("b", "198.51.100.1/32")],
        demand("a/a"),
        "198.51.100.1",
    ),
    row(
        "a pool with autoAssign false serves who names it",
        [pool("a", "192.0.2.1/32", autoAssign=False)],
        demand("a/a", pool="a"),
        "192.0.2.1",
    ),
    row(
        "a pool with autoAssign false serves who names an address",
        [pool("a", "192.0.2.0/28", autoAssign=False)],
        demand("a/a", requested="192.0.2.7"),
        "192.0.2.7",
    ),
    row(
        "a pool with autoAssign false leaves an address where it is",
        [pool("a", "192.0.2.0/28", autoAssign=False)],
        demand("a/a", held="192.0.2.7"),
        "192.0.2.7",
    ),
    row(
        "avoidBuggyIPs skips 0 and 255",
        [pool("p", "192.0.2.254-192.0.3.1", avoidBuggyIPs=True)],
        [demand("a/a"), demand("a/b"), demand("a/c")],
        {"a/a": "192.0.2.254", "a/b": "192.0.3.1", "a/c": "pool-exhausted"},
    ),
    row(
        "avoidBuggyIPs takes away a held 0",
        [pool("p", "192.0.2.0/30", avoidBuggyIPs=True)],
        demand("a/a", held="192.0.2.0"),
        "192.0.2.1",
        "address-cleared",
    ),
    row(
        "avoidBuggyIPs means nothing for IPv6",
        [pool("p", "2001:db8::/126", avoidBuggyIPs=True)],
        demand("a/a", V6),
        "2001:db8::",
    ),
]

PINNED = [
    row(
        "a pinned pool goes before a general one",
        [pool("a", "192.0.2.1/32"), pinned("z", "198.51.100.1/32", namespaces=["a"])],
        demand("a/a"),
        "198.51.100.1",
    ),
    row(
        "a pinned pool that is full leaves room to the general ones",
        [pool("a", "192.0.2.1/32"), pinned("z", "198.51.100.1/32", namespaces=["a"])],
        [demand("a/a"), demand("a/b")],
        {"a/a": "198.51.100.1", "a/b": "192.0.2.1"},
    ),
    row(
        "priority goes up and 0 comes last then the name decides",
        [
            pinned("a", "192.0.2.1/32", namespaces=["a"]),
            pinned("b", "192.0.2.2/32", namespaces=["a"], priority=20),
            pinned("d", "192.0.2.3/32", namespaces=["a"], priority=10),
            pinned("c", "192.0.2.4/32", namespaces=["a"], priority=10),
        ],
        [demand(f"a/{name}") for name in "abcd"],
        {"a/a": "192.0.2.4", "a/b": "192.0.2.3", "a/c": "192.0.2.2", "a/d": "192.0.2.1"},
    ),
    row(
        "a pool of another namespace is closed",
        [pinned("p", "192.0.2.1/32", namespaces=["b"])],
        demand("a/a"),
        "no-open-pool",
    ),
    row(
        "namespaces and namespaceSelectors are united",
        [
            pinned(
                "p",
                "192.0.2.1-192.0.2.9",
                namespaces=["a"],
                namespaceSelectors=[where(tier="back")],
            )
        ],
        [demand("a/a"), demand("lab/a"), demand("shop/a")],
        {"a/a": "192.0.2.1", "lab/a": "192.0.2.2", "shop/a": "no-open-pool"},
    ),
    row(
        "any of several serviceSelectors is enough",
        [pinned("p", "192.0.2.0/28", serviceSelectors=[where(app="x"), where(app="y")])],
        [demand("a/a", labels={"app": "y"}), demand("a/b", labels={"app": "z"})],
        {"a/a": "192.0.2.0", "a/b": "no-open-pool"},
    ),
    row(
        "namespaces and serviceSelectors must both match",
        [pinned("p", "192.0.2.0/28", namespaces=["a"], serviceSelectors=[where(app="x")])],
        [demand("a/a", labels={"app": "x"}), demand("a/b"), demand("b/a", labels={"app": "x"})],
        {"a/a": "192.0.2.0", "a/b": "no-open-pool", "b/a": "no-open-pool"},
    ),
    row(
        "a serviceAllocation that says nothing is for everything",
        [pool("a", "198.51.100.1/32"), pinned("p", "192.0.2.1/32", priority=5)],
        demand("a/a"),
        "192.0.2.1",
    ),
    row(
        "a pool whose namespaceSelectors match nothing serves nobody unasked",
        [pinned("p", "192.0.2.0/28", namespaceSelectors=[where(tier="none")])],
        demand("a/a"),
        "no-open-pool",
    ),
    row(
        "a pool whose namespaceSelectors match nothing is open to requests as in MetalLB",
        [pinned("p", "192.0.2.0/28", namespaceSelectors=[where(tier="none")])],
        [demand("a/a", requested="192.0.2.5"), demand("a/b", held="192.0.2.6")],
        {"a/a": "192.0.2.5", "a/b": "192.0.2.6"},
    ),
    row(
        "a pool that is closed to the Service takes back what it holds",
        [pinned("p", "192.0.2.0/28", namespaces=["b"]), pool("q", "198.51.100.1/32")],
        demand("a/a", held="192.0.2.3"),
        "198.51.100.1",
        "address-cleared",
    ),
]

FAMILIES = [
    row(
        "RequireDualStack takes both from one pool",
        [
            pool("a", "192.0.2.1/32"),
            pool("b", "2001:db8::1/128"),
            *DUAL[:0],
            *[pool("c", "198.51.100.1/32,2001:db8:1::1/128")],
        ],
        demand("a/a", BOTH, "require"),
        "198.51.100.1,2001:db8:1::1",
    ),
    row(
        "RequireDualStack never splits over two pools",
        [pool("a", "192.0.2.1/32"), pool("b", "2001:db8::1/128")],
        demand("a/a", BOTH, "require"),
        "no-open-pool",
    ),
    row(
        "RequireDualStack waits when one family is used up",
        [pool("p", "192.0.2.1/32,2001:db8::/64")],
        [demand("a/a"), demand("a/b", BOTH, "require")],
        {"a/a": "192.0.2.1", "a/b": "pool-exhausted"},
    ),
    row(
        "PreferDualStack takes the first pool that has both",
        [pool("a", "192.0.2.1/32"), pool("b", "198.51.100.1/32,2001:db8:1::1/128")],
        demand("a/a", BOTH, "prefer"),
        "198.51.100.1,2001:db8:1::1",
    ),
    row(
        "PreferDualStack falls back to IPv4",
        [pool("a", "2001:db8::1/128"), pool("b", "192.0.2.1/32")],
        demand("a/a", BOTH, "prefer"),
        "192.0.2.1",
    ),
    row(
        "PreferDualStack falls back to the first pool that has IPv4",
        [pool("a", "192.0.2.1/32"), pool("b", "198.51.100.1/32")],
        demand("a/a", BOTH, "prefer"),
        "192.0.2.1",
    ),
    row(
        "PreferDualStack falls back to IPv6 where that comes first in ipFamilies",
        [pool("a", "192.0.2.1/32"), pool("b", "2001:db8::1/128")],
        demand("a/a", SIX_FIRST, "prefer"),
        "2001:db8::1",
    ),
    row(
        "PreferDualStack falls back to what there is",
        [pool("a", "2001:db8::1/128")],
        demand("a/a", BOTH, "prefer"),
        "2001:db8::1",
    ),
    row(
        "PreferDualStack prefers half of a pinned pool to all of a general one",
        [*DUAL, pinned("z", "198.51.100.1/32", namespaces=["a"])],
        demand("a/a", BOTH, "prefer"),
        "198.51.100.1",
    ),
    row(
        "IPv4 is written first whatever ipFamilies says",
        DUAL,
        demand("a/a", SIX_FIRST, "require"),
        "192.0.2.1,2001:db8::1",
    ),
    row(
        "PreferDualStack with one address gets the other from the same pool",
        [pool("a", "2001:db8:1::/64"), *DUAL],
        demand("a/a", BOTH, "prefer", held="192.0.2.2"),
        "192.0.2.2,2001:db8::1",
    ),
    row(
        "PreferDualStack stays with one address where its pool has no other",
        [pool("a", "2001:db8:1::/64"), pool("b", "192.0.2.1/32")],
        demand("a/a", BOTH, "prefer", held="192.0.2.1"),
        "192.0.2.1",
    ),
    row(
        "PreferDualStack with one clusterIP stays single",
        DUAL,
        demand("a/a", dual_stack="prefer", held="192.0.2.1"),
        "192.0.2.1",
    ),
    row(
        "a second address is never one that another Service holds",
        [pool("p", "192.0.2.1/32,2001:db8::1/128")],
        [
            demand("a/a", BOTH, "prefer", held="192.0.2.1"),
            demand("b/b", V6, held="2001:db8::1"),
        ],
        {"a/a": "192.0.2.1", "b/b": "2001:db8::1"},
    ),
    row(
        "a held address of another family is replaced",
        DUAL,
        demand("a/a", V6, held="192.0.2.1"),
        "2001:db8::1",
        "address-cleared",
    ),
    row(
        "RequireDualStack does not keep a single address",
        DUAL,
        demand("a/a", BOTH, "require", held="192.0.2.2"),
        "192.0.2.1,2001:db8::1",
        "address-cleared",
    ),
    row(
        "two held addresses of one family are replaced",
        SMALL,
        demand("a/a", held="192.0.2.2,192.0.2.3"),
        "192.0.2.1",
        "address-cleared",
    ),
    row(
        "two held addresses of two pools are replaced",
        [*DUAL, pool("x", "2001:db8:1::/64")],
        demand("a/a", BOTH, "require", held="192.0.2.2,2001:db8:1::"),
        "192.0.2.1,2001:db8::1",
        "address-cleared",
    ),
]

REQUESTS = [
    row("a requested address is given", SMALL, demand("a/a", requested="192.0.2.3"), "192.0.2.3"),
    row(
        "a request beats what is held",
        SMALL,
        demand("a/a", requested="192.0.2.3", held="192.0.2.1"),
        "192.0.2.3",
    ),
    row(
        "a request that cannot be met does not fall back to what is held",
        SMALL,
        demand("a/a", requested="203.0.113.1", held="192.0.2.1"),
        "address-not-in-pool",
    ),
    row(
        "a request beats a lock",
        SMALL,
        demand("a/a", requested="192.0.2.3"),
        "192.0.2.3",
        locks={"a/a": "192.0.2.2"},
    ),
    row(
        "a request in another order is what is held",
        DUAL,
        demand(
            "a/a", BOTH, "require", requested="2001:db8::2,192.0.2.2", held="192.0.2.2,2001:db8::2"
        ),
        "192.0.2.2,2001:db8::2",
    ),
    row(
        "a request must be of the Service's family",
        DUAL,
        demand("a/a", requested="2001:db8::1"),
        "family-mismatch",
    ),
    row(
        "a request of a Service with two families must name two addresses",
        DUAL,
        demand("a/a", BOTH, "prefer", requested="192.0.2.1"),
        "family-mismatch",
    ),
    row(
        "a request of a Service with one family must name one address",
        SMALL,
        demand("a/a", requested="192.0.2.1,192.0.2.2"),
        "family-mismatch",
    ),
    row(
        "two requested addresses must be of one pool",
        [pool("a", "192.0.2.1/32"), pool("b", "2001:db8::1/128")],
        demand("a/a", BOTH, "require", requested="192.0.2.1,2001:db8::1"),
        "several-pools",
    ),
    row(
        "a requested address must be in a pool",
        SMALL,
        demand("a/a", requested="192.0.2.4"),
        "address-not-in-pool",
    ),
    row(
        "a requested address must not be one that its pool avoids",
        [pool("p", "192.0.2.0/24", avoidBuggyIPs=True)],
        demand("a/a", requested="192.0.2.255"),
        "buggy-address",
    ),
    row(
        "a requested address must be of a pool that is open to the Service",
        [pinned("p", "192.0.2.0/28", namespaces=["b"])],
        demand("a/a", requested="192.0.2.1"),
        "pool-not-compatible",
    ),
    row(
        "a requested address must be of the requested pool",
        TWO,
        demand("a/a", requested="192.0.2.1", pool="b"),
        "requested-pool-mismatch",
    ),
    row(
        "a requested address of the requested pool is given",
        TWO,
        demand("a/a", requested="198.51.100.3", pool="b"),
        "198.51.100.3",
    ),
    row("the requested pool is used", TWO, demand("a/a", pool="b"), "198.51.100.0"),
    row(
        "a change of the requested pool moves the Service",
        TWO,
        demand("a/a", pool="b", held="192.0.2.1"),
        "198.51.100.0",
    ),
    row("a requested pool must exist", TWO, demand("a/a", pool="c"), "pool-not-found"),
    row(
        "a requested pool must be open to the Service",
        [pinned("p", "192.0.2.0/28", namespaces=["b"])],
        demand("a/a", pool="p"),
        "pool-not-compatible",
    ),
    row(
        "a requested pool that is full leaves the Service waiting",
        [*ONE, pool("p", "198.51.100.0/28")],
        [demand("a/a", pool="one"), demand("a/b", pool="one")],
        {"a/a": "192.0.2.1", "a/b": "pool-exhausted"},
    ),
    row(
        "a requested pool with one family used up is exhausted and nothing worse",
        [pool("p", "192.0.2.1/32,2001:db8::/64")],
        [demand("a/a"), demand("a/b", pool="p")],
        {"a/a": "192.0.2.1", "a/b": "pool-exhausted"},
    ),
    row(
        "a requested pool without the family is a mismatch",
        ONE,
        demand("a/a", V6, pool="one"),
        "family-mismatch",
    ),
    row(
        "PreferDualStack takes what the requested pool has",
        [*DUAL, pool("p", "2001:db8:1::/64")],
        demand("a/a", BOTH, "prefer", pool="p"),
        "2001:db8:1::",
    ),
    row(
        "a malformed request leaves a Service what it holds",
        SMALL,
        demand("a/a", complaint="bad", held="192.0.2.2"),
        "192.0.2.2",
        "invalid-request",
    ),
    row(
        "a malformed request leaves a Service what is locked for it",
        SMALL,
        demand("a/a", complaint="bad"),
        "192.0.2.2",
        "invalid-request",
        locks={"a/a": "192.0.2.2"},
    ),
    row(
        "a malformed request of a Service without an address waits",
        SMALL,
        demand("a/a", complaint="bad"),
        "invalid-request",
    ),
    row(
        "a malformed request adds no second address",
        DUAL,
        demand("a/a", BOTH, "prefer", complaint="bad", held="192.0.2.2"),
        "192.0.2.2",
        "invalid-request",
    ),
    row(
        "a malformed request does not save an address that the pools lost",
        SMALL,
        demand("a/a", complaint="bad", held="203.0.113.1"),
        "invalid-request",
        "address-cleared",
    ),
    row("without pools everybody waits", [], demand("a/a", held="192.0.2.1"), "no-pools"),
    row("a headless Service waits", SMALL, demand("a/a", ()), "no-cluster-ip"),
    row(
        "RequireDualStack with one clusterIP waits and loses its address",
        SMALL,
        demand("a/a", dual_stack="require", held="192.0.2.1"),
        "not-dual-stack",
    ),
]

SHARING = [
    row(
        "one key and different ports share the first address",
        SMALL,
        [demand("a/a", sharing="k"), demand("b/b", sharing="k", ports=[443])],
        {"a/a": "192.0.2.1", "b/b": "192.0.2.1"},
    ),
    row(
        "one port number of two protocols can be shared",
        SMALL,
        [
            demand("a/a", sharing="k", ports=[53]),
            demand("a/b", sharing="k", ports=[("UDP", 53)]),
            demand("a/c", sharing="k", ports=[("SCTP", 53)]),
        ],
        {"a/a": "192.0.2.1", "a/b": "192.0.2.1", "a/c": "192.0.2.1"},
    ),
    row(
        "a port that is taken makes another address",
        SMALL,
        [demand("a/a", sharing="k", ports=[80, 443]), demand("a/b", sharing="k", ports=[443])],
        {"a/a": "192.0.2.1", "a/b": "192.0.2.2"},
    ),
    row(
        "the lowest address wins be it shared or new",
        SMALL,
        [
            demand("a/a", sharing="k", held="192.0.2.2"),
            demand("a/b", sharing="k", ports=[443]),
        ],
        {"a/a": "192.0.2.2", "a/b": "192.0.2.1"},
    ),
    row(
        "a full pool has room for who shares",
        ONE,
        [demand("a/a", sharing="k"), demand("a/b"), demand("a/c", sharing="k", ports=[443])],
        {"a/a": "192.0.2.1", "a/b": "pool-exhausted", "a/c": "192.0.2.1"},
    ),
    row(
        "a Service without a key shares with nobody",
        SMALL,
        [demand("a/a"), demand("a/b", ports=[443])],
        {"a/a": "192.0.2.1", "a/b": "192.0.2.2"},
    ),
    row(
        "other keys do not share",
        SMALL,
        [demand("a/a", sharing="k"), demand("a/b", sharing="l", ports=[443])],
        {"a/a": "192.0.2.1", "a/b": "192.0.2.2"},
    ),
    row(
        "Local Services share with one selector only",
        SMALL,
        [
            demand("a/a", sharing="k", backend="app=x"),
            demand("a/b", sharing="k", backend="app=x", ports=[443]),
            demand("a/c", sharing="k", backend="app=y", ports=[8080]),
        ],
        {"a/a": "192.0.2.1", "a/b": "192.0.2.1", "a/c": "192.0.2.2"},
    ),
    row(
        "Cluster and Local do not share",
        SMALL,
        [demand("a/a", sharing="k"), demand("a/b", sharing="k", backend="app=x", ports=[443])],
        {"a/a": "192.0.2.1", "a/b": "192.0.2.2"},
    ),
    row(
        "a Local Service with an empty selector shares with Cluster ones",
        SMALL,
        [demand("a/a", sharing="k"), demand("a/b", sharing="k", local=True, ports=[443])],
        {"a/a": "192.0.2.1", "a/b": "192.0.2.1"},
    ),
    row(
        "a request for an address in use waits",
        SMALL,
        [demand("a/a", held="192.0.2.1"), demand("a/b", requested="192.0.2.1", ports=[443])],
        {"a/a": "192.0.2.1", "a/b": "address-in-use"},
    ),
    row(
        "a request for an address of another key waits",
        SMALL,
        [
            demand("a/a", sharing="k", held="192.0.2.1"),
            demand("a/b", sharing="l", requested="192.0.2.1", ports=[443]),
        ],
        {"a/a": "192.0.2.1", "a/b": "sharing-refused"},
    ),
    row(
        "a request for an address of other backends waits",
        SMALL,
        [
            demand("a/a", sharing="k", held="192.0.2.1"),
            demand("a/b", sharing="k", backend="app=x", requested="192.0.2.1", ports=[443]),
        ],
        {"a/a": "192.0.2.1", "a/b": "sharing-refused"},
    ),
    row(
        "a request for a port in use waits",
        SMALL,
        [
            demand("a/a", sharing="k", held="192.0.2.1"),
            demand("a/b", sharing="k", requested="192.0.2.1"),
        ],
        {"a/a": "192.0.2.1", "a/b": "port-in-use"},
    ),
]

HELD = [
    row("what is held is kept", SMALL, demand("a/a", held="192.0.2.3"), "192.0.2.3"),
    row(
        "who holds goes before who waits however old",
        SMALL,
        [demand("a/a", created="2020-01-01T00:00:00Z"), demand("b/b", held="192.0.2.1")],
        {"a/a": "192.0.2.2", "b/b": "192.0.2.1"},
    ),
    row(
        "of two that hold one address the older one keeps it",
        SMALL,
        [
            demand("a/a", held="192.0.2.1"),
            demand("a/b", held="192.0.2.1", created="2021-01-01T00:00:00Z"),
            demand("b/a", held="192.0.2.1", created="2020-01-01T00:00:00Z"),
        ],
        {"a/a": "192.0.2.2", "a/b": "192.0.2.3", "b/a": "192.0.2.1"},
        "address-cleared",
        "address-cleared",
    ),
    row(
        "of two of one age that hold one address the first by namespace and name keeps it",
        SMALL,
        [
            demand("b/a", held="192.0.2.1", created="2020-01-01T00:00:00Z"),
            demand("a/b", held="192.0.2.1", created="2020-01-01T00:00:00Z"),
        ],
        {"a/b": "192.0.2.1", "b/a": "192.0.2.2"},
        "address-cleared",
    ),
    row(
        "who lost its address takes none that another one holds",
        SMALL,
        [
            demand("a/a", held="192.0.2.1"),
            demand("a/b", held="192.0.2.1"),
            demand("a/c", held="192.0.2.2"),
        ],
        {"a/a": "192.0.2.1", "a/b": "192.0.2.3", "a/c": "192.0.2.2"},
        "address-cleared",
    ),
    row(
        "two that may share hold one address",
        SMALL,
        [
            demand("a/a", sharing="k", held="192.0.2.2"),
            demand("a/b", sharing="k", held="192.0.2.2", ports=[443]),
        ],
        {"a/a": "192.0.2.2", "a/b": "192.0.2.2"},
    ),
    row(
        "an address in no pool is given up",
        SMALL,
        demand("a/a", held="203.0.113.1"),
        "192.0.2.1",
        "address-cleared",
    ),
    row(
        "an address whose pool was renamed is kept",
        [pool("new-name", "192.0.2.0/28")],
        demand("a/a", held="192.0.2.9"),
        "192.0.2.9",
    ),
]

LOCKS = [
    row(
        "a lock is obeyed",
        SMALL,
        demand("a/a"),
        "192.0.2.3",
        locks={"a/a": "192.0.2.3"},
    ),
    row(
        "what is held goes before the lock",
        SMALL,
        demand("a/a", held="192.0.2.2"),
        "192.0.2.2",
        locks={"a/a": "192.0.2.3"},
    ),
    row(
        "the lock takes over when what is held is not allowed",
        SMALL,
        demand("a/a", held="203.0.113.1"),
        "192.0.2.3",
        "address-cleared",
        locks={"a/a": "192.0.2.3"},
    ),
    row(
        "an address locked for a Service that does not exist is not given out",
        SMALL,
        [demand("a/a"), demand("a/b")],
        {"a/a": "192.0.2.2", "a/b": "192.0.2.3"},
        locks={"z/z": "192.0.2.1"},
    ),
    row(
        "an address locked for an absent Service is not given to who asks for it",
        SMALL,
        demand("a/a", requested="192.0.2.1"),
        "address-reserved",
        locks={"b/b": "192.0.2.1"},
    ),
    row(
        "an address locked for another is not given to who asked for it earlier",
        SMALL,
        [demand("a/a", requested="192.0.2.1", created="2020-01-01T00:00:00Z"), demand("b/b")],
        {"a/a": "address-in-use", "b/b": "192.0.2.1"},
        locks={"b/b": "192.0.2.1"},
    ),
    row(
        "an address locked for another is kept by who holds it",
        SMALL,
        [demand("a/a", held="192.0.2.1"), demand("b/b")],
        {"a/a": "192.0.2.1", "b/b": "192.0.2.2"},
        "lock-ignored",
        "reserved-address",
        locks={"b/b": "192.0.2.1"},
    ),
    row(
        "an address locked for an absent Service is kept by who holds it",
        SMALL,
        demand("a/a", held="192.0.2.1"),
        "192.0.2.1",
        "reserved-address",
        locks={"b/b": "192.0.2.1"},
    ),
    row(
        "an address locked for another can be shared once that one uses it",
        ONE,
        [
            demand("a/a", sharing="k", ports=[443], created="2020-01-01T00:00:00Z"),
            demand("b/b", sharing="k"),
        ],
        {"a/a": "192.0.2.1", "b/b": "192.0.2.1"},
        locks={"b/b": "192.0.2.1"},
    ),
    row(
        "an address locked for another cannot be shared while that one is absent",
        ONE,
        demand("a/a", sharing="k"),
        "pool-exhausted",
        locks={"b/b": "192.0.2.1"},
    ),
    row(
        "an address locked for another is not shared by who only holds it",
        ONE,
        [
            demand("a/a", sharing="k", held="192.0.2.1"),
            demand("a/b", sharing="k", ports=[443]),
        ],
        {"a/a": "192.0.2.1", "a/b": "pool-exhausted"},
        "reserved-address",
        locks={"b/b": "192.0.2.1"},
    ),
    row(
        "an address locked for another that asked for it can be shared at once",
        ONE,
        [
            demand("a/a", sharing="k", requested="192.0.2.1", ports=[443]),
            demand("b/b", sharing="k", requested="192.0.2.1"),
        ],
        {"a/a": "192.0.2.1", "b/b": "192.0.2.1"},
        locks={"b/b": "192.0.2.1"},
    ),
    row(
        "an address that two have locked is shared by them",
        ONE,
        [demand("a/a", sharing="k", ports=[443]), demand("b/b", sharing="k")],
        {"a/a": "192.0.2.1", "b/b": "192.0.2.1"},
        locks={"a/a": "192.0.2.1", "b/b": "192.0.2.1"},
    ),
    row(
        "who may share does so even where the lock is met late",
        [pool("p", "192.0.2.1/32,2001:db8::1/128")],
        [
            demand("a/a", sharing="k", ports=[443], created="2020-01-01T00:00:00Z"),
            demand("b/b", BOTH, "prefer", sharing="k"),
            demand("c/c", V6, held="2001:db8::1"),
        ],
        {"a/a": "192.0.2.1", "b/b": "192.0.2.1", "c/c": "2001:db8::1"},
        "lock-ignored",
        "reserved-address",
        locks={"b/b": "192.0.2.1,2001:db8::1"},
    ),
    row(
        "a request that the lock agrees with goes before an older one",
        SMALL,
        [
            demand("a/a", requested="192.0.2.2", created="2020-01-01T00:00:00Z"),
            demand("b/b", requested="192.0.2.2"),
        ],
        {"a/a": "address-in-use", "b/b": "192.0.2.2"},
        locks={"b/b": "192.0.2.2"},
    ),
    row(
        "a lock in no pool has no effect",
        SMALL,
        demand("a/a"),
        "192.0.2.1",
        "lock-ignored",
        locks={"a/a": "203.0.113.1"},
    ),
    row(
        "a lock of another family has no effect",
        DUAL,
        demand("a/a", V6),
        "2001:db8::1",
        "lock-ignored",
        locks={"a/a": "192.0.2.1"},
    ),
    row(
        "a lock that cannot be met keeps nobody out",
        [pool("p", "192.0.2.1/32,2001:db8::1/128")],
        [demand("a/a", V6), demand("b/b")],
        {"a/a": "2001:db8::1", "b/b": "192.0.2.1"},
        "lock-ignored",
        locks={"a/a": "192.0.2.1"},
    ),
    row(
        "a lock in a pool that is closed to the Service has no effect",
        [pinned("p", "192.0.2.0/28", namespaces=["b"]), pool("q", "198.51.100.1/32")],
        demand("a/a"),
        "198.51.100.1",
        "lock-ignored",
        locks={"a/a": "192.0.2.1"},
    ),
    row(
        "a lock that is taken has no effect",
        SMALL,
        [demand("a/a"), demand("a/b")],
        {"a/a": "192.0.2.2", "a/b": "192.0.2.1"},
        "lock-ignored",
        locks={"a/a": "192.0.2.2", "a/b": "192.0.2.2"},
    ),
    row(
        "a lock with one address of two families is completed",
        DUAL,
        demand("a/a", BOTH, "prefer"),
        "192.0.2.2,2001:db8::1",
        locks={"a/a": "192.0.2.2"},
    ),
    row(
        "a locked pair of addresses comes out IPv4 first",
        DUAL,
        demand("a/a", BOTH, "require"),
        "192.0.2.2,2001:db8::2",
        locks={"a/a": "2001:db8::2,192.0.2.2"},
    ),
    row(
        "the requested pool goes before the lock",
        TWO,
        demand("a/a", pool="b"),
        "198.51.100.0",
        locks={"a/a": "192.0.2.1"},
    ),
    row(
        "a Service that waits for its families keeps its lock",
        SMALL,
        [demand("a/a", ()), demand("a/b")],
        {"a/a": "no-cluster-ip", "a/b": "192.0.2.2"},
        locks={"a/a": "192.0.2.1"},
    ),
]


@pytest.mark.parametrize(
    ("pools", "demands", "locks", "wanted", "warnings"),
    [*ALLOCATION, *PINNED, *FAMILIES, *REQUESTS, *SHARING, *HELD, *LOCKS],
)
def test_it_is_so_that(
    pools: Pools,
    demands: Sequence[Demand],
    locks: Mapping[str, str] | None,
    wanted: dict[str, str],
    warnings: list[str],
) -> None:
    assert outcome(pools, demands, locks) == (wanted, warnings)


def test_every_code_is_explained_and_every_explanation_has_a_case() -> None:
    rows = [*ALLOCATION, *PINNED, *FAMILIES, *REQUESTS, *SHARING, *HELD, *LOCKS]
    seen = {got for one in rows for got in one.values[3].values() if not got[0].isdigit()}
    assert seen == set(PENDING)
    assert {code for one in rows for code in one.values[4]} == set(WARNINGS)


def test_who_is_alone_on_an_address_may_change_its_key() -> None:
    alone = demand("a/a", sharing="k")
    ledger = Ledger(SMALL, {})
    ledger.assign(alone, addresses("192.0.2.1"))
    changed = replace(alone, sharing_key="l", backend="app=x")
    assert ledger.refusal(changed, addresses("192.0.2.1")) is None
    ledger.assign(changed, addresses("192.0.2.1"))
    late = demand("a/b", sharing="l", backend="app=x", ports=[443])
    assert ledger.first(late, ledger.pools["small"], "ipv4") == addresses("192.0.2.1")[0]


def test_who_shares_an_address_may_not_change_its_key() -> None:
    pair = [demand("a/a", sharing="k"), demand("a/b", sharing="k", ports=[443])]
    ledger = Ledger(SMALL, {})
    for one in pair:
        ledger.assign(one, addresses("192.0.2.1"))
    refusal = ledger.refusal(replace(pair[0], sharing_key="l"), addresses("192.0.2.1"))
    assert refusal is not None
    assert refusal.code == "sharing-refused"


def test_what_is_given_back_is_given_out_again_lowest_first() -> None:
    ledger = Ledger(SMALL, {})
    each = [demand(f"a/{name}") for name in "abcd"]
    for one, text in zip(each, ("192.0.2.1", "192.0.2.2", "192.0.2.3"), strict=False):
        ledger.assign(one, addresses(text))
    assert ledger.first(each[3], ledger.pools["small"], "ipv4") is None
    ledger.unassign("a/c")
    ledger.unassign("a/a")
    assert ledger.first(each[3], ledger.pools["small"], "ipv4") == addresses("192.0.2.1")[0]


def test_sharers_are_found_after_others_came_and_went() -> None:
    """The memory of ports in use must not outlive them; every order of events is tried."""
    web, tls = demand("a/a", sharing="k"), demand("a/b", sharing="k", ports=[443])
    for order in permutations(["192.0.2.1", "192.0.2.2", "192.0.2.3"]):
        ledger = Ledger(SMALL, {})
        space = ledger.pools["small"]
        for number, text in enumerate(order):
            ledger.assign(demand(f"b/{number}", sharing="k"), addresses(text))
            ledger.first(web, space, "ipv4")
            ledger.first(tls, space, "ipv4")
        assert ledger.first(web, space, "ipv4") is None
        assert str(ledger.first(tls, space, "ipv4")) == "192.0.2.1"
        for number, text in enumerate(order):
            ledger.unassign(f"b/{number}")
            assert str(ledger.first(web, space, "ipv4")) == text
            ledger.assign(demand(f"c/{number}", sharing="k"), addresses(text))
            assert ledger.first(web, space, "ipv4") is None


def test_a_port_that_is_free_again_is_found() -> None:
    web, tls = demand("a/a", sharing="k"), demand("a/b", sharing="k", ports=[443])
    ledger = Ledger(SMALL, {})
    for one in (web, tls):
        ledger.assign(one, addresses("192.0.2.1"))
    late = demand("a/c", sharing="k")
    assert str(ledger.first(late, ledger.pools["small"], "ipv4")) == "192.0.2.2"
    ledger.unassign("a/a")
    assert str(ledger.first(late, ledger.pools["small"], "ipv4")) == "192.0.2.1"


def test_the_first_of_a_key_is_found_after_the_last_one_left() -> None:
    ledger = Ledger(SMALL, {})
    late = demand("a/c", sharing="k")
    ledger.assign(demand("a/a", sharing="k"), addresses("192.0.2.3"))
    ledger.first(late, ledger.pools["small"], "ipv4")
    ledger.unassign("a/a")
    ledger.assign(demand("a/b", sharing="k", ports=[443]), addresses("192.0.2.1"))
    assert str(ledger.first(late, ledger.pools["small"], "ipv4")) == "192.0.2.1"


@pytest.mark.parametrize(
    ("demands", "locks", "message"),
    [
        (
            [demand("shop/web", held="192.0.2.1"), demand("a/a", requested="192.0.2.1")],
            {},
            '192.0.2.1 is in use by "shop/web"; use another address, or give both Services the'
            " same allow-shared-ip",
        ),
        (
            [demand("a/a", requested="192.0.2.1")],
            {"shop/web": "192.0.2.1"},
            "192.0.2.1 is locked for shop/web; request another address, or change the AddressLock",
        ),
        (
            [demand("a/a", requested="192.0.2.9")],
            {},
            "192.0.2.9 is in no IPAddressPool; request an address of a pool, or add it to one",
        ),
        (
            [demand("a/a", pool="smal")],
            {},
            'there is no IPAddressPool "smal"; did you mean "small"? defined pools: small',
        ),
    ],
)
def test_a_waiting_Service_says_why_and_how_to_mend_it(  # noqa: N802
    demands: Sequence[Demand], locks: Mapping[str, str], message: str
) -> None:
    held = {key: lock(text) for key, text in locks.items()}
    services, _ = allocate(demands, SMALL, {}, held)
    (pending,) = [one.pending for one in services if one.pending]
    assert pending.message == message


def test_what_a_tenant_wrote_cannot_move_the_cursor() -> None:
    evil = "\x1b[2J\n"
    demands = [
        demand("a/a", sharing=evil, held="192.0.2.1", ports=[(evil, 1)]),
        demand("a/b", sharing="x" + evil, requested="192.0.2.1"),
        demand("a/c", sharing=evil, requested="192.0.2.1", ports=[(evil, 1)]),
        demand("a/d", pool=evil),
    ]
    services, _ = allocate(demands, SMALL, {}, {})
    messages = [one.pending.message for one in services if one.pending]
    assert len(messages) == 3
    assert all(message.isprintable() for message in messages)


def test_warnings_name_the_lock_and_the_service() -> None:
    demands = [demand("a/a", held="192.0.2.1"), demand("b/b")]
    _, found = allocate(demands, SMALL, {}, {"b/b": lock("192.0.2.1")})
    places = {one.code: [str(place) for place in one.places] for one in found}
    assert places == {
        "lock-ignored": ["AddressLock addresses", "Service b/b"],
        "reserved-address": ["Service a/a", "AddressLock addresses"],
    }
