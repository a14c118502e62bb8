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
from ferrule.compiler.backends.sonic.model import TABLES, Model
from ferrule.compiler.backends.sonic.parse import GLOBALS, RowId
from ferrule.compiler.compare import ComparedSwitch, Sends, compare_switch
from ferrule.compiler.network import Family, Network, Switch
from ferrule.compiler.observed import Observed
from ferrule.compiler.order import rounds
from ferrule.compiler.plan import DevicePlan, Impact, Item, Plan
from ferrule.reconcile.switch_cost import FREE, Ask, Cost, Neighbor, cost, resets, up

Rows = Mapping[RowId, Mapping[str, object]]  # of ours, and what we need of the globals


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may be sent now, and why the `rest` of the changes is not: it `waits`, or `needs` leave.

    `cost` is that of the whole.
    """

    plan: Plan
    cost: Cost = FREE
    waits: str = ""
    needs: tuple[Item, ...] = ()
    rest: tuple[Change, ...] = ()

    @property
    def resets(self) -> frozenset[Neighbor]:
        """The sessions that what is sent may end; what only adds ends none."""
        return self.cost.resets if not self.rest else frozenset()


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


def without(made: ComparedSwitch, switch: Switch, rows: Collection[RowId]) -> ComparedSwitch:
    """The same difference, but for these rows: they stay as they are, whatever they should be."""
    if not rows:
        return made
    running, table = made.running, made.intended.tables
    names = [*made.intended.ours, *((of, one) for of in GLOBALS for one in table.get(of, {}))]
    wanted = [running.row(*one) if one in rows else made.intended.row(*one) for one in names]
    wanted += [row for one, row in running.ours.items() if one in rows and one not in names]
    model = Model(switch.name, tuple(one for one in wanted if one))
    diff = sonic.diff(running, model, managed=switch.managed_globals)
    plan = replace(made.plan, diff=diff, effects=tuple(sonic.impacts(diff.changes)))
    return replace(made, plan=plan)


def judge(
    made: ComparedSwitch,
    network: Network,
    seen: Observed,
    ask: Ask,
    *,
    allow: Collection[Impact],
    patient: bool,
) -> Verdict:
    """Judge a difference; while `patient`, nothing that nodes still use is taken from them."""
    diff, effects = made.plan.diff, made.plan.effects
    if not diff.commands or not made.plan.ok:
        return Verdict(_plan(made, network, ()))
    after = sonic.accepts(sonic.future(made.running, diff))
    price = cost(network, seen, effects, after, ask)
    waits = price.waits if patient else ""
    needs = tuple(one for one in price.items if not is_allowed(one.impact, allow))
    if not waits and not needs:
        return Verdict(_plan(made, network, diff.commands, price), price)
    part = _additive(made, network, seen, ask)
    sent = {_row(one) for one in part}
    staying = {_row(one) for one in diff.commands if one not in part}
    rest = tuple(one for one in diff.changes if one.path[:2] in staying or one.path[:2] not in sent)
    return Verdict(_plan(made, network, part), price, waits, () if waits else needs, rest)


def is_allowed(impact: Impact, allow: Collection[Impact]) -> bool:
    """Whether leave is given, or none is needed; who allows the mass allows the few."""
    if not impact.needs_leave or impact in allow:
        return True
    return impact is Impact.WITHDRAWAL and Impact.MASS in allow


def _additive(
    made: ComparedSwitch, network: Network, seen: Observed, ask: Ask
) -> tuple[Command, ...]:
    """What only adds, and is seen to cost nothing by itself; nothing at all where it is not."""
    costly = {of.path[:2] for of, what in made.plan.effects if resets(seen, [(of, what)])}
    part = tuple(
        one for one in made.plan.diff.commands if one.phase == "accept" and _row(one) not in costly
    )
    if not part:
        return ()
    then = sonic.future(made.running, Diff(commands=part))
    changes = sonic.diff(made.running, then).changes
    price = cost(network, seen, sonic.impacts(changes), sonic.accepts(then), ask)
    return () if price.resets or price.refused else part


def _plan(
    made: ComparedSwitch, network: Network, commands: tuple[Command, ...], price: Cost = FREE
) -> Plan:
    rows = {_row(one) for one in commands}
    diff = made.plan.diff
    changes = diff.changes if commands == diff.commands else ()
    changes = changes or tuple(one for one in diff.changes if one.path[:2] in rows)
    device: DevicePlan = replace(made.plan, diff=replace(diff, changes=changes, commands=commands))
    sessions = len(made.before) - len(price.resets)
    return Plan(network.cluster, (device,), rounds((device,)), price.items, 0, sessions)


def _row(command: Command) -> tuple[str, ...]:
    """The row that an operation is about; of a table that goes whole, the table alone."""
    steps = json.loads(command.text)["path"].split("/")[1:3]
    return tuple(one.replace("~1", "/").replace("~0", "~") for one in steps)
