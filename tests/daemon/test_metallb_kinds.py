"""MetalLB's own resources, by its own CRDs: read unchanged, and its statuses written."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import pytest

from daemon.cluster_world import SOON_S, Crown, Json, World
from daemon.flavour import Flavour, execute, wait_for
from daemon.kube import Plane
from daemon.lab import Lab
from daemon.test_agent import TOR, Site
from ferrule.compiler.source import read
from ferrule.reconcile import replica, saying

pytestmark = pytest.mark.daemon

MODULES = {
    "metallb.io/v1beta1": "go.universe.tf/metallb@v0.16.2",
    "frrk8s.metallb.io/v1beta1": "github.com/metallb/frr-k8s@v0.0.21",
}
GROUP, OF_SESSIONS = (f"/apis/{one}" for one in MODULES)
API = "metallb.io/v1beta1"


def defined(module: str) -> list[Json]:
    """The CRDs of a release, as its own files have them."""
    answer = execute(["go", "mod", "download", "-json", module])
    assert answer.returncode == 0, answer.stdout
    folder = Path(json.loads(answer.stdout)["Dir"], "config/crd/bases")
    read_ = (one.data for file in sorted(folder.iterdir()) for one in read(file.read_bytes(), ""))
    return [dict(one) for one in read_]


@pytest.fixture(scope="module")
def kinds(crowd: Plane) -> Iterator[Plane]:
    """An API server that has MetalLB's kinds, for as long as these tests take."""
    crds = {group: defined(module) for group, module in MODULES.items()}
    for one in chain.from_iterable(crds.values()):
        crowd.apply(one)

    def served() -> bool:
        try:
            found = {group: crowd.ask("GET", f"/apis/{group}")["resources"] for group in crds}
        except RuntimeError:
            return False
        if any(
            len([one for one in found[g] if "/" not in one["name"]]) < len(crds[g]) for g in crds
        ):
            return False
        try:  # discovery lists a kind before it is served
            for one in chain.from_iterable(crds.values()):
                names, group = one["spec"]["names"], one["spec"]["group"]
                for version in one["spec"]["versions"]:
                    crowd.ask("GET", f"/apis/{group}/{version['name']}/{names['plural']}")
        except RuntimeError:
            return False
        return True

    wait_for(served, 30, "MetalLB's kinds are served")
    yield crowd
    for one in chain.from_iterable(crds.values()):
        name = one["metadata"]["name"]
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
        with ExitStack() as ends:
            ends.callback(world.end)
            ends.callback(lambda: print(world.log.getvalue()[-4000:]))  # noqa: T201
            ends.callback(world.reigning(Crown()))
            yield Site(world, node, tor, name, tmp_path / "locks", ends)


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


def sessions(world: World) -> list[Json]:
    return [one.get("status", {}) for one in world.items("bgpsessionstates", OF_SESSIONS)]


