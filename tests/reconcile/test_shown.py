"""No two statuses show one address at any moment, in whatever order writes and news arrive."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ferrule.apply.target import Trouble
from ferrule.compiler.source import Document
from ferrule.reconcile import kept
from ferrule.reconcile.controller import Controller
from ferrule.reconcile.intent import Intent
from ferrule.reconcile.logs import Log
from ferrule.reconcile.statuses import Leave, Word, version

NAMES = tuple("abcdef")
REQUEST = "metallb.io/loadBalancerIPs"
STEPS = 80
Json = dict[str, Any]


def pool(addresses: str) -> Document:
    meta = {"name": "public", "namespace": "ferrule"}
    one = {"apiVersion": "ferrule.dev/v1alpha1", "kind": "IPAddressPool", "metadata": meta}
    return Document({**one, "spec": {"addresses": [addresses]}})


@dataclass
class Store:
    """An API server with its Services, one controller, and all that is on its way between them."""

    chance: Random
    addresses: str = "192.0.2.0/29"
    objects: dict[str, Json] = field(default_factory=dict)
    news: set[str] = field(default_factory=set)
    words: dict[str, Word | Leave] = field(default_factory=dict)  # wait to be sent
    sent: dict[str, Word | Leave] = field(default_factory=dict)
    versions: int = 0

    def __post_init__(self) -> None:
        intent = Intent()
        intent.object("IPAddressPool", "ferrule/public", pool(self.addresses))
        self.controller = Controller(intent, self, lambda _: None, Log(stream=io.StringIO()))
        for name in NAMES:
            self.make(name)

    def put(self, key: str, word: Word | Leave) -> None:
        """As a writer does it: the newest word of each."""
        self.words[key] = word

    def make(self, name: str) -> None:
        meta = {"name": name, "namespace": "shop", "uid": f"{name}-{self.versions}"}
        spec = {"type": "LoadBalancer", "clusterIP": "10.96.0.1", "ports": [{"port": 80}]}
        one = {"metadata": {**meta, "annotations": {}}, "spec": spec, "status": {}}
        self.store(f"shop/{name}", one)

    def store(self, key: str, one: Json | None) -> None:
        self.versions += 1
        self.news.add(key)
        if one is None:
            self.objects.pop(key, None)
            return
        meta = {**one["metadata"], "resourceVersion": str(self.versions)}
        self.objects[key] = {**one, "metadata": meta}

    def step(self) -> None:
        """Something happens, whatever it is."""
        self.chance.choice((self.ask, self.learn, self.learn, self.send, self.land, self.land))()

    def ask(self) -> None:
        """A tenant asks for an address, for any, or for none any more; or takes a Service away."""
        name = self.chance.choice(NAMES)
        key = f"shop/{name}"
        if key not in self.objects:
            self.make(name)
        elif self.chance.random() < 0.1:
            self.store(key, None)
        else:
            one, number = self.objects[key], self.chance.randrange(4)
            notes = {**one["metadata"]["annotations"], REQUEST: f"192.0.2.{number}"}
            self.store(key, {**one, "metadata": {**one["metadata"], "annotations": notes}})

    def learn(self) -> None:
        """News of some Services arrive, and are acted on."""
        some = [key for key in sorted(self.news) if self.chance.random() < 0.7]
        self.news -= {*some}
        changes = {
            key: kept.service(self.objects[key]) if key in self.objects else None for key in some
        }
        self.controller.learn_services(changes)
        self.controller.decide()

    def send(self) -> None:
        waiting = sorted(self.words.keys() - self.sent.keys())
        if waiting:
            key = self.chance.choice(waiting)
            self.sent[key] = self.words.pop(key)

    def land(self) -> None:
        """A write arrives, and is refused where the object is another one by now."""
        if not self.sent:
            return
        key = self.chance.choice(sorted(self.sent))
        word, one = self.sent.pop(key), self.objects.get(key)
        trouble: Trouble | None = None
        if isinstance(word, Word):
            if one and one["metadata"]["resourceVersion"] == version(word.demand):
                self._write(key, one, word)
            else:
                trouble = Trouble("status-conflict", "test", "it has changed")
        self.controller.learn_report(key, trouble)

    def _write(self, key: str, one: Json, word: Word) -> None:
        notes = {**one["metadata"]["annotations"], kept.POOL: word.pool}
        if not word.addresses:
            del notes[kept.POOL]
        ingress = [{"ip": str(each)} for each in word.addresses]
        meta = {**one["metadata"], "annotations": notes}
        self.store(key, {**one, "metadata": meta, "status": {"loadBalancer": {"ingress": ingress}}})

    def shown(self) -> Counter[str]:
        each = (one["status"].get("loadBalancer", {}) for one in self.objects.values())
        return Counter(one["ip"] for status in each for one in status.get("ingress", ()))

    def settle(self) -> None:
        """Until nothing is on its way."""
        for _ in range(200):
            self.learn()
            self.send()
            self.land()


@given(st.integers(0, 2**32))
def test_no_address_is_two_services_at_any_moment(seed: int) -> None:
    store = Store(Random(seed))  # noqa: S311
    for _ in range(STEPS):
        store.step()
        assert max(store.shown().values(), default=0) <= 1, store.objects
    store.settle()
    assert not any((store.news, store.words, store.sent))
    allocator = store.controller.allocator
    assert allocator
    for key, one in store.objects.items():
        service = allocator.services[key]
        assert one["status"].get("loadBalancer", {}).get("ingress", []) == [
            {"ip": str(each)} for each in service.addresses
        ]
        assert service.addresses or service.pending


def test_two_that_exchange_their_addresses() -> None:
    store = Store(Random(1), "192.0.2.0/31")  # noqa: S311
    for name in NAMES[2:]:
        store.store(f"shop/{name}", None)
    store.settle()
    before = store.shown()
    assert sorted(before) == ["192.0.2.0", "192.0.2.1"]
    for name, number in (("a", 1), ("b", 0)):
        one = store.objects[f"shop/{name}"]
        notes = {REQUEST: f"192.0.2.{number}", kept.POOL: "public"}
        store.store(f"shop/{name}", {**one, "metadata": {**one["metadata"], "annotations": notes}})
    store.settle()
    given_ = {key: one["status"]["loadBalancer"]["ingress"] for key, one in store.objects.items()}
    assert given_ == {"shop/a": [{"ip": "192.0.2.1"}], "shop/b": [{"ip": "192.0.2.0"}]}
