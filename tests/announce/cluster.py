"""A cluster without wires: nodes that run `Members` and `Holdings`, a network that loses and parts.

Time goes in steps of 10 ms. What a client would hear is kept too: who announced an address last,
and who would answer for it now. Leases are kept by an API server that can be gone.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from random import Random

from ferrule.announce.bursts import TIMES_S
from ferrule.announce.election import Entry, Group, Holdings
from ferrule.announce.heartbeat import Beat
from ferrule.announce.members import Members
from ferrule.announce.peers import News, Timing, View
from ferrule.announce.wire import Address
from ferrule.compiler.elect import owner

STEP_S = 0.01
LEASE_S, RENEW_S = 8.0, 2.0
TIMING = Timing()


@dataclass
class Node:
    """One agent's process; `members` is None while it does not run."""

    name: str
    mac: bytes
    members: Members | None = None
    holdings: Holdings = field(default_factory=lambda: Holdings(""))
    paused: bool = False
    carrier: bool = True
    view: View | None = None
    takes: list[tuple[float, Address]] = field(default_factory=list)
    leave_at: float | None = None
    bursts: dict[Address, list[float]] = field(default_factory=dict)
    news: list[News] = field(default_factory=list)
    reads_late_s: float = 0.0  # what holds a Lease
    read: list[tuple[float, list[str]]] = field(default_factory=list)


class Cluster:
    """`run` lets time pass."""

    def __init__(self, names: Collection[str], entries: Collection[Entry], seed: int = 0) -> None:
        self.now = 0.0
        self.random = Random(seed)  # noqa: S311  # a simulation
        self.nodes = {
            name: Node(name, number.to_bytes(6)) for number, name in enumerate(sorted(names), 2)
        }
        self.entries = list(entries)
        self.parts: list[frozenset[str]] = []
        self.one_way: set[tuple[str, str]] = set()
        self.loss = 0.0
        self.api = True
        self.leases: dict[str, float] = {}
        self.agents: set[str] = set()  # renew Leases without anything that announces
        self.idle: set[str] = set()  # and are known for it
        self.flying: list[tuple[float, str, Beat]] = []
        self.announced: dict[Address, str] = {}
        self.unanswered: dict[Address, float] = {}

    # What happens to nodes.

    def start(self, *names: str) -> None:
        for name in names:
            node = self.nodes[name]
            numbers = iter(lambda: self.random.getrandbits(64), None)
            node.members = Members(name, numbers, TIMING, self.now)
            node.holdings = Holdings(name)
            node.holdings.learn(self.entries)
            node.view, node.paused, node.leave_at = None, False, None
            node.bursts.clear()
            node.read.clear()
            self.leases[name] = self.now

    def kill(self, name: str) -> None:
        self.nodes[name].members = None

    def leave(self, name: str) -> None:
        members = self.nodes[name].members
        if members is not None:
            members.leave(self.now)
            self.nodes[name].leave_at = self.now + 0.5

    def part(self, *parts: Collection[str]) -> None:
        self.parts = [frozenset(one) for one in parts]

    # Time.

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until - 1e-9:
            self.now = round(self.now + STEP_S, 3)
            self._renew()
            self._deliver()
            for node in self.nodes.values():
                if node.members is not None and not node.paused:
                    self._turn(node, node.members)
            self._look()

    def _renew(self) -> None:
        if not self.api or round(self.now / STEP_S) % round(RENEW_S / STEP_S / 4):
            return
        for name, node in self.nodes.items():
            if (node.members is not None and not node.paused) or name in self.agents:
                self.leases[name] = self.now

    def _deliver(self) -> None:
        due = [one for one in self.flying if one[0] <= self.now]
        self.flying = [one for one in self.flying if one[0] > self.now]
        for _, sender, beat in due:
            node = self.nodes[beat.receiver]
            if (
                node.members is not None
                and not node.paused
                and self.connected(sender, beat.receiver)
            ):
                node.members.hear(beat, self.now)

    def connected(self, sender: str, receiver: str) -> bool:
        ends = {sender, receiver}
        return (
            all(self.nodes[one].carrier for one in ends)
            and (sender, receiver) not in self.one_way
            and (not self.parts or any(ends <= part for part in self.parts))
        )

    def _turn(self, node: Node, members: Members) -> None:
        now = self.now
        if node.leave_at is not None and (now >= node.leave_at or not self._answers(node)):
            node.members = None
            self.leases.pop(node.name, None)
            return
        members.equip(now, able=node.carrier)
        if self.api:
            members.roster(self._held(node), now, fresh=True, idle=self.idle)
        else:
            members.roster((), now, fresh=False)
        members.tick(now)
        self._decide(node, members)
        node.news += members.news
        members.news.clear()
        for beat in members.beats(now, node.holdings.digest.to_bytes(8), (node.mac,)):
            if self.random.random() >= self.loss and beat.receiver in self.nodes:
                self.flying.append((now + self.random.uniform(0, 0.004), node.name, beat))

    def _held(self, node: Node) -> list[str]:
        """Who holds a Lease, as this node has read."""
        held = [name for name, at in self.leases.items() if self.now - at < LEASE_S]
        node.read.append((self.now, held))
        while len(node.read) > 1 and node.read[1][0] <= self.now - node.reads_late_s:
            del node.read[0]
        return node.read[0][1]

    def _decide(self, node: Node, members: Members) -> None:
        view = members.view(self.now)
        returned, members.rejoined = members.rejoined, set()
        if view != node.view:
            node.view = view
            moved = node.holdings.decide(view, self.now, returned)
            node.takes += [(self.now, one) for one in moved.taken]
            self._announce(node, moved.taken)
        if returned:
            self._announce(node, node.holdings.mine)
        node.holdings.expire(self.now)
        self._send(node)

    def _announce(self, node: Node, addresses: Collection[Address]) -> None:
        """Begin bursts; their packets go out as the times of real ones say, while it owns them."""
        for address in addresses:
            node.bursts[address] = [self.now + after for after in TIMES_S]

    def _send(self, node: Node) -> None:
        for address, times in list(node.bursts.items()):
            if address not in node.holdings.mine:
                del node.bursts[address]
            elif times and times[0] <= self.now and node.carrier:
                del times[0]
                self.announced[address] = node.name
                for other in self.nodes.values():
                    heard = other is not node and self.connected(node.name, other.name)
                    if heard and other.holdings.claimed(address, self.now):
                        self._announce(other, (address,))

    # What is seen.

    def _answers(self, node: Node) -> set[Address]:
        if node.members is None or node.paused or not node.carrier:
            return set()
        return {*node.holdings.mine, *node.holdings.lingering}

    def answering(self, address: Address) -> list[str]:
        return [name for name, node in self.nodes.items() if address in self._answers(node)]

    def _look(self) -> None:
        for entry in self.entries:
            if not self.answering(entry.address):
                self.unanswered[entry.address] = self.unanswered.get(entry.address, 0) + STEP_S

    def expected(self, address: Address, alive: Collection[str]) -> str | None:
        entry = next(one for one in self.entries if one.address == address)
        names = [one for one in alive if one in entry.group.scores]
        return owner(names, entry.group.scores, entry.elected_by)


def entries(names: Collection[str], count: int = 12) -> list[Entry]:
    return entries_of(dict.fromkeys(names, 0), count)


def entries_of(scores: Mapping[str, int], count: int) -> list[Entry]:
    group = Group(dict(scores))
    addresses = [IPv4Address("192.0.2.10") + number for number in range(count)]
    return [Entry(one, one, group) for one in addresses]
