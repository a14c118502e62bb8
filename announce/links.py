"""Which interfaces there are, from the kernel's messages, and which of them are announced on.

`Links.hear` takes messages of rtnetlink (linux/rtnetlink.h, linux/if_link.h) as bytes, whether
answers to a dump or events. `unfit` is why an interface is not used: what no wish can change
(down, no carrier, no Ethernet, part of a bridge or a bond), then what an explicit list of
interfaces overrides (its kind, its name).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface

from ferrule.announce.wire import Mac

# linux/rtnetlink.h
NEW_LINK, DEL_LINK, NEW_ADDRESS, DEL_ADDRESS = 16, 17, 20, 21
# linux/if.h
UP, BROADCAST, LOOPBACK, NO_ARP, LOWER_UP = 0x1, 0x2, 0x8, 0x80, 0x10000
ETHERNET = 1  # linux/if_arp.h
_TENTATIVE = 0x40  # linux/if_addr.h: duplicate address detection is not through with it

# Ends of containers and tunnels, and what has no wire. In labs the uplink is veth itself: name it.
UNFIT_KINDS = frozenset(
    (
        *("dummy", "erspan", "geneve", "gre", "gretap", "ifb", "ip6gre", "ip6tnl", "ipip"),
        *("nlmon", "sit", "tun", "veth", "vti", "vxlan", "wireguard"),
    )
)
# MetalLB's metallb-excludel2, Cilium's, and bridges that Docker names.
UNFIT_NAMES = (
    *("^docker.*", "^cbr.*", "^dummy.*", "^virbr.*", "^lxcbr.*", "^veth.*", "^lo$", "^cali.*"),
    *("^tunl.*", "^flannel.*", "^kube-ipvs.*", "^cni.*", "^nodelocaldns.*", "^lxc.*"),
    *("^cilium.*", "^br-[0-9a-f]{12}$"),
)

Interface = IPv4Interface | IPv6Interface


@dataclass(frozen=True, slots=True)
class Link:
    """One interface as the kernel tells it; `master` is the index of what it is a port of, or 0.

    `falls` counts how often it stopped being ready: one that is down and up again between two looks
    is not what it was, its switch has forgotten who is behind it.
    """

    index: int
    name: str
    mac: Mac = b""
    flags: int = 0
    hardware: int = ETHERNET
    master: int = 0
    kind: str = ""
    addresses: frozenset[Interface] = frozenset()
    falls: int = 0

    @property
    def has_link_local(self) -> bool:
        """Whether IPv6 works there; groups are joined by it, MetalLB asks for it too."""
        return any(one.version == 6 and one.ip.is_link_local for one in self.addresses)

    @property
    def ready(self) -> bool:
        """Whether frames can go out and come in."""
        return bool(self.flags & UP and self.flags & LOWER_UP)


@dataclass
class Links:
    """All interfaces, as of the last message heard."""

    by_index: dict[int, Link] = field(default_factory=dict)

    def hear(self, data: bytes) -> frozenset[int]:
        """Take messages in; returns the interfaces that are not what they were.

        What is cut short or unknown is passed over: the kernel is trusted, its version is not.
        """
        before = dict(self.by_index)
        for kind, body in messages(data):
            if kind in (NEW_LINK, DEL_LINK):
                self._hear_link(kind, body)
            elif kind in (NEW_ADDRESS, DEL_ADDRESS):
                self._hear_address(kind, body)
        touched = before.keys() | self.by_index.keys()
        return frozenset(one for one in touched if before.get(one) != self.by_index.get(one))

    def _hear_link(self, kind: int, body: bytes) -> None:
        if len(body) < 16:
            return
        family, hardware, index, flags = struct.unpack_from("=BxHiI", body)
        if family:  # AF_BRIDGE tells of ports: a port that leaves its bridge is no deleted link
            return
        if kind == DEL_LINK:
            self.by_index.pop(index, None)
            return
        about = attributes(body[16:])
        old = self.by_index.get(index, Link(index, ""))
        info = attributes(about.get(18, b""))
        new = replace(
            old,
            name=_text(about.get(3, old.name.encode())),
            mac=about.get(1, b""),
            flags=flags,
            hardware=hardware,
            master=_number(about.get(10, b"")),
            kind=_text(info.get(1, b"")) or old.kind,
        )
        fell = old.ready and not new.ready
        self.by_index[index] = replace(new, falls=old.falls + fell)

    def _hear_address(self, kind: int, body: bytes) -> None:
        if len(body) < 8:
            return
        family, length, flags, _, index = struct.unpack_from("=BBBBI", body)
        about = attributes(body[8:])
        packed = about.get(2) or about.get(1)  # IFA_LOCAL is ours where there is a far end
        link = self.by_index.get(index)
        if packed is None or len(packed) != {2: 4, 10: 16}.get(family) or link is None:
            return
        if length > 8 * len(packed):
            return
        address = ip_interface((ip_address(packed), length))
        flags = _number(about.get(8, b"")) or flags
        addresses = link.addresses - {address}
        if kind == NEW_ADDRESS and not flags & _TENTATIVE:
            addresses |= {address}
        self.by_index[index] = replace(link, addresses=addresses)


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Netlink's own framing: kind and body of each."""
    at = 0
    while at + 16 <= len(data):
        length, kind = struct.unpack_from("=IH", data, at)
        if length < 16 or at + length > len(data):
            return
        yield kind, data[at + 16 : at + length]
        at += (length + 3) & ~3


