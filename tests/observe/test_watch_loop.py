"""What is made of lists and watches, whatever the server says and in whatever order."""

import json

import pytest
from watching import FEED, PEERS, SERVICES, World, bookmark, event, line, page, thing

from ferrule.observe import watch_loop
from ferrule.observe.cluster_api import Answer
from ferrule.observe.watch_feed import Feed
from ferrule.observe.watch_inbox import AnyFeed
from ferrule.observe.watch_loop import FIRST_S, LONGEST_S, Backoff

GONE = line("ERROR", code=410, reason="Expired", message="too old resource version: 1 (9)")
FORBIDDEN = Answer(403, b'{"message": "no"}')
NOT_FOUND = Answer(404, b"404 page not found\n")
LATER = Answer(504, b'{"message": "Too large resource version"}')
CUT = Answer(0, code="cluster-unreachable", problem="the connection broke")
GROUPS, PEERS_OF = "/apis", "/apis/metallb.io/v1beta2"
AT_ONCE = "services cannot be read: the watch ended at once"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(watch_loop, "DOUBT_S", 0)
    monkeypatch.setattr(watch_loop, "ABSENT_S", 0)
    monkeypatch.setattr(watch_loop, "SHORT_S", 0)
    return World()


def test_a_list_and_what_follows(world: World) -> None:
    problem = world.round(
        page(thing("a"), thing("b", 2)),
        [event("MODIFIED", "a", 3), event("DELETED", "b"), event("ADDED", "c")],
    )

    assert problem == ""
    assert world.news() == {"shop/a": 3, "shop/b": None, "shop/c": 1}
    assert world.inbox.complete
    assert world.wire.asked == [
        {"limit": 500},
        {
            "watch": 1,
            "resourceVersion": "7",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": 60,
        },
    ]


def test_pages_are_handed_over_as_one(world: World) -> None:
    world.round(page(thing("a"), more="x"), page(thing("b"), version="7"), [])

    assert world.wire.asked[1] == {"limit": 500, "continue": "x"}
    assert world.news() == {"shop/a": 1, "shop/b": 1}


def test_half_a_list_is_none(world: World) -> None:
    assert world.round(page(thing("a"), more="x"), FORBIDDEN, []) == (
        "services cannot be read: 403 no"
    )
    assert world.news() is None
    assert not world.inbox.complete


def test_a_list_that_was_forgotten_begins_anew(world: World) -> None:
    pages = [page(thing("a"), more="x"), Answer(410), page(thing("b"))]

    assert world.round(*pages, []) == ""
    assert world.news() == {"shop/b": 1}


def test_a_list_that_is_always_forgotten(world: World) -> None:
    forgotten = [page(thing("a"), more="x"), Answer(410)] * 3

    assert world.round(*forgotten, []) == "the list was forgotten before its last page"
    assert world.news() is None


def test_selectors_and_a_namespace_are_the_servers_to_apply() -> None:
    feed = Feed(SERVICES, FEED.keep, "shop", fields="spec.type=LoadBalancer", labels="app=web")

    assert feed.path == "/api/v1/namespaces/shop/services"
    assert feed.query(limit=1) == {
        "fieldSelector": "spec.type=LoadBalancer",
        "labelSelector": "app=web",
        "limit": 1,
    }


def test_an_object_says_what_it_is_and_nobody_who_wrote_it() -> None:
    seen: list[object] = []
    Feed(SERVICES, seen.append).kept(thing("a"))

    assert seen == [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "a", "namespace": "shop", "resourceVersion": ""},
            "size": 1,
        }
    ]


# Going on


def listed(world: World, *names: str) -> World:
    """What has been listed and taken out."""
    world.round(page(*map(thing, names)), [bookmark("9")])
    world.news()
    world.wire.asked.clear()
    return world


def test_a_watch_that_ends_is_gone_on_with(world: World) -> None:
    """From the last version, after the server has been asked whether it knows that."""
    listed(world, "a")

    assert world.round(page(thing("other")), [event("ADDED", "b", version="12")]) == ""

    known, watch = world.wire.asked
    assert known == {"limit": 1, "resourceVersion": "9", "resourceVersionMatch": "NotOlderThan"}
    assert watch["resourceVersion"] == "9"
    assert world.news() == {"shop/b": 1}
    assert world.watcher.version == "12"


