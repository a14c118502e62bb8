"""Who of the cluster is there: what was heard and the time go in, a view of the others comes out.

Two sources. Slow and true: the nodes that hold a Lease, as the agent reads them, frozen while the
API server does not answer. Fast: beats. A member whose beats stop is suspected after three missed
ones, and down when a second one says so too (with two nodes in all: at once). Down is told to all.
It lasts until the member is heard again, or its Lease is gone. One that was never heard is not
ready for a while (`Awaited`): a Lease comes before the process that answers.

A node that starts, was paused or had no carrier listens first, and then settles for ten seconds, in
which it owns only what none that is ready can. A node that hears nobody keeps what it has and takes
nothing. Both ends of a healed partition are ready: the better one in the order owns, at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from ferrule.announce.heartbeat import MOST_NAMES, Beat, Down, State
from ferrule.announce.peers import NEVER, Awaited, News, Peer, Timing, View
from ferrule.announce.rounds import Rounds
from ferrule.announce.wire import Mac

_GLANCE_S = 0.05  # between looks at what is not exact
_ANSWER_S = 0.02  # between answers to a run of a node that is not known


class Members:
    """One node's knowledge of all. `rejoined` are those back since it was last looked at.

    `numbers` are random, none twice, of 64 bits: the epoch, then challenges. Where nodes are not
    `beating`, Leases alone count, and who may take is who writes its own.
    """

    def __init__(
        self, me: str, numbers: Iterator[int], timing: Timing, now: float, *, beating: bool = True
    ) -> None:
        self.me, self.timing, self.beating = me, timing, beating
        self.epoch, self._numbers = next(numbers), numbers
        self.state = State.UNABLE
        self.able = False
        self.fresh = False
        self.leased = frozenset({me})
        self._counted_at: float | None = None  # when the agent first said who is there
        self.peers: dict[str, Peer] = {}
        self._awaited = Awaited(timing.hold_down_s if beating else 0.0)
        self.news: list[News] = []
        self.rejoined: set[str] = set()
        self.refused = self.strange = 0  # replays, and beats of runs that are not proved
        self._sequence = 0
        self._since = now  # when listening began
        self._last_tick = now
        self._rounds = Rounds(me, timing, now)
        self._accused_at = NEVER
        self._takes = False
        self._touched, self._look_at = True, now

    # What comes in.

    def roster(
        self, names: Iterable[str], now: float, *, fresh: bool, idle: Collection[str] = ()
    ) -> None:
        """The holders of Leases, and whether our own is fresh; if not, nobody is gone.

        Those that are `idle` have not begun to announce.
        """
        if self._counted_at is None:
            self._counted_at = now
            if self.state is State.STARTING:
                self._since = now  # whom to listen for is known only now
        self.fresh, self._touched = fresh, True
        known = frozenset(names) | {self.me}
        if not fresh:
            known |= self.leased
        new = known - self.leased
        if known != self.leased:
            self._count(known, new, now)
        each = ((name, self.peers.get(name)) for name in known - {self.me})
        unheard = [name for name, peer in each if peer is None or peer.heard_at == NEVER]
        self._awaited.members(unheard, new, idle, now)

    def _count(self, known: frozenset[str], new: frozenset[str], now: float) -> None:
        """Others are members than before; of one that went and came back nothing is known."""
        for name, peer in list(self.peers.items()):
            past = name in new and peer.heard_at > NEVER
            if (past or name not in known) and not self._heard(peer, now):
                del self.peers[name]
        self.leased = known
        self._rounds.members(known, now)

    def equip(self, now: float, *, able: bool) -> None:
        """Whether there is an interface with carrier to announce on."""
        if able == self.able:
            return
        self.able = able
        if not able and self._participates():
            self._become(State.UNABLE, now)
        elif able and self.state is State.UNABLE:  # not one that is leaving
            self._restart(now)

    def leave(self, now: float) -> None:
        """Say good-bye; what is owned is answered for until another has it."""
        self._become(State.LEAVING, now)

    def hear(self, beat: Beat, now: float) -> bool:
        """Take in an authentic beat; False for one that is not for us, or a replay."""
        if beat.receiver != self.me or beat.sender == self.me:
            self.refused += 1
            return False
        peer = self.peers.get(beat.sender)
        if peer is None:
            peer = self.peers[beat.sender] = Peer(next(self._numbers))
        if not self._known_run(peer, beat, now):
            return False
        if beat.sequence <= peer.sequence:
            self.refused += 1
            return False
        peer.sequence, peer.echo, self._touched = beat.sequence, beat.challenge, True
        self._believe(peer, beat, now)
        return True

    def _known_run(self, peer: Peer, beat: Beat, now: float) -> bool:
        """Whether it is of the run we know, or proves to be of the present one."""
        if beat.epoch == peer.epoch:
            return True
        if beat.echo == peer.challenge:
            peer.epoch, peer.sequence, peer.challenge = beat.epoch, -1, next(self._numbers)
            self._rounds.answer(beat.sender)  # it may be waiting for our echo
            return True
        self.strange += 1
        peer.echo = beat.challenge
        if now - peer.answered_at >= _ANSWER_S:
            peer.answered_at = now
            self._rounds.answer(beat.sender)
        return False

    def _believe(self, peer: Peer, beat: Beat, now: float) -> None:
        if self._missed(beat.sender, peer, now):
            self._back(peer, beat)
        self._awaited.heard(beat.sender)
        peer.heard_at, peer.expected = now, not beat.passing
        peer.down = peer.suspected = False
        peer.state, peer.owned, peer.macs = beat.state, beat.owned, beat.macs
        peer.fresh = beat.fresh
        if beat.state is State.STARTING:
            peer.began_at = now  # together with us, where we listen too: it is before nobody
        peer.suspects = frozenset(beat.suspects)
        until, me = now + 3 * self.timing.recall_s, Down(self.epoch, self.me)
        peer.told_down = {down: until for down in beat.downs if down != me}
        if me in beat.downs:
            self._accused(beat.sender, now)

    def _missed(self, name: str, peer: Peer, now: float) -> bool:
        """Whether it was gone to us; that we heard nothing of who is far says nothing."""
        if peer.down or peer.heard_at == NEVER:
            return True
        if peer.expected and name in self._rounds.watched:
            return not self._heard(peer, now)
        return self._told_down(name, peer, now)

    def _back(self, peer: Peer, beat: Beat) -> None:
        """Who is ready and was not heard may have told clients that our addresses are its.

        Whoever said that it is down may be far from it, and hears of it later than we.
        """
        for other in self.peers.values():
            other.told_down.pop(Down(peer.epoch, beat.sender), None)
        if beat.state is State.READY:
            self.rejoined.add(beat.sender)
        if peer.heard_at > NEVER:
            self.news.append(News("back", beat.sender))

    def _accused(self, by: str, now: float) -> None:
        """We are said to be down, and others own what was ours: tell everybody better."""
        if now - self._accused_at >= self.timing.recall_s:
            self._accused_at = now
            self.rejoined.add(by)
            self.news.append(News("accused", by))
            self._rounds.tell_all(now)

    # Time.

    def tick(self, now: float) -> bool:
        """Draw the conclusions of what was not heard; whether there were any.

        To be called before frames are answered.
        """
        gap, self._last_tick = now - self._last_tick, now
        state, said, taking = self.state, len(self.news), self._takes
        over = self._awaited.tick(now)
        if gap > self._longest_gap_s() and self.leased != {self.me} and self._participates():
            self.news.append(News("paused", self.me))
            self._restart(now)
        if self._touched or over or now >= self._look_at:
            self._touched = False
            for name in self._rounds.watched:
                self._judge(name, now)
            self._advance(now)
            self._takes = self._may_take(now)
            self._look_at = min([now + _GLANCE_S, *self._silences()])
        return over or (state, said, taking) != (self.state, len(self.news), self._takes)

    def _longest_gap_s(self) -> float:
        """Whoever runs no turn for longer may have been followed meanwhile."""
        return self.timing.silence_s if self.beating else self.timing.lease_s

    def _judge(self, name: str, now: float) -> None:
        """Suspect who is silent; believe it is down when another does too."""
        peer = self.peers.get(name)
        if peer is None or not peer.expected or self._heard(peer, now):
            return
        if not peer.suspected:
            peer.suspected = True
            self.news.append(News("suspected", name))
            self._rounds.urge(now)
        if not peer.down and self._confirmed(name, peer, now):
            peer.down = True
            self.news.append(News("down", name))
            self._rounds.tell_all(now)

    def _confirmed(self, name: str, peer: Peer, now: float) -> bool:
        if len(self.leased) == 2:
            return True
        return any(
            name in other.suspects or other.told_down.get(Down(peer.epoch, name), NEVER) > now
            for other in self.peers.values()
            if other is not peer and self._heard(other, now)
        )

    def _advance(self, now: float) -> None:
        """From listening to settling to ready."""
        if self.state is State.STARTING and self.able and self._counted_at is not None:
            waited = now - self._since
            heard = any(self._heard(peer, now) for peer in self.peers.values())
            silent = not self.beating and now - self._counted_at >= self.timing.silence_s
            if self.leased == {self.me} or silent or waited >= self.timing.hold_down_s:
                self._become(State.READY, now)
            elif heard and waited >= self.timing.silence_s:
                incumbents = any(
                    peer.state is State.READY
                    and peer.began_at < self._since
                    and self._heard(peer, now)
                    for peer in self.peers.values()
                )
                self._become(State.SETTLING if incumbents else State.READY, now)
        elif self.state is State.SETTLING and now >= self._since + self.timing.hold_down_s:
            self._become(State.READY, now)

    # What comes out.

    def view(self, now: float) -> View:
        """Who may own, as of the last tick."""
        ready, rest = set(), set()
        for name in self.leased:
            state = self.state if name == self.me else self._state_of(name, now)
            if state is State.READY:
                ready.add(name)
            elif state in (State.STARTING, State.SETTLING):
                rest.add(name)
        return View(frozenset(ready), frozenset(rest), self._may_take(now))

    def member_with(self, mac: Mac) -> str | None:
        """Which member's hardware address it is."""
        return next((name for name, peer in self.peers.items() if mac in peer.macs), None)

    def owned(self, now: float) -> dict[str, bytes]:
        """What those that are ready say they own."""
        return {
            name: peer.owned
            for name, peer in self.peers.items()
            if peer.state is State.READY and name in self.leased and self._heard(peer, now)
        }

    def knows_better(self, name: str) -> bool:
        """Whether a member reads the API while we do not."""
        return not self.fresh and self.peers[name].fresh

    def heard(self, now: float) -> frozenset[str]:
        """Who is heard, and hears us."""
        return frozenset(name for name, peer in self.peers.items() if self._heard(peer, now))

    def next_at(self, now: float) -> float:
        """When `tick` or `beats` has something to do."""
        if not self.beating:
            return self._look_at
        return min(self._rounds.next_at(now), self._look_at)

    def _silences(self) -> Iterator[float]:
        """When those that we hear would have to be suspected."""
        for name in self._rounds.watched:
            peer = self.peers.get(name)
            if peer is not None and peer.expected and not peer.suspected:
                yield peer.heard_at + self.timing.silence_s

    def beats(self, now: float, owned: bytes, macs: tuple[Mac, ...]) -> list[Beat]:
        """What to send now."""
        if not self.beating or now < self._rounds.next_at(now):
            return []
        downs = self._downs()
        receivers = self._rounds.receivers(now, recalling=bool(downs))
        suspects = tuple(
            name
            for name in sorted(self._rounds.watched)
            if name in self.peers and self.peers[name].suspected
        )
        return [
            self._beat(name, owned, macs, suspects[:MOST_NAMES], downs)
            for name in sorted(receivers)
        ]

    def _beat(
        self,
        receiver: str,
        owned: bytes,
        macs: tuple[Mac, ...],
        suspects: tuple[str, ...],
        downs: tuple[Down, ...],
    ) -> Beat:
        self._sequence += 1
        peer = self.peers.get(receiver)
        if peer is None:
            peer = self.peers[receiver] = Peer(next(self._numbers))
        return Beat(
            self.me, receiver, self.epoch, self._sequence, peer.challenge, peer.echo, self.state,
            self.fresh, owned, macs, suspects, downs, receiver not in self._rounds.watched,
        )  # fmt: skip

    def _downs(self) -> tuple[Down, ...]:
        """Whom we watch and found gone, while they still hold a Lease."""
        each = ((name, self.peers.get(name)) for name in sorted(self._rounds.watched))
        return tuple(Down(peer.epoch, name) for name, peer in each if peer and peer.down)[
            :MOST_NAMES
        ]

    # What is so.

    def _heard(self, peer: Peer, now: float) -> bool:
        return now - peer.heard_at <= self.timing.silence_s

    def _state_of(self, name: str, now: float) -> State | None:
        """What a member is; None while it is down."""
        peer = self.peers.get(name)
        if peer is not None and self._heard(peer, now):
            return peer.state
        if (peer is not None and peer.down) or self._told_down(name, peer, now):
            return None
        if name in self._awaited:
            return State.STARTING
        return State.READY if peer is None else peer.state

    def _told_down(self, name: str, peer: Peer | None, now: float) -> bool:
        """Whether its watchers say so, about the run of it that we know."""
        return any(
            down.name == name and until > now and (peer is None or peer.epoch in (0, down.epoch))
            for other in self.peers.values()
            for down, until in other.told_down.items()
        )

    def _may_take(self, now: float) -> bool:
        if not self.able or self.state not in (State.SETTLING, State.READY):
            return False
        if not self.beating:
            return self.fresh
        if len(self.leased) <= 2 or any(self._heard(one, now) for one in self.peers.values()):
            return True
        last = max((peer.heard_at for peer in self.peers.values()), default=NEVER)
        return now - max(last, self._since) >= self.timing.hold_down_s

    def _participates(self) -> bool:
        return self.state in (State.STARTING, State.SETTLING, State.READY)

    # Changes of our own.

    def _restart(self, now: float) -> None:
        self._since = now
        self._become(State.STARTING, now)

    def _become(self, state: State, now: float) -> None:
        self.state, self._touched = state, True
        self._rounds.tell_all(now)
