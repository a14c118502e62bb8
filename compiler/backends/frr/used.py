"""Names of ours that others make use of: FRR lets them go, and then denies what they decided."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ferrule.compiler.backends.base import device_name
from ferrule.compiler.backends.frr.parse import ENTRY, LIST, OTHER_LIST
from ferrule.compiler.backends.frr.running import Instance, Running
from ferrule.compiler.backends.frr.settings import address
from ferrule.compiler.backends.frrtext import Body, statements
from ferrule.compiler.errors import Diagnostic, warning


def still_used(running: Running, gone: Collection[str]) -> Iterator[Diagnostic]:
    """A warning for each block of others that names something of ours that goes."""
    if not gone:
        return
    names = frozenset(gone)
    prefix = device_name("ferrule-", running.cluster)
    instances = {one.header: one for one in running.instances.values()}
    for said, body in statements(running.config.body):
        if not _is_object(said, prefix):
            words = {
                word
                for line in (said, *_theirs(body, instances.get(said), prefix))
                for word in line.split()
            }
            yield from (_warned(name, said) for name in sorted(names & words))


def _warned(name: str, where: str) -> Diagnostic:
    return warning(
        "still-used",
        f"{name!r} goes, and {where!r}, which is not ours, still names it",
        help="FRR takes an absent map or list for one that denies: change it there first",
    )


def _is_object(said: str, prefix: str) -> bool:
    """Whether it begins a list or a map of ours."""
    lists = LIST.match(said) or OTHER_LIST.match(said)
    name = lists[2] if lists else said.removeprefix("route-map ") if ENTRY.match(said) else ""
    return name.startswith(prefix)


def _theirs(body: Body, instance: Instance | None, prefix: str) -> Iterator[str]:
    """The lines of a block but for ours, however deep."""
    for text, inside in statements(body):
        if not _is_ours(text, instance, prefix):
            yield text
            yield from _theirs(inside, instance, prefix)


def _is_ours(text: str, instance: Instance | None, prefix: str) -> bool:
    kind, _, rest = text.removeprefix("no ").partition(" ")
    if kind == "neighbor":
        return instance is not None and address(rest.split(" ")[0]) in instance.neighbors
    if kind == "network":
        return f"route-map {prefix}" in rest
    return kind == "profile" and rest.startswith(prefix)
