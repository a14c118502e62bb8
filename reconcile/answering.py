"""Layer 2 in the agent: begun where the spec has an L2Advertisement, told what the slice says."""

from __future__ import annotations

from collections.abc import Callable

from ferrule.compiler.slice import Changed
from ferrule.observe.cluster_api import Api
from ferrule.reconcile.answered import Answered
from ferrule.reconcile.events import Events
from ferrule.reconcile.intent import Reading
from ferrule.reconcile.layer2 import Choices, Layer2, Place
from ferrule.reconcile.local import Local
from ferrule.reconcile.logs import Log
from ferrule.reconcile.publish import Publisher


class Answering:
    """One node's layer 2. `uid` is asked for that of a Service."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        local: Local,
        choices: Choices,
        publisher: Publisher,
        events: Events,
        log: Log,
        uid: Callable[[str], str],
        spread_s: float,
    ) -> None:
        self._api, self._namespace, self._local, self._choices = api, namespace, local, choices
        self._publisher, self._events, self._log, self._uid = publisher, events, log, uid
        self._spread_s = spread_s
        self._reading: Reading | None = None
        self.layer2: Layer2 | None = None
        self.answered: Answered | None = None

    def turn(self, changed: Changed | None) -> None:
        """Tell what is new; None: all of it may be."""
        reading, part = self._local.reading, self._local.slice
        if reading is None or part is None:
            return
        if not reading.inputs.spec.l2_advertisements:
            self.stop()
            return
        begun = self.layer2 is None
        layer2 = self.layer2 or self._begin()
        if reading is not self._reading or begun:
            self._reading = reading
            addresses = {
                node.name: str(node.internal[0]) for node in reading.inputs.nodes if node.internal
            }
            layer2.moved(Place(reading.compilation.network.cluster, addresses))
        if changed is None or begun:
            layer2.replace(part.contests)
        elif changed.contests:
            layer2.update(changed.contests)
        if begun:
            layer2.start()

    def _begin(self) -> Layer2:
        node = self._local.name
        made = Layer2(
            self._api,
            self._namespace,
            node,
            self._choices,
            self._log,
            lambda said: answered.hear(said),
            spread_s=self._spread_s,
        )
        self.layer2 = made
        answered = self.answered = Answered(
            self._api,
            self._namespace,
            node,
            made.contested,
            self._publisher,
            self._events,
            self._log,
            self._uid,
            made.has,
        )
        self._log.info("layer2Begun")
        return made

    def stop(self) -> None:
        """Hand everything over; nothing is answered for any more."""
        if self.layer2 is not None:
            self.layer2.stop()
            self.layer2 = None
            self._log.info("layer2Ended")
        if self.answered is not None:
            self.answered.gone()
            self.answered = None
