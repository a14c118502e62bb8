"""Forms of a status: tables for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ferrule.compiler.errors import Diagnostic, listed, printable
from ferrule.compiler.health import Count, End, Health
from ferrule.compiler.status import DeviceStatus, Shortfall, Status
from ferrule.compiler.views import API_VERSION

MOST_NAMES = 5
FINE, FAULT = "  ", "NO"  # in front of every row
SYSTEMS = {"node": "FRR", "switch": "SONiC"}
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400
NONE, UNKNOWN = "-", "?"


# For people.


def text(status: Status) -> Iterator[str]:
    """The status as tables; whatever is not as intended starts with `NO`, and says why below."""
    for table in (_sessions(status), _devices(status), _addresses(status)):
        for line in table:
            yield printable(line)
        yield ""


def plural(number: int, noun: str) -> str:
    """A count and its noun; these end as they like."""
    ending = "" if number == 1 else "es" if noun.endswith(("s", "x")) else "s"
    return f"{number} {noun}{ending}"


def _mark(*, ok: bool) -> str:
    return FINE if ok else FAULT


# Sessions.

HEADER = (
    *("", "NODE", "PEER", "SWITCH", "STATE", "UP", "RESETS", "BFD"),
    *("", "ANNOUNCED", "SENT", "ACCEPTED", "OF"),
)
RIGHT = frozenset({"RESETS", "ANNOUNCED", "SENT", "ACCEPTED", "OF"})


def _sessions(status: Status) -> Iterator[str]:
    """One row a session, one more for each further family, and the reasons below."""
    yield _session_summary(status)
    rows = [[*_session_rows(one)] for one in status.sessions]
    lines = iter(_aligned([HEADER, *(row for each in rows for row in each)]))
    if not rows:
        return
    yield next(lines)
    for session, each in zip(status.sessions, rows, strict=True):
        yield from (next(lines) for _ in each)
        yield from (f"     {reason}" for reason in session.reasons)


def _session_rows(one: Health) -> Iterator[Sequence[str]]:
    first, *more = one.counts
    session, up = one.session, next((end for end in one.ends if end.up), one.near)
    foreign = one.far is None
    switch = one.far.device if one.far else one.near.neighbor
    yield (
        *(_mark(ok=one.ok), session.node, session.peer, switch, _state(one)),
        *(_uptime(up), _resets(one.near), _bfd(one), *_count(first, foreign=foreign)),
    )
    for each in more:
        yield (*[""] * 8, *_count(each, foreign=foreign))


def _state(one: Health) -> str:
    """One word where both ends say the same, else the node's and the switch's."""
    words = [end.word or UNKNOWN for end in one.ends]
    return "/".join(dict.fromkeys(words))


def _uptime(end: End) -> str:
    """At most two units: `3d4h`, `12m5s`."""
    if end.state is None or end.state.uptime_s is None:
        return NONE if end.read else UNKNOWN
    seconds = int(end.state.uptime_s)
    if seconds < MINUTE_S:
        return f"{seconds}s"
    if seconds < HOUR_S:
        return f"{seconds // MINUTE_S}m{seconds % MINUTE_S}s"
    if seconds < DAY_S:
        return f"{seconds // HOUR_S}h{seconds % HOUR_S // MINUTE_S}m"
    return f"{seconds // DAY_S}d{seconds % DAY_S // HOUR_S}h"


def _resets(end: End) -> str:
    if end.state is None:
        return NONE if end.read else UNKNOWN
    return str(end.state.resets)


def _bfd(one: Health) -> str:
    """As the ends say, `none` of one that has none; `-` where none is intended."""
    if one.session.node_end.bfd is None:
        return NONE
    return "/".join(dict.fromkeys(map(_bfd_at, one.ends)))


def _bfd_at(end: End) -> str:
    if end.state is None:
        return NONE if end.read else UNKNOWN
    return end.state.bfd or "none"


def _count(one: Count, *, foreign: bool) -> Sequence[str]:
    accepted = NONE if foreign else _number(one.accepted)
    return (
        one.family,
        *(_number(one.announced), _number(one.sent), accepted, str(one.intended)),
    )


def _number(number: int | None) -> str:
    return UNKNOWN if number is None else str(number)


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as what is in them; numbers to the right, and closer together."""
    gaps = ["", " ", *("  " if name else " " for name in rows[0][2:])]
    gaps = [" " if name in RIGHT else gap for name, gap in zip(rows[0], gaps, strict=True)]
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [len(FAULT), *(max(map(len, each)) for each in [*zip(*rows, strict=True)][1:])]
    for row in rows:
        cells = zip(row, rows[0], gaps, widths, strict=True)
        yield "".join(
            f"{gap}{cell:{'>' if name in RIGHT else '<'}{width}}"
            for cell, name, gap, width in cells
        ).rstrip()


