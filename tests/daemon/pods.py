"""Processes that are to the API server what a Pod is: a ServiceAccount, by a token in a file.

The API server signs such tokens for ten minutes at least. Here they are signed with its key, so
that they end when a test wants it; it judges them as its own.
"""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from daemon.cluster_site import OWN_LOCKS, Cluster
from daemon.kube import Plane
from ferrule.observe.cluster_account import FOLDER

ISSUER = "https://kubernetes.default.svc"
LEEWAY_S = 60  # that the API server gives a clock (go-jose)


@contextmanager
def mountpoint(path: Path = FOLDER) -> Iterator[None]:
    """The folder of a Pod's credentials is there, to be mounted over, and gone afterwards."""
    missing = [one for one in (path, *path.parents) if not one.exists()]
    path.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for one in missing:
            one.rmdir()


@dataclass
class Pod:
    """One part of ferrule in a Pod; `folder` is what a kubelet mounts into it."""

    cluster: Cluster
    part: str
    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir()
        config = json.loads(self.cluster.world.plane.kubeconfig.read_text())
        authority = Path(config["clusters"][0]["cluster"]["certificate-authority"])
        (self.folder / "ca.crt").write_bytes(authority.read_bytes())
        (self.folder / "namespace").write_text(self.cluster.world.name)

    def give(self, token: str) -> None:
        """As a kubelet does it: never half of one."""
        new = self.folder / "new"
        new.touch(mode=0o600)
        new.write_text(token)
        new.rename(self.folder / "token")

    def token(self, lasts_s: float) -> str:
        """One that ends so soon."""
        world = self.cluster.world
        path = f"/api/v1/namespaces/{world.name}/serviceaccounts/ferrule-{self.part}"
        uid = world.plane.ask("GET", path)["metadata"]["uid"]
        ends = int(time.time() + lasts_s) - LEEWAY_S
        about = {"name": f"ferrule-{self.part}", "uid": uid}
        claims = {
            "iss": ISSUER,
            "aud": [ISSUER],
            "sub": f"system:serviceaccount:{world.name}:ferrule-{self.part}",
            "iat": ends - 3600,
            "nbf": ends - 3600,
            "exp": ends,
            "kubernetes.io": {"namespace": world.name, "serviceaccount": about},
        }
        return signed(world.plane, claims)

    def start(self, name: str, *options: str) -> None:
        """Without a kubeconfig: where the API server is stands in the environment."""
        parts = urlsplit(self.cluster.world.plane.server)
        enter = ["unshare", "-m", "sh", "-c", OWN_LOCKS, "sh", str(self.folder), str(FOLDER)]
        where = [f"KUBERNETES_SERVICE_HOST={parts.hostname}"]
        where += [f"KUBERNETES_SERVICE_PORT={parts.port}", "KUBECONFIG=/nonexistent"]
        argv = [*enter, "env", *where, *self.cluster.command(name), *options]
        self.cluster.run(name, argv)


def signed(plane: Plane, claims: object) -> str:
    """A token (RFC 7519) by the API server's own key."""

    def part(content: object) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=")

    text = part({"alg": "RS256", "typ": "JWT"}) + b"." + part(claims)
    key = plane.directory / "service-account.key"
    sign = ["openssl", "dgst", "-sha256", "-sign", str(key)]
    made = subprocess.run(sign, input=text, capture_output=True, check=True)  # noqa: S603
    return (text + b"." + base64.urlsafe_b64encode(made.stdout).rstrip(b"=")).decode()
