"""A real Kubernetes API server for tests: etcd, API server and controllers, without kubelets.

`tests/kube/start` builds the programs with Go, once, into a cache: `start --dir D --controllers`
leaves an admin kubeconfig (JSON) in D, `start --stop D` ends what it started. A test writes itself
what kubelets would: the status of Nodes and Pods. EndpointSlices then come from the controller.
"""

import http.client
import json
import os
import re
import shutil
import ssl
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from daemon.flavour import execute

START = Path(__file__).parents[1] / "kube" / "start"
OLDEST_GO = (1, 21)  # go.dev/doc/toolchain
UNTESTED = "not tested against a real Kubernetes API server"

Object = Mapping[str, Any]


class Plane:
    """A running control plane; its state is in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.kubeconfig = directory / "kubeconfig"
        self._resources: dict[tuple[str, str], tuple[str, bool]] = {}

    @cached_property
    def _access(self) -> tuple[str, ssl.SSLContext, str]:
        config = json.loads(self.kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        context = ssl.create_default_context(cafile=cluster["certificate-authority"])
        return urlsplit(cluster["server"]).netloc, context, config["users"][0]["user"]["token"]

    def ask(self, method: str, path: str, body: object = None, form: str = "json") -> Any:
        """One request; an answer that is an error is raised with the server's words."""
        netloc, context, token = self._access
        server = http.client.HTTPSConnection(netloc, timeout=20, context=context)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": f"application/{form}"}
        try:
            server.request(method, path, None if body is None else json.dumps(body), headers)
            answer = server.getresponse()
            content = json.loads(answer.read())
        finally:
            server.close()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise RuntimeError(f"{method} {path}: {answer.status} {content['message']}")
        return content

    def apply(self, one: Object, part: str = "", *, dry_run: bool = False) -> None:
        """Server-side apply, of a subresource too; a field that the server does not know fails."""
        meta = one["metadata"]
        path = self._path(one["apiVersion"], one["kind"], meta.get("namespace"))
        options = "fieldManager=test&force=true&fieldValidation=Strict"
        options += "&dryRun=All" if dry_run else ""
        url = f"{path}/{meta['name']}{part and '/' + part}?{options}"
        self.ask("PATCH", url, one, "apply-patch+yaml")

    def items(self, api_version: str, kind: str) -> list[dict[str, Any]]:
        """All objects of a kind, each saying what it is, as in a list that kubectl prints."""
        found = self.ask("GET", self._path(api_version, kind, None))["items"]
        return [{"apiVersion": api_version, "kind": kind, **one} for one in found]

    def stop(self) -> None:
        """End every process and remove etcd's data."""
        execute([str(START), "--stop", str(self.directory)])

    def _path(self, api_version: str, kind: str, namespace: str | None) -> str:
        """The path of a kind; of one in a namespace, where it lies in namespaces."""
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        if (api_version, kind) not in self._resources:
            for one in self.ask("GET", root)["resources"]:
                if "/" not in one["name"]:
                    known = one["name"], one["namespaced"]
                    self._resources[api_version, one["kind"]] = known
        name, namespaced = self._resources[api_version, kind]
        return (
            f"{root}/namespaces/{namespace}/{name}"
            if namespaced and namespace
            else root + f"/{name}"
        )


def start(directory: Path) -> Plane:
    """A control plane in `directory`, or the end of the test that asks for one."""
    if "KUBEBUILDER_ASSETS" not in os.environ and not _go_builds_it():
        pytest.skip(f"no Go {'.'.join(map(str, OLDEST_GO))} to build one with: {UNTESTED}")
    plane = Plane(directory)
    answer = execute([str(START), "--dir", str(directory), "--controllers"])
    if answer.returncode:
        pytest.fail(f"{answer.stdout.strip()[-500:]}: {UNTESTED}", pytrace=False)
    return plane


def _go_builds_it() -> bool:
    """Whether there is a Go that fetches the toolchain it is told to use."""
    if shutil.which("go") is None:
        return False
    version = re.match(r"go(\d+)\.(\d+)", execute(["go", "env", "GOVERSION"]).stdout)
    return version is not None and tuple(map(int, version.groups())) >= OLDEST_GO
