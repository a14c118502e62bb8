"""Many devices read at the same time, a bounded number of them; one that fails leaves the others.

Threads of our own, not an executor's: that one is waited for when the program ends, and Ctrl-C is
not to wait for a device that does not answer.
"""

from __future__ import annotations

import queue
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ferrule.apply.reach import Device
from ferrule.apply.target import Trouble
from ferrule.apply.vtysh import is_public
from ferrule.compiler.errors import listed
from ferrule.compiler.network import Address
from ferrule.compiler.observed import Key, Observed

if TYPE_CHECKING:
    from ferrule.apply.connection import Gateways

PARALLEL = 64  # a device costs us 10 ms of processor time, and itself half a second or more

Outcome = Observed | Trouble
Progress = Callable[[Device, Outcome], None]


def survey(
    devices: Sequence[Device], *, parallel: int = PARALLEL, progress: Progress | None = None
) -> Mapping[Key, Outcome]:
    """What every device runs, or why that is not known, in the order of the devices.

    `progress` is told of each as soon as it is done, by the thread that called.
    """
    found: dict[Key, Outcome] = {}
    with _gateways(devices) as gateways:
        for device, outcome in _observed(devices, parallel, gateways):
            found[device.key] = outcome
            if progress is not None:
                progress(device, outcome)
    in_order = {device.key: found[device.key] for device in devices}
    return {**in_order, **dict(_met_twice(in_order))}


def _observed(
    devices: Sequence[Device], parallel: int, gateways: Gateways | None
) -> Iterator[tuple[Device, Outcome]]:
    """Each device as it is done."""
    waiting: queue.SimpleQueue[Device] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Device, Observed | Exception]] = queue.SimpleQueue()
    for device in devices:
        waiting.put(device)

    def work() -> None:
        with suppress(queue.Empty):
            while True:
                device = waiting.get_nowait()
                done.put((device, _outcome(device, gateways)))

    for _ in range(min(parallel, len(devices))):
        threading.Thread(target=work, daemon=True).start()
    try:
        for _ in devices:
            device, outcome = done.get()
            if not isinstance(outcome, Outcome):
                raise outcome
            yield device, outcome
    finally:  # interrupted: what has not begun does not begin any more
        with suppress(queue.Empty):
            while True:
                waiting.get_nowait()


def _outcome(device: Device, gateways: Gateways | None) -> Observed | Exception:
    try:
        return device.observe(gateways)
    except Exception as bad:  # a Trouble, or a defect of ours: that is raised by whoever waits
        return bad


@contextmanager
def _gateways(devices: Sequence[Device]) -> Iterator[Gateways | None]:
    """Jump hosts for all devices in common, where there are any."""
    if not any(device.login and device.login.jump for device in devices):
        yield None
        return
    from ferrule.apply.connection import Gateways

    gateways = Gateways()
    try:
        yield gateways
    finally:
        gateways.close()


def _met_twice(found: Mapping[Key, Outcome]) -> Iterator[tuple[Key, Trouble]]:
    """Refuse what is one device under two names: anycast addresses alone do not tell them apart."""
    met: dict[frozenset[Address], list[Key]] = defaultdict(list)
    for key, outcome in found.items():
        if isinstance(outcome, Observed):
            met[frozenset(filter(is_public, outcome.addresses))].append(key)
    for addresses, keys in met.items():
        for key in keys if addresses and len(keys) > 1 else ():
            others = listed(" ".join(one) for one in keys if one != key)
            message = f"it is one device with {others}: all its addresses are the same"
            help = "correct where they are reached"
            yield key, Trouble("same-device", key[1], message, help)
