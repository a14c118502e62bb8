"""What a plan says of small changes: two networks, and all that comes of it, one file a case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from plan.worlds import found, running
from ruamel.yaml import YAML
from short import compiled

from ferrule.compiler import planview
from ferrule.compiler.plan import Plan
from ferrule.compiler.planning import make_plan

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))


def planned(case: dict[str, Any], **settings: Any) -> Plan:
    before, after = compiled(_joined(case, "before")), compiled(_joined(case, "after"))
    assert before.ok, before.diagnostics
    assert after.ok, after.diagnostics
    return make_plan(after, found(after.network, running(before.network)), **settings)


def _joined(case: dict[str, Any], side: str) -> str:
    both: str = case.get("both", "")
    only: str = case.get(side, "")
    return both + only


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = YAML(typ="safe").load(path.read_text())
    plan = planned(case, **case.get("with", {}))
    said = [line for line in planview.text(plan) if line]
    assert said == case["text"].splitlines()
    assert planview.summary(plan) == case["summary"].strip()
    assert {one.word for one in plan.needing_leave()} == set(case.get("leave", []))
