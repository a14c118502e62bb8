"""Whatever is fed in: no exception, no endless run, no way from a tenant's string into a device.

Bounds are measured, in a process of its own with that much memory and time; everything else runs
in this one.
"""

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from specimens import EXTRA, OBJECTS, SERVICE, Data, documents

from ferrule.cli import main
from ferrule.compiler import views
from ferrule.compiler.errors import Diagnostic
from ferrule.compiler.pipeline import Compilation, compile_network, read_inputs
from ferrule.compiler.source import MOST_BYTES, Document, UnreadableError, read

Path_ = tuple[str | int, ...]


def compiled(text: str | bytes, file: str = "a.yaml") -> list[Diagnostic]:
    """What there is to say about a text; a bug raises."""
    try:
        found = read(text, file)
    except UnreadableError as bad:
        return [bad.diagnostic]
    return list(compile_network(read_inputs(found)).diagnostics)


def codes(text: str | bytes, file: str = "a.yaml") -> list[str]:
    return [one.code for one in compiled(text, file)]


# Words that only a Python program would say.
FOREIGN = re.compile(
    r"pydantic|Traceback|\b(tuple|dict|str|NoneType|None|int|bool|float|model)\b|[Ii]nput should|"
    r"validator|Error\b|<class|object at 0x"
)
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ud800-\udfff]")


def assert_safe(found: list[Diagnostic]) -> None:
    """Every message has a place, and cannot move a cursor."""
    for one in found:
        text = str(one)
        assert CONTROL.search(text) is None, ascii(text)
        if one.severity == "error":
            at = one.places[0].position
            assert at is not None, text
            assert at.line > 0, text
            assert at.column > 0, text


def assert_sound(found: list[Diagnostic]) -> None:
    """And it is in our words, and keeps the secret."""
    assert_safe(found)
    for one in found:
        ours = re.sub('".*"', '""', f"{one.message} {one.help or ''}")
        assert FOREIGN.search(ours) is None, ours
        assert "Hunter2" not in str(one)
        assert "Hunter2" not in json.dumps(one.to_json())


# Texts.

