"""Watching a real API server through all that happens to one; nothing is lost, nothing invented."""

import http.client
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from daemon.flavour import wait_for
from daemon.gate import Gate
from daemon.kube import Plane
from daemon.kube_world import OURS, thing
from daemon.test_kube_cluster import expired
from ferrule.observe import watch_loop
from ferrule.observe.cluster_account import account
from ferrule.observe.cluster_api import Api, connect
from ferrule.observe.cluster_lists import Resource
from ferrule.observe.watch import Watches
from ferrule.observe.watch_feed import Feed, Raw
from ferrule.observe.watch_inbox import Batch, Condition

pytestmark = pytest.mark.daemon

HOME = "watched"
SERVICES = Resource("v1", "Service", "services")
MAPS = Resource("v1", "ConfigMap", "configmaps")
SWITCHES = Resource(OURS, "Switch", "switches")
TOR = {"asn": 65000, "routerID": "10.1.0.1", "addresses": ["10.1.0.1"]}
WAIT_S = 60


def says(raw: Raw) -> str:
    """What a test has written on an object."""
    return str(raw["metadata"].get("annotations", {}).get("says", ""))


SERVICE_FEED = Feed(SERVICES, says, HOME)
MAP_FEED = Feed(MAPS, says, HOME, labels="test=watch")
SWITCH_FEED = Feed(SWITCHES, says, HOME)


class Reader:
    """What somebody knows who takes every batch; `gone` is what was ever said to be."""

    def __init__(self, watches: Watches, feed: Feed[str]) -> None:
        self.watches, self.feed = watches, feed
        self.known: dict[str, str] = {}
        self.gone: set[str] = set()
        self.complete = False

    def take(self) -> None:
        if batch := self.watches.inbox.take(0.05):
            self.learn(batch)

    def learn(self, batch: Batch) -> None:
        self.complete = batch.complete
        for key, value in batch.of(self.feed).items():
            name = key.removeprefix(f"{HOME}/")
            if value is None:
                self.gone.add(name)
                self.known.pop(name, None)
            else:
                self.known[name] = value

    def wait_for(self, **known: str) -> None:
        """Until exactly this is known."""

        def arrived() -> bool:
            self.take()
            return self.complete and self.known == known

        wait_for(arrived, WAIT_S, f"{known} is known")

    @property
    def condition(self) -> Condition:
        return self.watches.inbox.conditions()[self.feed]


def named(kind: str, name: str, text: str, api: str = "v1", spec: object = None) -> dict[str, Any]:
    one = thing(kind, name, spec, api)
    one["metadata"] |= {"namespace": HOME, "annotations": {"says": text}}
    one["metadata"]["labels"] = {"test": "watch"}
    return one


def write(plane: Plane, **texts: str | None) -> None:
    """ConfigMaps that say so; None: deleted."""
    for name, text in texts.items():
        if text is None:
            plane.ask("DELETE", f"/api/v1/namespaces/{HOME}/configmaps/{name}")
        else:
            plane.apply(named("ConfigMap", name, text))


@pytest.fixture
def home(plane: Plane) -> Iterator[Plane]:
    """A namespace with nothing in it."""
    plane.apply(thing("Namespace", HOME, api="v1"))
    yield plane
    for one in (SERVICES, MAPS, SWITCHES):
        plane.ask("DELETE", one.path(HOME))


@pytest.fixture
def gate(plane: Plane) -> Iterator[Gate]:
    with Gate(plane.server) as gate:
        yield gate


def restart(plane: Plane) -> None:
    plane.start_api_server(plane.kill_api_server())
    wait_for(lambda: ready(plane), WAIT_S, "the API server answers again")


def ready(plane: Plane) -> bool:
    try:
        return bool(plane.ask("GET", "/apis/apps/v1"))
    except (RuntimeError, OSError, http.client.HTTPException):
        return False