def test_what_was_deleted_while_nobody_looked_is_found_by_difference(world: World) -> None:
    listed(world, "a", "b")

    assert world.round(page(), [GONE]) == "too old resource version: 1 (9)"
    assert world.news() is None  # nothing is gone yet
    assert world.round(page(thing("b"), thing("c")), []) == ""
    assert world.news() == {"shop/a": None, "shop/b": 1, "shop/c": 1}


@pytest.mark.parametrize("answer", [LATER, Answer(410), NOT_FOUND], ids=["future", "past", "none"])
def test_a_version_that_the_server_does_not_know(world: World, answer: Answer) -> None:
    """Restored from a backup, it would be silent until it has caught up."""
    listed(world, "a")

    assert world.round(answer, []) != ""
    assert world.watcher.version == ""


def test_a_watch_may_be_refused_as_gone(world: World) -> None:
    listed(world, "a")

    world.round(page(), Answer(410, b'{"message": "too old"}'))

    assert world.watcher.version == ""


@pytest.mark.parametrize(
    "junk",
    [
        b"<html>",
        b'{"type": "ADDED"}',
        b'{"type": "ADDED", "object": []}',
        b'{"type": "PAINTED", "object": {}}',
        b'{"type": "ADDED", "object": {"metadata": {"resourceVersion": 8}}}',
        b'{"type": "ADDED", "object": {"metadata": {"resourceVersion": "8"}}}',
        b'{"type": "BOOKMARK", "object": {}}',
        b'{"type": [], "object": {}}',
        b"[" * 100_000,
        b"\xff",
    ],
    ids=range(10),
)
def test_a_line_that_is_no_event(world: World, junk: bytes) -> None:
    listed(world, "a")

    assert world.round(page(), [event("DELETED", "a"), junk]) == (
        "the API server sent a line that is no event"
    )
    assert world.news() is None
    assert world.round(page(thing("a", 5)), []) == ""
    assert world.news() == {"shop/a": 5}


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<html>"),
        Answer(200, b'{"metadata": {}, "items": []}'),
        Answer(200, b'{"metadata": {"resourceVersion": "1"}, "items": [1]}'),
        Answer(200, b'{"metadata": {"resourceVersion": "1"}, "items": [{}]}'),
        Answer(200, b'{"metadata": {"resourceVersion": "1"}, "items": [{"metadata": 1}]}'),
        Answer(200, b'{"metadata": {"resourceVersion": "1"}, "items": [{"metadata":{"name":1}}]}'),
        FORBIDDEN,
        Answer(500),
        CUT,
    ],
    ids=range(9),
)
def test_a_list_that_fails_takes_nothing_away(world: World, answer: Answer) -> None:
    listed(world, "a")
    world.round(page(), [GONE])

    assert world.round(answer, []) != ""
    assert world.news() is None
    assert world.inbox.holds(FEED)


@pytest.mark.parametrize(
    "said",
    [
        CUT,
        FORBIDDEN,
        Answer(500),
        [line("ERROR", code=500, message="etcdserver: leader changed")],
        [event("DELETED", "a"), line("ERROR", code=500)],
    ],
    ids=["cut", "forbidden", "broken", "an error", "an error after an event"],
)
def test_after_any_other_trouble_it_goes_on_where_it_was(
    world: World, said: Answer | list[bytes]
) -> None:
    listed(world, "a")

    assert world.round(page(), said) != ""
    assert world.news() is None
    assert world.watcher.version == "9"


def test_whoever_is_not_let_in_reads_credentials_anew(world: World) -> None:
    listed(world, "a")

    assert "does not let us in" in world.round(page(), Answer(401))
    assert world.wire.logins == 1
    assert world.watcher.version == "9"


def test_a_server_that_is_not_trusted_is_looked_at_anew(world: World) -> None:
    """The authority's certificate may have been replaced."""
    world.round(Answer(0, code="cluster-tls", problem="self-signed"), [])

    assert world.wire.logins == 1


# Absence


def test_an_empty_list_counts_when_it_is_so_again(world: World) -> None:
    assert world.round(page(), page(version="8"), []) == ""

    assert world.inbox.complete
    assert world.news() == {}  # so that whoever waits for that hears of it
    assert world.watcher.version == "8"


def test_an_empty_list_that_was_a_slip(world: World) -> None:
    listed(world, "a")
    world.round(page(), [GONE])

    assert world.round(page(), page(thing("a", 4)), []) == ""
    assert world.news() == {"shop/a": 4}


