"""Which far end a file is about.

A device says it by its own addresses, its router ID or its name; where a file has none of these
(SONiC keeps addresses elsewhere), by whom it has as neighbors. Nobody is guessed at: what could be
several is an error that names them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from ferrule.compiler.errors import Diagnostic, error, listed, quoted, suggestion
from ferrule.compiler.lint.device import Device, Instance
from ferrule.compiler.lint.doors import Doors
from ferrule.compiler.lint.ours import Candidate
from ferrule.compiler.network import Address

HELP = "say which far end it is: --as NAME of a switch or node, or --as ADDRESS"


def identify(
    doors: Doors, known: Sequence[Candidate], as_: str | None
) -> tuple[list[Candidate], list[Diagnostic]]:
    """The far ends that the file is; none, and why, where that is not clear."""
    device = doors.device
    if as_ is not None:
        could = _named(known, as_)
    else:
        could = [one for one in known if any(_evidence(doors, one))] or _guessed(doors, known)
    if not could:
        return [], [_unknown(device, known, as_)]
    devices = [one for one in could if one.kind != "router"]
    best = max((_score(doors, one) for one in devices), default=())
    chosen = [one for one in devices if _score(doors, one) == best]
    if len(chosen) > 1:
        return [], [_ambiguous(device, chosen)]
    for one in could:
        if one.kind == "router":  # a device may be several of them: one has one address
            if not one.own & device.addresses and _share_neighbors(one, chosen):
                return [], [_ambiguous(device, [*chosen, one])]
            chosen.append(one)
    return chosen, []


def _named(known: Sequence[Candidate], as_: str) -> list[Candidate]:
    """Those of this name, else those with this address."""
    address = _address(as_)
    return [one for one in known if one.name == as_] or [
        one for one in known if address is not None and address in one.own
    ]


def _guessed(doors: Doors, known: Sequence[Candidate]) -> list[Candidate]:
    """Those that have us as neighbors, the ones in the right AS first."""
    met = [one for one in known if _met(doors, one)]
    return [one for one in met if _is_expected(doors.device, one)] or met


def _evidence(doors: Doors, one: Candidate) -> tuple[bool, bool, bool]:
    """How surely it is the device: by name, by router ID, by address."""
    device = doors.device
    ids = {_setting(each, "bgp router-id") for each in device.instances.values()}
    sources = {
        _address(setting.value or "")
        for neighbor in device.everybody()
        if (setting := neighbor.get("update-source"))
    }
    same_id = one.router_id is not None and str(one.router_id) in ids
    if one.kind == "node":  # a far end may have a node's by mistake, and then it knows the node
        same_id = same_id and _met(doors, one)
    return (
        one.kind != "router" and device.hostname == one.name,
        same_id,
        bool(one.own & (device.addresses | sources)),
    )


def _setting(instance: Instance, name: str) -> str:
    found = instance.get(name)
    return (found.value or "") if found else ""


def _score(doors: Doors, one: Candidate) -> tuple[object, ...]:
    """How well it fits, the surest first."""
    return (*_evidence(doors, one), _is_expected(doors.device, one), _met(doors, one))


def _is_expected(device: Device, one: Candidate) -> bool:
    """Whether the device runs an AS that we expect of it."""
    asns = {each.asn for each in device.instances.values()}
    return any(end.asn in asns if end.internal else end.remote_as in asns for end in one.ends)


def _met(doors: Doors, one: Candidate) -> bool:
    """Whether the device has any of our ends as a neighbor, or lets it in by a range."""
    return any(doors.know(address) for end in one.ends for address in end.addresses)


def _share_neighbors(one: Candidate, others: Iterable[Candidate]) -> bool:
    """Whether two far ends have a neighbor in common: one device has it once."""
    mine = {address for end in one.ends for address in end.addresses}
    return any(mine & {*end.addresses} for other in others for end in other.ends)


def _ambiguous(device: Device, could: Iterable[Candidate]) -> Diagnostic:
    names = listed(dict.fromkeys(f"{one.kind} {one.name}" for one in could))
    message = f"this could be any of: {names}"
    return error("far-ambiguous", message, device.start.place(), help=HELP)


def _unknown(device: Device, known: Sequence[Candidate], as_: str | None) -> Diagnostic:
    names = [one.name for one in known]
    if as_ is not None:
        help = suggestion(as_, names, "far ends")
        message = f"--as {quoted(as_)} is no far end of any session"
        return error("far-unknown", message, device.start.place(), help=help)
    if not known:
        message = (
            "there is no session of ours to compare it with: the input has no Node, or no peer"
        )
        return error("far-unknown", message, device.start.place())
    message = (
        "no far end of ours is recognised in it: it has none of their addresses, router IDs or"
        f" names, and none of our ends is a neighbor; far ends: {listed(names)}"
    )
    return error("far-unknown", message, device.start.place(), help=HELP)


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
