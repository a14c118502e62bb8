"""What a device does with a route that it is told: its filters, one after the other, as FRR does.

Order and meaning are FRR's (`bgp_input_filter`, `route_map_apply`), measured on 8.4.4 and 10.3. A
condition that is not known here makes the answer unknown; it is never taken for either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from itertools import islice

from ferrule.compiler.lint.attributes import Route, changed
from ferrule.compiler.lint.device import Device, Entry, Neighbor, Setting
from ferrule.compiler.lint.families import FILTERS
from ferrule.compiler.lint.lists import BITS, AccessList, Bits, Budget, Judgement, PrefixList
from ferrule.compiler.lint.patterns import PatternError
from ferrule.compiler.lint.said import Said, Spot
from ferrule.compiler.network import Address, Family

DEEPEST_CALL = 10  # FRR stops at 100, and nobody means to get there
MOST_RULES = 1000  # of lists, that are looked at for prefixes to try


Filters = tuple[tuple[str, Setting], ...]  # kind, and the setting that names one


@dataclass(frozen=True, slots=True)
class Verdict:
    """Permitted, refused, or None: not known. `by` is the line that decided.

    `near` is an entry of a list that said deny on the way to a refusal by nobody else.
    """

    permit: bool | None
    route: Route
    by: Spot | None = None
    near: Spot | None = None
    filter: Setting | None = None  # the last one that was asked
    changed_by: Spot | None = None
    missing: str = ""  # the list or map that is named and not there
    unread: str = ""  # the condition that is not known here


@dataclass(slots=True)
class Judge:
    """The filters of a device; every judgement takes from one budget."""

    device: Device
    budget: Budget
    _near: Spot | None = None
    is_personal: bool = field(init=False)  # whether any map asks whom a route is from
    _known: dict[tuple[object, ...], Verdict] = field(default_factory=dict)

    def __post_init__(self) -> None:
        asked = (
            said.text
            for entries in self.device.route_maps.values()
            for entry in entries
            for said in entry.matches
        )
        self.is_personal = any(one.startswith(("peer ", "ip next-hop ")) for one in asked)

    def filters(self, neighbor: Neighbor, family: Family, way: str = "in") -> Filters:
        """The filters of a neighbor, each with its kind, in the order in which they are asked."""
        found = ((kind, neighbor.get(f"{kind} {way}", family)) for kind in FILTERS)
        return tuple((kind, setting) for kind, setting in found if setting)

    def judge(self, filters: Filters, route: Route) -> Verdict:
        """What becomes of a route; the same question is answered once."""
        key = (tuple((kind, one.value) for kind, one in filters), route)
        if key not in self._known:
            self._known[key] = self._judge(filters, route)
        return self._known[key]

    def rules(self, filters: Filters, family: Family) -> list[tuple[Bits, int, int]]:
        """Blocks and lengths in all lists that the filters use, as far as anybody reads."""
        lists: dict[tuple[str, str], list[tuple[Bits, int, int]]] = {}
        for kind, name in self._used(filters):
            prefixes = self.device.prefix_lists.get((family, name))
            accesses = self.device.access_lists.get((family, name))
            if kind == "prefix-list" and prefixes:
                each = ((one.block, one.low, one.high) for one in prefixes.rules)
                lists[kind, name] = [*islice(each, MOST_RULES)]
            elif kind == "distribute-list" and accesses:
                each = ((one.block, one.block[2], BITS[one.block[0]]) for one in accesses.rules)
                lists[kind, name] = [*islice(each, MOST_RULES)]
        return [rule for each in lists.values() for rule in each][:MOST_RULES]

    def blocks(self, filters: Filters, family: Family) -> list[Bits]:
        """The blocks among these."""
        return [block for block, _, _ in self.rules(filters, family)]

    def _used(self, filters: Filters) -> Iterator[tuple[str, str]]:
        """Kind and name of every list that the filters come upon, through maps that they call."""
        maps = [setting.value or "" for kind, setting in filters if kind == "route-map"]
        yield from ((kind, setting.value or "") for kind, setting in filters)
        seen: set[str] = set()
        while maps:
            name = maps.pop()
            if name in seen:
                continue
            seen.add(name)
            for entry in self.device.route_maps.get(name, ()):
                maps += [entry.call] if entry.call else []
                for said in entry.matches:
                    words = said.text.split(" ")
                    kind = "prefix-list" if "prefix-list" in words else "distribute-list"
                    yield kind, words[-1]

    def _judge(self, filters: Filters, route: Route) -> Verdict:
        self._near = None
        verdict = Verdict(permit=True, route=route)
        for kind, setting in filters:
            name = setting.value or ""
            verdict = replace(verdict, filter=setting)
            if kind == "route-map":
                verdict = replace(self._map(name, verdict.route, setting.spot, 0), filter=setting)
            else:
                verdict = self._list(kind, name, verdict, setting.spot)
            if not verdict.permit:
                return replace(verdict, near=self._near)
        return verdict

    def _list(self, kind: str, name: str, verdict: Verdict, spot: Spot) -> Verdict:
        """A list of the neighbor's own: one that is not there refuses everything."""
        route = verdict.route
        try:
            judged = self._judged(kind, name, route)
        except PatternError:
            return replace(verdict, permit=None, by=spot, unread=f"{kind} {name}")
        if judged is None:
            return replace(verdict, permit=False, by=spot, missing=f"{kind} {name}")
        return replace(verdict, permit=judged.permit, by=judged.spot or spot)

    def _judged(self, kind: str, name: str, route: Route) -> Judgement | None:
        if kind == "prefix-list":
            prefixes = self.device.prefix_lists.get((route.family, name))
            return None if prefixes is None else prefixes.judge(route.prefix, self.budget)
        if kind == "distribute-list":
            accesses = self.device.access_lists.get((route.family, name))
            return None if accesses is None else accesses.judge(route.prefix, self.budget)
        paths = self.device.word_lists.get(("as-path", name))
        return None if paths is None else paths.judge((_path(route),), self.budget)

    # Route-maps.

    def _map(self, name: str, route: Route, spot: Spot, depth: int) -> Verdict:
        """`route_map_apply`: what nothing permits is refused, and so is all by a missing map."""
        entries = self.device.route_maps.get(name)
        verdict = Verdict(permit=False, route=route, by=spot)
        if entries is None or depth > DEEPEST_CALL:
            return replace(verdict, missing=f"route-map {name}")
        least = 0
        for entry in entries:
            if entry.seq < least:
                continue
            self.budget.spend()
            holds, unread = self._holds(entry, verdict.route)
            if holds is None:
                at = unread.spot if unread else entry.spot
                return replace(
                    verdict, permit=None, by=at, unread=f"match {unread.text}" if unread else ""
                )
            if not holds:
                verdict = replace(verdict, permit=False, by=spot)
                continue
            verdict = self._entered(entry, verdict, depth)
            if not verdict.permit or entry.goes_on is None:
                return verdict
            least = entry.goes_on
        return verdict

    def _entered(self, entry: Entry, verdict: Verdict, depth: int) -> Verdict:
        """An entry that holds: what it sets comes before the map that it calls (measured)."""
        if not entry.permit:
            if entry.matches:  # then it is this one, and no list that had nothing to say to it
                self._near = None
            return replace(verdict, permit=False, by=entry.spot)
        verdict = replace(verdict, permit=True, by=entry.spot)
        for said in entry.sets:
            after = changed(verdict.route, said.text, self.device.word_lists, self.budget)
            if after != verdict.route:
                verdict = replace(verdict, route=after, changed_by=said.spot)
        if entry.call is None or entry.call not in self.device.route_maps:  # then it calls nothing
            return verdict
        called = self._map(entry.call, verdict.route, entry.spot, depth + 1)
        changed_by = called.changed_by or verdict.changed_by
        return replace(called, changed_by=changed_by)

    def _holds(self, entry: Entry, route: Route) -> tuple[bool | None, Said | None]:
        """Whether all conditions hold; None, and which, where one that counts is not known."""
        unknown: Said | None = None
        for said in entry.matches:
            self.budget.spend()
            holds = self._condition(said.text, route)
            if holds is False:
                return False, None
            if holds is None:
                unknown = unknown or said
        return (None, unknown) if unknown else (True, None)

    def _condition(self, text: str, route: Route) -> bool | None:
        words = text.split(" ")
        if words[0] in ("ip", "ipv6") and len(words) > 2:
            return self._address(words, route)
        if words[0] in ("community", "large-community", "extcommunity") and len(words) > 1:
            return self._words_of(words, route)
        value = words[-1]
        simple: dict[str, Callable[[], bool | None]] = {
            "as-path": lambda: self._as_path(value, route),
            "local-preference": lambda: str(route.local_pref) == value,
            "metric": lambda: str(route.med) == value,
            "tag": lambda: str(route.tag) == value,
            "origin": lambda: value == "igp",
            "peer": lambda: _same(route.peer, value),
        }
        return simple[words[0]]() if words[0] in simple and len(words) == 2 else None

    def _address(self, words: list[str], route: Route) -> bool | None:
        """`match ip ...`: of the prefix, or of the next hop. None of it fits the other family."""
        family: Family = "ipv4" if words[0] == "ip" else "ipv6"
        what, kind, name = words[1], words[2] if len(words) > 3 else "", words[-1]
        prefix = route.prefix
        if what == "next-hop" and family == "ipv4":
            if kind == "address" or _is_address(name):
                return _same(route.next_hop, name)
            if route.next_hop is None:
                return None
            hop = route.next_hop
            prefix = (hop.version, int(hop), hop.max_prefixlen)
        elif what != "address":
            return None
        elif family != route.family:
            return False
        if kind == "prefix-len":
            return str(prefix[2]) == name
        if kind == "prefix-list":
            prefixes = self.device.prefix_lists.get((family, name))
            return prefixes is not None and self._has(prefixes, prefix)
        if kind:
            return None
        accesses = self.device.access_lists.get((family, name))
        return accesses is not None and self._has(accesses, prefix)

    def _has(self, found: PrefixList | AccessList, prefix: Bits) -> bool:
        """Whether a list permits, here where one without entries permits nothing."""
        judged = found.judge(prefix, self.budget)
        if not judged.permit and judged.spot:
            self._near = judged.spot
        return bool(found.rules) and judged.permit

    def _words_of(self, words: list[str], route: Route) -> bool | None:
        """Communities against a list of them; a list that is not there matches nothing."""
        kind, name, how = words[0], words[1], words[2:]
        found = self.device.word_lists.get((kind, name))
        if found is None:
            return False
        said = {"community": route.communities, "large-community": route.large}.get(kind, ())
        if how not in ([], ["exact-match"], ["any"]):
            return None
        try:
            exact, any_ = how == ["exact-match"], how == ["any"]
            return found.judge(said, self.budget, exact=exact, any_=any_).permit
        except PatternError:
            return None

    def _as_path(self, name: str, route: Route) -> bool | None:
        paths = self.device.word_lists.get(("as-path", name))
        try:
            return paths is not None and paths.judge((_path(route),), self.budget).permit
        except PatternError:
            return None


def _path(route: Route) -> str:
    return " ".join(map(str, route.as_path))


def _same(address: Address | None, text: str) -> bool | None:
    """Whether a text is this address; None where we do not know ours, or it is none."""
    try:
        return None if address is None else address == ip_address(text)
    except ValueError:
        return None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
