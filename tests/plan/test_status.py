"""What a status says of one fault at a time, over devices that are otherwise well."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from plan.reports import Found, told, up
from plan.worlds import found, running
from short import compiled

from ferrule.compiler import statusview
from ferrule.compiler.backends import frr, sonic
from ferrule.compiler.backends.frrtext import write
from ferrule.compiler.bgpstate import BgpState, SessionState
from ferrule.compiler.errors import error
from ferrule.compiler.health import Health
from ferrule.compiler.observed import Observed
from ferrule.compiler.planning import make_plan
from ferrule.compiler.status import Status, make_status

FABRIC = """
Switch tor-a: {addresses: [10.1.0.1/24]}
BGPPeer tor: {peerAddress: 10.1.0.1, bfdProfile: fast}
BFDProfile fast: {}
IPAddressPool public: {}
BGPAdvertisement all: {}
Node n1: {ips: [10.1.0.11]}
Node n2: {ips: [10.1.0.12]}
Service shop/api: {}
Service shop/web: {}
"""
DYNAMIC = """
Switch tor-a: {addresses: [10.1.0.1/24], neighbors: dynamic, listenRanges: [10.1.0.0/24]}
BGPPeer tor: {peerAddress: 10.1.0.1}
IPAddressPool public: {}
BGPAdvertisement all: {}
Node n1: {ips: [10.1.0.11]}
Service shop/web: {}
"""
FOREIGN = """
BGPPeer router: {peerAddress: 10.1.0.254}
IPAddressPool public: {}
BGPAdvertisement all: {}
Node n1: {ips: [10.1.0.11]}
Service shop/web: {}
"""
DUAL = """
Switch tor-a: {addresses: [10.1.0.1/24, "2001:db8:a::1/64"]}
BGPPeer tor: {peerAddress: 10.1.0.1, dualStackAddressFamily: true}
IPAddressPool public: {addresses: [192.0.2.0/24, "2001:db8:100::/64"]}
BGPAdvertisement all: {}
Node n1: {ips: [10.1.0.11, "2001:db8:a::11"]}
Service shop/web: {families: both}
"""

Fault = Callable[[Found], None]


def status(text: str = FABRIC, *faults: Fault) -> Status:
    """The devices run what the text says, and then something happens to them."""
    compilation = compiled(text)
    assert compilation.ok, compilation.diagnostics
    network = compilation.network
    seen = up(network, found(network, running(network)))
    for fault in faults:
        fault(seen)
    return make_status(network, make_plan(compilation, seen), seen)


def of(made: Status, node: str = "n1") -> Health:
    (one,) = (each for each in made.sessions if each.session.node == node)
    return one


def says(kind: str, device: str, neighbor: str, **news: Any) -> Fault:
    """What one end says of the other."""
    return lambda seen: told(seen, kind, device, neighbor, **news)


NODE = ("node", "n1", "10.1.0.1")
SWITCH = ("switch", "tor-a", "10.1.0.11")


def down(state: str, **news: Any) -> dict[str, Any]:
    """What FRR says of a session that is not up."""
    return {"state": state, "uptime_s": None, "accepted": {"ipv4": 0}, "sent": {}, **news}


def unread(kind: str, name: str) -> Fault:
    def fault(seen: Found) -> None:
        seen["node" if kind == "node" else "switch", name] = error("unreachable", "timed out")

    return fault


def runs(name: str, change: Callable[[str], str]) -> Fault:
    """A node's configuration, changed by hand; what it sends is another thing."""

    def fault(seen: Found) -> None:
        one = seen["node", name]
        assert isinstance(one, Observed)
        assert isinstance(one.running, frr.Running)
        text = change(write(one.running.config))
        seen["node", name] = replace(one, running=frr.parse(text, "ferrule"))

    return fault


