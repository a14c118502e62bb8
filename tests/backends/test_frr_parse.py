"""What of a running-config is ours, and where a block begins and ends."""

import pytest
from backends.frr_networks import RICH, network

from ferrule.compiler.backends import frr, frrtext
from ferrule.compiler.backends.base import Command
from ferrule.compiler.backends.frr.running import Instance, Running
from ferrule.compiler.backends.frrtext import Block

RUNNING = """\
Building configuration...

Current configuration:
!
frr version 10.3
frr defaults datacenter
hostname node-1
!
ip prefix-list ferrule-prod_public_ipv4_32 seq 5 permit 192.0.2.0/24 ge 32 le 32
ip prefix-list ferrule-prod_public_ipv4_32 description of public
ip prefix-list ferrule-prod-2_public_ipv4_32 seq 5 permit any
ip prefix-list mine seq 5 permit any
!
bgp community-list standard ferrule-prod_c seq 5 permit 65000:1
bgp large-community-list expanded ferrule-prod_c seq 5 permit 65000:1:1
bgp community-list standard mine seq 5 permit 65000:1
!
route-map ferrule-prod_in deny 10
exit
!
route-map mine permit 10
 match ip address prefix-list ferrule-prod_public_ipv4_32
exit
!
interface eth0
 ip address 10.1.0.10/24
exit
!
router bgp 65001
 bgp router-id 10.1.0.10
 no bgp network import-check
 bgp log-neighbor-changes
 neighbor rack peer-group
 neighbor eth2 interface remote-as external
 neighbor 10.1.0.1 remote-as 65000
 neighbor 10.1.0.1 ebgp-multihop 255
 neighbor 10.1.0.2 remote-as 65000
 neighbor 10.1.0.3 remote-as 65000
 !
 address-family ipv4 unicast
  network 192.0.2.1/32 route-map ferrule-prod_a
  network 192.0.2.2/32 route-map ferrule-prod-2_a
  network 192.0.2.3/32
  neighbor 10.1.0.1 route-map ferrule-prod_in in
  neighbor 10.1.0.1 route-map ferrule-prod_out out
  neighbor 10.1.0.2 route-map ferrule-prod-2_out out
  neighbor 10.1.0.3 route-map ferrule-prod_in in
  no neighbor eth2 activate
 exit-address-family
 !
 address-family ipv6 unicast
  neighbor eth2 activate
  neighbor eth2 route-map ferrule-prod_out6 out
 exit-address-family
exit
!
router bgp 65002 vrf red
 !
 address-family ipv4 unicast
  network 192.0.2.1/32 route-map ferrule-prod_a
 exit-address-family
exit
!
router bgp 65003 view red
exit
!
bfd
 profile ferrule-prod_fast
  transmit-interval 100
 exit
 !
 profile mine
 exit
 !
exit
!
end
"""


def read(text: str, cluster: str = "prod") -> Running:
    return frr.parse(text, cluster)


def test_objects_are_ours_by_their_name() -> None:
    running = read(RUNNING)
    assert running.lists == {
        "ip prefix-list ferrule-prod_public_ipv4_32": {
            "seq 5": "permit 192.0.2.0/24 ge 32 le 32",
            "description": "of public",
        }
    }
    assert [*running.maps] == ["ferrule-prod_in"]
    assert running.profiles == {"ferrule-prod_fast": {"transmit-interval": "100"}}
    assert running.others == {
        "bgp community-list standard ferrule-prod_c",
        "bgp large-community-list expanded ferrule-prod_c",
    }


def test_neighbors_are_ours_by_their_outbound_map_in_any_family() -> None:
    one = read(RUNNING).instances[""]
    assert [*one.neighbors] == ["eth2", "10.1.0.1"]
    assert one.strangers.keys() == {"rack", "10.1.0.2", "10.1.0.3"}
    assert one.neighbors["10.1.0.1"].settings == {"remote-as": "65000", "ebgp-multihop": ""}


def test_a_family_is_active_unless_it_says_not() -> None:
    neighbors = read(RUNNING).instances[""].neighbors
    assert "activate" in neighbors["10.1.0.1"].families["ipv4 unicast"]
    assert [*neighbors["eth2"].families] == ["ipv6 unicast"]
    by_hand = RUNNING.replace(" bgp log", " no bgp default ipv4-unicast\n bgp log")
    neighbors = read(by_hand).instances[""].neighbors
    assert "activate" not in neighbors["10.1.0.1"].families["ipv4 unicast"]


