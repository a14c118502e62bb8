"""A plan for programs and for later: everything but secrets, and whether it still holds."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping

from ferrule.compiler.backends.base import Change
from ferrule.compiler.pipeline import Compilation
from ferrule.compiler.plan import DevicePlan, Item, Plan
from ferrule.compiler.planview import BACKEND, summary
from ferrule.compiler.views import API_VERSION


def as_json(plan: Plan, salt: str) -> dict[str, object]:
    """Everything but secrets; what a device runs, and what it should, as salted digests."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Plan",
        "cluster": plan.cluster,
        "salt": salt,
        "ok": plan.ok,
        "changes": plan.changes,
        "devices": [_device(one, salt) for one in plan.devices],
        "failed": [
            {"device": name, "kind": kind, **why.to_json()} for (kind, name), why in plan.failed
        ],
        "rounds": [
            {
                "phase": one.phase,
                "kind": one.kind,
                "steps": [{"device": s.device, "commands": len(s.commands)} for s in one.steps],
            }
            for one in plan.rounds
        ],
        "impact": [_item(one) for one in plan.items],
        "worst": plan.worst.word,
        "unchanged": {"addresses": plan.addresses, "sessions": plan.sessions},
        "diagnostics": [one.to_json() for one in plan.problems],
        "summary": summary(plan),
    }


def unmade(compilation: Compilation) -> dict[str, object]:
    """The form of a plan for an input that there is none of."""
    found = [one.to_json() for one in compilation.diagnostics]
    return {"apiVersion": API_VERSION, "kind": "Plan", "ok": False, "diagnostics": found}


def _item(item: Item) -> dict[str, object]:
    return {
        "impact": item.impact.word,
        "what": item.what,
        "count": item.count,
        "names": list(item.names),
    }


def _device(device: DevicePlan, salt: str) -> dict[str, object]:
    effects = {id(change): effect for change, effect in device.effects}
    return {
        "device": device.device,
        "kind": device.kind,
        "version": device.version,
        "ok": device.ok,
        **_digests(device, salt),
        "changes": [_change(one, effects.get(id(one))) for one in device.diff.changes],
        "problems": [one.to_json() for one in device.diff.problems],
        "notes": list(device.notes),
        "held": device.held or None,
    }


def _change(change: Change, effect: str | None) -> dict[str, object]:
    return {
        "op": change.op,
        "path": list(change.path),
        "old": change.old,
        "new": change.new,
        "effect": effect,
        "place": change.origin.place().to_json() if change.origin else None,
    }


def _digests(device: DevicePlan, salt: str) -> dict[str, str]:
    """Salted hashes of what is ours, secrets included: to compare, not to read."""
    owned = BACKEND[device.kind].owned
    texts = {
        "running": json.dumps(owned(device.running), sort_keys=True, default=str),
        "intended": json.dumps(owned(device.intended), sort_keys=True, default=str),
    }
    key = salt.encode()
    return {
        of: hmac.new(key, one.encode(), hashlib.sha256).hexdigest() for of, one in texts.items()
    }


def stale(plan: Plan, planned: Mapping[str, object]) -> Iterator[str]:
    """The devices whose state, or whose intended state, is no longer what a file says."""
    salt = str(planned.get("salt"))
    before = {(one.get("kind"), one.get("device")): one for one in _listed(planned.get("devices"))}
    now = {(one.kind, one.device): one for one in plan.devices}
    for key in dict.fromkeys((*before, *now)):
        kind, name = key
        if key not in before or key not in now:
            yield f"{kind} {name}"
            continue
        made = _digests(now[key], salt)
        if made != {of: before[key].get(of) for of in made}:
            yield f"{kind} {name}"


def _listed(value: object) -> list[dict[str, object]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
