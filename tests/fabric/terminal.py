"""Somebody at a terminal of the workstation: sees what is asked, and types."""

from __future__ import annotations

import fcntl
import os
import select
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

from fabric.workstation import Workstation

QUESTION = "[y/N]"
QUESTION_S = 60.0
INTERRUPT = "\x03"


class Terminal:
    """A command in its foreground; the command's stdin, stdout and stderr are elsewhere."""

    def __init__(self, person: int, process: subprocess.Popen[str]) -> None:
        self._person, self.process = person, process

    def wait_question(self) -> None:
        """Until something is asked."""
        shown, end = "", time.monotonic() + QUESTION_S
        while QUESTION not in shown:
            ready, _, _ = select.select([self._person], [], [], max(0, end - time.monotonic()))
            assert ready, f"nothing was asked: {shown}"
            shown += os.read(self._person, 1000).decode()

    def type(self, text: str) -> tuple[int, str]:
        """Answer; how the command ends, and what it said."""
        os.write(self._person, text.encode())
        _, said = self.process.communicate(timeout=120)
        return self.process.returncode, said


@contextmanager
def sitting(workstation: Workstation, *words: str) -> Iterator[Terminal]:
    """Run ferrule with a terminal of its own; it is ended with the test."""
    person, program = os.openpty()
    process = subprocess.Popen(  # noqa: S603
        workstation.ferrule_command(*words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=workstation.environment,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(program, termios.TIOCSCTTY, 0),
        pass_fds=[program],
    )
    try:
        yield Terminal(person, process)
    finally:
        process.kill()
        process.communicate()
        os.close(person)
        os.close(program)
