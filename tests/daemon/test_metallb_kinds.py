"""MetalLB's own resources, by its own CRDs: read unchanged, and its statuses written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.cluster_world import SOON_S, Crown, Json, World
from daemon.flavour import Flavour, execute, wait_for
from daemon.kube import Plane
from daemon.lab import Lab
from daemon.test_agent import TOR, Site
from ferrule.compiler.source import read

pytestmark = pytest.mark.daemon

MODULE = "go.universe.tf/metallb@v0.16.2"
GROUP = "/apis/metallb.io/v1beta1"
API = "metallb.io/v1beta1"


@pytest.fixture(scope="module")
def kinds(crowd: Plane) -> Iterator[Plane]:
    """An API server that has MetalLB's kinds, for as long as these tests take."""
    answer = execute(["go", "mod", "download", "-json", MODULE])
    assert answer.returncode == 0, answer.stdout
    folder = Path(json.loads(answer.stdout)["Dir"], "config/crd/bases")
    crds = [one.data for file in sorted(folder.iterdir()) for one in read(file.read_bytes(), "crd")]
    for one in crds:
        crowd.apply(one)

    def served() -> bool:
        try:
            resources = crowd.ask("GET", GROUP)["resources"]
        except RuntimeError:
            return False
        return len([one for one in resources if "/" not in one["name"]]) >= len(crds)

    wait_for(served, 30, "MetalLB's kinds are served")
    yield crowd
    for one in crds:
        name = one["metadata"]["name"]  # type: ignore[index]
        crowd.ask("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")


@pytest.fixture
def site(kinds: Plane, flavours: dict[str, Flavour], tmp_path: Path) -> Iterator[Site]:
    world = World(kinds)
    with Lab(flavours) as lab:
        node = lab.device("node-1", "10", {"rack": ["198.51.100.11/24"]})
        tor = lab.device("tor", "8", {"rack": ["198.51.100.1/24"]}, TOR)
        name = world.node("node-1", "198.51.100.11")
        peer = {
            "myASN": 64512,
            "peerASN": 65000,
            "peerAddress": "198.51.100.1",
            "connectTime": "1s",
            "nodeSelectors": [{"matchLabels": {"world": world.name}}],
        }
        for api, kind, called, spec in (
            (API, "IPAddressPool", "public", {"addresses": ["192.0.2.0/24"]}),
            ("metallb.io/v1beta2", "BGPPeer", "tor", peer),
            (API, "BGPAdvertisement", "public", {"ipAddressPools": ["public"]}),
        ):
            kinds.apply(world.thing(kind, called, spec, api))
        end = world.reigning(Crown())
        try:
            yield Site(world, node, tor, name, tmp_path / "locks")
        finally:
            end()
            print(world.log.getvalue()[-4000:])  # noqa: T201
            world.end()


def states(world: World) -> dict[str, tuple[str, str]]:
    found = world.items("configurationstates", GROUP)
    return {
        one["metadata"]["name"]: (
            one.get("status", {}).get("result", ""),
            one.get("status", {}).get("errorSummary", ""),
        )
        for one in found
    }


def test_metallbs_objects_and_its_statuses(site: Site) -> None:
    world = site.world
    end = site.agent()
    world.service("web")
    world.endpoints("web", site.name)
    site.hears("192.0.2.0/32")

    def told() -> list[Json]:
        return [one.get("status", {}) for one in world.items("servicebgpstatuses", GROUP)]

    said = {
        "node": site.name,
        "serviceName": "web",
        "serviceNamespace": world.name,
        "peers": ["tor"],
    }
    wait_for(lambda: told() == [said], SOON_S, "the Service's status")
    valid = {"controller": ("Valid", ""), f"speaker-{site.name}": ("Valid", "")}
    wait_for(lambda: states(world) == valid, SOON_S, "the configuration's states")

    def full() -> Json:
        return dict(world.get("public", "ipaddresspools", GROUP).get("status", {}))

    counters = {"assignedIPv4": 1, "availableIPv4": 255, "assignedIPv6": 0, "availableIPv6": 0}
    wait_for(lambda: full() == counters, SOON_S, "the pool's counters")

    broken = world.thing("IPAddressPool", "broken", {"addresses": ["192.0.2.0/25"]}, API)
    world.plane.apply(broken)
    wait_for(lambda: states(world)["controller"][0] == "Invalid", SOON_S, "it is invalid")
    assert "192.0.2.0/25" in states(world)["controller"][1]
    wait_for(lambda: "ConfigurationError" in world.reasons("broken"), SOON_S, "the event")
    site.hears("192.0.2.0/32")

    world.delete("ipaddresspools", "broken", GROUP)
    world.delete("services", "web")
    site.hears()
    wait_for(lambda: told() == [], SOON_S, "the Service's status is gone")
    end()
