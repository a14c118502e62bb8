"""Real daemons: what was loaded reads back as no difference, and a diff leads where it says.

Every pair is walked there and back on one node: from nothing to the first, to the second, to the
first, to nothing. Once the node is ours alone, once others have their configuration around ours
and inside the same `router bgp`, with a session that must not notice; under both profiles.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from itertools import groupby

import pytest
from backends.frr_steps import ALONE, PAIRS
from daemon.flavour import Flavour, wait_for
from daemon.lab import Device, Lab
from daemon.need import refuse, require_flavours
from daemon.router import Router

from ferrule.compiler.backends import frr
from ferrule.compiler.backends.base import Command, Diff
from ferrule.compiler.backends.frr.model import Model
from ferrule.compiler.errors import has_errors
from ferrule.compiler.network import Network

pytestmark = pytest.mark.daemon

# When somebody takes away a map that a `network` line names, it is made again, and the line goes,
# all before the `route-map delay-timer` (5 s) has run, then bgpd 10.3 crashes. We never take such
# a map away; this test does.
ROUTE_MAP_DELAY_S = 6

LINKS = {"rack": ["10.1.0.10/24", "2001:db8:a::10/64"]}
NOTHING = Model()

# What FRR says to a line that it takes.
TAKEN = (
    "Graceful restart configuration changed, reset this peer to take effect",
    "% Echo mode works correctly for IPv4, but only works when the peer is also FRR for IPv6.",
)

TIDY = """\
router bgp 65001
 bgp router-id 10.1.0.10
 no bgp default ipv4-unicast
 no bgp network import-check
 neighbor 10.1.0.99 remote-as 65099
 neighbor 10.1.0.99 timers connect 1
 address-family ipv4 unicast
  neighbor 10.1.0.99 activate
 exit-address-family
exit
"""
WILD = """\
ip route 198.18.9.0/24 Null0
ip prefix-list mine seq 5 permit 10.0.0.0/8 le 32
ipv6 prefix-list mine seq 5 permit ::/0 le 128
ip prefix-list ferrule-prod-2_public_ipv4_32 seq 5 permit 192.0.2.0/24 le 32
bgp community-list standard mine seq 5 permit 65000:1
bgp as-path access-list mine seq 5 permit ^65099$
access-list mine seq 5 permit 10.0.0.0/8
route-map mine permit 10
 match ip address prefix-list mine
 set metric 5
exit
route-map ferrule-prod-2_out_tor-a_ipv4 permit 10
 set metric 7
exit
interface eth0
 description uplink
exit
bfd
 profile mine
  transmit-interval 400
 exit
 profile ferrule-prod-2_fast
  transmit-interval 500
 exit
exit
router bgp 65001
 bgp router-id 10.1.0.11
 bgp log-neighbor-changes
 neighbor rack peer-group
 neighbor rack remote-as external
 neighbor rack timers connect 1
 neighbor 10.1.0.99 peer-group rack
 neighbor 10.1.0.98 remote-as 65098
 neighbor 10.1.0.98 bfd profile mine
 neighbor 2001:db8:a::98 remote-as 65098
 address-family ipv4 unicast
  network 10.20.0.0/16
  network 10.21.0.0/16 route-map mine
  network 10.22.0.0/16 route-map ferrule-prod-2_public
  redistribute connected route-map mine
  neighbor rack route-map mine in
  neighbor rack route-map mine out
  neighbor 10.1.0.98 route-map ferrule-prod-2_out_tor-a_ipv4 out
  maximum-paths 8
 exit-address-family
 address-family ipv6 unicast
  neighbor 2001:db8:a::98 activate
  neighbor 2001:db8:a::98 soft-reconfiguration inbound
 exit-address-family
exit
router bgp 65050 vrf blue
 bgp router-id 10.5.0.1
 neighbor 10.5.0.2 remote-as 65051
exit
"""
EMPTY_BFD = "bfd\nexit\n!\n"
OTHERS = {"alone": "", "among tidy others": TIDY, "among wild others": WILD}
FAR = """\
router bgp 65099
 bgp router-id 10.1.0.99
 neighbor 10.1.0.10 remote-as 65001
 neighbor 10.1.0.10 timers connect 1
