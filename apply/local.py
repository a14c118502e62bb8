"""This host as a device: commands are children of ours, and no shell stands between."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading

from ferrule.apply.held import Held, says
from ferrule.apply.target import (
    NOT_EXECUTABLE,
    NOT_FOUND,
    READ_S,
    Answer,
    Argv,
    ending,
    too_slow,
)


class Local:
    """A channel to the host that we run on; there is nothing to connect or to close."""

    def __init__(self, device: str) -> None:
        self.device = device

    def run(self, argv: Argv, *, stdin: str = "", timeout_s: float = READ_S) -> Answer:
        """As every channel; a program that is not there answers as a shell would."""
        try:
            process = subprocess.Popen(  # noqa: S603
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, "LC_ALL": "C"},
                start_new_session=True,  # so that all of it can be ended
            )
        except OSError as bad:
            code = NOT_FOUND if isinstance(bad, FileNotFoundError) else NOT_EXECUTABLE
            return Answer(code, "", f"{argv[0]}: {bad.strerror}")
        try:
            out, err = process.communicate(_encoded(stdin), timeout_s)
        except subprocess.TimeoutExpired:
            _end(process, argv)
            raise too_slow(self.device, argv, timeout_s) from None
        except BaseException:  # interrupted: nobody waits for it any more
            _end(process, argv)
            raise
        return Answer(process.returncode, _decoded(out), _decoded(err))

    def ask(self, *commands: Argv, timeout_s: float = READ_S) -> tuple[Answer, ...]:
        """As every channel."""
        return tuple(self.run(argv, timeout_s=timeout_s) for argv in commands)

    def hold(self, argv: Argv, word: str, *, timeout_s: float = READ_S) -> Held | None:
        """As every channel."""
        process = subprocess.Popen(  # noqa: S603
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        watch = threading.Timer(timeout_s, process.kill)
        watch.start()
        there = says(word, iter(process.stdout.readline, b""))
        watch.cancel()
        write = process.stdin

        def feed(text: bytes) -> None:
            write.write(text)
            write.flush()

        def end() -> None:
            with contextlib.suppress(OSError):
                write.close()
            process.wait(timeout_s)

        if not there:
            end()
            return None
        return Held(feed, end)

    def close(self) -> None:
        """Nothing is open."""


def _end(process: subprocess.Popen[bytes], argv: Argv) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):  # where sudo does not let us
        subprocess.run(ending(process.pid, argv), capture_output=True, check=False, timeout=5)  # noqa: S603
        process.communicate(timeout=1)


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _decoded(text: bytes) -> str:
    return text.decode(errors="surrogateescape")
