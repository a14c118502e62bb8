"""The responder on a real segment, asked by the kernel, arping and ndisc6.

Every frame of l2 that matters is sent for real too, so that the kernel's part (tags, packet types,
filters) is under test: what comes back is counted, twice is as wrong as never.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface

import pytest

from daemon.flavour import execute
from daemon.l2 import Station, inside, ip, mac_of, neighbor, poke, require_segment, station
from daemon.lab import Lab
from daemon.need import refuse
from ferrule.announce import arp, ndp
from ferrule.announce.limits import Rates
from ferrule.announce.preconditions import Subnets
from ferrule.announce.wire import BROADCAST, Drop, mac_text

VIP, TOO, SIX = "192.0.2.10", "192.0.2.11", "2001:db8::a:b"
NODE, CLIENT = "192.0.2.1", "192.0.2.200"


class Segment:
    """A node that answers and a client that asks."""

    def __init__(self, lab: Lab) -> None:
        self.node, _ = lab.host("node", {"lan": [f"{NODE}/24", "2001:db8::1/64"]})
        self.client, self.ports = lab.host("client", {"lan": [f"{CLIENT}/24", "2001:db8::c8/64"]})
        self.bridges = lab.name
        self.mac, self.asker = mac_of(self.node), mac_of(self.client)


@pytest.fixture
def segment() -> Iterator[Segment]:
    require_segment()
    with Lab({}) as lab:
        yield Segment(lab)


@pytest.fixture
def here(segment: Segment) -> Iterator[Station]:
    with station(segment.node) as one:
        one.serve(lambda: all(link.has_link_local for link in one.responder.usable()))
        one.own(VIP, SIX)
        yield one


class Wire:
    """A client that sends any frame and sees what comes back."""

    def __init__(self, namespace: str, protocol: int) -> None:
        with inside(namespace), ExitStack() as stack:
            self.sock = stack.enter_context(
                socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
            )
            self.sock.bind(("eth0", protocol))
            stack.pop_all()

    def heard(self) -> list[bytes]:
        found = []
        while True:
            try:
                found.append(self.sock.recv(2048))
            except BlockingIOError:
                return found

    def ask(self, station: Station, frame: bytes) -> list[bytes]:
        """All that is heard within a tenth of a second of a frame that is not one's own."""
        self.heard()
        self.sock.send(frame)
        found: list[bytes] = []
        until = time.monotonic() + 0.1

        def over() -> bool:
            found.extend(self.heard())
            return time.monotonic() > until

        station.serve(over)
        return found


@pytest.fixture
def arps(segment: Segment) -> Iterator[Wire]:
    wire = Wire(segment.client, 0x0806)
    yield wire
    wire.sock.close()


def settle(station: Station) -> None:
    """Until the packets of the first 600 ms of a burst are out: those of later are a second off."""
    until = time.monotonic() + 0.6
    station.serve(lambda: time.monotonic() > until)


def question(segment: Segment, target: str = VIP) -> bytes:
    return arp.encode(
        arp.Arp(
            BROADCAST, segment.asker, arp.REQUEST, segment.asker, IPv4Address(CLIENT), bytes(6),
            IPv4Address(target),
        )
    )  # fmt: skip


def resolved(segment: Segment, here: Station, address: str) -> None:
    poke(segment.client, address)
    assert here.serve(lambda: neighbor(segment.client, address) == mac_text(segment.mac), 5)


def test_the_kernel_resolves_both_families(segment: Segment, here: Station) -> None:
    for address in (VIP, SIX):
        resolved(segment, here, address)


def test_arping_gets_one_answer_to_each_question(segment: Segment, here: Station) -> None:
    code, text = here.serve_while(segment.client, "arping", "-c2", "-I", "eth0", VIP)
    assert code == 0, text
    assert "Sent 2 probes" in text
    assert "Received 2 response" in text
    assert mac_text(segment.mac).upper() in text
    code, text = here.serve_while(segment.client, "arping", "-c1", "-w1", "-I", "eth0", TOO)
    assert code == 1, text


