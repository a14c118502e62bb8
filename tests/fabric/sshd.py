"""The door of a device: a real sshd, the user it lets in, and what that user may do."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fabric.machine import Machine

PORT = 22
UID = 4200

_CONFIG = f"""\
Port {PORT}
HostKey /etc/ssh/host_key
AuthorizedKeysFile /etc/ssh/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UseDNS no
MaxStartups 100
MaxSessions 100
LogLevel VERBOSE
PrintMotd yes
Banner /etc/issue.net
Subsystem sftp internal-sftp
"""
_SUDOERS = """\
Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
{user} ALL=(ALL:ALL) NOPASSWD: ALL
"""
_PERMIT = "".join(f"{kind} required pam_permit.so\n" for kind in ("account", "session", "auth"))


def key_pair(path: Path) -> str:
    """A new Ed25519 key at `path`; its public half, as known_hosts and authorized_keys write it."""
    path.unlink(missing_ok=True)
    new = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
    subprocess.run(new, check=True)  # noqa: S603
    return path.with_name(f"{path.name}.pub").read_text().strip()


class Sshd:
    """Listens on every address of its machine and lets one user in by one key."""

    def __init__(self, machine: Machine, user: str, groups: Sequence[str], public_key: str) -> None:
        self.machine, self.user = machine, user
        self.host_key = ""
        self._process: subprocess.Popen[str] | None = None
        machine.write("/etc/ssh/authorized_keys", public_key + "\n")
        machine.write("/etc/ssh/sshd_config", _CONFIG)
        machine.write("/etc/issue.net", "")
        machine.write("/etc/hosts", f"127.0.0.1 localhost {machine.name}\n::1 localhost\n")
        machine.write("/etc/pam.d/other", _PERMIT)
        machine.write(
            "/etc/pam.d/sudo", _PERMIT.replace("auth required pam_permit", "auth required pam_deny")
        )
        machine.write("/etc/sudo.conf", "Set disable_coredump false\n")  # a right we may not have
        machine.write("/etc/shadow", "", mode=0o600)
        self._add_user(groups)
        self.allow_sudo()
        self.new_host_key()

    def _add_user(self, groups: Sequence[str]) -> None:
        home = f"/home/{self.user}"
        self._append("/etc/passwd", f"{self.user}:x:{UID}:{UID}::{home}:/bin/bash")
        self._append("/etc/shadow", f"{self.user}:*:::::::")
        self._append("/etc/group", f"{self.user}:x:{UID}:")
        for number, group in enumerate(groups, start=UID + 1):
            self._join(group, number)
        self.machine.do("install", "-d", "-o", str(UID), "-g", str(UID), home)

    def _join(self, group: str, number: int) -> None:
        """The host may have a group of that name."""
        lines = self.machine.path("/etc/group").read_text().splitlines()
        there = [line for line in lines if line.startswith(f"{group}:")]
        known = (there or [f"{group}:x:{number}:"])[0].rstrip(",")
        members = f"{known}{'' if known.endswith(':') else ','}{self.user}"
        kept = [line for line in lines if line not in there]
        self.machine.write("/etc/group", "\n".join([*kept, members]) + "\n")

    def _append(self, path: str, line: str) -> None:
        with self.machine.path(path).open("a") as file:
            file.write(line + "\n")

    def new_host_key(self) -> None:
        """Another key from the next start on."""
        self.host_key = key_pair(self.machine.path("/etc/ssh/host_key"))

    def allow_sudo(self) -> None:
        self.machine.write("/etc/sudoers", _SUDOERS.format(user=self.user), mode=0o440)

    def forbid_sudo(self) -> None:
        self.machine.write("/etc/sudoers", _SUDOERS.format(user="root"), mode=0o440)

    def start(self) -> None:
        """Listen; returns when connections are taken."""
        self.machine.path("/run/sshd.pid").unlink(missing_ok=True)
        self._process = self.machine.start(
            ["/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/sshd_config"], "/var/log/auth.log"
        )
        self.machine.wait_for_file("/run/sshd.pid")

    def stop(self) -> None:
        """Refuse new connections; the present ones go on."""
        if self._process is not None:
            self.machine.do("kill", self.machine.path("/run/sshd.pid").read_text().strip())
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def cut(self) -> int:
        """Kill every present connection in the middle of whatever it does; how many there were.

        What runs on them goes on: it has no terminal that hangs up.
        """
        monitors = self._children(self.machine.path("/run/sshd.pid").read_text().strip())
        for monitor in monitors:
            self.machine.run("kill", "-KILL", *self._children(monitor), monitor)
        return len(monitors)

    def _children(self, pid: str) -> list[str]:
        return self.machine.run("cat", f"/proc/{pid}/task/{pid}/children").stdout.split()

    @contextmanager
    def deaf(self) -> Iterator[None]:
        """Stopped: connections are taken by the kernel and never answered."""
        assert self._process
        self.machine.do("kill", "-STOP", self.machine.path("/run/sshd.pid").read_text().strip())
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)  # nsenter stops and goes on with its child
