"""A cluster read from a real API server: all of it, or it is said what is missing."""

import base64
import json
import subprocess
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

import pytest

from daemon.flavour import execute, wait_for
from daemon.kube import Plane
from daemon.kube_world import dumped, shown, thing
from ferrule.compiler.explain import catalogue
from ferrule.compiler.pipeline import Compilation, compile_network, read_inputs
from ferrule.compiler.source import Document, read
from ferrule.observe import cluster as observed
from ferrule.observe.cluster import CORE, CUSTOM, KINDS, Snapshot, load
from ferrule.observe.cluster_api import Answer, Api
from ferrule.observe.cluster_config import login

pytestmark = pytest.mark.daemon

ROLE = read(catalogue()["cluster-forbidden"].example, "role.yaml")[0].data
METALLB = "go.universe.tf/metallb@v0.16.2"


def rules(without: str = "") -> list[dict[str, Any]]:
    """The role that `ferrule explain cluster-forbidden` shows, or less."""
    given = cast("list[dict[str, Any]]", ROLE["rules"])
    return [rule for rule in given if without not in rule["resources"]]


def compiled(snapshot: Snapshot, *more: Document) -> Compilation:
    documents = (*snapshot.documents, *more)
    return compile_network(read_inputs(documents, unreadable=snapshot.diagnostics))


def told(snapshot: Snapshot) -> list[str]:
    """First lines."""
    return [str(one).splitlines()[0] for one in snapshot.diagnostics]


def data(snapshot: Snapshot) -> list[dict[str, object]]:
    return [one.data for one in snapshot.documents]


# What there is


def test_what_a_bare_cluster_lacks(bare: Snapshot) -> None:
    assert bare.empty == {"Node", "EndpointSlice"}
    assert bare.missing == set()  # metallb.io is not installed, and that is no mistake
    assert told(bare) == [
        "context admin: warning[cluster-empty]: "
        "the cluster has no Node: nothing is compiled for nodes",
        "context admin: warning[cluster-empty]: the cluster has no EndpointSlice: "
        "every Service is taken to have a ready endpoint on every node",
    ]


def test_a_cluster_is_read_as_its_dump_is(cluster: Plane) -> None:
    snapshot = load(str(cluster.kubeconfig))
    live = compiled(snapshot)
    dump = compile_network(read_inputs(read(dumped(cluster), "dump.json")))

    assert snapshot.diagnostics == ()
    assert snapshot.missing == set()
    assert snapshot.empty == set()
    assert len(live.network.services) == 4
    assert shown(live) == shown(dump)
    assert [one.message for one in live.diagnostics] == [one.message for one in dump.diagnostics]


def test_a_message_names_the_object(cluster: Plane) -> None:
    """There is no line and column of what comes from an API server."""
    live = compiled(load(str(cluster.kubeconfig)), *read(thing_text("Switch", "tor"), "more.yaml"))

    (twice,) = [one for one in live.diagnostics if one.code == "duplicate-name"]
    assert [str(place) for place in twice.places] == ["more.yaml:1:79", "Switch shop/tor"]


def thing_text(kind: str, name: str, **spec: object) -> str:
    return json.dumps(thing(kind, name, spec))


def test_pages_make_the_same_list(cluster: Plane) -> None:
    whole, paged = load(str(cluster.kubeconfig)), load(str(cluster.kubeconfig), page=2)

    assert data(paged) == data(whole)
    assert sum(one.kind == "Service" for one in paged.documents) > 4


def test_custom_resources_of_one_namespace(cluster: Plane) -> None:
    def ours(namespace: str) -> set[str]:
        documents = load(str(cluster.kubeconfig), namespace=namespace).documents
        return {one.kind for one in documents if one.kind in CUSTOM["ferrule.dev"]}

    assert ours("shop") == {"BGPAdvertisement", "BGPPeer", "IPAddressPool", "Switch"}
    assert ours("default") == set()


