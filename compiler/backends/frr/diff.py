"""From what a node runs to what it should: changes to read, commands for `vtysh -f`.

Make before break. A prefix that changes its class is re-stated, a neighbor is changed line by
line, because its `no` would end the session. Nothing is sent that is there already: some lines
reset the session when they are repeated (`ebgp-multihop`), some are refused (8.4:
`graceful-restart`).

FRR takes prefix-list and route-map lines that follow one another as one transaction, so no route
meets a map that is half written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from ferrule.compiler.backends.base import Change, Diff
from ferrule.compiler.backends.frr.adoption import Adoption
from ferrule.compiler.backends.frr.instances import instance_parts
from ferrule.compiler.backends.frr.model import Model
from ferrule.compiler.backends.frr.parse import intend
from ferrule.compiler.backends.frr.running import Entry, Running
from ferrule.compiler.backends.frr.settings import ENTRY, PROFILE_DEFAULTS, Settings, line, undo
from ferrule.compiler.backends.frr.steps import (
    Part,
    Scope,
    Step,
    Teller,
    collect,
    operation,
    origins,
)
from ferrule.compiler.backends.frr.used import still_used


def diff(
    running: Running,
    intended: Model | Running,
    *,
    adopt: Collection[str] = (),
    model: Model | None = None,
) -> Diff:
    """What it takes to make what is ours in `running` what `intended` says, and nothing else.

    With a model, changes and problems know their place in the spec; something read before may be
    given as well, to go back to it, or to spare a loop the rendering, with the `model` that it
    came of. `adopt` names what others have and hand over (`adoption`).
    """
    model = intended if isinstance(intended, Model) else model
    teller = Teller(origins(model) if model else lambda _: None)
    want = intend(intended, running.cluster) if isinstance(intended, Model) else intended
    adoption = Adoption(adopt)
    found = collect(_parts(teller, running, want, adoption))
    return replace(found, adopted=tuple(sorted(adoption.done)))


def _parts(teller: Teller, have: Running, want: Running, adoption: Adoption) -> Iterator[Part]:
    for name in either(want.lists, (*have.lists, *have.stray_lists)):
        lists = (one.get(name, {}) for one in (have.lists, want.lists, have.stray_lists))
        yield from _list(teller, name, *lists)
    for name in sorted(have.others - want.others):
        yield Change("remove", (name,), "", None)
        yield teller.send(Step.LISTS_GONE, "remove", (), f"no {name}")
    for name in either(want.maps, (*have.maps, *have.stray_maps)):
        maps = (one.get(name, {}) for one in (have.maps, want.maps, have.stray_maps))
        yield from _map(teller, name, *maps)
    for name in either(want.profiles, have.profiles):
        yield from _profile(teller, name, have.profiles.get(name), want.profiles.get(name))
    # The default VRF goes last: FRR refuses to drop it while other instances lean on it.
    for vrf in either(want.instances, sorted(have.instances, reverse=True)):
        instances = have.instances.get(vrf), want.instances.get(vrf)
        yield from instance_parts(teller, vrf, *instances, adoption)
    yield from still_used(have, _gone(have, want))


def _gone(have: Running, want: Running) -> set[str]:
    """The names that others may not use any longer."""
    lists = {name.split(" ")[-1] for name in have.lists.keys() - want.lists.keys()}
    maps, profiles = (
        have.maps.keys() - want.maps.keys(),
        have.profiles.keys() - want.profiles.keys(),
    )
    return lists | maps | profiles


def either(first: Iterable[str], second: Iterable[str]) -> Iterator[str]:
    """Every name once: what is wanted in its order, then what is only there."""
    return iter(dict.fromkeys((*first, *second)))


def _list(
    teller: Teller, name: str, old: Settings, new: Settings, strays: Settings
) -> Iterator[Part]:
    """An entry that gets another number is removed first: 8.4 drops a second one like it.

    So is one that not all daemons have alike, which none refuses that has not got it.
    """
    scope = Scope(Step.LISTS, (name,), (), lambda key, value: line(f"{name} {key}", value))
    old = {key: value for key, value in old.items() if key not in strays}
    yield from teller.changes(scope, old, new)
    for key, value in strays.items():
        if key not in new:
            yield Change("remove", (name, key), value, None)
        if new:
            yield teller.send(Step.LISTS, "remove", (), f"no {name} {key}")
    if not new:
        yield teller.send(Step.LISTS_GONE, "remove", (), f"no {name}")
        return
    stated = {key: value for key, value in new.items() if old.get(key) != value}
    contents = set(stated.values())
    for key, value in old.items():
        if key in stated or (key not in new and value in contents):
            yield teller.send(Step.LISTS, "remove", (), f"no {name} {key}")
        elif key not in new:
            yield teller.send(Step.LISTS_GONE, "remove", (), f"no {name} {key}")
    for key, value in stated.items():
        yield teller.send(Step.LISTS, operation(key, old), (), scope.line(key, value))


def _map(
    teller: Teller,
    name: str,
    old: Mapping[int, Entry],
    new: Mapping[int, Entry],
    strays: Mapping[int, Entry],
) -> Iterator[Part]:
    old = {seq: entry for seq, entry in old.items() if seq not in strays}
    for seq, entry in strays.items():
        if seq not in new:
            yield Change("remove", (f"route-map {name}", f"seq {seq}"), entry.action, None)
        if new:
            gone = f"no route-map {name} {entry.action} {seq}"
            yield teller.send(Step.MAPS, "remove", (), gone)
    for seq in sorted({*old, *new}):
        have, want = old.get(seq), new.get(seq)
        if have != want:
            yield from _entry(teller, name, seq, have, want)
            if have and not want and new:
                gone = f"no route-map {name} {have.action} {seq}"
                yield teller.send(Step.MAPS_GONE, "remove", (), gone)
    if not new:
        yield teller.send(Step.MAPS_GONE, "remove", (), f"no route-map {name}")


def _entry(
    teller: Teller, name: str, seq: int, have: Entry | None, want: Entry | None
) -> Iterator[Part]:
    old, new = (one.settings if one else {} for one in (have, want))
    was, is_ = (one.action if one else None for one in (have, want))
    header = f"route-map {name} {is_ or was} {seq}"
    scope = Scope(Step.MAPS, (f"route-map {name}", f"seq {seq}"), (header,))
    if was != is_:
        if want is None:
            yield Change("remove", scope.path, was, None)
        else:
            sent = teller.send(Step.MAPS, "change" if have else "add", (), header)
            yield Change(sent.command.op, scope.path, was, is_, sent.command.origin)
            yield sent
    yield from teller.changes(scope, old, new)
    if want is None:
        return
    if any(key not in ENTRY for key in old):  # the `no` of a line that we never write may be any
        yield teller.send(Step.MAPS, "remove", (), f"no route-map {name} {is_} {seq}")
        yield teller.send(Step.MAPS, "add", (), header)
        old = {}
    yield from teller.commands(scope, old, new)


def _profile(
    teller: Teller, name: str, old: Settings | None, new: Settings | None
) -> Iterator[Part]:
    header = f"profile {name}"
    path = ("bfd", header)
    scope = Scope(Step.PROFILES, path, path, undo=_default)
    if new is None:
        yield Change("remove", path, "", None)
        yield from teller.changes(scope, old or {}, {})
        yield teller.send(Step.PROFILES_GONE, "remove", ("bfd",), f"no {header}")
        return
    if old is None:
        yield teller.appears(path)
        yield teller.send(Step.PROFILES, "add", ("bfd",), header)
    yield from teller.both(scope, old or {}, new)


def _default(name: str, value: str) -> str:
    """How to take back a line of a BFD profile."""
    default = PROFILE_DEFAULTS.get(name)
    return undo(line(name, value)) if default is None else line(name, default)
