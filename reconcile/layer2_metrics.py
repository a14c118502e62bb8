"""Metrics of layer 2: MetalLB's three, and what tells whether a takeover would work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import Metric

from ferrule.reconcile.answering import Answering
from ferrule.reconcile.metrics import counter, gauge, one

TALLIES = (  # in the order in which the announcer says them
    ("requests_received", "Requests for an address that is ours"),
    ("responses_sent", "Answers"),
    ("gratuitous_sent", "Announcements unasked"),
)
REFUSALS = {
    "dropped": ("drops", "Frames that got no answer"),
    "beats_refused": ("beatsRefused", "Heartbeats that were not believed"),
}
SO_FAR = {"takeovers": "Addresses taken over", "conflicts": "Foreign answers for our addresses"}


def of_layer2(answering: Answering) -> Iterator[Metric]:
    """What the announcer said last, and whether it and its Lease are there."""
    layer2, answered = answering.layer2, answering.answered
    if layer2 is None or answered is None:
        return
    status, leased = answered.status, len(layer2.present())
    yield from _counted(status)
    heard = len(status.get("heard", ()))
    yield one("ferrule_layer2_owned", "Addresses answered for", len(status.get("owned", ())))
    yield one("ferrule_layer2_members_leased", "Other nodes with a valid Lease", leased)
    yield one("ferrule_layer2_members_heard", "Other nodes that are heard to beat", heard)
    yield one("ferrule_layer2_lease_fresh", "The API server knows that we are there", layer2.fresh)
    yield counter("ferrule_layer2_begun_total", "Announcers begun", layer2.child.begun)
    found = Counter(str(each["code"]) for each in status.get("findings", ()))
    values = [({"code": code}, float(number)) for code, number in found.items()]
    yield gauge("ferrule_layer2_findings", "What stands in the way", values)


def _counted(status: Mapping[str, Any]) -> Iterator[Metric]:
    tallies = [({"ip": ip}, each) for ip, each in status.get("addresses", {}).items()]
    for place, (name, text) in enumerate(TALLIES):
        values = [(labels, float(each[place])) for labels, each in tallies]
        yield gauge(f"metallb_layer2_{name}", text, values, "unknown")
    for name, (key, text) in REFUSALS.items():
        values = [({"reason": why}, float(number)) for why, number in status.get(key, {}).items()]
        yield gauge(f"ferrule_layer2_{name}", text, values, "unknown")
    for name, text in SO_FAR.items():
        yield counter(f"ferrule_layer2_{name}_total", text, status.get(name, 0))
