"""The addresses of one family in one pool: numbered, used, shared and kept.

Numbers follow the order in which addresses are given out. None of the questions costs more in a
larger pool or with more Services: a cursor walks the numbers that nobody has had yet, a heap has
those given back, and Services that share find each other by their key.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import accumulate

from ferrule.compiler.network import Address, Prefix
from ferrule.compiler.service import Demand

Port = tuple[str, int]
BUGGY = (0, 255)


@dataclass(slots=True)
class Use:
    """One address in use. All its users have one sharing key and backend, and no port twice."""

    users: dict[str, Demand] = field(default_factory=dict)
    ports: dict[Port, str] = field(default_factory=dict)


@dataclass(slots=True)
class Sharers:
    """The addresses that Services of one sharing key and backend use, sorted by number.

    `full` remembers for a port below which number every one of them has it in use.
    """

    numbers: list[int] = field(default_factory=list)
    full: dict[Port, int] = field(default_factory=dict)

    def add(self, number: int) -> None:
        """One address more."""
        if self.numbers and number < self.numbers[-1]:
            self.full = {port: min(below, number) for port, below in self.full.items()}
        insort(self.numbers, number)

    def remove(self, number: int) -> None:
        """One address less."""
        del self.numbers[bisect_left(self.numbers, number)]
        end = self._end
        self.full = {port: min(below, end) for port, below in self.full.items()}

    def left(self, number: int, ports: Iterable[Port]) -> None:
        """The ports are free again on one of the addresses."""
        for port in ports:
            if port in self.full:
                self.full[port] = min(self.full[port], number)

    def start(self, ports: Iterable[Port], uses: Mapping[int, Use]) -> int:
        """The index of the first address on which each port by itself might be free."""
        first = 0
        for port in ports:
            at = bisect_left(self.numbers, self.full.get(port, 0))
            while at < len(self.numbers) and port in uses[self.numbers[at]].ports:
                at += 1
            self.full[port] = self.numbers[at] if at < len(self.numbers) else self._end
            first = max(first, at)
        return first

    @property
    def _end(self) -> int:
        return self.numbers[-1] + 1 if self.numbers else 0


class Space:
    """The addresses of one family in one pool, numbered in the order they are given out."""

    def __init__(self, cidrs: Sequence[Prefix], *, avoid_buggy: bool) -> None:
        self.cidrs = cidrs
        self.starts = [0, *accumulate(cidr.num_addresses for cidr in cidrs)]
        self.avoid_buggy = avoid_buggy and cidrs[0].version == 4
        self.uses: dict[int, Use] = {}
        self.reserved: dict[int, set[str]] = {}
        self._own: dict[str, list[int]] = {}  # the reserved numbers by Service
        self._cursor = 0  # no number below it is open to everybody, but for those in _freed
        self._freed: list[int] = []
        self._sharers: dict[tuple[str, str], Sharers] = {}

    @property
    def size(self) -> int:
        """How many addresses it has to give."""
        return self.starts[-1] - sum(map(_buggy_ones, self.cidrs) if self.avoid_buggy else ())

    def address(self, number: int) -> Address:
        """The address of this number."""
        at = bisect_right(self.starts, number) - 1
        return self.cidrs[at][number - self.starts[at]]

    def buggy(self, number: int) -> bool:
        """Whether it ends in .0 or .255 in a pool that avoids these."""
        return self.avoid_buggy and int(self.address(number)) & 0xFF in BUGGY

    def reserve(self, key: str, number: int) -> None:
        """Keep an address for a Service; several may have it kept, if they share it."""
        self.reserved.setdefault(number, set()).add(key)
        self._own.setdefault(key, []).append(number)

    def kept_from(self, key: str, number: int) -> set[str]:
        """For whom an address is kept, if not for this Service and none of them uses it.

        One who uses it may let others share it.
        """
        owners = self.reserved.get(number)
        if not owners or key in owners:
            return set()
        use = self.uses.get(number)
        return set() if use and not owners.isdisjoint(use.users) else owners

    def add(self, demand: Demand, number: int) -> None:
        """Write down a user; whether it may be one was asked before."""
        use = self.uses.get(number)
        if use is None:
            use = self.uses[number] = Use()
            if demand.sharing_key:
                self._sharers.setdefault(_group(demand), Sharers()).add(number)
        use.users[demand.key] = demand
        use.ports.update(dict.fromkeys(demand.ports, demand.key))

    def remove(self, key: str, number: int) -> None:
        """Strike a user out."""
        use = self.uses[number]
        demand = use.users.pop(key)
        for port in demand.ports:
            del use.ports[port]
        if demand.sharing_key:
            sharers = self._sharers[_group(demand)]
            if use.users:
                sharers.left(number, demand.ports)
            else:
                sharers.remove(number)
        if not use.users:
            del self.uses[number]
            if number < self._cursor:
                heappush(self._freed, number)

    def first(self, demand: Demand) -> int | None:
        """The lowest number that the Service may have: an open one, its own, or a shared one."""
        found = [self._first_open(), self._first_shared(demand)]
        found += (n for n in self._own.get(demand.key, ()) if n not in self.uses)
        return min((n for n in found if n is not None and not self.buggy(n)), default=None)

    def _first_open(self) -> int | None:
        while self._freed and not self._open(self._freed[0]):
            heappop(self._freed)
        if self._freed:
            return self._freed[0]
        while self._cursor < self.starts[-1] and not self._open(self._cursor):
            self._cursor += 1
        return self._cursor if self._cursor < self.starts[-1] else None

    def _open(self, number: int) -> bool:
        return number not in self.uses and number not in self.reserved and not self.buggy(number)

    def _first_shared(self, demand: Demand) -> int | None:
        sharers = self._sharers.get(_group(demand)) if demand.sharing_key else None
        if sharers is None:
            return None
        for at in range(sharers.start(demand.ports, self.uses), len(sharers.numbers)):
            number = sharers.numbers[at]
            free = demand.ports.isdisjoint(self.uses[number].ports)
            if free and not self.kept_from(demand.key, number):
                return number
        return None


def _group(demand: Demand) -> tuple[str, str]:
    return (demand.sharing_key or "", demand.backend)


def _buggy_ones(cidr: Prefix) -> int:
    """How many addresses of an IPv4 block end in .0 or .255."""
    first, last = int(cidr.network_address), int(cidr.broadcast_address)
    return sum((last - end) // 256 - (first - 1 - end) // 256 for end in BUGGY)
