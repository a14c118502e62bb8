"""Objects of the language: what is read, and what is said of what cannot be."""

import json
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, collapse_addresses, ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError
from specimens import OBJECTS

from ferrule.compiler.errors import Diagnostic
from ferrule.compiler.network import Address
from ferrule.compiler.source import read
from ferrule.compiler.spec import Spec, kinds, read_spec, sort_documents
from ferrule.compiler.spec.types import (
    Selector,
    any_matches,
    check_name,
    parse_address,
    parse_community,
    parse_duration,
    parse_prefix,
    parse_range,
    usable_password,
)


def spec_of(text: str, file: str = "a.yaml") -> tuple[Spec, list[Diagnostic]]:
    sorted_, found = sort_documents(read(text, file))
    spec, mistakes = read_spec(sorted_.spec)
    return spec, [*found, *mistakes]


def said(text: str) -> list[str]:
    """Each diagnostic as `line:column code: message`."""
    return [
        f"{one.places[0].position.line}:{one.places[0].position.column} {one.code}: {one.message}"
        for one in spec_of(text)[1]
        if one.places[0].position
    ]


def only(text: str) -> Diagnostic:
    (found,) = spec_of(text)[1]
    return found


def pool(spec: str, name: str = "public", api: str = "metallb.io/v1beta1") -> str:
    return f"apiVersion: {api}\nkind: IPAddressPool\nmetadata: {{name: {name}}}\nspec: {spec}\n"


def peer(spec: str, api: str = "metallb.io/v1beta2") -> str:
    return f"apiVersion: {api}\nkind: BGPPeer\nmetadata: {{name: tor}}\nspec: {spec}\n"


ADDRESSES = "addresses: [192.0.2.0/24]"
PEER = "myASN: 1, peerASN: 2, peerAddress: 192.0.2.1"


# Which objects


@pytest.mark.parametrize(
    "kind",
    [
        name
        for name in OBJECTS
        if name.split()[0] in {kind for table in kinds.GROUPS.values() for _, kind in table}
    ],
)
def test_every_kind_is_read(kind: str) -> None:
    spec, found = spec_of(json.dumps(OBJECTS[kind]), "a.json")

    assert found == []
    assert spec != Spec()


@pytest.mark.parametrize(
    ("api", "kind", "code", "help"),
    [
        ("metallb.io/v1beta1", "IPAdressPool", "unknown-kind", 'did you mean "IPAddressPool"?'),
        ("metallb.io/v1", "BGPPeer", "unknown-kind", "known versions: v1beta1, v1beta2"),
        ("metallb.io/v1beta1", "AddressPool", "unknown-kind", "MetalLB dropped it in 0.14.2"),
        ("metallb.io/v1beta1", "Switch", "unknown-kind", "defined kinds: BFDProfile"),
        ("ferrule.dev/v1beta1", "Switch", "unknown-kind", "known versions: v1alpha1"),
        ("metallb.io", "BGPPeer", "unknown-group", None),
        ("metalb.io/v1beta1", "BGPPeer", "unknown-group", 'did you mean "metallb.io/v1beta1"?'),
    ],
)
def test_kinds_and_versions_must_be_known(api: str, kind: str, code: str, help: str | None) -> None:
    found = spec_of(f"apiVersion: {api}\nkind: {kind}\nmetadata: {{name: x}}\n")[1]

    assert [one.code for one in found] == ([code] if help else [])
    assert not help or (found[0].help or "").startswith(help)


@pytest.mark.parametrize(
    ("api", "kind"),
    [
        ("apps/v1", "Deployment"),
        ("v1", "ConfigMap"),
        ("metallb.io/v1beta1", "ServiceL2Status"),
        ("metallb.io/v1beta1", "ConfigurationState"),
        ("frrk8s.metallb.io/v1beta1", "FRRConfiguration"),
        ("networking.k8s.io/v1", "Ingress"),
    ],
)
def test_other_groups_are_skipped_and_counted(api: str, kind: str) -> None:
    text = f"apiVersion: {api}\nkind: {kind}\nmetadata: {{name: x}}\n5: 6\na: 1\na: 2\n"
    sorted_, found = sort_documents(read(text, "a.yaml"))

    assert (sorted_.skipped, found) == (1, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1", "1:1 missing-kind: this object has no apiVersion and no kind"),
        ("kind: Node", "1:1 missing-kind: this object has no apiVersion"),
        ("apiVersion: v1\nkind:", "1:1 missing-kind: this object has no kind"),
        ("apiVersion: 1\nkind: Node", "1:13 missing-kind: apiVersion must be a string, not 1"),
        ("apiVersion: v1\nkind: [a]", "2:7 missing-kind: kind must be a string, not a list"),
        ("- a", "1:1 not-an-object: this is a list, not an object of Kubernetes"),
        ("hello", '1:1 not-an-object: this is "hello", not an object of Kubernetes'),
    ],
)
def test_an_object_says_what_it_is(text: str, message: str) -> None:
    assert said(text) == [message]