def test_what_changes_arrives(home: Plane) -> None:
    write(home, a="one", b="one")
    with Watches(connect(str(home.kubeconfig)), [MAP_FEED]) as watches:
        reader = Reader(watches, MAP_FEED)
        reader.wait_for(a="one", b="one")

        write(home, a="two", b=None, c="one")

        reader.wait_for(a="two", c="one")
        assert reader.condition.lists == 1


def test_pages_of_a_real_list(home: Plane) -> None:
    write(home, **dict.fromkeys("abcde", "one"))

    with Watches(connect(str(home.kubeconfig)), [MAP_FEED], page=2) as watches:
        Reader(watches, MAP_FEED).wait_for(**dict.fromkeys("abcde", "one"))


def test_selectors_are_the_servers_to_apply(home: Plane) -> None:
    """What ceases to match is gone; that of one name can be watched with a right to that alone."""
    feed = Feed(SERVICES, says, HOME, fields="spec.type=LoadBalancer")
    ports = [{"port": 80}]
    inner = {"type": "ClusterIP", "ports": ports}
    outer = {"type": "LoadBalancer", "ports": ports, "loadBalancerClass": "example.net/watch"}
    home.apply(named("Service", "one", "here", spec=inner))
    with Watches(connect(str(home.kubeconfig)), [feed]) as watches:
        reader = Reader(watches, feed)
        reader.wait_for()
        home.apply(named("Service", "one", "here", spec=outer))
        reader.wait_for(one="here")
        home.apply(named("Service", "one", "here", spec={**inner, "loadBalancerClass": None}))
        reader.wait_for()


def test_a_server_that_is_killed_and_comes_back(home: Plane) -> None:
    """Nothing is taken for gone, also of the custom kinds, which it learns of late.

    Of those it keeps no history from before (kube-apiserver 1.34: 410).
    """
    write(home, a="one", b="one")
    home.apply(named("Switch", "tor", "one", OURS, TOR))
    feeds = (MAP_FEED, SWITCH_FEED)
    with Watches(connect(str(home.kubeconfig)), feeds) as watches:
        maps, switches = Reader(watches, MAP_FEED), Reader(watches, SWITCH_FEED)
        wait_for(lambda: watches.inbox.complete, WAIT_S, "everything is listed")
        command = home.kill_api_server()
        try:
            wait_for(lambda: maps.condition.problem, WAIT_S, "its end is noticed")
        finally:
            home.start_api_server(command)
        wait_for(lambda: ready(home), WAIT_S, "the API server answers again")
        write(home, a="two", b=None, c="one")

        def arrived() -> bool:
            both(watches, maps, switches)
            return maps.known == {"a": "two", "c": "one"} and not switches.condition.problem

        wait_for(arrived, WAIT_S, "what was missed is known")
        assert maps.gone == {"b"}
        assert maps.condition.lists == 1
        assert switches.known == {"tor": "one"}
        assert switches.gone == set()


def both(watches: Watches, *readers: Reader) -> None:
    """One batch for two readers."""
    batch = watches.inbox.take(0.5)
    for reader in readers if batch else ():
        assert batch
        reader.learn(batch)


def test_history_that_is_lost(home: Plane, gate: Gate, tmp_path: Path) -> None:
    """410 Gone: what was deleted meanwhile is found by difference."""
    write(home, a="one", b="one")
    with Watches(connect(gate.kubeconfig(home, tmp_path / "config")), [MAP_FEED]) as watches:
        reader = Reader(watches, MAP_FEED)
        reader.wait_for(a="one", b="one")
        gate.shut()
        gate.cut()
        write(home, a="two", b=None, c="one")
        home.forget()
        restart(home)
        gate.open()

        reader.wait_for(a="two", c="one")
        assert reader.gone == {"b"}
        assert reader.condition.lists == 2


