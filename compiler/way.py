"""The way of a Service as it is now: `explain`'s chain, and behind it what devices say.

The chain says how far a Service should get; here follow, hop by hop, the FRR of each node that is
to announce it, the session, and the switch. What could not be read is not known, and not broken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import chain as one_after_the_other

from ferrule.compiler.contests import Contest
from ferrule.compiler.elect import able_nodes, owner
from ferrule.compiler.errors import listed
from ferrule.compiler.explain import Chain, Hop, chain, up_to_the_break
from ferrule.compiler.health import Health
from ferrule.compiler.inputs import Inputs
from ferrule.compiler.network import Prefix, family_of
from ferrule.compiler.observed import Key
from ferrule.compiler.pipeline import Compilation
from ferrule.compiler.seen import Seen
from ferrule.compiler.slice import Slice
from ferrule.compiler.status import DeviceStatus, Status

DIFFERENCE = "`ferrule plan` shows the difference"


def way(
    compilation: Compilation, status: Status, what: str, agents: Collection[str] | None = None
) -> Chain:
    """How far a Service, or an address, gets; up to the first broken hop.

    `agents` are the nodes whose agents take part on layer 2, where that is known.
    """
    intended = chain(compilation, what)
    if not intended.whole:
        return intended
    hops = one_after_the_other(
        intended.hops,
        _now(compilation, status, intended.service),
        _on_layer_2(compilation, intended.service, agents),
    )
    return replace(intended, hops=up_to_the_break(iter(hops)))


def _on_layer_2(
    compilation: Compilation, service: str, agents: Collection[str] | None
) -> Iterator[Hop]:
    """Who answers among those that are there. A cluster without any has other announcers."""
    contest = _contest(compilation.inputs, service)
    if contest is None or not agents:
        return
    present = [name for name in contest.scores if name in agents]
    winner = owner(present, contest.scores, contest.addresses[0])
    if winner is None:
        away = f"the agents of {listed(sorted(contest.scores))} hold no Lease: are they running?"
        yield Hop("agents", away, ok=False)
    else:
        yield Hop("agents", f"of {listed(sorted(present))}, so {winner} answers")


def _contest(inputs: Inputs, service: str) -> Contest | None:
    """Who may answer for a Service that has its addresses, as an agent works it out."""
    demand = next(one for one in inputs.services if one.key == service)
    if not demand.held:
        return None
    able = able_nodes(inputs.nodes, ignore_exclude_label=inputs.ignore_exclude_label)
    if not able:
        return None
    one = Slice(next(iter(able)), inputs)
    one.update({service: Seen.of(demand)}, {service: (inputs.endpoints or {}).get(service)})
    return one.contests.get(service)


def _now(compilation: Compilation, status: Status, service: str) -> Iterator[Hop]:
    devices: dict[Key, DeviceStatus] = {(one.kind, one.device): one for one in status.devices}
    network = compilation.network
    prefixes = {
        node.name: [one.prefix for one in node.advertisements if service in one.services]
        for node in network.nodes
    }
    heard = [
        (one, mine)
        for one in status.sessions
        if (mine := _carried(one, prefixes.get(one.session.node, [])))
    ]
    for node in dict.fromkeys(one.session.node for one, _ in heard):
        here = [one for one, _ in heard if one.session.node == node]
        yield _node(node, devices.get(("node", node)), here, prefixes[node])
    for one, _ in heard:
        yield _session(one)
    for one, mine in heard:
        if one.far is not None:
            yield _switch(one, mine, devices)


def _carried(health: Health, prefixes: list[Prefix]) -> list[Prefix]:
    """Those that a session carries; what its peer is not to hear is no break."""
    families = health.session.node_end.families
    intended = {one.family for one in health.counts if one.intended}
    return [one for one in prefixes if family_of(one) in families and family_of(one) in intended]


def _node(
    name: str, device: DeviceStatus | None, mine: list[Health], prefixes: list[Prefix]
) -> Hop:
    what = f"FRR of {name}"
    if device is None or device.failed is not None:
        why = device.failed.message if device and device.failed else "it was not read"
        return Hop(what, f"not known: {why}", None)
    lacking = {text for one in mine for each in one.counts for text in each.lacking}
    missing = [one for one in prefixes if str(one) in lacking]
    if missing:
        return Hop(what, f"does not announce {listed(missing)}: {DIFFERENCE}", ok=False)
    return Hop(what, f"announces {listed(prefixes)}")


def _session(health: Health) -> Hop:
    session = health.session
    what = f"session {session.node} - {session.far_name}"
    up = health.established
    if up is None:
        return Hop(what, "not known: neither end was read", None)
    if not up:
        return Hop(what, f"{listed(health.reasons)}: mend that end first", ok=False)
    return Hop(what, "Established")


def _switch(health: Health, prefixes: list[Prefix], devices: Mapping[Key, DeviceStatus]) -> Hop:
    far = health.far
    assert far is not None
    what = f"switch {far.device}"
    device = devices.get(("switch", far.device))
    if device is None or device.failed is not None:
        why = device.failed.message if device and device.failed else "it was not read"
        return Hop(what, f"not known: {why}", None)
    refused = {text for each in health.counts for text in each.refused}
    lost = [one for one in prefixes if str(one) in refused]
    if lost:
        found = f"does not let {listed(lost)} of {health.session.node} in: {DIFFERENCE}"
        return Hop(what, found, ok=False)
    short = [one for one in health.counts if one.accepted is not None and one.announced]
    for one in short:
        if one.accepted is not None and one.announced and one.accepted < one.announced:
            found = f"has {one.accepted} of {one.announced} prefixes of {health.session.node}"
            return Hop(what, f"{found}: look at `ferrule status`", ok=False)
    return Hop(what, f"has what {health.session.node} announces")
