"""YAML 1.2 text to plain data, and to the marks of every key and value, in one bounded pass.

The parser's events are read with an explicit stack: depth, aliases that contain themselves and
aliases that multiply are the input's choice, so each has a bound. Scalars follow the core schema
(YAML 1.2 §10.3.2): no timestamps, `yes` is a string, `010` is ten. A repeated or non-string key is
a `Flaw`: it spoils only the document it stands in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from ferrule.compiler.errors import printable, quoted
from ferrule.compiler.lines import Lines, end_of

Path = tuple[str | int, ...]

MOST_DEPTH = 100
MOST_VALUES = 1_000_000
MOST_DOCUMENTS = 100_000
MOST_ALIASED = 1_000_000  # values, counted as if every alias were written out
MOST_FLAWS = 100  # nobody mends more at once
LONGEST_NUMBER = 40

CORE = "tag:yaml.org,2002:"
TAGS = {f"{CORE}{name}" for name in ("map", "seq", "str", "int", "bool", "float", "null")}
INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
# `[2001:db8::1, 65000:1]` is YAML 1.2 (§7.3.3), and kubectl takes it; libyaml is of version 1.1.
# So where it stumbles, what stands in for such a colon is as wide and means nothing.
COLON_PROBLEMS = {"found unexpected ':'", "did not find expected node content"}
COLON = re.compile(r"(?<=[^\s,\[\]{}\"']):(?=[^\s,\[\]{}])|(?<=[\s,\[{]):(?=:[0-9a-fA-F])")
STAND_IN = "\ue000"
QUOTED = ("'", '"', "|", ">")
CONSTANTS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class TextError(Exception):
    """The text is no YAML, or more of it than is bearable; line and column count from 1."""

    def __init__(
        self, code: str, message: str, line: int = 1, column: int = 1, help: str | None = None
    ) -> None:
        self.code, self.line, self.column, self.help = code, line, column, help
        super().__init__(message)


class _ColonError(TextError):
    """Perhaps it is YAML 1.2 all the same."""


NOTHING: Any = MappingProxyType({})


@dataclass(slots=True)
class Mark:
    """Where a value stands; its children by key or index, and where their keys stand."""

    line: int
    column: int
    width: int = 1
    end_line: int = 0
    children: dict[str | int, Mark] = field(default_factory=lambda: NOTHING)  # of a scalar
    keys: dict[str | int, Mark] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class Flaw:
    """A fault inside one document, forgiven where nobody reads that document.

    `path` leads to the mapping it stands in; `first` is the other place that is to blame.
    """

    code: str
    message: str
    path: Path
    mark: Mark
    first: Mark | None = None


def repeated(key: str, path: Path, here: Mark, first: Mark | None) -> Flaw:
    """A key that a mapping has twice; YAML and JSON agree that it must not."""
    return Flaw("duplicate-key", f"key {quoted(key)} is there twice", path, here, first)


@dataclass(slots=True)
class _Frame:
    """An open mapping or sequence: what it holds so far, and the key that awaits its value."""

    event: CollectionStartEvent
    data: dict[str, object] | list[object]
    mark: Mark | None
    weight: int = 1
    key: str = ""
    key_event: ScalarEvent | AliasEvent | None = None
    merged: set[str] = field(default_factory=set)

    @property
    def step(self) -> str | int:
        return self.key if isinstance(self.data, dict) else len(self.data)


NodeEvent = ScalarEvent | CollectionStartEvent
_Built = tuple[object, Mark | None, int]


Read = tuple[object, Mark | None, list[Flaw]]


def documents(text: str, *, marks: bool) -> Iterator[Read]:
    """Data, marks (where wanted) and flaws of each document; raises `TextError`."""
    done = 0
    try:
        for one in _documents(text, marks=marks):
            yield one
            done += 1
    except _ColonError:
        eased = COLON.sub(STAND_IN, text)
        if eased == text or STAND_IN in text:
            raise
        yield from islice(_documents(eased, marks=marks, eased=True), done, None)


def _documents(text: str, *, marks: bool, eased: bool = False) -> Iterator[Read]:
    events = _events(text)
    number = values = 0
    for event in events:
        if isinstance(event, DocumentStartEvent):
            reader = _Reader(events, marks=marks, eased=eased, most=MOST_VALUES - values)
            number += 1
            if number > MOST_DOCUMENTS:
                reader.stop(event, "too-large", f"more than {MOST_DOCUMENTS} documents")
            yield reader.document()
            values += reader.values


def _events(text: str) -> Iterator[Event]:
    try:
        yield from YAML(typ="safe").parse(text)
    except ReaderError as bad:
        before = text.encode()[: bad.position].decode(errors="ignore")
        what = f"the control character U+{ord(text[len(before)]):04X}"
        raise TextError("not-text", f"{what} is not text", *end_of(before)) from None
    except MarkedYAMLError as bad:
        mark = bad.problem_mark or bad.context_mark
        place = end_of(text.rstrip())  # where a text ends too early, it ends
        if mark:
            place = min(place, (mark.line + 1, mark.column + 1))
        if "\t" in Lines(text)[place[0]][: place[1]]:
            tab = "a tab cannot indent YAML"
            raise TextError("syntax", tab, *place, help="indent with spaces") from None
        message = f"this is not YAML: {bad.problem}"
        if bad.problem in COLON_PROBLEMS:
            raise _ColonError("syntax", message, *place) from None
        if bad.context and bad.context_mark and bad.context_mark.line + 1 < place[0]:
            message += f" {bad.context} (from line {bad.context_mark.line + 1})"
        raise TextError("syntax", message, *place) from None
    except YAMLError as bad:
        raise TextError("syntax", f"this is not YAML: {bad}") from None


def plain(text: str) -> object:
    """The value of a plain scalar."""
    if text in CONSTANTS:
        return CONSTANTS[text]
    if text[0] not in "0123456789+-." or len(text) > LONGEST_NUMBER:
        return text
    if INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    return float(text) if FLOAT.fullmatch(text) else text


class _Reader:
    """Reads one document from the events after its start."""

    def __init__(self, events: Iterator[Event], *, marks: bool, eased: bool, most: int) -> None:
        self.events = events
        self.most = most
        self.values = 0
        self.marks = marks
        self.eased = eased
        self.stack: list[_Frame] = []
        self.flaws: list[Flaw] = []
        self.anchors: dict[str, _Built] = {}
        self.unfinished: set[str] = set()
        self.aliased = 0

    def document(self) -> tuple[object, Mark | None, list[Flaw]]:
        while True:
            event = next(self.events)
            built = self.node(event)
            if built is None:
                continue
            if not self.stack:
                return built[0], built[1], self.flaws
            self.put(self.stack[-1], built, event)

    def node(self, event: Event) -> _Built | None:
        """What is complete with this event; None while a collection is open."""
        self.values += 1
        if self.values > self.most:
            self.stop(event, "too-large", f"more than {MOST_VALUES} values")
        if isinstance(event, ScalarEvent):
            return self.scalar(event)
        if isinstance(event, AliasEvent):
            return self.alias(event)
        if isinstance(event, MappingStartEvent | SequenceStartEvent):
            self.check_tag(event)
            if len(self.stack) >= MOST_DEPTH:
                self.stop(event, "too-deep", f"values are nested more than {MOST_DEPTH} deep")
            if event.anchor:
                self.unfinished.add(event.anchor)
            data: dict[str, object] | list[object] = (
                {} if isinstance(event, MappingStartEvent) else []
            )
            mark = self.mark(event)
            if mark is not None:
                mark.children, mark.keys = {}, {}
            self.stack.append(_Frame(event, data, mark))
            return None
        assert isinstance(event, MappingEndEvent | SequenceEndEvent)
        frame = self.stack.pop()
        if frame.mark is not None:
            frame.mark.end_line = event.start_mark.line + 1
        return self.anchored(frame.event, (frame.data, frame.mark, frame.weight))

    def scalar(self, event: ScalarEvent) -> _Built:
        self.check_tag(event)
        tag = event.tag and str(event.tag).removeprefix(CORE)
        text = self.text(event)
        is_text = tag == "str" or (tag is None and event.style in QUOTED)
        value: object = text if is_text else plain(text)
        return self.anchored(event, (value, self.mark(event), 1))

    def text(self, event: ScalarEvent) -> str:
        text: str = event.value
        return text.replace(STAND_IN, ":") if self.eased else text

    def alias(self, event: AliasEvent) -> _Built:
        if event.anchor in self.unfinished:
            self.stop(event, "aliases", f"*{event.anchor} contains itself")
        if event.anchor not in self.anchors:
            self.stop(event, "syntax", f"*{event.anchor} is not defined above")
        value, mark, weight = self.anchors[event.anchor]
        self.aliased += weight
        if self.aliased > MOST_ALIASED:
            self.stop(event, "aliases", "aliases multiply to more than a million values")
        here = self.mark(event)
        if here is not None and mark is not None:  # children stand where they were written
            here.children, here.keys = mark.children, mark.keys
        return value, here, weight

    def anchored(self, event: NodeEvent, built: _Built) -> _Built:
        if event.anchor:
            self.unfinished.discard(event.anchor)
            self.anchors[event.anchor] = built
        return built

    def put(self, top: _Frame, built: _Built, event: Event) -> None:
        """Add a complete value, or a key, to the collection that is open."""
        value, mark, weight = built
        top.weight += weight
        if isinstance(top.data, list):
            if top.mark is not None and mark is not None:
                top.mark.children[len(top.data)] = mark
            top.data.append(value)
        elif top.key_event is None:
            self.key(top, value, event)
        else:
            self.value(top, top.data, value, mark)

    def key(self, top: _Frame, value: object, event: Event) -> None:
        if not isinstance(event, ScalarEvent | AliasEvent) or isinstance(value, dict | list):
            started = top.event
            self.stop(started, "key-type", "a key of this mapping is not a string")
        if not isinstance(value, str):
            value = self.text(event) if isinstance(event, ScalarEvent) else str(value)
            message = f"key {printable(value) or 'null'} is not a string: put it in quotes"
            self.flaw(Flaw("key-type", message, self.path, _mark(event)))
        top.key, top.key_event = value, event

    def value(self, top: _Frame, data: dict[str, object], value: object, mark: Mark | None) -> None:
        key, key_event = top.key, top.key_event
        top.key_event = None
        assert key_event is not None
        if key == "<<" and getattr(key_event, "style", None) in (None, ""):
            self.merge(top, data, value, mark, key_event)
            return
        if key in data and key not in top.merged:
            first = top.mark.keys.get(key) if top.mark else None
            self.flaw(repeated(key, self.path, _mark(key_event), first))
        top.merged.discard(key)
        data[key] = value
        if top.mark is not None and mark is not None:
            top.mark.children[key] = mark
            top.mark.keys[key] = self.mark(key_event) or mark

    def merge(
        self,
        top: _Frame,
        data: dict[str, object],
        value: object,
        mark: Mark | None,
        event: Event,
    ) -> None:
        """YAML 1.1's merge key, which people use: what is written in place wins."""
        sources = value if isinstance(value, list) else [value]
        for number, one in enumerate(sources):
            if not isinstance(one, dict):
                self.stop(event, "syntax", "<< merges a mapping, or a list of mappings")
            its = mark.children.get(number) if mark and isinstance(value, list) else mark
            for key in [key for key in one if key not in data]:
                data[key] = one[key]
                top.merged.add(key)
                if top.mark is not None and its is not None and key in its.children:
                    top.mark.children[key] = its.children[key]
                    top.mark.keys[key] = its.keys[key]

    def flaw(self, flaw: Flaw) -> None:
        if len(self.flaws) < MOST_FLAWS:
            self.flaws.append(flaw)

    @property
    def path(self) -> Path:
        """The path of the innermost open collection."""
        return tuple(frame.step for frame in self.stack[:-1])

    def mark(self, event: Event) -> Mark | None:
        return _mark(event) if self.marks else None

    def check_tag(self, event: NodeEvent) -> None:
        if event.tag is not None and str(event.tag) not in TAGS:
            tag = str(event.tag)
            written = f"!!{tag.removeprefix(CORE)}" if tag.startswith(CORE) else tag
            self.stop(event, "syntax", f"the YAML tag {quoted(written)} has no meaning here")

    def stop(self, event: Event, code: str, message: str) -> NoReturn:
        start = event.start_mark
        raise TextError(code, message, start.line + 1, start.column + 1)


def _mark(event: Event) -> Mark:
    start, end = event.start_mark, event.end_mark
    width = end.column - start.column if end.line == start.line else 1
    return Mark(start.line + 1, start.column + 1, max(1, width), end.line + 1)
