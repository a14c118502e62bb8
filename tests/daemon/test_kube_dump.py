"""What a real API server prints is an input: its defaults, its nulls, its other kinds."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from daemon import kube
from daemon.flavour import execute
from daemon.kube_world import OURS, dumped, shown
from ferrule.compiler.pipeline import Compilation, compile_network, read_inputs
from ferrule.compiler.source import read

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = (
    "services,nodes,namespaces,endpointslices,ipaddresspools.ferrule.dev,bgppeers.ferrule.dev,"
    "bgpadvertisements.ferrule.dev,switches.ferrule.dev"
)


def compiled(text: str, file: str = "dump.json") -> Compilation:
    return compile_network(read_inputs(read(text.encode(), file)))


@pytest.mark.daemon
def test_our_kinds_take_every_example(plane: kube.Plane) -> None:
    examples: list[dict[str, Any]] = [
        dict(one.data)
        for file in sorted(EXAMPLES.rglob("*.yaml"))
        for one in read(file.read_bytes(), str(file))
        if one.api_version == OURS
    ]
    assert examples
    for one in examples:
        meta = {**one["metadata"], "namespace": "default"}
        plane.apply({**one, "metadata": meta}, dry_run=True)


@pytest.mark.daemon
def test_a_dump_compiles_to_what_was_meant(cluster: kube.Plane) -> None:
    compilation = compiled(dumped(cluster))
    assert compilation.ok, compilation.diagnostics
    network = shown(compilation)
    addresses = {name: one["addresses"] for name, one in network["services"].items()}
    assert set(addresses) == {"shop/anywhere", "shop/local", "shop/nowhere", "shop/both"}
    assert all(addresses.values())
    assert len(addresses["shop/both"]) == 2
    told = {
        node: {name for entry in one["advertisements"] for name in entry["services"]}
        for node, one in network["nodes"].items()
    }
    assert told == {
        "node-1": {"shop/anywhere"},
        "node-2": {"shop/anywhere", "shop/local"},
    }


@pytest.mark.daemon
def test_other_kinds_only_pass_by(cluster: kube.Plane) -> None:
    others = (("v1", "ConfigMap"), ("v1", "Pod"), ("rbac.authorization.k8s.io/v1", "ClusterRole"))
    few, many = compiled(dumped(cluster)), compiled(dumped(cluster, *others))
    assert shown(few) == shown(many)
    count = sum(len(cluster.items(*kind)) for kind in others)
    assert many.inputs.skipped == few.inputs.skipped + count


@pytest.mark.daemon
@pytest.mark.parametrize("form", ["json", "yaml"])
def test_kubectl_prints_the_same(cluster: kube.Plane, form: str) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl: its own output is not tested")
    kubectl = ["kubectl", "--kubeconfig", str(cluster.kubeconfig), "get", NAMES, "-A", "-o", form]
    printed = execute(kubectl)
    assert printed.returncode == 0, printed.stdout
    assert shown(compiled(printed.stdout, f"dump.{form}")) == shown(compiled(dumped(cluster)))
