"""Forms of a compilation for people and programs: the Network as JSON, the lock, the summary."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass

from ferrule.compiler.backends import BACKENDS
from ferrule.compiler.errors import listed, printable
from ferrule.compiler.network import (
    Advertisement,
    Attributes,
    Network,
    Node,
    Secret,
    Session,
    family_of,
)
from ferrule.compiler.pipeline import Compilation, artifacts

API_VERSION = "ferrule.dev/v1alpha1"


def network_json(compilation: Compilation) -> dict[str, object]:
    """The compiled Network, as `render --output json` prints it."""
    network = compilation.network
    return {
        "apiVersion": API_VERSION,
        "kind": "Network",
        "cluster": network.cluster,
        "services": {
            one.key: {
                "pool": one.pool,
                "addresses": [str(address) for address in one.addresses],
                "pending": one.pending
                and {"code": one.pending.code, "message": one.pending.message},
            }
            for one in network.services
        },
        "nodes": dict(_nodes(network)),
        "switches": {
            switch.name: {
                "routes": [
                    {"prefix": str(route.prefix), "from": list(route.nodes)}
                    for route in network.routes(switch.name)
                ]
            }
            for switch in network.switches
        },
        "sessions": [_session(one) for one in network.sessions],
        "diagnostics": [one.to_json() for one in compilation.diagnostics],
    }


def _nodes(network: Network) -> Iterator[tuple[str, object]]:
    """Nodes that share a table share its JSON value too."""
    made: dict[tuple[int, frozenset[object]], list[object]] = {}
    for node in network.nodes:
        key = (id(node.advertisements), node.ears())
        if key not in made:
            made[key] = [e for one in node.advertisements for e in _entries(one, node)]
        yield node.name, {"advertisements": made[key], "announcements": announcements_json(node)}


def _entries(one: Advertisement, node: Node) -> Iterator[dict[str, object]]:
    """One entry per set of attributes, with the peers whose session carries the family."""
    by_attributes: dict[Attributes, set[str]] = {}
    for session in node.sessions:
        if family_of(one.prefix) in session.node_end.families:
            attributes = one.route_class.attributes(session.peer)
            if attributes is not None:
                by_attributes.setdefault(attributes, set()).add(session.peer)
    for attributes, peers in sorted(by_attributes.items(), key=lambda each: sorted(each[1])):
        yield {
            "prefix": str(one.prefix),
            "peers": sorted(peers),
            "localPref": attributes.local_pref,
            "asPathPrepend": attributes.prepend,
            "communities": list(attributes.communities),
            "largeCommunities": list(attributes.large),
            "services": list(one.services),
        }


def announcements_json(node: Node) -> list[dict[str, object]]:
    """What a node answers for on layer 2."""
    return [
        {
            "address": str(one.address),
            "interfaces": list(one.interfaces),
            "service": one.service,
        }
        for one in node.announcements
    ]


def _session(one: Session) -> dict[str, object]:
    return {
        "name": one.name,
        "peer": one.peer,
        "node": one.node,
        "switch": one.switch_end.switch if one.switch_end else None,
        "nodeEnd": plain(one.node_end),
        "switchEnd": plain(one.switch_end) if one.switch_end else None,
    }


def plain(value: object) -> object:
    """A frozen value as JSON: camelCase, addresses as text, secrets as their reference."""
    if isinstance(value, Secret):
        return value.placeholder
    if is_dataclass(value):
        return {
            _camel(one.name): plain(getattr(value, one.name))
            for one in fields(value)
            if one.name != "origin"
        }
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(
        part.upper() if part in ("asn", "id") else part.capitalize() for part in rest
    )


# Files that belong to no backend.


def lock_yaml(network: Network) -> str:
    """The AddressLock of all served Services; one line each, so that a merge is easy."""
    lines = [
        f"apiVersion: {API_VERSION}",
        "kind: AddressLock",
        "metadata: {name: addresses}",
    ]
    served = [one for one in network.services if one.addresses]
    lines.append("services:" if served else "services: {}")
    for one in served:  # JSON strings are YAML, whatever a tenant wrote
        addresses = ", ".join(json.dumps(str(address)) for address in one.addresses)
        pool = json.dumps(one.pool)
        lines.append(f"  {json.dumps(one.key)}: {{pool: {pool}, addresses: [{addresses}]}}")
    return "\n".join(lines) + "\n"


def announcements_text(node: Node) -> str:
    """`announcements.json` of one node."""
    return json.dumps({"announcements": announcements_json(node)}, indent=2) + "\n"


def summary(compilation: Compilation) -> str:
    """The last line of every command."""
    network, inputs = compilation.network, compilation.inputs
    served = sum(1 for one in network.services if one.addresses)
    foreign = sum(1 for one in network.sessions if one.switch_end is None)
    total = sum(1 for _ in network.sessions)
    parts = [
        f"{plural(len(network.services), 'service')}: {served} served,"
        f" {len(network.services) - served} pending",
        plural(len(network.nodes), "node"),
        plural(len(network.switches), "switch"),
        f"{plural(total, 'session')}, {foreign} foreign",
    ]
    errors = sum(1 for one in compilation.diagnostics if one.severity == "error")
    warnings = len(compilation.diagnostics) - errors
    if errors:
        parts = [f"{plural(errors, 'error')}: nothing compiled"]
    if warnings:
        parts.append(plural(warnings, "warning"))
    if not errors and inputs.endpoints is None and network.services:
        parts.append("no EndpointSlices: every Service taken to have ready endpoints everywhere")
    if not errors and not inputs.nodes:
        parts.append("no Nodes: no node output")
    if inputs.skipped:
        parts.append(f"{plural(inputs.skipped, 'other object')} skipped")
    return " · ".join(parts)


def plural(number: int, noun: str) -> str:
    """A count and its noun."""
    plural = {"switch": "switches"}.get(noun, f"{noun}s")
    return f"{number} {noun if number == 1 else plural}"


def missing(kinds: Iterable[str]) -> str:
    """Why half an input is none."""
    return f"the cluster's {listed(sorted(kinds))} could not be read, see above"


def pending_lines(network: Network) -> Iterator[str]:
    """One line per Service that waits, and why."""
    for one in network.services:
        if one.pending:
            reason = f"{one.pending.message} [{one.pending.code}]"
            yield f"pending: Service {printable(one.key)}: {reason}"


@dataclass(frozen=True, slots=True)
class File:
    """One file of OUT."""

    text: str
    secret: bool = False


def files(network: Network, *, with_secrets: bool = False) -> dict[str, File]:
    """Everything `render -o OUT` writes, by path below OUT."""
    made = {"addresses.yaml": File(lock_yaml(network))}
    for node in network.nodes:
        made[f"nodes/{node.name}/announcements.json"] = File(announcements_text(node))
    for one in artifacts(network, with_secrets=with_secrets):
        made[one.path] = File(one.text, one.secret)
    return dict(sorted(made.items()))


def annotated(network: Network) -> Iterator[str]:
    """Every line of every device with the place that caused it."""
    for backend in BACKENDS.values():
        for path, lines in backend.annotated(network):
            yield f"==> {path} <=="
            width = min(72, max((len(line.text) for line in lines), default=0))
            for line in lines:
                place = f"  # {line.origin.place()}" if line.origin else ""
                yield f"{line.text:{width}}{place}".rstrip()
            yield ""
