"""How one session does, as both its ends tell it, and why it is not as intended.

A session is not up because one end says so; and a prefix is not accepted because it was sent. Each
hop has its own count: intended, announced by the node's configuration, sent by its FRR, accepted by
the switch's. Where two of them differ, that is where it is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ferrule.compiler.backends.sonic.accepts import Accepts
from ferrule.compiler.bgpstate import SessionState
from ferrule.compiler.errors import listed
from ferrule.compiler.network import Family, Session

ABSENT = "absent"
SHUT = "shut"
OVER_LIMIT = "Maximum Number of Prefixes Reached"  # RFC 4486, as 8.4 and 10.3 spell it
MOST_NAMES = 3

Prefixes = Mapping[str, None]  # a set that keeps its order


@dataclass(frozen=True, slots=True)
class End:
    """One end of a session: what a device says of its `neighbor`.

    `state` is None where the device has no such neighbor, or could not be `read`. `known` is
    whether its configuration has the neighbor, or the range that it would dial in from. `full` is
    how many neighbors may dial in, where so many have.
    """

    device: str
    vrf: str
    neighbor: str
    read: bool
    state: SessionState | None = None
    known: bool = True
    dials: bool = False  # the neighbor dials in
    full: int | None = None

    @property
    def up(self) -> bool:
        """Whether it is Established, for all that the device says."""
        return self.state is not None and self.state.established

    @property
    def word(self) -> str | None:
        """FRR's word for its state, or ours where FRR has none; None where that is not known."""
        if not self.read:
            return None
        if self.state is None:
            return ABSENT
        return SHUT if self.state.shutdown else self.state.state

    def accepted(self, family: Family) -> int | None:
        """How many prefixes it takes, None where that is not known."""
        if not self.read:
            return None
        return self.state.accepted.get(family, 0) if self.state else 0

    def sent(self, family: Family) -> int | None:
        """How many prefixes it sends, None where that is not known."""
        if not self.read:
            return None
        return self.state.sent.get(family, 0) if self.state else 0


@dataclass(frozen=True, slots=True)
class Count:
    """The prefixes of one family, hop by hop; None is not known.

    `lacking` and `extra` are what the node does not announce and should, or should not and does;
    `refused` is announced, and the rows of the switch do not let it in.
    """

    family: Family
    intended: int
    announced: int | None
    sent: int | None
    accepted: int | None
    limit: int | None = None
    lacking: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Health:
    """A session and how it does; without a `far` end that one is foreign."""

    session: Session
    near: End
    far: End | None
    counts: tuple[Count, ...]
    reasons: tuple[str, ...]  # why it is not as intended

    @property
    def ok(self) -> bool:
        """Whether it is as intended, at both ends."""
        return not self.reasons

    @property
    def ends(self) -> tuple[End, ...]:
        """The ends that are devices of ours."""
        return (self.near,) if self.far is None else (self.near, self.far)

    @property
    def established(self) -> bool | None:
        """Whether every end that could be read says so; None where none could."""
        read = [end for end in self.ends if end.read]
        return all(end.up for end in read) if read else None


def count(
    family: Family,
    near: End,
    far: End | None,
    intended: Prefixes,
    announced: Prefixes | None,
    takes: Accepts | None,
) -> Count:
    """The hops of one family; `announced` is what the node's configuration lets out."""
    said = intended if announced is None else announced
    inbound = takes.families.get(family) if takes else None
    accepted = far.accepted(family) if far else None
    refused: tuple[str, ...] = ()
    if inbound and accepted != len(said):  # looked at only where it explains something
        refused = tuple(one for one in said if not inbound.admits(one))
    same = said == intended
    return Count(
        family,
        len(intended),
        None if announced is None else len(announced),
        near.sent(family),
        accepted,
        inbound.limit if inbound else None,
        () if same else tuple(one for one in intended if one not in said),
        () if same else tuple(one for one in said if one not in intended),
        refused,
    )


