"""What a switch and a node refuse, whatever the other says; and who else the switch serves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from daemon.flavour import Flavour, wait_for
from daemon.lab import Device, Lab
from daemon.meant import Meant, Table, compiled
from daemon.rails import (
    ALLOWED,
    LIMIT,
    MANY,
    NODE_ASN,
    RACK,
    REFUSED,
    TOR,
    TOR_ASN,
    ByHand,
    rails,
)
from daemon.rig import ROUTES_S, Life, Majors, Rig, lives, load, neighbors, paths
from ferrule.compiler.network import FAMILIES, Family
from ferrule.compiler.source import read

pytestmark = pytest.mark.daemon
each_family = pytest.mark.parametrize("family", FAMILIES)

NEAR: dict[Family, str] = {"ipv4": "198.51.100.12", "ipv6": "2001:db8:a::12"}  # of node-2
OUT = "ferrule-prod_out_rack-a_{}"
CUT = "Cease/Maximum Number of Prefixes Reached"


@pytest.fixture(scope="module", params=["static", "dynamic"])
def rig(
    request: pytest.FixtureRequest, flavours: dict[str, Flavour], flavour: str
) -> Iterator[Rig]:
    with Lab(flavours) as lab:
        dynamic = request.param == "dynamic"
        rig = Rig(lab, Majors(flavour, flavour), rails(dynamic=dynamic))
        assert rig.boot() == []
        rig.wait()
        yield rig


def on_node(rig: Rig, name: str, family: Family) -> ByHand:
    return ByHand(rig.nodes[name], NODE_ASN, family, TOR[family])


def of_family(table: Table, family: Family, *nodes: str) -> Table:
    """What of a table is of a family and comes from one of these nodes."""
    mine = {prefix: from_ & {*nodes} for prefix, from_ in table.items()}
    return {p: from_ for p, from_ in mine.items() if from_ and (":" in p) == (family == "ipv6")}


@each_family
def test_what_a_node_may_not_announce_is_refused(rig: Rig, family: Family) -> None:
    hand = on_node(rig, "node-1", family)
    before = of_family(rig.meant.table("tor"), family, "node-1")
    assert of_family(rig.heard("tor"), family, "node-1") == before

    hand.announce(*REFUSED[family].values())
    hand.announce(*ALLOWED[family])  # heard after the others, for it is sent after them
    allowed = {prefix: {"node-1"} for prefix in ALLOWED[family]}
    wait_for(lambda: allowed.keys() <= rig.heard("tor").keys(), ROUTES_S, f"{allowed} is heard")

    assert of_family(rig.heard("tor"), family, "node-1") == before | allowed
    hand.withdraw(OUT.format(family), *REFUSED[family].values(), *ALLOWED[family])
    wait_for(lambda: of_family(rig.heard("tor"), family, "node-1") == before, ROUTES_S, "as before")


@each_family
def test_a_node_that_announces_too_many_is_cut_off_alone(rig: Rig, family: Family) -> None:
    """In a listen range it comes back at once and is cut again: FRR has forgotten the neighbor."""
    hand, tor, near = on_node(rig, "node-2", family), rig.far["tor"], NEAR[family]
    before, others = lives(tor), of_others(rig.heard("tor"), family)
    assert before[near][0] == "Established"
    counts: list[int] = []

    def count() -> int:
        counts.append(len(of_family(rig.heard("tor"), family, "node-2")))
        return counts[-1]

    many = [MANY[family].format(number) for number in range(10, 20 + LIMIT)]
    most = LIMIT - count()
    hand.announce(*many[:most])
    wait_for(lambda: count() == LIMIT, ROUTES_S, f"{LIMIT} prefixes are heard")
    assert lives(tor) == before  # the maximum itself is no mistake

    hand.say(*many[most:])
    wait_for(
        lambda: (
            count() < LIMIT
            and neighbors(hand.device)[hand.neighbor]["lastNotificationReason"] == CUT
        ),
        ROUTES_S,
        "the session is closed",
    )
    assert max(counts) <= LIMIT + 1  # 8.4 looks before it counts
    assert without(lives(tor), near) == without(before, near)
    assert of_others(rig.heard("tor"), family) == others
    hand.withdraw(OUT.format(family), *many)
    if rig.meant.rows("tor").get("BGP_GLOBALS_LISTEN_PREFIX"):
        own = of_family(rig.meant.table("tor"), family, "node-2")
        wait_for(
            lambda: of_family(rig.heard("tor"), family, "node-2") == own, ROUTES_S, "it is back"
        )


def of_others(table: Table, family: Family) -> tuple[Table, Table]:
    """All that does not come over the session of node-2 in this family."""
    other: Family = "ipv4" if family == "ipv6" else "ipv6"
    nodes = ("node-1", "node-2", "node-3")
    return of_family(table, other, *nodes), of_family(table, family, "node-1", "node-3")


def without(all_: dict[str, Life], name: str) -> dict[str, Life]:
    return {one: life for one, life in all_.items() if one != name}


@each_family
def test_a_node_hears_nothing_whatever_the_switch_says(rig: Rig, family: Family) -> None:
    node, near = rig.nodes["node-1"], rig.meant.addresses["node-1"][family == "ipv6"]
    (end,) = (one["switchEnd"] for one in rig.meant.sessions if rig.meant.near(one) == near)
    group = f"FERRULE_prod_{end['group']}"
    hand = ByHand(rig.far["tor"], TOR_ASN, family, near, group)
    assert rig.heard("tor")
    assert hand.sent() == set()  # our own map on the switch

    before = neighbors(node)[TOR[family]]["messageStats"]["updatesRecv"]
    hand.announce(RACK[family])
    wait_for(
        lambda: neighbors(node)[TOR[family]]["messageStats"]["updatesRecv"] > before,
        ROUTES_S,
        f"node-1 is told of {RACK[family]}",
    )

    said = {one["prefix"] for one in rig.meant.json["nodes"]["node-1"]["advertisements"]}
    assert prefixes(node) == said  # our own map on the node
    hand.withdraw("FERRULE_prod_out", RACK[family])
    wait_for(lambda: hand.sent() == set(), ROUTES_S, "the switch says nothing")


# Two clusters on one switch, each with a node, a pool and a Service of its own.
TENANT = """\
apiVersion: ferrule.dev/v1alpha1
kind: Cluster
metadata: {{name: {cluster}}}
---
apiVersion: ferrule.dev/v1alpha1
kind: Switch
metadata: {{name: tor}}
spec:
  asn: 65001
  routerID: 198.51.100.1
  addresses: [198.51.100.1/25, "2001:db8:a::1/64"]
