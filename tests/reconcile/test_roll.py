"""Leases come, are renewed and run out; an API server that is away makes nobody disappear."""

import json
from typing import Any

import pytest

from ferrule.observe.watch_feed import RefusedError
from ferrule.reconcile.roll import INTERFACES, Member, Roll, lease_of, member

PEERS = ("node-2", "node-3")


def lease(node: str, version: int = 1, lasts_s: int = 8) -> Member:
    return Member(node, lasts_s, str(version), frozenset(), version / 10)


def roll(now: float = 0.0) -> Roll:
    made = Roll("node-1")
    made.hear({f"ns/{name}": lease(name) for name in ("node-1", *PEERS)}, now)
    made.wrote(now)
    return made


def seen(one: Roll, now: float, *names: str) -> None:
    """These have renewed theirs, and the watch says so."""
    one.hear({f"ns/{name}": lease(name, int(10 * now)) for name in names}, now)


def renew(one: Roll, now: float, *others: str) -> None:
    """We renew ours, and the watch says so of it and of these."""
    one.wrote(now)
    seen(one, now, "node-1", *others)


def test_a_lease_that_is_not_renewed_runs_out_by_our_clock() -> None:
    one = roll()
    for now in (2.0, 4.0, 6.0, 8.0):
        renew(one, now, "node-2")
        assert set(one.present(now)) == {*PEERS}
    renew(one, 9.0)
    assert set(one.present(9.0)) == {"node-2"}


def test_nobody_is_gone_while_our_own_is_not_written() -> None:
    one = roll()
    for now in (3.9, 9.0, 1000.0):
        assert set(one.present(now)) == {*PEERS}
    assert not one.fresh(1000.0)

    # Back again: the others have as long as a Lease lasts to renew theirs.
    renew(one, 1001.0)
    assert set(one.present(1001.0)) == {*PEERS}
    for now in (1003.0, 1005.0, 1007.0, 1009.5):
        renew(one, now)
    assert set(one.present(1009.5)) == set()


def test_nobody_is_gone_while_the_watch_is_silent_and_writes_get_through() -> None:
    one = roll()
    for step in range(1, 33):
        one.wrote(2.0 * step)
        assert set(one.present(2.0 * step)) == {*PEERS}
    assert not one.fresh(64.0)

    # A new list: of the one that died meanwhile it is not known yet.
    seen(one, 65.0, "node-1", "node-2")
    assert one.fresh(65.0)
    for now in (67.0, 69.0, 71.0, 73.0):
        assert set(one.present(now)) == {*PEERS}
        renew(one, now, "node-2")
    assert set(one.present(73.1)) == {"node-2"}


def test_what_is_seen_of_ours_is_no_write() -> None:
    one = roll()
    seen(one, 5.0, "node-1")
    assert not one.fresh(5.0)
    one.wrote(5.1)
    assert one.fresh(5.1)


def gone(*, since_s: int = 8) -> Roll:
    """One in which node-3 is gone for a while."""
    one = roll()
    for now in range(2, since_s + 9, 2):
        renew(one, now, "node-2")
    assert set(one.present(since_s + 8)) == {"node-2"}
    return one


@pytest.mark.parametrize("silent", ["writes", "watch"])
def test_who_was_gone_is_so_while_our_own_is_not_fresh_and_after(silent: str) -> None:
    one = gone(since_s=3600)
    for now in range(3610, 3640, 2):
        if silent == "writes":
            seen(one, now, "node-2")
        else:
            one.wrote(now)
        assert set(one.present(now)) == {"node-2"}
    assert not one.fresh(3640)
    renew(one, 3640)
    assert one.fresh(3640)
    assert set(one.present(3640)) == {"node-2"}


def test_who_was_gone_and_renews_is_there_at_once() -> None:
    one = gone()
    assert not one.fresh(30.0)
    seen(one, 30.0, "node-3")
    assert set(one.present(30.0)) == {*PEERS}
    renew(one, 31.0)
    assert set(one.present(39.0)) == {*PEERS}


def test_a_list_that_names_a_lease_once_more_is_no_sign_of_life() -> None:
    one = gone()
    one.hear({"ns/node-3": lease("node-3")}, 16.0)
    assert set(one.present(16.0)) == {"node-2"}


def test_a_lease_that_is_deleted_or_given_back_is_gone_at_once() -> None:
    one = roll()
    one.hear({"ns/node-2": None}, 1.0)
    assert set(one.present(1.0)) == {"node-3"}


def test_many_members_renew_less_often() -> None:
    one = roll()
    assert (one.pace.renew_s, one.pace.lasts_s) == (2.0, 8)
    one.hear({f"ns/n{number}": lease(f"n{number}") for number in range(200)}, 0.0)
    assert (one.pace.renew_s, one.pace.lasts_s) == (10.0, 40)
    assert one.fresh(20.0)


def raw(name: str = "ferrule-node-node-2", **spec: object) -> dict[str, Any]:
    notes = {INTERFACES: json.dumps(["eth0"])}
    meta = {"name": name, "resourceVersion": "7", "annotations": notes}
    return {"metadata": meta, "spec": spec}


WHEN = "2026-01-02T03:04:05.600000Z"


def test_what_is_kept_of_a_lease() -> None:
    said = member(raw(holderIdentity="node-2", leaseDurationSeconds=8, renewTime=WHEN))
    assert said == Member("node-2", 8, "7", frozenset({"eth0"}), 1767323045.6)
    assert member(raw(leaseDurationSeconds=8)) is None


@pytest.mark.parametrize(
    ("name", "holder"),
    [("ferrule-node-node-3", "node-2"), ("x", "x"), (lease_of("n" * 300), "n" * 300)],
)
def test_a_lease_that_is_not_its_holder_s_own_is_refused(name: str, holder: str) -> None:
    with pytest.raises(RefusedError):
        member(raw(name, holderIdentity=holder, leaseDurationSeconds=8, renewTime=WHEN))


def test_who_has_not_said_where_it_can_announce_has_not_begun() -> None:
    one = roll()
    one.hear({"ns/node-2": Member("node-2", 8, "20", None, 2.0)}, 2.0)
    assert one.idle(2.0) == ["node-2"]
    seen(one, 3.0, "node-2")
    assert one.idle(3.0) == []


def test_a_lease_that_was_old_when_first_seen_is_nobody_s_until_it_changes() -> None:
    one = Roll("node-1")
    times = {"node-1": 36_000, "node-2": 36_001, "node-3": 35_770, "node-4": 35_750}
    one.hear({f"ns/{name}": lease(name, version) for name, version in times.items()}, 0.0)
    assert one.idle(0.0) == ["node-4"]
    renew(one, 3601.0, "node-2", "node-3")
    assert one.idle(3601.0) == ["node-4"]
    one.hear({"ns/node-4": lease("node-4", 35_751)}, 3602.0)  # whatever its clock says
    assert one.idle(3602.0) == []


@pytest.mark.parametrize(
    "node",
    [pytest.param("n" * 253, id="the-longest"), pytest.param("a.b" + ".c" * 125, id="with-dots")],
)
def test_the_name_of_a_lease_is_one(node: str) -> None:
    assert len(lease_of(node)) <= 253
    assert lease_of(node)[-1].isalnum()
