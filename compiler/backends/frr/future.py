"""What a node will run once the commands of a diff are sent: a small model of FRR.

It knows FRR's rules for the commands that `diff` sends, and nothing of how they came about: which
line takes another's place, what a `no` takes with it, what is left out as a default. It is
stricter than FRR: a line that is there already and a `no` for one that is not are mistakes. Lines
that no command is about stay as they are, where they are.
"""

from __future__ import annotations

import re
from itertools import groupby

from ferrule.compiler.backends.base import Diff
from ferrule.compiler.backends.frr.parse import ENTRY as MAP_ENTRY
from ferrule.compiler.backends.frr.parse import LIST, OTHER_LIST, parse
from ferrule.compiler.backends.frr.running import Running
from ferrule.compiler.backends.frr.settings import (
    ENTRY,
    INSTANCE,
    PROFILE,
    PROFILE_DEFAULTS,
    address,
    list_setting,
    neighbor_setting,
    setting,
)
from ferrule.compiler.backends.frrtext import (
    OPENING,
    Block,
    Body,
    Config,
    is_comment,
    is_end,
    write,
)

Key = tuple[str | int, ...]  # what a line is about; a `no` for a shorter one takes all below it
Table = dict[Key, str | Block]
KNOWN = {"route-map": ENTRY, "profile": PROFILE, "router": INSTANCE}
# What holds where nothing is said.
ON = ("bgp default ipv4-unicast", "bgp network import-check")
ON_OF_NEIGHBOR = re.compile(r"neighbor \S+ (activate|send-community.*|enforce-first-as)")


def future(running: Running, diff: Diff) -> Running:
    """The same node after all commands; `ValueError` where one has no effect."""
    config = Config(_copy(running.config.body))
    for within, commands in groupby(diff.commands, key=lambda one: one.within):
        _send(config.body, ("", *within), [one.text for one in commands])
    return parse(write(config), running.cluster)


def _copy(body: Body) -> Body:
    return [one if isinstance(one, str) else Block(one.header, _copy(one.body)) for one in body]


def _send(body: Body, blocks: tuple[str, ...], texts: list[str], depth: int = 0) -> None:
    """Give `texts` to the innermost of `blocks`; `body` is that of the first."""
    around, *inner = blocks
    table = _table(body, around)
    if inner:
        block = _enter(table, inner[0], around, depth)
        _send(block.body, tuple(inner), texts, depth + 1)
    else:
        for text in texts:
            if OPENING.match(text):
                _enter(table, text, around, depth)
            elif text.startswith("no "):
                _take_back(table, text.removeprefix("no "), around, depth)
            else:
                _state(table, text, around, depth)
    body[:] = table.values()


def _table(body: Body, around: str) -> Table:
    """A body by what its lines are about; comments and ends are about nothing."""
    table: Table = {}
    for number, item in enumerate(body):
        text = _text(item)
        table[(number,) if is_comment(text) or is_end(text) else _key(text, around)] = item
    return table


def _text(item: str | Block) -> str:
    return (item if isinstance(item, str) else item.header).strip()


def _key(text: str, around: str) -> Key:
    """`no X` is about the same as `X`."""
    text = text.removeprefix("no ")
    if text.startswith("neighbor "):
        _, name, *rest = text.split(" ", 2)
        known = neighbor_setting(rest[0])[0] if rest else ""
        parts = known.split(" ") if known.startswith("bfd") else [known]
        return ("neighbor", address(name), *(parts if rest else ()))
    if text.startswith("network "):
        return ("network", address(text.split(" ")[1]))
    if around:
        return (setting(text, KNOWN.get(around.split(" ")[0], ()))[0],)
    if found := LIST.match(text):
        return (found[1], list_setting(found[3])[0])
    if found := OTHER_LIST.match(text):
        return (found[1], text)
    if found := MAP_ENTRY.fullmatch(text):
        return ("route-map", found[1], int(found[3]))
    if text.startswith("route-map "):
        return ("route-map", text.split(" ")[1])
    return (text,)


def _enter(table: Table, header: str, around: str, depth: int) -> Block:
    key, line = _key(header, around), " " * depth + header
    block = table.get(key)
    if not isinstance(block, Block):
        block = table[key] = Block(line)
    if header.startswith("route-map"):
        block.header = line  # of another action, perhaps
    return block


def _state(table: Table, text: str, around: str, depth: int) -> None:
    key = _key(text, around)
    there = _text(table[key]) if key in table else ""
    if there == text:
        raise ValueError(f"{text!r} is there already")
    name, _, value = text.rpartition(" ")
    default = around.startswith("profile ") and PROFILE_DEFAULTS.get(name) == value
    if default or there.startswith("no "):
        del table[key]
    else:
        table[key] = " " * depth + text


def _take_back(table: Table, text: str, around: str, depth: int) -> None:
    key = _key(text, around)
    gone = [one for one in table if one[: len(key)] == key]
    if text in ON or (ON_OF_NEIGHBOR.fullmatch(text) and not gone):
        table[key] = f"{' ' * depth}no {text}"  # on by default
        return
    if not gone or _text(table[gone[0]]).startswith("no "):
        raise ValueError(f"there is no {text!r}")
    for one in gone:
        del table[one]
    if key[0] == "neighbor" and len(key) == 2:  # its lines in the families go with it
        for item in table.values():
            if isinstance(item, Block):
                inside = _table(item.body, item.header.strip())
                item.body[:] = [line for one, line in inside.items() if one[:2] != key]
