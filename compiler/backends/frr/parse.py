"""From what a node's FRR runs to what of it is ours, and what of the rest matters to us.

Ours are objects by their name, neighbors by the name of their outbound route-map, `network` lines
by their route-map, and a `router bgp` that holds nothing else. An artifact is read by the same
`parse`, so that the two sides of a comparison cannot differ in anything but their content.

FRR leaves out what is its default. Of all we write only `activate` can be such a default, where
somebody's `router bgp` activates families by itself; the reader then puts it in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ferrule.compiler.backends.base import device_name
from ferrule.compiler.backends.frr.model import Model
from ferrule.compiler.backends.frr.render import render
from ferrule.compiler.backends.frr.settings import (
    INSTANCE,
    PROFILE,
    Settings,
    address,
    asn,
    entry_setting,
    list_setting,
    neighbor_setting,
    setting,
)
from ferrule.compiler.backends.frrtext import Body, Config, is_comment, is_end, read, statements

GLOBALS = (
    "bgp router-id",
    "no bgp default ipv4-unicast",
    "bgp graceful-restart preserve-fw-state",
    "no bgp network import-check",
)
PLACEHOLDER = re.compile(r"<(secret|password):.*>")
LIST = re.compile(r"(ip(?:v6)? prefix-list (\S+)) (.+)")
OTHER_LIST = re.compile(
    r"((?:bgp|ip) \S*community-list (?:standard |expanded )?(\S+)) (?:seq|permit|deny) .+"
)
ENTRY = re.compile(r"route-map (\S+) (permit|deny) (\d+)")
HEADER = re.compile(r"router bgp ([\d.]+)(?: vrf (\S+))?( (?!view ).+)?")
NETWORK = "  network "

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

    `ours` says that it holds nothing else. `strangers` are other people's neighbors and peer
    groups, `taken` the prefixes of their `network` lines, `active` the families in which FRR
    activates a new neighbor by itself.
    """

    header: str
    asn: int
    ours: bool = True
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


def parse(
    text: str, cluster: str, intended: Running | None = None, *, open_run: bool = False
) -> Running:
    """What is ours in a running-config, or in an artifact.

    `intended` is needed where a load may have been cut: a `router bgp` with nothing in it but what
    we would write is then ours, and with `open_run`, while this cluster's run record on the node
    is open, so is a neighbor that has not got its route-maps yet.
    """
    config = read(text)
    prefix = device_name("ferrule-", cluster)
    lists: dict[str, dict[str, str]] = {}
    others: set[str] = set()
    maps: dict[str, dict[int, Entry]] = {}
    profiles: dict[str, Settings] = {}
    instances: dict[str, Instance] = {}
    for said, body in statements(config.body):
        if found := LIST.match(said):
            if found[2].startswith(prefix):
                name, value = list_setting(found[3])
                lists.setdefault(found[1], {})[name] = value
        elif found := ENTRY.fullmatch(said):
            if found[1].startswith(prefix):
                settings = dict(entry_setting(text) for text, _ in statements(body))
                maps.setdefault(found[1], {})[int(found[3])] = Entry(found[2], settings)
        elif found := OTHER_LIST.match(said):
            if found[2].startswith(prefix):
                others.add(found[1])
        elif said == "bfd":
            profiles.update(_profiles(body, prefix))
        elif found := HEADER.fullmatch(said):
            vrf = found[2] or ""
            wanted = intended.instances.get(vrf) if intended else None
            reader = _InstanceReader(prefix, wanted, open_run=open_run)
            instances[vrf] = reader.read(said, int(asn(found[1])), body, found[3])
    return Running(cluster, config, lists, frozenset(others), maps, profiles, instances)


def intend(model: Model, cluster: str) -> Running:
    """What a node runs that runs this model and nothing else."""
    return parse(render(model, with_secrets=True), cluster)


def _profiles(body: Body, prefix: str) -> Iterator[tuple[str, Settings]]:
    for text, inside in statements(body):
        if text.startswith(f"profile {prefix}"):
            name = text.removeprefix("profile ")
            yield name, dict(setting(one, PROFILE) for one, _ in statements(inside))


