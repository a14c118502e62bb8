"""One object of every kind with every field it can have, together a network without a mistake.

For tests that spoil one thing at a time. `documents` reads them as files would be read.
"""

from __future__ import annotations

import json
from typing import Any

from ferrule.compiler.source import Document, read

Data = dict[str, Any]

ACCESS: Data = {
    "apiVersion": "ferrule.dev/v1alpha1",
    "kind": "Access",
    "metadata": {"name": "nodes"},
    "spec": {
        "nodeSelectors": [{"matchLabels": {"rack": "a"}}],
        "username": "ops",
        "port": 2222,
        "address": "192.0.2.250",
        "keyFile": "~/.ssh/id_ed25519",
        "knownHostsFile": "~/.ssh/known_hosts",
        "jumpHost": "bastion.example.net",
        "sudo": True,
        "vtysh": "vtysh -N fabric",
    },
}
ADVERTISEMENT: Data = {
    "apiVersion": "metallb.io/v1beta1",
    "kind": "BGPAdvertisement",
    "metadata": {"name": "public", "namespace": "metallb-system", "labels": {"team": "net"}},
    "spec": {
        "aggregationLength": 32,
        "aggregationLengthV6": 128,
        "localPref": 0,
        "communities": ["from-kubernetes", "65000:7", "large:65000:1:2"],
        "ipAddressPools": ["public"],
        "ipAddressPoolSelectors": [{"matchLabels": {"zone": "dmz"}}],
        "nodeSelectors": [{"matchLabels": {"rack": "a"}}],
        "peers": ["tor-a"],
        "serviceSelectors": [
            {"matchExpressions": [{"key": "tier", "operator": "In", "values": ["web", "api"]}]}
        ],
    },
}
BFD_PROFILE: Data = {
    "apiVersion": "metallb.io/v1beta1",
    "kind": "BFDProfile",
    "metadata": {"name": "fast"},
    "spec": {
        "receiveInterval": 300,
        "transmitInterval": 300,
        "echoInterval": 50,
        "detectMultiplier": 3,
        "minimumTtl": 254,
        "echoMode": False,
        "passiveMode": False,
    },
}
CLUSTER: Data = {
    "apiVersion": "ferrule.dev/v1alpha1",
    "kind": "Cluster",
    "metadata": {"name": "prod-1"},
    "spec": {"bgp": {"routerIDFrom": "internalIP"}},
}
COMMUNITY: Data = {
    "apiVersion": "metallb.io/v1beta1",
    "kind": "Community",
    "metadata": {"name": "known"},
    "spec": {"communities": [{"name": "from-kubernetes", "value": "64512:100"}]},
}
ENDPOINT_SLICE: Data = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {
        "name": "web-1",
        "namespace": "shop",
        "labels": {"kubernetes.io/service-name": "web"},
    },
    "addressType": "IPv4",
    "endpoints": [
        {
            "addresses": ["10.244.1.5"],
            "nodeName": "node-1",
            "conditions": {"ready": True, "serving": True, "terminating": False},
        }
    ],
    "ports": [{"name": "https", "port": 8443, "protocol": "TCP"}],
}
L2_ADVERTISEMENT: Data = {
    "apiVersion": "metallb.io/v1beta1",
    "kind": "L2Advertisement",
    "metadata": {"name": "office"},
    "spec": {
        "ipAddressPools": ["office"],
        "ipAddressPoolSelectors": [{"matchLabels": {"zone": "office"}}],
        "nodeSelectors": [{"matchLabels": {"rack": "a"}}],
        "interfaces": ["eth0"],
        "serviceSelectors": [{"matchLabels": {"tier": "print"}}],
        "preferredNodeSelectors": [
            {"weight": 10, "preference": {"matchLabels": {"kubernetes.io/os": "linux"}}}
        ],
    },
}
LOCK: Data = {
    "apiVersion": "ferrule.dev/v1alpha1",
    "kind": "AddressLock",
    "metadata": {"name": "reserved"},
    "services": {"shop/later": {"pool": "public", "addresses": ["192.0.2.9", "2001:db8:100::9"]}},
}
NAMESPACE: Data = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "shop", "labels": {"stage": "live"}},
}
NODE: Data = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {
        "name": "node-1",
        "labels": {"rack": "a", "example.net/asn": "64512", "kubernetes.io/os": "linux"},
        "annotations": {"ferrule.dev/addresses": "198.51.100.11, 2001:db8:a::11"},
    },
    "status": {
        "addresses": [
            {"type": "InternalIP", "address": "198.51.100.11"},
            {"type": "InternalIP", "address": "2001:db8:a::11"},
            {"type": "Hostname", "address": "node-1"},
        ],
        "conditions": [{"type": "Ready", "status": "True"}],
    },
}
OLD_PEER: Data = {
    "apiVersion": "metallb.io/v1beta1",
    "kind": "BGPPeer",
    "metadata": {"name": "old"},
    "spec": {
        "myASN": 64512,
        "peerASN": 65009,
        "peerAddress": "203.0.113.9",
        "sourceAddress": "198.51.100.11",
        "peerPort": 1179,
        "holdTime": "90s",
        "keepaliveTime": "30s",
        "routerID": "198.51.100.11",
        "nodeSelectors": [{"matchExpressions": [{"key": "rack", "operator": "Exists"}]}],
        "password": "Hunter2!",
        "bfdProfile": "fast",
        "ebgpMultiHop": True,
    },
}
OUR_PEER: Data = {
    "apiVersion": "ferrule.dev/v1alpha1",
    "kind": "BGPPeer",
    "metadata": {"name": "tor-b"},
    "spec": {
        "myASNFrom": {"nodeLabel": "example.net/asn"},
        "switchSelectors": [{"matchLabels": {"role": "spine"}}],
        "routerID": "198.51.100.11",
        "holdTime": "9s",
    },
}
PEER: Data = {
    "apiVersion": "metallb.io/v1beta2",
    "kind": "BGPPeer",
    "metadata": {"name": "tor-a", "namespace": "metallb-system"},
    "spec": {
        "myASN": 64512,
        "peerASN": 65001,
        "dynamicASN": None,
        "localASN": 64600,
        "peerAddress": "198.51.100.1",
        "interface": None,
        "sourceAddress": "198.51.100.11",
        "peerPort": 179,
        "holdTime": "9s",
        "keepaliveTime": "3s",
        "connectTime": "5s",
        "routerID": "198.51.100.11",
        "nodeSelectors": [{"matchLabels": {"rack": "a"}}],
        "password": None,
        "passwordSecret": {"name": "tor-a", "namespace": "metallb-system"},
        "bfdProfile": "fast",
        "enableGracefulRestart": True,
        "ebgpMultiHop": False,
        "vrf": "red",
        "disableMP": False,
        "dualStackAddressFamily": True,
    },
}
POOL: Data = {
    "apiVersion": "metallb.io/v1beta1",
    "kind": "IPAddressPool",
    "metadata": {"name": "public", "labels": {"zone": "dmz"}},
    "spec": {
        "addresses": ["192.0.2.0/25", "192.0.2.200-192.0.2.207", "2001:db8:100::/64"],
        "autoAssign": True,
        "avoidBuggyIPs": True,
        "serviceAllocation": {
            "priority": 10,
            "namespaces": ["shop"],
            "namespaceSelectors": [{"matchLabels": {"stage": "live"}}],
            "serviceSelectors": [{"matchLabels": {"tier": "web"}}],
        },
    },
}
SECRET: Data = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "tor-a", "namespace": "metallb-system"},
    "type": "kubernetes.io/basic-auth",
    "data": {"username": "cm9vdA=="},
    "stringData": {"password": "Hunter2!"},
}
SERVICE: Data = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {
        "name": "web",
        "namespace": "shop",
        "labels": {"tier": "web"},
        "annotations": {
            "metallb.io/address-pool": "public",
            "metallb.io/loadBalancerIPs": "192.0.2.10, 2001:db8:100::10",
            "ferrule.dev/allow-shared-ip": "shop",
        },
        "creationTimestamp": "2026-01-05T09:00:00Z",
    },
    "spec": {
        "type": "LoadBalancer",
        "clusterIP": "10.96.0.10",
        "clusterIPs": ["10.96.0.10", "fd00:10:96::10"],
        "ipFamilies": ["IPv4", "IPv6"],
        "ipFamilyPolicy": "RequireDualStack",
        "loadBalancerIP": None,
        "loadBalancerClass": None,
        "externalTrafficPolicy": "Local",
        "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": "https"}],
        "selector": {"app": "web"},
    },
    "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.10", "ipMode": "VIP"}]}},
}
SWITCH: Data = {
    "apiVersion": "ferrule.dev/v1alpha1",
    "kind": "Switch",
    "metadata": {"name": "tor-a", "labels": {"role": "leaf"}},
    "spec": {
        "asn": 65001,
        "routerID": "198.51.100.1",
        "addresses": [
            "2001:db8:a::1/64",
            {"address": "198.51.100.1/25", "vrf": "default"},
        ],
        "release": "202511",
        "globals": "check",
        "neighbors": "static",
        "listenRanges": [],
        "nodeSelectors": [{"matchLabels": {"rack": "a"}}],
        "maximumPaths": 64,
        "maximumPrefixes": {"restartMinutes": 5},
        "password": "external",
        "state": "present",
        "management": {
            "host": "tor-a.example.net",
            "port": 22,
            "username": "admin",
            "hostKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5",
            "keyFile": "~/.ssh/id_ed25519",
            "passwordSecret": {"name": "tor-a", "namespace": "metallb-system"},
        },
    },
}

