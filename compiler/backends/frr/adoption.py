"""What somebody else has and hands over by name: it is compared as if it were ours already.

A name is that of a neighbor, of the prefix of a `network` line, or of a peer group, which hands
over those of its members that we want; before a slash it may say the VRF (`red/10.1.0.1`). The full
names of what was taken over lead back: where something read before is intended, and there it was
somebody else's, it becomes again what it was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_address, ip_network

from ferrule.compiler.backends.frr.running import Instance, Neighbor, Networks

DEFAULT = "default"
BOUND = ("peer-group ", "interface peer-group ", "interface v6only peer-group ")


class Adoption:
    """The names of one comparison; `done` are the full names of what they handed over."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(map(_canonical, names))
        self.done: set[str] = set()

    def apply(self, vrf: str, have: Instance, want: Instance) -> tuple[Instance, Instance]:
        """Both sides, with what is handed over among what is ours."""
        if not self._names:
            return have, want
        want = self._with(
            vrf,
            want,
            {name for name in want.strangers if self._holds(vrf, name)},
            {family: self._held(vrf, theirs) for family, theirs in want.taken.items()},
        )
        have = self._with(
            vrf,
            have,
            {
                name
                for name, one in have.strangers.items()
                if name in want.neighbors
                and any(self._holds(vrf, said) for said in (name, *_groups(one)))
            },
            {
                family: self._held(vrf, theirs.keys() & want.networks.get(family, {}).keys())
                for family, theirs in have.taken.items()
            },
        )
        return have, want

    def _holds(self, vrf: str, name: str) -> bool:
        return name in self._names or _full(vrf, name) in self._names

    def _held(self, vrf: str, names: Collection[str]) -> set[str]:
        return {name for name in names if self._holds(vrf, name)}

    def _with(
        self,
        vrf: str,
        one: Instance,
        neighbors: Collection[str],
        prefixes: Mapping[str, Collection[str]],
    ) -> Instance:
        self.done |= {_full(vrf, name) for each in (neighbors, *prefixes.values()) for name in each}
        moved = {name: one.strangers[name] for name in neighbors}
        networks: dict[str, Networks] = {**one.networks}
        taken: dict[str, Networks] = {}
        for family, theirs in one.taken.items():
            mine = {name: theirs[name] for name in prefixes[family]}
            if mine:
                networks[family] = {**networks.get(family, {}), **mine}
            if rest := {name: said for name, said in theirs.items() if name not in mine}:
                taken[family] = rest
        return replace(
            one,
            neighbors={**one.neighbors, **moved},
            strangers={name: of for name, of in one.strangers.items() if name not in moved},
            networks=networks,
            taken=taken,
        )


def _full(vrf: str, name: str) -> str:
    """The name that only one thing on a node has."""
    return f"{vrf or DEFAULT}/{name}"


def _groups(neighbor: Neighbor) -> Iterator[str]:
    """The peer group that it is bound to, if any."""
    for key in neighbor.settings:
        yield from (key.removeprefix(words) for words in BOUND if key.startswith(words))


def _canonical(name: str) -> str:
    vrf, slash, rest = name.partition("/")
    if slash and not rest.isdigit():
        return f"{vrf}/{_canonical(rest)}"
    for read in (ip_address, ip_network):
        try:
            return str(read(name))
        except ValueError:
            continue
    return name