# Devices.


def _devices(status: Status) -> Iterator[str]:
    yield _device_summary(status)
    width = max((len(printable(_name(one))) for one in status.devices), default=0)
    for one in status.devices:
        yield f"{_mark(ok=one.ok)} {printable(_name(one)):<{width}}  {_verdict(one)}"
        yield from (f"     {line}" for line in _remarks(one))


def _name(one: DeviceStatus) -> str:
    system = f" ({SYSTEMS[one.kind]} {one.version})" if one.version else ""
    return f"{one.kind} {one.device}{system}"


def _verdict(one: DeviceStatus) -> str:
    if one.failed is not None:
        return f"not read: {one.failed.message.removeprefix(f'{one.device}: ')}{_code(one.failed)}"
    said = [f"{plural(one.changes, 'change')}: see ferrule plan"] if one.changes else []
    if one.bgpd and one.bgpd.missing:
        said.append(f"bgpd lacks {plural(len(one.bgpd.missing), 'line')} of its rows")
    if one.bgpd and one.bgpd.stale:
        said.append(f"bgpd has {plural(len(one.bgpd.stale), 'line')} that no row makes")
    if not said and not one.ok:
        said.append("cannot be made as intended")
    return ", ".join(said) or "as intended"


def _code(one: Diagnostic) -> str:
    return f" [{one.code}]"


def _remarks(one: DeviceStatus) -> Iterator[str]:
    """Lines by which bgpd differs, problems and notes, each in full."""
    for sign, lines in (("-", one.bgpd.missing), ("+", one.bgpd.stale)) if one.bgpd else ():
        yield from (f"{sign} {line}" for line in lines[:MOST_NAMES])
        if len(lines) > MOST_NAMES:
            yield f"{sign} and {len(lines) - MOST_NAMES} more"
    for problem in one.problems:
        yield f"{problem.severity}: {problem.message}{_code(problem)}"
    yield from (f"note: {note}" for note in one.notes)


# Addresses.


def _addresses(status: Status) -> Iterator[str]:
    good = status.addresses - len(status.short)
    total = plural(status.addresses, "address")
    yield f"{good} of {total} announced by as many nodes as intended"
    for one in status.short[:MOST_NAMES]:
        yield f"{FAULT} {_shortfall(one)}"
    if len(status.short) > MOST_NAMES:
        yield f"   and {len(status.short) - MOST_NAMES} more"


def _shortfall(one: Shortfall) -> str:
    there = one.intended - len(one.missing)
    services, missing = listed(one.services, MOST_NAMES), listed(one.missing, MOST_NAMES)
    return (
        f"{one.address} ({services}): by {there} of {plural(one.intended, 'node')}, not {missing}"
    )


# The last line.


def summary(status: Status) -> str:
    """Sessions, prefixes, devices; addresses where some fall short."""
    parts = [_session_summary(status), _prefix_summary(status), _device_summary(status)]
    if status.short:
        few = plural(len(status.short), "address")
        parts.append(f"{few} announced by too few nodes")
    return " · ".join(parts)


