"""Devices that run one network and are to run another: what a plan is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ferrule.compiler.backends import frr, sonic
from ferrule.compiler.backends.base import Diff
from ferrule.compiler.backends.frrtext import write
from ferrule.compiler.errors import Diagnostic
from ferrule.compiler.network import Address, Network
from ferrule.compiler.observed import Key, Observed
from ferrule.compiler.pipeline import artifacts
from ferrule.compiler.plan import Step

Running = dict[str, frr.Running | sonic.Running]
VERSIONS = {"node": "10.3", "switch": "202511"}


def running(network: Network) -> Running:
    """What its devices run."""
    texts = {one.path: one.text for one in artifacts(network, with_secrets=True)}
    cluster = network.cluster
    nodes = {n.name: frr.parse(texts[f"nodes/{n.name}/frr.conf"], cluster) for n in network.nodes}
    switches = {
        s.name: sonic.parse(texts[f"switches/{s.name}/config_db.json"], cluster)
        for s in network.switches
    }
    return {**nodes, **switches}


def found(
    network: Network,
    there: Mapping[str, frr.Running | sonic.Running],
    before: Network | None = None,
) -> dict[Key, Observed | Diagnostic]:
    """The devices of a network as they would be read; those that ran nothing before, empty.

    A node still has the addresses that it had `before`.
    """
    cluster = network.cluster
    own: dict[str, set[Address]] = {}
    for session in before.sessions if before else ():
        if session.switch_end:
            own.setdefault(session.node, set()).add(session.switch_end.neighbor)
    made: dict[Key, Observed | Diagnostic] = {}
    for node in network.nodes:
        have = there.get(node.name)
        here = frr.parse(write(have.config) if isinstance(have, frr.Running) else "", cluster)
        mine = frozenset(own.get(node.name, ()))
        made["node", node.name] = Observed(
            node.name, "node", VERSIONS["node"], here, addresses=mine
        )
    for switch in network.switches:
        have = there.get(switch.name)
        rows = sonic.parse(have.tables if isinstance(have, sonic.Running) else {}, cluster)
        made["switch", switch.name] = Observed(switch.name, "switch", VERSIONS["switch"], rows)
    return made


def do(there: Running, steps: Iterable[Step]) -> None:
    """What becomes of the devices."""
    for step in steps:
        diff, have = Diff(commands=step.commands), there[step.device]
        if isinstance(have, frr.Running):
            there[step.device] = frr.future(have, diff)
        else:
            there[step.device] = sonic.future(have, diff)
