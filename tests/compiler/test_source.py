"""Texts to documents, and from a value back to its line and column."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrule.compiler.errors import EXCERPT_WIDTH, Diagnostic, Position
from ferrule.compiler.jsontext import documents as json_documents
from ferrule.compiler.source import Document, UnreadableError, read
from ferrule.compiler.yamltext import MOST_DEPTH, Mark, Path
from ferrule.compiler.yamltext import documents as yaml_documents


def one(text: str | bytes, file: str = "a.yaml") -> Document:
    (document,) = read(text, file)
    return document


def place(document: Document, *path: str | int, key: bool = False) -> str:
    return str(document.place(path, key=key))


def position(document: Document, *path: str | int, key: bool = False) -> Position:
    at = document.place(path, key=key).position
    assert at is not None
    return at


def refused(text: str | bytes, file: str = "a.yaml") -> Diagnostic:
    with pytest.raises(UnreadableError) as caught:
        read(text, file)
    return caught.value.diagnostic


# Places


NETWORK = """\
apiVersion: v1
kind: Thing
metadata: {name: first, namespace: ns}
spec:
  list:
  - name: a
  - name: b
---
apiVersion: v1
kind: Thing
metadata:
  name: second
"""


def test_each_document_has_its_own_places() -> None:
    first, second = read(NETWORK, "a.yaml")

    assert place(first, "metadata", "name") == "a.yaml:3:18"
    assert place(second, "metadata", "name") == "a.yaml:12:9"
    assert (str(first.ref), str(second.ref)) == ("Thing ns/first", "Thing second")


@pytest.mark.parametrize(
    ("path", "where"),
    [
        (("spec", "list", 1, "name"), "7:11"),
        (("spec", "list", 1), "7:5"),
        (("spec", "list", 5), "6:3"),
        (("spec", "nothing", "here"), "5:3"),
        (("spec", "tagged-union", "list", 0), "6:5"),
        ((), "1:1"),
    ],
    ids=[
        "a value",
        "an item",
        "an item that is not there",
        "a key that is not there",
        "a step that the file has not",
        "the document",
    ],
)
def test_what_is_not_written_is_at_its_deepest_ancestor(path: Path, where: str) -> None:
    assert place(read(NETWORK, "a.yaml")[0], *path) == f"a.yaml:{where}"


def test_a_key_and_its_value_are_two_places() -> None:
    document = one("spec:\n  wrong: value\n")

    assert place(document, "spec", "wrong") == "a.yaml:2:10"
    assert place(document, "spec", "wrong", key=True) == "a.yaml:2:3"
    assert position(document, "spec", "wrong", key=True).width == len("wrong")


def test_an_object_without_a_source_is_placed_by_its_name() -> None:
    document = Document({"kind": "Node", "metadata": {"name": "node-1"}})

    assert place(document, "spec", "x") == "Node node-1"
    assert document.flaws == ()


def test_the_name_of_the_file_is_escaped_too() -> None:
    assert place(one("a: 1", "a\nb\x1b[31m.yaml"), "a") == r"a\nb\x1b[31m.yaml:1:4"


# Lists


LIST = """\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Node
  metadata: {name: node-1}
