"""A real Kubernetes API server for tests: etcd, API server and controllers, without kubelets.

`tests/kube/start` builds the programs with Go, once, into a cache: `start --dir D --controllers`
leaves a kubeconfig (JSON) of the admin in D, and one of each other user, `start --stop D` ends what
it started. A test writes itself what kubelets would: the status of Nodes and Pods. EndpointSlices
then come from the controller. RBAC is on: another user may do nothing until a test allows it.
"""

import http.client
import json
import os
import re
import select
import shutil
import signal
import ssl
import subprocess
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from daemon.flavour import execute, wait_for

START = Path(__file__).parents[1] / "kube" / "start"
OLDEST_GO = (1, 21)  # go.dev/doc/toolchain
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
UNTESTED = "not tested against a real Kubernetes API server"

Object = Mapping[str, Any]


class Plane:
    """A running control plane; its state is in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.kubeconfig = directory / "kubeconfig"
        self._resources: dict[tuple[str, str], tuple[str, bool]] = {}
        self._restarted: list[subprocess.Popen[bytes]] = []
        self._roles = count()

    def kubeconfig_of(self, user: str) -> Path:
        """The kubeconfig of another user than the admin."""
        return self.directory / f"kubeconfig-{user}"

    @cached_property
    def server(self) -> str:
        """The URL of the API server."""
        config = json.loads(self.kubeconfig.read_text())
        return str(config["clusters"][0]["cluster"]["server"])

    @cached_property
    def _access(self) -> tuple[str, ssl.SSLContext, str]:
        config = json.loads(self.kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        context = ssl.create_default_context(cafile=cluster["certificate-authority"])
        return urlsplit(self.server).netloc, context, config["users"][0]["user"]["token"]

    def ask(self, method: str, path: str, body: object = None, form: str = "json") -> Any:
        """One request; an answer that is an error is raised with the server's words."""
        netloc, context, token = self._access
        server = http.client.HTTPSConnection(netloc, timeout=20, context=context)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": f"application/{form}"}
        try:
            server.request(method, path, None if body is None else json.dumps(body), headers)
            answer = server.getresponse()
            content = answer.read()
        finally:
            server.close()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:  # a Status, or `404 page not found`
            raise RuntimeError(f"{method} {path}: {answer.status} {content.decode()}")
        return json.loads(content)

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

    def allow(self, user: str, rules: Sequence[Object], namespace: str = "") -> None:
        """Give a user a role, everywhere or in one namespace, and wait until it is in force."""
        mark = {"group": "test", "resource": "marks", "name": f"role-{next(self._roles)}"}
        cluster = "" if namespace else "Cluster"
        group, name = "rbac.authorization.k8s.io", f"{user}{namespace and '-' + namespace}"
        meta = {"name": name, **({"namespace": namespace} if namespace else {})}
        role = {"apiVersion": f"{group}/v1", "kind": f"{cluster}Role", "metadata": meta}
        marked = {"apiGroups": ["test"], "resources": ["marks"], "verbs": ["get"]}
        self.apply({**role, "rules": [*rules, {**marked, "resourceNames": [mark["name"]]}]})
        binding = {**role, "kind": f"{cluster}RoleBinding"}
        subjects = [{"kind": "User", "apiGroup": group, "name": user}]
        given = {"apiGroup": group, "kind": role["kind"], "name": name}
        self.apply({**binding, "subjects": subjects, "roleRef": given})
        asked = {**mark, "verb": "get", **({"namespace": namespace} if namespace else {})}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": user, "resourceAttributes": asked},
        }
        wait_for(lambda: self.ask("POST", REVIEWS, review)["status"]["allowed"], 20, "a role")

    def kill_api_server(self) -> list[str]:
        """End the API server without a word; the command that starts it again."""
        return self.kill("kube-apiserver")

    def start_api_server(self, command: Sequence[str]) -> None:
        """Start it again, without waiting until it is ready; `stop` ends this one too."""
        self.start_again("kube-apiserver", command)

    def kill(self, program: str) -> list[str]:
        """The same for any program of the plane."""
        pid = self._pid(program)
        command = _command(pid)
        process = os.pidfd_open(pid)
        signal.pidfd_send_signal(process, signal.SIGKILL)
        ended, _, _ = select.select([process], [], [], 20)
        os.close(process)
        assert ended  # its port is free again
        return command

    def start_again(self, program: str, command: Sequence[str]) -> None:
        """One that was killed."""
        with (self.directory / f"{program}.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603
                command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._restarted.append(process)
        pids = self.directory / "pids"
        gone = self._pid(program)  # in whose place it is stopped: after those that ask it
        pids.write_text(pids.read_text().replace(f"{gone} ", f"{process.pid} "))

    def forget(self) -> None:
        """Make etcd forget what was before this moment: lists of then cannot be continued."""
        command = _command(self._pid("kube-apiserver"))
        option = next(one for one in command if one.startswith("--etcd-servers="))
        etcd = http.client.HTTPConnection(urlsplit(option.partition("=")[2]).netloc, timeout=20)
        try:
            etcd.request("POST", "/v3/kv/range", json.dumps({"key": "AA=="}))
            now = json.loads(etcd.getresponse().read())["header"]["revision"]
            etcd.request("POST", "/v3/kv/compaction", json.dumps({"revision": now}))
            assert etcd.getresponse().status == http.HTTPStatus.OK
        finally:
            etcd.close()

    def _pid(self, program: str) -> int:
        """Its process."""
        lines = (self.directory / "pids").read_text().splitlines()
        return next(int(pid) for pid, name in map(str.split, lines) if name == program)

    def stop(self) -> None:
        """End every process and remove etcd's data."""
        execute([str(START), "--stop", str(self.directory)])
        for process in self._restarted:
            process.wait()

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


def _command(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]


def start(
    directory: Path,
    users: Sequence[str] = (),
    *,
    address: str = "127.0.0.1",
    controllers: Sequence[str] = (),
) -> Plane:
    """A control plane in `directory`, or the end of the test that asks for one.

    Without `controllers` they are those that Services need.
    """
    _require_go()
    plane = Plane(directory)
    tokens = [f"--token={user}" for user in users]
    which = f"--controllers={','.join(controllers)}" if controllers else "--controllers"
    said = execute([str(START), "--dir", str(directory), "--address", address, which, *tokens])
    if said.returncode:
        pytest.fail(f"{said.stdout.strip()[-500:]}: {UNTESTED}", pytrace=False)
    return plane


def program(name: str) -> Path:
    """One of the programs that belong to a cluster, built where it is not there yet."""
    _require_go()
    said = execute([str(START), "--build"])
    places = (Path(line, name) for line in said.stdout.splitlines())
    found = next((one for one in places if one.exists()), None)
    if found is None and not _go_builds_it():
        pytest.skip(f"no Go to build {name} with: {UNTESTED}")
    if found is None:
        pytest.fail(f"{said.stdout.strip()[-500:]}: {UNTESTED}", pytrace=False)
    return found


def _require_go() -> None:
    if "KUBEBUILDER_ASSETS" not in os.environ and not _go_builds_it():
        pytest.skip(f"no Go {'.'.join(map(str, OLDEST_GO))} to build one with: {UNTESTED}")


def _go_builds_it() -> bool:
    """Whether there is a Go that fetches the toolchain it is told to use."""
    if shutil.which("go") is None:
        return False
    version = re.match(r"go(\d+)\.(\d+)", execute(["go", "env", "GOVERSION"]).stdout)
    return version is not None and tuple(map(int, version.groups())) >= OLDEST_GO
