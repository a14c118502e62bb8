"""deploy/ is current, says one thing in all its forms, and asks for no more than it needs."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from charts import (
    CHART,
    DEPLOY,
    NAMESPACE,
    ROOT,
    Object,
    containers,
    helm,
    one_of,
    parsed,
    pod_of,
    rendered,
    run_helm,
    shipped,
    template,
)

from ferrule.cli import main
from ferrule.compiler.spec.kinds import GROUPS, STATUS_ONLY
from ferrule.compiler.spec.schema import crds, plural

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PARTS = ("controller", "agent")

# Generated, and current.


def test_the_crds_are_those_of_the_models() -> None:
    """`deploy/render` writes them anew."""
    assert (CHART / "files/crds.yaml").read_text() == crds()


def test_the_manifests_are_the_chart_with_its_defaults(tmp_path: Path) -> None:
    """`deploy/render` writes them anew."""
    programs = os.pathsep.join([str(helm().parent), str(Path(sys.executable).parent)])
    env = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run([DEPLOY / "render", tmp_path], env=env, check=True)  # noqa: S603

    for path in ("manifests/ferrule.yaml", "chart/ferrule/files/crds.yaml"):
        assert (tmp_path / path).read_text() == (DEPLOY / path).read_text()


def test_kustomize_takes_the_manifests() -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl: deploy/manifests is not tested with kustomize")
    command = ["kubectl", "kustomize", str(DEPLOY / "manifests")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603

    assert sorted(map(identity, parsed(done.stdout))) == sorted(map(identity, shipped()))


def identity(one: Object) -> tuple[str, str]:
    return one["kind"], one["metadata"]["name"]


def test_the_chart_is_of_this_version() -> None:
    (chart,) = parsed((CHART / "Chart.yaml").read_text())
    version = PROJECT["project"]["version"]

    assert (chart["version"], chart["appVersion"]) == (version, version)
    assert containers(pod_of(shipped(), "agent"))["agent"]["image"].endswith(f":{version}")


def test_helm_finds_nothing_wrong() -> None:
    done = run_helm("lint", str(CHART), "--kube-version", "1.34.0", "--strict")

    assert done.returncode == 0, done.stdout


# What belongs to whom.


def test_the_kinds_of_metallb_stay_its_own() -> None:
    """Whoever removes Ferrule must not remove a user's pools and peers with it."""
    defined = [one for one in shipped() if one["kind"] == "CustomResourceDefinition"]

    assert {one["spec"]["group"] for one in defined} == {"ferrule.dev"}
    assert len(defined) == len(GROUPS["ferrule.dev"])


