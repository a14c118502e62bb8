"""`ferrule plan` with a real cluster as its input, against a rendered directory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from daemon.kube import Plane
from daemon.test_kube_cluster import rules
from ferrule.cli import main

pytestmark = pytest.mark.daemon


def without_services() -> list[dict[str, Any]]:
    """All that Ferrule reads, but for Services."""
    return [
        {**rule, "resources": [one for one in rule["resources"] if one != "services"]}
        for rule in rules(without="nothing-is-called-so")
    ]


def run(*words: str) -> Result:
    return CliRunner().invoke(main, words)


@pytest.fixture
def rendered(cluster: Plane, tmp_path: Path) -> Sequence[str]:
    """The directory as options; what the devices run is what the cluster wants."""
    out = str(tmp_path / "out")
    done = run("render", "--kubeconfig", str(cluster.kubeconfig), "-o", out)
    assert done.exit_code == 0, done.stderr
    return ("--against", out)


def test_what_was_rendered_of_a_cluster_is_no_change(
    cluster: Plane, rendered: Sequence[str]
) -> None:
    done = run("plan", "--kubeconfig", str(cluster.kubeconfig), "--detailed-exitcode", *rendered)

    assert done.exit_code == 0
    assert done.stderr.splitlines()[-1].startswith("no changes")


def test_what_may_not_be_read_is_not_withdrawn(cluster: Plane, rendered: Sequence[str]) -> None:
    """Without a right to Services there are none: every route would go."""
    kubeconfig = str(cluster.kubeconfig_of("planner"))
    cluster.allow("planner", without_services())

    done = run("plan", "--kubeconfig", kubeconfig, "--output", "json", *rendered)

    plan = json.loads(done.stdout)
    assert plan["changes"] is False
    held = {one["held"] for one in plan["devices"]}
    assert held == {"nothing is removed: the input has no Service"}
    assert {one["code"] for one in plan["diagnostics"]} >= {"cluster-forbidden"}


def test_nor_is_half_a_cluster_rendered(cluster: Plane, tmp_path: Path) -> None:
    kubeconfig = str(cluster.kubeconfig_of("planner"))
    cluster.allow("planner", without_services())

    done = run("render", "--kubeconfig", kubeconfig, "-o", str(tmp_path / "out"))

    assert done.exit_code == 1
    assert "the cluster's Service could not be read" in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_api_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = run("plan", "--kubeconfig", str(tmp_path / "none"), "--against", str(tmp_path))

    assert done.exit_code == 1
    assert ": error[kubeconfig]: " in done.stderr.splitlines()[0]