---
apiVersion: ferrule.dev/v1alpha1
kind: BGPPeer
metadata: {{name: tor}}
spec: {{myASN: 64512, switchSelectors: [{{}}], connectTime: 1s}}
---
apiVersion: ferrule.dev/v1alpha1
kind: IPAddressPool
metadata: {{name: public}}
spec: {{addresses: ["{v4}", "{v6}"]}}
---
apiVersion: ferrule.dev/v1alpha1
kind: BGPAdvertisement
metadata: {{name: public}}
---
apiVersion: v1
kind: Node
metadata: {{name: {cluster}-node}}
status:
  addresses:
  - {{type: InternalIP, address: 198.51.100.{host}}}
  - {{type: InternalIP, address: "2001:db8:a::{host}"}}
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: shop}}
spec: {{type: LoadBalancer, ipFamilyPolicy: RequireDualStack, ports: [{{port: 80}}]}}
"""
THEIRS: dict[Family, str] = {"ipv4": "203.0.113.9/32", "ipv6": "2001:db8:200::9/128"}
OURS: dict[Family, str] = {"ipv4": "192.0.2.9/32", "ipv6": "2001:db8:100::9/128"}


def tenant(cluster: str, v4: str, v6: str, host: int) -> Meant:
    return compiled(read(TENANT.format(cluster=cluster, v4=v4, v6=v6, host=host), cluster))


def test_two_clusters_on_one_switch_do_not_see_each_other(lab: Lab, flavour: str) -> None:
    prod = tenant("prod", "192.0.2.0/24", "2001:db8:100::/64", 11)
    stage = tenant("stage", "203.0.113.0/24", "2001:db8:200::/64", 12)
    assert shared_rows(prod, stage) == {"BGP_GLOBALS", "BGP_GLOBALS_AF"}
    ours = Rig(lab, Majors(flavour, flavour), prod)
    assert ours.boot() == []
    ours.wait()
    tor, before = ours.far["tor"], lives(ours.far["tor"])

    theirs = Rig(lab, Majors(flavour, flavour), stage, far=ours.far)
    assert theirs.boot() == []
    theirs.wait_established()
    for family in FAMILIES:
        hand = ByHand(theirs.nodes["stage-node"], NODE_ASN, family, TOR[family])
        hand.announce(OURS[family])
        hand.announce(THEIRS[family])
    held = prod.table("tor").keys() | stage.table("tor").keys() | {*THEIRS.values()}
    wait_for(lambda: prefixes(tor) == held, ROUTES_S, f"the switch holds {held}")
    assert prefixes(ours.nodes["prod-node"]) == prod.table("tor").keys()
    assert lives(tor).items() >= before.items()

    assert load(tor, stage.leaving("tor")) == []
    wait_for(lambda: ours.heard("tor") == prod.table("tor"), ROUTES_S, "the other one is gone")
    assert lives(tor) == before


def shared_rows(one: Meant, other: Meant) -> set[str]:
    """The tables in which both have a row of one name, which must then say the same."""
    rows, more = one.rows("tor"), other.rows("tor")
    both = {table: rows[table].keys() & more[table].keys() for table in rows.keys() & more.keys()}
    assert all(rows[table][name] == more[table][name] for table in both for name in both[table])
    return {table for table, names in both.items() if names}


def prefixes(device: Device) -> set[str]:
    return {prefix for prefix, _ in paths(device)}
