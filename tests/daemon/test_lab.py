"""The lab itself: routers that peer, FRR's refusals noticed, and nothing left afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.flavour import Flavour, wait_for
from daemon.lab import Device, Lab
from daemon.need import refuse

NODE = """\
ip prefix-list pool-v4 seq 10 permit 192.0.2.0/24 ge 32
!
ipv6 prefix-list pool-v6 seq 10 permit 2001:db8:5::/64 ge 128
!
route-map class-one permit 10
 set tag 4000000001
exit
!
route-map class-other permit 10
 set tag 4000000002
exit
!
route-map in deny 10
exit
!
route-map out-v4 permit 10
 match ip address prefix-list pool-v4
 match tag 4000000001
 set community 65001:1
exit
!
route-map out-v6 permit 10
 match ipv6 address prefix-list pool-v6
 match tag 4000000001
 set community 65001:1
exit
!
router bgp 65001
 bgp router-id 10.0.0.1
 no bgp default ipv4-unicast
 no bgp network import-check
 neighbor 10.0.0.2 remote-as 65002
 neighbor 10.0.0.2 bfd
 neighbor 10.0.0.2 bfd profile fast
 neighbor 10.0.0.2 timers connect 1
 neighbor 2001:db8::2 remote-as 65002
 neighbor 2001:db8::2 bfd
 neighbor 2001:db8::2 bfd profile fast
 neighbor 2001:db8::2 timers connect 1
 !
 address-family ipv4 unicast
  network 192.0.2.1/32 route-map class-one
  network 192.0.2.2/32 route-map class-other
  network 198.51.100.1/32 route-map class-one
  neighbor 10.0.0.2 activate
  neighbor 10.0.0.2 route-map in in
  neighbor 10.0.0.2 route-map out-v4 out
 exit-address-family
 !
 address-family ipv6 unicast
  network 2001:db8:5::1/128 route-map class-one
  network 2001:db8:5::2/128 route-map class-other
  network 2001:db8:6::1/128 route-map class-one
  neighbor 2001:db8::2 activate
  neighbor 2001:db8::2 route-map in in
  neighbor 2001:db8::2 route-map out-v6 out
 exit-address-family
exit
!
bfd
 profile fast
  transmit-interval 100
  receive-interval 100
 exit
 !
exit
!
"""

SWITCH = """\
route-map any permit 10
exit
!
router bgp 65002
 bgp router-id 10.0.0.2
 no bgp default ipv4-unicast
 neighbor 10.0.0.1 remote-as 65001
 neighbor 10.0.0.1 bfd
 neighbor 2001:db8::1 remote-as 65001
 neighbor 2001:db8::1 bfd
 !
 address-family ipv4 unicast
  neighbor 10.0.0.1 activate
  neighbor 10.0.0.1 route-map any in
  neighbor 10.0.0.1 route-map any out
 exit-address-family
 !
 address-family ipv6 unicast
  neighbor 2001:db8::1 activate
  neighbor 2001:db8::1 route-map any in
  neighbor 2001:db8::1 route-map any out
 exit-address-family
