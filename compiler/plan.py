"""What would change where, in which order, and what it costs: a plan, as a value.

A plan is made of an intended network and of what devices were found to run. It holds no secret and
no device's address; `order` puts its commands into rounds, `planview` shows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from ferrule.compiler.backends.base import Change, Command, Diff
from ferrule.compiler.errors import Diagnostic, has_errors
from ferrule.compiler.observed import Key, Kind


class Impact(IntEnum):
    """What users of the network notice, from nothing to the worst."""

    NOTHING = 0
    ROUTES = 1
    ECMP = 2
    OWNER = 3
    ADDRESS = 4
    WITHDRAWAL = 5
    RESET = 6
    MASS = 7

    @property
    def word(self) -> str:
        """As in `--allow` and in JSON."""
        return IMPACTS[self][0]

    def counted(self, number: int) -> str:
        """As people read it: `1 route withdrawn`, `3 sessions reset`."""
        one, many = IMPACTS[self][1]
        return f"{number} {one if number == 1 else many}"

    @property
    def needs_leave(self) -> bool:
        """Whether apply asks for `--allow` first."""
        return IMPACTS[self][2]


# The word for programs, what it is called once and often, and whether apply needs leave for it.
IMPACTS: Mapping[Impact, tuple[str, tuple[str, str], bool]] = {
    Impact.NOTHING: ("nothing", ("new route", "new routes"), False),
    Impact.ROUTES: ("routes-sent-anew", ("route sent anew", "routes sent anew"), False),
    Impact.ECMP: ("ecmp-width", ("change of ECMP width", "changes of ECMP width"), False),
    Impact.OWNER: ("owner-move", ("owner moves", "owners move"), False),
    Impact.ADDRESS: ("address-change", ("address changes", "addresses change"), True),
    Impact.WITHDRAWAL: ("withdrawal", ("route withdrawn", "routes withdrawn"), True),
    Impact.RESET: ("session-reset", ("session reset", "sessions reset"), True),
    Impact.MASS: (
        "mass-withdrawal",
        ("route in a mass withdrawal", "routes in a mass withdrawal"),
        True,
    ),
}

# What a session notices of a change on one device (the tables of the backends), by its impact.
# `limit` is judged by what the neighbor has sent, `routes` by what it hears before and after.
EFFECTS: Mapping[str, Impact] = {
    "none": Impact.NOTHING,
    "next-session": Impact.NOTHING,
    "routes": Impact.ROUTES,
    "limit": Impact.NOTHING,
    "session": Impact.RESET,
    "reset": Impact.RESET,
    "reset-vrf": Impact.RESET,
}


@dataclass(frozen=True, slots=True)
class Item:
    """One impact: on what, by how much. `names` are prefixes, sessions, Services or addresses."""

    impact: Impact
    what: str  # one line
    names: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """What would change on one device.

    `effects` says for each change what sessions notice. `held` is why removals are held back, ""
    where they are not; `notes` are facts that no change comes of. `running` and `intended` are the
    backend's values of what is there and what should be.
    """

    device: str
    kind: Kind
    version: str
    diff: Diff
    effects: tuple[tuple[Change, str], ...] = ()
    notes: tuple[str, ...] = ()
    held: str = ""
    running: object = field(default=None, compare=False, repr=False)  # what is ours, see `digest`
    intended: object = field(default=None, compare=False, repr=False)

    @property
    def ok(self) -> bool:
        """Whether its commands may be sent."""
        return not has_errors(self.diff.problems)


@dataclass(frozen=True, slots=True)
class Step:
    """The commands of one phase on one device."""

    device: str
    kind: Kind
    commands: tuple[Command, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Round:
    """Steps that may run side by side; the next round waits for all of them."""

    phase: str
    kind: str
    why: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole: device by device, round by round, and what it costs.

    `failed` are devices that could not be read, each with why. `addresses` and `sessions` count
    what does not change; `resets` are the sessions that are to end, or to start anew, as
    (node, (VRF, neighbor)).
    """

    cluster: str
    devices: tuple[DevicePlan, ...]
    rounds: tuple[Round, ...]
    items: tuple[Item, ...]
    addresses: int
    sessions: int
    resets: frozenset[tuple[str, tuple[str, str]]] = frozenset()
    failed: tuple[tuple[Key, Diagnostic], ...] = ()
    problems: tuple[Diagnostic, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether there is anything to send."""
        return any(not one.diff.empty for one in self.devices)

    @property
    def pending(self) -> bool:
        """Whether anything becomes different: also what is not sent, such as who answers ARP."""
        return self.changes or bool(self.items)

    @property
    def ok(self) -> bool:
        """Whether every device was read and may be changed."""
        return not self.failed and not has_errors(self.problems) and all(d.ok for d in self.devices)

    @property
    def worst(self) -> Impact:
        """The worst that comes of it."""
        return max((one.impact for one in self.items), default=Impact.NOTHING)

    def needing_leave(self) -> Iterator[Impact]:
        """The impacts that apply must be allowed."""
        yield from sorted({one.impact for one in self.items if one.impact.needs_leave})