def test_arping_finds_the_address_taken(segment: Segment, here: Station) -> None:
    """Duplicate address detection, RFC 5227."""
    code, text = here.serve_while(segment.client, "arping", "-D", "-c1", "-w1", "-I", "eth0", VIP)
    assert code == 1, text
    assert "Received 1 response" in text


def test_ndisc6_is_told(segment: Segment, here: Station) -> None:
    code, text = here.serve_while(segment.client, "ndisc6", "-1", "-q", SIX, "eth0")
    assert (code, text.strip().lower()) == (0, mac_text(segment.mac))


def test_duplicate_address_detection_of_another_node_fails(segment: Segment, here: Station) -> None:
    every = "echo 1 | tee /proc/sys/net/ipv6/conf/*/accept_dad"
    assert here.serve_while(segment.client, "sh", "-c", every)[0] == 0
    ip(segment.client, "address", "add", f"{SIX}/64", "dev", "eth0")
    assert here.serve(lambda: "dadfailed" in ip(segment.client, "address", "show", "eth0"))


def test_a_unicast_probe_is_answered(segment: Segment, here: Station) -> None:
    """Neighbor unreachability detection asks unicast: without an answer the entry fails."""
    resolved(segment, here, SIX)
    ip(segment.client, "neigh", "change", SIX, "dev", "eth0", "nud", "probe")
    assert here.serve(lambda: "REACHABLE" in ip(segment.client, "neigh", "show", SIX), 5)


TAG = 12


@pytest.fixture(scope="module")
def steady() -> Iterator[tuple[Segment, Station, Wire]]:
    """The same, once, with nothing more to announce for a while."""
    require_segment()
    with Lab({}) as lab:
        segment = Segment(lab)
        with station(segment.node) as one:
            one.own(VIP)
            wire = Wire(segment.client, 0x0806)
            settle(one)
            yield segment, one, wire
            wire.sock.close()


@pytest.mark.parametrize(
    ("change", "answers"),
    [
        pytest.param(lambda f, _: f, 1, id="broadcast"),
        pytest.param(lambda f, s: s.mac + f[6:], 1, id="unicast to our card"),
        pytest.param(lambda f, _: f[:28] + bytes(4) + f[32:], 1, id="RFC 5227 probe"),
        pytest.param(lambda f, _: f[:TAG] + b"\x81\0\0\x64" + f[TAG:], 0, id="tagged for VLAN 100"),
        pytest.param(lambda f, _: f[:TAG] + b"\x81\0\0\0" + f[TAG:], 1, id="priority tag"),
        pytest.param(lambda f, _: b"\2\0\0\0\0\x77" + f[6:], 0, id="unicast to another card"),
        pytest.param(lambda f, _: f[:22] + BROADCAST + f[28:], 0, id="sender is broadcast"),
        pytest.param(lambda f, _: f[:41], 0, id="cut short"),
        pytest.param(lambda f, _: f[:38] + socket.inet_aton(TOO), 0, id="not ours"),
    ],
)
def test_what_the_segment_sees(
    steady: tuple[Segment, Station, Wire], change: object, answers: int
) -> None:
    segment, here, arps = steady
    assert callable(change)
    found = arps.ask(here, change(question(segment), segment))
    found = [frame for frame in found if frame[:6] != BROADCAST]  # the burst at 1.1 s
    assert len(found) == answers
    for frame in found:
        reply = arp.decode(frame)
        assert (reply.operation, str(reply.sender), reply.sender_mac) == (2, VIP, segment.mac)


def test_noise_does_not_reach_the_process(segment: Segment, here: Station, arps: Wire) -> None:
    settle(here)
    before = dict(here.responder.drops)
    for number in range(11, 200):
        arps.sock.send(question(segment, f"192.0.2.{number}"))
    arps.ask(here, question(segment))
    assert dict(here.responder.drops) == before


