"""From statements to the device they make.

What a statement belongs to follows from its words, as vtysh has it, never from its indentation:
a line opens a block, belongs into the open one, or is nothing to us. Nothing is refused.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from ipaddress import IPv4Interface, IPv6Interface, ip_interface

from ferrule.compiler.backends.frr.settings import asn
from ferrule.compiler.lint.device import Device, Setting
from ferrule.compiler.lint.instancereader import InstanceReader, name_of, setting_of
from ferrule.compiler.lint.listreader import ListReader
from ferrule.compiler.lint.mapreader import EntryReader
from ferrule.compiler.lint.said import Foreign, Said
from ferrule.compiler.network import DEFAULT_VRF

BGP = re.compile(r"router bgp(?: ([\d.]+))?(?: (?:vrf|view) (\S+))?(?: as-notation \S+)?")
OPENS = re.compile(
    r"(router|key chain|line|pbr-map|nexthop-group|segment-routing|rpki|mpls l\w+|vrf)\b"
)
ENTRY = re.compile(r"route-map (\S+) (permit|deny) (\d{1,5})")
BFD = (
    "detect-multiplier",
    "transmit-interval",
    "receive-interval",
    "passive-mode",
    "profile",
    "shutdown",
)

ENDS = ("exit", "quit", "end")

Take = Callable[[str, Said], None]


def read_device(foreign: Foreign) -> Device:
    """The device of a foreign text."""
    reader = _Reader()
    for said in foreign.said:
        reader.take(said)
    return reader.device(foreign)


class _Reader:
    """Where the reading is: `_block` takes the statements of the block that is open."""

    def __init__(self) -> None:
        self._block: Take | None = None
        self._instance: InstanceReader | None = None
        self._words: dict[str, str] = {}
        self._interfaces: dict[str, list[IPv4Interface | IPv6Interface]] = defaultdict(list)
        self._instances: dict[str, InstanceReader] = {}
        self._lists = ListReader()
        self._maps: dict[str, dict[int, EntryReader]] = defaultdict(dict)
        self._profiles: dict[str, dict[str, Setting]] = defaultdict(dict)
        self._bfd_peers: dict[str, dict[str, Setting]] = defaultdict(dict)
        self._bfd: dict[str, Setting] | None = None
        self._in_peer = False

    def take(self, said: Said) -> None:
        """One statement."""
        text = said.text
        if self._lists.take(said):
            return
        if found := BGP.fullmatch(text):
            self._open_bgp(found, said)
        elif found := ENTRY.fullmatch(text):
            entry = EntryReader(int(found[3]), found[2] == "permit", said.spot)
            entry = self._maps[found[1]].setdefault(entry.seq, entry)
            entry.permit = found[2] == "permit"
            self._block = entry.take
        elif text.startswith("interface "):
            name = text.split(" ")[1]
            self._block = lambda one, _: self._interface(name, one)
        elif text == "bfd":
            self._block, self._bfd, self._in_peer = self._bfd_line, None, False
        elif text in ENDS or text.startswith("exit-"):
            self._exit(text)
        elif self._block is not None and not OPENS.match(text):
            self._block(text, said)
        else:
            self._block = None
            self._outside(text)

    def device(self, foreign: Foreign) -> Device:
        """All that was read."""
        return Device(
            foreign.form,
            foreign.start,
            self._words.get("frr version", ""),
            self._words.get("frr defaults", ""),
            self._words.get("hostname", ""),
            {name: tuple(each) for name, each in self._interfaces.items()},
            {vrf: one.instance(vrf) for vrf, one in self._instances.items() if one.asn},
            self._lists.prefix_lists,
            self._lists.access_lists,
            self._lists.word_lists,
            {
                name: tuple(each[seq].entry() for seq in sorted(each))
                for name, each in self._maps.items()
            },
            self._profiles,
            self._bfd_peers,
            foreign.notes,
        )

    def _open_bgp(self, found: re.Match[str], said: Said) -> None:
        """Without its AS it opens the one instance there is."""
        vrf = "" if found[2] in (None, DEFAULT_VRF) else found[2]
        instance = self._instances.setdefault(vrf, InstanceReader(said.spot))
        number = asn(found[1] or "")
        if not instance.asn and number.isdecimal() and len(number) < 11 and int(number) < 2**32:
            instance.asn = int(number)
        instance.leave()
        self._instance, self._block = instance, instance.take

    def _exit(self, text: str) -> None:
        """The end of something inside a block is not the end of the block."""
        instance = self._instance
        in_bgp = instance is not None and self._block == instance.take
        if text != "end" and self._block == self._bfd_line and self._bfd is not None:
            self._bfd = None
        elif in_bgp and instance and text != "end" and (instance.inside or text not in ENDS):
            if text in (*ENDS, "exit-address-family"):
                instance.leave()
        else:
            self._block = None

    def _outside(self, text: str) -> None:
        for words in ("frr version", "frr defaults", "hostname"):
            if text.startswith(f"{words} "):
                self._words.setdefault(words, text.removeprefix(f"{words} "))

    def _interface(self, name: str, text: str) -> None:
        words = text.split(" ")
        if words[:2] in (["ip", "address"], ["ipv6", "address"]) and len(words) > 2:
            try:
                self._interfaces[name].append(ip_interface(words[2]))
            except ValueError:
                return

    def _bfd_line(self, text: str, said: Said) -> None:
        """A `profile` is a block of its own, but inside a `peer` the name of one."""
        words = text.split(" ")
        in_peer = self._in_peer and self._bfd is not None
        if words[0] == "peer" and len(words) > 1:
            self._bfd, self._in_peer = self._bfd_peers[name_of(words[1])], True
        elif words[0] == "profile" and len(words) == 2 and not in_peer:
            self._bfd, self._in_peer = self._profiles[words[1]], False
        elif self._bfd is not None and (found := setting_of(text, BFD)):
            self._bfd[found[0]] = Setting(found[1], said.spot)