@pytest.fixture
def attentive(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked at every now and then is looked at every second."""
    monkeypatch.setattr(saying, "ASK_S", 1.0)
    monkeypatch.setattr(saying, "SESSIONS_S", 0.5)
    monkeypatch.setattr(replica, "HEAL_S", 1.0)


@pytest.mark.usefixtures("attentive")
def test_a_session_says_how_it_does(site: Site) -> None:
    world, router = site.world, site.tor.frr
    end = site.agent()
    said = {"node": site.name, "peer": "198.51.100.1", "vrf": ""}

    def says(bgp: str, bfd: str) -> None:
        wanted = [{**said, "bgpStatus": bgp, "bfdStatus": bfd}]
        wait_for(lambda: sessions(world) == wanted, 90, f"it says {wanted}")

    says("Established", "N/A")
    (one,) = world.items("bgpsessionstates", OF_SESSIONS)
    prefix = "frrk8s.metallb.io"
    assert one["metadata"]["labels"] == {f"{prefix}/{key}": text for key, text in said.items()}

    block = "router bgp 65000\nneighbor 198.51.100.11 bfd\n"
    assert router.load(block).ok
    world.plane.apply(world.thing("BFDProfile", "fast", {}, API))
    peer = world.get("tor", "bgppeers", "/apis/metallb.io/v1beta2")["spec"]
    world.plane.apply(
        world.thing("BGPPeer", "tor", {**peer, "bfdProfile": "fast"}, "metallb.io/v1beta2")
    )
    says("Established", "Up")
    router.stop("bgpd")
    wait_for(lambda: sessions(world)[0]["bgpStatus"] != "Established", 90, "it is down")
    site.node.frr.stop("bgpd", hard=True)
    says("Unknown", "Unknown")
    site.node.frr.start("bgpd")
    router.start("bgpd")
    assert router.load(TOR).ok
    assert router.load(block).ok
    says("Established", "Up")

    world.delete("bgppeers", "tor", "/apis/metallb.io/v1beta2")
    wait_for(lambda: sessions(world) == [], SOON_S, "no session, no state")
    end()


@pytest.mark.usefixtures("attentive")
def test_what_somebody_changes_or_deletes_is_said_again(site: Site) -> None:
    world = site.world
    end = site.agent()
    for name in ("web", "api"):
        world.service(name)
        world.endpoints(name, site.name)
    site.hears("192.0.2.0/32", "192.0.2.1/32")
    kinds = {
        "servicebgpstatuses": GROUP,
        "bgpsessionstates": OF_SESSIONS,
        "configurationstates": GROUP,
        "ipaddresspools": GROUP,
    }

    def said() -> Json:
        return {
            f"{kind}/{one['metadata']['name']}": {
                key: text for key, text in one.get("status", {}).items() if key != "conditions"
            }
            for kind, group in kinds.items()
            for one in world.items(kind, group)
        }

    def versions() -> set[str]:
        listed = (one for kind, group in kinds.items() for one in world.items(kind, group))
        return {one["metadata"]["resourceVersion"] for one in listed}

    wait_for(lambda: sum(map(bool, said().values())) == 6, SOON_S, "all is said")
    wait_for(lambda: sessions(world)[0]["bgpStatus"] == "Established", 60, "the session is up")
    before = said()
    first, second = (one for one in before if one.startswith("servicebgp"))
    lie = {
        first: {"peers": ["nobody"]},
        "configurationstates/controller": {"result": "Invalid", "errorSummary": "a lie"},
        "ipaddresspools/public": {"assignedIPv4": 77, "availableIPv4": 1},
    }
    for path, status in lie.items():
        kind, name = path.split("/")
        world.merge({"status": status}, f"{world.path(kind, name, GROUP)}/status")
    speaker = f"configurationstates/speaker-{site.name}"
    (session,) = (one for one in before if one.startswith("bgpsession"))
    for path in (second, speaker, session):
        kind, name = path.split("/")
        world.delete(kind, name, kinds[kind])

    wait_for(lambda: said() == before, SOON_S, "all is said again")
    seen, until = versions(), time.monotonic() + 3
    while time.monotonic() < until:
        assert versions() == seen  # several looks, and nobody has written anything
    end()


@pytest.mark.usefixtures("attentive")
def test_what_is_said_of_a_node_goes_with_it(site: Site) -> None:
    """Whoever takes a Node away ends its agent with it; nobody else would take back its words."""
    world = site.world
    end = site.agent()
    world.service("web")
    world.endpoints("web", site.name)
    kinds = (
        ("servicebgpstatuses", GROUP),
        ("bgpsessionstates", OF_SESSIONS),
        ("configurationstates", GROUP),
    )

    def said() -> set[str]:
        found = (one["metadata"]["name"] for kind in kinds for one in world.items(*kind))
        return {one for one in found if one != "controller"}

    wait_for(lambda: len(said()) == 3, SOON_S, "all is said")
    end()
    world.plane.ask("DELETE", f"/api/v1/nodes/{site.name}")
    wait_for(lambda: said() == set(), 60, "it is taken away")
    assert "controller" in states(world)
