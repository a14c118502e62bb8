"""One node at work: members, holdings and the responder, put together.

A turn of the loop first concludes what time says (`before`: it may have been paused, and frames
that waited meanwhile are stale), then lets the sockets speak, then draws conclusions (`after`).
Frames alone change nothing that is decided, so a flood of them costs no decisions.
"""

from __future__ import annotations

import random
import secrets
import selectors
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from ferrule.announce import control, offers, preconditions, report
from ferrule.announce.bursts import Bursts
from ferrule.announce.datagrams import Datagrams
from ferrule.announce.doubts import Doubts
from ferrule.announce.election import LINGER_S, Holdings
from ferrule.announce.heartbeat import BeatError, State, decode, encode
from ferrule.announce.limits import Limits, Rates
from ferrule.announce.links import UNFIT_NAMES, Choice, Link
from ferrule.announce.members import Members
from ferrule.announce.netlink import Monitor
from ferrule.announce.outbox import Outbox
from ferrule.announce.peers import News, Timing
from ferrule.announce.responder import Responder
from ferrule.announce.wire import Claim, Mac

MOST_ELECTED = 256  # in a turn: 2 ms
STATUS_S = 5.0
SOON_S = 0.2  # between statuses at changes, and more where there is much to say
_ADDRESSES_A_SECOND = 20_000


