"""What a switch refuses, whatever a node says; and who else it serves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from daemon.flavour import Flavour, wait_for
from daemon.lab import Device, Lab
from daemon.test_examples import EXAMPLES, ROUTES_S, Fabric
from ferrule.compiler import views
from ferrule.compiler.backends.sonic import bgpd
from ferrule.compiler.pipeline import compile_network, read_inputs
from ferrule.observe.files import load

pytestmark = pytest.mark.daemon

TOR = "198.51.100.1"
BY_HAND = f"""\
route-map BY-HAND permit 10
exit
router bgp 64512
 address-family ipv4 unicast
  neighbor {TOR} route-map BY-HAND out
"""
LIMIT = 64  # of the fabric example: two addresses in use


@pytest.fixture(scope="module")
def fabric(flavours: dict[str, Flavour], flavour: str) -> Iterator[Fabric]:
    with Lab(flavours) as lab:
        made = Fabric(lab, flavour, "fabric")
        assert made.boot() == []
        made.wait()
        for switch in made.switches:
            made.wait_heard(switch, made.intended(switch))
        yield made


def originate(node: Device, *prefixes: str) -> None:
    """Announce past our maps, as whoever has root on a node can."""
    lines = [BY_HAND, *(f"  network {one}" for one in prefixes), " exit-address-family", "exit", ""]
    assert node.frr.load("\n".join(lines)).code == 0


def sent(node: Device) -> set[str]:
    command = f"show bgp ipv4 unicast neighbors {TOR} advertised-routes"
    return set(node.frr.show_json(command)["advertisedRoutes"])


def test_the_switch_hears_communities_and_balances_over_all_nodes(fabric: Fabric) -> None:
    switch = fabric.switches["tor-a"]
    for prefix, width in {"192.0.2.0/32": 2, "192.0.2.1/32": 1}.items():
        paths: Any = switch.frr.show_json(f"show bgp ipv4 unicast {prefix}")["paths"]
        assert [path["community"]["list"] for path in paths] == [["64512:100"]] * width
        (route,) = switch.frr.show_json(f"show ip route {prefix}")[prefix]
        hops = {hop["ip"] for hop in route["nexthops"] if hop.get("active")}
        assert hops == fabric.intended("tor-a")[prefix]
        assert len(hops) == width


@pytest.mark.parametrize(
    "prefix",
    [
        pytest.param("10.66.0.1/32", id="a-foreign-prefix"),
        pytest.param("192.0.2.0/25", id="the-whole-of-its-pool"),
        pytest.param("192.0.2.4/31", id="a-shorter-one-of-its-pool"),
        pytest.param("198.51.100.100/32", id="one-of-another-pool"),
        pytest.param("0.0.0.0/0", id="the-default-route"),
    ],
)
def test_what_a_node_may_not_announce_is_refused(fabric: Fabric, prefix: str) -> None:
    node = fabric.nodes["node-1"]

    originate(node, prefix, "192.0.2.77/32")
    wait_for(lambda: {prefix, "192.0.2.77/32"} <= sent(node), ROUTES_S, f"{prefix} is sent")
    heard = {**fabric.intended("tor-a"), "192.0.2.77/32": {"198.51.100.11"}}
    fabric.wait_heard("tor-a", heard)

    assert prefix not in fabric.heard("tor-a")
    undo = "".join(f"  no network {one}\n" for one in (prefix, "192.0.2.77/32"))
    undo = f"router bgp 64512\n address-family ipv4 unicast\n{undo} exit-address-family\nexit\n"
    assert node.frr.load(undo).ok
    fabric.wait_heard("tor-a", fabric.intended("tor-a"))


def test_a_node_that_announces_too_many_is_cut_off_alone(fabric: Fabric) -> None:
    node, switch = fabric.nodes["node-2"], fabric.switches["tor-a"]

    originate(node, *(f"192.0.2.{number}/32" for number in range(10, 10 + LIMIT)))
    wait_for(
        lambda: switch.frr.show_json("show bgp neighbors")["198.51.100.12"].get(
            "prefixesTooMany", not switch.established("198.51.100.12")
        ),
        ROUTES_S,
        "the session is closed",
    )

    assert not switch.established("198.51.100.12")
    assert switch.established("198.51.100.11", "2001:db8:a::11", "2001:db8:a::12")
    assert len(fabric.heard("tor-a")) < LIMIT


def compiled(cluster: str, pool: str, host: int) -> tuple[dict[str, Any], dict[str, str]]:
    """One cluster of one node on the switch: rows of the switch, frr.conf by node."""
    documents, _ = load([str(EXAMPLES / "fabric" / "switches.yaml")])
    spec = f"""\
apiVersion: ferrule.dev/v1alpha1
kind: IPAddressPool
metadata: {{name: public}}
spec: {{addresses: [{pool}]}}
---
apiVersion: ferrule.dev/v1alpha1
kind: BGPAdvertisement
metadata: {{name: public}}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {{name: tor}}
spec: {{myASN: 64512, peerASN: 65001, peerAddress: {TOR}}}
---
apiVersion: v1
kind: Node
metadata: {{name: node-{host}, labels: {{rack: a}}}}
status: {{addresses: [{{type: InternalIP, address: 198.51.100.{host}}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: shop}}
spec: {{type: LoadBalancer, ports: [{{port: 80}}]}}
"""
    from ferrule.compiler.source import read

    switch = next(one for one in documents if one.ref and one.ref.name == "tor-a")
    name = f"apiVersion: ferrule.dev/v1alpha1\nkind: Cluster\nmetadata: {{name: {cluster}}}\n"
    result = compile_network(read_inputs([switch, *read(spec, "spec"), *read(name, "cluster")]))
    assert result.ok, [str(one) for one in result.diagnostics]
    files = views.files(result.network)
    rows = json.loads(files["switches/tor-a/config_db.json"].text)
    return rows, {f"node-{host}": files[f"nodes/node-{host}/frr.conf"].text}


def test_two_clusters_on_one_switch_do_not_see_each_other(lab: Lab, flavour: str) -> None:
    ours, one = compiled("prod", "192.0.2.0/24", 11)
    theirs, other = compiled("stage", "203.0.113.0/24", 12)
    rows = deepcopy(ours)
    for table, each in theirs.items():
        shared = rows.setdefault(table, {}).keys() & each.keys()
        assert table in ("BGP_GLOBALS", "BGP_GLOBALS_AF") or not shared
        rows[table].update(each)
    rack = {"rack": [f"{TOR}/25"]}
    switch = lab.device("tor-a", flavour, rack, "\n".join(bgpd.lines(rows)) + "\n")
    nodes = {
        name: lab.device(name, flavour, {"rack": [f"198.51.100.{name[5:]}/25"]}, text)
        for name, text in {**one, **other}.items()
    }
    for node in nodes.values():
        node.wait_established(TOR)
    table = "show bgp ipv4 unicast"
    wait_for(
        lambda: set(switch.frr.show_json(table)["routes"]) == {"192.0.2.0/32", "203.0.113.0/32"},
        ROUTES_S,
        "each cluster is heard",
    )

    originate(nodes["node-12"], "192.0.2.9/32", "203.0.113.9/32")
    wait_for(
        lambda: "203.0.113.9/32" in switch.frr.show_json(table)["routes"], ROUTES_S, "its own pool"
    )

    assert "192.0.2.9/32" not in switch.frr.show_json(table)["routes"]
    assert set(nodes["node-11"].frr.show_json(table)["routes"]) == {"192.0.2.0/32"}
