"""The one path from an input to what every device should run. The file to read first.

    documents --read_inputs--> Inputs        front end: every mistake, with its place
      --allocate--> addresses                 a pool's address for each Service
      --connect---> sessions                  peers x nodes x switches, two ends each
      --advertise-> tables                    what every node says, what every switch takes
      --announce--> owners                    who answers on layer 2
    = Network --lower, render--> Artifacts    back ends

Each pass is a function of frozen values. CI, workstation and cluster differ only in where the
documents come from and where the artifacts go.

A loop that runs on does not compile all of it for one Service more: `allocation` keeps addresses
up to date, `slice` one node, `rooms` what switches take. By law each is equal to its passes here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from ferrule.compiler.accept import Listener, narrow_paths, peer_groups, prefix_sets
from ferrule.compiler.allocate import allocate
from ferrule.compiler.backends import BACKENDS
from ferrule.compiler.backends.base import Artifact
from ferrule.compiler.elect import announcements
from ferrule.compiler.errors import Diagnostic, has_errors, ordered, quoted, warning
from ferrule.compiler.inputs import Inputs, read_inputs
from ferrule.compiler.lints import check_services
from ferrule.compiler.members import DEFAULT_LISTEN_LIMIT, MOST_LISTENERS, listeners
from ferrule.compiler.network import (
    Network,
    Node,
    PeerGroup,
    Session,
    Switch,
)
from ferrule.compiler.policy import advertise
from ferrule.compiler.spec import Declared, kinds
from ferrule.compiler.speech import Speech
from ferrule.compiler.topology import Topology, connect

__all__ = ["Compilation", "artifacts", "compile_network", "read_inputs"]


@dataclass(frozen=True, slots=True)
class Compilation:
    """The intended state, and all that was noticed on the way.

    With an error among `diagnostics` nothing may be written: `network` is then what could be
    compiled, for showing.
    """

    network: Network
    inputs: Inputs
    diagnostics: tuple[Diagnostic, ...]

    @property
    def ok(self) -> bool:
        """Whether it may be written."""
        return not has_errors(self.diagnostics)


def compile_network(inputs: Inputs) -> Compilation:
    """All passes; never raises on account of the input."""
    spec = inputs.spec
    topology = connect(spec, inputs.nodes, inputs.secrets)
    found = [*inputs.diagnostics, *topology.diagnostics]
    if any(one.severity == "error" and one.node is None for one in found):
        return Compilation(Network(spec.cluster, (), (), (), {}), inputs, ordered(found))
    services, doubts = allocate(inputs.services, spec.pools, inputs.namespaces, inputs.locks)
    demands = {demand.key: demand for demand in inputs.services}
    speech = Speech(spec)
    policy = advertise(
        speech,
        services,
        demands,
        inputs.nodes,
        topology.sessions,
        inputs.endpoints,
        ignore_exclude_label=inputs.ignore_exclude_label,
    )
    announced = announcements(
        services,
        demands,
        spec.l2_advertisements,
        spec.pools,
        inputs.nodes,
        inputs.endpoints,
        ignore_exclude_label=inputs.ignore_exclude_label,
    )
    nodes = tuple(
        Node(
            node.name,
            topology.router_ids.get(node.name),
            topology.sessions.get(node.name, ()),
            policy.classes.get(node.name, ()),
            policy.advertisements.get(node.name, ()),
            announced.get(node.name, ()),
            node.origin,
        )
        for node in sorted(inputs.nodes, key=lambda one: natural(one.name))
    )
    sets = prefix_sets(speech)
    listener = Listener(speech, sets, services, inputs.nodes)
    switches = tuple(_switches(inputs, listener, topology))
    network = Network(spec.cluster, services, nodes, switches, sets)
    doubts += check_services(inputs.services, services, inputs.endpoints)
    found += [*doubts, *policy.diagnostics, *_lonely(inputs, topology)]
    found += narrow_paths(spec.switches, network)
    return Compilation(network, inputs, ordered(found))


def artifacts(network: Network, *, with_secrets: bool = False) -> Iterator[Artifact]:
    """Every file of every device."""
    for backend in BACKENDS.values():
        yield from backend.artifacts(network, with_secrets=with_secrets)


def _switches(inputs: Inputs, listener: Listener, topology: Topology) -> Iterator[Switch]:
    sessions: dict[str, list[Session]] = defaultdict(list)
    for each in topology.sessions.values():
        for session in each:
            if session.switch_end:
                sessions[session.switch_end.switch].append(session)
    for declared in sorted(inputs.spec.switches, key=lambda one: natural(one.name)):
        mine = sessions[declared.name]
        vacancies = [one for one in topology.vacancies if one.switch == declared.name]
        dialing = listeners(one.switch_end for one in mine if one.switch_end)
        groups = peer_groups(listener, mine, vacancies)
        yield _switch(declared, groups, max(dialing.values(), default=0))


def _switch(
    declared: Declared[kinds.Switch], groups: tuple[PeerGroup, ...], dialing: int
) -> Switch:
    spec = declared.spec
    listen_limit = None
    if dialing > DEFAULT_LISTEN_LIMIT:
        listen_limit = min(MOST_LISTENERS, 1 << (2 * dialing - 1).bit_length())
    return Switch(
        declared.name,
        spec.asn,
        spec.router_id,
        tuple(sorted({group.vrf for group in groups})),
        spec.maximum_paths,
        spec.maximum_prefixes.restart_minutes,
        listen_limit,
        spec.globals == "managed",
        spec.state == "absent",
        groups,
        declared.origin,
    )


def _lonely(inputs: Inputs, topology: Topology) -> Iterator[Diagnostic]:
    """Nodes that no session reaches, told once."""
    lonely = [node for node in inputs.nodes if node.name not in topology.sessions]
    if lonely and inputs.spec.peers and not has_errors(topology.diagnostics):
        first = quoted(lonely[0].name)
        more = f" and {len(lonely) - 1} more" if len(lonely) > 1 else ""
        message = f"no session reaches node {first}{more}: it announces nothing over BGP"
        yield warning("node-without-session", message, lonely[0].origin.place())


def natural(name: str) -> tuple[tuple[bool, int, str], ...]:
    """Sort key: `node-9` before `node-10`."""
    digits = ""
    parts: list[tuple[bool, int, str]] = []
    for char in f"{name}\0":
        if char.isdigit() and char.isascii():
            digits += char
            continue
        if digits:
            parts.append((False, int(digits), digits))
            digits = ""
        parts.append((True, 0, char))
    return tuple(parts)
