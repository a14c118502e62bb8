"""What is said of a switch in the cluster, and how agents read it.

A Switch that is a custom resource has it in its status; of one that comes from a directory it is
JSON in the ConfigMap `ferrule-switch-NAME`. What the switch takes stays said while it cannot be
reached: it runs on. `rows` and `intent` are digests of what was left on it, and of what that should
be: whoever leads next knows by them what others have done since.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network

from ferrule.compiler.errors import printable
from ferrule.compiler.network import (
    DEFAULT_VRF,
    FAMILIES,
    Address,
    Family,
    Prefix,
    PrefixSet,
    family_of,
)
from ferrule.compiler.source import Document
from ferrule.observe.cluster_lists import Resource
from ferrule.reconcile.events import About, Event
from ferrule.reconcile.feeds import CONFIG_MAPS, newest
from ferrule.reconcile.publish import Post, condition
from ferrule.reconcile.switch_accepts import Accepted, AcceptedSet, Limit, SetKey

MANAGER = "ferrule-switches"  # beside what others say of the object
PREFIX = "ferrule-switch-"
LABEL = "ferrule.dev/switch"  # of the ConfigMaps
TEXT = "status"  # the key in their data
Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Said:
    """Why something is as it is: a word for programs and a text for people."""

    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class SwitchState:
    """What is known of a switch. None of `unreachable`, `unsettled`, `pending`, `drift` is well.

    `notes` are worth knowing and no fault. `accepted` is None while nothing is known yet.
    `verified_s`, in Unix time, is when its rows and bgpd were last read; `done` is what the last of
    its `changes` was.
    """

    name: str
    document: Document = field(compare=False, repr=False)
    unreachable: Said | None = None
    unsettled: Said | None = None
    pending: Said | None = None
    drift: Said | None = None
    notes: tuple[str, ...] = ()
    accepted: Accepted | None = None
    rows: str = ""
    intent: str = ""
    changes: int = 0
    done: str = ""
    failures: int = field(default=0, compare=False)
    verified_s: float | None = field(default=None, compare=False)

    @property
    def in_cluster(self) -> bool:
        """Whether it is a custom resource."""
        return self.document.source is None

    @property
    def in_sync(self) -> bool:
        """Whether it was last seen to run what it should."""
        return not (self.unreachable or self.unsettled or self.pending or self.drift)


# Writing.


def post(state: SwitchState, namespace: str, before: Document | None) -> Post:
    """The write that says it.

    `before` is the object as it is: a Switch, or what `config_map` makes of a ConfigMap.
    """
    said = status(state, before)
    ref = state.document.ref
    if state.in_cluster and ref:
        return Post(_switch(), ref.namespace, state.name, said, manager=MANAGER)
    data = {TEXT: json.dumps(said, sort_keys=True)}
    labels = {LABEL: state.name}
    name = f"{PREFIX}{state.name}"
    return Post(CONFIG_MAPS, namespace, name, None, manager=MANAGER, labels=labels, data=data)


def forgotten(name: str, namespace: str) -> Post:
    """The write that takes back what a ConfigMap said of a switch that is not intended any more."""
    return Post(CONFIG_MAPS, namespace, f"{PREFIX}{name}", None, manager=MANAGER)


def _switch() -> Resource:
    return next(one for one in newest() if one.kind == "Switch")


def status(state: SwitchState, before: Document | None = None) -> dict[str, object]:
    """The whole of it that is ours to say; what is not known is left out."""
    said: dict[str, object] = {"conditions": [*conditions(state, before)]}
    if state.accepted is not None:
        said["accepts"] = [_set(one) for one in state.accepted.sets]
        said["limits"] = [_limit(one) for one in state.accepted.limits]
    if state.rows:
        said |= {"rows": state.rows, "intent": state.intent}
    if state.verified_s is not None:
        said["verified"] = _time(state.verified_s)
    meta = state.document.data.get("metadata")
    if isinstance(meta, dict) and isinstance(meta.get("generation"), int):
        said["observedGeneration"] = meta["generation"]
    return said


def conditions(state: SwitchState, before: Document | None = None) -> Iterator[dict[str, object]]:
    """Reachable, InSync, Drifted and PlanPending."""
    away, pending, drift = state.unreachable, state.pending, state.drift
    unsettled = state.unsettled or pending or drift
    well = Said("Verified", "its rows and what bgpd runs are as they should be")
    known = "Unknown" if away else "False"
    settled = (known, away or unsettled) if away or unsettled else ("True", well)
    each: dict[str, tuple[str, Said | None]] = {
        "Reachable": ("False", away) if away else ("True", Said("Read", "it answers")),
        "InSync": settled,
        "Drifted": ("True", drift) if drift else (known, Said("AsLeft", "nobody else changed it")),
        "PlanPending": ("True", pending)
        if pending
        else ("False", Said("NothingPending", "nothing waits for leave")),
    }
    for kind, (value, why) in each.items():
        assert why is not None
        text = "\n".join((why.text, *state.notes)) if kind == "InSync" else why.text
        yield condition(before, kind, value, why.reason, printable_lines(text))


def printable_lines(text: str) -> str:
    """A text of several lines, each printable."""
    return "\n".join(map(printable, text.splitlines()))


def _set(one: AcceptedSet) -> dict[str, object]:
    pool, family, length = one.key
    said: dict[str, object] = {"name": one.name, "pool": pool, "family": family, "length": length}
    said["prefixes"] = list(one.prefixes)
    if one.partial:
        said["partial"] = True
    if one.neighbors is not None:
        said["neighbors"] = list(one.neighbors)
    return said


def _limit(one: Limit) -> dict[str, object]:
    said: dict[str, object] = {"family": one.family, "limit": one.limit}
    return said if one.neighbors is None else {**said, "neighbors": list(one.neighbors)}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# Events.


def events(old: SwitchState | None, new: SwitchState, about: About) -> Iterator[Event]:
    """What is news of a switch."""
    if new.unreachable and not (old and old.unreachable):
        yield _warning(about, "SwitchUnreachable", new.unreachable.text)
    if old and old.unreachable and not new.unreachable:
        yield Event(about, "SwitchReachable", "it answers again")
    if new.changes > (old.changes if old else 0):
        yield Event(about, "SwitchChanged", new.done)
    for reason, was, is_ in (
        ("SwitchDrifted", old and old.drift, new.drift),
        ("SwitchPlanPending", old and old.pending, new.pending),
        (f"Switch{new.unsettled.reason}" if new.unsettled else "", _bad(old), _bad(new)),
    ):
        if is_ and is_ != was:
            yield _warning(about, reason, is_.text)


def _bad(state: SwitchState | None) -> Said | None:
    """What is not well and does not pass by itself."""
    found = state.unsettled if state else None
    return found if found and found.reason in ("Refused", "Failed", "Stuck") else None


def _warning(about: About, reason: str, text: str) -> Event:
    return Event(about, reason, text.partition("\n")[0], "Warning")


# Counting.


@dataclass(frozen=True, slots=True)
class Counts:
    """For the metrics; `verified_s` is, by switch, the Unix time of the last good look."""

    changes: int
    failures: int
    pending: int
    drifted: int
    unreachable: int
    in_sync: int
    verified_s: Mapping[str, float]


def counts(states: Mapping[str, SwitchState]) -> Counts:
    """What there is to count of all switches."""
    each = states.values()
    return Counts(
        sum(one.changes for one in each),
        sum(one.failures for one in each),
        sum(one.pending is not None for one in each),
        sum(one.drift is not None for one in each),
        sum(one.unreachable is not None for one in each),
        sum(one.in_sync for one in each),
        {name: one.verified_s for name, one in states.items() if one.verified_s is not None},
    )


# Reading.


@dataclass(frozen=True, slots=True)
class Known:
    """What a status says; nothing of it where there is none."""

    accepted: Accepted | None = None
    rows: str = ""
    intent: str = ""

    def takes(self, prefix: Prefix, vrf: str, neighbor: Address) -> bool:
        """Whether the switch takes a prefix of a node at this address of the switch's VRF."""
        return any(
            family == family_of(prefix)
            and length == prefix.prefixlen
            and _is_for(one.neighbors, vrf, neighbor)
            and any(_within(prefix, block) for block in one.prefixes)
            for one in (self.accepted.sets if self.accepted else ())
            for _, family, length in (one.key,)
        )

    def limit(self, family: Family, vrf: str, neighbor: Address) -> int | None:
        """How many prefixes of a family it takes of that node, where that is known."""
        each = self.accepted.limits if self.accepted else ()
        found = (o for o in each if o.family == family and _is_for(o.neighbors, vrf, neighbor))
        return min((one.limit for one in found), default=None)

    def whole(self, sets: Mapping[SetKey, PrefixSet]) -> frozenset[SetKey]:
        """The sets that it takes of every node that has them to say, and all that `sets` have.

        What it says may be of an older spec, in which a pool was smaller.
        """
        return frozenset(
            one.key
            for one in (self.accepted.sets if self.accepted else ())
            if one.neighbors is None and not one.partial
            if one.key not in sets or {*map(str, sets[one.key].blocks)} <= {*one.prefixes}
        )


