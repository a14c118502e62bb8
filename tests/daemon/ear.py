"""What devices hear from their neighbors, prefix by prefix, as their bgpd logs it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from daemon.flavour import wait_for
from daemon.lab import Device
from daemon.rig import neighbors

LOG = "heard.log"
LINE = re.compile(r" rcvd (?:UPDATE about )?(\S+/\d+) IPv[46] unicast(.*)")
QUIET_S = 2.5
SETTLED_S = 120.0


@dataclass(frozen=True)
class Heard:
    """The prefixes of some UPDATE messages: what they bring, say once more, and withdraw."""

    messages: int
    announced: list[str]
    repeated: list[str]  # as it was: the far end ignores it
    withdrawn: list[str]

    @property
    def prefixes(self) -> int:
        return len(self.announced) + len(self.repeated) + len(self.withdrawn)


class Ears:
    """At several devices at once, from when it is quiet there.

    `quiet_s` without a word is the end of what was to be heard. It must be longer than a keepalive:
    FRR, after a session has come up, asks for all routes once more together with the first one.
    """

    def __init__(self, devices: Mapping[str, Device], quiet_s: float = QUIET_S) -> None:
        self._devices, self._quiet_s = devices, quiet_s
        for device in devices.values():
            router = device.frr
            file = f"log file /run/frr/{router.name}/{LOG} debugging"
            assert router.vtysh("configure terminal", file).code == 0
            assert router.vtysh("debug bgp updates in", daemon="bgpd").code == 0
        self.wait_quiet()
        self.forget()

    def forget(self) -> None:
        """What was said until now is not of interest."""
        self._seen = {name: _size(device) for name, device in self._devices.items()}
        self._before = self._messages()

    def wait(self, least: Mapping[str, int], seconds: float = SETTLED_S) -> None:
        """Until each has heard of so many prefixes."""
        what = f"hear of {least} prefixes"
        wait_for(
            lambda: all(self.so_far(name).prefixes >= count for name, count in least.items()),
            seconds,
            what,
        )

    def wait_quiet(self, seconds: float = SETTLED_S) -> None:
        """Until nobody has heard anything for a while."""
        last, since = self._messages(), time.monotonic()

        def quiet() -> bool:
            nonlocal last, since
            if (now := self._messages()) != last:
                last, since = now, time.monotonic()
            return time.monotonic() - since > self._quiet_s

        wait_for(quiet, seconds + self._quiet_s, "nothing new is heard")

    def heard(self) -> dict[str, Heard]:
        """All since the last time."""
        found = {name: self.so_far(name) for name in self._devices}
        self.forget()
        return found

    def so_far(self, name: str) -> Heard:
        """What one of them has heard since the last time."""
        device = self._devices[name]
        announced: list[str] = []
        repeated: list[str] = []
        withdrawn: list[str] = []
        for prefix, rest in LINE.findall(_text(device, self._seen[name])):
            kind = withdrawn if rest.endswith("withdrawn") else announced
            (repeated if rest.endswith("duplicate ignored") else kind).append(prefix)
        return Heard(_updates(device) - self._before[name], announced, repeated, withdrawn)

    def _messages(self) -> dict[str, int]:
        return {name: _updates(device) for name, device in self._devices.items()}


def _log(device: Device) -> Path:
    return device.frr.flavour.directories(device.frr.name)[1] / LOG


def _size(device: Device) -> int:
    return _log(device).stat().st_size if _log(device).exists() else 0


def _text(device: Device, start: int) -> str:
    if not _log(device).exists():
        return ""
    with _log(device).open() as log:
        log.seek(start)
        return log.read()


def _updates(device: Device) -> int:
    return sum(one["messageStats"]["updatesRecv"] for one in neighbors(device).values())
