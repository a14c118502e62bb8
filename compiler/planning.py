"""From an intended network, and what devices were found to run, to a plan.

What is not known is never taken for gone: where something could not be read, nothing that might
lean on it is removed, and the plan says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from ferrule.compiler.backends import frr, sonic
from ferrule.compiler.backends.base import Diff
from ferrule.compiler.backends.frr.shared import Shared
from ferrule.compiler.backends.sonic.conflicts import NEIGHBOR
from ferrule.compiler.compare import (
    ComparedNode,
    ComparedSwitch,
    Sends,
    compare_node,
    compare_switch,
    intentions,
)
from ferrule.compiler.costs import Before, Costs, costs
from ferrule.compiler.ears import Link, links, tables
from ferrule.compiler.errors import Diagnostic, listed, warning
from ferrule.compiler.hearing import Ear, Told
from ferrule.compiler.inputs import Inputs
from ferrule.compiler.network import Family, Network
from ferrule.compiler.observed import Key, Observed
from ferrule.compiler.order import rounds
from ferrule.compiler.pipeline import Compilation, natural
from ferrule.compiler.plan import Impact, Plan

Found = Mapping[Key, Observed | Diagnostic]


def make_plan(
    compilation: Compilation,
    found: Found,
    *,
    unread: Collection[str] = (),
    before: Before | None = None,
    vanished: Collection[str] = (),
    doubts: Collection[Diagnostic] = (),
    adopt: Collection[str] = (),
    intended: Mapping[str, frr.Running] | None = None,
) -> Plan:
    """The plan for every device in `found`.

    `unread` are kinds of objects that the input should have and has not; `before` is what is known
    of the time before that no device tells. `vanished` are devices that were known then and are no
    part of the network any more; `adopt` names what exists there and is handed over. `intended` is
    what `intentions` makes of the network, where that is known.
    """
    inputs, network = compilation.inputs, compilation.network
    held = held_back({*unread, *_absent(compilation)})
    nodes = _nodes(network, found, intended or {}, held, adopt)
    ends = links(inputs, network, nodes)
    switches = _switches(network, found, nodes, ends, held, adopt)
    heard = tables(ends, nodes, switches)
    live = before is None
    before = replace(before or Before(), complete=not held)
    cost = costs(inputs, network, ends, heard, nodes, switches, {*_down(found, ends)}, before)
    devices = (*(one.plan for one in switches.values()), *(one.plan for one in nodes.values()))
    return Plan(
        network.cluster,
        devices,
        rounds(devices, _late(ends, nodes, switches)),
        cost.items,
        cost.addresses,
        cost.sessions,
        cost.resets,
        tuple((key, one) for key, one in found.items() if isinstance(one, Diagnostic)),
        (
            *compilation.diagnostics,
            *doubts,
            *_lacking(compilation, cost, vanished),
            *(_left_alone(inputs, found, nodes, switches) if live and not held else ()),
        ),
    )


def _lacking(
    compilation: Compilation, cost: Costs, vanished: Collection[str]
) -> Iterator[Diagnostic]:
    """What an input has none of, and rather by mistake."""
    inputs, impacts = compilation.inputs, {one.impact for one in cost.items}
    yield from map(_vanished, vanished)
    told = any("EndpointSlice" in one.message for one in compilation.diagnostics)
    if inputs.services and inputs.endpoints is None and not told:
        message = "the input has no EndpointSlice: every Service is taken to have a ready endpoint"
        yield warning("no-endpoints", f"{message} on every node")
    help = "if that is not meant, it is missing among the PATHs"
    if not inputs.services and impacts & {Impact.WITHDRAWAL, Impact.MASS}:
        message = "the input has no Service of ours: every address that devices announce goes"
        yield warning("no-services", message, help=help)
    if not inputs.spec.peers and Impact.RESET in impacts:
        message = "the input has no BGPPeer: every session of ours ends"
        yield warning("no-peers", message, help=help)


def _vanished(device: str) -> Diagnostic:
    message = f"{device} is not in the input any more: what it holds of ours stays there"
    help = "take it back first: for a switch with `state: absent`"
    return warning("vanished-device", message, help=help)


def _left_alone(
    inputs: Inputs,
    found: Found,
    nodes: Mapping[str, ComparedNode],
    switches: Mapping[str, ComparedSwitch],
) -> Iterator[Diagnostic]:
    """Far ends of sessions that go, which are no device of the input: they may be ours still."""
    seen = {one for each in found.values() if isinstance(each, Observed) for one in each.addresses}
    known = {str(one) for one in seen}
    known |= {str(one.ip) for each in inputs.spec.switches for one in each.spec.addresses}
    known |= {str(one) for each in inputs.nodes for one in each.internal}
    gone: dict[tuple[str, str], list[str]] = {}
    for name, node in nodes.items():
        for _, far in node.before.keys() - node.after.keys():
            gone.setdefault(("Switch", far), []).append(name)
    for name, switch in switches.items():
        for table, row in switch.running.ours.keys() - switch.intended.ours.keys():
            if table == NEIGHBOR:
                gone.setdefault(("Node", row.rpartition("|")[2]), []).append(name)
    for (kind, far), names in sorted(gone.items()):
        if far not in known:
            yield _vanished_end(kind, far, names)


def _vanished_end(kind: str, far: str, names: list[str]) -> Diagnostic:
    here: list[str] = sorted(names, key=natural)
    message = (
        f"{far}, the far end of sessions of {listed(here)} that end, is no"
        f" {kind} of the input: if it is one, what it holds of ours stays there"
    )
    help = {
        "Switch": "give it back its Switch, with `state: absent`: that takes it all back",
        "Node": "give it back its Node, without peers: that takes it all back",
    }
    return warning("vanished-device", message, help=help[kind])


def _absent(compilation: Compilation) -> Iterator[str]:
    """Kinds that the input has none of, and without which nothing can be known to be gone."""
    if not compilation.inputs.nodes:
        yield "Node"
    if any(one.code == "no-namespaces" for one in compilation.diagnostics):
        yield "Namespace"


def held_back(unread: Collection[str]) -> str:
    """Why nothing may be removed, where that is so."""
    if not unread:
        return ""
    return f"nothing is removed: the input has no {listed(sorted(unread))}"


def _nodes(
    network: Network,
    found: Found,
    intended: Mapping[str, frr.Running],
    held: str,
    adopt: Collection[str],
) -> dict[str, ComparedNode]:
    shared, memo = Shared(network), frr.Memo()
    intended = intended or intentions(network)
    return {
        node.name: compare_node(
            node, network, shared, seen, intended.get(node.name), memo, held, adopt
        )
        for node in network.nodes
        if isinstance(seen := found.get(("node", node.name)), Observed)
    }


def _switches(
    network: Network,
    found: Found,
    nodes: Mapping[str, ComparedNode],
    ends: tuple[Link, ...],
    held: str,
    adopt: Collection[str],
) -> dict[str, ComparedSwitch]:
    made = {}
    for switch in network.switches:
        seen = found.get(("switch", switch.name))
        if not isinstance(seen, Observed):
            continue
        mine = [one for one in ends if one.switch == switch.name]
        why = held or _unknown(switch.name, network, nodes)
        sends = _sends(seen, mine, nodes)
        made[switch.name] = compare_switch(switch, network, seen, sends, why, adopt)
    return made


def _unknown(switch: str, network: Network, nodes: Mapping[str, ComparedNode]) -> str:
    """Why a switch must take all that it took: a node of it may still announce what goes."""
    unread = [
        node.name
        for node in network.nodes
        if any(one.switch_end and one.switch_end.switch == switch for one in node.sessions)
        and not (node.name in nodes and nodes[node.name].plan.ok)
    ]
    if not unread:
        return ""
    return f"nothing is removed: what {listed(unread)} will announce is not known"


def _sends(seen: Observed, mine: list[Link], nodes: Mapping[str, ComparedNode]) -> Sends:
    """What the neighbors of a switch will send, by what they send now and what they withdraw."""

    def sends(vrf: str, who: str, family: Family) -> int:
        return max(
            (_ahead(seen, one, nodes, family) for one in mine if one.is_at(vrf, who)), default=0
        )

    return sends


def _ahead(seen: Observed, link: Link, nodes: Mapping[str, ComparedNode], family: Family) -> int:
    node, neighbor = link.ear
    before, after = (
        sum((":" in prefix) == (family == "ipv6") for prefix in table.get(neighbor, ()))
        for table in (nodes[node].before, nodes[node].after)
    )
    now = max((seen.accepted(link.vrf, str(one), family) or 0 for one in link.addresses), default=0)
    return max(after, now - before + after)


def _down(found: Found, ends: tuple[Link, ...]) -> Iterator[Ear]:
    """Sessions that their node knows not to be up."""
    for link in ends:
        node, (vrf, name) = link.ear
        seen = found["node", node]
        if isinstance(seen, Observed) and seen.established(vrf, name) is False:
            yield link.ear


def _late(
    ends: tuple[Link, ...],
    nodes: Mapping[str, ComparedNode],
    switches: Mapping[str, ComparedSwitch],
) -> set[str]:
    """Nodes that would announce what a switch does not take yet.

    What it needs comes back with `settle` only; or a neighbor that is new would hear what is about
    to be withdrawn.
    """
    takes = {name: _after_accepting(switch) for name, switch in switches.items()}
    late = set()
    for name, node in nodes.items():
        mine = [one for one in ends if one.ear[0] == name and takes.get(one.switch or "")]
        if not mine or not any(one.phase == "announce" for one in node.plan.diff.commands):
            continue
        said = _after_announcing(node) if node.plan.ok else {}
        if any(_is_refused(said, node.before, one, takes[one.switch or ""]) for one in mine):
            late.add(name)
    return late


def _after_accepting(switch: ComparedSwitch) -> sonic.Accepting:
    """What a switch takes once the first of its patches is there; empty where nothing changes."""
    if not switch.plan.ok or switch.plan.diff.empty:
        return {}
    first = tuple(one for one in switch.plan.diff.commands if one.phase == "accept")
    return sonic.accepts(sonic.future(switch.running, Diff(commands=first)))


def _after_announcing(node: ComparedNode) -> Told:
    """What neighbors hear while nothing is withdrawn yet."""
    first = tuple(one for one in node.plan.diff.commands if one.phase == "announce")
    return frr.told(frr.future(node.running, Diff(commands=first)))


def _is_refused(said: Told, before: Told, link: Link, takes: sonic.Accepting) -> bool:
    neighbor = link.ear[1]
    new = said.get(neighbor, {}).keys() - before.get(neighbor, {}).keys()
    found = (sonic.find(takes, link.vrf, address) for address in link.addresses)
    taken = next((one for one in found if one), None)
    return taken is not None and not all(map(taken.admits, new))
