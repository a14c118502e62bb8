"""Replies of the responder beside the kernel's own, and how fast another node follows.

    python benchmarks/layer2.py            as root

Rate: 64 questions outstanding for one second. The client is Python too, and the slower end where
the kernel answers: the ratio of the two rates flatters the responder. Latency: one question at a
time, the client's own time included.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests")]

from daemon.l2 import ip, mac_of, station  # noqa: E402
from daemon.lab import Lab  # noqa: E402
from daemon.test_l2_process import VIPS, cluster, known, moved  # noqa: E402
from daemon.test_l2_responder import Wire  # noqa: E402

from ferrule.announce import arp  # noqa: E402
from ferrule.announce.wire import BROADCAST  # noqa: E402

NODE, VIP = "192.0.2.1", "192.0.2.10"
SECONDS, OUTSTANDING, ASKED = 1.0, 64, 500
RUNS = 5


def question(mac: bytes, target: str) -> bytes:
    """A broadcast request for an address."""
    source = IPv4Address("192.0.2.200")
    return arp.encode(
        arp.Arp(BROADCAST, mac, arp.REQUEST, mac, source, bytes(6), IPv4Address(target))
    )


def rate(wire: Wire, frame: bytes) -> float:
    """Replies a second, 64 questions on the way."""
    wire.heard()
    wire.sock.settimeout(0.2)
    replies, until = 0, time.perf_counter() + SECONDS
    for _ in range(OUTSTANDING):
        wire.sock.send(frame)
    while time.perf_counter() < until:
        with suppress(TimeoutError):
            wire.sock.recv(128)
            replies += 1
        wire.sock.send(frame)
    wire.sock.settimeout(0)
    return replies / SECONDS


def latency_us(wire: Wire, frame: bytes) -> tuple[float, float]:
    """Median and 99th percentile of one question at a time."""
    wire.heard()
    wire.sock.settimeout(1)
    times = []
    for _ in range(ASKED):
        start = time.perf_counter()
        wire.sock.send(frame)
        wire.sock.recv(128)
        times.append((time.perf_counter() - start) * 1e6)
    wire.sock.settimeout(0)
    return statistics.median(times), statistics.quantiles(times, n=100)[98]


def respond(namespace: str) -> None:
    """The other process."""
    with station(namespace) as one:
        one.own(VIP)
        one.serve(lambda: False, 3600)


def replies() -> None:
    """Both answer the same questions; a line each."""
    with Lab({}) as lab:
        node, _ = lab.host("node", {"lan": [f"{NODE}/24"]})
        client, _ = lab.host("client", {"lan": ["192.0.2.200/24"]})
        process = multiprocessing.Process(target=respond, args=(node,))
        process.start()
        try:
            time.sleep(6)  # its burst is over
            wire = Wire(client, 0x0806)
            mac = mac_of(client)
            for who, target in (("kernel", NODE), ("responder", VIP)):
                frame = question(mac, target)
                median, worst = latency_us(wire, frame)
                speed = rate(wire, frame)
                print(f"{who:10} {speed:9.0f}/s   p50 {median:5.0f} us   p99 {worst:6.0f} us")
            wire.sock.close()
        finally:
            process.kill()
            process.join()


def failover(how: str) -> float:
    """Milliseconds until a client's kernel has another MAC."""
    with cluster() as (_, agents, client):
        while not (mac := known(client, VIPS[0])):
            time.sleep(0.05)
        victim = next(one for one in agents.values() if one.mac == mac)
        pid = victim.process.pid
        deeds: dict[str, Callable[[], object]] = {
            "leave": lambda: victim.say(kind="leave"),
            "kill -9": lambda: os.kill(pid, signal.SIGKILL),
            "SIGSTOP": lambda: os.kill(pid, signal.SIGSTOP),
            "link down": lambda: ip(victim.namespace, "link", "set", "eth0", "down"),
        }
        return moved(client, VIPS[0], mac, deeds[how]) * 1000


def main() -> None:
    """Both tables."""
    replies()
    for how in ("leave", "kill -9", "SIGSTOP", "link down"):
        times = sorted(failover(how) for _ in range(RUNS))
        print(f"{how:10} {statistics.median(times):5.0f} ms ({times[0]:.0f}-{times[-1]:.0f})")


if __name__ == "__main__":
    main()
