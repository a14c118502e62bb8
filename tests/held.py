"""Hypothesis: networks in which every Service holds an address, as a node's agent meets them.

What happens to them from then on touches no address: labels, endpoints, the traffic policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st
from short import compiled
from strategies import TIERS, networks, ours, where

from ferrule.compiler.inputs import Inputs
from ferrule.compiler.kube import Endpoints
from ferrule.compiler.network import Address, family_of
from ferrule.compiler.service import Demand

LAYER_2: list[dict[str, Any]] = [
    {},
    {"interfaces": ["eth1"]},
    {"nodeSelectors": where(zone="x")},
    {"serviceSelectors": where(tier="gold")},
    {"preferredNodeSelectors": [{"weight": 10, "preference": where(zone="x")[0]}]},
]


@dataclass(frozen=True)
class World:
    """A spec, its nodes, and Services that all hold an address."""

    inputs: Inputs
    services: Mapping[str, Demand]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    documents = draw(networks())
    for number in range(draw(st.integers(0, 2))):
        spec = draw(st.sampled_from(LAYER_2))
        documents.append(ours("L2Advertisement", f"l2-{number}", spec))
    compilation = compiled(documents)
    assert compilation.ok
    given_ = {one.key: one.addresses for one in compilation.network.services}
    backwards = draw(st.booleans())
    services = {
        one.key: _holding(one, given_[one.key][:: -1 if backwards else 1])
        for one in compilation.inputs.services
        if given_[one.key]
    }
    return World(replace(compilation.inputs, services=(), endpoints={}, locks={}), services)


def _holding(one: Demand, addresses: tuple[Address, ...]) -> Demand:
    """With no family that it lacks, which it would be given once others are gone."""
    families = {family_of(address) for address in addresses}
    return replace(one, held=addresses, families=tuple(f for f in one.families if f in families))


@st.composite
def endpoints(draw: st.DrawFn, names: list[str]) -> Endpoints | None:
    if draw(st.sampled_from([False] * 4 + [True])):
        return None
    nodes = frozenset(draw(st.lists(st.sampled_from([*names, "ghost"]), max_size=3)))
    return Endpoints(bool(nodes), nodes, bool(nodes), nodes)


@st.composite
def demands(draw: st.DrawFn, one: Demand) -> Demand | None:
    """The Service as it was, or gone, or with what does not touch its addresses."""
    if draw(st.sampled_from([False] * 3 + [True])):
        return None
    labels = {**one.labels, "tier": draw(st.sampled_from(TIERS))}
    return replace(one, labels=labels, local=draw(st.booleans()))
