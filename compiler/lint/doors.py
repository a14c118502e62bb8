"""Who gets in at a device: its neighbors and listen ranges over all VRFs, found by address."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from ferrule.compiler.lint.device import Device, Instance, Neighbor, Range
from ferrule.compiler.network import Address

Block = tuple[int, int]  # version and length


class Doors:
    """Looked up by our addresses, however many neighbors there are."""

    def __init__(self, device: Device) -> None:
        self.device = device
        neighbors: dict[str, list[tuple[Instance, Neighbor]]] = defaultdict(list)
        ranges: dict[Block, dict[int, list[tuple[Instance, Range]]]] = {}
        for instance in device.instances.values():
            for name, one in instance.neighbors.items():
                neighbors[name].append((instance, one))
            for range_ in instance.ranges:
                prefix = range_.prefix
                starts = ranges.setdefault((prefix.version, prefix.prefixlen), {})
                start = int(prefix.network_address)
                starts.setdefault(start, []).append((instance, range_))
        self._neighbors: Mapping[str, list[tuple[Instance, Neighbor]]] = neighbors
        self._ranges: Mapping[Block, Mapping[int, list[tuple[Instance, Range]]]] = ranges

    def neighbors(self, address: Address) -> list[tuple[Instance, Neighbor]]:
        """Those that have this address, in any VRF."""
        return self._neighbors.get(str(address), [])

    def ranges(self, address: Address) -> Iterator[tuple[Instance, Range]]:
        """The listen ranges that hold it, in any VRF."""
        for (version, length), starts in self._ranges.items():
            if version == address.version:
                rest = address.max_prefixlen - length
                yield from starts.get(int(address) >> rest << rest, ())

    def know(self, address: Address) -> bool:
        """Whether it gets in at all."""
        return bool(self.neighbors(address)) or next(self.ranges(address), None) is not None
