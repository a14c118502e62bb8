"""schemas/ holds what `ferrule schema` prints; `make schemas` writes it."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from ruamel.yaml import YAML
from syrupy.assertion import SnapshotAssertion

from ferrule.cli import main
from ferrule.compiler.spec import schema

EXAMPLES = Path(__file__).parent.parent / "examples"
ALL = "ferrule.json"
KINDS = {f"{kind.lower()}.json": [kind] for kind in schema.by_kind()}


@cache
def printed(*kind: str) -> str:
    return CliRunner().invoke(main, ["schema", *kind], catch_exceptions=False).stdout


def documents() -> Iterator[Any]:
    """The examples' objects of the two groups that have schemas, with where each is from."""
    for path in sorted(EXAMPLES.rglob("*.yaml")):
        for data in YAML(typ="safe").load_all(path):
            if "metallb.io/" in data["apiVersion"] or "ferrule.dev/" in data["apiVersion"]:
                place = f"{path.parent.name}, {data['kind']} {data['metadata']['name']}"
                yield pytest.param(data, id=place)


@pytest.mark.parametrize(("file", "arguments"), {**KINDS, ALL: []}.items())
def test_schema_files_are_current(
    file: str, arguments: list[str], schema_file: SnapshotAssertion
) -> None:
    assert printed(*arguments) == schema_file(name=file)


@pytest.mark.parametrize("kind", schema.by_kind())
def test_a_schema_is_one(kind: str) -> None:
    Draft202012Validator.check_schema(json.loads(printed(kind)))


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    """Of any object, its references answered from the files beside it."""
    resources = (
        (name, Resource.from_contents(json.loads(printed(*kind)))) for name, kind in KINDS.items()
    )
    registry: Registry[Any] = Registry().with_resources(resources)
    return Draft202012Validator(json.loads(printed()), registry=registry)


@pytest.mark.parametrize("document", [*documents()])
def test_examples_obey_the_schema(document: Any, validator: Draft202012Validator) -> None:
    validator.validate(document)


def test_a_misspelt_field_breaks_the_schema(validator: Draft202012Validator) -> None:
    switch = {"asn": 64512, "routerID": "192.0.2.1", "addresses": ["192.0.2.1"]}
    document = {"apiVersion": "ferrule.dev/v1alpha1", "kind": "Switch", "metadata": {"name": "a"}}

    assert validator.is_valid(document | {"spec": switch})
    assert not validator.is_valid(document | {"spec": switch | {"asnn": 1}})
