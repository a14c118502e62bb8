"""What apply sends to a node, beside frr-reload.py with the same change on MetalLB's configuration.

    python benchmarks/apply.py             as root; FRR as tests/daemon/install puts it there
    python benchmarks/apply.py 1000

`sent` is one `vtysh -f` with the changed lines, from the start of its process; `heard` is when the
first neighbor has all of it, `verified` when the running-config has been read back and is as it
should. `ratio` is frr-reload.py's time to heard, of the same change on the same machine, to ours.
UPDATEs are those that the first neighbor heard. What takes longer than a limit is said to.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

import metallb_shape  # noqa: E402
from daemon.flavour import Flavour, discover, wait_for  # noqa: E402
from daemon.lab import Device, Lab  # noqa: E402
from daemon.meant import Meant  # noqa: E402
from daemon.rig import Majors, Rig, load  # noqa: E402
from daemon.shop import Shop, prefix  # noqa: E402
from frr_shape import FIRST, LIMIT_S, Bench, TooLongError, limit  # noqa: E402

from ferrule.compiler.backends import frr  # noqa: E402

SIZES = (1_000, 10_000)
STEPS = (1, 100, 1_000, -1)
CLUSTER = "prod"
WAIT_S = 600.0  # never reached: the limit comes first


@dataclass(frozen=True)
class Measured:
    """Seconds, and UPDATE messages that the first neighbor heard."""

    sent: float
    heard: float
    verified: float
    updates: int


@dataclass(frozen=True)
class Case:
    """A change of so many Services."""

    before: Meant
    after: Meant
    new: frozenset[str]
    gone: frozenset[str]

    @classmethod
    def of(cls, size: int, step: int) -> Case:
        """Some more at the end, or the last one less."""
        base, after = Shop.of(size), Shop.of(size)
        numbers = range(size, size + step) if step > 0 else range(size - 1, size)
        for number in numbers:
            after = after.put(number) if step > 0 else after.drop(number)
        touched = frozenset(map(prefix, numbers))
        none: frozenset[str] = frozenset()
        sides = (touched, none) if step > 0 else (none, touched)
        return cls(base.compiled(), after.compiled(), *sides)


def measure(
    flavour: Flavour, case: Case, text: str, change: Callable[[Device], None], *, ours: bool
) -> Measured:
    """One change on top of what is there."""
    majors = Majors(flavour.major, flavour.major)
    with Lab({flavour.major: flavour}) as lab:
        bench = Bench(Rig(lab, majors, case.before))
        bench.start(text)
        bench.ears.forget()
        start = time.perf_counter()
        with limit(LIMIT_S):
            change(bench.node)
            sent = time.perf_counter() - start
            wait_for(lambda: is_heard(bench, case), WAIT_S, "the neighbor has it")
            heard = time.perf_counter() - start
        if ours:
            running = frr.parse(bench.node.frr.running_config(), CLUSTER)
            assert not frr.diff(running, case.after.model("node-1")).commands
        verified = time.perf_counter() - start
        bench.ears.wait_quiet()
        return Measured(sent, heard, verified, bench.ears.heard()[FIRST].messages)


def is_heard(bench: Bench, case: Case) -> bool:
    """Whether the first neighbor has heard all that is new, and of all that is gone."""
    said = bench.ears.so_far(FIRST)
    return case.new <= {*said.announced} and case.gone <= {*said.withdrawn}


def by_diff(case: Case) -> Callable[[Device], None]:
    """As apply does: what runs was read for the plan, now only the changed lines are sent."""
    running = frr.intend(case.before.model("node-1"), CLUSTER)
    script = frr.script(frr.diff(running, case.after.model("node-1")).commands)

    def change(device: Device) -> None:
        assert load(device, script) == []

    return change


def by_reload(case: Case) -> Callable[[Device], None]:
    """As MetalLB does: the whole file, and frr-reload.py to find the difference."""
    text = metallb_shape.text(case.after)
    return lambda device: metallb_shape.reload(device, text)


def row(flavour: Flavour, case: Case, step: int) -> str:
    """One line of the table."""
    text = case.before.text("node-1")
    mine = measure(flavour, case, text, by_diff(case), ours=True)
    said = f"  {step:+6}{mine.sent:9.2f}s{mine.heard:9.2f}s{mine.verified:9.2f}s{mine.updates:9}"
    try:
        text = metallb_shape.text(case.before)
        other = measure(flavour, case, text, by_reload(case), ours=False)
    except (TooLongError, subprocess.SubprocessError) as error:
        return f"{said}   frr-reload.py: {error}"
    return f"{said}{other.heard:9.2f}s{other.heard / mine.heard:8.1f}x{other.updates:9}"


def main() -> None:
    """Print a table for each installed FRR and each size."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))  # labs are taken down on the way out
    for size in [*map(int, sys.argv[1:])] or SIZES:
        cases = {step: Case.of(size, step) for step in STEPS}
        for flavour in discover().values():
            print(f"FRR {flavour.version}, {size:,} Services")
            names = ("sent", "heard", "verified", "UPDATEs", "reload", "ratio", "UPDATEs")
            print("        " + "".join(f"{one:>{10 - (n > 2)}}" for n, one in enumerate(names)))
            for step, case in cases.items():
                print(row(flavour, case, step), flush=True)


if __name__ == "__main__":
    main()
