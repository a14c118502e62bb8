"""What the agent and the process say to each other: JSON, one object a line.

To the process, `{"kind": ...}` with

    setup     first: node, cluster, bind, port, secrets (none: no beats, Leases alone), interfaces,
              excluded
    members   who holds a Lease, at which address ("": not known), and whether ours is fresh; of
              those `idle` ones have not begun to announce
    own       addresses that are set, by groups of candidates, and those that are `gone`; all
              others stay
    leave

From it `status` and `event` (`report.py`). The secret comes in `setup` and is in nothing that goes
out. A line that is none of these is counted and passed over; only the first one has to be good.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from ferrule.announce.election import Entry, Group
from ferrule.announce.heartbeat import LONGEST_NAME, derived_key
from ferrule.announce.wire import Address

LONGEST_LINE = 1 << 20


class ControlError(ValueError):
    """A line that is none of these."""


@dataclass(frozen=True)
class Setup:
    """Who this node is and how it talks to the others; of `keys` the first signs."""

    node: str
    bind: str
    port: int
    keys: tuple[bytes, ...]
    interfaces: tuple[str, ...]
    excluded: tuple[str, ...] | None


@dataclass(frozen=True)
class Roster:
    """Addresses of the holders of Leases, by name; empty where it is not known."""

    members: Mapping[str, str]
    fresh: bool
    idle: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Own:
    """Addresses of the cluster that are new or otherwise, and those that are no more."""

    entries: tuple[Entry, ...]
    gone: tuple[Address, ...] = ()


@dataclass(frozen=True)
class Leave:
    """Hand everything over and end."""


Message = Setup | Roster | Own | Leave


def read(line: bytes) -> Message:
    """One line of the agent; raises `ControlError`."""
    try:
        data = json.loads(line)
        match data["kind"]:
            case "setup":
                return _setup(data)
            case "members":
                return _roster(data)
            case "own":
                return _own(data)
            case "leave":
                return Leave()
            case _:
                raise ControlError("unknown kind")
    except ControlError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError, re.error) as error:
        raise ControlError(type(error).__name__) from None  # the line may hold the secret


def line(kind: str, **fields: object) -> bytes:
    """One line, of either side."""
    return json.dumps({"kind": kind, **fields}, separators=(",", ":")).encode() + b"\n"


class Lines:
    """Cuts what comes into lines. One that is too long is None, once, and never held whole."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[bytes | None]:
        """The lines that end in this."""
        *whole, rest = (self._rest + data).split(b"\n")
        self._rest = b""
        for one in whole:
            if self._skipping:
                self._skipping = False
            else:
                yield one if len(one) <= LONGEST_LINE else None
        if len(rest) > LONGEST_LINE:
            if not self._skipping:
                yield None
            self._skipping = True
        elif not self._skipping:
            self._rest = rest


def _setup(data: Mapping[str, Any]) -> Setup:
    secrets = [b64decode(one, validate=True) for one in _list(data["secrets"])]
    excluded = data.get("excluded")
    if excluded is not None:
        excluded = _texts(excluded)
        for one in excluded:
            re.compile(one)
    port = _number(data["port"])
    if not 0 < port < 1 << 16:
        raise ControlError("port")
    return Setup(
        _name(data["node"]),
        str(ip_address(_text(data["bind"]))),
        port,
        tuple(derived_key(one, _text(data["cluster"])) for one in secrets),
        _texts(data.get("interfaces") or []),
        excluded,
    )


def _roster(data: Mapping[str, Any]) -> Roster:
    fresh = data["fresh"]
    if not isinstance(fresh, bool):
        raise ControlError("fresh")
    members = {
        name: str(ip_address(where)) if _text(where) else ""
        for name, where in data["members"].items()
        if _is_name(name)  # or one that is odd would hide all others
    }
    return Roster(members, fresh, frozenset(_texts(data.get("idle", []))))


def _own(data: Mapping[str, Any]) -> Own:
    return Own(
        tuple(one for group in _list(data.get("groups", [])) for one in _entries(group)),
        tuple(_address(one) for one in _list(data.get("gone", []))),
    )


def _entries(data: Mapping[str, Any]) -> Iterator[Entry]:
    group = Group({_name(name): _number(score) for name, score in data["scores"].items()})
    for one in _list(data["addresses"]):
        address = _address(one["address"])
        yield Entry(
            address,
            _address(one["electedBy"]) if one.get("electedBy") else address,
            group,
            frozenset(_texts(one.get("interfaces") or [])),
        )


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ControlError("no list")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ControlError("no text")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise ControlError("no number")
    return value


def _address(value: object) -> Address:
    """One to announce, which has no zone."""
    address = ip_address(_text(value))
    if "%" in str(address):
        raise ControlError("zone")
    return address


def _texts(value: object) -> tuple[str, ...]:
    return tuple(_text(one) for one in _list(value))


def _name(value: object) -> str:
    """Of a node."""
    if not _is_name(name := _text(value)):
        raise ControlError("name")
    return name


def _is_name(text: str) -> bool:
    """Whether it can be a node's: beats have a byte for its length."""
    return 0 < len(text.encode()) <= LONGEST_NAME