CLUSTER = "apiVersion: ferrule.dev/v1alpha1\nkind: Cluster\nmetadata: {name: prod}\n"
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
FOREIGN_KIND = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {1: a, 1: b}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CLUSTER, []),
        (f"---\n{CLUSTER}---\n---\n{NAMESPACE}...\n", []),
        (f"\ufeff{CLUSTER}".replace("\n", "\r\n"), []),
        (f"# nothing else\n{CLUSTER}# the end", []),
        ("", ["empty-input"]),
        ("# only a comment\n", ["empty-input"]),
        ("---\n---\n", ["empty-input"]),
        ("\t\n", ["empty-input"]),
        ("hello", ["not-an-object"]),
        ("[]", ["not-an-object"]),
        (f"{CLUSTER}---\nhello\n---\n- a\n", ["not-an-object", "not-an-object"]),
        ("\0", ["not-text"]),
        ("kind: \x1b[31m", ["not-text"]),
        ("kind: a\n\tb: c\n", ["syntax"]),
        ("kind: &a [*a]", ["aliases"]),
        ("kind: &a {<<: *a}", ["aliases"]),
        ("kind: *a", ["syntax"]),
        ("kind: [" * 30, ["syntax"]),
        ("kind: [" + "[" * 100, ["too-deep"]),
        ("- " * 101, ["too-deep"]),
        ("? " * 150, ["too-deep"]),
        ("{a: " * 101, ["too-deep"]),
        (CLUSTER + "5: a\n", ["key-type"]),
        (CLUSTER + "~: a\n", ["key-type"]),
        (CLUSTER + "true: a\n", ["key-type"]),
        (CLUSTER + "1.5: a\n", ["key-type"]),
        (CLUSTER + "? [a]\n: b\n", ["key-type"]),
        (CLUSTER + "? {a: b}\n: b\n", ["key-type"]),
        (CLUSTER + "kind: Cluster\n", ["duplicate-key"]),
        (CLUSTER + "<<: {spec: {}}\n", []),
        (CLUSTER + "<<: [{spec: {}}, {spec: {bgp: {}}}]\n", []),
        (CLUSTER + "<<: 5\n", ["syntax"]),
        (CLUSTER + "<<: {spce: {}}\n", ["unknown-field"]),
        (FOREIGN_KIND, []),
        ("apiVersion: v1\nkind: List\nitems: []\n", []),
        ("apiVersion: v1\nkind: List\nitems: {}\n", []),
        ("apiVersion: v1\nkind: ServiceList\nitems: [{metadata: {name: a}}]\n", []),
        ("apiVersion: v1\nkind: ServiceList\nitems: [{metadata: {}}]\n", ["missing-field"]),
        ("kind: List\nitems: [{kind: List, items: [5, [], {}]}]\n",
         ["not-an-object", "not-an-object", "missing-kind"]),
        ("!!python/object/apply:os.system [x]", ["syntax"]),
        ("%TAG ! tag:x,2000:\n---\n!y {}", ["syntax"]),
    ],
    ids=lambda one: ascii(one)[:50] if isinstance(one, str) else None,
)  # fmt: skip
def test_texts_that_are_no_plain_yaml(text: str, expected: list[str]) -> None:
    found = [one for one in compiled(text) if one.severity == "error"]

    assert [one.code for one in found] == expected
    assert_sound(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}}', []),
        ('{"kind": "List", "items": [{"kind": "Node", "kind": "Node"}]}',
         ["missing-kind"]),
        ('{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Node",'
         ' "metadata": {"name": "a", "name": "a"}}]}', ["duplicate-key"]),
        ('{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "apps/v1",'
         ' "kind": "Deployment", "spec": {"a": 1, "a": 2}}]}', []),
        ('{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}}\n' * 2,
         ["duplicate-name"]),
        ('{"a": 1}, {"b": 2}', ["syntax"]),
        ("[1, 2]", ["not-an-object"]),
        ('{"a": 1e999}', ["missing-kind"]),
        ('{"a": ' + "9" * 10_000 + "}", ["missing-kind"]),
        ('{"a": -Infinity}', ["syntax"]),
        ('{"a": "\\ud800"}', ["missing-kind"]),
        ('{"a": "' + "\x01" + '"}', ["syntax"]),
        ("{'a': 1}", ["syntax"]),
        ("[" * 5000, ["too-deep"]),
        ('{"a":' * 5000, ["too-deep"]),
        ("[" * 5000 + "]" * 5000, ["too-deep"]),
    ],
    ids=lambda one: ascii(one)[:50] if isinstance(one, str) else None,
)  # fmt: skip
def test_texts_that_are_no_plain_json(text: str, expected: list[str]) -> None:
    found = compiled(text, "a.json")

    assert [one.code for one in found if one.severity == "error"] == expected
    assert_sound([one for one in found if one.severity == "error"])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "latin-1"])
def test_other_encodings_are_refused(encoding: str) -> None:
    assert codes(CLUSTER.replace("prod", "café").encode(encoding)) == ["not-text"]


def test_a_whole_cluster_may_be_piped_in() -> None:
    texts = [json.dumps(one) for one in (*OBJECTS.values(), *EXTRA)]
    foreign = json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": 5})

    found = compile_network(read_inputs(read("\n".join([foreign, *texts]), "a.json")))

    assert found.ok
    assert found.inputs.skipped == 1


# Bounds: each of these in a process with 1.5 GB and 30 s of CPU.


