"""A scheduler and the kubelets of some nodes, as far as Pods with ports need them.

What controllers make of a Deployment is given a node that fits, started there, and reported ready
once it answers. A Pod that is to go is not ready from then on, as a readiness probe says of an
ingress controller that is told to end, but it answers until its time is over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

from daemon.kube import Plane
from daemon.path_cables import PodNet
from daemon.path_pods import Container

LOOK_S = 0.1
FIRST = 2  # of the numbers of Pods; 1 is the node's
Json = Mapping[str, Any]


@dataclass
class Running:
    """A Pod that was started; `ready` is what was reported, `until` when it ends, where known."""

    container: Container
    ready: bool = False
    until: float | None = None


class Kubelets:
    """At work within a `with` block, on the network of whoever enters it."""

    def __init__(self, plane: Plane, nets: Mapping[str, PodNet], folder: Path, pem: Path) -> None:
        self._plane, self._nets, self._folder, self._pem = plane, nets, folder, pem
        self._running: dict[str, Running] = {}
        self._numbers = {name: count(FIRST) for name in nets}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._bad: Exception | None = None

    def __enter__(self) -> Kubelets:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join()
        for one in self._running.values():
            one.container.stop()
        if self._bad is not None:
            raise self._bad

    def _run(self) -> None:
        try:
            while not self._stopping.wait(LOOK_S):
                self._look()
        except Exception as bad:  # told at the end, where somebody hears it
            self._bad = bad

    def _look(self) -> None:
        pods = {one["metadata"]["uid"]: one for one in self._plane.items("v1", "Pod")}
        for uid, pod in pods.items():
            with suppress(RuntimeError):  # it has changed or gone meanwhile: at the next look
                self._bring_on(uid, pod, pods)
        for uid in self._running.keys() - pods.keys():
            self._running.pop(uid).container.stop()

    def _bring_on(self, uid: str, pod: Json, pods: Mapping[str, Json]) -> None:
        """The next step with a Pod."""
        node = pod["spec"].get("nodeName")
        running = self._running.get(uid)
        if "deletionTimestamp" in pod["metadata"]:
            self._end(uid, pod, running)
        elif not node:
            self._schedule(pod, pods)
        elif running is None and node in self._nets:
            host = next(self._numbers[node])
            container = Container(pod, self._nets[node], host, self._folder)
            self._running[uid] = Running(container)
            container.start(self._pem)
        elif running is not None and not running.ready:
            self._report(running, ready=True)

    def _schedule(self, pod: Json, pods: Mapping[str, Json]) -> None:
        """To the node that fits with the fewest of its siblings."""
        selector = pod["spec"].get("nodeSelector", {})
        labels = {
            one["metadata"]["name"]: one["metadata"].get("labels", {})
            for one in self._plane.items("v1", "Node")
            if not one["spec"].get("unschedulable")
        }
        fitting = [
            one for one in self._nets if one in labels and selector.items() <= labels[one].items()
        ]
        siblings = [
            one["spec"].get("nodeName")
            for one in pods.values()
            if one["metadata"].get("labels") == pod["metadata"].get("labels")
            if "deletionTimestamp" not in one["metadata"]
        ]
        if not fitting:
            return
        node = min(fitting, key=lambda one: (siblings.count(one), one))
        meta = {key: pod["metadata"][key] for key in ("name", "namespace")}
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": meta, "target": target}
        self._plane.ask("POST", f"{_path(pod)}/binding", binding)
        pod["spec"]["nodeName"] = node  # the next one counts it

    def _end(self, uid: str, pod: Json, running: Running | None) -> None:
        if running is not None and running.until is None:
            running.until = time.monotonic() + pod["metadata"]["deletionGracePeriodSeconds"]
        if running is not None and running.ready:
            self._report(running, ready=False)
        if running is None or (running.until or 0) <= time.monotonic():
            if running is not None:
                self._running.pop(uid).container.stop()
            self._plane.ask("DELETE", f"{_path(pod)}?gracePeriodSeconds=0")

    def _report(self, running: Running, *, ready: bool) -> None:
        container = running.container
        kinds = ("Ready", "ContainersReady")
        status = {
            "phase": "Running",
            "podIP": container.addresses[0],
            "podIPs": [{"ip": one} for one in container.addresses],
            "conditions": [{"type": one, "status": str(ready)} for one in kinds],
        }
        meta = {key: container.pod["metadata"][key] for key in ("name", "namespace")}
        self._plane.apply(
            {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": status}, "status"
        )
        running.ready = ready


def _path(pod: Json) -> str:
    meta = pod["metadata"]
    return f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
