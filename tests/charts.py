"""What is in deploy/, and what Helm makes of the chart; Helm is built once, with Go."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "chart/ferrule"
MODULE = ROOT / "tests/helm"
KUBERNETES = "1.34.0"
NAMESPACE = "ferrule-system"

Object = dict[str, Any]


def parsed(text: str) -> list[Object]:
    """The objects of a file, as the API server is given them."""
    return [one for one in YAML(typ="safe").load_all(text) if one]


@cache
def shipped() -> tuple[Object, ...]:
    """What `kubectl apply -k deploy/manifests` applies."""
    files = ("namespace.yaml", "ferrule.yaml")
    texts = [(DEPLOY / "manifests" / file).read_text() for file in files]
    return tuple(one for text in texts for one in parsed(text))


def one_of(objects: Iterable[Object], kind: str, name: str) -> Object:
    """The object of that kind and name."""
    named = (one for one in objects if one["kind"] == kind)
    return next(one for one in named if one["metadata"]["name"] == name)


def pod_of(objects: Iterable[Object], part: str) -> Object:
    """The Pods' spec of the controller or of the agent."""
    kind = "Deployment" if part == "controller" else "DaemonSet"
    template: Object = one_of(objects, kind, f"ferrule-{part}")["spec"]["template"]
    return {**template["spec"]}


def containers(pod: Object) -> dict[str, Object]:
    """All containers of a Pod by name, those that only prepare too."""
    return {one["name"]: one for one in [*pod.get("initContainers", ()), *pod["containers"]]}


@cache
def helm() -> Path:
    """The program; the end of the test where it can be neither found nor built."""
    inputs = (MODULE / "go.mod").read_bytes() + (MODULE / "go.sum").read_bytes()
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("FERRULE_HELM_CACHE") or caches / "ferrule-helm")
    built = folder / hashlib.sha256(inputs).hexdigest()[:16] / "helm"
    if not built.exists():
        if shutil.which("go") is None:
            pytest.skip("no Go to build Helm with: the chart is not tested")
        built.parent.mkdir(parents=True, exist_ok=True)
        partial = built.with_name(f".helm.{os.getpid()}")
        command = ["go", "build", "-trimpath", "-ldflags=-s -w", "-o", str(partial)]
        env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
        subprocess.run([*command, "helm.sh/helm/v3/cmd/helm"], cwd=MODULE, env=env, check=True)  # noqa: S603
        partial.rename(built)
    return built


def run_helm(*words: str) -> subprocess.CompletedProcess[str]:
    """Helm, with nothing of whoever runs the tests."""
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    return subprocess.run(  # noqa: S603
        [str(helm()), *words], env=env, capture_output=True, text=True, check=False
    )


def template(settings: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """The chart with these settings, as `--set` takes them."""
    chosen = [word for one in settings for word in ("--set-json", one)]
    place = ["--namespace", NAMESPACE, "--kube-version", KUBERNETES]
    return run_helm("template", "ferrule", str(CHART), *place, *chosen)


def rendered(*settings: str) -> list[Object]:
    """The objects that it makes."""
    done = template(settings)
    assert done.returncode == 0, done.stderr
    return parsed(done.stdout)
