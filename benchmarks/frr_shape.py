"""One Service more on top of many, on real FRR: our shape of the configuration and MetalLB's.

    python benchmarks/frr_shape.py            as root; FRR as tests/daemon/install puts it there
    python benchmarks/frr_shape.py 1000

Ours: `network PREFIX route-map CLASS`, outbound maps that do not grow. A change is what we do of
it: the running configuration read, compared with what should be, the difference sent by `vtysh -f`.
MetalLB's (see `metallb_shape`): the changed lines alone by `vtysh -f`, which is the least that its
shape can cost, and the whole by frr-reload.py, which is what MetalLB does (Debian: the package
frr-pythontools); a Service that comes last in its order, and then one that comes first. Both have
the same Services and the same two neighbors.

`heard` is when the first neighbor has heard all that is new. The last columns say, for each
neighbor, of how many prefixes it heard something new, how many once more as they were, and how many
withdrawn, in how many UPDATE messages. What takes longer than a limit is stopped and said to.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import metallb_shape  # noqa: E402
from daemon.ear import Ears, Heard  # noqa: E402
from daemon.flavour import Flavour, discover, wait_for  # noqa: E402
from daemon.lab import Device, Lab  # noqa: E402
from daemon.meant import Meant  # noqa: E402
from daemon.rig import Majors, Rig, load  # noqa: E402
from daemon.shop import GOLD, ONLY_A, SILVER, Shop, prefix  # noqa: E402

from ferrule.compiler.backends import frr  # noqa: E402

SIZES = (1_000, 10_000)
QUIET_S = 7.0  # FRR looks at a changed route-map after 5 s
BUSY_S = 1.0
LIMIT_S = 40
LOAD_S = 150
WAIT_S = 600.0  # never reached: the limits come first
RUNS = 5
ADDED = (25_442, 25_443, 0)  # in MetalLB's order two that come last and one that comes first
FIRST, SECOND = "tor-a", "tor-b"
Change = Callable[[Device], int]  # how many lines were sent
Loaded = tuple[int, float]  # so many Services took, or take at least, so many seconds


class TooLongError(Exception):
    """Not done in the time that it had."""


@contextmanager
def limit(seconds: int) -> Iterator[None]:
    """Interrupt what is inside after so long."""

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise TooLongError(f"over {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@dataclass
class Bench:
    """The node and its two neighbors, under one of the two shapes."""

    rig: Rig
    ears: Ears = field(init=False)

    @property
    def node(self) -> Device:
        """The one that is changed."""
        return self.rig.nodes["node-1"]

    def start(self, text: str) -> float:
        """Load all devices; how long the node took."""
        for far, device in self.rig.far.items():
            assert load(device, self.rig.meant.far_text(far)) == []
        start = time.perf_counter()
        with limit(LOAD_S):
            assert load(self.node, text) == []
            took = time.perf_counter() - start
            self.rig.wait_established()
        self.ears = Ears(self.rig.far, QUIET_S)
        for far in self.rig.far:
            self.rig.wait_heard(far)
        return took

    def measure(self, change: Change, new: Collection[str]) -> Measured:
        """Make a change that lets the first neighbor hear something new of some prefixes."""
        self.ears.forget()
        start = time.perf_counter()
        with limit(LIMIT_S):
            lines = change(self.node)
            done = time.perf_counter() - start
            wait_for(lambda: {*new} <= {*self.ears.so_far(FIRST).announced}, WAIT_S, "it is heard")
            heard = time.perf_counter() - start
        self._wait_quiet()
        said = self.ears.heard()
        return Measured(lines, done, heard, said[FIRST], said[SECOND])

    def _wait_quiet(self) -> None:
        """Until nobody says anything; a bgpd that does not answer may have something to say yet."""
        busy = True
        while busy:
            self.ears.wait_quiet(WAIT_S)
            start = time.perf_counter()
            self.node.frr.show("show bgp summary", daemon="bgpd")
            busy = time.perf_counter() - start > BUSY_S


@dataclass(frozen=True)
class Measured:
    """One line of the table."""

    lines: int
    done_s: float
    heard_s: float
    first: Heard
    second: Heard

    def row(self, base_s: float) -> str:
        """With the time as a ratio to another one."""
        times = f"{self.done_s:9.2f}s{self.heard_s:9.2f}s{self.heard_s / base_s:8.1f}x"
        return f"{self.lines or '':>8}{times}{_said(self.first)}{_said(self.second)}"


def _said(heard: Heard) -> str:
    kinds = (heard.announced, heard.repeated, heard.withdrawn)
    return f"{'/'.join(str(len(one)) for one in kinds):>18} in {heard.messages:<4}"


@dataclass
class Table:
    """Prints what is measured, as ratios to the first line."""

    base_s: float = 0.0

    def say(self, name: str, measured: Callable[[], Measured]) -> bool:
        """One line; false where it took too long, so that the node is of no more use."""
        try:
            one = measured()
        except (TooLongError, TimeoutError, subprocess.SubprocessError) as error:
            print(f"  {name:34}{str(error)[:80]}", flush=True)
            return False
        self.base_s = self.base_s or one.heard_s
        print(f"  {name:34}{one.row(self.base_s)}", flush=True)
        return True


@dataclass(frozen=True)
class Step:
    """A change of ours: what should run after it, and of what the first neighbor then hears."""

    name: str
    after: Meant
    new: list[str]


@dataclass
class Cases:
    """What is compiled for one size, once for all versions of FRR."""

    size: int
    before: Meant = field(init=False)
    ours: list[Step] = field(init=False)
    metallb: list[str] = field(init=False)  # before, and after one more each time

    def __post_init__(self) -> None:
        base = Shop.of(self.size + 1).drop(0)  # a place is left in front
        self.before = base.compiled()
        one = base.put(self.size + 1)
        two = one.put(self.size + 2, ONLY_A)
        moved = two.put(50, GOLD)
        born = moved.put(self.size + 3, SILVER)
        steps = (
            ("ours: one Service more", one, [self.size + 1]),
            ("  one more for tor-a alone", two, [self.size + 2]),
            ("  one moves to another class", moved, [50]),
            ("  a new class, with its first", born, [self.size + 3]),
            ("  what a class says changes", replace(born, both="64512:9"), born.heard_by_both()),
        )
        self.ours = [Step(name, to.compiled(), [*map(prefix, new)]) for name, to, new in steps]
        self.metallb = [metallb_shape.text(self.before)]
        for number in ADDED:
            base = base.put(number)
            self.metallb.append(metallb_shape.text(base.compiled()))


def main() -> None:
    """Print a table for each size and each installed FRR."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))  # labs are taken down on the way out
    known: dict[str, Loaded] = {}
    for size in [*map(int, sys.argv[1:])] or SIZES:
        cases = Cases(size)
        for version, flavour in discover().items():
            print(f"\nFRR {flavour.version}, {size:,} Services and a change")
            columns = f"{'lines':>8}{'done':>10}{'heard':>10}{'ratio':>9}"
            print(f"  {'':34}{columns}{'tor-a: new/again/gone in UPDATEs, tor-b':>44}", flush=True)
            table = Table()
            ours(flavour, cases, table)
            known[version] = metallb(flavour, cases, table, known.get(version, (1, 0.0)))


