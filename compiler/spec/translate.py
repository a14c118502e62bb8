"""Pydantic's errors in our words, each with its place; here and nowhere else.

A code of ours, the path as the user wrote it, what is possible instead. No type name, no URL and
no secret value gets through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import cast, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ferrule.compiler.errors import Diagnostic, Place, error, listed, quoted, shown, suggestion
from ferrule.compiler.source import Document
from ferrule.compiler.spec import kinds
from ferrule.compiler.yamltext import Path


def wrong_type(name: str, wanted: str, value: object, place: Place) -> Diagnostic:
    """`spec.autoAssign must be true or false, not "true"`."""
    help = f"put it in quotes: {quoted(str(value))}" if _quotable(wanted, value) else None
    return error("wrong-type", f"{name} must be {wanted}, not {shown(value)}", place, help=help)


def _quotable(wanted: str, value: object) -> bool:
    return wanted == "a string" and isinstance(value, int | float) and not isinstance(value, bool)


TYPES = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "a string",
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
}
BOUNDS = {
    "greater_than_equal": ("at least", "ge", ""),
    "less_than_equal": ("at most", "le", ""),
    "string_too_short": ("at least", "min_length", "character"),
    "string_too_long": ("at most", "max_length", "character"),
    "too_short": ("at least", "min_length", "entry"),
    "too_long": ("at most", "max_length", "entry"),
}
PLURAL = {"character": "characters", "entry": "entries"}


MOST_MISTAKES = 1000


def translated(
    mistakes: ValidationError,
    document: Document,
    prefix: Path,
    model: type[BaseModel] | None = None,
) -> Iterator[Diagnostic]:
    """Each of pydantic's errors in our words, with its place.

    What is already said of the text itself (`Document.flaws`) is not said again.
    """
    if mistakes.error_count() > MOST_MISTAKES:
        message = f"{document.kind} has {mistakes.error_count()} mistakes"
        help = "mend whatever is the same in all of them first"
        yield error("too-many-mistakes", message, document.place(prefix), help=help)
        return
    details = mistakes.errors(include_url=False)
    deeper = {one["loc"][:depth] for one in details for depth in range(len(one["loc"]))}
    flawed = {(one.mark.line, one.mark.column) for one in document.flaws}
    meant = set(_meant(details, model)) if model else set()
    for one in details:
        if one["type"] == "too_short" and one["loc"] in deeper:
            continue  # the list is short because its entries were refused
        if one["type"] == "missing" and one["loc"] in meant:
            continue  # it is there, misspelt
        found = _Mistake(one, document, prefix).diagnostic(model)
        at = found.places[0].position
        if at is None or (at.line, at.column) not in flawed:
            yield found


def _meant(details: Iterable[ErrorDetails], model: type[BaseModel]) -> Iterator[Path]:
    """The fields that unknown ones were meant to be."""
    for one in details:
        if one["type"] == "extra_forbidden":
            *parents, wrong = one["loc"]
            inner = _model_at(model, tuple(parents))
            for name in get_close_matches(str(wrong)[:100], _aliases(inner) if inner else (), n=1):
                yield (*parents, name)


class _Mistake:
    """One of pydantic's errors, and what the user wrote there."""

    def __init__(self, one: ErrorDetails, document: Document, prefix: Path) -> None:
        self.kind, self.value, self.loc = one["type"], one["input"], one["loc"]
        self.context = one.get("ctx", {})
        self.document = document
        self.path = _as_written(document.data, (*prefix, *one["loc"]))
        self.name = dotted(self.path)
        self.place = document.place(self.path)
        self.secret = document.kind == "Secret" or any(
            isinstance(step, str) and "password" in step.lower() for step in self.path
        )

    @property
    def shown(self) -> str:
        """`, not "x"`; nothing where it may be a secret."""
        return "" if self.secret else f", not {shown(self.value)}"

    def diagnostic(self, model: type[BaseModel] | None) -> Diagnostic:
        """In our words."""
        if "message" in self.context:  # a refusal of ours
            help = cast("str | None", self.context["help"])
            steps = cast("tuple[str | int, ...]", self.context["steps"])
            places = [self.document.place((*self.path, step)) for step in steps] or [self.place]
            return error(self.kind, f"{self.name}: {self.context['message']}", *places, help=help)
        if self.kind == "missing":
            parent = self.document.place(self.path[:-1])
            return error("missing-field", f"{self.name} is required", parent)
        if self.kind == "extra_forbidden":
            return self.unknown_field(model)
        if self.kind in ("wrong-type", *TYPES):
            return self.wrong_type()
        if self.kind in BOUNDS:
            return self.out_of_range()
        if self.kind == "literal_error":
            return self.not_one_of()
        what = "holds half a character" if self.kind == "string_unicode" else "cannot be read"
        return error("invalid-value", f"{self.name} {what}", self.place)

    def unknown_field(self, model: type[BaseModel] | None) -> Diagnostic:
        """A key that means nothing there; pointed at as a key."""
        *parents, wrong = self.path
        name, kind = str(wrong), self.document.kind
        message = f"{quoted(name)} is not a field of {dotted(tuple(parents))} in {kind}"
        inner = _model_at(model, self.loc[:-1]) if model else None
        help = _who_has_it(name, self.document) if inner is model else None
        if help is None and inner is not None:
            help = suggestion(name, _aliases(inner), "fields")
        return error("unknown-field", message, self.document.place(self.path, key=True), help=help)

    def wrong_type(self) -> Diagnostic:
        """Something else than a string, a number, ..."""
        if self.kind == "wrong-type":
            wanted, help = cast(str, self.context["wanted"]), self.context["like"]
            message = f"{self.name} must be {wanted}{self.shown}"
            return error("wrong-type", message, self.place, help=cast("str | None", help))
        if self.secret:
            return error("wrong-type", f"{self.name} must be {TYPES[self.kind]}", self.place)
        return wrong_type(self.name, TYPES[self.kind], self.value, self.place)

    def out_of_range(self) -> Diagnostic:
        """Too small, too long, ..."""
        phrase, bound, unit = BOUNDS[self.kind]
        limit = self.context[bound]
        if not unit:
            message = f"{self.name} must be {phrase} {limit}{self.shown}"
        else:
            units = unit if limit == 1 else PLURAL[unit]
            message = f"{self.name} must have {phrase} {limit} {units}"
        return error("out-of-range", message, self.place)

    def not_one_of(self) -> Diagnostic:
        """None of the words that are possible."""
        allowed = [word for word in re.findall("'([^']*)'", str(self.context["expected"])) if word]
        message = f"{self.name} must be one of {listed(allowed)}{self.shown}"
        close = get_close_matches(str(self.value).lower()[:50], map(str.lower, allowed), n=1)
        guess = next((word for word in allowed if [word.lower()] == close), None)
        help = f"did you mean {quoted(guess)}?" if guess and not self.secret else None
        return error("invalid-value", message, self.place, help=help)


