"""What a switch takes at most: raised before nodes announce, never lowered below what they send."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plan.worlds import found, running
from short import compiled

from ferrule.compiler.bgpstate import BgpState, SessionState
from ferrule.compiler.network import Network
from ferrule.compiler.observed import Key, Observed
from ferrule.compiler.plan import Plan
from ferrule.compiler.planning import make_plan

SPEC = """
Cluster prod: {}
Switch tor-a: {addresses: [198.51.100.1/24]}
IPAddressPool public: {}
BGPAdvertisement all: {}
BGPPeer tor: {peerAddress: 198.51.100.1}
Node n1: {ips: [198.51.100.11]}
"""
LIMIT = "max_prefix_limit"
Limits = tuple[str | None, str | None]


def services(count: int) -> str:
    return "".join(f"Service shop/s{n}: {{ip: 192.0.2.{n}}}\n" for n in range(count))


def accepted(seen: dict[Key, Observed], network: Network, count: int) -> None:
    """The switch says how many prefixes it has of each node."""
    sessions = {
        ("", str(end.neighbor)): SessionState(
            "", str(end.neighbor), "Established", accepted={"ipv4": count}
        )
        for one in network.sessions
        if (end := one.switch_end)
    }
    key: Key = ("switch", "tor-a")
    seen[key] = replace(seen[key], state=BgpState(sessions))


def planned(before: int, after: int, sent: int | None = None) -> Plan:
    old, new = compiled(SPEC + services(before)), compiled(SPEC + services(after))
    seen = found(new.network, running(old.network))
    known = {key: one for key, one in seen.items() if isinstance(one, Observed)}
    if sent is not None:
        accepted(known, new.network, sent)
    return make_plan(new, known)


def limits(plan: Plan) -> list[Limits]:
    return [
        (change.old, change.new)
        for device in plan.devices
        for change in device.diff.changes
        if change.path[-1] == LIMIT
    ]


def test_it_rises_before_nodes_announce() -> None:
    plan = planned(5, 60)
    assert limits(plan) == [("64", "128")]
    assert [one.phase for one in plan.rounds] == ["accept", "announce"]


def test_it_is_lowered_after_nodes_have_withdrawn() -> None:
    plan = planned(140, 5)
    assert limits(plan) == [("256", "64")]
    assert [one.phase for one in plan.rounds] == ["withdraw", "settle"]


KEPT = {"what a plan withdraws does not count": 140, "up to the limit": 199}


@pytest.mark.parametrize("sent", KEPT.values(), ids=KEPT.keys())
def test_a_limit_that_leaves_room_is_lowered(sent: int) -> None:
    """140 are known and 135 of them go: 64 may stay."""
    assert limits(planned(140, 5, sent)) == [("256", "64")]


def test_a_neighbor_that_sends_more_keeps_its_limit() -> None:
    plan = planned(140, 5, 200)
    assert limits(plan) == []
    (switch,) = (one for one in plan.devices if one.kind == "switch")
    (note,) = (note for note in switch.notes if LIMIT in note)
    assert note.endswith(
        f" keeps {LIMIT} 256: a neighbor sends 65 prefixes, and 64 would end its session"
    )
