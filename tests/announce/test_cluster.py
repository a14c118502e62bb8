"""How the cluster behaves as a whole: who owns what, when, and for how long nobody does."""

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from announce.cluster import Cluster, entries, entries_of

THREE = ("node-1", "node-2", "node-3")
FIVE = (*THREE, "node-4", "node-5")
TICKS = 0.05  # steps of the simulation, and the delay of its network


def steady(names: tuple[str, ...] = THREE, count: int = 12) -> Cluster:
    """All nodes ready, every address where it belongs."""
    cluster = Cluster(names, entries(names, count))
    cluster.start(*names)
    cluster.run(12)
    settled(cluster, names)
    cluster.unanswered.clear()
    for node in cluster.nodes.values():
        node.takes.clear()
    return cluster


def settled(cluster: Cluster, alive: tuple[str, ...]) -> None:
    """Each address has one owner, the first of MetalLB's order, and clients know it."""
    for entry in cluster.entries:
        winner = cluster.expected(entry.address, alive)
        assert cluster.answering(entry.address) == [winner]
        assert cluster.announced[entry.address] == winner


def owned(cluster: Cluster, name: str) -> set[object]:
    return set(cluster.nodes[name].holdings.mine)


@pytest.mark.parametrize("names", [("node-1",), THREE[:2], THREE, FIVE])
def test_all_at_once_own_within_half_a_second(names: tuple[str, ...]) -> None:
    cluster = Cluster(names, entries(names))
    cluster.start(*names)
    cluster.run(0.6)
    assert all(cluster.answering(entry.address) for entry in cluster.entries)
    cluster.run(11)
    settled(cluster, names)


@pytest.mark.parametrize("names", [THREE[:2], THREE, FIVE])
@pytest.mark.parametrize("how", ["kill", "pause", "carrier", "black hole"])
def test_who_dies_is_followed_within_400_ms(names: tuple[str, ...], how: str) -> None:
    cluster = steady(names)
    mine = owned(cluster, "node-1")
    if how == "kill":
        cluster.kill("node-1")
    elif how == "pause":
        cluster.nodes["node-1"].paused = True
    elif how == "carrier":
        cluster.nodes["node-1"].carrier = False
    else:
        cluster.part({"node-1"}, set(names[1:]))
    cluster.run(0.4)
    rest = names[1:]
    for entry in cluster.entries:
        winner = cluster.expected(entry.address, rest)
        assert winner in cluster.answering(entry.address)
        if how != "black hole":  # the other part of the network hears another
            assert cluster.announced[entry.address] == winner
    took = {address for name in rest for _, address in cluster.nodes[name].takes}
    assert took == mine


def test_the_lease_that_ends_later_moves_nothing_again() -> None:
    cluster = steady()
    cluster.kill("node-1")
    cluster.run(1)
    before = {name: len(node.takes) for name, node in cluster.nodes.items()}
    cluster.run(15)
    assert {name: len(node.takes) for name, node in cluster.nodes.items()} == before
    settled(cluster, THREE[1:])


def test_who_leaves_is_answered_for_all_the_time() -> None:
    cluster = steady()
    cluster.leave("node-1")
    cluster.run(0.1)
    settled(cluster, THREE[1:])
    cluster.run(5)
    assert cluster.unanswered == {}
    assert cluster.nodes["node-1"].members is None


def test_who_comes_back_waits_ten_seconds_and_nobody_notices() -> None:
    cluster = steady()
    cluster.kill("node-1")
    cluster.run(2)
    cluster.start("node-1")
    cluster.run(1)
    cluster.unanswered.clear()
    cluster.run(8.5)
    assert not owned(cluster, "node-1")
    cluster.run(1.5)
    settled(cluster, THREE)
    assert cluster.unanswered == {}


def test_a_link_that_flaps_moves_its_addresses_once() -> None:
    cluster = steady()
    for _ in range(5):
        cluster.nodes["node-1"].carrier = False
        cluster.run(0.6)
        cluster.nodes["node-1"].carrier = True
        cluster.run(2)
    assert all(not node.takes for name, node in cluster.nodes.items() if name == "node-1")
    cluster.run(10)
    settled(cluster, THREE)


