"""What a foreign device says of BGP: instances, neighbors, lists and maps, each with its place.

A neighbor is looked at through its peer group, as FRR does. A setting that was taken back (`no`)
is kept as such, because it stands in front of the group's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface

from ferrule.compiler.lint.lists import AccessList, PrefixList, WordList
from ferrule.compiler.lint.said import Form, Note, Said, Spot
from ferrule.compiler.network import FAMILIES, Address, Family, Prefix

POLICY_REQUIRED_SINCE = (7, 4)  # bgp_vty.c: BGP_EBGP_REQUIRES_POLICY, off in older profiles


@dataclass(frozen=True, slots=True)
class Setting:
    """The value of a setting; None where it was taken back. A password is not among the values."""

    value: str | None
    spot: Spot

    @property
    def number(self) -> int | None:
        """Its first word as a number."""
        first = (self.value or "").partition(" ")[0]
        return int(first) if first.isdecimal() and len(first) < 11 else None


Settings = Mapping[str, Setting]


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A neighbor or a peer group. `born` are the families that it was active in from the start."""

    name: str
    spot: Spot
    settings: Settings = field(default_factory=dict)
    families: Mapping[Family, Settings] = field(default_factory=dict)
    born: frozenset[Family] = frozenset()
    group: Neighbor | None = None

    def get(self, name: str, family: Family | None = None) -> Setting | None:
        """What holds for it: its own, else its group's; None where that is taken back."""
        own = self.families.get(family, {}) if family else self.settings
        if name in own:
            return own[name] if own[name].value is not None else None
        return self.group.get(name, family) if self.group else None

    def first(self, *names: str, family: Family | None = None) -> Setting | None:
        """The first of these that holds."""
        return next((one for name in names if (one := self.get(name, family))), None)

    def switched(self, family: Family) -> Setting | None:
        """The `activate`, or its `no`, that decides; None where nobody says either."""
        own = self.families.get(family, {}).get("activate")
        return own or (self.group.switched(family) if self.group else None)

    def is_active(self, family: Family) -> bool:
        """Whether it carries a family."""
        said = self.switched(family)
        if said is not None:
            return said.value is not None
        return family in (self.group or self).born

    @property
    def names(self) -> tuple[str, ...]:
        """Its own name and its group's."""
        return (self.name, self.group.name) if self.group else (self.name,)


@dataclass(frozen=True, slots=True)
class Range:
    """A `bgp listen range` and the group of whoever dials in from it."""

    prefix: Prefix
    group: str
    spot: Spot


@dataclass(frozen=True, slots=True)
class Instance:
    """One `router bgp`. `paths` by family and "ebgp" or "ibgp", `networks` by family."""

    asn: int
    vrf: str
    spot: Spot
    settings: Settings
    neighbors: Mapping[str, Neighbor]
    groups: Mapping[str, Neighbor]
    ranges: tuple[Range, ...]
    paths: Mapping[tuple[Family, str], Setting]
    networks: Mapping[Family, Mapping[str, Setting]]

    def get(self, name: str) -> Setting | None:
        """A setting that holds; None where it is taken back or was never made."""
        found = self.settings.get(name)
        return found if found and found.value is not None else None


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a route-map: what it matches, what it sets, and where it goes on."""

    seq: int
    permit: bool
    spot: Spot
    matches: tuple[Said, ...] = ()
    sets: tuple[Said, ...] = ()
    call: str | None = None
    goes_on: int | None = None  # the least number of the entry to go on with


@dataclass(frozen=True, slots=True)
class Device:
    """Everything that is read of one file. Lists are known by kind and name."""

    form: Form
    start: Spot
    version: str = ""
    profile: str = ""
    hostname: str = ""
    interfaces: Mapping[str, tuple[IPv4Interface | IPv6Interface, ...]] = field(
        default_factory=dict
    )
    instances: Mapping[str, Instance] = field(default_factory=dict)
    prefix_lists: Mapping[tuple[str, str], PrefixList] = field(default_factory=dict)
    access_lists: Mapping[tuple[str, str], AccessList] = field(default_factory=dict)
    word_lists: Mapping[tuple[str, str], WordList] = field(default_factory=dict)
    route_maps: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)
    bfd_profiles: Mapping[str, Settings] = field(default_factory=dict)
    bfd_peers: Mapping[str, Settings] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    @property
    def release(self) -> tuple[int, ...]:
        """FRR's version as numbers; empty where the file does not say."""
        numbers = self.version.partition("-")[0].split(".")
        return tuple(int(one) for one in numbers if one.isdecimal() and len(one) < 5)

    @property
    def requires_policy(self) -> bool:
        """Whether `bgp ebgp-requires-policy` is on where nobody says anything."""
        old = bool(self.release) and self.release < POLICY_REQUIRED_SINCE
        return self.profile != "datacenter" and not old

    @property
    def hold_s(self) -> int:
        """The hold time of a neighbor without timers."""
        return 9 if self.profile == "datacenter" else 180

    @property
    def addresses(self) -> frozenset[Address]:
        """Its own, as far as the file has any."""
        return frozenset(one.ip for each in self.interfaces.values() for one in each)

    def everybody(self) -> Iterator[Neighbor]:
        """All neighbors and groups of all instances."""
        for instance in self.instances.values():
            yield from instance.neighbors.values()
            yield from instance.groups.values()


def family_of_words(words: str) -> Family | None:
    """`ipv4 unicast`, or only `ipv4`, to ours; None for any other address family."""
    name, _, kind = words.partition(" ")
    return next((one for one in FAMILIES if one == name and kind in ("", "unicast")), None)
