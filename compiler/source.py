"""From text to plain data, and back from a value to its line and column.

Data comes first and fast: JSON by the standard library, YAML by one pass over its events.
Positions are made only when somebody asks for one: the text is then read once more, with marks.
No excerpt shows a line on which a secret stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import NoReturn

from ferrule.compiler import jsontext, yamltext
from ferrule.compiler.errors import Diagnostic, ObjectRef, Place, Position, error, shown
from ferrule.compiler.lines import ENDS, YAML_ENDS, Lines, end_of
from ferrule.compiler.yamltext import (
    LONGEST_NUMBER,
    MOST_DEPTH,
    MOST_DOCUMENTS,
    MOST_VALUES,
    Flaw,
    Mark,
    Path,
    TextError,
)

MOST_BYTES = 32 * 1024 * 1024
MOST_COMMAS = 3_000_000  # before there are any values to count; a comma may be part of a text
SPLIT = "split it, by kind or by namespace"
TOO_DEEP = f"values are nested more than {MOST_DEPTH} deep"

# Misspelt keys too: `pasword`, `passwd`, `pwd`. A text that cannot be read has no keys to look at.
SECRET_KEY = re.compile(
    r"pas+w|pas+phrase|ps+w|pwd|secret$|token|credential|private|^auth|^stringData$|last-applied-config",
    re.IGNORECASE,
)
SECRET_TEXT = re.compile(
    r"""\bSecret(List)?\b|(pas+wo?r?d|pas+phrase|ps+wo?r?d|pwd|token)["']?\s*:""", re.IGNORECASE
)