def _as_written(data: object, path: Path) -> Path:
    """`path` without the steps into what the user wrote in a short form."""
    steps: list[str | int] = []
    for step in path:
        if isinstance(data, dict) and isinstance(step, str):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int):
            data = data[step]
        elif data is not None:
            continue
        steps.append(step)
    return tuple(steps)


def dotted(path: Path) -> str:
    """`spec.addresses[0]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{quoted(step)[1:-1]}"
    return text.removeprefix(".")


def _aliases(model: type[BaseModel]) -> dict[str, object]:
    """Its fields as they are written, with their annotations."""
    return {one.alias or name: one.annotation for name, one in model.model_fields.items()}


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The model of what stands at a path below another."""
    for step in path:
        if isinstance(step, str):
            inner = _model_in(_aliases(model).get(step))
            if inner is None:
                return None
            model = inner
    return model


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The one model that an annotation mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_model_in(one) for one in get_args(annotation))
    return next((one for one in inner if one is not None), None)


def _who_has_it(name: str, document: Document) -> str | None:
    """Another version of the kind, or its form in the other group, that has a field."""
    group = document.api_version.rpartition("/")[0]
    for other, table in kinds.GROUPS.items():
        for (version, kind), candidate in table.items():
            has_it = kind == document.kind and name in _aliases(candidate)
            if has_it and "metallb.io" in (group, other):
                return f"{other}/{version} has it; change apiVersion"
    return None
