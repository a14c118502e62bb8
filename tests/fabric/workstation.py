"""Where the operator sits: a namespace that reaches every device, a key, the ferrule command."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

from daemon.flavour import execute

from fabric.machine import Done
from fabric.sshd import key_pair

CLONE_NEWNET = 0x40000000
NOBODY = "02:00:00:00:00:01"  # no interface here has this address


class Workstation:
    """`folder` is its home: the key pair, known_hosts, and what tests put there."""

    def __init__(self, namespace: str, folder: Path) -> None:
        self.namespace, self.folder = namespace, folder
        self.key_file = folder / "id_ed25519"
        self.known_hosts_file = folder / "known_hosts"
        self.public_key = key_pair(self.key_file)

    def know(self, host_keys: Mapping[str, str]) -> None:
        """Write known_hosts: address to public key."""
        lines = [f"{address} {key}\n" for address, key in host_keys.items()]
        self.known_hosts_file.write_text("".join(lines))

    def route(self, address: str, interface: str) -> None:
        """An address is behind this interface, whatever else might be."""
        family = f"-{ip_address(address).version}"
        _ip("-n", self.namespace, family, "route", "replace", address, "dev", interface)

    def command(self, *argv: str) -> list[str]:
        return ["ip", "netns", "exec", self.namespace, *argv]

    def ferrule_command(self, *words: str) -> list[str]:
        """The command line as it is typed here."""
        return self.command(*_FERRULE, *words)

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the developer's: no agent, no settings, no colours."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "NO_COLOR": "1"}

    def ferrule(self, *words: str, stdin: str = "", timeout_s: float = 120) -> Done:
        """Run the command line to its end, without a terminal."""
        return subprocess.run(  # noqa: S603
            self.ferrule_command(*words),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env=self.environment,
            timeout=timeout_s,
            start_new_session=True,
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Begin the same; whoever calls ends it, as it likes."""
        return subprocess.Popen(  # noqa: S603
            self.ferrule_command(*words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This thread, and those that it starts within, are on the workstation's network."""
        libc = ctypes.CDLL(None, use_errno=True)
        with Path("/proc/thread-self/ns/net").open() as home:
            with Path("/run/netns", self.namespace).open() as here:
                _enter(libc, here.fileno())
            try:
                yield
            finally:
                _enter(libc, home.fileno())

    @contextmanager
    def losing(self, *addresses: str) -> Iterator[None]:
        """What is sent to these addresses goes nowhere, without a word."""
        routes = [(one, self._interface(one)) for one in addresses]
        for address, interface in routes:
            self._neighbor("replace", address, interface, "lladdr", NOBODY, "nud", "permanent")
        try:
            yield
        finally:
            for address, interface in routes:
                self._neighbor("del", address, interface)

    def _interface(self, address: str) -> str:
        family = f"-{ip_address(address).version}"
        said = execute(["ip", "-n", self.namespace, family, "-j", "route", "get", address]).stdout
        interface: str = json.loads(said)[0]["dev"]
        return interface

    def _neighbor(self, verb: str, address: str, interface: str, *more: str) -> None:
        _ip("-n", self.namespace, "neighbor", verb, address, "dev", interface, *more)


_FERRULE = (str(Path(sys.prefix, "bin", "ferrule")),)


def _ip(*words: str) -> None:
    done = execute(["ip", *words])
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stdout.strip()}")


def _enter(libc: ctypes.CDLL, namespace: int) -> None:
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
