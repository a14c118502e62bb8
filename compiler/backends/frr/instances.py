"""The part of the comparison inside `router bgp`: globals, neighbors, `network` lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from ferrule.compiler.backends.base import Change, Op
from ferrule.compiler.backends.frr.adoption import Adoption
from ferrule.compiler.backends.frr.router import is_unknown
from ferrule.compiler.backends.frr.running import Instance, Neighbor
from ferrule.compiler.backends.frr.settings import (
    Settings,
    line,
    neighbor_line,
    said_to_undo,
    undo,
)
from ferrule.compiler.backends.frr.steps import Part, Scope, Send, Step, Teller, operation
from ferrule.compiler.errors import Diagnostic, error, warning

BOUND = ("interface peer-group ", "interface v6only ", "peer-group ")
ACTIVE = "activate"
NOBODY = Neighbor()


def instance_parts(
    teller: Teller, vrf: str, have: Instance | None, want: Instance | None, adoption: Adoption
) -> Iterator[Part]:
    """From one `router bgp` to the one that should be in its VRF."""
    if want is None:
        assert have is not None
        yield from _leave(teller, have, Step.INSTANCES_GONE)
        return
    if have and have.asn != want.asn:
        if have.bare or not have.ours:
            yield _other_asn(teller, vrf, have, want)
            return
        yield from _leave(teller, have, Step.REPLACE)
        have = None
    if have is None:
        yield teller.appears((want.header,))
        yield teller.send(Step.INSTANCES, "add", (), want.header)
        have = Instance(want.header, want.asn)
    yield from _instance(teller, *adoption.apply(vrf, have, want))


def _leave(teller: Teller, have: Instance, step: Step) -> Iterator[Part]:
    """Take all of ours out of an instance, or the instance, where it holds nothing else."""
    if have.bare:
        return
    parts = _instance(teller, have, Instance(have.header, have.asn))
    if not have.ours:
        yield from parts
        return
    yield Change("remove", (have.header,), "", None)
    yield from (one for one in parts if isinstance(one, Change))
    yield teller.send(step, "remove", (), f"no {have.header}")


def _instance(teller: Teller, have: Instance, want: Instance) -> Iterator[Part]:
    within = (have.header,)
    if have.ours:
        yield from teller.both(Scope(Step.INSTANCES, within, within), have.settings, want.settings)
        have = replace(have, active=want.active)  # from here on
    else:
        yield from _unlike(teller, have, want)
    for name, wanted in want.neighbors.items():
        if name in have.strangers:
            there = _line_of(name, wanted.settings)
            yield _already_there(teller, "neighbor", name, have, want, there)
        else:
            yield from _neighbor(teller, have, name, wanted)
    for name, old in have.neighbors.items():
        if name not in want.neighbors:
            yield from _neighbor_changes(teller, within, name, old, NOBODY)
            yield teller.send(Step.NEIGHBORS_GONE, "remove", within, f"no neighbor {name}")
    for family in dict.fromkeys((*want.networks, *have.networks)):
        yield from _networks(teller, family, have, want)


def _neighbor(teller: Teller, instance: Instance, name: str, want: Neighbor) -> Iterator[Part]:
    within = (instance.header,)
    have = instance.neighbors.get(name)
    wanted = want.settings.get("password", "")
    if is_unknown(wanted) and not (have and have.settings.get("password") == wanted):
        yield _uncompared(teller, instance, name)
        want = replace(want, settings=_password_of(have, want.settings))
    yield from _neighbor_changes(teller, within, name, have or NOBODY, want)
    if have and _bound(have.settings) != _bound(want.settings):
        yield teller.send(Step.INSTANCES, "remove", within, f"no neighbor {name}")
        have = None
    if have is None:
        have = Neighbor(families={family: {ACTIVE: ""} for family in instance.active})
    yield from _neighbor_commands(teller, within, name, have.settings, want.settings)
    for family in dict.fromkeys((*want.families, *have.families)):
        inside = (*within, f"address-family {family}")
        old, new = have.families.get(family, {}), want.families.get(family, {})
        yield from _family_commands(teller, inside, name, old, new)


def _bound(settings: Settings) -> list[str]:
    """The lines whose `no` takes the whole neighbor with it, and beside which it needs no AS."""
    return [key for key in settings if key.startswith(BOUND)]


def _neighbor_changes(
    teller: Teller, within: tuple[str, ...], name: str, old: Neighbor, new: Neighbor
) -> Iterator[Change]:
    spell = partial(neighbor_line, name)
    path = (*within, f"neighbor {name}")
    scope = Scope(Step.INSTANCES, path, within, spell)
    yield from teller.changes(scope, old.settings, new.settings)
    for family in dict.fromkeys((*new.families, *old.families)):
        inside = (*within, f"address-family {family}")
        scope = Scope(Step.FAMILIES, (*path, family), inside, spell)
        yield from teller.changes(scope, old.families.get(family, {}), new.families.get(family, {}))


def _neighbor_commands(
    teller: Teller, within: tuple[str, ...], name: str, old: Settings, new: Settings
) -> Iterator[Send]:
    """What goes comes first: `ebgp-multihop` would be in the way of becoming iBGP."""
    if any(_is_bfd(key) and key not in new for key in old):  # its `no` takes every line of it
        yield teller.send(Step.INSTANCES, "remove", within, f"no neighbor {name} bfd")
        old = {key: value for key, value in old.items() if not _is_bfd(key)}
    if _local_as(old) in _remote_as(new):
        # For a moment it would be iBGP, and what is no longer iBGP has another TTL than before.
        yield teller.send(Step.INSTANCES, "remove", within, f"no neighbor {name} local-as")
        old = {key: value for key, value in old.items() if key != "local-as"}
    spell = partial(neighbor_line, name)
    scope = Scope(Step.INSTANCES, (), within, spell, lambda *one: undo(spell(*said_to_undo(*one))))
    yield from teller.commands(scope, old, new)


def _local_as(settings: Settings) -> str:
    return settings.get("local-as", "none").split(" ")[0]


def _remote_as(settings: Settings) -> tuple[str, str]:
    return settings.get("remote-as", ""), settings.get("interface remote-as", "")


def _is_bfd(key: str) -> bool:
    return key.split(" ")[0] == "bfd"


def _family_commands(
    teller: Teller, within: tuple[str, ...], name: str, old: Settings, new: Settings
) -> Iterator[Send]:
    """No neighbor is ever active without its maps, nor without what it has in their place.

    The outbound map is what makes it ours.
    """
    gone = sorted(old.keys() - new.keys(), key=lambda key: (_is_map(key), key))
    differ = [key for key in sorted(new, reverse=True) if old.get(key) != new[key]]
    for key in (
        *(key for key in gone if key == ACTIVE),
        *(key for key in differ if _is_map(key)),
        *(key for key in gone if key != ACTIVE),
        *(key for key in differ if not _is_map(key)),
    ):
        if key in new:
            text, op = neighbor_line(name, key, new[key]), operation(key, old)
        else:
            text, op = undo(neighbor_line(name, key, old[key])), "remove"
        yield teller.send(Step.FAMILIES, op, within, text)


def _is_map(key: str) -> bool:
    return key.startswith("route-map ")


def _password_of(have: Neighbor | None, wanted: Settings) -> Settings:
    """What is wanted with the password that is there, so that it makes no difference."""
    there = have.settings.get("password") if have else None
    known = {key: value for key, value in wanted.items() if key != "password"}
    return known if there is None else {**known, "password": there}


def _networks(teller: Teller, family: str, have: Instance, want: Instance) -> Iterator[Part]:
    old, new = have.networks.get(family, {}), want.networks.get(family, {})
    if old == new:
        return
    taken = have.taken.get(family, {})
    within = (have.header, f"address-family {family}")
    for prefix, value in new.items():
        there = old.get(prefix)
        if there == value:
            continue
        name = f"network {prefix}"
        if prefix in taken:
            path = (f"address-family {family}", line(name, value))
            yield _already_there(teller, "network", prefix, have, want, *path)
            continue
        if there is not None and _label(there) != _label(value):  # which cannot be re-stated
            yield teller.send(Step.FAMILIES, "remove", within, f"no {name}")
        op: Op = "add" if there is None else "change"
        sent = teller.send(Step.FAMILIES, op, within, line(name, value))
        yield Change(op, (*within, name), there, value, sent.command.origin, within)
        yield sent
    for prefix, value in old.items():
        if prefix not in new:
            yield Change("remove", (*within, f"network {prefix}"), value, None, None, within)
            yield teller.send(Step.WITHDRAW, "remove", within, f"no network {prefix}")


def _label(value: str) -> str:
    return value.partition(" route-map ")[0] if value.startswith("label-index ") else ""


# What stands in the way.


def _unlike(teller: Teller, have: Instance, want: Instance) -> Iterator[Diagnostic]:
    """The globals of an instance that others use too: compared, never changed."""
    for key, value in want.settings.items():
        if have.settings.get(key) != value:
            needed = line(key, value)
            there = f"says {line(key, have.settings[key])!r}" if key in have.settings else "has not"
            yield warning(
                "foreign-globals",
                f"{have.header!r} is used by others too and {there}, where we need {needed!r}",
                *teller.places(want.header, needed),
                help="change it on the node; Ferrule changes nothing that others use",
            )


def _other_asn(teller: Teller, vrf: str, have: Instance, want: Instance) -> Diagnostic:
    where = f"VRF {vrf!r}" if vrf else "the default VRF"
    return error(
        "other-asn",
        f"{where} runs {have.header!r}, which is not ours, where we need {want.header!r}",
        *teller.places(want.header),
        help="FRR has one AS for each VRF: use that AS (myASN), or another VRF",
    )


def _already_there(
    teller: Teller, kind: str, name: str, have: Instance, want: Instance, *path: str
) -> Diagnostic:
    return error(
        "already-there",
        f"{have.header!r} has a '{kind} {name}' that is not ours",
        *teller.places(want.header, *path),
        help=f"remove it from the node, leave it out of the spec, or hand it over: --adopt {name}",
    )


def _line_of(name: str, settings: Settings) -> str:
    """The first line of a neighbor, by which its place is found."""
    return next((neighbor_line(name, *one) for one in settings.items()), "")


def _uncompared(teller: Teller, instance: Instance, name: str) -> Diagnostic:
    return warning(
        "password-not-compared",
        f"the password of neighbor {name} is not known here: neither compared nor changed",
        *teller.places(instance.header, f"neighbor {name} password "),
        help="give the Secret as input",
    )
