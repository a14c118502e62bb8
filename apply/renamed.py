"""The same cluster under another name, on a node whose FRR knows it by the one before.

Every name on a device begins with the cluster's, and what begins with another is somebody else's.
So an agent notes on its node for which name it speaks (`vty_turn`), and what it finds there under
the one before is its own: neighbors and prefixes are handed over as they are, no session ends and
no route goes, and then all the rest of that name is removed.
"""

from __future__ import annotations

from collections.abc import Iterator

from ferrule.compiler.backends import frr
from ferrule.compiler.backends.base import Diff
from ferrule.compiler.backends.frrtext import write

DEFAULT = "default"


def under(
    name: str, now: frr.Running, bgpd: str, intended: frr.Running | None, *, open_run: bool
) -> frr.Running:
    """What the same configuration says of a cluster of that name."""
    return frr.parse(write(now.config), name, intended, open_run=open_run, bgpd=bgpd)


def taken_over(now: frr.Running, before: frr.Running, intended: frr.Running) -> Diff:
    """What is intended, with what is there under the name before made its beginning.

    Nothing of it where a `router bgp` must be another: then the old one has to go first.
    """
    found = frr.diff(now, intended, adopt=[*_names(before)])
    if any(one.code == "other-asn" for one in found.problems):
        return Diff()
    return found


def removed(before: frr.Running) -> Diff:
    """Whatever is left under the name before."""
    return frr.diff(before, frr.parse("", before.cluster))


def _names(before: frr.Running) -> Iterator[str]:
    for vrf, one in before.instances.items():
        for names in (one.neighbors, *one.networks.values()):
            yield from (f"{vrf or DEFAULT}/{name}" for name in names)
