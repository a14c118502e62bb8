"""The command line; every command is a thin edge around the compiler."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

EX_USAGE = 64  # sysexits.h; 2 is taken by --detailed-exitcode

F = TypeVar("F", bound=Callable[..., object])


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
    variable = "FERRULE_" + names[-1].lstrip("-").replace("-", "_").upper()
    return click.option(*names, envvar=variable, show_envvar=True, **settings)


def output_option(command: F) -> F:
    """`--output text|json`."""
    choice = click.Choice(["text", "json"])
    return option("--output", type=choice, default="text", show_default=True, help="Form.")(command)


def input_options(command: F) -> F:
    """PATH... and what decides which Services are ours."""
    decorate: Sequence[Callable[[F], F]] = (
        click.argument("paths", nargs=-1, required=True, metavar="PATH..."),
        option("--lb-class", default="", help="Serve Services of this loadBalancerClass only."),
        option("--ignore-exclude-lb", is_flag=True, help="Announce from excluded nodes too."),
        output_option,
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
def validate(*, output: str, **inputs: Any) -> None:
    """Find every mistake in PATH..., and write nothing."""
    from ferrule.compiler import views

    compilation = _compile(**inputs)
    if output == "json":
        _print_json({"diagnostics": [one.to_json() for one in compilation.diagnostics]})
    _conclude(compilation, views, told=output == "json")


@main.command()
@input_options
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
    from ferrule.compiler import views

    if check and out is None:
        raise click.UsageError("--check needs -o OUT")
    compilation = _compile(out=out, **inputs)
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


def _compile(out: str | None = None, **inputs: Any) -> Any:
    from ferrule.compiler.pipeline import compile_network, read_inputs
    from ferrule.observe import files

    with _progress("reading"):
        documents, unreadable = files.load(inputs["paths"], out)
        lock = Path(out, "addresses.yaml") if out else None
        previous, bad_lock = files.load([str(lock)]) if lock and lock.exists() else ((), [])
        read = read_inputs(
            documents,
            previous,
            unreadable=[*unreadable, *bad_lock],
            lb_class=inputs["lb_class"],
            ignore_exclude_label=inputs["ignore_exclude_lb"],
        )
    with _progress("compiling"):
        return compile_network(read)


def _progress(what: str) -> Any:
    """A spinner on a terminal, nothing elsewhere."""
    import contextlib

    if not sys.stderr.isatty():
        return contextlib.nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(f"{what} ...")


def _deliver(files: Any, out: str | None, *, check: bool) -> bool:
    """Write, compare or print; whether a comparison failed."""
    from ferrule.apply import directory

    if out is None:
        for path, file in files.items():
            click.echo(f"==> {path} <==")
            click.echo(file.text)
        return False
    wanted = {path: directory.File(one.text, one.secret) for path, one in files.items()}
    try:
        with _progress("writing"):
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


def _conclude(compilation: Any, views: Any, *, told: bool, failed: bool = False) -> None:
    """Talk on stderr, the summary last, and the exit code."""
    if not told:
        for one in compilation.diagnostics:
            first, newline, rest = str(one).partition("\n")
            colour = "red" if one.severity == "error" else "yellow"
            word = f"{one.severity}[{one.code}]"
            click.echo(
                first.replace(word, click.style(word, fg=colour), 1) + newline + rest, err=True
            )
        for line in views.pending_lines(compilation.network):
            click.echo(line, err=True)
    if failed:
        click.echo("OUT is not what it should be: run ferrule render without --check", err=True)
    click.echo(views.summary(compilation), err=True)
    click.get_current_context().exit(0 if compilation.ok and not failed else 1)


def _print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2))


@main.command()
@click.argument("what", metavar="CODE | SERVICE | ADDRESS")
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@option("--lb-class", default="", help="Serve Services of this loadBalancerClass only.")
@output_option
def explain(*, what: str, paths: tuple[str, ...], lb_class: str, output: str) -> None:
    """Explain an error code; or, with PATH..., how far a Service or an address gets."""
    from ferrule.compiler import explain as explaining

    if not paths:
        code = explaining.code(what)
        if code is None:
            raise click.ClickException(explaining.unknown(what))
        if output == "json":
            _print_json(code.to_json())
        else:
            click.echo(str(code))
        return
    compilation = _compile(paths=paths, lb_class=lb_class, ignore_exclude_lb=False)
    chain = explaining.chain(compilation, what)
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


if __name__ == "__main__":
    main()