def test_our_kinds_outlive_the_release() -> None:
    for one in shipped():
        if one["kind"] == "CustomResourceDefinition":
            assert one["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


# RBAC.


def rules(part: str) -> Iterator[Mapping[str, list[str]]]:
    for kind in ("ClusterRole", "Role"):
        yield from one_of(shipped(), kind, f"ferrule-{part}")["rules"]


@pytest.mark.parametrize("part", PARTS)
def test_nothing_is_asked_for_with_a_star(part: str) -> None:
    for rule in rules(part):
        assert not any("*" in word for words in rule.values() for word in words)


@pytest.mark.parametrize("part", PARTS)
def test_every_kind_of_the_spec_may_be_watched(part: str) -> None:
    for group, table in GROUPS.items():
        watched = {
            kind
            for rule in rules(part)
            if group in rule["apiGroups"] and {"list", "watch"} <= set(rule["verbs"])
            for kind in rule["resources"]
        }
        kinds = {kind for _, kind in table if kind not in STATUS_ONLY}
        assert watched == {plural(kind) for kind in kinds}


def test_secrets_may_be_read_by_the_agent_alone() -> None:
    readers = {part for part in PARTS for rule in rules(part) if "secrets" in rule["resources"]}

    assert readers == {"agent"}


def test_a_secret_that_a_switch_names_is_named_in_the_role() -> None:
    role = one_of(rendered('controller.passwordSecrets=["tor"]'), "Role", "ferrule-controller")

    (rule,) = (one for one in role["rules"] if one["resources"] == ["secrets"])
    assert rule == {
        "apiGroups": [""],
        "resources": ["secrets"],
        "resourceNames": ["tor"],
        "verbs": ["get"],
    }


# Containers.


NEEDED = {
    "frr": [
        "NET_ADMIN",
        "NET_RAW",
        "NET_BIND_SERVICE",
        "SYS_ADMIN",
        "SETUID",
        "SETGID",
        "KILL",
    ],
    "agent": ["NET_RAW"],
}


@pytest.mark.parametrize("mode", ["bundled", "host"])
def test_a_container_has_no_right_that_it_does_not_need(mode: str) -> None:
    made = rendered(f'frr.mode="{mode}"')
    for part in PARTS:
        for name, one in containers(pod_of(made, part)).items():
            security = one["securityContext"]
            assert security["readOnlyRootFilesystem"] is True
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"]["drop"] == ["ALL"]
            assert security["capabilities"].get("add", []) == NEEDED.get(name, [])


@pytest.mark.parametrize("part", PARTS)
def test_a_service_cannot_set_an_option(part: str) -> None:
    """Kubernetes would set FERRULE_METRICS_PORT for a Service called ferrule-metrics."""
    assert pod_of(shipped(), part)["enableServiceLinks"] is False


def test_only_the_agent_itself_may_ask_the_api_server() -> None:
    pod = pod_of(shipped(), "agent")
    mounts = {
        name
        for name, one in containers(pod).items()
        for mount in one["volumeMounts"]
        if mount["name"] == "api"
    }

    assert pod["automountServiceAccountToken"] is False
    assert mounts == {"agent"}


def test_every_volume_is_there_and_used() -> None:
    full = ['spec={"a.yaml": "x"}', 'controller.sshSecret="keys"']
    for mode in ("bundled", "host"):
        made = rendered(f'frr.mode="{mode}"', *full)
        for part in PARTS:
            pod = pod_of(made, part)
            used = {
                mount["name"] for one in containers(pod).values() for mount in one["volumeMounts"]
            }
            assert used == {one["name"] for one in pod["volumes"]}


# Settings.


def arguments(part: str, *settings: str) -> list[str]:
    words: list[str] = containers(pod_of(rendered(*settings), part))[part]["args"]
    return words


def test_what_is_set_becomes_options() -> None:
    common = ['lbClass="example.net/lb"', "ignoreExcludeLB=true", 'logLevel="debug"']
    both = {"--lb-class=example.net/lb", "--ignore-exclude-lb", "--log-level=debug"}

    assert set(arguments("agent", *common)) >= both
    assert set(arguments("controller", *common, 'controller.allow=["withdrawal"]')) >= {
        *both,
        "--allow=withdrawal",
    }
    assert "--accept-wait=0" in arguments("agent", "agent.acceptWait=0")
    assert "--withdraw-on-exit" in arguments("agent", "agent.withdrawOnExit=true")
    assert "--save" in arguments("agent", 'frr.mode="host"', "frr.save=true")


def test_a_spec_in_files_is_read_by_both() -> None:
    made = rendered('spec={"switches.yaml": "kind: Switch"}')

    data = one_of(made, "ConfigMap", "ferrule-spec")["data"]
    assert data == {"switches.yaml": "kind: Switch"}
    for part in PARTS:
        assert "/etc/ferrule/spec" in containers(pod_of(made, part))[part]["args"]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ('frr.mod="host"', "mod"),
        ('frr.mode="sidecar"', "frr"),
        ('controller.allow=["everything"]', "allow"),
        ('spec={"..data": ""}', "data"),
        ("frr.save=true", "frr.save is for frr.mode host"),
    ],
)
def test_a_setting_that_is_none_is_refused(setting: str, said: str) -> None:
    done = template([setting])

    assert done.returncode != 0
    assert said in done.stderr


