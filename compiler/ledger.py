"""The book of addresses: what the pools hold, who uses what, and what is kept for whom.

It knows which Service may have which address, and finds the next one; it does not know in which
order Services are served (`allocate`). Every question is answered from one Demand, the pools and
the book, at a cost that does not grow with the pools or the Services (`space`). The rules are
MetalLB's (`internal/allocator/allocator.go`).
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ferrule.compiler.errors import listed, quoted, suggestion
from ferrule.compiler.network import FAMILIES, Address, Family, Pending, family_of
from ferrule.compiler.service import Demand
from ferrule.compiler.space import Port, Space, Use
from ferrule.compiler.spec import Declared, kinds
from ferrule.compiler.spec.types import any_matches

PENDING: dict[str, str] = {
    "no-pools": "There is no IPAddressPool at all, so no Service can have an address.",
    "no-cluster-ip": "The Service is headless (clusterIP None): nothing balances its traffic.",
    "not-dual-stack": "The Service requires two address families and has a clusterIP of one.",
    "invalid-request": "What the Service asks for cannot be read as addresses; a Service that has"
    " an address keeps it, with a warning of this code.",
    "family-mismatch": "The addresses or the pool asked for are not of the Service's families; a"
    " Service with two families has to ask for one address of each.",
    "address-not-in-pool": "The address asked for is in no IPAddressPool.",
    "several-pools": "The two addresses asked for are of different pools.",
    "buggy-address": "The address asked for ends in .0 or .255 and its pool has avoidBuggyIPs.",
    "pool-not-found": "The annotation address-pool names a pool that does not exist.",
    "pool-not-compatible": "The serviceAllocation of the pool leaves this Service out, by its"
    " namespace or its labels.",
    "requested-pool-mismatch": "The Service asks for an address and for a pool, and the address is"
    " of another pool.",
    "address-reserved": "The address asked for is kept for another Service by an AddressLock.",
    "address-in-use": "The address asked for is another Service's, and one of the two has no"
    " allow-shared-ip.",
    "sharing-refused": "The address asked for is another Service's, and the two cannot share it:"
    " their allow-shared-ip, or their backends under externalTrafficPolicy Local, differ.",
    "port-in-use": "Another Service on the shared address already uses one of the ports.",
    "no-open-pool": "No pool gives this Service an address unasked: all have autoAssign false, are"
    " pinned to other Services, or have no addresses of its families.",
    "pool-exhausted": "Every address of the pools that are open to the Service is taken or kept"
    " for another one.",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a Service cannot have what it wants, and what would help; `code` as in PENDING."""

    code: str
    reason: str
    fix: str

    def pending(self) -> Pending:
        """As it is shown with the Service."""
        return Pending(self.code, f"{self.reason}; {self.fix}")


class Pool:
    """An IPAddressPool with its numbers, and to whom it is open."""

    def __init__(
        self, declared: Declared[kinds.IPAddressPool], namespaces: Mapping[str, Mapping[str, str]]
    ) -> None:
        spec = declared.spec
        self.name = declared.name
        self.auto_assign = spec.auto_assign
        cidrs = [cidr for entry in spec.addresses for cidr in entry.cidrs]
        self.spaces: dict[Family, Space] = {
            family: Space(ours, avoid_buggy=spec.avoid_buggy_ips)
            for family in FAMILIES
            if (ours := [cidr for cidr in cidrs if family_of(cidr) == family])
        }
        allocation = spec.service_allocation or kinds.ServiceAllocation()
        self.general = spec.service_allocation is None
        self.rank = (allocation.priority == 0, allocation.priority, self.name)
        self.selectors = allocation.service_selectors
        self.namespaces = frozenset(allocation.namespaces) | {
            name
            for name, labels in namespaces.items()
            if any(one.matches(labels) for one in allocation.namespace_selectors)
        }
        # Selectors that match no namespace pin the pool to nobody; yet as in MetalLB it stays
        # open to all who ask for it, so that nobody loses an address for want of Namespaces.
        self.pinned = not self.general and bool(
            self.namespaces or self.selectors or not allocation.namespace_selectors
        )

    def admits(self, demand: Demand) -> bool:
        """Whether the Service may have an address of this pool at all."""
        if self.namespaces and demand.namespace not in self.namespaces:
            return False
        return any_matches(self.selectors, demand.labels)


