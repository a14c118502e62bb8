"""The rights that deploy/ gives, in a real API server: its ServiceAccounts, and who they are.

Whatever runs as one of them may do there what it may do in a cluster, and no more.
"""

import copy
import json
from pathlib import Path

from charts import NAMESPACE, Object, shipped

from daemon.kube import Plane

ACCOUNTS = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}


def give_roles(plane: Plane, namespace: str = NAMESPACE) -> None:
    """The ServiceAccounts with their roles, as shipped, in a namespace that is there."""
    for one in shipped():
        if one["kind"] in ACCOUNTS:
            plane.apply(moved(one, namespace))


def take_roles(plane: Plane) -> None:
    """Nobody has them any more, in whatever namespace."""
    root = "/apis/rbac.authorization.k8s.io/v1"
    for one in shipped():
        if one["kind"] in {"ClusterRole", "ClusterRoleBinding"}:
            plane.ask("DELETE", f"{root}/{one['kind'].lower()}s/{one['metadata']['name']}")


def moved(one: Object, namespace: str) -> Object:
    """The same object, as `helm install -n NAMESPACE` would make it."""
    other = copy.deepcopy(one)
    for part in (other["metadata"], *other.get("subjects", ())):
        if "namespace" in part:
            part["namespace"] = namespace
    return other


def account(part: str, namespace: str = NAMESPACE) -> str:
    """The controller or the agent as the API server calls it."""
    return f"system:serviceaccount:{namespace}:ferrule-{part}"


def kubeconfig_of_account(plane: Plane, part: str, namespace: str = NAMESPACE) -> Path:
    """A kubeconfig of the controller's or the agent's ServiceAccount, good for an hour."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/ferrule-{part}/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = plane.ask("POST", path, request)["status"]["token"]
    config = json.loads(plane.kubeconfig.read_text())
    config["users"] = [{"name": part, "user": {"token": token}}]
    config["contexts"] = [{"name": part, "context": {"cluster": "local", "user": part}}]
    config["current-context"] = part
    file = plane.directory / f"kubeconfig-{namespace}-{part}"
    file.touch(mode=0o600)
    file.write_text(json.dumps(config))
    return file
