"""The names of MetalLB's metrics, one by one (its 0.16.2 in FRR mode), and what ours count."""

from __future__ import annotations

from ferrule.apply.vty_state import BfdCounters, Messages, Session
from ferrule.compiler.bgpstate import SessionState
from ferrule.reconcile import metrics
from ferrule.reconcile.reports import Fill

BGP = """
session_up announced_prefixes_total received_prefixes_total opens_sent opens_received
notifications_sent updates_total updates_total_received keepalives_sent keepalives_received
route_refresh_sent total_sent total_received
"""
BFD = """
session_up control_packet_input control_packet_output echo_packet_input echo_packet_output
session_up_events session_down_events zebra_notifications
"""
POOLS = "addresses_total addresses_in_use_total"


def session(neighbor: str, state: str, bfd: str | None = None, **counts: int) -> Session:
    said = SessionState("", neighbor, state, bfd=bfd, sent={"ipv4": 3, "ipv6": 2}, **counts)  # type: ignore[arg-type]
    with_bfd = None if bfd is None else BfdCounters(control_packet_input=7)
    return Session(said, Messages(opens_sent=1, updates_sent=4), 179, with_bfd)


def values(sessions: list[Session]) -> dict[str, dict[str, float]]:
    """By metric, each value by its labels."""
    return {
        one.name: {",".join(sample.labels.values()): sample.value for sample in one.samples}
        for one in metrics.of_sessions(sessions)
    }


def test_sessions_have_metallbs_names() -> None:
    found = values([session("10.1.0.1", "Established", "up")])
    expected = {f"metallb_bgp_{one}" for one in BGP.split()}
    expected |= {f"metallb_bfd_{one}" for one in BFD.split()}
    assert {one for one in found if one.startswith("metallb_")} == expected


def test_pools_have_metallbs_names() -> None:
    full = {"public": {"ipv4": Fill(4, 1), "ipv6": Fill(8, 2)}}
    found = {one.name: one.samples[0].value for one in metrics.of_pools(full)}  # type: ignore[arg-type]
    assert found == {
        f"metallb_allocator_{family}{name}": value
        for family, counts in (("", (12, 3)), ("ipv4_", (4, 1)), ("ipv6_", (8, 2)))
        for name, value in zip(POOLS.split(), counts, strict=True)
    }


def test_sessions_are_counted_by_state() -> None:
    states = ("Established", "Active", "Established")
    found = values([session(f"10.1.0.{n}", one) for n, one in enumerate(states)])
    assert found["ferrule_bgp_sessions"] == {"Established": 2, "Active": 1}
    assert found["metallb_bgp_session_up"]["10.1.0.1:179,default"] == 0
    assert found["metallb_bgp_announced_prefixes_total"]["10.1.0.0:179,default"] == 5
    assert found["metallb_bgp_updates_total"]["10.1.0.0:179,default"] == 4
    assert found["metallb_bfd_session_up"] == {}
