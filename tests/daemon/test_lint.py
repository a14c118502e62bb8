"""What lint calls an error keeps a session down or its routes out on real FRR, and nothing else.

One router and one node with a pair of addresses for each case, and a router for each whole
instance, all at once: when those that are no errors are up with all routes, the others have had
their time.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from short import compiled

from daemon.flavour import Flavour, wait_for
from daemon.lab import Device, Lab
from ferrule.compiler import views
from ferrule.compiler.lint import lint
from ferrule.compiler.lint.bgpcfgd import read_default
from ferrule.compiler.lint.rows import read_tables
from ferrule.compiler.lint.unified import read_unified
from ferrule.compiler.pipeline import Compilation

pytestmark = pytest.mark.daemon

ROOT = Path(__file__).parents[2]
LINT, GOLDEN = ROOT / "tests" / "lint", ROOT / "golden"
ROUTES_S = 20.0
PATIENCE_S = 3.0  # what was to come up is up by then, several times over
BEYOND_DEBIAN = (" 514", " auto")  # paths that Debian's build has not; a word that 8.4 has not
PREFIXES = {"192.0.2.0/32", "192.0.2.1/32", "192.0.2.2/32"}
SERVICES = "".join(f"Service shop/s{n}:\n" for n in range(3))
LISTS = """\
ip prefix-list POOLS seq 5 deny 192.0.2.0/24 le 31
ip prefix-list POOLS seq 10 permit 192.0.2.0/24 le 32
ip prefix-list BARE seq 5 deny 192.0.2.1/32
ip prefix-list BARE seq 10 permit 192.0.2.0/24 le 32
access-list TWO seq 5 permit 192.0.2.0/31
bgp community-list standard OURS seq 5 permit 64512:100
bgp community-list standard OTHERS seq 5 permit 64512:100 64512:101
bgp as-path access-list OURS seq 5 permit ^64512$
bgp as-path access-list OTHERS seq 5 permit _6451_
"""
GOOD = " match ip address prefix-list POOLS"
MAPS = {  # what follows `permit 10`, or all of it
    "GOOD": GOOD,
    "COMMUNITY": f"deny 5|{' match community OURS'}|permit 10|{GOOD}",
    "NO-COMMUNITY": f"deny 5|{' match community OTHERS'}|permit 10|{GOOD}",
    "AS-PATH": f"deny 5|{' match as-path OURS'}|permit 10|{GOOD}",
    "NO-AS-PATH": f"deny 5|{' match as-path OTHERS'}|permit 10|{GOOD}",
    "ABSENT-LIST": "deny 5| match ip address prefix-list NOPE|permit 10|" + GOOD,
    "ONWARD": "permit 5| on-match next|permit 10|" + GOOD,
    "ONWARD-TO-NOTHING": "permit 5| on-match next|permit 10| match ip address prefix-list NOPE",
    "CALLS": f"permit 10|{GOOD}| call GOOD",
    "CALLS-A-DENY": f"permit 10|{GOOD}| call REFUSE|permit 20|{GOOD}",
    "REFUSE": "deny 10",
    "STRIPS": f"permit 10|{GOOD}| set community 65001:1",
    "SHORTER": "permit 10| match ip address prefix-list ANY",
}
IN = "route-map {} in"


@dataclass(frozen=True)
class Case:
    """A pair that differs from a good one in one thing; `code` is "" where in nothing that counts.

    `ours` are fields of the BGPPeer, `session` and `family` lines of the far end's neighbor.
    `since` is the first major release in which it does harm. What is not `certain` does harm or
    not: a passive end is active for a moment, before FRR reads the next line.
    """

    name: str
    code: str = ""
    severity: str = "error"
    ours: Mapping[str, Any] = field(default_factory=dict)
    session: Sequence[str] = ()
    family: Sequence[str] = (IN.format("GOOD"),)
    remote_as: str = "64512"
    known: bool = True
    active: bool = True
    source: bool = True
    since: int = 8
    certain: bool = True

    @property
    def alone(self) -> bool:
        """On a segment of its own: BFD of 10.3 now and then takes an interface's first address."""
        return "bfdProfile" in self.ours

    def harms(self, flavour: str) -> bool:
        return bool(self.code) and self.severity == "error" and int(flavour) >= self.since


def warned(name: str, code: str, **rest: Any) -> Case:
    return Case(name, code, "warning", **rest)


def refused(name: str, *family: str) -> Case:
    return Case(name, "far-filter-denies", family=family)