@dataclass(frozen=True, slots=True, order=True)
class Block:
    """One CIDR of one pool; `start` is the number of its first address."""

    first: int
    last: int
    pool: str
    start: int


class Ledger:
    """All pools, and every address that is in use or kept for somebody."""

    def __init__(
        self,
        pools: Iterable[Declared[kinds.IPAddressPool]],
        namespaces: Mapping[str, Mapping[str, str]],
    ) -> None:
        each = sorted((Pool(one, namespaces) for one in pools), key=lambda pool: pool.name)
        self.pools = {pool.name: pool for pool in each}
        self._general = [pool for pool in each if pool.general and pool.auto_assign]
        self._pinned = sorted(
            (pool for pool in each if pool.pinned and pool.auto_assign), key=lambda pool: pool.rank
        )
        self._pinned_in: dict[str, list[Pool]] = {}
        self._blocks: dict[Family, list[Block]] = {family: [] for family in FAMILIES}
        for pool in each:
            for family, space in pool.spaces.items():
                for cidr, start in zip(space.cidrs, space.starts, strict=False):
                    ends = int(cidr.network_address), int(cidr.broadcast_address)
                    insort(self._blocks[family], Block(*ends, pool.name, start))
        self._assigned: dict[str, tuple[Pool, tuple[Address, ...]]] = {}

    def holding(self, key: str) -> tuple[Pool, tuple[Address, ...]] | None:
        """What a Service has been assigned, IPv4 first."""
        return self._assigned.get(key)

    def place_of(self, address: Address) -> tuple[Pool, Space, int] | None:
        """The pool an address lies in, and its number there."""
        family, value = family_of(address), int(address)
        blocks = self._blocks[family]
        at = bisect_right(blocks, value, key=lambda block: block.first) - 1
        if at < 0 or value > blocks[at].last:
            return None
        pool = self.pools[blocks[at].pool]
        return pool, pool.spaces[family], blocks[at].start + value - blocks[at].first

    def reserve(self, key: str, addresses: Iterable[Address]) -> None:
        """Keep addresses for a Service, whether it exists or not; those in no pool need none."""
        for address in addresses:
            if found := self.place_of(address):
                _, space, number = found
                space.reserve(key, number)

    def kept_from(self, key: str, address: Address) -> set[str]:
        """For whom an address is kept, where that is somebody else who does not share it."""
        found = self.place_of(address)
        return found[1].kept_from(key, found[2]) if found else set()

    def unfit(self, demand: Demand, addresses: Sequence[Address]) -> Refusal | None:
        """Why these addresses cannot be the Service's, whoever else uses them."""
        pools = []
        for address in addresses:
            found = self.place_of(address)
            if found is None:
                return Refusal(
                    "address-not-in-pool",
                    f"{address} is in no IPAddressPool",
                    "request an address of a pool, or add it to one",
                )
            pool, space, number = found
            if space.buggy(number):
                return Refusal(
                    "buggy-address",
                    f"{address} ends in .0 or .255, which pool {quoted(pool.name)} avoids",
                    "request another address, or set avoidBuggyIPs to false",
                )
            pools.append(pool)
        if len({pool.name for pool in pools}) > 1:
            names = listed(quoted(pool.name) for pool in pools)
            return Refusal(
                "several-pools",
                f"{listed(addresses)} are of different pools ({names})",
                "request addresses of one pool",
            )
        return None if pools[0].admits(demand) else not_compatible(pools[0], demand)

    def refusal(
        self, demand: Demand, addresses: Sequence[Address], *, over_locks: bool = False
    ) -> Refusal | None:
        """Why these addresses cannot be the Service's as things stand; `over_locks` keeps one
        that it has although it is kept for another.
        """
        if refusal := self.unfit(demand, addresses):
            return refusal
        for address in addresses:
            found = self.place_of(address)
            assert found is not None
            _, space, number = found
            if not over_locks and (owners := space.kept_from(demand.key, number)):
                return Refusal(
                    "address-reserved",
                    f"{address} is locked for {listed(sorted(owners))}",
                    "request another address, or change the AddressLock",
                )
            if refusal := _sharing_refusal(demand, address, space.uses.get(number)):
                return refusal
        return None

    def assign(self, demand: Demand, addresses: Sequence[Address]) -> None:
        """Give addresses of one pool to a Service, in place of what it had."""
        self.unassign(demand.key)
        pool = None
        for address in addresses:
            found = self.place_of(address)
            assert found is not None, f"{address} is in no pool"
            pool, space, number = found
            space.add(demand, number)
        assert pool is not None
        in_order = tuple(sorted(addresses, key=lambda one: one.version))
        self._assigned[demand.key] = (pool, in_order)

    def unassign(self, key: str) -> None:
        """Take back what a Service has, if anything."""
        _, addresses = self._assigned.pop(key, (None, ()))
        for address in addresses:
            found = self.place_of(address)
            assert found is not None
            found[1].remove(key, found[2])

    def first(self, demand: Demand, pool: Pool, family: Family) -> Address | None:
        """The first address of a pool that the Service may have."""
        space = pool.spaces.get(family)
        number = space.first(demand) if space else None
        return None if space is None or number is None else space.address(number)

    def open_to(self, demand: Demand) -> tuple[list[Pool], list[Pool]]:
        """The pools that serve it unasked: those pinned to it, by priority, and the general."""
        near = self._pinned_in.get(demand.namespace)
        if near is None:
            near = self._pinned_in[demand.namespace] = [
                pool
                for pool in self._pinned
                if not pool.namespaces or demand.namespace in pool.namespaces
            ]
        return [pool for pool in near if pool.admits(demand)], self._general

    def named(self, demand: Demand) -> Pool | Refusal:
        """The pool that the Service asks for by name."""
        pool = self.pools.get(demand.requested_pool)
        if pool is None:
            return Refusal(
                "pool-not-found",
                f"there is no IPAddressPool {quoted(demand.requested_pool)}",
                suggestion(demand.requested_pool, self.pools, "pools"),
            )
        return pool if pool.admits(demand) else not_compatible(pool, demand)


