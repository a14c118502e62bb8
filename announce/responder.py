"""Answers and announces on every interface in use, and follows the interfaces.

Told which addresses are this node's (`own`), it keeps a port on each interface that one of them is
announced on, replies to who asks there, and begins a burst whenever an address is new on an
interface: taken over, the interface came up, its MAC changed. It decides nothing about ownership.

Callbacks in the selector take the time; nothing here sleeps or asks for it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from selectors import EVENT_READ, BaseSelector

from ferrule.announce.bursts import Bursts, Packet, Target
from ferrule.announce.conflicts import Conflicts
from ferrule.announce.limits import Limits
from ferrule.announce.links import Choice, Link, Links, impossible
from ferrule.announce.netlink import Monitor
from ferrule.announce.offers import offer
from ferrule.announce.ports import Ear, Port, Tally
from ferrule.announce.wire import Claim, Drop, Mac

RETRY_S = 1.0
MOST_ANEW = 256  # bursts begun in a turn
Names = frozenset[str]
Claimed = Callable[[Claim, float], bool]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Somebody else answers for our address."""

    address: bytes
    mac: Mac
    interface: str


class Responder:
    """One node's ports. `claimed` says whether a claim is a member's, and so no conflict."""

    def __init__(
        self,
        selector: BaseSelector,
        monitor: Monitor,
        choice: Choice,
        limits: Limits,
        bursts: Bursts,
        claimed: Claimed,
    ) -> None:
        self._selector, self._monitor, self._choice = selector, monitor, choice
        self._limits, self._bursts, self._claimed = limits, bursts, claimed
        self._wanted: dict[bytes, Names] = {}
        self._quiet: set[bytes] = set()
        self._anew: set[bytes] = set()
        self._ways: dict[tuple[Names, int], tuple[Link, ...]] = {}
        self._shape: object = None
        self.offer: Names = frozenset()
        self._looked = True
        self._retry_at: float | None = None
        self.ports: dict[int, Port] = {}
        self.macs: frozenset[Mac] = frozenset()
        self.drops: Counter[Drop] = Counter()
        self.past: dict[bytes, Tally] = {}  # of ports that were closed
        self.conflicts = Conflicts()
        self.told: list[Conflict] = []
        selector.register(monitor, EVENT_READ, self._links_changed)
        self._look()

    def own(self, wanted: Mapping[bytes, Names], now: float) -> None:
        """Answer for these packed addresses from now on, each on its interfaces, or on all."""
        self.change(dict.fromkeys(self._wanted.keys() - wanted.keys()) | dict(wanted), now)

    def change(
        self, changes: Mapping[bytes, Names | None], now: float, quiet: Container[bytes] = ()
    ) -> None:
        """Answer for these otherwise than before: on these interfaces, on all, or no more.

        What is `quiet` is another's already: still answered for, announced no more.
        """
        joining: dict[int, list[bytes]] = defaultdict(list)
        parting: dict[int, list[bytes]] = defaultdict(list)
        for address, names in changes.items():
            if names is None:
                self._wanted.pop(address, None)
                self.conflicts.forget(address)
            else:
                self._wanted[address] = names
            self._hush(address, now, quiet=address in quiet)
            there = () if names is None else self._way(names, len(address))
            indices = [link.index for link in there]
            for index, port in self.ports.items():
                if address in port.owned and index not in indices:
                    parting[index].append(address)
            for index in indices:
                if index not in self.ports or address not in self.ports[index].owned:
                    joining[index].append(address)
        for index, addresses in parting.items():
            self._part(index, addresses)
        for index, addresses in joining.items():
            self._join(self.links.by_index[index], addresses, now)

    def forget(self, address: bytes) -> None:
        """Not even its numbers are of interest any more."""
        self.past.pop(address, None)

    def places(self, address: bytes) -> list[str]:
        """The interfaces on which it is answered for."""
        return [port.link.name for port in self.ports.values() if address in port.owned]

    def tally(self, address: bytes) -> Tally:
        """What happened about it on all interfaces."""
        each = [port.owned[address] for port in self.ports.values() if address in port.owned]
        if address in self.past:
            each.append(self.past[address])
        return Tally(
            sum(one.requests for one in each),
            sum(one.replies for one in each),
            sum(one.announcements for one in each),
        )

    @property
    def links(self) -> Links:
        """All interfaces there are."""
        return self._monitor.links

    def usable(self) -> tuple[Link, ...]:
        """The interfaces for addresses that name none."""
        return self._way(frozenset(), 4)

    def again(self, now: float, addresses: Iterable[bytes] | None = None) -> None:
        """Announce anew, everything or these: somebody may have been told otherwise."""
        if addresses is None:
            self._anew.update(self._wanted)
            return
        for port in self.ports.values():
            for address in addresses:
                if address in port.owned:
                    self._begin(port, address, now)

    def _begin(self, port: Port, address: bytes, now: float) -> None:
        if address not in self._quiet:
            self._bursts.begin(Target(port.link.index, address), now)

    def drain(self) -> None:
        """Throw away what waits: it was asked while this process did not run."""
        for port in self.ports.values():
            for ear in port.ears:
                while any(True for _ in ear.frames()):
                    pass

    def tick(self, now: float) -> None:
        """Send what is due, and begin a part of what is to be announced anew."""
        some = [self._anew.pop() for _ in range(min(MOST_ANEW, len(self._anew)))]
        self.again(now, some)
        for packet in self._bursts.due(now):
            self._announce(packet)
        if self._retry_at is not None and now >= self._retry_at:
            self._settle(now)

    def next_at(self, now: float) -> float | None:
        """When `tick` has something to do."""
        if self._anew:
            return now
        times = (self._bursts.next_at(now), self._retry_at)
        return min((one for one in times if one is not None), default=None)

    def close(self) -> None:
        """Silent from now on."""
        for index in list(self.ports):
            self._close(index)
        self._selector.unregister(self._monitor)
        self._monitor.close()

    # Interfaces.

    def looked(self) -> bool:
        """Whether interfaces changed since this was asked last."""
        looked, self._looked = self._looked, False
        return looked

    def _links_changed(self, now: float) -> None:
        if not self._monitor.hear():
            return
        if self._look():
            self._settle(now)
            return
        for index, port in self.ports.items():  # only its addresses are others
            port.link = self.links.by_index.get(index, port.link)

    def _look(self) -> bool:
        """Whether something changed that matters: kube-proxy may write addresses by thousands."""
        self.macs = frozenset(link.mac for link in self.links.by_index.values())
        shape = [
            (link.index, link.name, link.kind, link.mac, link.falls, link.has_link_local)
            for link in self.links.by_index.values()
            if impossible(link) is None
        ]
        changed, self._shape = shape != self._shape, shape
        if changed:
            self._looked = True
            self._ways.clear()
            self.offer = offer(self.links, self._choice)
        return changed

    def _way(self, names: Names, length: int) -> tuple[Link, ...]:
        """Where an address of that many bytes, which asks for these interfaces, is announced."""
        key = names, length
        if key not in self._ways:
            usable = self._choice.usable(self.links, names)
            self._ways[key] = tuple(one for one in usable if length == 4 or one.has_link_local)
        return self._ways[key]

    def _settle(self, now: float) -> None:
        """Make the ports what addresses and interfaces ask for."""
        self._retry_at = None
        for index, port in list(self.ports.items()):
            link = self.links.by_index.get(index)
            if link is None or link.falls != port.link.falls or impossible(link) is not None:
                self._close(index)
                continue
            moved, port.link = port.link.mac != link.mac, link
            if not port.groups.retry():
                self._retry_at = now + RETRY_S
            if moved:
                for address in port.owned:
                    self._begin(port, address, now)
        self.change(dict(self._wanted), now, frozenset(self._quiet))

    def _hush(self, address: bytes, now: float, *, quiet: bool) -> None:
        if quiet == (address in self._quiet):
            return
        if quiet:
            self._quiet.add(address)
            for index in self.ports:
                self._bursts.stop(Target(index, address))
        else:
            self._quiet.remove(address)
            self.again(now, (address,))

    def _join(self, link: Link, addresses: Iterable[bytes], now: float) -> None:
        port = self.ports.get(link.index) or self._open(link)
        if port is None or not port.join(addresses):
            self._retry_at = now + RETRY_S
        if port is not None and port.is_deaf:
            self._close(link.index)  # a new one has no old program beside which there is no room
            self._retry_at = now + RETRY_S
        elif port is not None:
            for address in addresses:
                self._begin(port, address, now)

    def _part(self, index: int, addresses: Iterable[bytes]) -> None:
        port = self.ports[index]
        for address, tally in port.part(addresses).items():
            self._bursts.stop(Target(index, address))
            self._remember(address, tally)
        if not port.owned:
            self._close(index)

    def _open(self, link: Link) -> Port | None:
        """None where the interface went away meanwhile; its event is on the way."""
        try:
            port = Port(link)
        except OSError:
            return None
        for ear in port.ears:
            self._selector.register(ear.sock, EVENT_READ, partial(self._hear, port, ear))
        self.ports[link.index] = port
        return port

    def _close(self, index: int) -> None:
        port = self.ports.pop(index)
        for address, tally in port.owned.items():
            self._bursts.stop(Target(index, address))
            self._remember(address, tally)
        for ear in port.ears:
            self._selector.unregister(ear.sock)
        port.close()

    def _remember(self, address: bytes, tally: Tally) -> None:
        past = self.past.setdefault(address, Tally())
        past.requests += tally.requests
        past.replies += tally.replies
        past.announcements += tally.announcements

    # Frames.

    def _hear(self, port: Port, ear: Ear, now: float) -> None:
        owned, mac, macs = port.owned, port.link.mac, self.macs
        for frame in ear.frames():
            verdict = ear.answer(frame, mac, owned, macs)
            if isinstance(verdict, bytes):
                self._reply(ear, verdict, owned[verdict[ear.target]], now)
            elif isinstance(verdict, Claim):
                self._claim(port, verdict, now)
            else:
                self.drops[verdict] += 1

    def _reply(self, ear: Ear, reply: bytes, tally: Tally, now: float) -> None:
        tally.requests += 1
        refusal = self._limits.refuse(reply[:6], now)
        if refusal is None:
            if ear.send(reply):
                tally.replies += 1
                return
            refusal = Drop.SEND_FAILED
        self.drops[refusal] += 1

    def _claim(self, port: Port, claim: Claim, now: float) -> None:
        if self._claimed(claim, now) or not self.conflicts.defend(claim, now):
            return
        self.told.append(Conflict(claim.address, claim.mac, port.link.name))
        for packet in self._bursts.once(Target(port.link.index, claim.address)):
            self._announce(packet)

    def _announce(self, packet: Packet) -> None:
        port = self.ports.get(packet.target.interface)
        tally = port.owned.get(packet.target.address) if port else None
        if port is None or tally is None:
            return
        if port.announce(packet.target.address, packet.form):
            tally.announcements += 1
        else:
            self.drops[Drop.SEND_FAILED] += 1