def rows(change: Callable[[dict[str, Any]], object]) -> Fault:
    """The CONFIG_DB of the switch, changed by hand; bgpd is not told."""

    def fault(seen: Found) -> None:
        one = seen["switch", "tor-a"]
        assert isinstance(one, Observed)
        assert isinstance(one.running, sonic.Running)
        tables = json.loads(json.dumps(one.running.tables))
        change(tables)
        seen["switch", "tor-a"] = replace(one, running=sonic.parse(tables, "ferrule"))

    return fault


def bgpd(change: Callable[[str], str]) -> Fault:
    """What bgpd of the switch runs, whatever CONFIG_DB says."""

    def fault(seen: Found) -> None:
        one = seen["switch", "tor-a"]
        assert isinstance(one, Observed)
        seen["switch", "tor-a"] = replace(one, bgpd=change(one.bgpd))

    return fault


def without(line: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        kept = [one for one in text.splitlines() if line not in one]
        assert len(kept) < len(text.splitlines()), line
        return "\n".join(kept) + "\n"

    return change


def somebody_else(seen: Found) -> None:
    """Another node has dialled in, and ours has not."""
    one = seen["switch", "tor-a"]
    assert isinstance(one, Observed)
    other = SessionState("", "10.1.0.99", "Established", dynamic=True)
    seen["switch", "tor-a"] = replace(one, state=BgpState({("", "10.1.0.99"): other}))


LIMIT = "Cease/Maximum Number of Prefixes Reached"
FULL = 64

SESSIONS: dict[str, tuple[str, Sequence[Fault], list[str]]] = {
    "all is well": (FABRIC, [], []),
    "both ends say the same": (
        FABRIC,
        [says(*NODE, **down("Active")), says(*SWITCH, **down("Active", last_reset="Hold Timer"))],
        ["not Established: Active; last reset: Hold Timer"],
    ),
    "a notification says more than that there was one": (
        FABRIC,
        [
            says(*NODE, **down("Idle", last_reset="BGP Notification send")),
            says(*SWITCH, **down("Active", notification="Cease/Hard Reset")),
        ],
        ["not Established: Idle on the node, Active on the switch; last reset: Cease/Hard Reset"],
    ),
    "only one end has noticed": (
        FABRIC,
        [says(*SWITCH, **down("Active", last_reset="BFD down received"))],
        [
            "one-sided: Established on the node and Active on the switch;"
            " last reset: BFD down received"
        ],
    ),
    "the switch does not know the node": (
        FABRIC,
        [
            says(*NODE, **down("Active")),
            says(*SWITCH, state=None),
            rows(lambda all_: all_["BGP_NEIGHBOR"].pop("default|10.1.0.11")),
        ],
        ["the switch has no neighbor 10.1.0.11"],
    ),
    "the row is there and bgpd has not heard of it": (
        FABRIC,
        [says(*NODE, **down("Active")), says(*SWITCH, state=None)],
        ["the switch has no neighbor 10.1.0.11, though its configuration has it"],
    ),
    "the node does not know the switch": (
        FABRIC,
        [
            says(*NODE, state=None),
            says(*SWITCH, **down("Active")),
            runs("n1", without("neighbor 10.1.0.1 ")),
        ],
        [
            "the node has no neighbor 10.1.0.1",
            "announces 0 of 2 ipv4 prefixes, not 192.0.2.0/32, 192.0.2.1/32",
        ],
    ),
    "somebody shut it": (
        FABRIC,
        [says(*NODE, **down("Active")), says(*SWITCH, **down("Idle", shutdown=True))],
        ["shut down on the switch"],
    ),
    "the limit is reached": (
        FABRIC,
        [
            says(*NODE, **down("Active", notification=LIMIT)),
            says(*SWITCH, **down("Idle", notification=LIMIT)),
        ],
        [
            f"limit reached: maximum-prefix {FULL} for ipv4 on the switch",
            f"not Established: Active on the node, Idle on the switch; last reset: {LIMIT}",
        ],
    ),
    "a limit of long ago": (FABRIC, [says(*NODE, notification=LIMIT)], []),
    "BFD is down": (FABRIC, [says(*NODE, bfd="down")], ["BFD down on the node"]),
    "BFD is on one side only": (FABRIC, [says(*SWITCH, bfd=None)], ["no BFD on the switch"]),
    "the node announces less": (
        FABRIC,
        [
            runs("n1", without("network 192.0.2.1/32")),
            says(*NODE, sent={"ipv4": 1}),
            says(*SWITCH, accepted={"ipv4": 1}),
        ],
        ["announces 1 of 2 ipv4 prefixes, not 192.0.2.1/32"],
    ),
    "FRR sends less than it is told": (
        FABRIC,
        [says(*NODE, sent={"ipv4": 1}), says(*SWITCH, accepted={"ipv4": 1})],
        ["sent 1 of 2 ipv4 prefixes"],
    ),
    "the switch takes less than is sent": (
        FABRIC,
        [says(*SWITCH, accepted={"ipv4": 1})],
        ["accepted 1 of 2 ipv4 prefixes"],
    ),
    "the rows of the switch refuse it": (
        FABRIC,
        [
            says(*SWITCH, accepted={"ipv4": 0}),
            rows(lambda all_: all_.pop("PREFIX")),
        ],
        ["accepted 0 of 2 ipv4 prefixes: its rows refuse 192.0.2.0/32, 192.0.2.1/32"],
    ),
    "the switch was read later than the node": (FABRIC, [says(*NODE, sent={"ipv4": 0})], []),
    "the node was read later than the switch": (
        FABRIC,
        [says(*SWITCH, accepted={})],
        ["accepted 0 of 2 ipv4 prefixes"],
    ),
    "the node is silent": (FABRIC, [unread("node", "n1")], ["the node could not be read"]),
    "the switch is silent": (FABRIC, [unread("switch", "tor-a")], ["the switch could not be read"]),
    "the node is silent and the switch misses it": (
        FABRIC,
        [unread("node", "n1"), says(*SWITCH, **down("Connect"))],
        ["the node could not be read", "not Established: Connect"],
    ),
    "the node is silent and the switch has less": (
        FABRIC,
        [unread("node", "n1"), says(*SWITCH, accepted={"ipv4": 1})],
        ["the node could not be read", "accepted 1 of 2 ipv4 prefixes"],
    ),
    "a listen range, all well": (DYNAMIC, [], []),
    "a listen range nobody dials into": (
        DYNAMIC,
        [says(*NODE, **down("Active")), says(*SWITCH, state=None)],
        ["10.1.0.11 has not dialled in"],
    ),
    "no listen range": (
        DYNAMIC,
        [
            says(*NODE, **down("Active")),
            says(*SWITCH, state=None),
            rows(lambda all_: all_.pop("BGP_GLOBALS_LISTEN_PREFIX")),
        ],
        ["the switch has no listen range for 10.1.0.11"],
    ),
    "a listen range that is full": (
        DYNAMIC,
        [
            says(*NODE, **down("Active")),
            somebody_else,
            rows(lambda all_: all_["BGP_GLOBALS"]["default"].update(max_dynamic_neighbors="1")),
        ],
        ["10.1.0.11 has not dialled in: the switch takes no more than 1 dynamic neighbors"],
    ),
    "a foreign end, all well": (FOREIGN, [], []),
    "a foreign end that is down": (
        FOREIGN,
        [says("node", "n1", "10.1.0.254", **down("Active", last_reset="Waiting for peer OPEN"))],
        ["not Established: Active; last reset: Waiting for peer OPEN"],
    ),
    "a foreign end that is sent less": (
        FOREIGN,
        [says("node", "n1", "10.1.0.254", sent={"ipv4": 0})],
        ["sent 0 of 1 ipv4 prefixes"],
    ),
    "two families, one of them lost": (
        DUAL,
        [says(*SWITCH, accepted={"ipv4": 1})],
        ["accepted 0 of 1 ipv6 prefixes"],
    ),
}


@pytest.mark.parametrize("case", SESSIONS.values(), ids=SESSIONS.keys())
def test_why_a_session_is_not_as_intended(
    case: tuple[str, Sequence[Fault], list[str]],
) -> None:
    text, faults, reasons = case
    made = status(text, *faults)
    assert list(of(made).reasons) == reasons
    assert of(made).ok == (not reasons)
    assert made.ok <= of(made).ok
    assert all(one.ok for one in made.sessions if one.session.node == "n2" and one.ends[-1].read)


DEVICES: dict[str, tuple[Sequence[Fault], str, str, list[str]]] = {
    "as intended": ([], "tor-a", "as intended", []),
    "a node that was changed by hand": (
        [runs("n1", without("network 192.0.2.1/32"))],
        "n1",
        "1 change: see ferrule plan",
        [],
    ),
    "a switch that was changed by hand": (
        [rows(lambda all_: all_["BGP_NEIGHBOR"].pop("default|10.1.0.12"))],
        "tor-a",
        "1 change: see ferrule plan, bgpd has 1 line that no row makes",
        ["+ router bgp 65000 / neighbor 10.1.0.12 peer-group FERRULE_ferrule_tor_64512_ipv4"],
    ),
    "rows that have not reached bgpd": (
        [bgpd(without("peer-group FERRULE_ferrule_tor_64512_ipv4"))],
        "tor-a",
        "bgpd lacks 2 lines of its rows",
        [
            "- router bgp 65000 / neighbor 10.1.0.11 peer-group FERRULE_ferrule_tor_64512_ipv4",
            "- router bgp 65000 / neighbor 10.1.0.12 peer-group FERRULE_ferrule_tor_64512_ipv4",
        ],
    ),
    "a password is the operator's, and nobody else's to read": (
        [
            bgpd(
                lambda text: text.replace(
                    " neighbor 10.1.0.11",
                    " neighbor FERRULE_ferrule_tor_64512_ipv4 password hush\n neighbor 10.1.0.11",
                    1,
                )
            )
        ],
        "tor-a",
        "as intended",
        [],
    ),
    "a row that only a person could have written": (
        [rows(lambda all_: all_["BGP_NEIGHBOR"]["default|10.1.0.11"].update(name="x"))],
        "tor-a",
        "1 change: see ferrule plan",
        [],
    ),
    "a row without what makes it one": (
        [rows(lambda all_: all_["ROUTE_MAP"]["FERRULE_ferrule_out|10"].pop("route_operation"))],
        "tor-a",
        "1 change: see ferrule plan",
        ["note: its rows are not such as Ferrule writes: bgpd was not compared with them"],
    ),
    "a device that does not answer": (
        [unread("node", "n2")],
        "n2",
        "not read: timed out [unreachable]",
        [],
    ),
    "a switch of which nothing is removed": (
        [unread("node", "n2")],
        "tor-a",
        "as intended",
        ["note: nothing is removed: what n2 will announce is not known"],
    ),
}


@pytest.mark.parametrize("case", DEVICES.values(), ids=DEVICES.keys())
def test_how_far_a_device_is_from_what_is_intended(
    case: tuple[Sequence[Fault], str, str, list[str]],
) -> None:
    faults, name, verdict, remarks = case
    lines = [*statusview.text(status(FABRIC, *faults))]
    (at,) = (n for n, line in enumerate(lines) if f" {name} " in line and line.endswith(verdict))
    assert lines[at].startswith(statusview.FAULT) == (verdict != "as intended")
    below = lines[at + 1 : at + 1 + len(remarks)]
    assert [line.strip() for line in below] == remarks
    assert not lines[at + 1 + len(remarks)].startswith("     ")


def test_a_device_that_would_be_refused_is_not_as_intended() -> None:
    other = rows(lambda all_: all_["BGP_GLOBALS"]["default"].update(local_asn="65099"))
    made = status(FABRIC, other)
    assert not made.ok
    lines = [line.strip() for line in statusview.text(made)]
    assert any(line.startswith("error: BGP_GLOBALS|default: local_asn must be") for line in lines)


def test_an_address_that_too_few_nodes_announce() -> None:
    made = status(FABRIC, unread("node", "n2"), says(*NODE, sent={"ipv4": 1}))
    assert [(str(one.address), one.services, one.intended, one.missing) for one in made.short] == [
        ("192.0.2.0", ("shop/api",), 2, ("n2",)),
        ("192.0.2.1", ("shop/web",), 2, ("n2",)),
    ]


def test_an_address_is_announced_while_one_of_two_sessions_is_up() -> None:
    two = (
        FABRIC
        + """
Switch tor-b: {addresses: [10.2.0.1/24], routerID: 10.255.0.2}
BGPPeer other: {peerAddress: 10.2.0.1}
Node n3: {ips: [10.1.0.13, 10.2.0.13]}
"""
    )
    two = two.replace("Node n1: {ips: [10.1.0.11]}", "Node n1: {ips: [10.1.0.11, 10.2.0.11]}")
    two = two.replace("Node n2: {ips: [10.1.0.12]}", "Node n2: {ips: [10.1.0.12, 10.2.0.12]}")
    one = status(two, says(*NODE, **down("Active")))
    both = status(
        two, says(*NODE, **down("Active")), says("node", "n1", "10.2.0.1", **down("Idle"))
    )
    assert (one.ok, one.short) == (False, ())
    assert {each.missing for each in both.short} == {("n1",)}


SUMMARIES: dict[str, tuple[str, Sequence[Fault], str]] = {
    "all well": (
        FABRIC,
        [],
        "2 sessions: 2 established · 2 prefixes: 2 accepted · 3 devices as intended",
    ),
    "one end down": (
        FABRIC,
        [says(*SWITCH, **down("Active"))],
        "2 sessions: 1 established, 1 down · 2 prefixes: 2 accepted · 3 devices as intended",
    ),
    "no end answers": (
        FABRIC,
        [unread("node", "n1"), unread("node", "n2"), unread("switch", "tor-a")],
        "2 sessions: 2 not known · 2 prefixes: 0 accepted · 3 devices not read"
        " · 2 addresses announced by too few nodes",
    ),
    "up, and all refused": (
        FABRIC,
        [says(*SWITCH, accepted={}), says("switch", "tor-a", "10.1.0.12", accepted={})],
        "2 sessions: 2 established (2 not as intended) · 2 prefixes: 0 accepted"
        " · 3 devices as intended",
    ),
    "one prefix refused everywhere": (
        FABRIC,
        [
            rows(lambda all_: _only(all_, "192.0.2.0/32")),
            says(*SWITCH, accepted={"ipv4": 1}),
            says("switch", "tor-a", "10.1.0.12", accepted={"ipv4": 1}),
        ],
        "2 sessions: 2 established (2 not as intended) · 2 prefixes: 1 accepted · 1 device drifted",
    ),
    "what a foreign end accepts is its own": (
        FOREIGN,
        [],
        "1 session: 1 established · 1 prefix: 1 announced · 1 device as intended",
    ),
}


def _only(tables: dict[str, Any], prefix: str) -> None:
    name = next(iter(tables["PREFIX_SET"]))
    tables["PREFIX"] = {f"{name}|7|{prefix}|exact": {"action": "permit"}}


@pytest.mark.parametrize("case", SUMMARIES.values(), ids=SUMMARIES.keys())
def test_the_last_line(case: tuple[str, Sequence[Fault], str]) -> None:
    text, faults, line = case
    assert statusview.summary(status(text, *faults)) == line


def test_the_tables_in_full() -> None:
    made = status(
        DUAL + "Node n2: {ips: [10.1.0.12, '2001:db8:a::12']}\n",
        says("node", "n2", "10.1.0.1", **down("Active", resets=3)),
        says("switch", "tor-a", "10.1.0.12", state=None),
        bgpd(without("neighbor 10.1.0.12")),
    )
    group = "FERRULE_ferrule_tor_64512_ipv4"
    assert (
        "\n".join(statusview.text(made))
        == f"""\
2 sessions: 1 established, 1 down
   NODE  PEER  SWITCH  STATE          UP   RESETS  BFD      ANNOUNCED SENT ACCEPTED OF
   n1    tor   tor-a   Established    2h3m      1  -   ipv4         1    1        1  1
                                                       ipv6         1    1        1  1
NO n2    tor   tor-a   Active/absent  -         3  -   ipv4         1    0        0  1
                                                       ipv6         1    0        0  1
     the switch has no neighbor 10.1.0.12, though its configuration has it

1 device drifted
NO switch tor-a (SONiC 202511)  bgpd lacks 1 line of its rows
     - router bgp 65000 / neighbor 10.1.0.12 peer-group {group}
   node n1 (FRR 10.3)           as intended
   node n2 (FRR 10.3)           as intended

0 of 2 addresses announced by as many nodes as intended
NO 192.0.2.0 (shop/web): by 1 of 2 nodes, not n2
NO 2001:db8:100:: (shop/web): by 1 of 2 nodes, not n2
"""
    )


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0, "0s"), (59.9, "59s"), (61.0, "1m1s"), (7380.0, "2h3m"), (266400.0, "3d2h")],
)
def test_how_long_it_is_up(seconds: float, shown: str) -> None:
    lines = [*statusview.text(status(FABRIC, says(*NODE, uptime_s=seconds)))]
    assert f" {shown} " in lines[2]


