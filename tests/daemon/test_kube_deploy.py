"""deploy/ on a real API server: everything is accepted, and the roles are enough and no more."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from charts import DEPLOY, NAMESPACE, Object, parsed, pod_of, rendered, shipped

from daemon.flavour import wait_for
from daemon.kube import Plane
from daemon.kube_world import OURS, service, thing
from daemon.roles import account, give_roles, kubeconfig_of_account, moved, take_roles
from ferrule.compiler.source import Document
from ferrule.observe.cluster_api import Api, connect
from ferrule.observe.watch_feed import Feed
from ferrule.reconcile import feeds

pytestmark = pytest.mark.daemon

LEVEL = "pod-security.kubernetes.io/enforce"


def namespace(name: str, **labels: str) -> Object:
    meta = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}


MADE = {
    "tenants": namespace("tenants"),
    **{level: namespace(level, **{LEVEL: level}) for level in ("restricted", "baseline")},
}


@pytest.fixture(scope="module")
def installed(plane: Plane) -> Iterator[Plane]:
    """All manifests, each field known to the server; the CRDs stay, as with a user."""
    for one in (*shipped(), *parsed((DEPLOY / "manifests/heartbeat.example.yaml").read_text())):
        plane.apply(one)
    for one in MADE.values():
        plane.apply(one)
    yield plane
    take_roles(plane)
    for name in (NAMESPACE, *MADE):
        plane.ask("DELETE", f"/api/v1/namespaces/{name}")
    wait_for(lambda: not {NAMESPACE, *MADE} & namespaces(plane), 30, "the namespaces are gone")


def namespaces(plane: Plane) -> set[str]:
    return {one["metadata"]["name"] for one in plane.items("v1", "Namespace")}


def test_everything_is_taken_by_the_server(installed: Plane) -> None:
    kinds = {(one["apiVersion"], one["kind"]) for one in shipped()}
    for api, kind in kinds:
        names = {one["metadata"]["name"] for one in installed.items(api, kind)}
        assert names >= {one["metadata"]["name"] for one in shipped() if one["kind"] == kind}


def test_a_chart_with_all_that_can_be_set_is_taken_too(installed: Plane) -> None:
    settings = (
        'frr.mode="host"',
        "frr.save=true",
        'spec={"a.yaml": "kind: Switch"}',
        'controller={"sshSecret": "keys", "passwordSecrets": ["tor"], "allow": ["withdrawal"]}',
        'agent={"withdrawOnExit": true, "withdrawOnCordon": true, "acceptWait": 5}',
        "metrics.scrapeAnnotations=true",
        'lbClass="example.net/lb"',
    )
    for one in rendered(*settings):
        installed.apply(one, dry_run=True)


# Pod security.


def refusal(plane: Plane, name: str, spec: Object) -> str:
    """Why a Pod may not be in that namespace; empty where it may."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": spec}
    try:
        plane.ask("POST", f"/api/v1/namespaces/{name}/pods?dryRun=All", pod)
    except RuntimeError as refused:
        return str(refused)
    return ""


def test_the_controller_is_a_restricted_pod(installed: Plane) -> None:
    assert refusal(installed, "restricted", pod_of(shipped(), "controller")) == ""


def test_the_agent_is_not_and_says_why(installed: Plane) -> None:
    agent = pod_of(shipped(), "agent")

    assert refusal(installed, NAMESPACE, agent) == ""
    refused = refusal(installed, "baseline", agent)
    assert "host namespaces" in refused
    assert "non-default capabilities" in refused


# RBAC: what it is enough for.


def may(plane: Plane, part: str, verb: str, what: str, namespace: str = "", name: str = "") -> bool:
    """`what` is RESOURCE[.GROUP][/SUBRESOURCE]; without a namespace it is the whole cluster."""
    resource, _, subresource = what.partition("/")
    resource, _, group = resource.partition(".")
    asked = {
        "verb": verb,
        "group": group,
        "resource": resource,
        "subresource": subresource,
        "namespace": namespace,
        "name": name,
    }
    spec = {"user": account(part), "resourceAttributes": asked}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    allowed: bool = plane.ask("POST", path, review)["status"]["allowed"]
    return allowed


COMMON: tuple[Feed[Any], ...] = (
    *feeds.spec(NAMESPACE),
    feeds.services(""),
    feeds.nodes(),
)
FEEDS = {
    "controller": (*COMMON, feeds.namespaces()),
    "agent": (
        *COMMON,
        feeds.slices(),
        feeds.secrets(NAMESPACE),
        feeds.config_maps(NAMESPACE, "any", Document),
    ),
}


@pytest.mark.parametrize("part", FEEDS)
def test_all_that_is_watched_may_be_watched(installed: Plane, part: str) -> None:
    for feed in FEEDS[part]:
        for verb in ("list", "watch"):
            assert may(installed, part, verb, str(feed.resource), feed.namespace), (verb, feed)


