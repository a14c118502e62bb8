"""The vty sockets of real daemons: answers, codes, the end of a daemon, and what sessions count."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.flavour import Flavour, wait_for
from daemon.lab import Device, Lab
from daemon.rig import bfd
from ferrule.apply import vty
from ferrule.apply.target import Trouble
from ferrule.apply.vty import Vty
from ferrule.apply.vty_state import BfdCounters, sessions

NEAR, FAR = "198.51.100.1", "198.51.100.2"
CONFIG = """\
router bgp {asn}
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor {far} remote-as external
 neighbor {far} timers connect 1
 neighbor {far} bfd
exit
"""

pytestmark = pytest.mark.daemon


@pytest.fixture(scope="module")
def near(flavours: dict[str, Flavour], flavour: str) -> Iterator[Device]:
    with Lab(flavours) as lab:
        near = lab.device(
            "near", flavour, {"rack": [f"{NEAR}/24"]}, CONFIG.format(asn=64512, far=FAR)
        )
        lab.device("far", flavour, {"rack": [f"{FAR}/24"]}, CONFIG.format(asn=64513, far=NEAR))
        near.wait_established(FAR)
        yield near


@pytest.fixture
def sockets(near: Device) -> Path:
    return near.frr.flavour.directories(near.frr.name)[1]


@pytest.fixture
def bgpd(sockets: Path) -> Iterator[Vty]:
    one = Vty("node-1", "bgpd", sockets)
    yield one
    one.close()


def test_a_question_and_its_answer(bgpd: Vty, near: Device) -> None:
    assert f"frr version {near.frr.flavour.version}\n" in bgpd.ask("show running-config")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("show nothing", "Unknown command"),
        ("show bgp ipv4 unicast 192.0.2.300/32", "Unknown command"),
        ("show \x1b[31m\ttext", "Unknown command"),
    ],
)
def test_a_question_that_is_refused(bgpd: Vty, command: str, said: str) -> None:
    with pytest.raises(Trouble, match=said) as caught:
        bgpd.ask(command)
    assert caught.value.code == "command-failed"
    assert caught.value.message.isprintable()


def test_each_command_has_its_answer_whatever_became_of_others(bgpd: Vty) -> None:
    wanted = [f"network 10.{n >> 8}.{n & 255}.0/24" for n in range(2_000)]
    lines = [*wanted[:500], "network 10.0.0.999/24", *wanted[500:], "no network 192.0.2.0/24"]
    opening = ["configure terminal", "router bgp 64512", "address-family ipv4 unicast"]
    said = bgpd.send([*opening, *lines, "end"])
    assert [one.command for one in said if one.refused] == [lines[500], lines[-1]]
    assert all(one.text for one in said if one.refused)
    assert bgpd.ask("show running-config").count("\n  network ") == len(wanted)
    said = bgpd.send([*opening, *(f"no {one}" for one in wanted), "end"])
    assert not any(one.refused for one in said)


def test_a_daemon_that_is_not_there(sockets: Path) -> None:
    with pytest.raises(Trouble, match="ospfd is not running") as caught:
        Vty("node-1", "ospfd", sockets)
    assert caught.value.code == "frr-not-running"


def test_a_daemon_that_hangs(
    bgpd: Vty, near: Device, monkeypatch: pytest.MonkeyPatch, sockets: Path
) -> None:
    monkeypatch.setattr(vty, "ANSWER_S", 0.5)
    os.kill(near.frr.pid("zebra"), signal.SIGSTOP)
    try:
        start = time.monotonic()
        with pytest.raises(Trouble, match="zebra does not answer") as caught:
            Vty("node-1", "zebra", sockets)
    finally:
        os.kill(near.frr.pid("zebra"), signal.SIGCONT)
    assert caught.value.code == "command-timeout"
    assert time.monotonic() - start < 10
    assert not bgpd.ended


def test_sessions_with_bfd(bgpd: Vty, near: Device, sockets: Path) -> None:
    wait_for(lambda: bfd(near) == {FAR: "up"}, 30, "BFD is up")
    bfdd = Vty("node-1", "bfdd", sockets)
    (first,) = sessions("node-1", bgpd, bfdd)
    assert (first.state.neighbor, first.state.bfd) == (FAR, "up")
    assert first.bfd is not None
    assert first.bfd.session_up_events >= 1

    def counted() -> BfdCounters:
        (one,) = sessions("node-1", bgpd, bfdd)
        assert one.bfd is not None
        return one.bfd

    packets = first.bfd.control_packet_input, first.bfd.control_packet_output
    wait_for(
        lambda: all(
            new > old
            for old, new in zip(
                packets,
                (counted().control_packet_input, counted().control_packet_output),
                strict=True,
            )
        ),
        10,
        "both ways are counted",
    )
    bfdd.close()


def test_the_end_of_a_daemon_is_seen(bgpd: Vty, near: Device) -> None:
    assert not bgpd.ended
    near.frr.stop("bgpd", hard=True)
    wait_for(lambda: bgpd.ended, 5, "the end of bgpd")
    with pytest.raises(Trouble, match="bgpd has ended the connection") as caught:
        bgpd.ask("show version")
    assert caught.value.code == "frr-not-running"
    near.frr.start("bgpd")