def config_map(raw: Json) -> Document:
    """A ConfigMap of ours as the object whose status it holds."""
    data = raw.get("data")
    text = data.get(TEXT) if isinstance(data, dict) else None
    try:
        said = json.loads(text) if isinstance(text, str) else {}
    except ValueError:
        said = {}
    return Document({"kind": "Switch", "status": said if isinstance(said, dict) else {}})


def status_of(document: Document | None) -> Json:
    """The status in an object, whatever it is."""
    said = document.data.get("status") if document else None
    return said if isinstance(said, dict) else {}


def read(said: Json) -> Known:
    """A status, as far as it is one of ours."""
    sets = tuple(filter(None, map(_read_set, _dicts(said.get("accepts")))))
    limits = tuple(filter(None, map(_read_limit, _dicts(said.get("limits")))))
    known = isinstance(said.get("accepts"), list)
    rows, intent = (str(said.get(one) or "") for one in ("rows", "intent"))
    return Known(Accepted(sets, limits) if known else None, rows, intent)


def _read_set(said: Json) -> AcceptedSet | None:
    pool, family, length, name = (said.get(one) for one in ("pool", "family", "length", "name"))
    if not isinstance(pool, str) or family not in FAMILIES or not isinstance(length, int):
        return None
    key = (pool, family, length)
    prefixes = _texts(said.get("prefixes")) or ()
    partial = said.get("partial") is True
    return AcceptedSet(key, str(name), prefixes, partial, _texts(said.get("neighbors")))


def _read_limit(said: Json) -> Limit | None:
    family, limit = said.get("family"), said.get("limit")
    if family not in FAMILIES or not isinstance(limit, int):
        return None
    return Limit(family, limit, _texts(said.get("neighbors")))


def _dicts(value: object) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _texts(value: object) -> tuple[str, ...] | None:
    return tuple(str(one) for one in value) if isinstance(value, list) else None


def _is_for(neighbors: tuple[str, ...] | None, vrf: str, neighbor: Address) -> bool:
    if neighbors is None:
        return True
    of = (one.partition("|") for one in neighbors)
    return any(there == (vrf or DEFAULT_VRF) and _is_at(who, neighbor) for there, _, who in of)


def _is_at(who: str, neighbor: Address) -> bool:
    try:
        return neighbor in ip_network(who) if "/" in who else neighbor == ip_address(who)
    except ValueError:
        return False


def _within(prefix: Prefix, block: str) -> bool:
    try:
        around = ip_network(block)
    except ValueError:
        return False
    return around.version == prefix.version and prefix.subnet_of(around)  # type: ignore[arg-type]
