"""JSON Schemas for editors and CRDs for clusters, generated from the models.

`schemas/` holds what `everything` and `by_kind` give; a test keeps it current.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import Any, cast

from ruamel.yaml import YAML

from ferrule.compiler.spec import kinds
from ferrule.compiler.spec.types import Model

DRAFT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]

METADATA: Schema = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "namespace": {"type": "string"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
# Conditions are told apart by their type: several may speak of one object (server-side apply).
CONDITION: Schema = {
    "type": "object",
    "required": ["type", "status"],
    "properties": {
        "type": {"type": "string"},
        "status": {"type": "string"},
        "reason": {"type": "string"},
        "message": {"type": "string"},
        "lastTransitionTime": {"type": "string", "format": "date-time"},
        "observedGeneration": {"type": "integer", "format": "int64"},
    },
}
STATUS: Schema = {
    "type": "object",
    "properties": {
        "conditions": {
            "type": "array",
            "items": CONDITION,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        }
    },
    "x-kubernetes-preserve-unknown-fields": True,
}
ADDRESS_TEXT: Schema = {
    "type": "string",
    "description": "ADDRESS or ADDRESS/LENGTH, in VRF default",
    "examples": ["192.0.2.1/24"],
}


def by_kind() -> Mapping[str, Schema]:
    """One schema per kind, all its groups and versions in it."""
    forms: dict[str, list[Schema]] = {}
    definitions: dict[str, Schema] = {}
    for group, table in kinds.GROUPS.items():
        for (version, kind), model in table.items():
            forms.setdefault(kind, []).append(_object(group, version, kind, model))
    for kind, each in forms.items():
        definitions[kind] = {"$schema": DRAFT, "title": kind}
        if len(each) == 1:
            definitions[kind] |= each[0]
        else:
            definitions[kind]["oneOf"] = each
    return definitions


def everything() -> Schema:
    """Any object of the language."""
    known = by_kind()
    return {
        "$schema": DRAFT,
        "title": "Ferrule",
        "oneOf": [{"$ref": f"{kind.lower()}.json"} for kind in sorted(known)],
    }


def _object(group: str, version: str, kind: str, model: type[Model]) -> Schema:
    body = inlined(model)
    fields = body["properties"] if model is kinds.AddressLock else {"spec": body}
    required = ["apiVersion", "kind", "metadata"]
    if body.get("required"):
        required.append("spec")
    return {
        "type": "object",
        "description": model.__doc__,
        "required": required,
        "properties": {
            "apiVersion": {"const": f"{group}/{version}"},
            "kind": {"const": kind},
            "metadata": METADATA,
            **fields,
            "status": {"type": "object"},
        },
        "additionalProperties": False,
    }


def inlined(model: type[Model]) -> Schema:
    """A model's schema without references, titles and nulls."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    return cast(Schema, _inline(schema, definitions))


def _inline(value: object, definitions: Mapping[str, Schema]) -> object:
    if isinstance(value, list):
        return [_inline(one, definitions) for one in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        rest = {key: one for key, one in value.items() if key != "$ref"}
        target = cast(Schema, _inline({**definitions[name], **rest}, definitions))
        return {"anyOf": [ADDRESS_TEXT, target]} if name == "SwitchAddress" else target
    if "anyOf" in value:
        choices = [one for one in value["anyOf"] if one != {"type": "null"}]
        if len(choices) == 1:
            rest = {k: one for k, one in value.items() if k not in ("anyOf", "default")}
            return _inline({**choices[0], **rest}, definitions)
    return {
        key: _properties(one, definitions) if key == "properties" else _inline(one, definitions)
        for key, one in value.items()
        if not (key == "title" and isinstance(one, str)) and not (key == "default" and not one)
    }


def _properties(value: Mapping[str, object], definitions: Mapping[str, Schema]) -> Schema:
    """Here `title` and `default` would be names of fields."""
    return {name: _inline(one, definitions) for name, one in value.items()}


# CRDs


def crds() -> str:
    """The CustomResourceDefinitions of group ferrule.dev, as YAML documents."""
    stream = StringIO()
    yaml = YAML(typ="rt", pure=True)
    yaml.explicit_start = True
    yaml.width = 100
    for (version, kind), model in kinds.FERRULE.items():
        yaml.dump(_crd(version, kind, model), stream)
    return stream.getvalue()


def _crd(version: str, kind: str, model: type[Model]) -> Schema:
    names = plural(kind)
    body = _structural(inlined(model))
    fields = body["properties"] if model is kinds.AddressLock else {"spec": body}
    scheme = {
        "type": "object",
        "description": model.__doc__,
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            **fields,
            "status": STATUS,
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names}.ferrule.dev"},
        "spec": {
            "group": "ferrule.dev",
            "names": {"kind": kind, "plural": names, "singular": kind.lower()},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": scheme},
                }
            ],
        },
    }


def plural(kind: str) -> str:
    """As the API server calls the objects of a kind: `addresslocks`, `communities`."""
    word = kind.lower()
    if word.endswith("y"):
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("ch", "ss")) else f"{word}s"


def _structural(value: object) -> Any:
    """What Kubernetes calls a structural schema: no choices, no examples, no closed objects."""
    if isinstance(value, list):
        return [_structural(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "anyOf" in value:  # a string or an object
        return {"x-kubernetes-preserve-unknown-fields": True}
    kept = {
        key: {name: _structural(one) for name, one in cast(Schema, each).items()}
        if key == "properties"
        else _structural(each)
        for key, each in value.items()
        if key not in ("examples", "additionalProperties") or isinstance(each, dict)
    }
    if "const" in kept:
        kept["enum"] = [kept.pop("const")]
    if kept.get("type") == "integer":
        kept["format"] = "int64"
    return kept
