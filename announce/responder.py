"""Answers and announces on every interface in use, and follows the interfaces.

Told which addresses are this node's (`own`), it keeps a port on each interface that one of them is
announced on, replies to who asks there, and begins a burst whenever an address is new on an
interface: taken over, the interface came up, its MAC changed. It decides nothing about ownership.

Callbacks in the selector take the time; nothing here sleeps or asks for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from selectors import EVENT_READ, BaseSelector

from ferrule.announce.bursts import Bursts, Packet, Target
from ferrule.announce.conflicts import Conflicts
from ferrule.announce.limits import Limits
from ferrule.announce.links import Choice, Link
from ferrule.announce.netlink import Monitor
from ferrule.announce.ports import Ear, Port, Tally
from ferrule.announce.wire import Claim, Drop, Mac

RETRY_S = 1.0
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
        self._wanted: Mapping[bytes, Names] = {}
        self._retry_at: float | None = None
        self.ports: dict[int, Port] = {}
        self.macs: frozenset[Mac] = frozenset()
        self.drops: Counter[Drop] = Counter()
        self.past: dict[bytes, Tally] = {}  # of ports that were closed
        self.conflicts = Conflicts()
        self.told: list[Conflict] = []
        selector.register(monitor, EVENT_READ, self._links_changed)
        self._note_macs()

    def own(self, wanted: Mapping[bytes, Names], now: float) -> None:
        """Answer for these packed addresses from now on, each on its interfaces, or on all."""
        for address in self._wanted.keys() - wanted.keys():
            self.conflicts.forget(address)
        self._wanted = dict(wanted)
        self._settle(now)

    def usable(self) -> tuple[Link, ...]:
        """The interfaces for addresses that name none."""
        return self._choice.usable(self._monitor.links)

    def again(self, now: float) -> None:
        """Announce everything anew: somebody who may have been told otherwise is back."""
        for index, port in self.ports.items():
            for address in port.owned:
                self._bursts.begin(Target(index, address), now)

    def drain(self) -> None:
        """Throw away what waits: it was asked while this process did not run."""
        for port in self.ports.values():
            for ear in port.ears:
                while any(True for _ in ear.frames()):
                    pass

    def tick(self, now: float) -> None:
        """Send what is due."""
        for packet in self._bursts.due(now):
            self._announce(packet)
        if self._retry_at is not None and now >= self._retry_at:
            self._settle(now)

    def next_at(self, now: float) -> float | None:
        """When `tick` has something to do."""
        times = (self._bursts.next_at(now), self._retry_at)
        return min((one for one in times if one is not None), default=None)

    def close(self) -> None:
        """Silent from now on."""
        for index in list(self.ports):
            self._close(index)
        self._selector.unregister(self._monitor)
        self._monitor.close()

    # Interfaces.

    def _links_changed(self, now: float) -> None:
        if self._monitor.hear():
            self._note_macs()
            self._settle(now)

    def _note_macs(self) -> None:
        self.macs = frozenset(link.mac for link in self._monitor.links.by_index.values())

    def _settle(self, now: float) -> None:
        """Make the ports what addresses and interfaces ask for."""
        self._retry_at = None
        desired = self._desired()
        for index, port in list(self.ports.items()):
            link = self._monitor.links.by_index.get(index)
            if index not in desired or link is None or link.falls != port.link.falls:
                self._close(index)
        for index, addresses in desired.items():
            self._settle_port(self._monitor.links.by_index[index], addresses, now)

    def _desired(self) -> dict[int, list[bytes]]:
        """The addresses of each interface in use."""
        usable: dict[Names, tuple[Link, ...]] = {}
        desired: dict[int, list[bytes]] = {}
        for address, names in self._wanted.items():
            if names not in usable:
                usable[names] = self._choice.usable(self._monitor.links, names)
            for link in usable[names]:
                if len(address) == 4 or link.has_link_local:
                    desired.setdefault(link.index, []).append(address)
        return desired

    def _settle_port(self, link: Link, addresses: Collection[bytes], now: float) -> None:
        port = self.ports.get(link.index) or self._open(link)
        if port is None:
            self._retry_at = now + RETRY_S
            return
        moved, port.link = port.link.mac != link.mac, link
        before = port.owned
        for address in before.keys() - set(addresses):
            self._bursts.stop(Target(link.index, address))
            self._remember(address, before[address])
        if not port.own({one: before.get(one) or Tally() for one in addresses}):
            self._retry_at = now + RETRY_S
        for address in addresses:
            if moved or address not in before:
                self._bursts.begin(Target(link.index, address), now)

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