- {apiVersion: v1, kind: Node, metadata: {name: node-2}}
"""


def test_the_items_of_a_list_are_documents_with_their_places() -> None:
    first, second = read(LIST, "a.yaml")

    assert place(first, "metadata", "name") == "a.yaml:6:20"
    assert place(second, "metadata", "name") == "a.yaml:7:49"
    assert place(second) == "a.yaml:7:3"


def test_a_typed_list_lends_its_kind_to_its_items() -> None:
    (node,) = read("apiVersion: v1\nkind: NodeList\nitems: [{metadata: {name: a}}]", "a.yaml")

    assert (node.api_version, node.kind, str(node.ref)) == ("v1", "Node", "Node a")


def test_lists_may_hold_lists() -> None:
    inner = "{kind: List, items: [{kind: Node, apiVersion: v1}, {kind: Node, apiVersion: v1}]}"

    documents = read(f"kind: List\nitems:\n- {inner}\n", "a.yaml")

    assert [place(one) for one in documents] == ["a.yaml:3:24", "a.yaml:3:54"]


@pytest.mark.parametrize("text", ["kind: List\nitems: []", '{"kind": "List", "items": []}'])
def test_an_empty_list_has_no_documents(text: str) -> None:
    assert read(text, "a.yaml") == ()


@pytest.mark.parametrize("items", ["null", "5", "{a: 1}"])
def test_a_list_without_items_is_a_document_itself(items: str) -> None:
    assert one(f"kind: List\nitems: {items}").kind == "List"


def test_what_is_no_object_is_kept_with_its_place() -> None:
    documents = read("kind: List\nitems:\n- 5\n- {kind: Node}\n- [a]\n", "a.yaml")

    assert [document.instead for document in documents] == ["5", "", "a list"]
    assert place(documents[2]) == "a.yaml:5:3"


# JSON


JSON_LINES = """\
{"kind": "Node", "metadata": {"name": "a", "labels": {"x": 1}}}
{"kind":"Node",
\t"metadata":{"na\\u006de":"b","long":"\\ud83d\\ude00\\/", "after": true}}
"""


def test_json_is_read_by_the_standard_library_one_value_after_the_other() -> None:
    first, second = read(JSON_LINES, "a.json")

    assert place(first, "metadata", "labels", "x") == "a.json:1:60"
    assert place(second, "metadata", "name") == "a.json:3:26"
    assert place(second, "metadata", "after", key=True) == "a.json:3:55"
    assert place(second) == "a.json:2:1"


def test_json_has_no_limit_on_the_length_of_a_key() -> None:
    document = one(json.dumps({"a" * 5000: {"b": 1}}), "a.json")

    assert place(document, "a" * 5000, "b") == "a.json:1:5012"


@pytest.mark.parametrize("text", ['{"kind": "List", "a": [1, 2,]}', "{kind: List, a: 1}", "[]"])
def test_yaml_in_braces_is_yaml(text: str) -> None:
    assert len(read(text, "a.yaml")) == 1


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ('{"a": [1 2]}', "a.json:1:10", "this is not JSON"),
        ('{"a": 1}\n{"b": }', "a.json:2:7", "this is not JSON"),
        ('{"a": NaN}', "a.json:1:1", "NaN is not a value"),
        ("[" * 100_000, "a.json:1:1", f"nested more than {MOST_DEPTH} deep"),
        ('{"a":' * 500 + "1" + "}" * 500, "a.json:1:1", f"nested more than {MOST_DEPTH} deep"),
    ],
    ids=["a comma too few", "in the second value", "NaN", "deep", "deep, and closed"],
)
def test_json_that_is_none(text: str, place: str, message: str) -> None:
    bad = refused(text, "a.json")

    assert str(bad.places[0]) == place
    assert message in bad.message


def test_numbers_without_end_stay_text() -> None:
    assert one('{"a": ' + "9" * 5000 + "}", "a.json").data == {"a": "9" * 5000}
    assert one("a: " + "9" * 5000).data == {"a": "9" * 5000}


@pytest.mark.parametrize("separator", [" ", "\n"])
def test_a_key_twice_in_json_is_a_flaw_of_its_document(separator: str) -> None:
    text = '{"kind": "A", "x": {"b": 1, "b": 2}}' + separator + '{"kind": "B"}'
    first, second = read(text, "a.json")

    (flaw,) = first.flaws
    assert (flaw.code, flaw.path, flaw.mark.column) == ("duplicate-key", ("x",), 29)
    assert flaw.first is not None
    assert flaw.first.column == 21
    assert second.flaws == ()


@pytest.mark.parametrize("file", ["a.yaml", "a.json"])
def test_a_flaw_belongs_to_one_item_of_a_list(file: str) -> None:
    items = '{"kind": "A", "kind": "A"}, {"kind": "B"}'

    first, second = read(f'{{"kind": "List", "items": [{items}]}}', file)

    assert (len(first.flaws), len(second.flaws)) == (1, 0)


ASCII = st.text(st.characters(max_codepoint=126), max_size=5)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | ASCII,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ASCII, inner, max_size=3),
    max_leaves=12,
)


def leaves(mark: Mark, path: Path = ()) -> Iterator[tuple[Path, int, int]]:
    yield path, mark.line, mark.column
    for step, child in mark.children.items():
        yield from leaves(child, (*path, step))


@given(TREES, st.sampled_from([None, 1]))
def test_json_places_are_those_of_the_same_text_as_yaml(value: object, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)

    ((mark, _),) = json_documents(text)
    ((_, other, _),) = yaml_documents(text, marks=True)

    assert other is not None
    assert list(leaves(mark)) == list(leaves(other))


# Bytes


def test_a_bom_and_crlf_are_no_part_of_the_text() -> None:
    document = one(b"\xef\xbb\xbfkind: Node\r\nspec:\r\n  a: 1\r\n")

    assert document.data == {"kind": "Node", "spec": {"a": 1}}
    assert str(position(document, "spec", "a")) == "a.yaml:3:6"
    assert position(document, "spec", "a").text == "  a: 1"


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        (b"", "empty-input", "1:1"),
        (b"\xef\xbb\xbf", "empty-input", "1:1"),
        (b"# nothing\n---\n# more\n", "empty-input", "1:1"),
        (b"  \n\t\n", "empty-input", "1:1"),
        ("kind: Node".encode("utf-16"), "not-text", "1:1"),
        (b"a: 1\nb: caf\xe9", "not-text", "2:7"),
        ("é: ".encode() + b"\xff", "not-text", "1:4"),
        (b"a: 1\r\nb: \0", "not-text", "2:4"),
        (b"\x7fELF\x02\x01", "not-text", "1:1"),
        ("a: \ud800", "not-text", "1:4"),
    ],
)
def test_what_is_no_text_is_refused_with_its_place(
    text: bytes | str, code: str, place: str
) -> None:
    bad = refused(text)

    assert (bad.code, str(bad.places[0])) == (code, f"a.yaml:{place}")


# Excerpts


def excerpt(document: Document, *path: str | int) -> list[str]:
    return position(document, *path).excerpt()


def test_an_excerpt_underlines_the_value() -> None:
    assert excerpt(one("spec:\n  asn: 65000 # ours\n"), "spec", "asn") == [
        "  |",
        "2 |   asn: 65000 # ours",
        "  |        ^^^^^",
    ]


@pytest.mark.parametrize(
    ("text", "line", "underline"),
    [
        ("{a: b\u202e, x: here}", r"{a: b\u202e, x: here}", "                ^^^^"),
        ("{a: 日本, x: here}", "{a: 日本, x: here}", "             ^^^^"),
        ("{a: e\u0301, x: here}", "{a: e\u0301, x: here}", "          ^^^^"),
        ("{a: 1,\tx: here}", "{a: 1, x: here}", "          ^^^^"),
        ("x: 日本", "x: 日本", "   ^^^^"),
    ],
    ids=["escaped", "wide", "accent", "tab", "a wide value"],
)
def test_an_underline_stands_below_its_value(text: str, line: str, underline: str) -> None:
    _, shown, below = excerpt(one(text), "x")

    assert (shown, below) == (f"1 | {line}", f"  | {underline}")


def test_a_long_line_is_cut_around_the_value() -> None:
    _, shown, underline = excerpt(one(f"{{a: {'x' * 500}, b: here, c: {'y' * 500}}}"), "b")

    assert len(shown) <= EXCERPT_WIDTH + 4
    assert shown[underline.index("^") :].startswith("here")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("spec:\n  password: hunter2\n", ("spec", "password")),
        ("spec: {pasword: hunter2, x: 1}\n", ("spec", "x")),
        ("spec:\n  psswd: |\n    hunter2\n    more\n  x: 1\n", ("spec", "psswd")),
        ("kind: Secret\ndata:\n  key: aHVudGVyMg==\n", ("data", "key")),
        ("kind: List\nitems:\n- kind: Secret\n  data: {key: hunter2}\n", ("data", "key")),
        ("kind: SecretList\nitems:\n- data: {key: hunter2}\n", ("data", "key")),
        ('{"kind": "Secret", "data": {"key": "hunter2"}}', ("data", "key")),
        ("metadata:\n  annotations: {apiToken: hunter2}\n", ("metadata", "annotations")),
        (
            "metadata:\n  annotations:\n"
            '    kubectl.kubernetes.io/last-applied-configuration: \'{"password": "hunter2"}\'\n',
            ("metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"),
        ),
    ],
)
def test_no_excerpt_shows_a_secret(text: str, path: Path) -> None:
    (document,) = read(text, "a.yaml")

    assert excerpt(document, *path) == []


def test_lines_beside_a_secret_are_shown() -> None:
    document = one("spec:\n  password: hunter2\n  passiveMode: 1\n  pods: 2\n")

    assert excerpt(document, "spec", "passiveMode") != []
    assert excerpt(document, "spec", "pods") != []


@pytest.mark.parametrize("text", ["kind: Secret\ndata: {a: b: c}", "password: x\na: b: c"])
def test_a_text_that_cannot_be_read_is_not_shown_where_secrets_may_be(text: str) -> None:
    assert "b: c" not in str(refused(text))


@given(st.text(max_size=200), st.integers(1, 220), st.integers(0, 50))
def test_an_excerpt_is_three_lines_of_printable_text(text: str, column: int, width: int) -> None:
    line = text.replace("\n", " ")
    lines = Position("f", 7, column, width, line).excerpt()

    assert len(lines) in (0, 3)
    assert all(shown.isprintable() for shown in lines)
