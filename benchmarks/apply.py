"""What apply does on a node, beside frr-reload.py with the same change on MetalLB's configuration.

    python benchmarks/apply.py             as root; FRR as tests/daemon/install puts it there
    python benchmarks/apply.py 1000

`sent` is one `vtysh -f` with the changed lines, from the start of its process; `heard` is when the
neighbor has all of it, `verified` when the running-config has been read back and is as it should.
`ratio` is frr-reload.py's time to heard, of the same change on the same machine, to ours.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

from daemon.flavour import Flavour, discover, wait_for  # noqa: E402
from daemon.lab import Device, Lab  # noqa: E402
from frr_shape import FAR, QUIET_S, heard, load, metallb, ours, reload  # noqa: E402

from ferrule.compiler.backends import frr  # noqa: E402

SIZES = (1_000, 10_000)
STEPS = (1, 100, 1_000, -1)
HEARD_S = 300


@dataclass(frozen=True)
class Measured:
    """Seconds, and UPDATE messages that the neighbor heard."""

    sent: float
    heard: float
    verified: float
    updates: int


def measure(
    flavour: Flavour, whole: str, change: Callable[[Device], float], count: int, step: int
) -> Measured:
    """One change on top of `count` routes; `change` returns when it had sent it."""
    with Lab({flavour.major: flavour}) as lab:
        here = lab.device("node", flavour.major, {"rack": ["10.1.0.10/24"]}, whole)
        far = lab.device("far", flavour.major, {"rack": ["10.1.0.1/24"]}, FAR)
        far.wait_established("10.1.0.10", seconds=60)
        wait_for(lambda: heard(far)[0] == count, HEARD_S, "all routes are there")
        time.sleep(QUIET_S)
        before = heard(far)[1]
        start = time.perf_counter()
        sent = change(here) - start
        wait_for(lambda: heard(far)[0] == count + step, HEARD_S, "the neighbor has it")
        there = time.perf_counter() - start
        verified = 0.0
        if not whole.startswith("ip prefix-list 10."):  # MetalLB's is not read back
            running = frr.parse(here.frr.running_config(), "prod")
            assert not frr.diff(running, frr.intend(ours(1, count + step), "prod")).commands
            verified = time.perf_counter() - start
        time.sleep(QUIET_S)
        return Measured(sent, there, verified, heard(far)[1] - before)


def by_diff(count: int, step: int) -> Callable[[Device], float]:
    """As apply does: what runs was read for the plan, now only the changed lines are sent."""
    wanted = frr.intend(ours(1, count + step), "prod")
    running = frr.intend(ours(1, count), "prod")
    script = frr.script(frr.diff(running, wanted).commands)

    def change(device: Device) -> float:
        load(device, script)
        return time.perf_counter()

    return change


def by_reload(count: int, step: int) -> Callable[[Device], float]:
    """As MetalLB does: the whole file, and frr-reload.py to find the difference."""
    text = metallb(1, count + step)

    def change(device: Device) -> float:
        reload(device, text)
        return time.perf_counter()

    return change


def row(flavour: Flavour, count: int, step: int) -> str:
    """One line of the table."""
    mine = measure(flavour, frr.render(ours(1, count)), by_diff(count, step), count, step)
    said = f"  {step:+6}{mine.sent:9.2f}s{mine.heard:9.2f}s{mine.verified:9.2f}s{mine.updates:9}"
    try:
        other = measure(flavour, metallb(1, count), by_reload(count, step), count, step)
    except (TimeoutError, subprocess.SubprocessError) as error:
        return f"{said}   frr-reload.py: {type(error).__name__}"
    return f"{said}{other.heard:9.2f}s{other.heard / mine.heard:8.1f}x{other.updates:9}"


def main() -> None:
    """Print a table for each installed FRR and each size."""
    for flavour in discover().values():
        for count in map(int, sys.argv[1:]) if sys.argv[1:] else SIZES:
            print(f"FRR {flavour.version}, {count:,} Services")
            names = ("sent", "heard", "verified", "UPDATEs", "reload", "ratio", "UPDATEs")
            print(
                "        " + "".join(f"{one:>{10 if n < 3 else 9}}" for n, one in enumerate(names))
            )
            for step in STEPS:
                print(row(flavour, count, step), flush=True)


if __name__ == "__main__":
    main()