def _session_summary(status: Status) -> str:
    total, said = plural(len(status.sessions), "session"), []
    for word, value in (("established", True), ("down", False), ("not known", None)):
        here = [one for one in status.sessions if one.established is value]
        faults = sum(not one.ok for one in here) if value else 0
        if here:
            said.append(f"{len(here)} {word}" + (f" ({faults} not as intended)" if faults else ""))
    return f"{total}: {', '.join(said)}" if said else total


def _prefix_summary(status: Status) -> str:
    reached = status.reached
    total = plural(reached.prefixes, "prefix")
    if not reached.prefixes:
        return total
    if reached.towards_switches == reached.prefixes:
        return f"{total}: {reached.accepted} accepted"
    if not reached.towards_switches:
        return f"{total}: {reached.announced} announced"
    accepted = f"{reached.accepted} of {reached.towards_switches} accepted"
    return f"{total}: {reached.announced} announced, {accepted}"


def _device_summary(status: Status) -> str:
    drifted = sum(one.drifted for one in status.devices)
    unread = sum(one.failed is not None for one in status.devices)
    said = [f"{plural(drifted, 'device')} drifted"] if drifted else []
    said += [f"{plural(unread, 'device')} not read"] if unread else []
    return ", ".join(said) or f"{plural(len(status.devices), 'device')} as intended"


# For programs.


def as_json(status: Status) -> dict[str, object]:
    """Everything; null is what is not known."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Status",
        "cluster": status.cluster,
        "ok": status.ok,
        "sessions": [_session(one) for one in status.sessions],
        "devices": [_device(one) for one in status.devices],
        "addresses": {
            "total": status.addresses,
            "asIntended": status.addresses - len(status.short),
            "short": [
                {
                    "address": str(one.address),
                    "services": list(one.services),
                    "intended": one.intended,
                    "announced": one.intended - len(one.missing),
                    "missing": list(one.missing),
                }
                for one in status.short
            ],
        },
        "prefixes": {
            "total": status.reached.prefixes,
            "announced": status.reached.announced,
            "towardsSwitches": status.reached.towards_switches,
            "accepted": status.reached.accepted,
        },
        "diagnostics": [one.to_json() for one in status.problems],
        "summary": summary(status),
    }


def _session(one: Health) -> dict[str, object]:
    session = one.session
    return {
        "name": session.name,
        "node": session.node,
        "peer": session.peer,
        "switch": one.far.device if one.far else None,
        "ok": one.ok,
        "established": one.established,
        "reasons": list(one.reasons),
        "bfd": session.node_end.bfd is not None,
        "nodeEnd": _end(one.near),
        "switchEnd": _end(one.far) if one.far else None,
        "prefixes": {each.family: _hops(each) for each in one.counts},
    }


def _end(end: End) -> dict[str, object]:
    state = end.state
    return {
        "vrf": end.vrf,
        "neighbor": end.neighbor,
        "state": end.word,
        "uptimeSeconds": state.uptime_s if state else None,
        "resets": state.resets if state else None,
        "lastReset": (state.notification or state.last_reset or None) if state else None,
        "bfd": state.bfd if state else None,
        "dynamic": end.dials,
    }


def _hops(one: Count) -> dict[str, object]:
    return {
        "intended": one.intended,
        "announced": one.announced,
        "sent": one.sent,
        "accepted": one.accepted,
        "limit": one.limit,
        "lacking": list(one.lacking),
        "extra": list(one.extra),
        "refused": list(one.refused),
    }


def _device(one: DeviceStatus) -> dict[str, object]:
    return {
        "kind": one.kind,
        "device": one.device,
        "version": one.version or None,
        "ok": one.ok,
        "reachable": one.failed is None,
        "failed": one.failed.to_json() if one.failed else None,
        "changes": one.changes if one.failed is None else None,
        "problems": [each.to_json() for each in one.problems],
        "bgpd": {"missing": list(one.bgpd.missing), "stale": list(one.bgpd.stale)}
        if one.bgpd
        else None,
        "notes": list(one.notes),
    }
