"""Beyond and behind a fabric: a client on the far side of a switch, and the networks of Pods.

Of a node's Pods every one is a network namespace on the node's bridge, with an address of each
family; another node's are routed to it, as simple CNI plugins do it. No interface is on the host.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_interface

from fabric.fabric import Fabric

from daemon.flavour import execute

BRIDGE, BEYOND = "pods", "beyond"
POD_NETS = ("10.244.0.0/16", "fd00:10:244::/48")
GATEWAYS = ("203.0.113.129/25", "2001:db8:c::1/64")  # of the client, on the switch
CLIENT = ("203.0.113.130/25", "2001:db8:c::2/64")

_HOST = """
for each in all default; do echo 0 >/proc/sys/net/ipv6/conf/$each/accept_dad; done
ip link set lo up
"""
_NODE = """
echo 0 >/proc/sys/net/ipv4/conf/all/send_redirects
echo 0 >/proc/sys/net/ipv4/conf/eth0/send_redirects
"""
# The ports count, as on a switch; else one client is always one node's.
_SWITCH = """
echo 1 >/proc/sys/net/ipv4/fib_multipath_hash_policy
echo 1 >/proc/sys/net/ipv6/fib_multipath_hash_policy
"""


@dataclass(frozen=True)
class PodNet:
    """The Pods' network on one node; `number` is in their addresses."""

    node: str  # its namespace
    number: int

    def addresses(self, host: int) -> tuple[str, str]:
        """Of the Pod with that number, with their lengths; 1 is the node itself."""
        return f"10.244.{self.number}.{host}/24", f"fd00:10:244:{self.number}::{host:x}/64"

    def make(self) -> None:
        """The bridge; its address must not change with its ports, for Pods remember it."""
        mac = f"02:00:0a:f4:{self.number:02x}:01"
        ip("-n", self.node, "link", "add", BRIDGE, "address", mac, "type", "bridge")
        ip("-n", self.node, "link", "set", BRIDGE, "up")
        for one in self.addresses(1):
            ip("-n", self.node, "address", "add", one, "dev", BRIDGE)

    def plug(self, pod: str, host: int) -> None:
        """A new namespace `pod` on it."""
        ip("netns", "add", pod)
        inside(pod, _HOST)
        port = f"pod{host}"
        ip(
            "-n",
            self.node,
            "link",
            "add",
            port,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            pod,
        )
        ip("-n", self.node, "link", "set", port, "master", BRIDGE, "up")
        connect(pod, "eth0", self.addresses(host))
        for one in self.addresses(1):
            ip("-n", pod, "route", "add", "default", "via", bare(one))


def lay(fabric: Fabric, switch: str) -> tuple[str, Mapping[str, PodNet]]:
    """Cable a client beyond a switch, and give every node its Pods' network.

    Returned are the client's namespace and the networks by node.
    """
    tor = fabric.lab.devices[switch].frr.name
    client, _ = fabric.lab.host("client", {})
    ip("-n", client, "link", "add", "eth0", "type", "veth", "peer", "name", BEYOND, "netns", tor)
    connect(client, "eth0", CLIENT)
    connect(tor, BEYOND, GATEWAYS)
    inside(tor, _SWITCH)
    for one in GATEWAYS:
        ip("-n", client, "route", "add", "default", "via", bare(one))
    nets = {
        name: PodNet(fabric.lab.devices[name].frr.name, number)
        for number, name in enumerate(fabric.nodes, start=1)
    }
    for name, net in nets.items():
        net.make()
        inside(net.node, _NODE)
        for gateway in fabric.compilation.inputs.spec.switches[0].spec.addresses:
            ip("-n", net.node, "route", "add", "default", "via", str(gateway.ip))
        for other, theirs in nets.items():
            for address, block in zip(_internal(fabric, other), theirs.addresses(0), strict=True):
                if other != name:
                    ip("-n", net.node, "route", "add", block, "via", address)
    return client, nets


def _internal(fabric: Fabric, node: str) -> Iterator[str]:
    """A node's addresses, of IPv4 first."""
    (found,) = (one for one in fabric.compilation.inputs.nodes if one.name == node)
    yield from map(str, sorted(found.internal, key=lambda one: one.version))


def connect(namespace: str, interface: str, addresses: tuple[str, ...]) -> None:
    """Give an interface its addresses, and put it up."""
    ip("-n", namespace, "link", "set", interface, "up")
    for one in addresses:
        ip("-n", namespace, "address", "add", one, "dev", interface)


def bare(address: str) -> str:
    """An address without its length."""
    return str(ip_interface(address).ip)


def inside(namespace: str, script: str) -> None:
    """Run a script of the shell in a namespace."""
    ip("netns", "exec", namespace, "sh", "-e", "-c", script)


def ip(*words: str) -> str:
    """What iproute2 says; it must not fail."""
    done = execute(["ip", *words])
    if done.returncode:
        raise OSError(f"ip {' '.join(words)}: {done.stdout.strip()}")
    return done.stdout
