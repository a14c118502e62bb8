"""YAML 1.2 to data and marks, within bounds."""

from typing import Any

import pytest

from ferrule.compiler.lines import Lines, end_of
from ferrule.compiler.yamltext import MOST_DEPTH, Flaw, Mark, TextError, documents


def data(text: str) -> Any:
    (value, _, flaws) = next(documents(text, marks=False))
    assert not flaws
    return value


def marked(text: str) -> Mark:
    (_, mark, _) = next(documents(text, marks=True))
    assert mark is not None
    return mark


def at(mark: Mark, *path: str | int, key: bool = False) -> tuple[int, int, int]:
    """Line, column and width of a value, or of its key."""
    for step in path[:-1]:
        mark = mark.children[step]
    if path:
        mark = (mark.keys if key else mark.children)[path[-1]]
    return mark.line, mark.column, mark.width


def flaws(text: str) -> list[Flaw]:
    return [one for _, _, found in documents(text, marks=True) for one in found]


def refused(text: str) -> TextError:
    with pytest.raises(TextError) as caught:
        list(documents(text, marks=False))
    return caught.value


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("No", "No"),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("", None),
        ("none", "none"),
        ("10", 10),
        ("-3", -3),
        ("+3", 3),
        ("010", 10),
        ("0o17", 15),
        ("0xfF", 255),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1.", 1.0),
        (".", "."),
        (".inf", ".inf"),
        ("2026-01-05", "2026-01-05"),
        ("2026-01-05T09:00:00Z", "2026-01-05T09:00:00Z"),
        ("65000:100", "65000:100"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("'10'", "10"),
        ('"true"', "true"),
        ("!!str 10", "10"),
        ("9" * 41, "9" * 41),
        ("=", "="),
        ("٣", "٣"),  # a digit, but not of JSON
    ],
    ids=repr,
)
def test_plain_scalars_follow_the_core_schema(scalar: str, value: object) -> None:
    read = data(f"key: {scalar}")["key"]

    assert (type(read), read) == (type(value), value)


def test_documents_are_kept_apart() -> None:
    read = [value for value, _, _ in documents("a: 1\n---\nb: 2\n...\n---\n---\nc: 3", marks=False)]

    assert read == [{"a": 1}, {"b": 2}, None, {"c": 3}]


