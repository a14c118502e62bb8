"""What is made of an API server's answers: what is read, what is missing, what is empty."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ferrule.compiler.errors import ObjectRef, Place
from ferrule.compiler.source import Document
from ferrule.observe.cluster import CORE, CUSTOM, KINDS, Snapshot, read
from ferrule.observe.cluster_api import Answer, Api
from ferrule.observe.cluster_secrets import named

NOT_FOUND = Answer(404, b"404 page not found\n")
FORBIDDEN = Answer(403, b'{"message": "no"}')
GONE = Answer(410, b'{"message": "too old"}')
BROKEN = Answer(500, b'{"message": "etcdserver: leader changed"}')
SLOW = Answer(0, code="cluster-unreadable", problem="no answer within 60 s")
CUT = Answer(0, code="cluster-unreachable", problem="the connection broke")


def page(*names: str, more: str = "") -> Answer:
    items = [{"metadata": {"name": name, "managedFields": [{}]}} for name in names]
    return answer({"metadata": {"continue": more}, "items": items})


def answer(content: object) -> Answer:
    return Answer(200, json.dumps(content).encode())


SERVICES, NODES, NAMESPACES, SLICES = (one.path() for one in CORE)
WORLD = {path: [page("one")] for path in (SERVICES, NODES, NAMESPACES, SLICES)}


class Told(Api):
    """An API server that says what a test has written down; the last answer for ever."""

    def __init__(self, **answers: Sequence[Answer]) -> None:
        self.name, self.server = "context prod", "https://192.0.2.1:6443"
        self.place = Place(None, ObjectRef("context", "prod"))
        self.answers = {**WORLD, **answers}
        self.asked: dict[str, int] = {}

    def send(self, method: str, path: str, **options: Any) -> Answer:
        assert method == "GET"
        more = (options.get("query") or {}).get("continue", "")
        key = f"{path}?{more}" if more else path
        each = self.answers.get(key, [NOT_FOUND])
        number = self.asked[key] = self.asked.get(key, 0) + 1
        return each[min(number, len(each)) - 1]


def seen(answers: Mapping[str, Sequence[Answer]], **options: Any) -> Snapshot:
    return read(Told(**answers), **options)


def names(snapshot: Snapshot, kind: str) -> list[str]:
    return [one.ref.name for one in snapshot.documents if one.kind == kind and one.ref]


def told(snapshot: Snapshot) -> list[str]:
    return [f"{one.severity} {one.code}: {one.message}" for one in snapshot.diagnostics]


def test_what_is_there() -> None:
    snapshot = seen({})

    assert [(one.api_version, one.kind) for one in snapshot.documents] == [
        ("v1", "Service"),
        ("v1", "Node"),
        ("v1", "Namespace"),
        ("discovery.k8s.io/v1", "EndpointSlice"),
    ]
    assert snapshot.documents[0].data["metadata"] == {"name": "one"}
    assert snapshot == Snapshot(snapshot.documents)


# Pages


def test_pages_are_one_list() -> None:
    snapshot = seen(
        {
            SERVICES: [page("a", "b", more="2")],
            f"{SERVICES}?2": [page("c", more="3")],
            f"{SERVICES}?3": [page("d")],
        }
    )

    assert names(snapshot, "Service") == ["a", "b", "c", "d"]


def test_a_list_begins_anew_when_its_moment_is_forgotten() -> None:
    snapshot = seen(
        {
            SERVICES: [page("a", "b", more="2"), page("b", more="3")],
            f"{SERVICES}?2": [GONE],
            f"{SERVICES}?3": [page("c")],
        }
    )

    assert names(snapshot, "Service") == ["b", "c"]
    assert snapshot.diagnostics == ()


def test_a_list_does_not_begin_anew_for_ever() -> None:
    snapshot = seen({SERVICES: [page("a", more="2")], f"{SERVICES}?2": [GONE]})

    assert names(snapshot, "Service") == []
    assert snapshot.missing == {"Service"}
    assert told(snapshot) == ["warning cluster-unreadable: services cannot be read: 410 too old"]


# What is empty


def test_an_empty_list_counts_the_second_time() -> None:
    snapshot = seen({NODES: [page(), page("late")]})

    assert names(snapshot, "Node") == ["late"]
    assert snapshot.empty == set()
    assert snapshot.diagnostics == ()


@pytest.mark.parametrize(
    "nothing", [page(), answer({"metadata": {}, "items": None})], ids=["empty", "null"]
)
def test_no_services(nothing: Answer) -> None:
    snapshot = seen({SERVICES: [nothing]})

    assert snapshot.empty == {"Service"}
    assert snapshot.missing == set()
    assert told(snapshot) == [
        "warning cluster-empty: the cluster has no Service: there is nothing to announce"
    ]


# What is missing


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (FORBIDDEN, "cluster-forbidden: nodes cannot be read: 403 no"),
        (BROKEN, "cluster-unreadable: nodes cannot be read: 500 etcdserver: leader changed"),
        (SLOW, "cluster-unreadable: nodes cannot be read: no answer within 60 s"),
        (answer({}), "cluster-unreadable: nodes cannot be read: the answer is something else"),
        (
            answer({"metadata": {}, "items": {}}),
            "cluster-unreadable: nodes cannot be read: the answer is something else",
        ),
        (
            answer({"metadata": {}, "items": ["one"]}),
            "cluster-unreadable: nodes cannot be read: the answer is something else",
        ),
    ],
    ids=["forbidden", "broken", "slow", "nothing", "no list", "no objects"],
)
def test_one_kind_that_cannot_be_read(trouble: Answer, said: str) -> None:
    snapshot = seen({NODES: [trouble]})

    assert told(snapshot) == [f"warning {said}"]
    assert snapshot.missing == {"Node"}
    assert snapshot.empty == set()
    assert names(snapshot, "EndpointSlice") == ["one"]  # the others are there


def test_the_second_page_is_missing() -> None:
    snapshot = seen({NODES: [page("a", more="2")], f"{NODES}?2": [SLOW]})

    assert names(snapshot, "Node") == []
    assert snapshot.missing == {"Node"}


def test_a_server_that_is_too_slow_twice_in_a_row_is_left_alone() -> None:
    snapshot = seen({NODES: [SLOW], NAMESPACES: [SLOW]})

    assert [one.severity for one in snapshot.diagnostics] == ["warning", "error"]
    assert snapshot.missing == KINDS


def test_slow_now_and_then_is_not_twice_in_a_row() -> None:
    assert seen({SERVICES: [SLOW], NAMESPACES: [SLOW]}).missing == {"Service", "Namespace"}


@pytest.mark.parametrize(
    "trouble", [CUT, Answer(401, b""), Answer(0, code="cluster-tls", problem="x")]
)
def test_whoever_is_gone_is_not_asked_on(trouble: Answer) -> None:
    snapshot = seen({NAMESPACES: [trouble], SLICES: [CUT]})

    assert [one.severity for one in snapshot.diagnostics] == ["error"]
    assert snapshot.missing == KINDS


# Custom resources

GROUP = "/apis/ferrule.dev"
OURS = {
    GROUP: [answer({"versions": [{"version": "v1alpha1"}]})],
    f"{GROUP}/v1alpha1": [
        answer(
            {
                "resources": [
                    {"name": "switches", "kind": "Switch", "namespaced": True, "verbs": ["list"]},
                    {"name": "bgppeers", "kind": "BGPPeer", "namespaced": True, "verbs": ["list"]},
                    {
                        "name": "switches/status",
                        "kind": "Switch",
                        "namespaced": True,
                        "verbs": ["get"],
                    },
                    {"name": "knobs", "kind": "Knob", "namespaced": True, "verbs": ["create"]},
                ]
            }
        )
    ],
    f"{GROUP}/v1alpha1/switches": [page("tor")],
    f"{GROUP}/v1alpha1/bgppeers": [page()],
}


def test_custom_resources_where_they_are_installed() -> None:
    snapshot = seen(OURS)

    assert names(snapshot, "Switch") == ["tor"]
    assert snapshot.diagnostics == ()  # no BGPPeer is nothing strange


def test_a_group_is_not_installed_when_it_is_not_so_twice() -> None:
    late = {**OURS, GROUP: [NOT_FOUND, *OURS[GROUP]]}

    assert names(seen(late), "Switch") == ["tor"]


def test_a_custom_resource_that_may_not_be_read_is_an_error() -> None:
    snapshot = seen({**OURS, f"{GROUP}/v1alpha1/switches": [FORBIDDEN]})

    assert told(snapshot) == [
        "error cluster-forbidden: switches.ferrule.dev cannot be read: 403 no"
    ]
    assert snapshot.missing == {"Switch"}


@pytest.mark.parametrize("path", [GROUP, f"{GROUP}/v1alpha1"])
@pytest.mark.parametrize("trouble", [FORBIDDEN, BROKEN, answer({"versions": []})])
def test_a_group_that_cannot_be_looked_into_is_missing(path: str, trouble: Answer) -> None:
    snapshot = seen({**OURS, path: [trouble]})

    assert snapshot.missing == CUSTOM["ferrule.dev"]
    assert [one.severity for one in snapshot.diagnostics] == ["error"]


def group(*versions: str, **resources: Sequence[str]) -> dict[str, Sequence[Answer]]:
    """metallb.io with these versions, in the server's order, each with some kinds."""
    root = "/apis/metallb.io"
    made: dict[str, Sequence[Answer]] = {
        root: [answer({"versions": [{"version": one} for one in versions]})]
    }
    for version in versions:
        each = [
            {"name": f"{kind}s".lower(), "kind": kind, "namespaced": True, "verbs": ["list"]}
            for kind in resources[version]
        ]
        made[f"{root}/{version}"] = [answer({"resources": each})]
        for one in each:
            made[f"{root}/{version}/{one['name']}"] = [page("x")]
    return made


