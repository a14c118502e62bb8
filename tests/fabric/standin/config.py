"""A stand-in for `config`: apply-patch, checkpoints, save; what GCU does, without its waiting.

Files in /run/fault/config make it fail:
    slow     seconds before anything is done
    pause    seconds before each row, and after the last
    die      killed after that many rows
    full     no room where it saves: the file is empty afterwards
    foreign  a JSON object {"after": N, "table": ..., "name": ..., "fields": ...}: somebody else
             writes that row (null removes it) when N rows are written
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from errno import ENOSPC
from pathlib import Path
from typing import Any, NoReturn

import click

from fabric.standin import NAME
from fabric.standin.configdb import ConfigDb, Tables
from fabric.standin.models import refusal, without_model
from fabric.standin.order import OrderError, Write, writes
from fabric.standin.patch import PatchError, applied, pointer

FAULTS = Path("/run/fault/config")
CHECKPOINTS = Path("/etc/sonic/checkpoints")
SAVED = Path("/etc/sonic/config_db.json")
ENDING = ".cp.json"
OPERATIONS = ("add", "copy", "move", "remove", "replace", "test")
INDENT = " " * 32  # GCU's own, in the middle of a sentence

Patch = list[Mapping[str, Any]]


class RefusedError(Exception):
    """What GCU would not do."""


@click.group(context_settings={"help_option_names": ["-h", "--help", "-?"]}, help=f"config: {NAME}")
@click.version_option("0", prog_name="config", message=f"config: {NAME}")
def config() -> None:
    """Only root may."""
    if os.geteuid() != 0:
        sys.exit("Root privileges are required for this operation")
    if seconds := _fault("slow"):
        time.sleep(float(seconds))


@config.command("apply-patch")
@click.argument("patch-file-path", required=True)
@click.option("-f", "--format", "form", type=click.Choice(["CONFIGDB", "SONICYANG"]))
@click.option("-d", "--dry-run", is_flag=True)
@click.option("-p", "--parallel", is_flag=True)
@click.option("-n", "--ignore-non-yang-tables", is_flag=True, hidden=True)
@click.option("-i", "--ignore-path", multiple=True, hidden=True)
@click.option("-v", "--verbose", is_flag=True)
@click.pass_context
def apply_patch(
    context: click.Context, /, patch_file_path: str, *, dry_run: bool, **_: Any
) -> None:
    """Apply an RFC 6902 patch to CONFIG_DB."""
    if dry_run:
        click.secho("** DRY RUN EXECUTION **", fg="yellow", underline=True)
    with _failing(context, "Failed to apply patch due to: {}"):
        change(_read_patch(patch_file_path), dry_run=dry_run)
        click.secho("Patch applied successfully.", fg="cyan", underline=True)


def _read_patch(path: str) -> Patch:
    patch = json.loads(Path(path).read_text())
    if not isinstance(patch, list) or not all(map(_is_operation, patch)):
        raise RefusedError(f"Invalid patch format in file: {path}")
    found: Patch = patch
    return found


def _is_operation(one: object) -> bool:
    return isinstance(one, dict) and one.get("op") in OPERATIONS and "path" in one


def change(patch: Patch, *, dry_run: bool) -> None:
    """One patch, all checks before the first row; nothing is taken back when it fails later."""
    db = ConfigDb()
    _said("Patch application starting.")
    _said(f"Patch: {json.dumps(patch)}")
    old = db.read()
    target = _target(_with_missing_tables(patch, old), old)
    try:
        _carry_out(db, old, target, dry_run=dry_run)
    except (RefusedError, OrderError) as bad:
        raise RefusedError(
            f"Failed to apply patch on the following scopes:\n- localhost: {bad}"
        ) from bad
    _said("patch application completed.")


def _target(patch: Patch, old: Tables) -> Tables:
    """What it should come to; nothing is begun that the models refuse."""
    says = f"Validate json patch: {patch} failed due to:"
    try:
        target: Tables = applied(old, patch)
    except PatchError as bad:
        raise RefusedError(f"{says} {bad}") from bad
    if problem := refusal(target):
        raise RefusedError(f"{says}{problem}")
    return target


def _carry_out(db: ConfigDb, old: Tables, target: Tables, *, dry_run: bool) -> None:
    if empty := [table for table, rows in target.items() if not rows]:
        raise RefusedError(
            f"localhost: given patch is not valid because it will result in empty tables {INDENT}"
            f"which is not allowed in ConfigDb. {INDENT}"
            f"Table{'s' * (len(empty) > 1)}: {', '.join(empty)}"
        )
    if without_model(one for one in old.keys() | target.keys() if old.get(one) != target.get(one)):
        raise RefusedError(
            "Given patch is not valid because it has changes to tables without YANG models"
        )
    steps = writes(old, target)
    _said(f"The localhost patch was converted into {len(steps)} change{'s' * (len(steps) != 1)}:")
    for count, step in enumerate(steps):
        click.echo(f"Patch Applier:   * {step}")
        if not dry_run:
            _write(db, step, count)
    if not dry_run:
        _meddle(db, len(steps))
        _pause()
        if db.read() != target:
            raise RefusedError(
                "localhost: after applying patch to config, there are still some parts not updated"
            )


def _with_missing_tables(patch: Patch, config: Tables) -> Patch:
    """A table that is not there comes with its first operation."""
    made: Patch = []
    known = set(config)
    for operation in patch:
        table = pointer(str(operation["path"]))[0]
        if table not in known:
            known.add(table)
            made.append({"op": "add", "path": f"/{table}", "value": {}})
        made.append(operation)
    return made


def _write(db: ConfigDb, step: Write, count: int) -> None:
    _meddle(db, count)
    if _fault("die") and count >= int(_fault("die")):
        os.kill(os.getpid(), signal.SIGKILL)
    _pause()
    db.write(step.table, step.name, step.fields)


def _pause() -> None:
    if seconds := _fault("pause"):
        time.sleep(float(seconds))


def _meddle(db: ConfigDb, count: int) -> None:
    """Somebody else writes a row."""
    if said := _fault("foreign"):
        row = json.loads(said)
        if row["after"] == count:
            db.write(row["table"], row["name"], row["fields"])


@config.command()
@click.argument("checkpoint-name", required=True)
@click.option("-v", "--verbose", is_flag=True)
@click.pass_context
def checkpoint(context: click.Context, /, checkpoint_name: str, **_: Any) -> None:
    """Keep all of CONFIG_DB under a name."""
    with _failing(context, "Failed to create a config checkpoint"):
        CHECKPOINTS.mkdir(exist_ok=True)
        _file(checkpoint_name).write_text(json.dumps(ConfigDb().read()))
        click.secho("Checkpoint created successfully.", fg="cyan", underline=True)


@config.command()
@click.argument("checkpoint-name", required=True)
@click.option("-d", "--dry-run", is_flag=True)
@click.option("-v", "--verbose", is_flag=True)
@click.pass_context
def rollback(context: click.Context, /, checkpoint_name: str, *, dry_run: bool, **_: Any) -> None:
    """Make all of CONFIG_DB what it was."""
    with _failing(context, "Failed to rollback config"):
        target = json.loads(_existing(checkpoint_name).read_text())
        now = ConfigDb().read()
        gone = [{"op": "remove", "path": f"/{t}"} for t in now.keys() - target.keys()]
        kept = [{"op": "add", "path": f"/{t}", "value": rows} for t, rows in target.items()]
        change([*gone, *kept], dry_run=dry_run)
        click.secho("Config rolled back successfully.", fg="cyan", underline=True)


@config.command("delete-checkpoint")
@click.argument("checkpoint-name", required=True)
@click.option("-v", "--verbose", is_flag=True)
@click.pass_context
def delete_checkpoint(context: click.Context, /, checkpoint_name: str, **_: Any) -> None:
    """Forget a checkpoint."""
    with _failing(context, "Failed to delete config checkpoint"):
        _existing(checkpoint_name).unlink()
        click.secho("Checkpoint deleted successfully.", fg="cyan", underline=True)


@config.command("list-checkpoints")
@click.option("-t", "--time", "with_time", is_flag=True)
@click.option("-v", "--verbose", is_flag=True)
def list_checkpoints(*, with_time: bool, **_: Any) -> None:
    """The names, as a JSON list."""
    found = sorted(CHECKPOINTS.glob(f"*{ENDING}")) if CHECKPOINTS.exists() else []
    names: list[object] = [one.name.removesuffix(ENDING) for one in found]
    if with_time:
        names = [
            {
                "name": one.name.removesuffix(ENDING),
                "time": datetime.fromtimestamp(one.stat().st_mtime, tz=UTC).isoformat(),
            }
            for one in found
        ]
    click.echo(json.dumps(names, indent=4))


@config.command()
@click.option("-y", "--yes", is_flag=True)
@click.argument("filename", required=False)
def save(filename: str | None, *, yes: bool) -> None:
    """Write CONFIG_DB to a file; a full disk is noticed when the old content is gone."""
    if not yes:
        click.confirm("Existing files will be overwritten, continue?", abort=True)
    file = Path(filename) if filename else SAVED
    click.echo(f"Running command: /usr/local/bin/sonic-cfggen -d --print-data > {file}")
    try:
        with file.open("w") as out:
            if (FAULTS / "full").exists():
                raise OSError(ENOSPC, os.strerror(ENOSPC))
            json.dump(ConfigDb().read(), out, indent=4, sort_keys=True)
    except OSError as bad:
        click.echo(f"sonic-cfggen: {bad.strerror}", err=True)
        sys.exit(1)


def _file(name: str) -> Path:
    return CHECKPOINTS / f"{name}{ENDING}"


def _existing(name: str) -> Path:
    if not _file(name).exists():
        raise RefusedError(f"Checkpoint '{name}' does not exist")
    return _file(name)


@contextmanager
def _failing(context: click.Context, /, says: str) -> Iterator[None]:
    """Every failure is exit code 2 with its reason last, as click has it."""
    try:
        yield
    except (RefusedError, PatchError, OrderError, OSError, ValueError) as bad:
        click.secho(says.format(bad), fg="red", underline=True, err=True)
        _fail(context, str(bad))


def _fail(context: click.Context, /, reason: str) -> NoReturn:
    context.fail(reason)


def _said(message: str) -> None:
    click.echo(f"Patch Applier: localhost: {message}")


def _fault(name: str) -> str:
    file = FAULTS / name
    return file.read_text().strip() if file.exists() else ""


if __name__ == "__main__":
    config(prog_name="config")