class Announcer:
    """One node, from its `setup` on."""

    def __init__(
        self, setup: control.Setup, selector: selectors.BaseSelector, out: int, now: float
    ) -> None:
        self._setup, self._selector = setup, selector
        beats = bool(setup.keys)
        self._members = Members(setup.node, _numbers(), Timing(), now, beating=beats)
        self._holdings = Holdings(setup.node)
        self._bursts = Bursts(lambda: random.uniform(-1, 1))  # noqa: S311  # spreads load
        excluded = UNFIT_NAMES if setup.excluded is None else setup.excluded
        self._choice = Choice(setup.interfaces, excluded)
        self._responder = Responder(
            selector,
            Monitor(),
            self._choice,
            Limits(Rates(), now),
            self._bursts,
            self._claimed,
        )
        self._wire = Datagrams(setup.bind, setup.port) if beats else None
        if self._wire is not None:
            selector.register(self._wire.sock, selectors.EVENT_READ, self._hear)
        self._outbox = Outbox(out, selector)
        self._where: dict[str, str] = {}
        self._named: tuple[Link, ...] = ()
        self._claims: list[Claim] = []
        self._stale, self._doubts, self._subnets = True, Doubts(), preconditions.Subnets()
        self._refused: Counter[str] = Counter()
        self._leave_by: float | None = None
        self._status_at, self._told_at = now, now - STATUS_S
        self._state: State | None = None
        self._takeovers, self._bad_lines = 0, 0

    # From the agent.

    def obey(self, message: control.Message, now: float) -> None:
        """Take in what the agent says."""
        self._stale = True
        match message:
            case control.Roster(members, fresh, idle):
                self._where.update(members)
                if fresh and not self._members.fresh:
                    self._holdings.reconsider()
                self._members.roster(members, now, fresh=fresh, idle=idle)
            case control.Own(entries, gone):
                self._holdings.learn(entries, gone)
            case control.Leave():
                self.leave(now)
            case control.Setup():
                self.bad_line()

    def bad_line(self) -> None:
        """The agent said something that nobody understands."""
        self._bad_lines += 1
        self._outbox.event(control.line("event", what="badLine"))

    def leave(self, now: float) -> None:
        """Hand over; `over` says when that is done."""
        if self._leave_by is None:
            self._leave_by = now + LINGER_S
            self._members.leave(now)
            self._stale = True

    def over(self, now: float) -> bool:
        """Whether everything was handed over, or nobody came for it."""
        if self._leave_by is None:
            return False
        waited = now - (self._leave_by - LINGER_S) >= 3 * self._members.timing.interval_s
        return now >= self._leave_by or (waited and not self._holdings.lingering)

    # The loop's turn.

    def wake_at(self, now: float) -> float:
        """When there is something to do without being asked."""
        if self._holdings.pending:
            return now
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
        self._conclude(now)
        if self._members.state is State.STARTING and state is not State.STARTING:
            self._responder.drain()

    def after(self, now: float) -> None:
        """Conclusions from what was heard, and what is due to be sent."""
        claims, self._claims = self._claims, []
        again = [one.address for one in claims if self._contested(one, now)]
        self._responder.again(now, again)
        self._conclude(now)
        self._beat(now)
        self._responder.tick(now)
        self._report(now)

    def close(self) -> None:
        """Silent."""
        self._outbox.close()
        self._responder.close()
        if self._wire is not None:
            self._selector.unregister(self._wire.sock)
            self._wire.close()

    def _conclude(self, now: float) -> None:
        """Only where something can have changed."""
        if self._responder.looked():
            self._stale = True
            self._soon(now)
        self._stale |= self._members.tick(now)
        due = self._holdings.next_at()
        if self._stale or (due is not None and due <= now) or self._holdings.pending:
            self._decide(now)

    def _decide(self, now: float) -> None:
        self._stale = False
        self._holdings.equip(self._responder.offer)
        self._named = self._choice.usable(self._responder.links, self._names())
        self._members.equip(now, able=self._is_able())
        returned, self._members.rejoined = self._members.rejoined, set()
        moved = self._holdings.decide(self._members.view(now), now, returned, MOST_ELECTED)
        self._holdings.expire(now)
        self._apply(now)
        if returned:
            self._responder.again(now)
        me = self._setup.node
        self._takeovers += sum(one not in (None, me) for one in moved.taken.values())
        self._say(report.of_moves(me, moved), now)

    def _is_able(self) -> bool:
        """Whether the others may count on us for all that they think us a candidate of."""
        if self._responder.usable():
            return True
        return offers.is_only_named(self._responder.offer, self._holdings.asked_of_us())

    def _names(self) -> set[str]:
        """All interfaces that addresses name."""
        return {one for names, _ in self._holdings.asked() for one in names}

    def _apply(self, now: float) -> None:
        """Answer as was decided, a part in each turn."""
        changes = self._holdings.changes()
        lingering = self._holdings.lingering
        quiet = {one for one in changes if lingering and ip_address(one) in lingering}
        self._responder.change(changes, now, quiet)
        self._subnets.change(changes, self._responder.ports)
        for one, names in changes.items():
            if names is None and ip_address(one) not in self._holdings.entries:
                self._responder.forget(one)

    def _claimed(self, claim: Claim, _now: float) -> bool:
        """Whether it is no conflict: a member's, or about what was passed on."""
        passed = ip_address(claim.address) not in self._holdings.mine
        if not passed and self._members.member_with(claim.mac) is None:
            return False
        self._claims.append(claim)
        return True

    def _contested(self, claim: Claim, now: float) -> bool:
        """Whether to announce it once more."""
        self._stale = True
        address, name = ip_address(claim.address), self._members.member_with(claim.mac)
        if name is not None and self._members.knows_better(name):
            self._holdings.yield_to(name, address)
            return False
        return self._holdings.claimed(address, now)

    # Beats.

    def _hear(self, now: float) -> None:
        assert self._wire is not None
        for data in self._wire.heard():
            try:
                self._stale |= self._members.hear(decode(data, self._setup.keys), now)
            except BeatError as error:
                self._refused[str(error)] += 1

    def _beat(self, now: float) -> None:
        if self._wire is None:
            return
        macs = tuple(self._macs())
        owned = self._holdings.digest.to_bytes(8)
        beats = self._members.beats(now, owned, macs)
        if beats:
            self._doubt(now)
        for beat in beats:
            if where := self._where.get(beat.receiver):
                self._wire.send(encode(beat, self._setup.keys[0]), where)

    def _macs(self) -> set[Mac]:
        """By which others know us, when we announce."""
        ports = (port.link for port in self._responder.ports.values())
        return {link.mac for link in (*ports, *self._responder.usable(), *self._named)}

    def _doubt(self, now: float) -> None:
        """Somebody owns what we do, or nobody does: say once more what is ours."""
        said = self._members.owned(now)
        agrees = {
            name: owned == self._holdings.digest_of(name).to_bytes(8)
            for name, owned in said.items()
        }
        new = self._doubts.look(agrees, now)
        self._say(report.of_news(News("disagrees", name) for name in sorted(new)), now)
        if new:
            self._responder.again(now)

    # To the agent.

    def _say(self, lines: Iterable[bytes], now: float) -> None:
        """Events, and soon a status that agrees with them."""
        for line in lines:
            self._outbox.event(line)
            self._soon(now)

    def _soon(self, now: float) -> None:
        """A status before its time, where the last one is not just out."""
        wait_s = SOON_S + len(self._holdings.mine) / _ADDRESSES_A_SECOND
        self._status_at = min(self._status_at, max(now, self._told_at + wait_s))

    def _report(self, now: float) -> None:
        news, self._members.news = self._members.news, []
        self._say(report.of_news(news), now)
        told, self._responder.told = self._responder.told, []
        self._say(report.of_conflicts(told), now)
        if self._members.state is not self._state:
            self._state, self._status_at = self._members.state, now
        if now >= self._status_at:
            self._told_at, self._status_at = now, now + STATUS_S
            self._outbox.status(self._status)
            self._outbox.flush()

    def _status(self) -> Iterator[bytes]:
        responder, now = self._responder, time.monotonic()
        mine = list(self._holdings.mine)
        known = list({*(one.packed for one in mine), *responder.past})
        members = self._members
        refused = self._refused | {"replay": members.refused, "unproved": members.strange}
        head = {
            "state": self._members.state.name.lower(),
            "heard": sorted(self._members.heard(now)),
            "interfaces": [link.name for link in responder.usable()],
            "named": self._offered(),
            "beats": self._wire is not None,
            "drops": {one.value: number for one, number in responder.drops.items()},
            "beatsRefused": refused | {"hops": self._wire.far if self._wire else 0},
            "badLines": self._bad_lines,
            "missed": self._outbox.missed,
            "conflicts": responder.conflicts.count,
            "takeovers": self._takeovers,
            "findings": self._findings(),
        }
        maps = {
            "owned": ((str(one), responder.places(one.packed)) for one in mine),
            "addresses": ((str(ip_address(one)), responder.tally(one).numbers) for one in known),
        }
        return report.status(head, maps)

    def _offered(self) -> list[str]:
        """For the other nodes."""
        asked, of_us = self._holdings.asked(), self._holdings.asked_of_us()
        named = self._choice.nameable(self._responder.links, self._names())
        return named + offers.lacking(self._responder.offer, asked, of_us)

    def _findings(self) -> list[dict[str, str]]:
        links = self._responder.links.by_index.values()
        self._subnets.look(self._responder.ports)
        found = preconditions.found(
            self._holdings,
            links,
            self._choice,
            self._subnets.outside,
            preconditions.read_sysctl,
            settled=self._members.state is State.READY,
        )
        lasting = sorted(self._doubts.lasting)
        return [one.fields() for one in (*found, *map(preconditions.disagreement, lasting))]


def _numbers() -> Iterator[int]:
    while True:
        yield secrets.randbits(64) or 1
