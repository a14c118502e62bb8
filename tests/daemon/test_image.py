"""deploy/ as it is: the image built, and the Pods of the manifests run from it in a small cluster.

Users, capabilities, seccomp, roots that nothing may write, volumes, memory and arguments are the
manifests'; the API server, FRR, a router and a client beyond are real. What differs is only what
the images begin with (image.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from charts import DEPLOY, NAMESPACE, ROOT, Object, containers, parsed, pod_of, shipped

from daemon.cluster_world import SOON_S, World
from daemon.containers import Engine, Pod, engine
from daemon.flavour import Flavour, execute, wait_for
from daemon.image import IMAGE, build, require_engine
from daemon.kube import Plane, start
from daemon.kube_world import with_our_kinds
from daemon.l2 import inside, ip, mac_of, require_segment
from daemon.lab import Device, Lab
from ferrule.announce.wire import mac_text

pytestmark = [pytest.mark.daemon, pytest.mark.soak]

NODE, OTHER, TOR, CLIENT, SERVER = (f"192.0.2.{n}" for n in (1, 2, 254, 200, 250))
POOL = ("192.0.2.101-192.0.2.110", "2001:db8::101-2001:db8::110")
ROUTER = f"""\
router bgp 65000
 bgp router-id {TOR}
 no bgp ebgp-requires-policy
 neighbor {NODE} remote-as 64512
exit
"""
UPLINK = "uplink"
CAPABILITIES = {  # linux/capability.h
    "KILL": 5,
    "SETGID": 6,
    "SETUID": 7,
    "SYS_ADMIN": 21,
    "NET_BIND_SERVICE": 10,
    "NET_ADMIN": 12,
    "NET_RAW": 13,
}
ALONE = ["--network=none", "--user=65532:65532", "--cap-drop=ALL", "--read-only"]
ALONE += ["--read-only-tmpfs=false", "--security-opt=no-new-privileges"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine that has the images."""
    require_engine()
    with engine(tmp_path_factory.mktemp("engine")) as one:
        build(one)
        yield one


# The image by itself.


def ferrule(engine: Engine, *words: str, mounts: tuple[str, ...] = ()) -> str:
    """What it says, run as nobody, with no network and nowhere to write."""
    done = engine.run("--rm", *ALONE, *mounts, IMAGE, *words)
    assert done.returncode == 0, done.stdout
    return done.stdout.strip()


def test_the_image_says_its_version(built: Engine) -> None:
    (chart,) = parsed((DEPLOY / "chart/ferrule/Chart.yaml").read_text())

    assert ferrule(built, "--version") == f"ferrule {chart['appVersion']}"


def test_the_image_compiles_as_the_checkout_does(built: Engine, tmp_path: Path) -> None:
    mounts = (f"--volume={ROOT}/examples/fabric:/spec:ro", f"--volume={tmp_path}:/out")
    tmp_path.chmod(0o777)

    assert "3 served" in ferrule(built, "validate", "/spec", mounts=mounts)
    ferrule(built, "render", "--out", "/out", "/spec", mounts=mounts)

    golden = ROOT / "golden/fabric"
    for path in ("nodes/node-1/frr.conf", "switches/tor-a/config_db.json"):
        assert (tmp_path / path).read_bytes() == (golden / path).read_bytes()


# In a cluster.


