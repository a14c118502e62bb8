"""Which line of FRR replaces which: every line as a setting and its value.

`timers 10 30` is the value `10 30` of `timers`, so a `timers 3 9` after it takes its place and
`no timers` takes it away. A line that we never write is a setting of its own, with no value. Both
sides of a comparison come through here, so spellings that mean the same are made one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_interface

Settings = Mapping[str, str]

# Those with a value, the longer before the shorter; what only is there or not needs no mention.
NEIGHBOR = (
    "interface remote-as",
    "remote-as",
    "local-as",
    "description",
    "bfd profile",
    "password",
    "port",
    "ebgp-multihop",
    "update-source",
    "timers connect",
    "timers delayopen",
    "timers",
    "path-attribute discard",
)
ENTRY = (
    "match ip address prefix-list",
    "match ipv6 address prefix-list",
    "match tag",
    "set as-path prepend",
    "set community",
    "set large-community",
    "set local-preference",
    "set tag",
)
PROFILE = (
    "detect-multiplier",
    "transmit-interval",
    "receive-interval",
    "echo transmit-interval",
    "echo receive-interval",
    "minimum-ttl",
)
INSTANCE = ("bgp router-id",)
LIST = ("description",)

# Taken back without their value: a password is not to be shown, 8.4 knows no `no` for two ASNs, and
# on the value of discard bgpd 10.3 crashes.
VALUELESS = ("password", "set as-path prepend", "path-attribute discard")

# Taken back by stating the default: bfdd knows no `no` for them (bfdd/bfdd_cli.c).
PROFILE_DEFAULTS = {
    "detect-multiplier": "3",
    "transmit-interval": "300",
    "receive-interval": "300",
    "echo transmit-interval": "50",
    "echo receive-interval": "50",
}
DIRECTED = re.compile(r"route-map (\S+) (in|out)")
ADDRESS = re.compile(r"[0-9a-f:.]*:[0-9a-f:.]*\d\.\d[0-9.]*(/\d+)?")
ALL_HOPS = "255"


def setting(text: str, known: Iterable[str]) -> tuple[str, str]:
    """The setting and its value, by the settings that are known to have one."""
    for name in known:
        if text.startswith(name) and text[len(name) : len(name) + 1] in (" ", ""):
            return name, text[len(name) + 1 :]
    return text, ""


def neighbor_setting(text: str) -> tuple[str, str]:
    """Of what follows `neighbor NAME`, also inside an address family."""
    if found := DIRECTED.fullmatch(text):
        return f"route-map {found[2]}", found[1]
    name, value = setting(text, NEIGHBOR)
    if name == "ebgp-multihop" and value == ALL_HOPS:  # 8.4 prints the number, 10.3 does not
        return name, ""
    if name == "update-source":
        return name, address(value)
    if name.endswith("-as"):
        number, *rest = value.split(" ", 1)
        return name, " ".join((asn(number), *rest))
    return name, value


def neighbor_line(neighbor: str, name: str, value: str) -> str:
    """The line again."""
    if name in ("route-map in", "route-map out"):
        return f"neighbor {neighbor} route-map {value} {name.removeprefix('route-map ')}"
    if name.startswith("no "):
        return f"no neighbor {neighbor} {name.removeprefix('no ')}"
    return f"neighbor {neighbor} {name} {value}".rstrip(" ")


def entry_setting(text: str) -> tuple[str, str]:
    """Of a line inside a route-map."""
    name, value = setting(text, ENTRY)
    if name == "set community":  # 8.4 has a name for 0:0, and 10.3 has not
        value = " ".join("0:0" if word == "internet" else word for word in value.split())
    return name, value


def list_setting(text: str) -> tuple[str, str]:
    """Of what follows `ip prefix-list NAME`: an entry by its number, or the description."""
    if text.startswith("seq "):
        seq, number, *rest = text.split()
        return f"{seq} {number}", " ".join(map(address, rest))
    return setting(text, LIST)


def line(name: str, value: str) -> str:
    """A setting that stands on a line of its own."""
    return f"{name} {value}".rstrip(" ")


def said_to_undo(name: str, value: str) -> tuple[str, str]:
    """The setting as its `no` says it."""
    return name, "" if name in VALUELESS else value


def undo(text: str) -> str:
    """What takes a line back."""
    return text[3:] if text.startswith("no ") else f"no {text}"


def address(text: str) -> str:
    """An address or a prefix as Python spells it; any other word as it is.

    The two differ only where the last 32 bits of an IPv6 address look like an IPv4 address.
    """
    if ADDRESS.fullmatch(text) is None:
        return text
    return str(ip_interface(text) if "/" in text else ip_address(text))


def asn(text: str) -> str:
    """An AS number without a dot (RFC 5396), or another word as it is."""
    high, dot, low = text.partition(".")
    return str(int(high) * 65536 + int(low)) if dot and high.isdigit() and low.isdigit() else text
