"""Frames, run by real shells: what comes out is what the commands said, and nothing else."""

import shutil
import subprocess

import pytest

from ferrule.apply.frames import Frames
from ferrule.apply.target import Answer

COMMANDS = (
    ("printf", "%s", "a b $HOME; 'quoted'\n\nno end"),
    ("sh", "-c", "echo out; echo err >&2; exit 3"),
    ("true",),
    ("no-such-program",),
    ("cat",),
    ("printf", "\\377"),
)
SHELLS = [name for name in ("sh", "bash", "dash", "zsh", "csh", "fish") if shutil.which(name)]


def said_by(
    shell: str, frames: Frames, before: str = "", stdin: bytes = b""
) -> tuple[bytes, bytes]:
    run = [shell, "-c", f"{before}{frames.script}"]
    done = subprocess.run(run, input=stdin, capture_output=True, check=False)  # noqa: S603
    return done.stdout, done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_every_answer_is_the_command_s_own(shell: str) -> None:
    frames = Frames(COMMANDS)

    first, second, third, missing, nothing, odd = frames.answers(*said_by(shell, frames))

    assert first == Answer(0, "a b $HOME; 'quoted'\n\nno end", "")
    assert second == Answer(3, "out\n", "err\n")
    assert third == nothing == Answer(0, "", "")
    assert (missing.code, missing.out) == (127, "")
    assert "not found" in missing.err
    assert odd.out.encode(errors="surrogateescape") == b"\377"


def test_what_a_login_shell_says_by_itself_is_no_answer() -> None:
    frames = Frames((("echo", "mine"),))

    noise = "echo 'Welcome! $ # >'; echo careful >&2; printf 'no newline'; "

    assert frames.answers(*said_by("bash", frames, noise)) == (Answer(0, "mine\n", ""),)


def test_only_the_first_command_is_given_what_there_is_to_read() -> None:
    frames = Frames((("cat",), ("cat",)))

    first, second = frames.answers(*said_by("sh", frames, stdin=b"patch"))

    assert (first.out, second.out) == ("patch", "")


def test_the_process_that_leads_is_known_while_a_command_runs() -> None:
    frames = Frames((("sh", "-c", "echo $PPID"),))

    out, err = said_by("sh", frames)

    assert str(frames.pid(out)) == frames.answers(out, err)[0].out.strip()


def test_a_script_that_was_cut_has_the_answers_before() -> None:
    frames = Frames((("echo", "one"), ("echo", "two"), ("echo", "three")))
    out, err = said_by("sh", frames)

    assert [one.out for one in frames.answers(out[: out.index(b"three")], err)] == [
        "one\n",
        "two\n",
    ]
    assert frames.answers(b"This account is currently not available.\n", b"") == ()
    assert frames.pid(b"") is None


def test_a_token_is_never_the_same() -> None:
    assert Frames((("true",),)).token != Frames((("true",),)).token