def test_history_that_is_not_lost_is_not_listed_again(
    home: Plane, gate: Gate, tmp_path: Path
) -> None:
    write(home, a="one")
    with Watches(connect(gate.kubeconfig(home, tmp_path / "config")), [MAP_FEED]) as watches:
        reader = Reader(watches, MAP_FEED)
        reader.wait_for(a="one")
        gate.shut()
        gate.cut()
        write(home, a=None, b="one")
        gate.open()

        reader.wait_for(b="one")
        assert reader.condition.lists == 1


def test_a_state_that_is_older_than_what_we_know(home: Plane, gate: Gate, tmp_path: Path) -> None:
    """As after etcd's restoration from a backup: our version is of the future."""
    write(home, a="one")
    with Watches(connect(gate.kubeconfig(home, tmp_path / "config")), [MAP_FEED]) as watches:
        reader = Reader(watches, MAP_FEED)
        reader.wait_for(a="one")
        write(home, b="one")
        reader.wait_for(a="one", b="one")  # so the watch goes on
        (watcher,) = watches.watchers
        watcher.version = str(int(watcher.version) + 1_000_000)
        gate.cut()

        wait_for(lambda: reader.condition.lists == 2, WAIT_S, "it is listed again")
        write(home, a=None)
        reader.wait_for(b="one")