exit
"""


@dataclass
class Place:
    """A node with the configuration of others, and what it ran before anything of ours came."""

    device: Device
    others: str
    before: str = field(init=False)
    text: str = field(init=False)  # what it runs now

    def __post_init__(self) -> None:
        if self.others:
            self.device.wait_established("10.1.0.99")
        self.before = self.text = self.device.frr.running_config()

    def running(self) -> frr.Running:
        return frr.parse(self.text, "prod")

    def load(self, text: str) -> None:
        """Give it some lines, without a word from FRR."""
        answer = self.device.frr.load(text)
        assert [line for line in answer.lines if line not in TAKEN] == []
        assert answer.code == 0
        self.text = self.device.frr.running_config()

    def go_to(
        self, model: Model, running: frr.Running | None = None, *, in_halves: bool = False
    ) -> Diff:
        """Apply a diff, and see that it did what was said and nothing else."""
        running = running or self.running()
        diff, want = frr.diff(running, model), frr.intend(model, "prod")
        assert not has_errors(diff.problems)
        predicted = frr.future(running, diff)

        for part in halves(diff) if in_halves else [diff.commands]:
            self.load(frr.script(part))

        assert frr.diff(self.running(), want).changes == ()
        assert frr.diff(self.running(), want).empty
        assert frr.diff(self.running(), predicted).empty
        self.sees_others_unharmed()
        return diff

    def sees_others_unharmed(self) -> None:
        lines = iter(self.text.splitlines())
        assert [line for line in self.before.splitlines() if line not in lines] == []
        if self.others:
            known = self.device.frr.show_json("show bgp neighbors 10.1.0.99")["10.1.0.99"]
            assert (known["connectionsEstablished"], known["connectionsDropped"]) == (1, 0)

    def leave(self, running: frr.Running | None = None) -> None:
        self.go_to(NOTHING, running)
        assert self.now() == self.before

    def now(self) -> str:
        """What it runs, but for an empty `bfd`: a `no bfd` takes everybody's profiles along."""
        return self.device.frr.running_config().replace(EMPTY_BFD, "")


def halves(diff: Diff) -> Iterator[list[Command]]:
    for _, part in groupby(diff.commands, key=lambda one: one.phase):
        yield [*part]


@dataclass
class Ground:
    """Where a node stands; it serves all tests, until one leaves something on it."""

    flavour: Flavour
    profile: str
    others: str
    stack: ExitStack = field(default_factory=ExitStack)
    built: Place | None = None

    def place(self) -> Place:
        if self.built is None:
            major = self.flavour.major
            lab = self.stack.enter_context(Lab({major: self.flavour}))
            if self.others:
                far = {"rack": ["10.1.0.99/24"]}
                lab.device("far", major, far, f"frr defaults datacenter\n{FAR}")
            config = f"frr defaults {self.profile}\n{self.others}"
            self.built = Place(lab.device("node", major, LINKS, config), self.others)
        return self.built

    def clear(self) -> None:
        self.built = None
        self.stack.close()


@pytest.fixture(scope="module", params=["8", "10"])
def flavour(request: pytest.FixtureRequest) -> Flavour:
    flavours = require_flavours()
    if request.param not in flavours:
        refuse(f"no FRR {request.param} installed")
    return flavours[request.param]


PLACES = (
    ("datacenter", "among wild others"),
    ("traditional", "alone"),
    ("traditional", "among wild others"),
    ("traditional", "among tidy others"),
    ("datacenter", "alone"),
    ("datacenter", "among tidy others"),
)


@pytest.fixture(
    scope="module",
    params=[PLACES[0], *(pytest.param(one, marks=pytest.mark.soak) for one in PLACES[1:])],
    ids=" ".join,
)
def ground(request: pytest.FixtureRequest, flavour: Flavour) -> Iterator[Ground]:
    profile, around = request.param
    ground = Ground(flavour, profile, OTHERS[around])
    yield ground
    ground.clear()


@pytest.fixture
def place(ground: Ground) -> Iterator[Place]:
    """The node as nothing of ours has touched it."""
    place = ground.place()
    yield place
    alive = place.device.frr.vtysh("show version", daemon="bgpd").code == 0
    if not alive or place.now() != place.before:
        ground.clear()


def model(network: Network) -> Model:
    return frr.lower(network.nodes[0], network)