ENOUGH = (
    ("controller", "patch", "services/status", "shop"),
    ("controller", "create", "events", "shop"),
    ("controller", "patch", "events", "default"),
    ("controller", "create", "leases.coordination.k8s.io", NAMESPACE),
    ("controller", "update", "leases.coordination.k8s.io", NAMESPACE),
    ("controller", "list", "leases.coordination.k8s.io", NAMESPACE),
    ("controller", "patch", "switches.ferrule.dev/status", NAMESPACE),
    ("controller", "patch", "ipaddresspools.ferrule.dev/status", NAMESPACE),
    ("controller", "patch", "ipaddresspools.metallb.io/status", NAMESPACE),
    ("controller", "create", "configurationstates.metallb.io", NAMESPACE),
    ("controller", "patch", "configurationstates.metallb.io/status", NAMESPACE),
    ("controller", "patch", "configmaps", NAMESPACE),
    ("agent", "create", "events", "shop"),
    ("agent", "create", "servicebgpstatuses.metallb.io", NAMESPACE),
    ("agent", "patch", "servicel2statuses.metallb.io/status", NAMESPACE),
    ("agent", "delete", "servicebgpstatuses.metallb.io", NAMESPACE),
    ("agent", "list", "bgpsessionstates.frrk8s.metallb.io", NAMESPACE),
    ("agent", "patch", "bgpsessionstates.frrk8s.metallb.io/status", NAMESPACE),
    ("agent", "patch", "configurationstates.metallb.io/status", NAMESPACE),
    ("agent", "patch", "leases.coordination.k8s.io", NAMESPACE),
)
TOO_MUCH = (
    *((part, verb, "services", "shop") for part in FEEDS for verb in ("patch", "update", "delete")),
    *((part, verb, "secrets", "shop") for part in FEEDS for verb in ("get", "list", "watch")),
    *((part, "create", "secrets", NAMESPACE) for part in FEEDS),
    *((part, verb, "pods", NAMESPACE) for part in FEEDS for verb in ("create", "list")),
    *((part, "create", "pods/exec", NAMESPACE) for part in FEEDS),
    *((part, "patch", "nodes", "") for part in FEEDS),
    *((part, "patch", "nodes/status", "") for part in FEEDS),
    *((part, "update", "switches.ferrule.dev", NAMESPACE) for part in FEEDS),
    *((part, "delete", "ipaddresspools.metallb.io", NAMESPACE) for part in FEEDS),
    *((part, "list", "bgppeers.metallb.io", "shop") for part in FEEDS),
    *((part, "create", "configmaps", "kube-system") for part in FEEDS),
    *((part, "update", "leases.coordination.k8s.io", "kube-system") for part in FEEDS),
    *((part, "escalate", "clusterroles.rbac.authorization.k8s.io", "") for part in FEEDS),
    ("controller", "list", "secrets", NAMESPACE),
    ("controller", "list", "endpointslices.discovery.k8s.io", ""),
    ("agent", "patch", "services/status", "shop"),
    ("agent", "list", "namespaces", ""),
    ("agent", "patch", "switches.ferrule.dev/status", NAMESPACE),
    ("agent", "patch", "configmaps", NAMESPACE),
    ("agent", "get", "secrets", "kube-system"),
)


@pytest.mark.parametrize(("part", "verb", "what", "namespace"), ENOUGH)
def test_a_right_that_is_needed(
    installed: Plane, part: str, verb: str, what: str, namespace: str
) -> None:
    assert may(installed, part, verb, what, namespace)


@pytest.mark.parametrize(("part", "verb", "what", "namespace"), TOO_MUCH)
def test_a_right_that_is_not(
    installed: Plane, part: str, verb: str, what: str, namespace: str
) -> None:
    assert not may(installed, part, verb, what, namespace)


# And the same with the accounts' own tokens.


@pytest.fixture
def shop(installed: Plane) -> Plane:
    """With a Service that no other test takes for its own."""
    installed.apply(moved(service("web", loadBalancerClass="example.net/deploy"), "tenants"))
    return installed


def api(plane: Plane, part: str) -> Api:
    return connect(str(kubeconfig_of_account(plane, part)))


def test_the_controller_says_of_a_service_what_it_has_and_no_more(shop: Plane) -> None:
    """Annotations too: they come with a write of the status."""
    mine, path = api(shop, "controller"), "/api/v1/namespaces/tenants/services/web"
    note = {"metadata": {"annotations": {"ferrule.dev/term": "7"}}}

    assert mine.send("PATCH", f"{path}/status", body=note, form="merge").ok
    assert mine.send("PATCH", path, body=note, form="merge").status == HTTPStatus.FORBIDDEN
    assert shop.ask("GET", path)["metadata"]["annotations"]["ferrule.dev/term"] == "7"


def test_the_controller_says_of_a_switch_what_it_accepts(shop: Plane) -> None:
    spec = {"asn": 65000, "routerID": "10.1.0.1", "addresses": ["10.1.0.1"]}
    shop.apply(moved(thing("Switch", "deployed", spec), NAMESPACE))
    mine, path = api(shop, "controller"), f"/apis/{OURS}/namespaces/{NAMESPACE}/switches/deployed"
    status: Object = {"status": {"prefixSets": []}}

    assert mine.send("PATCH", f"{path}/status", body=status, form="merge").ok
    assert shop.ask("GET", path)["status"] == {"prefixSets": []}


@pytest.mark.parametrize("part", FEEDS)
def test_secrets_of_others_stay_theirs(shop: Plane, part: str) -> None:
    answer = api(shop, part).send("GET", "/api/v1/namespaces/tenants/secrets")

    assert answer.status == HTTPStatus.FORBIDDEN


def test_the_roles_move_with_the_namespace(shop: Plane) -> None:
    """Beside MetalLB's objects, where they are kept, say."""
    give_roles(shop, "tenants")
    try:
        mine = connect(str(kubeconfig_of_account(shop, "controller", "tenants")))
        assert mine.send("GET", f"/apis/{OURS}/namespaces/tenants/switches").ok
        other = mine.send("GET", f"/apis/{OURS}/namespaces/{NAMESPACE}/switches")
        assert other.status == HTTPStatus.FORBIDDEN
    finally:
        give_roles(shop)
