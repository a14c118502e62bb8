"""The kernel's own messages about interfaces of a namespace."""

import time
from collections.abc import Iterator
from ipaddress import ip_interface

import pytest

from daemon.flavour import execute
from daemon.l2 import inside, ip, mac_of, require_segment
from daemon.lab import Lab
from ferrule.announce.links import Link
from ferrule.announce.netlink import Monitor, dump


@pytest.fixture
def node() -> Iterator[str]:
    require_segment()
    with Lab({}) as lab:
        yield lab.host("node", {"lan": ["192.0.2.1/24", "2001:db8::1/64"]})[0]


@pytest.fixture
def monitor(node: str) -> Iterator[Monitor]:
    with inside(node):
        one = Monitor()
    yield one
    one.close()


def named(monitor: Monitor, name: str) -> Link | None:
    return next((one for one in monitor.links.by_index.values() if one.name == name), None)


def within(monitor: Monitor, node: str, name: str, **expected: object) -> Link:
    """The interface once it is as expected: events take milliseconds."""
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        with inside(node):
            monitor.hear()
        link = named(monitor, name)
        if link and all(getattr(link, key) == value for key, value in expected.items()):
            return link
    raise AssertionError(f"{name} is {named(monitor, name)}, not {expected}")


def test_a_dump_is_what_ip_shows(node: str, monitor: Monitor) -> None:
    link = named(monitor, "eth0")
    assert link is not None
    assert (link.mac, link.kind, link.ready) == (mac_of(node), "veth", True)
    assert {ip_interface("192.0.2.1/24"), ip_interface("2001:db8::1/64")} <= link.addresses
    with inside(node):
        assert dump().by_index.keys() == monitor.links.by_index.keys()


def test_events_follow_all_that_is_done_to_an_interface(node: str, monitor: Monitor) -> None:
    ip(node, "link", "set", "eth0", "address", "02:00:00:00:0b:0b")
    within(monitor, node, "eth0", mac=bytes.fromhex("020000000b0b"))
    ip(node, "link", "add", "br0", "type", "bridge")
    bridge = within(monitor, node, "br0", kind="bridge", ready=False)
    ip(node, "link", "set", "eth0", "master", "br0")
    within(monitor, node, "eth0", master=bridge.index, kind="veth")
    ip(node, "link", "set", "br0", "up")
    within(monitor, node, "br0", ready=True, mac=bytes.fromhex("020000000b0b"))
    ip(node, "link", "set", "eth0", "nomaster")
    within(monitor, node, "eth0", master=0, ready=True)
    ip(node, "link", "set", "eth0", "down")
    within(monitor, node, "eth0", ready=False, falls=1)
    ip(node, "link", "set", "eth0", "name", "lan0")
    ip(node, "link", "set", "lan0", "up")
    within(monitor, node, "lan0", ready=True)
    ip(node, "address", "add", "198.51.100.1/24", "dev", "lan0")
    link = within(monitor, node, "lan0")
    while ip_interface("198.51.100.1/24") not in link.addresses:
        link = within(monitor, node, "lan0")
    ip(node, "link", "delete", "lan0")
    deadline = time.monotonic() + 2
    while named(monitor, "lan0") and time.monotonic() < deadline:
        monitor.hear()
    assert named(monitor, "lan0") is None


def test_more_events_than_fit_are_made_good(node: str, monitor: Monitor) -> None:
    """Unread, 212 KB of events are a few hundred; the last word is the kernel's all the same."""
    batch = (
        "\n".join(f"link set eth0 {state}" for _ in range(600) for state in ("down", "up"))
        + "\nlink set eth0 mtu 1400\nlink set eth0 address 02:00:00:00:0b:0b\n"
    )
    done = execute(["sh", "-c", f"printf '%s' '{batch}' | ip -n {node} -batch -"])
    assert done.returncode == 0, done.stdout
    assert within(monitor, node, "eth0", mac=bytes.fromhex("020000000b0b"), ready=True).falls
