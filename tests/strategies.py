"""Hypothesis: whole networks without a mistake, as the documents that a user would have.

Racks of nodes and switches, with peers by address or by selector, pools, advertisements and
Services. All that a tenant may write freely holds `TENANT`, which no device may ever be given.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network, summarize_address_range
from typing import Any

from hypothesis import strategies as st

Data = dict[str, Any]

TENANT = "tenant"
TIERS = ("gold", "silver")
COMMUNITIES = ("65000:1", "65000:2", "large:65000:1:2")
NODE_ASN = 64512
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"


def rarely(draw: st.DrawFn) -> bool:
    """True once in a while; hypothesis likes the first of all, which must be the usual."""
    return draw(st.sampled_from([False] * 5 + [True]))


def document(version: str, kind: str, name: str, spec: Data, **meta: Any) -> Data:
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, **meta},
        "spec": spec,
    }


def ours(kind: str, name: str, spec: Data, **meta: Any) -> Data:
    return document("ferrule.dev/v1alpha1", kind, name, spec, **meta)


def metallb(kind: str, name: str, spec: Data, **meta: Any) -> Data:
    version = "v1beta2" if kind == "BGPPeer" else "v1beta1"
    return document(f"metallb.io/{version}", kind, name, spec, **meta)


def where(**labels: str) -> list[Data]:
    return [{"matchLabels": labels}]


@st.composite
def networks(draw: st.DrawFn) -> list[Data]:
    """The documents of one network; compiling them finds no error."""
    racks = [draw(_racks(number)) for number in range(draw(st.integers(1, 3)))]
    by_label = draw(st.booleans())  # one peer for all switches, or one for each address
    peers = _fabric_peer(draw) if by_label else _peers(draw, racks)
    nodes = [node for rack in racks for node in rack["nodes"]]
    pools = draw(_pools())
    services = draw(st.lists(_services(), min_size=1, max_size=6, unique_by=key_of))
    documents = [
        *draw(st.sampled_from([[], [ours("Cluster", "prod", {})]])),
        *(switch for rack in racks for switch in rack["switches"]),
        *peers,
        *nodes,
        *pools,
        *draw(_advertisements(pools, [one["metadata"]["name"] for one in peers])),
        *services,
    ]
    if draw(st.booleans()):
        names = [one["metadata"]["name"] for one in nodes]
        documents += [endpoints(draw, service, names) for service in services]
        documents.append(slice_of("elsewhere/other", names))  # so that there is one at least
    if any("bfdProfile" in one["spec"] for one in peers):
        documents.append(metallb("BFDProfile", "fast", {"transmitInterval": 300}))
    return documents


# Racks: nodes, switches, and the peers between them.


@st.composite
def _racks(draw: st.DrawFn, number: int) -> Data:
    families = draw(st.sampled_from([(4, 6), (4,), (6,)]))
    dynamic, split = draw(st.booleans()), draw(st.booleans())
    switches = []
    for place in range(1, draw(st.sampled_from([1, 2, 0])) + 1):
        spec: Data = {
            "asn": draw(st.sampled_from([65000, 65000 + number, NODE_ASN])),
            "routerID": f"10.255.{number}.{place}",
            "addresses": [f"{address(number, place, one)}/{LENGTH[one]}" for one in families],
            "nodeSelectors": where(rack=str(number)),
            "maximumPaths": draw(st.sampled_from([1, 64])),
        }
        if dynamic:
            spec["neighbors"] = "dynamic"
            networks = [ip_network(f"{address(number, 0, one)}/{LENGTH[one]}") for one in families]
            halves = [half for one in networks for half in one.subnets()]
            spec["listenRanges"] = [str(one) for one in (halves if split else networks)]
        if rarely(draw):
            spec["state"] = "absent"
        name = f"tor-{number}-{place}"
        switches.append(ours("Switch", name, spec, labels={"role": "leaf"}))
    nodes = [
        draw(_nodes(f"node-{number}-{place}", number, place, families))
        for place in range(draw(st.sampled_from([2, 1, 3, 0])))
    ]
    return {"number": number, "families": families, "switches": switches, "nodes": nodes}


LENGTH = {4: 24, 6: 64}


def address(rack: int, place: int, family: int) -> str:
    """Switches have the places from 1, nodes those from 100."""
    return f"10.{rack}.0.{place}" if family == 4 else f"2001:db8:{rack}::{place:x}"


@st.composite
def _nodes(draw: st.DrawFn, name: str, rack: int, place: int, families: tuple[int, ...]) -> Data:
    labels = {"rack": str(rack), "zone": draw(st.sampled_from("xy")), "asn": str(NODE_ASN)}
    if rarely(draw):
        labels[EXCLUDE] = ""
    status: Data = {
        "addresses": [
            {"type": "InternalIP", "address": address(rack, 100 + place * 50, one)}
            for one in families
        ]
    }
    if rarely(draw):
        status["conditions"] = [{"type": "NetworkUnavailable", "status": "True"}]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": status,
    }


def _common(draw: st.DrawFn) -> Data:
    """What all peers have alike: they may share a listen range."""
    spec: Data = {}
    if draw(st.booleans()):
        spec["holdTime"] = draw(st.sampled_from(["9s", "180s"]))
    if draw(st.booleans()):
        spec["connectTime"] = "5s"
    return spec


def _fabric_peer(draw: st.DrawFn) -> list[Data]:
    labelled: Data = {"myASNFrom": {"nodeLabel": "asn"}}
    asn = labelled if draw(st.booleans()) else {"myASN": NODE_ASN}
    spec = {**asn, **_common(draw), "switchSelectors": where(role="leaf")}
    return [ours("BGPPeer", "fabric", spec)]


def _peers(draw: st.DrawFn, racks: list[Data]) -> list[Data]:
    """One per address of a switch, and foreign ones."""
    common = _common(draw)
    peers = []
    for rack in racks:
        selectors = where(rack=str(rack["number"]))
        both = len(rack["families"]) > 1 and draw(st.booleans())
        for switch in rack["switches"]:
            static = "listenRanges" not in switch["spec"]
            for written in switch["spec"]["addresses"][: 1 if both else None]:
                spec = {"myASN": NODE_ASN, **common, "nodeSelectors": selectors}
                spec |= {"peerAddress": written.split("/")[0], "peerASN": switch["spec"]["asn"]}
                if both:
                    spec["dualStackAddressFamily"] = True
                if static and draw(st.booleans()):
                    spec["bfdProfile"] = "fast"
                name = f"{switch['metadata']['name']}-{4 if '.' in written else 6}"
                peers.append(metallb("BGPPeer", name, spec))
        if draw(st.booleans()):
            end: Data = {"peerAddress": f"10.{rack['number']}.9.9", "ebgpMultiHop": True}
            if draw(st.booleans()):
                end = {"interface": "eth1"}
            spec = {"myASN": NODE_ASN, "peerASN": 65099, **end, "nodeSelectors": selectors}
            peers.append(metallb("BGPPeer", f"foreign-{rack['number']}", spec))
    return peers


# Pools and advertisements.


@st.composite
def _pools(draw: st.DrawFn) -> list[Data]:
    pools = []
    for number in range(draw(st.integers(1, 3))):
        some = st.lists(st.sampled_from(_entries(number)), min_size=2, max_size=4, unique=True)
        entries = draw(some)
        spec: Data = {"addresses": entries, "avoidBuggyIPs": draw(st.booleans())}
        labels = {"zone": draw(st.sampled_from(["dmz", "lan"]))}
        pools.append(metallb("IPAddressPool", f"pool-{number}", spec, labels=labels))
    return pools


def _entries(number: int) -> list[str]:
    """What a pool may have: disjoint from one another and from other pools."""
    four, six = f"192.{number}.2", f"2001:db8:f00:{number}"
    return [
        f"{four}.0/26",
        f"{four}.64-{four}.70",
        f"{four}.81-{four}.126",
        f"{four}.200/32",
        f"{six}::/112",
        f"{six}:1::-{six}:1::17",
    ]


@st.composite
def _advertisements(draw: st.DrawFn, pools: list[Data], peers: list[str]) -> list[Data]:
    """All have one preference, or they could contradict one another."""
    preference = draw(st.sampled_from([0, 100]))
    names = [one["metadata"]["name"] for one in pools]
    made = []
    for number in range(draw(st.sampled_from([2, 3, 1, 4, 0]))):
        spec: Data = {"localPref": preference}
        chosen: list[str] = []
        if draw(st.booleans()):
            chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
            spec["ipAddressPools"] = chosen
        if draw(st.booleans()):
            spec["communities"] = draw(st.lists(st.sampled_from(COMMUNITIES), unique=True))
        if peers and rarely(draw):
            some = st.lists(st.sampled_from(peers), min_size=1, max_size=4, unique=True)
            spec["peers"] = draw(some)
        if rarely(draw):
            spec["nodeSelectors"] = where(zone=draw(st.sampled_from("xy")))
        if rarely(draw):
            spec["serviceSelectors"] = where(tier=draw(st.sampled_from(TIERS)))
            spec["localPref"] = draw(st.sampled_from([preference, 200]))
        elif draw(st.booleans()):
            each = [one for one in pools if one["metadata"]["name"] in (chosen or names)]
            spec |= draw(_lengths([entry for one in each for entry in one["spec"]["addresses"]]))
        made.append(metallb("BGPAdvertisement", f"adv-{number}", spec))
    return made


@st.composite
def _lengths(draw: st.DrawFn, entries: list[str]) -> Data:
    """Aggregation lengths that every entry bears: no shorter than its widest block."""
    least = {4: 24, 6: 112}
    for entry in entries:
        blocks = blocks_of(entry)
        version = blocks[0].version
        least[version] = max(least[version], min(one.prefixlen for one in blocks))
    return {
        "aggregationLength": draw(st.integers(least[4], 32)),
        "aggregationLengthV6": draw(st.integers(least[6], 128)),
    }


def blocks_of(entry: str) -> list[Any]:
    """The CIDRs of one entry of a pool."""
    if "-" not in entry:
        return [ip_network(entry)]
    start, end = entry.split("-")
    if ":" in start:
        return list(summarize_address_range(IPv6Address(start), IPv6Address(end)))
    return list(summarize_address_range(IPv4Address(start), IPv4Address(end)))


# Services.


@st.composite
def _services(draw: st.DrawFn) -> Data:
    namespace, name = draw(st.sampled_from("ab")), draw(st.integers(0, 9))
    return service(draw, f"{TENANT}-{namespace}", f"{TENANT}-{name}")


def service(draw: st.DrawFn, namespace: str, name: str, *, sharing: bool = True) -> Data:
    """A Service of any kind; only those that share an address touch one another's lines."""
    families = draw(st.sampled_from([["IPv4", "IPv6"], ["IPv4"], ["IPv6"]]))
    port = draw(st.integers(1, 3))
    spec: Data = {
        "type": "LoadBalancer",
        "ipFamilies": families,
        "ipFamilyPolicy": "PreferDualStack" if len(families) > 1 else "SingleStack",
        "externalTrafficPolicy": draw(st.sampled_from(["Cluster", "Local"])),
        "ports": [{"port": port, "name": f"{TENANT}-port"}],
        "selector": {f"{TENANT}-key": f"{TENANT}!\nroute-map"},
    }
    labels = {"who": f"{TENANT} \n!", "tier": draw(st.sampled_from(TIERS))}
    meta: Data = {"name": name, "namespace": namespace, "labels": labels}
    if sharing and draw(st.booleans()):
        meta["annotations"] = {"metallb.io/allow-shared-ip": f"{TENANT}-key"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def key_of(one: Data) -> str:
    return f"{one['metadata']['namespace']}/{one['metadata']['name']}"


def endpoints(draw: st.DrawFn, of: Data, nodes: list[str]) -> Data:
    """Endpoints on some of the nodes, or on none, or on one that nobody knows."""
    some = st.lists(
        st.sampled_from([*nodes, f"{TENANT}-ghost"]), min_size=1, max_size=3, unique=True
    )
    on = [] if rarely(draw) else draw(some)
    return slice_of(key_of(of), on)


def slice_of(key: str, nodes: list[str]) -> Data:
    namespace, _, name = key.partition("/")
    labels = {"kubernetes.io/service-name": name}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-x", "namespace": namespace, "labels": labels},
        "endpoints": [{"addresses": ["10.244.0.1"], "nodeName": one} for one in nodes],
    }


@st.composite
def grown(draw: st.DrawFn) -> tuple[list[Data], list[Data]]:
    """A network, and what one Service more adds to its documents."""
    base = draw(networks())
    more = [service(draw, f"{TENANT}-c", f"{TENANT}-new", sharing=False)]
    if any(one["kind"] == "EndpointSlice" for one in base):
        nodes = [one["metadata"]["name"] for one in base if one["kind"] == "Node"]
        more.append(endpoints(draw, more[0], nodes))
    return base, more