# Metadata


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ("{}", "3:11 missing-field: metadata.name is required"),
        ("{name: }", "3:11 missing-field: metadata.name is required"),
        ("[]", "3:11 wrong-type: metadata must be a mapping, not a list"),
        ("{name: 5}", "3:18 wrong-type: metadata.name must be a string, not 5"),
        ("{name: 0}", "3:18 wrong-type: metadata.name must be a string, not 0"),
        ("{name: My_Pool}", '3:18 invalid-name: metadata.name: "My_Pool" is not a name'),
        (
            "{name: a, namespace: [x]}",
            "3:32 wrong-type: metadata.namespace must be a string, not a list",
        ),
        (
            "{name: a, labels: {b: 1}}",
            "3:33 wrong-type: metadata.labels.b must be a string, not 1",
        ),
        ("{name: a, labels: x}", '3:29 wrong-type: metadata.labels must be a mapping, not "x"'),
    ],
)
def test_metadata(metadata: str, message: str) -> None:
    text = f"apiVersion: ferrule.dev/v1alpha1\nkind: Cluster\nmetadata: {metadata}\n"
    if "My_Pool" in metadata:
        text = text.replace("Cluster", "Community")

    assert said(text) == [message]


@pytest.mark.parametrize("name", ["a" * 21, "a.b", "-a", "A", "prod_1"])
def test_the_name_of_a_cluster_is_short_and_one_label(name: str) -> None:
    found = only(f"apiVersion: ferrule.dev/v1alpha1\nkind: Cluster\nmetadata: {{name: {name}}}\n")

    assert found.code == "invalid-name"
    assert found.help == "at most 20 lower-case letters, digits and '-'"


def test_the_rest_of_metadata_is_the_api_servers() -> None:
    text = pool(f"{{{ADDRESSES}}}").replace("{name", "{uid: 5, managedFields: [{x: 1}], name")

    assert said(text) == []


@pytest.mark.parametrize("name", ["a", "a.b-c.d", "0", "a" * 253])
def test_names_of_objects(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "a b", "a\n", "A", "a..b", "-a", "a-", ".a", "é", "a" * 254])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(PydanticCustomError):
        check_name(name)


# Several objects


def test_a_name_is_there_once_over_both_groups_and_all_namespaces() -> None:
    ours = pool(f"{{{ADDRESSES}}}", api="ferrule.dev/v1alpha1").replace(
        "{name", "{namespace: x, name"
    )
    (found,) = spec_of(pool(f"{{{ADDRESSES}}}") + "---\n" + ours)[1]

    assert found.message == 'IPAddressPool "public" is defined twice'
    assert [str(place) for place in found.places] == ["a.yaml:8:32", "a.yaml:3:18"]


def test_one_kind_may_have_the_name_of_another() -> None:
    text = pool(f"{{{ADDRESSES}}}", "tor") + "---\n" + peer(f"{{{PEER}}}")

    assert said(text) == []


def test_there_is_one_cluster() -> None:
    text = "apiVersion: ferrule.dev/v1alpha1\nkind: Cluster\nmetadata: {name: NAME}\n"
    (found,) = spec_of(text.replace("NAME", "a") + "---\n" + text.replace("NAME", "b"))[1]

    assert found.code == "several-clusters"
    assert len(found.places) == 2


def test_an_object_with_mistakes_is_left_out_but_known() -> None:
    spec, found = spec_of(pool("{addresses: [nonsense]}"))

    assert len(found) == 1
    assert spec.pools == ()
    assert spec.unreadable == {("IPAddressPool", "public")}


def test_the_name_of_a_misspelt_kind_is_known_as_whatever_was_meant() -> None:
    spec, _ = spec_of("apiVersion: metallb.io/v1beta1\nkind: Pool\nmetadata: {name: a}\n")

    assert {("IPAddressPool", "a"), ("BGPPeer", "a")} <= spec.unreadable


# Fields


