"""What on this node stands in the way of announcing, as findings for people.

    strict-arp                  an address is the kernel's too (on lo, kube-ipvs0, the interface
                                itself), and the kernel answers for it, or sends as it
    rp-filter                   more than one interface, and what enters by one and would be sent
                                back by another is dropped
    no-subnet                   an address is in no subnet of the interfaces it is announced on:
                                announced all the same, a router may know the way
    no-interface                nothing to announce on: this node owns nothing
    no-link-local               IPv6 is off on all interfaces of an address: another node's
    disagreement                another node owns otherwise than this one thinks
    named-interfaces-missing    an address names interfaces, and none of them is usable here

Of many addresses the first is named, and how many more there are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol

from ferrule.announce.election import Entry, Holdings
from ferrule.announce.links import Choice, Link, impossible
from ferrule.announce.offers import is_only_named
from ferrule.announce.wire import Address

SILENT = (1, 2, 8)  # values of arp_ignore with which the kernel leaves other devices' addresses
BEST_SOURCE = 2  # of arp_announce: never a source that is not of the interface's subnet
STRICT = 1  # of rp_filter
MOST_REASONS = 5

Sysctl = Callable[[str, str], int]  # interface (or "all") and name
_Subnet = tuple[int, int, int]  # length of its addresses in bytes, the first and the last


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it has to be."""

    code: str
    text: str
    interface: str = ""
    address: str = ""

    def fields(self) -> dict[str, str]:
        """As it is reported: what does not apply is left out."""
        names = ("code", "interface", "address", "text")
        return {name: value for name in names if (value := getattr(self, name))}


def read_sysctl(interface: str, name: str) -> int:
    """0 where the kernel says nothing: the interface has just gone."""
    try:
        return int(Path("/proc/sys/net/ipv4/conf", interface, name).read_text())
    except (OSError, ValueError):
        return 0


class Port(Protocol):
    """What is asked of a port of the responder."""

    @property
    def link(self) -> Link:
        """Its interface."""

    @property
    def owned(self) -> Collection[bytes]:
        """What is answered for there."""


@dataclass
class Subnets:
    """Which of the announced addresses are in no subnet; kept as they come and go."""

    outside: set[bytes] = field(default_factory=set)
    _known: dict[int, list[_Subnet]] = field(default_factory=dict)

    def change(self, addresses: Iterable[bytes], ports: Mapping[int, Port]) -> None:
        """These are announced otherwise than before."""
        for one in addresses:
            self.outside.discard(one)
            indices = [index for index, port in ports.items() if one in port.owned]
            if indices and not any(_within(one, self._known.get(at, ())) for at in indices):
                self.outside.add(one)

    def look(self, ports: Mapping[int, Port]) -> None:
        """Interfaces may have got other addresses."""
        known = {index: _subnets(port.link) for index, port in ports.items()}
        if known != self._known:
            self._known = known
            self.outside.clear()
            self.change({one for port in ports.values() for one in port.owned}, ports)


def found(
    holdings: Holdings,
    links: Collection[Link],
    choice: Choice,
    outside: Collection[bytes],
    sysctl: Sysctl,
    *,
    settled: bool = True,
) -> Iterator[Finding]:
    """All that can be said now. An interface has IPv6 seconds after it came up: not `settled`."""
    usable = [one for one in links if choice.unfit(one) is None]
    fit = [one for one in links if impossible(one) is None]
    if not usable and not is_only_named(holdings.offered, holdings.asked_of_us()):
        yield Finding("no-interface", _why_none(links, choice))
    yield from _strict_arp(holdings.entries, links, fit, sysctl)
    if len(usable) > 1:
        yield from _rp_filter(usable, sysctl)
    if outside:
        first = min(outside)
        yield Finding(
            "no-subnet",
            f"{_many(ip_address(first), len(outside))} in no subnet of the interfaces it is"
            " announced on: only who has a route to it here reaches it",
            address=str(ip_address(first)),
        )
    yield from _beyond(holdings, usable, settled=settled)


def disagreement(node: str) -> Finding:
    """What lasts of it; for a moment every change looks like that."""
    return Finding(
        "disagreement",
        f"{node} owns otherwise than this node thinks: one of the two was not told something",
    )


def _strict_arp(
    entries: Mapping[Address, Entry], links: Collection[Link], fit: Collection[Link], sysctl: Sysctl
) -> Iterator[Finding]:
    """Per interface; a node that is no owner must not answer either, so owned or not."""
    local = [
        (one.ip, link.name)
        for link in links
        for one in link.addresses
        if one.version == 4 and one.ip in entries
    ]
    if not local:
        return
    for link in fit:
        ignore, announce = (
            max(sysctl("all", name), sysctl(link.name, name))
            for name in ("arp_ignore", "arp_announce")
        )
        own = [ip for ip, name in local if name == link.name]
        if own:
            yield Finding(
                "strict-arp",
                f"{_many(min(own), len(own))} configured on {link.name}: the kernel answers for it"
                " whoever owns it",
                link.name,
                str(min(own)),
            )
        elif ignore not in SILENT or announce != BEST_SOURCE:
            first, where = min(local)
            yield Finding(
                "strict-arp",
                f"{_many(first, len(local))} on {where}, and on {link.name} arp_ignore is {ignore}"
                f" and arp_announce {announce}: the kernel answers for it, or sends as it; they"
                " have to be 1 and 2 (kube-proxy's strictARP)",
                link.name,
                str(first),
            )


def _rp_filter(usable: Collection[Link], sysctl: Sysctl) -> Iterator[Finding]:
    for link in usable:
        if max(sysctl("all", "rp_filter"), sysctl(link.name, "rp_filter")) == STRICT:
            yield Finding(
                "rp-filter",
                f"rp_filter is strict on {link.name}, one of {len(usable)} interfaces: what enters"
                " there and is answered by another is dropped; 2 is loose",
                link.name,
            )


def _beyond(holdings: Holdings, usable: Collection[Link], *, settled: bool) -> Iterator[Finding]:
    for (names, version), addresses in holdings.beyond().items():
        there = sorted(names & holdings.offered or {one.name for one in usable})
        first = min(addresses, key=int)
        if names and not names & holdings.offered:
            yield Finding(
                "named-interfaces-missing",
                f"{_many(first, len(addresses))} to be announced on {', '.join(sorted(names))},"
                " and none of these is usable here",
                address=str(first),
            )
        elif version == 6 and there and settled:
            yield Finding(
                "no-link-local",
                f"{_many(first, len(addresses))} to be announced, and there is no IPv6 on"
                f" {', '.join(there)}",
                address=str(first),
            )


def _why_none(links: Collection[Link], choice: Choice) -> str:
    reasons = [f"{one.name}: {choice.unfit(one)}" for one in links if one.name != "lo"]
    shown = "; ".join(reasons[:MOST_REASONS]) or "there is only lo"
    more = len(reasons) - MOST_REASONS
    return f"no interface to announce on ({shown}{f'; {more} more' if more > 0 else ''})"


def _many(first: Address, number: int) -> str:
    return f"{first} is" if number == 1 else f"{first} and {number - 1} more are"


def _subnets(link: Link) -> list[_Subnet]:
    return [
        (
            len(one.ip.packed),
            int(one.network.network_address),
            int(one.network.broadcast_address),
        )
        for one in link.addresses
    ]


def _within(address: bytes, subnets: Iterable[_Subnet]) -> bool:
    length, number = len(address), int.from_bytes(address)
    return any(length == bytes_ and low <= number <= high for bytes_, low, high in subnets)
