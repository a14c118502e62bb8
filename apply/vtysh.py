"""FRR by vtysh, and a node as a device: what it runs, how its sessions do, and is it the one.

All of it is asked in one vtysh: `show running-config` first, then JSON documents, one after the
other. vtysh stops at the first command that fails, so what a node can do without comes last.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_interface

from ferrule.apply.claim import doubts_of, read_record, record_path
from ferrule.apply.target import (
    SUDO,
    Answer,
    Argv,
    Channel,
    Trouble,
    failure,
    first_line,
    through_sudo,
)
from ferrule.apply.unsaved import saved_path, unsaved
from ferrule.compiler import bgpstate
from ferrule.compiler.backends import frr
from ferrule.compiler.errors import listed, printable, quoted
from ferrule.compiler.network import Address
from ferrule.compiler.observed import Observed

CONFIG = "show running-config"
INTERFACES = "show interface vrf all json"
NEIGHBORS = "show bgp vrf all neighbors json"
BFD = "show bfd peers json"

# Whose absence each failing command tells of; without bfdd there is no BFD, and that is all.
DAEMONS = {INTERFACES: "zebra", NEIGHBORS: "bgpd", BFD: "bfdd"}

MEASURED = ((8, 4), (11, 0))  # from, and up to


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What is asked of a node, and what it must be.

    `vtysh` is the program with its arguments, and with sudo where that is needed. All of
    `addresses` must be its own, those of its sessions; of `internal`, its InternalIPs, one.
    """

    name: str
    cluster: str
    vtysh: tuple[str, ...] = ("vtysh",)
    addresses: tuple[Address, ...] = ()
    internal: tuple[Address, ...] = ()
    intended: frr.Running | None = field(default=None, repr=False)
    open_run: bool = False

    @property
    def root(self) -> tuple[str, ...]:
        """What makes any other command root's, as it makes vtysh's."""
        return SUDO if through_sudo(self.vtysh) else ()


class Node:
    """A node behind a channel."""

    def __init__(self, channel: Channel, facts: NodeFacts) -> None:
        self.channel, self.facts = channel, facts

    def read(self) -> Observed:
        """Ask everything in one round trip; `Trouble` where it is not the node that is meant."""
        facts, asked = self.facts, (CONFIG, INTERFACES, NEIGHBORS, BFD)
        argv = asking(facts.vtysh, *asked)
        files = (record_path(facts.cluster), saved_path(facts.vtysh))
        answer, noted, saved = self.channel.ask(
            argv, *((*facts.root, "cat", file) for file in files)
        )
        shown, record = read_shown(facts.name, argv, answer, *asked), read_record(noted.out)
        addresses = own_addresses(shown.documents[INTERFACES])
        check_addresses(facts.name, addresses, facts.addresses, facts.internal)
        running = self._running(shown.config, open_run=facts.open_run or record is not None)
        return Observed(
            facts.name,
            "node",
            running.config.version,
            running,
            state(facts.name, shown),
            (
                *_doubts(facts, running.config.version),
                *doubts_of(record),
                *unsaved(running, saved, files[1]),
            ),
            addresses,
            open_run=record.run.name if record else "",
        )

    def _running(self, text: str, *, open_run: bool) -> frr.Running:
        facts = self.facts
        try:
            return frr.parse(text, facts.cluster, facts.intended, open_run=open_run)
        except ValueError as bad:
            message = f"its running-config cannot be read: {printable(str(bad))}"
            raise Trouble("command-failed", facts.name, message) from None


def _doubts(facts: NodeFacts, version: str) -> Iterator[str]:
    if not (facts.addresses or facts.internal):
        yield "nothing says which addresses are its own: whether it is the right node is not known"
    oldest, newest = MEASURED
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if not oldest <= numbers < newest:
        yield f"FRR {quoted(version)} is none that Ferrule was tried with: 8.4 to 10.x"


# What vtysh says.


@dataclass(frozen=True, slots=True)
class Shown:
    """The answer to several show commands: the running-config, and the others decoded."""

    config: str = field(repr=False)
    documents: Mapping[str, object] = field(repr=False)


def show(channel: Channel, device: str, vtysh: Argv, *commands: str) -> Shown:
    """Run show commands in one vtysh; `CONFIG`, where it is one of them, is the first."""
    argv = asking(vtysh, *commands)
    return read_shown(device, argv, channel.run(argv), *commands)


