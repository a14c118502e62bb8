"""What was said to which device, and what it answered: `--record FILE`, one JSON object a line.

What a device runs may hold anybody's passwords: of an answer to a command that only reads, the
length is kept and nothing else. In the rest, every password is masked: those that are known, and
whatever stands where a password does.
"""

from __future__ import annotations

import json
import re
import shlex
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from ferrule.apply.held import Held
from ferrule.apply.target import READ_S, Answer, Argv, Channel, Trouble

MASK = "***"
LOADED = "/dev/stdin"  # the last word of a command that loads a script or a patch
PASSWORD = re.compile(r"(\bpassword\s+)(\S+)|(\"[a-z_]*password\"\s*:\s*)\"[^\"]*\"")


@contextmanager
def recording(file: str | None) -> Iterator[TextIO | None]:
    """A file to append to, if one is wanted; raises `Trouble` where it cannot be opened."""
    if file is None:
        yield None
        return
    try:
        stream = Path(file).open("a")  # noqa: SIM115  # closed below, whatever that says
    except OSError as bad:
        raise _unwritable(file, bad) from None
    try:
        yield stream
    finally:
        with suppress(OSError):  # what could not be written was said when it was
            stream.close()


def _unwritable(file: str, bad: OSError) -> Trouble:
    reason = (bad.strerror or str(bad)).lower()
    return Trouble("record-unwritable", file, f"the record cannot be written: {reason}")


class Journal:
    """One run's record; without a file nothing is kept.

    A run that cannot be written down ends, and is put back without being written down.
    """

    def __init__(self, run: str, stream: TextIO | None, secrets: Collection[str] = ()) -> None:
        self._run, self._stream = run, stream
        self._secrets = sorted((one for one in secrets if one), key=len, reverse=True)
        self._lock = threading.Lock()

    def wrap(self, channel: Channel, device: str) -> Channel:
        """The same channel, written down."""
        return _Written(channel, device, self)

    def note(self, device: str, command: str, answer: str, verdict: str, seconds: float) -> None:
        """One line."""
        if self._stream is None:
            return
        entry = {
            "run": self._run,
            "device": device,
            "command": self.masked(command),
            "answer": self.masked(answer),
            "verdict": verdict,
            "seconds": round(seconds, 3),
        }
        with self._lock:
            self._write(json.dumps(entry) + "\n")

    def _write(self, line: str) -> None:
        """Raises `Trouble` for the first line that cannot be written."""
        stream = self._stream
        if stream is None:
            return
        try:
            stream.write(line)
            stream.flush()
        except OSError as bad:
            self._stream = None
            raise _unwritable(stream.name, bad) from None

    def masked(self, text: str) -> str:
        """The text without passwords."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return masked(text)


def masked(text: str) -> str:
    """The text without what stands where a password does."""
    return PASSWORD.sub(lambda one: f"{one[1]}{MASK}" if one[1] else f'{one[3]}"{MASK}"', text)


class _Written:
    """A channel whose commands are written down."""

    def __init__(self, channel: Channel, device: str, journal: Journal) -> None:
        self._channel, self._device, self._journal = channel, device, journal

    def run(self, argv: Argv, *, stdin: str = "", timeout_s: float = READ_S) -> Answer:
        """As every channel; with input it is a change, else it reads.

        What is loaded is ours and is kept; other input, as the record of a run, is anybody's.
        """
        kept = stdin if argv[-1] == LOADED else f"({len(stdin)} characters)"
        command = shlex.join(argv) + (f" <<< {kept}" if stdin else "")
        with self._timed(command) as heard:
            answer = self._channel.run(argv, stdin=stdin, timeout_s=timeout_s)
            heard.append(_told(answer) if stdin else _counted(answer))
            heard.append(f"exit {answer.code}")
        return answer

    def ask(self, *commands: Argv, timeout_s: float = READ_S) -> tuple[Answer, ...]:
        """As every channel."""
        with self._timed("; ".join(map(shlex.join, commands))) as heard:
            answers = self._channel.ask(*commands, timeout_s=timeout_s)
            heard.append("; ".join(map(_counted, answers)))
            heard.append("exit " + ", ".join(str(one.code) for one in answers))
        return answers

    def hold(self, argv: Argv, word: str, *, timeout_s: float = READ_S) -> Held | None:
        """As every channel."""
        held = None
        try:
            with self._timed(shlex.join(argv)) as heard:
                held = self._channel.hold(argv, word, timeout_s=timeout_s)
                heard += ["", "held" if held else "refused"]
        except Trouble:
            if held is not None:  # and not written down
                held.close()
            raise
        return held

    def close(self) -> None:
        """As every channel."""
        self._channel.close()

    @contextmanager
    def _timed(self, command: str) -> Iterator[list[str]]:
        """What is heard: the answer and the verdict; a failure is written down and goes on."""
        start, heard = time.monotonic(), list[str]()
        try:
            yield heard
        except Trouble as bad:
            heard[:] = [bad.message, bad.code]
            raise
        finally:
            answer, verdict = heard if len(heard) == 2 else ("", "interrupted")
            seconds = time.monotonic() - start
            self._journal.note(self._device, command, answer, verdict, seconds)


def _told(answer: Answer) -> str:
    return "\n".join(one for one in (answer.out.strip(), answer.err.strip()) if one)


def _counted(answer: Answer) -> str:
    return f"{len(answer.out)} characters"
