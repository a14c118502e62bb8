"""Leases come, are renewed and run out; an API server that is away makes nobody disappear."""

import json
from typing import Any

import pytest

from ferrule.reconcile.roll import INTERFACES, Member, Roll, lease_of, member

PEERS = ("node-2", "node-3")


def lease(node: str, version: int = 1, lasts_s: int = 8) -> Member:
    return Member(node, lasts_s, str(version), None)


def roll(now: float = 0.0) -> Roll:
    made = Roll("node-1")
    made.hear({f"ns/{name}": lease(name) for name in ("node-1", *PEERS)}, now)
    made.wrote(now)
    return made


def test_a_lease_that_is_not_renewed_runs_out_by_our_clock() -> None:
    one = roll()
    for now in (2.0, 4.0, 6.0, 8.0):
        one.wrote(now)
        one.hear({"ns/node-2": lease("node-2", int(now))}, now)
        assert set(one.present(now)) == {*PEERS}
    one.wrote(9.0)
    assert set(one.present(9.0)) == {"node-2"}


def test_nobody_is_gone_while_our_own_is_not_written() -> None:
    one = roll()
    for now in (3.9, 9.0, 1000.0):
        assert set(one.present(now)) == {*PEERS}
    assert not one.fresh(1000.0)

    # Back again: the others have as long as a Lease lasts to renew theirs.
    one.wrote(1001.0)
    assert set(one.present(1001.0)) == {*PEERS}
    for now in (1003.0, 1005.0, 1007.0, 1009.5):
        one.wrote(now)
    assert set(one.present(1009.5)) == set()


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


def raw(**spec: object) -> dict[str, Any]:
    notes = {INTERFACES: json.dumps(["eth0"])}
    meta = {"name": "x", "resourceVersion": "7", "annotations": notes}
    return {"metadata": meta, "spec": spec}


def test_what_is_kept_of_a_lease() -> None:
    said = member(raw(holderIdentity="node-2", leaseDurationSeconds=8))
    assert said == Member("node-2", 8, "7", frozenset({"eth0"}))
    assert member(raw(leaseDurationSeconds=8)) is None


@pytest.mark.parametrize(
    "node",
    [pytest.param("n" * 253, id="the-longest"), pytest.param("a.b" + ".c" * 125, id="with-dots")],
)
def test_the_name_of_a_lease_is_one(node: str) -> None:
    assert len(lease_of(node)) <= 253
    assert lease_of(node)[-1].isalnum()