@pytest.fixture
def metallb(cluster: Plane) -> Iterator[Plane]:
    """MetalLB's own CRDs, from its module, and a peer in the older of two versions."""
    printed = execute(["go", "mod", "download", "-json", METALLB])
    if printed.returncode:
        pytest.skip(f"no module {METALLB}: not tested with MetalLB's own CRDs")
    folder = Path(json.loads(printed.stdout)["Dir"], "config/crd/bases")
    crds = [dict(read(path.read_bytes(), str(path))[0].data) for path in folder.iterdir()]
    for one in crds:
        one.pop("status", None)
        cluster.apply(one)
    wait_for(lambda: len(listed(cluster)) >= len(crds), 20, "MetalLB's kinds are listed")
    wait_for(lambda: are_served(cluster), 20, "MetalLB's kinds are served")
    yield cluster
    for one in crds:
        name = cast("dict[str, str]", one["metadata"])["name"]
        cluster.ask("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
    wait_for(lambda: not listed(cluster), 20, "MetalLB's kinds are gone")


def listed(plane: Plane) -> dict[str, str]:
    """MetalLB's kinds of which the API server says that it has them, each with its path."""
    found = {}
    for version in ("v1beta1", "v1beta2"):
        try:
            resources = plane.ask("GET", f"/apis/metallb.io/{version}")["resources"]
        except RuntimeError:  # this version is not there, or not there any more
            continue
        for one in resources:
            if "/" not in one["name"]:
                found[one["kind"]] = f"/apis/metallb.io/{version}/{one['name']}"
    return found


def are_served(plane: Plane) -> bool:
    """A kind is listed a moment before it is."""
    try:
        for path in listed(plane).values():
            plane.ask("GET", path)
    except RuntimeError:
        return False
    return True


def test_metallb_where_it_is_installed(metallb: Plane) -> None:
    spec = {"myASN": 64512, "peerASN": 65001, "peerAddress": "10.1.0.2"}
    metallb.apply(thing("BGPPeer", "metal", spec, "metallb.io/v1beta2"))
    status = {"apiVersion": "metallb.io/v1beta1", "kind": "ConfigurationState"}
    metallb.apply({**status, "metadata": {"name": "controller", "namespace": "shop"}})

    snapshot = load(str(metallb.kubeconfig))

    theirs = [one for one in snapshot.documents if one.api_version.startswith("metallb.io/")]
    assert [(one.api_version, one.kind) for one in theirs] == [("metallb.io/v1beta2", "BGPPeer")]
    live = compiled(snapshot)
    assert live.ok, live.diagnostics
    assert {one["peer"] for one in shown(live)["sessions"]} == {"tor", "metal"}


# Secrets


def peer_with_password(secret: str) -> Document:
    """From a file, in the namespace of the Secret."""
    spec = {"myASN": 64512, "peerASN": 65002, "peerAddress": "10.1.0.3"}
    peer = thing("BGPPeer", "guarded", {**spec, "passwordSecret": {"name": secret}})
    return read(json.dumps(peer), "peer.yaml")[0]


@pytest.fixture
def secrets(cluster: Plane) -> Plane:
    """Two, of which `partial` may get one and list none."""
    for name in ("bgp", "other"):
        one = {**thing("Secret", name, api="v1"), "type": "kubernetes.io/basic-auth"}
        cluster.apply({**one, "stringData": {"username": "u", "password": f"hunter2-{name}"}})
    return cluster


def test_a_secret_that_is_named_is_read_and_no_other(secrets: Plane) -> None:
    secrets.allow("reader", rules())
    only = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["bgp"], "verbs": ["get"]}
    secrets.allow("reader", [only], namespace="shop")
    peer = peer_with_password("bgp")

    snapshot = load(str(secrets.kubeconfig_of("reader")), beside=[peer])

    found = [one for one in snapshot.documents if one.kind == "Secret"]
    assert [one.data["metadata"] for one in found] == [{"namespace": "shop", "name": "bgp"}]
    assert list(cast("dict[str, str]", found[0].data["data"])) == ["password"]
    assert snapshot.diagnostics == ()
    assert snapshot.missing == set()
    live = compiled(snapshot, peer)
    assert live.inputs.secrets["shop/bgp"].password == "hunter2-bgp"  # noqa: S105
    assert "hunter2" not in json.dumps(shown(live))


def test_a_secret_that_may_not_be_read_is_missing(secrets: Plane) -> None:
    secrets.allow("reader", rules())
    peer = peer_with_password("other")

    snapshot = load(str(secrets.kubeconfig_of("reader")), beside=[peer])

    assert snapshot.missing == {"Secret"}
    assert told(snapshot) == [
        "context reader: warning[cluster-forbidden]: Secret shop/other cannot be read: 403 secrets "
        '"other" is forbidden: User "reader" cannot get resource "secrets" in API group "" in the '
        'namespace "shop"'
    ]
    assert compiled(snapshot, peer).ok


def test_a_secret_that_is_not_there_is_for_the_compiler_to_miss(cluster: Plane) -> None:
    peer = peer_with_password("nowhere")
    snapshot = load(str(cluster.kubeconfig), beside=[peer])

    assert snapshot.diagnostics == ()
    assert snapshot.missing == set()
    assert "secret-missing" in {one.code for one in compiled(snapshot, peer).diagnostics}


# What may not be read


def test_the_role_of_the_catalogue_is_enough(cluster: Plane) -> None:
    cluster.allow("reader", rules())

    assert data(load(str(cluster.kubeconfig_of("reader")))) == data(load(str(cluster.kubeconfig)))


def test_endpoints_that_may_not_be_read_are_missing(cluster: Plane) -> None:
    cluster.allow("partial", rules(without="endpointslices"))
    snapshot = load(str(cluster.kubeconfig_of("partial")))

    assert snapshot.missing == {"EndpointSlice"}
    assert snapshot.empty == set()
    assert told(snapshot) == [
        "context partial: warning[cluster-forbidden]: endpointslices.discovery.k8s.io cannot be "
        'read: 403 endpointslices.discovery.k8s.io is forbidden: User "partial" cannot list '
        'resource "endpointslices" in API group "discovery.k8s.io" at the cluster scope'
    ]
    whole = load(str(cluster.kubeconfig))
    assert data(snapshot) == [one for one in data(whole) if one["kind"] != "EndpointSlice"]
    assert compiled(snapshot).ok  # for plan to show, and to withdraw nothing


