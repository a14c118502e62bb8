"""The process that answers: `python -m ferrule.announce.process`, spoken to on stdin and stdout.

Of its own, so that an agent that is busy (10,000 Services are 88 ms of JSON) delays neither a reply
nor a beat. Everything happens in one loop; a turn first asks whether it was paused, because frames
that waited meanwhile are stale. End of stdin is the agent's death: addresses stay answered for as
long as this runs, and it ends as if told to leave.
"""

from __future__ import annotations

import os
import random
import selectors
import socket
import struct
import sys
import time
from collections import Counter
from contextlib import suppress
from ipaddress import ip_address

from ferrule.announce import control
from ferrule.announce.bursts import Bursts, Target
from ferrule.announce.election import LINGER_S, Holdings
from ferrule.announce.heartbeat import LARGEST, BeatError, State, decode, digest, encode
from ferrule.announce.limits import Limits, Rates
from ferrule.announce.links import UNFIT_NAMES, Choice
from ferrule.announce.members import Members, Timing, View
from ferrule.announce.netlink import Monitor
from ferrule.announce.responder import Responder
from ferrule.announce.wire import Claim, mac_text

STATUS_S = 5.0  # and at every change
_ONE_HOP = 255
_IP_RECVTTL = 12  # linux/in.h
_CHUNK = 1 << 16


class Announcer:
    """One node at work, from its `setup` on."""

    def __init__(
        self, setup: control.Setup, selector: selectors.BaseSelector, out: int, now: float
    ) -> None:
        self._setup, self._out = setup, out
        self._members = Members(setup.node, time.time_ns(), Timing(), now)
        self._holdings = Holdings(setup.node)
        self._monitor = Monitor()
        self._bursts = Bursts(lambda: random.uniform(-1, 1))  # noqa: S311  # spreads load
        excluded = UNFIT_NAMES if setup.excluded is None else setup.excluded
        self._responder = Responder(
            selector,
            self._monitor,
            Choice(setup.interfaces, excluded),
            Limits(Rates(), now),
            self._bursts,
            self._claimed,
        )
        self._wire = _open(setup.bind, setup.port)
        selector.register(self._wire, selectors.EVENT_READ, self._hear)
        self._where: dict[str, str] = {}
        self._claims: list[Claim] = []
        self._view: View | None = None
        self._answered: dict[bytes, frozenset[str]] = {}
        self._refused: Counter[str] = Counter()
        self._leave_by: float | None = None
        self._status_at = now
        self._unsent, self._missed = b"", 0

    # From the agent.

    def obey(self, message: control.Message, now: float) -> None:
        """Take in what the agent says."""
        match message:
            case control.Roster(members, fresh):
                self._where.update(members)
                self._members.roster(members, now, fresh=fresh)
            case control.Own(entries):
                self._holdings.learn(entries)
                self._view = None
            case control.Leave():
                self.leave(now)
            case control.Setup():
                raise control.ControlError("a second setup")

    def leave(self, now: float) -> None:
        """Hand over; `over` says when that is done."""
        if self._leave_by is None:
            self._leave_by = now + LINGER_S
            self._members.leave(now)

    def over(self, now: float) -> bool:
        """Whether everything was handed over, or nobody came for it."""
        if self._leave_by is None:
            return False
        waited = now - (self._leave_by - LINGER_S) >= 3 * self._members.timing.interval_s
        return now >= self._leave_by or (waited and not self._answered)

    # The loop's turn.

    def wake_at(self, now: float) -> float:
        """When there is something to do without being asked."""
        times = (
            self._members.next_at(now),
            self._responder.next_at(now),
            self._holdings.next_at(),
            self._status_at,
            self._leave_by,
        )
        return min(one for one in times if one is not None)

    def before(self, now: float) -> None:
        """What must be known before any frame is answered."""
        state = self._members.state
        self._members.equip(now, able=bool(self._responder.usable()))
        self._members.tick(now)
        if self._members.state is State.STARTING and state is not State.STARTING:
            self._responder.drain()
        self._decide(now)

    def after(self, now: float) -> None:
        """Conclusions from what was heard, and what is due to be sent."""
        self._members.tick(now)
        claims, self._claims = self._claims, []
        for claim in claims:
            if self._holdings.claimed(ip_address(claim.address), now):
                self._burst(claim.address, now)
        self._decide(now)
        self._beat(now)
        self._responder.tick(now)
        self._report(now)

    def close(self) -> None:
        """Silent."""
        self._responder.close()
        self._wire.close()

    def _decide(self, now: float) -> None:
        view = self._members.view(now)
        returned, self._members.rejoined = self._members.rejoined, set()
        if view != self._view:
            self._view = view
            moved = self._holdings.decide(view, now, returned)
            if moved.taken or moved.passed:
                self._status_at = now
        self._holdings.expire(now)
        answered = self._holdings.answered()
        if answered != self._answered:
            self._answered = answered
            self._responder.own(answered, now)
        if returned:
            self._responder.again(now)

    def _burst(self, address: bytes, now: float) -> None:
        for index, port in self._responder.ports.items():
            if address in port.owned:
                self._bursts.begin(Target(index, address), now)

    def _claimed(self, claim: Claim, _now: float) -> bool:
        if self._members.member_with(claim.mac) is None:
            return False
        self._claims.append(claim)
        return True

    # Beats.

    def _hear(self, now: float) -> None:
        for _ in range(64):
            try:
                data, about, _, _ = self._wire.recvmsg(LARGEST, 64)
            except OSError:
                return
            if not _from_next_door(about):
                self._refused["hops"] += 1
                continue
            try:
                self._members.hear(decode(data, self._setup.keys), now)
            except BeatError as error:
                self._refused[str(error)] += 1

    def _beat(self, now: float) -> None:
        owned = digest(one.packed for one in self._holdings.mine)
        macs = tuple(sorted(link.mac for link in self._responder.usable()))
        for beat in self._members.beats(now, owned, macs):
            where = self._where.get(beat.receiver)
            if where is not None:
                with suppress(OSError):  # no route while a link is down
                    self._wire.sendto(encode(beat, self._setup.keys[0]), (where, self._setup.port))

    # To the agent.

    def _report(self, now: float) -> None:
        news, self._members.news = self._members.news, []
        for one in news:
            self._say("event", what=one.what, node=one.name)
        told, self._responder.told = self._responder.told, []
        for conflict in told:
            self._say(
                "event",
                what="conflict",
                address=str(ip_address(conflict.address)),
                mac=mac_text(conflict.mac),
                interface=conflict.interface,
            )
        if now >= self._status_at:
            self._status_at = now + STATUS_S
            self._say("status", **self._status(now))

    def _status(self, now: float) -> dict[str, object]:
        return {
            "state": self._members.state.name.lower(),
            "heard": sorted(self._members.heard(now)),
            "owned": sorted(str(one) for one in self._holdings.mine),
            "interfaces": [link.name for link in self._responder.usable()],
            "drops": {one.value: number for one, number in self._responder.drops.items()},
            "beatsRefused": dict(self._refused) | {"replay": self._members.refused},
            "missed": self._missed,
            "conflicts": self._responder.conflicts.count,
            "addresses": {
                str(ip_address(address)): [tally.requests, tally.replies, tally.announcements]
                for port in self._responder.ports.values()
                for address, tally in port.owned.items()
            },
        }

    def _say(self, kind: str, **fields: object) -> None:
        """An agent that does not read misses what does not fit, and delays nothing."""
        if not self._flush():
            self._missed += 1
            return
        self._unsent = control.line(kind, **fields)
        self._flush()

    def _flush(self) -> bool:
        """Whether nothing is left of the last line."""
        with suppress(BlockingIOError, BrokenPipeError):
            while self._unsent:
                self._unsent = self._unsent[os.write(self._out, self._unsent) :]
        return not self._unsent


