"""Does a foreign configuration agree with our end: `ferrule lint FILE PATH...`.

    text -> statements, each with its place         said, rows + unified | bgpcfgd
         -> the device they make                    reader, listreader -> device
         -> which far end it is                     ours, identify
         -> pairs of our end and its neighbor       meeting
         -> findings: the session, families,        sessions, bfd, families,
            routes either way, width                incoming, outgoing, width

An error says that a session will not come up or that routes will not arrive; a warning, that they
do so otherwise than meant. What is not known of a text is passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ferrule.compiler.errors import (
    Diagnostic,
    Place,
    error,
    has_errors,
    listed,
    ordered,
    printable,
    warning,
)
from ferrule.compiler.lint.bfd import bfd
from ferrule.compiler.lint.bgpcfgd import read_default
from ferrule.compiler.lint.device import Device
from ferrule.compiler.lint.doors import Doors
from ferrule.compiler.lint.families import Finding, closed
from ferrule.compiler.lint.identify import identify
from ferrule.compiler.lint.incoming import Telling, incoming
from ferrule.compiler.lint.meeting import Meeting, meet
from ferrule.compiler.lint.ours import Candidate, candidates
from ferrule.compiler.lint.outgoing import outgoing
from ferrule.compiler.lint.reader import read_device
from ferrule.compiler.lint.rows import read_tables
from ferrule.compiler.lint.said import Foreign, read_frr
from ferrule.compiler.lint.sessions import CHECKS, missing
from ferrule.compiler.lint.unified import read_unified
from ferrule.compiler.lint.width import width
from ferrule.compiler.pipeline import Compilation
from ferrule.compiler.source import UnreadableError, decode

__all__ = ["Report", "lint"]

SHOWN = 3
MOST_PLACES = 4
LONGEST = 500
READ = {
    "frr.conf": "frr.conf",
    "unified": "CONFIG_DB (unified)",
    "default": "CONFIG_DB (default mode)",
}


@dataclass(frozen=True, slots=True)
class Report:
    """What was found; `far` are the far ends that the file is about."""

    diagnostics: tuple[Diagnostic, ...]
    read_as: str = ""
    far: tuple[str, ...] = ()
    sessions: int = 0

    @property
    def ok(self) -> bool:
        """Whether every session will come up, and every route arrive."""
        return not has_errors(self.diagnostics)

    @property
    def summary(self) -> str:
        """The last line of the command."""
        errors = sum(1 for one in self.diagnostics if one.severity == "error")
        counts = (
            (self.sessions, "session compared", "sessions compared"),
            (errors, "error", "errors"),
            (len(self.diagnostics) - errors, "warning", "warnings"),
        )
        one_or_more = [f"{number} {one if number == 1 else more}" for number, one, more in counts]
        read = [f"{self.read_as} of {listed(self.far, SHOWN)}"] if self.far else []
        return " · ".join([*read, *one_or_more])

    def to_json(self) -> dict[str, object]:
        """Form of `lint --output json`."""
        return {
            "farEnds": list(self.far),
            "readAs": self.read_as or None,
            "sessions": self.sessions,
            "diagnostics": [one.to_json() for one in self.diagnostics],
        }


def lint(
    compilation: Compilation, file_name: str, text: str | bytes, *, as_: str | None = None
) -> Report:
    """Compare a foreign frr.conf or CONFIG_DB with our ends; `as_` says which far end it is."""
    try:
        foreign = _read(text, file_name)
    except UnreadableError as bad:
        return Report((bad.diagnostic,))
    device, read_as = read_device(foreign), READ[foreign.form]
    if not device.instances:
        return Report((_no_bgp(device),), read_as)
    doors = Doors(device)
    chosen, unclear = identify(doors, candidates(compilation), as_)
    if unclear:
        return Report(tuple(unclear), read_as)
    found = _merged(_findings(doors, chosen, compilation))
    far = tuple(f"{one.kind} {one.name}" for one in chosen)
    return Report(ordered(found), read_as, far, sum(len(one.ends) for one in chosen))


def _read(text: str | bytes, file: str) -> Foreign:
    """The statements of a text; JSON is a CONFIG_DB."""
    decoded = decode(text, file)
    if decoded.lstrip()[:1] != "{":
        return read_frr(decoded, file)
    tables = read_tables(decoded, file)
    return read_unified(tables) if tables.form == "unified" else read_default(tables)


def _no_bgp(device: Device) -> Diagnostic:
    wanted = {
        "frr.conf": "a `router bgp` with its AS",
        "unified": "a BGP_GLOBALS row with its local_asn",
        "default": "bgp_asn in DEVICE_METADATA|localhost, or BGP_GLOBALS rows (unified mode)",
    }
    message = f"no BGP is configured in it: there must be {wanted[device.form]}"
    return error("far-no-bgp", message, device.start.place())


def _findings(
    doors: Doors, chosen: Iterable[Candidate], compilation: Compilation
) -> Iterator[Finding]:
    device = doors.device
    meetings: list[Meeting] = []
    for end in (end for one in chosen for end in one.ends):
        meeting = meet(doors, end)
        if meeting is None:
            yield missing(device, end), (f"{end.who} at {listed(end.addresses)}",)
            continue
        meetings.append(meeting)
        for check in (*CHECKS, bfd):
            yield from ((one, (end.who,)) for one in check(meeting))
    telling = Telling()
    yield from closed(meetings)
    yield from incoming(meetings, compilation.network.sets.values(), telling)
    yield from outgoing(meetings)
    yield from width(meetings, telling)
    yield from _notes(device, meetings)


def _notes(device: Device, meetings: Iterable[Meeting]) -> Iterator[Finding]:
    """What the rows of our neighbors, of their groups and of their maps say in vain."""
    concerned = {name: one for one in meetings for name in _names(one)}
    for note in device.notes:
        if meeting := concerned.get(note.owner):
            places = note.spot.place(), meeting.end.place()
            yield warning("far-field", note.message, *places), ()


def _names(meeting: Meeting) -> Iterator[str]:
    """Everything by its name that has a say in a session."""
    yield from meeting.neighbor.names
    for family in meeting.end.families:
        for kind in ("route-map", "prefix-list"):
            if found := meeting.get(f"{kind} in", family):
                name = found.value or ""
                yield name
                for entry in meeting.device.route_maps.get(name, ()):
                    yield from (said.text.split(" ")[-1] for said in entry.matches)


def _merged(findings: Iterable[Finding]) -> Iterator[Diagnostic]:
    """What is the same for several of our ends is said once, with their names and places."""
    told: dict[Diagnostic, tuple[dict[Place, None], dict[str, None]]] = {}
    for one, who in findings:
        first, *others = one.places
        places, names = told.setdefault(replace(one, places=(first,)), ({}, {}))
        places.update(dict.fromkeys(others))
        names.update(dict.fromkeys(who))
    for one, (places, names) in told.items():
        about = f" ({listed(names, SHOWN)})" if names else ""
        message = printable(one.message[:LONGEST])  # it quotes the file
        yield replace(one, message=message + about, places=one.places + tuple(places)[:MOST_PLACES])
