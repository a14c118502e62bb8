"""What the neighbors of ours hear, worked out of what a node runs.

A `network` line starts a route with what its map sets, most of all the tag of its class; the
outbound map of a neighbor then lets it pass, or not, and sets what that neighbor hears beside it.
Judged are our lines, whatever somebody did to the rest by hand. What is not known here is taken to
let a route pass: a condition of a map, a prefix-list with a description alone (it matches nothing
until its first entry and everything after its last), `bgp network import-check` where it is on.

Prefixes of one class are judged together, and neighbors that hear the same share the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ferrule.compiler.backends.frr.parse import ENTRY, LIST
from ferrule.compiler.backends.frr.running import Entry, Instance, Neighbor, Running
from ferrule.compiler.backends.frr.settings import Settings, entry_setting, line, list_setting
from ferrule.compiler.backends.frr.shared import WELL_KNOWN
from ferrule.compiler.backends.frrtext import statements
from ferrule.compiler.backends.prefixlist import BITS, PrefixList, Rule, masked
from ferrule.compiler.network import Attributes

Key = tuple[str, str]  # VRF, "" being the default one, and neighbor
Heard = Mapping[str, Attributes]

MATCH_LIST = re.compile(r"match (ip(?:v6)?) address prefix-list (\S+)")
SET = re.compile(r"set (community|large-community|local-preference|as-path prepend|tag) (.+)")
LIST_OUT = re.compile(r"prefix-list (\S+) out")
SILENT = re.compile(r"no send-community(?: (\S+))?")
RULE = re.compile(r"(permit|deny) (\S+)(?: ge (\d+))?(?: le (\d+))?")
NOTHING = Attributes()
ANY = {"ip": "0.0.0.0/0 le 32", "ipv6": "::/0 le 128"}
NUMBERS = {name: number for number, name in WELL_KNOWN.items()}


class Memo:
    """What was worked out of other nodes, for those that have the very same tables and policy."""

    def __init__(self) -> None:
        self.heard: dict[object, tuple[object, Heard]] = {}  # with what must live for the key


def told(running: Running, memo: Memo | None = None) -> Mapping[Key, Heard]:
    """What each neighbor of ours hears: prefix to attributes, nothing where it is shut.

    `local_pref` is what the map sets, which FRR sends to iBGP neighbors only.
    """
    speaker = _Speaker(running, memo or Memo())
    return {
        (vrf, name): speaker.heard(vrf, neighbor)
        for vrf, instance in running.instances.items()
        for name, neighbor in instance.neighbors.items()
    }


def told_beside(running: Running, other: Running, memo: Memo) -> Mapping[Key, Heard]:
    """The same, of a node that is mostly like another state whose `told` is in the memo.

    Where nothing but `network` lines differs, only those that do are worked out anew.
    """
    known = told(other, memo)
    if not _is_policy_alike(running, other):
        return told(running, memo)
    changed = {
        vrf: dict(_changed(one, other.instances[vrf])) for vrf, one in running.instances.items()
    }
    lines = {
        vrf: replace(
            one,
            networks={
                family: {p: table[p] for p in changed[vrf][family] if p in table}
                for family, table in one.networks.items()
            },
        )
        for vrf, one in running.instances.items()
    }
    few = told(replace(running, instances=lines))
    return {
        (vrf, name): _patched(heard, few[vrf, name], changed[vrf].values())
        for (vrf, name), heard in known.items()
    }


def _is_policy_alike(running: Running, other: Running) -> bool:
    mine, theirs = (
        {vrf: (of.asn, of.settings, of.neighbors) for vrf, of in one.instances.items()}
        for one in (running, other)
    )
    return (running.maps, running.lists, mine) == (other.maps, other.lists, theirs)


def _changed(mine: Instance, theirs: Instance) -> Iterator[tuple[str, set[str]]]:
    """By family, the prefixes whose lines are not the same in both."""
    for family in mine.networks.keys() | theirs.networks.keys():
        old, new = (one.networks.get(family, {}).items() for one in (mine, theirs))
        yield family, {prefix for prefix, _ in old ^ new}


def _patched(known: Heard, few: Heard, changed: Iterable[set[str]]) -> Heard:
    heard = {**known}
    for prefixes in changed:
        for prefix in prefixes:
            heard.pop(prefix, None)
    return {**heard, **few} if few else heard


@dataclass(frozen=True, slots=True)
class _Routes:
    """Prefixes that have had the same done to them."""

    prefixes: Sequence[str]
    tag: int = 0
    attributes: Attributes = NOTHING


@dataclass(frozen=True, slots=True)
class _Step:
    """An entry of a map: its conditions, whether that is all of them, and what it sets."""

    permit: bool
    tag: int | None
    lists: tuple[str, ...]
    known: bool
    sets: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Way:
    """How a neighbor hears one family; without a map everything passes."""

    vrf: str
    family: str
    route_map: str | None
    lists: tuple[str, ...]
    silent: frozenset[str]


class _Speaker:
    """One node, and what has been worked out of it."""

    def __init__(self, running: Running, memo: Memo) -> None:
        self._running, self._memo = running, memo
        self._policy = repr((running.maps, running.lists))
        self._lists: dict[str, PrefixList | None] = {}
        self._maps: dict[str, tuple[_Step, ...]] = {}
        self._started: dict[tuple[str, str], tuple[_Routes, ...]] = {}
        self._heard: dict[tuple[_Way, ...], Heard] = {}

    def heard(self, vrf: str, neighbor: Neighbor) -> Heard:
        """What one neighbor hears, in all families."""
        ways = tuple(self._ways(vrf, neighbor))
        if ways not in self._heard:
            networks = self._running.instances[vrf].networks
            tables = tuple(networks.get(way.family) for way in ways)
            key = (self._policy, ways, tuple(map(id, tables)))
            if key not in self._memo.heard:
                every = [self._hear(way) for way in ways]
                heard = {prefix: of for each in every for prefix, of in each}
                self._memo.heard[key] = (tables, heard)
            self._heard[ways] = self._memo.heard[key][1]
        return self._heard[ways]

    def _ways(self, vrf: str, neighbor: Neighbor) -> Iterator[_Way]:
        if _says(neighbor.settings, "shutdown"):
            return
        bound = _says(neighbor.settings, "peer-group")  # whose own lines may activate it
        for family, said in neighbor.families.items():
            route_map = said.get("route-map out")
            if not (bound or "activate" in said):
                continue
            if route_map is None and self._needs_policy(vrf, neighbor):
                continue
            ip = "ipv6" if family.startswith("ipv6") else "ip"
            lists = (found[1] for key in said if (found := LIST_OUT.fullmatch(key)))
            silent = (found[1] or "standard" for key in said if (found := SILENT.fullmatch(key)))
            names = tuple(f"{ip} prefix-list {name}" for name in lists)
            yield _Way(vrf, family, route_map, names, frozenset(silent))

    def _needs_policy(self, vrf: str, neighbor: Neighbor) -> bool:
        """Whether nothing is sent without an outbound map: eBGP, RFC 8212."""
        instance = self._running.instances[vrf]
        far = neighbor.settings.get("remote-as", neighbor.settings.get("interface remote-as"))
        if far in ("internal", str(instance.asn)) or self._running.config.profile == "datacenter":
            return False
        said = (
            text
            for header, body in statements(self._running.config.body)
            if header == instance.header
            for text, _ in statements(body)
        )
        return "no bgp ebgp-requires-policy" not in said

    def _hear(self, way: _Way) -> Iterator[tuple[str, Attributes]]:
        routes: Iterable[_Routes] = self._start(way.vrf, way.family)
        if way.route_map is not None:
            routes = self._through(way.route_map, routes)
        for one in routes:
            said = _without(one.attributes, way.silent)
            for prefix in self._passing(way.lists, one.prefixes):
                yield prefix, said

    def _start(self, vrf: str, family: str) -> tuple[_Routes, ...]:
        """Our `network` lines after the maps of their classes."""
        if (vrf, family) not in self._started:
            lines: dict[str, list[str]] = {}
            for prefix, rest in self._running.instances[vrf].networks.get(family, {}).items():
                lines.setdefault(rest, []).append(prefix)
            self._started[vrf, family] = tuple(
                one
                for rest, prefixes in lines.items()
                for one in self._through(rest.split("route-map ")[1], [_Routes(prefixes)])
            )
        return self._started[vrf, family]

    def _through(self, route_map: str, routes: Iterable[_Routes]) -> Iterator[_Routes]:
        """What a map lets pass; one that is not there, nothing."""
        for one in routes:
            rest = one.prefixes
            for step in self._map(route_map):
                if step.tag not in (None, one.tag) or not (step.permit or step.known):
                    continue
                fits = self._passing(step.lists, rest)
                if step.permit and fits:
                    yield _set(replace(one, prefixes=fits), step.sets)
                if len(fits) == len(rest):
                    break
                gone = set(fits)
                rest = [prefix for prefix in rest if prefix not in gone]

    def _passing(self, lists: Iterable[str], prefixes: Sequence[str]) -> Sequence[str]:
        for name in lists:
            judge = self._list(name)
            prefixes = [one for one in prefixes if judge.permits(one)] if judge else ()
        return prefixes

    def _map(self, name: str) -> tuple[_Step, ...]:
        """A map's entries in their order; somebody else's map is looked for when one is met."""
        if name not in self._maps:
            entries = self._running.maps.get(name) or {
                int(found[3]): Entry(
                    found[2], dict(entry_setting(one) for one, _ in statements(body))
                )
                for text, body in statements(self._running.config.body)
                if (found := ENTRY.fullmatch(text)) and found[1] == name
            }
            self._maps[name] = tuple(_step(entry) for _, entry in sorted(entries.items()))
        return self._maps[name]

    def _list(self, name: str) -> PrefixList | None:
        if name not in self._lists:
            entries = self._running.lists.get(name) or dict(
                list_setting(found[3])
                for text, _ in statements(self._running.config.body)
                if (found := LIST.match(text)) and found[1] == name
            )
            self._lists[name] = PrefixList(tuple(_rules(name, entries))) if entries else None
        return self._lists[name]


def _says(settings: Settings, word: str) -> bool:
    return any(key.split(" ")[0] == word for key in settings)


# Lines read.


def _step(entry: Entry) -> _Step:
    said = [line(key, value) for key, value in entry.settings.items()]
    matches = [text for text in said if text.startswith("match ")]
    lists = [found for text in matches if (found := MATCH_LIST.fullmatch(text))]
    tags = [text.split(" ")[2] for text in matches if text.startswith("match tag ")]
    return _Step(
        entry.action == "permit",
        int(tags[0]) if tags else None,
        tuple(f"{found[1]} prefix-list {found[2]}" for found in lists),
        len(lists) + len(tags) == len(matches),
        tuple((found[1], found[2]) for text in said if (found := SET.fullmatch(text))),
    )


def _rules(name: str, entries: Settings) -> Iterator[Rule]:
    """The entries of a list; its description says nothing."""
    any_ = ANY[name.split(" ")[0]]
    for key, value in entries.items():
        found = RULE.fullmatch(value.replace("any", any_))
        if found and key.startswith("seq "):
            action, prefix, least, most = found.groups()
            block = masked(prefix)
            longest = BITS[block[0]] if least else block[2]
            low, high = int(least or block[2]), int(most or longest)
            yield Rule(int(key[4:]), action == "permit", block, low, high)


# What is set.


def _set(routes: _Routes, sets: Iterable[tuple[str, str]]) -> _Routes:
    for what, value in sets:
        routes = _set_one(routes, what, value)
    return routes


def _set_one(routes: _Routes, what: str, value: str) -> _Routes:
    said = routes.attributes
    match what:
        case "tag":
            return replace(routes, tag=int(value))
        case "local-preference":
            said = replace(said, local_pref=int(value) if value.isdecimal() else None)
        case "as-path prepend":
            said = replace(said, prepend=said.prepend + len(value.split()))
        case "community":
            said = replace(said, communities=_united(said.communities, value))
        case _:
            said = replace(said, large=_united(said.large, value))
    return replace(routes, attributes=said)


def _united(before: Iterable[str], value: str) -> tuple[str, ...]:
    """Communities by number, as a class has them."""
    words = value.split()
    kept = before if words[-1] == "additive" else ()
    new = (NUMBERS.get(word, word) for word in words if word not in ("additive", "none"))
    return tuple(sorted({*kept, *new}, key=_number))


def _number(community: str) -> tuple[int, ...]:
    return tuple(int(part) for part in community.split(":") if part.isdecimal())


def _without(said: Attributes, silent: frozenset[str]) -> Attributes:
    """Less what `no send-community` keeps back."""
    if silent & {"standard", "both", "all"}:
        said = replace(said, communities=())
    return replace(said, large=()) if silent & {"large", "all"} else said