def not_compatible(pool: Pool, demand: Demand) -> Refusal:
    """A pool's serviceAllocation leaves the Service out."""
    by_labels = not pool.namespaces or demand.namespace in pool.namespaces
    what = "the Service's labels" if by_labels else f"namespace {quoted(demand.namespace)}"
    return Refusal(
        "pool-not-compatible",
        f"pool {quoted(pool.name)} is not open to {what}",
        "use another pool, or change its serviceAllocation",
    )


def _sharing_refusal(demand: Demand, address: Address, use: Use | None) -> Refusal | None:
    """MetalLB's `checkSharing`; whoever is alone on an address may change its own key there."""
    others = len(use.users) - (demand.key in use.users) if use else 0
    if use is None or not others:
        return None
    other = next(one for key, one in use.users.items() if key != demand.key)
    who = quoted(other.key) + (f" and {others - 1} more" if others > 1 else "")
    if not other.sharing_key or not demand.sharing_key:
        return Refusal(
            "address-in-use",
            f"{address} is in use by {who}",
            "use another address, or give both Services the same allow-shared-ip",
        )
    if other.sharing_key != demand.sharing_key:
        mine, theirs = quoted(demand.sharing_key), quoted(other.sharing_key)
        return Refusal(
            "sharing-refused",
            f"{address} is in use by {who} with allow-shared-ip {theirs}, not {mine}",
            "use another address, or give both Services the same allow-shared-ip",
        )
    if other.backend != demand.backend:
        return Refusal(
            "sharing-refused",
            f"{address} is in use by {who}, which differs in externalTrafficPolicy or selector",
            "use another address; only Cluster Services, or Local ones of one selector, can share",
        )
    for port in sorted(demand.ports):
        if use.ports.get(port, demand.key) != demand.key:
            return Refusal(
                "port-in-use",
                f"{_written(port)} on {address} is in use by {quoted(use.ports[port])}",
                "use another address or another port",
            )
    return None


def _written(port: Port) -> str:
    """`80/TCP`; the protocol is whatever the manifest says."""
    protocol, number = port
    return f"{number}/{quoted(protocol)[1:-1]}"
