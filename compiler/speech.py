"""The spec's advertisements, asked about one Service, one node or one pool at a time.

What they say does not change from Service to Service: it is worked out once, and what several of
them say of one prefix is a `Mix`, a set of their numbers that is united and looked up as an int.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ferrule.compiler.errors import Diagnostic, quoted, warning
from ferrule.compiler.network import (
    Attributes,
    Ears,
    Family,
    RouteClass,
    Service,
    Session,
    Term,
    community_key,
)
from ferrule.compiler.reach import (
    Advertisement,
    collide,
    community_aliases,
    families_of,
    length_for,
    pools_of,
    share,
)
from ferrule.compiler.selection import Selection
from ferrule.compiler.service import Demand
from ferrule.compiler.spec import Spec
from ferrule.compiler.spec.types import any_matches, parse_community

Mix = int  # a set of advertisements: bit n is the one of number n
Numbers = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """A BGPAdvertisement with its references resolved."""

    declared: Advertisement
    pools: frozenset[str]
    term: Term

    def length(self, family: Family) -> int:
        """The announced length."""
        return length_for(self.declared.spec, family)[0]


class Speech:
    """All advertisements, numbered in the order of their names."""

    def __init__(self, spec: Spec) -> None:
        aliases = community_aliases(spec)
        self.spec = spec
        self.found: list[Diagnostic] = []
        self.said = [_said(one, spec, aliases) for one in spec.bgp_advertisements]
        self.families = {pool.name: sorted(families_of(pool)) for pool in spec.pools}
        self._selecting = Selection(
            range(len(self.said)), lambda n: self.said[n].declared.spec.node_selectors
        )
        self._of_pool: dict[str, list[int]] = defaultdict(list)
        for number, one in enumerate(self.said):
            for pool in one.pools:
                self._of_pool[pool].append(number)
        self._classes: dict[tuple[str, Family, int, Mix], RouteClass] = {}
        self._by_content: dict[RouteClass, RouteClass] = {}
        self._agreed: dict[tuple[str, Numbers], bool] = {}
        self._told: set[tuple[object, ...]] = set()

    def about(self, service: Service, demand: Demand) -> Numbers:
        """The advertisements that speak of a Service, by number."""
        return self.about_labels(service.pool, demand.labels)

    def about_labels(self, pool: str | None, labels: Mapping[str, str]) -> Numbers:
        """The same for one of this pool that has these labels."""
        return tuple(
            number
            for number in self._of_pool.get(pool or "", ())
            if any_matches(self.said[number].declared.spec.service_selectors, labels)
        )

    def selecting(self, labels: Mapping[str, str]) -> Numbers:
        """The advertisements that select a node, by number."""
        return self._selecting.of(labels)

    def mixes(self, numbers: Iterable[int], family: Family) -> Iterator[tuple[int, Mix]]:
        """What they make of one address: each length with those who announce at it."""
        mixes: dict[int, Mix] = {}
        for number in numbers:
            length = self.said[number].length(family)
            mixes[length] = mixes.get(length, 0) | 1 << number
        yield from mixes.items()

    def terms(self, mix: Mix) -> Iterator[Term]:
        """What the members of a mix say."""
        for number in range(mix.bit_length()):
            if mix >> number & 1:
                yield self.said[number].term

    def is_heard(self, family: Family, mix: Mix, ears: Ears) -> bool:
        """Whether any session of a node carries it."""
        peers = {peer for peer, carried in ears if carried == family}
        return any(
            peers if not term.peers else peers.intersection(term.peers) for term in self.terms(mix)
        )

    def route_class(self, pool: str, family: Family, length: int, mix: Mix) -> RouteClass:
        """The class of what they say: equal ones are one object."""
        key = (pool, family, length, mix)
        if key not in self._classes:
            terms = tuple(sorted(set(self.terms(mix)), key=term_order))
            made = RouteClass(pool, family, length, terms)
            self._classes[key] = self._by_content.setdefault(made, made)
            self._check_mix(mix)
        return self._classes[key]

    def standing_classes(self, numbers: Iterable[int], ears: Ears) -> list[RouteClass]:
        """The classes of the spec alone: a pool's first Service then needs no new one.

        Advertisements with serviceSelectors are left out: what they add depends on labels.
        """
        said = set(numbers)
        return [
            self.route_class(pool.name, family, length, mix)
            for pool in self.spec.pools
            for family in self.families[pool.name]
            for length, mix in self.mixes(
                (
                    number
                    for number in self._of_pool[pool.name]
                    if number in said and not self.said[number].declared.spec.service_selectors
                ),
                family,
            )
            if self.is_heard(family, mix, ears)
        ]

    def agree(self, numbers: Numbers, pool: str) -> bool:
        """Whether they can speak of one Service together; if not, the Service is not announced."""
        if (pool, numbers) not in self._agreed:
            pairs = [
                (self.said[one].declared, self.said[other].declared)
                for at, one in enumerate(numbers)
                for other in numbers[at + 1 :]
                if collide(
                    self.said[one].declared.spec,
                    self.said[other].declared.spec,
                    self.families[pool],
                )
            ]
            for one, other in pairs:
                what = f"both match Services of pool {quoted(pool)}"
                self._complain(one, other, f"{what}: where both do, these are not announced")
            self._agreed[pool, numbers] = not pairs
        return self._agreed[pool, numbers]

    def _check_mix(self, mix: Mix) -> None:
        """Several Services may share a prefix and have different advertisements speak of it."""
        each = [one for number, one in enumerate(self.said) if mix >> number & 1]
        for at, one in enumerate(each):
            for other in each[at + 1 :]:
                prefs = one.term.attributes.local_pref, other.term.attributes.local_pref
                if None in prefs or prefs[0] == prefs[1]:
                    continue
                if share(one.term.peers, other.term.peers):
                    what = "speak of different Services with one prefix"
                    text = f"{what}: the higher preference is announced"
                    self._complain(one.declared, other.declared, text)

    def _complain(self, one: Advertisement, other: Advertisement, text: str) -> None:
        if (one.name, other.name, text) in self._told:
            return
        self._told.add((one.name, other.name, text))
        message = (
            f"advertisements {quoted(one.name)} (localPref {one.spec.local_pref or 'unset'}) and"
            f" {quoted(other.name)} ({other.spec.local_pref or 'unset'}) {text}"
        )
        places = other.place("localPref"), one.place("localPref")
        help = "keep them apart by serviceSelectors, peers or nodeSelectors"
        self.found.append(warning("local-pref-services", message, *places, help=help))


def _said(one: Advertisement, spec: Spec, aliases: Mapping[str, str]) -> Said:
    values = {aliases.get(text) or parse_community(text) for text in one.spec.communities}
    large = {text for text in values if text.startswith("large:")}
    attributes = Attributes(
        one.spec.local_pref or None,
        tuple(sorted(values - large, key=community_key)),
        tuple(sorted((text.removeprefix("large:") for text in large), key=community_key)),
        one.spec.as_path_prepend,
    )
    pools = frozenset(pool.name for pool in pools_of(one, spec.pools))
    return Said(one, pools, Term(tuple(sorted(one.spec.peers)), attributes, one.origin))


def term_order(term: Term) -> tuple[object, ...]:
    """Terms sort by what they say."""
    said = term.attributes
    return (term.peers, said.local_pref or 0, said.communities, said.large, said.prepend)


def ears_of(sessions: Iterable[Session]) -> Ears:
    """Who listens on a node, in which family."""
    return frozenset((one.peer, family) for one in sessions for family in one.node_end.families)
