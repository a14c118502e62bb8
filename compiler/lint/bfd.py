"""BFD on both sides: whether it is there, whether it can meet, and what it settles at.

FRR 10 holds a session down until its BFD is up; FRR 8 brings it up without (measured). What a node
runs is not known here, so a node's BFD alone is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ferrule.compiler.errors import Diagnostic, error, warning
from ferrule.compiler.lint.device import Setting, Settings
from ferrule.compiler.lint.meeting import Meeting
from ferrule.compiler.lint.ours import Bfd

LENIENT = 8  # the newest major release that was seen to bring a session up without its BFD
WORDS = ("detect-multiplier", "receive-interval", "transmit-interval")


def bfd(meeting: Meeting) -> Iterator[Diagnostic]:
    """All about BFD."""
    ours, theirs = meeting.end.bfd, meeting.bfd
    if bool(ours) != bool(theirs):
        yield _one_sided(meeting, theirs)
    if ours is None or theirs is None:
        return
    place = meeting.end.place("bfdProfile")
    values = _values(meeting)
    if ours.passive and values.passive:
        message = "BFD is passive on both sides: neither begins, and FRR 10 waits for it"
        yield error("far-bfd-passive", message, meeting.at(theirs), place)
    if meeting.range:
        message = (
            "BFD with a neighbor out of a listen range: with FRR 10 at our end each of the two"
            " waits for the other"
        )
        help = "make it a neighbor of its own, or drop BFD"
        yield error("far-bfd-dynamic", message, meeting.at(theirs), place, help=help)
    if _settled(ours, values) != _settled(ours, meeting.end.expected_bfd):
        sends, gives_up, hears, waits = _settled(ours, values)
        message = (
            f"BFD settles at: our end sends every {sends} ms and is given up after {gives_up} ms,"
            f" the far end every {hears} ms and after {waits} ms"
        )
        yield warning("far-bfd-settles", message, meeting.at(theirs), place)


def _one_sided(meeting: Meeting, theirs: Setting | None) -> Diagnostic:
    end = meeting.end
    release = meeting.device.release
    lenient = theirs is not None and release and release[0] <= LENIENT
    where = "there, and not at our end" if theirs else "at our end, and not there"
    message = f"BFD is on {where}: FRR 10 waits for it before it brings the session up"
    if lenient:
        message = f"BFD is on {where}: it watches nothing"
    help = None
    if meeting.device.form == "default":
        help = "the default mode (bgpcfgd) cannot express BFD: unified mode can"
    place = end.place() if theirs else end.place("bfdProfile")
    make = warning if lenient else error
    return make("far-bfd", message, meeting.at(theirs), place, help=help)


def _settled(ours: Bfd, theirs: Bfd) -> tuple[int, int, int, int]:
    """How often either end sends, and after what silence the other gives it up (RFC 5880 §6.8)."""
    sends = max(ours.transmit_ms, theirs.receive_ms)
    hears = max(theirs.transmit_ms, ours.receive_ms)
    return sends, sends * ours.times, hears, hears * theirs.times


def _values(meeting: Meeting) -> Bfd:
    """The far end's BFD: on the neighbor's line, in a profile, of the peer in `bfd`, or FRR's."""
    device = meeting.device
    line = (meeting.get("bfd") or Setting("", meeting.neighbor.spot)).value or ""
    numbers = [int(one) for one in line.split() if one.isdecimal() and len(one) < 8]
    if len(numbers) == 3:
        times, receive, transmit = numbers
        return Bfd(transmit, receive, times)
    peer = device.bfd_peers.get(str(meeting.address), {})
    named = meeting.get("bfd profile") or peer.get("profile")
    profile = device.bfd_profiles.get(named.value or "", {}) if named else {}
    return _said({**profile, **peer})


def _said(settings: Settings | Mapping[str, Setting]) -> Bfd:
    usual = Bfd()
    times, receive, transmit = (
        number if (found := settings.get(name)) and (number := found.number) else default
        for name, default in zip(
            WORDS, (usual.times, usual.receive_ms, usual.transmit_ms), strict=True
        )
    )
    return Bfd(transmit, receive, times, "passive-mode" in settings)
