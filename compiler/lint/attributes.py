"""A route, and what a `set` of a route-map makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address

from ferrule.compiler.lint.lists import Bits, Budget, WordList, community
from ferrule.compiler.lint.patterns import PatternError
from ferrule.compiler.network import Address, Family

UNCHANGED_HOPS = ("prefer-global", "peer-address", "unchanged", "local")
WordLists = Mapping[tuple[str, str], WordList]
_KIND = {"comm-list": "community", "large-comm-list": "large-community"}


@dataclass(frozen=True, slots=True)
class Route:
    """A route on its way in. `local_pref` is None where the other end is in another AS."""

    prefix: Bits
    family: Family
    as_path: tuple[int, ...] = ()
    communities: tuple[str, ...] = ()
    large: tuple[str, ...] = ()
    local_pref: int | None = None
    med: int = 0
    tag: int = 0
    next_hop: Address | None = None
    peer: Address | None = None


def changed(route: Route, text: str, lists: WordLists, budget: Budget) -> Route:
    """The route after one `set`; what does not matter to us leaves it as it is."""
    words = text.split(" ")
    verb, rest = words[0], words[1:]
    if verb in ("community", "large-community") and rest:
        own = route.communities if verb == "community" else route.large
        return _with(route, verb, _added(own, rest))
    if verb in ("comm-list", "large-comm-list") and rest[1:] == ["delete"]:
        return _without(route, verb, lists.get((_KIND[verb], rest[0])), budget)
    if verb == "local-preference" and rest:
        return replace(route, local_pref=_number(rest[0], route.local_pref or 100))
    if verb in ("metric", "tag") and rest:
        known = route.med if verb == "metric" else route.tag
        number = _number(rest[0], known)
        return replace(route, med=number) if verb == "metric" else replace(route, tag=number)
    if verb in ("ip", "ipv6") and rest[:1] == ["next-hop"]:
        return _next_hop(route, rest[1:])
    if rest[:1] == ["prepend"] and verb == "as-path":
        more = tuple(int(one) for one in rest[1:] if one.isdecimal() and len(one) < 11)
        return replace(route, as_path=(*more, *route.as_path))
    return route


def _without(route: Route, verb: str, found: WordList | None, budget: Budget) -> Route:
    own = route.communities if verb == "comm-list" else route.large
    try:
        kept = own if found is None else found.kept(own, budget)
    except PatternError:
        return route
    return _with(route, _KIND[verb], kept)


def differences(before: Route, after: Route) -> Iterator[str]:
    """What a device made of a route that was meant otherwise."""
    for what, said, kept in (
        ("community", before.communities, after.communities),
        ("large community", before.large, after.large),
    ):
        gone = [one for one in said if one not in kept]
        if gone:
            yield f"takes {what} {', '.join(gone)} off"
    if after.local_pref is not None and after.local_pref != (before.local_pref or 100):
        meant = "" if before.local_pref is None else f" instead of {before.local_pref}"
        yield f"sets local preference {after.local_pref}{meant}"
    if after.next_hop != before.next_hop:
        yield f"sets next hop {after.next_hop}"


def _added(own: tuple[str, ...], said: list[str]) -> tuple[str, ...]:
    if said == ["none"]:
        return ()
    more = tuple(community(one) for one in said if one != "additive")
    return tuple(dict.fromkeys((*own, *more))) if "additive" in said else more


def _with(route: Route, kind: str, words: tuple[str, ...]) -> Route:
    if kind == "community":
        return replace(route, communities=words)
    return replace(route, large=words)


def _number(text: str, known: int) -> int:
    """A value, or a difference to the one there is."""
    sign = text[:1] if text[:1] in ("+", "-") else ""
    digits = text.removeprefix(sign)
    if not digits.isdecimal() or len(digits) > 10:
        return known
    return {"+": known + int(digits), "-": max(0, known - int(digits)), "": int(digits)}[sign]


def _next_hop(route: Route, words: list[str]) -> Route:
    """IPv6 says which of its two; the link-local one does not concern anybody else."""
    if not words or words[0] in UNCHANGED_HOPS:
        return route
    try:
        return replace(route, next_hop=ip_address(words[-1]))
    except ValueError:
        return route
