"""A segment to announce on: namespaces on a bridge, and a responder that runs in one of them.

The responder runs in this process, inside the namespace, for as long as a client's program does.
"""

import ctypes
import os
import selectors
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

from daemon.flavour import execute
from daemon.need import refuse
from ferrule.announce.bursts import Bursts
from ferrule.announce.limits import Limits, Rates
from ferrule.announce.links import Choice
from ferrule.announce.netlink import Monitor
from ferrule.announce.responder import Responder
from ferrule.announce.wire import Claim

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)
UNLIMITED = Rates(1e9, 1e9, 1e9)


def require_segment() -> None:
    """Root, and the programs that clients are made of."""
    if os.geteuid() != 0:
        refuse("not root")
    for program in ("ip", "bridge", "arping", "ndisc6"):
        if shutil.which(program) is None:
            refuse(f"no {program}")
    if execute(["unshare", "--net", "true"]).returncode:
        refuse("no right to make network namespaces")


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """This thread in another network; sockets opened there stay there. (os.setns is 3.12's.)"""
    with (
        Path("/proc/thread-self/ns/net").open() as here,
        Path(f"/run/netns/{namespace}").open() as there,
    ):
        _enter(there.fileno())
        try:
            yield
        finally:
            _enter(here.fileno())


def _enter(descriptor: int) -> None:
    if _LIBC.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def ip(namespace: str, *words: str) -> str:
    done = execute(["ip", "-n", namespace, *words])
    assert done.returncode == 0, done.stdout
    return done.stdout


def mac_of(namespace: str, interface: str = "eth0") -> bytes:
    words = ip(namespace, "-o", "link", "show", "dev", interface).split()
    return bytes.fromhex(words[words.index("link/ether") + 1].replace(":", ""))


def neighbor(namespace: str, address: str, interface: str = "eth0") -> str:
    """What the kernel's table says of an address: a MAC, or the empty string."""
    words = ip(namespace, "neigh", "show", address, "dev", interface).split()
    return words[words.index("lladdr") + 1] if "lladdr" in words else ""


def poke(namespace: str, address: str) -> None:
    """Have the kernel there ask for an address: a datagram to it, for nobody."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with inside(namespace), socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"?", (address, 9))


class Station:
    """A responder in a namespace, and the loop it needs."""

    def __init__(
        self, namespace: str, interfaces: tuple[str, ...] = ("eth0",), rates: Rates = UNLIMITED
    ) -> None:
        self.namespace = namespace
        self.selector = selectors.DefaultSelector()
        self.claims: list[Claim] = []
        self.members: set[bytes] = set()
        with inside(namespace):
            self.responder = Responder(
                self.selector,
                Monitor(),
                Choice(only=interfaces),
                Limits(rates, time.monotonic()),
                Bursts(lambda: 0.0),
                self._claimed,
            )

    def _claimed(self, claim: Claim, _now: float) -> bool:
        self.claims.append(claim)
        return claim.mac in self.members

    def own(self, *addresses: str, names: Mapping[str, frozenset[str]] | None = None) -> None:
        wanted = {ip_address(one).packed: (names or {}).get(one, frozenset()) for one in addresses}
        with inside(self.namespace):
            self.responder.own(wanted, time.monotonic())

    def change(
        self, changes: Mapping[bytes, frozenset[str] | None], quiet: Collection[bytes] = ()
    ) -> None:
        with inside(self.namespace):
            self.responder.change(changes, time.monotonic(), quiet)

    def serve(self, done: Callable[[], object], seconds: float = 10.0) -> bool:
        """Run until something is so; whether it came to be."""
        deadline = time.monotonic() + seconds
        with inside(self.namespace):
            while not (so := bool(done())) and time.monotonic() < deadline:
                for key, _ in self.selector.select(0.005):
                    key.data(time.monotonic())
                self.responder.tick(time.monotonic())
        return so

    def serve_while(self, namespace: str, *argv: str) -> tuple[int, str]:
        """Run a program elsewhere on the segment, and this meanwhile: exit code and output."""
        with subprocess.Popen(  # noqa: S603
            ["ip", "netns", "exec", namespace, *argv],  # noqa: S607
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as program:
            assert self.serve(lambda: program.poll() is not None, 20), argv
            assert program.stdout is not None
            return program.returncode, program.stdout.read()

    def close(self) -> None:
        self.responder.close()
        self.selector.close()


@contextmanager
def station(namespace: str, **how: object) -> Iterator[Station]:
    one = Station(namespace, **how)  # type: ignore[arg-type]
    try:
        yield one
    finally:
        one.close()
