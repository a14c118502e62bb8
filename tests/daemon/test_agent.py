"""An agent beside real FRR, on a real API server: what the cluster wants is what FRR announces."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from daemon.cluster_world import OURS, SOON_S, Crown, World
from daemon.flavour import Flavour, wait_for
from daemon.gate import Gate
from daemon.kube import Plane
from daemon.lab import Device, Lab
from ferrule.apply.hand import Run
from ferrule.apply.speaker import Place, Speaker
from ferrule.apply.vty_turn import Turns
from ferrule.commands.agent import withdraw
from ferrule.observe.cluster_api import connect
from ferrule.reconcile import reports
from ferrule.reconcile.agent import Agent, Settings, run
from ferrule.reconcile.logs import Log

pytestmark = pytest.mark.daemon

TOR = """
router bgp 65000
 bgp router-id 198.51.100.1
 no bgp ebgp-requires-policy
 neighbor 198.51.100.11 remote-as 64512
 address-family ipv4 unicast
  neighbor 198.51.100.11 soft-reconfiguration inbound
 exit-address-family
exit
"""


@dataclass
class Site:
    """A world with one node that has real FRR, and a router beyond it."""

    world: World
    node: Device
    tor: Device
    name: str
    locks: Path
    ends: ExitStack = field(default_factory=ExitStack)
    now: Agent = field(init=False)  # the one that was started last

    def agent(
        self, server: str = "", *, withdraws: bool = False, **settings: object
    ) -> Callable[[], None]:
        """Start an agent; what ends it, which the fixture does if the test does not.

        `server` is a kubeconfig.
        """
        router = self.node.frr
        vtysh = router.flavour.command_in(router.name, "vtysh", "-N", router.name)
        place = Place(router.flavour.directories(router.name)[1], tuple(vtysh))

        def speak(cluster: str, lost: Callable[[], object]) -> Speaker:
            turns = Turns(self.name, cluster, Run("agent", "test", "now"), self.locks)
            return Speaker(turns, place, on_loss=lost)

        given = Settings(
            self.name,
            self.world.name,
            lb_class=self.world.lb_class,
            spread_s=0,
            **settings,  # type: ignore[arg-type]
        )
        api, log = connect(server or str(self.world.plane.kubeconfig)), Log("debug", self.world.log)
        agent = self.now = Agent(api, given, log, speak)
        last = partial(withdraw, agent, log) if withdraws else lambda: None
        stopping = threading.Event()
        thread = threading.Thread(target=run, args=(agent, stopping, last))
        thread.start()

        def end() -> None:
            stopping.set()
            thread.join(20)
            assert not thread.is_alive()

        self.ends.callback(end)
        return end

    def accepts(self, *prefixes: str) -> None:
        """The Switch says that it takes these of the pool."""
        one = self.world.thing("Switch", "tor", None)
        del one["spec"]
        each = {"name": "public", "pool": "public", "family": "ipv4", "length": 32}
        status = {"accepts": [{**each, "prefixes": [*prefixes]}], "limits": []}
        self.world.plane.apply({**one, "apiVersion": OURS, "status": status}, "status")

    def wanted(self) -> int:
        """How many prefixes the agent would announce, if nothing held it back."""
        node = self.now.local.node
        return len(node.advertisements) if node else 0

    def heard(self) -> set[str]:
        """The prefixes that the router has of the node."""
        return set(self.tor.frr.show_json("show bgp ipv4 unicast")["routes"])

    def hears(self, *prefixes: str) -> None:
        wait_for(lambda: self.heard() == {*prefixes}, SOON_S, f"the router hears {prefixes}")


@pytest.fixture
def site(
    crowd: Plane, flavours: dict[str, Flavour], flavour: str, tmp_path: Path
) -> Iterator[Site]:
    world = World(crowd)
    with Lab(flavours) as lab:
        node = lab.device("node-1", flavour, {"rack": ["198.51.100.11/24"]})
        tor = lab.device("tor", flavour, {"rack": ["198.51.100.1/24"]}, TOR)
        name = world.node("node-1", "198.51.100.11")
        world.pool("public", "192.0.2.0/24")
        chosen = [{"matchLabels": {"world": world.name}}]
        world.apply(
            "BGPPeer",
            "tor",
            myASN=64512,
            peerASN=65000,
            peerAddress="198.51.100.1",
            connectTime="1s",
            nodeSelectors=chosen,
        )
        world.apply("BGPAdvertisement", "public")
        with ExitStack() as ends:
            ends.callback(world.end)
            ends.callback(lambda: print(world.log.getvalue()[-4000:]))  # noqa: T201
            ends.callback(world.reigning(Crown()))
            yield Site(world, node, tor, name, tmp_path / "locks", ends)


def test_a_service_comes_and_goes(site: Site) -> None:
    end = site.agent()
    site.world.service("web")
    site.world.endpoints("web", site.name)
    site.hears("192.0.2.0/32")
    site.world.service("more")
    site.world.endpoints("more", site.name)
    site.hears("192.0.2.0/32", "192.0.2.1/32")
    site.world.endpoints("web", site.name, ready=False)
    site.hears("192.0.2.1/32")
    end()
    site.hears("192.0.2.1/32")
    site.world.delete("services", "more")
    end = site.agent()
    site.hears()
    end()


def test_what_is_announced_stays_and_what_a_grown_pool_adds_waits_for_the_switch(
    site: Site,
) -> None:
    old, new = "192.0.2.0/24", "203.0.113.0/24"
    tor = {"asn": 65000, "routerID": "198.51.100.1", "addresses": ["198.51.100.1/24"]}
    site.world.apply("Switch", "tor", **tor)
    site.accepts(old)
    site.agent(accept_wait_s=600)
    site.world.service("web")
    site.world.endpoints("web", site.name)
    site.hears("192.0.2.0/32")
    site.world.pool("public", old, new)
    site.world.service("more", {"metallb.io/loadBalancerIPs": "203.0.113.1"})
    site.world.endpoints("more", site.name)
    site.world.has("more", "203.0.113.1")
    wait_for(lambda: site.wanted() == 2, SOON_S, "the agent knows both")
    wait_for(lambda: site.now.gate.waits, SOON_S, "it waits for the switch")
    site.hears("192.0.2.0/32")
    site.world.endpoints("web", site.name, ready=False)
    site.hears()  # a later word has been carried out, so the new prefix is held back
    site.world.endpoints("web", site.name)
    site.accepts(old, new)
    site.hears("192.0.2.0/32", "203.0.113.1/32")


def test_it_withdraws_at_its_end_while_the_api_server_hangs(site: Site, tmp_path: Path) -> None:
    plane = site.world.plane
    with Gate(plane.server) as gate:
        end = site.agent(gate.kubeconfig(plane, tmp_path / "config"), withdraws=True)
        site.world.service("web")
        site.world.endpoints("web", site.name)
        site.hears("192.0.2.0/32")
        gate.shut()
        site.now.publisher.put(reports.configuration_state(site.world.name, "x", "Valid", ()))
        end()
        site.hears()