@pytest.mark.parametrize("name", [*PAIRS])
def test_there_and_back(place: Place, name: str) -> None:
    there_and_back(place, *map(model, PAIRS[name]))


def there_and_back(place: Place, first: Model, second: Model) -> None:
    assert frr.diff(frr.intend(first, "prod"), second).changes
    place.go_to(first)
    place.go_to(second)
    place.go_to(first, in_halves=True)
    place.leave()


@pytest.mark.parametrize("name", [*ALONE])
def test_there_and_back_where_nobody_else_is(flavour: Flavour, name: str) -> None:
    """What we change only in an instance that is ours alone: its AS and its globals."""
    ground = Ground(flavour, "datacenter", "")
    with ground.stack:
        there_and_back(ground.place(), *map(model, ALONE[name]))


FULL = model(PAIRS["everything a node can say"][1])


def router(*lines: str) -> str:
    return "\n".join(("router bgp 65001", *(f" {line}" for line in lines), "exit\n"))


def family(*lines: str) -> str:
    return router("address-family ipv4 unicast", *(f" {line}" for line in lines), " exit")


CLASS_MAP = next(
    line.route_map
    for line in FULL.instances[0].families[0].networks.lines
    if str(line.prefix) == "192.0.2.9/32"
)
ENTRY = next(one for one in FULL.prefix_lists if one.name.endswith("_24")).entries[0]

# What somebody may do by hand to what is ours.
DRIFT = {
    "a line more": router("neighbor 10.1.0.1 advertisement-interval 7"),
    "a line more in a family": family("neighbor 10.1.0.1 soft-reconfiguration inbound"),
    "a default turned off": family("no neighbor 10.1.0.1 send-community"),
    "another family": router(
        "address-family ipv4 multicast",
        " neighbor 10.1.0.1 activate",
        "exit-address-family",
    ),
    "a family turned off": family("no neighbor 10.1.0.1 activate"),
    "other values": router(
        "no neighbor 10.1.0.1 password",
        "neighbor 10.1.0.1 description somebody was here",
        "neighbor 10.9.0.1 timers connect 77",
        "neighbor 10.9.0.1 ebgp-multihop 7",
        "no neighbor 10.1.0.1 bfd",
    ),
    "BFD by numbers": router("neighbor 10.1.0.1 bfd check-control-plane-failure"),
    "lines gone": router("no neighbor 10.9.0.1 timers", "no neighbor 10.9.0.1 update-source"),
    "a neighbor shut down": router("neighbor 10.1.0.1 shutdown"),
    "a neighbor gone": router("no neighbor 10.1.0.1"),
    "a prefix gone": family("no network 192.0.2.9/32"),
    "a prefix more": family(f"network 10.66.0.0/24 route-map {CLASS_MAP}"),
    "a prefix with a label": family(
        "no network 192.0.2.9/32",
        f"network 192.0.2.9/32 label-index 5 route-map {CLASS_MAP}",
    ),
    "a map with a line more": """\
route-map ferrule-prod_in deny 10
 set metric 5
exit
""",
    "a map with another action and an entry more": """\
route-map ferrule-prod_in permit 10
exit
route-map ferrule-prod_in permit 20
 match tag 5
exit
""",
    "a map gone": f"no route-map {CLASS_MAP}\n",
    "a list with other entries": f"""\
no ip prefix-list ferrule-prod_public_ipv4_24 seq {ENTRY.seq}
ip prefix-list ferrule-prod_public_ipv4_24 seq 7 permit {ENTRY.prefix}
ip prefix-list ferrule-prod_public_ipv4_24 seq 9 deny 198.51.0.0/16 ge 20
ip prefix-list ferrule-prod_public_ipv4_24 description mine now
""",
    "objects of our name": """\
ip prefix-list ferrule-prod_x seq 5 permit any
bgp community-list standard ferrule-prod_x seq 5 permit 65000:1
bgp large-community-list expanded ferrule-prod_x seq 5 permit 65000:1:1
bgp extcommunity-list standard ferrule-prod_x seq 5 permit rt 65000:1
bfd
 profile ferrule-prod_x
  transmit-interval 999
 exit
exit
""",
    "a profile with other values": """\
bfd
 profile ferrule-prod_fast
  detect-multiplier 7
  echo transmit-interval 99
  shutdown
  no passive-mode
 exit
exit
""",
}