def _from_next_door(about: list[tuple[int, int, bytes]]) -> bool:
    """Whether no router handled it: 255 hops are left."""
    return any(
        len(value) == 4 and struct.unpack("=i", value)[0] == _ONE_HOP for _, _, value in about
    )


def _open(bind: str, port: int) -> socket.socket:
    six = ":" in bind
    sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(0)
    if six:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, _ONE_HOP)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, _ONE_HOP)
        sock.setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)
    sock.bind((bind, port))
    return sock


def serve(inward: int, out: int) -> None:
    """Until the agent says `leave`, or is gone."""
    os.set_blocking(out, False)  # has no keyword
    selector = selectors.DefaultSelector()
    setup = control.read(_first(inward))
    if not isinstance(setup, control.Setup):
        raise control.ControlError("no setup")
    announcer = Announcer(setup, selector, out, time.monotonic())
    agent = _Agent(announcer, inward, selector)
    selector.register(inward, selectors.EVENT_READ, agent.hear)
    try:
        while not announcer.over(now := time.monotonic()):
            ready = selector.select(max(0.0, announcer.wake_at(now) - now))
            announcer.before(time.monotonic())
            for key, _ in ready:
                key.data(time.monotonic())
            announcer.after(time.monotonic())
    finally:
        announcer.close()
        selector.close()


class _Agent:
    """The agent's end of the pipe."""

    def __init__(self, announcer: Announcer, inward: int, selector: selectors.BaseSelector) -> None:
        self._announcer, self._inward, self._selector = announcer, inward, selector
        self._rest = b""

    def hear(self, now: float) -> None:
        """Obey all whole lines."""
        data = os.read(self._inward, _CHUNK)
        if not data:
            self._selector.unregister(self._inward)
            self._announcer.leave(now)
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for one in lines:
            self._announcer.obey(control.read(one), now)


def _first(inward: int) -> bytes:
    """The first line, byte by byte, so that nothing after it is swallowed."""
    found = b""
    while not found.endswith(b"\n"):
        byte = os.read(inward, 1)
        if not byte:
            break
        found += byte
    return found


if __name__ == "__main__":
    serve(sys.stdin.fileno(), sys.stdout.fileno())