def ours(flavour: Flavour, cases: Cases, table: Table) -> None:
    """Our shape, and what it costs to compare."""
    with Lab({flavour.major: flavour}) as lab:
        bench = Bench(Rig(lab, Majors(flavour.major, flavour.major), cases.before))
        bench.start(cases.before.text("node-1"))
        compare(bench.node, cases.ours[0].after)
        for one in cases.ours:
            if not table.say(one.name, lambda s=one: bench.measure(by_diff(s.after), s.new)):  # type: ignore[misc]
                return


def compare(node: Device, after: Meant) -> None:
    """Reading and comparing alone, beside the program that a user would compare with."""
    text, model = node.frr.running_config(), after.model("node-1")
    want, running = frr.intend(model, "prod"), frr.parse(text, "prod")
    parse_s = best(lambda: frr.parse(text, "prod"))
    diff_s = best(lambda: frr.diff(running, want))
    sent = len(frr.diff(running, want).commands)
    print(f"  parse {parse_s * 1e3:.1f} ms, diff {diff_s * 1e3:.2f} ms: {sent} line;", end=" ")
    if not metallb_shape.installed(node):
        print("frr-reload.py is not installed")
        return
    lines = text.splitlines(keepends=True)
    at = lines.index(next(line for line in lines if line.startswith("  network ")))
    more = next(line for line in frr.render(model).splitlines(keepends=True) if line not in lines)
    target = "".join((*lines[:at], more, *lines[at:]))
    start = time.perf_counter()
    try:
        with limit(LIMIT_S):
            metallb_shape.reload(node, target, "--test")
    except (TooLongError, subprocess.SubprocessError) as error:
        print(f"the same by frr-reload.py --test: {error}")
        return
    took = time.perf_counter() - start
    ratio = took / (parse_s + diff_s)
    print(f"the same by frr-reload.py --test {took:.2f} s, {ratio:,.0f}x", flush=True)


def best(do: Callable[[], object]) -> float:
    """Seconds, the least of a few runs."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        do()
        times.append(time.perf_counter() - start)
    return min(times)


def by_diff(after: Meant) -> Change:
    """As we do it."""
    model = after.model("node-1")

    def change(node: Device) -> int:
        diff = frr.diff(frr.parse(node.frr.running_config(), "prod"), model)
        assert load(node, frr.script(diff.commands)) == []
        return len(diff.commands)

    return change


def metallb(flavour: Flavour, cases: Cases, table: Table, known: Loaded) -> Loaded:
    """MetalLB's shape of the same, and how long it took to load."""
    if known[1] / known[0] * cases.size > LOAD_S:
        print(f"  MetalLB's: not tried, for {known[0]:,} took {known[1]:.0f} s to load", flush=True)
        return known
    before, more, another, first = cases.metallb
    with Lab({flavour.major: flavour}) as lab:
        bench = Bench(Rig(lab, Majors(flavour.major, flavour.major), cases.before))
        try:
            took = bench.start(before)
        except TooLongError as error:
            print(f"  MetalLB's: to load it takes {error}", flush=True)
            return cases.size, LOAD_S
        print(f"  MetalLB's: to load it takes {took:.1f} s", flush=True)
        changes = [("MetalLB's: one more, vtysh -f", by_lines(before, more))]
        if metallb_shape.installed(bench.node):
            changes.append(("  one more, frr-reload.py", by_reload(another)))
            changes.append(("  and one in front", by_reload(first)))
        for (name, change), number in zip(changes, ADDED, strict=False):
            new = [prefix(number)]
            if not table.say(name, lambda c=change, n=new: bench.measure(c, n)):  # type: ignore[misc]
                break
    return cases.size, took


def by_lines(before: str, after: str) -> Change:
    """The least that this shape can cost."""
    lines = metallb_shape.changed(before, after)

    def change(node: Device) -> int:
        assert load(node, "\n".join((*lines, ""))) == []
        return len(lines) - 4  # of which two open and two close

    return change


def by_reload(text: str) -> Change:
    """As MetalLB does it, but for its first run of frr-reload.py, with `--test`."""

    def change(node: Device) -> int:
        metallb_shape.reload(node, text)
        return 0

    return change


if __name__ == "__main__":
    main()