FAST = {"bfdProfile": "fast"}
CASES = [
    Case("good"),
    Case("good-bfd", ours=FAST, session=["bfd"]),
    Case("good-password", ours={"password": "x"}, session=["password x"]),
    Case("good-local-as", ours={"localASN": 64600}, remote_as="64600"),
    Case("good-gtsm", ours={"ebgpMultiHop": True}, session=["ttl-security hops 2"]),
    Case("good-passive", session=["passive"]),
    Case("remote-as", "far-remote-as", remote_as="64513"),
    Case("remote-internal", "far-remote-as", remote_as="internal"),
    Case("local-as", "far-local-as", session=["local-as 65009"]),
    Case("missing", "far-neighbor-missing", known=False),
    Case("shutdown", "far-shutdown", session=["shutdown"]),
    Case("gtsm", "far-ttl-security", session=["ttl-security hops 1"]),
    Case("password", "far-password", session=["password x"]),
    Case("no-password", "far-password", ours={"password": "x"}),
    Case("family", "far-family", active=False),
    Case("no-policy", "far-policy-missing", family=()),
    Case("bfd-here", "far-bfd", ours=FAST, since=10),
    Case("bfd-hops", "far-multihop", ours=FAST, session=["bfd", "ebgp-multihop 255"], since=10),
    Case(
        "bfd-quiet",
        "far-bfd-passive",
        ours={"bfdProfile": "quiet"},
        session=["bfd", "bfd profile quiet"],
        since=10,
        certain=False,
    ),
    Case("limit", "far-maximum-prefix", family=[IN.format("GOOD"), "maximum-prefix 1"]),
    refused("no-map", IN.format("NOPE")),
    refused("a-prefix", "prefix-list BARE in"),
    refused("no-list", "prefix-list NOPE in"),
    refused("access-list", "distribute-list TWO in"),
    refused("as-path", "filter-list OTHERS in"),
    refused("community", IN.format("COMMUNITY")),
    refused("as-path-map", IN.format("AS-PATH")),
    refused("onward-to-nothing", IN.format("ONWARD-TO-NOTHING")),
    refused("calls-a-deny", IN.format("CALLS-A-DENY")),
    Case("not-that-community", family=[IN.format("NO-COMMUNITY")]),
    Case("not-that-as-path", family=[IN.format("NO-AS-PATH")]),
    Case("absent-list", family=[IN.format("ABSENT-LIST")]),
    Case("onward", family=[IN.format("ONWARD")]),
    Case("calls", family=[IN.format("CALLS")]),
    warned("hops-there", "far-multihop", session=["ebgp-multihop 2"]),
    warned("hops-here", "far-multihop", ours={"ebgpMultiHop": True}),
    warned("port", "far-port", session=["port 1179"]),
    warned("source", "far-update-source", session=["update-source 198.51.100.254"], source=False),
    warned("timers", "far-timers", session=["timers 1 3"]),
    warned("slow-bfd", "far-bfd-settles", ours=FAST, session=["bfd", "bfd profile slow"]),
    warned("strips", "far-filter-changes", family=[IN.format("STRIPS")]),
    warned("room", "far-maximum-prefix", family=[IN.format("GOOD"), "maximum-prefix 5"]),
    warned("open", "far-filter-open", family=["filter-list OURS in"]),
]
PAIR = (1, 2)
RANGE = ["neighbor NODES peer-group", "neighbor NODES remote-as 64512", "neighbor NODES timers 3 9"]


@dataclass(frozen=True)
class Whole:
    """A router with two good neighbors whose instance differs in one thing; so many arrive."""

    name: str
    code: str = ""
    asn: int = 65001
    says: Sequence[str] = ()
    ranges: Sequence[str] = ()  # instead of neighbors; {} is one of ours
    arrive: int = 0

    @property
    def cases(self) -> list[Case]:
        return [Case(f"{self.name}-{number}") for number in PAIR]

    def text(self) -> str:
        ours = [near(one.name) for one in self.cases]
        lines = [LISTS, f"route-map GOOD permit 10\n{GOOD}", "route-map OUT deny 10"]
        lines += [f"router bgp {self.asn}", f" bgp router-id {far(self.cases[0].name)}"]
        lines += [f" {one}" for one in (*self.says, *(RANGE if self.ranges else ()))]
        each = dict.fromkeys(one.format(address) for one in self.ranges for address in ours)
        lines += [f" bgp listen range {one} peer-group NODES" for one in each]
        for one in () if self.ranges else self.cases:
            own = ("remote-as 64512", "timers 3 9", f"update-source {far(one.name)}")
            lines += [f" neighbor {near(one.name)} {text}" for text in own]
        lines.append(" address-family ipv4 unicast")
        for member in ["NODES"] if self.ranges else ours:
            said = ("activate", IN.format("GOOD"), "route-map OUT out")
            lines += [f"  neighbor {member} {text}" for text in said]
        return "\n".join([*lines, " exit-address-family", "exit", ""])