class UnreadableError(Exception):
    """A text that is no data at all; carries the one diagnostic."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostic = diagnostic
        super().__init__(diagnostic.message)


@dataclass(eq=False)
class Source:
    """One input text: its name as the user typed it, its lines, its marks on demand.

    `flawed` says that some document in it has flaws.
    """

    file: str
    text: str
    json: bool = False
    flawed: bool = False

    @cached_property
    def lines(self) -> Lines:
        """The text by line, as its parser counts them."""
        return Lines(self.text, ENDS if self.json else YAML_ENDS)

    @cached_property
    def places(self) -> list[tuple[Mark, list[Flaw]]]:
        """The marks and flaws of every document: the text, read a second time."""
        if self.json:
            return list(jsontext.documents(self.text))
        again = yamltext.documents(self.text, marks=True)
        return [(mark, flaws) for data, mark, flaws in again if mark and data is not None]

    @cached_property
    def secret_lines(self) -> frozenset[int]:
        """Lines that show, or may show, a secret; no excerpt is made of them."""
        lines: set[int] = set()

        def visit(mark: Mark) -> None:
            kind = mark.children.get("kind")
            if kind and SECRET_TEXT.search(self.written(kind)):
                lines.update(range(mark.line, mark.end_line + 1))
                return
            for name, child in mark.children.items():
                if isinstance(name, str) and SECRET_KEY.search(name):
                    lines.update(range(mark.keys[name].line, child.end_line + 1))
                else:
                    visit(child)

        for mark, _ in self.places:
            visit(mark)
        return frozenset(lines)

    def written(self, mark: Mark) -> str:
        """The text of a scalar that stands on one line."""
        return self.lines[mark.line][mark.column - 1 : mark.column - 1 + mark.width]

    def position(self, line: int, column: int, width: int = 1) -> Position:
        """A printable position; without its text where that line holds a secret."""
        hide = line in self.secret_lines
        return Position(self.file, line, column, width, None if hide else self.lines[line])


@dataclass(frozen=True, eq=False)
class Document:
    """One object of the input: its data, and where it stands in which source.

    Objects that came from an API server have no source; their places name only the object.
    `instead` says what stands where an object should: the data is then empty.
    """

    data: dict[str, object]
    source: Source | None = None
    number: int = 0
    prefix: Path = ()
    instead: str = ""

    @property
    def api_version(self) -> str:
        """`group/version`, or an empty string."""
        value = self.data.get("apiVersion")
        return value if isinstance(value, str) else ""

    @property
    def kind(self) -> str:
        """The kind, or an empty string."""
        value = self.data.get("kind")
        return value if isinstance(value, str) else ""

    @property
    def ref(self) -> ObjectRef | None:
        """The object as kubectl names it, as far as it says."""
        meta = self.data.get("metadata")
        name, namespace = (
            (meta.get("name"), meta.get("namespace")) if isinstance(meta, dict) else (None, None)
        )
        if not (isinstance(name, str) and name and self.kind):
            return None
        return ObjectRef(self.kind, name, namespace if isinstance(namespace, str) else "")

    @property
    def flaws(self) -> tuple[Flaw, ...]:
        """What is wrong with its text although there is data to be had."""
        if self.source is None or not self.source.flawed:
            return ()
        _, flaws = self.source.places[self.number]
        return tuple(one for one in flaws if one.path[: len(self.prefix)] == self.prefix)

    def place(self, path: Path = (), *, key: bool = False) -> Place:
        """Where `path` stands, or its deepest ancestor that is written.

        Steps that the file does not contain (pydantic's union tags) are skipped.
        """
        if self.source is None:
            return Place(None, self.ref)
        (mark, _), at = self.source.places[self.number], None
        steps = (*self.prefix, *path)
        for step in steps:
            if step in mark.children:
                at = (step, mark.keys.get(step))
                mark = mark.children[step]
        if key and at is not None and at[0] == steps[-1]:
            mark = at[1] or mark
        return Place(self.source.position(mark.line, mark.column, mark.width), self.ref)

    def at(self, *path: str | int) -> Origin:
        """The origin of whatever is made from the value at `path`."""
        return Origin(self, path)


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where an intended thing was declared; becomes a place only when somebody asks."""

    document: Document
    path: Path = ()

    def place(self, *path: str | int, key: bool = False) -> Place:
        """The place of the value, or of one below it; of a whole object, its name."""
        steps = (*self.path, *path) or ("metadata", "name")
        return self.document.place(steps, key=key)


def read(text: str | bytes, file: str) -> tuple[Document, ...]:
    """All documents of one text; raises `UnreadableError` where there is none to be had.

    `kind: List` and `kind: ThingList` are opened: their items are documents of their own.
    """
    source = Source(file, decode(text, file))
    braces = source.text.lstrip()[:1] in ("{", "[")
    try:
        roots = (_json(source) if braces else []) or (_yaml(source) if source.text.strip() else [])
    except TextError as bad:
        _fail(source, bad.code, str(bad), bad.line, bad.column, bad.help)
    if not roots:
        help = "write an object, or leave the file out"
        _fail(source, "empty-input", "there is no document in here", help=help)
    found = tuple(islice((item for root in roots for item in _opened(root)), MOST_DOCUMENTS + 1))
    if len(found) > MOST_DOCUMENTS:
        _fail(source, "too-large", f"more than {MOST_DOCUMENTS} objects", help=SPLIT)
    return found


def _opened(root: Document) -> Iterator[Document]:
    """The items of a list, or the document itself."""
    items = root.data.get("items")
    if not (root.kind.endswith("List") and isinstance(items, list)):
        yield root
        return
    kind = root.kind.removesuffix("List")
    for index, item in enumerate(items):
        prefix = (*root.prefix, "items", index)
        if kind and isinstance(item, dict) and "kind" not in item:
            # the API's own lists leave both out of their items
            item = {"apiVersion": root.api_version, "kind": kind, **item}
        yield from _opened(_document(item, root.source, root.number, prefix))


def _document(value: object, source: Source | None, number: int, prefix: Path = ()) -> Document:
    if isinstance(value, dict):
        return Document(value, source, number, prefix)
    return Document({}, source, number, prefix, instead=shown(value))


def decode(text: str | bytes, file: str) -> str:
    """Bytes as text without its mark; `UnreadableError` where it is none, or too much of it."""
    source = Source(file, "")
    if len(text) > MOST_BYTES:
        most = f"{MOST_BYTES / 2**20:.0f} MiB"
        message = f"this is more than {most}, the most that one file may have"
        _fail(source, "too-large", message, help=SPLIT)
    if isinstance(text, str):
        text = text.encode(errors="surrogatepass")
    if text[:2] in (b"\xff\xfe", b"\xfe\xff"):
        _fail(source, "not-text", "this is UTF-16, not UTF-8", help="save it as UTF-8")
    try:
        text = text.decode()
    except UnicodeDecodeError as bad:
        before = bad.object[: bad.start].decode()
        line, column = end_of(before)
        help = "save it as UTF-8"
        _fail(source, "not-text", "this is not UTF-8 text", line, column, help)
    text = text.removeprefix("\ufeff")
    if "\0" in text:
        before = text[: text.index("\0")]
        _fail(source, "not-text", "this is binary data, not text", *end_of(before))
    return text


def _fail(
    source: Source, code: str, message: str, line: int = 1, column: int = 1, help: str | None = None
) -> NoReturn:
    """Raise for the whole text. Its line is shown only where no secret can be near."""
    text = None if SECRET_TEXT.search(source.text) else source.lines[line]
    place = Place(Position(source.file, line, column, 1, text))
    raise UnreadableError(error(code, message, place, help=help))


def _json(source: Source) -> list[Document]:
    """The JSON values of a text, one after the other; nothing when it is YAML in braces."""
    repeated = False

    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal repeated
        made = dict(items)
        repeated = repeated or len(made) != len(items)
        return made

    if source.text.count(",") > MOST_COMMAS:
        _fail(source, "too-large", f"more than {MOST_COMMAS} values", help=SPLIT)
    decoder = json.JSONDecoder(
        object_pairs_hook=pairs, parse_constant=_json_constant, parse_int=_json_int
    )
    space = re.compile(r"\s*")
    values: list[object] = []
    at = 0
    try:
        while (match := space.match(source.text, at)) and match.end() < len(source.text):
            value, at = decoder.raw_decode(source.text, match.end())
            values.append(value)
            if len(values) > MOST_DOCUMENTS:
                _fail(source, "too-large", f"more than {MOST_DOCUMENTS} objects", help=SPLIT)
    except RecursionError:
        _fail(source, "too-deep", TOO_DEEP)
    except ValueError as bad:
        if not source.file.endswith(".json"):
            return []
        if isinstance(bad, json.JSONDecodeError):
            _fail(source, "syntax", f"this is not JSON: {bad.msg}", bad.lineno, bad.colno)
        _fail(source, "syntax", f"this is not JSON: {bad}")
    _bound(source, values)
    source.json, source.flawed = True, repeated
    return [_document(value, source, number) for number, value in enumerate(values)]


def _json_int(text: str) -> int | str:
    return int(text) if len(text) <= LONGEST_NUMBER else text


def _json_constant(text: str) -> object:
    raise ValueError(f"{text} is not a value")


def _bound(source: Source, level: list[object]) -> None:
    """Fail where there is more, or it is deeper, than we read; by levels, not by recursion."""
    number = 0
    for _ in range(MOST_DEPTH + 1):
        number += len(level)
        if number > MOST_VALUES:
            _fail(source, "too-large", f"more than {MOST_VALUES} values", help=SPLIT)
        level = [
            child
            for one in level
            if isinstance(one, dict | list)
            for child in (one.values() if isinstance(one, dict) else one)
        ]
    if level:
        _fail(source, "too-deep", TOO_DEEP)


def _yaml(source: Source) -> list[Document]:
    read = yamltext.documents(source.text, marks=False)
    full = [(data, flaws) for data, _, flaws in read if data is not None]  # `---` is nothing
    source.flawed = any(flaws for _, flaws in full)
    return [_document(data, source, number) for number, (data, _) in enumerate(full)]
