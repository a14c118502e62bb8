"""How each device of a network is reached, found out without connecting anywhere.

A switch by its `management`. A node by the Access that selects it; or on this host, without a
login, where it is named as local, or where no Access selects it and its InternalIP is one of this
host's. What cannot be reached is said, and never left out in silence.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from ferrule.apply import logins
from ferrule.apply.local import Local
from ferrule.apply.logins import ROOT, Accesses, NoWay
from ferrule.apply.patient import Patient
from ferrule.apply.switch import Switch, SwitchFacts
from ferrule.apply.target import Channel, Login
from ferrule.apply.vtysh import Node, NodeFacts, by_number
from ferrule.compiler import network
from ferrule.compiler.backends import frr
from ferrule.compiler.errors import Diagnostic, error, quoted, suggestion, warning
from ferrule.compiler.network import Address
from ferrule.compiler.observed import Key, Observed
from ferrule.compiler.pipeline import Compilation
from ferrule.compiler.selection import Selection
from ferrule.compiler.source import Origin

if TYPE_CHECKING:
    from ferrule.apply.connection import Gateways


@dataclass(frozen=True, slots=True)
class Device:
    """A device that can be reached; without a login it is this host.

    `patience_s` is what each of its commands may take at least.
    """

    facts: NodeFacts | SwitchFacts
    login: Login | None
    origin: Origin = field(compare=False, repr=False)
    patience_s: float = 0

    @property
    def key(self) -> Key:
        """Kind and name: a node and a switch may share a name."""
        return ("node" if isinstance(self.facts, NodeFacts) else "switch", self.facts.name)

    def connect(self, gateways: Gateways | None = None) -> Channel:
        """A channel to it; whoever asks for it closes it."""
        channel = self._channel(gateways)
        return Patient(channel, self.patience_s) if self.patience_s else channel

    def _channel(self, gateways: Gateways | None) -> Channel:
        if self.login is None:
            return Local(self.facts.name)
        from ferrule.apply.ssh import Ssh

        return Ssh(self.facts.name, self.login, gateways)

    def target(self, channel: Channel) -> Node | Switch:
        """What can be asked of it."""
        if isinstance(self.facts, NodeFacts):
            return Node(channel, self.facts)
        return Switch(channel, self.facts)

    def observe(self, gateways: Gateways | None = None) -> Observed:
        """Connect, read everything, and leave."""
        channel = self.connect(gateways)
        try:
            return self.target(channel).read()
        finally:
            channel.close()


@dataclass(frozen=True, slots=True)
class Reach:
    """The devices that can be reached, nodes first, and why others cannot.

    It is an error where a device is part of what is intended, else a doubt: it may hold what it
    was given before.
    """

    devices: tuple[Device, ...]
    unreached: Mapping[Key, Diagnostic]


def reach(
    compilation: Compilation,
    *,
    local: Collection[str] = (),
    intended: Mapping[str, frr.Running] | None = None,
    patience_s: float = 0,
) -> Reach:
    """The way to every node and switch; `local` names nodes that are this host.

    `intended` is what nodes are to run, by name: without it, what a cut load left on a node is
    not told from what is somebody else's. `patience_s` is for devices that are slow.
    """
    found = dict(_nodes(compilation, frozenset(local), intended or {}))
    found.update(_switches(compilation))
    devices = (one for one in found.values() if isinstance(one, Device))
    return Reach(
        tuple(replace(one, patience_s=patience_s) for one in devices),
        {key: one for key, one in found.items() if isinstance(one, Diagnostic)},
    )


def _nodes(
    compilation: Compilation, local: frozenset[str], intended: Mapping[str, frr.Running]
) -> Iterator[tuple[Key, Device | Diagnostic]]:
    inputs = compilation.inputs
    known = {one.name: one for one in inputs.nodes}
    for name in sorted(local - known.keys()):
        message = f"--local names {quoted(name)}, which is no Node of the input"
        help = suggestion(name, known, "Nodes")
        yield ("node", name), error("no-access", message, help=help)
    accesses: Accesses = Selection(inputs.spec.accesses, lambda one: one.spec.node_selectors)
    for node in compilation.network.nodes:
        kube = known[node.name]
        try:
            access = logins.access_of(kube, accesses)
            if node.name in local or (
                access is None and own_addresses().intersection(kube.internal)
            ):
                login, vtysh = None, logins.vtysh_here(access)
            elif access is not None:
                login, vtysh = logins.node_login(kube, access), logins.vtysh_of(access)
            else:
                raise NoWay(_without_access(node))
        except NoWay as bad:
            yield ("node", node.name), bad.diagnostic
            continue
        facts = NodeFacts(
            node.name,
            inputs.spec.cluster,
            vtysh,
            tuple(one.node_end.address for one in node.sessions if one.node_end.address),
            kube.internal,
            intended.get(node.name),
        )
        yield ("node", node.name), Device(facts, login, node.origin)


def _without_access(node: network.Node) -> Diagnostic:
    message = f"no Access selects node {quoted(node.name)}: it cannot be reached"
    help = "write one, or name the node that is this host with --local"
    if node.sessions:
        return error("no-access", message, node.origin.place(), help=help)
    message += ", and what it may still hold of ours is not known"
    return warning("no-access", message, node.origin.place(), help=help)


def _switches(compilation: Compilation) -> Iterator[tuple[Key, Device | Diagnostic]]:
    inputs = compilation.inputs
    used: dict[str, set[Address]] = defaultdict(set)
    for session in compilation.network.sessions:
        if end := session.switch_end:
            used[end.switch].add(end.address)
    declared = {one.name: one for one in inputs.spec.switches}
    for switch in compilation.network.switches:
        meant = declared[switch.name]
        try:
            login = logins.switch_login(meant, inputs.secrets)
        except NoWay as bad:
            yield ("switch", switch.name), bad.diagnostic
            continue
        facts = SwitchFacts(
            switch.name,
            inputs.spec.cluster,
            tuple(sorted(used[switch.name], key=by_number)),
            tuple(one.ip for one in meant.spec.addresses),
            meant.spec.release,
            sudo=login.username != ROOT,
        )
        yield ("switch", switch.name), Device(facts, login, switch.origin)


@cache
def own_addresses() -> frozenset[Address]:
    """The addresses of this host; none where there is no iproute2 to ask."""
    answer = Local("this host").run(("ip", "-j", "address"))
    try:
        links = json.loads(answer.out) if answer.code == 0 else []
    except ValueError:
        links = []
    texts = [one["local"] for link in links for one in link.get("addr_info", ()) if "local" in one]
    return frozenset(ip_address(text) for text in texts)