class _InstanceReader:
    """One pass over a `router bgp`, then the decision which of its neighbors are ours."""

    def __init__(self, prefix: str, wanted: Instance | None, *, open_run: bool) -> None:
        self._map = f"route-map {prefix}"
        self._prefix = prefix
        self._wanted = wanted
        self._open_run = open_run
        self._alone = True  # nothing seen so far that is not ours
        self._globals: dict[str, str] = {}
        self._neighbors: dict[str, dict[str, str]] = {}
        self._families: dict[str, dict[str, dict[str, str]]] = {}  # neighbor, family, settings
        self._networks: dict[str, Networks] = {}
        self._taken: dict[str, frozenset[str]] = {}
        self._active = {"ipv4 unicast"}

    def read(self, header: str, number: int, body: Body, more: str | None) -> Instance:
        """The instance; `more` of its header than AS and VRF is foreign."""
        for text, inside in statements(body):
            self._statement(text, inside)
        ours = {
            name: self._neighbor(name, settings)
            for name, settings in self._neighbors.items()
            if self._is_ours(name, settings)
        }
        strangers = frozenset(self._neighbors.keys() - ours.keys())
        alone = self._alone and not strangers and not more
        return Instance(
            header,
            number,
            alone and (bool(ours or self._networks) or self._is_begun(number)),
            self._globals,
            ours,
            self._networks,
            strangers,
            self._taken,
            frozenset(self._active),
        )

    def _statement(self, text: str, inside: Body) -> None:
        if found := _neighbor_words(text):
            name, key, value = found
            self._neighbors.setdefault(name, {})[key] = value
        elif text.startswith("address-family "):
            self._family(text.removeprefix("address-family "), inside)
        else:
            key, value = setting(text, INSTANCE)
            if key in GLOBALS:
                self._globals[key] = value
            else:
                self._alone = False
            self._activates(text)

    def _activates(self, text: str) -> None:
        """Follow `bgp default ipv6-unicast` and its like."""
        family = text.removeprefix("no ").removeprefix("bgp default ").replace("-", " ")
        if text.startswith("no bgp default "):
            self._active.discard(family)
        elif text.startswith("bgp default "):
            self._active.add(family)

    def _family(self, family: str, body: Body) -> None:
        """The lines of an address-family; the only loop here that may be long."""
        networks: dict[str, str] = {}
        taken: set[str] = set()
        for item in body:
            if isinstance(item, str) and item.startswith(NETWORK):
                prefix, _, rest = item[len(NETWORK) :].partition(" ")
                if ":" in prefix:
                    prefix = address(prefix)
                if self._map in rest:
                    networks[prefix] = rest
                else:
                    taken.add(prefix)
            else:
                self._family_statement(family, item if isinstance(item, str) else item.header)
        if networks:
            self._networks[family] = networks
        if taken:
            self._taken[family] = frozenset(taken)
            self._alone = False

    def _family_statement(self, family: str, item: str) -> None:
        text = item.strip()
        if found := _neighbor_words(text):
            name, key, value = found
            self._families.setdefault(name, {}).setdefault(family, {})[key] = value
        elif not (is_comment(text) or is_end(text)):
            self._alone = False

    def _is_ours(self, name: str, settings: Settings) -> bool:
        families = self._families.get(name, {}).values()
        if any(one.get("route-map out", "").startswith(self._prefix) for one in families):
            return True
        return self._open_run and self._is_cut(name, settings)

    def _is_cut(self, name: str, settings: Settings) -> bool:
        """Whether it may be the beginning of a neighbor that we intend, and nothing else."""
        wanted = self._wanted.neighbors.get(name) if self._wanted else None
        if wanted is None:
            return False
        families = self._families.get(name, {})
        return _within(settings, wanted.settings) and all(
            said.keys() <= {"activate", "no activate"}
            and (family in wanted.families or "activate" not in said)
            for family, said in families.items()
        )

    def _is_begun(self, number: int) -> bool:
        """Whether it may be the beginning of an instance that we intend, and nothing else."""
        wanted = self._wanted
        return (
            wanted is not None and number == wanted.asn and _within(self._globals, wanted.settings)
        )

    def _neighbor(self, name: str, settings: Settings) -> Neighbor:
        families = self._families.get(name, {})
        for family in self._active:
            said = families.setdefault(family, {})
            if "no activate" not in said:
                said["activate"] = ""
        for said in families.values():
            said.pop("no activate", None)
        return Neighbor(settings, {family: said for family, said in families.items() if said})


def _neighbor_words(text: str) -> tuple[str, str, str] | None:
    """Name, setting and value of a `neighbor` line; a `no` becomes part of the setting."""
    negated = text.startswith("no neighbor ")
    if not negated and not text.startswith("neighbor "):
        return None
    name, _, rest = text.removeprefix("no ").removeprefix("neighbor ").partition(" ")
    if negated:
        return address(name), f"no {rest}", ""
    return address(name), *neighbor_setting(rest)


def _within(said: Settings, wanted: Settings) -> bool:
    """Whether all that is said is wanted; a password that we do not know may be any."""
    return all(
        name in wanted
        and (value == wanted[name] or (name == "password" and is_unknown(wanted[name])))
        for name, value in said.items()
    )


def is_unknown(password: str) -> bool:
    """Whether it is the placeholder of a secret that this run has not got."""
    return PLACEHOLDER.fullmatch(password) is not None
