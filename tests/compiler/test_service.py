"""Kubernetes' objects, as kubectl prints them, to what is kept of them."""

from typing import Any

import pytest
from specimens import ENDPOINT_SLICE, NAMESPACE, NODE, SECRET, SERVICE, Data, documents

from ferrule.compiler.errors import Diagnostic
from ferrule.compiler.kube import (
    Endpoints,
    read_endpoints,
    read_namespaces,
    read_nodes,
    read_secrets,
)
from ferrule.compiler.service import Demand, read_services
from ferrule.compiler.source import Document
from ferrule.compiler.spec.types import usable_password


def named(one: Data, name: str) -> Data:
    return {**one, "metadata": {**one["metadata"], "name": name}}


def service(spec: Data, annotations: Data | None = None, status: Data | None = None) -> Document:
    data = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop", "annotations": annotations},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], **spec},
        "status": status,
    }
    (document,) = documents(data)
    return document


def demand(spec: Data, annotations: Data | None = None, status: Data | None = None) -> Demand:
    (one,), found = read_services([service(spec, annotations, status)], "")
    assert found == []
    return one


def codes(found: list[Diagnostic]) -> list[str]:
    return [one.code for one in found]


# Services


@pytest.mark.parametrize(
    ("lb_class", "flag", "ours"),
    [
        (None, "", True),
        ("", "", True),
        ("ferrule.dev/x", "", False),
        ("ferrule.dev/x", "ferrule.dev/x", True),
        (None, "ferrule.dev/x", False),
        ("other", "ferrule.dev/x", False),
    ],
)
def test_a_service_is_ours_by_its_class(lb_class: str | None, flag: str, *, ours: bool) -> None:
    services, _ = read_services([service({"loadBalancerClass": lb_class})], flag)

    assert bool(services) is ours


@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort", "ExternalName", "", None])
def test_other_types_are_none_of_ours(kind: str | None) -> None:
    assert read_services([service({"type": kind})], "") == ((), [])


BOTH = ["10.96.0.1", "fd00::1"]


@pytest.mark.parametrize(
    ("spec", "families", "dual_stack"),
    [
        ({}, "4", "single"),
        ({"ipFamilies": ["IPv6"]}, "6", "single"),
        ({"ipFamilies": ["IPv6", "IPv4"]}, "64", "require"),
        ({"ipFamilyPolicy": "PreferDualStack"}, "46", "prefer"),
        ({"ipFamilyPolicy": "RequireDualStack"}, "46", "require"),
        ({"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6"]}, "64", "prefer"),
        ({"ipFamilyPolicy": "SingleStack"}, "4", "single"),
        ({"clusterIPs": ["10.96.0.1"]}, "4", "single"),
        ({"clusterIP": "fd00::1"}, "6", "single"),
        ({"clusterIPs": BOTH}, "46", "require"),
        ({"clusterIPs": BOTH, "ipFamilyPolicy": "PreferDualStack"}, "46", "prefer"),
        (
            {"clusterIPs": BOTH, "ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6"]},
            "64",
            "prefer",
        ),
        ({"clusterIPs": ["10.96.0.1"], "ipFamilyPolicy": "RequireDualStack"}, "4", "require"),
        ({"clusterIP": "None"}, "", "single"),
        ({"clusterIPs": ["None"]}, "", "single"),
    ],
)
def test_families_are_those_of_the_cluster_ips_or_asked_for(
    spec: Data, families: str, dual_stack: str
) -> None:
    one = demand(spec)

    assert ("".join(family[-1] for family in one.families), one.dual_stack) == (
        families,
        dual_stack,
    )