@pytest.mark.parametrize(
    ("line", "families"),
    [
        ("bgp default local-preference 250", {"ipv4 unicast"}),
        ("no bgp default show-hostname", {"ipv4 unicast"}),
        ("bgp default ipv6-unicast", {"ipv4 unicast", "ipv6 unicast"}),
        ("bgp default ipv4-labeled-unicast", {"ipv4 unicast", "ipv4 labeled-unicast"}),
        ("bgp default l2vpn-evpn", {"ipv4 unicast", "l2vpn evpn"}),
        ("no bgp default ipv4-unicast", set()),
    ],
)
def test_some_defaults_are_families_to_be_in(line: str, families: set[str]) -> None:
    assert read(f"router bgp 65001\n {line}\n").instances[""].active == families


def test_networks_are_ours_by_their_map() -> None:
    one = read(RUNNING).instances[""]
    assert one.networks == {"ipv4 unicast": {"192.0.2.1/32": "route-map ferrule-prod_a"}}
    theirs = {"192.0.2.2/32": "route-map ferrule-prod-2_a", "192.0.2.3/32": ""}
    assert one.taken == {"ipv4 unicast": theirs}


def test_an_instance_is_ours_where_it_holds_nothing_else() -> None:
    instances = read(RUNNING).instances
    assert {vrf: one.ours for vrf, one in instances.items()} == {"": False, "red": True}
    assert instances["red"].asn == 65002


@pytest.mark.parametrize(
    "line",
    [
        " bgp log-neighbor-changes",
        " neighbor 10.1.0.9 remote-as 65000",
        " address-family ipv4 unicast\n  redistribute connected\n exit-address-family",
        " address-family ipv4 unicast\n  network 192.0.2.9/32\n exit-address-family",
        " address-family l2vpn evpn\n  advertise-all-vni\n exit-address-family",
        " segment-routing srv6\n  locator a\n exit",
    ],
)
def test_one_foreign_line_makes_an_instance_shared(line: str) -> None:
    ours = frr.render(frr.lower(RICH, network(RICH)))
    assert all(one.ours for one in read(ours).instances.values())
    shared = ours.replace("router bgp 65001\n", f"router bgp 65001\n{line}\n", 1)
    assert {vrf: one.ours for vrf, one in read(shared).instances.items()} == {
        "": False,
        "red": True,
    }


@pytest.mark.parametrize(
    ("others", "foreign"),
    [
        ("", set()),
        ("router bgp 65001 vrf blue\n address-family ipv4 unicast\n  import vrf red\n", {""}),
        ("router bgp 65001 vrf blue\n address-family ipv6 unicast\n  export vpn\n", {""}),
        ("vrf red\n vni 100\nexit-vrf\n", {"", "red"}),
        ("vrf blue\n vni 100\nexit-vrf\n", {""}),
    ],
    ids=["nobody", "routes of a VRF", "routes of a VPN", "a VNI of ours", "a VNI of theirs"],
)
def test_an_instance_that_frr_would_not_let_go_is_shared(others: str, foreign: set[str]) -> None:
    ours = frr.render(frr.lower(RICH, network(RICH)))
    instances = read(f"{ours}{others}").instances
    assert {vrf for vrf in ("", "red") if not instances[vrf].ours} == foreign


def test_a_peer_group_is_never_ours() -> None:
    text = """\
router bgp 65001
 neighbor rack peer-group
 neighbor 10.1.0.7 peer-group rack
 address-family ipv4 unicast
  neighbor rack route-map ferrule-prod_out out
"""
    assert read(text).instances[""].strangers.keys() == {"rack", "10.1.0.7"}


def test_another_cluster_sees_its_own() -> None:
    running = read(RUNNING, "prod-2")
    assert [*running.lists] == ["ip prefix-list ferrule-prod-2_public_ipv4_32"]
    assert [*running.instances[""].neighbors] == ["10.1.0.2"]
    assert read(RUNNING, "pro").instances[""].neighbors == {}


# A load that was cut.

