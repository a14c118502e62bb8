"""Allocation in a running controller: a change costs what it touches, the result is the pass's own.

After any sequence of changes the result is that of `allocate` over the present Services, each of
which holds what it was given here, or else what its status says. What a Service was given stays
through whatever its status is made to say; of two that contend, the one that did not change keeps
its address, and then the one that had it.

A change is local while the pools, their namespaces and the locks are what they were: a Service
leaves the book and comes back. Whoever waits is asked again only when something was given back in
a pool that is open to it, or when a locked address went to its owner, who may share it. The whole
pass runs anew (`_whole`) for another configuration, and where a change decides whether a lock can
be met at all. Conflicts need no whole pass: who keeps an address does not depend on who wants it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ferrule.compiler.allocate import Held, Run, by_age, by_name
from ferrule.compiler.errors import Diagnostic
from ferrule.compiler.ledger import Ledger, Pool
from ferrule.compiler.network import Address, Service
from ferrule.compiler.service import Demand
from ferrule.compiler.spec import Declared, kinds

Pools = Sequence[Declared[kinds.IPAddressPool]]
Terms = tuple[str, tuple[Address, ...], str | None, str, frozenset[tuple[str, int]]]
Namespaces = Mapping[str, Mapping[str, str]]

OF_ONE_ADDRESS = {"address-reserved", "address-in-use", "sharing-refused", "port-in-use"}
UNCHANGED, CHANGED, NEW = range(3)


class Index:
    """Services by the pools in which what becomes of them is decided."""

    def __init__(self) -> None:
        self._keys: dict[str, set[str]] = defaultdict(set)
        self._pools: dict[str, Collection[str]] = {}

    def put(self, key: str, pools: Collection[str]) -> None:
        """Replace what is known of a Service; no pools means nothing can happen to it."""
        for pool in self._pools.pop(key, ()):
            self._keys[pool].discard(key)
        if pools:
            self._pools[key] = pools
        for pool in pools:
            self._keys[pool].add(key)

    def of(self, pools: Iterable[str]) -> set[str]:
        """The Services of any of these pools."""
        return {key for pool in pools for key in self._keys.get(pool, ())}

    def all(self) -> set[str]:
        """Every Service."""
        return set(self._pools)


class Allocator:
    """Who has which address, kept up to date."""

    def __init__(self, pools: Pools, namespaces: Namespaces, locks: Mapping[str, Held]) -> None:
        self.services: dict[str, Service] = {}
        self._demands: dict[str, Demand] = {}
        self._pools, self._namespaces, self._locks = pools, namespaces, locks
        self._whole({})

    @property
    def pools(self) -> Mapping[str, Pool]:
        """The pools with who uses what of them, by name."""
        return self._run.ledger.pools

    @property
    def diagnostics(self) -> list[Diagnostic]:
        """What there is to say after the last change; one that has passed is not repeated."""
        return [*self._of_locks, *self._passing, *self._lasting()]

    def configure(
        self, pools: Pools, namespaces: Namespaces, locks: Mapping[str, Held]
    ) -> set[str]:
        """Another configuration; the Services whose result changed.

        A Namespace that no pool selects, now or before, costs nothing more.
        """
        same = pools == self._pools and locks == self._locks
        openings = self._openings(self._run.ledger)
        self._pools, self._namespaces, self._locks = pools, namespaces, locks
        if same and openings == self._openings(Ledger(pools, namespaces)):
            return set()
        return self._whole({})

    def update(self, changed: Mapping[str, Demand | None]) -> set[str]:
        """Services that came, changed or went (None); those whose result changed."""
        differing = {key: one for key, one in changed.items() if self._differs(key, one)}
        if any(self._decides_a_lock(key, one) for key, one in differing.items()):
            return self._whole(changed)
        return self._part(changed, differing)

    def _differs(self, key: str, new: Demand | None) -> bool:
        """Whether it counts: what the status of a Service says does not, once it has addresses."""
        old = self._demands.get(key)
        if old is None or new is None or not self.services[key].addresses:
            return old != new
        return replace(new, held=old.held, created=old.created) != old

    def _decides_a_lock(self, key: str, new: Demand | None) -> bool:
        """Whether a lock cannot be met because of this Service, as it was or as it is."""
        lock = self._locks.get(key)
        if lock is None:
            return False
        return key not in self._run.locks or bool(new and self._run.unfit(new, lock))

    # The whole pass.

    def _whole(self, changed: Mapping[str, Demand | None]) -> set[str]:
        """Everything from the beginning."""
        had = {key: one.addresses for key, one in self.services.items() if one.addresses}
        differing = {key for key, one in changed.items() if self._differs(key, one)}

        def seniority(demand: Demand) -> int:
            if demand.key not in had:
                return NEW
            return CHANGED if demand.key in differing else UNCHANGED

        self._store(changed)
        everybody = [_holding(one, had.get(key)) for key, one in self._demands.items()]
        everybody.sort(key=by_name)
        self._forget()
        self._run.reserve(everybody)
        self._of_locks = self._run.found
        self._run.found = []
        self._run.settle(
            sorted(everybody, key=lambda one: (seniority(one), by_age(one))), everybody
        )
        self._run.hand_out(everybody)
        return self._book({*self.services, *self._demands})

    def _forget(self) -> None:
        """A new book, and nothing known of anybody."""
        self._run = Run(Ledger(self._pools, self._namespaces), self._locks)
        self._of_locks = self._run.found
        self._passing: list[Diagnostic] = []
        self._locked = {one for lock in self._locks.values() for one in lock.addresses}
        self._hoping, self._wording = Index(), Index()
        self._claiming: set[str] = set()  # wait, and their status says otherwise
        self._locked_out: set[str] = set()  # wait, and something is locked for them
        self._complaining: set[str] = set()
        self._squatting: set[str] = set()

    # A part of it.

    def _part(
        self, changed: Mapping[str, Demand | None], differing: Mapping[str, Demand | None]
    ) -> set[str]:
        """The same for those who changed, and for whoever that may concern."""
        run = self._run
        before = {key: self._terms(key) for key in (*differing, *self._claiming, *self._locked_out)}
        self._store(changed)
        now = {}
        for key, terms in before.items():
            run.ledger.unassign(key)
            if key in self._demands:
                now[key] = _holding(self._demands[key], terms[1] if terms else None)
        in_order = sorted(now.values(), key=by_name)
        run.found = []
        run.settle(
            sorted(in_order, key=lambda one: (before[one.key] is None, by_age(one))), in_order
        )

        moved = {key for key, terms in before.items() if terms != self._terms(key)}
        freed = {terms[0] for key in moved if (terms := before[key])}
        woken = now.keys() | (self._hoping.of(freed) & self._demands.keys())
        if not run.locks.keys().isdisjoint(moved | (woken - now.keys())):
            woken |= self._hoping.all() & self._demands.keys()
        run.hand_out(now.get(key, self._demands[key]) for key in woken)

        taken = {
            terms[0] for key in woken if self._has_moved(key, moved) and (terms := self._terms(key))
        }
        reworded = (self._wording.of(freed | taken) & self._demands.keys()) - woken
        for key in reworded:
            run.serve(self._demands[key])
        return self._book(before.keys() | woken | reworded)

    def _terms(self, key: str) -> Terms | None:
        """What a Service has and on which terms: all of it that concerns others."""
        holding = self._run.ledger.holding(key)
        if holding is None:
            return None
        one = self._demands[key]
        return holding[0].name, holding[1], one.sharing_key, one.backend, one.ports

    def _has_moved(self, key: str, moved: Collection[str]) -> bool:
        holding, known = self._run.ledger.holding(key), self.services.get(key)
        return key in moved or bool(holding and (known is None or known.addresses != holding[1]))

    # What is known of everybody.

    def _store(self, changed: Mapping[str, Demand | None]) -> None:
        for key, one in changed.items():
            if one is None:
                self._demands.pop(key, None)
            else:
                self._demands[key] = one

    def _book(self, keys: Iterable[str]) -> set[str]:
        """Write down what became of these; those for whom it is something else."""
        self._passing = [one for one in self._run.found if one.code != "invalid-request"]
        changed = set()
        for key in keys:
            old, demand = self.services.pop(key, None), self._demands.get(key)
            if demand is None:
                self._run.refused.pop(key, None)
                new = None
            else:
                new = self.services[key] = self._run.result(demand)
            self._watch(key, demand)
            if new != old:
                changed.add(key)
        return changed

    def _watch(self, key: str, demand: Demand | None) -> None:
        """When this one is to be asked again, and what is to be said of it until then."""
        holding = self._run.ledger.holding(key)
        hope: Collection[str] = ()
        fluid = False
        if demand and holding:
            hope = (holding[0].name,) if _may_grow(demand, *holding) else ()
        elif demand:
            hope, fluid = _leans_on(demand, self._run)
        self._hoping.put(key, hope)
        self._wording.put(key, hope if fluid else ())
        waits = demand is not None and holding is None
        own = self._run.locks[key].addresses if key in self._run.locks else ()
        squats = holding and any(one in self._locked and one not in own for one in holding[1])
        for these, belongs in (
            (self._claiming, waits and demand and demand.held),
            (self._locked_out, waits and key in self._run.locks),
            (self._complaining, holding and demand and demand.complaint),
            (self._squatting, squats),
        ):
            (these.add if belongs else these.discard)(key)

    def _lasting(self) -> Iterator[Diagnostic]:
        """What is said of Services for as long as they are as they are."""
        for key in sorted(self._complaining):
            yield from self._run.complaint(self._demands[key])
        for key in sorted(self._squatting):
            yield from self._run.squatting(self._demands[key])

    @staticmethod
    def _openings(ledger: Ledger) -> list[object]:
        """Which Namespaces each pool is for, by name."""
        return [(pool.name, pool.namespaces, pool.pinned) for pool in ledger.pools.values()]


def _holding(demand: Demand, addresses: tuple[Address, ...] | None) -> Demand:
    """A Service with what it was given here, whatever its status says."""
    return demand if addresses is None else replace(demand, held=addresses)


def _may_grow(demand: Demand, pool: Pool, addresses: tuple[Address, ...]) -> bool:
    """Whether its pool could give it the family it lacks."""
    if len(addresses) >= len(demand.families) or demand.requested or demand.complaint:
        return False
    return all(family in pool.spaces for family in demand.families)


def _leans_on(demand: Demand, run: Run) -> tuple[Collection[str], bool]:
    """The pools in which a waiting Service could find something, and whether the reason why it
    does not may change while nothing is given back.
    """
    ledger, refusal = run.ledger, run.refused[demand.key]
    if refusal.code in OF_ONE_ADDRESS and demand.requested:
        found = ledger.place_of(demand.requested[0])
        return (found[0].name,) if found else (), True
    if refusal.code != "pool-exhausted":
        return (), False
    # Which family is wanting is said, and of two that are needed one may be taken before the other.
    fluid = len(demand.families) > 1 and demand.dual_stack != "prefer"
    if demand.requested_pool:
        return (demand.requested_pool,), fluid
    return tuple(pool.name for pools in ledger.open_to(demand) for pool in pools), fluid
