"""Imports point inwards: edges know the compiler, the compiler knows no edge."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Outermost first. A module imports from lines below its own; names that share a line are
# siblings and do not know each other. The longest name that fits a module is its layer.
LAYERS = (
    ("cli",),
    ("commands",),
    ("reconcile",),
    ("announce", "apply", "observe"),
    ("compiler.plancomment", "compiler.planjson"),
    ("compiler.planview", "compiler.statusview", "compiler.way"),
    ("compiler.status",),
    ("compiler.checks", "compiler.sessions"),
    ("compiler.health",),
    ("compiler.explain", "compiler.lint", "compiler.planning", "compiler.views"),
    ("compiler.costs",),
    ("compiler.ears",),
    ("compiler.compare", "compiler.order"),
    ("compiler.hearing", "compiler.plan"),
    ("compiler.observed",),
    ("compiler.pipeline", "compiler.slice"),
    ("compiler.inputs",),
    ("compiler.accept", "compiler.allocation", "compiler.contests", "compiler.routes"),
    (
        "compiler.allocate",
        "compiler.elect",
        "compiler.lints",
        "compiler.policy",
        "compiler.topology",
    ),
    (
        "compiler.binding",
        "compiler.ends",
        "compiler.ledger",
        "compiler.members",
        "compiler.peerfacts",
        "compiler.rules",
        "compiler.speech",
    ),
    (
        "compiler.facing",
        "compiler.reach",
        "compiler.rooms",
        "compiler.seen",
        "compiler.selection",
        "compiler.space",
    ),
    ("compiler.service",),
    ("compiler.kube", "compiler.spec.checks", "compiler.spec.schema"),
    ("compiler.spec",),
    ("compiler.spec.read",),
    ("compiler.spec.translate",),
    ("compiler.spec.kinds",),
    ("compiler.spec.types",),
    ("compiler.backends",),
    ("compiler.backends.frr", "compiler.backends.sonic"),
    ("compiler.backends.frrtext", "compiler.backends.prefixlist"),
    ("compiler.backends.base", "compiler.bgpstate"),
    ("compiler.network",),
    ("compiler.source",),
    ("compiler.jsontext",),
    ("compiler.yamltext",),
    ("compiler.lines",),
    ("compiler.errors", "compiler"),
)
TOP = {name.partition(".")[0] for line in LAYERS for name in line}

PURE = "compiler"
IMPURE = {
    "asyncio",
    "click",
    "datetime",
    "kubernetes",
    "netmiko",
    "os",
    "random",
    "socket",
    "subprocess",
    "threading",
    "time",
}
READERS = {
    "compiler.backends.frr.render": "the templates",
    "compiler.explain": "codes.toml",
}


@cache
def modules() -> tuple[str, ...]:
    paths = (path.relative_to(ROOT).with_suffix("").parts for path in sorted(ROOT.rglob("*.py")))
    return tuple(".".join(p).removesuffix(".__init__") for p in paths if p[0] in TOP)


def imports(module: str) -> Iterator[str]:
    """What a module imports, at any depth of nesting; of ours always the module, never a name."""
    path = ROOT.joinpath(*module.split("."))
    text = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name.removeprefix("ferrule.") in modules() else node.module


def ours(module: str) -> Iterator[str]:
    for name in imports(module):
        if name.startswith("ferrule."):
            yield name.removeprefix("ferrule.")


def layer(module: str) -> tuple[int, str]:
    fits = (
        (len(name), row, name)
        for row, line in enumerate(LAYERS)
        for name in line
        if f"{module}.".startswith(f"{name}.")
    )
    _, row, name = max(fits)
    return row, name


@pytest.mark.parametrize("module", modules())
def test_imports_point_inwards(module: str) -> None:
    row, name = layer(module)
    for imported in ours(module):
        their_row, their_name = layer(imported)
        assert their_row > row or their_name == name, f"{module} imports {imported}"


@pytest.mark.parametrize("module", [one for one in modules() if one.startswith("compiler.")])
def test_every_module_of_the_compiler_has_its_place(module: str) -> None:
    assert layer(module)[1] != "compiler"


def test_no_layer_is_a_memory() -> None:
    assert {name for line in LAYERS for name in line} <= set(modules())


@pytest.mark.parametrize("module", modules())
def test_front_end_and_back_ends_meet_in_the_network(module: str) -> None:
    pipeline, _ = layer("compiler.pipeline")
    row, _ = layer(module)
    for imported in ours(module):
        if imported.startswith("compiler.backends"):
            assert row <= pipeline or module.startswith("compiler.backends")


@pytest.mark.parametrize("module", [one for one in modules() if one.startswith(PURE)])
def test_the_compiler_is_pure(module: str) -> None:
    used = {name.partition(".")[0] for name in imports(module)}
    assert used & IMPURE == set()
    assert ("pathlib" in used) == (module in READERS)
