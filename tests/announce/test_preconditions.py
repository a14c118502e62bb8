"""What stands in the way is found, and said so that one knows what to do."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface

import pytest

from ferrule.announce.election import Entry, Group, Holdings
from ferrule.announce.links import BROADCAST, LOOPBACK, LOWER_UP, NO_ARP, UP, Choice, Link
from ferrule.announce.peers import View
from ferrule.announce.preconditions import Finding, Subnets, found

VIP, SIX = IPv4Address("192.0.2.10"), IPv6Address("2001:db8::10")
GOOD = UP | LOWER_UP | BROADCAST
STRICT_ARP = {"arp_ignore": 1, "arp_announce": 2}


def link(index: int, name: str, *addresses: str, flags: int = GOOD, kind: str = "") -> Link:
    each = frozenset(ip_interface(one) for one in addresses)
    return Link(index, name, index.to_bytes(6), flags, kind=kind, addresses=each)


LAN = link(2, "eth0", "192.0.2.1/24", "fe80::1/64")
LO = replace(link(1, "lo", "127.0.0.1/8", flags=UP | LOWER_UP | LOOPBACK), hardware=772)
IPVS = link(9, "kube-ipvs0", "192.0.2.10/32", flags=BROADCAST | NO_ARP, kind="dummy")


def holdings(*entries: Entry) -> Holdings:
    return equipped({"eth0"}, *entries)


def equipped(offered: set[str], *entries: Entry) -> Holdings:
    one = Holdings("node-1")
    one.equip(frozenset(offered))
    one.learn(entries or [entry(VIP)])
    one.decide(View(frozenset({"node-1"}), frozenset(), may_take=True), 0.0)
    return one


def entry(address: IPv4Address | IPv6Address, *interfaces: str) -> Entry:
    return Entry(address, address, Group({"node-1": 0}), frozenset(interfaces))


def look(
    *links: Link,
    held: Holdings | None = None,
    sysctls: Mapping[str, int] | None = None,
    outside: tuple[bytes, ...] = (),
) -> list[Finding]:
    def sysctl(interface: str, name: str) -> int:
        return (sysctls or {}).get(f"{interface}.{name}", (sysctls or {}).get(name, 0))

    return list(found(held or holdings(), links, Choice(), outside, sysctl))


def codes(findings: list[Finding]) -> list[tuple[str, str, str]]:
    return [(one.code, one.interface, one.address) for one in findings]


def test_a_node_in_order_has_no_findings() -> None:
    assert look(LO, LAN) == []
    assert look(LO, LAN, IPVS, sysctls=STRICT_ARP) == []


@pytest.mark.parametrize(
    ("sysctls", "said"),
    [
        pytest.param({}, "arp_ignore is 0 and arp_announce 0", id="as the kernel begins"),
        pytest.param({"arp_ignore": 1}, "arp_ignore is 1 and arp_announce 0", id="leaks as sender"),
        pytest.param({"arp_announce": 2}, "arp_ignore is 0", id="answers"),
        pytest.param({"arp_ignore": 3, "arp_announce": 2}, "arp_ignore is 3", id="3 answers"),
        pytest.param({"all.arp_ignore": 1, "eth0.arp_announce": 2}, "", id="the greater counts"),
        pytest.param({"arp_ignore": 8, "arp_announce": 2}, "", id="8 answers nobody"),
    ],
)
@pytest.mark.parametrize("where", [IPVS, link(1, "lo", "192.0.2.10/32", flags=UP | LOOPBACK)])
def test_an_address_that_is_the_kernel_s_too(
    where: Link, sysctls: dict[str, int], said: str
) -> None:
    findings = look(where, LAN, sysctls=sysctls)
    assert codes(findings) == ([("strict-arp", "eth0", str(VIP))] if said else [])
    assert said in "".join(one.text for one in findings)
    assert look(where, LAN, held=holdings(entry(SIX)), sysctls=sysctls) == []


def test_an_address_on_the_interface_itself_is_answered_for_in_any_case() -> None:
    (finding,) = look(link(2, "eth0", "192.0.2.10/24", "fe80::1/64"), sysctls=STRICT_ARP)
    assert finding == Finding(
        "strict-arp",
        "192.0.2.10 is configured on eth0: the kernel answers for it whoever owns it",
        "eth0",
        "192.0.2.10",
    )


def test_a_strict_reverse_path_matters_with_two_interfaces() -> None:
    other = link(3, "eth1", "198.51.100.1/24")
    strict = {"all.rp_filter": 0, "eth1.rp_filter": 1, "eth0.rp_filter": 2}
    assert look(LAN, sysctls={"rp_filter": 1}) == []
    assert codes(look(LAN, other, sysctls=strict)) == [("rp-filter", "eth1", "")]
    assert codes(look(LAN, other, sysctls={"all.rp_filter": 2, "eth1.rp_filter": 1})) == []


def test_nothing_to_announce_on() -> None:
    (finding,) = look(LO, replace(LAN, flags=UP | BROADCAST), link(4, "veth1", kind="veth"))
    assert finding == Finding(
        "no-interface",
        "no interface to announce on (eth0: without carrier; veth1: a veth interface)",
    )
    assert "only lo" in look(LO)[0].text


def test_interfaces_that_are_named_and_not_there() -> None:
    far = ip_address("198.51.100.7")
    held = holdings(entry(VIP, "eth7", "eth8"), entry(far, "eth7", "eth8"), entry(SIX, "eth0"))
    (finding,) = look(LAN, held=held)
    assert finding == Finding(
        "named-interfaces-missing",
        "192.0.2.10 and 1 more are to be announced on eth7, eth8, and none of these is usable here",
        address="192.0.2.10",
    )


@pytest.mark.parametrize("names", [(), ("eth0",)])
def test_ipv6_without_ipv6(names: tuple[str, ...]) -> None:
    held = equipped({"eth0", "eth0/6", "/6"}, entry(SIX, *names), entry(VIP, *names))
    (finding,) = look(link(2, "eth0", "192.0.2.1/24"), held=held)
    assert finding == Finding(
        "no-link-local",
        "2001:db8::10 is to be announced, and there is no IPv6 on eth0",
        address=str(SIX),
    )
    assert held.mine == {VIP}


def test_an_interface_that_is_excluded_and_named_is_one_to_announce_on() -> None:
    uplink = replace(LAN, kind="veth")
    excluded = {"eth0", "/4", "/6"}
    assert look(uplink, held=equipped(excluded, entry(VIP, "eth0"), entry(SIX, "eth0"))) == []
    held = equipped(excluded, entry(VIP, "eth0"), entry(SIX))
    assert codes(look(uplink, held=held)) == [("no-interface", "", "")]


@dataclass
class Port:
    link: Link
    owned: tuple[bytes, ...]


def test_addresses_in_no_subnet_are_followed_as_they_come_and_go() -> None:
    far = IPv4Address("203.0.113.5").packed
    ports = {2: Port(LAN, (VIP.packed, far, SIX.packed))}
    subnets = Subnets()
    subnets.look(ports)
    assert subnets.outside == {far, SIX.packed}
    ports[2].owned = (VIP.packed, far)
    subnets.change([SIX.packed], ports)
    assert subnets.outside == {far}
    (finding,) = look(LAN, outside=tuple(subnets.outside))
    assert finding.address == "203.0.113.5"
    ports[2].link = link(2, "eth0", "203.0.113.1/24")
    subnets.look(ports)
    assert subnets.outside == {VIP.packed}
    subnets.look({})
    assert subnets.outside == set()
