"""What one Service more costs a running controller and a node's agent, beside compiling it all.

    python benchmarks/incremental.py            1,000 and 10,000 Services
    python benchmarks/incremental.py 3000

Everything of one size is measured in one process, the whole compilation included, so that the
ratios do not depend on the machine. The fabric is that of `compile.py`; every Service holds an
address. Steps are medians of many, and the slowest of them in brackets.
"""

from __future__ import annotations

import gc
import json
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median

from compile import fabric

from ferrule.compiler.allocation import Allocator
from ferrule.compiler.backends import frr
from ferrule.compiler.inputs import Inputs
from ferrule.compiler.kube import Endpoints
from ferrule.compiler.network import Network
from ferrule.compiler.pipeline import compile_network, read_inputs
from ferrule.compiler.rooms import Limits
from ferrule.compiler.seen import Seen
from ferrule.compiler.service import Demand
from ferrule.compiler.slice import Slice
from ferrule.compiler.source import read

SIZES = (1000, 10_000)
NODES, SWITCHES = 100, 16
STEPS = 200
NODE = "node-0"


@dataclass(frozen=True)
class World:
    """A cluster in which every Service holds what it was given."""

    inputs: Inputs
    network: Network

    @property
    def demands(self) -> dict[str, Demand]:
        """By `namespace/name`."""
        return {one.key: one for one in self.inputs.services}

    @property
    def endpoints(self) -> Mapping[str, Endpoints]:
        """The same."""
        assert self.inputs.endpoints is not None
        return self.inputs.endpoints


def world(services: int) -> World:
    """Compiled once, so that all have addresses."""
    dump = json.dumps({"kind": "List", "items": [*fabric(NODES, SWITCHES, services)]})
    inputs = read_inputs(read(dump, "dump.json"))
    given = {one.key: one.addresses for one in compile_network(inputs).network.services}
    held = tuple(replace(one, held=given[one.key]) for one in inputs.services)
    inputs = replace(inputs, services=held)
    return World(inputs, compile_network(inputs).network)


def newcomers(some: Demand) -> Iterator[Demand]:
    """Services that nobody has seen yet."""
    for number in range(STEPS):
        yield replace(some, name=f"new-{number}", held=(), local=False, backend="")


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def controller(one: World) -> dict[str, list[float]]:
    """A Service comes, the switches are asked, and it goes again."""
    allocator = Allocator(one.inputs.spec.pools, {}, {})
    allocator.update(one.demands)
    limits = Limits(one.network.switches, one.network.sets, one.network.services)
    laps: dict[str, list[float]] = {"add": [], "limits": [], "delete": []}
    each = list(newcomers(one.inputs.services[0]))
    for demand in each:
        laps["add"].append(seconds(partial(allocator.update, {demand.key: demand})))
        now = {demand.key: allocator.services[demand.key]}
        laps["limits"].append(seconds(partial(limits.update, now)))
    for demand in each:
        laps["delete"].append(seconds(partial(allocator.update, {demand.key: None})))
    return laps


def agent(one: World) -> tuple[dict[str, list[float]], float]:
    """A Service gets its status and its endpoints; the lines for FRR. Also the size in MB."""
    seen = {key: Seen.of(demand) for key, demand in one.demands.items()}
    bare = replace(one.inputs, services=(), endpoints={})
    gc.collect()
    tracemalloc.start()
    part = Slice(NODE, bare)
    part.update(seen, one.endpoints)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    lines = frr.Lines(part.node, one.network)
    laps: dict[str, list[float]] = {"slice": [], "lines": []}
    block = one.inputs.spec.pools[0].spec.addresses[0].cidrs[0]
    for number, demand in enumerate(newcomers(one.inputs.services[0])):
        address = (block[-1 - number],)
        update = {demand.key: Seen.of(replace(demand, held=address))}
        where = {demand.key: Endpoints(healthy=True, nodes=frozenset({NODE}))}
        start = time.perf_counter()
        found = part.update(update, where).advertisements
        middle = time.perf_counter()
        commands = lines.commands({prefix: (None, told) for prefix, told in found.items()})
        laps["slice"].append(middle - start)
        laps["lines"].append(time.perf_counter() - middle)
        assert commands
    return laps, size / 1e6


def _line(name: str, each: Sequence[float], whole: str, base: float) -> str:
    middle, slowest = median(each), max(each)
    ratio = f"1/{base / middle:.0f} of {whole}"
    return f"  {name:>7}: {middle * 1e6:6.0f} us ({slowest * 1e3:.1f} ms), {ratio}"


def report(services: int) -> None:
    """One size, with the ratios."""
    one = world(services)
    whole = min(seconds(lambda: compile_network(one.inputs)) for _ in range(3))
    intended = frr.lower(one.network.nodes[0], one.network)
    running = frr.intend(intended, one.network.cluster)
    compared = min(seconds(lambda: frr.diff(running, intended)) for _ in range(3))
    print(f"{services} Services: compiling all of it takes {whole * 1e3:.0f} ms,", end=" ")
    print(f"comparing one node {compared * 1e3:.1f} ms")
    laps, size = agent(one)
    for name, each in {**controller(one), **laps}.items():
        whole_of_it = ("comparing", compared) if name == "lines" else ("compiling", whole)
        print(_line(name, each, *whole_of_it))
    print(f"  one node's slice: {size:.1f} MB, {len(one.network.nodes[0].advertisements)} prefixes")


def main() -> None:
    """Run what the command line asks for."""
    for services in map(int, sys.argv[1:]) if sys.argv[1:] else SIZES:
        report(services)


if __name__ == "__main__":
    main()
