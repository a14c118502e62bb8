"""Allocation that follows changes: the same as the pass over everything, whatever happened."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

import pytest
from demands import addresses, demand, lock, pinned, pool, where
from demands import given as results
from hypothesis import given, settings
from hypothesis import strategies as st
from lines_run import lines_run
from worlds import ALL_POOLS, KEYS, NAMESPACES, demands, some_addresses

from ferrule.compiler.allocate import Held, allocate
from ferrule.compiler.allocation import Allocator, Namespaces, Pools
from ferrule.compiler.errors import Diagnostic
from ferrule.compiler.network import Address, Service
from ferrule.compiler.service import Demand

Changes = Mapping[str, Demand | None]


def plain(found: list[Diagnostic]) -> Counter[tuple[str, str]]:
    return Counter((one.code, one.message) for one in found)


def _asks(one: Demand) -> Demand:
    return replace(one, held=(), created="")


@dataclass
class Both:
    """An allocator, and beside it the whole pass over all that it was told."""

    pools: Pools
    locks: Mapping[str, Held]
    namespaces: Namespaces = field(default_factory=lambda: NAMESPACES)
    told: dict[str, Demand] = field(default_factory=dict)
    results: dict[str, Service] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.allocator = Allocator(self.pools, self.namespaces, self.locks)

    def update(self, changes: Changes) -> None:
        rank = {key: self.rank(key, changes) for key in {*self.told, *changes}}
        for key, one in changes.items():
            if one is None:
                self.told.pop(key, None)
            else:
                self.told[key] = one
        self.compare(rank, self.allocator.update(changes))

    def configure(self, pools: Pools, namespaces: Namespaces, locks: Mapping[str, Held]) -> None:
        self.pools, self.namespaces, self.locks = pools, namespaces, locks
        rank = {key: self.rank(key, {}) for key in self.told}
        self.compare(rank, self.allocator.configure(pools, namespaces, locks))

    def restart(self) -> None:
        """All statuses are written by now: another process finds in them what this one did."""
        other = Allocator(self.pools, self.namespaces, self.locks)
        other.update({key: replace(one, held=self.given(key)) for key, one in self.told.items()})
        assert other.services == self.allocator.services

    def rank(self, key: str, changes: Changes) -> int:
        """Who has an address and stays as it is comes before who has one, and these before all."""
        old, new = self.told.get(key), changes.get(key)
        if not self.given(key):
            return 2
        same = new is None or (
            old and replace(new, held=(), created="") == replace(old, held=(), created="")
        )
        return 0 if same else 1

    def given(self, key: str) -> tuple[Address, ...]:
        return self.results[key].addresses if key in self.results else ()

    def compare(self, rank: Mapping[str, int], changed: set[str]) -> None:
        present = [replace(one, held=self.given(key) or one.held) for key, one in self.told.items()]
        services, found = allocate(
            present, self.pools, self.namespaces, self.locks, lambda one: rank[one.key]
        )
        after = {one.key: one for one in services}
        assert self.allocator.services == after
        assert plain(self.allocator.diagnostics) == plain(found)
        both = {*self.results, *after}
        assert changed == {key for key in both if self.results.get(key) != after.get(key)}
        self.results = after


@st.composite
def batches(draw: st.DrawFn, both: Both) -> dict[str, Demand | None]:
    """Some of what the API server may send: new and other Services, echoes, foreign statuses."""
    changes: dict[str, Demand | None] = {}
    for key in draw(st.lists(st.sampled_from(KEYS), max_size=4, unique=True)):
        old = both.told.get(key)
        what = draw(st.sampled_from(["other", "gone", "echo", "status", "labels", "sharing"]))
        if what == "gone":
            changes[key] = None
        elif what == "other" or old is None:
            changes[key] = draw(demands(key))
        elif what == "echo":
            changes[key] = replace(old, held=both.given(key))
        elif what == "status":
            changes[key] = replace(old, held=addresses(draw(some_addresses)))
        elif what == "labels":
            changes[key] = replace(old, labels=draw(st.sampled_from([{}, {"app": "web"}])))
        else:
            changes[key] = replace(old, sharing_key=draw(st.sampled_from([None, "k", "l"])))
    return changes


some_pools = st.lists(st.sampled_from(ALL_POOLS), unique_by=lambda one: one.name)
some_locks = st.dictionaries(st.sampled_from(KEYS), some_addresses.filter(bool), max_size=4).map(
    lambda written: {
        key: Held(tuple(map(ip_address, text.split(",")))) for key, text in written.items()
    }
)


def follow(data: st.DataObject, steps: int) -> None:
    both = Both(data.draw(some_pools), data.draw(some_locks))
    for _ in range(data.draw(st.integers(1, steps))):
        if data.draw(st.sampled_from([False] * 5 + [True])):
            namespaces = data.draw(st.sampled_from([NAMESPACES, {"b": {"tier": "x"}}, {}]))
            both.configure(data.draw(some_pools), namespaces, data.draw(some_locks))
        else:
            both.update(data.draw(batches(both)))
    both.restart()


@given(st.data())
def test_a_part_comes_to_what_the_whole_comes_to(data: st.DataObject) -> None:
    follow(data, 12)


@pytest.mark.soak
@settings(max_examples=3000)
@given(st.data())
def test_a_part_comes_to_what_the_whole_comes_to_for_long(data: st.DataObject) -> None:
    follow(data, 15)


# What MetalLB does in the life of a Service (metallb.md §2.5), in one row each.

SMALL, OTHER = pool("p", "192.0.2.0/31"), pool("q", "198.51.100.0/31", autoAssign=False)
Step = Changes | tuple[Pools, Namespaces]


def services(*each: Demand) -> Changes:
    return {one.key: one for one in each}


WEB, API, NEW = demand("a/web"), demand("b/api"), demand("c/new")
SHARED = [demand(key, sharing="k", ports=[port]) for port, key in enumerate(["a/one", "b/two"], 80)]
FULL = services(WEB, API, NEW)
GOT = {"a/web": "192.0.2.0", "b/api": "192.0.2.1", "c/new": "pool-exhausted"}
BARE = demand("a/web", ())
LABELLED = demand("a/web", labels={"app": "web"})
FRONT = [pinned("p", "192.0.2.0/31", serviceSelectors=[where(app="web")])]
IN_TIER = {"a": {"tier": "x"}}
TENANTS = [pinned("p", "192.0.2.0/31", namespaceSelectors=[where(tier="x")])]


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        pytest.param([FULL], GOT, id="whoever-comes-when-all-is-taken-waits"),
        pytest.param(
            [FULL, {"a/web": None}],
            {"b/api": "192.0.2.1", "c/new": "192.0.2.0"},
            id="what-a-deleted-service-leaves-goes-to-who-waits",
        ),
        pytest.param(
            [FULL, services(replace(WEB, requested=addresses("198.51.100.1")))],
            {"a/web": "198.51.100.1", "b/api": "192.0.2.1", "c/new": "192.0.2.0"},
            id="another-request-moves-it-and-leaves-its-address-to-others",
        ),
        pytest.param(
            [FULL, services(replace(WEB, requested=addresses("203.0.113.9")))],
            {"a/web": "address-not-in-pool", "b/api": "192.0.2.1", "c/new": "192.0.2.0"},
            id="a-request-that-cannot-be-met-is-pending-without-a-fallback",
        ),
        pytest.param(
            [services(*SHARED), services(replace(SHARED[0], sharing_key="l"))],
            {"a/one": "192.0.2.1", "b/two": "192.0.2.0"},
            id="who-changes-its-sharing-key-leaves-the-others-where-they-are",
        ),
        pytest.param(
            [services(*SHARED, NEW), services(replace(SHARED[0], backend="app=x"))],
            {"a/one": "pool-exhausted", "b/two": "192.0.2.0", "c/new": "192.0.2.1"},
            id="so-with-its-backends-though-nothing-else-is-free",
        ),
        pytest.param(
            [services(WEB), ([pool("renamed", "192.0.2.0/31")], {})],
            {"a/web": "192.0.2.0"},
            id="a-renamed-pool-moves-nobody",
        ),
        pytest.param(
            [services(WEB, API), ([pool("p", "192.0.2.1-192.0.2.2")], {})],
            {"a/web": "192.0.2.2", "b/api": "192.0.2.1"},
            id="a-shrunk-pool-moves-those-it-no-longer-holds",
        ),
        pytest.param(
            [services(WEB, API), ([pool("p", "192.0.2.1/32")], {})],
            {"a/web": "pool-exhausted", "b/api": "192.0.2.1"},
            id="with-nothing-free-they-wait",
        ),
        pytest.param(
            [services(WEB), ([], {})], {"a/web": "no-pools"}, id="without-pools-all-lose-theirs"
        ),
        pytest.param(
            [services(WEB), ([], {}), ([SMALL], {})],
            {"a/web": "192.0.2.0"},
            id="and-get-one-again-with-the-pool",
        ),
        pytest.param(
            [services(WEB), services(BARE)],
            {"a/web": "no-cluster-ip"},
            id="a-service-that-becomes-headless-loses-its-address",
        ),
        pytest.param(
            [services(WEB, NEW), services(replace(NEW, held=addresses("192.0.2.0")))],
            {"a/web": "192.0.2.0", "c/new": "192.0.2.1"},
            id="a-status-that-somebody-else-wrote-takes-nothing-from-nobody",
        ),
        pytest.param(
            [services(API), services(replace(WEB, held=addresses("192.0.2.0")))],
            {"a/web": "192.0.2.1", "b/api": "192.0.2.0"},
            id="nor-does-a-newcomer-with-a-status-and-a-smaller-name",
        ),
        pytest.param(
            [
                services(API),
                services(
                    replace(API, labels={"app": "web"}),
                    replace(WEB, held=addresses("192.0.2.0")),
                ),
            ],
            {"a/web": "192.0.2.1", "b/api": "192.0.2.0"},
            id="even-while-the-other-changes",
        ),
        pytest.param(
            [(FRONT, {}), services(LABELLED), services(WEB)],
            {"a/web": "no-open-pool"},
            id="other-labels-may-shut-the-pool",
        ),
        pytest.param(
            [
                (TENANTS, {"a": {"tier": "x"}}),
                services(WEB),
                (TENANTS, {"a": {}, "b": {"tier": "x"}}),
            ],
            {"a/web": "no-open-pool"},
            id="so-may-those-of-its-namespace",
        ),
        pytest.param(
            [(TENANTS, {"a": {}}), services(WEB), (TENANTS, IN_TIER)],
            {"a/web": "192.0.2.0"},
            id="or-open-it",
        ),
    ],
)
def test_the_life_of_a_service(steps: list[Step], wanted: Mapping[str, str]) -> None:
    both = Both([SMALL, OTHER], {}, {})
    for step in steps:
        if isinstance(step, tuple):
            both.configure(*step, {})
        else:
            both.update(step)
    assert results(both.results.values()) == wanted


def test_who_has_an_address_keeps_it_however_much_changes_with_it() -> None:
    """Here all is gone through anew, for a lock that its Service could never have."""
    both = Both([SMALL], {"z/bad": lock("203.0.113.9")}, {})
    both.update(services(*SHARED))
    both.update(services(replace(SHARED[0], sharing_key="l"), demand("z/bad")))
    assert results(both.results.values()) == {
        "a/one": "192.0.2.1",
        "b/two": "192.0.2.0",
        "z/bad": "pool-exhausted",
    }


def test_a_locked_address_that_reaches_its_owner_may_be_shared_by_who_waits() -> None:
    both = Both([pool("p", "192.0.2.0/32")], {"z/later": lock("192.0.2.0")}, {})
    both.update(services(demand("a/web", sharing="k", ports=[443])))
    assert results(both.results.values()) == {"a/web": "pool-exhausted"}
    both.update(services(demand("z/later", sharing="k")))
    assert results(both.results.values()) == dict.fromkeys(["a/web", "z/later"], "192.0.2.0")


def test_the_reason_why_one_waits_is_that_of_today() -> None:
    """A newcomer takes the other family, and somebody joins who has the address asked for."""
    both = Both([pool("p", "192.0.2.0/32,2001:db8::/128")], {}, {})
    waits = demand("a/both", ("ipv4", "ipv6"), "require")
    asks = demand("a/asks", requested="192.0.2.0")
    both.update(services(demand("b/four", sharing="k")))
    both.update(services(waits, asks))
    six = demand("b/six", ("ipv6",))
    both.update(services(six, demand("b/more", sharing="k", ports=[443])))
    reasons = [one.pending.message for one in both.results.values() if one.pending]
    assert reasons[0].startswith('192.0.2.0 is in use by "b/four" and 1 more')
    assert reasons[1].startswith("no IPv4 and IPv6 address is left")


def test_what_was_said_is_not_repeated() -> None:
    """It becomes an event; what lasts is said for as long as it lasts."""
    both = Both([SMALL], {"z/later": lock("192.0.2.0")}, {})
    both.update(services(demand("a/web", held="192.0.2.0"), demand("b/api", held="203.0.113.9")))
    codes = {one.code for one in both.allocator.diagnostics}
    assert codes == {"reserved-address", "address-cleared"}
    both.update({})
    assert [one.code for one in both.allocator.diagnostics] == ["reserved-address"]
    both.update({"a/web": None})
    assert both.allocator.diagnostics == []


# What a change costs.

MANY = 5_000


def crowd(count: int) -> Changes:
    return services(*(demand(f"ns-{n % 50}/svc-{n}") for n in range(count)))


@pytest.mark.parametrize("ranges", ["10.0.0.0/16", "192.0.2.0/25"], ids=["room-for-all", "full"])
def test_one_more_service_costs_the_same_whoever_else_there_is(ranges: str) -> None:
    def cost(count: int) -> int:
        allocator = Allocator(
            [pool("p", ranges), pool("q", "198.51.100.0/24", autoAssign=False)], {}, {}
        )
        allocator.update(crowd(count))
        fixed = demand("x/y", requested="198.51.100.7")
        return lines_run(
            lambda: (allocator.update({"x/y": fixed}), allocator.update({"x/y": None}))
        )

    few, many = cost(200), cost(MANY)
    assert abs(many - few) < few / 10


def test_a_delete_asks_only_those_who_wait() -> None:
    def cost(count: int) -> int:
        allocator = Allocator([pool("p", "10.0.0.0/16"), pool("q", "192.0.2.0/32")], {}, {})
        allocator.update(crowd(count))
        waiting = services(*(demand(f"w/{n}", pool="q") for n in range(3)))
        allocator.update(waiting)
        return lines_run(lambda: allocator.update({"w/0": None}))

    few, many = cost(100), cost(MANY)
    assert abs(many - few) < few / 10


def test_a_namespace_that_no_pool_selects_costs_no_pass() -> None:
    def cost(count: int) -> int:
        allocator = Allocator(TENANTS, IN_TIER, {})
        allocator.update(crowd(count))
        more = {"a": {"tier": "x"}, "new": {"who": "cares"}}
        return lines_run(lambda: allocator.configure(TENANTS, more, {}))

    few, many = cost(10), cost(500)
    assert abs(many - few) < few / 2  # a garbage collection may run lines of its own