def test_a_pause_of_everybody_is_no_reason_to_move() -> None:
    cluster = steady()
    for node in cluster.nodes.values():
        node.paused = True
    cluster.run(1)
    for node in cluster.nodes.values():
        node.paused = False
    cluster.run(1)
    settled(cluster, THREE)


@pytest.mark.parametrize(
    "parts", [({"node-1"}, set(FIVE[1:])), (set(FIVE[:2]), set(FIVE[2:]))], ids=["1|4", "2|3"]
)
def test_two_owners_are_one_within_200_ms_of_the_healing(parts: tuple[set[str], ...]) -> None:
    cluster = steady(FIVE)
    cluster.part(*parts)
    cluster.run(3)
    for part in parts:
        for entry in cluster.entries:
            here = set(cluster.answering(entry.address)) & part
            assert len(here) == 1 or len(part) == 1
    cluster.unanswered.clear()
    cluster.part()
    cluster.run(0.2 + TICKS)
    settled(cluster, FIVE)
    assert cluster.unanswered == {}


def test_who_hears_nobody_keeps_what_it_has_and_takes_nothing() -> None:
    cluster = steady(FIVE)
    mine = owned(cluster, "node-1")
    cluster.api = False
    cluster.part(*({name} for name in FIVE))
    cluster.run(9)
    assert owned(cluster, "node-1") == mine
    assert all(not node.takes for node in cluster.nodes.values())


def test_a_single_broken_path_moves_nothing() -> None:
    cluster = steady(FIVE, 60)
    without = [name for name in FIVE if name != "node-1"]
    heirs = {
        cluster.expected(address, without) for address in cluster.nodes["node-1"].holdings.mine
    }
    assert "node-2" in heirs
    cluster.one_way = {("node-1", "node-2"), ("node-2", "node-1")}
    cluster.run(20)
    assert all(not node.takes for node in cluster.nodes.values())
    settled(cluster, FIVE)


def test_without_an_api_server_nothing_moves_and_the_dead_are_followed() -> None:
    cluster = steady()
    cluster.api = False
    cluster.run(30)
    assert cluster.unanswered == {}
    assert all(not node.takes for node in cluster.nodes.values())
    cluster.kill("node-1")
    cluster.run(0.4)
    assert all(cluster.answering(entry.address) for entry in cluster.entries)
    cluster.run(30)
    settled(cluster, THREE[1:])


def test_the_last_of_three_is_followed_by_its_lease() -> None:
    """Two die at once: one that hears nobody may be the one that is cut off."""
    cluster = steady()
    cluster.kill("node-1")
    cluster.kill("node-2")
    cluster.run(7)
    assert not cluster.nodes["node-3"].takes
    cluster.run(2)
    settled(cluster, ("node-3",))


def test_preferences_count() -> None:
    cluster = Cluster(THREE, entries_of({"node-1": 0, "node-2": 5, "node-3": 0}, 12))
    cluster.start(*THREE)
    cluster.run(12)
    assert len(owned(cluster, "node-2")) == 12
    cluster.kill("node-2")
    cluster.run(0.4)
    assert owned(cluster, "node-1") | owned(cluster, "node-3") == {
        entry.address for entry in cluster.entries
    }


def test_who_alone_may_announce_does_so_while_it_settles() -> None:
    """A Local Service with one endpoint: nobody else can."""
    cluster = Cluster(THREE, [*entries_of({"node-1": 0}, 3)])
    cluster.start(*THREE)
    cluster.run(12)
    cluster.kill("node-1")
    cluster.run(2)
    cluster.start("node-1")
    cluster.run(1)
    assert len(owned(cluster, "node-1")) == 3


