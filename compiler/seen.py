"""What a node has to know of a Service, and no more of it: there may be ten thousand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ferrule.compiler.network import Address
from ferrule.compiler.service import Demand


@dataclass(frozen=True, slots=True)
class Seen:
    """A Service with its addresses, in the order of the status."""

    labels: Mapping[str, str]
    addresses: tuple[Address, ...]
    sharing_key: str | None
    local: bool

    @classmethod
    def of(cls, demand: Demand) -> Seen:
        """The part of a Service that it is."""
        return cls(demand.labels, demand.held, demand.sharing_key, demand.local)