def test_what_a_device_says_moves_no_cursor() -> None:
    made = status(FABRIC, says(*NODE, **down("Active\x1b[2J", last_reset="x\ny")))
    assert all(line.isprintable() for line in statusview.text(made))


def test_for_programs() -> None:
    made = status(FABRIC, unread("node", "n2"))
    said = json.loads(json.dumps(statusview.as_json(made)))
    assert (said["apiVersion"], said["kind"], said["cluster"], said["ok"]) == (
        "ferrule.dev/v1alpha1",
        "Status",
        "ferrule",
        False,
    )
    first, second = said["sessions"]
    end = {"uptimeSeconds": 7380.0, "resets": 1, "lastReset": None, "bfd": "up", "dynamic": False}
    assert first == {
        "name": "n1/tor-a/10.1.0.1",
        "node": "n1",
        "peer": "tor",
        "switch": "tor-a",
        "ok": True,
        "established": True,
        "reasons": [],
        "bfd": True,
        "nodeEnd": {"vrf": "", "neighbor": "10.1.0.1", "state": "Established", **end},
        "switchEnd": {"vrf": "default", "neighbor": "10.1.0.11", "state": "Established", **end},
        "prefixes": {
            "ipv4": {
                "intended": 2,
                "announced": 2,
                "sent": 2,
                "accepted": 2,
                "limit": FULL,
                "lacking": [],
                "extra": [],
                "refused": [],
            }
        },
    }
    assert second["nodeEnd"]["state"] is None
    assert second["prefixes"]["ipv4"]["announced"] is None
    assert second["reasons"] == ["the node could not be read"]
    by_name = {one["device"]: one for one in said["devices"]}
    assert by_name["tor-a"]["bgpd"] == {"missing": [], "stale": []}
    assert by_name["n1"]["bgpd"] is None
    assert (by_name["n2"]["reachable"], by_name["n2"]["failed"]["code"]) == (False, "unreachable")
    assert said["addresses"]["short"][0] == {
        "address": "192.0.2.0",
        "services": ["shop/api"],
        "intended": 2,
        "announced": 1,
        "missing": ["n2"],
    }
    assert said["prefixes"] == {"total": 2, "announced": 2, "towardsSwitches": 2, "accepted": 2}
    assert said["summary"] == statusview.summary(made)
