"""Devices that run one network and are to run another: what a plan is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ferrule.compiler.backends import frr, sonic
from ferrule.compiler.backends.base import Diff
from ferrule.compiler.backends.frrtext import write
from ferrule.compiler.errors import Diagnostic
from ferrule.compiler.network import Network
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
    network: Network, there: Mapping[str, frr.Running | sonic.Running]
) -> dict[Key, Observed | Diagnostic]:
    """The devices of a network as they would be read; those that ran nothing before, empty."""
    cluster = network.cluster
    made: dict[Key, Observed | Diagnostic] = {}
    for node in network.nodes:
        have = there.get(node.name)
        text = write(have.config) if isinstance(have, frr.Running) else ""
        made["node", node.name] = Observed(
            node.name, "node", VERSIONS["node"], frr.parse(text, cluster)
        )
    for switch in network.switches:
        have = there.get(switch.name)
        rows = have.tables if isinstance(have, sonic.Running) else {}
        here = sonic.parse(rows, cluster)
        made["switch", switch.name] = Observed(switch.name, "switch", VERSIONS["switch"], here)
    return made


def do(there: Running, steps: Iterable[Step]) -> None:
    """What becomes of the devices."""
    for step in steps:
        diff, have = Diff(commands=step.commands), there[step.device]
        if isinstance(have, frr.Running):
            there[step.device] = frr.future(have, diff)
        else:
            there[step.device] = sonic.future(have, diff)
