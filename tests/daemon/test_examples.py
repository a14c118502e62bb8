"""The examples as networks of real daemons: what was compiled is what the switches hear."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from daemon.flavour import Flavour, wait_for
from daemon.lab import Device, Lab
from ferrule.compiler import views
from ferrule.compiler.backends.sonic import bgpd
from ferrule.compiler.network import Address, Network
from ferrule.compiler.pipeline import compile_network, read_inputs
from ferrule.observe.files import load

EXAMPLES = Path(__file__).parents[2] / "examples"
WITH_SWITCHES = ("fabric", "dynamic", "ibgp")
LENGTHS = {"fabric": 25, "dynamic": 26, "ibgp": 24}  # of the segments, IPv4
ROUTES_S = 20.0

pytestmark = pytest.mark.daemon


class Fabric:
    """The devices of one compiled example, booted and peering."""

    def __init__(self, lab: Lab, flavour: str, name: str) -> None:
        documents, unreadable = load([str(EXAMPLES / name)])
        compilation = compile_network(read_inputs(documents, unreadable=unreadable))
        assert compilation.ok, compilation.diagnostics
        self.network: Network = compilation.network
        self.json: dict[str, Any] = json.loads(json.dumps(views.network_json(compilation)))
        self.files = views.files(self.network)
        self.length = LENGTHS[name]
        inputs = compilation.inputs
        self.declared = {
            switch.name: [one.ip for one in switch.spec.addresses]
            for switch in inputs.spec.switches
        }
        internal = {node.name: node.internal for node in inputs.nodes}
        self.reached: dict[str, dict[str, Sequence[Address]]] = {
            switch: {
                one.node: internal[one.node]
                for one in self.network.sessions
                if one.switch_end and one.switch_end.switch == switch
            }
            for switch in self.declared
        }
        self.switches = {
            switch.name: lab.device(switch.name, flavour, self.links(switch.name), "")
            for switch in self.network.switches
        }
        self.nodes = {
            node.name: lab.device(node.name, flavour, self.links(node.name), "")
            for node in self.network.nodes
        }

    def links(self, device: str) -> dict[str, list[str]]:
        """A segment per switch, with the addresses of whoever peers on it."""
        links: dict[str, list[str]] = {}
        for switch in self.network.switches:
            places = {switch.name: [*self.declared[switch.name]], **self.reached[switch.name]}
            if device in places:
                links[f"rack-{switch.name}"] = [
                    f"{address}/{self.length if address.version == 4 else 64}"
                    for address in places[device]
                ]
        return links

    def boot(self) -> list[str]:
        """Load every device; what vtysh said."""
        said = []
        for name, device in self.switches.items():
            rows = json.loads(self.files[f"switches/{name}/config_db.json"].text)
            said += self.load(device, "\n".join(bgpd.lines(rows)) + "\n")
        for name, device in self.nodes.items():
            said += self.load(device, self.files[f"nodes/{name}/frr.conf"].text)
        return said

    @staticmethod
    def load(device: Device, text: str) -> list[str]:
        answer = device.frr.load(text)
        return [f"{device.name}: {line}" for line in answer.lines] + (
            [] if answer.ok else [f"{device.name}: exit code {answer.code}"]
        )

    def wait(self) -> None:
        for node in self.network.nodes:
            far = [str(session.node_end.neighbor) for session in node.sessions]
            self.nodes[node.name].wait_established(*far)

    def heard(self, switch: str) -> dict[str, set[str]]:
        """Prefix to the addresses of the nodes that a switch has it from."""
        table: dict[str, set[str]] = {}
        for family in ("ipv4", "ipv6"):
            routes = self.switches[switch].frr.show_json(f"show bgp {family} unicast")["routes"]
            for prefix, paths in routes.items():
                table[prefix] = {path["peerId"] for path in paths}
        return table

    def wait_heard(self, switch: str, wanted: dict[str, set[str]]) -> None:
        wait_for(lambda: self.heard(switch) == wanted, ROUTES_S, f"{switch} hears {wanted}")

    def intended(self, switch: str) -> dict[str, set[str]]:
        """The same, by `render --output json` and the sessions in it."""
        table: dict[str, set[str]] = {}
        for session in self.json["sessions"]:
            if session["switch"] != switch:
                continue
            for one in self.json["nodes"][session["node"]]["advertisements"]:
                family = "ipv6" if ":" in one["prefix"] else "ipv4"
                if session["peer"] in one["peers"] and family in session["nodeEnd"]["families"]:
                    table.setdefault(one["prefix"], set()).add(session["switchEnd"]["neighbor"])
        return table


@pytest.fixture(scope="module", params=WITH_SWITCHES)
def fabric(
    request: pytest.FixtureRequest, flavours: dict[str, Flavour], flavour: str
) -> Iterator[Fabric]:
    with Lab(flavours) as lab:
        yield Fabric(lab, flavour, request.param)


def test_an_example_loads_silently_peers_and_is_heard_exactly(fabric: Fabric) -> None:
    assert fabric.boot() == []
    fabric.wait()
    for switch in fabric.switches:
        intended = fabric.intended(switch)
        fabric.wait_heard(switch, intended)
        routes = {one["prefix"]: one["from"] for one in fabric.json["switches"][switch]["routes"]}
        assert routes.keys() == intended.keys()
        assert {p: len(nodes) for p, nodes in routes.items()} == {
            p: len(from_) for p, from_ in intended.items()
        }


def test_the_switch_hears_the_attributes_that_were_meant(fabric: Fabric) -> None:
    nodes = {session["name"]: session for session in fabric.json["sessions"]}
    for name, switch in fabric.switches.items():
        for prefix, sources in fabric.intended(name).items():
            family = "ipv6" if ":" in prefix else "ipv4"
            paths: Any = switch.frr.show_json(f"show bgp {family} unicast {prefix}")["paths"]
            heard = {path["peer"]["peerId"]: path for path in paths}
            assert heard.keys() == sources
            for session in nodes.values():
                if session["switch"] != name or session["switchEnd"]["neighbor"] not in sources:
                    continue
                for one in fabric.json["nodes"][session["node"]]["advertisements"]:
                    if one["prefix"] == prefix and session["peer"] in one["peers"]:
                        path = heard[session["switchEnd"]["neighbor"]]
                        mine = fabric.reached[name][session["node"]]
                        check_path(path, one, session, {*map(str, mine)})


def check_path(
    path: dict[str, Any], meant: dict[str, Any], session: dict[str, Any], addresses: set[str]
) -> None:
    """What FRR shows of a path against one entry of the Network."""
    assert path.get("community", {}).get("list", []) == meant["communities"]
    assert path.get("largeCommunity", {}).get("list", []) == meant["largeCommunities"]
    end = session["nodeEnd"]
    internal = end["asn"] == session["switchEnd"]["asn"]
    if internal:
        assert path["locPrf"] == (meant["localPref"] or 100)
    times = meant["asPathPrepend"] + (0 if internal else 1)
    assert path["aspath"]["string"] == (" ".join([str(end["asn"])] * times) or "Local")
    (hop,) = {one["ip"] for one in path["nexthops"] if one.get("used")}
    assert hop in addresses


def test_bfd_is_up_where_a_profile_is_named(fabric: Fabric) -> None:
    wanted = {
        (session.switch_end.switch, str(session.switch_end.neighbor))
        for session in fabric.network.sessions
        if session.node_end.bfd and session.switch_end
    }
    for switch, device in fabric.switches.items():
        mine = {address for name, address in wanted if name == switch}
        wait_up(device, mine)


def wait_up(device: Device, wanted: set[str]) -> None:
    wait_for(lambda: up(device) == wanted, ROUTES_S, f"BFD at {device.name} with {wanted}")


def up(device: Device) -> set[str]:
    peers: Any = device.frr.show_json("show bfd peers")
    return {peer["peer"] for peer in peers if peer["status"] == "up"}
