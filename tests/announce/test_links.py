"""Interfaces as the kernel tells of them, and which are used.

This kernel has neither VLANs nor bonds: their messages are written here as linux/rtnetlink.h has
them, with the attributes that a kernel with them sends.
"""

import struct
from ipaddress import ip_interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrule.announce.links import (
    BROADCAST,
    DEL_ADDRESS,
    DEL_LINK,
    LOOPBACK,
    LOWER_UP,
    NEW_ADDRESS,
    NEW_LINK,
    NO_ARP,
    UP,
    Choice,
    Link,
    Links,
)

MAC = bytes.fromhex("020000000001")
GOOD = UP | LOWER_UP | BROADCAST
AF_BRIDGE, IFLA_LINK, IFLA_MASTER, IFLA_LINKINFO = 7, 5, 10, 18


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def message(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body + bytes(-len(body) % 4)


def link(
    index: int,
    name: str,
    flags: int = GOOD,
    *,
    kind: int = NEW_LINK,
    family: int = 0,
    hardware: int = 1,
    info: bytes = b"",
    **more: int,
) -> bytes:
    body = struct.pack("=BxHiII", family, hardware, index, flags, 0)
    body += attribute(3, name.encode() + b"\0") + attribute(1, MAC)
    body += b"".join(attribute(int(key[1:]), struct.pack("=I", v)) for key, v in more.items())
    if info:
        body += attribute(IFLA_LINKINFO | 0x8000, attribute(1, info + b"\0"))
    return message(kind, body)


def address(index: int, text: str, kind: int = NEW_ADDRESS, flags: int = 0) -> bytes:
    one = ip_interface(text)
    family = 2 if one.version == 4 else 10
    body = struct.pack("=BBBBI", family, one.network.prefixlen, flags & 0xFF, 0, index)
    return message(
        kind, body + attribute(1, one.ip.packed) + attribute(8, struct.pack("=I", flags))
    )


def heard(*data: bytes) -> Links:
    links = Links()
    for one in data:
        links.hear(one)
    return links


def test_an_interface_and_its_addresses() -> None:
    links = heard(link(2, "eth0"), address(2, "192.0.2.1/24"), address(2, "fe80::1/64"))
    (one,) = links.by_index.values()
    assert (one.name, one.mac, one.ready, one.has_link_local) == ("eth0", MAC, True, True)
    links.hear(address(2, "fe80::1/64", DEL_ADDRESS))
    assert not links.by_index[2].has_link_local


def test_an_address_counts_when_it_is_known_to_be_alone() -> None:
    links = heard(link(2, "eth0"), address(2, "fe80::1/64", flags=0x40))
    assert not links.by_index[2].has_link_local
    links.hear(address(2, "fe80::1/64"))
    assert links.by_index[2].has_link_local


def test_a_port_that_leaves_its_bridge_is_no_deleted_link() -> None:
    links = heard(link(2, "eth0", i10=5))
    assert links.by_index[2].master == 5
    links.hear(link(2, "eth0", kind=DEL_LINK, family=AF_BRIDGE))
    assert links.hear(link(2, "eth0")) == {2}
    assert links.by_index[2].master == 0
    links.hear(link(2, "eth0", kind=DEL_LINK))
    assert links.by_index == {}


def test_a_short_fall_leaves_a_trace() -> None:
    links = heard(link(2, "eth0"))
    assert links.hear(link(2, "eth0", UP | BROADCAST) + link(2, "eth0")) == {2}
    assert links.by_index[2].falls == 1
    assert links.hear(link(2, "eth0")) == frozenset()


def test_a_bond_is_used_and_its_ports_are_not() -> None:
    links = heard(
        link(2, "eth0", GOOD | 0x800, i10=4),  # IFF_SLAVE
        link(3, "eth1", GOOD | 0x800, i10=4),
        link(4, "bond0", GOOD | 0x400, info=b"bond"),  # IFF_MASTER
    )
    assert [one.name for one in Choice().usable(links)] == ["bond0"]


def test_a_vlan_is_an_interface_of_its_own() -> None:
    links = heard(link(2, "eth0"), link(3, "eth0.100", info=b"vlan", i5=2))
    assert [one.name for one in Choice().usable(links)] == ["eth0", "eth0.100"]
    assert links.by_index[3].kind == "vlan"


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (Link(2, "eth0", MAC, GOOD), None),
        (Link(2, "br0", MAC, GOOD, kind="bridge"), None),
        (Link(2, "br-lan", MAC, GOOD, kind="bridge"), None),
        (Link(2, "eth0", MAC, GOOD & ~UP), "down"),
        (Link(2, "eth0", MAC, GOOD & ~LOWER_UP), "without carrier"),
        (Link(2, "eth0", MAC, GOOD | NO_ARP), "without ARP"),
        (Link(2, "wg0", b"", GOOD, 65534), "not Ethernet"),
        (Link(1, "lo", bytes(6), GOOD | LOOPBACK, 772), "a loopback interface"),
        (Link(2, "eth0", MAC, GOOD, master=3), "part of another interface"),
        (Link(2, "foo", MAC, GOOD, kind="veth"), "a veth interface"),
        (Link(2, "vx", MAC, GOOD, kind="vxlan"), "a vxlan interface"),
        (Link(2, "docker0", MAC, GOOD, kind="bridge"), "excluded by its name"),
        (Link(2, "cali12", MAC, GOOD), "excluded by its name"),
        (Link(2, "br-0123456789ab", MAC, GOOD, kind="bridge"), "excluded by its name"),
    ],
)
def test_what_is_not_used_and_why(one: Link, why: str | None) -> None:
    assert Choice().unfit(one) == why


