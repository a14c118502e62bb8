"""What stands between us and a device: one command, one answer, and no prompt in between.

A `Channel` runs commands on one device, by SSH or on this host; it knows nothing of what they
mean. `Trouble` is the one way in which a device fails us, whatever library noticed it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ferrule.apply.held import Held
from ferrule.compiler.errors import SHOWN_VALUE, Diagnostic, Place, error, printable, quoted

READ_S = 60.0  # for a command that only reads
CONNECT_S = 10.0  # for each step on the way to one
MOST_BYTES = 128 << 20  # of an answer: what says more says it for ever

SUDO = ("sudo", "-n")  # which never asks: nobody would answer
NOT_EXECUTABLE, NOT_FOUND = 126, 127  # what a shell says (POSIX.1-2017, XCU 2.8.2)

Argv = Sequence[str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said before it ended with `code`; bytes that are no text are surrogates."""

    code: int
    out: str
    err: str


class Trouble(Exception):  # noqa: N818  # of the device, not of ours
    """A device that cannot be reached, is not the right one, or does not do what it is told.

    `code` is one of codes.toml; the message is one line, and names what was tried and what to do.
    """

    def __init__(self, code: str, device: str, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.code, self.device, self.message, self.help = code, device, message, help

    def diagnostic(self, *places: Place) -> Diagnostic:
        """The same, for printing beside all others."""
        return error(self.code, f"{self.device}: {self.message}", *places, help=self.help)


class Channel(Protocol):
    """Runs commands on one device."""

    def run(self, argv: Argv, *, stdin: str = "", timeout_s: float = READ_S) -> Answer:
        """Run one command to its end; raises `Trouble` when there is no answer in time."""

    def ask(self, *commands: Argv, timeout_s: float = READ_S) -> tuple[Answer, ...]:
        """Run several commands that only read, each whatever came of those before it."""

    def hold(self, argv: Argv, word: str, *, timeout_s: float = READ_S) -> Held | None:
        """Start a command that says a word, on a line, and then waits; None where it never did."""

    def close(self) -> None:
        """End the connection."""


@dataclass(frozen=True, slots=True)
class Login:
    """How to log in by SSH: where, as whom, and by what the server is known.

    Without `key_file` and `password` it is up to the agent and the keys of `~/.ssh`. Without
    `host_key` the server must be in `known_hosts`; None is the user's file and the machine's.
    """

    host: str
    port: int = 22
    username: str = ""
    key_file: Path | None = None
    password: str | None = field(default=None, repr=False)
    host_key: str | None = None
    known_hosts: Path | None = None
    jump: Login | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return printable(host if self.port == 22 else f"{host}:{self.port}")


def ending(pid: int, argv: Argv) -> Argv:
    """What ends a process and all that it started; what runs by sudo is root's to end.

    Gently at first: sudo hands SIGTERM on to what it runs in a terminal of its own.
    """
    sudo = SUDO if through_sudo(argv) else ()
    return (*sudo, "sh", "-c", f"kill -s TERM -- -{pid}; sleep 1; kill -s KILL -- -{pid}")


def through_sudo(argv: Argv) -> bool:
    """Whether a command runs as root by way of sudo."""
    return tuple(argv[: len(SUDO)]) == SUDO


def too_slow(device: str, argv: Argv, timeout_s: float) -> Trouble:
    """No answer in time."""
    message = f"{quoted(shlex.join(argv))} did not end within {timeout_s:g} s, and was told to end"
    return Trouble("command-timeout", device, message)


def failure(device: str, argv: Argv, answer: Answer) -> Trouble:
    """Why a command that should have worked did not."""
    by_sudo, unfound = through_sudo(argv), answer.code in (NOT_EXECUTABLE, NOT_FOUND)
    program = argv[len(SUDO)] if by_sudo and not unfound else argv[0]
    said = first_line(answer)
    if unfound or (by_sudo and _NOT_FOUND.search(answer.err)):
        message = f"{quoted(program)} cannot be run there: {said}"
        return Trouble("missing-program", device, message, _WHERE.get(program))
    if by_sudo and (found := _SUDO_REFUSES.search(answer.err)):
        message = f"sudo does not run {quoted(program)}: {printable(found[0]).strip()}"
        help = "allow it in sudoers without a password (NOPASSWD), or log in as root"
        return Trouble("sudo-refused", device, message, help)
    message = f"{quoted(shlex.join(argv))} ended with code {answer.code}: {said}"
    return Trouble("command-failed", device, message)


def first_line(answer: Answer) -> str:
    """The first thing said, on stderr rather than on stdout, as it can be shown."""
    lines = [line.strip() for line in f"{answer.err}\n{answer.out}".splitlines()]
    said = printable(next(filter(None, lines), "it said nothing"))
    return said[:SHOWN_VALUE] + "..." if len(said) > SHOWN_VALUE else said


# What sudo 1.9 says in English (LC_ALL=C); beside it, it may warn of things that do not matter.
_NOT_FOUND = re.compile(r"^sudo: \S+: command not found$", re.MULTILINE)
_SUDO_REFUSES = re.compile(
    r"^sudo: .*(?:password is required|terminal is required|have a tty|not permitted|uid 0).*$"
    r"|^.*(?:is not allowed to execute|is not in the sudoers file|may not run sudo).*$",
    re.MULTILINE,
)
_WHERE = {
    "vtysh": "install FRR there, or say in its Access where vtysh is",
    "sudo": "install sudo there, or say `sudo: false` in its Access, or log in as root",
    "sonic-cfggen": "is this a SONiC switch? Correct the host of its management",
}