def test_three_mistakes_are_three_lines() -> None:
    text = pool("\n  adresses: [x]\n  autoAssign: 'yes'\n  serviceAllocation: {priority: high}")

    assert sorted(said(text)) == [
        '5:3 unknown-field: "adresses" is not a field of spec in IPAddressPool',
        '6:15 wrong-type: spec.autoAssign must be true or false, not "yes"',
        '7:33 wrong-type: spec.serviceAllocation.priority must be a whole number, not "high"',
    ]


@pytest.mark.parametrize(
    ("text", "help"),
    [
        (
            pool(f"{{{ADDRESSES}, autoasign: true}}"),
            'did you mean "autoAssign"? defined fields: addresses, autoAssign, avoidBuggyIPs,'
            " serviceAllocation",
        ),
        (
            pool(f"{{{ADDRESSES}, serviceAllocation: {{namespace: [a]}}}}"),
            'did you mean "namespaces"? defined fields: namespaceSelectors, namespaces, priority,'
            " serviceSelectors",
        ),
        (
            peer(f"{{{PEER}, nodeSelectors: [{{matchLabel: {{a: b}}}}]}}"),
            'did you mean "matchLabels"? defined fields: matchExpressions, matchLabels',
        ),
        (
            peer("{myASN: 1, switchSelectors: []}"),
            "ferrule.dev/v1alpha1 has it; change apiVersion",
        ),
        (
            peer(f"{{{PEER}, vrf: red}}", "metallb.io/v1beta1"),
            "metallb.io/v1beta2 has it; change apiVersion",
        ),
    ],
    ids=["top", "nested", "in a list", "ours only", "a newer version"],
)
def test_an_unknown_field_is_told_which_one_was_meant(text: str, help: str) -> None:
    found = next(one for one in spec_of(text)[1] if one.code == "unknown-field")

    assert found.help == help


def test_fields_beside_spec_are_refused_and_status_is_not_read() -> None:
    text = pool(f"{{{ADDRESSES}}}") + "status: {anything: 1}\nspce: {}\n"

    assert said(text) == ['6:1 unknown-field: "spce" is not a field of IPAddressPool']


@pytest.mark.parametrize(
    ("text", "message", "help"),
    [
        (
            peer(f"{{{PEER}, holdTime: 90}}"),
            "spec.holdTime must be a duration, in a string, not 90",
            'write it like "90s"',
        ),
        (
            peer(f"{{{PEER}, myASN: '1'}}".replace("myASN: 1, ", "")),
            'spec.myASN must be a whole number, not "1"',
            None,
        ),
        (
            peer(f"{{{PEER}, bfdProfile: 5}}"),
            "spec.bfdProfile must be a string, not 5",
            'put it in quotes: "5"',
        ),
        (peer(f"{{{PEER}, bfdProfile: true}}"), "spec.bfdProfile must be a string, not true", None),
        (
            peer(f"{{{PEER}, nodeSelectors: {{}}}}"),
            "spec.nodeSelectors must be a list, not a mapping",
            None,
        ),
        (
            peer(f"{{{PEER}, peerPort: 20000}}"),
            "spec.peerPort must be at most 16384, not 20000",
            None,
        ),
        (pool("{addresses: []}"), "spec.addresses must have at least 1 entry", None),
        (
            peer(f"{{{PEER}, dynamicASN: Internal}}"),
            'spec.dynamicASN must be one of internal, external, not "Internal"',
            'did you mean "internal"?',
        ),
        (
            peer(f"{{{PEER}, password: [hunter2]}}"),
            "spec.password must be a password, in a string",
            'write it like "s3cret"',
        ),
        (
            peer(f"{{{PEER}, passwordSecret: hunter2}}"),
            "spec.passwordSecret must be a mapping",
            None,
        ),
        (peer("[{password: hunter2}]"), "spec must be a mapping, not a list", None),
        (
            pool("{addresses: [1]}"),
            "spec.addresses[0] must be a CIDR or START-END, in a string, not 1",
            'write it like "192.0.2.10-192.0.2.20"',
        ),
    ],
)
def test_types_and_bounds_are_told_in_the_words_of_the_language(
    text: str, message: str, help: str | None
) -> None:
    found = only(text)

    assert (found.message, found.help) == (message, help)
    assert "hunter2" not in str(found)