@pytest.mark.parametrize("name", [*DRIFT])
def test_what_drifted_comes_back(place: Place, name: str) -> None:
    place.go_to(FULL)
    place.load(DRIFT[name])
    assert place.go_to(FULL).changes
    if name == "a map gone":
        time.sleep(ROUTE_MAP_DELAY_S)
    place.leave()


@pytest.mark.parametrize("part", range(6))
def test_a_load_that_was_cut_is_finished_or_taken_back(place: Place, part: int) -> None:
    """Wherever it was cut: here in three places of each sixth of the load."""
    whole = frr.script(frr.diff(place.running(), FULL).commands).splitlines(keepends=True)
    want = frr.intend(FULL, "prod")
    for third in range(3):
        end = len(whole) * (3 * part + third) // 18
        for goal in (FULL, NOTHING):
            place.load("".join(whole[:end]))
            cut = frr.parse(place.text, "prod", want, open_run=True)
            place.go_to(goal, cut)
            place.leave()


def test_bgpd_alone_says_the_same_but_for_bfd(place: Place) -> None:
    """`vtysh -d bgpd`, where only that daemon answers; 10.3 keeps some of the rest in mgmtd."""
    place.go_to(FULL)
    alone = frr.parse(place.device.frr.running_config(daemon="bgpd"), "prod")
    assert replace(alone, profiles=place.running().profiles) == place.running()
    assert alone.profiles == {}
    place.leave()


@pytest.mark.parametrize("goal", [FULL, NOTHING], ids=["said again", "taken from the others"])
def test_what_only_bgpd_has_lost(flavour: Flavour, goal: Model) -> None:
    """It was restarted, and nothing was saved; zebra and, since 10, mgmtd keep lists and maps."""
    ground = Ground(flavour, "traditional", "")
    with ground.stack:
        place = ground.place()
        place.go_to(FULL)
        place.device.frr.stop("bgpd")
        place.device.frr.start("bgpd")
        place.text = place.device.frr.running_config()
        assert place.running().maps.keys() == frr.intend(FULL, "prod").maps.keys()
        assert alone(place).maps == {}
        place.go_to(goal, alone(place))
        assert frr.diff(alone(place), goal).changes == ()
        assert (alone(place).stray_lists, alone(place).stray_maps) == ({}, {})
        place.leave()


def alone(place: Place) -> frr.Running:
    """What it runs, with bgpd's own lists and maps."""
    bgpd = place.device.frr.running_config(daemon="bgpd")
    return frr.parse(place.text, "prod", bgpd=bgpd)


def settled(place: Place) -> bool:
    """Whether two readings agree: a daemon commits what it was told even when nobody listens."""
    before, place.text = place.text, place.device.frr.running_config()
    return place.text == before


def load_and_kill(router: Router, script: str, seconds: float) -> None:
    """`vtysh -f`, all of whose processes end before it does; on a fast machine perhaps not."""
    (router.flavour.directories(router.name)[0] / "killed.conf").write_text(script)
    path = f"/etc/frr/{router.name}/killed.conf"  # inside the installation
    argv = router.flavour.command("vtysh", "-N", router.name, "-f", path)
    nothing = subprocess.DEVNULL
    with subprocess.Popen(  # noqa: S603
        argv, stdout=nothing, stderr=nothing, start_new_session=True
    ) as vtysh:
        with suppress(subprocess.TimeoutExpired):
            vtysh.wait(seconds)
        with suppress(ProcessLookupError):
            os.killpg(vtysh.pid, signal.SIGKILL)


@pytest.mark.soak
@pytest.mark.parametrize("ms", range(5, 105, 10))
def test_a_load_whose_vtysh_was_killed_is_finished_or_taken_back(place: Place, ms: int) -> None:
    script = frr.script(frr.diff(place.running(), FULL).commands)
    for goal in (FULL, NOTHING):
        load_and_kill(place.device.frr, script, ms / 1000)
        place.text = ""
        wait_for(lambda: settled(place), 5, "nothing is still being committed")
        bgpd, want = place.device.frr.running_config(daemon="bgpd"), frr.intend(FULL, "prod")
        cut = frr.parse(place.text, "prod", want, open_run=True, bgpd=bgpd)
        place.go_to(goal, cut)
        place.leave()