def repeated(unit: str, before: str = "", after: str = "") -> str:
    """As much of it as fits into the largest file."""
    return before + unit * ((MOST_BYTES - len(before) - len(after)) // len(unit)) + after


POOL_TEXT = (
    '{"apiVersion":"metallb.io/v1beta1","kind":"IPAddressPool","metadata":{"name":"a"},"spec":'
)
LAUGHS = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
DANGEROUS: dict[str, Callable[[], str]] = {
    "a file of 50 MB": lambda: "a" * 50_000_000,
    "a billion laughs": lambda: "\n".join(LAUGHS),
    "merges that multiply": lambda: (
        "a: &a {" + ", ".join(f"k{n}: 1" for n in range(50_000)) + "}\n"
        + "".join(f"b{n}: {{<<: *a}}\n" for n in range(5000))
    ),
    "brackets that open": lambda: repeated("["),
    "a list of lists in JSON": lambda: repeated("[],", "[", "1]"),
    "objects without end": lambda: repeated("{}\n"),
    "documents without end": lambda: repeated("---\n"),
    "values without end": lambda: repeated("- x\n"),
    "keys without end": lambda: "".join(f"k{n}: v\n" for n in range(2_000_000)),
    "one key, repeated": lambda: repeated("a: b\n"),
    "colons in a flow": lambda: repeated("x:y,", "a: [", "]"),
    "a string of 30 MB in JSON": lambda: repeated("\\\"", '{"kind": 5, "a": "', '"}'),
    "unknown fields": lambda: POOL_TEXT
    + "{" + ",".join(f'"k{n}":1' for n in range(900_000)) + "}}",
    "a pool of nonsense": lambda: POOL_TEXT + '{"addresses":[' + '"x",' * 1_000_000 + '"x"]}}',
    "a pool of nonsense, not too long": lambda: (
        POOL_TEXT + '{"addresses":[' + '"x",' * 90_000 + '"x"]}}'
    ),
    "a pool that overlaps itself": lambda: (
        POOL_TEXT + '{"addresses":[' + '"::/0",' * 20_000 + '"::/0"]}}'
    ),
    "the whole of IPv6": lambda: POOL_TEXT + '{"addresses":["::-ffff::","192.0.2.0/24"]}}',
    "a hundred thousand broken Services": lambda: "\n".join(
        f'{{"apiVersion":"v1","kind":"Service","metadata":{{"name":"s{n}","labels":{{"a":1}}}}}}'
        for n in range(99_000)
    ),
}  # fmt: skip
MEMORY, SECONDS = 3 * 2**29, 30


def limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def bounded(*arguments: str) -> subprocess.CompletedProcess[str]:
    run = [sys.executable, "-m", "ferrule.cli", *arguments]
    return subprocess.run(  # noqa: S603
        run,
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["a billion laughs", "merges that multiply", "the whole of IPv6"])
def test_dangerous_texts_end_in_time(name: str, tmp_path: Path) -> None:
    assert_bounded(name, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("name", DANGEROUS)
def test_all_dangerous_texts_end_in_time(name: str, tmp_path: Path) -> None:
    assert_bounded(name, tmp_path)


def assert_bounded(name: str, folder: Path) -> None:
    text = DANGEROUS[name]()
    file = folder / ("a.json" if text[0] in "{[" else "a.yaml")
    file.write_text(text)

    done = bounded("validate", str(file))

    assert done.returncode in (0, 1), done.stderr[-500:]
    assert "defect of ours" not in done.stderr
    assert re.search(r" services?: | errors?: nothing compiled", done.stderr.splitlines()[-1])


# Wrong types, everywhere.

JUNK: tuple[Any, ...] = (
    None, 0, -1, 2**70, 1.5, 1e308, "", "junk", " \n", "\ud800", True,
    [], ["x"], [None], [[1]], {}, {"a": {"b": [1]}}, {"": None},
)  # fmt: skip


def paths(value: object, at: Path_ = ()) -> Iterator[Path_]:
    """Every node of a value, itself included."""
    if at:
        yield at
    steps: Any = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        steps = enumerate(value)
    for step, inner in steps:
        yield from paths(inner, (*at, step))


def replaced(data: Data, path: Path_, value: object) -> Data:
    data = deepcopy(data)
    at: Any = data
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return data


@cache
def others(kind: str) -> tuple[Document, ...]:
    """The network that an object belongs to, without it."""
    return documents(*(one for name, one in OBJECTS.items() if name != kind), *EXTRA)


def with_others(kind: str, data: Data) -> Compilation:
    document = documents(data, file="spoilt.json")
    return compile_network(read_inputs((*document, *others(kind))))


SPOILT = [(kind, path) for kind, data in OBJECTS.items() for path in paths(data)]
NAMES = [f"{kind} {'.'.join(map(str, path))}" for kind, path in SPOILT]


@pytest.mark.parametrize(("kind", "path"), SPOILT, ids=NAMES)
def test_any_value_may_be_of_any_type(kind: str, path: Path_) -> None:
    for junk in JUNK:
        found = with_others(kind, replaced(OBJECTS[kind], path, junk))

        assert_sound(list(found.diagnostics))
        if found.ok:
            views.files(found.network)


def test_the_network_that_is_spoilt_is_sound() -> None:
    for kind, data in OBJECTS.items():
        assert with_others(kind, data).ok


# Hostile tenants: whoever may write a Service, and nothing else.

HOSTILE = (
    "a\nrouter bgp 1\n",
    "a\r!\nend",
    "a!b",
    "a|b",
    "a;b",
    "$(reboot)",
    "`reboot`",
    "' or \"",
    "a" * 253,
    "\x1b[2J\x1b]0;owned\x07",
    "\u202eevil",
    "ünïcödé",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "*a",
    "&a",
    "!!python/object:x",
    "--- \n- x",
    "%s%n",
    "\ud800",
    "<secret:a/b>",
    "2001:db8:100::10%\nrouter bgp 1",
    "192.0.2.10,2001:db8:100::10%x",
)
TENANTS: tuple[Path_, ...] = (
    ("metadata", "name"),
    ("metadata", "namespace"),
    ("metadata", "labels", "tier"),
    ("metadata", "labels", "HOSTILE"),
    ("metadata", "annotations", "HOSTILE"),
    ("metadata", "annotations", "metallb.io/address-pool"),
    ("metadata", "annotations", "metallb.io/loadBalancerIPs"),
    ("metadata", "annotations", "ferrule.dev/allow-shared-ip"),
    ("metadata", "creationTimestamp"),
    ("spec", "loadBalancerIP"),
    ("spec", "loadBalancerClass"),
    ("spec", "clusterIPs", 0),
    ("spec", "ports", 0, "name"),
    ("spec", "ports", 0, "protocol"),
    ("spec", "selector", "app"),
    ("spec", "selector", "HOSTILE"),
    ("status", "loadBalancer", "ingress", 0, "ip"),
)


def hostile(path: Path_, text: str) -> Data:
    path = tuple(text if step == "HOSTILE" else step for step in path)
    return replaced(SERVICE, path, text)


def output(network: Compilation) -> dict[str, str]:
    return {path: file.text for path, file in views.files(network.network).items()}


@cache
def expected() -> dict[str, str]:
    return output(with_others("Service", SERVICE))


ALLOWED = re.compile(r"[\n -~]*")


@pytest.mark.parametrize("path", TENANTS, ids=lambda path: ".".join(map(str, path)))
@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_nothing_a_tenant_writes_reaches_a_device(path: Path_, text: str) -> None:
    found = with_others("Service", hostile(path, text))

    assert_sound(list(found.diagnostics))
    for line in (views.summary(found), *views.pending_lines(found.network)):
        assert CONTROL.search(line) is None
    json.loads(json.dumps(views.network_json(found)))
    if not found.ok:
        assert path[:2] in (("metadata", "name"), ("metadata", "namespace")) or path[-1] in (
            "protocol", "creationTimestamp"), [*map(str, found.diagnostics)]  # fmt: skip
        return
    for file, content in output(found).items():
        assert ALLOWED.fullmatch(content), file
        if file.endswith(".json"):
            json.loads(content)
        if file.endswith(("frr.conf", "config_db.json")):
            lines = set(content.splitlines())
            known = set(expected()[file].splitlines()) | set(without_service()[file].splitlines())
            assert {line for line in lines - known if text.strip() in line} == set()
    if "addresses.yaml" in output(found):
        (lock,) = read(output(found)["addresses.yaml"], "addresses.yaml")
        assert set(lock.data) == {"apiVersion", "kind", "metadata", "services"}


@cache
def without_service() -> dict[str, str]:
    return output(compile_network(read_inputs(others("Service"))))


def test_a_terminal_is_safe_from_what_is_printed(tmp_path: Path) -> None:
    """Through the command line, where the names of files are printed too."""
    file = tmp_path / "a\nb\x1b[31m.json"
    file.write_text(json.dumps([hostile(path, text) for path in TENANTS for text in HOSTILE]))

    for command in ("validate", "render"):
        result = CliRunner().invoke(main, [command, str(file)])

        assert result.exit_code == 1
        assert CONTROL.search(result.output) is None


def test_secrets_are_not_shown_wherever_the_mistake_is() -> None:
    secret, peer = OBJECTS["Secret"], OBJECTS["BGPPeer v1beta1"]
    spoilt = [
        replaced(secret, ("stringData",), ["Hunter2!"]),
        replaced(secret, ("stringData", "password"), ["Hunter2!"]),
        replaced(secret, ("stringData", "password"), {"Hunter2!": 1}),
        replaced(secret, ("data", "password"), "Hunter2!"),
        replaced(secret, ("data", "key"), 5),
        replaced(secret, ("type",), 5),
        replaced(peer, ("spec", "password"), "Hunter2! and more"),
        replaced(peer, ("spec", "password"), ["Hunter2!"]),
        replaced(peer, ("spec", "pasword"), "Hunter2!"),
        replaced(peer, ("spec", "passwordSecret"), "Hunter2!"),
        replaced(peer, ("spec",), [{"password": "Hunter2!"}]),
        replaced(peer, ("spec", "nodeSelectors"), {"password": "Hunter2!"}),
    ]
    for data in spoilt:
        for text, file in (
            (json.dumps(data), "a.json"),
            (json.dumps(data, indent=1), "a.json"),
            (json.dumps(data, indent=1), "a.yaml"),
            (json.dumps({"kind": "List", "items": [data]}), "a.json"),
        ):
            assert_sound(compiled(text, file))


# Fuzz.

WORDS = st.sampled_from(
    ["apiVersion", "kind", "metadata", "name", "spec", "items", "List", "v1", "Service", "Switch",
     "metallb.io/v1beta1", "ferrule.dev/v1alpha1", "IPAddressPool", "addresses", "192.0.2.0/24",
     ": ", ":\n  ", "- ", "{", "}", "[", "]", ",", "\n", "---\n", "&a ", "*a", "<<: ", "!!str ",
     '"', "'", "|\n", ">\n", "#", "\t", "? ", "~", "5", "é", "\u2028", "\x85", "::1"]
)  # fmt: skip
YAMLISH = st.lists(WORDS | st.text(max_size=3), max_size=40).map("".join)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, Data]:
    """A valid object with some of its values exchanged, also for those of other objects."""
    kind = draw(st.sampled_from(sorted(OBJECTS)))
    data = OBJECTS[kind]
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(sorted(paths(data), key=str)))
        other = OBJECTS[draw(st.sampled_from(sorted(OBJECTS)))]
        taken: Any = other
        for step in draw(st.sampled_from(sorted(paths(other), key=str))):
            taken = taken[step]
        data = replaced(data, path, draw(VALUES | st.just(taken)))
    return kind, data


