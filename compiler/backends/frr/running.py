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

    `strangers` are other people's neighbors and peer groups, `taken` their `network` lines,
    `foreign` says that there are other lines of theirs; `begun`, that all there is may be the
    beginning of what we intend. `active` are the families in which FRR activates a new neighbor by
    itself; `leaning`, that it trades routes with other VRFs, for which FRR needs the default one.
    """

    header: str
    asn: int
    foreign: bool = False
    begun: bool = True
    settings: Settings = field(default_factory=dict)
    neighbors: Mapping[str, Neighbor] = field(default_factory=dict)
    networks: Mapping[str, Networks] = field(default_factory=dict)
    strangers: Mapping[str, Neighbor] = field(default_factory=dict)
    taken: Mapping[str, Networks] = field(default_factory=dict)
    active: frozenset[str] = frozenset()
    leaning: bool = False

    @property
    def ours(self) -> bool:
        """Whether it holds nothing of others."""
        return not (self.foreign or self.strangers or self.taken)

    @property
    def bare(self) -> bool:
        """Whether it holds nothing at all that is known to be ours: somebody may want it so.

        It is never removed.
        """
        return self.ours and not (self.neighbors or self.networks or self.begun)


@dataclass(frozen=True, slots=True)
class Running:
    """What a node runs, as far as one cluster is concerned.

    `config` is all of it. `lists` by `ip prefix-list NAME`, `others` (community lists, which we
    never write) by what a `no` must say, `instances` by VRF, the default VRF is "". The stray ones
    are what other daemons have and bgpd has not, or not so.
    """

    cluster: str
    config: Config = field(compare=False, repr=False)
    lists: Mapping[str, Settings] = field(default_factory=dict)
    others: frozenset[str] = frozenset()
    maps: Mapping[str, Mapping[int, Entry]] = field(default_factory=dict)
    profiles: Mapping[str, Settings] = field(default_factory=dict)
    instances: Mapping[str, Instance] = field(default_factory=dict)
    stray_lists: Mapping[str, Settings] = field(default_factory=dict)
    stray_maps: Mapping[str, Mapping[int, Entry]] = field(default_factory=dict)
