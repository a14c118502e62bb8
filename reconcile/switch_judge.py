"""What of a switch's plan may be sent now, what waits for the nodes, and what waits for leave.

Switches come first where something is added and last where something goes. So there are two
candidates: the whole, once it takes nothing from anybody that is not allowed; or else the part that
only adds, the rows whose change would cost a session left out. What removes waits with the whole.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from ferrule.compiler.backends import sonic
from ferrule.compiler.backends.base import Change, Command, Diff
from ferrule.compiler.backends.sonic.model import TABLES
from ferrule.compiler.backends.sonic.parse import GLOBALS, RowId
from ferrule.compiler.compare import ComparedSwitch, Sends, compare_switch
from ferrule.compiler.network import Family, Network, Switch
from ferrule.compiler.observed import Observed
from ferrule.compiler.order import rounds
from ferrule.compiler.plan import DevicePlan, Impact, Item, Plan
from ferrule.reconcile.switch_cost import Ask, Cost, cost, resets, up

Rows = Mapping[RowId, Mapping[str, object]]  # of ours, and what we need of the globals


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may be sent now, and why the rest is not: `waits` for nodes, or `needs` leave.

    `rest` are the changes that are not sent.
    """

    plan: Plan
    cost: Cost = Cost()
    waits: str = ""
    needs: tuple[Item, ...] = ()
    rest: tuple[Change, ...] = ()


def compared(switch: Switch, network: Network, seen: Observed) -> ComparedSwitch:
    """The whole difference; a limit stays above what neighbors send by now."""
    return compare_switch(switch, network, seen, _sends(seen))


def _sends(seen: Observed) -> Sends:
    def sends(vrf: str, who: str, family: Family) -> int:
        each = (seen.accepted(*neighbor, family) or 0 for neighbor in up(seen, vrf, who))
        return max(each, default=0)

    return sends


def left(running: sonic.Running) -> Rows:
    """All that we may have to answer for on a switch, to tell later what others have done."""
    rows: dict[RowId, Mapping[str, object]] = {
        one: dict(row.fields) for one, row in running.ours.items()
    }
    for table in GLOBALS:
        for name, fields in running.tables.get(table, {}).items():
            rows[table, name] = {
                of: value for of, value in fields.items() if of in TABLES[table].fields
            }
    return rows


def moved(before: Rows, now: Rows, changes: Iterable[Change]) -> frozenset[RowId]:
    """The rows that somebody has changed since, and that are not as they should be."""
    wrong = {(one.path[0], one.path[1]) for one in changes}
    return frozenset(one for one in wrong if before.get(one) != now.get(one))


def judge(
    made: ComparedSwitch,
    network: Network,
    seen: Observed,
    ask: Ask,
    *,
    allow: Collection[Impact],
    patient: bool,
    drifted: Collection[RowId] = (),
) -> Verdict:
    """Judge a difference; while `patient`, nothing that nodes still use is taken from them.

    Rows in `drifted` are left as they are.
    """
    diff = made.plan.diff
    whole = tuple(one for one in diff.commands if not (_rows(one) & {*drifted}))
    if not whole or not made.plan.ok:
        return Verdict(_plan(made, network, ()))
    effects = [(of, what) for of, what in made.plan.effects if _row(of) not in drifted]
    after = sonic.accepts(sonic.future(made.running, Diff(commands=whole)))
    price = cost(network, seen, effects, after, ask)
    waits = price.waits if patient else ""
    needs = tuple(one for one in price.items if not is_allowed(one.impact, allow))
    if not waits and not needs:
        return Verdict(_plan(made, network, whole, price), price)
    costly = {_row(of) for of, what in effects if resets(seen, [(of, what)])}
    part = _additive(made, network, seen, ask, whole, costly)
    sent = {row for one in part for row in _rows(one)}
    staying = {row for one in whole if one not in part for row in _rows(one)}
    rest = tuple(of for of, _ in effects if _row(of) in staying or _row(of) not in sent)
    return Verdict(_plan(made, network, part), Cost(), waits, () if waits else needs, rest)


def is_allowed(impact: Impact, allow: Collection[Impact]) -> bool:
    """Whether leave is given, or none is needed; who allows the mass allows the few."""
    if not impact.needs_leave or impact in allow:
        return True
    return impact is Impact.WITHDRAWAL and Impact.MASS in allow


def _additive(
    made: ComparedSwitch,
    network: Network,
    seen: Observed,
    ask: Ask,
    whole: tuple[Command, ...],
    costly: Collection[RowId],
) -> tuple[Command, ...]:
    """What only adds, and is seen to cost nothing by itself; nothing at all where it is not."""
    part = tuple(one for one in whole if one.phase == "accept" and not (_rows(one) & {*costly}))
    if not part:
        return ()
    then = sonic.future(made.running, Diff(commands=part))
    changes = sonic.diff(made.running, then).changes
    price = cost(network, seen, sonic.impacts(changes), sonic.accepts(then), ask)
    return () if price.resets or price.refused else part


def _plan(
    made: ComparedSwitch, network: Network, commands: tuple[Command, ...], price: Cost = Cost()
) -> Plan:
    rows = {row for one in commands for row in _rows(one)}
    changes = tuple(one for one in made.plan.diff.changes if _row(one) in rows)
    diff = replace(made.plan.diff, changes=changes, commands=commands)
    device: DevicePlan = replace(made.plan, diff=diff)
    sessions = len(made.before) - len(price.resets)
    return Plan(network.cluster, (device,), rounds((device,)), price.items, 0, sessions)


def _row(change: Change) -> RowId:
    return change.path[0], change.path[1]


def _rows(command: Command) -> set[RowId]:
    """The rows that an operation is about: one, or with a table that goes all that are in it."""
    said = json.loads(command.text)
    table, *rest = (
        step.replace("~1", "/").replace("~0", "~") for step in said["path"].split("/")[1:]
    )
    if rest:
        return {(table, rest[0])}
    return {(table, name) for name in said.get("value", ())}
