"""A small network of FRR routers: namespaces, one bridge per segment, and an end to all of it.

Every device is a network namespace `fer-<random>-<device>`; one more, `fer-<random>`, holds a
bridge per segment. Cables are made across the namespaces at once, so nothing appears on the host
and labs in parallel processes do not meet. Leaving the `with` block ends the processes it
started by pid and deletes its namespaces by name, and with them every interface.
"""

import secrets
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType

from daemon.flavour import Flavour, execute, wait_for
from daemon.router import Router

SESSION_S = 90.0  # FRR waits some seconds of it; the rest is for a machine that is busy

# Duplicate address detection would hold every IPv6 address back for a second or two.
_KERNEL = """
for each in all default; do echo 0 >/proc/sys/net/ipv6/conf/$each/accept_dad; done
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
echo 1 >/proc/sys/net/ipv4/ip_forward
"""


@dataclass(frozen=True)
class Device:
    """A router and the bridge port that each of its segments is plugged into."""

    name: str
    frr: Router
    ports: Mapping[str, str]
    bridges: str  # the namespace of the ports

    def plug(self, segment: str, *, in_: bool) -> None:
        """Plug a cable in or pull it on the far side; the device's interface loses carrier."""
        _ip("-n", self.bridges, "link", "set", self.ports[segment], "up" if in_ else "down")

    def established(self, *neighbors: str) -> bool:
        """Whether the sessions with all these neighbors are up, in the default instance."""
        known = self.frr.show_json("show bgp neighbors")
        return all(known.get(name, {}).get("bgpState") == "Established" for name in neighbors)

    def wait_established(self, *neighbors: str, seconds: float = SESSION_S) -> None:
        what = f"{self.name}: Established with {', '.join(neighbors)}"
        wait_for(lambda: self.established(*neighbors), seconds, what)

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the host in the device's network."""
        return execute(["ip", "netns", "exec", self.frr.name, *argv])


class Lab:
    """The devices of one test; use it in a `with` block."""

    def __init__(self, flavours: Mapping[str, Flavour]) -> None:
        self.name = f"fer-{secrets.token_hex(3)}"
        self.devices: dict[str, Device] = {}
        self._flavours = flavours
        self._bridges: dict[str, str] = {}
        self._cables = 0
        self._stack = ExitStack()

    def __enter__(self) -> "Lab":
        try:
            self._add_namespace(self.name)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def device(
        self, name: str, flavour: str, links: Mapping[str, Sequence[str]], config: str = ""
    ) -> Device:
        """Boot a router with `config`; `links` is segment name to addresses with prefix length.

        Interfaces are eth0, eth1… in the order of `links`; a segment exists from its first
        mention on. Raises `RuntimeError` when FRR does not take all of `config` silently.
        """
        namespace, ports = self.host(name, links)
        router = Router(namespace, self._flavours[flavour])
        self._stack.enter_context(router.running())
        if config and not (answer := router.load(config)).ok:
            raise RuntimeError(f"{name}: exit code {answer.code}: " + "\n".join(answer.lines))
        self.devices[name] = Device(name, router, ports, self.name)
        return self.devices[name]

    def host(self, name: str, links: Mapping[str, Sequence[str]]) -> tuple[str, dict[str, str]]:
        """A namespace on these segments, nothing in it: its name, and its bridge ports."""
        namespace = f"{self.name}-{name}"
        self._add_namespace(namespace)
        ports = {
            segment: self._connect(namespace, f"eth{index}", segment, addresses)
            for index, (segment, addresses) in enumerate(links.items())
        }
        return namespace, ports

    def _add_namespace(self, namespace: str) -> None:
        _ip("netns", "add", namespace)
        self._stack.callback(_ip, "netns", "del", namespace)
        _ip("netns", "exec", namespace, "sh", "-e", "-c", _KERNEL)
        _ip("-n", namespace, "link", "set", "lo", "up")

    def _connect(
        self, namespace: str, interface: str, segment: str, addresses: Sequence[str]
    ) -> str:
        port = f"port{self._cables}"
        self._cables += 1
        peer = ("peer", "name", interface, "netns", namespace)
        _ip("-n", self.name, "link", "add", port, "type", "veth", *peer)
        _ip("-n", self.name, "link", "set", port, "master", self._bridge(segment), "up")
        for address in addresses:
            _ip("-n", namespace, "address", "add", address, "dev", interface)
        _ip("-n", namespace, "link", "set", interface, "up")
        return port

    def _bridge(self, segment: str) -> str:
        if segment not in self._bridges:
            self._bridges[segment] = bridge = f"bridge{len(self._bridges)}"
            _ip("-n", self.name, "link", "add", bridge, "type", "bridge")
            _ip("-n", self.name, "link", "set", bridge, "up")
        return self._bridges[segment]


def _ip(*words: str) -> None:
    done = execute(["ip", *words])
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stdout.strip()}")