def test_everything_may_be_gone(world: World) -> None:
    listed(world, "a", "b")
    world.round(page(), [GONE])

    assert world.round(page(), page(), []) == ""
    assert world.news() == {"shop/a": None, "shop/b": None}


def test_an_empty_list_and_then_none_take_nothing_away(world: World) -> None:
    listed(world, "a")
    world.round(page(), [GONE])

    assert world.round(page(), CUT, []) != ""
    assert world.news() is None


def groups(*versions: str) -> Answer:
    """The list of groups, those of the API server itself among them."""
    each = [
        {"groupVersion": one, "version": one.partition("/")[2]} for one in ("apps/v1", *versions)
    ]
    group = {"name": "some", "versions": each}
    return Answer(200, json.dumps({"kind": "APIGroupList", "groups": [group]}).encode())


def kinds(*names: str) -> Answer:
    served = [{"name": one, "kind": "Some", "namespaced": True, "verbs": []} for one in names]
    listed = {"groupVersion": "metallb.io/v1beta2", "resources": served}
    return Answer(200, json.dumps(listed).encode())


@pytest.fixture
def peers(world: World) -> World:
    """A world of a kind that an API server can be without, and is."""
    world = World(PEERS)
    world.wire.serves[GROUPS] = groups()
    return world


def test_a_kind_that_is_not_installed_is_complete(peers: World) -> None:
    assert peers.round(NOT_FOUND, NOT_FOUND, []) == ""

    assert peers.inbox.complete
    assert peers.wire.asked == [{"limit": 500}] * 2  # and nothing is watched
    assert peers.round(page(thing("a")), []) == ""  # installed meanwhile
    assert peers.news() == {"shop/a": 1}


def test_a_kind_that_is_no_longer_installed(peers: World) -> None:
    listed(peers, "a")

    assert peers.round(page(), NOT_FOUND) != ""
    assert peers.news() is None
    assert peers.round(NOT_FOUND, NOT_FOUND, []) == ""
    assert peers.news() == {"shop/a": None}


def test_of_a_group_that_is_there_one_kind_may_be_missing(peers: World) -> None:
    peers.wire.serves |= {GROUPS: groups("metallb.io/v1beta2"), PEERS_OF: kinds("bfdprofiles")}
    listed(peers, "a")

    peers.round(page(), NOT_FOUND)
    assert peers.round(NOT_FOUND, NOT_FOUND, []) == ""
    assert peers.news() == {"shop/a": None}


@pytest.mark.parametrize(
    "serves",
    [
        {},
        {GROUPS: Answer(404, b"default backend - 404")},
        {GROUPS: Answer(200, b"<html>")},
        {GROUPS: Answer(200, b'{"groups": []}')},
        {GROUPS: FORBIDDEN},
        {GROUPS: CUT},
        {GROUPS: groups("metallb.io/v1beta2"), PEERS_OF: kinds("bgppeers")},
        {GROUPS: groups("metallb.io/v1beta2"), PEERS_OF: NOT_FOUND},
        {GROUPS: groups("metallb.io/v1beta2"), PEERS_OF: Answer(503)},
    ],
    ids=range(9),
)
def test_a_404_alone_takes_no_kind_away(peers: World, serves: dict[str, Answer]) -> None:
    """A proxy without a backend says that too, of everything."""
    listed(peers, "a")
    peers.wire.serves = serves
    peers.round(page(), NOT_FOUND)

    assert peers.round(NOT_FOUND, NOT_FOUND, []) != ""
    assert peers.news() is None
    assert peers.inbox.holds(PEERS)
    fresh = World(PEERS)
    fresh.wire.serves = serves
    assert fresh.round(NOT_FOUND, NOT_FOUND, []) != ""
    assert not fresh.inbox.complete


def test_what_every_api_server_has_is_never_missing(world: World) -> None:
    world.wire.serves[GROUPS] = groups()
    listed(world, "a")
    world.round(page(), [GONE])

    assert world.round(NOT_FOUND, NOT_FOUND, []) == "services cannot be read: 404 Not Found"
    assert world.news() is None
    assert world.inbox.holds(FEED)


@pytest.mark.parametrize("feed", [FEED, PEERS], ids=str)
def test_a_404_after_the_first_page_is_no_end(world: World, feed: AnyFeed) -> None:
    world = World(feed)
    world.wire.serves[GROUPS] = groups()
    listed(world, "a", "b")
    world.round(page(), [GONE])

    assert world.round(page(thing("a"), more="x"), NOT_FOUND, []) != ""
    assert world.news() is None
    assert world.watcher.version == ""


