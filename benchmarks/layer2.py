"""The announcer measured: replies beside the kernel's, what noise costs, how fast others follow.

    python benchmarks/layer2.py [replies] [noise] [failover] [heal] [scale] [memberlist]
                                [--runs 5] [--fifo]          as root; all parts without names

replies     the whole process, limits lifted, and the kernel's own responder, asked over a veth by
            `layer2_load.c` (gcc builds it): rate with 64 questions outstanding, then latency at
            three rates. Asker and process have a processor each; the kernel answers on the asker's.
noise       what requests for others cost the process
failover    what a client lost that asks each 5 ms, n runs of each way to lose an owner
heal        how long after a partition a client still talks to the second owner
scale       10,000 addresses: one changes; their owner dies
memberlist  the same nodes known to each other by hashicorp/memberlist with its LAN defaults, which
            is how MetalLB's speakers elect (a Go program, built here): until the dead is dead

`--fifo` gives asker and process real-time priority, as on a node with nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests")]

from daemon.flavour import wait_for  # noqa: E402
from daemon.l2 import ip  # noqa: E402
from daemon.l2_wire import ear  # noqa: E402
from daemon.l2_world import VIPS, World, world  # noqa: E402
from daemon.lab import Lab  # noqa: E402
from daemon.test_l2_failover import DEEDS  # noqa: E402

OUTSTANDING, SECONDS = 64, 2.0
RATES = (100, 1000, 10_000)
FOUR, SIX = "198.18.0.1", "2001:db8:1::1"  # the first of those that are asked for
NODE = ("192.0.2.1/24", "2001:db8::1/64")
UNLIMITED = """
from ferrule.announce import announcer, limits, process
announcer.Rates = lambda: limits.Rates(1e9, 1e9, 1e9)
process.serve(0, 1)
"""


@dataclass(frozen=True)
class Asked:
    """What the asker prints."""

    sent: int
    answered: int
    twice: int
    lost: int
    p50_us: float
    p99_us: float
    rate: float


class Bench:
    """A client with a cable to a node that answers by its kernel, one to a node that runs us."""

    def __init__(self, stack: ExitStack, *, fifo: bool) -> None:
        self.first = ("chrt", "-f", "1") if fifo else ()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.load = str(folder / "layer2_load")
        subprocess.run(["gcc", "-O2", "-o", self.load, str(HERE / "layer2_load.c")], check=True)  # noqa: S603, S607
        self.lab = stack.enter_context(Lab({}))
        self.client, _ = self.lab.host("client", {})
        self.nodes = {}
        for name in ("kernel", "ours"):
            self.nodes[name], _ = self.lab.host(name, {})
            peer = ("peer", "name", name, "netns", self.client)
            ip(self.nodes[name], "link", "add", "eth0", "type", "veth", *peer)
            ip(self.nodes[name], "link", "set", "eth0", "up")
            ip(self.client, "link", "set", name, "up")
            for address in NODE:
                ip(self.nodes[name], "address", "add", address, "dev", "eth0")
        self.process: subprocess.Popen[bytes] | None = None
        self.stack = stack

    def prepare(self, number: int) -> None:
        """Both answer for so many addresses of either family."""
        kernel = self.nodes["kernel"]
        ip(kernel, "route", "replace", "local", f"{FOUR}/32", "dev", "lo")
        ip(kernel, "route", "replace", "local", "198.18.0.0/16", "dev", "lo")
        batch = "".join(f"address replace {_six(at)}/64 dev eth0 nodad\n" for at in range(number))
        subprocess.run(["ip", "-n", kernel, "-batch", "-"], input=batch, text=True, check=True)  # noqa: S603, S607
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = self._announcer()
        addresses = [*(_four(at) for at in range(number)), *(_six(at) for at in range(number))]
        for at in range(0, len(addresses), 512):
            each = [{"address": one} for one in addresses[at : at + 512]]
            self._say(kind="own", groups=[{"scores": {"ours": 0}, "addresses": each}])
        time.sleep(7 + number / 500)  # its bursts are over

    def _announcer(self) -> subprocess.Popen[bytes]:
        where = ("ip", "netns", "exec", self.nodes["ours"], "taskset", "-c", "1", *self.first)
        process = subprocess.Popen(  # noqa: S603
            [*where, sys.executable, "-c", UNLIMITED],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        self.process = process
        self.stack.callback(process.kill)
        self._say(
            kind="setup", node="ours", cluster="prod", bind="192.0.2.1", port=7947, secrets=[],
            interfaces=["eth0"],
        )  # fmt: skip
        self._say(kind="members", members={"ours": ""}, fresh=True)
        return process

    def _say(self, **message: object) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, who: str, kind: str, number: int, mode: str, value: float) -> Asked:
        """One run of the asker."""
        first = FOUR if kind == "arp" else SIX
        argv = (
            "ip", "netns", "exec", self.client, "taskset", "-c", "0", *self.first, self.load, who,
            kind, first, str(number), mode, str(value), str(SECONDS),
        )  # fmt: skip
        done = subprocess.run(argv, check=True, capture_output=True, text=True)  # noqa: S603
        *numbers, p50, p99, rate = done.stdout.split()
        return Asked(*map(int, numbers), float(p50), float(p99), float(rate))

    def cpu_s(self) -> float:
        """Of the process, so far."""
        assert self.process is not None
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _four(number: int) -> str:
    return f"198.18.{(number + 1) >> 8}.{(number + 1) & 255}"


def _six(number: int) -> str:
    return f"2001:db8:1::{number + 1:x}"


def replies(options: argparse.Namespace) -> None:
    """Rates as ratios, and latencies."""
    with ExitStack() as stack:
        bench = Bench(stack, fifo=options.fifo)
        for number in (1, 1000):
            bench.prepare(number)
            for kind in ("arp", "ndp"):
                pairs = [
                    [bench.ask(who, kind, number, "closed", OUTSTANDING) for who in bench.nodes]
                    for _ in range(options.runs)
                ]
                assert all(one.twice == 0 for pair in pairs for one in pair), "answered twice"
                kernel, ours = (statistics.median(each.rate for each in side)
                                for side in zip(*pairs, strict=True))  # fmt: skip
                ratios = sorted(pair[1].rate / pair[0].rate for pair in pairs)
                print(
                    f"{kind} {number:5} addresses: {ours:8.0f}/s, the kernel {kernel:8.0f}/s,"
                    f" ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f}),"
                    f" n={options.runs}"
                )
                for rate in RATES:
                    for who in bench.nodes:
                        one = bench.ask(who, kind, number, "open", rate)
                        print(
                            f"    {who:7} at {rate:5}/s: p50 {one.p50_us:6.0f} us,"
                            f" p99 {one.p99_us:7.0f} us, {one.lost} of {one.sent} lost"
                        )


def noise(options: argparse.Namespace) -> None:
    """CPU of the process while others are asked for."""
    with ExitStack() as stack:
        bench = Bench(stack, fifo=options.fifo)
        bench.prepare(1000)
        for rate in (0, 1000, 10_000):
            before, start = bench.cpu_s(), time.monotonic()
            until = start + 5
            while time.monotonic() < until:
                if rate:
                    _noise(bench, rate)
                else:
                    time.sleep(0.5)
            share = (bench.cpu_s() - before) / (time.monotonic() - start)
            print(f"noise {rate:5}/s: {100 * share:.1f} % of a processor")


def _noise(bench: Bench, rate: int) -> None:
    where = ("ip", "netns", "exec", bench.client)
    what = ("ours", "arp", "203.0.113.1", "200", "noise", str(rate), "1")
    subprocess.run([*where, bench.load, *what], check=True, capture_output=True)  # noqa: S603


def _percentiles(name: str, values: Sequence[float], unit: str = "ms") -> None:
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    print(
        f"{name:34} median {statistics.median(ordered):5.0f} {unit}, p95 {p95:5.0f},"
        f" worst {ordered[-1]:5.0f}, n={len(ordered)}",
        flush=True,
    )


def failover(options: argparse.Namespace) -> None:
    """What a client lost."""
    for how in DEEDS:
        outages, lost, moved = [], [], []
        for number in range(options.runs):
            with world(serving=True) as one:
                one.start_together()
                vip = VIPS[number % len(VIPS)]
                owner = one.owner(vip)
                while one.known(vip) != owner.mac:
                    time.sleep(0.05)
                with one.measured(vip) as end:
                    time.sleep(0.5)
                    start = time.monotonic()
                    DEEDS[how](one, owner)
                    while one.known(vip) in ("", owner.mac):
                        pass
                    moved.append((time.monotonic() - start) * 1000)
                    time.sleep(0.2)
                    seen = end()
                outages.append(seen.outage_ms)
                lost.append(seen.lost)
        _percentiles(f"{how}: longest without an answer", outages)
        _percentiles(f"{how}: until the client is moved", moved)
        print(f"{how}: lost, of questions each 5 ms: {sorted(lost)}", flush=True)


def heal(options: argparse.Namespace) -> None:
    """From the trunk's return to the second owner's last answer."""
    late, lost = [], []
    for _ in range(options.runs):
        with world(5, serving=True) as one, ExitStack() as stack:
            one.start_together()
            ends = [stack.enter_context(one.measured(VIPS[0], c)) for c in (one.client, one.far)]
            for each in (one.client, one.far):
                while not one.known(VIPS[0], each):
                    time.sleep(0.05)
            one.pass_frames("trunk0", so=False)
            time.sleep(3)
            start = time.monotonic()
            one.pass_frames("trunk0", so=True)
            time.sleep(2)
            seen = [end() for end in ends]
            owner = one.owner(VIPS[0]).name
            wrong = [at for each in seen for at, who in each.asked
                     if who not in ("", owner) and at > start]  # fmt: skip
            late.append((max(wrong, default=start) - start) * 1000)
            lost.append(sum(not who for each in seen for at, who in each.asked if at > start))
    _percentiles("heal: second owner's last answer", late)
    print(f"heal: lost after it: {sorted(lost)}")


def scale(options: argparse.Namespace) -> None:
    """10,000 addresses on three nodes."""
    addresses = [_four(number) for number in range(10_000)]
    changes, firsts, alls = [], [], []
    for _ in range(options.runs):
        with world() as one:
            one.groups = [(one.names, addresses[at : at + 512]) for at in range(0, 10_000, 512)]
            one.start_together()
            time.sleep(8)
            with ear(one.client, "eth0") as wire:
                wire.announcements()
                start = time.time()
                for agent in one.agents.values():
                    agent.own((one.names, ["192.0.2.150"]))
                changes.append(_first(wire.announcements, {"192.0.2.150"}, start)[0])
                victim = one.agents["node-1"]
                mine, start = set(victim.owned()), time.time()
                victim.send(signal.SIGKILL)
                times = _first(wire.announcements, mine, start, victim.mac)
                firsts.append(times[0])
                alls.append(times[-1])
    _percentiles("scale: a new one, first announced", changes)
    _percentiles("scale: owner of a third dies, first", firsts)
    _percentiles("scale: the same, all announced", alls)


def _first(
    heard: Callable[[], list],
    wanted: set[str],
    start: float,
    but: str = "",  # type: ignore[type-arg]
) -> list[float]:
    """Milliseconds until each was announced by another, in order."""
    found: dict[str, float] = {}
    until = time.monotonic() + 20
    while len(found) < len(wanted) and time.monotonic() < until:
        for said in heard():
            if said.address in wanted and said.mac != but and said.at >= start:
                found.setdefault(said.address, (said.at - start) * 1000)
        time.sleep(0.01)
    assert len(found) == len(wanted), f"{len(wanted) - len(found)} were not announced"
    return sorted(found.values())


@contextmanager
def _speakers(one: World, program: str) -> Iterator[dict[str, subprocess.Popen[str]]]:
    running = {}
    try:
        for name in one.names:
            others = [one.four[other] for other in one.names if other != name]
            running[name] = subprocess.Popen(  # noqa: S603
                ["ip", "netns", "exec", one.namespaces[name], program, name, one.four[name],  # noqa: S607
                 *others],
                stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        yield running
    finally:
        for each in running.values():
            each.kill()
            each.wait()


def memberlist(options: argparse.Namespace) -> None:
    """Until the others say that it is dead."""
    if shutil.which("go") is None:
        print("memberlist: no Go here")
        return
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/memberlist"
        subprocess.run(["go", "build", "-o", program, "."], cwd=HERE / "memberlist", check=True)  # noqa: S603, S607
        for how in ("kill -9", "link down"):
            times = []
            for _ in range(options.runs):
                with world() as one, _speakers(one, program) as running:
                    survivor = running["node-2"].stdout
                    assert survivor is not None
                    joined = set()
                    while joined != set(one.names):
                        joined.add(survivor.readline().split()[1])
                    time.sleep(3)
                    start = time.monotonic()
                    if how == "kill -9":
                        running["node-1"].kill()
                    else:
                        ip(one.namespaces["node-1"], "link", "set", "eth0", "down")
                    words = survivor.readline().split()
                    while words[:2] != ["dead", "node-1"]:
                        words = survivor.readline().split()
                    times.append((float(words[2]) - start) * 1000)
            _percentiles(f"memberlist, {how}: until dead", times)


PARTS = {one.__name__: one for one in (replies, noise, failover, heal, scale, memberlist)}


def main() -> None:
    """The parts asked for, and how busy the machine is."""
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--fifo", action="store_true")
    options = parser.parse_args()
    for name in options.parts or PARTS:
        print(
            f"== {name}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors", flush=True
        )
        PARTS[name](options)


if __name__ == "__main__":
    wait_for(lambda: os.geteuid() == 0, 0, "root")
    main()
