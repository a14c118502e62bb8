"""What neighbors hear, worked out of a running configuration: as intended, and as it was broken."""

import time
from dataclasses import replace
from ipaddress import ip_network

import pytest
from backends.frr_networks import RICH, network
from backends.frr_strategies import models
from hypothesis import given
from hypothesis import strategies as st
from short import compiled
from strategies import Data, networks

from ferrule.compiler.backends import frr
from ferrule.compiler.backends.frr.model import Model
from ferrule.compiler.backends.frr.shared import Shared
from ferrule.compiler.network import Attributes, Network, Node, Session, family_of


def meant(node: Node, session: Session) -> dict[str, Attributes]:
    """By the classes; in its own AS a node makes no path longer."""
    end = session.node_end
    return {
        str(one.prefix): replace(said, prepend=0) if end.internal else said
        for one in node.advertisements
        if family_of(one.prefix) in end.families
        and (said := one.route_class.attributes(session.peer)) is not None
    }


def check(whole: Network) -> None:
    shared = Shared(whole)
    for node in whole.nodes:
        heard = frr.told(frr.intend(frr.lower(node, whole, shared), whole.cluster))
        assert heard == {
            (one.node_end.vrf, str(one.node_end.neighbor or one.node_end.interface)): meant(
                node, one
            )
            for one in node.sessions
        }


@given(networks())
def test_neighbors_are_told_what_the_network_says(documents: list[Data]) -> None:
    check(compiled(documents).network)


def test_neighbors_of_every_kind_are_told_what_the_network_says() -> None:
    check(network(RICH))


# What somebody did by hand.

PUBLIC = "ip prefix-list ferrule-prod_public_ipv4_32"
CONFIG = f"""\
frr version 10.3
frr defaults traditional
{PUBLIC} seq 5 permit 192.0.2.0/24 ge 32 le 32
ipv6 prefix-list ferrule-prod_public_ipv6_128 seq 5 permit 2001:db8::/64 ge 128
route-map ferrule-prod_in deny 10
exit
route-map ferrule-prod_class permit 10
 set tag 4000000007
exit
route-map ferrule-prod_other permit 10
 set tag 4000000008
exit
route-map ferrule-prod_out permit 20
 match ip address prefix-list ferrule-prod_public_ipv4_32
 match tag 4000000007
 set community 65000:2 no-export 65000:1
exit
route-map ferrule-prod_out permit 30
 match ip address prefix-list ferrule-prod_public_ipv4_32
 match tag 4000000008
 set as-path prepend 65001 65001
 set large-community 65000:1:10 65000:1:2
 set local-preference 200
exit
route-map ferrule-prod_out deny 65535
exit
route-map ferrule-prod_out6 permit 20
 match ipv6 address prefix-list ferrule-prod_public_ipv6_128
exit
router bgp 65001
 no bgp default ipv4-unicast
 no bgp network import-check
 neighbor 10.1.0.1 remote-as 65000
 neighbor 10.1.0.1 description tor-a
 !
 address-family ipv4 unicast
  network 192.0.2.1/32 route-map ferrule-prod_class
  network 192.0.2.2/32 route-map ferrule-prod_class
  network 192.0.2.200/32 route-map ferrule-prod_other
  neighbor 10.1.0.1 activate
  neighbor 10.1.0.1 route-map ferrule-prod_in in
  neighbor 10.1.0.1 route-map ferrule-prod_out out
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8::1/128 route-map ferrule-prod_class
  neighbor 10.1.0.1 activate
  neighbor 10.1.0.1 route-map ferrule-prod_out6 out
 exit-address-family
exit
"""
ONE = Attributes(communities=("65000:1", "65000:2", "65535:65281"))
TWO = Attributes(200, (), ("65000:1:2", "65000:1:10"), 2)
ALL = {
    "192.0.2.1/32": ONE,
    "192.0.2.2/32": ONE,
    "192.0.2.200/32": TWO,
    "2001:db8::1/128": Attributes(),
}


def heard(*edits: tuple[str, str], config: str = CONFIG) -> dict[str, Attributes]:
    """By the one neighbor, after replacing texts that stand there exactly once."""
    for old, new in edits:
        assert config.count(old) == 1, old
        config = config.replace(old, new)
    (found,) = frr.told(frr.parse(config, "prod")).values()
    return dict(found)


def only(*prefixes: str) -> dict[str, Attributes]:
    return {one: ALL[one] for one in prefixes}


V4 = only("192.0.2.1/32", "192.0.2.2/32", "192.0.2.200/32")
V6 = only("2001:db8::1/128")
ACTIVE4 = "  neighbor 10.1.0.1 activate\n  neighbor 10.1.0.1 route-map ferrule-prod_in in\n"
OUT6 = "  neighbor 10.1.0.1 route-map ferrule-prod_out6 out\n"
EXPORT = " match tag 4000000007\n set community 65000:2 no-export 65000:1\n"
ENTRY = (
    CONFIG[CONFIG.index("route-map ferrule-prod_out permit 20") :].partition("exit\n")[0] + "exit\n"
)
FIRST = f"{PUBLIC} seq 5 permit 192.0.2.0/24 ge 32 le 32\n"