def test_without_any_right_everything_is_missing(cluster: Plane) -> None:
    snapshot = load(str(cluster.kubeconfig_of("nobody")))

    assert snapshot.documents == ()
    assert snapshot.missing == {*(one.kind for one in CORE), *CUSTOM["ferrule.dev"]}
    assert {one.code for one in snapshot.diagnostics} == {"cluster-forbidden"}
    assert not compiled(snapshot).ok  # half a spec is none


# Who does not get in, and where


def changed(plane: Plane, path: Path, part: str, **settings: object) -> str:
    """A kubeconfig like the admin's, but for one thing."""
    config = json.loads(plane.kubeconfig.read_text())
    entry = config[f"{part}s"][0][part]
    kept = {key: value for key, value in {**entry, **settings}.items() if value is not None}
    config[f"{part}s"][0][part] = kept
    path.write_text(json.dumps(config))
    return str(path)


def refusal(kubeconfig: str) -> str:
    """The one line there is to say."""
    snapshot = load(kubeconfig)
    assert snapshot.documents == ()
    assert snapshot.missing == KINDS
    (line,) = told(snapshot)
    return line


def expired(plane: Plane) -> str:
    """A token of the API server's own making, which ran out long ago."""

    def part(content: object) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=")

    subject = "system:serviceaccount:default:default"
    issuer = "https://kubernetes.default.svc"
    claims = {"iss": issuer, "aud": [issuer], "sub": subject, "iat": 1, "nbf": 1, "exp": 1000}
    signed = part({"alg": "RS256", "typ": "JWT"}) + b"." + part(claims)
    key = plane.directory / "service-account.key"
    sign = ["openssl", "dgst", "-sha256", "-sign", str(key)]
    made = subprocess.run(sign, input=signed, capture_output=True, check=True)  # noqa: S603
    return (signed + b"." + base64.urlsafe_b64encode(made.stdout).rstrip(b"=")).decode()


def test_a_token_that_has_expired(cluster: Plane, tmp_path: Path) -> None:
    token = expired(cluster)
    line = refusal(changed(cluster, tmp_path / "config", "user", token=token))

    assert line == (
        f"context admin: error[cluster-unauthorized]: {cluster.server} does not let us in: "
        "401 Unauthorized"
    )
    assert "token has expired" in (cluster.directory / "kube-apiserver.log").read_text()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"certificate-authority": None}, "self-signed certificate in certificate chain"),
        (
            {"tls-server-name": "api.example.net"},
            "Hostname mismatch, certificate is not valid for 'api.example.net'.",
        ),
    ],
    ids=["another authority", "another name"],
)
def test_a_server_that_cannot_be_trusted(
    cluster: Plane, tmp_path: Path, settings: Mapping[str, object], why: str
) -> None:
    line = refusal(changed(cluster, tmp_path / "config", "cluster", **settings))

    assert line == f"context admin: error[cluster-tls]: no TLS with {cluster.server}: {why}"


def test_a_server_that_is_not_there(cluster: Plane, tmp_path: Path) -> None:
    server = "https://127.0.0.1:1"
    line = refusal(changed(cluster, tmp_path / "config", "cluster", server=server))

    assert line == (
        f"context admin: error[cluster-unreachable]: {server} does not answer: connection refused"
    )


# A server that comes and goes


class Interrupted(Api):
    """Between its first page and the second, the API server ends and begins again."""

    plane: Plane
    seen: list[Snapshot]

    def send(self, method: str, path: str, **options: Any) -> Answer:
        if "continue" in (options.get("query") or {}) and not self.seen:
            self.plane.apply(thing("ConfigMap", "later", api="v1"))
            self.plane.forget()
            self.plane.start_api_server(self.plane.kill_api_server())
            wait_for(self.there, 60, "the API server answers again")
            answer = super().send(method, path, **options)
            assert answer.status == HTTPStatus.GONE
            return answer
        return super().send(method, path, **options)

    def there(self) -> bool:
        self.seen.append(load(str(self.plane.kubeconfig)))
        return not self.seen[-1].diagnostics


def test_a_server_that_begins_again(cluster: Plane) -> None:
    """While it does, nothing is taken for gone; a list that it has forgotten begins anew."""
    before = data(load(str(cluster.kubeconfig)))
    api = Interrupted(login(str(cluster.kubeconfig)))
    api.plane, api.seen = cluster, []

    assert data(observed.read(api, page=2)) == before
    assert len(api.seen) > 1
    for snapshot in api.seen:
        gone = {one["kind"] for one in before} - {one["kind"] for one in data(snapshot)}
        assert gone <= snapshot.missing
        assert bool(snapshot.diagnostics) == bool(gone)
