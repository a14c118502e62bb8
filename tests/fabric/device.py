"""A device one can log into, and the ways in which it can fail whoever does.

Every fault is a context manager that puts things right at its end, except those that happen at
once and are over: `cut`, `restart_bgpd`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from daemon.flavour import HOST
from daemon.lab import Device

from fabric.machine import HERE, Done, Machine
from fabric.sshd import Sshd
from fabric.workstation import Workstation

FAULTS = "/run/fault"


class FabricDevice:
    """A router with a machine around it. `lab` has its cables, `frr` its daemons."""

    user = "ops"
    groups: Sequence[str] = ()

    def __init__(self, lab: Device, workstation: Workstation, *addresses: str) -> None:
        self.lab, self.frr, self.name = lab, lab.frr, lab.name
        self.addresses = addresses  # where it is reached by SSH, the usual one first
        self.machine = Machine(lab.name, lab.frr.name, lab.frr.flavour)
        self._workstation = workstation
        self._sshd: Sshd | None = None

    @property
    def sshd(self) -> Sshd:
        assert self._sshd, "not running"
        return self._sshd

    @contextmanager
    def running(self) -> Iterator[None]:
        """Reachable within."""
        with ExitStack() as stack:
            stack.enter_context(self.machine.running())
            key = self._workstation.public_key
            self._sshd = Sshd(self.machine, self.user, self.groups, key)
            self._install_vtysh()
            self._boot(stack)
            self._sshd.start()
            yield

    def _boot(self, stack: ExitStack) -> None:
        """What there is on a device of its kind only."""

    def _install_vtysh(self) -> None:
        """FRR's vtysh, for which `/etc/frr` is this device's own."""
        tree = "" if self.frr.flavour.root == HOST else str(self.frr.flavour.root)
        self.machine.write("/etc/device.frr", f"name={self.frr.name}\ntree={tree}\n")
        self.machine.write("/etc/frr/vtysh.conf", "service integrated-vtysh-config\n")
        self.machine.do("ln", "-s", ".", f"/etc/frr/{self.frr.name}")
        if tree:
            for each in ("/proc", "/dev", "/etc/frr", "/tmp"):  # noqa: S108
                self.machine.do("mount", "--rbind", each, f"{tree}{each}")
        self.install("vtysh", HERE / "programs/vtysh")

    def install(self, name: str, program: Path, folder: str = "/usr/bin") -> None:
        """Give the device a program."""
        self.machine.write(f"{folder}/{name}", program.read_text(), mode=0o755)

    def ssh(self, command: str, *, stdin: str = "") -> Done:
        """What the user's shell says to `command`, without the network between."""
        user = ["setpriv", "--reuid", self.user, "--regid", self.user, "--init-groups"]
        home = ["env", f"HOME=/home/{self.user}"]
        return self.machine.run(*user, *home, "/bin/bash", "-c", f"cd\n{command}", stdin=stdin)

    def saved(self) -> str:
        """The frr.conf that the device would start with; empty before the first `write`."""
        file = self.machine.path("/etc/frr/frr.conf")
        return file.read_text() if file.exists() else ""

    def load(self, text: str) -> None:
        """Run `text` from now on, and after a restart; every line must be taken silently."""
        answer = self.frr.load(text)
        if not answer.ok:
            raise RuntimeError(f"{self.name}: {answer.code}: {answer.output}")
        self.machine.do("vtysh", "-c", "write memory")

    def reset(self) -> None:
        """Back to an FRR that has nothing, and nothing saved."""
        self._restart_frr()
        self.machine.path("/etc/frr/frr.conf").unlink(missing_ok=True)

    def _restart_frr(self) -> None:
        for daemon in reversed(self.frr.flavour.daemons):
            self.frr.stop(daemon)
        for daemon in self.frr.flavour.daemons:
            self.frr.start(daemon)

    def restart_bgpd(self) -> None:
        """Kill bgpd and start it with what is saved."""
        self.frr.stop("bgpd", hard=True)
        self.frr.start("bgpd")
        self.frr.load(self.saved())

    # Faults.

    def cut(self) -> int:
        """End every SSH connection now; returns how many there were."""
        return self.sshd.cut()

    def unreachable(self) -> AbstractContextManager[None]:
        """Nothing that the workstation sends arrives; sessions of BGP are not concerned."""
        return self._workstation.losing(*self.addresses)

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Nobody listens."""
        self.sshd.stop()
        try:
            yield
        finally:
            self.sshd.start()

    def hanging(self) -> AbstractContextManager[None]:
        """Connections are taken and never answered."""
        return self.sshd.deaf()

    @contextmanager
    def other_host_key(self) -> Iterator[None]:
        """It shows another key than before, as after a re-installation or as somebody else."""
        before = [(path, self.machine.path(path).read_text()) for path in _KEY_FILES]
        told = self.sshd.host_key
        self.sshd.new_host_key()
        self.sshd.restart()
        self.sshd.host_key = told
        try:
            yield
        finally:
            for path, text in before:
                self.machine.write(path, text, mode=0o600)
            self.sshd.restart()

    @contextmanager
    def without_user(self) -> Iterator[None]:
        """The user does not exist."""
        with self._edited("/etc/passwd", f"\n{self.user}:", f"\nformer-{self.user}:"):
            yield

    @contextmanager
    def without_sudo(self) -> Iterator[None]:
        """The user may not become root."""
        self.sshd.forbid_sudo()
        try:
            yield
        finally:
            self.sshd.allow_sudo()

    @contextmanager
    def without(self, program: str, folder: str = "/usr/bin") -> Iterator[None]:
        """A program is not installed."""
        file = self.machine.path(f"{folder}/{program}")
        away = file.rename(file.with_name(f".{program}"))
        try:
            yield
        finally:
            away.rename(file)

    @contextmanager
    def banner(self, text: str) -> Iterator[None]:
        """Said before every login, and by the shell of every command to its stderr."""
        home = f"/home/{self.user}/.bashrc"
        self.machine.write("/etc/issue.net", text)
        self.machine.write(home, f"printf %s {_quoted(text)} >&2\n")
        try:
            yield
        finally:
            self.machine.write("/etc/issue.net", "")
            self.machine.path(home).unlink()

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Not a byte can be written, anywhere."""
        filler = self.machine.path("/var/filler")
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
            except OSError:
                pass
        try:
            yield
        finally:
            filler.unlink()

    @contextmanager
    def fault(self, program: str, name: str, value: object = "") -> Iterator[None]:
        """One of the faults that a program of the device knows; see its first lines."""
        path = f"{FAULTS}/{program}/{name}"
        self.machine.write(path, f"{value}\n")
        try:
            yield
        finally:
            self.machine.path(path).unlink(missing_ok=True)

    def slow(self, seconds: float, program: str = "vtysh") -> AbstractContextManager[None]:
        """A program takes that long before it does anything."""
        return self.fault(program, "slow", seconds)

    @contextmanager
    def _edited(self, path: str, old: str, new: str) -> Iterator[None]:
        before = self.machine.path(path).read_text()
        assert old in before
        self.machine.path(path).write_text(before.replace(old, new))
        try:
            yield
        finally:
            self.machine.path(path).write_text(before)


_KEY_FILES = ("/etc/ssh/host_key", "/etc/ssh/host_key.pub")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
