"""The Services of ingress controllers' charts, and the Deployments behind them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from charts import parsed

from daemon.path_rack import CLASS

FIXTURES = Path(__file__).parents[2] / "examples/ingress/services.yaml"
NAMESPACES = ("haproxy-controller", "traefik", "ingress")
GRACE_S = 3

Json = dict[str, Any]
Ports = Sequence[tuple[str, int, str]]  # name, number and protocol

HAP: Ports = (
    ("http", 8080, "TCP"),
    ("https", 8443, "TCP"),
    ("quic", 8443, "UDP"),
    ("stat", 1024, "TCP"),
    ("admin", 6060, "TCP"),
)
WEB: Ports = (("web", 8000, "TCP"), ("websecure", 8443, "TCP"))
HTTP3: Ports = (("websecure", 8443, "UDP"),)  # the same name: in a container of its own
HI: Ports = (("http", 80, "TCP"), ("https", 443, "TCP"))


def fixtures() -> list[Json]:
    """F1 to F3 of examples/ingress, all of the class that is ours here."""
    found = parsed(FIXTURES.read_text())
    return [{**one, "spec": {**one["spec"], "loadBalancerClass": CLASS}} for one in found]


def fixture(name: str, namespace: str, **spec: object) -> Json:
    """One of them, elsewhere, with another spec as far as it is given."""
    one = copy.deepcopy(next(o for o in fixtures() if o["metadata"]["name"] == name))
    one["metadata"]["namespace"] = namespace
    one["spec"] |= spec
    return one


def deployments() -> list[Json]:
    """What is behind them: two Pods each, of haproxy-ingress one."""
    return [
        deployment("hap", "haproxy-controller", "kubernetes-ingress", "hap", HAP, replicas=2),
        deployment("traefik", "traefik", "traefik", "traefik-traefik", WEB, HTTP3, replicas=2),
        deployment("hi", "ingress", "haproxy-ingress", "hi", HI),
    ]


def deployment(
    name: str, namespace: str, app: str, instance: str, *containers: Ports, replicas: int = 1
) -> Json:
    """With a container for each of these sets of ports."""
    labels = {"app.kubernetes.io/name": app, "app.kubernetes.io/instance": instance}
    each = [
        {"name": f"c{number}", "image": "haproxy", "ports": [*map(_port, ports)]}
        for number, ports in enumerate(containers)
    ]
    pod: Mapping[str, Any] = {"containers": each, "terminationGracePeriodSeconds": GRACE_S}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _port(of: tuple[str, int, str]) -> Json:
    name, number, protocol = of
    return {"name": name, "containerPort": number, "protocol": protocol}
