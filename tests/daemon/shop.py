"""One node with many Services, and two switches of which one is told more than the other.

What a Service's labels say decides whom its address is told, and with which communities:

    reach: both   tor-a and tor-b, 64512:1        tier: gold     64512:2 as well
    reach: a      tor-a alone, 64512:3            tier: silver   64512:4 as well
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from typing import Self

from daemon.meant import Meant, compiled
from ferrule.compiler.source import read

FIRST = IPv4Address("198.18.0.0")  # RFC 2544
Labels = Mapping[str, str]
PLAIN: Labels = {"reach": "both"}
ONLY_A: Labels = {"reach": "a"}
GOLD: Labels = {"reach": "both", "tier": "gold"}
SILVER: Labels = {"reach": "both", "tier": "silver"}
TIMERS = "connectTime: 1s, keepaliveTime: 1s, holdTime: 60s"  # see Ear for the keepalive
SPEC = """\
apiVersion: ferrule.dev/v1alpha1
kind: Cluster
metadata: {{name: prod}}
---
apiVersion: ferrule.dev/v1alpha1
kind: Switch
metadata: {{name: tor-a}}
spec: {{asn: 65001, routerID: 198.51.100.1, addresses: [198.51.100.1/24]}}
---
apiVersion: ferrule.dev/v1alpha1
kind: Switch
metadata: {{name: tor-b}}
spec: {{asn: 65002, routerID: 203.0.113.1, addresses: [203.0.113.1/24]}}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {{name: tor-a}}
spec: {{myASN: 64512, peerASN: 65001, peerAddress: 198.51.100.1, {timers}}}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {{name: tor-b}}
spec: {{myASN: 64512, peerASN: 65002, peerAddress: 203.0.113.1, {timers}}}
---
apiVersion: v1
kind: Node
metadata: {{name: node-1}}
status:
  addresses:
  - {{type: InternalIP, address: 198.51.100.10}}
  - {{type: InternalIP, address: 203.0.113.10}}
---
apiVersion: ferrule.dev/v1alpha1
kind: IPAddressPool
metadata: {{name: public}}
spec: {{addresses: [198.18.0.0/16]}}
---
apiVersion: ferrule.dev/v1alpha1
kind: BGPAdvertisement
metadata: {{name: both}}
spec:
  ipAddressPools: [public]
  serviceSelectors: [{{matchLabels: {{reach: both}}}}]
  communities: ["{both}"]
---
apiVersion: ferrule.dev/v1alpha1
kind: BGPAdvertisement
metadata: {{name: a}}
spec:
  ipAddressPools: [public]
  serviceSelectors: [{{matchLabels: {{reach: a}}}}]
  peers: [tor-a]
  communities: ["64512:3"]
---
apiVersion: ferrule.dev/v1alpha1
kind: BGPAdvertisement
metadata: {{name: gold}}
spec:
  ipAddressPools: [public]
  serviceSelectors: [{{matchLabels: {{tier: gold}}}}]
  communities: ["64512:2"]
---
apiVersion: ferrule.dev/v1alpha1
kind: BGPAdvertisement
metadata: {{name: silver}}
spec:
  ipAddressPools: [public]
  serviceSelectors: [{{matchLabels: {{tier: silver}}}}]
  communities: ["64512:4"]
"""


@dataclass(frozen=True)
class Shop:
    """The labels of every Service by its number, and the community of `reach: both`."""

    labels: Mapping[int, Labels] = field(repr=False)
    both: str = "64512:1"

    @classmethod
    def of(cls, size: int) -> Self:
        """All of them plain, but for ten of `reach: a` and ten of `tier: gold`."""
        labels = dict.fromkeys(range(size), PLAIN)
        labels |= dict.fromkeys(range(10), ONLY_A)
        labels |= dict.fromkeys(range(10, 20), GOLD)
        return cls(labels)

    def put(self, number: int, labels: Labels = PLAIN) -> Self:
        """With this Service, or with other labels on it."""
        return replace(self, labels={**self.labels, number: labels})

    def drop(self, number: int) -> Self:
        """Without this Service."""
        return replace(self, labels={n: of for n, of in self.labels.items() if n != number})

    def heard_by_both(self) -> list[int]:
        """The Services of `reach: both`."""
        return [number for number, labels in self.labels.items() if labels["reach"] == "both"]

    def compiled(self) -> Meant:
        services = [_service(number, labels) for number, labels in self.labels.items()]
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": services})
        spec = read(SPEC.format(both=self.both, timers=TIMERS), "shop.yaml")
        return compiled([*spec, *read(listed, "services.json")])


def address(number: int) -> str:
    return str(FIRST + number)


def prefix(number: int) -> str:
    return f"{address(number)}/32"


def _service(number: int, labels: Labels) -> dict[str, object]:
    annotations = {"metallb.io/loadBalancerIPs": address(number)}
    meta = {"name": f"web-{number}", "namespace": "shop", "labels": labels}
    spec = {"type": "LoadBalancer", "ports": [{"port": 443}]}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {**meta, "annotations": annotations},
        "spec": spec,
    }
