"""What the agent and the process say to each other: JSON, one object a line.

To the process, `{"kind": ...}` with: `setup` (first), `members` (who holds a Lease, at which
address; whether our own is fresh), `own` (all addresses, by groups of candidates), `leave`. From
it: `status` and `event`. The secret comes in `setup` and is in nothing that goes out.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from ferrule.announce.election import Entry, Group
from ferrule.announce.heartbeat import derived_key


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
    """Addresses of the holders of Leases, by name."""

    members: Mapping[str, str]
    fresh: bool


@dataclass(frozen=True)
class Own:
    """All addresses of the cluster."""

    entries: tuple[Entry, ...]


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
                return Roster(dict(data["members"]), bool(data["fresh"]))
            case "own":
                return Own(tuple(one for group in data["groups"] for one in _entries(group)))
            case "leave":
                return Leave()
            case _:
                raise ControlError("unknown kind")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ControlError(type(error).__name__) from None  # the line may hold the secret


def line(kind: str, **fields: object) -> bytes:
    """One line for the agent."""
    return json.dumps({"kind": kind, **fields}, separators=(",", ":")).encode() + b"\n"


def _setup(data: Mapping[str, Any]) -> Setup:
    secrets = [b64decode(one, validate=True) for one in data["secrets"]]
    excluded = data.get("excluded")
    return Setup(
        data["node"],
        str(ip_address(data["bind"])),
        int(data["port"]),
        tuple(derived_key(one, data["cluster"]) for one in secrets),
        tuple(data.get("interfaces", ())),
        None if excluded is None else tuple(excluded),
    )


def _entries(data: Mapping[str, Any]) -> list[Entry]:
    group = Group({str(name): int(score) for name, score in data["scores"].items()})
    return [
        Entry(
            ip_address(one["address"]),
            ip_address(one.get("electedBy", one["address"])),
            group,
            frozenset(one.get("interfaces", ())),
        )
        for one in data["addresses"]
    ]
