"""What a real API server makes of the status that apply writes, and of the lease it looks at."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest

from daemon.kube import Plane
from daemon.kube_world import service, thing
from ferrule.apply.cluster import write_status
from ferrule.apply.target import Trouble
from ferrule.compiler.network import Address
from ferrule.compiler.service import Demand, read_services
from ferrule.compiler.source import Document, read
from ferrule.observe.cluster import load
from ferrule.observe.cluster_api import Api, connect
from ferrule.observe.cluster_config import ClusterError
from ferrule.observe.cluster_lease import holder

pytestmark = pytest.mark.daemon

CLASS = "example.net/status"  # so that no other test sees these Services
POOL = "metallb.io/ip-allocated-from-pool"
ONE, TWO = (ip_address(text) for text in ("192.0.2.10", "2001:db8::10"))


@pytest.fixture
def api(cluster: Plane) -> Api:
    return connect(str(cluster.kubeconfig))


def demanded(plane: Plane, name: str, **spec: object) -> Demand:
    """A Service of that name as it is in the cluster now."""
    plane.apply(service(name, loadBalancerClass=CLASS, **spec))
    return found(plane, name)


def found(plane: Plane, name: str) -> Demand:
    services = [one for one in load(str(plane.kubeconfig)).documents if one.kind == "Service"]
    demands, _ = read_services(services, CLASS)
    return next(one for one in demands if one.name == name)


def stored(plane: Plane, name: str) -> dict[str, Any]:
    one: dict[str, Any] = plane.ask("GET", f"/api/v1/namespaces/shop/services/{name}")
    return one


def refused(api: Api, demand: Demand, *addresses: Address, holder: str = "") -> Trouble:
    with pytest.raises(Trouble) as caught:
        write_status(api, demand, addresses or (ONE,), "public", holder=holder)
    assert caught.value.device.startswith("context ")
    assert "\n" not in caught.value.message
    return caught.value


def test_a_status_is_written_and_read_back(cluster: Plane, api: Api) -> None:
    demand = demanded(cluster, "written", ipFamilyPolicy="RequireDualStack")
    before = stored(cluster, "written")

    write_status(api, demand, (ONE, TWO), "public")

    after = stored(cluster, "written")
    ingress = [{"ip": str(one), "ipMode": "VIP"} for one in (ONE, TWO)]
    assert after["status"]["loadBalancer"] == {"ingress": ingress}
    assert after["metadata"]["annotations"] == {POOL: "public"}
    assert after["spec"] == before["spec"]
    managers = {
        (one["manager"], one.get("subresource")) for one in after["metadata"]["managedFields"]
    }
    assert ("ferrule", "status") in managers
    assert found(cluster, "written").held == (ONE, TWO)


def test_other_addresses_and_none(cluster: Plane, api: Api) -> None:
    write_status(api, demanded(cluster, "moved"), (ONE,), "public")
    other = ip_address("192.0.2.11")
    write_status(api, found(cluster, "moved"), (other,), "other")
    assert found(cluster, "moved").held == (other,)

    write_status(api, found(cluster, "moved"), (), "")

    after = stored(cluster, "moved")
    assert after["status"]["loadBalancer"] == {}
    assert POOL not in after["metadata"].get("annotations", {})


def test_a_service_that_changed_is_left_alone(cluster: Plane, api: Api) -> None:
    demand = demanded(cluster, "stale")
    write_status(api, demand, (ONE,), "public")

    trouble = refused(api, demand, TWO)

    assert trouble.code == "status-conflict"
    assert trouble.message.startswith(
        "the status of Service shop/stale was not written, it has changed since: 409 "
    )
    assert found(cluster, "stale").held == (ONE,)


def test_a_service_that_is_gone(cluster: Plane, api: Api) -> None:
    demand = demanded(cluster, "gone")
    cluster.ask("DELETE", "/api/v1/namespaces/shop/services/gone")

    trouble = refused(api, demand)

    assert (trouble.code, trouble.message) == (
        "status-conflict",
        "the status of Service shop/gone was not written, it has changed since: "
        '404 services "gone" not found',
    )


def test_a_service_that_balances_no_longer(cluster: Plane, api: Api) -> None:
    """It has a new version then; of one with no version to compare the server checks the type."""
    demanded(cluster, "inner")
    changed = service("inner", type="ClusterIP", loadBalancerClass=None)
    cluster.apply(changed)
    data = stored(cluster, "inner")
    data["spec"]["type"] = "LoadBalancer"
    ((demand,), _) = read_services([Document({"apiVersion": "v1", "kind": "Service", **data})], "")

    trouble = refused(api, demand)

    assert trouble.code == "status-refused"
    assert "422" in trouble.message


def test_a_service_from_a_file_has_no_version(api: Api) -> None:
    text = b"apiVersion: v1\nkind: Service\nmetadata: {name: web, resourceVersion: '1'}\n"
    ((demand,), _) = read_services(read(text + b"spec: {type: LoadBalancer}\n", "web.yaml"), "")

    trouble = refused(api, demand)

    assert trouble.message == "Service default/web was not read from the cluster"


def test_whoever_may_not_write_it_is_told(cluster: Plane) -> None:
    trouble = refused(connect(str(cluster.kubeconfig_of("nobody"))), demanded(cluster, "forbidden"))

    assert trouble.code == "status-refused"
    assert 'User "nobody" cannot patch resource "services/status"' in trouble.message


def test_the_right_to_write_statuses_is_enough(cluster: Plane) -> None:
    rule = {"apiGroups": [""], "resources": ["services/status"], "verbs": ["patch"]}
    cluster.allow("partial", [rule], namespace="shop")

    write_status(
        connect(str(cluster.kubeconfig_of("partial"))),
        demanded(cluster, "enough"),
        (ONE,),
        "public",
    )

    assert stored(cluster, "enough")["metadata"]["annotations"] == {POOL: "public"}


# Leases


def lease(plane: Plane, name: str, who: str, age_s: float) -> None:
    renewed = datetime.now(UTC) - timedelta(seconds=age_s)
    spec = {
        "holderIdentity": who,
        "leaseDurationSeconds": 15,
        "renewTime": renewed.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    plane.apply(thing("Lease", name, spec, "coordination.k8s.io/v1"))


@pytest.mark.parametrize(
    ("who", "age_s", "held"),
    [
        ("ferrule-7c9f", 1, '"ferrule-7c9f" (Lease shop/ferrule-prod)'),
        ("ferrule-7c9f", 20, '"ferrule-7c9f" (Lease shop/ferrule-prod)'),
        ("ferrule-7c9f", 3600, ""),
        ("", 1, ""),
    ],
    ids=["at work", "paused or late", "lost", "stopped"],
)
def test_who_leads(cluster: Plane, api: Api, who: str, age_s: float, held: str) -> None:
    lease(cluster, "ferrule-prod", who, age_s)
    lease(cluster, "ferrule-other", "somebody", 1)

    assert holder(api, "prod") == held


def test_nobody_ever_led(api: Api) -> None:
    assert holder(api, "lab") == ""


def test_who_leads_may_be_unknown(cluster: Plane) -> None:
    with pytest.raises(ClusterError) as caught:
        holder(connect(str(cluster.kubeconfig_of("nobody"))), "prod")

    assert caught.value.diagnostic.code == "cluster-forbidden"


def test_a_leader_writes_statuses_itself(cluster: Plane, api: Api) -> None:
    lease(cluster, "ferrule-prod", "ferrule-7c9f", 1)

    trouble = refused(api, demanded(cluster, "led"), holder=holder(api, "prod"))

    assert (trouble.code, trouble.message) == (
        "controller-active",
        '"ferrule-7c9f" (Lease shop/ferrule-prod) leads: '
        "the status of Service shop/led is the controller's",
    )
    assert stored(cluster, "led")["status"] == {"loadBalancer": {}}