def test_an_address_of_a_switch_may_be_a_string_and_is_told_about_as_one() -> None:
    text = (
        "apiVersion: ferrule.dev/v1alpha1\nkind: Switch\nmetadata: {name: tor}\n"
        "spec:\n  asn: 1\n  routerID: 192.0.2.1\n  addresses:\n  - nonsense\n"
        "  - {address: 192.0.2.300}\n  - 5\n"
    )

    assert said(text) == [
        '8:5 invalid-address: spec.addresses[0]: "nonsense" is not an IP address',
        '9:15 invalid-address: spec.addresses[1].address: "192.0.2.300" is not an IP address',
        "10:5 wrong-type: spec.addresses[2] must be an address, or a mapping with one, not 5",
    ]


def test_what_the_text_got_wrong_is_not_said_twice() -> None:
    assert said(pool(f"{{{ADDRESSES}, 5: x}}")) == [
        "4:35 key-type: key 5 is not a string: put it in quotes"
    ]


def test_null_means_that_a_field_is_not_there() -> None:
    spec, found = spec_of(pool(f"{{{ADDRESSES}, autoAssign: null, serviceAllocation: ~}}"))

    assert found == []
    assert spec.pools[0].spec == kinds.IPAddressPool.model_validate({"addresses": ["192.0.2.0/24"]})


def test_an_empty_string_is_unset_in_a_peer() -> None:
    spec, found = spec_of(peer(f'{{{PEER}, vrf: "", password: "", sourceAddress: ""}}'))

    assert found == []
    assert spec.peers[0].spec == spec_of(peer(f"{{{PEER}}}"))[0].peers[0].spec


def test_a_duration_cannot_be_empty() -> None:
    assert only(peer(f'{{{PEER}, holdTime: ""}}')).code == "invalid-duration"


def test_an_old_peer_becomes_a_new_one() -> None:
    spec, _ = spec_of(peer(f"{{{PEER}, peerPort: 0, holdTime: 90s}}", "metallb.io/v1beta1"))

    assert spec.peers[0].spec == spec_of(peer(f"{{{PEER}, holdTime: 90s}}"))[0].peers[0].spec


# Values


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("1m30s", 90), ("0", 0), ("0s", 0), ("1h", 3600), ("1500ms", 1.5), (".5s", 0.5)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


REFUSED: dict[Any, list[str]] = {
    parse_duration: ["90", "-5s", "", "s", "1 s", "1d", "\u0663s", "1s" * 30, "1s\n"],
    parse_address: [
        "",
        "192.0.2",
        "192.0.2.01",
        "192.0.2.1/32",
        "fe80::1%eth0",
        "::ffff:192.0.2.1",
        "\u0661.2.3.4",
        "192.0.2.1\n",
    ],
    parse_prefix: [
        "192.0.2.1",
        "192.0.2.0/33",
        "192.0.2.0/24/24",
        "192.0.2.0/255.255.255.0",
        "2001:db8::%1/64",
        "/24",
        "a/8",
    ],
    parse_range: [
        "192.0.2.9-192.0.2.1",
        "192.0.2.1-2001:db8::1",
        "192.0.2.1-",
        "-192.0.2.1",
        "192.0.2.1",
        "192.0.2.0/24-192.0.2.9",
        "192.0.2.1-2-3",
    ],
    parse_community: [
        "65000",
        "65536:1",
        "1:65536",
        "a:b",
        "1:2:3",
        "large:1:2",
        "large:4294967296:1:1",
        "-1:1",
        ":",
        "1:2\n",
        "\u0661:\u0662",
        "no-export",
    ],
}


@pytest.mark.parametrize(
    ("parse", "text"),
    [(parse, text) for parse, texts in REFUSED.items() for text in texts],
    ids=repr,
)
def test_what_is_refused(parse: Any, text: str) -> None:
    with pytest.raises(PydanticCustomError):
        parse(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("65000:100", "65000:100"),
        ("0:0", "0:0"),
        ("00:007", "0:7"),
        ("large:4294967295:0:01", "large:4294967295:0:1"),
    ],
)
def test_communities_come_in_their_shortest_form(text: str, value: str) -> None:
    assert parse_community(text) == value


V4 = st.integers(0, 2**32 - 1).map(IPv4Address)
V6 = st.integers(0, 2**128 - 1).map(IPv6Address).filter(lambda one: not one.ipv4_mapped)


@given(st.one_of(st.tuples(V4, V4), st.tuples(V6, V6)))
def test_a_range_covers_exactly_its_addresses(ends: tuple[Address, Address]) -> None:
    start, end = sorted(ends, key=int)
    cidrs = parse_range(f"{start} - {end}").cidrs

    at = int(start)
    for cidr in cidrs:
        assert int(cidr.network_address) == at
        at = int(cidr.broadcast_address) + 1
    assert at == int(end) + 1
    assert len(list(collapse_addresses(cidrs))) == len(cidrs)  # type: ignore[type-var]


