"""Threads that watch, against servers of our own that answer, or do not: they can be ended."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from kubernetes.client import Configuration
from watching import FEED, event, thing

from ferrule.observe.cluster_api import Api
from ferrule.observe.cluster_config import Login
from ferrule.observe.watch import Watches
from ferrule.observe.watch_wire import BrokenError, Wire

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def body(content: object) -> bytes:
    text = json.dumps(content).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)


def chunk(text: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(text), text)


LIST = body({"metadata": {"resourceVersion": "7"}, "items": [thing("a")]})
Reply = Callable[[bytes, socket.socket], None]


@contextmanager
def server(reply: Reply) -> Iterator[str]:
    """Hands each request to `reply`, on however many connections; its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    lines: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def converse(line: socket.socket) -> None:
        while True:
            try:
                heard = line.recv(65536)
                if not heard:
                    return
                reply(heard, line)
            except OSError:  # the test is over
                return

    def serve() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:  # the test is over
                return
            lines.append(line)
            threads.append(threading.Thread(target=converse, args=(line,)))
            threads[-1].start()

    threads.append(threading.Thread(target=serve))
    threads[0].start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        threads[0].join()
        for line in lines:
            line.close()
        for thread in threads[1:]:
            thread.join()
        listener.close()


def login(url: str) -> Login:
    return Login("prod", url, Configuration(host=url), partial(login, url))


def told(text: bytes) -> Reply:
    return lambda _, line: line.sendall(text)


def test_lines_are_whole_however_they_are_cut_up() -> None:
    text = CHUNKED + b"".join(map(chunk, (b"one\ntw", b"o", b"\n\nthr", b"ee\n", b"rest", b"")))
    with server(told(text)) as url:
        wire = Wire(login(url), read_s=20)
        found = list(wire.lines("/", {"watch": 1}))
        wire.close()

    assert found[0] == []
    assert [line for lines in found for line in lines] == [b"one", b"two", b"three"]


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        (b"HTTP/1.1 410 Gone\r\nContent-Length: 16\r\n\r\n" + b'{"message": "x"}', 410, "410 x"),
        (b"HTTP/1.1 429 Busy\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n", 429, "429 Too Many"),
        (CHUNKED + chunk(b"one\n") + b"5\r\nt", 0, "the connection broke"),
    ],
    ids=["refused", "busy", "cut"],
)
def test_a_watch_that_is_none(text: bytes, status: int, said: str) -> None:
    def reply(_: bytes, line: socket.socket) -> None:
        line.sendall(text)
        line.shutdown(socket.SHUT_RDWR)

    began = time.monotonic()
    with server(reply) as url:
        wire = Wire(login(url), read_s=20)
        with pytest.raises(BrokenError) as caught:
            list(wire.lines("/", {}))
        wire.close()

    assert caught.value.answer.status == status
    assert caught.value.answer.said.startswith(said)
    assert time.monotonic() - began < 5  # and nobody waits as long as a busy server likes


def test_silence_is_noticed() -> None:
    with server(told(CHUNKED)) as url:
        wire = Wire(login(url), read_s=0.1)
        with pytest.raises(BrokenError) as caught:
            list(wire.lines("/", {}))
        wire.close()

    assert caught.value.answer.said == "no answer within 0.1 s"


def talk(heard: bytes, line: socket.socket) -> None:
    """A list, and a watch with one event that goes on for ever."""
    if b"watch=1" in heard:
        line.sendall(CHUNKED + chunk(event("ADDED", "b", 2) + b"\n"))
    else:
        line.sendall(LIST)


def test_what_is_watched_arrives() -> None:
    with server(talk) as url, Watches(Api(login(url)), [FEED]) as watches:
        seen: dict[str, int | None] = {}
        while len(seen) < 2:
            batch = watches.inbox.take(20)
            assert batch is not None
            seen |= batch.of(FEED)

    assert seen == {"shop/a": 1, "shop/b": 2}


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("watch ")]


def wait_for(predicate: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not predicate():
        assert time.monotonic() < deadline
        time.sleep(0.01)


SILENT: dict[str, tuple[str, bytes]] = {
    "in a watch": ("http", b"watch=1"),
    "before a list": ("http", b"limit=500"),
    "before TLS": ("https", b"\x16\x03\x01"),  # a ClientHello
}


@pytest.mark.parametrize("when", SILENT)
def test_a_thread_that_waits_is_ended(when: str) -> None:
    scheme, last = SILENT[when]
    heard: list[bytes] = []

    def reply(request: bytes, line: socket.socket) -> None:
        heard.append(request)
        if last not in request:
            line.sendall(LIST)

    with server(reply) as url:
        with Watches(Api(login(url.replace("http", scheme))), [FEED]):
            wait_for(lambda: any(last in one for one in heard))
            began = time.monotonic()
        assert time.monotonic() - began < 1
        assert threads() == []


def test_a_thread_that_pauses_or_has_not_begun_is_ended() -> None:
    nowhere = "http://127.0.0.1:1"
    with Watches(Api(login(nowhere)), [FEED]) as watches:
        wait_for(lambda: watches.inbox.conditions()[FEED].restarts > 2)
    assert watches.inbox.conditions()[FEED].problem == (
        f"{nowhere} does not answer: connection refused"
    )
    with Watches(Api(login(nowhere)), [FEED], spread_s=3600):
        began = time.monotonic()
    assert time.monotonic() - began < 1
    assert threads() == []


def test_a_thread_that_cannot_connect_holds_nobody_up() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:  # the queue is full; another SYN is dropped
            one.settimeout(0)
            one.connect_ex(address)
        with Watches(Api(login(f"http://127.0.0.1:{address[1]}")), [FEED]):
            wait_for(lambda: bool(threads()))
            began = time.monotonic()
        assert time.monotonic() - began < 1
        for one in waiting:
            one.close()
    wait_for(lambda: not threads())
