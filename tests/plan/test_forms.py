"""Forms of a plan: a file that says nothing it must not, and a comment that stays one."""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from plan.worlds import found, running
from short import compiled

from ferrule.commands import plan as planning
from ferrule.commands.inputs import Wanted
from ferrule.compiler import plancomment, planjson, planview
from ferrule.compiler.backends import sonic
from ferrule.compiler.errors import error, warning
from ferrule.compiler.observed import Observed
from ferrule.compiler.pipeline import Compilation
from ferrule.compiler.plan import Impact, Item, Plan
from ferrule.compiler.planning import make_plan

SPEC = """
Cluster prod: {}
Switch tor-a: {addresses: [198.51.100.1/24], password: external}
IPAddressPool public: {}
BGPAdvertisement all: {}
BGPPeer tor: {peerAddress: 198.51.100.1, passwordSecret: {name: bgp, namespace: metallb-system}}
Node n1: {ips: [198.51.100.11]}
Node n2: {ips: [198.51.100.12]}
"""
PASSWORD = "correct-horse"  # noqa: S105
OTHER = "battery-staple"
ONE, TWO = "Service shop/a: {}\n", "Service shop/a: {}\nService shop/b: {}\n"


def network(services: str = ONE, password: str = PASSWORD, spec: str = SPEC) -> Compilation:
    secret = f"Secret metallb-system/bgp: {{stringData: {{password: {password}}},"
    made = compiled(f"{spec}{secret} type: kubernetes.io/basic-auth}}\n{services}")
    assert made.ok, made.diagnostics
    return made


def planned(before: Compilation, after: Compilation) -> Plan:
    return make_plan(after, found(after.network, running(before.network)))


def saved(plan: Plan, folder: Path) -> tuple[str, Mapping[str, object]]:
    file = folder / "plan.json"
    planning.save(plan, str(file), Wanted(("spec.yaml",)))
    return file.read_text(), planning.load(str(file))[0]


# A file.


def test_no_form_has_a_password(tmp_path: Path) -> None:
    plan = planned(network(), network(TWO, OTHER))
    assert any("password" in change.path[-1] for one in plan.devices for change in one.diff.changes)
    forms = [
        saved(plan, tmp_path)[0],
        json.dumps(planjson.as_json(plan, "salt")),
        *planview.text(plan, annotate=True),
        *plancomment.markdown(plan),
        repr(plan),
    ]
    assert not [one for one in forms if PASSWORD in one or OTHER in one]


def test_two_files_of_one_plan_differ_and_neither_is_stale(tmp_path: Path) -> None:
    plan = planned(network(), network(TWO))
    first, said = saved(plan, tmp_path)
    second, again = saved(plan, tmp_path)
    assert first != second
    assert {**said, "devices": 0, "salt": 0} == {**again, "devices": 0, "salt": 0}
    assert [*planjson.stale(plan, said), *planjson.stale(plan, again)] == []
    assert list(tmp_path.iterdir()) == [tmp_path / "plan.json"]


def without(plan: Plan, name: str) -> Plan:
    return replace(plan, devices=tuple(one for one in plan.devices if one.device != name))


MOVED = {
    "what nodes run": (planned(network(TWO), network(TWO)), ["node n1", "node n2"]),
    "what is intended": (planned(network(), network()), ["node n1", "node n2"]),
    "a password, there": (planned(network(password=OTHER), network(TWO)), ["node n1", "node n2"]),
    "a password, here": (planned(network(), network(TWO, OTHER)), ["node n1", "node n2"]),
    "a device is gone": (without(planned(network(), network(TWO)), "n2"), ["node n2"]),
}


@pytest.mark.parametrize(("now", "moved"), MOVED.values(), ids=MOVED.keys())
def test_a_file_is_stale(now: Plan, moved: list[str], tmp_path: Path) -> None:
    _, said = saved(planned(network(), network(TWO)), tmp_path)
    assert sorted(planjson.stale(now, said)) == moved