@dataclass
class Site:
    """A node with its Pod, a controller somewhere else, and who is beyond."""

    lab: Lab
    plane: Plane
    shop: World
    tor: Device
    node: str
    client: str
    controller: Pod
    agent: Pod

    def page(self, pod: Pod, port: int, path: str) -> str:
        """As a kubelet's probe or Prometheus asks."""
        url = f"http://127.0.0.1:{port}{path}"
        return execute(["ip", "netns", "exec", pod.network, "curl", "-s", url]).stdout

    def ready(self, pod: Pod) -> bool:
        return self.page(pod, 17472, "/readyz") == "ok\n"

    def routes(self) -> set[str]:
        return set(self.tor.frr.show_json("show bgp ipv4 unicast").get("routes", {}))

    def names_the_node(self, address: str) -> bool:
        """Whether the client is told the node's MAC, by ARP or NDP."""
        four, six = (
            ["arping", "-c1", "-w2", "-I", "eth0", address],
            ["ndisc6", "-1", address, "eth0"],
        )
        argv = ["ip", "netns", "exec", self.client, *(six if ":" in address else four)]
        return mac_text(mac_of(self.node, UPLINK)) in execute(argv).stdout.lower()


def uplink(node: str) -> None:
    """Its addresses are on an interface of a kind that agents use unasked, as veth is not."""
    ip(node, "link", "add", UPLINK, "link", "eth0", "type", "macvlan")
    for address in (f"{NODE}/24", "2001:db8::1/64"):
        ip(node, "address", "add", address, "dev", UPLINK)
    ip(node, "link", "set", UPLINK, "up")


def install(plane: Plane) -> None:
    """What deploy/README.md says, as kubectl does it."""
    with_our_kinds(plane)
    for one in (*shipped(), *parsed((DEPLOY / "manifests/heartbeat.example.yaml").read_text())):
        plane.apply(one)
    there = World(plane, NAMESPACE)

    def trusted() -> bool:
        return "kube-root-ca.crt" in {one["metadata"]["name"] for one in there.items("configmaps")}

    wait_for(trusted, 20, "the namespace has what Pods mount")


def write_spec(plane: Plane) -> None:
    """A pool that is advertised to the router and announced on the segment."""
    ours = World(plane, NAMESPACE)
    ours.pool("public", *POOL)
    peer = {"myASN": 64512, "peerASN": 65000, "peerAddress": TOR, "connectTime": "1s"}
    ours.apply("BGPPeer", "tor", **peer)
    ours.apply("BGPAdvertisement", "public")
    ours.apply("L2Advertisement", "public")