@pytest.mark.parametrize(
    ("versions", "taken"),
    [
        ({"v1beta2": ["BGPPeer"], "v1beta1": ["BGPPeer"]}, "v1beta2"),
        ({"v2": ["BGPPeer"], "v1beta1": ["BGPPeer"]}, "v1beta1"),
        ({"v2": ["BGPPeer"]}, "v2"),
        ({"v2": ["Knob"]}, "v2"),
        ({"v1beta1": ["ServiceL2Status"]}, None),
    ],
    ids=["preferred", "known", "unknown", "unknown kind", "status"],
)
def test_the_version_that_is_read(versions: dict[str, Sequence[str]], taken: str | None) -> None:
    snapshot = seen(group(*versions, **versions))

    theirs = [one for one in snapshot.documents if one.api_version.startswith("metallb.io/")]
    assert [one.api_version for one in theirs] == ([f"metallb.io/{taken}"] if taken else [])


def test_one_namespace() -> None:
    within = f"{GROUP}/v1alpha1/namespaces/ferrule-system"
    world = {f"{within}/switches": [page("mine")], f"{within}/bgppeers": [page()]}
    snapshot = seen({**OURS, **world}, namespace="ferrule-system")

    assert names(snapshot, "Switch") == ["mine"]
    assert names(snapshot, "Service") == ["one"]