def test_an_explicit_list_overrides_names_and_kinds_and_nothing_else() -> None:
    veth = Link(2, "veth0", MAC, GOOD, kind="veth")
    port = Link(3, "eth1", MAC, GOOD, master=9)
    other = Link(4, "eth2", MAC, GOOD)
    for choice, named in ((Choice(only=("veth0", "eth1")), ()), (Choice(), ("veth0", "eth1"))):
        assert choice.unfit(veth, named) is None
        assert choice.unfit(port, named) == "part of another interface"
        assert choice.unfit(other, named) == "not in the list of interfaces"


def test_other_names_can_be_excluded() -> None:
    choice = Choice(unfit_names=("^storage",))
    assert choice.unfit(Link(2, "storage0", MAC, GOOD)) == "excluded by its name"
    assert choice.unfit(Link(2, "cali12", MAC, GOOD)) is None


whole = st.sampled_from(
    [link(2, "eth0"), link(2, "eth0", UP), link(3, "bond0", info=b"bond", i10=4),
     address(2, "192.0.2.1/24"), address(3, "fe80::1/64"), link(2, "eth0", kind=DEL_LINK)]
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    data = bytearray(b"".join(draw(st.lists(whole, max_size=4))))
    for _ in range(draw(st.integers(0, 5))):
        if data:
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))]) + draw(st.binary(max_size=40))


@given(st.lists(damaged(), max_size=5))
def test_whatever_comes_does_no_harm(data: list[bytes]) -> None:
    links = heard(*data)
    assert all(index == one.index for index, one in links.by_index.items())


def test_what_may_be_named_are_not_the_interfaces_of_every_pod() -> None:
    """The list goes into a Lease: pods come and go."""
    pods = [link(index, f"cali{index}", info=b"veth") for index in range(10, 15)]
    links = heard(link(2, "eth0"), link(3, "eth1", info=b"veth"), link(4, "eth2", UP), *pods)
    choice = Choice()
    assert choice.nameable(links, ()) == ["eth0", "eth1"]
    assert choice.nameable(links, ("cali12", "eth2")) == ["eth0", "eth1", "cali12"]
    assert Choice(only=("cali11",)).nameable(links, ()) == ["eth0", "eth1", "cali11"]