exit
!
"""


@pytest.fixture(scope="module")
def node_and_switch(flavours: dict[str, Flavour], flavour: str) -> Iterator[tuple[Device, Device]]:
    """A node of each flavour towards a switch of the newest one, sessions and BFD up."""
    newest = max(flavours, key=int)
    with Lab(flavours) as lab:
        switch = lab.device("tor", newest, {"rack": ["10.0.0.2/24", "2001:db8::2/64"]}, SWITCH)
        node = lab.device("node", flavour, {"rack": ["10.0.0.1/24", "2001:db8::1/64"]}, NODE)
        node.wait_established("10.0.0.2", "2001:db8::2")
        wait_for(lambda: bfd_states(node) == ["up", "up"], 60, "BFD is up")
        yield node, switch


def bfd_states(device: Device) -> list[str]:
    return [peer["status"] for peer in device.frr.show_json("show bfd peers")]


def routes(device: Device, family: str) -> list[str]:
    return list(device.frr.show_json(f"show bgp {family} unicast").get("routes", {}))


@pytest.mark.daemon
@pytest.mark.parametrize(
    ("family", "expected"), [("ipv4", "192.0.2.1/32"), ("ipv6", "2001:db8:5::1/128")]
)
def test_only_the_tagged_class_inside_the_pool_is_heard(
    node_and_switch: tuple[Device, Device], family: str, expected: str
) -> None:
    _, switch = node_and_switch
    wait_for(lambda: routes(switch, family), 60, f"{family} routes at the switch")
    assert routes(switch, family) == [expected]
    path = switch.frr.show_json(f"show bgp {family} unicast {expected}")["paths"][0]
    assert path["community"]["string"] == "65001:1"


@pytest.mark.daemon
def test_bfd_notices_a_pulled_cable_long_before_the_hold_time(
    node_and_switch: tuple[Device, Device],
) -> None:
    node, switch = node_and_switch
    node.plug("rack", in_=False)
    wait_for(lambda: not switch.established("10.0.0.1"), 30, "the switch notices")
    node.plug("rack", in_=True)
    node.wait_established("10.0.0.2", "2001:db8::2")


@pytest.mark.daemon
def test_a_killed_bgpd_comes_back_empty(lab: Lab, flavour: str) -> None:
    node = lab.device("node", flavour, {}, "router bgp 65001\nexit\n")
    node.frr.stop("bgpd", hard=True)
    assert node.frr.vtysh("show bgp summary", daemon="bgpd").code != 0
    node.frr.start("bgpd")
    assert "router bgp" not in node.frr.running_config()


@pytest.mark.daemon
@pytest.mark.parametrize(
    ("text", "code", "complaint"),
    [
        pytest.param(
            "ip prefix-list pool seq 5 permit 192.0.2.0/24 le 23\n",
            0,
            "% Configuration failed.",
            id="a refused prefix-list entry, exit code 0",
        ),
        pytest.param(
            "router bgp 65001\n nonsense\nexit\n",
            2,
            "line 2: % Unknown command",
            id="an unknown command",
        ),
        pytest.param(
            "router bgp 65001\n neighbor 192.0.2.1 remote-as 65002\n"
            " address-family ipv4 unicast\n  neighbor 192.0.2.1 route-map absent in\n",
            0,
            "The route-map 'absent' does not exist.",
            id="a route-map that is not there",
        ),
    ],
)
def test_what_frr_refuses_is_not_ok(
    lab: Lab, flavour: str, text: str, code: int, complaint: str
) -> None:
    answer = lab.device("node", flavour, {}).frr.load(text)
    assert not answer.ok
    assert answer.code == code
    assert answer.complaints[0].startswith(complaint)


@pytest.mark.daemon
def test_what_frr_takes_is_ok_and_silent(lab: Lab, flavour: str) -> None:
    node = lab.device("node", flavour, {})
    assert node.frr.check(NODE).ok
    answer = node.frr.load(NODE)
    assert answer.ok
    assert answer.lines == []
    again = node.frr.load(NODE)
    assert again.ok
    assert again.lines == []


@pytest.mark.daemon
def test_a_device_that_does_not_take_its_configuration_does_not_boot(
    lab: Lab, flavour: str
) -> None:
    with pytest.raises(RuntimeError, match=r"node: exit code 2: line 1: % Unknown command"):
        lab.device("node", flavour, {}, "nonsense\n")


@pytest.mark.daemon
def test_nothing_is_left_when_the_test_fails(flavours: dict[str, Flavour]) -> None:
    lab = Lab(flavours)
    pids: list[int] = []

    def fail() -> None:
        with lab:
            for major in flavours:
                device = lab.device(f"r{major}", major, {"rack": [f"10.0.0.{major}/24"]}, NODE)
                pids.extend(device.frr.pid(daemon) for daemon in device.frr.flavour.daemons)
            assert sorted(traces(lab.name, flavours))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert len(pids) >= 3
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
    assert traces(lab.name, flavours) == []
    assert crash_logs(pids, flavours) == []


def traces(name: str, flavours: dict[str, Flavour]) -> list[Path]:
    """Namespaces and files that carry the lab's name."""
    places = [Path("/run/netns")]
    for flavour in flavours.values():
        places += [path.parent for path in flavour.directories(name)]
    return [found for place in places for found in place.glob(f"{name}*")]


def crash_logs(pids: list[int], flavours: dict[str, Flavour]) -> list[Path]:
    places = [flavour.root / "var/tmp/frr" for flavour in flavours.values()]
    return [found for place in places for pid in pids for found in place.glob(f"*.{pid}")]


def test_without_ci_a_missing_frr_skips_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"^no FRR installed: not tested against"):
        refuse("no FRR installed")


def test_in_ci_a_missing_frr_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"^no FRR installed: not tested against"):
        refuse("no FRR installed")
