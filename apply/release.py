"""Which FRR runs here, and whether vtysh is of that very release: by what both say they run."""

from __future__ import annotations

from ferrule.apply.target import Trouble
from ferrule.apply.vtysh import MEASURED
from ferrule.compiler.errors import quoted


def need_release(node: str, of_bgpd: str, of_vtysh: str) -> None:
    """Raises `Trouble` for one that is too old, and for two that differ."""
    bgpd, vtysh, oldest = _version(of_bgpd), _version(of_vtysh), MEASURED[0]
    if tuple(int(part) for part in bgpd.split(".")[:2] if part.isdigit()) < oldest:
        message = f"FRR {quoted(bgpd)} is too old: 8.4 is the oldest that is supported"
        raise Trouble("unsupported-release", node, message)
    if vtysh != bgpd:
        message = f"vtysh is that of FRR {quoted(vtysh)}, and bgpd is {quoted(bgpd)}"
        raise Trouble("unsupported-release", node, message, "use the vtysh of the same release")


def _version(config: str) -> str:
    return config.partition("frr version ")[2].partition("\n")[0].strip()
