"""FRR and the agent side by side, in the mounts of the Pod: whoever starts first, and whoever
starts again; and what of it FRR has by itself after a start.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from daemon.cluster_world import SOON_S, Crown, World
from daemon.flavour import Flavour, wait_for
from daemon.frr_pod import Pod
from daemon.kube import Plane
from daemon.lab import Device, Lab
from daemon.roles import give_roles, kubeconfig_of_account, take_roles
from daemon.test_agent import TOR

pytestmark = pytest.mark.daemon

START_S = 90.0  # FRR, its session and its routes, on a machine that is busy
NODE = "198.51.100.11"


@dataclass
class Site:
    """A world with a controller, a node that is a Pod, and a router beyond it."""

    world: World
    pod: Pod
    tor: Device
    name: str

    def start_agent(self, *options: str) -> None:
        config = kubeconfig_of_account(self.world.plane, "agent", self.world.name)
        given = ["--kubeconfig", str(config), "--namespace", self.world.name]
        given += ["--node-name", self.name, "--lb-class", self.world.lb_class]
        self.pod.start_agent(*given, *options)

    def service(self, name: str) -> None:
        self.world.service(name)
        self.world.endpoints(name, self.name)

    def heard(self) -> set[str]:
        return set(self.tor.frr.show_json("show bgp ipv4 unicast").get("routes", {}))

    def hears(self, *prefixes: str, within_s: float = START_S) -> None:
        wait_for(lambda: self.heard() == {*prefixes}, within_s, f"the router hears {prefixes}")

    def up(self) -> bool:
        return self.tor.established(NODE)

    def lost(self) -> int:
        return int(self.tor.frr.show_json("show bgp neighbors")[NODE]["connectionsDropped"])

    def kill_bgpd(self) -> None:
        """watchfrr starts it anew, with nothing."""
        before = self.pod.bgpd()
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: self.pod.bgpd() not in (0, before), START_S, "watchfrr starts it again")

    def restart_frr(self) -> None:
        self.pod.kill("frr")
        wait_for(lambda: not self.up(), START_S, "the router has noticed")
        self.pod.start_frr()


@pytest.fixture
def site(
    crowd: Plane, flavours: dict[str, Flavour], flavour: str, tmp_path: Path
) -> Iterator[Site]:
    world = World(crowd)
    give_roles(crowd, world.name)
    with Lab(flavours) as lab:
        network, _ = lab.host("node-1", {"rack": [f"{NODE}/24"]})
        bfd = TOR.replace("remote-as 64512\n", f"remote-as 64512\n neighbor {NODE} bfd\n")
        tor = lab.device("tor", "8", {"rack": ["198.51.100.1/24"]}, bfd)
        pod = Pod(flavours[flavour], network, tmp_path)
        name = world.node("node-1", NODE)
        world.pool("public", "192.0.2.0/24")
        world.apply("BFDProfile", "fast")
        world.apply(
            "BGPPeer",
            "tor",
            myASN=64512,
            peerASN=65000,
            peerAddress="198.51.100.1",
            connectTime="1s",
            bfdProfile="fast",
            nodeSelectors=[{"matchLabels": {"world": world.name}}],
        )
        world.apply("BGPAdvertisement", "public")
        end = world.reigning(Crown())
        try:
            yield Site(world, pod, tor, name)
        finally:
            end()
            pod.end()
            for one in ("agent", "frr"):
                if (tmp_path / f"{one}.log").exists():
                    print(one, pod.log(one)[-3000:], sep="\n")  # noqa: T201
            take_roles(crowd)
            world.end()


def test_the_agent_is_there_first(site: Site) -> None:
    """And afterwards FRR, or a part of it, begins anew beside it: nothing persists."""
    site.pod.prepare("bundled")
    site.service("web")
    site.start_agent()

    def waits() -> bool:
        said = [one for one in site.pod.said() if one["event"] == "frrNotChanged"]
        return bool(said) and said[-1]["code"] == "frr-not-running"

    wait_for(waits, SOON_S, "it says that FRR is not there")
    site.pod.start_frr()
    site.hears("192.0.2.0/32")

    site.kill_bgpd()
    wait_for(lambda: site.heard() == {"192.0.2.0/32"} and site.up(), START_S, "all is back")
    site.restart_frr()
    site.hears("192.0.2.0/32")
    site.service("more")
    site.hears("192.0.2.0/32", "192.0.2.1/32", within_s=SOON_S)
    assert site.pod.frr_conf == ""


@pytest.mark.parametrize("flavour", ["10"], indirect=True)
def test_frr_is_there_first_and_the_agent_begins_anew(site: Site) -> None:
    site.pod.prepare("bundled")
    site.pod.start_frr()
    wait_for(site.pod.bgpd, START_S, "FRR is there")
    for name in ("web", "gone"):
        site.service(name)
    site.start_agent()
    site.hears("192.0.2.0/32", "192.0.2.1/32")
    wait_for(lambda: site.tor.frr.show_json("show bfd peers")[0]["status"] == "up", START_S, "BFD")
    lost = site.lost()

    site.pod.kill("agent")
    site.world.delete("services", "gone")
    site.service("more")
    assert site.heard() == {"192.0.2.0/32", "192.0.2.1/32"}
    site.start_agent()
    kept, given = site.world.served("web", "more").values()
    site.hears(f"{kept[0]}/32", f"{given[0]}/32", within_s=SOON_S)
    site.pod.stop("agent")
    assert site.up()
    assert site.heard() == {f"{kept[0]}/32", f"{given[0]}/32"}
    assert site.lost() == lost


@pytest.mark.parametrize(
    ("flavour", "save"),
    [("8", True), ("10", True), ("10", False)],
    indirect=["flavour"],
    ids=["8-saved", "10-saved", "10-not saved"],
)
def test_the_frr_of_a_host_starts_with_what_was_saved(site: Site, save: bool) -> None:  # noqa: FBT001
    """It is there first, as the node's own service manager starts it; the agent is away later."""
    site.pod.host_files()
    site.pod.start_frr()
    wait_for(site.pod.bgpd, START_S, "FRR is there")
    site.pod.prepare()
    site.service("web")
    site.start_agent(*(["--save"] if save else []))
    site.hears("192.0.2.0/32")
    if save:
        wait_for(lambda: "network 192.0.2.0/32" in site.pod.frr_conf, SOON_S, "it is saved")
    site.pod.stop("agent")

    site.restart_frr()
    wait_for(site.pod.bgpd, START_S, "FRR is there")
    if save:
        site.hears("192.0.2.0/32")
    else:
        assert "ferrule" not in site.pod.frr_conf
        assert site.heard() == set()
    site.service("more")
    site.start_agent(*(["--save"] if save else []))
    site.hears("192.0.2.0/32", "192.0.2.1/32")
