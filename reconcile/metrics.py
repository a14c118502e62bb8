"""Metrics, with MetalLB's names where the meaning is shared (metallb.md §7.1), else `ferrule_...`.

Everything is read off what the processes know when it is asked for; nothing is counted twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from prometheus_client.core import Metric

from ferrule.apply.vty_state import BfdCounters, Messages, Session
from ferrule.compiler.network import Announcement, Family
from ferrule.observe.watch_feed import Feed
from ferrule.observe.watch_inbox import Condition
from ferrule.reconcile.announcing import Announcing
from ferrule.reconcile.controller import Controller
from ferrule.reconcile.reports import Fill
from ferrule.reconcile.switch_status import SwitchState

FAMILY = {"ipv4": "ipv4_", "ipv6": "ipv6_"}
# Of what FRR counts, the fields that MetalLB has under another name.
MESSAGES = {
    "opens_sent": "opens_sent",
    "opens_received": "opens_received",
    "notifications_sent": "notifications_sent",
    "updates_sent": "updates_total",
    "updates_received": "updates_total_received",
    "keepalives_sent": "keepalives_sent",
    "keepalives_received": "keepalives_received",
    "route_refresh_sent": "route_refresh_sent",
    "total_sent": "total_sent",
    "total_received": "total_received",
}


WATCHES = {
    "objects": "Objects that are known",
    "stale_s": "Seconds since the API server was last heard",
    "lists": "Lists read",
    "events": "Events taken in",
    "restarts": "Watches begun anew after a fault",
}


def gauge(
    name: str, text: str, values: Iterable[tuple[Mapping[str, str], float]], kind: str = "gauge"
) -> Metric:
    """One metric with its values by label."""
    made = Metric(name, text, kind)
    for labels, value in values:
        made.add_sample(name, dict(labels), value)
    return made


def one(name: str, text: str, value: float, kind: str = "gauge") -> Metric:
    """One metric without labels."""
    return gauge(name, text, [({}, value)], kind)


def counter(name: str, text: str, value: float) -> Metric:
    """A counter; its name ends in `_total`."""
    made = Metric(name.removesuffix("_total"), text, "counter")
    made.add_sample(name, {}, value)
    return made


def of_pools(full: Mapping[str, Mapping[Family, Fill]]) -> Iterator[Metric]:
    """How full the pools are."""
    for state, text in (("", "has"), ("_in_use", "has in use")):
        for family in ("", *FAMILY):
            values = [
                ({"pool": pool}, sum(_count(fill, state) for fill in _of(each, family)))
                for pool, each in full.items()
            ]
            prefix = FAMILY.get(family, "")
            name = f"metallb_allocator_{prefix}addresses{state}_total"
            yield gauge(name, f"{family} addresses that a pool {text}".strip(), values)


def _of(each: Mapping[Family, Fill], family: str) -> list[Fill]:
    return [fill for name, fill in each.items() if family in ("", name)]


def _count(fill: Fill, state: str) -> int:
    return fill.used if state else fill.total


def of_controller(controller: Controller, waiting: int) -> Iterator[Metric]:
    """What a leader has done, and what waits for it."""
    counts = controller.counts
    allocator = controller.allocator
    services = list(allocator.services.values()) if allocator else []  # it goes on meanwhile
    pending = sum(not each.addresses for each in services)
    yield counter("metallb_k8s_client_updates_total", "Statuses written", counts.updates)
    yield counter("metallb_k8s_client_update_errors_total", "Statuses not written", counts.failures)
    yield from of_configuration(loaded=counts.config_loaded, stale=counts.config_stale)
    yield one("ferrule_services", "Services that are ours to serve", len(controller.watched))
    yield one("ferrule_services_pending", "Services without an address", pending)
    yield one("ferrule_statuses_waiting", "Statuses that are still to be written", waiting)


def of_announcing(
    announcing: Announcing, conditions: Mapping[Feed[Any], Condition]
) -> Iterator[Metric]:
    """How FRR is kept, and what an agent has taken in for that."""
    events = sum(each.events for each in conditions.values())
    yield counter("metallb_k8s_client_updates_total", "Changes taken in", events)
    text = "Attempts to bring FRR where it should be that failed"
    yield counter("metallb_k8s_client_update_errors_total", text, announcing.failures)
    yield one("ferrule_frr_in_sync", "FRR is as it should be", not announcing.problem)
    yield counter("ferrule_frr_changes_total", "Lines changed", announcing.changes)
    yield counter("ferrule_frr_mended_total", "Lines mended", announcing.mended)


def of_configuration(*, loaded: bool, stale: bool) -> Iterator[Metric]:
    """Whether a spec is in force, and whether it is the newest."""
    yield one("metallb_k8s_client_config_loaded_bool", "There is a good spec", loaded)
    yield one("metallb_k8s_client_config_stale_bool", "The newest spec is refused", stale)


def of_events(refused: int) -> Metric:
    """What could not be told."""
    text = "Events that the API server did not take"
    return counter("ferrule_events_refused_total", text, refused)


def of_watches(conditions: Mapping[Feed[Any], Condition]) -> Iterator[Metric]:
    """How the watches do, by kind."""
    said = [({"kind": str(feed)}, each) for feed, each in conditions.items()]
    for name, text in WATCHES.items():
        values = [(labels, float(getattr(each, name))) for labels, each in said]
        yield gauge(f"ferrule_watch_{name}", text, values)


def of_sessions(sessions: Iterable[Session]) -> Iterator[Metric]:
    """BGP and BFD, by peer and VRF, as FRR counts."""
    known = [(_labels(each), each) for each in sessions]
    up = [(labels, float(each.state.established)) for labels, each in known]
    yield gauge("metallb_bgp_session_up", "Whether a session is Established", up)
    sent = [(labels, float(sum(each.state.sent.values()))) for labels, each in known]
    yield gauge("metallb_bgp_announced_prefixes_total", "Prefixes that a peer is sent", sent)
    received = [(labels, float(sum(each.state.accepted.values()))) for labels, each in known]
    text = "Prefixes of a peer that are accepted"
    yield gauge("metallb_bgp_received_prefixes_total", text, received)
    states = Counter(each.state.state for _, each in known)
    values = [({"state": state}, float(number)) for state, number in sorted(states.items())]
    yield gauge("ferrule_bgp_sessions", "Sessions by FRR's word for their state", values)
    resets = [(labels, float(each.state.resets)) for labels, each in known]
    yield gauge("ferrule_bgp_session_resets", "How often a session was lost", resets, "unknown")
    for field in fields(Messages):
        if field.name in MESSAGES:
            values = [(labels, getattr(each.messages, field.name)) for labels, each in known]
            name = f"metallb_bgp_{MESSAGES[field.name]}"
            yield gauge(name, f"BGP: {field.name.replace('_', ' ')}", values, "unknown")
    with_bfd = [(labels, each) for labels, each in known if each.bfd is not None]
    bfd = [(labels, float(each.state.bfd == "up")) for labels, each in with_bfd]
    yield gauge("metallb_bfd_session_up", "Whether BFD is up", bfd)
    for field in fields(BfdCounters):
        values = [(labels, getattr(each.bfd, field.name)) for labels, each in with_bfd]
        text = f"BFD: {field.name.replace('_', ' ')}"
        yield gauge(f"metallb_bfd_{field.name}", text, values, "unknown")


def _labels(session: Session) -> dict[str, str]:
    port = f":{session.port}" if session.port else ""
    return {"peer": f"{session.state.neighbor}{port}", "vrf": session.state.vrf or "default"}


def of_announced(
    node: str, told: Iterable[tuple[str, str]], answered: Iterable[Announcement]
) -> Iterator[Metric]:
    """What a node announces, by Service and address."""
    labels = [
        {"service": service, "protocol": "bgp", "node": node, "ip": address}
        for service, address in told
    ]
    labels += [
        {"service": each.service, "protocol": "layer2", "node": node, "ip": str(each.address)}
        for each in answered
    ]
    values = [(each, 1.0) for each in labels]
    yield gauge("metallb_speaker_announced", "Addresses that this node announces", values)


def of_switches(states: Mapping[str, SwitchState]) -> Iterator[Metric]:
    """How the switches are kept."""
    each = [({"switch": name}, state) for name, state in states.items()]
    for name, text, value in (
        ("reachable", "The switch answers", lambda one: not one.unreachable),
        ("in_sync", "The switch is as it should be", lambda one: one.in_sync),
        ("drifted", "Somebody else has changed it", lambda one: bool(one.drift)),
        ("plan_pending", "A change waits for leave", lambda one: bool(one.pending)),
        ("verified_seconds", "When it was last read, in Unix time", lambda one: one.verified_s),
    ):
        values = [(labels, float(value(one) or 0)) for labels, one in each]
        yield gauge(f"ferrule_switch_{name}", text, values)
    for name in ("changes", "failures"):
        values = [(labels, float(getattr(one, name))) for labels, one in each]
        yield gauge(f"ferrule_switch_{name}", f"{name} of a switch".capitalize(), values)
