"""One device: what it runs, what it should, and the difference as a plan has it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from types import ModuleType

from ferrule.compiler.backends import frr, sonic
from ferrule.compiler.backends.base import Change, Diff
from ferrule.compiler.backends.frr.shared import Shared
from ferrule.compiler.backends.sonic.accepts import Accepting
from ferrule.compiler.backends.sonic.diff import LIMIT, number
from ferrule.compiler.backends.sonic.model import Model as Rows
from ferrule.compiler.backends.sonic.model import Row
from ferrule.compiler.errors import has_errors, listed
from ferrule.compiler.hearing import Told
from ferrule.compiler.network import Address, Family, Network, Node, Switch
from ferrule.compiler.observed import Observed
from ferrule.compiler.plan import DevicePlan

REMOVING = frozenset({"withdraw", "detach", "settle", "forget"})

# How many prefixes a neighbor of a switch, or the busiest of a listen range, will still send.
Sends = Callable[[str, str, Family], int]


@dataclass(frozen=True, slots=True)
class ComparedNode:
    """A node's part of the plan, and what its neighbors hear before and after."""

    plan: DevicePlan
    running: frr.Running = field(repr=False)
    intended: frr.Running = field(repr=False)
    before: Told
    after: Told
    addresses: frozenset[Address] = frozenset()  # its own


@dataclass(frozen=True, slots=True)
class ComparedSwitch:
    """A switch's part of the plan, and what it accepts before and after."""

    plan: DevicePlan
    running: sonic.Running = field(repr=False)
    intended: sonic.Running = field(repr=False)
    before: Accepting
    after: Accepting


def intentions(network: Network) -> dict[str, frr.Running]:
    """What every node is to run, read back as it would be from the node."""
    shared, made = Shared(network), frr.Intentions(network.cluster)
    return {node.name: made.of(frr.lower(node, network, shared)) for node in network.nodes}


def compare_node(
    node: Node,
    network: Network,
    shared: Shared,
    seen: Observed,
    intended: frr.Running | None = None,
    memo: frr.Memo | None = None,
    held: str = "",
    adopt: Collection[str] = (),
) -> ComparedNode:
    """The difference on a node; `held` is why nothing may be removed.

    `intended` is what `intentions` makes of the node, `memo` what was worked out of others'.
    """
    running = seen.running
    assert isinstance(running, frr.Running)
    model = frr.lower(node, network, shared)
    intended = intended or frr.intend(model, network.cluster)
    diff = frr.diff(running, intended, adopt=adopt, model=model)
    if held:
        diff = _additive(frr, running, diff)
    memo = memo or frr.Memo()
    if diff.changes or held:
        before = after = frr.told_beside(running, intended, memo)
    else:
        before = after = frr.told(intended, memo)
    if diff.commands and not has_errors(diff.problems):
        after = frr.told(frr.future(running, diff) if held else intended, memo)
    effects = tuple(frr.impacts(diff.changes, seen.version))
    notes = tuple(_notes(seen, frr.clusters(running), network.cluster))
    plan = DevicePlan(
        node.name, "node", seen.version, diff, effects, notes, held, running, intended
    )
    return ComparedNode(plan, running, intended, before, after, seen.addresses)


def compare_switch(
    switch: Switch,
    network: Network,
    seen: Observed,
    sends: Sends,
    held: str = "",
    adopt: Collection[str] = (),
) -> ComparedSwitch:
    """The difference on a switch; `held` is why nothing may be removed.

    A limit is not lowered below what a neighbor `sends` once all nodes have withdrawn what goes.
    """
    running = seen.running
    assert isinstance(running, sonic.Running)
    model, kept = _with_room(sonic.lower(switch, network), running, sends)
    intended = sonic.parse(sonic.render(model), network.cluster)
    diff = sonic.diff(running, model, managed=switch.managed_globals, adopt=adopt)
    if held:
        diff = _additive(sonic, running, diff)
    before = after = sonic.accepts(running)
    if diff.commands and not has_errors(diff.problems):
        after = sonic.accepts(sonic.future(running, diff) if held else intended)
    effects = tuple(sonic.impacts(diff.changes))
    notes = (*_notes(seen, sonic.clusters(running), network.cluster), *kept)
    plan = DevicePlan(
        switch.name, "switch", seen.version, diff, effects, notes, held, running, intended
    )
    return ComparedSwitch(plan, running, intended, before, after)


def _additive(backend: ModuleType, running: object, diff: Diff) -> Diff:
    """A diff without what removes, its changes those that are left of it."""
    kept = Diff(
        commands=tuple(one for one in diff.commands if one.phase not in REMOVING),
        problems=diff.problems,
        adopted=diff.adopted,
    )
    if not kept.commands or has_errors(diff.problems):
        return replace(kept, changes=() if not kept.commands else diff.changes)
    origins = {(one.path, one.new): one for one in diff.changes}
    then = backend.future(running, kept)
    left: tuple[Change, ...] = backend.diff(running, then, adopt=diff.adopted).changes
    return replace(kept, changes=tuple(origins.get((one.path, one.new), one) for one in left))


def _notes(seen: Observed, clusters: Iterator[str], cluster: str) -> Iterator[str]:
    """What is worth knowing and no change of ours."""
    others = sorted({*clusters} - {cluster})
    if others:
        what = "cluster" if len(others) == 1 else "clusters"
        yield f"holds configuration of {what} {listed(others)}, which stays as it is"
    yield from seen.warnings


def _with_room(model: Rows, running: sonic.Running, sends: Sends) -> tuple[Rows, tuple[str, ...]]:
    """The rows, but for limits that would end a session at once."""
    rows, notes = [], []
    for row in model.rows:
        old = running.ours.get((row.table, row.name))
        limit, there = (number(one.fields.get(LIMIT)) if one else 0 for one in (row, old))
        if limit < there and (sent := _most_sent(row, running, sends)) > limit:
            notes.append(
                f"{row} keeps {LIMIT} {there}: a neighbor sends {sent} prefixes,"
                f" and {limit} would end its session"
            )
            row = replace(row, fields={**row.fields, LIMIT: str(there)})
        rows.append(row)
    return replace(model, rows=tuple(rows)), tuple(notes)


def _most_sent(row: Row, running: sonic.Running, sends: Sends) -> int:
    """The most that a neighbor of the group sends in the family of a BGP_PEER_GROUP_AF row."""
    change = Change("change", (row.table, row.name, LIMIT), None, None)
    family: Family = "ipv6" if row.key[-1].startswith("ipv6") else "ipv4"
    return max((sends(vrf, who, family) for vrf, who in sonic.touched(running, change)), default=0)
