"""The order of a plan over its devices: accept before announce, withdraw before un-accept.

After every round each switch accepts at least what its nodes announce to it at that moment. A row
that SONiC does not change in place goes in `detach` and comes back in `settle`; a node that needs
such a row before it announces waits for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from ferrule.compiler.backends.base import Command
from ferrule.compiler.plan import DevicePlan, Round, Step

LATE = "announce-late"
ROUNDS = (
    ("accept", "switch", "switches take what they took and what will come"),
    ("announce", "node", "nodes announce what is new"),
    ("withdraw", "node", "nodes withdraw what goes"),
    ("detach", "switch", "rows that SONiC does not change in place go"),
    ("settle", "switch", "what nothing needs any more goes"),
    (LATE, "node", "nodes announce what had to wait for that"),
    ("forget", "switch", "empty peer groups go"),
)
AFTER_DETACH = "these come back, and what nothing needs any more goes"


def rounds(devices: Iterable[DevicePlan], late: Collection[str] = ()) -> tuple[Round, ...]:
    """The commands of all devices that may be sent; `late` are nodes that announce last."""
    steps = [one for device in devices if device.ok for one in _steps(device, late)]
    made: list[Round] = []
    for phase, kind, why in ROUNDS:
        here = tuple(step for name, step in steps if name == phase)
        if here:
            if phase == "settle" and made and made[-1].phase == "detach":
                why = AFTER_DETACH
            made.append(Round(phase.removesuffix("-late"), kind, why, here))
    return tuple(made)


def _steps(device: DevicePlan, late: Collection[str]) -> Iterator[tuple[str, Step]]:
    by_phase: dict[str, list[Command]] = {}
    for command in device.diff.commands:
        phase = command.phase
        if device.device in late and not command.text.startswith("no network "):
            phase = LATE  # what follows an announcement may lean on it
        by_phase.setdefault(phase, []).append(command)
    for phase, commands in by_phase.items():
        yield phase, Step(device.device, device.kind, tuple(commands))