TEXT = """\
# a comment
spec:
  list: [one, {deep: "x"}]
  block: |
    two
    lines
  "quoted key": value
é: {ключ: 値}
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ((), (2, 1, 1)),
        (("spec",), (3, 3, 1)),
        (("spec", "list"), (3, 9, 1)),
        (("spec", "list", 0), (3, 10, 3)),
        (("spec", "list", 1, "deep"), (3, 22, 3)),
        (("spec", "block"), (4, 10, 1)),
        (("spec", "quoted key"), (7, 17, 5)),
        (("é", "ключ"), (8, 11, 1)),
    ],
)
def test_every_value_has_a_mark(path: tuple[str | int, ...], place: tuple[int, int, int]) -> None:
    assert at(marked(TEXT), *path) == place


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("spec",), (2, 1, 4)),
        (("spec", "list", 1, "deep"), (3, 16, 4)),
        (("spec", "quoted key"), (7, 3, 12)),
        (("é", "ключ"), (8, 5, 4)),
    ],
)
def test_every_key_has_a_mark(path: tuple[str | int, ...], place: tuple[int, int, int]) -> None:
    assert at(marked(TEXT), *path, key=True) == place


def test_a_mark_knows_where_its_value_ends() -> None:
    mark = marked(TEXT).children["spec"]

    assert mark.children["list"].end_line == 3
    assert mark.children["block"].end_line >= 6


def test_an_alias_stands_where_it_is_used_and_its_children_where_they_are_written() -> None:
    mark = marked("base: &b\n  x: 1\nuse: *b\n")

    assert at(mark, "use") == (3, 6, 2)
    assert at(mark, "use", "x") == (2, 6, 1)


def test_an_anchor_may_be_defined_again() -> None:
    assert data("a: &x 1\nb: *x\nc: &x 2\nd: *x") == {"a": 1, "b": 1, "c": 2, "d": 2}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: &a {x: 1, y: 1}\nb: {<<: *a, x: 2}", {"x": 2, "y": 1}),
        ("a: &a {x: 1, y: 1}\nb: {x: 2, <<: *a}", {"x": 2, "y": 1}),
        ("a: &a {x: 1}\nc: &c {x: 2, y: 2}\nb: {<<: [*a, *c]}", {"x": 1, "y": 2}),
        ('a: &a {x: 1}\nb: {"<<": *a}', {"<<": {"x": 1}}),
        ("b: {<<: {x: 1}}", {"x": 1}),
    ],
    ids=["before", "after", "a list of mappings", "in quotes", "in place"],
)
def test_merge_keys(text: str, value: object) -> None:
    assert data(text)["b"] == value


def test_what_is_merged_stands_where_it_was_written() -> None:
    assert at(marked("a: &a\n  x: 1\nb:\n  <<: *a\n"), "b", "x") == (2, 6, 1)


def test_merged_keys_come_in_the_order_of_the_text() -> None:
    keys = [f"key-{number}" for number in range(50)]
    text = "a: &a {" + ", ".join(f"{key}: 1" for key in keys) + "}\nb: {<<: *a}"

    assert list(data(text)["b"]) == keys


def test_a_repeated_key_is_a_flaw_with_both_places() -> None:
    (flaw,) = flaws("spec:\n  a: 1\n  b: 2\n  a: 3\n")

    assert (flaw.code, flaw.path) == ("duplicate-key", ("spec",))
    assert (flaw.mark.line, flaw.mark.column) == (4, 3)
    assert flaw.first is not None
    assert (flaw.first.line, flaw.first.column) == (2, 3)


def test_a_key_three_times_is_two_flaws() -> None:
    assert [one.mark.line for one in flaws("a: 1\na: 2\na: 3\n")] == [2, 3]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[2001:db8::/32, 65000:1]", ["2001:db8::/32", "65000:1"]),
        ("[::1, ::ffff:1]", ["::1", "::ffff:1"]),
        ("{b: c:d, e: http://x:80/}", {"b": "c:d", "e": "http://x:80/"}),
        ('{"b":1, b:c: "d:e"}', {"b": 1, "b:c": "d:e"}),
        ("[!!str a:b, \ue001]", ["a:b", "\ue001"]),
    ],
)
def test_a_colon_in_a_flow_is_yaml_1_2(text: str, value: object) -> None:
    text = f'first: 1\n---\na: {text}\n---\nlast: "x:y"\n'

    assert [one for one, _, _ in documents(text, marks=False)] == [
        {"first": 1},
        {"a": value},
        {"last": "x:y"},
    ]


def test_a_colon_in_a_flow_moves_no_mark() -> None:
    mark = marked("a: [2001:db8::/32, x]")

    assert at(mark, "a", 0) == (1, 5, 13)
    assert at(mark, "a", 1) == (1, 20, 1)


def test_what_stands_in_for_a_colon_may_be_in_a_text() -> None:
    assert data("a: \ue000") == {"a": "\ue000"}
    assert refused("a: [b:c, \ue000]").code == "syntax"


@pytest.mark.parametrize(
    ("key", "shown"), [("5", "5"), ("true", "true"), ("~", "~"), ("1.5", "1.5")]
)
def test_a_key_that_is_no_string_is_a_flaw_and_read_as_written(key: str, shown: str) -> None:
    text = f"a:\n  b: 1\n  {key}: x\n"
    (flaw,) = flaws(text)

    assert flaw.code == "key-type"
    assert flaw.message == f"key {shown} is not a string: put it in quotes"
    assert flaw.path == ("a",)
    assert next(documents(text, marks=False))[0] == {"a": {"b": 1, key: "x"}}


@pytest.mark.parametrize(
    ("text", "code", "place", "message"),
    [
        ("a: [1", "syntax", (1, 6), "did not find expected ',' or ']'"),
        ("a: 'x\nb: 1\n", "syntax", (2, 5), "while scanning a quoted scalar (from line 1)"),
        ("a:\n\tb: 1", "syntax", (2, 1), "a tab cannot indent YAML"),
        ("a: b: c", "syntax", (1, 5), "this is not YAML"),
        ("a: *b", "syntax", (1, 4), "*b is not defined above"),
        ("a: &b [*b]", "aliases", (1, 8), "*b contains itself"),
        ("a: !!binary aGk=", "syntax", (1, 4), '"!!binary" has no meaning here'),
        ("a: !mine x", "syntax", (1, 4), '"!mine" has no meaning here'),
        ("{[a]: b}", "key-type", (1, 1), "a key of this mapping is not a string"),
        ("a: {<<: 5}", "syntax", (1, 5), "<< merges a mapping"),
        ("é: \x07", "not-text", (1, 4), "U+0007"),
        ("a: 1\nb: é\x7f", "not-text", (2, 5), "U+007F"),
        ("[" * 200, "too-deep", (1, MOST_DEPTH + 1), "nested more than"),
        ("%YAML 3.0\n---\na: 1", "syntax", (1, 1), "this is not YAML"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(
    text: str, code: str, place: tuple[int, int], message: str
) -> None:
    bad = refused(text)

    assert (bad.code, (bad.line, bad.column)) == (code, place)
    assert message in str(bad)


def test_aliases_may_not_multiply() -> None:
    lines = ["a0: &a0 [x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]

    assert refused("\n".join(lines)).code == "aliases"


@pytest.mark.parametrize(
    ("text", "place"),
    [("", (1, 1)), ("ab", (1, 3)), ("a\r\nb", (2, 2)), ("a\rb\n", (3, 1)), ("a\u2028b", (2, 2))],
)
def test_lines_end_as_the_parser_says(text: str, place: tuple[int, int]) -> None:
    assert end_of(text) == place


def test_a_line_is_had_by_its_number() -> None:
    lines = Lines("one\r\ntwo\n\nfour")

    assert [lines[number] for number in range(len(lines) + 2)] == [
        "",
        "one",
        "two",
        "",
        "four",
        "",
    ]
    assert lines.at(5) == (2, 1)
