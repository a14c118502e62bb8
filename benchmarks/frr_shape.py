"""One Service more on top of many, on real FRR: our shape of the configuration and MetalLB's.

    python benchmarks/frr_shape.py            as root; FRR as tests/daemon/install puts it there
    python benchmarks/frr_shape.py 1000

Ours: `network PREFIX route-map CLASS`, outbound maps that do not grow; a diff, by `vtysh -f`.
MetalLB's: per neighbor a prefix-list of all prefixes, numbered by position; by `vtysh -f` with the
lines that changed alone, and by frr-reload.py, as MetalLB does it. The new prefix is the last one
by number, what is best for positions, and then, up to 1,000 Services, the first one. Two neighbors
are configured, one is there and counts the UPDATE messages it hears.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from backends.frr_networks import (  # noqa: E402
    advertise,
    end,
    network,
    node,
    prefix_set,
    route_class,
    session,
    term,
)
from daemon.flavour import HOST, Flavour, discover, wait_for  # noqa: E402
from daemon.lab import Device, Lab  # noqa: E402

from ferrule.compiler.backends import frr  # noqa: E402
from ferrule.compiler.backends.frr.model import Model  # noqa: E402

SIZES = (1_000, 10_000)
NEIGHBORS = ("10.1.0.1", "10.1.0.2")
FIRST = ip_address("198.18.0.0")  # RFC 2544
POOL = prefix_set("bench", 32, "198.18.0.0/15")
CLASS = route_class(POOL, term(communities="65000:1"))
QUIET_S = 7  # route-map delay-timer, and some
LIMIT_S = 300
MOST_IN_FRONT = 1_000  # every number changes: 10,000 take hours
FAR = """\
router bgp 65000
 bgp router-id 10.1.0.1
 no bgp ebgp-requires-policy
 neighbor 10.1.0.10 remote-as 65001
 neighbor 10.1.0.10 timers connect 1
exit
"""


def prefixes(first: int, last: int) -> list[str]:
    """Those from one number to another, both included."""
    return [f"{FIRST + n}/32" for n in range(first, last + 1)]


def ours(first: int, last: int) -> Model:
    """The node as we lower it."""
    table = tuple(advertise(one, CLASS) for one in prefixes(first, last))
    peers = (session(f"tor-{one}", end(one)) for one in NEIGHBORS)
    whole = network(node(*peers, advertisements=table, classes=(CLASS,)), sets=[POOL])
    return frr.lower(whole.nodes[0], whole)


def metallb(first: int, last: int) -> str:
    """What MetalLB's template makes of the same: its lists, maps and neighbors."""
    table = prefixes(first, last)
    lines = []
    for one in NEIGHBORS:
        for name in (f"{one}-pl-ipv4", f"{one}-65000:1-ipv4-community-prefixes"):
            lines += [f"ip prefix-list {name} seq {n} permit {p}" for n, p in enumerate(table, 1)]
    for one in NEIGHBORS:
        lines += [
            f"route-map {one}-in deny 20\nexit",
            f"route-map {one}-out permit 1",
            f" match ip address prefix-list {one}-65000:1-ipv4-community-prefixes",
            " set community 65000:1 additive\n on-match next\nexit",
            f"route-map {one}-out permit 2",
            f" match ip address prefix-list {one}-pl-ipv4\nexit",
        ]
    lines += ["router bgp 65001", " bgp router-id 10.1.0.10", " no bgp ebgp-requires-policy"]
    lines += [" no bgp default ipv4-unicast", " no bgp network import-check"]
    lines += [f" neighbor {one} remote-as 65000" for one in NEIGHBORS]
    lines += [" address-family ipv4 unicast", *(f"  network {one}" for one in table)]
    for one in NEIGHBORS:
        lines += [f"  neighbor {one} activate"]
        lines += [f"  neighbor {one} route-map {one}-{way} {way}" for way in ("in", "out")]
    return "\n".join((*lines, " exit-address-family", "exit", ""))


def changed(old: str, new: str) -> str:
    """The lines of MetalLB's configuration that differ, the lists in the order of `old`."""
    there = set(old.splitlines())
    lists = [line for line in new.splitlines() if line.startswith("ip ") and line not in there]
    gone = [line for line in old.splitlines() if line.startswith("ip ")]
    stays = set(new.splitlines())
    lines = [f"no {line}" for line in gone if line not in stays] + lists
    lines += ["router bgp 65001", " address-family ipv4 unicast"]
    lines += [line for line in new.splitlines() if "  network" in line and line not in there]
    return "\n".join((*lines, " exit-address-family", "exit", ""))


