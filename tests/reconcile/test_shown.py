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
TERM = "next/2"
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
    late: list[tuple[str, Word | Leave]] = field(default_factory=list)  # of one who led before
    refused: set[str] = field(default_factory=set)  # Services of which no status is taken
    versions: int = 0

    def __post_init__(self) -> None:
        self.controller = self.leader()
        for name in NAMES:
            self.make(name)

    def leader(self, term: str = "") -> Controller:
        intent = Intent()
        intent.object("IPAddressPool", "ferrule/public", pool(self.addresses))
        return Controller(intent, self, lambda _: None, Log(stream=io.StringIO()), term=term)

    def take_over(self) -> None:
        """Another one leads, and begins with a list; what was sent before is on its way still."""
        self.late += self.sent.items()
        self.words, self.sent = {}, {}
        self.controller = self.leader(TERM)
        self.news = set(self.objects)
        self.learn(1)

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

    def learn(self, share: float = 0.7) -> None:
        """News of some Services arrive, and are acted on."""
        some = [key for key in sorted(self.news) if self.chance.random() < share]
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
        if self.late and self.chance.random() < 0.2:
            self._arrive(*self.late.pop(self.chance.randrange(len(self.late))))
        elif self.sent:
            key = self.chance.choice(sorted(self.sent))
            word = self.sent.pop(key)
            trouble = self._arrive(key, word)
            if trouble and trouble.code == "status-refused":
                self.words.setdefault(key, word)  # it comes again
            self.controller.learn_report(key, trouble)

    def _arrive(self, key: str, word: Word | Leave) -> Trouble | None:
        one = self.objects.get(key)
        if isinstance(word, Leave):
            return None
        if one is None or one["metadata"]["resourceVersion"] != version(word.demand):
            return Trouble("status-conflict", "test", "it has changed")
        if key in self.refused:
            return Trouble("status-refused", "test", "422")
        self._write(key, one, word)
        return None

    def _write(self, key: str, one: Json, word: Word) -> None:
        if word.term:
            self.store(key, one)
            return
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


@given(st.integers(0, 2**32))
def test_nor_after_one_who_was_stopped_in_the_middle_of_its_writes(seed: int) -> None:
    """Whatever it has sent arrives when another one has long led, or may never."""
    store = Store(Random(seed), "192.0.2.0/30")  # noqa: S311  # there is not enough for all
    for step in range(STEPS):
        if step % (STEPS // 4) == STEPS // 8:
            store.take_over()
        store.step()
        assert max(store.shown().values(), default=0) <= 1, store.objects
    store.settle()
    assert not any((store.news, store.words, store.sent))


def test_one_that_is_to_show_nothing_is_marked_too() -> None:
    """The one before had an address for it, which is another's by the list of the new leader."""
    store = Store(Random(1), "192.0.2.0/32")  # noqa: S311
    for name in NAMES:
        store.store(f"shop/{name}", None)
    store.make("b")
    store.learn(1)
    store.send()
    store.make("a")
    store.take_over()
    store.settle()
    assert store.late == []
    assert {key: one["status"] for key, one in store.objects.items()} == {
        "shop/a": {"loadBalancer": {"ingress": [{"ip": "192.0.2.0"}]}},
        "shop/b": {},
    }


def test_one_whose_marks_are_refused_holds_up_itself_alone() -> None:
    store = Store(Random(1))  # noqa: S311
    store.refused = {"shop/a"}
    store.take_over()
    store.settle()
    assert store.controller.is_fenced
    shown = {key for key, one in store.objects.items() if one["status"].get("loadBalancer")}
    assert shown == store.objects.keys() - {"shop/a"}
    word = store.words.get("shop/a") or store.sent["shop/a"]
    assert isinstance(word, Word)
    assert word.term == TERM  # its mark is tried again, and its own word kept back

    store.refused.clear()
    store.settle()
    assert all(one["status"]["loadBalancer"]["ingress"] for one in store.objects.values())
    assert max(store.shown().values()) == 1


def test_a_server_that_is_busy_gives_up_no_mark() -> None:
    store = Store(Random(1))  # noqa: S311
    store.take_over()
    for _ in range(10):
        trouble = Trouble("cluster-unreachable", "test", "503")
        store.controller.learn_report("shop/a", trouble)
        store.controller.decide()
    assert not store.controller.is_fenced


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
