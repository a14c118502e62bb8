"""Without beats: members are who holds a Lease, and who may take is who writes its own."""

from itertools import count

from ferrule.announce.members import Members
from ferrule.announce.peers import Timing

NAMES = ("node-1", "node-2", "node-3")


def member() -> Members:
    one = Members("node-1", count(1), Timing(), 0.0, beating=False)
    one.equip(0.0, able=True)
    one.tick(0.0)
    return one


def test_nothing_is_taken_before_it_is_known_who_is_there() -> None:
    one = member()
    one.tick(60.0)
    assert one.state.name == "STARTING"
    one.roster(NAMES, 60.0, fresh=True)
    one.tick(60.2)  # the others are told that we have begun, and let go
    assert not one.view(60.2).may_take
    one.tick(60.4)
    assert one.state.name == "READY"
    assert one.view(60.4).ready == set(NAMES)
    assert one.view(60.4).may_take


def test_who_has_a_lease_and_has_not_begun_owns_what_nobody_else_can() -> None:
    one = member()
    for now in (0.0, 60.0):
        one.roster(NAMES, now, fresh=True, idle={"node-3"})
        one.tick(now + 1)
        view = one.view(now + 1)
        assert view.ready == {"node-1", "node-2"}
        assert view.rest == {"node-3"}
    one.roster(NAMES, 62.0, fresh=True)
    assert one.tick(62.0)
    assert one.view(62.0).ready == set(NAMES)


def test_nobody_is_missed_for_its_silence_and_nothing_is_sent() -> None:
    one = member()
    one.roster(NAMES, 0.0, fresh=True)
    for step in range(100):
        one.tick(step / 10)
        assert one.beats(step / 10, bytes(8), ()) == []
        assert one.next_at(step / 10) > step / 10
    assert one.view(10.0).ready == set(NAMES)
    assert one.news == []


def test_without_a_lease_of_one_s_own_nothing_is_taken_and_nobody_is_gone() -> None:
    one = member()
    one.roster(NAMES, 0.0, fresh=True)
    one.roster((), 1.0, fresh=False)
    one.tick(1.0)
    view = one.view(1.0)
    assert view.ready == set(NAMES)
    assert not view.may_take
    one.roster(NAMES[:2], 2.0, fresh=True)
    one.tick(2.0)
    assert one.view(2.0).ready == set(NAMES[:2])


def test_after_a_pause_it_goes_on_by_what_it_was_told_last() -> None:
    """Its agent says nothing anew where nothing is."""
    one = member()
    one.roster(NAMES, 0.0, fresh=True)
    one.tick(0.1)
    one.tick(20.0)
    assert [said.what for said in one.news] == ["paused"]
    assert one.state.name == "READY"
    assert one.view(20.0).may_take
