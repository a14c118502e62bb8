"""What an advertisement speaks of: pools, lengths, communities; and when two of them collide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ferrule.compiler.network import Family, family_of
from ferrule.compiler.spec import Declared, Spec, kinds

Advertisement = Declared[kinds.BGPAdvertisement]
AnyAdvertisement = Declared[kinds.BGPAdvertisement] | Declared[kinds.L2Advertisement]
Pool = Declared[kinds.IPAddressPool]


def both_kinds(spec: Spec) -> list[AnyAdvertisement]:
    """The advertisements of BGP and of layer 2."""
    return [*spec.bgp_advertisements, *spec.l2_advertisements]


def pools_of(advertisement: AnyAdvertisement, pools: Sequence[Pool]) -> list[Pool]:
    """The pools it is about: those it names and those it selects; by default all."""
    spec = advertisement.spec
    if not spec.ip_address_pools and not spec.ip_address_pool_selectors:
        return list(pools)
    return [
        pool
        for pool in pools
        if pool.name in spec.ip_address_pools
        or any(one.matches(pool.labels) for one in spec.ip_address_pool_selectors)
    ]


def families_of(pool: Pool) -> set[Family]:
    """The families it has addresses of."""
    return {family_of(cidr) for entry in pool.spec.addresses for cidr in entry.cidrs}


def length_for(spec: kinds.BGPAdvertisement, family: Family) -> tuple[int, str]:
    """The announced length for a family, and the field that says it."""
    if family == "ipv4":
        return spec.aggregation_length, "aggregationLength"
    return spec.aggregation_length_v6, "aggregationLengthV6"


def community_aliases(spec: Spec) -> dict[str, str]:
    """The value of every alias."""
    return {alias.name: alias.value for one in spec.communities for alias in one.spec.communities}


def collide(
    one: kinds.BGPAdvertisement, other: kinds.BGPAdvertisement, families: Iterable[Family]
) -> bool:
    """Whether they give one prefix of a pool, told to one peer, two preferences or AS paths.

    As MetalLB has it: in a pool of both families the lengths only differ where both do
    (`internal/config`). On which nodes they meet is not looked at.
    """
    same = (one.local_pref, one.as_path_prepend) == (other.local_pref, other.as_path_prepend)
    if same or not share(one.peers, other.peers):
        return False
    return any(length_for(one, family)[0] == length_for(other, family)[0] for family in families)


def share(peers: Iterable[str], others: Iterable[str]) -> bool:
    """Whether two lists of peers, of which an empty one means all, have one in common."""
    return not peers or not others or bool(set(peers) & set(others))
