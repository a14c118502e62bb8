"""This host as a device."""

import time
from pathlib import Path

import pytest

from ferrule.apply.local import Local
from ferrule.apply.target import Answer, Trouble, failure


def test_an_answer_is_the_command_s_own() -> None:
    said = Local("here").run(("sh", "-c", "echo $0 $1; cat; echo err >&2; exit 3", "a b", "$HOME"))

    assert said == Answer(3, "a b $HOME\n", "err\n")


def test_much_is_read_and_said_at_once() -> None:
    text = "x" * 5_000_000

    assert Local("here").run(("cat",), stdin=text) == Answer(0, text, "")
    assert Local("here").run(("true",), stdin=text) == Answer(0, "", "")


def test_bytes_that_are_no_text_pass_unchanged() -> None:
    said = Local("here").run(("cat",), stdin="caf\udce9")

    assert said.out == "caf\udce9"


def test_several_commands_each_whatever_came_of_the_others() -> None:
    assert Local("here").ask(("false",), ("echo", "on")) == (
        Answer(1, "", ""),
        Answer(0, "on\n", ""),
    )


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    argv = (str(tmp_path / "vtysh"), "-c", "show version")
    trouble = failure("node-1", argv, Local("node-1").run(argv))

    assert trouble.code == "missing-program"
    assert str(trouble.diagnostic()).startswith("input: error[missing-program]: node-1: ")
    assert Local("here").run((str(tmp_path),)).code == 126


def test_a_command_that_does_not_end_is_ended(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"echo $$ >{pids}; sleep 600 & echo $! >>{pids}; wait"
    began = time.monotonic()

    with pytest.raises(Trouble, match=r"did not end within 0\.5 s") as caught:
        Local("node-1").run(("sh", "-c", script), timeout_s=0.5)

    assert caught.value.code == "command-timeout"
    assert time.monotonic() - began < 10
    for pid in pids.read_text().split():
        status = Path(f"/proc/{pid}/stat")
        assert not status.exists() or status.read_text().split()[2] == "Z"