def asking(vtysh: Argv, *commands: str) -> tuple[str, ...]:
    """One vtysh that runs several commands."""
    return (*vtysh, *(word for command in commands for word in ("-c", command)))


def read_shown(device: str, argv: Argv, answer: Answer, *commands: str) -> Shown:
    """Take apart what one vtysh said to these commands."""
    config, rest = "", answer.out
    if commands[0] == CONFIG:
        config, rest = _config(device, argv, answer)
        commands = commands[1:]
    documents, rest = _documents(rest, commands)
    if len(documents) < len(commands):
        failed = commands[len(documents)]
        _fail(device, argv, failed, Answer(answer.code, rest, answer.err))
    return Shown(config, documents)


def _config(device: str, argv: Argv, answer: Answer) -> tuple[str, str]:
    """The running-config, from its version on, and what comes after it."""
    start, end = answer.out.find("frr version "), answer.out.find("\nend\n")
    if 0 <= start < end:
        return answer.out[start : end + 1], answer.out[end + len("\nend\n") :]
    if "failed to connect to any daemons" in answer.err + answer.out:
        message = "vtysh reaches no daemon of FRR"
        help = "start FRR; a user that is not in group frrvty needs `sudo: true` in its Access"
        raise Trouble("frr-not-running", device, message, help)
    raise failure(device, argv, answer)


def _documents(text: str, commands: Iterable[str]) -> tuple[dict[str, object], str]:
    """The JSON at the start of a text, as far as there is any, and what comes after it."""
    documents: dict[str, object] = {}
    decoder = json.JSONDecoder()
    for command in commands:
        text = text.lstrip()
        try:
            documents[command], end = decoder.raw_decode(text)
        except (ValueError, RecursionError):
            break
        text = text[end:]
    return documents, text


def _fail(device: str, argv: Argv, command: str, answer: Answer) -> None:
    """Raise what a command without a document means; return where one can do without it."""
    daemon, said = DAEMONS[command], answer.err + answer.out
    if f"{daemon} is not running" in said:
        if command == BFD:
            return
        raise Trouble("frr-not-running", device, f"{daemon} is not running")
    if "Unknown command" in said:
        message = f"this FRR does not know {quoted(command)}: 8.4 is the oldest that is supported"
        raise Trouble("unsupported-release", device, message)
    if answer.code:
        raise failure(device, argv, answer)
    message = f"{quoted(command)} is not answered with JSON: {first_line(answer)}"
    raise Trouble("command-failed", device, message)


def state(device: str, shown: Shown) -> bgpstate.BgpState:
    """How sessions do."""
    try:
        return bgpstate.parse(shown.documents[NEIGHBORS], shown.documents.get(BFD, ()))
    except ValueError as bad:
        raise Trouble("command-failed", device, f"{quoted(NEIGHBORS)}: {bad}") from None


def own_addresses(interfaces: object) -> frozenset[Address]:
    """All addresses of a device."""
    found: set[Address] = set()
    for each in interfaces.values() if isinstance(interfaces, dict) else ():
        for one in each.get("ipAddresses", ()) if isinstance(each, dict) else ():
            with suppress(ValueError, AttributeError):  # of a device that answers nonsense
                found.add(ip_interface(one.get("address")).ip)
    return frozenset(found)


def check_addresses(
    device: str, own: frozenset[Address], all_of: Iterable[Address], one_of: Iterable[Address]
) -> None:
    """Refuse a device that is not the one that is meant."""
    absent = [one for one in dict.fromkeys(all_of) if one not in own]
    alternatives = list(one_of)
    if not absent and (not alternatives or own.intersection(alternatives)):
        return
    wanted = listed(absent or alternatives)
    public = sorted(filter(is_public, own), key=by_number)
    found = listed(public)
    message = f"this is another device: it has no address {wanted}; its own are {found}"
    help = "correct where it is reached, or the addresses that the input gives it"
    raise Trouble("wrong-device", device, message, help)


def is_public(address: Address) -> bool:
    """Whether others than the device and its links can know it by that."""
    return not (address.is_loopback or address.is_link_local)


def by_number(address: Address) -> tuple[int, int]:
    """How addresses sort: by family, then as numbers."""
    return address.version, int(address)
