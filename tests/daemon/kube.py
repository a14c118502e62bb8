"""A real Kubernetes API server for tests: etcd, API server and controllers, without kubelets.

FERRULE_KUBE names the program that starts one: `PROGRAM --dir DIR --controllers` leaves an admin
kubeconfig (JSON) in DIR, `PROGRAM --stop DIR` ends what it started. A test writes itself what
kubelets would: the status of Nodes and Pods. EndpointSlices then come from the real controller.
"""

import http.client
import json
import os
import ssl
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import pytest

from daemon.flavour import execute

UNTESTED = "not tested against a real Kubernetes API server"

Object = Mapping[str, Any]


class Plane:
    """A running control plane; its state is in `directory`."""

    def __init__(self, program: str, directory: Path) -> None:
        self.program, self.directory = program, directory
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
        execute([self.program, "--stop", str(self.directory)])

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
    program = os.environ.get("FERRULE_KUBE")
    if not program:
        pytest.skip(f"no FERRULE_KUBE: {UNTESTED}")
    plane = Plane(program, directory)
    try:
        answer = execute([program, "--dir", str(directory), "--controllers"])
    except OSError as missing:
        _broken(f"{program}: {missing.strerror}")
    if answer.returncode:
        _broken(f"{program}: {answer.stdout.strip()[-500:]}")
    return plane


def _broken(why: str) -> NoReturn:
    """A starter that was named and does not start anything."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{why}: {UNTESTED}", pytrace=False)
    pytest.skip(f"{why}: {UNTESTED}")