def room(namespace: str, size: int) -> bool:
    """For the options of a socket; False before 6.8, where it is the machine's, and 20 KB."""
    where = "/proc/sys/net/core/optmem_max"
    script = f"test -e {where} && echo {size} > {where}"
    return execute(["ip", "netns", "exec", namespace, "sh", "-c", script]).returncode == 0


def scattered() -> tuple[list[str], list[str]]:
    """In 256 ranges: every third address is nobody's."""
    nets = [ip_address(one) for one in ("192.0.2.0", "198.51.100.0", "203.0.113.0")]
    every = [str(net + number) for net in nets for number in range(256)]
    ours = [one for number, one in enumerate(every) if number % 3 and one not in (NODE, CLIENT)]
    return ours, every[::3]


def answered(segment: Segment, here: Station, arps: Wire, addresses: list[str]) -> list[str]:
    """Which of these, in order; each as often as it was."""
    found = []
    for at in range(0, len(addresses), 64):
        *rest, last = addresses[at : at + 64]
        for one in rest:
            arps.sock.send(question(segment, one))
        frames = arps.ask(here, question(segment, last))
        found += [str(arp.decode(one).sender) for one in frames if one[:6] == segment.asker]
    return found


def test_where_a_socket_has_little_room_more_is_heard_and_everything_answered(
    segment: Segment, arps: Wire
) -> None:
    """A program of 256 ranges takes 22 KB, and so does the one that it replaces."""
    room(segment.node, 20480)
    ours, foreign = scattered()
    sixes = [str(IPv6Address((0x20010DB8 << 96) + int(ip_address(one)))) for one in ours[::4]]
    with station(segment.node) as here:
        here.serve(lambda: all(link.has_link_local for link in here.responder.usable()))
        for count in range(64, len(ours) + 64, 64):  # in parts, as the announcer says it
            here.own(*ours[:count], *sixes[:count])
        settle(here)
        assert answered(segment, here, arps, ours) == ours
        assert answered(segment, here, arps, foreign) == []
        here.own(*ours[::2], *sixes)
        assert answered(segment, here, arps, ours) == ours[::2]
        code, text = here.serve_while(segment.client, "ndisc6", "-1", "-q", sixes[-1], "eth0")
        assert (code, text.strip().lower()) == (0, mac_text(segment.mac))


def test_where_room_is_taken_away_the_next_socket_makes_do(segment: Segment, arps: Wire) -> None:
    ours, foreign = scattered()
    more = foreign[100]
    with station(segment.node) as here:
        here.own(*ours)
        (before,) = here.responder.ports.values()
        if not room(segment.node, 4096):
            refuse("before Linux 6.8 the room of sockets is the machine's")
        here.own(*ours, more)  # beside the program that it has there is room for none
        assert here.responder.ports == {}
        assert here.serve(lambda: here.responder.ports, 5)
        assert before not in here.responder.ports.values()
        settle(here)
        assert answered(segment, here, arps, [*ours, more]) == [*ours, more]


def test_somebody_else_s_claim_is_a_conflict_and_defended_once(
    segment: Segment, here: Station, arps: Wire
) -> None:
    settle(here)
    claim = arp.announcement(socket.inet_aton(VIP), segment.asker, operation=arp.REQUEST)
    defense = arps.ask(here, claim)
    assert [arp.decode(frame).operation for frame in defense] == [arp.REQUEST, arp.REPLY]
    assert arps.ask(here, claim) == []
    (told,) = here.responder.told
    assert (told.mac, told.interface) == (segment.asker, "eth0")
    assert here.responder.conflicts.count == 2


def test_a_member_s_claim_is_no_conflict(segment: Segment, here: Station, arps: Wire) -> None:
    settle(here)
    here.members.add(segment.asker)
    claim = arp.announcement(socket.inet_aton(VIP), segment.asker, operation=arp.REPLY)
    assert arps.ask(here, claim) == []
    assert here.responder.told == []
    assert len(here.claims) == 1