@pytest.mark.parametrize(
    ("spec", "annotations", "requested", "complaint"),
    [
        ({}, {}, None, None),
        ({"loadBalancerIP": "192.0.2.1"}, {}, ["192.0.2.1"], None),
        (
            {},
            {"metallb.io/loadBalancerIPs": " 2001:db8::1 ,192.0.2.1"},
            ["192.0.2.1", "2001:db8::1"],
            None,
        ),
        ({}, {"metallb.universe.tf/loadBalancerIPs": "192.0.2.1"}, ["192.0.2.1"], None),
        ({}, {"metallb.io/loadBalancerIPs": "x"}, None, '"x" is not an IP address'),
        ({}, {"metallb.io/loadBalancerIPs": "192.0.2.1,"}, None, '"" is not an IP address'),
        (
            {},
            {"metallb.io/loadBalancerIPs": "192.0.2.1,192.0.2.2"},
            None,
            "192.0.2.1, 192.0.2.2: at most one address of each family",
        ),
        (
            {"loadBalancerIP": "192.0.2.1"},
            {"metallb.io/loadBalancerIPs": "192.0.2.1"},
            None,
            "both spec.loadBalancerIP and the annotation loadBalancerIPs are set",
        ),
    ],
)
def test_requests(
    spec: Data, annotations: Data, requested: list[str] | None, complaint: str | None
) -> None:
    one = demand(spec, annotations)

    shown = None if one.requested is None else [str(address) for address in one.requested]
    assert (shown, one.complaint) == (requested, complaint)


def test_of_annotations_that_disagree_ours_is_taken_with_a_warning() -> None:
    annotations = {
        "metallb.universe.tf/address-pool": "c",
        "metallb.io/address-pool": "b",
        "ferrule.dev/address-pool": "a",
    }
    (one,), (warning,) = read_services([service({}, annotations)], "")

    assert one.requested_pool == "a"
    assert (warning.severity, warning.code) == ("warning", "annotations-disagree")
    assert len(warning.places) == 3


def test_annotations_that_agree_are_no_matter() -> None:
    annotations = {"metallb.io/address-pool": "a", "metallb.universe.tf/address-pool": "a"}

    assert demand({}, annotations).requested_pool == "a"


@pytest.mark.parametrize(
    ("ingress", "held"),
    [
        ([{"ip": "2001:db8::1"}, {"ip": "192.0.2.1"}], ["2001:db8::1", "192.0.2.1"]),
        ([{"ip": "192.0.2.1"}, {"ip": "192.0.2.1"}], ["192.0.2.1"]),
        ([{"ip": "2001:db8::1%eth0"}, {"ip": "192.0.2.1\n"}], []),
        ([{"hostname": "lb.example.net"}, {}], []),
        (None, []),
    ],
)
def test_what_a_service_holds_is_in_its_status(ingress: Any, held: list[str]) -> None:
    one = demand({}, status={"loadBalancer": {"ingress": ingress}})

    assert [str(address) for address in one.held] == held


def test_the_backend_of_a_local_service_is_its_selector() -> None:
    selector = {"b": "2", "a": "1"}

    assert demand({"selector": selector}).backend == ""
    local = demand({"selector": selector, "externalTrafficPolicy": "Local"})
    assert (local.backend, local.local) == ("a=1,b=2", True)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"type": "Loadbalancer"}, "spec.type must be one of ClusterIP, NodePort, LoadBalancer"),
        ({"externalTrafficPolicy": "local"}, "must be one of Cluster, Local"),
        ({"ports": [{"port": 80, "protocol": "tcp"}]}, "must be one of TCP, UDP, SCTP"),
        ({"ports": [{"port": 70000}]}, "spec.ports[0].port must be at most 65535"),
        ({"ports": [{}]}, "spec.ports[0].port is required"),
    ],
)
def test_what_the_api_server_would_refuse_is_refused(spec: Data, message: str) -> None:
    services, (mistake,) = read_services([service(spec)], "")

    assert services == ()
    assert message in mistake.message


# The others


@pytest.mark.parametrize(
    ("read", "one"),
    [
        (lambda each: read_services(each, ""), SERVICE),
        (read_nodes, NODE),
        (read_namespaces, NAMESPACE),
        (read_endpoints, ENDPOINT_SLICE),
        (read_secrets, SECRET),
    ],
    ids=["Service", "Node", "Namespace", "EndpointSlice", "Secret"],
)
def test_a_name_is_valid_and_there_once(read: Any, one: Data) -> None:
    _, twice = read(documents(one, one))
    _, bad = read(documents(named(one, "Not_A_Name")))
    _, none = read(documents(named(one, "")))

    assert (codes(twice), len(twice[0].places)) == (["duplicate-name"], 2)
    assert codes(bad) == ["invalid-name"]
    assert codes(none) == ["missing-field"]


