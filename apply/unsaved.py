"""What a node runs and has not saved, of others: a restart loses it, and `write memory` keeps it.

What is ours is left out on both sides, by taking it back in thought.
"""

from __future__ import annotations

from collections.abc import Iterator

from ferrule.apply.journal import masked
from ferrule.apply.target import Answer, Argv
from ferrule.compiler.backends import frr
from ferrule.compiler.backends.frrtext import Body, read, statements, write
from ferrule.compiler.errors import listed, printable

PREAMBLE = ("frr version ", "frr defaults ", "Building configuration", "Current configuration")
MOST_SHOWN = 3


def saved_path(vtysh: Argv) -> str:
    """The file that `write memory` writes; a path space has one of its own."""
    words = list(vtysh)
    for option in ("-N", "--pathspace"):
        if option in words[:-1]:
            return f"/etc/frr/{words[words.index(option) + 1]}/frr.conf"
    return "/etc/frr/frr.conf"


def unsaved(running: frr.Running, saved: Answer, file: str) -> Iterator[str]:
    """One line about it, if there is any; nothing where FRR saves elsewhere or not at all."""
    if saved.code or saved.out.strip() == write(running.config).strip():
        return
    try:
        before = frr.parse(saved.out, running.cluster)
    except ValueError:
        yield f"{file} cannot be read: whether all is saved is not known"
        return
    now, then = (_foreign(one) for one in (running, before))
    lines = [f"+ {one}" for one in now if one not in then]
    lines += [f"- {one}" for one in then if one not in now]
    if lines:
        shown = listed((printable(masked(one)) for one in lines), MOST_SHOWN)
        yield f"lines of others that are not saved in {file}, and that saving would keep: {shown}"


def is_saved(running: frr.Running, saved: Answer) -> bool:
    """Whether a file holds all that runs: `write memory` says OK whatever became of it (8.4).

    True where there is no such file: FRR saves elsewhere.
    """
    if saved.code:
        return True
    there, here = (dict.fromkeys(_flat(one.body)) for one in (read(saved.out), running.config))
    return there == here


def _foreign(running: frr.Running) -> dict[str, None]:
    """All lines of others, each with the blocks around it."""
    ours = frr.diff(running, frr.parse("", running.cluster))
    rest = frr.future(running, ours) if ours.commands else running
    return dict.fromkeys(_flat(rest.config.body))


def _flat(body: Body, around: str = "") -> Iterator[str]:
    for said, inside in statements(body):
        if not said.startswith(PREAMBLE):
            yield around + said
            yield from _flat(inside, f"{around}{said} / ")