@pytest.mark.parametrize("size", [20])
def test_in_a_large_cluster_all_hear_of_the_dead(size: int) -> None:
    names = tuple(f"node-{number}" for number in range(size))
    cluster = Cluster(names, entries(names, 40))
    cluster.start(*names)
    cluster.run(12)
    settled(cluster, names)
    dead = next(name for name in names if owned(cluster, name))
    cluster.kill(dead)
    cluster.run(0.5)
    alive = tuple(name for name in names if name != dead)
    for entry in cluster.entries:
        assert cluster.answering(entry.address) == [cluster.expected(entry.address, alive)]
    cluster.run(4)
    settled(cluster, alive)


def test_beats_that_get_lost_now_and_then_move_nothing() -> None:
    cluster = steady(FIVE)
    cluster.loss = 0.05
    cluster.run(20)
    cluster.loss = 0
    cluster.run(11)
    settled(cluster, FIVE)


FEWER = settings.default.max_examples // 5 if settings.default else 10

events = st.lists(
    st.tuples(
        st.floats(0.05, 4),
        st.one_of(
            st.tuples(
                st.sampled_from(
                    ["kill", "start", "leave", "pause", "resume", "down", "up", "agent", "late"]
                ),
                st.sampled_from(FIVE),
            ),
            st.tuples(st.just("part"), st.sets(st.sampled_from(FIVE), min_size=1, max_size=4)),
            st.tuples(st.sampled_from(["heal", "api gone", "api back", "loss", "no loss"])),
        ),
    ),
    max_size=12,
)


def happen(cluster: Cluster, event: tuple[object, ...], seconds: float) -> None:
    match event:
        case ("kill", str(name)):
            cluster.kill(name)
        case ("start", str(name)) if cluster.nodes[name].members is None:
            cluster.start(name)
        case ("leave", str(name)):
            cluster.leave(name)
        case ("pause" | "resume" as what, str(name)):
            cluster.nodes[name].paused = what == "pause"
        case ("down" | "up" as what, str(name)):
            cluster.nodes[name].carrier = what == "up"
        case ("agent", str(name)):  # begins or ends, without an announcer
            cluster.agents ^= {name}
        case ("late", str(name)):
            cluster.nodes[name].reads_late_s = seconds
        case ("part", set(part)):
            cluster.part(part, set(FIVE) - part)
        case ("heal",):
            cluster.part()
        case ("api gone" | "api back" as what,):
            cluster.api = what == "api back"
        case ("loss" | "no loss" as what,):
            cluster.loss = 0.3 if what == "loss" else 0.0
        case _:
            pass  # a start of what runs


@settings(max_examples=FEWER, phases=set(Phase) - {Phase.shrink})
@given(events, st.integers(0, 1000))
def test_whatever_happened_it_ends_with_one_owner_each(
    story: list[tuple[float, tuple[object, ...]]], seed: int
) -> None:
    cluster = Cluster(FIVE, entries(FIVE, 6), seed)
    cluster.start(*FIVE)
    cluster.run(2)
    for seconds, event in story:
        happen(cluster, event, seconds)
        cluster.run(round(seconds, 2))
    cluster.part()
    cluster.api, cluster.loss, cluster.agents = True, 0.0, set()
    for node in cluster.nodes.values():
        node.paused, node.carrier, node.reads_late_s = False, True, 0.0
    cluster.run(25)
    alive = tuple(name for name, node in cluster.nodes.items() if node.members is not None)
    if alive:
        settled(cluster, alive)


@pytest.mark.parametrize("seed", range(20))
def test_who_begins_together_settles_together(seed: int) -> None:
    """Whoever is through with listening some milliseconds before others is before nobody."""
    cluster = Cluster(FIVE, entries(FIVE), seed)
    cluster.leases = dict.fromkeys(FIVE, 0.0)
    for name in FIVE:
        cluster.start(name)
        cluster.run(0.01 * cluster.random.randrange(6))
    cluster.run(1)
    settled(cluster, FIVE)


def test_a_node_that_begins_where_others_are_ready_comes_later() -> None:
    cluster = steady()
    cluster.kill("node-1")
    cluster.run(3)
    cluster.start("node-1")
    cluster.run(9)
    assert not owned(cluster, "node-1")