def never_raises(text: str) -> None:
    for file in ("a.yaml", "a.json"):
        assert_sound([one for one in compiled(text, file) if one.severity == "error"])


def never_raises_either(kind: str, data: Data) -> None:
    found = with_others(kind, data)
    assert_safe(list(found.diagnostics))  # any word may be a key by now, and the secret anywhere
    if found.ok:
        views.files(found.network)
    json.dumps(views.network_json(found))


@given(YAMLISH)
def test_random_text_is_read_or_refused(text: str) -> None:
    never_raises(text)


@given(mutated())
def test_random_objects_are_compiled_or_refused(mutation: tuple[str, Data]) -> None:
    never_raises_either(*mutation)


@pytest.mark.soak
@settings(max_examples=20_000)
@given(YAMLISH)
def test_much_random_text(text: str) -> None:
    never_raises(text)


@pytest.mark.soak
@settings(max_examples=20_000)
@given(mutated())
def test_many_random_objects(mutation: tuple[str, Data]) -> None:
    never_raises_either(*mutation)


LOCK = "apiVersion: ferrule.dev/v1alpha1\nkind: AddressLock\nmetadata: {name: a}\n"
OTHER_LOCKS = (
    CLUSTER,
    NAMESPACE,
    FOREIGN_KIND,
    "hello",
    "apiVersion: ferrule.dev/v1alpha1\nkind: AddressLok\nmetadata: {name: a}",
    LOCK + "services: [a]",
    LOCK + "services: {5: {}}",
    LOCK + "services: {shop/web: }",
)


