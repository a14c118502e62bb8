"""Pass: an address from a pool for each Service; sticky, and the same for any order of input.

The order of service is what is decided here, the book itself is kept by `ledger`:

1. What Services hold (their status) is confirmed, the oldest first, so that nobody loses an address
   to what is written later into another's status; in a running controller the `senior` ones before
   all, so that nobody does to a later change of somebody else.
2. What is locked for the others becomes theirs.
3. The waiting ones are served, the oldest first: an explicit request and nothing else, or the
   first address of the pools that are open to them.

Nothing is taken back within one run, so whoever is refused stays refused; except where an address
was kept for a Service that had not got it yet and now shares it. So step 3 is repeated until it
changes nothing, which also makes every refusal one of the final state.
Steps and rules are those of MetalLB (`controller/service.go`, `internal/allocator`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ferrule.compiler.errors import Diagnostic, Place, listed, quoted, warning
from ferrule.compiler.ledger import PENDING, Ledger, Pool, Refusal
from ferrule.compiler.network import Address, Family, Service, family_of
from ferrule.compiler.service import Demand
from ferrule.compiler.source import Origin
from ferrule.compiler.spec import Declared, kinds

WARNINGS: dict[str, str] = {
    "invalid-request": PENDING["invalid-request"],
    "address-cleared": "A Service loses the address in its status, because the pools or its own"
    " settings no longer allow it, and is given another one.",
    "reserved-address": "A Service holds an address that an AddressLock keeps for another; it"
    " goes on holding it.",
    "lock-ignored": "An entry of an AddressLock cannot be met and has no effect.",
}

LABEL: dict[Family, str] = {"ipv4": "IPv4", "ipv6": "IPv6"}


@dataclass(frozen=True, slots=True)
class Held:
    """The addresses that are locked for one Service, and where that was written."""

    addresses: tuple[Address, ...]
    origin: Origin | None = field(default=None, compare=False, repr=False)


def allocate(
    demands: Sequence[Demand],
    pools: Sequence[Declared[kinds.IPAddressPool]],
    namespaces: Mapping[str, Mapping[str, str]],
    locks: Mapping[str, Held],
    seniority: Callable[[Demand], int] = lambda _: 0,
) -> tuple[tuple[Service, ...], list[Diagnostic]]:
    """Every Service with its addresses or the reason why it has none, by namespace and name.

    `namespaces` are labels by namespace; `locks` hold by `namespace/name`, also for Services that
    do not exist. Of two that hold one address the one of lower `seniority` keeps it, or the older.
    """
    ordered = sorted(demands, key=by_name)
    run = Run(Ledger(pools, namespaces), locks)
    run.reserve(ordered)
    run.settle(sorted(ordered, key=lambda one: (seniority(one), by_age(one))), ordered)
    run.hand_out(ordered)
    run.found += (found for demand in ordered for found in run.squatting(demand))
    return tuple(run.result(demand) for demand in ordered), run.found


def by_name(demand: Demand) -> tuple[str, str]:
    """The order of the result."""
    return demand.namespace, demand.name


def by_age(demand: Demand) -> tuple[bool, str]:
    """The oldest first, and last those of whom it is not known."""
    return not demand.created, demand.created


def _turn(demand: Demand) -> tuple[object, ...]:
    """Whoever holds an address it cannot keep comes before those who never had one, as in MetalLB.

    So a Service that grows from one family to two finds its first address still free.
    """
    if demand.held:
        return (False,)
    return (True, *by_age(demand))


class Run:
    """One allocation: the book, what was refused, and what there is to say about it."""

    def __init__(self, ledger: Ledger, locks: Mapping[str, Held]) -> None:
        self.ledger, self.locks = ledger, dict(locks)
        self.refused: dict[str, Refusal] = {}
        self.found: list[Diagnostic] = []

    def reserve(self, demands: Iterable[Demand]) -> None:
        """Keep every locked address, except those that their Service could not have anyway."""
        for demand in demands:
            lock = self.locks.get(demand.key)
            refusal = self.unfit(demand, lock) if lock else None
            if refusal is not None:
                self._ignore_lock(demand, refusal)
                del self.locks[demand.key]
        for key, lock in self.locks.items():
            self.ledger.reserve(key, lock.addresses)

    def unfit(self, demand: Demand, lock: Held) -> Refusal | None:
        """Why a lock cannot be met, whoever else there is."""
        if hopeless(demand, self.ledger):
            return None
        return strange(demand, lock.addresses) or self.ledger.unfit(demand, lock.addresses)

    def settle(self, holding: Iterable[Demand], locked: Iterable[Demand]) -> None:
        """Steps 1 and 2, for these in this order."""
        for demand in holding:
            self.confirm(demand)
        for demand in locked:
            self.resume(demand)

    def hand_out(self, demands: Iterable[Demand]) -> None:
        """Step 3, among these in any order."""
        ordered = sorted(demands, key=by_name)
        waiting = sorted(ordered, key=_turn)
        changed = True
        while changed:
            grown = [self.complete(demand) for demand in ordered]
            served = [self.serve(demand) for demand in waiting]
            changed = any(grown) or any(served)

    def confirm(self, demand: Demand) -> None:
        """Leave a Service what it holds, as long as that is allowed and nothing else is wanted.

        Another's lock does not matter; another's address does.
        """
        held = demand.held
        if not held or hopeless(demand, self.ledger):
            return
        if not self._wants(demand, held):
            return
        refusal = strange(demand, held) or self.ledger.refusal(demand, held, over_locks=True)
        if refusal is None:
            self._keep(demand, held)
            return
        name, lost = quoted(demand.key), listed(held)
        self.found.append(
            warning(
                "address-cleared",
                f"Service {name} cannot keep {lost}: {refusal.reason}",
                demand.origin.place("status", "loadBalancer"),
                help=f"it is given another address; to keep this one: {refusal.fix}",
            )
        )

    def resume(self, demand: Demand) -> None:
        """Give a Service that holds nothing what is locked for it."""
        lock = self.locks.get(demand.key)
        if lock is None or self.ledger.holding(demand.key) or hopeless(demand, self.ledger):
            return
        if not self._wants(demand, lock.addresses):
            return
        if refusal := self.ledger.refusal(demand, lock.addresses):
            self._ignore_lock(demand, refusal)
        else:
            self._keep(demand, lock.addresses)

    def complete(self, demand: Demand) -> bool:
        """Add the other family where two are preferred and one is there, from the same pool."""
        holding = self.ledger.holding(demand.key)
        if holding is None or len(holding[1]) >= len(demand.families):
            return False
        if demand.requested or demand.complaint:
            return False
        pool, addresses = holding
        for family in demand.families:
            if family != family_of(addresses[0]):
                other = self.ledger.first(demand, pool, family)
                if other is not None:
                    self.ledger.assign(demand, (*addresses, other))
                    return True
        return False

    def serve(self, demand: Demand) -> bool:
        """Give a waiting Service what it asks for, or else the first address open to it."""
        if self.ledger.holding(demand.key):
            return False
        chosen = choose(demand, self.ledger)
        if isinstance(chosen, Refusal):
            self.refused[demand.key] = chosen
            return False
        self.ledger.assign(demand, chosen)
        self.refused.pop(demand.key, None)
        return True

    def complaint(self, demand: Demand) -> Iterator[Diagnostic]:
        """Say so where a Service keeps what it has because its request cannot be read."""
        holding = self.ledger.holding(demand.key)
        if demand.complaint and holding:
            yield warning(
                "invalid-request",
                f"Service {quoted(demand.key)} keeps {listed(holding[1])}, for its request"
                f" cannot be met: {demand.complaint}",
                demand.origin.place("metadata", "annotations"),
                help=HOW_TO_REQUEST,
            )

    def squatting(self, demand: Demand) -> Iterator[Diagnostic]:
        """Say so where a Service holds what is kept for others."""
        holding = self.ledger.holding(demand.key)
        for address in holding[1] if holding else ():
            owners = sorted(self.ledger.kept_from(demand.key, address))
            if not owners:
                continue
            locked = [self.locks[owner].origin for owner in owners]
            who = listed(quoted(owner) for owner in owners)
            yield warning(
                "reserved-address",
                f"Service {quoted(demand.key)} holds {address}, which is locked for {who}",
                demand.origin.place("status", "loadBalancer"),
                *(origin.place() for origin in locked if origin),
                help=f"change the lock, or let {quoted(demand.key)} request another address",
            )

    def result(self, demand: Demand) -> Service:
        """What became of a Service."""
        holding = self.ledger.holding(demand.key)
        if holding is None:
            pending = self.refused[demand.key].pending()
            return Service(demand.key, None, (), pending, demand.origin)
        pool, addresses = holding
        return Service(demand.key, pool.name, addresses, None, demand.origin)

    def _wants(self, demand: Demand, addresses: Sequence[Address]) -> bool:
        """Whether what the Service asks for, if anything, is what it has."""
        found = self.ledger.place_of(addresses[0])
        elsewhere = demand.requested_pool and found and found[0].name != demand.requested_pool
        other = demand.requested and set(demand.requested) != set(addresses)
        return not elsewhere and not other

    def _keep(self, demand: Demand, addresses: Sequence[Address]) -> None:
        self.ledger.assign(demand, addresses)
        self.refused.pop(demand.key, None)
        self.found += self.complaint(demand)

    def _ignore_lock(self, demand: Demand, refusal: Refusal) -> None:
        lock = self.locks[demand.key]
        places: list[Place] = [lock.origin.place()] if lock.origin else []
        name, addresses = quoted(demand.key), listed(lock.addresses)
        self.found.append(
            warning(
                "lock-ignored",
                f"the lock of {addresses} for Service {name} has no effect: {refusal.reason}",
                *places,
                demand.origin.place("metadata", "name"),
                help="change the lock, or take the entry out",
            )
        )


# What a single Service may have; pure functions of it and the book.

HOW_TO_REQUEST = "write addresses, with a comma between two, in metallb.io/loadBalancerIPs"


def hopeless(demand: Demand, ledger: Ledger) -> Refusal | None:
    """Why no address whatsoever would do."""
    if not ledger.pools:
        return Refusal("no-pools", "there is no IPAddressPool", "add one")
    if not demand.families:
        return Refusal(
            "no-cluster-ip",
            "the Service is headless",
            "give it a clusterIP, or do not make it a LoadBalancer",
        )
    if demand.dual_stack == "require" and len(demand.families) < 2:
        only = LABEL[demand.families[0]]
        return Refusal(
            "not-dual-stack",
            f"RequireDualStack, but its only clusterIP is {only}",
            "set ipFamilyPolicy to PreferDualStack or SingleStack",
        )
    return None


def strange(demand: Demand, addresses: Sequence[Address]) -> Refusal | None:
    """Why addresses that a Service has are not of its families."""
    families = {family_of(address) for address in addresses}
    fits = len(families) == len(addresses) and (
        families == set(demand.families)
        or (demand.dual_stack == "prefer" and families < set(demand.families))
    )
    return None if fits and families else _family_mismatch(demand, addresses)


def _family_mismatch(demand: Demand, addresses: Sequence[Address]) -> Refusal:
    needed = " and one ".join(LABEL[family] for family in sorted(demand.families))
    return Refusal(
        "family-mismatch",
        f"{listed(addresses)} does not match the Service, which needs one {needed} address",
        f"request one {needed} address",
    )


def choose(demand: Demand, ledger: Ledger) -> tuple[Address, ...] | Refusal:
    """The addresses for a Service that has none, or why there are none for it.

    A request is met or refused; it never falls back to another address.
    """
    if refusal := hopeless(demand, ledger):
        return refusal
    if demand.complaint:
        return Refusal("invalid-request", demand.complaint, HOW_TO_REQUEST)
    named = ledger.named(demand) if demand.requested_pool else None
    if isinstance(named, Refusal):
        return named
    if demand.requested:
        return _requested(demand, demand.requested, named, ledger)
    if named is not None:
        return _best(demand, [named], ledger) or _exhausted(demand, [named], ledger)
    pinned, general = ledger.open_to(demand)
    return (
        _best(demand, pinned, ledger)
        or _best(demand, general, ledger)
        or _exhausted(demand, [*pinned, *general], ledger)
    )


def _requested(
    demand: Demand, requested: tuple[Address, ...], named: Pool | None, ledger: Ledger
) -> tuple[Address, ...] | Refusal:
    if sorted(map(family_of, requested)) != sorted(demand.families):
        return _family_mismatch(demand, requested)
    found = ledger.place_of(requested[0])
    if named and found and found[0] is not named:
        return Refusal(
            "requested-pool-mismatch",
            f"{listed(requested)} is of pool {quoted(found[0].name)}, not {quoted(named.name)}",
            "drop the annotation address-pool, or request an address of that pool",
        )
    return ledger.refusal(demand, requested) or requested


def _best(demand: Demand, pools: Iterable[Pool], ledger: Ledger) -> tuple[Address, ...] | None:
    """From the first pool that has every family; where two are only preferred, else from the
    first with the preferred one, else from the first with the other.
    """
    partly: dict[Family, Address] = {}
    for pool in pools:
        found = {
            family: address
            for family in demand.families
            if (address := ledger.first(demand, pool, family)) is not None
        }
        if len(found) == len(demand.families):
            return tuple(found.values())
        partly = found | partly
    if demand.dual_stack == "prefer":
        return next(((partly[one],) for one in demand.families if one in partly), None)
    return None


def _exhausted(demand: Demand, pools: Sequence[Pool], ledger: Ledger) -> Refusal:
    """Why none of the pools had an address left."""
    wanted = " and ".join(LABEL[family] for family in sorted(demand.families))
    need = any if demand.dual_stack == "prefer" else all
    able = [pool for pool in pools if need(one in pool.spaces for one in demand.families)]
    if able:
        names = listed(quoted(pool.name) for pool in able)
        gone = [
            f for f in sorted(demand.families) if not any(ledger.first(demand, p, f) for p in able)
        ]
        wanted = " and ".join(LABEL[family] for family in gone) or wanted
        return Refusal(
            "pool-exhausted",
            f"no {wanted} address is left in {names}",
            "add addresses to a pool, or delete Services that need none",
        )
    if demand.requested_pool:
        return Refusal(
            "family-mismatch",
            f"pool {quoted(demand.requested_pool)} has no {wanted} addresses",
            "use another pool, or add such addresses",
        )
    return Refusal(
        "no-open-pool",
        f"no pool gives the Service {wanted} addresses unasked",
        "request an address or a pool, or open a pool to it (autoAssign, serviceAllocation)",
    )
