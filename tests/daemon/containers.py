"""Containers, in a podman of a test's own, and Pods of them as a kubelet makes them.

Images and all else that podman keeps lie in one folder and go with it. A container has what its
manifest says: user, groups, capabilities, seccomp, root, volumes, memory. What a kubelet puts into
volumes, ConfigMaps, Secrets and who the Pod is, is asked of the API server.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from charts import NAMESPACE, Object, containers

from daemon.flavour import execute
from daemon.kube import Plane
from ferrule.observe.cluster_account import FOLDER

# What a kubelet mounts unless a Pod says otherwise (the admission plugin ServiceAccount).
API: Object = {
    "serviceAccountToken": {"path": "token", "expirationSeconds": 3607},
    "configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]},
    "downwardAPI": {
        "items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]
    },
}
CACHE = Path("/var/lib/containers")  # where podman notes what it has copied, whatever it is told
# Limits above this machine's would want CAP_SYS_RESOURCE, which not every root has.
_CONTAINERS = """
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
runtime = "runc"
tmp_dir = "{folder}/tmp"
"""
_STORAGE = """
[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "{folder}/run"
"""


@dataclass(frozen=True)
class Engine:
    """podman, and where it keeps what it has."""

    folder: Path

    @property
    def group(self) -> str:
        """The cgroup that all of it is in."""
        return f"ferrule-{os.getpid()}"

    def podman(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One command of it."""
        settings = {
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
        }
        return execute(["podman", *words], env={**os.environ, **settings})

    def done(self, *words: str) -> str:
        """What one says that has to succeed."""
        done = self.podman(*words)
        assert done.returncode == 0, f"podman {' '.join(words)}: {done.stdout}"
        return done.stdout.strip()

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A container: its options, its image, what is said to it."""
        return self.podman("run", f"--cgroup-parent={self.group}", *words)


@contextmanager
def engine(folder: Path) -> Iterator[Engine]:
    """One that leaves nothing."""
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    (folder / "containers.conf").write_text(_CONTAINERS.format(folder=folder, files=files))
    (folder / "storage.conf").write_text(_STORAGE.format(folder=folder))
    made, there = Engine(folder), CACHE.exists()
    try:
        yield made
    finally:
        made.podman("rm", "--all", "--force", "--time=0")
        for place in (folder / "storage/overlay", folder / "storage"):
            if place.is_mount():
                execute(["umount", str(place)])
        shutil.rmtree(folder)
        for one in Path("/sys/fs/cgroup").glob(f"**/{made.group}"):
            execute(["find", str(one), "-depth", "-type", "d", "-exec", "rmdir", "{}", "+"])
        if not there:
            shutil.rmtree(CACHE, ignore_errors=True)


@dataclass
class Pod:
    """Some containers on one network; `fields` are what its environment may refer to."""

    engine: Engine
    plane: Plane
    spec: Object
    network: str
    folder: Path
    fields: Mapping[str, str]
    _started: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir()

    # Running.

    def prepare(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run one that ends."""
        return self.engine.run("--rm", *self._arguments(name))

    def start(self, name: str) -> None:
        """One that lasts."""
        done = self.engine.run("--detach", f"--name={name}", *self._arguments(name))
        assert done.returncode == 0, done.stdout
        self._started.append(name)

    def stop(self, name: str) -> int:
        """As a kubelet ends one; its exit code."""
        grace = self.spec["terminationGracePeriodSeconds"]
        self.engine.done("stop", f"--time={grace}", name)
        code = int(self.said(name, "{{.State.ExitCode}}"))
        self.engine.done("rm", name)
        self._started.remove(name)
        return code

    def first(self, name: str) -> int:
        """Its first process, as the host counts them."""
        return int(self.said(name, "{{.State.Pid}}"))

    def said(self, name: str, form: str) -> str:
        """What the engine says of one."""
        return self.engine.done("inspect", f"--format={form}", name)

    def end(self) -> None:
        """Whatever still runs of it."""
        while self._started:
            self.engine.podman("rm", "--force", "--time=0", self._started.pop())

    def logs(self) -> str:
        """The end of all logs."""
        each = ((name, self.engine.podman("logs", name).stdout) for name in self._started)
        return "\n".join(f"{name}: {text[-3000:]}" for name, text in each)

    # What the manifest says, in podman's words.

    def _arguments(self, name: str) -> list[str]:
        one = containers(self.spec)[name]
        rights = self._rights(one)
        mounts = [word for each in self._mounts(one) for word in ("--volume", each)]
        environment = [f"--env={key}={value}" for key, value in self._environment(one)]
        command = one.get("command", [])
        entry = [f"--entrypoint={json.dumps(command)}"] if command else []
        network = f"--network=ns:/run/netns/{self.network}"
        words = [*rights, network, *environment, *mounts, *entry]
        return [*words, one["image"], *one.get("args", [])]

    def _rights(self, one: Object) -> list[str]:
        whole, own = self.spec["securityContext"], one["securityContext"]
        given = {**whole, **own}
        assert given["seccompProfile"] == {"type": "RuntimeDefault"}  # podman's own is that too
        user = str(given["runAsUser"])
        user += f":{given['runAsGroup']}" if "runAsGroup" in given else ""
        groups = [*whole.get("supplementalGroups", ()), *filter(None, [whole.get("fsGroup")])]
        capabilities = given["capabilities"]
        words = [f"--user={user}", *(f"--group-add={each}" for each in groups)]
        words += [f"--cap-drop={each}" for each in capabilities["drop"]]
        words += [f"--cap-add={each}" for each in capabilities.get("add", ())]
        if not given["allowPrivilegeEscalation"]:
            words.append("--security-opt=no-new-privileges")
        if given["readOnlyRootFilesystem"]:
            words += ["--read-only", "--read-only-tmpfs=false"]
        if limit := one.get("resources", {}).get("limits", {}).get("memory"):
            words.append(f"--memory={limit.removesuffix('i').lower()}")
        return words

    def _environment(self, one: Object) -> Iterator[tuple[str, str]]:
        where = urlsplit(self.plane.server)
        yield from (("KUBERNETES_SERVICE_HOST", str(where.hostname)),)
        yield from (("KUBERNETES_SERVICE_PORT", str(where.port)),)
        for each in one.get("env", ()):
            path = each.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
            yield each["name"], self.fields[path] if path else each["value"]

    def _mounts(self, one: Object) -> Iterator[str]:
        for mount in one["volumeMounts"]:
            place = self._volume(mount["name"]) / mount.get("subPath", "")
            how = "ro" if mount.get("readOnly") else "rw"
            yield f"{place}:{mount['mountPath']}:{how}"
        if self.spec["automountServiceAccountToken"]:
            sources = [{key: value} for key, value in API.items()]
            place = self._made("kube-api-access", {"projected": {"sources": sources}})
            yield f"{place}:{FOLDER}:ro"

    # Volumes.

    def _volume(self, name: str) -> Path:
        (one,) = (each for each in self.spec["volumes"] if each["name"] == name)
        return self._made(name, one)

    def _made(self, name: str, volume: Object) -> Path:
        """Its folder, with its files when it is asked for first."""
        place = self.folder / name
        if place.exists():
            return place
        group = self.spec["securityContext"].get("fsGroup")
        place.mkdir()
        os.chown(place, -1, group or 0)
        place.chmod(0o2777 if group else 0o777)
        for path, content in self._files(volume).items():
            file = place / path
            file.write_bytes(content)
            os.chown(file, -1, group or 0)
            file.chmod(0o640 if group and path == "token" else 0o644)
        return place

    def _files(self, source: Object) -> dict[str, bytes]:
        if "projected" in source:
            each = map(self._files, source["projected"]["sources"])
            return {path: content for one in each for path, content in one.items()}
        if "configMap" in source:
            data = self._data("configmaps", source["configMap"]["name"])
            return {key: text.encode() for key, text in data.items()}
        if "secret" in source:
            data = self._data("secrets", source["secret"]["secretName"])
            return {key: base64.b64decode(text) for key, text in data.items()}
        if "downwardAPI" in source:
            items = source["downwardAPI"]["items"]
            return {
                one["path"]: self.fields[one["fieldRef"]["fieldPath"]].encode() for one in items
            }
        if "serviceAccountToken" in source:
            return {source["serviceAccountToken"]["path"]: self._token().encode()}
        assert "emptyDir" in source, source
        return {}

    def _data(self, kind: str, name: str) -> dict[str, str]:
        found = self.plane.ask("GET", f"/api/v1/namespaces/{NAMESPACE}/{kind}/{name}")
        return dict(found["data"])

    def _token(self) -> str:
        accounts = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        path = f"{accounts}/{self.spec['serviceAccountName']}/token"
        return str(self.plane.ask("POST", path, request)["status"]["token"])