@pytest.fixture(scope="module")
def site(
    built: Engine, flavours: dict[str, Flavour], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    require_segment()
    folder = tmp_path_factory.mktemp("pods")
    with Lab(flavours) as lab, ExitStack() as stack:
        tor = lab.device("tor", "8", {"lan": [f"{TOR}/24"]}, ROUTER)
        node, _ = lab.host("node", {"lan": []})
        uplink(node)
        other, _ = lab.host("other", {"lan": [f"{OTHER}/24"]})
        client, _ = lab.host("client", {"lan": [f"{CLIENT}/24", "2001:db8::c/64"]})
        server, _ = lab.host("server", {"lan": [f"{SERVER}/24"]})
        stack.enter_context(inside(server))
        plane = start(tmp_path_factory.mktemp("plane"), address=SERVER)
        stack.callback(plane.stop)
        install(plane)
        write_spec(plane)
        shop = World(plane, "shop")
        name = shop.node("node", NODE)
        made = {
            part: Pod(built, plane, pod_of(shipped(), part), network, folder / part, fields(at))
            for part, network, at in (("controller", other, "elsewhere"), ("agent", node, name))
        }
        one = Site(lab, plane, shop, tor, node, client, **made)
        yield one
        for pod in made.values():
            print(pod.logs())  # noqa: T201
            pod.end()


def fields(node: str) -> dict[str, str]:
    """What a Pod is told of itself."""
    return {
        "metadata.namespace": NAMESPACE,
        "metadata.name": f"ferrule-on-{node}",
        "spec.nodeName": node,
    }


@pytest.fixture(scope="module")
def running(site: Site) -> Site:
    """All containers, in the order of the manifest, and both Pods ready."""
    site.controller.start("controller")
    done = site.agent.prepare("vtysh")
    assert (done.returncode, done.stdout) == (0, "")
    site.agent.start("frr")
    site.agent.start("agent")
    for pod in (site.controller, site.agent):
        wait_for(lambda p=pod: site.ready(p), 40, f"{pod.fields} is ready")  # type: ignore[misc]
    return site


@pytest.fixture(scope="module")
def addresses(running: Site) -> list[str]:
    """Of a Service with an endpoint on the node."""
    families: Object = {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv4", "IPv6"]}
    running.shop.service("web", None, loadBalancerClass=None, **families)
    running.shop.endpoints("web", running.agent.fields["spec.nodeName"])
    return running.shop.served("web")["web"]


def rights(pid: int) -> Object:
    """Of a process: who it is, what it may do and get, and whether it may get no more."""
    lines = (one.split(":", 1) for one in Path(f"/proc/{pid}/status").read_text().splitlines())
    said = {key: value.split() for key, value in lines}
    sets = {key: int(said[key][0], 16) for key in ("CapEff", "CapPrm", "CapBnd", "CapAmb")}
    filtered = said["Seccomp"] == ["2"]
    return {"uid": int(said["Uid"][0]), **sets, "closed": filtered and said["NoNewPrivs"] == ["1"]}


def given(pod: Pod, name: str, uid: int) -> Object:
    """The same, as the manifest says it."""
    one = containers(pod.spec)[name]["securityContext"]["capabilities"]
    mask = sum(1 << CAPABILITIES[each] for each in one.get("add", ()))
    sets = {"CapEff": mask, "CapPrm": mask, "CapBnd": mask, "CapAmb": 0}
    return {"uid": uid, **sets, "closed": True}


def below(pid: int) -> set[int]:
    """A process and all that it started."""
    children = Path(f"/proc/{pid}/task").glob("*/children")
    return {pid}.union(*(below(int(one)) for each in children for one in each.read_text().split()))


def announces(pid: int) -> bool:
    """Whether this is the process that answers ARP and NDP."""
    return "ferrule.announce.process" in Path(f"/proc/{pid}/cmdline").read_text()


def test_nobody_may_more_than_the_manifest_says(running: Site) -> None:
    one = running.controller
    assert rights(one.first("controller")) == given(one, "controller", 65532)

    one = running.agent
    assert rights(one.first("frr")) == given(one, "frr", 0)
    agent = one.first("agent")
    wait_for(lambda: any(map(announces, below(agent))), 20, "it has started its announcer")
    assert all(rights(pid) == given(one, "agent", 0) for pid in below(agent))


def test_a_service_is_served_from_end_to_end(running: Site, addresses: list[str]) -> None:
    four, six = addresses

    wait_for(lambda: running.routes() == {f"{four}/32"}, 60, "the router hears it")
    for one in (four, six):
        wait_for(lambda a=one: running.names_the_node(a), SOON_S, f"the client is told of {one}")  # type: ignore[misc]
    assert f'ip="{four}"' in running.page(running.agent, 9120, "/metrics")
    assert "ferrule_leading 1.0" in running.page(running.controller, 9120, "/metrics")


def test_an_agent_that_is_restarted_withdraws_nothing(running: Site, addresses: list[str]) -> None:
    routes = {f"{addresses[0]}/32"}
    wait_for(lambda: running.routes() == routes, 60, "the router hears it")
    before = running.tor.frr.show_json("show bgp neighbors")[NODE]["connectionsDropped"]

    assert running.agent.stop("agent") == 0
    assert running.routes() == routes
    running.agent.start("agent")
    wait_for(lambda: running.ready(running.agent), 60, "it is ready again")

    after = running.tor.frr.show_json("show bgp neighbors")[NODE]
    assert (after["bgpState"], after["connectionsDropped"]) == ("Established", before)
    assert running.routes() == routes


def test_all_end_when_they_are_told(running: Site) -> None:
    assert running.controller.stop("controller") == 0
    assert running.agent.stop("agent") == 0
    assert running.agent.stop("frr") == 0
