"""Real daemons: whatever line somebody puts into what is ours, it is seen and taken out again.

Line after line on one node, until one leaves a trace; then there is a fresh one for the rest.
"""

from collections.abc import Iterator

import pytest
from backends.frr_drift import NAMED, drift
from backends.frr_steps import PAIRS
from backends.test_frr_readback import TAKEN
from daemon.flavour import Flavour
from daemon.lab import Device, Lab
from daemon.need import refuse, require_flavours

from ferrule.compiler.backends import frr

pytestmark = pytest.mark.daemon

LINKS = {"rack": ["10.1.0.10/24", "2001:db8:a::10/64"]}
WHOLE = PAIRS["everything a node can say"][1]
FULL = frr.lower(WHOLE.nodes[0], WHOLE)
OUT = next(one for one in FULL.route_maps if one.name == "ferrule-prod_out_tor-a_ipv4")
ENTRY = f"route-map {OUT.name} {OUT.entries[0].action} {OUT.entries[0].seq}"
LOADS = drift(("10.1.0.1", "10.1.0.3", "eth2"), ENTRY, "ferrule-prod_fast")
# Of a line that FRR asks to be followed by a reset, which is up to whoever wrote it.
ASKED = (*TAKEN, " Warning: Reset BGP session for tcp-mss value to take effect")


@pytest.fixture(scope="module", params=["8", "10"])
def flavour(request: pytest.FixtureRequest) -> Flavour:
    flavours = require_flavours()
    if request.param not in flavours:
        refuse(f"no FRR {request.param} installed")
    return flavours[request.param]


def test_some_lines_are_taken_out_again(flavour: Flavour) -> None:
    taken_out(flavour, LOADS[::19])


@pytest.mark.soak
def test_every_line_is_taken_out_again(flavour: Flavour) -> None:
    taken_out(flavour, LOADS)


def taken_out(flavour: Flavour, loads: list[str]) -> None:
    rest = iter(loads)
    traces: list[str] = []
    seen = 0
    while len(traces) < 5:
        with Lab({flavour.major: flavour}) as lab:
            device = lab.device("node", flavour.major, LINKS)
            device.frr.load(NAMED)
            device.frr.load(frr.script(frr.diff(running(device), FULL).commands))
            before = device.frr.running_config()
            for load in rest:
                device.frr.load(load)
                if (drifted := device.frr.running_config()) == before:
                    continue
                seen += 1
                if trace := "\n".join(traces_of(device, drifted, before)):
                    traces.append(f"{load}{trace}")
                    break
            else:
                break
    assert traces == []
    assert seen > len(loads) / 2


def running(device: Device) -> frr.Running:
    return frr.parse(device.frr.running_config(), "prod")


def traces_of(device: Device, drifted: str, before: str) -> Iterator[str]:
    """What is wrong about the way back."""
    there = frr.parse(drifted, "prod")
    diff = frr.diff(there, FULL)
    if not (diff.changes and diff.commands):
        yield "not seen"
    answer = device.frr.load(frr.script(diff.commands))
    yield from (line for line in answer.lines if line not in ASKED)
    after = device.frr.running_config()
    if after != before:
        yield f"left:\n{after}"
    if unforeseen := frr.diff(frr.parse(after, "prod"), frr.future(there, diff)).changes:
        yield f"unforeseen: {unforeseen}"