def test_a_flood_is_limited_and_counted(segment: Segment, arps: Wire) -> None:
    with station(segment.node, rates=Rates(each=1, each_depth=5, total=1000)) as here:
        here.own(VIP)
        settle(here)
        for _ in range(50):
            arps.sock.send(question(segment))
        replies = arps.ask(here, question(segment))
        assert len(replies) == 5
        assert here.responder.drops[Drop.REQUESTER_LIMIT] == 46


def test_a_new_mac_is_answered_with_and_announced(
    segment: Segment, here: Station, arps: Wire
) -> None:
    resolved(segment, here, VIP)
    settle(here)
    ip(segment.node, "link", "set", "eth0", "address", "02:00:00:00:0b:0b")
    assert here.serve(lambda: neighbor(segment.client, VIP) == "02:00:00:00:0b:0b", 5)
    (reply,) = {arp.decode(one).sender_mac for one in arps.ask(here, question(segment))}
    assert reply == bytes.fromhex("020000000b0b")


def test_a_link_that_comes_back_is_announced_on(segment: Segment, here: Station) -> None:
    settle(here)
    groups = ip(segment.node, "maddress", "show", "dev", "eth0")
    assert "ff02::1:ff0a:b" in groups
    ip(segment.node, "link", "set", "eth0", "down")
    assert here.serve(lambda: not here.responder.ports, 5)
    ip(segment.node, "link", "set", "eth0", "up")
    assert here.serve(
        lambda: any(tally.announcements >= 2 and len(address) == 4
                    for port in here.responder.ports.values()
                    for address, tally in port.owned.items()), 5,
    )  # fmt: skip
    code, text = here.serve_while(segment.client, "ndisc6", "-1", "-q", "-w2000", SIX, "eth0")
    assert (code, text.strip().lower()) == (0, mac_text(segment.mac))


def test_a_device_that_is_deleted_is_no_end(segment: Segment, here: Station) -> None:
    ip(segment.node, "link", "delete", "eth0")
    assert here.serve(lambda: not here.responder.ports, 5)
    assert here.responder.usable() == ()
    here.own(VIP, TOO)


def test_snooping_switches_let_solicitations_through(segment: Segment, here: Station) -> None:
    """A bridge that snoops with a querier forwards to members only."""
    settle(here)
    ip(segment.bridges, "link", "set", "bridge0", "type", "bridge", "mcast_querier", "1",
       "mcast_startup_query_interval", "10", "mcast_snooping", "1")  # fmt: skip
    assert here.serve(lambda: "ff02::1:ff0a:b" in ip_mdb(segment.bridges), 12), (
        "the group is not in the bridge's table"
    )
    ip(segment.client, "neigh", "flush", "dev", "eth0")
    code, text = here.serve_while(segment.client, "ndisc6", "-1", "-q", SIX, "eth0")
    assert (code, text.strip().lower()) == (0, mac_text(segment.mac))


def ip_mdb(namespace: str) -> str:
    return execute(["bridge", "-n", namespace, "mdb", "show"]).stdout


def test_only_the_interfaces_that_an_address_names(here: Station) -> None:
    here.own(VIP, names={VIP: frozenset({"eth7"})})
    assert here.responder.ports == {}
    here.own(VIP, names={VIP: frozenset({"eth0", "eth7"})})
    assert [port.link.name for port in here.responder.ports.values()] == ["eth0"]


def test_a_subnet_that_is_configured_later_is_known(segment: Segment, here: Station) -> None:
    far, subnets = "203.0.113.5", Subnets()
    here.own(VIP, far)
    for change in ("add", "delete", "add"):
        subnets.look(here.responder.ports)
        expected = {socket.inet_aton(far)} if change == "add" else set()
        assert subnets.outside == expected
        ip(segment.node, "address", change, "203.0.113.1/24", "dev", "eth0")
        here.serve(lambda: is_configured(here) == (change == "add"), 5)  # noqa: B023
    subnets.look(here.responder.ports)
    assert subnets.outside == set()