WANTED = read(
    """\
router bgp 65001
 bgp router-id 10.1.0.10
 no bgp default ipv4-unicast
 neighbor 10.1.0.1 remote-as 65000
 neighbor 10.1.0.1 password <secret:fabric/tor-a>
 neighbor 10.1.0.1 timers 10 30
 address-family ipv4 unicast
  neighbor 10.1.0.1 activate
  neighbor 10.1.0.1 route-map ferrule-prod_in in
  neighbor 10.1.0.1 route-map ferrule-prod_out out
"""
)
HEAD = "router bgp 65001\n no bgp default ipv4-unicast\n"
BEGUN = f"{HEAD} neighbor 10.1.0.1 remote-as 65000\n neighbor 10.1.0.1 password hunter2\n"


def cut(text: str, *, open_run: bool = True) -> Instance:
    return frr.parse(text, "prod", WANTED, open_run=open_run).instances[""]


def test_the_beginning_of_a_neighbor_is_ours_while_a_run_is_open() -> None:
    assert [*cut(BEGUN).neighbors] == ["10.1.0.1"]
    assert cut(BEGUN).ours
    assert cut(BEGUN, open_run=False).strangers.keys() == {"10.1.0.1"}
    assert not cut(BEGUN, open_run=False).ours


@pytest.mark.parametrize(
    "more",
    [
        " neighbor 10.1.0.1 shutdown",
        " neighbor 10.1.0.1 timers 3 9",
        " address-family ipv4 unicast\n  neighbor 10.1.0.1 route-map mine in",
        " address-family ipv4 unicast\n  neighbor 10.1.0.1 route-map ferrule-prod_in in",
        " address-family ipv6 unicast\n  neighbor 10.1.0.1 activate",
    ],
)
def test_a_line_that_we_would_not_write_makes_it_a_stranger(more: str) -> None:
    assert cut(f"{BEGUN}{more}\n").strangers.keys() == {"10.1.0.1"}


def test_a_neighbor_that_nobody_intends_is_a_stranger() -> None:
    assert cut(f"{HEAD} neighbor 10.1.0.7 remote-as 65000\n").strangers.keys() == {"10.1.0.7"}


def test_the_beginning_of_an_instance_is_ours_where_we_would_write_it() -> None:
    assert not cut("router bgp 65001\n", open_run=False).bare
    assert not cut(HEAD).bare
    assert cut("router bgp 65001\n bgp router-id 10.1.0.9\n").bare
    assert cut("router bgp 65009\n").bare
    assert read(HEAD).instances[""].bare


# The tree of lines.


def test_the_version_and_the_profile() -> None:
    config = frrtext.read(RUNNING)
    assert (config.version, config.profile) == ("10.3", "datacenter")
    assert (frrtext.read("").version, frrtext.read("").profile) == ("", "")


def test_writing_gives_back_what_was_read() -> None:
    assert frrtext.write(frrtext.read(RUNNING)) == RUNNING


def test_a_comment_ends_no_block() -> None:
    text = (
        "router bgp 1\n! of tor-a\n neighbor a\n!\n\n address-family ipv4 unicast\n  b\n!\n  c\nx\n"
    )
    (router, last) = frrtext.read(text).body
    assert isinstance(router, Block)
    assert last == "x"
    assert [text for text, _ in frrtext.statements(router.body)] == [
        "neighbor a",
        "address-family ipv4 unicast",
    ]
    family = router.body[-1]
    assert isinstance(family, Block)
    assert family.body == ["  b", "!", "  c"]


def test_a_script_opens_each_block_once() -> None:
    router, family = "router bgp 1", "address-family ipv4 unicast"
    commands = [
        Command("route-map a deny 10", "add"),
        Command("route-map b permit 10", "add"),
        Command("set tag 1", "add", ("route-map b permit 10",)),
        Command("neighbor x remote-as 2", "add", (router,)),
        Command("neighbor x activate", "add", (router, family)),
        Command("network y", "add", (router, family)),
        Command("no neighbor z", "remove", (router,)),
        Command("no route-map c", "remove"),
    ]
    assert (
        frrtext.script(commands)
        == """\
route-map a deny 10
exit
route-map b permit 10
 set tag 1
exit
router bgp 1
 neighbor x remote-as 2
 address-family ipv4 unicast
  neighbor x activate
  network y
 exit-address-family
 no neighbor z
exit
no route-map c
"""
    )