def test_both_a_name_and_a_namespace_may_be_wrong() -> None:
    metadata = {"name": "A", "namespace": "B"}

    assert codes(read_secrets(documents({**SECRET, "metadata": metadata}))[1]) == [
        "invalid-name",
        "invalid-name",
    ]


@pytest.mark.parametrize(
    ("conditions", "addresses", "healthy", "l2_healthy"),
    [
        ({}, ["10.0.0.1"], True, True),
        ({"ready": True}, ["10.0.0.1"], True, True),
        ({"ready": None}, ["10.0.0.1"], True, True),
        ({"ready": False}, ["10.0.0.1"], False, False),
        ({"ready": False, "serving": True}, ["10.0.0.1"], True, True),
        ({"ready": True}, [], False, True),
        ({"ready": True}, None, False, True),
    ],
)
def test_endpoints_are_healthy_as_for_metallb(
    conditions: Data, addresses: Any, *, healthy: bool, l2_healthy: bool
) -> None:
    endpoint = {"addresses": addresses, "conditions": conditions, "nodeName": "n"}
    read, found = read_endpoints(documents({**ENDPOINT_SLICE, "endpoints": [endpoint]}))

    nodes = frozenset({"n"} if healthy else ())
    l2_nodes = frozenset({"n"} if l2_healthy else ())
    assert found == []
    assert read == {"shop/web": Endpoints(healthy, nodes, l2_healthy, l2_nodes)}


def test_slices_of_one_service_add_up_and_no_slice_at_all_is_another_thing() -> None:
    other = named(
        {**ENDPOINT_SLICE, "endpoints": [{"addresses": ["10.0.0.2"], "nodeName": "b"}]}, "2"
    )
    read, _ = read_endpoints(documents(ENDPOINT_SLICE, other))

    assert read is not None
    assert read["shop/web"].nodes == {"node-1", "b"}
    assert read_endpoints([]) == (None, [])


def test_a_slice_without_a_service_is_somebody_elses() -> None:
    alone = {**ENDPOINT_SLICE, "metadata": {"name": "x", "namespace": "shop"}}

    assert read_endpoints(documents(alone)) == ({}, [])


def test_a_node_has_its_addresses_in_order_and_once() -> None:
    (node,), found = read_nodes(documents(NODE))

    assert found == []
    assert [str(one) for one in node.internal] == ["198.51.100.11", "2001:db8:a::11"]
    assert node.announced == node.internal
    assert not node.excluded
    assert not node.network_unavailable


def test_a_wrong_address_of_a_node_is_that_nodes_mistake() -> None:
    spoilt = {**NODE, "status": {"addresses": [{"type": "InternalIP", "address": "x"}]}}
    (node,), (mistake,) = read_nodes(documents(spoilt))

    assert node.internal == ()
    assert (mistake.code, mistake.node) == ("invalid-node-address", "node-1")


@pytest.mark.parametrize(
    ("content", "password"),
    [
        ({"stringData": {"password": "s3cret"}}, "s3cret"),
        ({"data": {"password": "czNjcmV0"}}, "s3cret"),
        ({"data": {"password": "eA=="}, "stringData": {"password": "s3cret"}}, "s3cret"),
        ({"data": {"other": "eA=="}}, None),
        ({}, None),
    ],
)
def test_passwords_of_secrets(content: Data, password: str | None) -> None:
    metadata = SECRET["metadata"]
    read, found = read_secrets(
        documents({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **content})
    )

    assert found == []
    assert read["metallb-system/tor-a"].password == password


def test_a_password_of_bytes_is_nobodys_mistake_until_it_is_used() -> None:
    spoilt = {**SECRET, "stringData": None, "data": {"password": "/w=="}}
    read, found = read_secrets(documents(spoilt))

    password = read["metallb-system/tor-a"].password
    assert found == []
    assert password is not None
    assert not usable_password(password)
