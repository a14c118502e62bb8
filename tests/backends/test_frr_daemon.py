"""What we render, asked of FRR itself: taken without a word, printed back, and meant that way."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from backends.frr_networks import (
    ADVERTISEMENTS,
    FAST,
    PUBLIC4,
    RICH,
    advertise,
    end,
    network,
    node,
    prefix_set,
    route_class,
    session,
    term,
)
from daemon.flavour import Flavour, wait_for
from daemon.lab import Device, Lab
from daemon.need import refuse, require_flavours

from ferrule.compiler.backends.frr import lower, render
from ferrule.compiler.backends.frr.shared import WELL_KNOWN
from ferrule.compiler.network import BfdProfile, Network, Session, Timers

pytestmark = pytest.mark.daemon

LINKS = {"rack": ["10.1.0.10/24", "2001:db8:a::10/64"]}

# What FRR says to a line that it takes; neither can be had without the words.
GRACEFUL_RESTART = "Graceful restart configuration changed, reset this peer to take effect"
ECHO = "% Echo mode works correctly for IPv4, but only works when the peer is also FRR for IPv6."

# How 8.4 prints back what 10.3 prints as we write it.
SPELLING_8 = re.compile(r"( neighbor \S+ ebgp-multihop)$")


@pytest.fixture(scope="module", params=["8", "10"])
def flavour(request: pytest.FixtureRequest) -> Flavour:
    flavours = require_flavours()
    if request.param not in flavours:
        refuse(f"no FRR {request.param} installed")
    return flavours[request.param]


@pytest.fixture
def lab(flavour: Flavour) -> Iterator[Lab]:
    with Lab({flavour.major: flavour}) as lab:
        yield lab


def long_names() -> Network:
    """Every name cut to 63 characters: too long where FRR counts differently."""
    name = "a" * 63 + ".example"
    pool = prefix_set(name, 32, "192.0.2.0/24")
    one = route_class(pool, term(communities="65000:1"))
    device = node(
        session(name, end("10.1.0.1", bfd=replace(FAST, name=name))),
        classes=(one,),
        advertisements=(advertise("192.0.2.1/32", one),),
    )
    return network(device, cluster="c" * 20, sets=[pool])


def well_known() -> Network:
    one = route_class(PUBLIC4, term(communities=" ".join([*WELL_KNOWN, "0:1", "65535:9"])))
    by_number = replace(one, terms=(replace(one.terms[0], peers=()),))
    device = node(
        session("tor-a", end("10.1.0.1")),
        classes=(by_number,),
        advertisements=(advertise("192.0.2.1/32", by_number),),
    )
    return network(device)


def bfd(**fields: Any) -> Network:
    plain = dict.fromkeys(
        (
            "receive_interval_ms",
            "transmit_interval_ms",
            "echo_interval_ms",
            "detect_multiplier",
            "minimum_ttl",
        )
    )
    flags = {"echo_mode": False, "passive_mode": False}
    profile = BfdProfile(**{**plain, **flags, **fields}, name="fast", origin=FAST.origin)
    return network(node(session("tor-a", end("10.1.0.1", bfd=profile))))


def crowd() -> Network:
    """Names whose order is not the order of their parts, and neighbors of every kind."""
    pools = [
        prefix_set(name, 32, "192.0.2.0/24") for name in ("a", "a-b", "a.b", "a0", "b10", "b9")
    ]
    classes = tuple(
        route_class(pool, term(communities=f"65000:{n}")) for pool in pools for n in (1, 2)
    )
    sessions = (
        session("a-b", end("10.1.0.2")),
        session("a.b", end("10.1.0.11", remote_as="internal")),
        session("a0", end("10.1.0.9", vrf="red", bfd=replace(FAST, name="z"))),
        session("a", end("2001:db8:a::9", vrf="blue", bfd=FAST)),
        session("b10", end("fe80::1", bfd=replace(FAST, name="z"))),
        session("b9", end("2001:db8:a::2", local_asn=4200000000, families=("ipv4", "ipv6"))),
        session("b9", end("eth10", timers=Timers(1, 3, 65535))),
    )
    table = tuple(advertise(f"192.0.2.{n}/32", one) for n, one in enumerate(classes))
    return network(node(*sessions, classes=classes, advertisements=table), sets=pools)


NETWORKS = {
    "everything a node can say": network(RICH),
    "nothing to originate": network(node(session("tor-a", end("10.1.0.1")), advertisements=())),
    "no classes at all": network(
        node(session("tor-a", end("10.1.0.1")), classes=(), advertisements=())
    ),
    "IPv6 alone": network(node(session("tor-a", end("2001:db8:a::1", bfd=FAST)))),
    "names of the greatest length": long_names(),
    "communities with names of their own": well_known(),
    "BFD with FRR's own values": bfd(
        receive_interval_ms=300,
        transmit_interval_ms=300,
        echo_interval_ms=50,
        detect_multiplier=3,
        minimum_ttl=254,
    ),
    "BFD with values at their ends": bfd(
        receive_interval_ms=10,
        transmit_interval_ms=60000,
        echo_interval_ms=10,
        detect_multiplier=255,
        minimum_ttl=1,
        passive_mode=True,
    ),
    "BFD with echo": bfd(echo_mode=True, echo_interval_ms=60),
    "a crowd": crowd(),
}


def text_of(whole: Network) -> str:
    return render(lower(whole.nodes[0], whole), with_secrets=True)


@pytest.mark.parametrize("whole", [*NETWORKS.values()], ids=[*NETWORKS])
def test_frr_takes_it_silently_and_prints_it_back(
    lab: Lab, flavour: Flavour, whole: Network
) -> None:
    text = text_of(whole)
    device = lab.device("node", flavour.major, LINKS)
    answer = device.frr.load(text)
    assert answer.code == 0
    assert {*answer.lines} <= {GRACEFUL_RESTART} | ({ECHO} if " echo-mode" in text else set())

    running = device.frr.running_config().splitlines()
    if flavour.major == "8":
        ours = [SPELLING_8.sub(r"\1 255", line) for line in text.splitlines()]
        assert sorted({*ours} - {*running}) == []
        return
    body = running[running.index("!") + 1 : running.index("end")]
    assert body == text.splitlines()


# Behaviour: one node, and far ends that take whatever they are sent.

FAR = {"tor-a": 65000, "tor-b": 65002, "reflector": 65001}


def sessions() -> tuple[Session, ...]:
    timers = Timers(connect_s=1)
    return tuple(
        session(peer, end(address.format(n), remote_as=asn, timers=timers))
        for n, (peer, asn) in enumerate(FAR.items(), 1)
        for address in ("10.1.0.{}", "2001:db8:a::{}")
    )


def far_end(lab: Lab, flavour: Flavour, number: int, asn: int) -> Device:
    config = f"""\
