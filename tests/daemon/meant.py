"""What one compilation says that every far end should hold, taken from `render --output json`.

A far end is a switch of ours, or the one `ROUTER` that stands for every end that is not ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from ipaddress import ip_address
from typing import Any

from ferrule.compiler import views
from ferrule.compiler.backends import frr
from ferrule.compiler.backends.frr.model import Model
from ferrule.compiler.backends.sonic import bgpd
from ferrule.compiler.network import Network
from ferrule.compiler.pipeline import Compilation, compile_network, read_inputs
from ferrule.compiler.source import Document

ROUTER = "router"
ROUTER_PATHS = 4
Json = dict[str, Any]
Table = dict[str, set[str]]  # prefix to the nodes that it is heard from


def compiled(documents: Sequence[Document], lb_class: str = "") -> Meant:
    return Meant(compile_network(read_inputs(documents, lb_class=lb_class)))


class Meant:
    """One compilation, as its JSON form tells it."""

    def __init__(self, compilation: Compilation, router_paths: int = ROUTER_PATHS) -> None:
        assert compilation.ok, [str(one) for one in compilation.diagnostics]
        self._compilation = compilation
        self._router_paths = router_paths
        self.inputs = compilation.inputs
        self.network: Network = compilation.network
        self.json: Json = json.loads(json.dumps(views.network_json(compilation)))
        self._files = views.files(self.network)

    def narrowed(self, paths: int) -> Meant:
        """The same with other `maximumPaths` everywhere."""
        switches = tuple(replace(one, maximum_paths=paths) for one in self.network.switches)
        network = replace(self.network, switches=switches)
        return Meant(replace(self._compilation, network=network), paths)

    @property
    def sessions(self) -> Sequence[Json]:
        return list(self.json["sessions"])

    @cached_property
    def far_ends(self) -> dict[str, list[Json]]:
        """Every switch, and the router where it is needed, with its sessions."""
        ends: dict[str, list[Json]] = {switch.name: [] for switch in self.network.switches}
        for session in self.sessions:
            ends.setdefault(session["switch"] or ROUTER, []).append(session)
        return ends

    @cached_property
    def addresses(self) -> dict[str, tuple[str, ...]]:
        """The addresses of every node, as Kubernetes says them."""
        return {node.name: tuple(map(str, node.internal)) for node in self.inputs.nodes}

    def near(self, session: Json) -> str:
        """The node's address in a session."""
        if session["switchEnd"]:
            return str(session["switchEnd"]["neighbor"])
        version = ip_address(session["nodeEnd"]["neighbor"]).version
        (address,) = (
            one for one in self.addresses[session["node"]] if ip_address(one).version == version
        )
        return address

    def watched(self, far: str) -> set[str]:
        """The neighbors that a far end of ours watches by BFD."""
        sessions = self.far_ends[far]
        return {self.near(one) for one in sessions if one["nodeEnd"]["bfd"] and one["switch"]}

    def told(self, far: str) -> Iterator[tuple[str, Json, Json]]:
        """What a far end is told: prefix, session, and the entry of the node's advertisements."""
        for session in self.far_ends[far]:
            for entry in self.json["nodes"][session["node"]]["advertisements"]:
                family = "ipv6" if ":" in entry["prefix"] else "ipv4"
                if session["peer"] in entry["peers"] and family in session["nodeEnd"]["families"]:
                    yield entry["prefix"], session, entry

    def table(self, far: str) -> Table:
        """What a far end holds; of a switch the JSON says it a second time."""
        table: Table = {}
        for prefix, session, _ in self.told(far):
            table.setdefault(prefix, set()).add(session["node"])
        if far in self.json["switches"]:
            routes = self.json["switches"][far]["routes"]
            assert table == {one["prefix"]: {*one["from"]} for one in routes}
        return table

    def widths(self, far: str) -> dict[str, int]:
        """Over how many nodes a far end balances each prefix."""
        most = {switch.name: switch.maximum_paths for switch in self.network.switches}
        limit = most.get(far, self._router_paths)
        return {prefix: min(len(nodes), limit) for prefix, nodes in self.table(far).items()}

    def text(self, node: str) -> str:
        return self._files[f"nodes/{node}/frr.conf"].text

    def model(self, name: str) -> Model:
        (node,) = (one for one in self.network.nodes if one.name == name)
        return frr.lower(node, self.network)

    def rows(self, switch: str) -> Json:
        rows: Json = json.loads(self._files[f"switches/{switch}/config_db.json"].text)
        return rows

    def far_text(self, far: str) -> str:
        """What a far end runs: the lines of our rows, or those of the router."""
        if far == ROUTER:
            return "\n".join((*self._router(), ""))
        return "\n".join((*bgpd.lines(self.rows(far)), ""))

    def globals(self, switch: str) -> str:
        """What a switch must say of itself; others may have said it already."""
        rows = {t: of for t, of in self.rows(switch).items() if t.startswith("BGP_GLOBALS")}
        rows.pop("BGP_GLOBALS_LISTEN_PREFIX", None)
        return "\n".join((*bgpd.lines(rows), ""))

    def leaving(self, switch: str) -> str:
        """The lines that take ours off a switch where others stay."""
        rows = self.rows(switch)
        (globals_,) = rows["BGP_GLOBALS"].values()
        lines = [f"router bgp {globals_['local_asn']}"]
        lines += [f" no neighbor {_key(name)}" for name in rows.get("BGP_NEIGHBOR", {})]
        for name, listen in rows.get("BGP_GLOBALS_LISTEN_PREFIX", {}).items():
            lines.append(f" no bgp listen range {_key(name)} peer-group {listen['peer_group']}")
        lines += [f" no neighbor {_key(name)} peer-group" for name in rows["BGP_PEER_GROUP"]]
        lines += ["exit", *(f"no route-map {name}" for name in rows["ROUTE_MAP_SET"])]
        for name, one in rows["PREFIX_SET"].items():
            lines.append(f"no {bgpd.IP[one['mode']]} prefix-list {name}")
        return "\n".join((*lines, ""))

    def _router(self) -> Iterator[str]:
        """A router that somebody else configures: it takes whatever it is told."""
        sessions = self.far_ends[ROUTER]
        ends = {self.near(one): one["nodeEnd"] for one in sessions}
        (asn,) = {end["remoteAs"] for end in ends.values()}
        yield from ("route-map any permit 10", " set ipv6 next-hop prefer-global", "exit")
        yield from ("route-map none deny 10", "exit")
        yield from (f"router bgp {asn}", " bgp router-id 203.0.113.254")
        yield from (" no bgp default ipv4-unicast", " bgp bestpath as-path multipath-relax")
        for near, end in ends.items():
            yield f" neighbor {near} remote-as {end['localASN'] or end['asn']}"
        for family in ("ipv4", "ipv6"):
            yield f" address-family {family} unicast"
            yield f"  maximum-paths {self._router_paths}"
            for near in (near for near, end in ends.items() if family in end["families"]):
                yield f"  neighbor {near} activate"
                yield f"  neighbor {near} route-map any in"
                yield f"  neighbor {near} route-map none out"
            yield " exit-address-family"
        yield "exit"


def _key(name: str) -> str:
    """What a row is about, of a key in the default VRF."""
    return name.removeprefix("default|")