def test_a_connection_that_dies_in_silence(
    home: Plane, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ferrule.observe.watch.READ_S", 1.0)
    monkeypatch.setattr(watch_loop, "WATCH_S", 600)
    write(home, a="one")
    with Watches(connect(gate.kubeconfig(home, tmp_path / "config")), [MAP_FEED]) as watches:
        reader = Reader(watches, MAP_FEED)
        reader.wait_for(a="one")
        gate.shut()
        wait_for(lambda: reader.condition.problem, WAIT_S, "the silence is noticed")
        assert reader.condition.stale_s >= 1
        write(home, b="one")
        gate.open()

        reader.wait_for(a="one", b="one")


# Who may


def account_of(plane: Plane, gate: Gate, folder: Path) -> Api:
    """The API server as a Pod of that ServiceAccount sees it."""
    config = json.loads(plane.kubeconfig.read_text())
    authority = Path(config["clusters"][0]["cluster"]["certificate-authority"])
    (folder / "ca.crt").write_bytes(authority.read_bytes())
    environment = {
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(gate.port),
    }
    login = account(folder, environment)
    assert login
    return Api(login)


def token(plane: Plane) -> str:
    """One that the API server gives out to a ServiceAccount, as a kubelet gets it."""
    plane.apply(thing("ServiceAccount", "default", api="v1") | {"metadata": PERSON})
    path = f"/api/v1/namespaces/{HOME}/serviceaccounts/watcher/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    return str(plane.ask("POST", path, request)["status"]["token"])


PERSON = {"name": "watcher", "namespace": HOME}
READ = {"verbs": ["list", "watch"], "apiGroups": [""]}


def test_a_token_that_expires_and_is_replaced(home: Plane, gate: Gate, tmp_path: Path) -> None:
    """Nothing is gone meanwhile; the new one is found in its file at once."""
    write(home, a="one")
    allow_account(home)
    (tmp_path / "token").write_text(token(home))
    with Watches(account_of(home, gate, tmp_path), [MAP_FEED]) as watches:
        reader = Reader(watches, MAP_FEED)
        reader.wait_for(a="one")
        (tmp_path / "token").write_text(expired(home))
        for watcher in watches.watchers:
            watcher.wire.renew(watcher.wire.login)  # as after a minute
        gate.cut()
        wait_for(lambda: "does not let us in" in reader.condition.problem, WAIT_S, "401")
        write(home, b="one")
        (tmp_path / "token").write_text(token(home))

        reader.wait_for(a="one", b="one")
        assert reader.gone == set()
        assert "hunter2" not in reader.condition.problem


def allow_account(plane: Plane) -> None:
    group = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": PERSON}
    plane.apply({**role, "rules": [{**READ, "resources": ["configmaps"]}]})
    subjects = [{"kind": "ServiceAccount", **PERSON}]
    given = {"apiGroup": group, "kind": "Role", "name": "watcher"}
    plane.apply({**role, "kind": "RoleBinding", "subjects": subjects, "roleRef": given})


def test_one_kind_that_may_not_be_read(home: Plane) -> None:
    """The others arrive, nothing is complete, and a right that is given later is used."""
    write(home, a="one")
    home.allow("nobody", [{**READ, "resources": ["configmaps"]}], HOME)
    with Watches(connect(str(home.kubeconfig_of("nobody"))), [MAP_FEED, SERVICE_FEED]) as watches:
        reader = Reader(watches, MAP_FEED)

        def arrived() -> bool:
            reader.take()
            return reader.known == {"a": "one"}

        wait_for(arrived, WAIT_S, "the others are known")
        services = Reader(watches, SERVICE_FEED)
        wait_for(lambda: services.condition.problem, WAIT_S, "it is refused")
        assert services.condition.problem.startswith("services cannot be read: 403 ")
        assert not reader.complete
        assert not watches.inbox.complete

        home.allow("nobody", [{**READ, "resources": ["configmaps", "services"]}], HOME)
        services.wait_for()


def test_a_right_that_is_taken_away_takes_nothing_away(
    home: Plane, gate: Gate, tmp_path: Path
) -> None:
    write(home, a="one")
    home.allow("nobody", [{**READ, "resources": ["configmaps"]}], HOME)
    config = gate.kubeconfig(home, tmp_path / "config", "nobody")
    with Watches(connect(config), [MAP_FEED]) as watches:
        reader = Reader(watches, MAP_FEED)
        reader.wait_for(a="one")
        home.allow("nobody", [], HOME)
        gate.cut()
        wait_for(lambda: "403" in reader.condition.problem, WAIT_S, "it is refused")
        reader.take()

        assert reader.known == {"a": "one"}


# Kinds that come and go


def test_a_kind_that_is_installed_later_and_taken_away(
    home: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_loop, "ABSENT_S", 0.1)
    group = "watch.example.net"
    feed = Feed(Resource(f"{group}/v1", "Gadget", "gadgets"), says, HOME)
    with Watches(connect(str(home.kubeconfig)), [feed]) as watches:
        reader = Reader(watches, feed)
        reader.wait_for()
        home.apply(crd(group))
        try:
            wait_for(lambda: gadget(home, group), WAIT_S, "the kind is served")
            reader.wait_for(one="here")
        finally:
            name = f"gadgets.{group}"
            path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
            home.ask("DELETE", f"{path}/{name}")
        reader.wait_for()
        assert reader.gone == {"one"}


def crd(group: str) -> Mapping[str, object]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": "Gadget", "plural": "gadgets"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"gadgets.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def gadget(plane: Plane, group: str) -> bool:
    """Whether one could be made."""
    try:
        plane.apply(named("Gadget", "one", "here", f"{group}/v1"))
    except (RuntimeError, KeyError):
        return False
    return True


# Many


@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.soak)])
def test_a_burst_waits_for_a_slow_reader_as_one(home: Plane, count: int) -> None:
    names = [f"s{number}" for number in range(count)]
    api = connect(str(home.kubeconfig))
    with Watches(api, [SERVICE_FEED]) as watches:
        reader = Reader(watches, SERVICE_FEED)
        reader.wait_for()
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(lambda name: make(api, name), names))
        home.apply(named("Service", "s0", "last", spec={"ports": [{"port": 80}]}))
        wait_for(lambda: reader.condition.events > count, WAIT_S, "all events are there")

        reader.take()

        assert reader.known == {**dict.fromkeys(names, "first"), "s0": "last"}


def make(api: Api, name: str) -> bool:
    one = named("Service", name, "first", spec={"ports": [{"port": 80}]})
    return api.send("POST", SERVICES.path(HOME), body=one).ok