@pytest.mark.parametrize("text", OTHER_LOCKS)
def test_the_lock_of_the_last_run_may_be_anything(text: str) -> None:
    network = documents(*OBJECTS.values(), *EXTRA)

    assert_sound(
        list(compile_network(read_inputs(network, read(text, "addresses.yaml"))).diagnostics)
    )


# One mistake, one message.


def pointing(name: str) -> str:
    """Our advertisement that names a pool, a peer and a community."""
    return (
        "apiVersion: ferrule.dev/v1alpha1\nkind: BGPAdvertisement\nmetadata: {name: all}\n"
        f"spec: {{ipAddressPools: [{name}], peers: [{name}], communities: [{name}]}}\n"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["unknown-community", "unknown-peer", "unknown-pool"]),
        ("apiVersion: metallb.io/v1beta1\nkind: Pool\nmetadata: {name: a}\n",
         ["unknown-kind"]),
        ("kind: IPAddressPool\nmetadata: {name: a}\n", ["missing-kind"]),
        ("apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {}\n"
         "spec: {addresses: [192.0.2.0/24]}\n", ["missing-field"]),
        ("apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: A}\n"
         "spec: {addresses: [192.0.2.0/24]}\n",
         ["invalid-name"]),
        ("hello\n", ["not-an-object"]),
    ],
    ids=["nothing", "a misspelt kind", "no apiVersion", "no name", "a bad name", "no object"],
)  # fmt: skip
def test_what_refers_to_a_broken_object_is_not_to_blame(text: str, expected: list[str]) -> None:
    found = compiled(f"{text}---\n{pointing('a')}")
    wrong = {one.code for one in found if one.severity == "error"}

    assert sorted(wrong) == expected


def test_what_refers_to_an_unreadable_file_is_not_to_blame(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: [")
    (tmp_path / "b.yaml").write_text(pointing("a"))

    result = CliRunner().invoke(main, ["validate", str(tmp_path)])

    assert re.findall(r"(?:error|warning)\[(.*?)\]", result.stderr) == ["syntax"]


def test_standard_input_is_bounded_too() -> None:
    run = [sys.executable, "-m", "ferrule.cli", "validate", "-"]
    done = subprocess.run(  # noqa: S603
        run, input=b"a" * (MOST_BYTES + 10), capture_output=True, check=False, env=dict(os.environ)
    )

    assert done.returncode == 1
    assert b"[too-large]" in done.stderr
