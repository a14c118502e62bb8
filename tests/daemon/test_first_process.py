"""A process of the cluster is the first one of its container, which signals do not end unasked."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from daemon.flavour import execute, wait_for
from daemon.need import refuse

pytestmark = pytest.mark.daemon


@contextmanager
def read(fifo: Path) -> Iterator[None]:
    """From when somebody reads it; nothing is ever written."""
    opened: list[int] = []

    def is_read() -> bool:
        with suppress(OSError):  # ENXIO: nobody
            opened.append(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        return bool(opened)

    wait_for(is_read, 20, f"{fifo} is read")
    try:
        yield
    finally:
        os.close(opened[0])


COMMANDS = {"agent": ["--node-name", "node-1"], "reconcile": []}


@pytest.mark.parametrize("command", COMMANDS)
def test_one_that_is_told_to_end_while_it_begins_ends(command: str, tmp_path: Path) -> None:
    if execute(["unshare", "--pid", "--fork", "true"]).returncode:
        refuse("no right to make namespaces of processes")
    config = tmp_path / "kubeconfig"  # it waits for what somebody writes there
    os.mkfifo(config)
    new = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    argv = [sys.executable, "-m", "ferrule.cli", command, "--kubeconfig", str(config)]
    process = subprocess.Popen([*new, *argv, *COMMANDS[command]])  # noqa: S603
    try:
        with read(config):
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            (first,) = map(int, children.read_text().split())
            os.kill(first, signal.SIGTERM)
            assert process.wait(10) == 128 + signal.SIGTERM
    finally:
        process.kill()
        process.wait()
