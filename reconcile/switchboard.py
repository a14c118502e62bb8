"""Between a leader and its switches: what they are to be, and what they say of themselves.

Switches depend on Services by their prefix limits alone, which are counted here: a Service more is
no reason to look at a switch unless it fills one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from ferrule.compiler.network import Service
from ferrule.compiler.rooms import Limits
from ferrule.compiler.source import Document
from ferrule.reconcile.events import About, Event
from ferrule.reconcile.intent import Reading
from ferrule.reconcile.logs import Log
from ferrule.reconcile.publish import Post
from ferrule.reconcile.switch_status import (
    PREFIX,
    SwitchState,
    events,
    forgotten,
    post,
    status_of,
)
from ferrule.reconcile.switches import Settings, Switches


class Switchboard:
    """What a leader knows of its switches. `put` takes statuses, `tell` events."""

    def __init__(
        self,
        identity: str,
        namespace: str,
        leading: Callable[[], bool],
        put: Callable[[Post], None],
        tell: Callable[[Event], None],
        log: Log,
        settings: Settings,
    ) -> None:
        self._namespace, self._put, self._tell = namespace, put, tell
        self._maps: dict[str, Document] = {}  # of switches from a directory, by name
        self._objects: dict[str, Document] = {}  # of those that are custom resources
        self._states: dict[str, SwitchState] = {}
        self._reading: Reading | None = None
        self._limits: Limits | None = None
        self.switches = Switches(identity, leading, self._published, log, settings)
        self.switches.start()

    def learn_map(self, key: str, document: Document | None) -> None:
        """A ConfigMap of a switch, by `namespace/name`."""
        _forget_or_keep(self._maps, _switch_of(key), document)

    def learn_object(self, key: str, document: Document | None) -> None:
        """A Switch of the cluster, by `namespace/name`."""
        _forget_or_keep(self._objects, key.rpartition("/")[2], document)

    def intend(
        self, reading: Reading, services: Mapping[str, Service], changed: Iterable[str]
    ) -> None:
        """What is in force, and the Services that are others than at the last call."""
        if reading is not self._reading:
            network = reading.compilation.network
            self._reading, self._limits = reading, Limits(network.switches, network.sets, ())
            self._limits.update(services)
            self._aim()
        else:
            assert self._limits is not None
            if self._limits.update({key: services.get(key) for key in changed}):
                self._aim()

    def stop(self) -> None:
        """Begin nothing more."""
        self.switches.stop()

    def _aim(self) -> None:
        assert self._reading is not None
        assert self._limits is not None
        compilation = self._reading.compilation
        switches = tuple(self._limits.switches.values())
        network = replace(compilation.network, switches=switches)
        said = {name: status_of(one) for name, one in self._maps.items()}
        for name in said.keys() - {one.name for one in switches}:
            self._put(forgotten(name, self._namespace))  # it went while nobody led
        self.switches.intend(replace(compilation, network=network), said)

    def _published(self, name: str, state: SwitchState | None) -> None:
        """A state that is news; called by the threads of the switches."""
        old = self._states.pop(name, None)
        if state is None:
            if old is not None and not old.in_cluster:
                self._put(forgotten(name, self._namespace))
            return
        self._states[name] = state
        before = (self._objects if state.in_cluster else self._maps).get(name)
        self._put(post(state, self._namespace, before))
        was_in_map = name in self._maps or (old is not None and not old.in_cluster)
        if state.in_cluster and was_in_map and state.accepted is not None:
            self._put(forgotten(name, self._namespace))  # its object says it now
        for event in events(old, state, self._about(state)):
            self._tell(event)

    def _about(self, state: SwitchState) -> About:
        document = state.document
        meta = document.data.get("metadata")
        uid = str(meta.get("uid") or "") if isinstance(meta, dict) else ""
        namespace = document.ref.namespace if document.ref and state.in_cluster else ""
        return About(document.api_version, "Switch", state.name, namespace or self._namespace, uid)


def _switch_of(key: str) -> str:
    return key.rpartition("/")[2].removeprefix(PREFIX)


def _forget_or_keep(into: dict[str, Document], name: str, document: Document | None) -> None:
    if document is None:
        into.pop(name, None)
    else:
        into[name] = document