# Secrets


def declared(kind: str, spec: object, namespace: str | None = "net") -> Document:
    meta = {"name": "x", **({"namespace": namespace} if namespace else {})}
    api = "ferrule.dev/v1alpha1"
    return Document({"apiVersion": api, "kind": kind, "metadata": meta, "spec": spec})


def peer(reference: object, namespace: str | None = "net") -> Document:
    return declared("BGPPeer", {"passwordSecret": reference}, namespace)


@pytest.mark.parametrize(
    ("document", "key"),
    [
        (peer({"name": "bgp"}), ("net", "bgp")),
        (peer({"name": "bgp", "namespace": "far"}), ("far", "bgp")),
        (peer({"name": "bgp"}, None), ("metallb-system", "bgp")),
        (declared("Switch", {"management": {"passwordSecret": {"name": "s"}}}), ("net", "s")),
        (peer({}), None),
        (peer({"name": ""}), None),
        (peer("bgp"), None),
        (peer({"name": "../pods"}), None),
        (peer({"name": ".."}), None),
        (peer({"name": "bgp", "namespace": "a/b"}), None),
        (declared("BGPPeer", None), None),
        (declared("Community", {"passwordSecret": {"name": "bgp"}}), None),
        (Document({**peer({"name": "b"}).data, "apiVersion": "example.net/v1"}), None),
    ],
)
def test_who_names_which_secret(document: Document, key: tuple[str, str] | None) -> None:
    assert named([document]) == ((key,) if key else ())


SECRET = "/api/v1/namespaces/net/secrets/bgp"  # noqa: S105  # a path
CONTENT = {
    "kind": "Secret",
    "apiVersion": "v1",
    "metadata": {"name": "bgp", "namespace": "net", "annotations": {"a": "hunter2"}},
    "type": "kubernetes.io/basic-auth",
    "data": {"password": "aHVudGVyMg==", "username": "b3Bz", "more": "bW9yZQ=="},
}


def test_of_a_secret_only_the_password_is_kept() -> None:
    snapshot = seen({SECRET: [answer(CONTENT)]}, beside=[peer({"name": "bgp"})])

    assert snapshot.documents[-1].data == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": "net", "name": "bgp"},
        "type": "kubernetes.io/basic-auth",
        "data": {"password": "aHVudGVyMg=="},
    }


def test_a_secret_that_is_given_is_not_asked_for() -> None:
    given = Document({**CONTENT, "data": {}})
    snapshot = seen({SECRET: [answer(CONTENT)]}, beside=[peer({"name": "bgp"}), given])

    assert names(snapshot, "Secret") == []


@pytest.mark.parametrize(
    ("trouble", "missing"), [(NOT_FOUND, set()), (FORBIDDEN, {"Secret"}), (SLOW, {"Secret"})]
)
def test_a_secret_that_cannot_be_had(trouble: Answer, missing: set[str]) -> None:
    snapshot = seen({SECRET: [trouble]}, beside=[peer({"name": "bgp"})])

    assert names(snapshot, "Secret") == []
    assert snapshot.missing == missing
    assert [one.severity for one in snapshot.diagnostics] == ["warning"] * len(missing)
