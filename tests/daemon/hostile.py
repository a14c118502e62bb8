"""What somebody might write who means harm, wherever the API lets them.

Each text holds MARK, so that it is found wherever it gets to. What the API server refuses is not
there, and only counted.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from daemon.cluster_world import GROUP, World
from ferrule.reconcile.switch_status import LABEL, PREFIX

Json = dict[str, Any]
MARK = "EVIL"
ELSEWHERE = "203.0.113.66"  # in no pool
TEXTS = (
    f"{MARK}\nrouter bgp 1\n neighbor {ELSEWHERE} remote-as 1\n",
    f"{MARK}\r!\nend\nexit\n",
    f"!{MARK}",
    f"$({MARK})`{MARK}`;{MARK}|{MARK}&&{MARK}>/tmp/{MARK}",
    f"'{MARK}' \"{MARK}\" \\{MARK}",
    f"\x1b[2J\x1b]0;{MARK}\x07\b\b",
    f"\u202e{MARK}\u2028{MARK}\u0085\x00",
    f'"}}\n{{"level": "none", "event": "{MARK}"}}\n',
    f"{{{{ 7 * 7 }}}}{{% raw %}}{MARK}%s%n%(x)s",
    f"{ELSEWHERE}\n network {ELSEWHERE}/32 {MARK}",
    f"192.0.2.10,192.0.2.11,2001:db8::1%{MARK}",
    f"192.0.2.0/0 {MARK}",
    "[" * 5000 + MARK,
    MARK * 60_000,  # almost all that annotations may hold
)
NOTES = (
    "metallb.io/loadBalancerIPs",
    "metallb.universe.tf/loadBalancerIPs",
    "ferrule.dev/loadBalancerIPs",
    "metallb.io/address-pool",
    "metallb.io/allow-shared-ip",
    "metallb.io/ip-allocated-from-pool",
    "ferrule.dev/term",
    "kubectl.kubernetes.io/last-applied-configuration",
)
STATUSES = (
    ELSEWHERE,
    "0.0.0.0",  # noqa: S104
    "127.0.0.1",
    "255.255.255.255",
    "224.0.0.5",
    "198.51.100.1",  # the router's
    "198.51.100.11",  # the node's
    "::1",
    "fe80::1",
    "2001:db8::66",
)


@dataclass
class Harm:
    """Who writes it into a world, and how much of it the API server took."""

    world: World
    taken: int = 0
    refused: int = 0
    services: list[str] = field(default_factory=list)

    def services_with_notes(self) -> None:
        """Every text in every annotation, in the place of an address, and as somebody's word."""
        for number, text in enumerate(TEXTS):
            for place, note in enumerate(NOTES):
                self._service(f"note-{number}-{place}", {note: text})
            self._service(f"ip-{number}", loadBalancerIP=text)
            self._condition(f"ip-{number}", text)
        self._service("garbage", {f"x.example.net/k{n}": MARK for n in range(4000)})

    def services_with_statuses(self, victim: str) -> None:
        """Addresses that are nobody's to give, and that of somebody else."""
        each = [*((one,) for one in (*STATUSES, victim)), (victim, *STATUSES)]
        for number, addresses in enumerate(each):
            name = f"status-{number}"
            self._service(name)
            ingress: list[Json] = [{"ip": one} for one in addresses]
            ingress.append({"hostname": f"{MARK.lower()}.example.net"})
            status = {"loadBalancer": {"ingress": ingress}}
            self._merge({"status": status}, f"{self.world.path(name=name)}/status")

    def around(self) -> None:
        """Objects of other kinds: slices, a Node, a Secret, ConfigMaps that look like ours."""
        world = self.world
        for number, text in enumerate(TEXTS):
            self._slice(f"slice-{number}", text)
            self._map(f"{number}", text)
        secret = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth"}
        meta = {"name": "junk", "namespace": world.name, "annotations": {MARK: TEXTS[0]}}
        password = base64.b64encode(b"\xff\xfe\n" + MARK.encode()).decode()
        self._apply({**secret, "metadata": meta, "data": {"password": password}})
        meta = {"name": f"{world.name}-evil", "labels": {"world": world.name}}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": meta}
        self._apply(node)
        addresses = [{"type": "InternalIP", "address": text} for text in TEXTS[:12]]
        words = {"type": "NetworkUnavailable", "status": TEXTS[0], "reason": TEXTS[1]}
        status = {"addresses": addresses, "conditions": [words]}
        self._merge({"status": status}, f"/api/v1/nodes/{world.name}-evil/status")

    def spec(self) -> Iterator[str]:
        """Objects of the spec, one at a time; each is gone before the next one comes."""
        world = self.world
        for kind, plural, name, given in _spec():
            if self._apply(world.thing(kind, name, given)):
                yield name
                world.delete(plural, name, GROUP)

    def _service(self, name: str, notes: Json | None = None, **spec: object) -> None:
        given = {"type": "LoadBalancer", "loadBalancerClass": self.world.lb_class}
        ports = [{"name": "http", "port": 80}]
        spec = {**given, "ports": ports, "allocateLoadBalancerNodePorts": False, **spec}
        one = self.world.thing("Service", name, spec, "v1")
        one["metadata"]["annotations"] = notes or {}
        if self._apply(one):
            self.services.append(name)
            self.world.endpoints(name, f"{self.world.name}-node-1")

    def _condition(self, name: str, text: str) -> None:
        since = "2026-01-01T00:00:00Z"
        word = {"type": "Harm", "status": "True", "reason": "Harm", "lastTransitionTime": since}
        status = {"conditions": [{**word, "message": text[:30_000]}]}
        self._merge({"status": status}, f"{self.world.path(name=name)}/status")

    def _slice(self, name: str, text: str) -> None:
        endpoint = {"addresses": ["10.244.9.9"], "deprecatedTopology": {"a": text}}
        one = self.world.thing("EndpointSlice", name, None, "discovery.k8s.io/v1")
        del one["spec"]
        one["metadata"]["labels"] = {"kubernetes.io/service-name": "web"}
        one["metadata"]["annotations"] = {"x.example.net/text": text}
        self._apply({**one, "addressType": "IPv4", "endpoints": [endpoint], "ports": []})

    def _map(self, name: str, text: str) -> None:
        one = self.world.thing("ConfigMap", f"{PREFIX}{name}", None, "v1")
        del one["spec"]
        one["metadata"]["labels"] = {LABEL: "evil"}
        for number, data in enumerate((text, f'{{"accepts": [{{"pool": "{MARK}"}}, 7]}}')):
            meta = {**one["metadata"], "name": f"{PREFIX}{name}-{number}"}
            self._apply({**one, "metadata": meta, "data": {"status": data}})

    def _apply(self, one: Json, part: str = "") -> bool:
        return self._took(lambda: self.world.plane.apply(one, part))

    def _merge(self, patch: object, path: str) -> bool:
        return self._took(lambda: self.world.merge(patch, path))

    def _took(self, write: Any) -> bool:
        try:
            write()
        except RuntimeError:  # with the server's words
            self.refused += 1
            return False
        self.taken += 1
        return True


def _spec() -> Iterator[tuple[str, str, str, Json]]:
    """Kind, its plural, a name and a spec."""
    switch = {"asn": 65000, "routerID": "203.0.113.1", "addresses": ["203.0.113.1/24"]}
    peer = {"myASN": 64512, "peerASN": 65000, "peerAddress": "198.51.100.9"}
    for number, text in enumerate(TEXTS[:13]):
        for key in ("host", "username", "hostKey", "keyFile"):
            management = {"host": "203.0.113.1", "username": "ops", key: text}
            name = f"{key.lower()}-{number}"
            yield "Switch", "switches", name, {**switch, "management": management}
        yield "Switch", "switches", f"release-{number}", {**switch, "release": text}
        yield "IPAddressPool", "ipaddresspools", f"pool-{number}", {"addresses": [text]}
        for key in ("peerAddress", "vrf", "password", "holdTime"):
            yield "BGPPeer", "bgppeers", f"{key.lower()}-{number}", {**peer, key: text}
        for key in ("communities", "peers", "ipAddressPools"):
            name = f"{key.lower()}-{number}"
            yield "BGPAdvertisement", "bgpadvertisements", name, {key: [text]}
