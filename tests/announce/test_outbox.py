"""What is said waits for its reader, in whole lines and in bounds."""

import json
import os
import selectors
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from ferrule.announce import control, report
from ferrule.announce.election import Moved
from ferrule.announce.outbox import MOST_EVENTS, Outbox
from ferrule.announce.wire import Address


class Reader:
    def __init__(self) -> None:
        self.end, out = os.pipe()
        os.set_blocking(self.end, False)
        self.selector = selectors.DefaultSelector()
        self.outbox, self.out = Outbox(out, self.selector), out

    def turn(self) -> bool:
        """One of the loop's; whether there was anything to do."""
        ready = self.selector.select(0)
        for key, _ in ready:
            key.data(0.0)
        return bool(ready)

    def read(self) -> bytes:
        """All there is, until nothing more comes."""
        data, quiet = b"", False
        while not quiet:
            quiet = not self.turn()
            try:
                data += os.read(self.end, 1 << 16)
                quiet = False
            except BlockingIOError:
                continue
        return data


@pytest.fixture
def reader() -> Iterator[Reader]:
    one = Reader()
    yield one
    one.selector.close()
    for descriptor in (one.end, one.out):
        os.close(descriptor)


def line(number: int, size: int = 10) -> bytes:
    return control.line("event", number=number, text="x" * size)


def pieces(number: int) -> Iterator[bytes]:
    return report.status({"number": number}, {"owned": ((str(one), []) for one in range(5000))})


def test_who_does_not_read_gets_the_oldest_events_and_the_newest_status(reader: Reader) -> None:
    for number in range(2000):
        reader.outbox.event(line(number, 1000))
        reader.outbox.status(lambda number=number: pieces(number))  # type: ignore[misc]
        reader.turn()
    assert reader.outbox.missed
    said = [json.loads(one) for one in reader.read().splitlines()]
    events = [one["number"] for one in said if one["kind"] == "event"]
    assert events[:MOST_EVENTS] == list(range(MOST_EVENTS))
    assert len(events) + reader.outbox.missed == 2000
    statuses = [one for one in said if one["kind"] == "status"]
    assert statuses[-1]["number"] == 1999
    assert len(statuses[-1]["owned"]) == 5000
    assert len(statuses) <= 2
    assert not reader.turn()


def test_a_long_status_is_written_in_many_turns_and_cut_by_nothing(reader: Reader) -> None:
    reader.outbox.status(lambda: pieces(1))
    turns, data = 0, b""
    while reader.turn():
        turns += 1
        reader.outbox.event(line(turns)) if turns == 3 else None
        try:
            data += os.read(reader.end, 1 << 16)
        except BlockingIOError:
            continue
    assert turns > 10
    assert [json.loads(one)["kind"] for one in data.splitlines()] == ["status", "event"]


def test_a_reader_that_is_gone_is_no_error(reader: Reader) -> None:
    os.close(reader.end)
    reader.outbox.event(line(1))
    reader.outbox.status(lambda: pieces(1))
    reader.turn()
    reader.outbox.event(line(2))
    assert not reader.turn()
    reader.outbox.close()
    reader.end = os.dup(reader.out)


def test_the_last_words_go_out_at_the_end(reader: Reader) -> None:
    reader.outbox.event(line(1))
    reader.outbox.status(lambda: pieces(2))
    reader.outbox.close()
    assert os.read(reader.end, 1 << 20).splitlines()[0] == line(1).rstrip()
    assert not reader.turn()


def test_moves_are_told_by_node_in_lines_of_a_bounded_length() -> None:
    first = IPv4Address("192.0.2.0")
    taken: dict[Address, str | None] = {
        first + number: "node-2" if number % 2 else None for number in range(2000)
    }
    lines = [json.loads(one) for one in report.of_moves("node-1", Moved(taken, {first: "node-3"}))]
    assert [(one["what"], one["from"], one["to"], len(one["addresses"])) for one in lines] == [
        ("took", None, "node-1", 512), ("took", None, "node-1", 488),
        ("took", "node-2", "node-1", 512), ("took", "node-2", "node-1", 488),
        ("passed", "node-1", "node-3", 1),
    ]  # fmt: skip


def test_a_file_takes_everything_at_once(tmp_path: Path) -> None:
    with (tmp_path / "said").open("wb") as file, selectors.DefaultSelector() as selector:
        outbox = Outbox(file.fileno(), selector)
        outbox.event(line(1))
        outbox.status(lambda: pieces(2))
        outbox.flush()
        outbox.close()
    said = [json.loads(one)["kind"] for one in (tmp_path / "said").read_bytes().splitlines()]
    assert said == ["event", "status"]