def test_the_configuration_as_it_should_be() -> None:
    assert heard() == ALL


@pytest.mark.parametrize(
    ("edit", "left"),
    [
        pytest.param(
            (ENTRY, ""), only("192.0.2.200/32", "2001:db8::1/128"), id="an-entry-that-is-not-there"
        ),
        pytest.param(
            ("route-map ferrule-prod_out permit 20\n", "route-map ferrule-prod_out deny 20\n"),
            only("192.0.2.200/32", "2001:db8::1/128"),
            id="an-entry-that-denies",
        ),
        pytest.param(
            ("route-map ferrule-prod_out deny 65535\n", "route-map ferrule-prod_out deny 1\n"),
            V6,
            id="a-deny-that-comes-first",
        ),
        pytest.param(
            ("192.0.2.0/24 ge 32 le 32", "192.0.2.0/25 ge 32 le 32"),
            only("192.0.2.1/32", "192.0.2.2/32", "2001:db8::1/128"),
            id="a-prefix-list-that-is-narrower",
        ),
        pytest.param(
            (FIRST, f"{PUBLIC} seq 4 deny 192.0.2.2/32\n{FIRST}"),
            only("192.0.2.1/32", "192.0.2.200/32", "2001:db8::1/128"),
            id="an-exception-that-comes-first",
        ),
        pytest.param(
            (FIRST, f"{PUBLIC} seq 6 deny 192.0.2.2/32\n{FIRST}"),
            ALL,
            id="an-exception-that-comes-too-late",
        ),
        pytest.param((FIRST, ""), V6, id="a-prefix-list-that-is-not-there"),
        pytest.param(
            (FIRST, f"{PUBLIC} description by hand\n"), ALL, id="a-prefix-list-without-entries"
        ),
        pytest.param((FIRST, f"{PUBLIC} seq 5 permit any\n"), ALL, id="a-prefix-list-for-all"),
        pytest.param(("ge 32 le 32", "le 31"), V6, id="a-prefix-list-of-other-lengths"),
        pytest.param(
            ("permit 2001:db8::/64 ge 128", "permit 2001:db8::1/128"), ALL, id="an-exact-length"
        ),
        pytest.param(
            ("route-map ferrule-prod_other permit 10", "route-map ferrule-prod_other deny 10"),
            only("192.0.2.1/32", "192.0.2.2/32", "2001:db8::1/128"),
            id="a-class-that-denies",
        ),
        pytest.param(
            ("route-map ferrule-prod_other permit 10\n set tag 4000000008\nexit\n", ""),
            only("192.0.2.1/32", "192.0.2.2/32", "2001:db8::1/128"),
            id="a-class-map-that-is-not-there",
        ),
        pytest.param(
            ("set tag 4000000008", "set tag 8"),
            only("192.0.2.1/32", "192.0.2.2/32", "2001:db8::1/128"),
            id="another-tag",
        ),
        pytest.param(
            ("  network 192.0.2.2/32 route-map ferrule-prod_class\n", "  network 192.0.2.2/32\n"),
            only("192.0.2.1/32", "192.0.2.200/32", "2001:db8::1/128"),
            id="a-line-without-our-map",
        ),
        pytest.param(
            (ACTIVE4, ACTIVE4.partition("\n")[2]),
            V6,
            id="a-family-that-is-not-active",
        ),
        pytest.param(
            (" neighbor 10.1.0.1 description tor-a", " neighbor 10.1.0.1 shutdown message later"),
            {},
            id="a-neighbor-that-is-shut",
        ),
        pytest.param((OUT6, ""), V4, id="ebgp-without-an-outbound-map"),
        pytest.param(
            (OUT6, "  neighbor 10.1.0.1 route-map nobody out\n"), V4, id="an-outbound-map-of-nobody"
        ),
        pytest.param(
            (OUT6, f"{OUT6}  neighbor 10.1.0.1 prefix-list nobody out\n"),
            V4,
            id="an-outbound-prefix-list-of-nobody",
        ),
    ],
)
def test_what_somebody_broke_is_not_heard(
    edit: tuple[str, str], left: dict[str, Attributes]
) -> None:
    assert heard(edit) == left


def test_ibgp_needs_no_outbound_map() -> None:
    assert heard((OUT6, ""), ("remote-as 65000", "remote-as internal")) == ALL


@pytest.mark.parametrize(
    "edit",
    [
        ("defaults traditional", "defaults datacenter"),
        (" no bgp network import-check", " no bgp ebgp-requires-policy"),
    ],
)
def test_nor_does_ebgp_where_no_policy_is_needed(edit: tuple[str, str]) -> None:
    assert heard((OUT6, ""), edit) == ALL


