"""What a node's agent knows: the spec in force, its own slice of it, and what its switches accept.

Nothing is decided by what was not seen: before every list is complete there is no slice, a spec
with a mistake leaves the last one in force, and so does a mistake that this very Node makes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from ferrule.compiler.errors import Diagnostic
from ferrule.compiler.inputs import Inputs
from ferrule.compiler.kube import Endpoints
from ferrule.compiler.network import Network, Node
from ferrule.compiler.seen import Seen
from ferrule.compiler.slice import Changed, Slice
from ferrule.compiler.source import Document
from ferrule.reconcile import kept
from ferrule.reconcile.intent import Intent, Reading


class Local:
    """One node's view; `cordon` makes cordoned nodes ones without network."""

    def __init__(self, name: str, intent: Intent, *, cordon: bool = False) -> None:
        self.name, self.intent, self._cordon = name, intent, cordon
        self.reading: Reading | None = None
        self.slice: Slice | None = None
        self.mistakes: tuple[Diagnostic, ...] = ()
        self._node: Node | None = None  # until something changes
        self._services: dict[str, Seen | None] = {}  # since the slice was last told
        self._endpoints: dict[str, Endpoints | None] = {}
        self._all_services: dict[str, Seen] = {}
        self._slices: dict[str, kept.Slice] = {}
        self._of_service: dict[str, set[str]] = defaultdict(set)

    # Learning.

    def learn_node(self, key: str, document: Document | None) -> None:
        """A Node, this one or another."""
        if document is not None and self._cordon:  # all of them: on layer 2 another takes over
            document = _cordoned(document)
        self.intent.around("Node", key, document)

    def learn_services(self, changes: Mapping[str, kept.Watched | None]) -> None:
        """Services; those without an address are as good as none."""
        for key, one in changes.items():
            demand = one.demand if one else None
            seen = Seen.of(demand) if demand and demand.held else None
            if seen is not None or key in self._all_services:
                self._services[key] = seen
            if seen is None:
                self._all_services.pop(key, None)
            else:
                self._all_services[key] = seen

    def learn_slices(self, changes: Mapping[str, kept.Slice | None]) -> None:
        """EndpointSlices; of a Service there may be several."""
        touched = set()
        for key, one in changes.items():
            if old := self._slices.pop(key, None):
                self._of_service[old.service].discard(key)
                touched.add(old.service)
            if one is not None:
                self._slices[key] = one
                self._of_service[one.service].add(key)
                touched.add(one.service)
        for service in touched:
            parts = [self._slices[key] for key in self._of_service[service]]
            self._endpoints[service] = kept.united(parts) if parts else None
            if not parts:
                del self._of_service[service]

    # Deciding.

    def settle(self) -> Changed | None:
        """Bring the slice up to date; None where it is another one, and all is to be compared."""
        before = self.slice
        if self.intent.changed:
            self._read()
        services, self._services = self._services, {}
        endpoints, self._endpoints = self._endpoints, {}
        if self.slice is None:  # not yet: all of it is told to the first one
            self._services, self._endpoints = services, endpoints
            return Changed()
        changed = self.slice.update(services, endpoints)
        if self.slice is not before:
            self._node = None
            return None
        if changed != Changed():
            self._node = None
        return changed

    def _read(self) -> None:
        reading = self.intent.read()
        if reading is None:
            self.mistakes = self.intent.mistakes
            return
        found = reading.compilation.diagnostics
        mine = tuple(one for one in found if one.severity == "error" and one.node == self.name)
        self.mistakes = (*reading.refused, *mine)
        inputs = reading.inputs
        if mine or self.name not in {one.name for one in inputs.nodes}:
            return
        self.reading = reading
        self.slice = self._sliced(inputs)

    def _sliced(self, inputs: Inputs) -> Slice:
        if self.slice is not None:
            return self.slice.moved_to(inputs)
        return Slice(self.name, inputs)

    @property
    def node(self) -> Node | None:
        """The node as it should be."""
        if self._node is None and self.slice is not None:
            self._node = self.slice.node
        return self._node

    def network(self, node: Node) -> Network:
        """The network that is this node alone."""
        assert self.reading is not None
        return replace(self.reading.compilation.network, nodes=(node,), services=(), switches=())


def _cordoned(document: Document) -> Document:
    """A cordoned node has no network, for whoever asks for traffic."""
    spec, status = document.data["spec"], document.data["status"]
    assert isinstance(spec, dict)
    assert isinstance(status, dict)
    if not spec.get("unschedulable"):
        return document
    conditions = [{"type": "NetworkUnavailable", "status": "True"}]
    return Document({**document.data, "status": {**status, "conditions": conditions}})
