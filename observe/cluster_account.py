"""Who a Pod is to the API server of its own cluster: the token of its ServiceAccount.

The kubelet puts a new token into the file long before the old one runs out, so the file is read
every minute. A token that is not there just now is no mistake: the server says 401, and the file
is read again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from kubernetes.client import Configuration

from ferrule.observe.cluster_config import Login, login

FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
NAME = "in-cluster"
REREAD_S = 60.0


class _TokenFile:
    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path, self._clock = path, clock
        self._read_at = float("-inf")

    def refresh(self, configuration: Configuration) -> None:
        """Called by the package before each request."""
        now = self._clock()
        if now - self._read_at < REREAD_S:
            return
        if token := _text(self._path):
            self._read_at = now
            configuration.api_key["authorization"] = f"Bearer {token}"


def enter(
    kubeconfig: str | None = None, context: str | None = None, *, folder: Path = FOLDER
) -> Login:
    """The context that is named; else the Pod's own cluster; else as kubectl does it.

    Raises `ClusterError`.
    """
    own = None if kubeconfig or context else account(folder)
    return own or login(kubeconfig, context)


def account(
    folder: Path = FOLDER,
    environment: Mapping[str, str] = os.environ,
    clock: Callable[[], float] = time.monotonic,
) -> Login | None:
    """The cluster that this Pod is in; None outside of one."""
    host = environment.get("KUBERNETES_SERVICE_HOST")
    port = environment.get("KUBERNETES_SERVICE_PORT")
    token, authority = folder / "token", folder / "ca.crt"
    if not (host and port and token.is_file() and authority.is_file()):
        return None
    made = Configuration()
    made.host = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    made.ssl_ca_cert = str(authority)
    made.api_key = {"authorization": ""}  # kubernetes 29 looks before it calls the hook
    made.refresh_api_key_hook = _TokenFile(token, clock).refresh  # type: ignore[assignment]

    def again() -> Login:
        return account(folder, environment, clock) or same

    same = Login(NAME, made.host, made, again)
    return same


def own_namespace(folder: Path = FOLDER) -> str:
    """The namespace of this Pod; empty outside of one."""
    return _text(folder / "namespace")


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
