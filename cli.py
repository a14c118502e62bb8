"""The command line; every command is a thin edge around the compiler."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

EX_USAGE = 64  # sysexits.h; 2 is taken by --detailed-exitcode

F = TypeVar("F", bound=Callable[..., object])
PORT = click.IntRange(0, 65535)
LEVEL = click.Choice(["all", "debug", "info", "warn", "error", "none"])


class Cli(click.Group):
    """A click group whose usage errors exit 64, so that 2 can mean "changes pending"."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        """Run the command and exit."""
        extra["standalone_mode"] = False
        try:
            code = super().main(args, *rest, **extra)
        except click.UsageError as error:
            error.show()
            sys.exit(EX_USAGE)
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except click.Abort:
            sys.exit(130)
        except BrokenPipeError:  # the reader has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except Exception as bug:  # the last door: a user never meets a traceback
            if os.environ.get("FERRULE_TRACEBACK"):
                traceback.print_exc()
            click.echo(f"ferrule: a defect of ours: {type(bug).__name__}: {bug}", err=True)
            click.echo("set FERRULE_TRACEBACK=1 to see where, and please report it", err=True)
            sys.exit(1)
        sys.exit(code if isinstance(code, int) else 0)


def option(*names: str, **settings: Any) -> Callable[[F], F]:
    """An option with its FERRULE_* variable, shown in the help."""
    flag = next(one for one in reversed(names) if one.startswith("-"))
    variable = "FERRULE_" + flag.lstrip("-").replace("-", "_").upper()
    return click.option(*names, envvar=variable, show_envvar=True, **settings)


def output_option(*more: str) -> Callable[[F], F]:
    """`--output text|json`, and other forms."""
    choice = click.Choice(["text", "json", *more])
    return option("--output", type=choice, default="text", show_default=True, help="Form.")


def input_options(command: F) -> F:
    """PATH..., a live cluster beside them, and what decides which Services are ours."""
    decorate: Sequence[Callable[[F], F]] = (
        click.argument("paths", nargs=-1, metavar="[PATH...]"),
        option("--context", metavar="NAME", help="Read the cluster of this kubeconfig context."),
        option("--kubeconfig", metavar="FILE", help="Read a cluster, by this kubeconfig."),
        option("--lb-class", default="", help="Serve Services of this loadBalancerClass only."),
        option("--ignore-exclude-lb", is_flag=True, help="Announce from excluded nodes too."),
    )
    for one in reversed(decorate):
        command = one(command)
    return command


def device_options(command: F) -> F:
    """How devices are asked."""
    decorate: Sequence[Callable[[F], F]] = (
        option("--local", multiple=True, metavar="NODE", help="This node is this host."),
        option(
            "--parallel",
            type=click.IntRange(1, 256),
            default=64,
            show_default=True,
            help="How many devices are asked at the same time.",
        ),
        option(
            "--patience",
            type=click.IntRange(1),
            metavar="SECONDS",
            help="How long a device may take for a command; else 60, and longer for a load.",
        ),
    )
    for one in reversed(decorate):
        command = one(command)
    return command


@click.group(cls=Cli, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ferrule", message="%(prog)s %(version)s")
@option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    help="Colour on a terminal, always, or never; NO_COLOR means never.",
)
@click.pass_context
def main(context: click.Context, *, color: str) -> None:
    """Kubernetes LoadBalancer Services on bare metal: addresses, nodes and switches."""
    never = color == "never" or (color == "auto" and bool(os.environ.get("NO_COLOR")))
    context.color = False if never else (True if color == "always" else None)


@main.command()
@input_options
@output_option()
def validate(*, output: str, **inputs: Any) -> None:
    """Find every mistake in PATH..., and write nothing."""
    from ferrule.compiler import views

    compilation = _compiled(**inputs).compilation
    if output == "json":
        _print_json({"diagnostics": [one.to_json() for one in compilation.diagnostics]})
    _conclude(compilation, views, told=output == "json")


@main.command()
@input_options
@output_option()
@option("-o", "--out", type=click.Path(file_okay=False), help="The directory to write.")
@option("--check", is_flag=True, help="Write nothing; fail when OUT is not what it should be.")
@option("--annotate", is_flag=True, help="Print every line with its place in the spec.")
@option("--with-secrets", is_flag=True, help="Write passwords in clear, into files of mode 0600.")
def render(
    *,
    output: str,
    out: str | None,
    check: bool,
    annotate: bool,
    with_secrets: bool,
    **inputs: Any,
) -> None:
    """Compile PATH... to the configuration of every node and switch.

    Without -o the files are printed.
    """
    from ferrule.commands import talk
    from ferrule.compiler import views

    if check and out is None:
        raise click.UsageError("--check needs -o OUT")
    compiled = _compiled(out=out, **inputs)
    compilation = compiled.compilation
    if compiled.missing and compilation.ok:
        talk.diagnostics(compilation.diagnostics)
        raise click.ClickException(f"nothing was written: {views.missing(compiled.missing)}")
    stale = False
    if output == "json":
        _print_json(views.network_json(compilation))
    elif compilation.ok and annotate:
        for line in views.annotated(compilation.network):
            click.echo(line)
    elif compilation.ok:
        files = views.files(compilation.network, with_secrets=with_secrets)
        stale = _deliver(files, out, check=check)
    _conclude(compilation, views, told=output == "json", failed=stale)


def _compiled(out: str | None = None, **inputs: Any) -> Any:
    """Read PATH..., and a cluster where one is named, and compile."""
    from ferrule.commands.inputs import compiled

    return compiled(_wanted(inputs), out)


def _wanted(inputs: Mapping[str, Any]) -> Any:
    from ferrule.commands.inputs import Wanted

    wanted = Wanted(**inputs)
    if not wanted.paths and not wanted.live:
        raise click.UsageError("PATH..., --context or --kubeconfig is needed")
    return wanted


def _deliver(files: Any, out: str | None, *, check: bool) -> bool:
    """Write, compare or print; whether a comparison failed."""
    from ferrule.apply import directory
    from ferrule.commands.inputs import working

    if out is None:
        for path, file in files.items():
            click.echo(f"==> {path} <==")
            click.echo(file.text)
        return False
    wanted = {path: directory.File(one.text, one.secret) for path, one in files.items()}
    try:
        with working("writing"):
            act = directory.compare if check else directory.write
            difference = act(Path(out), wanted)
    except OSError as bad:
        reason = (bad.strerror or str(bad)).lower()
        raise click.ClickException(f"{out}: nothing was changed: {reason}") from None
    for sign, paths in (
        ("+", difference.added),
        ("~", difference.changed),
        ("-", difference.removed),
    ):
        for path in paths:
            click.echo(f"{sign} {out}/{path}")
    return check and bool(difference)


def _conclude(compilation: Any, views: Any, *, told: bool = False, failed: bool = False) -> None:
    """Talk on stderr, the summary last, and the exit code."""
    from ferrule.commands import talk

    if not told:
        talk.diagnostics(compilation.diagnostics)
        for line in views.pending_lines(compilation.network):
            click.echo(line, err=True)
    if failed:
        click.echo("OUT is not what it should be: run ferrule render without --check", err=True)
    click.echo(views.summary(compilation), err=True)
    click.get_current_context().exit(0 if compilation.ok and not failed else 1)


def _print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2))


@main.command()
@input_options
@device_options
@output_option("markdown")
@option("--out", "plan_out", type=click.Path(dir_okay=False), help="Write the plan, for apply.")
@option("--against", type=click.Path(file_okay=False), help="Compare with a rendered directory.")
@option("--annotate", is_flag=True, help="Print the place in the spec behind every line.")
@option("--detailed-exitcode", is_flag=True, help="Exit 2 when there are changes.")
def plan(
    *,
    output: str,
    plan_out: str | None,
    against: str | None,
    annotate: bool,
    detailed_exitcode: bool,
    local: tuple[str, ...],
    parallel: int,
    patience: int | None,
    **inputs: Any,
) -> None:
    """Show what would change on every device, in which order, and what it costs."""
    from ferrule.commands import plan as planning
    from ferrule.commands import talk
    from ferrule.compiler import plancomment, planjson, planview, views

    compiled = _compiled(out=against, **inputs)
    if not compiled.compilation.ok:
        if output == "json":
            _print_json(planjson.unmade(compiled.compilation))
        _conclude(compiled.compilation, views, told=output == "json")
    try:
        if against:
            made = planning.against(compiled, against)
        else:
            made = planning.live(compiled, local=local, parallel=parallel, patience=patience)
        if plan_out:
            planning.save(made, plan_out, _wanted(inputs))
    except OSError as bad:
        raise click.ClickException(str(bad)) from None
    if output == "json":
        _print_json(planjson.as_json(made, planning.salt()))
    else:
        part = planview.PARTIAL if output == "text" else ()  # there the plan says it
        talk.diagnostics(one for one in made.problems if one.code not in part)
        for line in views.pending_lines(compiled.compilation.network):
            talk.aloud(line)
        said = plancomment.markdown(made) if output == "markdown" else None
        for line in said or planview.text(made, annotate=annotate):
            click.echo(line)
    click.echo(planview.summary(made), err=True)
    pending = 2 if detailed_exitcode and made.pending else 0
    click.get_current_context().exit(pending if made.ok else 1)


@main.command()
@click.argument("file", metavar="FILE")
@input_options
@output_option()
@option("--as", "as_", metavar="NAME", help="FILE is of this Switch or peer address.")
def lint(*, file: str, as_: str | None, output: str, **inputs: Any) -> None:
    """Compare FILE, a foreign frr.conf or CONFIG_DB, with our end of its sessions."""
    from ferrule.commands import talk
    from ferrule.compiler import views
    from ferrule.compiler.lint import lint as compare
    from ferrule.observe import files

    compiled = _compiled(**inputs)
    if not compiled.compilation.ok:
        _conclude(compiled.compilation, views)
    try:
        text = files.content(file)
    except OSError as bad:
        reason = (bad.strerror or str(bad)).lower()
        raise click.ClickException(f"{file}: cannot be read: {reason}") from None
    report = compare(compiled.compilation, "<stdin>" if file == "-" else file, text, as_=as_)
    if output == "json":
        _print_json(report.to_json())
    else:
        talk.diagnostics(report.diagnostics)
    click.echo(report.summary, err=True)
    click.get_current_context().exit(0 if report.ok else 1)


ALLOWED = ("withdrawal", "session-reset", "address-change", "mass-withdrawal")


@main.command()
@input_options
@device_options
@output_option()
@option("--plan", "planned", type=click.Path(dir_okay=False), help="Do what this plan says.")
@option("--yes", is_flag=True, help="Do not ask.")
@option("--allow", multiple=True, type=click.Choice(ALLOWED), help="Allow this impact.")
@option("--adopt", multiple=True, metavar="NAME", help="Take over what exists under this name.")
@option("--batch", type=click.IntRange(1, 256), default=8, show_default=True, help="At a time.")
@option("--settle", type=click.IntRange(1), default=150, show_default=True, help="Seconds to wait.")
@option("--confirm", type=click.IntRange(10), help="Go back after SECONDS unless confirmed.")
@option("--confirm-now", metavar="RUN", help="Keep what a run with --confirm has changed.")
@option("--revert", metavar="RUN", help="Put back what a run has changed.")
@option("--record", type=click.Path(dir_okay=False), help="Append every command, as JSON lines.")
def apply(*, planned: str | None, **rest: Any) -> None:
    """Do what the plan says on every device, and see that it worked; or put everything back."""
    from ferrule.commands import apply_command

    apply_command.main(planned, **rest)


@main.command()
@input_options
@device_options
@output_option()
def status(
    *,
    output: str,
    local: tuple[str, ...],
    parallel: int,
    patience: int | None,
    **inputs: Any,
) -> None:
    """Show sessions, prefixes and drift over both ends, as they are now."""
    from ferrule.commands import status as looking
    from ferrule.commands import talk
    from ferrule.compiler import statusview, views

    compiled = _compiled(**inputs)
    if not compiled.compilation.ok:
        _conclude(compiled.compilation, views)
    found = looking.now(compiled, local=local, parallel=parallel, patience=patience)
    if output == "json":
        _print_json(statusview.as_json(found))
    else:
        talk.diagnostics(found.problems)
        for line in statusview.text(found):
            mark = statusview.FAULT if line.startswith(statusview.FAULT) else ""
            click.echo(click.style(mark, fg="red") + line.removeprefix(mark) if mark else line)
    click.echo(statusview.summary(found), err=True)
    click.get_current_context().exit(0 if found.ok else 1)


@main.command()
@click.argument("what", metavar="CODE | SERVICE | ADDRESS")
@input_options
@device_options
@option("--live", is_flag=True, help="Ask the devices too; as with --context and --kubeconfig.")
@output_option()
def explain(
    *,
    what: str,
    live: bool,
    output: str,
    local: tuple[str, ...],
    parallel: int,
    patience: int | None,
    **inputs: Any,
) -> None:
    """Explain an error code; or how far a Service or an address gets.

    With PATH... as it should be, with --live or a cluster as it is, up to the first broken hop.
    """
    from ferrule.compiler import explain as explaining

    live = live or bool(inputs["context"] or inputs["kubeconfig"])
    if not inputs["paths"] and not live:
        code = explaining.code(what)
        if code is None:
            raise click.ClickException(explaining.unknown(what))
        if output == "json":
            _print_json(code.to_json())
        else:
            click.echo(str(code))
        return
    from ferrule.commands.explain import explained
    from ferrule.commands.inputs import compiled

    wanted = _wanted(inputs)
    chain = explained(
        compiled(wanted),
        what,
        live=live,
        wanted=wanted,
        local=local,
        parallel=parallel,
        patience=patience,
    )
    if output == "json":
        _print_json(chain.to_json())
    else:
        click.echo(str(chain))
    click.get_current_context().exit(0 if chain.whole else 1)


@main.command()
@click.argument("kind", required=False)
@option("--crd", is_flag=True, help="CustomResourceDefinitions of group ferrule.dev, as YAML.")
def schema(kind: str | None, *, crd: bool) -> None:
    """Print the JSON Schema of a KIND, or of all of them."""
    from ferrule.compiler.spec import schema as schemas

    if crd:
        click.echo(schemas.crds(), nl=False)
        return
    known = schemas.by_kind()
    if kind is not None and kind not in known:
        raise click.UsageError(f"no kind {kind!r}; known: {', '.join(sorted(known))}")
    _print_json(known[kind] if kind else schemas.everything())


def process_options(command: Callable[..., int]) -> Callable[..., None]:
    """What the two processes of a cluster have in common; the command is handed a `Process`."""

    @wraps(command)
    def bundled(**options: Any) -> None:
        # The first process of a container is deaf to SIGTERM until it says otherwise, and what
        # follows takes a second. Nothing has begun that would have to be ended.
        signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))
        from ferrule.commands.process import Process

        names = [one.name for one in fields(Process)]
        process = Process(**{name: options.pop(name) for name in names})
        click.get_current_context().exit(command(process, **options))

    decorate: Sequence[Callable[[Callable[..., None]], Callable[..., None]]] = (
        click.argument("paths", nargs=-1, metavar="[PATH...]"),
        option("--context", metavar="NAME", help="The cluster of this kubeconfig context."),
        option("--kubeconfig", metavar="FILE", help="The cluster of this kubeconfig."),
        option("--namespace", metavar="NAME", help="Where the custom resources are; its own."),
        option("--lb-class", default="", help="Serve Services of this loadBalancerClass only."),
        option("--ignore-exclude-lb", is_flag=True, help="Announce from excluded nodes too."),
        option("--health-port", type=PORT, default=17472, show_default=True, help="0: none."),
        option("--metrics-port", type=PORT, default=9120, show_default=True, help="0: none."),
        option("--log-level", type=LEVEL, default="info", show_default=True),
    )
    for one in reversed(decorate):
        bundled = one(bundled)
    return bundled


@main.command()
@process_options
@option("--identity", metavar="NAME", help="Who leads; default: the host's name and a number.")
@option("--allow", multiple=True, type=click.Choice(ALLOWED), help="Allow this impact.")
@option("--drift", type=click.Choice(["report", "correct"]), default="report", show_default=True)
@option(
    "--interval",
    type=click.IntRange(5),
    default=60,
    show_default=True,
    help="Seconds between two looks at a switch.",
)
def reconcile(process: Any, **options: Any) -> int:
    """Give addresses to the Services of a cluster, and keep its switches; the controller.

    The spec is the custom resources of its namespace, and the files of PATH... beside them.
    """
    from ferrule.commands import reconcile as controlling

    return controlling.main(process, **options)


@main.command()
@process_options
@option("--node-name", metavar="NAME", required=True, help="The Node that this is.")
@option("--vtysh", default="vtysh", show_default=True, help="vtysh, with its arguments.")
@option("--frr-dir", type=click.Path(), default="/var/run/frr", show_default=True)
@option("--save", is_flag=True, help="Keep FRR's own file in step: for the FRR of the host.")
@option("--withdraw-on-exit", is_flag=True, help="Announce nothing once the agent has ended.")
@option("--withdraw-on-cordon", is_flag=True, help="Announce nothing from a cordoned node.")
@option(
    "--accept-wait",
    type=click.IntRange(0),
    default=30,
    show_default=True,
    help="Seconds to wait for switches.",
)
@option("--l2-interface", multiple=True, metavar="NAME", help="Answer on this, whatever it is.")
@option("--l2-exclude", multiple=True, metavar="REGEX", help="Instead of the usual exclusions.")
@option("--heartbeat-key", multiple=True, metavar="FILE", help="Signs heartbeats; the first does.")
@option("--heartbeat-port", type=PORT, default=7947, show_default=True)
def agent(process: Any, **options: Any) -> int:
    """Keep the FRR of this node as its cluster wants it."""
    from ferrule.commands import agent as announcing

    return announcing.main(process, **options)


if __name__ == "__main__":
    main()
