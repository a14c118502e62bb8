"""The image that deploy/Containerfile describes, really built, and FRR's beside it.

No registry is asked: the images that both begin with are made of Debian's packages. So Python is
Debian's 3.13, and FRR is Debian's 10.3 and not Alpine's, with the users and tini of the real one.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from charts import DEPLOY, ROOT, containers, pod_of, shipped

from daemon.containers import Engine
from daemon.flavour import execute
from daemon.need import refuse

AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"  # whom this machine trusts, pip has to
AGENT = containers(pod_of(shipped(), "agent"))
IMAGE: str = AGENT["agent"]["image"]
FRR_IMAGE: str = AGENT["frr"]["image"]
_RIGHTS = AGENT["vtysh"]["securityContext"]
_UID, _GID = _RIGHTS["runAsUser"], _RIGHTS["runAsGroup"]
_VTY = pod_of(shipped(), "agent")["securityContext"]["supplementalGroups"][0]
_USERS = (
    f'echo "frr:x:{_GID}:" >>"$1/etc/group"; echo "frrvty:x:{_VTY}:frr" >>"$1/etc/group"; '
    f'echo "frr:x:{_UID}:{_GID}::/var/run/frr:/sbin/nologin" >>"$1/etc/passwd"'
)


@dataclass(frozen=True)
class Base:
    """An image made of packages: what mmdebstrap is told, and what the image says of itself."""

    options: Sequence[str]
    changes: Sequence[str]


PYTHON = Base(
    (
        "--include=python3,python3-venv,python3-pip,ca-certificates",
        '--customize-hook=ln -s /usr/bin/python3 "$1/usr/local/bin/python"',
    ),
    (f"ENV PIP_CERT={AUTHORITIES}", "ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
)
FRR = Base(
    (
        f"--essential-hook={_USERS}",
        "--include=frr,tini",
        '--customize-hook=ln -s /usr/bin/tini "$1/usr/sbin/tini"',
    ),
    ('ENTRYPOINT ["/sbin/tini", "--"]',),
)


def require_engine() -> None:
    """Root, and what makes and runs containers."""
    if os.geteuid() != 0:
        refuse("not root")
    for program in ("mmdebstrap", "podman", "runc"):
        if shutil.which(program) is None:
            refuse(f"no {program}")


def begun_with() -> str:
    """The one image that deploy/Containerfile begins with."""
    (name,) = set(re.findall(r"^FROM (\S+)", (DEPLOY / "Containerfile").read_text(), re.MULTILINE))
    return str(name)


def build(engine: Engine) -> None:
    """All images of the manifests, under the names that they have there."""
    for base, name in ((PYTHON, begun_with()), (FRR, FRR_IMAGE)):
        changes = [f"--change={one}" for one in base.changes]
        engine.done("import", *changes, str(_tree(base)), name)
    trust = f"--volume={AUTHORITIES}:{AUTHORITIES}:ro"
    how = ["--network=host", "--isolation=chroot", "--pull=never", trust]
    engine.done("build", *how, f"--file={DEPLOY / 'Containerfile'}", f"--tag={IMAGE}", str(ROOT))


def _tree(base: Base) -> Path:
    """Its files, packed, made once; beside their final name, and moved there whole."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("FERRULE_IMAGE_CACHE") or caches / "ferrule-image")
    made = folder / f"{hashlib.sha256(repr(base).encode()).hexdigest()[:16]}.tar"
    if not made.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = made.with_name(f".{os.getpid()}.{made.name}")
        how = ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", *base.options]
        done = execute([*how, "trixie", str(partial)])
        assert done.returncode == 0, done.stdout
        partial.rename(made)
    return made