OFFICE: Data = {
    "apiVersion": "metallb.io/v1beta1",
    "kind": "IPAddressPool",
    "metadata": {"name": "office", "labels": {"zone": "office"}},
    "spec": {"addresses": ["198.51.100.100-198.51.100.110"], "autoAssign": False},
}
SPINE: Data = {
    "apiVersion": "ferrule.dev/v1alpha1",
    "kind": "Switch",
    "metadata": {"name": "spine", "labels": {"role": "spine"}},
    "spec": {
        "asn": 65100,
        "routerID": "203.0.113.1",
        "addresses": ["198.51.100.2/25"],
        "neighbors": "dynamic",
        "listenRanges": ["198.51.100.0/25"],
    },
}

OBJECTS: dict[str, Data] = {
    "Access": ACCESS,
    "AddressLock": LOCK,
    "BFDProfile": BFD_PROFILE,
    "BGPAdvertisement": ADVERTISEMENT,
    "BGPPeer v1alpha1": OUR_PEER,
    "BGPPeer v1beta1": OLD_PEER,
    "BGPPeer v1beta2": PEER,
    "Cluster": CLUSTER,
    "Community": COMMUNITY,
    "EndpointSlice": ENDPOINT_SLICE,
    "IPAddressPool": POOL,
    "L2Advertisement": L2_ADVERTISEMENT,
    "Namespace": NAMESPACE,
    "Node": NODE,
    "Secret": SECRET,
    "Service": SERVICE,
    "Switch": SWITCH,
}
EXTRA = (OFFICE, SPINE)


def documents(*objects: Data, file: str = "all.json") -> tuple[Document, ...]:
    """The objects, read from one JSON text."""
    return read("\n".join(json.dumps(one, indent=1) for one in objects), file)