# Objects


def test_what_is_not_for_us(world: World) -> None:
    world.round(page(thing("a", None), thing("b")), [])
    assert world.news() == {"shop/b": 1}

    world.round(page(), [event("MODIFIED", "a", None), event("MODIFIED", "b", None)])
    assert world.news() == {"shop/b": None}
    world.round(page(), [event("MODIFIED", "b", None), event("DELETED", "b", None)])
    assert world.news() is None


def test_an_object_that_cannot_be_read_is_told_and_holds_up_nothing(world: World) -> None:
    world.round(page(thing("hostile"), thing("b"), thing("c", [])), [])

    batch = world.inbox.take(0)
    assert batch is not None
    assert batch.of(FEED) == {"shop/b": 1}
    assert batch.refused[FEED] == {
        "shop/hostile": "its size is a lie",
        "shop/c": "it cannot be read (TypeError)",
    }
    assert batch.complete


def test_an_object_that_can_no_longer_be_read_stays_as_it_was(world: World) -> None:
    listed(world, "a")

    world.round(page(), [event("MODIFIED", "a", 2), event("MODIFIED", "a", "hunter2")])

    batch = world.inbox.take(0)
    assert batch is not None
    assert batch.of(FEED) == {"shop/a": 2}
    assert batch.refused[FEED] == {"shop/a": "it cannot be read (ValueError)"}
    world.round(page(), [GONE])
    world.round(page(thing("a", "hunter2")), [])
    assert world.news() is None  # nothing new, and nothing gone

    world.round(page(), [event("MODIFIED", "a", 3)])
    assert world.news() == {"shop/a": 3}
    assert world.inbox.conditions()[FEED].refused == {}


def test_a_depth_that_exhausts_is_an_object_that_cannot_be_read(world: World) -> None:
    def deep(_: object) -> int:
        raise RecursionError

    world = World(Feed(SERVICES, deep))
    world.round(page(thing("a")), [])

    batch = world.inbox.take(0)
    assert batch is not None
    assert batch.refused[world.feed] == {"shop/a": "it is nested too deeply"}


def test_one_that_is_deleted_is_no_longer_told(world: World) -> None:
    world.round(page(thing("hostile")), [])
    world.round(page(), [event("DELETED", "hostile")])

    assert world.inbox.conditions()[FEED].refused == {}


# How it is doing


def test_what_is_told_of_a_watch(world: World) -> None:
    world.round(FORBIDDEN, [])
    world.inbox.failed(FEED, "services cannot be read: 403 no")
    assert world.inbox.conditions()[FEED].problem == "services cannot be read: 403 no"
    world.round(page(thing("a")), [event("ADDED", "b"), bookmark("9")])
    world.clock.now += 61

    condition = world.inbox.conditions()[FEED]

    assert (condition.lists, condition.events, condition.restarts) == (1, 2, 1)
    assert (condition.objects, condition.problem, condition.complete) == (2, "", True)
    assert condition.stale_s == world.inbox.stale_s == 61


def test_a_watch_that_ends_at_once_is_trouble(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else we would ask as fast as we can."""
    monkeypatch.setattr(watch_loop, "SHORT_S", 60)

    assert world.round(page(thing("a")), []) == AT_ONCE


def test_pauses_double_up_to_half_a_minute() -> None:
    backoff = Backoff()
    pauses = [backoff.pause_s() for _ in range(12)]

    for number, pause in enumerate(pauses):
        most = min(FIRST_S * 2**number, LONGEST_S)
        assert most / 2 <= pause <= most
    backoff.reset()
    assert backoff.pause_s() <= FIRST_S
    assert len({Backoff().pause_s() for _ in range(20)}) > 1


def test_good_events_end_the_long_pauses(world: World) -> None:
    listed(world, "a")
    world.watcher.backoff.next_s = LONGEST_S
    world.round(page(), CUT)
    assert world.watcher.backoff.next_s == LONGEST_S

    world.round(page(), [event("ADDED", "b")])
    assert world.watcher.backoff.next_s == FIRST_S


def test_a_quiet_watch_that_lasted_ends_them_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(world, "a")
    world.watcher.backoff.next_s = LONGEST_S
    monkeypatch.setattr(watch_loop, "STEADY_S", -1)

    world.round(page(), CUT)

    assert world.watcher.backoff.next_s == FIRST_S
