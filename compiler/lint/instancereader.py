"""One `router bgp` while it is read: its settings, its neighbors and what they have per family."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network

from ferrule.compiler.lint.device import Instance, Neighbor, Range, Setting, family_of_words
from ferrule.compiler.lint.said import Said, Spot
from ferrule.compiler.network import FAMILIES, Family

# What may follow `neighbor NAME`, the longer before the shorter; of a family in `FAMILY`.
SESSION = (
    "remote-as",
    "local-as",
    "interface",
    "peer-group",
    "description",
    "shutdown",
    "password",
    "port",
    "passive",
    "ebgp-multihop",
    "ttl-security hops",
    "disable-connected-check",
    "update-source",
    "timers connect",
    "timers delayopen",
    "timers",
    "bfd profile",
    "bfd check-control-plane-failure",
    "bfd strict",
    "bfd",
)
FAMILY = (
    "activate",
    "maximum-prefix-out",
    "maximum-prefix",
    "soft-reconfiguration inbound",
)
DIRECTED = re.compile(r"(route-map|prefix-list|distribute-list|filter-list) (\S+) (in|out)")
DEFAULT_FAMILY = re.compile(r"(no )?bgp default (ipv[46])-unicast")
PATHS = re.compile(r"maximum-paths (ibgp )?(\d{1,5})")
RANGE = re.compile(r"bgp listen range (\S+) peer-group (\S+)")
TIMERS = re.compile(r"timers bgp (\d{1,5} \d{1,5})")
GLOBALS = (
    "bgp router-id",
    "bgp listen limit",
    "bgp minimum-holdtime",
    "bgp shutdown",
    "bgp default shutdown",
    "bgp ebgp-requires-policy",
    "bgp bestpath as-path multipath-relax",
    "bgp disable-ebgp-connected-route-check",
)


class InstanceReader:
    """Takes its statements; `elsewhere` says that an address family is open that is not ours."""

    def __init__(self, spot: Spot) -> None:
        self.asn = 0
        self.spot = spot
        self.family: Family | None = None
        self.elsewhere = False
        self._settings: dict[str, Setting] = {}
        self._active: set[Family] = {"ipv4"}
        self._neighbors: dict[str, Neighbor] = {}
        self._own: dict[str, dict[str, Setting]] = defaultdict(dict)
        self._own_families: dict[str, dict[str, dict[str, Setting]]] = {}
        self._groups: set[str] = set()
        self._ranges: list[Range] = []
        self._paths: dict[tuple[Family, str], Setting] = {}
        self._networks: dict[Family, dict[str, Setting]] = defaultdict(dict)

    @property
    def inside(self) -> bool:
        """Whether an address family is open."""
        return self.family is not None or self.elsewhere

    def leave(self) -> None:
        """Close the address family."""
        self.family, self.elsewhere = None, False

    def take(self, text: str, said: Said) -> None:
        """One statement of the block; what nobody here knows is passed over."""
        bare = text.removeprefix("no ")
        if bare.startswith("neighbor "):
            self._neighbor(bare.removeprefix("neighbor "), said, taken_back=bare != text)
        elif text.startswith("address-family "):
            self.family = family_of_words(text.removeprefix("address-family "))
            self.elsewhere = self.family is None
        elif found := DEFAULT_FAMILY.fullmatch(text):
            act = self._active.discard if found[1] else self._active.add
            act("ipv4" if found[2] == "ipv4" else "ipv6")
            self._settings[bare] = Setting(None if found[1] else "", said.spot)
        elif found := RANGE.fullmatch(text):
            self._range(found, said)
        elif text.startswith("network "):
            prefix, _, rest = text.removeprefix("network ").partition(" ")
            if not self.elsewhere:
                self._networks[self.family or "ipv4"][prefix] = Setting(rest, said.spot)
        else:
            self._global(bare, said, taken_back=bare != text)

    def _global(self, text: str, said: Said, *, taken_back: bool) -> None:
        if found := TIMERS.fullmatch(text):
            self._settings["timers bgp"] = Setting(found[1], said.spot)
        elif (found := PATHS.match(text)) and not taken_back:
            kind = "ibgp" if found[1] else "ebgp"
            if not self.elsewhere:
                self._paths[self.family or "ipv4", kind] = Setting(found[2], said.spot)
        elif known := setting_of(text, GLOBALS):
            self._settings[known[0]] = Setting(None if taken_back else known[1], said.spot)

    def _range(self, found: re.Match[str], said: Said) -> None:
        try:
            prefix = ip_network(found[1], strict=False)
        except ValueError:
            return
        self._ranges.append(Range(prefix, found[2], said.spot))

    def _neighbor(self, text: str, said: Said, *, taken_back: bool) -> None:
        """A setting of a neighbor; a `no` of it, of its AS or of its group ends the neighbor."""
        name, _, rest = text.partition(" ")
        name = name_of(name)
        if taken_back and rest.split(" ")[0] in ("", "remote-as", "peer-group"):
            self._forget(name)
            return
        if name not in self._neighbors:
            self._neighbors[name] = Neighbor(name, said.spot, born=frozenset(self._active))
        if rest == "peer-group":
            self._groups.add(name)
        elif found := DIRECTED.fullmatch(rest):
            key = f"{found[1]} {found[3]}"
            self._in_family(name)[key] = Setting(None if taken_back else found[2], said.spot)
        elif known := setting_of(rest, FAMILY):
            self._in_family(name)[known[0]] = _kept(known, said, taken_back=taken_back)
        elif known := setting_of(rest, SESSION):
            self._own[name][known[0]] = _kept(known, said, taken_back=taken_back)

    def _in_family(self, name: str) -> dict[str, Setting]:
        """Settings of the open family; outside of any they are those of IPv4."""
        families = self._own_families.setdefault(name, {})
        if self.elsewhere:
            return families.setdefault("", {})
        return families.setdefault(self.family or "ipv4", {})

    def _forget(self, name: str) -> None:
        self._neighbors.pop(name, None)
        self._own.pop(name, None)
        self._own_families.pop(name, None)
        self._groups.discard(name)

    def instance(self, vrf: str) -> Instance:
        """What all of it comes to."""
        made = dict(self._made())
        groups = {name: one for name, one in made.items() if name in self._groups}
        neighbors = {
            name: replace(one, group=groups.get(_group_of(one)))
            for name, one in made.items()
            if name not in self._groups
        }
        return Instance(
            self.asn,
            vrf,
            self.spot,
            self._settings,
            neighbors,
            groups,
            tuple(self._ranges),
            self._paths,
            self._networks,
        )

    def _made(self) -> Iterator[tuple[str, Neighbor]]:
        for name, one in self._neighbors.items():
            own = self._own_families.get(name, {})
            families = {family: own[family] for family in FAMILIES if family in own}
            yield name, replace(one, settings=self._own.get(name, {}), families=families)


def setting_of(text: str, known: tuple[str, ...]) -> tuple[str, str] | None:
    """The setting that a text begins with, and the rest as its value."""
    for name in known:
        if text.startswith(name) and text[len(name) : len(name) + 1] in (" ", ""):
            return name, text[len(name) + 1 :]
    return None


def _kept(known: tuple[str, str], said: Said, *, taken_back: bool) -> Setting:
    """A setting, without the value of a password."""
    value = "" if known[0] == "password" else known[1]
    return Setting(None if taken_back else value, said.spot)


def _group_of(one: Neighbor) -> str:
    """The peer group that a neighbor says it is in; an interface says so on its first line."""
    said = one.settings.get("peer-group")
    if said is None and (interface := one.settings.get("interface")) and interface.value:
        return interface.value.partition("peer-group ")[2].partition(" ")[0]
    return (said.value or "") if said else ""


def name_of(text: str) -> str:
    """A neighbor's name; of an address its shortest spelling."""
    try:
        return str(ip_address(text))
    except ValueError:
        return text