def attributes(data: bytes) -> Mapping[int, bytes]:
    """By kind; the flags in its upper bits mean nothing here."""
    found = {}
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4 or at + length > len(data):
            break
        found[kind & 0x3FFF] = data[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


@dataclass(frozen=True)
class Choice:
    """Which interfaces are used where an address names none: `unfit_names` are regular expressions.

    `only` names them instead, as an explicit list does for one address.
    """

    only: Collection[str] = ()
    unfit_names: Collection[str] = UNFIT_NAMES

    def unfit(self, link: Link, named: Collection[str] = ()) -> str | None:
        """Why an address is not announced there; `named` are the interfaces it asks for."""
        wanted = named or self.only
        if (why := impossible(link)) is not None:
            return why
        if wanted:
            return None if link.name in wanted else "not in the list of interfaces"
        if link.kind in UNFIT_KINDS:
            return f"a {link.kind} interface"
        return "excluded by its name" if self._excluded(link.name) else None

    def nameable(self, links: Links, asked: Collection[str]) -> list[str]:
        """What an address may name, but for interfaces of pods, which nobody `asked` for."""
        return [
            link.name
            for _, link in sorted(links.by_index.items())
            if impossible(link) is None
            and (link.name in asked or link.name in self.only or not self._excluded(link.name))
        ]

    def _excluded(self, name: str) -> bool:
        return any(re.search(one, name) for one in self.unfit_names)

    def usable(self, links: Links, named: Collection[str] = ()) -> tuple[Link, ...]:
        """Where an address that asks for these interfaces is announced, by index."""
        each = (link for _, link in sorted(links.by_index.items()))
        return tuple(link for link in each if self.unfit(link, named) is None)


def impossible(link: Link) -> str | None:
    """Why no wish makes an interface one to announce on."""
    if link.flags & LOOPBACK:
        return "a loopback interface"
    if link.hardware != ETHERNET or len(link.mac) != 6:
        return "not Ethernet"
    if link.master:
        return "part of another interface"
    if link.flags & NO_ARP or not link.flags & BROADCAST:
        return "without ARP"
    if not link.flags & UP:
        return "down"
    return None if link.flags & LOWER_UP else "without carrier"


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")


def _number(value: bytes) -> int:
    return int(struct.unpack("=I", value)[0]) if len(value) == 4 else 0
