"""How `ferrule apply` goes: plan, refuse or ask, carry out, and say what came of it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from typing import NoReturn

import click

from ferrule.apply.journal import recording
from ferrule.apply.rollout import Result, Settings
from ferrule.apply.rollout import said as said_of
from ferrule.apply.target import Trouble
from ferrule.commands import apply, signals, talk
from ferrule.commands.apply_statuses import Statuses, Waiting
from ferrule.commands.inputs import Compiled, Wanted, compiled
from ferrule.commands.plan import load
from ferrule.compiler import checks, planjson, planview, views
from ferrule.compiler.errors import listed, printable
from ferrule.compiler.plan import Impact

INTERRUPTED = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(
    planned: str | None,
    *,
    output: str,
    local: tuple[str, ...],
    parallel: int,
    patience: int | None,
    yes: bool,
    allow: tuple[str, ...],
    adopt: tuple[str, ...],
    batch: int,
    settle: int,
    confirm: int | None,
    confirm_now: str | None,
    revert: str | None,
    record: str | None,
    **inputs: object,
) -> None:
    """Exits 0 when all is as planned, 1 when it is as before or nothing was done."""
    end = _Ending(output)
    said, wanted = _wanted(planned, inputs)
    made = compiled(wanted)
    if not made.compilation.ok:
        talk.diagnostics(made.compilation.diagnostics)
        end(views.summary(made.compilation), 1)
    doing = apply.Doing(
        Settings(batch, settle, confirm or 0),
        talk.aloud,
        parallel=parallel,
        patience=patience,
        secrets=apply.passwords(made.compilation.network),
    )
    if revert or confirm_now:
        with _recorded(doing, record, end) as doing:
            _earlier(made, doing, end, revert=revert, confirm_now=confirm_now, local=local)
    this = apply.planned(made, local=local, parallel=parallel, adopt=adopt, patience=patience)
    _show(this, output)
    if said is not None and (moved := listed(planjson.stale(this.plan, said))) != "none":
        end(f"nothing was done: {moved} moved since the plan was made: plan again", 1)
    statuses = Statuses(this, wanted)
    _refuse([*apply.refusals(this, allow), *apply.unmet(this, adopt)], this, end)
    _refuse(filter(None, [statuses.refusal()]), this, end)
    if not _is_due(this) and not statuses.due:
        end(planview.summary(this.plan), 0, done=True)
    _announce(this, statuses)
    if not yes:
        _ask(this, end)
    with _recorded(doing, record, end) as doing:
        _do(this, statuses, doing, end)


def _do(this: apply.Planned, statuses: Statuses, doing: apply.Doing, end: _Ending) -> NoReturn:
    """What was agreed to: first the cluster, then the devices."""
    end.written = statuses.written
    try:
        statuses.write(talk.aloud)
    except Trouble as bad:
        end(f"nothing was done on devices: {bad.message}", 1)
    if not _is_due(this):
        end(f"statuses written · {planview.summary(this.plan)}", 0, done=True)
    _report(this, doing, end)


def _is_due(this: apply.Planned) -> bool:
    """Whether there is anything to do on devices."""
    return this.plan.changes or bool(apply.unfinished(this))


def _refuse(reasons: Iterable[str], this: apply.Planned, end: _Ending) -> None:
    """End it, where there are any."""
    said = list(reasons)
    for why in said:
        talk.aloud(f"refused: {why}")
    if said:
        end(f"nothing was done · {planview.summary(this.plan)}", 1)


@contextmanager
def _recorded(doing: apply.Doing, file: str | None, end: _Ending) -> Iterator[apply.Doing]:
    """The same, written down; a record that cannot be opened ends it before anything is done."""
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(recording(file))
        except Trouble as bad:
            end(f"nothing was done: {said_of(bad)}", 1)
        yield replace(doing, stream=stream)


def _wanted(
    planned: str | None, inputs: Mapping[str, object]
) -> tuple[Mapping[str, object] | None, Wanted]:
    if planned is None:
        wanted = Wanted(**inputs)  # type: ignore[arg-type]
        if not wanted.paths and not wanted.live:
            raise click.UsageError("PATH..., --context, --kubeconfig or --plan FILE is needed")
        return None, wanted
    if inputs.get("paths"):
        raise click.UsageError("--plan FILE is of the PATH... that it was made of")
    try:
        return load(planned)
    except (OSError, ValueError) as bad:
        raise click.ClickException(f"{planned}: {bad}") from None


def _show(this: apply.Planned, output: str) -> None:
    told = () if output == "json" else planview.PARTIAL  # the text has these
    talk.diagnostics(one for one in this.plan.problems if one.code not in told)
    if output == "json":
        return
    for line in planview.text(this.plan):
        click.echo(line)


def _announce(this: apply.Planned, statuses: Statuses) -> None:
    """What is not in the plan: runs that are finished with it, and the statuses of Services."""
    for (kind, name), run in apply.unfinished(this).items():
        talk.aloud(f"{kind} {name}: what run {printable(run)} left open is finished")
    if warning := statuses.warning():
        talk.aloud(f"warning: {warning}")
    for one in statuses.due:
        talk.aloud(f"first the status of Service {one}")


def _ask(this: apply.Planned, end: _Ending) -> None:
    """Go on only if whoever sits at the terminal says so."""
    worst = this.plan.worst
    what = f"worst impact: {worst.word}" if worst is not Impact.NOTHING else "no impact"
    try:
        answer = talk.asked(f"apply this plan ({what})?")
    except KeyboardInterrupt:
        end("nothing was done: interrupted", INTERRUPTED, result=Result(interrupted=True))
    if answer is None:
        raise click.UsageError("there is no terminal to ask on: add --yes")
    if not answer:
        end("nothing was done", 1)


def _report(this: apply.Planned, doing: apply.Doing, end: _Ending) -> NoReturn:
    run = apply.new_run()
    with signals.first_of(SIGNALS, lambda: _stop(doing.stop)):
        result = apply.carry_out(this, run, doing)
    if not end.as_json:
        for line in checks.table(result.table):
            click.echo(line)
    _stuck(result)
    if not result.done:
        state = "stuck in between, see above" if result.stuck else "everything is as it was"
        state += ", but for the statuses that were written" if end.written else ""
        state += ", but for sessions that are not up again, see above" if result.table else ""
        code = INTERRUPTED if result.interrupted else 1
        end(f"run {run.name} failed: {result.why} · {state}", code, run.name, result)
    if doing.settings.confirm_s:
        talk.aloud(f"keep it with: ferrule apply --confirm-now {run.name} PATH...")
        summary = f"run {run.name} done, and goes back in {doing.settings.confirm_s} s"
        end(summary, 0, run.name, result)
    end(f"run {run.name} done · {planview.unchanged(this.plan)}", 0, run.name, result)


def _stuck(result: Result) -> None:
    for (kind, name), (why, by_hand) in result.stuck.items():
        talk.aloud(f"{kind} {name} could not be put back: {why}")
        for line in by_hand:
            talk.aloud(line)


def _earlier(
    made: Compiled,
    doing: apply.Doing,
    end: _Ending,
    *,
    revert: str | None,
    confirm_now: str | None,
    local: tuple[str, ...],
) -> NoReturn:
    """`--revert` and `--confirm-now`."""
    name = revert or confirm_now or ""
    act = apply.revert if revert else apply.confirm
    result = act(made, name, doing, local=local)
    _stuck(result)
    word = "put back" if revert else "kept"
    if result.done:
        end(f"run {name} {word}", 0, name, result)
    end(f"run {name}: {result.why or 'see above'}", 1, name, result)


def _stop(stop: threading.Event) -> None:
    """Ctrl-C, SIGTERM and the end of the terminal: everything is put back, once and in peace."""
    stop.set()
    talk.aloud("stopping: what devices are at ends first, then everything is put back")


class _Ending:
    """The last line, for people; for programs, all that came of it."""

    def __init__(self, output: str) -> None:
        self.as_json = output == "json"
        self.written: Sequence[Waiting] = ()

    def __call__(
        self,
        summary: str,
        code: int,
        run: str | None = None,
        result: Result | None = None,
        *,
        done: bool = False,
    ) -> NoReturn:
        talk.aloud(summary)
        if self.as_json:
            talk.as_json(_form(run, result or Result(done=done), self.written, summary))
        raise click.exceptions.Exit(code)


def _form(
    run: str | None, result: Result, written: Sequence[Waiting], summary: str
) -> dict[str, object]:
    """A run as JSON; one that never began has no name."""
    return {
        "apiVersion": views.API_VERSION,
        "kind": "Run",
        "name": run,
        "done": result.done,
        "interrupted": result.interrupted,
        "why": result.why or None,
        "statuses": [
            {"service": one.service.key, "addresses": list(map(str, one.service.addresses))}
            for one in written
        ],
        "sessions": [asdict(one) for one in result.table],
        "stuck": [
            {"kind": kind, "device": name, "why": why, "byHand": list(by_hand)}
            for (kind, name), (why, by_hand) in result.stuck.items()
        ],
        "summary": summary,
    }
