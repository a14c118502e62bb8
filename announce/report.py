"""What the process tells the agent: how things are, and what happened.

status    every 5 s and at every change: state, heard, owned (with its interfaces), interfaces,
          named (what an address may name), beats, drops, beatsRefused, badLines, missed,
          conflicts, takeovers, addresses (requests, replies, announcements), findings
event     suspected, down, back, paused, accused, left, disagrees (of a node); conflict (of an
          address); took, passed (of addresses, `from` one node `to` another); badLine
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from itertools import islice

from ferrule.announce import control
from ferrule.announce.election import Moved
from ferrule.announce.peers import News
from ferrule.announce.responder import Conflict
from ferrule.announce.wire import Address, mac_text

MOST_ADDRESSES = 512  # of an event
_PIECE = 128  # addresses: 1 ms


def of_news(news: Iterable[News]) -> Iterator[bytes]:
    """About other nodes, and this one."""
    for one in news:
        yield control.line("event", what=one.what, node=one.name)


def of_conflicts(conflicts: Iterable[Conflict]) -> Iterator[bytes]:
    """About addresses that somebody else says are theirs."""
    for one in conflicts:
        yield control.line(
            "event",
            what="conflict",
            address=str(ip_address(one.address)),
            mac=mac_text(one.mac),
            interface=one.interface,
        )


def of_moves(me: str, moved: Moved) -> Iterator[bytes]:
    """About addresses that came and went."""
    for node, addresses in _by_node(moved.taken):
        yield control.line("event", what="took", addresses=addresses, **{"from": node}, to=me)
    for node, addresses in _by_node(moved.passed):
        yield control.line("event", what="passed", addresses=addresses, **{"from": me}, to=node)


def _by_node(moves: Mapping[Address, str | None]) -> Iterator[tuple[str | None, list[str]]]:
    nodes: dict[str | None, list[str]] = defaultdict(list)
    for address, node in moves.items():
        nodes[node].append(str(address))
    for node, addresses in nodes.items():
        for at in range(0, len(addresses), MOST_ADDRESSES):
            yield node, addresses[at : at + MOST_ADDRESSES]


def status(
    head: Mapping[str, object], maps: Mapping[str, Iterable[tuple[str, object]]]
) -> Iterator[bytes]:
    """One line in pieces: what is small, then what has a value for each address."""
    yield control.line("status", **head)[:-2]
    for name, each in maps.items():
        yield f',"{name}":{{'.encode()
        first, items = True, iter(each)
        while piece := dict(islice(items, _PIECE)):
            text = json.dumps(piece, separators=(",", ":"))[1:-1]
            yield (text if first else "," + text).encode()
            first = False
        yield b"}"
    yield b"}\n"