WHOLES = [
    Whole("well", arrive=2),
    Whole("range", ranges=["{}/32"], arrive=2),
    Whole("asn", "far-asn", asn=65009),
    Whole("hold", "far-minimum-hold", says=["bgp minimum-holdtime 30"]),
    Whole("off", "far-shutdown", says=["bgp shutdown"]),
    Whole("off-at-first", "far-shutdown", says=["bgp default shutdown"]),
    Whole("another-range", "far-outside-ranges", ranges=["198.51.100.192/26"]),
    Whole("full", "far-listen-limit", says=["bgp listen limit 1"], ranges=["{}/32"], arrive=1),
]
USUAL = {"peerASN": 65001, "holdTime": "9s", "connectTime": "1s"}
ALL = [*CASES, *(case for one in WHOLES for case in one.cases)]
NUMBERS = {one.name: number for number, one in enumerate(ALL, 1)}


ALONE = [one.name for one in CASES if one.alone]


def far(name: str) -> str:
    return addresses(name)[0]


def near(name: str) -> str:
    return addresses(name)[1]


def addresses(name: str) -> tuple[str, str]:
    """Theirs and ours."""
    if name in ALONE:
        base = ALONE.index(name) * 4
        return f"203.0.113.{base + 1}", f"203.0.113.{base + 2}"
    return f"198.51.100.{NUMBERS[name]}", f"198.51.100.{NUMBERS[name] + 100}"


def links(side: int, *more: str, cases: Sequence[Case] = CASES) -> dict[str, list[str]]:
    """The segments of one device with its addresses."""
    shared = [addresses(one.name)[side] for one in cases if not one.alone]
    rack = {"rack": [f"{one}/24" for one in (*shared, *more)]}
    alone = {one.name: [f"{addresses(one.name)[side]}/30"] for one in cases if one.alone}
    return rack | alone


THEIRS = links(0, "198.51.100.254")


def network(*cases: Case) -> Compilation:
    """The node's end of these cases."""
    peers = "".join(
        f"BGPPeer {one.name}: {json.dumps({**USUAL, **ends(one), **one.ours})}\n" for one in cases
    )
    return compiled(
        f"{peers}{SERVICES}IPAddressPool public:\n"
        "BGPAdvertisement public: {communities: ['64512:100']}\n"
        "BFDProfile fast: {transmitInterval: 300}\n"
        "BFDProfile quiet: {passiveMode: true}\n"
        "Node n1: {ips: [198.51.100.250]}\n"
    )


def ends(one: Case) -> dict[str, str]:
    return {"peerAddress": far(one.name), "sourceAddress": near(one.name)}


def router() -> str:
    """The far end of all cases."""
    lines = [LISTS, "ip prefix-list ANY seq 5 permit any"]
    for name, said in MAPS.items():
        parts = said.split("|") if said[0] != " " else ["permit 10", said]
        lines += [f"route-map {name} {one}" if one[0] != " " else one for one in parts]
    lines += ["route-map OUT deny 10", "bfd", " profile quiet", "  passive-mode", " exit"]
    lines += [" profile slow", "  transmit-interval 900", " exit", "exit"]
    lines += ["router bgp 65001", " bgp router-id 198.51.100.1", " no bgp default ipv4-unicast"]
    for one in (case for case in CASES if case.known):
        usual = [] if any("timers" in text for text in one.session) else ["timers 3 9"]
        usual += ["timers connect 1"] + ([f"update-source {far(one.name)}"] if one.source else [])
        for text in (f"remote-as {one.remote_as}", *usual, *one.session):
            lines.append(f" neighbor {near(one.name)} {text}")
    lines.append(" address-family ipv4 unicast")
    for one in (case for case in CASES if case.known and case.active):
        for text in ("activate", "route-map OUT out", *one.family):
            lines.append(f"  neighbor {near(one.name)} {text}")
    return "\n".join([*lines, " exit-address-family", "exit", ""])