def health(session: Session, near: End, far: End | None, counts: tuple[Count, ...]) -> Health:
    """A session, judged."""
    ends = ((near, "the node"),) if far is None else ((near, "the node"), (far, "the switch"))
    reasons = [*_unread(ends), *_absent(ends), *_over_limit(ends, counts), *_down(ends)]
    up = all(end.up for end, _ in ends if end.read)
    if up and session.node_end.bfd is not None:
        reasons += _bfd(ends)
    for each in counts:
        reasons += _unannounced(each)
        reasons += _lost(each, near, far)
    return Health(session, near, far, counts, tuple(reasons))


Ends = tuple[tuple[End, str], ...]  # each with what to call its device


def _unread(ends: Ends) -> Iterator[str]:
    for end, who in ends:
        if not end.read:
            yield f"{who} could not be read"


def _absent(ends: Ends) -> Iterator[str]:
    for end, who in ends:
        if end.word == SHUT:
            yield f"shut down on {who}"
        elif end.word == ABSENT and end.dials:
            yield _not_dialled(end, who)
        elif end.word == ABSENT:
            though = ", though its configuration has it" if end.known else ""
            yield f"{who} has no neighbor {end.neighbor}{though}"


def _not_dialled(end: End, who: str) -> str:
    if not end.known:
        return f"{who} has no listen range for {end.neighbor}"
    full = f": {who} takes no more than {end.full} dynamic neighbors" if end.full else ""
    return f"{end.neighbor} has not dialled in{full}"


def _over_limit(ends: Ends, counts: tuple[Count, ...]) -> Iterator[str]:
    """The limit is always the other end's: a node has none."""
    if any(end.state and not end.up and OVER_LIMIT in end.state.notification for end, _ in ends):
        limits = [f"{one.limit} for {one.family}" for one in counts if one.limit is not None]
        which = f": maximum-prefix {listed(limits)} on the switch" if limits else ""
        yield f"limit reached{which}"


def _down(ends: Ends) -> Iterator[str]:
    """One line for both ends; nothing where a better reason is known already."""
    if any(end.word in (ABSENT, SHUT) for end, _ in ends):
        return
    said = [(end.state, who) for end, who in ends if end.state]
    down = [state for state, _ in said if not state.established]
    if not down:
        return
    words = [f"{state.state} on {who}" for state, who in said]
    if len(down) < len(said):
        what = f"one-sided: {' and '.join(words)}"
    elif len({state.state for state in down}) == 1:
        what = f"not Established: {down[0].state}"
    else:
        what = f"not Established: {', '.join(words)}"
    yield what + _last_reset(down)


def _last_reset(down: list[SessionState]) -> str:
    """What ended it: a notification says more than that there was one."""
    told = [one.notification for one in down] + [one.last_reset for one in down]
    reason = next((one for one in told if one), "")
    return f"; last reset: {reason}" if reason else ""


def _bfd(ends: Ends) -> Iterator[str]:
    for end, who in ends:
        if end.state is None:
            continue
        if end.state.bfd is None:
            yield f"no BFD on {who}"
        elif end.state.bfd != "up":
            yield f"BFD {end.state.bfd} on {who}"


def _unannounced(one: Count) -> Iterator[str]:
    if one.lacking:
        there = one.intended - len(one.lacking)
        names = listed(one.lacking, MOST_NAMES)
        yield f"announces {there} of {one.intended} {one.family} prefixes, not {names}"
    if one.extra:
        what = "prefix that is" if len(one.extra) == 1 else "prefixes that are"
        names = listed(one.extra, MOST_NAMES)
        yield f"announces {len(one.extra)} {one.family} {what} not intended: {names}"


def _lost(one: Count, near: End, far: End | None) -> Iterator[str]:
    """Between the node's configuration and the switch's table, while the session is up.

    Devices are not read in one moment: what the switch has already, the node has sent since.
    """
    offered = one.intended if one.announced is None else one.announced
    taken = one.accepted if far is not None and far.up else None
    sent = one.sent if near.up else None
    if taken == offered:
        return
    if sent is not None and sent != offered:
        yield f"sent {sent} of {offered} {one.family} prefixes"
        offered = sent
    if taken is not None and taken != offered:
        why = f": its rows refuse {listed(one.refused, MOST_NAMES)}" if one.refused else ""
        yield f"accepted {taken} of {offered} {one.family} prefixes{why}"