router bgp {asn}
 bgp router-id 10.1.0.{number}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 no bgp network import-check
 neighbor 10.1.0.10 remote-as 65001
 neighbor 10.1.0.10 timers connect 1
 neighbor 2001:db8:a::10 remote-as 65001
 neighbor 2001:db8:a::10 timers connect 1
 address-family ipv4 unicast
  network 10.255.0.{number}/32
  neighbor 10.1.0.10 activate
 exit-address-family
 address-family ipv6 unicast
  neighbor 2001:db8:a::10 activate
 exit-address-family
exit
"""
    links = {"rack": [f"10.1.0.{number}/24", f"2001:db8:a::{number}/64"]}
    return lab.device(f"far{number}", flavour.major, links, config)


Heard = dict[str, tuple[str, str, int | None]]


def heard(device: Device) -> Heard:
    """What a far end holds: prefix to communities, large communities, local preference."""
    found: Heard = {}
    for family in ("ipv4", "ipv6"):
        known = device.frr.show_json(f"show bgp {family} unicast")["routes"]
        for prefix in known:
            shown = device.frr.show_json(f"show bgp {family} unicast {prefix}")
            for path in shown["paths"]:
                if not path.get("sourced"):
                    found[prefix] = (
                        path.get("community", {}).get("string", ""),
                        path.get("largeCommunity", {}).get("string", ""),
                        path.get("locPrf"),
                    )
    return found


def expected(peer: str) -> Heard:
    """The same, by what the classes say of a peer; eBGP carries no local preference."""
    internal = FAR[peer] == 65001
    default = 100 if internal else None
    return {
        str(one.prefix): (
            " ".join(WELL_KNOWN.get(c, c) for c in said.communities),
            " ".join(said.large),
            (said.local_pref or default) if internal else None,
        )
        for one in ADVERTISEMENTS
        if (said := one.route_class.attributes(peer)) is not None
    }


def test_each_peer_hears_what_it_may_and_nobody_is_heard(lab: Lab, flavour: Flavour) -> None:
    device = node(*sessions())
    here = lab.device("node", flavour.major, LINKS, text_of(network(device)))
    far = {peer: far_end(lab, flavour, n, asn) for n, (peer, asn) in enumerate(FAR.items(), 1)}
    # By tag alone this would pass: a stranger's prefix that goes through one of our class maps.
    stranger = re.findall(r"  network 192\.0\.2\.9/32 route-map (\S+)", text_of(network(device)))
    assert here.frr.vtysh(
        "configure terminal",
        "router bgp 65001",
        "address-family ipv4 unicast",
        f"network 198.18.0.1/32 route-map {stranger[0]}",
    ).ok
    for other in far.values():
        other.wait_established("10.1.0.10", "2001:db8:a::10")
    for peer, other in far.items():
        wait_for(lambda o=other, p=peer: heard(o) == expected(p), 60, f"{peer} hears its routes")  # type: ignore[misc]
    taken = here.frr.show_json("show bgp ipv4 unicast")["routes"]
    assert not [prefix for prefix in taken if prefix.startswith("10.255.")]


def test_the_expectation_itself_differs_by_peer() -> None:
    a, b, reflector = map(expected, FAR)
    assert a.keys() - b.keys() == {"192.0.2.10/32", "2001:db8:1::10/128"}
    assert a["192.0.2.100/32"] == ("65000:2 65000:11", "", None)
    assert b["192.0.2.100/32"] == ("65000:11", "", None)
    assert reflector["2001:db8:1::9/128"] == ("65000:1", "65000:1:2", 200)


def test_loading_twice_changes_nothing(lab: Lab, flavour: Flavour) -> None:
    text = text_of(network(node(*sessions())))
    here = lab.device("node", flavour.major, LINKS, text)
    before = here.frr.running_config()
    assert here.frr.load(text).ok
    assert here.frr.running_config() == before