def test_a_map_of_somebody_else_s_is_followed() -> None:
    theirs = """\
ipv6 prefix-list mine seq 5 deny 2001:db8::1/128
ipv6 prefix-list mine seq 10 permit any
route-map mine deny 5
 match peer 10.9.0.9
exit
route-map mine permit 10
 match ipv6 address prefix-list mine
exit
route-map mine permit 20
 match rpki valid
 set local-preference 50
exit
"""
    found = heard(("router bgp", f"{theirs}router bgp"), ("ferrule-prod_out6 out", "mine out"))
    assert found == {**V4, "2001:db8::1/128": Attributes(50)}


@pytest.mark.parametrize(
    ("words", "one", "two"),
    [
        ("", replace(ONE, communities=()), TWO),
        ("large", ONE, replace(TWO, large=())),
        ("all", replace(ONE, communities=()), replace(TWO, large=())),
    ],
)
def test_communities_may_be_kept_back(words: str, one: Attributes, two: Attributes) -> None:
    line = f"  no neighbor 10.1.0.1 send-community {words}".rstrip(" ")
    said = heard((ACTIVE4, f"{ACTIVE4}{line}\n"))
    assert said == {**ALL, "192.0.2.1/32": one, "192.0.2.2/32": one, "192.0.2.200/32": two}


def test_a_class_may_set_more_than_its_tag() -> None:
    more = "set tag 4000000007\n set community 65000:9\n set as-path prepend 65001"
    both = heard(("set tag 4000000007", more), ("no-export 65000:1", "65000:1 additive"))
    communities = ("65000:1", "65000:2", "65000:9")
    assert both["192.0.2.1/32"] == Attributes(communities=communities, prepend=1)
    assert heard((EXPORT, f"{EXPORT} set community none\n"))["192.0.2.1/32"] == Attributes()


def test_a_neighbor_of_a_peer_group_may_be_active_by_it() -> None:
    bound = " neighbor 10.1.0.1 peer-group rack"
    edits = (" neighbor 10.1.0.1 description tor-a", bound), (ACTIVE4, ACTIVE4.partition("\n")[2])
    assert heard(*edits) == ALL


def test_neighbors_that_hear_the_same_share_one_table() -> None:
    other = CONFIG.replace("10.1.0.1 ", "10.1.0.2 ").splitlines()
    (first, second) = (
        [line for line in other if word in line and line.startswith(start)]
        for word, start in (("neighbor", " neighbor"), ("neighbor", "  neighbor"))
    )
    config = CONFIG.replace("\n !\n", "\n" + "\n".join(first) + "\n !\n")
    families = config.split(" exit-address-family")
    four = [line for line in second if "out6" not in line]
    families[0] += "\n".join(four[:3]) + "\n"
    families[1] += "\n".join([second[0], *(line for line in second if "out6" in line)]) + "\n"
    both = frr.told(frr.parse(" exit-address-family".join(families), "prod"))
    assert both["", "10.1.0.1"] == ALL
    assert both["", "10.1.0.1"] is both["", "10.1.0.2"]


def test_ten_thousand_prefixes_and_sixteen_neighbors_take_no_time() -> None:
    """A tenth of a second is meant; a busy machine is given ten."""
    lines = "".join(
        f"  network {one} route-map ferrule-prod_class\n"
        for one in ip_network("192.0.0.0/18").subnets(new_prefix=32)
    )
    neighbors = [f"10.1.0.{number}" for number in range(2, 18)]
    plain = "".join(f" neighbor {one} remote-as 65000\n" for one in neighbors)
    maps = "".join(
        f"  neighbor {one} activate\n  neighbor {one} route-map ferrule-prod_out{one} out\n"
        for one in neighbors
    )
    out = CONFIG[CONFIG.index("route-map ferrule-prod_out permit 20") :]
    out = out[: out.index("route-map ferrule-prod_out6")]
    many = "".join(out.replace("_out ", f"_out{one} ") for one in neighbors)
    config = CONFIG.replace("192.0.2.0/24 ge", "192.0.0.0/16 ge").replace(
        "router bgp 65001\n", f"{many}router bgp 65001\n{plain}"
    )
    config = config.replace("ipv4 unicast\n", f"ipv4 unicast\n{lines}{maps}")
    running = frr.parse(config, "prod")

    start = time.perf_counter()
    heard = frr.told(running)
    took = time.perf_counter() - start

    assert [len(heard["", one]) for one in neighbors] == [16384] * 16
    assert took < 10


@given(models(), models(), st.booleans())
def test_beside_a_known_state_it_is_the_same(
    first: Model,
    second: Model,
    networks_only: bool,  # noqa: FBT001  # hypothesis fills it in
) -> None:
    one, other = frr.intend(first, "prod"), frr.intend(second, "prod")
    if networks_only:  # the lines of one, and all else of the other
        instances = {
            vrf: replace(of, networks=one.instances[vrf].networks)
            for vrf, of in other.instances.items()
            if vrf in one.instances
        }
        one = replace(other, instances={**other.instances, **instances})
    assert frr.told_beside(one, other, frr.Memo()) == frr.told(one)
