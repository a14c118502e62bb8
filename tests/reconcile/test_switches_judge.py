"""What of a switch's plan is sent, what waits for nodes and what for leave: worked out of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from plan.worlds import running
from short import compiled, switch

from ferrule.compiler.backends import sonic
from ferrule.compiler.backends.prefixlist import PrefixList, Rule, masked
from ferrule.compiler.backends.sonic.accepts import Accepting, Accepts, Inbound, Statement
from ferrule.compiler.bgpstate import BgpState, SessionState
from ferrule.compiler.compare import ComparedSwitch
from ferrule.compiler.observed import Observed
from ferrule.compiler.pipeline import Compilation
from ferrule.compiler.plan import Impact
from ferrule.reconcile.switch_aim import USUAL, digest_of, merged
from ferrule.reconcile.switch_cost import Blocks, Heard, narrowed
from ferrule.reconcile.switch_judge import Verdict, compared, judge, left, moved, without

TOR = "tor-a"
FIRST, SECOND = "10.1.0.11", "10.1.0.12"
BEFORE = """
Switch tor-a: {addresses: [10.1.0.1/24]}
BGPPeer tor: {peerAddress: 10.1.0.1}
IPAddressPool public: {addresses: [192.0.2.0/25]}
BGPAdvertisement all: {}
Node n1: {ips: [10.1.0.11]}
Node n2: {ips: [10.1.0.12]}
"""
POOL = "IPAddressPool more: {addresses: [192.0.2.128/26, 203.0.113.0/28]}\n"
MORE = BEFORE + POOL
NARROW = BEFORE.replace("192.0.2.0/25", "192.0.2.0/26")
ONE_NODE = BEFORE.replace("Node n2: {ips: [10.1.0.12]}", "")
RENUMBERED = BEFORE.replace("10.1.0.1}", "10.1.0.1, myASN: 64513}")
PEERS = """
Switch tor-a: {addresses: [10.1.0.1/24]}
BGPPeer first: {peerAddress: 10.1.0.1, nodeSelectors: [{matchLabels: {n: "1"}}]}
BGPPeer second: {peerAddress: 10.1.0.1, nodeSelectors: [{matchLabels: {n: "2"}}]}
IPAddressPool more: {addresses: [203.0.113.0/28]}
Node n1: {ips: [10.1.0.11], labels: {n: "1"}}
Node n2: {ips: [10.1.0.12], labels: {n: "2"}}
"""
FEW = "BGPAdvertisement more: {peers: [second]}\n"
MANAGED = BEFORE.replace("/24]}", "/24], globals: managed}")
MOVED_ID = MANAGED.replace("globals:", "routerID: 10.255.0.9, globals:")


def seen_at(
    made: Compilation, up: tuple[str, ...] = (FIRST, SECOND), accepted: int = 10
) -> Observed:
    """A switch that runs a network; these sessions are up."""
    rows = running(made.network)[TOR]
    assert isinstance(rows, sonic.Running)
    rows = sonic.parse({**rows.tables, "VRF": {"Vrf_red": {}}}, rows.cluster)
    sessions = {
        ("", who): SessionState("", who, "Established", accepted={"ipv4": accepted}) for who in up
    }
    return Observed(TOR, "switch", "202511", rows, BgpState(sessions))


class Table:
    """What a switch has heard: prefixes, each from these neighbors; `asked` is what for."""

    def __init__(self, **heard: tuple[str, ...]) -> None:
        self.heard = {name.replace("_", "."): who for name, who in heard.items()}
        self.asked: Blocks = {}

    def __call__(self, blocks: Blocks) -> Heard:
        self.asked = blocks
        return {"default": self.heard}


NOTHING = Table()


def hearing(routes: Mapping[str, tuple[str, ...]]) -> Table:
    table = Table()
    table.heard = dict(routes)
    return table


def difference(before: str, after: str, **state: object) -> tuple[ComparedSwitch, Observed]:
    made = compiled(after)
    seen = seen_at(compiled(before), **state)  # type: ignore[arg-type]
    return compared(switch(made), made.network, seen), seen


def judged(
    before: str,
    after: str,
    table: Table = NOTHING,
    *,
    patient: bool = False,
    allow: frozenset[Impact] = USUAL,
    **state: object,
) -> Verdict:
    made, seen = difference(before, after, **state)
    network = compiled(after).network
    return judge(made, network, seen, table, allow=allow, patient=patient)


def phases(verdict: Verdict) -> list[str]:
    return [one.phase for one in verdict.plan.rounds]


def test_what_is_as_intended_needs_nothing() -> None:
    verdict = judged(BEFORE, BEFORE)
    assert not verdict.plan.changes
    assert not verdict.rest


def test_what_adds_is_sent_at_once_and_nothing_is_asked() -> None:
    table = Table()
    verdict = judged(BEFORE, MORE, table, patient=True)
    assert phases(verdict) == ["accept"]
    assert not verdict.rest
    assert table.asked == {}


def test_what_goes_is_asked_for_and_goes_when_nobody_sends_it() -> None:
    table = Table()
    verdict = judged(MORE, BEFORE, table, patient=True)
    assert table.asked == {"default": ("192.0.2.128/26", "203.0.113.0/28")}
    assert phases(verdict) == ["settle"]
    assert not verdict.rest


def test_what_nodes_send_waits_and_then_counts() -> None:
    table = hearing({"192.0.2.129/32": (FIRST, SECOND), "203.0.113.1/32": ("10.9.9.9",)})
    waiting = judged(MORE, BEFORE, table, patient=True)
    assert "192.0.2.129/32 from 10.1.0.11" in waiting.waits
    assert not waiting.plan.changes
    assert not waiting.needs
    few = judged(MORE, BEFORE, table, accepted=100)
    assert [one.impact for one in few.cost.items] == [Impact.WITHDRAWAL]
    assert few.plan.changes
    many = judged(MORE, BEFORE, table, accepted=2)
    assert [one.impact for one in many.needs] == [Impact.MASS]
    assert not many.plan.changes
    assert many.rest
    assert judged(MORE, BEFORE, table, accepted=2, allow=USUAL | {Impact.MASS}).plan.changes
    none = frozenset({Impact.NOTHING})
    assert judged(MORE, BEFORE, table, accepted=100, allow=none).needs
    assert judged(MORE, BEFORE, table, accepted=100, allow=none | {Impact.MASS}).plan.changes


def test_a_set_that_is_narrowed_is_one_that_goes() -> None:
    inside, outside = hearing({"192.0.2.1/32": (FIRST,)}), hearing({"192.0.2.100/32": (FIRST,)})
    assert judged(BEFORE, NARROW, inside, patient=True).waits == ""
    assert "192.0.2.100/32" in judged(BEFORE, NARROW, outside, patient=True).waits


def test_a_session_that_starts_anew_waits_for_leave_and_what_adds_does_not() -> None:
    verdict = judged(BEFORE, RENUMBERED + POOL)
    assert [one.impact for one in verdict.needs] == [Impact.RESET]
    assert verdict.needs[0].names == ("n1", "n2")
    assert phases(verdict) == ["accept"]
    assert verdict.resets == frozenset()
    rows = {one.path[1] for one in verdict.rest}
    assert {f"default|{FIRST}", f"default|{SECOND}"} <= rows


def test_a_route_that_some_nodes_keep_is_only_narrower() -> None:
    table = hearing({"203.0.113.1/32": (FIRST, SECOND)})
    verdict = judged(PEERS + "BGPAdvertisement more: {}\n", PEERS + FEW, table)
    assert [one.impact for one in verdict.cost.items] == [Impact.ECMP]
    assert verdict.plan.changes


def test_what_others_let_in_besides_is_not_refused_at_once() -> None:
    made, seen = difference(BEFORE, BEFORE)
    rows = seen.running
    assert isinstance(rows, sonic.Running)
    tables = {t: {k: dict(f) for k, f in each.items()} for t, each in rows.tables.items()}
    (last,) = [name for name in tables["ROUTE_MAP"] if name.endswith("|65535")]
    tables["ROUTE_MAP"][last]["route_operation"] = "permit"
    seen = replace(seen, running=sonic.parse(tables, rows.cluster))
    network, table = compiled(BEFORE).network, hearing({"198.18.0.1/32": (FIRST,)})
    made = compared(switch(compiled(BEFORE)), network, seen)
    verdict = judge(made, network, seen, table, allow=USUAL, patient=True)
    assert table.asked == {"default": ("0.0.0.0/0",)}
    assert "198.18.0.1/32" in verdict.waits
    assert not verdict.plan.changes


def test_a_session_that_is_down_cannot_be_reset() -> None:
    verdict = judged(BEFORE, RENUMBERED, up=())
    assert not verdict.needs
    assert "detach" in phases(verdict)


def test_leave_is_given_for_resets() -> None:
    verdict = judged(BEFORE, RENUMBERED, allow=USUAL | {Impact.RESET})
    assert not verdict.needs
    assert verdict.resets == {("default", FIRST), ("default", SECOND)}


def test_a_node_that_leaves_is_given_time_to_hang_up() -> None:
    verdict = judged(BEFORE, ONE_NODE, patient=True)
    assert SECOND in verdict.waits
    assert not verdict.needs
    assert judged(BEFORE, ONE_NODE, patient=True, up=(FIRST,)).plan.changes
    late = judged(BEFORE, ONE_NODE)
    assert [one.impact for one in late.needs] == [Impact.RESET]
    assert late.cost.leaves == {("default", SECOND)}


def test_a_reset_among_what_is_sent_first_is_left_out() -> None:
    verdict = judged(MANAGED, MOVED_ID + POOL)
    assert [one.impact for one in verdict.needs] == [Impact.RESET]
    assert phases(verdict) == ["accept"]
    assert "router_id" not in str(verdict.plan.rounds[0].steps[0].commands)
    assert ("BGP_GLOBALS", "default", "router_id") in {one.path for one in verdict.rest}


DYNAMIC = BEFORE.replace("/24]}", "/24], neighbors: dynamic, listenRanges: [10.1.0.0/24]}")
ABSENT = BEFORE.replace("/24]}", "/24], state: absent}")
RED = BEFORE.replace("[10.1.0.1/24]", "[{address: 10.1.0.1/24, vrf: Vrf_red}]")


def test_who_dialed_in_from_a_range_has_a_session_to_lose() -> None:
    after = DYNAMIC.replace("10.1.0.1}", "10.1.0.1, myASN: 64513}")
    made, seen = difference(DYNAMIC, after)
    assert seen.state
    network = compiled(after).network
    for dynamic, vrf in ((True, ""), (False, ""), (True, "Vrf_red")):
        each = (replace(o, dynamic=dynamic, vrf=vrf) for o in seen.state.sessions.values())
        now = replace(seen, state=BgpState({(vrf, one.neighbor): one for one in each}))
        verdict = judge(made, network, now, NOTHING, allow=USUAL, patient=False)
        assert bool(verdict.needs) == (dynamic and not vrf)


def test_the_table_of_its_vrf_is_asked() -> None:
    table = Table()
    judged(RED + POOL, RED, table, patient=True)
    assert table.asked.keys() == {"Vrf_red"}


def test_a_switch_that_is_absent_loses_all_of_ours_once_nobody_uses_it() -> None:
    assert "10.1.0.11" in judged(BEFORE, ABSENT, patient=True).waits
    assert [one.impact for one in judged(BEFORE, ABSENT).needs] == [Impact.RESET]
    verdict = judged(BEFORE, ABSENT, patient=True, up=())
    assert phases(verdict) == ["settle", "forget"]


def test_a_limit_stays_above_what_is_sent() -> None:
    services = "".join(f"Service shop/s{n}: {{}}\n" for n in range(40))
    made, _ = difference(BEFORE + services, BEFORE, accepted=70)
    assert any("128" in one for one in made.plan.notes)
    assert made.plan.diff.empty
    made, _ = difference(BEFORE + services, BEFORE, accepted=3)
    assert [one.path[2] for one in made.plan.diff.changes] == ["max_prefix_limit"]


def test_what_others_changed_is_told_from_what_is_new() -> None:
    made, seen = difference(BEFORE, MORE)
    rows = seen.running
    assert isinstance(rows, sonic.Running)
    was = left(rows)
    (row,) = [one for one in rows.ours if one[0] == "BGP_PEER_GROUP_AF"]
    tables = {t: {k: dict(f) for k, f in each.items()} for t, each in rows.tables.items()}
    tables[row[0]][row[1]]["max_prefix_limit"] = "99"
    now = sonic.parse(tables, rows.cluster)
    seen = replace(seen, running=now)
    network = compiled(MORE).network
    made = compared(switch(compiled(MORE)), network, seen)
    drifted = moved(was, left(now), made.plan.diff.changes)
    assert drifted == {row}
    rest = without(made, switch(compiled(MORE)), drifted)
    assert row not in {one.path[:2] for one in rest.plan.diff.changes}
    assert {one.path[:2] for one in made.plan.diff.changes} - {row} == {
        one.path[:2] for one in rest.plan.diff.changes
    }
    assert digest_of(merged(left(now), drifted, was)) == digest_of(was)
    assert digest_of(left(now)) != digest_of(was)


@pytest.mark.parametrize("before", [MORE, BEFORE])
def test_a_row_that_is_gone_or_not_ours_to_have_is_drift_too(before: str) -> None:
    _, seen = difference(before, before)
    rows = seen.running
    assert isinstance(rows, sonic.Running)
    name = min(name for table, name in rows.ours if table == "PREFIX")
    tables = {t: {k: f for k, f in each.items() if k != name} for t, each in rows.tables.items()}
    now = sonic.parse(tables, rows.cluster)
    made = compared(switch(compiled(before)), compiled(before).network, replace(seen, running=now))
    drifted = moved(left(rows), left(now), made.plan.diff.changes)
    assert drifted == {("PREFIX", name)}
    assert without(made, switch(compiled(before)), drifted).plan.diff.empty


def rule(seq: int, block: str, *, permit: bool = True) -> Rule:
    return Rule(seq, permit, masked(block), 24, 32)


def accepting(*statements: Statement) -> Accepting:
    return {("default", FIRST): Accepts(64512, {"ipv4": Inbound(statements, None)})}


@pytest.mark.parametrize(
    ("after", "asked"),
    [
        ([(True, [rule(1, "192.0.2.0/24")])], {}),
        ([(True, [rule(1, "192.0.2.0/24"), rule(2, "203.0.113.0/24")])], {}),
        ([(True, [rule(1, "192.0.2.0/24")]), (False, [rule(3, "203.0.113.0/24")])], {}),
        (
            [(True, [rule(0, "192.0.2.0/28", permit=False), rule(1, "192.0.2.0/24")])],
            "192.0.2.0/28",
        ),
        ([(False, [rule(3, "192.0.0.0/16")]), (True, [rule(1, "192.0.2.0/24")])], "192.0.0.0/16"),
        ([(False, None), (True, [rule(1, "192.0.2.0/24")])], "192.0.2.0/24"),
        ([(True, [rule(3, "192.0.2.0/25")])], "192.0.2.0/24"),
        ([], "192.0.2.0/24"),
    ],
)
def test_what_may_be_refused_is_asked_for_and_no_more(
    after: list[tuple[bool, list[Rule] | None]], asked: str
) -> None:
    made = [
        Statement(lets_in, None if rules is None else PrefixList(tuple(rules)))
        for lets_in, rules in after
    ]
    before = accepting(Statement(permit=True, prefixes=PrefixList((rule(1, "192.0.2.0/24"),))))
    assert narrowed(before, accepting(*made)) == ({"default": (asked,)} if asked else {})


def test_in_another_order_anything_may_be_refused() -> None:
    let = Statement(permit=True, prefixes=PrefixList((rule(1, "192.0.2.0/24"),)))
    refuse = Statement(permit=False, prefixes=PrefixList((rule(2, "192.0.2.0/28"),)))
    assert narrowed(accepting(refuse, let), accepting(let, refuse)) != {}
    assert narrowed(accepting(let, refuse), accepting(refuse, let)) == {
        "default": ("192.0.2.0/24",)
    }


def test_what_stays_is_not_asked_for() -> None:
    rows = running(compiled(MORE).network)[TOR]
    assert isinstance(rows, sonic.Running)
    assert narrowed(sonic.accepts(rows), sonic.accepts(rows)) == {}
    assert narrowed(sonic.accepts(rows), {}) == {
        "default": ("192.0.2.0/25", "192.0.2.128/26", "203.0.113.0/28")
    }