def is_configured(here: Station) -> bool:
    """Whether the responder has seen the kernel's message."""
    (link,) = (one for one in here.responder.links.by_index.values() if one.name == "eth0")
    return ip_interface("203.0.113.1/24") in link.addresses


def test_ports_of_a_bridge_are_left_to_it(segment: Segment, here: Station) -> None:
    ip(segment.node, "link", "add", "br0", "type", "bridge")
    ip(segment.node, "link", "set", "br0", "up")
    ip(segment.node, "link", "set", "eth0", "master", "br0")
    assert here.serve(lambda: not here.responder.ports, 5)
    here.own(VIP, names={VIP: frozenset({"br0"})})
    code, text = here.serve_while(segment.client, "arping", "-c1", "-w2", "-I", "eth0", VIP)
    assert code == 0, text
    ip(segment.node, "link", "set", "eth0", "nomaster")
    here.own(VIP)
    assert here.serve(lambda: [p.link.name for p in here.responder.ports.values()] == ["eth0"], 5)


def test_thousands_of_groups_are_joined_on_several_sockets(segment: Segment, here: Station) -> None:
    settle(here)
    addresses = [f"2001:db8::{number:x}" for number in range(0x1000, 0x1000 + 3000)]
    here.own(*addresses)
    (port,) = here.responder.ports.values()
    assert len(port.groups) == 3000
    assert ip(segment.node, "-6", "maddress", "show", "dev", "eth0").count("ff02::1:ff00:1") >= 999
    code, text = here.serve_while(segment.client, "ndisc6", "-1", "-q", addresses[-1], "eth0")
    assert (code, text.strip().lower()) == (0, mac_text(segment.mac))


def test_the_answer_corrects_a_cache_that_holds_another_mac(
    segment: Segment, here: Station
) -> None:
    settle(here)
    for address in (VIP, SIX):
        ip(segment.client, "neigh", "replace", address, "lladdr", "02:00:00:00:00:99",
           "dev", "eth0", "nud", "stale")  # fmt: skip
    here.own()
    here.own(VIP, SIX)
    known = partial(neighbor, segment.client)
    assert here.serve(lambda: known(VIP) == known(SIX) == mac_text(segment.mac), 5)


def test_an_advertisement_of_our_address_is_a_conflict(segment: Segment, here: Station) -> None:
    settle(here)
    wire = Wire(segment.client, 0x86DD)
    wire.ask(here, ndp.announcement(socket.inet_pton(socket.AF_INET6, SIX), segment.asker))
    wire.sock.close()
    assert [one.mac for one in here.responder.told] == [segment.asker]


def test_what_is_another_s_already_is_answered_for_and_announced_no_more(
    segment: Segment, here: Station, arps: Wire
) -> None:
    """The rest of its burst would take the clients back."""
    packed = socket.inet_aton(VIP)
    here.change({packed: frozenset()}, quiet={packed})
    arps.heard()
    settle(here)
    here.responder.again(time.monotonic())
    settle(here)
    assert [one for one in arps.heard() if one[:6] == BROADCAST] == []
    assert len(arps.ask(here, question(segment))) == 1
    here.change({packed: frozenset()})
    settle(here)
    assert [one for one in arps.heard() if one[:6] == BROADCAST] != []


def test_hundreds_that_ask_while_the_process_has_no_turn_are_all_answered(
    segment: Segment, here: Station, arps: Wire
) -> None:
    settle(here)
    arps.heard()
    for _ in range(450):
        arps.sock.send(question(segment))
    assert len([one for one in arps.ask(here, question(segment)) if one[:6] != BROADCAST]) == 451