def running(device: Device, links: Mapping[str, Sequence[str]]) -> str:
    """The running-config, with Linux's addresses as a router has them in it."""
    text = device.frr.running_config()
    for number, each in enumerate(links.values()):
        text += "".join([f"interface eth{number}\n", *(f" ip address {one}\n" for one in each)])
    return text


def heard(device: Device) -> dict[str, set[str]]:
    """By neighbor the prefixes that the far end has from it."""
    table: dict[str, set[str]] = defaultdict(set)
    for prefix, paths in device.frr.show_json("show bgp ipv4 unicast")["routes"].items():
        for path in paths:
            table[path["peerId"]].add(prefix)
    return table


def arrived(device: Device, cases: Sequence[Case]) -> list[str]:
    """The cases whose session is up with all its routes."""
    table = heard(device)
    return [
        one.name
        for one in cases
        if table[near(one.name)] == PREFIXES and device.established(near(one.name))
    ]


def latecomers(device: Device, cases: Sequence[Case]) -> list[str]:
    """Who of them arrives while whatever was to come would have come, several times over."""
    with suppress(TimeoutError):
        wait_for(lambda: arrived(device, cases), PATIENCE_S, "one of them")
    return arrived(device, cases)


@dataclass(frozen=True)
class World:
    """The far end of all cases, and one for each whole instance."""

    there: Device
    wholes: Mapping[str, Device]

    def arrived(self, one: Whole) -> int:
        return len(arrived(self.wholes[one.name], one.cases))


@pytest.fixture(scope="module")
def world(flavours: dict[str, Flavour], flavour: str) -> Iterator[World]:
    compilation = network(*ALL)
    assert compilation.ok, compilation.diagnostics
    with Lab(flavours) as lab:
        there = lab.device("far", flavour, THEIRS)
        there.frr.load(router())
        wholes = {
            one.name: lab.device(one.name, flavour, links(0, cases=one.cases), one.text())
            for one in WHOLES
        }
        here = lab.device("n1", flavour, links(1, "198.51.100.250", cases=ALL))
        file = views.files(compilation.network, with_secrets=True)["nodes/n1/frr.conf"]
        assert here.frr.load(file.text).ok
        yield World(there, wholes)


def test_what_is_an_error_keeps_a_session_down_or_its_routes_out(
    world: World, flavour: str
) -> None:
    certain = [one for one in CASES if one.certain]
    harmless = [one for one in certain if not one.harms(flavour)]
    names = [one.name for one in harmless]
    wait_for(lambda: arrived(world.there, harmless) == names, ROUTES_S, f"all of {names}")
    wait_for(lambda: all(world.arrived(one) >= one.arrive for one in WHOLES), ROUTES_S, "others")

    assert latecomers(world.there, [one for one in certain if one.harms(flavour)]) == []

    assert arrived(world.there, harmless) == names
    assert {one.name: world.arrived(one) for one in WHOLES} == {
        one.name: one.arrive for one in WHOLES
    }


@pytest.mark.parametrize("one", CASES, ids=[one.name for one in CASES])
def test_lint_says_so_of_the_running_config(one: Case, world: World) -> None:
    text = running(world.there, THEIRS)
    report = lint(network(one), "running-config", text, as_=far(one.name))
    said = {(each.severity, each.code) for each in report.diagnostics}
    assert report.sessions == 1
    assert report.ok == (one.severity != "error" or not one.code)
    assert {code for severity, code in said if severity == "error"} <= {one.code}
    assert said >= {(one.severity, one.code)} if one.code else not said


@pytest.mark.parametrize("one", WHOLES, ids=[one.name for one in WHOLES])
def test_lint_says_so_of_a_whole_instance(one: Whole, world: World) -> None:
    text = running(world.wholes[one.name], links(0, cases=one.cases))
    report = lint(network(*one.cases), "running-config", text)
    assert report.sessions == len(PAIR)
    assert {each.code for each in report.diagnostics} == ({one.code} if one.code else set())
    assert report.ok == (not one.code)


def test_what_sonic_is_said_to_make_of_rows_is_a_command_of_frr(
    world: World,
) -> None:
    for file in (*LINT.glob("*.json"), *GOLDEN.glob("*/switches/*/config_db.json")):
        text = file.read_text()
        if "split" not in text and "BGP" in text:
            tables = read_tables(text, file.name)
            read = read_unified if tables.form == "unified" else read_default
            said = [one.text for one in read(tables).said]
            ours = [one for one in said if not one.endswith(BEYOND_DEBIAN)]
            assert world.there.frr.check("\n".join(ours) + "\n").complaints == []
