"""What a switch is to be, by which policy, and what is remembered of it from look to look."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Literal

from ferrule.apply.reach import Device
from ferrule.compiler.backends import sonic
from ferrule.compiler.backends.sonic.live import Unlike
from ferrule.compiler.backends.sonic.parse import RowId
from ferrule.compiler.network import DEFAULT_VRF, Address, Network, Session, Switch
from ferrule.compiler.plan import Impact
from ferrule.reconcile.switch_cost import Neighbor
from ferrule.reconcile.switch_judge import Rows
from ferrule.reconcile.switch_status import Known, Said, SwitchState

DIGITS = 16
FORBIDDEN = (Impact.ADDRESS, Impact.RESET, Impact.MASS)
USUAL = frozenset(Impact) - {*FORBIDDEN}


@dataclass(frozen=True, slots=True)
class Policy:
    """What is done without asking. Nodes have `patience_s` to withdraw what is to go."""

    allow: Collection[Impact] = USUAL
    drift: Literal["report", "correct"] = "report"
    patience_s: float = 120.0
    change_s: float = 10.0  # between two changes of one switch


@dataclass(frozen=True)
class Aim:
    """One switch as it is intended, and the way to it, or why there is none.

    A network is `partial` that lacks the sessions of a node with a mistake; they stay as they are.
    """

    switch: Switch
    network: Network = field(repr=False)
    device: Device | None
    unreached: Said | None = None
    partial: bool = False

    @cached_property
    def sessions(self) -> Mapping[Neighbor, Session]:
        """Those of this switch, by VRF and neighbor."""
        each = ((one, one.switch_end) for one in self.network.sessions)
        return {
            (end.vrf or DEFAULT_VRF, str(end.neighbor)): one
            for one, end in each
            if end and end.switch == self.switch.name
        }

    def given_up_for(self, newer: Aim) -> frozenset[Neighbor]:
        """The neighbors that are to be others by a newer aim, or none: their nodes see to it."""
        if newer.partial:
            return frozenset()
        now = newer.sessions
        return frozenset(who for who, one in self.sessions.items() if now.get(who) != one)

    @cached_property
    def digest(self) -> str:
        """Of all rows that it is to have."""
        text = sonic.render(sonic.lower(self.switch, self.network))
        return digest(f"{self.switch.managed_globals} {text}")


@dataclass(slots=True)
class Memory:
    """What is known of a switch. `settled` are the digests of what was all well, empty before.

    `known` is what its status said when we began; `doubt` what bgpd lacked at the last look.
    """

    state: SwitchState
    known: Known = field(default_factory=Known)
    left: Rows | None = None
    settled: tuple[str, str] = ("", "")
    doubt: Unlike | None = None
    waiting_for: str = ""
    waiting_since: float = 0.0
    changed_at: float = -math.inf
    addresses: frozenset[Address] = frozenset()


def digest(text: str) -> str:
    """A short one, to compare."""
    return sha256(text.encode()).hexdigest()[:DIGITS]


def digest_of(rows: Rows) -> str:
    """That of rows, in any order."""
    return digest(json.dumps(sorted([*row, dict(fields)] for row, fields in rows.items())))


def merged(now: Rows, drifted: Collection[RowId], before: Rows) -> Rows:
    """The rows as we left them: those of now, but for what others have changed."""
    kept = {row: fields for row, fields in now.items() if row not in drifted}
    return {**kept, **{row: before[row] for row in drifted if row in before}}


Memories = Mapping[str, Memory]