def reload(device: Device, text: str) -> None:
    """As MetalLB's reloader does it."""
    root = device.frr.flavour.root
    run = root / "run/frr" / device.frr.name
    target = run / "target.conf"
    target.write_text(text)
    vtysh = run / "vtysh"
    inside = "" if root == HOST else f"chroot {root} "
    vtysh.write_text(
        f'#!/bin/bash\nexec {inside}/usr/bin/vtysh "${{@/#{str(root).rstrip("/")}/}}"\n'
    )
    vtysh.chmod(0o755)
    command = ["/usr/bin/python3", "/usr/lib/frr/frr-reload.py", "--reload", "-N", device.frr.name]
    paths = ["--bindir", str(run), "--rundir", str(run), "--confdir", str(run)]
    subprocess.run(  # noqa: S603
        [*command, *paths, str(target)], check=True, capture_output=True, timeout=LIMIT_S
    )


def load(device: Device, text: str) -> None:
    """By `vtysh -f`."""
    answer = device.frr.load(text)
    if not answer.ok:
        raise RuntimeError(answer.output[:500])


def measure(
    flavour: Flavour, count: int, whole: str, change: Callable[[Device], None]
) -> tuple[float, float, int]:
    """Seconds until the command is done and until the neighbor has it, and messages it heard."""
    with Lab({flavour.major: flavour}) as lab:
        here = lab.device("node", flavour.major, {"rack": ["10.1.0.10/24"]}, whole)
        far = lab.device("far", flavour.major, {"rack": ["10.1.0.1/24"]}, FAR)
        far.wait_established("10.1.0.10", seconds=60)
        wait_for(lambda: heard(far)[0] == count, 120, "all routes are there")
        time.sleep(QUIET_S)
        _, before = heard(far)
        start = time.perf_counter()
        change(here)
        done = time.perf_counter() - start
        wait_for(lambda: heard(far)[0] == count + 1, 120, "the new route is there")
        there = time.perf_counter() - start
        time.sleep(QUIET_S)
        return done, there, heard(far)[1] - before


def heard(far: Device) -> tuple[int, int]:
    """Routes that the neighbor holds, and UPDATE messages that it has received."""
    known = far.frr.show_json("show bgp neighbors 10.1.0.10")["10.1.0.10"]
    accepted = known.get("addressFamilyInfo", {}).get("ipv4Unicast", {})
    return accepted.get("acceptedPrefixCounter", 0), known["messageStats"]["updatesRecv"]


def shapes(count: int) -> Iterator[tuple[str, str, Callable[[Device], None]]]:
    """Name, configuration before, and how one Service more is loaded."""
    new = ours(1, count + 1)

    def by_diff(device: Device) -> None:
        running = frr.parse(device.frr.running_config(), "prod")
        load(device, frr.script(frr.diff(running, frr.intend(new, "prod")).commands))

    yield "ours, read + diff + vtysh -f", frr.render(ours(1, count)), by_diff
    before, after, front = metallb(1, count), metallb(1, count + 1), metallb(0, count)
    lines = changed(before, after)
    yield "MetalLB's, vtysh -f", before, lambda device: load(device, lines)
    yield "MetalLB's, frr-reload.py", before, lambda device: reload(device, after)
    if count <= MOST_IN_FRONT:
        yield "  the same, in front", before, lambda device: reload(device, front)


def main() -> None:
    """Print a table for each installed FRR and each size."""
    for flavour in discover().values():
        for count in map(int, sys.argv[1:]) if sys.argv[1:] else SIZES:
            print(f"FRR {flavour.version}, {count:,} Services and one more")
            print(f"  {'':30}{'done':>9}{'heard':>9}{'ratio':>8}{'UPDATEs':>9}")
            first = 0.0
            for name, whole, change in shapes(count):
                try:
                    done, there, messages = measure(flavour, count, whole, change)
                except (TimeoutError, subprocess.TimeoutExpired, RuntimeError) as error:
                    print(f"  {name:30}{str(error)[:60]}")
                    continue
                first = first or there
                print(
                    f"  {name:30}{done:8.2f}s{there:8.2f}s{there / first:7.1f}x{messages:9}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
