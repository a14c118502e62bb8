"""The daemons of one device, and vtysh towards them.

A router is one path space (`-N NAME`) of a flavour in the network namespace of the same name. Its
daemons stay in the foreground, as children of this process: the pid of the child is the pid of
the daemon, whatever wraps it, and stopping it is stopping a child.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.flavour import DAEMONS, Flavour, execute, wait_for

START_S = 60.0
STOP_S = 5.0

# vtysh on FRR 10 reports its own progress, once per daemon.
_PROGRESS = re.compile(
    r"\[\d+\|\w+\] (sending configuration|done)$"
    r"|Waiting for children to finish|MGMTD: No changes found|$"
)
_COMPLAINT = re.compile(r"%|line \d+: |The route-map '.*' does not exist")


@dataclass(frozen=True)
class Answer:
    """What a vtysh process said, stdout and stderr in the order printed."""

    code: int
    output: str

    @property
    def lines(self) -> list[str]:
        """The output without vtysh's progress reports and empty lines."""
        return [line for line in self.output.splitlines() if not _PROGRESS.match(line)]

    @property
    def complaints(self) -> list[str]:
        """The lines by which FRR refuses something or warns."""
        return [line for line in self.lines if _COMPLAINT.match(line)]

    @property
    def ok(self) -> bool:
        """Exit code 0 alone proves nothing: a refused prefix-list entry leaves it at 0."""
        return self.code == 0 and not self.complaints


@dataclass
class Router:
    """zebra, bgpd, bfdd, and mgmtd where the flavour has one."""

    name: str
    flavour: Flavour
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict, repr=False)

    @property
    def _etc(self) -> Path:
        return self.flavour.directories(self.name)[0]

    @property
    def _sockets(self) -> Path:
        return self.flavour.directories(self.name)[1]

    @contextmanager
    def running(self) -> Iterator[None]:
        """All daemons up, empty and answering; afterwards none, and no file of theirs."""
        try:
            for path in self.flavour.directories(self.name):
                path.mkdir(parents=True)
                os.chown(path, *self.flavour.owner)
            (self._etc / "vtysh.conf").touch()  # vtysh warns when it is missing
            for daemon in self.flavour.daemons:
                self.start(daemon)
            yield
        finally:
            for daemon in reversed(self.flavour.daemons):
                self.stop(daemon)
            for path in self.flavour.directories(self.name):
                shutil.rmtree(path, ignore_errors=True)

    def start(self, daemon: str) -> None:
        """Start one daemon with an empty configuration and wait until it answers."""
        argv = [f"{DAEMONS}/{daemon}", "-N", self.name]
        if daemon != "mgmtd":  # which knows no -f
            argv += ["-f", "/dev/null"]
        with self._log(daemon).open("wb") as log:
            self._processes[daemon] = subprocess.Popen(  # noqa: S603
                self.flavour.command_in(self.name, *argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_for(lambda: self._answers(daemon), START_S, f"{self.name}: {daemon} answers")

    def _log(self, daemon: str) -> Path:
        return self._sockets / f"{daemon}.out"

    def _answers(self, daemon: str) -> bool:
        if (code := self._processes[daemon].poll()) is not None:
            said = self._log(daemon).read_text().strip()
            raise RuntimeError(f"{self.name}: {daemon} ended with {code}: {said}")
        return (self._sockets / f"{daemon}.vty").exists() and self.vtysh(
            "show version", daemon=daemon
        ).code == 0

    def pid(self, daemon: str) -> int:
        return self._processes[daemon].pid

    def stop(self, daemon: str, *, hard: bool = False) -> None:
        """End one daemon if it runs: by SIGTERM, or by SIGKILL when `hard` or when it is deaf."""
        if (process := self._processes.pop(daemon, None)) is None:
            return
        if hard:
            process.kill()
        else:
            process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        # FRR 10 makes a directory for crash logs at every start and leaves it there.
        crash = self.flavour.root / "var/tmp/frr" / f"{daemon}.{process.pid}"
        shutil.rmtree(crash, ignore_errors=True)

    def load(self, text: str) -> Answer:
        """Feed `text` to `vtysh -f`."""
        return self._vtysh("-f", self._file("load.conf", text))

    def check(self, text: str) -> Answer:
        """Only parse `text`: `vtysh -C -f`."""
        return self._vtysh("-C", "-f", self._file("check.conf", text))

    def _file(self, name: str, text: str) -> str:
        (self._etc / name).write_text(text)
        return f"/etc/frr/{self.name}/{name}"  # inside the installation

    def vtysh(self, *commands: str, daemon: str | None = None) -> Answer:
        """Run `commands` in one vtysh, towards all daemons or only one."""
        only = ["-d", daemon] if daemon else []
        return self._vtysh(*only, *(word for command in commands for word in ("-c", command)))

    def _vtysh(self, *words: str) -> Answer:
        # vtysh writes its history below HOME.
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": f"/etc/frr/{self.name}"}
        done = execute(self.flavour.command("vtysh", "-N", self.name, *words), env)
        return Answer(done.returncode, done.stdout)

    def show(self, command: str, *, daemon: str | None = None) -> str:
        """What a show command prints; `RuntimeError` when FRR refuses it."""
        answer = self.vtysh(command, daemon=daemon)
        if answer.code:
            raise RuntimeError(f"{self.name}: {command}: {answer.output.strip()}")
        return answer.output

    def show_json(self, command: str) -> Any:
        """`command` with ` json`, decoded; the shape is FRR's and changes between versions."""
        return json.loads(self.show(f"{command} json"))

    def running_config(self, *, daemon: str | None = None) -> str:
        """The running configuration from `frr version` to `end`; passwords are in clear."""
        text = self.show("show running-config", daemon=daemon)
        return text[text.index("frr version") :].rstrip() + "\n"
