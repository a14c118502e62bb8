"""What a node can announce, in words that the other nodes read in its Lease.

`eth1` is an interface that an address may name. What there is not is said, too: with `eth1/6` no
IPv6 on eth1, with `/4` or `/6` no interface for addresses of that version that name none. A slash
is in no interface's name: to who does not know these words they are interfaces nobody asks for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ferrule.announce.links import Choice, Links, impossible

Names = frozenset[str]
Ask = tuple[Names, int]  # the interfaces that an address names, or none, and its IP version

NOWHERE = "/4"  # without it there is an interface that is used unnamed


def can(offered: Collection[str] | None, names: Collection[str], version: int) -> bool:
    """Whether an address that asks for these interfaces, or for none, can be announced.

    Who has not said anything is believed to have what it takes.
    """
    if offered is None:
        return True
    return any(
        f"{one}/{version}" not in offered and (not one or one in offered) for one in names or ("",)
    )


def offer(links: Links, choice: Choice) -> Names:
    """All that can be said here."""
    fit = [one for one in links.by_index.values() if impossible(one) is None]
    usable = choice.usable(links)
    no_six = {f"{one.name}/6" for one in fit if not one.has_link_local}
    unnamed = set() if usable else {NOWHERE}
    if not any(one.has_link_local for one in usable):
        unnamed.add("/6")
    return frozenset({one.name for one in fit} | no_six | unnamed)


def is_named(offered: Names, of_us: Iterable[Ask]) -> bool:
    """Whether an address names an interface of ours; that may be one that is not used unnamed."""
    return any(names and can(offered, names, version) for names, version in of_us)


def is_only_named(offered: Names, of_us: Collection[Ask]) -> bool:
    """Whether, besides, nobody can take us for the owner of an address that names none."""
    return is_named(offered, of_us) and all(names for names, _ in of_us)


def lacking(offered: Names, asked: Iterable[Ask], of_us: Iterable[Ask]) -> list[str]:
    """What is asked for and cannot be; nothing of who can nothing: beats say that, and sooner."""
    if NOWHERE in offered and not is_named(offered, of_us):
        return []
    words = {f"{name}/{version}" for names, version in asked for name in names or ("",)}
    return sorted(words & offered)
