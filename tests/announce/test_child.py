"""The announcer's process: greeted, spoken to, begun again; nobody waits for it."""

import json
import os
import queue
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ferrule.announce.child import Child, Heard

ECHO = """
import json, sys
print("awake", file=sys.stderr, flush=True)
for line in sys.stdin:
    print(line, end="", flush=True)
    if json.loads(line)["kind"] == "leave":
        break
"""
DEAF = "import time; time.sleep(600)"
SOON_S = 20.0


class Heart:
    """A child with what it said and was begun with."""

    def __init__(self, text: str) -> None:
        self.said: queue.SimpleQueue[Heard] = queue.SimpleQueue()
        self.muttered: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.child = Child(
            self.greet, self.said.put, self.muttered.put, (sys.executable, "-c", text)
        )

    def greet(self) -> None:
        self.child.open([b'{"kind": "setup", "number": %d}\n' % self.child.begun])

    def hears(self) -> Heard:
        return self.said.get(timeout=SOON_S)


@contextmanager
def child(text: str) -> Iterator[Heart]:
    heart = Heart(text)
    heart.child.start()
    try:
        yield heart
    finally:
        heart.child.end()
        assert not heart.child.is_alive()


def until(so: Callable[[], object]) -> None:
    deadline = time.monotonic() + SOON_S
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_is_greeted_first_and_told_in_order() -> None:
    with child(ECHO) as heart:
        assert heart.hears() == {"kind": "setup", "number": 1}
        for number in range(1000):
            heart.child.say(
                json.dumps({"kind": "own", "text": "x" * 200, "n": number}).encode() + b"\n"
            )
        assert [heart.hears()["n"] for _ in range(1000)] == [*range(1000)]
        assert heart.muttered.get(timeout=SOON_S) == "awake"


def test_one_that_is_lost_is_begun_again() -> None:
    with child(ECHO) as heart:
        assert heart.hears()["number"] == 1
        pid = heart.child.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert heart.hears() == {"kind": "setup", "number": 2}
        heart.child.again()
        assert heart.hears()["kind"] == "leave"
        assert heart.hears() == {"kind": "setup", "number": 3}


def test_nobody_waits_for_one_that_does_not_listen_and_it_is_ended_all_the_same() -> None:
    with child(DEAF) as heart:
        until(lambda: heart.child.pid)
        began = time.monotonic()
        for _ in range(1000):
            heart.child.say(b'{"kind": "own", "text": "%s"}\n' % (b"x" * 1000))
        assert time.monotonic() - began < SOON_S / 4
        pid = heart.child.pid
    assert pid is not None
    assert not os.path.exists(f"/proc/{pid}")  # noqa: PTH110  # nothing is left behind


def test_a_program_that_is_not_there_is_told() -> None:
    heart = Heart("")
    heart.child = Child(heart.greet, heart.said.put, heart.muttered.put, ("/nowhere/announcer",))
    heart.child.start()
    assert "could not be begun" in heart.muttered.get(timeout=SOON_S)
    heart.child.end()
    assert not heart.child.is_alive()