@given(st.integers(0, 2**32 - 1), st.integers(0, 300))
def test_small_ranges_address_by_address(start: int, more: int) -> None:
    last = min(start + more, 2**32 - 1)
    cidrs = parse_range(f"{ip_address(start)}-{IPv4Address(last)}").cidrs

    assert [int(one) for cidr in cidrs for one in cidr] == [*range(start, last + 1)]


@pytest.mark.parametrize(
    ("text", "cidr", "host_bits"),
    [
        ("192.0.2.0/24", "192.0.2.0/24", False),
        ("192.0.2.10/24", "192.0.2.0/24", True),
        ("2001:db8::1/64", "2001:db8::/64", True),
        ("192.0.2.1/32", "192.0.2.1/32", False),
    ],
)
def test_a_cidr_is_its_network_and_host_bits_are_noticed(
    text: str, cidr: str, *, host_bits: bool
) -> None:
    entry = parse_range(text)

    assert ([str(one) for one in entry.cidrs], entry.host_bits) == ([cidr], host_bits)


@pytest.mark.parametrize(
    ("password", "usable"),
    [
        ("s3cret", True),
        ("!#$;'\"\\", True),
        ("é", False),
        ("a" * 80, True),
        ("a" * 81, False),
        ("", False),
        ("a b", False),
        ("a\u00a0b", False),
        ("a|b", False),
        ("a\nb", False),
        ("a\x1b", False),
        ("\ud800", False),
        ("a\udcff", False),
    ],
)
def test_passwords(password: str, *, usable: bool) -> None:
    assert usable_password(password) is usable


# Selectors


def selector(**parts: Any) -> Selector:
    return Selector.model_validate(parts)


@pytest.mark.parametrize(
    ("expression", "matching"),
    [
        ({"operator": "In", "values": ["a", "b"]}, {"a", "b"}),
        ({"operator": "NotIn", "values": ["a"]}, {"b", "", None}),
        ({"operator": "Exists"}, {"a", "b", ""}),
        ({"operator": "DoesNotExist"}, {None}),
    ],
)
def test_operators(expression: Mapping[str, Any], matching: set[str | None]) -> None:
    one = selector(matchExpressions=[{"key": "x", **expression}])

    values: list[str | None] = ["a", "b", "", None]
    assert {v for v in values if one.matches({} if v is None else {"x": v})} == matching


def test_everything_in_a_selector_must_hold() -> None:
    both = selector(matchLabels={"a": "1"}, matchExpressions=[{"key": "b", "operator": "Exists"}])

    assert both.matches({"a": "1", "b": ""})
    assert not both.matches({"a": "1"})
    assert not both.matches({"a": "2", "b": ""})


def test_no_selector_and_an_empty_one_select_everything() -> None:
    assert any_matches((), {})
    assert any_matches((selector(),), {})
    assert not any_matches((selector(matchLabels={"a": "1"}),), {})


@pytest.mark.parametrize(
    ("selectors", "message"),
    [
        (
            "[{matchExpressions: [{key: a, operator: In}]}]",
            "invalid-selector: spec.nodeSelectors[0].matchExpressions[0]: operator In needs values",
        ),
        (
            "[{matchExpressions: [{key: a, operator: Exists, values: [b]}]}]",
            "invalid-selector: spec.nodeSelectors[0].matchExpressions[0]:"
            " operator Exists takes no values",
        ),
        (
            "[{matchExpressions: [{key: a, operator: In, values: [b, b]}]}]",
            'duplicate-entry: spec.nodeSelectors[0].matchExpressions[0].values: "b" is there twice',
        ),
        (
            "[{matchLabels: {a: b}}, {matchLabels: {a: b}}]",
            "duplicate-entry: spec.nodeSelectors: the same entry is there twice",
        ),
        (
            "[{matchExpressions: [{key: a, operator: in, values: [b]}]}]",
            "invalid-value: spec.nodeSelectors[0].matchExpressions[0].operator must be one of In,"
            ' NotIn, Exists, DoesNotExist, not "in"',
        ),
    ],
)
def test_selectors_are_checked_as_metallb_does(selectors: str, message: str) -> None:
    (line,) = said(peer(f"{{{PEER}, nodeSelectors: {selectors}}}"))

    assert line.split(" ", 1)[1] == message