def test_the_host_has_no_second_frr() -> None:
    pod = pod_of(rendered('frr.mode="host"'), "agent")

    assert set(containers(pod)) == {"vtysh", "agent"}
    paths = {one["hostPath"]["path"] for one in pod["volumes"] if "hostPath" in one}
    assert paths == {"/run/frr", "/run/ferrule"}


def test_nothing_of_the_host_is_mounted_otherwise() -> None:
    for part in PARTS:
        assert not any("hostPath" in one for one in pod_of(shipped(), part)["volumes"])


# The image.

CONTAINERFILE = (DEPLOY / "Containerfile").read_text()


def lines(instruction: str) -> list[str]:
    return re.findall(rf"^{instruction} (.*)$", CONTAINERFILE, re.MULTILINE)


def test_the_image_is_built_of_what_the_wheel_is() -> None:
    copied = {word for one in lines("COPY") if "--from" not in one for word in one.split()[:-1]}
    packages = {name.split(".")[1] for name in PROJECT["tool"]["setuptools"]["packages"][1:]}

    assert copied == {"pyproject.toml", "README.md", "LICENSE", "cli.py", *packages}
    assert all((ROOT / word).exists() for word in copied)


def test_the_image_runs_as_nobody() -> None:
    assert lines("USER") == ["65532:65532"]
    assert containers(pod_of(shipped(), "controller"))["controller"].get("command") is None
    assert pod_of(shipped(), "controller")["securityContext"]["runAsUser"] == 65532


def built(folder: Path, **settings: str) -> Path:
    """What the RUN lines make, the folders of the image below one of ours: the entrypoint."""
    source = folder / "src"
    source.mkdir()
    for words in (one.split()[:-1] for one in lines("COPY") if "--from" not in one):
        for copied in (ROOT / word for word in words):
            if copied.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(copied, source / copied.name, ignore=ignored)
            else:
                shutil.copy(copied, source)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "PIP_NO_COMPILE": "1", **settings}
    for line in lines("RUN"):
        moved = re.sub(r"(?<!\S)(?=/(wheels|opt))", str(folder), line)
        subprocess.run(["bash", "-euc", moved], cwd=source, env=env, check=True)  # noqa: S603, S607
    (entrypoint,) = re.findall(r'"(.*)"', lines("ENTRYPOINT")[0])
    return Path(f"{folder}{entrypoint}")


def test_what_builds_the_image_works(tmp_path: Path) -> None:
    """Without what Ferrule leans on, which takes a minute to install."""
    assert os.access(built(tmp_path, PIP_NO_DEPS="1"), os.X_OK)


@pytest.mark.soak
def test_there_is_a_wheel_of_all_that_the_image_holds(tmp_path: Path) -> None:
    command = [str(built(tmp_path)), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603

    assert done.stdout == f"ferrule {PROJECT['project']['version']}\n"


# Documented.


@pytest.mark.parametrize("name", ["heartbeat.example.yaml", "kustomization.yaml"])
def test_what_lies_beside_the_manifests_is_of_their_namespace(name: str) -> None:
    (one,) = parsed((DEPLOY / "manifests" / name).read_text())

    assert one.get("namespace", one.get("metadata", {}).get("namespace")) == NAMESPACE


# The commands.


@pytest.mark.parametrize(("part", "command"), [("controller", "reconcile"), ("agent", "agent")])
def test_every_option_is_one_of_the_command(
    part: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = (
        'lbClass="example.net/lb"',
        "ignoreExcludeLB=true",
        'spec={"a.yaml": ""}',
        'frr={"mode": "host", "save": true}',
        'controller.allow=["withdrawal", "session-reset"]',
        'agent={"withdrawOnExit": true, "withdrawOnCordon": true, "acceptWait": 5}',
    )
    one = containers(pod_of(rendered(*settings), part))[part]
    given = {each["name"] for each in one["env"] if each["name"].startswith("FERRULE_")}
    for name in given:
        monkeypatch.setenv(name, "set")
    first, *words = one["args"]
    options = main.commands[command]

    context = options.make_context(command, words)

    assert first == command
    assert context.params["paths"] == ("/etc/ferrule/spec",)
    assert given <= {each.envvar for each in options.params}
