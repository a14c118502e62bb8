"""Runs of `ferrule apply` on a small fabric, by the command line alone, and what they leave."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from daemon.flavour import wait_for
from short import documents

from fabric.fabric import Fabric
from fabric.machine import Done

BEFORE = """
Switch tor-a: {addresses: [198.51.100.1/24]}
BGPPeer tor: {peerAddress: 198.51.100.1, holdTime: 9s, connectTime: 1s}
IPAddressPool public: {addresses: [192.0.2.0/26]}
BGPAdvertisement all: {}
Node node-1: {ips: [198.51.100.11]}
Node node-2: {ips: [198.51.100.12]}
Service shop/web: {ip: 192.0.2.1}
"""
MORE = """
IPAddressPool more: {addresses: [192.0.2.64/26]}
Service shop/new: {ip: 192.0.2.65}
"""
AFTER = BEFORE + MORE  # first the switch, then the nodes
ALLOWED = [
    word
    for each in ("withdrawal", "session-reset", "address-change", "mass-withdrawal")
    for word in ("--allow", each)
]
GONE_S = 30.0
Json = dict[str, Any]


def spec(folder: Path, text: str = BEFORE) -> Path:
    """A short text as a file for `Fabric`."""
    path = folder / "spec.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": documents(text)}))
    return path


class Runs:
    """`before` and `after` are specs that apply is given."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.before, self.after = self.spec(BEFORE), self.spec(AFTER)

    def spec(self, text: str) -> str:
        return str(self.fabric.reachable(documents(text)))

    def apply(self, *words: str) -> Done:
        return self.fabric.ferrule("apply", *words, "--yes", *ALLOWED, timeout_s=300)

    def plan(self, path: str, *words: str) -> Done:
        return self.fabric.ferrule("plan", path, *words)

    @contextmanager
    def running(self, *words: str, until: str) -> Iterator[subprocess.Popen[str]]:
        """An apply that has said so much; it is ended with the test."""
        process = self.fabric.start("apply", *words, "--yes", *ALLOWED)
        assert process.stderr
        said = []
        for line in process.stderr:
            said.append(line)
            if re.search(until, line):
                break
        else:
            raise AssertionError("".join(said))
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def is_at(self, path: str) -> bool:
        """Whether nothing is left to do for a spec, and no run is open."""
        done = self.plan(path, "--detailed-exitcode")
        return done.returncode == 0 and "has been open" not in done.stdout

    def wait_at(self, path: str, seconds: float = GONE_S) -> None:
        wait_for(lambda: self.is_at(path), seconds, "as planned or as before")

    def routes(self) -> set[str]:
        """What the switch has heard of nodes."""
        frr = self.fabric.switches["tor-a"].frr
        return set(frr.show_json("show bgp ipv4 unicast")["routes"])

    def resets(self) -> dict[str, int]:
        """How often each node has lost its session."""
        counts = {}
        for name, node in self.fabric.nodes.items():
            shown = node.frr.show_json("show bgp neighbors")
            counts[name] = shown["198.51.100.1"]["connectionsDropped"]
        return counts

    def files(self, device: str, what: str) -> bool:
        """Whether a file of ours is on a device."""
        root = self.fabric.devices[device].machine.path("/run/ferrule")
        return any(root.rglob(what))


def run_of(done: Done | str) -> str:
    """The name of the run that was made."""
    text = done if isinstance(done, str) else done.stdout + done.stderr
    found = re.search(r"run (\d{8}T\d{6}Z-[0-9a-f]{4})", text)
    assert found, text
    return found[1]
