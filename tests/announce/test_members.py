"""Who counts as what: members that were never heard, those far off, and those watched only now."""

import pytest

from announce.cluster import Cluster, entries
from ferrule.announce.heartbeat import State
from ferrule.announce.rounds import FEW

FOUR = ("node-1", "node-2", "node-3", "node-4")
THREE = FOUR[:3]


def ready(names: tuple[str, ...], *, of: tuple[str, ...] | None = None) -> Cluster:
    """Some of the nodes run, and each address is answered for by the first of them."""
    cluster = Cluster(of or names, entries(of or names, 24))
    cluster.start(*names)
    cluster.run(12)
    settled(cluster, names)
    cluster.unanswered.clear()
    for node in cluster.nodes.values():
        node.takes.clear()
        node.news.clear()
    return cluster


def settled(cluster: Cluster, names: tuple[str, ...]) -> None:
    for entry in cluster.entries:
        assert cluster.answering(entry.address) == [cluster.expected(entry.address, names)]


def owned(cluster: Cluster, name: str) -> int:
    return len(cluster.nodes[name].holdings.mine)


@pytest.mark.parametrize("begins_after_s", [0.5, 5, 9])
def test_nothing_is_lost_while_a_member_has_a_lease_and_does_not_answer_yet(
    begins_after_s: float,
) -> None:
    cluster = ready(THREE, of=FOUR)
    cluster.agents = {"node-4"}
    cluster.run(begins_after_s)
    assert cluster.unanswered == {}
    cluster.start("node-4")
    cluster.run(12)
    assert cluster.unanswered == {}
    settled(cluster, FOUR)
    assert owned(cluster, "node-4")


def test_nothing_is_lost_however_long_a_member_is_known_not_to_have_begun() -> None:
    cluster = ready(THREE, of=FOUR)
    cluster.agents = cluster.idle = {"node-4"}
    cluster.run(60)
    cluster.start("node-4")
    cluster.run(1)
    cluster.idle = set()
    cluster.run(12)
    assert cluster.unanswered == {}
    settled(cluster, FOUR)
    assert owned(cluster, "node-4")


def test_a_lease_of_the_dead_hides_nothing_from_those_that_begin() -> None:
    cluster = Cluster(FOUR, entries(FOUR, 24))
    cluster.agents = {"node-4"}
    cluster.leases["node-4"] = 0.0
    cluster.start(*THREE)
    cluster.run(0.6)
    settled(cluster, THREE)


def test_who_is_never_heard_and_not_idle_counts_by_its_lease_in_the_end() -> None:
    """Beats do not reach us, or its address is not known."""
    cluster = ready(THREE, of=FOUR)
    cluster.agents = {"node-4"}
    cluster.run(9.5)
    settled(cluster, THREE)
    cluster.run(1)
    for name in THREE:
        members = cluster.nodes[name].members
        assert members is not None
        assert members.view(cluster.now).ready == set(FOUR)


MANY = tuple(f"node-{number}" for number in range(20))


def test_a_change_that_is_not_heard_of_far_off_is_told_again() -> None:
    cluster = ready(MANY)
    late = next(name for name in MANY if owned(cluster, name))
    cluster.kill(late)
    cluster.run(9)
    cluster.start(late)
    cluster.run(5)
    watched = cluster.nodes[late].members
    assert watched is not None
    far = set(MANY) - {late} - watched._rounds.watched  # noqa: SLF001  # who is far
    cluster.one_way = {(late, other) for other in far}
    cluster.run(6)
    assert watched.state is State.READY
    assert any(len(cluster.answering(entry.address)) > 1 for entry in cluster.entries)
    cluster.one_way = set()
    cluster.run(10.5)
    settled(cluster, MANY)


def test_far_off_silence_is_no_news() -> None:
    cluster = ready(MANY)
    cluster.run(25)
    assert not any(node.takes or node.news for node in cluster.nodes.values())
    assert not any(times for node in cluster.nodes.values() for times in node.bursts.values())


@pytest.mark.parametrize("size", [FEW + 1, FEW + 4])
def test_nobody_is_missed_where_who_watches_whom_changes(size: int) -> None:
    """Up to so many nodes all watch all; each reads at another moment that they are more."""
    names = MANY[:size]
    rest, others = names[:FEW], names[FEW:]
    cluster = ready(rest, of=names)
    for number, node in enumerate(cluster.nodes.values()):
        node.reads_late_s = number * 0.07
    cluster.start(*others)
    cluster.run(20)
    settled(cluster, names)
    assert not missed(cluster)
    for name in others:
        cluster.leave(name)
    cluster.run(20)
    settled(cluster, rest)
    assert missed(cluster) <= set(others)


def missed(cluster: Cluster) -> set[str]:
    news = (one for node in cluster.nodes.values() for one in node.news)
    return {one.name for one in news if one.what in ("suspected", "down", "accused")}


@pytest.mark.parametrize("seed", range(2))
def test_in_a_large_cluster_a_partition_heals(seed: int) -> None:
    cluster = ready(MANY)
    cluster.random.seed(seed)
    part = set(cluster.random.sample(MANY, 10))
    cluster.part(part, set(MANY) - part)
    cluster.run(3)
    cluster.part()
    cluster.run(1)
    settled(cluster, MANY)
