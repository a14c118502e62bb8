"""What a node runs, as far as one cluster is concerned: ours as values, and who else is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ferrule.compiler.backends.frr.settings import Settings
from ferrule.compiler.backends.frrtext import Config

Networks = Mapping[str, str]  # prefix to what follows it


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a route-map."""

    action: str
    settings: Settings


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A neighbor of ours: its settings, and those in each family (`ipv4 unicast`)."""

    settings: Settings = field(default_factory=dict, repr=False)  # may hold a password
    families: Mapping[str, Settings] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Instance:
    """One `router bgp`: what is ours in it, and who else is there.

    `ours` says that it holds nothing else; `bare`, that it holds nothing at all that is known to
    be ours, so that somebody may want it as it is: it is never removed. `strangers` are other
    people's neighbors and peer groups, `taken` the prefixes of their `network` lines, `active` the
    families in which FRR activates a new neighbor by itself.
    """

    header: str
    asn: int
    ours: bool = True
    bare: bool = False
    settings: Settings = field(default_factory=dict)
    neighbors: Mapping[str, Neighbor] = field(default_factory=dict)
    networks: Mapping[str, Networks] = field(default_factory=dict)
    strangers: frozenset[str] = frozenset()
    taken: Mapping[str, frozenset[str]] = field(default_factory=dict)
    active: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Running:
    """What a node runs, as far as one cluster is concerned.

    `config` is all of it. `lists` by `ip prefix-list NAME`, `others` (community lists, which we
    never write) by what a `no` must say, `instances` by VRF, the default VRF is "".
    """

    cluster: str
    config: Config = field(compare=False, repr=False)
    lists: Mapping[str, Settings] = field(default_factory=dict)
    others: frozenset[str] = frozenset()
    maps: Mapping[str, Mapping[int, Entry]] = field(default_factory=dict)
    profiles: Mapping[str, Settings] = field(default_factory=dict)
    instances: Mapping[str, Instance] = field(default_factory=dict)
