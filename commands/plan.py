"""`ferrule plan`: read every device, compare, and say what would change and what it costs."""

from __future__ import annotations

import json
import os
import secrets
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from ferrule.apply.reach import Device, reach
from ferrule.apply.survey import Outcome, Progress, survey
from ferrule.apply.target import Trouble
from ferrule.commands.inputs import Compiled, Wanted
from ferrule.compiler.backends import frr
from ferrule.compiler.compare import intentions
from ferrule.compiler.errors import Diagnostic
from ferrule.compiler.network import without_secrets
from ferrule.compiler.observed import Key, Observed
from ferrule.compiler.plan import Plan
from ferrule.compiler.planjson import as_json
from ferrule.compiler.planning import make_plan
from ferrule.compiler.views import API_VERSION
from ferrule.observe import rendered

FORM = (API_VERSION, "Plan")

Found = Mapping[Key, Observed | Diagnostic]


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found of the devices, and doubts about others."""

    found: Found
    devices: tuple[Device, ...] = field(default=(), repr=False)
    doubts: tuple[Diagnostic, ...] = ()
    intended: Mapping[str, frr.Running] = field(default_factory=dict, repr=False)


def against(compiled: Compiled, directory: str) -> Plan:
    """The plan against a rendered directory; `FileNotFoundError` where it is none."""
    compilation = compiled.compilation
    hidden = replace(compilation, network=without_secrets(compilation.network))
    there = rendered.load(directory, compilation.network)
    return make_plan(
        hidden,
        there.found,
        unread=compiled.missing,
        before=there.before,
        vanished=there.vanished,
    )


def live(
    compiled: Compiled, *, local: Collection[str], parallel: int, patience: int | None = None
) -> Plan:
    """The plan against what all devices run."""
    seen = look(compiled, local=local, parallel=parallel, patience=patience)
    return make_plan(
        compiled.compilation,
        seen.found,
        unread=compiled.missing,
        doubts=seen.doubts,
        intended=seen.intended,
    )


def look(
    compiled: Compiled, *, local: Collection[str], parallel: int, patience: int | None = None
) -> Survey:
    """Every device of the network, as far as it can be reached."""
    intended = intentions(compiled.compilation.network)
    ways = reach(compiled.compilation, local=local, intended=intended, patience_s=patience or 0)
    with _progress(len(ways.devices)) as progress:
        outcomes = survey(ways.devices, parallel=parallel, progress=progress)
    places = {one.key: one.origin.place() for one in ways.devices}
    found: dict[Key, Observed | Diagnostic] = {
        key: one.diagnostic(places[key]) if isinstance(one, Trouble) else one
        for key, one in outcomes.items()
    }
    errors = {key: one for key, one in ways.unreached.items() if one.severity == "error"}
    doubts = tuple(one for one in ways.unreached.values() if one.severity != "error")
    return Survey({**found, **errors}, ways.devices, doubts, intended)


@contextmanager
def _progress(total: int) -> Iterator[Progress | None]:
    """A bar on a terminal, with the name of each device as it is done."""
    if not sys.stderr.isatty() or not total:
        yield None
        return
    from rich import progress
    from rich.console import Console

    with progress.Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading devices", total=total)

        def done(device: Device, _outcome: Outcome) -> None:
            bar.update(task, advance=1, description=f"reading devices: {device.key[1]}")

        yield done


def save(plan: Plan, file: str, wanted: Wanted) -> None:
    """Write the plan, and of what input it is, for `apply --plan`: whole, or not at all."""
    path = Path(file)
    said = {**as_json(plan, salt()), "inputs": asdict(wanted)}
    text = json.dumps(said, indent=1) + "\n"
    try:
        _replace(path, text)
    except OSError as bad:
        reason = (bad.strerror or str(bad)).lower()
        raise OSError(f"{file}: the plan cannot be written: {reason}") from None


def _replace(path: Path, text: str) -> None:
    descriptor, staged = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
        Path(staged).chmod(0o644)
        Path(staged).replace(path)
    except BaseException:
        Path(staged).unlink(missing_ok=True)
        raise


def salt() -> str:
    """A new salt for the digests of a plan."""
    return secrets.token_hex(16)


def load(file: str) -> tuple[Mapping[str, object], Wanted]:
    """A saved plan, and the input that it was made of; `ValueError` where it is none."""
    said = json.loads(Path(file).read_text())
    if not isinstance(said, dict) or (said.get("apiVersion"), said.get("kind")) != FORM:
        raise ValueError(f"{file} is no plan of this version of ferrule")
    inputs = said.get("inputs")
    if not isinstance(inputs, dict) or inputs.keys() != {one.name for one in fields(Wanted)}:
        raise ValueError(f"{file} does not say of which input it is")
    return said, Wanted(**{**inputs, "paths": tuple(inputs["paths"])})
