"""What on this node stands in the way of announcing, as findings for people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ferrule.announce.election import Holdings
from ferrule.announce.responder import Responder


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it has to be."""

    code: str
    text: str
    interface: str = ""
    address: str = ""


def found(_responder: Responder, _holdings: Holdings) -> list[Finding]:
    """What there is to say now."""
    return []


def texts(findings: Iterable[Finding]) -> list[dict[str, str]]:
    """As they are reported: what does not apply is left out."""
    names = ("code", "interface", "address", "text")
    return [{name: value for name in names if (value := getattr(one, name))} for one in findings]