def test_rows_of_others_do_not_make_it_stale(tmp_path: Path) -> None:
    before, after = network(), network(TWO)
    _, said = saved(planned(before, after), tmp_path)
    seen = found(after.network, running(before.network))
    switch = seen["switch", "tor-a"]
    assert isinstance(switch, Observed)
    assert isinstance(switch.running, sonic.Running)
    tables = {**switch.running.tables, "VLAN": {"Vlan7": {"vlanid": "7"}}}
    seen["switch", "tor-a"] = replace(switch, running=sonic.parse(tables, "prod"))
    assert list(planjson.stale(make_plan(after, seen), said)) == []


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    plan, file = planned(network(), network(TWO)), tmp_path / "nowhere" / "plan.json"
    with pytest.raises(OSError, match=r"plan\.json: the plan cannot be written: no such file"):
        planning.save(plan, str(file), Wanted())


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "plan.json"
    file.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(OSError, match="no space left on device"):
        planning.save(planned(network(), network(TWO)), str(file), Wanted())
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("plan.json", "old")]


# A comment.

HOSTILE = "a`b```|c*<img src=x>[x](y)\x1b[31m\n```\n</details> @all"


def blocks(text: str) -> list[str]:
    """What is outside of fenced blocks, as CommonMark sees them."""
    outside, fence = [], ""
    for line in text.splitlines():
        marks = re.match(r" {0,3}(`{3,})", line)
        if fence:
            fence = "" if marks and line.strip() == "`" * len(line.strip()) >= fence else fence
        elif marks:
            fence = marks[1]
        else:
            outside.append(line)
    assert not fence, "a block does not end"
    return outside


def test_a_comment_stays_one_whatever_names_say() -> None:
    plan = planned(network(), network(TWO))
    first, *rest = plan.devices
    hostile = replace(
        plan,
        devices=(replace(first, device=HOSTILE, version=HOSTILE, notes=(HOSTILE,)), *rest),
        items=(Item(Impact.WITHDRAWAL, HOSTILE, (HOSTILE,), 1),),
        failed=((("node", HOSTILE), error("unreachable", HOSTILE)),),
        problems=(warning("x", HOSTILE),),
    )
    text = "\n".join(plancomment.markdown(hostile))
    assert "\x1b" not in text
    outside = blocks(text)
    assert not [one for one in outside if re.search(r"(?<!\\)<img", one)]
    comment = [one for one in outside if not one.startswith("<")]  # where markdown is read
    assert not [one for one in comment if re.search(r"(?<!\\)[`|\[<]", one)]
    heading = next(one for one in outside if "&lt;img" in one)
    assert html.unescape(heading).startswith("<details><summary>a`b```|c*<img src=x>")
    assert outside.count("</details>") == sum("<details>" in one for one in outside) > 2


def many(count: int) -> str:
    return "".join(
        f"Service shop/s{n}: {{ip: 10.0.{n // 250}.{n % 250 + 1}}}\n" for n in range(count)
    )


def test_a_comment_has_an_end() -> None:
    spec = SPEC.replace("public: {}", "public: {addresses: [10.0.0.0/16]}")
    nodes = "".join(f"Node m{n}: {{ips: [198.51.100.{n}]}}\n" for n in range(20, 60))
    plan = planned(network("", spec=spec), network(many(900) + nodes, spec=spec))
    text = "\n".join(plancomment.markdown(plan))
    assert len(text) <= plancomment.MOST_CHARS
    assert re.search(r"^# and \d+ lines more$", text, re.MULTILINE)
    left = re.search(r"^(\d+) parts? more: run `ferrule plan` to see all$", text, re.MULTILINE)
    assert left
    groups = sum(1 for _ in re.findall("<details>", text))
    assert groups + int(left[1]) == 1 + 1 + 1 + 40  # warnings, the switch, n1 and n2, new nodes
    blocks(text)


def test_a_long_list_of_costs_is_counted() -> None:
    plan = planned(network(), network(TWO))
    plan = replace(plan, items=(Item(Impact.OWNER, "moves", (), 1),) * 100)
    said = list(plancomment.markdown(plan))
    assert said.count("- moves") == plancomment.MOST_ITEMS
    assert "- and 71 more" in said  # the line of what does not change is one of them
