"""A machine of one's own around a network namespace: files, processes and users that end with it.

Its first process holds the mount, pid and host name namespaces. Killing that one kills all the
others, also what was left behind detached, and takes the files with it: nothing is on the host.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from daemon.flavour import HOST, Flavour, wait_for

HERE = Path(__file__).parent
TESTS = HERE.parent
CHECKOUT = TESTS.parent
SIZE = "48m"
FILE_S = 20.0
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "HOME": "/root"}

Done = subprocess.CompletedProcess[str]


class Machine:
    """The root of one device; alive within `running`."""

    def __init__(self, name: str, namespace: str, flavour: Flavour) -> None:
        self.name, self.namespace, self.flavour = name, namespace, flavour
        self._pid = 0
        self._started: list[subprocess.Popen[str]] = []
        self.pid_namespace = ""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Up, with an empty root; at the end every process in it is killed."""
        with tempfile.TemporaryDirectory(prefix=f"{self.namespace}-") as mountpoint:
            first = subprocess.Popen(  # noqa: S603
                self._first(mountpoint),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            try:
                assert first.stdout
                if (said := first.stdout.readline()) != "ready\n":
                    raise RuntimeError(f"{self.name}: {said}{first.stdout.read()}")
                children = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text()
                self._pid = int(children)
                self.pid_namespace = str(Path(f"/proc/{self._pid}/ns/pid").readlink())
                with _until_gone(self._pid):
                    yield
                    first.kill()
            finally:
                first.kill()
                first.communicate()
                for process in self._started:  # its other half is gone
                    process.kill()
                    process.wait()

    def _first(self, mountpoint: str) -> list[str]:
        isolated = ["unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child"]
        script = ["sh", str(HERE / "root.sh"), mountpoint, self.name, SIZE, *self._binds()]
        return ["ip", "netns", "exec", self.namespace, *isolated, *script]

    def _binds(self) -> list[str]:
        """This checkout and its Python, and where FRR has its sockets."""
        sockets = self.flavour.directories(self.namespace)[1]
        frr = sockets if self.flavour.root == HOST else self.flavour.root
        shared = {CHECKOUT, Path(sys.prefix), Path(sys.base_prefix), frr}
        shared = {one for one in shared if not one.is_relative_to("/usr")}
        return [str(one) for one in sorted(shared) if not shared & {*one.parents}]

    def path(self, path: str) -> Path:
        """A file of the machine as this process sees it."""
        return Path(f"/proc/{self._pid}/root{path}")

    def wait_for_file(self, path: str) -> None:
        """Until something in the machine has made it."""
        wait_for(self.path(path).exists, FILE_S, f"{self.name}: {path}")

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Make a file, and the folders above it."""
        file = self.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)  # it may be a link into the host's programs
        file.write_text(text)
        file.chmod(mode)

    def copy(self, folder: str, path: str) -> None:
        """The files of a folder of the host, as a folder of the machine."""
        self.path(path).mkdir(parents=True)
        for file in Path(folder).iterdir():
            if file.is_file():
                self.path(f"{path}/{file.name}").write_bytes(file.read_bytes())

    def command(self, *argv: str) -> list[str]:
        """`argv` as run in the machine by its root."""
        return ["nsenter", "-t", str(self._pid), "-m", "-u", "-n", "-p", "-r", "-w", "--", *argv]

    def run(self, *argv: str, stdin: str = "") -> Done:
        """Run a command to its end."""
        return subprocess.run(  # noqa: S603
            self.command(*argv),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env=ENVIRONMENT,
        )

    def do(self, *argv: str) -> str:
        """The same for what must not fail; what it printed."""
        done = self.run(*argv)
        if done.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(argv)}: {done.stderr or done.stdout}")
        return done.stdout

    def start(self, argv: Sequence[str], log: str) -> subprocess.Popen[str]:
        """Run something that goes on; `log` takes what it says."""
        with self.path(log).open("w") as out:
            process = subprocess.Popen(  # noqa: S603
                self.command(*argv),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
                env=ENVIRONMENT,
            )
        self._started.append(process)
        return process


@contextmanager
def _until_gone(pid: int) -> Iterator[None]:
    """What is done within ends this process; wait for that."""
    end = os.pidfd_open(pid)
    try:
        yield
        select.select([end], [], [])
    finally:
        os.close(end)
