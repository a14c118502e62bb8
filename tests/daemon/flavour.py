"""The FRR installations of this machine.

A flavour is the distribution's own FRR, or the tree that `tests/daemon/install` unpacked beside it
and that is entered by chroot. Nothing here starts a daemon.
"""

import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

HOST = Path("/")
DAEMONS = "/usr/lib/frr"


def wait_for(predicate: Callable[[], object], seconds: float, what: str) -> None:
    """Ask every 50 ms until the answer is true; `TimeoutError` naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(0.05)


def execute(
    argv: Sequence[str], env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `argv` to its end; stdout holds both streams in the order printed."""
    return subprocess.run(  # noqa: S603
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",  # vtysh 10.3 puts bytes of anywhere into some refusals
        check=False,
        env=env,
    )


@dataclass(frozen=True)
class Flavour:
    """One FRR installation: its version ("8.4.4") and where its / is on this machine."""

    version: str
    root: Path

    @property
    def major(self) -> str:
        return self.version.split(".", 1)[0]

    @cached_property
    def daemons(self) -> tuple[str, ...]:
        """In the order they start: the later ones look for the earlier ones."""
        base = ("zebra", "bgpd", "bfdd")
        return ("mgmtd", *base) if (self.root / "usr/lib/frr/mgmtd").exists() else base

    @cached_property
    def owner(self) -> tuple[int, int]:
        """The uid and gid of frr there, which the host may know by other numbers."""
        for line in (self.root / "etc/passwd").read_text().splitlines():
            name, _, uid, gid, *_ = line.split(":")
            if name == "frr":
                return int(uid), int(gid)
        raise LookupError(f"no user frr in {self.root / 'etc/passwd'}")

    def directories(self, name: str) -> tuple[Path, Path, Path]:
        """Where the path space `name` keeps configuration, sockets and state."""
        etc, run, lib = (self.root / base for base in ("etc/frr", "run/frr", "var/lib/frr"))
        return etc / name, run / name, lib / name

    def command(self, *argv: str) -> list[str]:
        """`argv` as seen from inside the installation."""
        return list(argv) if self.root == HOST else ["chroot", str(self.root), *argv]

    def command_in(self, namespace: str, *argv: str) -> list[str]:
        """As `command`, in a network namespace and with /proc.

        `ip netns exec` gives every process mounts of its own, so /proc appears in the tree for
        this process alone and goes with it.
        """
        enter = ["ip", "netns", "exec", namespace]
        if self.root == HOST:
            return [*enter, *argv]
        script = 'mount --rbind /proc "$0/proc" && exec chroot "$0" "$@"'
        return [*enter, "sh", "-c", script, str(self.root), *argv]


def discover() -> dict[str, Flavour]:
    """The flavours installed here by major version, "8" and "10"."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = Path(os.environ.get("FERRULE_FRR_CACHE") or caches / "ferrule-frr")
    found: dict[str, Flavour] = {}
    for root in (HOST, cache / "bookworm", cache / "trixie"):
        if version := _version(root):
            flavour = Flavour(version, root)
            found.setdefault(flavour.major, flavour)
    return found


def _version(root: Path) -> str | None:
    if not (root / "usr/lib/frr/bgpd").exists():
        return None
    said = execute(Flavour("", root).command(f"{DAEMONS}/bgpd", "--version")).stdout
    match = re.search(r"version (\d+(?:\.\d+)*)", said)
    return match[1] if match else None
