"""The wheel holds what the checkout holds, and nothing else."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
FOLDERS = sorted({name.split(".")[1] for name in SETUPTOOLS["packages"] if "." in name})
INITLESS = {"ferrule", "ferrule.schemas", "ferrule.templates"}


def test_every_package_is_listed() -> None:
    parents = [path.parent.relative_to(ROOT).parts for path in ROOT.rglob("__init__.py")]
    found = {
        ".".join(("ferrule", *parts))
        for parts in parents
        if parts[0] not in {"build", "tests"} and not parts[0].startswith(".")
    }
    assert found | INITLESS == set(SETUPTOOLS["packages"])


def test_cli_is_the_only_module_in_the_root() -> None:
    assert [path.name for path in ROOT.glob("*.py")] == ["cli.py"]


def files_below(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked; built from a copy, since setuptools leaves its work in the tree."""
    source, unpacked = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("unpacked")
    for name in ("LICENSE", "README.md", "cli.py", "pyproject.toml"):
        shutil.copy(ROOT / name, source)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, source / name)
    build = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([sys.executable, *build, source / "dist", source], check=True)  # noqa: S603
    (archive,) = (source / "dist").glob("*.whl")
    zipfile.ZipFile(archive).extractall(unpacked)
    return unpacked


def test_the_wheel_holds_every_file(wheel: Path) -> None:
    ours = {f"{name}/{path}" for name in FOLDERS for path in files_below(ROOT / name)}

    assert files_below(wheel / "ferrule") == {"cli.py", *ours}


def test_the_wheel_holds_nothing_beside_the_package(wheel: Path) -> None:
    (metadata,) = wheel.glob("*.dist-info")

    assert {path.name for path in wheel.iterdir()} == {"ferrule", metadata.name}
    assert (metadata / "licenses" / "LICENSE").is_file()


def test_the_wheel_renders_what_the_checkout_renders(wheel: Path, tmp_path: Path) -> None:
    path = os.environ.get("PYTHONPATH", "")
    origin, text = rendered(tmp_path, str(wheel), path)

    assert origin == str(wheel / "ferrule" / "cli.py")
    assert text == rendered(tmp_path, path)[1] != ""


def rendered(folder: Path, *path: str) -> tuple[str, str]:
    """Where a process with this PYTHONPATH has ferrule from, and what it makes of the example."""
    code = "from ferrule import cli; print(cli.__file__); cli.main()"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-P", "-c", code, "render", ROOT / "examples" / "fabric"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        check=True,
    )
    origin, _, text = done.stdout.partition("\n")
    return origin, text
